"""The second place, a folder:

    base/<id>/        a copy of the database's files      base/<id>.json   what it is (Base)
    wal/              its log, in PostgreSQL's own files   blobs/ab/cd/…    photos and files, under their SHA-256

What is unfinished has another name, so that what can be seen is whole.
"""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from bongsu.backup.problem import BackupFailed

_UNFINISHED: Final = ".unfinished"


class Base(msgspec.Struct, frozen=True, kw_only=True):
    """One copy of the database. parent: the copy that an incremental one builds on. Times are UTC.

    position_min and position_max: what the stream had reached before and after; a restored copy alone is within.
    """

    id: str
    parent: str | None
    started_at: datetime
    finished_at: datetime
    position_min: int
    position_max: int
    bytes: int
    timeline: int
    start_lsn: str
    system_id: str

    @property
    def start_segment(self) -> str:
        """The last 16 digits of the name of the first log file that a restore needs (16 MB files)."""
        high, low = (int(part, 16) for part in self.start_lsn.split("/"))
        return f"{high:08X}{low >> 24:08X}"


class Place:
    """A second place. open() makes its folders and refuses one that is not there, as an unmounted disk is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.base = self.folder / "base"
        self.wal = self.folder / "wal"
        self.blobs = self.folder / "blobs"

    def open(self) -> None:
        if not self.folder.is_dir():
            raise BackupFailed(f"the backup place {self.folder} is not there; is its disk mounted?")
        for folder in (self.base, self.wal, self.blobs):
            folder.mkdir(mode=0o700, exist_ok=True)

    def bases(self) -> list[Base]:
        """Oldest first."""
        found = [msgspec.json.decode(path.read_bytes(), type=Base) for path in self.base.glob("*.json")]
        return sorted(found, key=lambda base: base.id)

    def chain(self, base: Base) -> list[Base]:
        """The full copy and what was added to it, up to this one: what a restore needs."""
        known = {one.id: one for one in self.bases()}
        chain = [base]
        while (parent := chain[0].parent) is not None:
            if parent not in known:
                raise BackupFailed(f"{base.id} builds on {parent}, which is not in {self.base}")
            chain.insert(0, known[parent])
        return chain

    def files(self, base: Base) -> Path:
        return self.base / base.id

    def unfinished(self, name: str) -> Path:
        """Where a new copy grows. What an interrupted one left is removed."""
        for left in self.base.glob(f"*{_UNFINISHED}"):
            shutil.rmtree(left)
        return self.base / (name + _UNFINISHED)

    def keep(self, files: Path, base: Base) -> None:
        """Gives a finished copy its name. The description comes last: a copy without one does not count."""
        files.rename(self.files(base))
        write_whole(self.base / f"{base.id}.json", msgspec.json.format(msgspec.json.encode(base)))

    def remove(self, base: Base) -> None:
        (self.base / f"{base.id}.json").unlink()
        shutil.rmtree(self.files(base))

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Copies are made and removed one at a time."""
        with (self.folder / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BackupFailed(f"another backup is at work in {self.folder}") from None
            yield


def write_whole(path: Path, content: bytes) -> None:
    """The whole file or the one before it, whatever happens meanwhile."""
    unfinished = path.with_name(path.name + _UNFINISHED)
    with unfinished.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
