"""What this site saw change, in a file of its own: `<data>/status/journal.jsonl`.

So the record exists while no database can be written to. One line for each entry, each with the hash of the line before
(chain.py), on the disk before it counts. A file has a random name of its own (`journal`), so that a site that lost its
disk and begins anew is not taken for one that repeats itself. One worker of a site holds the file; the others leave the
noting to it.
"""

import fcntl
import os
import secrets
from pathlib import Path
from typing import Final

import msgspec
import structlog

from bongsu.core import chain, limits
from bongsu.core.json import canonical
from bongsu.status.incidents import Entry

log = structlog.get_logger(__name__)

_FILE: Final = "journal.jsonl"


class Line(msgspec.Struct, frozen=True):
    """An entry in a site's journal. sequence: 1, 2, 3 …"""

    journal: str
    sequence: int
    entry: Entry


class _Stored(msgspec.Struct, frozen=True):
    line: msgspec.Raw
    hash: str


class JournalBroken(Exception):
    """The file is not what this program wrote."""


def content_of(line: Line) -> bytes:
    """What is hashed, stored and brought into the table."""
    return canonical(msgspec.to_builtins(line))


def line_of(content: bytes) -> Line:
    return msgspec.json.decode(content, type=Line)


def read(path: Path) -> list[chain.Link]:
    """All complete lines of a journal. Raises JournalBroken for a line that is none, OSError without a file."""
    links = []
    for raw in path.read_bytes().splitlines(keepends=True):
        if not raw.endswith(b"\n"):
            break  # a power cut came while it was written: it never counted
        try:
            stored = msgspec.json.decode(raw, type=_Stored)
            content = bytes(stored.line)
            links.append(chain.Link(line_of(content).sequence, content, stored.hash))
        except msgspec.MsgspecError as error:
            raise JournalBroken(f"{path}: line {len(links) + 1} cannot be read: {error}") from None
    return links


def path_in(data: Path) -> Path:
    return data / "status" / _FILE


class Journal:
    """open() takes the file if no other worker of this site has it. Nothing here waits for a database."""

    def __init__(self, data: Path) -> None:
        self._path = path_in(data)
        self._descriptor: int | None = None
        self._name = ""
        self._last = chain.Seal(0, chain.FIRST)
        self.lines: list[Line] = []  # all of this file's: a few dozen for each incident

    @property
    def is_open(self) -> bool:
        return self._descriptor is not None

    def open(self) -> bool:
        """False while another worker has it. A file that was altered is put aside and kept, and a new one begun."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        try:
            self._load(descriptor)
        except JournalBroken as error:
            log.critical("journal_altered", error=str(error))
            self._path.rename(self._path.with_name(f"altered-{secrets.token_hex(4)}.jsonl"))
            os.close(descriptor)
            return self.open()
        self._descriptor = descriptor
        return True

    def _load(self, descriptor: int) -> None:
        links = read(self._path)
        if found := chain.faults(links):
            raise JournalBroken(found[0])
        whole = sum(len(_encoded(link)) for link in links)
        if os.fstat(descriptor).st_size != whole:
            os.ftruncate(descriptor, whole)
        self.lines = [line_of(link.content) for link in links]
        self._name = self.lines[-1].journal if self.lines else secrets.token_hex(8)
        self._last = chain.Seal(links[-1].number, links[-1].hash) if links else chain.Seal(0, chain.FIRST)

    def append(self, entry: Entry) -> Line:
        """Returns when the line is on the disk. Raises OSError when it cannot be."""
        assert self._descriptor is not None, "append before open"
        line = Line(self._name, self._last.number + 1, entry)
        content = content_of(line)
        assert len(content) <= limits.INCIDENT_LINE_BYTES_MAX
        link = chain.Link(line.sequence, content, chain.digest(self._last.hash, content))
        start = os.fstat(self._descriptor).st_size
        try:
            os.write(self._descriptor, _encoded(link))
            os.fsync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, start)  # a full disk leaves halves
            raise
        self._last = chain.Seal(link.number, link.hash)
        self.lines.append(line)
        return line

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _encoded(link: chain.Link) -> bytes:
    return msgspec.json.encode(_Stored(msgspec.Raw(link.content), link.hash)) + b"\n"
