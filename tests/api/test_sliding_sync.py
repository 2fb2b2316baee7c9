"""Sliding sync through HTTP (MSC4186): windows of rooms, what is told of them, and what a connection remembers."""

import asyncio
import base64
import json
import os
import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import asyncpg
import msgspec
import pytest
from tests.api.holding import Hold
from tests.api.keys import publish
from tests.api.talking import V3, Json, Talker, room, segment, sign_up
from tests.server import Server

from bongsu.core import limits
from bongsu.store import sliding as table
from bongsu.store.database import Database
from bongsu.store.embedded import EmbeddedPostgres
from bongsu.sync.told import key_of

PATH = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync"
WAIT_MS = 20_000  # longer than any test waits; what wakes a sync does so within milliseconds
NAME, TOPIC, MEMBER, MESSAGE = "m.room.name", "m.room.topic", "m.room.member", "m.room.message"
USUAL = [[NAME, ""], [MEMBER, "$LAZY"], [MEMBER, "$ME"]]
ALL: Json = {"account_data": {"enabled": True}, "receipts": {"enabled": True}, "typing": {"enabled": True}}


class Slider:
    """One connection of a device; `ask` goes on from its last answer."""

    def __init__(self, talker: Talker, **body: Any) -> None:
        self.talker = talker
        self.body = body
        self.pos: str | None = None

    async def ask(self, *, timeout: int = 0, at: Talker | None = None, **more: Any) -> Any:
        self.body |= more
        answer = await (at or self.talker).post(PATH, self.body, pos=self.pos, timeout=timeout, set_presence="offline")
        self.pos = answer["pos"]
        return answer


def top(last: int = 19, limit: int = 10, state: list[list[str]] = USUAL, **more: Any) -> Json:
    """One list, from the newest room to the one at this place."""
    return {"rooms": {"ranges": [[0, last]], "timeline_limit": limit, "required_state": state, **more}}


def bodies(part: Json) -> list[str]:
    return [event["content"].get("body", "") for event in part["timeline"] if event["type"] == MESSAGE]


def keys(part: Json) -> set[tuple[str, str]]:
    return {(event["type"], event["state_key"]) for event in part["required_state"]}


@pytest.fixture
async def carol(http: aiohttp.ClientSession) -> Talker:
    return await sign_up(http, "carol")


@pytest.fixture
async def room_id(alice: Talker, bob: Talker) -> str:
    room_id = await alice.make_room(name="ours", topic="old")
    await alice.bring(room_id, bob)
    return room_id


async def rooms_of(talker: Talker, count: int) -> list[str]:
    """Rooms made one after the other, so that the last comes first."""
    return [await talker.make_room(name=f"room {number}") for number in range(count)]


async def test_clients_are_told_that_it_is_there(alice: Talker) -> None:
    features = (await alice.get("/_matrix/client/versions"))["unstable_features"]
    assert features["org.matrix.simplified_msc3575"] is True


# --- windows ---


async def test_a_first_answer_tells_the_newest_rooms(alice: Talker) -> None:
    made = await rooms_of(alice, 4)
    await alice.say(made[0], "up")
    answer = await Slider(alice, lists=top(1), txn_id="t1").ask()
    assert answer["lists"] == {"rooms": {"count": 4}}
    assert set(answer["rooms"]) == {made[0], made[3]}
    assert answer["txn_id"] == "t1"
    part = answer["rooms"][made[0]]
    assert (part["initial"], part["name"], bodies(part)) == (True, "room 0", ["up"])
    assert keys(part) == {(NAME, ""), (MEMBER, alice.user_id)}
    assert (part["joined_count"], part["invited_count"], part["num_live"]) == (1, 0, 0)
    assert part["bump_stamp"] > answer["rooms"][made[3]]["bump_stamp"]


async def test_news_comes_alone(alice: Talker, bob: Talker, room_id: str) -> None:
    slider = Slider(bob, lists=top())
    assert set((await slider.ask())["rooms"]) == {room_id}
    assert (await slider.ask())["rooms"] == {}
    await alice.say(room_id, "new")
    part = (await slider.ask())["rooms"][room_id]
    assert bodies(part) == ["new"]
    assert "initial" not in part
    assert "name" not in part
    assert (part["limited"], part["num_live"], part["notification_count"]) == (False, 1, 1)
    assert keys(part) == {(MEMBER, alice.user_id)}  # who speaks is introduced
    assert (await slider.ask())["rooms"] == {}


async def test_a_growing_window_tells_the_rooms_it_comes_to(alice: Talker) -> None:
    made = await rooms_of(alice, 5)
    slider = Slider(alice, lists=top(1))
    assert set((await slider.ask())["rooms"]) == {made[4], made[3]}
    assert set((await slider.ask(lists=top(3)))["rooms"]) == {made[2], made[1]}
    several = {"rooms": {"ranges": [[0, 0], [4, 9]], "timeline_limit": 1}}
    assert set((await slider.ask(lists=several))["rooms"]) == {made[0]}


async def test_one_answer_holds_so_many_rooms_and_the_next_goes_on(alice: Talker) -> None:
    """What is new in known rooms is bounded as what is told of new ones; nothing gets lost by it."""
    limit = limits.SLIDING_TIMELINE_EVENTS_MAX
    at_once = limits.SLIDING_EVENTS_AT_ONCE_MAX // limit
    made = await asyncio.gather(*(alice.make_room() for _ in range(at_once + 2)))
    slider = Slider(alice, lists=top(99, limit))
    for text in ("", "news"):
        if text:
            await asyncio.gather(*(alice.say(room_id, text) for room_id in made))
        first, second = await slider.ask(), await slider.ask(timeout=WAIT_MS)
        assert (len(first["rooms"]), len(second["rooms"])) == (at_once, 2)
        assert {*first["rooms"], *second["rooms"]} == set(made)
    for part in (*first["rooms"].values(), *second["rooms"].values()):
        assert bodies(part)[-1] == "news"
    assert (await slider.ask())["rooms"] == {}


