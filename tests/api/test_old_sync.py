"""What clients asked before there was /sync, and rooms that are looked at from outside."""

import asyncio

import aiohttp
import asyncpg
import pytest
from tests.api.talking import V3, Json, Talker, room, segment

from bongsu.core import limits

R0 = "/_matrix/client/r0"
VISIBILITY = "m.room.history_visibility"
FORBIDDEN = (403, "M_FORBIDDEN")
LONG = 20_000


async def readable_room(host: Talker) -> str:
    state = [{"type": VISIBILITY, "content": {"history_visibility": "world_readable"}}]
    return await host.make_room(preset="public_chat", initial_state=state)


def ids_of(chunk: list[dict[str, str]]) -> list[str]:
    return [event["event_id"] for event in chunk]


# --- GET /events ---


@pytest.mark.parametrize("prefix", [V3, R0])
async def test_the_stream_of_all_rooms(alice: Talker, bob: Talker, prefix: str) -> None:
    one, other = await alice.make_room(), await alice.make_room()
    await alice.bring(one, bob)
    await alice.bring(other, bob)
    begin = (await bob.get(f"{prefix}/events"))["end"]
    sent = [await alice.say(room_id, "x") for room_id in (one, other, one)]
    told = await bob.get(f"{prefix}/events", **{"from": begin})
    assert ids_of(told["chunk"]) == sent
    assert [event["room_id"] for event in told["chunk"]] == [one, other, one]
    assert told["start"] == begin
    assert (await bob.get(f"{prefix}/events", **{"from": told["end"]}))["chunk"] == []
    assert (await bob.get(f"{V3}/sync", since=begin))["rooms"]["join"].keys() == {one, other}  # one kind of token


async def test_the_stream_waits(alice: Talker, bob: Talker, elsewhere: aiohttp.ClientSession) -> None:
    room_id = await alice.make_room()
    await alice.bring(room_id, bob)
    begin = (await bob.get(f"{V3}/events"))["end"]
    waiting = [asyncio.create_task(who.get(f"{V3}/events", **{"from": begin}, timeout=LONG))
               for who in (bob, bob.through(elsewhere))]  # fmt: skip
    await asyncio.sleep(0.05)
    event_id = await alice.say(room_id, "now")
    for task in waiting:
        assert ids_of((await task)["chunk"]) == [event_id]


async def test_the_stream_tells_of_a_room_that_one_comes_into(alice: Talker, bob: Talker) -> None:
    room_id = await alice.make_room(preset="public_chat")
    begin = (await bob.get(f"{V3}/events"))["end"]
    waiting = asyncio.create_task(bob.get(f"{V3}/events", **{"from": begin}, timeout=LONG))
    await asyncio.sleep(0.05)
    await bob.join(room_id)
    (event,) = (await waiting)["chunk"]
    assert (event["type"], event["state_key"]) == ("m.room.member", bob.user_id)


async def test_the_stream_ends_where_one_left(alice: Talker, bob: Talker) -> None:
    room_id = await alice.make_room()
    await alice.bring(room_id, bob)
    begin = (await bob.get(f"{V3}/events"))["end"]
    await alice.post(f"{room(room_id)}/kick", {"user_id": bob.user_id})
    await alice.say(room_id, "not for him")
    told = (await bob.get(f"{V3}/events", **{"from": begin}))["chunk"]
    assert [event["type"] for event in told] == ["m.room.member"]


async def test_a_long_stream_comes_in_pieces(alice: Talker) -> None:
    room_id = await alice.make_room()
    position = (await alice.get(f"{V3}/events"))["end"]
    sent = await asyncio.gather(*(alice.say(room_id, str(number)) for number in range(130)))
    seen: list[str] = []
    while chunk := (told := await alice.get(f"{V3}/events", **{"from": position}))["chunk"]:
        seen += ids_of(chunk)
        position = told["end"]
    assert len(seen) == 130
    assert set(seen) == set(sent)


@pytest.mark.parametrize("token", ["x", "s", "s-1", "t1"])
async def test_a_token_that_is_none(alice: Talker, token: str) -> None:
    assert await alice.refused("GET", f"{V3}/events", **{"from": token}) == (400, "M_INVALID_PARAM")
    room_id = await readable_room(alice)
    query = {"from": token, "room_id": room_id}
    assert await alice.refused("GET", f"{V3}/events", **query) == (400, "M_INVALID_PARAM")


async def test_a_device_waits_in_many_places_where_rate_limits_are_off(alice: Talker) -> None:
    begin = (await alice.get(f"{V3}/events"))["end"]
    query = {"from": begin, "timeout": LONG}
    waiting = [asyncio.create_task(alice.ask("GET", f"{V3}/events", **query)) for _ in range(6)]
    await asyncio.sleep(0.1)
    await alice.make_room()
    assert [status for status, _ in await asyncio.wait_for(asyncio.gather(*waiting), 10)] == [200] * 6


