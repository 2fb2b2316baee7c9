"""The incident record's rows: added one after the other, and read."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from bongsu.store.database import Connection, Database

_LOCK: Final = 0x626F6E68  # whoever holds it adds entries: the next one needs the hash of the last


_BEAT: Final = (
    "INSERT INTO site_beats (site, seen_at) VALUES ($1, now()) ON CONFLICT (site) DO UPDATE SET seen_at = now()"
    " RETURNING (SELECT pos FROM stream)"
)


class EntryRow(msgspec.Struct, frozen=True):
    """A row of incident_entries."""

    number: int
    incident: int | None
    site: str
    journal: str
    sequence: int
    content: bytes
    hash: str


class Tail:
    """The record's newest entries, held still: nobody else adds any before the transaction ends."""

    def __init__(self, connection: Connection, rows: Sequence[EntryRow]) -> None:
        self.rows = rows
        self._connection = connection

    async def last_sequence(self, site: str, journal: str) -> int:
        """What of this journal is there already; 0 for nothing."""
        found = await self._connection.fetchval(
            "SELECT max(sequence) FROM incident_entries WHERE site = $1 AND journal = $2", site, journal
        )
        return found or 0

    async def add(self, rows: Sequence[EntryRow]) -> None:
        await self._connection.executemany(
            "INSERT INTO incident_entries (number, incident, site, journal, sequence, content, hash)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7)",
            [msgspec.structs.astuple(row) for row in rows],
        )


async def extend(database: Database, recent: int, work: Callable[[Tail], Awaitable[int]]) -> int:
    """Runs `work` with the newest `recent` entries and the right to add, and commits. Returns what it returns."""

    async def run(connection: Connection) -> int:
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        rows = await connection.fetch("SELECT * FROM incident_entries ORDER BY number DESC LIMIT $1", recent)
        return await work(Tail(connection, [EntryRow(*row) for row in reversed(rows)]))

    return await database.write(run)


async def entries(database: Database, recent: int | None = None) -> list[EntryRow]:
    """The newest entries (None: all), oldest first."""
    rows = await database.fetch("SELECT * FROM incident_entries ORDER BY number DESC LIMIT $1", recent)
    return [EntryRow(*row) for row in reversed(rows)]


async def newest(database: Database) -> tuple[int, str] | None:
    """Number and hash of the last entry; None when there is none."""
    row = await database.fetchrow("SELECT number, hash FROM incident_entries ORDER BY number DESC LIMIT 1")
    return None if row is None else (row["number"], row["hash"])


async def hash_of(database: Database, number: int) -> str | None:
    found: str | None = await database.fetchval("SELECT hash FROM incident_entries WHERE number = $1", number)
    return found


async def beat(database: Database, site: str) -> int:
    """A commit of this site: it returns when the row is on as many disks as every write must be. As position()."""
    found: int = await database.write_at_once(lambda connection: connection.fetchval(_BEAT, site))
    return found


async def position(database: Database) -> int:
    """The newest position that the database shows: does it answer, and has this worker fallen behind?"""
    found: int = await database.fetchval("SELECT pos FROM stream")
    return found
