"""Bookings on the tables themselves: two workers at one offer, timers that go off meanwhile, commits that get lost."""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from bongsu.bookings import later, texts
from bongsu.bookings.ledger import HOLD, LAST, PROMOTE, REMIND, Ledger
from bongsu.bookings.lines import Lines
from bongsu.bookings.offers import Offers
from bongsu.bookings.round import Attempt
from bongsu.bookings.tickets import Tickets
from bongsu.config import Settings
from bongsu.core import limits, tickets
from bongsu.core.bookings import State
from bongsu.core.errors import Refusal
from bongsu.core.pressure import Gauge
from bongsu.core.tiers import Level
from bongsu.http.ratelimit import RateLimiter
from bongsu.main import open_worker
from bongsu.store import bookings as table
from bongsu.store.bookings import Offer
from bongsu.store.database import Connection, Database
from bongsu.store.idempotency import Key
from bongsu.store.rate_limits import RateLimits
from bongsu.store.timers import Timer, Timers
from bongsu.workflow.writes import Writes
from tests.durability.notes import superuser
from tests.durability.wire import Break, wire_to

HOUR = 3_600_000
SECONDS_MAX = 20.0


def now_ms() -> int:
    return time.time_ns() // 1_000_000


LEDGER = Ledger("@bookings:x", now_ms)


async def published(database: Database, capacity: int, **more: Any) -> Offer:
    made: dict[str, Any] = {
        "offer_id": f"o{secrets.token_hex(8)}",
        "provider": "@p:x",
        "title": "t",
        "place": "p",
        "area": secrets.token_hex(4),
        "starts_at": now_ms() + 24 * HOUR,
        "ends_at": now_ms() + 25 * HOUR,
        "opens_at": 0,
        "capacity": capacity,
        "hold_seconds": 0,
        "room_id": None,
        "made_at": now_ms(),
        **more,
    }
    offer = Offer(**made)
    await database.write(lambda connection: LEDGER.publish(connection, offer))
    return offer


def somebody() -> str:
    return f"@u{secrets.token_hex(6)}:x"


@asynccontextmanager
async def locked(dsn: str, offer: Offer) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """Nobody else gets at the offer meanwhile."""
    async with superuser(dsn) as connection, connection.transaction():
        await connection.execute("SELECT FROM booking_offers WHERE offer_id = $1 FOR UPDATE", offer.offer_id)
        yield connection


async def waiting_for_locks(connection: "asyncpg.Connection[asyncpg.Record]", count: int) -> None:
    sql = "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted"
    while await connection.fetchval(sql) < count:
        await asyncio.sleep(0.02)


async def standing(lines: Lines, count: int) -> None:
    while lines.waiting < count:
        await asyncio.sleep(0.01)


async def states(database: Database, offer: Offer) -> list[str]:
    rows = await database.fetch("SELECT state FROM bookings WHERE offer_id = $1 ORDER BY arrival", offer.offer_id)
    return [row["state"] for row in rows]


async def told(database: Database, user_id: str) -> list[str]:
    rows = await database.fetch("SELECT convert_from(content, 'utf8') AS c FROM outbox WHERE user_id = $1", user_id)
    return [row["c"] for row in rows]


async def fire(database: Database, kind: str) -> None:
    """All of this kind that are due."""
    handle = later.handlers(LEDGER)[kind]
    while await Timers(database).fire([kind], now_ms() + 60_000, handle):
        pass


async def booked(
    lines: Lines, offer: Offer, user_id: str, *, would_wait: bool = False, key: Key | None = None
) -> int | str:
    """The status, or the code of the refusal."""
    try:
        return (await lines.book(offer.offer_id, Attempt(user_id, would_wait, key))).status
    except Refusal as refusal:
        return refusal.errcode if refusal.status != 503 else refusal.status


# --- waiting for each other ---


