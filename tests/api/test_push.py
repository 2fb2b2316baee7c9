"""Pushers, what gateways and browsers are told through them, and what stops that. Two workers share the work."""

import asyncio
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from tests.api.talking import V3, Json, Talker, ask, relating, room, segment, sign_up
from tests.gateway import SECONDS_MAX, Browser, Gateway, add_pusher, b64, pusher
from tests.server import SERVER_NAME, Server
from tests.waiting import until

from bongsu.core import limits

R0 = "/_matrix/client/r0"


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    gateway = Gateway()
    await gateway.start()
    yield gateway
    await gateway.stop()


@pytest.fixture
async def carol(http: aiohttp.ClientSession) -> Talker:
    return await sign_up(http, "carol")


@pytest.fixture
async def room_id(alice: Talker, bob: Talker, carol: Talker) -> str:
    """Three people, so that no rule for conversations of two applies."""
    await alice.put(f"{V3}/profile/{segment(alice.user_id)}/displayname", {"displayname": "Alice"})
    room_id = await alice.make_room(name="ours")
    await alice.bring(room_id, bob, carol)
    return room_id


async def read(who: Talker, room_id: str, event_id: str) -> None:
    await who.post(f"{room(room_id)}/receipt/m.read/{segment(event_id)}", {})


def mention(*people: Talker) -> Json:
    return {"m.mentions": {"user_ids": [person.user_id for person in people]}}


async def pushers(who: Talker) -> list[Json]:
    found: list[Json] = (await who.get(f"{V3}/pushers"))["pushers"]
    return found


async def tries(gateway: Gateway) -> int:
    return gateway.tries


async def browser_tries(browser: Browser) -> int:
    return browser.tries


async def pushers_when(who: Talker, count: int) -> list[Json]:
    return await until(lambda: pushers(who), lambda found: len(found) == count, SECONDS_MAX)


# --- the endpoints ---


async def test_a_pusher_is_set_changed_listed_and_deleted(alice: Talker, gateway: Gateway) -> None:
    body = pusher(gateway, "key1", profile_tag="tag", data={"format": "event_id_only", "own": [1]})
    assert await alice.post(f"{V3}/pushers/set", body) == {}
    assert await pushers(alice) == [body]
    changed = {**body, "device_display_name": "Tablet"}
    await alice.post(f"{R0}/pushers/set", changed)
    await alice.post(f"{V3}/pushers/set", {**body, "pushkey": "key2"})
    assert (await alice.get(f"{R0}/pushers"))["pushers"] == [changed, {**body, "pushkey": "key2"}]
    gone = {"kind": None, "app_id": body["app_id"], "pushkey": "key1"}
    for _ in range(2):
        assert await alice.post(f"{V3}/pushers/set", gone) == {}
    assert [each["pushkey"] for each in await pushers(alice)] == ["key2"]


async def test_another_persons_pusher_of_the_same_key_goes_unless_appended(
    alice: Talker, bob: Talker, gateway: Gateway
) -> None:
    key = secrets.token_hex(8)
    await add_pusher(alice, gateway, pushkey=key)
    await add_pusher(bob, gateway, pushkey=key, append=True)
    assert len(await pushers(alice)) == len(await pushers(bob)) == 1
    await add_pusher(bob, gateway, pushkey=key, app_id="another.app")
    assert len(await pushers(alice)) == 1
    await add_pusher(bob, gateway, pushkey=key)
    assert await pushers(alice) == []
    assert len(await pushers(bob)) == 2


