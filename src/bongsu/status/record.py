"""The one incident record, in PostgreSQL: what all sites noted, in one chain.

A site's journal comes in when the database can be written to, and each line once, by (site, journal, sequence). The
site then notes how far the record went and its hash, in `<data>/status/seal.json`; the next time it looks whether that
still holds. So the record cannot be cut off or written anew without every site saying so.
"""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import structlog
from prometheus_client import Gauge

from bongsu.core import chain, limits
from bongsu.core.json import canonical
from bongsu.status.incidents import Incident, Reading, read
from bongsu.status.journal import Line, content_of
from bongsu.status.journal import read as read_journal
from bongsu.store import incidents as store
from bongsu.store.database import Database
from bongsu.store.incidents import EntryRow, Tail

log = structlog.get_logger(__name__)

ALTERED: Final = Gauge("bongsu_incident_record_altered", "1 when the incident record is not what this site noted")
_FILE: Final = "seal.json"


class Content(msgspec.Struct, frozen=True):
    """What an entry of the record hashes. incident: its number, null for none."""

    number: int
    incident: int | None
    line: Line


def seal_in(data: Path) -> chain.Seal | None:
    """What this site noted of the record. None: nothing yet."""
    with contextlib.suppress(OSError, msgspec.MsgspecError):
        return msgspec.json.decode((data / "status" / _FILE).read_bytes(), type=chain.Seal)
    return None


class Record:
    """merge() brings a site's lines in; recent() reads."""

    def __init__(self, database: Database, data: Path) -> None:
        self._database = database
        self._data = data
        self._merged: dict[str, int] = {}
        self._newest: tuple[int, str] | None = None
        self._known: tuple[tuple[int, str] | None, list[Incident]] = (None, [])
        self.is_altered = False

    def lacks(self, lines: Sequence[Line]) -> bool:
        """Is there more for merge() to do?"""
        return bool(lines) and lines[-1].sequence > self._merged.get(lines[-1].journal, 0)

    async def merge(self, lines: Sequence[Line]) -> int:
        """Adds what is not there yet, a bounded number at once. Returns how many were added; 0 when all is there."""
        if not self.lacks(lines):
            return 0
        waiting = [line for line in lines if line.sequence > self._merged.get(line.journal, 0)]
        batch = waiting[: limits.INCIDENT_LINES_AT_ONCE_MAX]

        async def add(tail: Tail) -> int:
            last = await tail.last_sequence(batch[0].entry.site, batch[0].journal)
            rows = _rows(tail.rows, [line for line in batch if line.sequence > last])
            await tail.add(rows)
            return len(rows)

        added = await store.extend(self._database, limits.INCIDENT_RECENT_MAX, add)
        self._merged[batch[-1].journal] = batch[-1].sequence
        return added

    async def recent(self) -> list[Incident]:
        """The newest incidents, oldest first, with all that look_after() saw. Entries do not change: they are read when
        there are more.
        """
        newest = self._newest
        if newest is None or newest != self._known[0]:
            rows = await store.entries(self._database, limits.INCIDENT_RECENT_MAX)
            self._known = newest, read((line_in(row).entry, row.incident) for row in rows)
        return self._known[1]

    async def look_after(self, site: str) -> None:
        """Is the record what this site noted? Then it notes how far it goes now.

        Only what the primary shows is noted, and after a commit of our own: a copy may lag, and what is seen before a
        commit may be lost with the primary.
        """
        seal = seal_in(self._data)
        newest = self._newest = await store.newest(self._database)
        if seal is not None and newest == (seal.number, seal.hash):
            return  # all that was noted is there, and no more
        await store.beat(self._database, site)
        if seal is not None and await store.hash_of(self._database, seal.number) != seal.hash:
            if self._database.has_primary and not self.is_altered:
                log.critical("incident_record_altered", noted_entry=seal.number)
                self.is_altered = True
                ALTERED.set(1)
        elif newest is not None and (seal is None or newest[0] > seal.number):
            _write(self._data / "status" / _FILE, chain.Seal(*newest))


def _write(path: Path, seal: chain.Seal) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".new")
    with beside.open("wb") as file:
        file.write(msgspec.json.encode(seal))
        os.fsync(file.fileno())
    beside.rename(path)


def _rows(known: Sequence[EntryRow], lines: Sequence[Line]) -> list[EntryRow]:
    """New rows after the known ones, each in the incident where it belongs."""
    reading = Reading()
    for row in known:
        reading.take(line_in(row).entry, row.incident)
    last = chain.Seal(known[-1].number, known[-1].hash) if known else chain.Seal(0, chain.FIRST)
    rows = []
    for line in lines:
        incident = reading.place(line.entry)
        reading.take(line.entry, incident)
        row = _row(last, incident, line)
        last = chain.Seal(row.number, row.hash)
        rows.append(row)
    return rows


def _row(last: chain.Seal, incident: int | None, line: Line) -> EntryRow:
    number = last.number + 1
    content = canonical(msgspec.to_builtins(Content(number, incident, line)))
    return EntryRow(
        number, incident, line.entry.site, line.journal, line.sequence, content, chain.digest(last.hash, content)
    )


def line_in(row: EntryRow) -> Line:
    return msgspec.json.decode(row.content, type=Content).line


# --- verifying ---


def faults(rows: Sequence[EntryRow], seals: Sequence[chain.Seal]) -> list[str]:
    """What is wrong with the record: its chain, the columns beside it, and what sites noted of it."""
    links = (chain.Link(row.number, row.content, row.hash) for row in rows)
    return [*chain.faults(links, seals), *(text for row in rows if (text := _odd_columns(row)))]


def _odd_columns(row: EntryRow) -> str | None:
    try:
        content = msgspec.json.decode(row.content, type=Content)
    except msgspec.MsgspecError:
        return f"entry {row.number} cannot be read"
    line = content.line
    said = (content.number, content.incident, line.entry.site, line.journal, line.sequence)
    is_same = said == (row.number, row.incident, row.site, row.journal, row.sequence)
    return None if is_same else f"entry {row.number} stands beside columns that say something else"


def journal_faults(path: Path, rows: Sequence[EntryRow] | None) -> list[str]:
    """What is wrong with a site's journal; with the record's rows, whether both say the same of that site."""
    links = read_journal(path)
    found = [f"{path}: {text}" for text in chain.faults(links)]
    mine = {link.number: link.content for link in links}
    for row in rows or ():
        line = line_in(row)
        content = mine.get(line.sequence)
        if content is not None and line.journal == _journal_of(content) and content != content_of(line):
            found.append(f"entry {row.number} is not what the site's journal says in line {line.sequence}")
    return found


def _journal_of(content: bytes) -> str:
    return msgspec.json.decode(content, type=Line).journal
