"""Long cables: between each site and the bridge, frames take time, and some are lost.

Where the kernel has netem it does that. Elsewhere this program is the cable, only in laboratories that ask for it,
because it takes a processor's time for every frame:

    python -m bongsu.lab.wire FOLDER

Each site's eth0 and its port of the bridge are then two ends (TAP devices) in this program's hands. A frame waits half
of the delay on the way from its site to the bridge, and half on the way from the bridge to the other site. How long
the cables are stands in FOLDER/wires.json, which may change at any time.
"""

import collections
import fcntl
import os
import random
import select
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import msgspec

from bongsu.lab import inside
from bongsu.lab.description import Description, read

FILE: Final = "wires.json"
DEVICE: Final = "eth0"
READY_SECONDS_MAX: Final = 10.0
FRAMES_MAX: Final = 10_000  # on one cable, one way; more are dropped, as a switch would
LOOK_SECONDS: Final = 0.1  # how soon a change of length is noticed

_TUNSETIFF: Final = 0x400454CA
_TAP, _NO_INFO = 0x0002, 0x1000
_FRAME_BYTES_MAX: Final = 65_536


class Length(msgspec.Struct, frozen=True):
    """Of the cable of one site: what is added between it and any other, one way, and how many of a hundred are lost."""

    delay_ms: float = 0.0
    loss_percent: float = 0.0


def wished(lab: Description) -> Length:
    """As the laboratory was put up."""
    return Length(lab.wishes.delay_ms or 0.0, lab.wishes.loss_percent or 0.0)


class WireFailed(Exception):
    """Cables cannot be made longer; the message says why and what to do."""


def lengths(folder: Path) -> dict[str, Length]:
    return msgspec.json.decode((folder / FILE).read_bytes(), type=dict[str, Length])


def set_length(folder: Path, site: str, length: Length) -> None:
    told = lengths(folder) if (folder / FILE).exists() else {}
    unfinished = folder / f"{FILE}.new"
    unfinished.write_bytes(msgspec.json.encode({**told, site: length}))
    unfinished.rename(folder / FILE)


# --- netem ---


def has_netem() -> bool:
    """Asked of the loopback device inside a namespace of its own, so that nothing of this machine is touched."""
    tried = ["unshare", "--net", "tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"]
    try:
        return subprocess.run(tried, capture_output=True, check=False).returncode == 0  # noqa: S603
    except FileNotFoundError:
        return False


def netem(device: str, length: Length, *, namespace: str | None = None) -> list[str]:
    """The command that makes a device slow in what it sends."""
    where = ["-n", namespace] if namespace else []
    what = ["netem", "delay", f"{length.delay_ms / 2}ms", "loss", f"{_each_way(length.loss_percent)}%"]
    return ["tc", *where, "qdisc", "replace", "dev", device, "root", *what, "limit", str(FRAMES_MAX)]


def _each_way(loss_percent: float) -> float:
    """Frames cross two cables; half of the loss is lost on each, as long as it is small."""
    return loss_percent / 2


# --- the cable ---


class _Way:
    """One direction of one cable."""

    def __init__(self, source: int, target: int, site: str) -> None:
        self.source = source
        self.site = site
        self._target = target
        self._under_way: collections.deque[tuple[float, bytes]] = collections.deque()

    def take(self, length: Length) -> None:
        """What has come in at one end. A frame is due in the order in which it came."""
        due = time.monotonic() + length.delay_ms / 2000
        loss = _each_way(length.loss_percent) / 100
        while True:
            try:
                frame = os.read(self.source, _FRAME_BYTES_MAX)
            except BlockingIOError:
                return
            if len(self._under_way) < FRAMES_MAX and (not loss or random.random() >= loss):  # noqa: S311
                self._under_way.append((due, frame))

    def give(self, now: float) -> float | None:
        """Sends what is due; when the next one is."""
        while self._under_way:
            due, frame = self._under_way[0]
            if due > now:
                return due
            self._under_way.popleft()
            try:
                os.write(self._target, frame)
            except OSError:  # the far end is down, or its queue is full: lost, as on a cable
                continue
        return None


def _end(name: str) -> int:
    """A TAP device in the network where this process stands now."""
    end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.ioctl(end, _TUNSETIFF, struct.pack("16sH14x", name.encode(), _TAP | _NO_INFO))
    return end


def _ways(lab: Description) -> list[_Way]:
    """Makes both ends of every cable."""
    ways: list[_Way] = []
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    for site in lab.cluster.sites:
        outer = _end(f"{lab.name}.{lab.index(site.name)}")
        inside.enter_network(f"/run/netns/{lab.namespace(site.name)}")
        inner = _end(DEVICE)
        inside.enter_network(f"/proc/self/fd/{home}")
        ways += [_Way(inner, outer, site.name), _Way(outer, inner, site.name)]
    return ways


def carry(lab: Description) -> None:
    """For ever."""
    folder = Path(lab.folder)
    by_end = {way.source: way for way in _ways(lab)}
    ends = select.epoll()
    for end in by_end:
        ends.register(end, select.EPOLLIN)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    told, changed_ns, wait = lengths(folder), 0, LOOK_SECONDS
    while True:
        for end, _ in ends.poll(wait):
            by_end[end].take(told.get(by_end[end].site, Length()))
        now = time.monotonic()
        due = [time_due for way in by_end.values() if (time_due := way.give(now)) is not None]
        wait = max(0.0, min([LOOK_SECONDS, *(one - now for one in due)]))
        if (found_ns := (folder / FILE).stat().st_mtime_ns) != changed_ns:
            told, changed_ns = lengths(folder), found_ns


def start(lab: Description, environment: dict[str, str], group: str | None) -> None:
    """Returns when both ends of every cable are there."""
    with (Path(lab.folder) / "wire.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "bongsu.lab.wire", lab.folder, group or ""],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment,
            start_new_session=True,
        )
    assert process.stdout is not None
    if process.stdout.readline() != b"ready\n":
        raise WireFailed(f"the program that carries frames between sites did not start; {lab.folder}/wire.log says why")
    process.stdout.close()


def main() -> None:
    folder, group = sys.argv[1:]
    if group:
        (Path(group) / "cgroup.procs").write_text(str(os.getpid()))
    carry(read(Path(folder)))


if __name__ == "__main__":
    main()
