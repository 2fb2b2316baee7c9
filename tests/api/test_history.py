"""A room's past and its state through HTTP: pages, filters, single events, and who may see them."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from tests.api.talking import V1, V3, Talker, room, segment, sign_up

PAGES_MAX = 60
VISIBILITY = "m.room.history_visibility"


def with_visibility(value: str) -> dict[str, Any]:
    return {"initial_state": [{"type": VISIBILITY, "state_key": "", "content": {"history_visibility": value}}]}


def ids(events: list[dict[str, Any]]) -> list[str]:
    return [event["event_id"] for event in events]


def bodies(events: list[dict[str, Any]]) -> list[str]:
    return [event["content"]["body"] for event in events if event["type"] == "m.room.message"]


async def pages(reader: Talker, room_id: str, direction: str = "b", **query: Any) -> list[dict[str, Any]]:
    """Every event from the beginning of that direction to its end."""
    events: list[dict[str, Any]] = []
    start = query.pop("start", None)
    for _ in range(PAGES_MAX):
        page = await reader.messages(room_id, direction, **{"from": start}, **query)
        events += page["chunk"]
        start = page.get("end")
        if start is None:
            return events
    raise AssertionError(f"no end after {PAGES_MAX} pages")


# --- pages ---


async def test_both_directions_show_the_same_whole_history(alice: Talker, bob: Talker) -> None:
    room_id = await alice.make_room()
    await alice.bring(room_id, bob)
    said = [await alice.say(room_id, f"{n}") for n in range(23)]
    back = await pages(bob, room_id, "b", limit=7)
    forth = await pages(bob, room_id, "f", limit=5)
    assert ids(back)[::-1] == ids(forth)
    assert [event["event_id"] for event in forth if event["type"] == "m.room.message"] == said
    assert forth[0]["type"] == "m.room.create"
    assert all(event["room_id"] == room_id for event in forth)


async def test_from_and_to_bound_a_page(alice: Talker) -> None:
    room_id = await alice.make_room()
    for n in range(6):
        await alice.say(room_id, f"{n}")
    newest = await alice.messages(room_id, limit=2)
    assert bodies(newest["chunk"]) == ["5", "4"]
    between = await alice.messages(room_id, **{"from": newest["end"]}, limit=2)
    assert bodies(between["chunk"]) == ["3", "2"]
    assert between["start"] == newest["end"]
    stretch = await alice.messages(room_id, **{"from": newest["start"], "to": between["end"]}, limit=100)
    assert bodies(stretch["chunk"]) == ["5", "4", "3", "2"]
    assert "end" not in stretch
    forth = await alice.messages(room_id, "f", **{"from": between["end"], "to": newest["end"]}, limit=100)
    assert bodies(forth["chunk"]) == ["2", "3"]


async def test_page_of_exactly_what_is_left_is_the_last(alice: Talker) -> None:
    room_id = await alice.make_room()
    everything = await pages(alice, room_id)
    page = await alice.messages(room_id, limit=len(everything))
    assert ids(page["chunk"]) == ids(everything)
    assert "end" not in page


async def test_page_of_nothing(alice: Talker) -> None:
    room_id = await alice.make_room()
    page = await alice.messages(room_id, limit=0)
    assert page["chunk"] == []
    assert page["end"] == page["start"]


@pytest.mark.parametrize(
    ("query", "errcode"),
    [
        ({}, "M_MISSING_PARAM"),
        ({"dir": "x"}, "M_INVALID_PARAM"),
        ({"dir": "b", "from": "made up"}, "M_INVALID_PARAM"),
        ({"dir": "b", "to": "s-1"}, "M_INVALID_PARAM"),
        ({"dir": "b", "limit": "ten"}, "M_INVALID_PARAM"),
        ({"dir": "b", "limit": "-1"}, "M_INVALID_PARAM"),
        ({"dir": "b", "filter": "{"}, "M_NOT_JSON"),
        ({"dir": "b", "filter": '{"types":1}'}, "M_BAD_JSON"),
    ],
)
async def test_malformed_questions(alice: Talker, query: dict[str, Any], errcode: str) -> None:
    room_id = await alice.make_room()
    assert await alice.refused("GET", f"{room(room_id)}/messages", **query) == (400, errcode)


async def test_a_token_from_the_future_is_served(alice: Talker) -> None:
    room_id = await alice.make_room()
    event_id = await alice.say(room_id, "now")
    page = await alice.messages(room_id, **{"from": "s999999999999"}, limit=1)
    assert ids(page["chunk"]) == [event_id]


# --- filters ---


async def filtered(reader: Talker, room_id: str, **wanted: Any) -> list[dict[str, Any]]:
    return await pages(reader, room_id, limit=3, filter=json.dumps(wanted))


async def test_filters_choose_events(alice: Talker, bob: Talker) -> None:
    room_id = await alice.make_room()
    await alice.bring(room_id, bob)
    for n in range(4):
        await alice.say(room_id, f"alice {n}")
        await bob.say(room_id, f"bob {n}")
    await alice.send(room_id, {"body": "100% (a_b)"}, "org.example.thing_%")
    assert bodies(await filtered(bob, room_id, senders=[alice.user_id], types=["m.room.message"])) == [
        f"alice {n}" for n in (3, 2, 1, 0)
    ]
    assert bodies(await filtered(bob, room_id, not_senders=[alice.user_id])) == [f"bob {n}" for n in (3, 2, 1, 0)]
    assert {e["type"] for e in await filtered(bob, room_id, types=["m.room.*"], not_types=["m.room.m*"])} == {
        e["type"] for e in await pages(bob, room_id) if e["type"].startswith("m.room.") and e["type"][7] != "m"
    }
    assert len(await filtered(bob, room_id, types=["org.example.thing_%"])) == 1
    assert await filtered(bob, room_id, types=["org.example.thing__"]) == []
    assert len(await filtered(bob, room_id, types=["*thing_*"])) == 1
    assert await filtered(bob, room_id, types=[]) == []
    assert await filtered(bob, room_id, not_types=["*"]) == []
    assert await filtered(bob, room_id, not_rooms=[room_id]) == []
    assert await filtered(bob, room_id, rooms=["!another:test.example"]) == []


async def test_filter_on_urls_looks_at_the_content_alone(alice: Talker) -> None:
    room_id = await alice.make_room()
    photo = await alice.send(room_id, {"msgtype": "m.image", "body": "photo", "url": "mxc://a/b"})
    deep = await alice.say(room_id, "deep", info={"url": "mxc://a/b"})
    plain = await alice.say(room_id, 'she said "url": once')
    assert ids(await filtered(alice, room_id, contains_url=True)) == [photo]
    without = ids(await filtered(alice, room_id, contains_url=False))
    assert photo not in without
    assert without[:2] == [plain, deep]


async def test_filter_on_relations(alice: Talker) -> None:
    room_id = await alice.make_room()
    root = await alice.say(room_id, "root")
    await alice.say(room_id, "alone")
    await alice.say(room_id, "answer", **{"m.relates_to": {"rel_type": "m.thread", "event_id": root}})
    assert ids(await filtered(alice, room_id, related_by_rel_types=["m.thread"])) == [root]
    assert await filtered(alice, room_id, related_by_senders=["@nobody:test.example"]) == []


async def test_lazy_loading_brings_who_speaks(alice: Talker, bob: Talker) -> None:
    room_id = await alice.make_room()
    await alice.bring(room_id, bob)
    for n in range(3):
        await alice.say(room_id, f"{n}")
    wanted = json.dumps({"lazy_load_members": True, "types": ["m.room.message"]})
    page = await bob.messages(room_id, filter=wanted)
    assert [event["state_key"] for event in page["state"]] == [alice.user_id]
    assert page["state"][0]["content"]["membership"] == "join"
    assert "state" not in await bob.messages(room_id)


async def test_lazy_loading_shows_people_as_they_were(alice: Talker) -> None:
    room_id = await alice.make_room()
    early = await alice.say(room_id, "early")
    named = {"membership": "join", "displayname": "later name"}
    await alice.set_state(room_id, "m.room.member", named, alice.user_id)
    around = await alice.get(
        f"{room(room_id)}/context/{segment(early)}", limit=0, filter=json.dumps({"lazy_load_members": True})
    )
    members = [event for event in around["state"] if event["type"] == "m.room.member"]
    assert [event["content"].get("displayname") for event in members] != ["later name"]
    assert len(members) == 1


# --- who may see it ---


async def test_strangers_read_nothing(alice: Talker, bob: Talker) -> None:
    room_id = await alice.make_room()
    secret = await alice.say(room_id, "for us")
    for path in ("messages?dir=b", "state", "members", "joined_members", "state/m.room.create/"):
        assert await bob.refused("GET", f"{room(room_id)}/{path}") == (403, "M_FORBIDDEN"), path
    assert await bob.refused("GET", f"{room(room_id)}/messages") == (403, "M_FORBIDDEN"), "whatever else is missing"
    assert await bob.refused("GET", f"{room(room_id)}/context/{segment(secret)}") == (403, "M_FORBIDDEN")
    assert await bob.refused("GET", f"{room(room_id)}/event/{segment(secret)}") == (404, "M_NOT_FOUND")
    await alice.invite(room_id, bob)
    assert await bob.refused("GET", f"{room(room_id)}/messages", dir="b") == (403, "M_FORBIDDEN")


@pytest.mark.parametrize("room_id", ["!none:test.example", "nonsense", "!with%00nul:test.example", "%F0%9F%94%A5"])
async def test_rooms_that_do_not_exist_look_forbidden(alice: Talker, room_id: str) -> None:
    path = f"{V3}/rooms/{room_id}"
    assert await alice.refused("GET", f"{path}/messages", dir="b") == (403, "M_FORBIDDEN")
    assert await alice.refused("GET", f"{path}/state") == (403, "M_FORBIDDEN")
    assert await alice.refused("GET", f"{path}/event/$x") == (404, "M_NOT_FOUND")


async def test_world_readable_rooms_are_for_everybody(alice: Talker, bob: Talker) -> None:
    room_id = await alice.make_room(**with_visibility("world_readable"))
    said = await alice.say(room_id, "hear, hear")
    assert bodies(await pages(bob, room_id)) == ["hear, hear"]
    assert (await bob.get(f"{room(room_id)}/event/{segment(said)}"))["content"]["body"] == "hear, hear"
    assert any(event["type"] == "m.room.create" for event in await bob.get(f"{room(room_id)}/state"))
    await alice.set_state(room_id, VISIBILITY, {"history_visibility": "shared"})
    assert await bob.refused("GET", f"{room(room_id)}/messages", dir="b") == (403, "M_FORBIDDEN")


async def test_who_left_reads_up_to_the_leaving(alice: Talker, bob: Talker) -> None:
    room_id = await alice.make_room(name="before")
    await alice.bring(room_id, bob)
    during = await alice.say(room_id, "during")
    await bob.leave(room_id)
    after = await alice.say(room_id, "after")
    await alice.set_state(room_id, "m.room.name", {"name": "after"})
    assert bodies(await pages(bob, room_id)) == ["during"]
    assert (await bob.get(f"{room(room_id)}/event/{segment(during)}"))["event_id"] == during
    assert await bob.refused("GET", f"{room(room_id)}/event/{segment(after)}") == (404, "M_NOT_FOUND")
    assert (await bob.get(f"{room(room_id)}/state/m.room.name/"))["name"] == "before"
    state = await bob.get(f"{room(room_id)}/state")
    assert [event["content"]["name"] for event in state if event["type"] == "m.room.name"] == ["before"]
    own = [event for event in state if event.get("state_key") == bob.user_id]
    assert [event["content"]["membership"] for event in own] == ["leave"]
    assert await bob.refused("GET", f"{room(room_id)}/joined_members") == (403, "M_FORBIDDEN")


async def test_who_forgot_is_a_stranger(alice: Talker, bob: Talker) -> None:
    room_id = await alice.make_room()
    await alice.bring(room_id, bob)
    await bob.leave(room_id)
    await bob.post(f"{room(room_id)}/forget")
    assert await bob.refused("GET", f"{room(room_id)}/messages", dir="b") == (403, "M_FORBIDDEN")
    await alice.bring(room_id, bob)
    assert (await bob.messages(room_id))["chunk"]


async def test_gaps_between_stays_stay_closed(alice: Talker, bob: Talker) -> None:
    room_id = await alice.make_room(**with_visibility("joined"))
    await alice.say(room_id, "before")
    for n in range(3):
        await alice.bring(room_id, bob)
        await alice.say(room_id, f"inside {n}")
        await bob.leave(room_id)
        await alice.say(room_id, f"outside {n}")
    expected = [f"inside {n}" for n in range(3)]
    assert bodies(await pages(bob, room_id, "f", limit=2)) == expected
    assert bodies(await pages(bob, room_id, "b", limit=2)) == expected[::-1]
    assert len(bodies(await pages(alice, room_id))) == 7


async def test_very_many_gaps_stay_closed(alice: Talker, bob: Talker) -> None:
    room_id = await alice.make_room(**with_visibility("joined"))
    expected = []
    for n in range(52):
        await alice.set_state(room_id, VISIBILITY, {"history_visibility": "world_readable"})
        expected.append(await alice.say(room_id, f"open {n}"))
        await alice.set_state(room_id, VISIBILITY, {"history_visibility": "joined"})
        await alice.say(room_id, f"closed {n}")
    await alice.set_state(room_id, VISIBILITY, {"history_visibility": "world_readable"})
    back = await pages(bob, room_id, "b", limit=30)
    assert [event["event_id"] for event in back if event["type"] == "m.room.message"] == expected[::-1]
    assert len(bodies(await pages(bob, room_id, "f", limit=30))) == 52


# --- single events ---


async def test_event_with_what_belongs_to_it(alice: Talker, bob: Talker) -> None:
    room_id = await alice.make_room(name="one")
    await alice.bring(room_id, bob)
    first = (await alice.get(f"{room(room_id)}/state/m.room.name/", format="event"))["event_id"]
    second = await alice.set_state(room_id, "m.room.name", {"name": "two"})
    event = await alice.get(f"{room(room_id)}/event/{segment(second)}")
    assert event["unsigned"]["prev_content"] == {"name": "one"}
    assert event["unsigned"]["replaces_state"] == first
    assert event["unsigned"]["membership"] == "join"
    assert event["state_key"] == ""
    assert (await bob.get(f"{room(room_id)}/event/{segment(first)}"))["unsigned"]["membership"] == "leave"


async def test_transaction_id_is_for_the_sending_device(alice: Talker, bob: Talker) -> None:
    room_id = await alice.make_room()
    await alice.bring(room_id, bob)
    said = (await alice.put(f"{room(room_id)}/send/m.room.message/my-txn", {"body": "x"}))["event_id"]
    path = f"{room(room_id)}/event/{segment(said)}"
    assert (await alice.get(path))["unsigned"]["transaction_id"] == "my-txn"
    assert "transaction_id" not in (await bob.get(path))["unsigned"]


async def test_redacted_event_tells_why(alice: Talker) -> None:
    room_id = await alice.make_room()
    said = await alice.say(room_id, "oops")
    redaction = await alice.redact(room_id, said)
    event = await alice.get(f"{room(room_id)}/event/{segment(said)}")
    assert event["content"] == {}
    assert event["unsigned"]["redacted_because"]["event_id"] == redaction
    assert event["unsigned"]["redacted_because"]["sender"] == alice.user_id


async def test_previous_content_is_hidden_with_its_event(alice: Talker, bob: Talker) -> None:
    room_id = await alice.make_room(**with_visibility("joined"), name="secret")
    await alice.bring(room_id, bob)
    named = await alice.set_state(room_id, "m.room.name", {"name": "open"})
    unsigned = (await bob.get(f"{room(room_id)}/event/{segment(named)}"))["unsigned"]
    assert "replaces_state" in unsigned
    assert "prev_content" not in unsigned


async def test_an_event_is_not_found_in_another_room(alice: Talker) -> None:
    here, there = await alice.make_room(), await alice.make_room()
    said = await alice.say(here, "here")
    assert await alice.refused("GET", f"{room(there)}/event/{segment(said)}") == (404, "M_NOT_FOUND")
    assert await alice.refused("GET", f"{room(here)}/event/%24nothing") == (404, "M_NOT_FOUND")


# --- context and time ---


async def test_context_goes_on_where_it_ends(alice: Talker) -> None:
    room_id = await alice.make_room()
    said = [await alice.say(room_id, f"{n}") for n in range(9)]
    around = await alice.get(f"{room(room_id)}/context/{segment(said[4])}", limit=4)
    assert around["event"]["event_id"] == said[4]
    assert ids(around["events_before"]) == said[2:4][::-1]
    assert ids(around["events_after"]) == said[5:7]
    assert {event["type"] for event in around["state"]} >= {"m.room.create", "m.room.member", "m.room.power_levels"}
    before = await alice.messages(room_id, "b", **{"from": around["start"]}, limit=2)
    assert ids(before["chunk"]) == said[:2][::-1]
    after = await alice.messages(room_id, "f", **{"from": around["end"]}, limit=9)
    assert ids(after["chunk"]) == said[7:]


async def test_context_of_nothing_but_the_event(alice: Talker) -> None:
    room_id = await alice.make_room()
    said = [await alice.say(room_id, f"{n}") for n in range(3)]
    around = await alice.get(f"{room(room_id)}/context/{segment(said[1])}", limit=0)
    assert (around["events_before"], around["events_after"]) == ([], [])
    assert ids((await alice.messages(room_id, **{"from": around["start"]}, limit=1))["chunk"]) == [said[0]]
    assert ids((await alice.messages(room_id, "f", **{"from": around["end"]}, limit=1))["chunk"]) == [said[2]]


async def test_event_by_time(alice: Talker, bob: Talker) -> None:
    room_id = await alice.make_room()
    said, times = [], []
    for n in range(3):
        said.append(await alice.say(room_id, f"{n}"))
        times.append((await alice.get(f"{room(room_id)}/event/{segment(said[-1])}"))["origin_server_ts"])
        await asyncio.sleep(0.02)
    path = f"{room(room_id, V1)}/timestamp_to_event"
    assert await alice.get(path, ts=times[1], dir="f") == {"event_id": said[1], "origin_server_ts": times[1]}
    assert (await alice.get(path, ts=times[1] + 1, dir="f"))["event_id"] == said[2]
    assert (await alice.get(path, ts=times[1] - 1, dir="b"))["event_id"] == said[0]
    assert await alice.refused("GET", path, ts=times[2] + 1, dir="f") == (404, "M_NOT_FOUND")
    assert await alice.refused("GET", path, ts=1, dir="b") == (404, "M_NOT_FOUND")
    assert await alice.refused("GET", path, dir="b") == (400, "M_MISSING_PARAM")
    assert await alice.refused("GET", path, ts=1) == (400, "M_MISSING_PARAM")
    assert await bob.refused("GET", path, ts=1, dir="f") == (403, "M_FORBIDDEN")


# --- state ---


async def test_state_by_key(alice: Talker) -> None:
    room_id = await alice.make_room(name="a name")
    await alice.set_state(room_id, "org.example.thing", {"value": 1}, "a key")
    path = f"{room(room_id)}/state"
    assert await alice.get(f"{path}/m.room.name/") == {"name": "a name"}
    assert await alice.get(f"{path}/m.room.name") == {"name": "a name"}
    assert await alice.get(f"{path}/org.example.thing/a%20key") == {"value": 1}
    whole = await alice.get(f"{path}/org.example.thing/a%20key", format="event")
    assert (whole["type"], whole["state_key"], whole["room_id"]) == ("org.example.thing", "a key", room_id)
    member = await alice.get(f"{path}/m.room.member/{segment(alice.user_id)}")
    assert member["membership"] == "join"
    assert await alice.refused("GET", f"{path}/org.example.thing/") == (404, "M_NOT_FOUND")
    assert await alice.refused("GET", f"{path}/m.room.member/@nobody:test.example") == (404, "M_NOT_FOUND")
    assert await alice.refused("GET", f"{path}/m.room.name/", format="x") == (400, "M_INVALID_PARAM")


async def test_whole_state(alice: Talker, bob: Talker) -> None:
    room_id = await alice.make_room(name="first")
    await alice.bring(room_id, bob)
    await alice.set_state(room_id, "m.room.name", {"name": "second"})
    state = await bob.get(f"{room(room_id)}/state")
    keys = [(event["type"], event["state_key"]) for event in state]
    assert len(set(keys)) == len(keys)
    assert {key for kind, key in keys if kind == "m.room.member"} == {alice.user_id, bob.user_id}
    assert [event["content"] for event in state if event["type"] == "m.room.name"] == [{"name": "second"}]


async def test_members(alice: Talker, bob: Talker, http: aiohttp.ClientSession) -> None:
    carol, dave = await sign_up(http, "carol"), await sign_up(http, "dave")
    room_id = await alice.make_room()
    await alice.bring(room_id, bob, carol)
    then = (await alice.messages(room_id))["start"]
    await carol.leave(room_id)
    await alice.invite(room_id, dave)
    path = f"{room(room_id)}/members"

    async def members(**query: Any) -> dict[str, str]:
        chunk = (await alice.get(path, **query))["chunk"]
        return {event["state_key"]: event["content"]["membership"] for event in chunk}

    a, b, c, d = alice.user_id, bob.user_id, carol.user_id, dave.user_id
    assert await members() == {a: "join", b: "join", c: "leave", d: "invite"}
    assert await members(membership="join") == {a: "join", b: "join"}
    assert await members(not_membership="leave") == {a: "join", b: "join", d: "invite"}
    assert await members(membership="leave", not_membership="join") == {c: "leave", d: "invite"}
    assert await members(at=then) == {a: "join", b: "join", c: "join"}
    assert await members(at=then, not_membership="join") == {}
    assert await alice.refused("GET", path, membership="x") == (400, "M_INVALID_PARAM")
    left = (await carol.get(path))["chunk"]
    assert {event["state_key"] for event in left} == {a, b, c}


async def test_joined_members_and_rooms(alice: Talker, bob: Talker) -> None:
    room_id = await alice.make_room()
    await alice.bring(room_id, bob)
    profile = {"membership": "join", "displayname": "Bob", "avatar_url": "mxc://test.example/face"}
    await bob.set_state(room_id, "m.room.member", profile, bob.user_id)
    joined = (await alice.get(f"{room(room_id)}/joined_members"))["joined"]
    assert joined.keys() == {alice.user_id, bob.user_id}
    assert joined[bob.user_id] == {"display_name": "Bob", "avatar_url": "mxc://test.example/face"}
    assert (await bob.get(f"{V3}/joined_rooms"))["joined_rooms"] == [room_id]
    await bob.leave(room_id)
    assert (await bob.get(f"{V3}/joined_rooms"))["joined_rooms"] == []