async def test_lists_may_cross_in_any_number_of_ways(alice: Talker) -> None:
    """A connection remembers some kinds of required state. Where lists make more of them, more is told."""
    made = await rooms_of(alice, 14)
    lists = {
        str(number): {
            "ranges": [[number, 99]],
            "timeline_limit": 1,
            "required_state": [[NAME, ""], ["org.x", f"{number}"]],
        }
        for number in range(14)
    }
    slider = Slider(alice, lists=lists)
    answer = await slider.ask()
    assert set(answer["rooms"]) == set(made)
    assert all((NAME, "") in keys(part) for part in answer["rooms"].values())
    assert (await slider.ask())["rooms"] == {}
    await alice.say(made[0], "up")
    assert set((await slider.ask())["rooms"]) == {made[0]}
    assert (await slider.ask())["rooms"] == {}


async def test_a_connection_may_ask_for_more_state_many_times(alice: Talker, room_id: str) -> None:
    slider = Slider(alice)
    for number in range(14):
        await alice.set_state(room_id, "org.x", {"n": number}, f"{number}")
        subscribed = {room_id: {"timeline_limit": 0, "required_state": [["org.x", f"{number}"]]}}
        part = (await slider.ask(room_subscriptions=subscribed))["rooms"][room_id]
        assert ("org.x", f"{number}") in keys(part)
    assert (await slider.ask())["rooms"] == {}


async def test_a_room_that_comes_back_goes_on_where_it_was(alice: Talker) -> None:
    made = await rooms_of(alice, 3)
    await alice.say(made[0], "first")
    slider = Slider(alice, lists=top(0))
    assert set((await slider.ask())["rooms"]) == {made[0]}
    await alice.say(made[1], "other")
    assert set((await slider.ask())["rooms"]) == {made[1]}  # the first one falls out
    await alice.set_state(made[0], NAME, {"name": "new name"})
    assert (await slider.ask())["rooms"] == {}  # nobody looks at it
    await alice.say(made[0], "second")
    part = (await slider.ask())["rooms"][made[0]]
    assert bodies(part) == ["second"]
    assert "initial" not in part
    assert part["limited"] is False
    assert part["name"] == "new name"
    assert (NAME, "") in keys(part)


async def test_a_gap_is_marked_and_brings_the_state_changed_in_it(alice: Talker, bob: Talker, room_id: str) -> None:
    slider = Slider(bob, lists=top(limit=2))
    await slider.ask()
    await alice.set_state(room_id, NAME, {"name": "in the gap"})
    for number in range(4):
        await alice.say(room_id, f"{number}")
    part = (await slider.ask())["rooms"][room_id]
    assert (part["limited"], bodies(part)) == (True, ["2", "3"])
    assert {e["content"]["name"] for e in part["required_state"] if e["type"] == NAME} == {"in the gap"}
    older = await bob.messages(room_id, **{"from": part["prev_batch"]}, limit=3)
    assert [event["content"].get("body") for event in older["chunk"]] == ["1", "0", None]


async def test_profiles_move_no_room(alice: Talker) -> None:
    made = await rooms_of(alice, 2)
    slider = Slider(alice, lists=top(0))
    await slider.ask()
    await alice.set_state(made[0], MEMBER, {"membership": "join", "displayname": "new"}, alice.user_id)
    assert (await slider.ask())["rooms"] == {}
    assert set((await Slider(alice, lists=top(0), conn_id="new").ask())["rooms"]) == {made[1]}


# --- filters ---


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, {"plain", "dm", "secret", "space", "inside", "asked"}),
        ({"is_dm": True}, {"dm"}),
        ({"is_dm": False, "is_invite": False}, {"plain", "secret", "space", "inside"}),
        ({"is_encrypted": True}, {"secret"}),
        ({"is_encrypted": False, "is_invite": False}, {"plain", "dm", "space", "inside"}),
        ({"is_invite": True}, {"asked"}),
        ({"room_types": ["m.space"]}, {"space"}),
        ({"room_types": [None], "is_invite": False}, {"plain", "dm", "secret", "inside"}),
        ({"room_types": []}, set()),
        ({"not_room_types": ["m.space"]}, {"plain", "dm", "secret", "inside", "asked"}),
        ({"room_name_like": "PLA"}, {"plain"}),
        ({"tags": ["m.favourite"]}, {"plain"}),
        ({"not_tags": ["m.favourite"], "is_invite": False}, {"dm", "secret", "space", "inside"}),
        ({"spaces": ["space"]}, {"inside"}),
    ],
)
async def test_filters(alice: Talker, bob: Talker, filters: Json, expected: set[str]) -> None:
    made = {name: await alice.make_room(name=name) for name in ("plain", "dm", "secret", "inside")}
    made["space"] = await alice.make_room(name="space", creation_content={"type": "m.space"})
    made["asked"] = await bob.make_room(invite=[alice.user_id])
    await alice.set_state(made["secret"], "m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"})
    await alice.set_state(made["space"], "m.space.child", {"via": ["test.example"]}, made["inside"])
    account = f"{V3}/user/{segment(alice.user_id)}"
    await alice.put(f"{account}/account_data/m.direct", {bob.user_id: [made["dm"]]})
    await alice.put(f"{account}/rooms/{segment(made['plain'])}/tags/m.favourite", {})
    if "spaces" in filters:
        filters = {"spaces": [made[name] for name in filters["spaces"]]}
    answer = await Slider(alice, lists=top(filters=filters)).ask()
    names = {room_id: name for name, room_id in made.items()}
    assert {names[room_id] for room_id in answer["rooms"]} == expected
    assert answer["lists"]["rooms"]["count"] == len(expected)


