"""What channels' transactions wait for, on the tables themselves: nobody for each other, and each comes to its end."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bongsu.channels.conversations import Conversations
from bongsu.channels.leaving import AGENT_GONE, BOT_GONE, Leaving
from bongsu.config import Settings
from bongsu.core import channels as rules
from bongsu.core import limits
from bongsu.core.channels import Role
from bongsu.core.desk import State, Talk
from bongsu.core.events import MESSAGE, Event
from bongsu.core.json import encode
from bongsu.core.paging import Page
from bongsu.core.webhooks import Type
from bongsu.main import open_worker
from bongsu.store import channels as table
from bongsu.store import desk, notices, timers, webhooks
from bongsu.store.channel_hearing import Heard
from bongsu.store.channels import Channel, Mark, Staff
from bongsu.store.database import Connection, Database, Record
from bongsu.store.desk import Conversation, Wanted
from bongsu.store.timers import Timer, Timers
from tests.server import SERVER_NAME

OWNER, AGENT = f"@owner:{SERVER_NAME}", f"@agent:{SERVER_NAME}"
NOW = 1_000
Two = tuple[Database, Database]


async def make(database: Database, talks: list[Talk]) -> tuple[Channel, list[Conversation]]:
    """A channel with an agent, and conversations in the order of their ids."""
    channel_id = secrets.token_hex(6)
    account = f"@channel-{channel_id}:{SERVER_NAME}"
    channel = Channel(
        channel_id=channel_id, account=account, owner=OWNER, name=channel_id, skeleton=channel_id, created_ts=1
    )
    begun = [
        Conversation(
            conversation_id=f"c{number:04}{channel_id}",
            channel_id=channel_id,
            customer=f"@c{number:04}:{SERVER_NAME}",
            room_id=f"!{channel_id}{number}",
            talk=talk,
            newest_ts=1,
        )
        for number, talk in enumerate(talks)
    ]

    async def work(connection: Connection) -> None:
        await notices.put_speaker(connection, account, channel_id)
        await table.add(connection, channel)
        await table.set_role(connection, channel_id, Staff(AGENT, Role.AGENT, 1))
        for each in begun:
            await desk.begin(connection, each)
            await desk.keep(connection, each)

    await database.write(work)
    return channel, begun


async def beside(two: Two, first: Callable[[Connection], Awaitable[None]], second: str, *values: object) -> None:
    """The second statement is done while the first transaction is open: it would fail if it had to wait long."""
    done = asyncio.Event()

    async def hold(connection: Connection) -> None:
        await first(connection)
        await asyncio.wait_for(other(), 30)
        done.set()

    async def other() -> None:
        async def work(connection: Connection) -> None:
            await connection.execute("SET LOCAL lock_timeout = '5s'")
            await connection.execute(second, *values)

        await two[1].write(work)

    await two[0].write(hold)
    assert done.is_set()


def _certified(channel: Channel) -> Mark:
    named = {"channel_id": channel.channel_id, "name": channel.name, "account": channel.account}
    return Mark(**named, valid_from=1, valid_until=NOW + 1, key_id="k", signature="s")


async def test_a_name_is_compared_with_those_it_may_be_near_to_however_many_there_are(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CHANNELS_CERTIFIED_READ_MAX", 3)
    made = [(await make(two[0], []))[0] for _ in range(5)]
    name = secrets.token_hex(5)
    bones = [*(secrets.token_hex(5) for _ in made[1:]), name]

    async def certify(connection: Connection) -> None:
        for each, skeleton in zip(made, bones, strict=True):
            await table.put_mark(connection, _certified(each), skeleton)

    await two[0].write(certify)
    new, _ = await make(two[0], [])
    for said, near in ((name, [name]), (f"{name}q", [name]), (f"x{name}", [name]), (name[1:], [name]), ("zzzzz", [])):
        like = msgspec.structs.replace(new, skeleton=said)
        found = await table.certified(two[0], like, NOW)
        assert [each for each in found if each == said or rules.resembles(said, [each])] == near, said
    await two[0].write(lambda connection: table.drop_stale_marks(connection, NOW + 1))


async def test_ones_own_channels_come_before_those_one_was_appointed_to(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CHANNELS_MINE_SHOWN_MAX", 2)
    person = f"@{secrets.token_hex(4)}:{SERVER_NAME}"
    made = [(await make(two[0], []))[0] for _ in range(3)]
    own = made[-1].channel_id

    async def appoint(connection: Connection) -> None:
        for each in made[:-1]:
            await table.set_role(connection, each.channel_id, Staff(person, Role.AGENT, 1))
        await table.hand_over(connection, made[-1], person, NOW)

    await two[0].write(appoint)
    found = await table.mine(two[1], person)
    assert len(found) == 2
    assert own in [channel.channel_id for channel, _ in found]


async def test_what_refers_to_a_channel_is_written_while_it_is_changed(two: Two) -> None:
    channel, _ = await make(two[0], [])

    async def change(connection: Connection) -> None:
        await table.lock_channel(connection, channel.channel_id)

    begin = "INSERT INTO desk_conversations (conversation_id, channel_id, customer, room_id, newest_ts)"
    await beside(two, change, f"{begin} VALUES ($1, $1, 'c', 'r', 1)", channel.channel_id)


async def test_an_endpoint_is_owed_something_while_it_is_changed(two: Two) -> None:
    channel, _ = await make(two[0], [])
    endpoint = webhooks.Endpoint(
        endpoint_id=f"w{channel.channel_id}",
        channel_id=channel.channel_id,
        url="https://shop.example/",
        types=[],
        secret="x",
        made_by=OWNER,
        made_ts=1,
    )
    await two[0].write(lambda connection: webhooks.add(connection, endpoint))

    async def change(connection: Connection) -> None:
        await webhooks.lock(connection, channel.channel_id, endpoint.endpoint_id)

    owe = "INSERT INTO webhook_deliveries (endpoint_id, webhook_id, type, body, made_ts) VALUES ($1, 'm', $2, '', 1)"
    await beside(two, change, owe, endpoint.endpoint_id, Type.PING.value)


class Explained:
    """Where something is read. plans: how the database goes about it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.plans: list[str] = []

    async def fetch(self, sql: str, *args: Any) -> list[Record]:
        self.plans.append("\n".join(row[0] for row in await self._connection.fetch(f"EXPLAIN {sql}", *args)))
        return await self._connection.fetch(sql, *args)


