"""What services share, on the tables themselves: each thing happens once, whoever does it and however often."""

import asyncio
import secrets
import time
from pathlib import Path

import asyncpg
import pytest

from bongsu.config import Settings
from bongsu.core import creation, limits, versions
from bongsu.core.errors import Refusal
from bongsu.core.events import MESSAGE, Draft
from bongsu.core.json import JsonObject
from bongsu.core.tiers import Level
from bongsu.main import open_worker
from bongsu.rooms.batch import RoomBatch
from bongsu.rooms.creation import CreateRoom
from bongsu.rooms.personal import EndTyping, SetTyping
from bongsu.store import audit, idempotency, notices, outbox, personal, statistics, timers
from bongsu.store.database import Connection, Database
from bongsu.store.feed import Feed
from bongsu.store.idempotency import Answer, Key
from bongsu.store.outbox import Outbox, Post
from bongsu.store.timers import Failed, Timer, Timers
from bongsu.workflow.clock import Clock
from bongsu.workflow.due import Due
from bongsu.workflow.one_clock import OneClock
from bongsu.workflow.rounds import go_on
from bongsu.workflow.together import Together

TIMERS = 60
NOW = 1_000_000
MINUTES = 300_000  # that a clock is wrong


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def said(sender: str, body: str) -> Post:
    return Post(sender=sender, room_id="!r:x", content={"msgtype": "m.text", "body": body})


async def bodies(database: Database, sender: str) -> list[str]:
    rows = await database.fetch("SELECT convert_from(content, 'utf8') AS c FROM outbox WHERE sender = $1", sender)
    return [row["c"] for row in rows]


async def test_timers_go_off_once(two: tuple[Database, Database]) -> None:
    kind = f"test-{secrets.token_hex(4)}"
    wanted = [Timer(f"{kind}/{number}", kind, NOW + number, {"number": number}) for number in range(TIMERS)]
    await two[0].write(lambda connection: timers.put(connection, [*wanted, Timer(f"{kind}/later", kind, NOW * 2)]))

    async def handle(connection: Connection, timer: Timer) -> None:
        await outbox.put(connection, [said(kind, str(timer.payload["number"]))])

    async def work(database: Database) -> int:
        clock, done = Timers(database), 0
        while await clock.due([kind], NOW + TIMERS):
            done += await clock.fire([kind], NOW + TIMERS, handle)
        return done

    done = await asyncio.gather(*(work(database) for database in two for _ in range(2)))
    assert sum(done) == TIMERS
    found = await bodies(two[0], kind)
    assert len(found) == len(set(found)) == TIMERS


async def test_a_site_whose_clock_is_wrong_is_neither_early_nor_late(two: tuple[Database, Database]) -> None:
    kind, minute = f"test-{secrets.token_hex(4)}", 60_000
    fast, slow = OneClock(two[0], lambda: now_ms() + MINUTES), OneClock(two[1], lambda: now_ms() - MINUTES)
    wanted = [Timer(f"{kind}/{at}", kind, now_ms() + at) for at in (-minute, minute)]
    await two[0].write(lambda connection: timers.put(connection, wanted))
    for clock in (fast, slow):
        await clock.look()
        assert await Timers(two[0]).due([kind], clock.now_ms()) == [kind]
    await two[0].execute("DELETE FROM timers WHERE timer_id = $1", wanted[0].timer_id)
    assert await Timers(two[0]).due([kind], fast.now_ms()) == []


async def test_a_timer_that_fails_changes_nothing_and_comes_again(two: tuple[Database, Database]) -> None:
    kind = f"test-{secrets.token_hex(4)}"
    await two[0].write(lambda connection: timers.put(connection, [Timer(kind, kind, NOW)]))

    async def fail(connection: Connection, _: Timer) -> None:
        await outbox.put(connection, [said(kind, "never")])
        raise RuntimeError("no")

    clock = Timers(two[0])
    with pytest.raises(Failed):
        await clock.fire([kind], NOW, fail)
    assert await bodies(two[0], kind) == []
    assert not await clock.due([kind], NOW)
    assert await clock.due([kind], NOW + limits.TIMER_RETRY_MS_MAX)
    await two[0].write(lambda connection: timers.drop(connection, [kind]))
    assert not await clock.due([kind], NOW * 2)