async def test_filtered_lists_follow(alice: Talker) -> None:
    made = await rooms_of(alice, 2)
    slider = Slider(alice, lists=top(filters={"is_encrypted": True}))
    assert (await slider.ask())["lists"]["rooms"]["count"] == 0
    await alice.set_state(made[0], "m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"})
    answer = await slider.ask()
    assert (answer["lists"]["rooms"]["count"], set(answer["rooms"])) == (1, {made[0]})
    tagged = Slider(alice, conn_id="tags", lists=top(filters={"tags": ["u.x"]}))
    await tagged.ask()
    await alice.put(f"{V3}/user/{segment(alice.user_id)}/rooms/{segment(made[1])}/tags/u.x", {})
    assert set((await tagged.ask())["rooms"]) == {made[1]}


# --- what is told of a room ---


async def test_wildcards_of_required_state(alice: Talker, bob: Talker, room_id: str) -> None:
    for key in ("a", "b"):
        await alice.set_state(room_id, "org.example.x", {"n": 1}, key)

    async def told(*state: list[str]) -> set[tuple[str, str]]:
        answer = await Slider(bob, conn_id=json.dumps(state), lists=top(state=list(state))).ask()
        return keys(answer["rooms"][room_id])

    assert await told() == set()
    assert await told(["org.example.x", "*"]) == {("org.example.x", "a"), ("org.example.x", "b")}
    assert await told(["*", "a"]) == {("org.example.x", "a")}
    assert await told([MEMBER, "$ME"]) == {(MEMBER, bob.user_id)}
    assert await told([MEMBER, alice.user_id]) == {(MEMBER, alice.user_id)}
    everybody = {(MEMBER, alice.user_id), (MEMBER, bob.user_id)}
    assert await told([MEMBER, "*"]) == everybody
    state = {(e["type"], e["state_key"]) for e in await alice.get(f"{room(room_id)}/state")}
    assert await told(["*", "*"]) == state


async def test_more_state_and_a_longer_timeline(alice: Talker, bob: Talker, room_id: str) -> None:
    for number in range(5):
        await alice.say(room_id, f"{number}")
    slider = Slider(bob, lists=top(limit=1, state=[[NAME, ""]]))
    assert bodies((await slider.ask())["rooms"][room_id]) == ["4"]
    part = (await slider.ask(room_subscriptions={room_id: {"timeline_limit": 3, "required_state": [[TOPIC, ""]]}}))[
        "rooms"
    ][room_id]
    assert bodies(part) == ["2", "3", "4"]
    assert part["unstable_expanded_timeline"] is True
    assert "initial" not in part
    assert (part["limited"], part["num_live"], keys(part)) == (True, 0, {(TOPIC, "")})
    assert (await slider.ask(room_subscriptions={}))["rooms"] == {}
    part = (await slider.ask(lists=top(limit=1, state=[[NAME, ""], ["m.room.create", ""]])))["rooms"][room_id]
    assert (part["timeline"], part["limited"], keys(part)) == ([], False, {("m.room.create", "")})
    await alice.set_state(room_id, TOPIC, {"topic": "new"})
    assert keys((await slider.ask())["rooms"][room_id]) == {(TOPIC, "")}  # once told, kept up to date


async def test_names_heroes_and_pictures(alice: Talker, bob: Talker) -> None:
    await bob.put(f"{V3}/profile/{segment(bob.user_id)}/displayname", {"displayname": "Bob"})
    nameless = await alice.make_room()
    await alice.bring(nameless, bob)
    await alice.put(f"{V3}/user/{segment(alice.user_id)}/account_data/m.direct", {bob.user_id: [nameless]})
    slider = Slider(alice, lists=top(limit=0, state=[]))
    part = (await slider.ask())["rooms"][nameless]
    assert part["heroes"] == [{"user_id": bob.user_id, "displayname": "Bob"}]
    assert part["is_dm"] is True
    assert not {"name", "avatar"} & part.keys()
    assert (part["timeline"], part["limited"]) == ([], True)
    await alice.set_state(nameless, "m.room.avatar", {"url": "mxc://a/b"})
    await alice.set_state(nameless, NAME, {"name": "named"})
    part = (await slider.ask())["rooms"][nameless]
    assert (part["name"], part["avatar"]) == ("named", "mxc://a/b")
    await alice.set_state(nameless, "m.room.avatar", {})
    assert (await slider.ask())["rooms"][nameless]["avatar"] is None


async def test_subscriptions_are_for_rooms_one_is_in(alice: Talker, bob: Talker) -> None:
    made = await rooms_of(alice, 3)
    slider = Slider(alice, room_subscriptions={made[0]: {"timeline_limit": 1, "required_state": []}})
    answer = await slider.ask()
    assert (set(answer["rooms"]), answer["lists"]) == ({made[0]}, {})
    await alice.say(made[0], "x")
    await alice.say(made[1], "y")
    assert set((await slider.ask())["rooms"]) == {made[0]}
    stranger = Slider(bob, room_subscriptions={made[0]: {"timeline_limit": 1}, "!none:test.example": {}})
    assert (await stranger.ask())["rooms"] == {}


