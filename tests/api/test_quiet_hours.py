"""Quiet hours: nothing sounds in them, for any app of the person; counts stay right, what is urgent goes through."""

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import asyncpg
import pytest
from tests.api.talking import V3, Json, Talker, room, segment, sign_up
from tests.gateway import SECONDS_MAX, Browser, Gateway, add_pusher, b64, pusher
from tests.server import SERVER_NAME
from tests.waiting import until

from bongsu.core.json import encode
from bongsu.store import outbox
from bongsu.store.outbox import Post
from bongsu.store.quiet import quiet_until

ALWAYS: Json = {"enabled": True, "time_zone": "Asia/Seoul", "spans": [{"from": "00:00", "to": "00:00"}]}


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    gateway = Gateway()
    await gateway.start()
    yield gateway
    await gateway.stop()


@pytest.fixture
async def room_id(http: aiohttp.ClientSession, alice: Talker, bob: Talker) -> str:
    """Three people, so that no rule for conversations of two applies."""
    room_id = await alice.make_room(name="ours")
    await alice.bring(room_id, bob, await sign_up(http, "carol"))
    return room_id


def path(who: Talker) -> str:
    return f"{V3}/user/{segment(who.user_id)}/account_data/org.bongsu.quiet_hours"


def now_ms() -> int:
    return int(time.time() * 1000)


async def fallen_silent(gateway: Gateway, pushkey: str, unread: int) -> list[Json]:
    """What was told, when a push has told of so many unread."""

    async def told() -> list[Json]:
        return gateway.for_key(pushkey)

    return await until(told, lambda found: bool(found) and found[-1]["counts"].get("unread") == unread, SECONDS_MAX)


async def test_counts_alone_are_told_and_the_night_is_not_made_up_for(
    alice: Talker, bob: Talker, room_id: str, gateway: Gateway
) -> None:
    key = await add_pusher(bob, gateway)
    await bob.put(path(bob), ALWAYS)
    hushed = [await alice.say(room_id, text) for text in ("one", "two")]
    told = await fallen_silent(gateway, key, 2)
    assert all("event_id" not in each for each in told)
    synced = await bob.sync()
    assert synced["rooms"]["join"][room_id]["unread_notifications"]["notification_count"] == 2
    await bob.post(f"{room(room_id)}/receipt/m.read/{segment(hushed[0])}", {})
    await fallen_silent(gateway, key, 1)
    await bob.put(path(bob), {**ALWAYS, "enabled": False})
    loud = await alice.say(room_id, "three")
    assert (await gateway.came(key, loud))["counts"]["unread"] == 2
    assert gateway.event_ids(key) == [loud]


async def test_browsers_are_told_nothing(alice: Talker, bob: Talker, room_id: str, gateway: Gateway) -> None:
    key = await add_pusher(bob, gateway)
    browser = gateway.browsers["quiet"] = Browser((await bob.get("/_bongsu/v1/webpush"))["vapid"])
    data = {"url": f"{gateway.origin}/browser/quiet", "auth": b64(browser.auth)}
    await bob.post(f"{V3}/pushers/set", {**pusher(gateway, browser.pushkey), "kind": "webpush", "data": data})
    await bob.put(path(bob), {"paused_until_ms": now_ms() + 3_600_000})
    await alice.say(room_id, "psst")
    await fallen_silent(gateway, key, 1)
    await bob.put(path(bob), {})
    await alice.say(room_id, "hello")

    async def told() -> list[Json]:
        return browser.told

    assert (await until(told, bool, SECONDS_MAX))[0]["content"]["body"] == "hello"


