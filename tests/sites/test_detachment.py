"""A standby that says it follows nobody confirms nothing any more, and knows how far it ever confirmed."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import psycopg
import pytest

from bongsu.cluster.detachment import proven_position
from tests.sites.pair import Node, Pair, pair

pytestmark = pytest.mark.xdist_group("sites")
ROUNDS = 15
UNPROVEN_SECONDS = 1.0


@pytest.fixture
async def sites() -> AsyncIterator[Pair]:
    async with pair() as made:
        await made.primary.ask("CREATE TABLE written (id int)")
        yield made


def _ask(node: Node, sql: str) -> list[tuple[Any, ...]]:
    address = f"host=127.0.0.1 port={node.port} user=postgres dbname=postgres"
    with psycopg.connect(address, autocommit=True) as connection:
        return connection.execute(sql.encode()).fetchall()


async def _proven(node: Node) -> int | None:
    def query(sql: str, *, retry: bool) -> list[tuple[Any, ...]]:
        return _ask(node, sql)

    return await asyncio.to_thread(proven_position, query, UNPROVEN_SECONDS)


async def _follow(node: Node, source: str) -> None:
    quoted = source.replace("'", "''")
    await node.ask(f"ALTER SYSTEM SET primary_conninfo = '{quoted}'")
    await node.ask("SELECT pg_reload_conf()")


class Writer:
    """Commits one row after another on the primary; `acknowledged` is where the last one stands in the log."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.acknowledged = 0
        self.count = 0

    async def run(self) -> None:
        admin: asyncpg.Connection[asyncpg.Record] = await self._node.admin()
        try:
            while True:
                sql = "INSERT INTO written VALUES (1) RETURNING pg_current_wal_insert_lsn() - '0/0'"
                self.acknowledged = int(await admin.fetchval(sql))  # returns when the standby has confirmed it
                self.count += 1
        finally:
            admin.terminate()


async def test_after_the_proof_nothing_is_acknowledged_and_before_it_nothing_beyond(sites: Pair) -> None:
    source = str(await sites.standby.ask("SELECT current_setting('primary_conninfo')"))
    for _ in range(ROUNDS):
        writer = Writer(sites.primary)
        running = asyncio.create_task(writer.run())
        while writer.count < 20:
            await asyncio.sleep(0.01)
        await _follow(sites.standby, "")
        position = await _proven(sites.standby)
        acknowledged = writer.count
        assert position is not None
        await asyncio.sleep(0.5)  # longer than a receiver takes to come back
        assert writer.count <= acknowledged + 1, "a commit was confirmed after the proof"  # one may be on its way here
        assert writer.acknowledged <= position
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await _follow(sites.standby, source)
        while not await sites.primary.ask("SELECT count(*) = 1 FROM pg_stat_replication"):
            await asyncio.sleep(0.05)


async def test_who_still_follows_cannot_prove_the_contrary(sites: Pair) -> None:
    assert await _proven(sites.standby) is None


async def test_who_has_not_replayed_all_of_its_log_does_not_know_its_position(sites: Pair) -> None:
    await sites.standby.ask("SELECT pg_wal_replay_pause()")
    await sites.primary.ask("INSERT INTO written VALUES (2)")
    await _follow(sites.standby, "")
    assert await _proven(sites.standby) is None
    await sites.standby.ask("SELECT pg_wal_replay_resume()")
    assert await _proven(sites.standby) is not None


async def test_a_primary_is_no_voter(sites: Pair) -> None:
    assert await _proven(sites.primary) is None