async def test_invites_and_joins(alice: Talker, bob: Talker, carol: Talker, room_id: str) -> None:
    slider = Slider(carol, lists=top())
    assert (await slider.ask())["rooms"] == {}
    await alice.invite(room_id, carol)
    answer = await slider.ask()
    part = answer["rooms"][room_id]
    assert {event["type"] for event in part["invite_state"]} >= {NAME, MEMBER, "m.room.create"}
    assert (part["initial"], part["name"], answer["lists"]["rooms"]["count"]) == (True, "ours", 1)
    assert "timeline" not in part
    assert (await slider.ask())["rooms"] == {}
    await carol.join(room_id)
    part = (await slider.ask())["rooms"][room_id]
    assert (part["initial"], part["joined_count"]) == (True, 3)
    assert (MEMBER, carol.user_id) in keys(part)


async def test_knocks(alice: Talker, bob: Talker) -> None:
    knocked = await alice.make_room(initial_state=[{"type": "m.room.join_rules", "content": {"join_rule": "knock"}}])
    slider = Slider(bob, lists=top())
    await slider.ask()
    await bob.post(f"{V3}/knock/{segment(knocked)}")
    assert (await slider.ask())["rooms"][knocked]["stripped_state"]


@pytest.mark.parametrize("way", ["leave", "kick", "ban", "reject"])
async def test_rooms_that_are_left_are_told_once(alice: Talker, bob: Talker, room_id: str, way: str) -> None:
    if way == "reject":
        room_id = await alice.make_room(invite=[bob.user_id])
    slider = Slider(bob, lists=top())
    assert room_id in (await slider.ask())["rooms"]
    if way in ("leave", "reject"):
        await bob.leave(room_id)
    else:
        await alice.post(f"{room(room_id)}/{way}", {"user_id": bob.user_id})
    answer = await slider.ask()
    part = answer["rooms"][room_id]
    own = [e for e in part["required_state"] if (e["type"], e["state_key"]) == (MEMBER, bob.user_id)]
    assert [event["content"]["membership"] for event in own] == ["ban" if way == "ban" else "leave"]
    await alice.say(room_id, "behind the back")
    assert (await slider.ask())["rooms"] == {}
    assert room_id not in (await Slider(bob, lists=top(), conn_id="new").ask())["rooms"]


async def test_ignored_people(alice: Talker, bob: Talker, carol: Talker, room_id: str) -> None:
    account = f"{V3}/user/{segment(bob.user_id)}/account_data/m.ignored_user_list"
    await bob.put(account, {"ignored_users": {carol.user_id: {}}})
    slider = Slider(bob, lists=top())
    await slider.ask()
    other = await carol.make_room(invite=[bob.user_id])
    await alice.bring(room_id, carol)
    await carol.say(room_id, "hidden")
    await alice.say(room_id, "shown")
    answer = await slider.ask()
    assert other not in answer["rooms"]
    assert bodies(answer["rooms"][room_id]) == ["shown"]


# --- waiting ---


async def test_news_wakes_who_waits(alice: Talker, bob: Talker, room_id: str) -> None:
    slider = Slider(bob, lists=top())
    await slider.ask()
    waiting = asyncio.ensure_future(slider.ask(timeout=WAIT_MS))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await alice.say(room_id, "new")
    assert bodies((await asyncio.wait_for(waiting, 10))["rooms"][room_id]) == ["new"]


async def test_news_of_rooms_out_of_view_wakes_nobody(alice: Talker) -> None:
    made = await rooms_of(alice, 2)
    slider = Slider(alice, room_subscriptions={made[0]: {"timeline_limit": 1}})
    await slider.ask()
    waiting = asyncio.ensure_future(slider.ask(timeout=WAIT_MS))
    await alice.say(made[1], "elsewhere")
    await asyncio.sleep(0.1)
    assert not waiting.done()
    await alice.say(made[0], "here")
    assert set((await asyncio.wait_for(waiting, 10))["rooms"]) == {made[0]}


async def test_a_client_that_looks_elsewhere_does_not_wait(alice: Talker) -> None:
    await rooms_of(alice, 1)
    slider = Slider(alice, lists=top(0))
    await slider.ask()
    answer = await asyncio.wait_for(slider.ask(timeout=WAIT_MS, lists=top(5)), 10)
    assert (answer["lists"]["rooms"]["count"], answer["rooms"]) == (1, {})


async def test_a_device_parks_many_where_rate_limits_are_off(alice: Talker) -> None:
    slider = Slider(alice, lists=top())
    pos = (await slider.ask())["pos"]
    ask = {"pos": pos, "timeout": WAIT_MS, "set_presence": "offline"}
    waiting = [asyncio.ensure_future(alice.ask("POST", PATH, slider.body, **ask)) for _ in range(9)]
    await asyncio.sleep(0.2)
    made = await alice.make_room()
    assert all(made in answer["rooms"] for _, answer in await asyncio.gather(*waiting))


async def test_who_hangs_up_gives_the_place_back(alice: Talker, http: aiohttp.ClientSession) -> None:
    slider = Slider(alice, lists=top())
    pos = (await slider.ask())["pos"]
    ask = {"pos": pos, "timeout": WAIT_MS, "set_presence": "offline"}
    for _ in range(3):
        waiting = [asyncio.ensure_future(alice.ask("POST", PATH, slider.body, **ask)) for _ in range(8)]
        await asyncio.sleep(0.1)
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
    parked = asyncio.ensure_future(slider.ask(timeout=WAIT_MS))
    await asyncio.sleep(0.1)
    made = await alice.make_room()
    assert made in (await asyncio.wait_for(parked, 10))["rooms"]