async def test_a_desk_with_very_many_conversations_reads_no_more_than_a_page_of_them(two: Two) -> None:
    channel, begun = await make(two[0], [Talk(State.WAITING, None, 5), Talk(State.CLOSED, None, None)])
    many = "INSERT INTO desk_conversations (conversation_id, channel_id, customer, room_id, newest_ts)"
    many += " SELECT $1 || n, $1, '@many' || n || ':x', '!' || n, n FROM generate_series(1, 20000) n"
    await two[0].execute(many, channel.channel_id)
    await two[0].execute("ANALYZE desk_conversations")

    async def look(connection: Connection) -> None:
        reads = Explained(connection)
        page = await desk.conversations(reads, channel.channel_id, Wanted(), Page(10, None))
        assert (page[0].conversation_id, page[1].newest_ts) == (begun[0].conversation_id, 20_000)
        rest = await desk.conversations(reads, channel.channel_id, Wanted(), Page(10, page[-1].at))
        assert [each.newest_ts for each in rest] == list(range(19_991, 19_981, -1))
        assert all("Sort" not in plan and "Seq Scan" not in plan for plan in reads.plans), reads.plans
        for wanted, found in (
            (Wanted(search="MANY777:"), ["@many777:x"]),
            (Wanted(states=(State.WAITING,)), [begun[0].customer]),
            (Wanted(customer="@many5:x", only_unanswered=True), []),
            (Wanted(customer=""), []),
        ):
            rows = await desk.conversations(reads, channel.channel_id, wanted, Page(10, None))
            assert [each.customer for each in rows] == found

    await two[0].read(look)