async def test_chosen_people_rooms_and_mentions_go_through(
    http: aiohttp.ClientSession, alice: Talker, bob: Talker, room_id: str, gateway: Gateway
) -> None:
    dora = await sign_up(http, "dora")
    other = await alice.make_room(invite=[bob.user_id])
    await bob.join(other)
    await alice.bring(room_id, dora)
    key = await add_pusher(bob, gateway)
    let = {"mentions": True, "users": [dora.user_id], "rooms": [other]}
    await bob.put(path(bob), {**ALWAYS, "let_through": let})
    hushed = await alice.say(room_id, "nothing")
    through = [
        await dora.say(room_id, "it is me"),
        await alice.say(other, "here"),
        await alice.say(room_id, "you!", **{"m.mentions": {"user_ids": [bob.user_id]}}),
    ]
    for event_id in through:
        await gateway.came(key, event_id)
    assert hushed not in gateway.event_ids(key)


async def test_a_service_that_calls_somebody_goes_through_and_nobody_can_pretend(
    alice: Talker, bob: Talker, room_id: str, gateway: Gateway, database: asyncpg.Connection
) -> None:
    key = await add_pusher(bob, gateway)
    await bob.put(path(bob), ALWAYS)
    content = {"msgtype": "m.text", "body": "a bed is needed", "m.mentions": {"user_ids": [bob.user_id]}}
    await alice.say(room_id, "!", **{"m.mentions": content["m.mentions"], "org.bongsu.calls": True})
    service = f"@bed-board:{SERVER_NAME}"

    async def say(priority: int) -> None:
        await outbox.put(database, [Post(sender=service, user_id=bob.user_id, content=content, priority=priority)])

    async def told() -> list[Json]:
        return [each for each in gateway.for_key(key) if "event_id" in each]

    await say(outbox.CALLING)
    await until(told, bool, SECONDS_MAX)
    await say(outbox.CALLING)  # the first was not seen, and nobody came in
    for invited in await until(told, lambda found: len(found) > 1, SECONDS_MAX):
        assert (invited["type"], invited["sender"]) == ("m.room.member", service)
    await bob.join(invited["room_id"])
    for priority in (outbox.URGENT, outbox.CALLING):
        await say(priority)
    *_, called = await until(told, lambda found: len(found) > 2, SECONDS_MAX)
    assert called["content"]["org.bongsu.calls"] is True


async def test_what_is_set_is_checked_shown_and_synced(alice: Talker, bob: Talker) -> None:
    assert await alice.put(path(alice), ALWAYS) == {}
    assert await alice.get(path(alice)) == ALWAYS
    synced = (await alice.sync())["account_data"]["events"]
    assert {"type": "org.bongsu.quiet_hours", "content": ALWAYS} in synced
    bad = {**ALWAYS, "time_zone": "Asia/Nowhere"}
    assert await alice.refused("PUT", path(alice), bad) == (400, "M_INVALID_PARAM")
    assert await alice.refused("PUT", path(bob), ALWAYS) == (403, "M_FORBIDDEN")
    assert await alice.get(path(alice)) == ALWAYS


async def test_what_cannot_be_understood_any_more_breaks_no_push(
    alice: Talker, bob: Talker, room_id: str, gateway: Gateway, database: asyncpg.Connection
) -> None:
    await bob.put(path(bob), ALWAYS)
    bad = encode({**ALWAYS, "time_zone": "Asia/Atlantis"})
    await database.execute("UPDATE account_data SET content = $2 WHERE user_id = $1", bob.user_id, bad)
    await (await bob.another_device()).post(f"{V3}/logout")  # who they are is read anew
    key = await add_pusher(bob, gateway)
    await gateway.came(key, await alice.say(room_id, "all the same"))


async def test_many_people_are_asked_about_at_once(alice: Talker, bob: Talker, database: asyncpg.Connection) -> None:
    begins = datetime.now(UTC).replace(second=0, microsecond=0)
    ends = begins + timedelta(hours=3)
    span = {"from": f"{begins:%H:%M}", "to": f"{ends:%H:%M}"}
    await alice.put(path(alice), {"enabled": True, "time_zone": "UTC", "spans": [span]})
    await bob.put(path(bob), {"enabled": True, "spans": []})
    asked: Any = await quiet_until(database, [alice.user_id, bob.user_id, "@nobody:x"], now_ms())
    assert asked == {alice.user_id: int(ends.timestamp() * 1000)}
