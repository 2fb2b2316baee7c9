"""What processes cost, from Linux: CPU seconds, proportional memory, and the whole machine's busy time."""

import os
import time
from pathlib import Path

import msgspec

TICKS = os.sysconf("SC_CLK_TCK")
KIB = 1024
_CPU_CLOCK = 2  # the kernel's CPUCLOCK_SCHED: what the scheduler counted, all threads together


class Usage(msgspec.Struct, frozen=True):
    """CPU seconds used so far by the two halves of a server and by the whole machine, at a monotonic time."""

    at: float
    server: float
    postgres: float
    machine: float

    def __sub__(self, earlier: "Usage") -> "Usage":
        return Usage(
            self.at - earlier.at,
            self.server - earlier.server,
            self.postgres - earlier.postgres,
            self.machine - earlier.machine,
        )


def _stat(pid: int) -> list[str]:
    """Fields of /proc/<pid>/stat from the third (state) on; the second may hold spaces."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def tree(root: int) -> list[int]:
    """The process and all below it."""
    parents: dict[int, list[int]] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                parents.setdefault(int(_stat(int(entry.name))[1]), []).append(int(entry.name))
            except (FileNotFoundError, ProcessLookupError):
                continue  # ended while we looked
    found = [root]
    for pid in found:
        found += parents.get(pid, [])
    return found


def cpu_seconds(root: int) -> float:
    """User and system time of the process, of all below it, and of those below it that have ended.

    To the nanosecond; only of those that have ended /proc tells no more than hundredths of a second.
    """
    seconds = 0.0
    for pid in tree(root):
        try:
            ended_ticks = sum(int(field) for field in _stat(pid)[13:15])
            seconds += time.clock_gettime(_clock(pid)) + ended_ticks / TICKS
        except OSError:
            continue  # its time is in its parent's now
    return seconds


def _clock(pid: int) -> int:
    """The CPU clock of another process (clock_getcpuclockid(3), which Python does not offer)."""
    return (~pid << 3) | _CPU_CLOCK


def memory_bytes(root: int) -> int:
    """Proportional set size: pages that several processes share are counted once."""
    total = 0
    for pid in tree(root):
        try:
            total += _pss(pid)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total


def _pss(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * KIB
    return 0


def machine_busy_seconds() -> float:
    """CPU seconds that anything on this machine used: user, nice, system, irq, softirq."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    return (fields[0] + fields[1] + fields[2] + fields[5] + fields[6]) / TICKS


def usage(server_pid: int, postgres_pid: int) -> Usage:
    return Usage(time.monotonic(), cpu_seconds(server_pid), cpu_seconds(postgres_pid), machine_busy_seconds())


def machine_cores() -> int:
    return os.cpu_count() or 1
