"""Workers are killed between hearing a customer and telling the shop's program: nothing is lost, and order is kept."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from bongsu.channels.conversations import Conversations
from bongsu.channels.delivering import Delivering
from bongsu.core import desk as rules
from bongsu.core import limits
from bongsu.core import webhooks as webhook_rules
from bongsu.core.desk import Talk
from bongsu.core.errors import Refusal
from bongsu.core.webhooks import Type
from bongsu.http.outside import Outside
from bongsu.store import channels, webhooks
from bongsu.store import desk as table
from bongsu.store.channels import Channel
from bongsu.store.database import Connection, Database
from bongsu.store.desk import Conversation
from bongsu.store.feed import Feed
from bongsu.store.webhooks import Deliveries, Endpoint, LeaseLost
from tests.api.talking import Json, Talker, sign_up
from tests.hook import SECONDS_MAX, Receiver
from tests.server import Server
from tests.waiting import until

BASE = "/_bongsu/v1/channels"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    await receiver.start()
    yield receiver
    await receiver.stop()


@pytest.fixture
async def workers(dsn: str, tmp_path: Path) -> AsyncIterator[list[Server]]:
    """Two on the database of these tests."""
    how = ("--dsn", dsn, "--password-hashing", "fast", "--webhook-private-addresses")
    started = [await asyncio.to_thread(Server.start, tmp_path / name, *how) for name in ("one", "two")]
    yield started
    for each in started:
        if each.alive:
            each.stop()


async def test_a_program_hears_every_customer_over_kills(
    workers: list[Server], two: tuple[Database, Database], receiver: Receiver
) -> None:
    async with aiohttp.ClientSession(workers[0].base_url) as http:
        owner, customer = await sign_up(http, "owner"), await sign_up(http, "customer")
        channel = await _shop(owner, receiver)
        room_id = (await customer.post(f"{channel}/conversation"))["room_id"]
        said = [await customer.say(room_id, f"before {number}") for number in range(3)]
        await receiver.heard("message.received", lambda found: len(found) == 3)
        receiver.hangs = True
        said += [await customer.say(room_id, f"under way {number}") for number in range(5)]
        await receiver.tried(4)
        said.append(await customer.say(room_id, "just before"))
        for each in workers:  # whoever hears and tells, and whoever could take over
            each.kill()
    receiver.hangs = False
    await two[0].execute("UPDATE webhook_endpoints SET lease_until = now()")  # as if the lease had ended
    await asyncio.to_thread(workers[1].restart)
    async with aiohttp.ClientSession(workers[1].base_url) as http:
        said.append(await customer.through(http).say(room_id, "after"))
        await receiver.heard("message.received", lambda found: len({each["event_id"] for each in found}) == len(said))
        await _is_whole(owner.through(http), channel, receiver, said)


async def _shop(owner: Talker, receiver: Receiver) -> str:
    """The path of a channel whose messages the receiver is told of."""
    _, made = await owner.ask("POST", BASE, {"name": f"가게 {secrets.token_hex(6)}"})
    channel = f"{BASE}/{made['channel_id']}"
    body = {"url": receiver.url, "types": ["message.received"]}
    _, endpoint = await owner.ask("POST", f"{channel}/webhooks", body)
    receiver.secrets = [endpoint["secret"]]
    return channel


async def _is_whole(owner: Talker, channel: str, receiver: Receiver, said: list[str]) -> None:
    """Each message was heard once, and told in its order; what came twice has one id."""
    told = [(webhook_id, body["data"]["event_id"]) for webhook_id, body in receiver.told]
    assert list(dict.fromkeys(event_id for _, event_id in told)) == said
    assert len(set(told)) == len(said), "a message that is told twice is told under one id"

    async def listed() -> list[Json]:
        return list((await owner.get(f"{channel}/webhooks"))["endpoints"])

    [endpoint] = await until(listed, lambda found: found[0]["owed"] == 0, SECONDS_MAX)
    assert "disabled_ts" not in endpoint
    [conversation] = (await owner.get(f"{channel}/desk/conversations"))["conversations"]
    assert conversation["state"] == "waiting"


# --- on the tables themselves ---

NOW = 1_000_000


async def _endpoint(database: Database, url: str = "https://shop.example/") -> Endpoint:
    """Of a new channel, with two things that it is owed."""
    name = secrets.token_hex(8)
    channel = Channel(channel_id=name, account=f"@{name}:x", owner="@o:x", name=name, skeleton=name, created_ts=NOW)
    new = Endpoint(
        endpoint_id=f"w{name}",
        channel_id=name,
        url=url,
        types=[],
        secret=webhook_rules.secret(bytes(32)),
        made_by="@o:x",
        made_ts=NOW,
    )

    async def work(connection: Connection) -> None:
        await channels.add(connection, channel)
        await webhooks.add(connection, new)
        for number in range(2):
            await webhooks.put(connection, name, Type.FOLLOWER_ADDED, {"number": number}, NOW)

    await database.write(work)
    return new


async def test_one_worker_at_a_time_tells_an_endpoint_and_who_lost_it_changes_nothing(
    two: tuple[Database, Database],
) -> None:
    endpoint = await _endpoint(two[0])
    first, second = Deliveries(two[0]), Deliveries(two[1])
    claimed = await asyncio.gather(*(each.claim(1_000) for each in (first, second) for _ in range(3)))
    leases = [lease for found in claimed for lease in found if lease.endpoint.endpoint_id == endpoint.endpoint_id]
    assert len(leases) == 1
    delivery = await first.next(leases[0])
    assert delivery is not None
    await two[0].execute(
        "UPDATE webhook_endpoints SET lease_until = now() WHERE endpoint_id = $1", endpoint.endpoint_id
    )
    [lease] = [each for each in await second.claim(1_000) if each.endpoint.endpoint_id == endpoint.endpoint_id]
    for late in (
        first.taken(leases[0], delivery, NOW),
        first.failed(leases[0], 1.0, "x", NOW),
        first.give_back(leases[0]),
    ):
        with pytest.raises(LeaseLost):
            await late
    assert await second.next(lease) == delivery, "who lost it has taken nothing away"
    await second.taken(lease, delivery, NOW)
    after = await second.next(lease)
    assert after is not None
    assert after.delivery_id > delivery.delivery_id
    await second.failed(lease, 3_600.0, "it answered 500", NOW)
    assert all(each.endpoint.endpoint_id != endpoint.endpoint_id for each in await first.claim(1_000)), "it waits"
    await two[0].write(lambda connection: webhooks.remove(connection, endpoint.endpoint_id))


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def _owed(database: Database, endpoints: list[Endpoint]) -> dict[str, int]:
    found = await webhooks.owed(database, [each.endpoint_id for each in endpoints])
    return {each.endpoint_id: found.get(each.endpoint_id, 0) for each in endpoints}


@pytest.fixture
async def delivering(two: tuple[Database, Database]) -> AsyncIterator[Delivering]:
    """A worker that tells, here."""
    outside = Outside(allows_private=True)
    feed = Feed(two[0])
    yield Delivering(
        *(two[0], feed, outside, "@channels:x", now_ms, lambda: 0.5, lambda: False, lambda: None),
    )
    await outside.close()


async def test_who_is_owed_much_or_is_slow_lets_others_have_their_turn(
    two: tuple[Database, Database], delivering: Delivering, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "WEBHOOK_AT_ONCE_MAX", 1)
    monkeypatch.setattr(limits, "WEBHOOK_TURN_SECONDS", 0.0)  # as if each answer took as long as a turn
    first, second = await _endpoint(two[0], receiver.url), await _endpoint(two[0], receiver.url)
    await two[0].write(lambda connection: webhooks.put_for(connection, first, Type.PING, {}, NOW))
    telling = asyncio.create_task(delivering.run())
    await until(lambda: _owed(two[1], [first, second]), lambda owed: not any(owed.values()), SECONDS_MAX)
    telling.cancel()
    for each in (first, second):
        await two[0].write(partial(webhooks.remove, endpoint_id=each.endpoint_id))
    told = [body["data"]["channel_id"] for _, body in receiver.told]
    one, other = told[0], next(each for each in told if each != told[0])
    assert told[:4] == [one, other, one, other]


@pytest.mark.parametrize(("limit", "most"), [("WEBHOOK_OWED_MAX", 1), ("WEBHOOK_OWED_BYTES_MAX", 100)])
async def test_what_an_endpoint_is_owed_has_an_end_also_when_it_is_slow(
    two: tuple[Database, Database],
    delivering: Delivering,
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    most: int,
) -> None:
    """Its owner is told, once, and what it was owed is kept for a while; then it is forgotten, some at a time."""
    endpoint = await _endpoint(two[0])
    monkeypatch.setattr(limits, limit, most)
    monkeypatch.setattr(limits, "WEBHOOK_SWEEP_SECONDS", 0.05)
    monkeypatch.setattr(limits, "WEBHOOK_SWEPT_MAX", 1)
    sweeping = [asyncio.create_task(delivering.sweep()) for _ in range(3)]

    async def seen() -> Endpoint | None:
        return await webhooks.endpoint(two[1], endpoint.channel_id, endpoint.endpoint_id)

    found = await until(seen, lambda found: found is not None and found.disabled_ts is not None, SECONDS_MAX)
    assert found is not None
    assert "owed too much" in found.disabled_why
    assert await _owed(two[1], [endpoint]) == {endpoint.endpoint_id: 2}
    said = await two[1].fetch("SELECT content FROM outbox WHERE sender = '@channels:x' AND user_id = '@o:x'")
    assert sum(endpoint.channel_id.encode() in each["content"] for each in said) == 1
    await two[1].execute(
        "UPDATE webhook_endpoints SET disabled_ts = disabled_ts - $2 - 1 WHERE endpoint_id = $1",
        *(endpoint.endpoint_id, limits.WEBHOOK_KEPT_MS),
    )
    await until(lambda: _owed(two[1], [endpoint]), lambda owed: not any(owed.values()), SECONDS_MAX)
    for each in sweeping:
        each.cancel()
    await two[0].write(lambda connection: webhooks.remove(connection, endpoint.endpoint_id))
    await two[0].execute("DELETE FROM outbox WHERE sender = '@channels:x'")


async def test_agents_who_take_at_once_on_two_workers_are_never_two(two: tuple[Database, Database]) -> None:
    endpoint = await _endpoint(two[0])
    desk = Conversations("@channels:x", lambda: NOW)
    new = Conversation(
        conversation_id=f"c{secrets.token_hex(8)}",
        channel_id=endpoint.channel_id,
        customer="@c:x",
        room_id="!r:x",
        talk=Talk(),
        newest_ts=NOW,
    )
    await two[0].write(lambda connection: table.begin(connection, new))

    async def take(database: Database, agent: str) -> str | None:
        async def work(connection: Connection) -> str | None:
            found = await table.lock(connection, new.channel_id, new.conversation_id)
            assert found is not None
            return (await desk.change(connection, found, rules.take(found.talk, agent), agent, "take")).talk.agent

        try:
            return await database.write(work)
        except Refusal:
            return None

    tries = [take(two[number % 2], f"@agent{number}:x") for number in range(20)]
    winners = {agent for agent in await asyncio.gather(*tries) if agent is not None}
    assert len(winners) == 1
    had = await table.assignments(two[0], new.conversation_id, 100)
    assert [each.agent for each in had] == list(winners)
    await two[0].write(lambda connection: webhooks.remove(connection, endpoint.endpoint_id))