@pytest.mark.parametrize("error", [TimeoutError, OSError, KeyError, asyncpg.InterfaceError])
async def test_a_handler_that_fails_in_any_way_holds_up_no_other(
    two: tuple[Database, Database], error: type[Exception]
) -> None:
    kind = f"test-{secrets.token_hex(4)}"
    wanted = [Timer(f"{kind}/{number}", kind, NOW + number, {"number": number}) for number in range(2)]
    await two[0].write(lambda connection: timers.put(connection, wanted))

    async def handle(_: Connection, timer: Timer) -> None:
        if timer.payload["number"] == 0:
            raise error("no")

    clock, pauses = Timers(two[0]), []
    for _ in range(2):
        with pytest.raises(Failed):
            await clock.fire([kind], NOW, handle)
        due_at = await two[0].fetchval("SELECT due_at FROM timers WHERE timer_id = $1", f"{kind}/0")
        pauses.append(due_at - NOW)
        await two[0].execute("UPDATE timers SET due_at = $2 WHERE timer_id = $1", f"{kind}/0", NOW)
    assert pauses[1] == 2 * pauses[0] > 0
    with pytest.raises(Failed):
        await clock.fire([kind], NOW + 1, handle)
    assert await clock.fire([kind], NOW + 1, handle)


async def test_a_timer_that_always_loses_its_connection_holds_up_no_other(two: tuple[Database, Database]) -> None:
    kind = f"test-{secrets.token_hex(4)}"
    await two[0].write(lambda connection: timers.put(connection, [Timer(f"{kind}/{n}", kind, NOW + n) for n in (0, 1)]))

    async def end_itself(connection: Connection, timer: Timer) -> None:
        if timer.timer_id == f"{kind}/0":
            await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    clock = Timers(two[0])
    with pytest.raises(Refusal):
        await clock.fire([kind], NOW + 1, end_itself)
    assert await clock.fire([kind], NOW + 1, end_itself)


async def test_who_takes_a_timer_back_does_not_wait_while_it_goes_off(two: tuple[Database, Database]) -> None:
    kind = f"test-{secrets.token_hex(4)}"
    await two[0].write(lambda connection: timers.put(connection, [Timer(kind, kind, NOW)]))
    taken, dropped = asyncio.Event(), asyncio.Event()
    runs = 0

    async def handle(_: Connection, __: Timer) -> None:
        nonlocal runs
        runs += 1
        taken.set()
        await dropped.wait()

    async def drop() -> None:
        await taken.wait()
        await two[1].write(lambda connection: timers.drop(connection, [kind]))
        dropped.set()

    done, _ = await asyncio.gather(Timers(two[0]).fire([kind], NOW, handle), drop())
    assert (done, runs) == (True, 1)
    assert not await Timers(two[0]).due([kind], NOW)


async def test_every_kind_of_timer_takes_its_turn(two: tuple[Database, Database]) -> None:
    kinds = [f"test-{secrets.token_hex(4)}" for _ in range(2)]
    wanted = [Timer(f"{kinds[0]}/{number}", kinds[0], NOW) for number in range(20)]
    wanted.append(Timer(kinds[1], kinds[1], NOW + 1))
    await two[0].write(lambda connection: timers.put(connection, wanted))
    fired: list[str] = []
    ended = asyncio.Event()

    async def handle(_: Connection, timer: Timer) -> None:
        fired.append(timer.kind)
        if len(fired) == len(wanted):
            ended.set()

    clock = Clock(two[0], dict.fromkeys(kinds, handle), lambda: NOW + 1, lambda: None)
    running = asyncio.create_task(clock.run())
    await ended.wait()
    running.cancel()
    assert fired.index(kinds[1]) <= 1


async def test_who_waits_for_each_other_is_run_again(two: tuple[Database, Database]) -> None:
    rows = [f"test-{secrets.token_hex(4)}/{number}" for number in range(2)]
    await two[0].write(lambda connection: timers.put(connection, [Timer(row, row, NOW) for row in rows]))
    both, runs = asyncio.Barrier(2), 0

    async def change(database: Database, order: list[str]) -> None:
        async def work(connection: Connection) -> None:
            nonlocal runs
            runs += 1
            change = "UPDATE timers SET tries = tries + 1 WHERE timer_id = $1"
            await connection.execute(change, order[0])
            if runs <= 2:
                await both.wait()
            await connection.execute(change, order[1])

        await database.write(work)

    await asyncio.gather(change(two[0], rows), change(two[1], rows[::-1]))
    found = await two[0].fetch("SELECT tries FROM timers WHERE timer_id = ANY($1)", rows)
    assert [row["tries"] for row in found] == [2, 2]
    assert runs == 3


