"""What services share, on the tables themselves: each thing happens once, whoever does it and however often."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bongsu.config import Settings
from bongsu.core import creation, limits, versions
from bongsu.core.errors import Refusal
from bongsu.core.events import MESSAGE, Draft
from bongsu.main import open_worker
from bongsu.rooms.batch import RoomBatch
from bongsu.rooms.creation import CreateRoom
from bongsu.store import audit, idempotency, notices, outbox, timers
from bongsu.store.database import Connection, Database
from bongsu.store.idempotency import Answer, Key
from bongsu.store.outbox import Post
from bongsu.store.timers import Failed, Timer, Timers
from bongsu.workflow.together import Together

TIMERS = 60
NOW = 1_000_000


@pytest.fixture
async def two(dsn: str) -> AsyncIterator[tuple[Database, Database]]:
    """Two workers' views of one database."""
    both = (Database(dsn, connections_max=4), Database(dsn, connections_max=4))
    for database in both:
        await database.open()
    yield both
    for database in both:
        await database.close()


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
        while await clock.next_due([kind], NOW + TIMERS):
            done += await clock.fire([kind], NOW + TIMERS, handle)
        return done

    done = await asyncio.gather(*(work(database) for database in two for _ in range(2)))
    assert sum(done) == TIMERS
    found = await bodies(two[0], kind)
    assert len(found) == len(set(found)) == TIMERS


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
    assert not await clock.next_due([kind], NOW)
    assert await clock.next_due([kind], NOW + limits.TIMER_RETRY_MS_MAX)
    await two[0].write(lambda connection: timers.drop(connection, [kind]))
    assert not await clock.next_due([kind], NOW * 2)


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


async def test_the_audit_shows_what_was_altered(two: tuple[Database, Database]) -> None:
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
    assert await audit.faults(two[0], subject)


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