WRONG: list[tuple[Json, str]] = [
    ({"kind": 5}, "M_BAD_JSON"),
    ({"kind": "email"}, "M_INVALID_PARAM"),
    ({"app_id": "a" * 65}, "M_INVALID_PARAM"),
    ({"app_id": ""}, "M_INVALID_PARAM"),
    ({"pushkey": "a" * 513}, "M_INVALID_PARAM"),
    ({"pushkey": "a\x00b"}, "M_INVALID_PARAM"),
    ({"pushkey": 1}, "M_BAD_JSON"),
    ({"append": "yes"}, "M_BAD_JSON"),
    ({"lang": None}, "M_MISSING_PARAM"),
    ({"data": None}, "M_MISSING_PARAM"),
    ({"data": []}, "M_BAD_JSON"),
    ({"data": {}}, "M_MISSING_PARAM"),
    ({"data": {"url": "https://push.example/other"}}, "M_INVALID_PARAM"),
    ({"data": {"url": "ftp://push.example/_matrix/push/v1/notify"}}, "M_INVALID_PARAM"),
    ({"data": {"url": "https:///_matrix/push/v1/notify"}}, "M_INVALID_PARAM"),
    ({"data": {"url": "https://me:pass@push.example/_matrix/push/v1/notify"}}, "M_INVALID_PARAM"),
    ({"data": {"url": "https://push.example:x/_matrix/push/v1/notify"}}, "M_INVALID_PARAM"),
    ({"data": {"url": "https://push.example/_matrix/push/v1/notify", "format": "all"}}, "M_INVALID_PARAM"),
    ({"data": {"url": "https://push.example/_matrix/push/v1/notify", "more": "x" * 9_000}}, "M_INVALID_PARAM"),
    ({"kind": "webpush", "data": {"url": "https://push.example/x", "auth": b64(bytes(16))}}, "M_INVALID_PARAM"),
]


@pytest.mark.parametrize(("change", "errcode"), WRONG)
async def test_what_cannot_be_pushed_to_is_refused(alice: Talker, gateway: Gateway, change: Json, errcode: str) -> None:
    body = {**pusher(gateway, "key"), **change}
    assert await alice.refused("POST", f"{V3}/pushers/set", body) == (400, errcode)
    assert await pushers(alice) == []


async def test_what_is_missing_is_named(http: aiohttp.ClientSession, alice: Talker, gateway: Gateway) -> None:
    for name in ("kind", "app_id", "pushkey"):
        body = {key: value for key, value in pusher(gateway, "key").items() if key != name}
        assert await alice.refused("POST", f"{V3}/pushers/set", body) == (400, "M_MISSING_PARAM")
    for method, path in (("GET", "/pushers"), ("POST", "/pushers/set"), ("GET", "/notifications")):
        assert (await ask(http, method, f"{V3}{path}", {}))[0] == 401


async def test_the_oldest_of_too_many_pushers_go(alice: Talker, gateway: Gateway) -> None:
    for number in range(102):
        await add_pusher(alice, gateway, pushkey=f"key{number}")
    kept = [each["pushkey"] for each in await pushers(alice)]
    assert kept == [f"key{number}" for number in range(2, 102)]


async def test_pushers_end_with_their_session(alice: Talker, gateway: Gateway) -> None:
    """Signing out, a deleted device, and a new password, which ends all others."""
    await add_pusher(alice, gateway, pushkey="own")
    second, third = await alice.another_device(), await alice.another_device()
    await add_pusher(second, gateway, pushkey="second")
    await add_pusher(third, gateway, pushkey="third")
    await second.post(f"{V3}/logout")
    assert [each["pushkey"] for each in await pushers(alice)] == ["own", "third"]
    auth = {"type": "m.login.password", "user": alice.user_id, "password": alice._password}
    await alice.post(f"{V3}/account/password", {"new_password": secrets.token_hex(16), "auth": auth})
    assert [each["pushkey"] for each in await pushers(alice)] == ["own"]


# --- what a gateway is told ---


async def test_a_message_is_pushed_once(
    alice: Talker, bob: Talker, room_id: str, gateway: Gateway, elsewhere: aiohttp.ClientSession
) -> None:
    """Whichever worker takes it, and with all that a gateway may want to know."""
    key = await add_pusher(bob, gateway, data={"own": "thing"})
    sent = [await who.say(room_id, "hi") for _ in range(10) for who in (alice, alice.through(elsewhere))]
    told = await gateway.came(key, sent[-1])
    assert gateway.event_ids(key) == sent
    assert told["room_id"] == room_id
    assert told["type"] == "m.room.message"
    assert told["sender"] == alice.user_id
    assert told["sender_display_name"] == "Alice"
    assert told["room_name"] == "ours"
    assert told["content"] == {"msgtype": "m.text", "body": "hi"}
    assert told["prio"] == "low"
    assert told["counts"]["unread"] <= len(sent)
    device = told["devices"][0]
    assert device["data"] == {"own": "thing"}
    assert device["tweaks"] == {}
    assert device["app_id"] == "org.example.test"
    assert isinstance(device["pushkey_ts"], int)


