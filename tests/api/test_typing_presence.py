"""Who is typing and who is there, through HTTP: what the others hear of it, and when it ends by itself."""

import asyncio
import time
from typing import Any

import aiohttp
import pytest
from tests.api.talking import V3, Json, Talker, room, segment, sign_up

WAIT_MS = 20_000
FORBIDDEN = (403, "M_FORBIDDEN")
NO_PRESENCE: Json = {"presence": {"types": []}}


@pytest.fixture
async def stranger(http: aiohttp.ClientSession) -> Talker:
    return await sign_up(http, "stranger")


@pytest.fixture
async def room_id(alice: Talker, bob: Talker) -> str:
    room_id = await alice.make_room(name="ours")
    await alice.bring(room_id, bob)
    return room_id


async def token(who: Talker) -> str:
    since: str = (await who.sync(set_presence="offline"))["next_batch"]
    return since


# --- typing ---


def typing_of(who: Talker, room_id: str) -> str:
    return f"{room(room_id)}/typing/{segment(who.user_id)}"


async def types(who: Talker, room_id: str, **body: Any) -> None:
    assert await who.put(typing_of(who, room_id), {"typing": True, **body}) == {}


async def stops(who: Talker, room_id: str) -> None:
    assert await who.put(typing_of(who, room_id), {"typing": False}) == {}


async def typing(reader: Talker, room_id: str, since: str | None = None, **query: Any) -> tuple[list[str] | None, str]:
    """(who types, as a sync tells it, or None where it tells nothing; the next token)."""
    answer = await reader.sync(since, set_presence="offline", filter=NO_PRESENCE, **query)
    part = answer.get("rooms", {}).get("join", {}).get(room_id, {})
    events = [event for event in part.get("ephemeral", {}).get("events", ()) if event["type"] == "m.typing"]
    return (events[-1]["content"]["user_ids"] if events else None), answer["next_batch"]


async def test_typing_starts_and_stops(alice: Talker, bob: Talker, room_id: str) -> None:
    since = await token(bob)
    await types(alice, room_id, timeout=30_000)
    assert (await typing(bob, room_id, since))[0] == [alice.user_id]
    assert (await typing(bob, room_id))[0] == [alice.user_id]
    await types(bob, room_id)
    who, since = await typing(bob, room_id, since)
    assert who is not None
    assert set(who) == {alice.user_id, bob.user_id}
    assert (await typing(bob, room_id, since))[0] is None
    await stops(alice, room_id)
    who, since = await typing(bob, room_id, since)
    assert who == [bob.user_id]
    await stops(bob, room_id)
    assert (await typing(bob, room_id, since))[0] == []
    assert (await typing(bob, room_id))[0] in (None, [])


async def test_typing_wakes_who_waits(alice: Talker, bob: Talker, room_id: str) -> None:
    since = await token(bob)
    waiting = asyncio.create_task(typing(bob, room_id, since, timeout=WAIT_MS))
    await types(alice, room_id)
    assert (await waiting)[0] == [alice.user_id]


async def test_typing_ends_by_itself(alice: Talker, bob: Talker, room_id: str) -> None:
    since = await token(bob)
    await types(alice, room_id, timeout=400)
    who, since = await typing(bob, room_id, since, timeout=WAIT_MS)
    assert who == [alice.user_id]
    began = time.monotonic()
    who, since = await typing(bob, room_id, since, timeout=WAIT_MS)
    assert who == []
    assert time.monotonic() - began < 5


async def test_who_leaves_no_longer_types(alice: Talker, bob: Talker, room_id: str) -> None:
    await types(bob, room_id, timeout=60_000)
    since = await token(alice)
    await bob.leave(room_id)
    await alice.say(room_id, "x")
    who, _ = await typing(alice, room_id, since)
    assert who in (None, [])
    assert (await typing(alice, room_id))[0] in (None, [])


async def test_typing_that_is_refused(alice: Talker, bob: Talker, stranger: Talker, room_id: str) -> None:
    body = {"typing": True}
    assert await stranger.refused("PUT", typing_of(stranger, room_id), body) == FORBIDDEN
    assert await bob.refused("PUT", typing_of(alice, room_id), body) == FORBIDDEN
    assert await bob.refused("PUT", typing_of(bob, "!none:x.example"), body) == FORBIDDEN
    assert await bob.refused("PUT", typing_of(bob, room_id), {}) == (400, "M_MISSING_PARAM")
    assert await bob.refused("PUT", typing_of(bob, room_id), {"typing": "yes"}) == (400, "M_BAD_JSON")
    assert await bob.refused("PUT", typing_of(bob, room_id), {"typing": True, "timeout": "x"}) == (400, "M_BAD_JSON")
    assert (await typing(alice, room_id))[0] is None