async def test_who_waits_is_let_go_when_the_session_ends(alice: Talker, room_id: str) -> None:
    phone = await alice.another_device()
    slider = Slider(phone, lists=top())
    await slider.ask()
    waiting = asyncio.ensure_future(slider.ask(timeout=WAIT_MS))
    await phone.sees_somebody_wait()
    await phone.post(f"{V3}/logout")
    assert (await asyncio.wait_for(waiting, 10))["rooms"] == {}
    assert await phone.refused("POST", PATH, slider.body, pos=slider.pos) == (401, "M_UNKNOWN_TOKEN")


async def test_the_end_of_another_session_ends_no_wait(alice: Talker, bob: Talker, room_id: str) -> None:
    phone = await bob.another_device()
    slider = Slider(bob, lists=top())
    await slider.ask()
    waiting = asyncio.ensure_future(slider.ask(timeout=WAIT_MS))
    await phone.sees_somebody_wait()
    await phone.post(f"{V3}/logout")
    await asyncio.sleep(0.2)
    assert not waiting.done()
    await alice.say(room_id, "new")
    assert bodies((await asyncio.wait_for(waiting, 10))["rooms"][room_id]) == ["new"]


async def test_who_is_read_anew_meanwhile_misses_nothing(
    alice: Talker, bob: Talker, database: asyncpg.Connection
) -> None:
    """The end of another session drops what is known of a person, also in the midst of an answer."""
    phone = await alice.another_device()
    slider = Slider(alice, extensions={"to_device": {"enabled": True}})
    await slider.ask()
    async with Hold(database, "LOCK TABLE room_state IN ACCESS EXCLUSIVE MODE") as hold:
        asking = asyncio.ensure_future(slider.ask(lists=top(filters={"is_encrypted": False})))
        await hold.waiting(1, asking)
        assert not asking.done()
        await phone.post(f"{V3}/logout")
        path = f"{V3}/sendToDevice/org.example.x/{alice.device_id}"
        await bob.put(path, {"messages": {alice.user_id: {alice.device_id: {"n": 1}}}})
    told = (await asking)["extensions"]["to_device"]
    asked = {"to_device": {"enabled": True, "since": told["next_batch"]}}
    later = (await slider.ask(extensions=asked))["extensions"]["to_device"]
    assert [event["content"] for event in (*told["events"], *later["events"])] == [{"n": 1}]


# --- extensions ---


async def test_messages_to_the_device_come_once(alice: Talker, bob: Talker) -> None:
    slider = Slider(bob, conn_id="encryption", extensions={"to_device": {"enabled": True}})
    first = (await slider.ask())["extensions"]["to_device"]
    assert first["events"] == []

    async def send(*numbers: int) -> None:
        for number in numbers:
            path = f"{V3}/sendToDevice/org.example.x/{alice.device_id}-{number}"
            await alice.put(path, {"messages": {bob.user_id: {bob.device_id: {"n": number}}}})

    def asked(since: str, **more: Any) -> Json:
        return {"to_device": {"enabled": True, "since": since, **more}}

    waiting = asyncio.ensure_future(slider.ask(timeout=WAIT_MS, extensions=asked(first["next_batch"])))
    await send(1)
    told = (await asyncio.wait_for(waiting, 10))["extensions"]["to_device"]
    assert [event["content"] for event in told["events"]] == [{"n": 1}]
    again = (await slider.ask(extensions=asked(first["next_batch"])))["extensions"]["to_device"]
    assert again["events"] == told["events"]  # the answer was lost
    await send(2, 3)
    two = (await slider.ask(extensions=asked(told["next_batch"], limit=1)))["extensions"]["to_device"]
    assert [event["content"] for event in two["events"]] == [{"n": 2}]
    three = (await slider.ask(extensions=asked(two["next_batch"])))["extensions"]["to_device"]
    assert [event["content"] for event in three["events"]] == [{"n": 3}]
    assert (await slider.ask(extensions=asked(three["next_batch"])))["extensions"]["to_device"]["events"] == []
    assert "to_device" in await bob.sync()
    assert (await bob.sync())["to_device"]["events"] == []


async def test_messages_stay_until_the_device_has_them(alice: Talker, bob: Talker) -> None:
    """A token of the future tells nothing of that, and one of /sync may stand further than its messages."""

    async def told(since: str) -> Json:
        extensions = {"to_device": {"enabled": True, "since": since}}
        answer: Json = (await Slider(bob, extensions=extensions).ask())["extensions"]["to_device"]
        return answer

    async def send(number: int) -> None:
        path = f"{V3}/sendToDevice/org.example.x/{bob.device_id}-{number}"
        await alice.put(path, {"messages": {bob.user_id: {bob.device_id: {"n": number}}}})

    before = (await bob.sync())["next_batch"]
    await send(1)
    await send(2)
    now = (await alice.sync())["next_batch"]
    both = [{"n": 1}, {"n": 2}]
    for since in ("s999999999999", f"{now}_{before[1:]}") * 2:
        answer = await told(since)
        assert [event["content"] for event in answer["events"]] == both, since
    assert (await told(answer["next_batch"]))["events"] == []


async def test_keys(alice: Talker, bob: Talker, room_id: str) -> None:
    slider = Slider(bob, extensions={"e2ee": {"enabled": True}})
    assert "device_lists" not in (await slider.ask())["extensions"]["e2ee"]
    await publish(bob, "k1", "k2")
    told = (await slider.ask())["extensions"]["e2ee"]
    assert told["device_one_time_keys_count"] == {"signed_curve25519": 2}
    assert told["device_unused_fallback_key_types"] == []
    waiting = asyncio.ensure_future(slider.ask(timeout=WAIT_MS))
    await publish(alice)
    told = (await asyncio.wait_for(waiting, 10))["extensions"]["e2ee"]
    assert told["device_lists"] == {"changed": [alice.user_id], "left": []}