async def test_mentions_sound_and_are_urgent(alice: Talker, bob: Talker, room_id: str, gateway: Gateway) -> None:
    key = await add_pusher(bob, gateway)
    event_id = await alice.say(room_id, "you", **mention(bob))
    told = await gateway.came(key, event_id)
    assert told["devices"][0]["tweaks"] == {"sound": "default", "highlight": True}
    assert told["prio"] == "high"


async def test_event_id_only_tells_no_more(alice: Talker, bob: Talker, room_id: str, gateway: Gateway) -> None:
    key = await add_pusher(bob, gateway, data={"format": "event_id_only"})
    event_id = await alice.say(room_id, "secret", **mention(bob))
    told = await gateway.came(key, event_id)
    assert told.keys() == {"event_id", "room_id", "prio", "counts", "devices"}
    assert told["devices"][0].keys() == {"app_id", "pushkey", "pushkey_ts", "data"}
    assert told["devices"][0]["data"] == {"format": "event_id_only"}


async def test_invitations_and_encrypted_messages_are_pushed(alice: Talker, bob: Talker, gateway: Gateway) -> None:
    key = await add_pusher(bob, gateway)
    room_id = await alice.make_room(invite=[bob.user_id], is_direct=True)

    async def invited() -> list[Json]:
        return [each for each in gateway.for_key(key) if each.get("room_id") == room_id]

    told = (await until(invited, bool, SECONDS_MAX))[0]
    assert (told["type"], told["membership"], told["user_is_target"]) == ("m.room.member", "invite", True)
    await bob.join(room_id)
    event_id = await alice.send(room_id, {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "x"}, "m.room.encrypted")
    told = await gateway.came(key, event_id)
    assert told["prio"] == "high"
    assert told["devices"][0]["tweaks"] == {"sound": "default"}  # a conversation of two
    assert told["content"]["ciphertext"] == "x"


async def test_rules_decide(alice: Talker, bob: Talker, carol: Talker, room_id: str, gateway: Gateway) -> None:
    """Nothing of muted rooms, of people who are ignored, of notices, reactions, edits, or what one says oneself."""
    muted = await alice.make_room(name="muted")
    await alice.bring(muted, bob)
    key = await add_pusher(bob, gateway)  # who was not told of the invitation
    await bob.put(f"{V3}/pushrules/global/room/{segment(muted)}", {"actions": []})
    await alice.say(muted, "shh")
    await bob.say(room_id, "mine")
    first = await alice.say(room_id, "first")
    await alice.send(room_id, {"msgtype": "m.notice", "body": "bot"})
    await alice.send(room_id, relating("m.annotation", first, key="+"), "m.reaction")
    await alice.say(room_id, "* edit", **{"m.new_content": {}}, **relating("m.replace", first))
    last = await alice.say(room_id, "last")
    await gateway.came(key, last)
    assert [each for each in gateway.event_ids(key) if each in (first, last)] == [first, last]
    assert len(gateway.event_ids(key)) == 2
    ignored: Json = {"ignored_users": {alice.user_id: {}}}
    await bob.put(f"{V3}/user/{segment(bob.user_id)}/account_data/m.ignored_user_list", ignored)
    await alice.say(room_id, "unheard")
    await gateway.came(key, again := await carol.say(room_id, "heard"))
    assert gateway.event_ids(key)[2:] == [again]


async def test_a_badge_counts_and_goes_when_all_is_read(
    alice: Talker, bob: Talker, room_id: str, gateway: Gateway
) -> None:
    key = await add_pusher(bob, gateway)
    quiet_key = await add_pusher(bob, gateway, data={"events_only": True})
    await gateway.came(key, await alice.say(room_id, "one"))
    told = await gateway.came(key, last := await alice.say(room_id, "two"))
    assert told["counts"] == {"unread": 2}
    await read(bob, room_id, last)

    async def newest() -> Json:
        return gateway.for_key(key)[-1]

    told = await until(newest, lambda told: "event_id" not in told, SECONDS_MAX)
    assert told["counts"] == {"unread": 0}
    call = {"call_id": "c1", "version": "1", "lifetime": 60_000, "offer": {"type": "offer", "sdp": ""}}
    told = await gateway.came(key, await alice.send(room_id, call, "m.call.invite"))
    assert told["counts"] == {"unread": 1, "missed_calls": 1}
    assert told["devices"][0]["tweaks"] == {"sound": "ring"}
    await gateway.came(quiet_key, told["event_id"])
    assert all("event_id" in each for each in gateway.for_key(quiet_key))