async def test_typing_is_filtered(alice: Talker, bob: Talker, room_id: str) -> None:
    await types(alice, room_id)
    answer = await bob.sync(filter={"room": {"ephemeral": {"not_types": ["m.typing"]}}})
    assert answer["rooms"]["join"][room_id]["ephemeral"]["events"] == []


# --- presence ---


def status_of(who: Talker) -> str:
    return f"{V3}/presence/{segment(who.user_id)}/status"


async def presence(reader: Talker, of: Talker, since: str | None = None, **query: Any) -> Json | None:
    """What a sync tells of somebody's presence."""
    events = (await reader.sync(since, set_presence="offline", **query)).get("presence", {}).get("events", ())
    return next((event["content"] for event in events if event["sender"] == of.user_id), None)


async def until(reader: Talker, of: Talker, expected: str) -> Json:
    """The status, once it is as expected: a sync does not wait until its presence is told."""
    deadline = time.monotonic() + 5
    while (said := await reader.get(status_of(of)))["presence"] != expected:
        assert time.monotonic() < deadline, said
        await asyncio.sleep(0.02)
    told: Json = said
    return told


async def test_presence_is_set_and_told(alice: Talker, bob: Talker, room_id: str) -> None:
    since = await token(bob)
    assert await alice.get(status_of(alice)) == {"presence": "offline"}
    body = {"presence": "unavailable", "status_msg": "at lunch"}
    assert await alice.put(status_of(alice), body) == {}
    said = await bob.get(status_of(alice))
    assert 0 <= said.pop("last_active_ago") < 60_000
    assert said == body
    for token_ in (since, None):
        told = await presence(bob, alice, token_)
        assert told is not None
        assert (told["presence"], told["status_msg"]) == ("unavailable", "at lunch")
    await alice.put(status_of(alice), {"presence": "online"})
    told = await presence(bob, alice, since)
    assert told is not None
    assert told["currently_active"] is True
    assert "status_msg" not in told
    await alice.put(status_of(alice), {"presence": "offline", "status_msg": None})
    told = await presence(bob, alice, since)
    assert told is not None
    assert told["presence"] == "offline"


async def test_a_sync_says_that_one_is_there(alice: Talker, bob: Talker, room_id: str) -> None:
    since = await token(bob)
    await alice.sync(set_presence="offline")
    assert await bob.get(status_of(alice)) == {"presence": "offline"}
    waiting = asyncio.create_task(presence(bob, alice, since, timeout=WAIT_MS))
    await alice.sync()
    told = await waiting
    assert told is not None
    assert told["presence"] == "online"
    await alice.sync(set_presence="unavailable")
    await until(bob, alice, "unavailable")
    await alice.sync()
    await until(bob, alice, "online")


async def test_presence_is_for_people_who_share_a_room(
    alice: Talker, bob: Talker, stranger: Talker, room_id: str
) -> None:
    other = await stranger.make_room(preset="public_chat")
    since = await token(stranger)
    await alice.put(status_of(alice), {"presence": "online"})
    assert await stranger.refused("GET", status_of(alice)) == FORBIDDEN
    assert await presence(stranger, alice, since) is None
    assert await presence(stranger, alice) is None
    await alice.join(other)
    assert (await stranger.get(status_of(alice)))["presence"] == "online"
    for token_ in (since, None):
        told = await presence(stranger, alice, token_)
        assert told is not None
        assert told["presence"] == "online"


async def test_presence_that_is_refused(alice: Talker, bob: Talker, room_id: str) -> None:
    assert await bob.refused("PUT", status_of(alice), {"presence": "online"}) == FORBIDDEN
    assert await bob.refused("PUT", status_of(bob), {"presence": "busy"}) == (400, "M_INVALID_PARAM")
    assert await bob.refused("PUT", status_of(bob), {}) == (400, "M_MISSING_PARAM")
    assert await bob.refused("PUT", status_of(bob), {"presence": 1}) == (400, "M_BAD_JSON")
    long_text = {"presence": "online", "status_msg": "x" * 1_001}
    assert await bob.refused("PUT", status_of(bob), long_text) == (400, "M_INVALID_PARAM")
    assert await bob.refused("GET", f"{V3}/presence/nonsense/status") == (400, "M_INVALID_PARAM")
    assert await bob.refused("GET", f"{V3}/presence/{segment('@none:x.example')}/status") == FORBIDDEN
    assert (await alice.get(status_of(bob)))["presence"] == "offline"


async def test_presence_is_filtered(alice: Talker, bob: Talker, room_id: str) -> None:
    await alice.put(status_of(alice), {"presence": "online"})
    assert await presence(bob, alice, filter={"presence": {"not_senders": [alice.user_id]}}) is None
    assert await presence(bob, alice, filter={"presence": {"senders": [alice.user_id]}}) is not None
    assert await presence(bob, alice, filter=NO_PRESENCE) is None