async def test_whoever_hears_locks_conversations_in_the_order_of_their_ids(two: Two) -> None:
    """While the first is another's, hearing waits for it, and holds none that the other may want next."""
    channel, begun = await make(two[0], [Talk(), Talk()])
    conversations = Conversations(OWNER, lambda: NOW)
    heard = [_heard(channel, each, pos) for pos, each in enumerate(reversed(begun), 1)]
    hearing: list[asyncio.Task[None]] = []

    async def take_both(connection: Connection) -> None:
        await desk.lock(connection, channel.channel_id, begun[0].conversation_id)
        hearing.append(asyncio.create_task(two[1].write(lambda other: conversations.heard(other, heard))))
        waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%desk_conversations%'"
        while not await two[0].fetch(waiting):
            await asyncio.sleep(0.05)
        await connection.execute("SET LOCAL lock_timeout = '5s'")
        await desk.lock(connection, channel.channel_id, begun[1].conversation_id)

    await two[0].write(take_both)
    await hearing[0]
    found = [await desk.conversation(two[0], channel.channel_id, each.conversation_id) for each in begun]
    assert [each.talk.state for each in found if each] == [State.WAITING] * 2


def _heard(channel: Channel, conversation: Conversation, pos: int) -> Heard:
    event = Event(
        pos=pos,
        event_id=f"${secrets.token_hex(8)}",
        room_id=conversation.room_id,
        type=MESSAGE,
        sender=conversation.customer,
        state_key=None,
        ts_ms=NOW,
        depth=1,
        content_json=encode({"msgtype": "m.text", "body": "x"}),
    )
    return Heard(channel.channel_id, channel.account, conversation.customer, event)


async def test_a_site_whose_clock_is_slow_hands_a_silent_bots_customers_over_in_time(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its timer goes off once: a site that then thought it too early would leave them with the bot for ever."""
    monkeypatch.setattr("bongsu.main.now_ms", lambda: time.time_ns() // 1_000_000 - 300_000)
    async with open_worker(Settings(dsn=dsn, data=tmp_path, server_name=SERVER_NAME), lambda _: None) as worker:
        since_ms = time.time_ns() // 1_000_000 - limits.DESK_BOT_PATIENCE_MS - 1_000
        channel, [begun] = await make(worker.database, [Talk(State.BOT, None, since_ms)])
        silent = worker.conversations.silence(begun, since_ms)
        await worker.database.write(lambda connection: timers.put(connection, [silent]))
        async with asyncio.timeout(30):
            while await worker.database.fetchval("SELECT 1 FROM timers WHERE timer_id = $1", silent.timer_id):
                await asyncio.sleep(0.05)
        found = await desk.conversation(worker.database, channel.channel_id, begun.conversation_id)
        assert found is not None
        assert found.talk.state is State.WAITING


@pytest.mark.parametrize("kind", [AGENT_GONE, BOT_GONE])
async def test_what_somebody_had_is_taken_back_step_by_step_also_when_a_worker_dies(two: Two, kind: str) -> None:
    """Each step is a transaction that leaves the next one's timer."""
    is_agent = kind == AGENT_GONE
    talk = Talk(State.OPEN, AGENT, 5) if is_agent else Talk(State.BOT, None, 5)
    channel, _ = await make(two[0], [talk] * (2 * limits.DESK_LOST_AT_ONCE_MAX + 1))
    leaving = Leaving(Conversations(OWNER, lambda: NOW))

    async def lose(connection: Connection) -> None:
        if not is_agent:
            await leaving.lose_bot(connection, channel.channel_id, OWNER)
            return
        await table.remove_role(connection, channel.channel_id, AGENT)
        await leaving.lose_agent(connection, channel.channel_id, AGENT, OWNER)

    async def left() -> int:
        sql = "SELECT count(*) FROM desk_conversations WHERE channel_id = $1 AND state = $2"
        return int(await two[0].fetchval(sql, channel.channel_id, talk.state.value))

    async def fire(database: Database) -> bool:
        return await Timers(database).fire([kind], NOW, leaving.handlers()[kind])

    async def die(connection: Connection, timer: Timer) -> None:
        await leaving.handlers()[kind](connection, timer)
        raise ConnectionError("the worker is killed before its commit")

    await two[0].write(lose)
    assert await left() == limits.DESK_LOST_AT_ONCE_MAX + 1
    with pytest.raises(Exception, match=r"gone"):
        await Timers(two[0]).fire([kind], NOW, die)
    assert await left() == limits.DESK_LOST_AT_ONCE_MAX + 1
    await two[0].execute("UPDATE timers SET due_at = $1 WHERE kind = $2", NOW, kind)
    assert await fire(two[1])
    assert await left() == 1
    assert await fire(two[0])
    assert await left() == 0
    assert not await fire(two[1])