@pytest.fixture
async def admin(http: aiohttp.ClientSession, server: Server) -> Talker:
    person = await sign_up(http, "admin")
    command = [sys.executable, "-m", "bongsu", "user", "promote", person.user_id, "--data", str(server.data_dir)]
    await asyncio.to_thread(subprocess.run, [*command, "--server-name", SERVER_NAME], check=True, timeout=60)
    return person


async def test_locked_people_are_shown_nothing(
    alice: Talker, bob: Talker, carol: Talker, admin: Talker, room_id: str, gateway: Gateway
) -> None:
    key, other = await add_pusher(bob, gateway), await add_pusher(carol, gateway)
    lock = f"/_matrix/client/v1/admin/lock/{segment(bob.user_id)}"
    await admin.put(lock, {"locked": True})
    for number in range(3):
        await gateway.came(other, await alice.say(room_id, f"while locked {number}"))
    assert gateway.event_ids(key) == []


# --- what goes wrong ---


async def test_a_failing_gateway_is_tried_again_and_what_was_read_is_not_sent(
    alice: Talker, bob: Talker, room_id: str, gateway: Gateway
) -> None:
    key = await add_pusher(bob, gateway)
    gateway.status = 500
    first = await alice.say(room_id, "read meanwhile")

    async def tries() -> int:
        return gateway.tries

    await until(tries, lambda count: count >= 2, SECONDS_MAX)
    await read(bob, room_id, first)
    second, third = [await alice.say(room_id, text) for text in ("unread", "more")]
    gateway.status = 200
    await gateway.came(key, third)
    assert gateway.event_ids(key) == [second, third]


async def test_a_slow_gateway_holds_nobody_back_and_is_tried_again(
    alice: Talker, bob: Talker, room_id: str, gateway: Gateway
) -> None:
    slow = Gateway()
    await slow.start()
    slow.hangs = True
    slow_key, key = await add_pusher(bob, slow), await add_pusher(bob, gateway)
    said = [await alice.say(room_id, "one")]
    await gateway.came(key, said[0])
    said.append(await alice.say(room_id, "two"))
    await gateway.came(key, said[1])
    assert slow.tries == 1
    slow.hangs = False
    await slow.stop()  # which cuts off what it had not answered
    await slow.start()
    await slow.came(slow_key, said[1])
    assert slow.event_ids(slow_key) == said
    assert gateway.event_ids(key) == said
    await slow.stop()


async def test_of_very_much_that_is_owed_the_newest_is_told(
    alice: Talker, bob: Talker, room_id: str, gateway: Gateway
) -> None:
    key = await add_pusher(bob, gateway)
    gateway.status = 502
    said = [await alice.say(room_id, str(number)) for number in range(limits.PUSH_QUEUE_MAX + 10)]

    async def tries() -> int:
        return gateway.tries

    await until(tries, lambda count: count >= 2, SECONDS_MAX)  # whatever came before the last of it is known
    gateway.status = 200
    told = await gateway.came(key, said[-1])
    assert gateway.event_ids(key) == said[-limits.PUSH_QUEUE_MAX :]
    assert told["counts"] == {"unread": len(said)}


async def test_a_rejected_pusher_goes(alice: Talker, bob: Talker, room_id: str, gateway: Gateway) -> None:
    key = await add_pusher(bob, gateway)
    gateway.rejects.add(key)
    await alice.say(room_id, "hi")
    await pushers_when(bob, 0)


async def test_a_pusher_that_was_set_anew_outlives_what_was_said_of_it_before(
    alice: Talker, bob: Talker, room_id: str, gateway: Gateway
) -> None:
    key = await add_pusher(bob, gateway)
    gateway.rejects.add(key)
    gateway.may_answer.clear()
    await alice.say(room_id, "hi")
    await until(lambda: tries(gateway), bool, SECONDS_MAX)
    await add_pusher(bob, gateway, pushkey=key, lang="ko")
    gateway.may_answer.set()
    gateway.rejects.clear()
    last = await alice.say(room_id, "are you there?")
    await gateway.came(key, last)
    assert [found["lang"] for found in await pushers(bob)] == ["ko"]