async def test_one_person_is_told_in_order_and_what_is_urgent_first(two: tuple[Database, Database]) -> None:
    sender = f"@s{secrets.token_hex(4)}:x"
    content = {"msgtype": "m.text", "body": "x"}

    def to(user_id: str, priority: int = outbox.URGENT) -> Post:
        return Post(sender=sender, user_id=user_id, content=content, priority=priority)

    posts = [to("@late:x", outbox.ANNOUNCED), to("@a:x"), to("@a:x"), to("@late:x"), to("@b:x", outbox.ANNOUNCED)]
    await two[0].write(lambda connection: connection.execute("DELETE FROM outbox"))
    await two[0].write(lambda connection: outbox.put(connection, posts))
    rows = await two[0].fetch("SELECT outbox_id FROM outbox ORDER BY outbox_id")
    ids = [row["outbox_id"] for row in rows]
    [(first, _)] = await Outbox(two[0]).claim(1)
    assert first == ids[1]
    assert {outbox_id for outbox_id, _ in await Outbox(two[1]).claim(10)} == {ids[0], ids[3], ids[4]}
    assert await Outbox(two[1]).claim(10) == []
    await Outbox(two[0]).remove(ids[1])
    assert {outbox_id for outbox_id, _ in await Outbox(two[1]).claim(10)} == {ids[2]}
    await two[0].execute("DELETE FROM outbox WHERE sender = $1", sender)


async def test_a_key_is_answered_once(two: tuple[Database, Database]) -> None:
    user = f"@{secrets.token_hex(4)}:x"
    key, other = Key(user, "k", b"same"), Key(user, "k", b"other")

    async def work(connection: Connection) -> Answer:
        await outbox.put(connection, [said(user, "once")])
        return Answer(201, {"made": secrets.token_hex(4)})

    async def ask(database: Database, key: Key, now_ms: int = NOW) -> Answer:
        return await database.write(lambda connection: idempotency.once(connection, key, now_ms, work))

    answers = await asyncio.gather(*(ask(database, key) for database in two for _ in range(3)))
    assert len({answer.body["made"] for answer in answers}) == 1
    assert len(await bodies(two[0], user)) == 1
    with pytest.raises(Refusal, match="BONGSU_IDEMPOTENCY_KEY_REUSED"):
        await ask(two[0], other)
    later = await ask(two[1], other, NOW + limits.IDEMPOTENCY_KEPT_MS + 1)
    assert later != answers[0]


async def test_the_audit_shows_what_was_altered(
    two: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "_LINKS_AT_ONCE", 4)  # entry 5 is the first of its piece
    subject = f"offer/{secrets.token_hex(4)}"

    async def add(database: Database, number: int) -> None:
        deeds = [audit.Deed("@a:x", "booked", {"number": number}), audit.Deed("", "told")]
        await database.write(lambda connection: audit.add(connection, subject, deeds, NOW))

    await asyncio.gather(*(add(two[number % 2], number) for number in range(8)))
    assert await audit.faults(two[0], subject) == []
    found = await audit.entries(two[0], subject, 2, 100)
    assert [entry.number for entry in found] == list(range(3, 17))
    with pytest.raises(Exception, match="never changed"):
        await two[0].execute("DELETE FROM audit_entries WHERE subject = $1", subject)

    async def alter(connection: Connection) -> None:
        await connection.execute("ALTER TABLE audit_entries DISABLE TRIGGER audit_entries_stay")
        await connection.execute("DELETE FROM audit_entries WHERE subject = $1 AND number = 5", subject)
        await connection.execute("ALTER TABLE audit_entries ENABLE TRIGGER audit_entries_stay")

    await two[0].write(alter)
    assert await audit.faults(two[0], subject) == ["entry 5 is missing: the next one there is 6"]


