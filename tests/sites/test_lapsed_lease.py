"""A leader whose lease lapsed while its PostgreSQL lives: it acknowledges nothing that the next leader lacks.

Writers speak to the old leader directly, as a worker that heard nothing of a switch would. Without the fence the last
of these loses thousands of rows: docs/decisions/switching.md has the figures.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import IO

import asyncpg
import pytest

from bongsu.lab import Lab
from tests.sites.conftest import in_lab

pytestmark = in_lab
WRITERS = 4
SWITCH_SECONDS_MAX = 60.0


class Writers:
    """Commits rows one by one in one site, never cancels, and keeps what was acknowledged, and when."""

    def __init__(self, dsn: str, name: str) -> None:
        self._dsn = dsn
        self._name = name
        self.acknowledged: dict[str, float] = {}

    async def run(self, number: int) -> None:
        for count in range(10**9):
            row = f"{self._name}-{number}-{count}"
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await self._commit(row)

    async def _commit(self, row: str) -> None:
        connection = await asyncpg.connect(self._dsn)
        warnings: list[str] = []
        connection.add_log_listener(lambda _, message: warnings.append(message.sqlstate))
        try:
            await connection.execute("INSERT INTO lapsed VALUES ($1)", row)
            if "01000" not in warnings:  # the wait for a second site was cut short: not acknowledged
                self.acknowledged[row] = time.monotonic()
        finally:
            connection.terminate()


@pytest.fixture
async def writers(lab: Lab) -> AsyncIterator[Writers]:
    leader = lab.leader()
    assert leader is not None
    admin = await asyncpg.connect(lab.dsn(leader, superuser=True))
    await admin.execute("CREATE TABLE IF NOT EXISTS lapsed (row text)")
    await admin.close()
    made = Writers(lab.dsn(leader, superuser=True), f"{leader}-{time.monotonic_ns()}")
    running = [asyncio.create_task(made.run(number)) for number in range(WRITERS)]
    yield made
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def _stored(lab: Lab, site: str) -> set[str]:
    admin = await asyncpg.connect(lab.dsn(site, superuser=True))
    try:
        return {record["row"] for record in await admin.fetch("SELECT row FROM lapsed")}
    finally:
        await admin.close()


@pytest.mark.parametrize("fault", ["freeze_patroni", "cut_sites"])
async def test_an_old_leader_that_lives_acknowledges_nothing_that_the_next_one_lacks(
    lab: Lab, writers: Writers, fault: str
) -> None:
    old = lab.leader()
    assert old is not None
    await asyncio.sleep(2)
    lab.fault(fault, old)
    try:
        status = await asyncio.to_thread(lab.wait, lambda s: s.leader not in {None, old}, SWITCH_SECONDS_MAX)
        switched = time.monotonic()
        new = str(status.leader)
        await asyncio.sleep(3)
        stored = await _stored(lab, new)
        late = [row for row, at in writers.acknowledged.items() if at > switched]
    finally:
        lab.heal(old)
    await asyncio.to_thread(lab.wait_whole)
    assert len(writers.acknowledged) > 100
    assert not late, "the old leader went on"
    assert not set(writers.acknowledged) - stored
    assert not set(writers.acknowledged) - await _stored(lab, str(lab.leader()))


async def test_a_standby_that_is_stopped_in_mid_election_confirms_nothing_for_the_old_leader(
    lab: Lab, writers: Writers
) -> None:
    old = lab.leader()
    assert old is not None
    followers = [site for site in lab.sites if site != old]
    logs = {site: (lab.place(site).logs / "patroni.log").open() for site in followers}
    for log in logs.values():
        log.seek(0, 2)
    await asyncio.sleep(2)
    lab.fault("freeze_patroni", old)
    slow = await _whom_another_outruns(logs)
    lab.fault("freeze_patroni", slow)
    try:
        status = await asyncio.to_thread(lab.wait, lambda s: s.leader not in {None, old}, SWITCH_SECONDS_MAX)
        await asyncio.sleep(3)
        stored = await _stored(lab, str(status.leader))
    finally:
        lab.heal(slow)
        lab.heal(old)
    await asyncio.to_thread(lab.wait_whole)
    assert len(writers.acknowledged) > 100
    assert not set(writers.acknowledged) - stored


async def _whom_another_outruns(logs: Mapping[str, IO[str]]) -> str:
    """The follower that is not the first to stand for leader."""
    async with asyncio.timeout(SWITCH_SECONDS_MAX):
        while True:
            for site, log in logs.items():
                if "Standing for leader" in log.read():
                    return next(other for other in logs if other != site)
            await asyncio.sleep(0.01)