async def test_a_deleted_pusher_is_told_nothing_more(
    alice: Talker, bob: Talker, room_id: str, gateway: Gateway
) -> None:
    key, other = await add_pusher(bob, gateway), await add_pusher(bob, gateway)
    await gateway.came(key, await alice.say(room_id, "one"))
    await bob.post(f"{V3}/pushers/set", {"kind": None, "app_id": "org.example.test", "pushkey": key})
    await gateway.came(other, await alice.say(room_id, "two"))
    assert len(gateway.event_ids(key)) == 1


# --- Web Push ---


@pytest.fixture
async def browser(http: aiohttp.ClientSession, gateway: Gateway) -> Browser:
    status, said = await ask(http, "GET", "/_bongsu/v1/webpush")
    assert status == 200
    assert said["enabled"] is True
    browser = gateway.browsers["one"] = Browser(said["vapid"])
    return browser


async def subscribe(who: Talker, gateway: Gateway, browser: Browser, **data: Any) -> None:
    """The older form of the data names the address `endpoint`."""
    address = {"url": f"{gateway.origin}/browser/one", "auth": b64(browser.auth), **data}
    body = pusher(gateway, browser.pushkey, kind="webpush")
    await who.post(f"{V3}/pushers/set", {**body, "data": address})


async def told_to(browser: Browser, event_id: str) -> Json:
    async def found() -> list[Json]:
        return [each for each in browser.told if each.get("event_id") == event_id]

    return (await until(found, bool, SECONDS_MAX))[0]


async def test_a_browser_is_told_in_secret(
    alice: Talker, bob: Talker, room_id: str, gateway: Gateway, browser: Browser, elsewhere: aiohttp.ClientSession
) -> None:
    said = await bob.get(f"{V3}/capabilities")
    assert said["capabilities"]["org.matrix.msc4174.webpush"] == {"enabled": True, "vapid": browser.vapid}
    assert (await bob.through(elsewhere).get(f"{V3}/capabilities")) == said  # all workers have the same key
    assert (await bob.get("/_matrix/client/versions"))["unstable_features"]["org.matrix.msc4174"] is True
    await subscribe(bob, gateway, browser, default_payload={"user_id": bob.user_id})
    assert (await pushers(bob))[0]["activated"] is True
    event_id = await alice.say(room_id, "x" * 5_000, **mention(bob))
    told = await told_to(browser, event_id)
    assert told["room_id"] == room_id
    assert told["counts"] == {"unread": 1}
    assert told["room_name"] == "ours"
    assert told["sender"] == alice.user_id
    assert told["sender_display_name"] == "Alice"
    assert told["content"]["body"] == "x" * 400
    assert told["tweaks"] == {"sound": "default", "highlight": True}
    assert told["data"] == {"default_payload": {"user_id": bob.user_id}}
    assert browser.headers[-1]["urgency"] == "high"
    assert int(browser.headers[-1]["ttl"]) > 0


async def test_a_browser_may_want_no_text_and_the_older_form_works(
    alice: Talker, bob: Talker, gateway: Gateway, browser: Browser
) -> None:
    room_id = await alice.make_room()
    await alice.bring(room_id, bob)
    data = {"endpoint": f"{gateway.origin}/browser/one", "auth": b64(browser.auth), "format": "event_id_only"}
    body = pusher(gateway, browser.pushkey, kind="org.matrix.msc4174.webpush")
    await bob.post(f"{V3}/pushers/set", {**body, "data": data})
    told = await told_to(browser, last := await alice.say(room_id, "secret"))
    assert "content" not in told
    assert told["room_name"] == alice.user_id  # neither has a name
    await read(bob, room_id, last)
    told = await told_to(browser, await alice.say(room_id, "another"))
    assert [each.get("event_id") for each in browser.told].count(None) == 0  # no push without something to show
    assert told["counts"] == {"unread": 1}


