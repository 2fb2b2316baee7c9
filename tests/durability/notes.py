"""The smallest thing that can be committed, and a worker that commits it: the store alone, without rooms.

A note is a row of `revocations`: it has a position, is never replaced, and nothing recognises a note that is written
twice. So what the committer does wrong stays to be seen.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from bongsu.store.batch import Rows, Wanted
from bongsu.store.committer import Committer
from bongsu.store.database import Connection, Database
from bongsu.store.feed import Feed
from bongsu.store.rows import Revocation, Segment


class Note:
    """An operation: writes one row and gives its position. `sql` is run in the same transaction before."""

    def __init__(self, name: str, sql: str | None = None) -> None:
        self.name = name
        self.runs = 0
        self._sql = sql

    def wanted(self) -> Wanted:
        return Wanted()

    async def run(self, batch: "Notes") -> int:
        self.runs += 1
        if self._sql is not None:
            await batch.connection.execute(self._sql)
        pos = batch.rows.next_pos()
        batch.rows.add((pos,), Revocation(pos, self.name, None))
        return pos


class Notes:
    """A batch of notes."""

    def __init__(self, connection: Connection, pos: int, sent: dict[bytes, str]) -> None:
        self.rows = Rows(pos)
        self.connection = connection

    async def prepare(self, wanted: Sequence[Wanted]) -> None:
        pass

    async def decide(self, operation: Note) -> Any:
        return await operation.run(self)


class Worker:
    """A committer with its feed. shown: (position, name) of every note, in the order it was told."""

    def __init__(self, committing: Database, reading: Database) -> None:
        self.feed = Feed(reading)
        self.committer = Committer(committing, self.feed, Notes)
        self.shown: list[tuple[int, str]] = []
        self.feed.follow(self._see)

    def _see(self, segment: Segment) -> None:
        self.shown += [(row.pos, row.user_id) for row in segment.revocations]


@asynccontextmanager
async def opened(dsn: str) -> AsyncIterator[Database]:
    database = Database(dsn, connections_max=4)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def worker(dsn: str, wire_dsn: str | None = None) -> AsyncIterator[Worker]:
    """A worker whose commits go through the wire, if there is one; its reads never do."""
    async with opened(dsn) as reading, opened(wire_dsn or dsn) as committing:
        worker = Worker(committing, reading)
        await worker.feed.start()
        worker.committer.start()
        try:
            yield worker
        finally:
            await worker.committer.stop()
            await worker.feed.stop()


@asynccontextmanager
async def superuser(dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A connection of the database's owner, which nobody in a test ends."""
    connection = await asyncpg.connect(dsn, user="postgres", server_settings={"application_name": "test"})
    try:
        yield connection
    finally:
        await connection.close()


async def stored(dsn: str, prefix: str) -> dict[str, list[int]]:
    """Positions of each note whose name begins so."""
    found: dict[str, list[int]] = defaultdict(list)
    async with superuser(dsn) as connection:
        for row in await connection.fetch(
            "SELECT user_id, pos FROM revocations WHERE starts_with(user_id, $1) ORDER BY pos", prefix
        ):
            found[row["user_id"]].append(row["pos"])
    return dict(found)