async def test_who_waits_is_let_go_when_the_session_ends(alice: Talker) -> None:
    await alice.make_room()
    begin = (await alice.get(f"{V3}/events"))["end"]
    waiting = asyncio.create_task(alice.get(f"{V3}/events", **{"from": begin}, timeout=LONG))
    await alice.sees_somebody_wait()
    await alice.post(f"{V3}/logout")
    assert await asyncio.wait_for(waiting, 10) == {"start": begin, "end": begin, "chunk": []}


async def test_who_is_far_behind_does_not_wait(alice: Talker, database: asyncpg.Connection) -> None:
    """What one answer looks at is bounded. The rest is asked for at once, not after the timeout."""
    room_id = await alice.make_room()
    position = (await alice.get(f"{V3}/events"))["end"]
    await database.execute("UPDATE stream SET pos = pos + $1", 2 * limits.HISTORY_SCAN_MAX)
    event_id = await alice.say(room_id, "at last")
    for _ in range(2):
        told = await asyncio.wait_for(alice.get(f"{V3}/events", **{"from": position}, timeout=LONG), 10)
        assert told["chunk"] == []
        position = told["end"]
    assert ids_of((await alice.get(f"{V3}/events", **{"from": position}))["chunk"]) == [event_id]


async def test_a_token_of_the_future_begins_anew(alice: Talker) -> None:
    room_id = await alice.make_room()
    now = (await alice.get(f"{V3}/events"))["end"]
    told = await alice.get(f"{V3}/events", **{"from": "s999999999999"})
    assert (told["start"], told["end"]) == (now, now)
    event_id = await alice.say(room_id, "x")
    assert ids_of((await alice.get(f"{V3}/events", **{"from": told["end"]}))["chunk"]) == [event_id]


async def test_the_stream_is_silent_about_ignored_people(alice: Talker, bob: Talker) -> None:
    room_id = await readable_room(alice)
    await bob.join(room_id)
    ignored: Json = {"ignored_users": {alice.user_id: {}}}
    await bob.put(f"{V3}/user/{segment(bob.user_id)}/account_data/m.ignored_user_list", ignored)
    begin = (await bob.get(f"{V3}/events"))["end"]
    await alice.say(room_id, "not for him")
    state = await alice.set_state(room_id, "m.room.topic", {"topic": "for all"})
    await alice.invite(await alice.make_room(), bob)
    for query in ({}, {"room_id": room_id}):
        assert ids_of((await bob.get(f"{V3}/events", **{"from": begin}, **query))["chunk"]) == [state]


async def test_the_stream_tells_of_an_invitation(alice: Talker, bob: Talker) -> None:
    begin = (await bob.get(f"{V3}/events"))["end"]
    waiting = asyncio.create_task(bob.get(f"{V3}/events", **{"from": begin}, timeout=LONG))
    await asyncio.sleep(0.05)
    room_id = await alice.make_room()
    await alice.invite(room_id, bob)
    (event,) = (await asyncio.wait_for(waiting, 10))["chunk"]
    assert (event["room_id"], event["content"]["membership"]) == (room_id, "invite")
    assert (event["state_key"], event["sender"]) == (bob.user_id, alice.user_id)


# --- GET /events with a room: peeking ---


async def test_a_room_that_the_world_may_read_is_followed_from_outside(
    alice: Talker, bob: Talker, elsewhere: aiohttp.ClientSession
) -> None:
    room_id = await readable_room(alice)
    shown = await bob.get(f"{room(room_id)}/initialSync", limit=5)
    waiting = [asyncio.create_task(who.get(f"{V3}/events", **{"from": begin}, room_id=room_id, timeout=LONG))
               for who in (bob, bob.through(elsewhere)) for begin in (shown["messages"]["end"],)]  # fmt: skip
    await asyncio.sleep(0.05)
    event_id = await alice.say(room_id, "for all")
    for task in waiting:
        assert ids_of((await task)["chunk"]) == [event_id]
    assert room_id not in (await bob.sync()).get("rooms", {}).get("join", {})


@pytest.mark.parametrize("visibility", ["shared", "invited", "joined"])
async def test_other_rooms_are_not_for_those_outside(alice: Talker, bob: Talker, visibility: str) -> None:
    room_id = await alice.make_room(preset="public_chat")
    await alice.set_state(room_id, VISIBILITY, {"history_visibility": visibility})
    for path in (f"{V3}/events", f"{R0}/events"):
        assert await bob.refused("GET", path, room_id=room_id) == FORBIDDEN
        assert await bob.refused("GET", path, room_id="!none:x") == FORBIDDEN
    assert await bob.refused("GET", f"{room(room_id)}/initialSync") == FORBIDDEN