async def test_account_data(alice: Talker, room_id: str) -> None:
    account = f"{V3}/user/{segment(alice.user_id)}"
    await alice.put(f"{account}/account_data/org.example.x", {"n": 1})
    await alice.put(f"{account}/rooms/{segment(room_id)}/account_data/org.example.y", {"n": 1})
    slider = Slider(alice, lists=top(), extensions=ALL)
    told = (await slider.ask())["extensions"]["account_data"]
    assert {event["type"] for event in told["global"]} == {"m.push_rules", "org.example.x"}
    assert told["rooms"] == {room_id: [{"type": "org.example.y", "content": {"n": 1}}]}
    waiting = asyncio.ensure_future(slider.ask(timeout=WAIT_MS))
    await alice.put(f"{account}/rooms/{segment(room_id)}/account_data/org.example.y", {"n": 2})
    answer = await asyncio.wait_for(waiting, 10)
    assert answer["rooms"] == {}
    assert answer["extensions"]["account_data"] == {
        "global": [],
        "rooms": {room_id: [{"type": "org.example.y", "content": {"n": 2}}]},
    }
    await alice.put(f"{account}/account_data/org.example.x", {"n": 2})
    told = (await slider.ask())["extensions"]["account_data"]
    assert told == {"global": [{"type": "org.example.x", "content": {"n": 2}}], "rooms": {}}


async def test_extensions_that_are_enabled_later_tell_all(alice: Talker, bob: Talker, room_id: str) -> None:
    account = f"{V3}/user/{segment(alice.user_id)}"
    await alice.put(f"{account}/rooms/{segment(room_id)}/account_data/org.example.y", {"n": 1})
    said = await alice.say(room_id, "x")
    await bob.post(f"{room(room_id)}/receipt/m.read/{segment(said)}")
    slider = Slider(alice, lists=top())
    assert (await slider.ask())["extensions"] == {}
    told = (await slider.ask(extensions=ALL))["extensions"]
    assert told["account_data"]["rooms"] == {room_id: [{"type": "org.example.y", "content": {"n": 1}}]}
    assert [event["type"] for event in told["account_data"]["global"]] == ["m.push_rules"]
    assert bob.user_id in told["receipts"]["rooms"][room_id]["content"][said]["m.read"]
    assert (await slider.ask())["extensions"] == {}


async def test_receipts_and_counts(alice: Talker, bob: Talker, room_id: str) -> None:
    first = await alice.say(room_id, "one")
    await alice.post(f"{room(room_id)}/receipt/m.read/{segment(first)}")
    second = await alice.say(room_id, "two")
    slider = Slider(bob, lists=top(limit=1), extensions=ALL)
    answer = await slider.ask()
    assert "receipts" not in answer["extensions"]  # hers is at an event that is not shown
    assert answer["rooms"][room_id]["notification_count"] == 2
    await alice.post(f"{room(room_id)}/receipt/m.read/{segment(second)}")
    answer = await slider.ask()
    assert answer["rooms"] == {}
    content = answer["extensions"]["receipts"]["rooms"][room_id]["content"]
    assert list(content[second]["m.read"]) == [alice.user_id]
    await bob.post(f"{room(room_id)}/receipt/m.read.private/{segment(second)}")
    answer = await slider.ask()
    assert answer["rooms"][room_id]["notification_count"] == 0
    content = answer["extensions"]["receipts"]["rooms"][room_id]["content"]
    assert list(content[second]["m.read.private"]) == [bob.user_id]


async def test_typing(alice: Talker, bob: Talker, room_id: str) -> None:
    path = f"{room(room_id)}/typing/{segment(alice.user_id)}"
    slider = Slider(bob, lists=top(), extensions=ALL)
    await slider.ask()
    waiting = asyncio.ensure_future(slider.ask(timeout=WAIT_MS))
    await alice.put(path, {"typing": True, "timeout": 30_000})
    answer = await asyncio.wait_for(waiting, 10)
    said = {"type": "m.typing", "content": {"user_ids": [alice.user_id]}}
    assert answer["extensions"]["typing"]["rooms"] == {room_id: said}
    await alice.put(path, {"typing": False})
    told = (await slider.ask())["extensions"]["typing"]["rooms"]
    assert told[room_id]["content"]["user_ids"] == []


async def test_extensions_speak_of_some_lists_and_rooms(alice: Talker) -> None:
    made = await rooms_of(alice, 2)
    for room_id in made:
        path = f"{V3}/user/{segment(alice.user_id)}/rooms/{segment(room_id)}/account_data/org.example.y"
        await alice.put(path, {})

    async def told(conn_id: str, **scope: Any) -> set[str]:
        extensions = {"account_data": {"enabled": True, **scope}}
        subscriptions = {made[0]: {"timeline_limit": 1}}
        slider = Slider(alice, conn_id=conn_id, lists=top(0), room_subscriptions=subscriptions, extensions=extensions)
        return set((await slider.ask())["extensions"]["account_data"]["rooms"])

    assert await told("1") == set(made)
    assert await told("2", lists=["rooms"], rooms=[]) == {made[1]}
    assert await told("3", lists=[], rooms=["*"]) == {made[0]}
    assert await told("4", lists=["other"], rooms=[made[1]]) == set()


# --- what a connection remembers ---


