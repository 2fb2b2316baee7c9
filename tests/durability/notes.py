"""The smallest things that can be committed, and a worker that commits them: the store alone, without rooms.

A note has a position and a name, and nothing in the tables recognises one that is written twice. So what the committer
does wrong stays to be seen.
"""

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from bongsu.core.events import Event
from bongsu.store.batch import Rows, Wanted
from bongsu.store.committer import Committer, MakeBatch
from bongsu.store.database import Connection, Database
from bongsu.store.feed import Feed
from bongsu.store.rows import Revocation, Segment, StoredEvent


class Note:
    """A row of `revocations`, which is never replaced. It is written with the right to write, as most things are."""

    is_plain = False

    def __init__(self, name: str) -> None:
        self.name = name
        self.runs = 0

    def wanted(self) -> Wanted:
        return Wanted(is_plain=self.is_plain)

    async def run(self, batch: "Notes") -> int:
        self.runs += 1
        pos = batch.rows.next_pos()
        self._add(batch.rows, pos)
        return pos

    def _add(self, rows: Rows, pos: int) -> None:
        rows.add((pos,), Revocation(pos, self.name, None))


class PlainNote(Note):
    """An event, and nothing else: a worker that writes alone commits it with one statement."""

    is_plain = True

    def _add(self, rows: Rows, pos: int) -> None:
        event = Event(
            pos=pos,
            event_id=f"${pos} {self.name} {self.runs}",
            room_id="!notes",
            type="note",
            sender=self.name,
            state_key=None,
            ts_ms=0,
            depth=1,
            content_json=b"{}",
        )
        rows.events.append(StoredEvent(event, _pdu(self.name)))


def _pdu(sender: str) -> bytes:
    empty: dict[str, Any] = {"content": {}, "auth_events": [], "prev_events": [], "hashes": {}}
    return json.dumps({"type": "note", "sender": sender, "origin_server_ts": 0, "depth": 1, **empty}).encode()


class Notes:
    """A batch of notes."""

    def __init__(self, connection: Connection, pos: int, sent: dict[bytes, str], has_lock: bool) -> None:
        self.rows = Rows(pos)

    async def prepare(self, wanted: Sequence[Wanted]) -> None:
        pass

    async def decide(self, operation: Note) -> Any:
        return await operation.run(self)


class Worker:
    """A committer with its feed. shown: (position, name) of every note, in the order it was told."""

    def __init__(self, committing: Database, reading: Database, make_batch: MakeBatch = Notes) -> None:
        self.feed = Feed(reading)
        self.committer = Committer(committing, self.feed, make_batch)
        self.shown: list[tuple[int, str]] = []
        self.failed: list[str] = []
        self.feed.follow(self._see)

    def _see(self, segment: Segment) -> None:
        rows = [(row.pos, row.user_id) for row in segment.revocations]
        events = [(event.pos, event.sender) for event in segment.events]
        self.shown += sorted(rows + events)

    def has_shown(self, note: Note) -> bool:
        return any(name == note.name for _, name in self.shown)


@asynccontextmanager
async def opened(dsn: str) -> AsyncIterator[Database]:
    database = Database(dsn, connections_max=4)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def worker(dsn: str, wire_dsn: str | None = None, make_batch: MakeBatch = Notes) -> AsyncIterator[Worker]:
    """A worker whose commits go through the wire, if there is one; its reads never do."""
    async with opened(dsn) as reading, opened(wire_dsn or dsn) as committing:
        worker = Worker(committing, reading, make_batch)
        await worker.feed.start(lambda: worker.failed.append("feed"))
        worker.committer.start(lambda: worker.failed.append("committer"))
        try:
            yield worker
        finally:
            await worker.committer.stop()
            await worker.feed.stop()
        assert not worker.failed, "a part that cannot go on ends the worker"


@asynccontextmanager
async def superuser(dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A connection of the database's owner, which nobody in a test ends."""
    connection = await asyncpg.connect(dsn, user="postgres", server_settings={"application_name": "test"})
    try:
        yield connection
    finally:
        await connection.close()


_STORED = """
SELECT user_id AS name, pos FROM revocations WHERE starts_with(user_id, $1)
UNION ALL SELECT sender, pos FROM events WHERE starts_with(sender, $1) ORDER BY pos
"""


async def stored(dsn: str, prefix: str) -> dict[str, list[int]]:
    """Positions of each note whose name begins so."""
    found: dict[str, list[int]] = defaultdict(list)
    async with superuser(dsn) as connection:
        for row in await connection.fetch(_STORED, prefix):
            found[row["name"]].append(row["pos"])
    return dict(found)