async def test_a_place_is_confirmed_while_its_time_runs_out(dsn: str, two: tuple[Database, Database]) -> None:
    """The clock has the timer and waits for the offer; whoever confirms has the offer, and waits for no timer."""
    offer, user_id = await published(two[0], 1, hold_seconds=60), somebody()
    attempt = Attempt(user_id, would_wait=False)
    await Lines(two[0], LEDGER).book(offer.offer_id, attempt)
    runs = 0

    async def expire(connection: Connection, timer: Timer) -> None:
        nonlocal runs
        runs += 1
        await later.handlers(LEDGER)[HOLD](connection, timer)

    mine = f"{HOLD}/{attempt.booking_id}"
    await two[0].execute("UPDATE timers SET kind = $2, due_at = 0 WHERE timer_id = $1", mine, mine)
    async with asyncio.timeout(SECONDS_MAX), superuser(dsn) as admin:
        async with admin.transaction():
            await admin.execute("SELECT FROM booking_offers WHERE offer_id = $1 FOR UPDATE", offer.offer_id)
            firing = asyncio.create_task(Timers(two[1]).fire([mine], now_ms(), expire))
            async with superuser(dsn) as other:
                await waiting_for_locks(other, 1)
            assert (await LEDGER.confirm(admin, attempt.booking_id, user_id)).state == "booked"
        assert await firing
    assert runs == 1, "nobody had to be rolled back"
    assert await states(two[0], offer) == ["booked"]


async def test_a_place_is_not_confirmed_after_its_time(two: tuple[Database, Database]) -> None:
    """The clock may be late: the next one was promised the place."""
    offer, lines = await published(two[0], 1, hold_seconds=60), Lines(two[0], LEDGER)
    attempt = Attempt(somebody(), would_wait=False)
    await lines.book(offer.offer_id, attempt)
    assert await booked(lines, offer, somebody(), would_wait=True) == 202
    late = Ledger("@bookings:x", lambda: now_ms() + 61_000)
    booking = await two[0].write(lambda connection: late.confirm(connection, attempt.booking_id, attempt.user_id))
    assert booking.state == "expired"
    assert await states(two[0], offer) == ["expired", "held"]


# --- many ---


async def test_whoever_has_the_offer_takes_all_who_stand_there_by_then(
    dsn: str, two: tuple[Database, Database]
) -> None:
    """The lock goes round, and a turn leaves nobody behind who came before it: what is kept of the order of arrival."""
    offer = await published(two[0], 700)
    lines = [Lines(database, LEDGER) for database in two]
    async with asyncio.timeout(SECONDS_MAX), asyncio.TaskGroup() as group:

        def come(worker: int, count: int) -> list[Attempt]:
            made = [Attempt(somebody(), would_wait=False) for _ in range(count)]
            for attempt in made:
                group.create_task(lines[worker].book(offer.offer_id, attempt))
            return made

        async with locked(dsn, offer) as connection:
            early = come(0, 1)
            await waiting_for_locks(connection, 1)
            late = come(1, 1)
            await waiting_for_locks(connection, 2)
            early += come(0, 600)
            late += come(1, 10)
            await standing(lines[0], 601)
            await standing(lines[1], 11)
    rows = await two[0].fetch("SELECT booking_id, arrival FROM bookings WHERE offer_id = $1", offer.offer_id)
    arrivals = {row["booking_id"]: row["arrival"] for row in rows}
    assert [arrivals[each.booking_id] for each in early + late] == list(range(1, 613))
    assert await two[0].fetchval("SELECT taken FROM booking_offers WHERE offer_id = $1", offer.offer_id) == 612


async def test_a_crowd_in_line_is_no_reason_to_refuse_text(dsn: str, tmp_path: Path) -> None:
    count = limits.PRESSURE_IN_FLIGHT_MAX + 1_000
    async with open_worker(Settings(dsn=dsn, data=tmp_path, server_name="test.example"), lambda _: None) as worker:
        offer = await published(worker.database, count)
        worker.shedding.in_flight += count  # each stands in a request
        async with locked(dsn, offer), asyncio.timeout(SECONDS_MAX):
            coming = [asyncio.create_task(booked(worker.lines, offer, somebody())) for _ in range(count)]
            await standing(worker.lines, count)
            worker.pressure._look(0.0)
            signals = worker.pressure.signals()
            assert (signals.in_flight, signals.lines) == (0, count)
            gauge = Gauge()
            for step in range(50):
                gauge.step(type(signals)(in_flight=signals.in_flight, lines=signals.lines), step * 200)
            assert gauge.level < Level.TEXT
        assert set(await asyncio.gather(*coming)) == {201}
        assert worker.lines.waiting == 0


async def test_one_that_cannot_be_stored_takes_no_other_with_it(two: tuple[Database, Database]) -> None:
    """A person's id that the table refuses, in the middle of a stretch."""
    offer, lines = await published(two[0], 10), Lines(two[0], LEDGER)
    people = [somebody(), somebody(), "@nul\x00:x", somebody()]
    assert await asyncio.gather(*(booked(lines, offer, each) for each in people)) == [201, 201, 503, 201]


