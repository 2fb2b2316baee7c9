"""A broadcast over two workers, one of which dies in the middle: each follower gets it once, in one room."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import asyncpg
import msgspec
import pytest

from bongsu.config import Settings
from bongsu.core import limits
from bongsu.core.channels import Agreed, State
from bongsu.core.tiers import Level
from bongsu.main import open_worker
from bongsu.rooms.membership import Leave
from bongsu.store import broadcasts, notices
from bongsu.store import channels as table
from bongsu.store.broadcasts import Outcome
from bongsu.store.database import Connection, Database
from tests.api.talking import Json, Talker, sign_up
from tests.server import SERVER_NAME, Server
from tests.waiting import until

BASE = "/_bongsu/v1/channels"
PEOPLE = 3 * limits.BROADCAST_SLICE + 7
SECONDS_MAX = 60.0


@pytest.fixture
async def owner(workers: list[Server]) -> AsyncIterator[Talker]:
    """Speaks with the second worker, which lives."""
    async with aiohttp.ClientSession(workers[1].base_url, timeout=aiohttp.ClientTimeout(60)) as session:
        yield await sign_up(session, "owner")


async def make(owner: Talker) -> str:
    status, answer = await owner.ask("POST", BASE, {"name": f"책방 {secrets.token_hex(4)}"})
    assert status == 201, answer
    return str(answer["channel_id"])


async def gather(database: asyncpg.Connection, channel_id: str, count: int) -> list[str]:
    """Followers, made in the tables: how they came to follow is not what is tested."""
    people = [f"@f{number:04}-{secrets.token_hex(3)}:{SERVER_NAME}" for number in range(count)]
    await database.executemany("INSERT INTO users (user_id) VALUES ($1)", [(each,) for each in people])
    rows = [(channel_id, each) for each in people]
    await database.executemany("INSERT INTO channel_followers VALUES ($1, $2, 1)", rows)
    return people


_SAID = """
SELECT count(*) AS messages, count(DISTINCT e.room_id) AS rooms, count(DISTINCT m.user_id) AS people FROM events e
JOIN members m ON m.room_id = e.room_id AND m.user_id <> e.sender AND m.membership = 'join'
WHERE e.sender = $1 AND e.type = 'm.room.message' AND convert_from(e.pdu, 'utf8') LIKE '%' || $2 || '%'
"""


async def said(database: asyncpg.Connection, account: str, body: str) -> Json:
    """How many messages, in how many rooms, with how many people."""
    return dict((await database.fetch(_SAID, account, body))[0])


async def test_each_follower_gets_it_once_when_a_worker_dies(
    workers: list[Server], owner: Talker, database: asyncpg.Connection
) -> None:
    channel_id = await make(owner)
    account = (await owner.get(f"{BASE}/{channel_id}"))["account"]
    await gather(database, channel_id, PEOPLE)
    first = await send(owner, channel_id, "첫 소식")  # for which rooms are made
    await until(lambda: said(database, account, "첫 소식"), lambda found: found["messages"] > PEOPLE // 5, SECONDS_MAX)
    workers[0].kill()
    await database.execute("UPDATE channel_broadcasts SET next_at = now()")  # as if its lease had ended
    await everybody_has(owner, database, account, first, "첫 소식")
    await everybody_has(owner, database, account, await send(owner, channel_id, "둘째 소식"), "둘째 소식")


async def everybody_has(owner: Talker, database: asyncpg.Connection, account: str, broadcast: str, body: str) -> None:
    ended = await until(lambda: owner.get(broadcast), lambda found: found["state"] == "done", SECONDS_MAX)
    assert [ended[key] for key in ("audience", "sent", "refused", "left")] == [PEOPLE, PEOPLE, 0, 0]
    assert await said(database, account, body) == {"messages": PEOPLE, "rooms": PEOPLE, "people": PEOPLE}
    delivered = "SELECT count(*) FROM channel_deliveries WHERE broadcast_id = $1"
    assert await database.fetchval(delivered, broadcast.rsplit("/", 1)[1]) == PEOPLE


async def send(owner: Talker, channel_id: str, body: str) -> str:
    """The path of a new broadcast."""
    path = f"{BASE}/{channel_id}/broadcasts"
    status, answer = await owner.ask("POST", path, {"body": body, "advertising": False})
    assert status == 201, answer
    return f"{path}/{answer['broadcast_id']}"


async def test_what_is_cancelled_ends_with_the_slice_under_way(owner: Talker, database: asyncpg.Connection) -> None:
    channel_id = await make(owner)
    account = (await owner.get(f"{BASE}/{channel_id}"))["account"]
    await gather(database, channel_id, 4 * limits.BROADCAST_SLICE)
    broadcast = await send(owner, channel_id, "그만둘 소식")
    await until(lambda: owner.get(broadcast), lambda found: found["sent"] > 0, SECONDS_MAX)
    stopped = await owner.post(f"{broadcast}/cancel")
    under_way = "SELECT slice_to IS NOT NULL FROM channel_broadcasts WHERE broadcast_id = $1"
    broadcast_id = broadcast.rsplit("/", 1)[1]
    await until(lambda: database.fetchval(under_way, broadcast_id), lambda there: not there, SECONDS_MAX)
    ended = await owner.get(broadcast)
    assert ended["state"] == "cancelled"
    assert stopped["sent"] <= ended["sent"] <= stopped["sent"] + limits.BROADCAST_SLICE < ended["audience"]
    assert (await said(database, account, "그만둘 소식"))["messages"] == ended["sent"]


# --- on the tables themselves ---


async def test_two_workers_that_have_one_slice_count_it_once(two: tuple[Database, Database]) -> None:
    broadcast_id, people = await _prepared(two[0], 3)
    pieces = [await two[0].write(lambda c: broadcasts.claim(c, 10))]
    assert await two[1].write(lambda c: broadcasts.claim(c, 10)) is None, "it is leased"
    await two[0].execute("UPDATE channel_broadcasts SET next_at = now() WHERE broadcast_id = $1", broadcast_id)
    pieces.append(await two[1].write(lambda c: broadcasts.claim(c, 10)))
    assert [[each.user_id for each in piece.recipients] for piece in pieces if piece] == [people, people]
    outcome = Outcome({}, people[:1], dict.fromkeys(people[1:], 50))

    async def finish(number: int) -> bool:
        piece = pieces[number]
        assert piece is not None
        return await two[number].write(lambda c: broadcasts.finish(c, piece, outcome))

    assert [await finish(1), await finish(0)] == [True, False]
    stored = await broadcasts.one(two[0], broadcast_id)
    assert stored is not None
    assert (stored.audience, stored.refused, stored.state.value) == (3, 1, "running")
    assert await two[0].write(lambda c: broadcasts.claim(c, 20)) is None, "who is held is not due"
    await two[0].execute("UPDATE channel_broadcasts SET next_at = now() WHERE broadcast_id = $1", broadcast_id)
    held = await two[0].write(lambda c: broadcasts.claim(c, 50))
    assert held is not None
    assert [each.user_id for each in held.recipients] == people[1:]
    for _ in range(2):  # the second time there is nothing left to be counted
        await two[1].write(lambda c: broadcasts.finish(c, held, Outcome({}, people[1:], {})))
    assert await two[0].write(lambda c: broadcasts.claim(c, 60)) is None
    stored = await broadcasts.one(two[0], broadcast_id)
    assert stored is not None
    assert (stored.refused, stored.state.value, stored.ended_ts) == (3, "done", 60)


async def test_messages_come_first(dsn: str, tmp_path: Path) -> None:
    settings = Settings(dsn=dsn, data=tmp_path, server_name=SERVER_NAME, shedding=False)
    async with open_worker(settings, lambda _: None) as worker:
        worker.shedding.level = int(Level.SERVICES)
        broadcast_id, people = await _prepared(worker.database, 3)
        worker.broadcasting.hurry()
        await asyncio.sleep(3 * limits.DUE_LOOK_SECONDS)
        waiting = await broadcasts.one(worker.database, broadcast_id)
        assert waiting is not None
        assert (waiting.state, waiting.sent) == (State.RUNNING, 0)
        worker.shedding.level = int(Level.CALM)

        async def sent() -> int:
            found = await broadcasts.one(worker.database, broadcast_id)
            return found.sent if found is not None else 0

        await until(sent, lambda count: count == len(people), SECONDS_MAX)


async def test_one_that_was_cancelled_after_its_worker_died_reaches_nobody_more(dsn: str, tmp_path: Path) -> None:
    """Half of the slice had got it; they are counted when another worker comes upon the slice."""
    settings = Settings(dsn=dsn, data=tmp_path, server_name=SERVER_NAME, shedding=False)
    async with open_worker(settings, lambda _: None) as worker:
        worker.shedding.level = int(Level.SERVICES)
        broadcast_id, _ = await _prepared(worker.database, 4)
        piece = await worker.database.write(lambda c: broadcasts.claim(c, 10))
        assert piece is not None
        half = msgspec.structs.replace(piece, recipients=piece.recipients[:2])
        assert len((await worker.broadcasting._send(half)).sent) == 2
        await worker.database.write(lambda c: broadcasts.end(c, broadcast_id, State.CANCELLED, 20))
        leased = "UPDATE channel_broadcasts SET next_at = now() WHERE broadcast_id = $1"
        await worker.database.execute(leased, broadcast_id)
        worker.shedding.level = int(Level.CALM)
        left = "SELECT slice_to FROM channel_broadcasts WHERE broadcast_id = $1"
        await until(lambda: worker.database.fetchval(left, broadcast_id), lambda to: to is None, SECONDS_MAX)
        ended = await broadcasts.one(worker.database, broadcast_id)
        assert ended is not None
        assert (ended.state, ended.sent) == (State.CANCELLED, 2)
        messages = "SELECT count(*) FROM events WHERE sender = $1 AND type = 'm.room.message'"
        assert await worker.database.fetchval(messages, piece.account) == 2


async def test_who_sends_the_channel_out_before_its_slice_is_said_again_gets_it_once(dsn: str, tmp_path: Path) -> None:
    settings = Settings(dsn=dsn, data=tmp_path, server_name=SERVER_NAME, shedding=False)
    async with open_worker(settings, lambda _: None) as worker:
        worker.shedding.level = int(Level.SERVICES)
        _, [person] = await _prepared(worker.database, 1)
        piece = await worker.database.write(lambda c: broadcasts.claim(c, 10))
        assert piece is not None
        first = (await worker.broadcasting._send(piece)).sent
        [room] = await worker.database.fetch("SELECT room_id FROM service_rooms WHERE sender = $1", piece.account)
        leaving = Leave(room_id=room["room_id"], sender=piece.account, target=piece.account)
        await worker.committer.submit(leaving)
        assert (await worker.broadcasting._send(piece)).sent == first == {person: first[person]}
        rooms = "SELECT count(*) FROM members WHERE user_id = $1"
        assert await worker.database.fetchval(rooms, piece.account) == 1


async def _prepared(database: Database, count: int) -> tuple[str, list[str]]:
    channel_id, broadcast_id = f"c{secrets.token_hex(4)}", f"b{secrets.token_hex(4)}"
    people = sorted(f"@p{secrets.token_hex(4)}:{SERVER_NAME}" for _ in range(count))

    async def work(connection: Connection) -> None:
        account = f"@channel-{channel_id}:{SERVER_NAME}"
        channel = table.Channel(
            channel_id=channel_id,
            account=account,
            owner=f"@o:{SERVER_NAME}",
            name=channel_id,
            skeleton=channel_id,
            created_ts=1,
        )
        await notices.put_speaker(connection, account, channel_id)
        await table.add(connection, channel)
        for person in people:
            await connection.execute("INSERT INTO users (user_id) VALUES ($1)", person)
            await table.set_agreed(connection, channel_id, person, Agreed(True), 2)
        broadcast = broadcasts.Broadcast(
            broadcast_id=broadcast_id,
            channel_id=channel_id,
            author=f"@o:{SERVER_NAME}",
            content={"msgtype": "m.text", "body": "x"},
            body="x",
            advertising=False,
            state=State.SCHEDULED,
            starts_at=3,
            made_ts=3,
        )
        await broadcasts.add(connection, broadcast)
        await broadcasts.begin(connection, broadcast, 5)

    await database.execute("UPDATE channel_broadcasts SET state = 'cancelled', slice_to = NULL WHERE state = 'running'")
    await database.write(work)
    return broadcast_id, people