async def test_rows_and_events_are_kept_together_or_not_at_all(dsn: str, tmp_path: Path) -> None:
    user = f"@t{secrets.token_hex(4)}:test.example"
    settings = Settings(dsn=dsn, data=tmp_path, server_name="test.example")
    async with open_worker(settings, lambda _: None) as worker:
        await worker.database.write(lambda connection: notices.put_speaker(connection, user, "T"))
        version = versions.version(versions.DEFAULT)
        room_id = await worker.committer.submit(CreateRoom(user, version, creation.Options(), None))

        def saying(body: str, refusal: Refusal | None) -> Together:
            async def work(batch: RoomBatch) -> None:
                await audit.add(batch.connection, room_id, [audit.Deed(user, body)], NOW)
                draft = Draft(type=MESSAGE, sender=user, content={"msgtype": "m.text", "body": body})
                await batch.append(await batch.room(room_id), draft)
                if refusal is not None:
                    raise refusal

            return Together(work, (room_id,))

        no = Refusal(409, "BONGSU_NO", "no")
        operations = (saying("one", None), saying("two", no), saying("three", None))
        done = await asyncio.gather(*(worker.committer.submit(each) for each in operations), return_exceptions=True)
        assert done == [None, no, None]
        found = await audit.entries(worker.database, room_id, 0, 10)
        assert [entry.deed.action for entry in found] == ["one", "three"]
        sql = "SELECT count(*) FROM events WHERE room_id = $1 AND type = $2"
        assert await worker.database.fetchval(sql, room_id, MESSAGE) == 2


async def test_only_who_must_act_is_called_while_messages_come_first(dsn: str, tmp_path: Path) -> None:
    settings = Settings(dsn=dsn, data=tmp_path, server_name="test.example", shedding=False)
    async with open_worker(settings, lambda _: None) as worker:
        worker.shedding.level = int(Level.SERVICES)
        sender, caller = f"@s{secrets.token_hex(4)}:x", f"@c{secrets.token_hex(4)}:x"
        content: JsonObject = {"msgtype": "m.text", "body": "x"}
        nobody = Post(sender=sender, user_id="@nobody:test.example", content=content)
        called = Post(sender=caller, user_id="@nobody:test.example", content=content, priority=outbox.CALLING)
        await worker.database.write(lambda connection: outbox.put(connection, [nobody, called]))
        worker.poster.hurry()
        tries = "SELECT tries FROM outbox WHERE sender = $1"
        async with asyncio.timeout(20):
            while await worker.database.fetchval(tries, caller) is not None:  # it can never be posted, and goes
                await asyncio.sleep(0.1)
        await asyncio.sleep(3 * limits.DUE_LOOK_SECONDS)
        assert await worker.database.fetchval(tries, sender) == 0
        worker.shedding.level = int(Level.CALM)
        async with asyncio.timeout(20):
            while await worker.database.fetchval(tries, sender) is not None:
                await asyncio.sleep(0.1)


async def test_a_row_that_cannot_be_read_is_tried_ever_less_often(dsn: str, tmp_path: Path) -> None:
    async with open_worker(Settings(dsn=dsn, data=tmp_path, server_name="test.example"), lambda _: None) as worker:
        sender = f"@s{secrets.token_hex(4)}:x"
        sql = "INSERT INTO outbox (sender, user_id, type, content) VALUES ($1, '@x:x', 'm', '{') RETURNING outbox_id"
        outbox_id = await worker.database.fetchval(sql, sender)
        wait = "SELECT extract(epoch FROM due_at - now())::float8 FROM outbox WHERE outbox_id = $1 AND tries = 1"
        async with asyncio.timeout(limits.OUTBOX_CLAIM_SECONDS):
            while not 0 < (await worker.database.fetchval(wait, outbox_id) or 0) <= limits.OUTBOX_RETRY_SECONDS_MIN:
                await asyncio.sleep(0.05)
        await worker.database.execute("DELETE FROM outbox WHERE outbox_id = $1", outbox_id)