async def test_who_comes_late_takes_what_is_free_and_the_line_has_ended(two: tuple[Database, Database]) -> None:
    """Who waited could not come in time any more; a free place is not kept for them, and they are told."""
    offer, lines = await published(two[0], 1), Lines(two[0], LEDGER)
    holder, waiting, near = Attempt(somebody(), False), somebody(), somebody()
    await lines.book(offer.offer_id, holder)
    assert await booked(lines, offer, waiting, would_wait=True) == 202
    sql = "UPDATE booking_offers SET starts_at = $2, ends_at = $3, opens_at = $2 WHERE offer_id = $1"
    await two[0].execute(sql, offer.offer_id, now_ms() - HOUR, now_ms() + HOUR // 4)
    await cancelled(two[0], holder)
    assert await booked(lines, offer, near) == 201
    assert await booked(lines, offer, somebody(), would_wait=True) == "BONGSU_SOLD_OUT"
    assert "No place came free" in (await told(two[0], waiting))[0]


async def test_the_line_ends_by_itself(two: tuple[Database, Database]) -> None:
    offer, lines = await published(two[0], 1), Lines(two[0], LEDGER)
    people = [somebody() for _ in range(limits.BOOKING_PROMOTED_AT_ONCE_MAX + 2)]
    answers = await asyncio.gather(*(booked(lines, offer, each, would_wait=True) for each in people))
    assert Counter(answers) == {201: 1, 202: len(people) - 1}
    due_at = await two[0].fetchval("SELECT due_at FROM timers WHERE timer_id = $1", f"{LAST}/{offer.offer_id}")
    assert due_at == offer.ends_at - limits.BOOKING_PROMOTED_UNTIL_MS
    sql = "UPDATE booking_offers SET starts_at = $2, ends_at = $3 WHERE offer_id = $1"
    await two[0].execute(sql, offer.offer_id, now_ms() - HOUR, now_ms() + HOUR // 4)
    await two[0].execute("UPDATE timers SET due_at = 0 WHERE timer_id = $1", f"{LAST}/{offer.offer_id}")
    await fire(two[0], LAST)
    await fire(two[0], PROMOTE)
    assert Counter(await states(two[0], offer)) == {"booked": 1, "cancelled": len(people) - 1}


async def test_who_only_waited_has_given_nothing_back(two: tuple[Database, Database]) -> None:
    offer, lines = await published(two[0], 1), Lines(two[0], LEDGER)
    holder, user_id = Attempt(somebody(), False), somebody()
    await lines.book(offer.offer_id, holder)
    for _ in range(limits.BOOKING_GIVEN_BACK_MAX + 1):
        attempt = Attempt(user_id, would_wait=True)
        assert (await lines.book(offer.offer_id, attempt)).status == 202
        await cancelled(two[0], attempt)
    await cancelled(two[0], holder)
    assert await booked(lines, offer, user_id) == 201


async def test_a_long_list_is_exported_in_pieces(
    two: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred thousand rows at once would hold up everybody's messages."""
    monkeypatch.setattr(limits, "EXPORT_PIECE_ROWS", 2)
    monkeypatch.setattr(limits, "EXPORT_ROWS_MAX", 6)
    offer, lines = await published(two[0], 9), Lines(two[0], LEDGER)
    for count, pieces in ((5, [2, 2, 1]), (2, [2, 2, 2])):
        for _ in range(count):
            assert await booked(lines, offer, somebody()) == 201
        limiter, writes = RateLimiter(RateLimits(two[0]), now_ms), Writes(two[0], now_ms, lambda: None)
        offers = Offers(two[0], LEDGER, writes, Tickets(two[0], now_ms), limiter)
        found = [each async for each in offers._guests(offer.offer_id)]
        assert [len(each) for each in found] == pieces
        assert [row[0] for each in found for row in each] == list(range(1, sum(pieces) + 1))


# --- commits that get lost ---


@pytest.mark.parametrize("kind", [Break.BEFORE, Break.AFTER, Break.MEANWHILE])
@pytest.mark.parametrize("has_key", [False, True], ids=["without keys", "with keys"])
async def test_a_lost_commit_is_looked_up(dsn: str, two: tuple[Database, Database], kind: Break, has_key: bool) -> None:
    """Everybody gets the answer that is true, and nobody loses the place in the line."""
    offer = await published(two[0], 3)
    people = [somebody() for _ in range(5)]
    async with wire_to(dsn) as wire, asyncio.timeout(SECONDS_MAX):
        database = Database(wire.dsn, connections_max=4)
        await database.open()
        lines = Lines(database, LEDGER)
        wire.plan.append(kind)
        keys = [Key(each, f"book/{offer.offer_id}/k", b"h") if has_key else None for each in people]
        asked = zip(people, keys, strict=True)
        answers = await asyncio.gather(*(booked(lines, offer, each, key=key) for each, key in asked))
        assert not wire.plan
        await database.close()
    assert answers == [201, 201, 201, "BONGSU_SOLD_OUT", "BONGSU_SOLD_OUT"]
    rows = await two[0].fetch("SELECT user_id FROM bookings WHERE offer_id = $1 ORDER BY arrival", offer.offer_id)
    assert [row["user_id"] for row in rows] == people[:3]


# --- who waited and got nothing, or is gone ---


Come = Callable[[Lines, Offer], Awaitable[None]]


async def opened(two: tuple[Database, Database], capacity: int, come: Come) -> Offer:
    """An offer for which people came before it opened."""
    offer = await published(two[0], capacity, opens_at=now_ms() + HOUR)
    await come(Lines(two[0], LEDGER), offer)
    await two[0].execute("UPDATE timers SET due_at = 0 WHERE timer_id = $1", f"booking.open/{offer.offer_id}")
    await fire(two[0], "booking.open")
    return offer


async def test_who_came_too_early_and_got_nothing_is_told(two: tuple[Database, Database]) -> None:
    first, chose, did_not = (somebody() for _ in range(3))

    async def come(lines: Lines, offer: Offer) -> None:
        assert await booked(lines, offer, first) == 202
        assert await booked(lines, offer, did_not) == 202
        assert await booked(lines, offer, chose) == 202
        assert await booked(lines, offer, chose, would_wait=True) == 202

    offer = await opened(two, 1, come)
    assert await states(two[0], offer) == ["booked", "cancelled", "waiting"]
    [said] = await told(two[0], did_not)
    assert "No place came free" in said
    assert await told(two[0], chose) == []


async def test_thousands_who_got_nothing_are_told_in_pieces(two: tuple[Database, Database]) -> None:
    crowd = 2 * limits.BOOKING_PROMOTED_AT_ONCE_MAX + 1

    async def come(lines: Lines, offer: Offer) -> None:
        await asyncio.gather(*(booked(lines, offer, somebody()) for _ in range(crowd)))

    offer = await opened(two, 1, come)
    assert (await states(two[0], offer)).count("cancelled") == limits.BOOKING_PROMOTED_AT_ONCE_MAX
    await fire(two[0], "booking.promote")
    assert (await states(two[0], offer)).count("cancelled") == crowd - 1


async def test_a_place_goes_to_nobody_who_is_gone(two: tuple[Database, Database]) -> None:
    gone, there = somebody(), somebody()
    sql = "INSERT INTO users (user_id, deactivated_at) VALUES ($1, $2::text::timestamptz)"
    await two[0].execute_many(sql, [(gone, "2020-01-01"), (there, None)])

    async def come(lines: Lines, offer: Offer) -> None:
        for each in (gone, there):
            assert await booked(lines, offer, each, would_wait=True) == 202

    offer = await opened(two, 1, come)
    await fire(two[0], "booking.promote")
    assert await states(two[0], offer) == ["cancelled", "booked"]


async def test_what_is_called_off_or_over_ends_in_pieces(two: tuple[Database, Database]) -> None:
    crowd = limits.BOOKING_PROMOTED_AT_ONCE_MAX + 1
    for ends in ("booking.close", "booking.over"):
        offer, lines = await published(two[0], crowd), Lines(two[0], LEDGER)
        people = [somebody() for _ in range(crowd)]
        assert set(await asyncio.gather(*(booked(lines, offer, each) for each in people))) == {201}
        await _end(two[0], offer, ends)
        await fire(two[0], ends)
        assert set(await states(two[0], offer)) == {"cancelled" if ends == "booking.close" else "no_show"}
        closed = await table.offer_of(two[0], offer.offer_id)
        assert closed is not None
        assert (closed.state, closed.taken) == ("closed", 0 if ends == "booking.close" else crowd)
        said = await told(two[0], people[-1])
        assert len(said) == (2 if ends == "booking.close" else 1), "nobody was checked in, so nobody is called missing"


async def _end(database: Database, offer: Offer, ends: str) -> None:
    async def close(connection: Connection) -> None:
        there = await table.lock_offer(connection, offer.offer_id)
        assert there is not None
        await LEDGER.close(connection, there, "@p:x")

    if ends == "booking.close":
        await database.write(close)
    else:
        await database.execute("UPDATE timers SET due_at = 0 WHERE timer_id = $1", f"{ends}/{offer.offer_id}")


# --- what is told ---


async def test_a_code_is_that_of_the_offer_that_is_not_over(two: tuple[Database, Database]) -> None:
    code = secrets.token_hex(3)
    over, going_on = [await published(two[0], 1, offer_id=f"o{code}{n}{secrets.token_hex(4)}") for n in range(2)]
    assert len(await table.offers_called(two[0], somebody(), code)) == 2
    await _end(two[0], over, "booking.close")
    assert await table.offers_called(two[0], somebody(), code) == [going_on.offer_id]
    await _end(two[0], going_on, "booking.close")
    assert len(await table.offers_called(two[0], somebody(), code)) == 2


async def test_a_reminder_waits_for_nobody(dsn: str, two: tuple[Database, Database]) -> None:
    offer, user_id = await published(two[0], 1), somebody()
    attempt = Attempt(user_id, would_wait=False)
    await Lines(two[0], LEDGER).book(offer.offer_id, attempt)
    await two[0].execute("UPDATE timers SET due_at = 0 WHERE timer_id = $1", f"{REMIND}/{attempt.booking_id}")
    async with locked(dsn, offer), asyncio.timeout(SECONDS_MAX):
        await fire(two[0], REMIND)
    assert "It begins soon" in (await told(two[0], user_id))[1]


async def test_a_held_place_is_told_before_what_all_are_told(two: tuple[Database, Database]) -> None:
    offer = await published(two[0], 1)
    released = texts.post("@b:x", "@u:x", texts.RELEASED, offer)
    assert released.priority > texts.post("@b:x", "@u:x", State.HELD, offer).priority


async def test_a_hall_is_reminded_in_few_commits(two: tuple[Database, Database]) -> None:
    offer, lines = await published(two[0], 40), Lines(two[0], LEDGER)
    attempts = [Attempt(somebody(), False) for _ in range(40)]
    await asyncio.gather(*(lines.book(offer.offer_id, each) for each in attempts))
    await cancelled(two[0], attempts[0])
    own = [f"{REMIND}/{each.booking_id}" for each in attempts]
    await two[0].execute("UPDATE timers SET due_at = 0 WHERE timer_id = ANY($1)", own)
    commits = 0
    while await Timers(two[0]).fire([REMIND], now_ms(), later.handlers(LEDGER)[REMIND]):
        commits += 1
    assert commits == 1
    reminded = [any("It begins soon" in line for line in await told(two[0], each.user_id)) for each in attempts]
    assert reminded == [False] + [True] * 39


async def cancelled(database: Database, attempt: Attempt) -> None:
    await database.write(lambda connection: LEDGER.cancel(connection, attempt.booking_id, attempt.user_id))


async def test_a_key_is_known_before_it_signs_and_after(two: tuple[Database, Database]) -> None:
    offer = await published(two[0], 1)
    attempt = Attempt(somebody(), False)
    await Lines(two[0], LEDGER).book(offer.offer_id, attempt)
    booking = await table.booking(two[0], attempt.booking_id)
    assert booking is not None
    day, began = 86_400_000, now_ms()

    def on(days: int) -> Tickets:
        return Tickets(two[0], lambda: began + days * day)

    first = await on(0).issue(offer, booking)
    [known] = await on(0).public()
    made = await asyncio.gather(*(on(limits.TICKET_KEY_DAYS + 1).public() for _ in range(3)))
    assert [len(keys) for keys in made] == [2, 2, 2], "one is made, whoever sees first that it is due"
    assert all(keys[0] == known for keys in made), "the old one signs for now"
    later_on = limits.TICKET_KEY_DAYS + limits.TICKET_KEY_KNOWN_DAYS + 2
    second = await on(later_on).issue(offer, booking)
    keys = await on(later_on).public()
    assert keys[1] == known
    for text in (first, second):
        assert tickets.check(keys, text).booking_id == booking.booking_id
        found = await two[1].read(lambda connection, text=text: on(0).booking_of(connection, offer.offer_id, text))  # type: ignore[misc]
        assert found == booking.booking_id
    with pytest.raises(Refusal):
        tickets.check([known], second)
    await on(limits.TICKET_KEY_KEPT_DAYS + 1).public()
    assert known not in await on(limits.TICKET_KEY_KEPT_DAYS + 1).public()
    await two[0].execute("DELETE FROM service_keys WHERE purpose LIKE 'tickets%'")
