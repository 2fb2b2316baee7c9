"""What PostgreSQL knows of tables is looked at when enough was written."""

import asyncio

import pytest

from bongsu.core import limits
from bongsu.store.database import Database
from bongsu.store.feed import Feed
from bongsu.store.statistics import Statistics


class Counted(Statistics):
    looks = 0

    async def look(self) -> None:
        self.looks += 1


async def test_a_few_messages_are_no_reason_to_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "STATISTICS_LOOK_SECONDS", 0.001)
    monkeypatch.setattr(limits, "STATISTICS_QUIET_LOOKS", 1_000_000)
    database = Database("postgresql://nobody@nowhere/none")
    feed = Feed(database)
    statistics = Counted(database, feed)
    running = asyncio.create_task(statistics.run())
    await asyncio.sleep(0.01)
    feed.pos = limits.STATISTICS_MUCH - 1
    await asyncio.sleep(0.05)
    assert statistics.looks == 1
    feed.pos = limits.STATISTICS_MUCH
    async with asyncio.timeout(20):
        while statistics.looks < 2:
            await asyncio.sleep(0.01)
    running.cancel()
