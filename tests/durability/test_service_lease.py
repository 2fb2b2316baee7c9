"""One worker at a time tells an application service; what a holder of before still writes is refused."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from bongsu.core import limits
from bongsu.core.services import Service
from bongsu.http.service_calls import ServiceCalls
from bongsu.http.services import Services
from bongsu.matrix.service_tellings import ServiceTellings
from bongsu.store.accounts import Accounts
from bongsu.store.database import Database
from bongsu.store.feed import Feed
from bongsu.store.services import Lease, LeaseLost, Tellings

LAPSE = "UPDATE services SET lease_until = now() - interval '1 s'"


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    database = Database(dsn)
    await database.open()
    await database.execute("INSERT INTO services (service_id, registration, told_pos) VALUES ('s', '', 7)")
    yield database
    await database.execute("DELETE FROM services")
    await database.close()


class Unreadable(Services):
    """What is registered cannot be read the first time, then there is nothing. asked: how often."""

    asked = 0

    async def current(self) -> tuple[Service, ...]:
        self.asked += 1
        if self.asked == 1:
            raise asyncpg.UndefinedTableError("a fault of the database")
        return ()


async def test_a_fault_ends_nobodys_telling(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SERVICE_LOOK_SECONDS", 0.01)
    services = Unreadable(database, Accounts(database), "x", lambda: 0)
    tellings = ServiceTellings(database, Feed(database), services, ServiceCalls(), lambda: 0, lambda: 0.0)
    tellings.start()
    async with asyncio.timeout(20):
        while services.asked < 3:
            await asyncio.sleep(0.01)
    await tellings.stop()


async def held(tellings: Tellings) -> Lease:
    lease = await tellings.claim("s")
    assert lease is not None
    return lease


async def test_a_lease_is_one_workers_until_it_lapses_or_is_given_back(database: Database) -> None:
    tellings = Tellings(database)
    first = await held(tellings)
    assert (first.told_pos, first.pending) == (7, None)
    assert await tellings.claim("s") is None
    await tellings.renew(first)
    await tellings.give_back(first)
    second = await held(tellings)
    assert second.fence > first.fence
    await database.execute(LAPSE)
    assert (await held(tellings)).fence > second.fence
    assert await tellings.claim("nobody") is None


async def test_who_lost_the_lease_changes_nothing(database: Database) -> None:
    tellings = Tellings(database)
    old = await held(tellings)
    made = await tellings.make(old, 9, b"the first")
    await database.execute(LAPSE)
    new = await held(tellings)
    assert new.pending is not None
    assert (new.pending.txn_id, new.pending.to, new.pending.body) == (made.txn_id, 9, b"the first")
    for change in (
        tellings.renew(old),
        tellings.give_back(old),
        tellings.make(old, 11, b"another"),
        tellings.answered(old),
        tellings.passed(old, 11),
        tellings.failed(old, 1.0),
    ):
        with pytest.raises(LeaseLost):
            await change
    with pytest.raises(LeaseLost):
        await tellings.due_in(old)
    row = await database.fetchrow("SELECT told_pos, txn_id, txn_body FROM services")
    assert row is not None
    assert tuple(row.values()) == (7, made.txn_id, b"the first")
    await tellings.answered(new)
    assert (await tellings.make(new, 12, b"the second")).txn_id == made.txn_id + 1


async def test_a_failed_transaction_waits_until_the_service_is_heard_of(database: Database) -> None:
    tellings = Tellings(database)
    lease = await held(tellings)
    await tellings.make(lease, 9, b"x")
    assert await tellings.due_in(lease) <= 0
    await tellings.failed(lease, 100.0)
    assert await tellings.due_in(lease) > 90
    await tellings.try_now("s")
    assert await tellings.due_in(lease) <= 0
    await tellings.give_back(lease)
    again = (await held(tellings)).pending
    assert again is not None
    assert (again.body, again.tries) == (b"x", 1)