async def test_a_lost_answer_is_given_again(alice: Talker, bob: Talker, room_id: str) -> None:
    other = await bob.make_room()
    slider = Slider(bob, lists=top(0))
    pos = (await slider.ask())["pos"]
    await alice.say(room_id, "new")
    first = await slider.ask()
    slider.pos = pos
    second = await slider.ask()
    assert second["rooms"][room_id]["timeline"] == first["rooms"][room_id]["timeline"]
    assert second["rooms"][room_id]["initial"] is True
    await bob.say(other, "mine")
    assert bodies((await slider.ask())["rooms"][other]) == ["mine"]
    slider.pos = first["pos"]
    assert bodies((await slider.ask())["rooms"][other]) == ["mine"]


async def test_another_worker_goes_on(
    alice: Talker, bob: Talker, room_id: str, elsewhere: aiohttp.ClientSession
) -> None:
    slider = Slider(bob, lists=top())
    await slider.ask()
    there = bob.through(elsewhere)
    assert (await slider.ask(at=there))["rooms"] == {}
    await alice.say(room_id, "new")
    assert bodies((await slider.ask(at=there, timeout=WAIT_MS))["rooms"][room_id]) == ["new"]
    assert (await slider.ask())["rooms"] == {}


@pytest.fixture
async def crowded(alice: Talker) -> list[str]:
    """More rooms than a token holds."""
    made: list[str] = []
    for _ in range(24):
        made += await asyncio.gather(*(alice.make_room() for _ in range(10)))
    return made


async def test_what_is_too_much_for_a_token_is_kept(
    alice: Talker, bob: Talker, crowded: list[str], elsewhere: aiohttp.ClientSession
) -> None:
    slider = Slider(alice, lists=top(999, limit=1))
    answer = await slider.ask()
    assert set(answer["rooms"]) == set(crowded)
    assert len(answer["pos"]) < 100
    there = alice.through(elsewhere)
    assert (await slider.ask(at=there))["rooms"] == {}
    await alice.say(crowded[7], "new")
    pos = slider.pos
    assert set((await slider.ask(at=there, timeout=WAIT_MS))["rooms"]) == {crowded[7]}
    slider.pos = pos
    assert set((await slider.ask())["rooms"]) == {crowded[7]}
    assert (await slider.ask())["rooms"] == {}
    body = {"lists": top(999)}
    assert await bob.refused("POST", PATH, body, pos=slider.pos) == (400, "M_UNKNOWN_POS")
    assert await alice.refused("POST", PATH, body | {"conn_id": "x"}, pos=slider.pos) == (400, "M_UNKNOWN_POS")


async def test_very_much_comes_in_several_answers(alice: Talker, crowded: list[str]) -> None:
    slider = Slider(alice, lists=top(999, limit=500))
    first = await slider.ask(timeout=WAIT_MS)
    assert set(first["rooms"]) == set(crowded[-40:])
    seen = list(first["rooms"])
    while len(seen) < len(crowded):
        answer = await asyncio.wait_for(slider.ask(timeout=WAIT_MS), 10)
        assert len(answer["rooms"]) == 40
        seen += answer["rooms"]
    assert sorted(seen) == sorted(crowded)
    assert (await slider.ask())["rooms"] == {}


async def test_a_device_has_so_many_connections(
    alice: Talker, crowded: list[str], elsewhere: aiohttp.ClientSession
) -> None:
    lists = top(999, limit=0, state=[])
    sliders = [Slider(alice, conn_id=f"{number}", lists=lists) for number in range(9)]
    for slider in sliders:
        await slider.ask()
    there = alice.through(elsewhere)
    refusal = await there.refused("POST", PATH, sliders[0].body, pos=sliders[0].pos)
    assert refusal == (400, "M_UNKNOWN_POS")
    assert (await sliders[1].ask(at=there))["rooms"] == {}


async def test_a_device_that_is_gone_leaves_nothing(
    alice: Talker, crowded: list[str], elsewhere: aiohttp.ClientSession
) -> None:
    phone = await alice.another_device()
    slider = Slider(phone, lists=top(999, limit=0, state=[]))
    await slider.ask()
    await phone.post(f"{V3}/logout")
    identifier = {"type": "m.id.user", "user": alice.user_id}
    body = {"type": "m.login.password", "identifier": identifier, "password": alice._password}
    again = Talker(elsewhere, await alice.post(f"{V3}/login", {**body, "device_id": phone.device_id}))
    assert await again.refused("POST", PATH, slider.body, pos=slider.pos) == (400, "M_UNKNOWN_POS")