async def test_peeking_ends_with_the_world_s_right_to_read(alice: Talker, bob: Talker) -> None:
    room_id = await readable_room(alice)
    begin = (await bob.get(f"{V3}/events", room_id=room_id))["end"]
    waiting = asyncio.create_task(bob.ask("GET", f"{V3}/events", **{"from": begin}, room_id=room_id, timeout=LONG))
    await asyncio.sleep(0.05)
    await alice.set_state(room_id, VISIBILITY, {"history_visibility": "joined"})
    assert (await waiting)[0] == 403


# --- GET /events/{eventId} ---


@pytest.mark.parametrize("version", ["1", "12"])
async def test_an_event_by_its_id_alone(alice: Talker, bob: Talker, version: str) -> None:
    room_id = await alice.make_room(room_version=version)
    event_id = await alice.say(room_id, "x")
    path = f"{V3}/events/{segment(event_id)}"
    assert await alice.get(path) == await alice.event(room_id, event_id)
    assert await bob.refused("GET", path) == (404, "M_NOT_FOUND")
    assert await bob.refused("GET", f"{R0}/events/nothing") == (404, "M_NOT_FOUND")


# --- initialSync ---


@pytest.mark.parametrize("prefix", [V3, R0])
async def test_everything_to_begin_with(alice: Talker, bob: Talker, prefix: str) -> None:
    inside, left, invited = await alice.make_room(name="in"), await alice.make_room(), await alice.make_room()
    public = await alice.make_room(visibility="public", preset="public_chat")
    await alice.bring(inside, bob)
    await alice.bring(left, bob)
    await bob.leave(left)
    await bob.join(public)
    await alice.invite(invited, bob)
    sent = [await alice.say(inside, str(number)) for number in range(4)]
    await bob.put(f"{V3}/user/{segment(bob.user_id)}/rooms/{segment(inside)}/tags/u.x", {})
    said = await bob.get(f"{prefix}/initialSync", limit=3)
    rooms = {entry["room_id"]: entry for entry in said["rooms"]}
    assert {room_id: entry["membership"] for room_id, entry in rooms.items()} == {
        inside: "join", public: "join", invited: "invite",
    }  # fmt: skip
    assert ids_of(rooms[inside]["messages"]["chunk"]) == sent[1:]
    assert {event["type"] for event in rooms[inside]["state"]} >= {"m.room.name", "m.room.create", "m.room.member"}
    assert rooms[inside]["account_data"] == [{"type": "m.tag", "content": {"tags": {"u.x": {}}}}]
    assert (rooms[inside]["visibility"], rooms[public]["visibility"]) == ("private", "public")
    assert rooms[invited]["invite"]["state_key"] == bob.user_id
    assert any(event["type"] == "m.push_rules" for event in said["account_data"])
    event_id = await alice.say(inside, "later")
    assert event_id in ids_of((await bob.get(f"{prefix}/events", **{"from": said["end"]}))["chunk"])
    earlier = await bob.messages(inside, **{"from": rooms[inside]["messages"]["start"]}, limit=1)
    assert ids_of(earlier["chunk"]) == sent[:1]
    archived = {entry["room_id"]: entry for entry in (await bob.get(f"{prefix}/initialSync", archived="true"))["rooms"]}
    assert archived[left]["membership"] == "leave"


async def test_one_room_to_begin_with(alice: Talker, bob: Talker) -> None:
    room_id = await alice.make_room(name="x", visibility="public", preset="public_chat")
    await bob.join(room_id)
    sent = [await alice.say(room_id, str(number)) for number in range(3)]
    said = await bob.get(f"{room(room_id)}/initialSync", limit=2)
    assert (said["membership"], said["visibility"]) == ("join", "public")
    assert ids_of(said["messages"]["chunk"]) == sent[1:]
    members = {event["state_key"] for event in said["state"] if event["type"] == "m.room.member"}
    assert members == {alice.user_id, bob.user_id}
    await bob.leave(room_id)
    await alice.set_state(room_id, "m.room.name", {"name": "y"})
    await alice.say(room_id, "not for him")
    said = await bob.get(f"{R0}/rooms/{segment(room_id)}/initialSync", limit=1)
    assert said["membership"] == "leave"
    assert said["messages"]["chunk"][0]["state_key"] == bob.user_id
    assert [event["content"] for event in said["state"] if event["type"] == "m.room.name"] == [{"name": "x"}]


async def test_a_readable_room_tells_outsiders_no_membership(alice: Talker, bob: Talker) -> None:
    room_id = await readable_room(alice)
    said = await bob.get(f"{room(room_id)}/initialSync")
    assert "membership" not in said
    assert said["account_data"] == []