async def test_what_a_sender_chose_to_be_long_fits_into_a_push(
    alice: Talker, bob: Talker, gateway: Gateway, browser: Browser
) -> None:
    name = "\u0001" * 255  # each takes six bytes in JSON
    await alice.put(f"{V3}/profile/{segment(alice.user_id)}/displayname", {"displayname": name})
    room_id = await alice.make_room(name=name)
    await alice.bring(room_id, bob)
    await subscribe(bob, gateway, browser, shows="x" * 300)
    long = await alice.send(room_id, {"msgtype": name, "body": name})
    told = await told_to(browser, long)
    assert (told["sender"], told["counts"]) == (alice.user_id, {"unread": 1})
    assert "content" not in told  # the app asks for it
    short = await told_to(browser, await alice.say(room_id, "hi"))
    assert short["content"]["body"] == "hi"
    browser.status, before = 413, browser.tries  # a push service that takes less than others
    never = await alice.say(room_id, "ho")
    await until(lambda: browser_tries(browser), lambda count: count > before, SECONDS_MAX)
    browser.status = 201
    await told_to(browser, await alice.say(room_id, "hum"))
    assert never not in [each.get("event_id") for each in browser.told]


async def test_what_a_gateway_never_takes_holds_up_nothing(
    alice: Talker, bob: Talker, room_id: str, gateway: Gateway
) -> None:
    key = await add_pusher(bob, gateway)
    gateway.status = 413
    first = await alice.say(room_id, "too much for it")
    await until(lambda: tries(gateway), bool, SECONDS_MAX)
    await alice.say(room_id, "this as well")
    await until(lambda: tries(gateway), lambda count: count >= 2, SECONDS_MAX)
    gateway.status = 200
    await gateway.came(key, await alice.say(room_id, "hi"))
    assert first not in gateway.event_ids(key)


async def test_a_busy_push_service_is_waited_for_and_a_gone_subscription_goes(
    alice: Talker, bob: Talker, room_id: str, gateway: Gateway, browser: Browser
) -> None:
    await subscribe(bob, gateway, browser)
    browser.status, browser.retry_after = 429, "3"
    event_id = await alice.say(room_id, "hi")

    async def tries() -> int:
        return browser.tries

    await until(tries, bool, SECONDS_MAX)
    browser.status = 201
    await told_to(browser, event_id)
    assert browser.tries == 2  # its own back-off would have tried earlier, and more often
    browser.status = 410
    await alice.say(room_id, "nobody")
    await pushers_when(bob, 0)


# --- GET /notifications ---


async def notified(who: Talker, **query: Any) -> tuple[list[Json], str | None]:
    said = await who.get(f"{V3}/notifications", **query)
    return said["notifications"], said.get("next_token")


async def test_notifications_are_listed_by_pages(alice: Talker, bob: Talker, room_id: str) -> None:
    said = [await alice.say(room_id, f"{number}", **(mention(bob) if number == 2 else {})) for number in range(5)]
    await alice.send(room_id, {"msgtype": "m.notice", "body": "no"})
    await read(bob, room_id, said[1])
    first, token = await notified(bob, limit=3)
    assert [each["event"]["event_id"] for each in first] == said[:1:-1]
    assert token is not None
    rest, token = await notified(bob, **{"from": token})
    assert [each["event"]["event_id"] for each in rest[:2]] == [said[1], said[0]]
    assert token is None
    assert [each["read"] for each in first + rest] == [False, False, False, True, True]
    assert {each["room_id"] for each in first} == {room_id}
    assert "room_id" not in first[0]["event"]
    assert first[0]["actions"] == ["notify"]
    highlights, _ = await notified(bob, only="highlight")
    assert [each["event"]["event_id"] for each in highlights] == [said[2]]
    assert (await bob.get(f"{R0}/notifications", limit=1))["notifications"] == first[:1]
    assert (await notified(alice))[0] == []
    invited = await alice.make_room(invite=[bob.user_id])
    newest = (await notified(bob, limit=1))[0][0]
    assert (newest["room_id"], newest["event"]["content"]["membership"]) == (invited, "invite")


async def test_wrong_questions_about_notifications_are_refused(bob: Talker) -> None:
    for query in ({"limit": "x"}, {"limit": 0}, {"from": "nothing"}, {"only": "low"}):
        assert await bob.refused("GET", f"{V3}/notifications", **query) == (400, "M_INVALID_PARAM")