@pytest.fixture
async def tables(base_url: str, request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """The tables themselves: to let time pass."""
    if os.environ.get("BONGSU_TEST_BASE_URL"):
        pytest.skip("the tables of a server from outside are its own")
    postgres = EmbeddedPostgres(request.getfixturevalue("server").data_dir)
    tables = Database(await postgres.start())
    await tables.open()
    yield tables
    await tables.close()
    await postgres.stop()


async def test_versions_of_connections_come_and_go(alice: Talker, tables: Database) -> None:
    place = (alice.user_id, alice.device_id, "x")

    async def kept(*versions: int) -> set[int]:
        return {version for version in versions if await table.told(tables, place, version) is not None}

    first = await table.remember(tables, place, 0, b"1")
    lost = await table.remember(tables, place, first, b"2")
    second = await table.remember(tables, place, first, b"2")
    assert await kept(first, lost, second) == {first, lost, second}  # the client may have got either
    third = await table.remember(tables, place, second, b"3")
    assert await kept(first, lost, second, third) == {second, third}
    repeated = [await table.remember(tables, place, third, b"4") for _ in range(9)]
    assert await kept(second, third, *repeated) == {third, *repeated[-4:]}
    await tables.execute(
        "UPDATE sliding_connections SET used_at = now() - interval '31 days' WHERE user_id = $1", alice.user_id
    )
    await table.sweep(tables, [(*place, third)])
    assert await kept(third, *repeated) == {third}


@pytest.fixture
def spare(base_url: str, request: pytest.FixtureRequest) -> Iterator[Server]:
    """One more worker of the server, to be killed."""
    if os.environ.get("BONGSU_TEST_BASE_URL"):
        pytest.skip("a server from outside has no other worker")
    server: Server = request.getfixturevalue("server")
    worker = Server.start(server.data_dir, "--password-hashing", "fast")
    yield worker
    worker.kill()


async def test_a_killed_worker_forgets_nothing(
    alice: Talker, bob: Talker, room_id: str, crowded: list[str], spare: Server
) -> None:
    async with aiohttp.ClientSession(spare.base_url) as session:
        sliders = [Slider(talker.through(session), lists=top(999), extensions=ALL) for talker in (alice, bob)]
        for slider in sliders:
            assert room_id in (await slider.ask())["rooms"]
    said = await alice.say(room_id, "new")
    await alice.post(f"{room(room_id)}/receipt/m.read/{segment(said)}")
    spare.kill()
    spare.restart()
    async with aiohttp.ClientSession(spare.base_url) as session:
        for slider in sliders:
            slider.talker = slider.talker.through(session)
            answer = await slider.ask()
            assert set(answer["rooms"]) == {room_id}
            assert bodies(answer["rooms"][room_id]) == ["new"]
            assert said in answer["extensions"]["receipts"]["rooms"][room_id]["content"]
            assert (await slider.ask())["rooms"] == {}


# --- refusals ---


def packed(raw: bytes) -> str:
    """A token that holds what nobody packed."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return f"s1~0~{base64.urlsafe_b64encode(packer.compress(raw) + packer.flush()).decode().rstrip('=')}"


@pytest.mark.parametrize(
    "pos", [packed(b"\x95" + bytes(8_000_000)), packed(b"\xc0"), packed(b"\x95\x90\x90\x00\x90\xc0")]
)
async def test_tokens_that_somebody_made(alice: Talker, pos: str) -> None:
    assert await alice.refused("POST", PATH, {}, pos=pos) == (400, "M_UNKNOWN_POS")


@pytest.mark.parametrize(
    ("configs", "told"),
    [
        ([], (0, -1, 0)),
        ([], (0, 0, 0)),
        ([[[NAME, ""]]], (2**63, 0, 0)),
        ([[[NAME, ""]]], (-1, 0, 0)),
        ([[[NAME, ""]]], (0, 0, 2**63)),
        ([[[MEMBER, "@\x00"]]], (0, 0, 0)),
    ],
)
async def test_tokens_that_tell_what_cannot_be(alice: Talker, configs: Json, told: tuple[int, ...]) -> None:
    room_id = await alice.make_room()
    raw = msgspec.msgpack.encode([configs, [], 0, [(*told, key_of(room_id).to_bytes(6))], b""])
    body = {"lists": top(limit=1)}
    assert await alice.refused("POST", PATH, body, pos=packed(raw)) == (400, "M_UNKNOWN_POS")


@pytest.mark.parametrize("pos", ["s", "x1", "s-1", "s1~", "s1~0~!", "s1~0~AAAA", "s999999999999", "s1~99~", "1"])
async def test_places_nobody_gave_out(alice: Talker, pos: str) -> None:
    assert await alice.refused("POST", PATH, {}, pos=pos) == (400, "M_UNKNOWN_POS")


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({"lists": 1}, "M_BAD_JSON"),
        ({"lists": {"a": {"ranges": [[5, 1]]}}}, "M_INVALID_PARAM"),
        ({"lists": {"a": {"ranges": [[-1, 1]]}}}, "M_BAD_JSON"),
        ({"lists": {"a": {"ranges": [[0, 1]] * 51}}}, "M_INVALID_PARAM"),
        ({"lists": {f"{n}": {} for n in range(21)}}, "M_INVALID_PARAM"),
        ({"lists": {"a": {"timeline_limit": -1}}}, "M_BAD_JSON"),
        ({"lists": {"a": {"required_state": [["a"]]}}}, "M_BAD_JSON"),
        ({"lists": {"a": {"required_state": [["a", "\x00"]]}}}, "M_INVALID_PARAM"),
        ({"lists": {"a": {"required_state": [["a", f"{n}"] for n in range(201)]}}}, "M_INVALID_PARAM"),
        ({"lists": {"a": {"filters": {"is_dm": "yes"}}}}, "M_BAD_JSON"),
        ({"lists": {"a": {"filters": {"tags": [f"{n}" for n in range(201)]}}}}, "M_INVALID_PARAM"),
        ({"lists": {"a": {"filters": {"room_name_like": "x" * 256}}}}, "M_INVALID_PARAM"),
        ({"room_subscriptions": {f"!{n}": {} for n in range(301)}}, "M_INVALID_PARAM"),
        ({"conn_id": "x" * 256}, "M_INVALID_PARAM"),
        ({"extensions": {"to_device": {"enabled": True, "since": "x"}}}, "M_INVALID_PARAM"),
    ],
)
async def test_malformed_requests(alice: Talker, body: Json, errcode: str) -> None:
    assert await alice.refused("POST", PATH, body) == (400, errcode)


async def test_malformed_queries(alice: Talker) -> None:
    assert await alice.refused("POST", PATH, {}, timeout="soon") == (400, "M_INVALID_PARAM")
    assert await alice.refused("POST", PATH, {}, set_presence="busy") == (400, "M_INVALID_PARAM")


async def test_strangers_are_refused(http: aiohttp.ClientSession) -> None:
    async with http.post(PATH, json={}) as response:
        assert (response.status, (await response.json())["errcode"]) == (401, "M_MISSING_TOKEN")