async def test_a_service_speaks_in_nobodys_name(two: tuple[Database, Database]) -> None:
    """Somebody had the name before the service came."""
    user = f"@t{secrets.token_hex(4)}:x"
    await two[0].execute("INSERT INTO users (user_id, password_hash) VALUES ($1, 'x')", user)
    with pytest.raises(Refusal, match="M_USER_IN_USE"):
        await two[0].write(lambda connection: notices.put_speaker(connection, user, "T"))
    await two[0].execute("UPDATE users SET password_hash = NULL WHERE user_id = $1", user)
    await two[0].write(lambda connection: notices.put_speaker(connection, user, "T"))


async def test_typing_that_somebody_ended_or_began_anew_is_not_ended_again(dsn: str, tmp_path: Path) -> None:
    async with open_worker(Settings(dsn=dsn, data=tmp_path, server_name="test.example"), lambda _: None) as worker:
        user = f"@t{secrets.token_hex(4)}:test.example"
        await worker.database.write(lambda connection: notices.put_speaker(connection, user, "T"))
        version = versions.version(versions.DEFAULT)
        room_id = await worker.committer.submit(CreateRoom(user, version, creation.Options(), None))

        async def ends() -> int:
            before = worker.feed.pos
            await worker.committer.submit(EndTyping(room_id, user))
            return worker.feed.pos - before

        await worker.committer.submit(SetTyping(room_id, user, now_ms() + MINUTES))
        assert await ends() == 0
        await worker.committer.submit(SetTyping(room_id, user, 0))
        assert await ends() == 0
        typing = "SELECT until_ms FROM typing WHERE room_id = $1"
        await worker.committer.submit(SetTyping(room_id, user, now_ms() - 1))
        async with asyncio.timeout(20):
            while await worker.database.fetchval(typing, room_id):
                await asyncio.sleep(0.05)


async def test_work_that_a_fault_ended_is_begun_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ROUND_SECONDS", 0.0)
    begun: list[int] = []

    async def work() -> None:
        begun.append(len(begun))
        if len(begun) < 3:
            raise RuntimeError("no")

    await go_on(work)
    assert begun == [0, 1, 2]


