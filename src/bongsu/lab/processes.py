"""All processes of one site, whoever started them: counted, killed, frozen and thawed together.

Root has a control group for each site, where the kernel does it in one step. Elsewhere every process of a site carries
a mark in its environment; a process that has lost it (PostgreSQL writes its titles over it) is found by its parent.
"""

import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

MARK: Final = "SITE_OF_BONGSU_LAB"
GONE_SECONDS_MAX: Final = 10.0  # until the kernel has ended processes that were killed


class Processes(Protocol):
    group: str | None  # of a control group, its folder

    def make(self) -> None: ...

    def pids(self) -> list[int]: ...

    def kill(self) -> None:
        """Returns when none is left. Raises TimeoutError."""

    def freeze(self) -> None: ...

    def thaw(self) -> None: ...

    def remove(self) -> None: ...


def of_site(name: str, mark: str) -> Processes:
    """name: of its control group; mark: the value of MARK."""
    root = _groups()
    return Group(root / name) if root is not None else Marked(mark)


def groups(name: str) -> list[Processes]:
    """The control groups of one laboratory, as far as there are any."""
    root = _groups()
    return [] if root is None else [Group(folder) for folder in root.glob(f"{name}.*") if folder.is_dir()]


def _groups() -> Path | None:
    """Where control groups (version 2) can be made."""
    if os.geteuid() != 0:
        return None
    mounts = (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
    root = next((Path(mount[1]) for mount in mounts if mount[2] == "cgroup2"), None)
    return root if root is not None and _can_kill(root) else None


def _can_kill(root: Path) -> bool:
    """Tried in a group of its own name: sites start at the same moment, and each tries."""
    try:
        trial = Path(tempfile.mkdtemp(prefix="bongsu-trial-", dir=root))
        try:
            return (trial / "cgroup.kill").exists()
        finally:
            trial.rmdir()
    except OSError:
        return False


class Group:
    """A control group."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.group: str | None = str(folder)

    def make(self) -> None:
        self._folder.mkdir(exist_ok=True)

    def pids(self) -> list[int]:
        try:
            return [int(line) for line in (self._folder / "cgroup.procs").read_text().split()]
        except FileNotFoundError:
            return []

    def kill(self) -> None:
        until = time.monotonic() + GONE_SECONDS_MAX
        while self.pids():
            self._tell("cgroup.kill", "1")
            _check_time(until)
        self.thaw()

    def freeze(self) -> None:
        self._tell("cgroup.freeze", "1")

    def thaw(self) -> None:
        """Also those that were stopped one by one."""
        self._tell("cgroup.freeze", "0")
        _signal(self.pids(), signal.SIGCONT)

    def remove(self) -> None:
        until = time.monotonic() + GONE_SECONDS_MAX
        while self._folder.exists():
            with suppress(OSError):  # a process that has ended may be counted for a moment longer
                self._folder.rmdir()
            _check_time(until)

    def _tell(self, name: str, text: str) -> None:
        if self._folder.exists():
            (self._folder / name).write_text(text)


class Marked:
    """Processes with a mark in their environment, and all that descend from them."""

    def __init__(self, mark: str) -> None:
        self._mark = f"{MARK}={mark}".encode()
        self.group: str | None = None

    def make(self) -> None:
        pass

    def pids(self) -> list[int]:
        parents = dict(_parents())
        found = {pid for pid in parents if self._is_marked(pid)}
        grew = True
        while grew:
            children = {pid for pid, parent in parents.items() if parent in found} - found
            found |= children
            grew = bool(children)
        return sorted(found - {os.getpid()})

    def kill(self) -> None:
        """All are stopped first: one that saw another die might still acknowledge something."""
        until = time.monotonic() + GONE_SECONDS_MAX
        while pids := self.pids():
            _signal(pids, signal.SIGSTOP)
            _signal(self.pids(), signal.SIGKILL)
            _check_time(until)

    def freeze(self) -> None:
        stopped: set[int] = set()
        while new := set(self.pids()) - stopped:  # until nobody is left who could start another
            _signal(new, signal.SIGSTOP)
            stopped |= new

    def thaw(self) -> None:
        _signal(self.pids(), signal.SIGCONT)

    def remove(self) -> None:
        pass

    def _is_marked(self, pid: int) -> bool:
        try:
            return self._mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            return False


def _check_time(until: float) -> None:
    if time.monotonic() > until:
        raise TimeoutError("processes that were killed are still there")
    time.sleep(0.005)


def _signal(pids: "set[int] | list[int]", number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _parents() -> Iterator[tuple[int, int]]:
    """(process, its parent) of all that live; those that have ended and wait to be counted are left out."""
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        with suppress(OSError, IndexError):
            state, parent = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[:2]
            if state not in "ZX":
                yield int(entry), int(parent)


def named(pids: list[int], name: str) -> list[int]:
    """Those whose program has this name (the kernel keeps 15 characters)."""
    found = []
    for pid in pids:
        with suppress(OSError):
            if Path(f"/proc/{pid}/comm").read_text().strip() == name[:15]:
                found.append(pid)
    return found


def saying(pids: list[int], text: str) -> list[int]:
    """Those whose command line has this text in it."""
    found = []
    for pid in pids:
        with suppress(OSError):
            if text.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" "):
                found.append(pid)
    return found
