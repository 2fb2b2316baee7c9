"""A small disk for each site, so that it can be full: a file with a file system of its own, mounted in its folder.

Only on request, and as root. PostgreSQL's data and the photos stand on it; etcd has a disk of its own, as it should.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from typing import Final

from bongsu.lab.description import Description, Place

SMALLEST_MB: Final = 512  # a new database takes 40 MB, its log up to 256 MB, and a copy must fit beside what is removed
_FILLER: Final = "filler"


class DiskFailed(Exception):
    """The machine, or this laboratory, has no small disks; the message says why and what to do."""


class Disks:
    def __init__(self, lab: Description) -> None:
        self._lab = lab

    def up(self) -> None:
        """A folder; a disk of its own in it where that was asked for."""
        size_mb = self._lab.wishes.disk_mb
        for site in self._lab.cluster.sites:
            place = self._lab.place(site.name)
            place.disk.mkdir(exist_ok=True, mode=0o700)
            if size_mb:
                _mount(place, size_mb)

    def down(self) -> None:
        for site in self._lab.cluster.sites:
            place = self._lab.place(site.name)
            if os.path.ismount(place.disk):
                _run(["umount", "--lazy", str(place.disk)])

    def fill(self, site: str) -> None:
        """Not one more byte can be written."""
        place = self._lab.place(site)
        if not os.path.ismount(place.disk):
            raise DiskFailed(
                "the sites have no small disks: as root, `bongsu lab up --fresh --disk-mb 1024` makes them"
            )
        with (place.disk / _FILLER).open("ab") as filler:
            piece = shutil.disk_usage(place.disk).free
            while piece > 0:
                try:
                    os.posix_fallocate(filler.fileno(), filler.seek(0, os.SEEK_END), piece)
                except OSError:
                    piece //= 2

    def empty(self, site: str) -> None:
        (self._lab.place(site).disk / _FILLER).unlink(missing_ok=True)


def check(size_mb: int) -> None:
    """Raises DiskFailed when disks of this size cannot be made."""
    if size_mb and os.geteuid() != 0:
        raise DiskFailed("--disk-mb needs root: it mounts a small file system for each site")
    if size_mb and size_mb < SMALLEST_MB:
        raise DiskFailed(f"--disk-mb must be at least {SMALLEST_MB}: a site's database and its log need as much")


def _mount(place: Place, size_mb: int) -> None:
    image = place.folder / "disk.image"
    if os.path.ismount(place.disk):
        return
    if not image.exists():
        image.touch(mode=0o600)
        os.truncate(image, size_mb * 1024 * 1024)
        _run(["mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1", str(image)])
    _run(["mount", "-o", "loop,noatime", str(image), str(place.disk)])


def _run(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except FileNotFoundError:
        raise DiskFailed(f"{command[0]} is missing on this machine") from None
    if done.returncode != 0:
        raise DiskFailed(f"{' '.join(command)}: {done.stderr.strip()}")