async def test_a_plan_made_for_a_small_table_ends_when_the_table_has_grown(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL's own look, which comes every minute, is kept away from this table."""
    monkeypatch.setattr(limits, "STATISTICS_LOOK_SECONDS", 0.1)
    async with open_worker(Settings(dsn=dsn, data=tmp_path, server_name="test.example"), lambda _: None) as worker:
        connection = await worker.database.connect()
        await connection.execute(
            "CREATE TABLE grown (key text PRIMARY KEY) WITH (autovacuum_enabled = off);"
            "INSERT INTO grown VALUES ('first'); ANALYZE grown;"
            "PREPARE looked_up (text[]) AS SELECT key FROM grown WHERE key = ANY($1);"
        )

        async def plan() -> str:
            return "".join(row[0] for row in await connection.fetch("EXPLAIN EXECUTE looked_up ('{x}')"))

        try:
            assert "Index" not in await plan(), "the trap is set"
            await connection.execute("INSERT INTO grown SELECT md5(n::text) FROM generate_series(1, 20000) n")
            async with asyncio.timeout(40):
                while "Index" not in await plan():
                    await asyncio.sleep(0.05)
                while "grown" in [row["name"] for row in await connection.fetch(statistics.GROWN)]:
                    await asyncio.sleep(0.05)
        finally:
            await connection.execute("DROP TABLE grown")
            await connection.close()


async def test_a_worker_that_is_alone_tells_nobody_until_another_comes(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who comes says so: nobody has to look. That somebody went is seen by looking."""

    async def until(feed: Feed, *, others_listen: bool) -> None:
        async with asyncio.timeout(30):
            while feed.others_listen != others_listen:
                await asyncio.sleep(0.05)

    settings = Settings(dsn=dsn, data=tmp_path, server_name="test.example")
    async with open_worker(settings, lambda _: None) as worker:
        await until(worker.feed, others_listen=False)
        monkeypatch.setattr("bongsu.store.feed._LISTENERS_EVERY_SECONDS", 3_600.0)
        async with open_worker(settings, lambda _: None) as other:
            await until(worker.feed, others_listen=True)
            assert other.feed.others_listen
        monkeypatch.setattr("bongsu.store.feed._LISTENERS_EVERY_SECONDS", 0.0)
        await until(worker.feed, others_listen=False)


async def test_what_is_due_wakes_who_does_it_and_nobody_else(dsn: str) -> None:
    database, woken = Database(dsn), list[str]()
    await database.open()
    hurries = {
        "SELECT 1 WHERE $1 >= 5::bigint": lambda: woken.append("due"),
        "SELECT 1 WHERE $1 < 5::bigint": lambda: woken.append("not any more"),
    }
    looking = asyncio.create_task(Due(database, Feed(database), OneClock(database, now_ms), hurries).run())
    async with asyncio.timeout(20):
        while len(woken) < 2:  # again and again, as long as it is due
            await asyncio.sleep(0.05)
    looking.cancel()
    assert set(woken) == {"due"}
    await database.close()


async def test_a_look_at_what_is_due_reads_little_however_much_is_not(dsn: str) -> None:
    """Also by a plan that was made for any time: it is asked every second."""
    connection = await asyncpg.connect(dsn)
    await connection.execute("SET plan_cache_mode = force_generic_plan; BEGIN")
    for fill in (
        f"INSERT INTO timers (timer_id, kind, due_at, payload) SELECT n, 'x', n * {NOW}::bigint, '' FROM {{rows}}",
        "INSERT INTO typing (pos, room_id, user_id, until_ms) SELECT n, n::text, '@a:x', n % 2 FROM {rows}",
    ):
        await connection.execute(fill.format(rows="generate_series(1, 20000) n"))
    await connection.execute("ANALYZE timers, typing")
    for number, due in enumerate((timers.DUE, personal.TYPING_DUE)):
        await connection.execute(f"PREPARE due{number} (bigint) AS SELECT EXISTS ({due})")
        plan = [row[0] for row in await connection.fetch(f"EXPLAIN EXECUTE due{number} ({NOW})")]
        assert not [line for line in plan if "Seq Scan" in line]
        for at_ms, is_due in ((0, False), (NOW, True)):
            assert await connection.fetchval(f"EXECUTE due{number} ({at_ms})") is is_due
    await connection.execute("ROLLBACK")
    await connection.close()


async def test_who_asks_what_is_due_goes_on_when_its_session_is_ended(two: tuple[Database, Database]) -> None:
    looks: list[int] = []
    due = Due(two[0], Feed(two[0]), OneClock(two[0], now_ms), {"SELECT 1": lambda: looks.append(len(looks))})
    looking = asyncio.create_task(due.run())
    mine = "usename = current_user AND query LIKE '%clock_timestamp%' AND pid <> pg_backend_pid()"
    async with asyncio.timeout(30):
        for _ in range(3):
            before = len(looks)
            while len(looks) <= before:
                await asyncio.sleep(0.05)
            assert await two[1].fetchval(f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {mine}")
    looking.cancel()
    await asyncio.wait([looking])


async def test_who_asks_what_is_due_puts_the_clock_right(two: tuple[Database, Database]) -> None:
    clock = OneClock(two[0], lambda: now_ms() + MINUTES)
    looking = asyncio.create_task(Due(two[0], Feed(two[0]), clock, {}).run())
    async with asyncio.timeout(20):
        while abs(clock.now_ms() - now_ms()) > MINUTES / 2:
            await asyncio.sleep(0.05)
    looking.cancel()


@pytest.mark.parametrize("looks", ["the feed", "who asks what is due"])
async def test_what_nobody_tells_of_is_shown_all_the_same(
    dsn: str, monkeypatch: pytest.MonkeyPatch, looks: str
) -> None:
    database = Database(dsn)
    await database.open()
    if looks == "the feed":
        monkeypatch.setattr("bongsu.store.feed.Feed.saw", lambda *_: None)
    else:
        monkeypatch.setattr("bongsu.store.feed._LOOK_EVERY_SECONDS", 3_600.0)
    feed = Feed(database)
    await feed.start(lambda: None)
    looking = asyncio.create_task(Due(database, feed, OneClock(database, now_ms), {}).run())
    await asyncio.sleep(0.5)  # the feed's first look is over
    before = feed.pos
    await database.execute("UPDATE stream SET pos = pos + 1")
    async with asyncio.timeout(20):
        while feed.pos <= before:
            await asyncio.sleep(0.05)
    looking.cancel()
    await feed.stop()
    await database.close()
