"""Filters kept with the server, through HTTP."""

from typing import Any

import aiohttp
import pytest
from tests.api.talking import V3, Json, Talker, segment, sign_up

from bongsu.core import pdu
from bongsu.core.versions import VERSIONS

FORBIDDEN, NOT_FOUND = (403, "M_FORBIDDEN"), (404, "M_NOT_FOUND")
WHOLE: Json = {
    "event_fields": ["type", "content", "sender"],
    "event_format": "client",
    "presence": {"types": ["m.presence"], "not_senders": ["@alice:example.com"], "limit": 5},
    "account_data": {"not_types": ["*"]},
    "room": {
        "rooms": ["!a:example.com"],
        "not_rooms": ["!b:example.com"],
        "include_leave": True,
        "ephemeral": {"types": ["m.receipt", "m.typing"], "not_rooms": ["!c:example.com"]},
        "state": {"types": ["m.room.*"], "lazy_load_members": True, "include_redundant_members": False},
        "timeline": {"limit": 10, "types": ["m.room.message"], "contains_url": True, "senders": []},
        "account_data": {"types": []},
    },
}


def of(who: Talker, filter_id: str | None = None) -> str:
    path = f"{V3}/user/{segment(who.user_id)}/filter"
    return path if filter_id is None else f"{path}/{segment(filter_id)}"


async def store(who: Talker, wanted: Json) -> str:
    filter_id: str = (await who.post(of(who), wanted))["filter_id"]
    return filter_id


@pytest.mark.parametrize("wanted", [WHOLE, {}, {"org.example.unknown": {"n": 1.5}}, {"room": {"timeline": {}}}])
async def test_a_filter_comes_back_as_it_was(alice: Talker, wanted: Json) -> None:
    filter_id = await store(alice, wanted)
    assert filter_id
    assert not filter_id.startswith("{")
    assert await alice.get(of(alice, filter_id)) == wanted
    tablet = await alice.another_device()
    assert await tablet.get(of(alice, filter_id)) == wanted


async def test_the_same_filter_is_kept_once(alice: Talker) -> None:
    first = await store(alice, {"room": {"rooms": [], "include_leave": True}})
    assert await store(alice, {"room": {"include_leave": True, "rooms": []}}) == first
    assert await store(alice, {"room": {"include_leave": False, "rooms": []}}) != first


async def test_filters_are_their_owners(alice: Talker, bob: Talker) -> None:
    filter_id = await store(alice, {"room": {"include_leave": True}})
    assert await bob.refused("GET", of(alice, filter_id)) == FORBIDDEN
    assert await bob.refused("POST", of(alice), {}) == FORBIDDEN
    assert await bob.refused("GET", of(bob, filter_id)) == NOT_FOUND
    assert await alice.refused("GET", of(alice, "none")) == NOT_FOUND


@pytest.mark.parametrize(
    ("wanted", "refusal"),
    [
        ([], (400, "M_BAD_JSON")),
        ({"room": []}, (400, "M_BAD_JSON")),
        ({"room": {"timeline": {"limit": "many"}}}, (400, "M_BAD_JSON")),
        ({"room": {"timeline": {"types": "m.room.message"}}}, (400, "M_BAD_JSON")),
        ({"room": {"timeline": {"types": [1]}}}, (400, "M_BAD_JSON")),
        ({"room": {"include_leave": "yes"}}, (400, "M_BAD_JSON")),
        ({"event_format": "other"}, (400, "M_BAD_JSON")),
        ({"room": {"timeline": {"limit": -1}}}, (400, "M_INVALID_PARAM")),
        ({"room": {"rooms": ["no room"]}}, (400, "M_INVALID_PARAM")),
        ({"room": {"state": {"not_senders": ["nobody"]}}}, (400, "M_INVALID_PARAM")),
        ({"x": "y" * 65_536}, (413, "M_TOO_LARGE")),
    ],
)
async def test_malformed_filters(alice: Talker, wanted: Any, refusal: tuple[int, str]) -> None:
    assert await alice.refused("POST", of(alice), wanted) == refusal


LAZY = {"room": {"state": {"lazy_load_members": True}, "timeline": {"limit": 1}}}
ALL_OF_THEM = {"room": {"state": {"lazy_load_members": True, "include_redundant_members": True}}}


def introduced(said: Json, room_id: str) -> list[str]:
    events = said["rooms"]["join"][room_id]["state"]["events"]
    return [event["state_key"] for event in events if event["type"] == "m.room.member"]


@pytest.mark.parametrize("bells", [False, True])
async def test_people_are_introduced_once(alice: Talker, bob: Talker, http: aiohttp.ClientSession, bells: bool) -> None:
    """bells: something else is to be told each time, which takes the long way."""
    carol = await sign_up(http, "carol")
    room_id = await alice.make_room(name="not named after people")
    await alice.bring(room_id, bob, carol)
    await bob.say(room_id, "one")
    told = await alice.sync(filter=LAZY)
    assert set(introduced(told, room_id)) == {alice.user_id, bob.user_id}

    async def after_saying(*who: Talker, since: str = "", **query: Any) -> tuple[list[str], str]:
        for person in who:
            await person.say(room_id, "more")
        if bells:
            await alice.put(f"{V3}/user/{alice.user_id}/account_data/org.example.bell", {"text": f"{who} {since}"})
        said = await alice.sync(since or told["next_batch"], **{"filter": LAZY, **query})
        return introduced(said, room_id), said["next_batch"]

    people, here = await after_saying(bob)
    assert people == []
    people, there = await after_saying(carol, since=here)
    assert people == [carol.user_id]
    assert (await after_saying(since=here))[0] == [carol.user_id], "the answer may have been lost"
    lazy = {"room": {"state": {"lazy_load_members": True}}}
    assert set((await after_saying(bob, carol, since=there, filter=lazy))[0]) == {bob.user_id, carol.user_id}
    assert set((await after_saying(bob, carol, since=there, filter=ALL_OF_THEM))[0]) == {bob.user_id, carol.user_id}
    told = await alice.sync(filter=LAZY)  # all anew
    assert set(introduced(told, room_id)) == {alice.user_id, carol.user_id}
    assert (await after_saying(bob))[0] == [bob.user_id]


async def test_a_membership_that_changed_is_told(alice: Talker, bob: Talker) -> None:
    room_id = await alice.make_room(name="not named after people")
    await alice.bring(room_id, bob)
    await bob.say(room_id, "one")
    since = (await alice.sync(filter=LAZY))["next_batch"]
    await bob.set_state(room_id, "m.room.member", {"membership": "join", "displayname": "Bobby"}, bob.user_id)
    await bob.say(room_id, "two")
    assert introduced(await alice.sync(since, filter=LAZY), room_id) == [bob.user_id]


@pytest.mark.parametrize("version", ["1", "5", "12"])
async def test_events_as_servers_tell_them_each_other(alice: Talker, bob: Talker, version: str) -> None:
    """Each stands there whole: its content hash covers it, and its id follows from it."""
    rules, wanted = VERSIONS[version], {"event_format": "federation"}
    room_id = await alice.make_room(room_version=version)
    await alice.bring(room_id, bob)
    said, taken = await alice.say(room_id, "said"), await alice.say(room_id, "to be taken back")
    taking = await alice.redact(room_id, taken)
    begun = await alice.sync(filter=wanted)
    part = begun["rooms"]["join"][room_id]
    told = {event["event_id"]: event for event in (*part["state"]["events"], *part["timeline"]["events"])}
    assert {said, taken, taking} <= told.keys()
    for event_id, event in told.items():
        unsigned = event.pop("unsigned", {})
        bare = event if version == "1" else {name: value for name, value in event.items() if name != "event_id"}
        assert pdu.event_id(rules, bare) == event_id
        assert event_id == taken or bare["hashes"] == {"sha256": pdu.content_hash(bare)}
        assert ("redacted_because" in unsigned) == (event_id == taken)
        assert bare["depth"] == 1 or (bare["prev_events"] and (bare["auth_events"] or version == "12"))
    assert told[taken]["content"] == {}
    since = (await bob.sync(filter=wanted))["next_batch"]
    later = await alice.say(room_id, "later")
    (heard,) = (await bob.sync(since, filter=wanted))["rooms"]["join"][room_id]["timeline"]["events"]
    before = heard["prev_events"][0][0] if version == "1" else heard["prev_events"][0]
    assert (heard["event_id"], before) == (later, taking)
    assert heard["unsigned"] == {"membership": "join"}
