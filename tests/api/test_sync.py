"""Syncing through HTTP: what a device is told first, what after that, and what of it a filter leaves."""

import asyncio
import json
import time
from typing import Any

import aiohttp
import asyncpg
import pytest
from tests.api.holding import Hold
from tests.api.talking import V3, Json, Talker, room, segment, sign_up

MESSAGE, NAME, TOPIC, MEMBER, CREATE = "m.room.message", "m.room.name", "m.room.topic", "m.room.member", "m.room.create"
WAIT_MS = 20_000  # longer than any test waits; what wakes a sync does so within milliseconds
NO_PRESENCE: Json = {"presence": {"types": []}}  # the own one is news, too
LAZY = {"room": {"state": {"lazy_load_members": True}}}
RULES_TYPE = "m.push_rules"


@pytest.fixture
async def carol(http: aiohttp.ClientSession) -> Talker:
    return await sign_up(http, "carol")


@pytest.fixture
async def room_id(alice: Talker, bob: Talker) -> str:
    room_id = await alice.make_room(name="ours")
    await alice.bring(room_id, bob)
    return room_id


def limited(limit: int, **more: Any) -> Json:
    return {"room": {"timeline": {"limit": limit, **more}}}


def joined(answer: Json, room_id: str) -> Json:
    part: Json = answer["rooms"]["join"][room_id]
    return part


def bodies(part: Json) -> list[str]:
    return [event["content"]["body"] for event in part["timeline"]["events"] if event["type"] == MESSAGE]


def types(events: list[Json]) -> list[str]:
    return [event["type"] for event in events]


def members(events: list[Json]) -> set[str]:
    return {event["state_key"] for event in events if event["type"] == MEMBER}


def folded(state: list[Json], timeline: list[Json]) -> dict[tuple[str, str], Json]:
    """What a client takes for the room's state: the state, and over it the changes in the timeline."""
    return {
        (event["type"], event["state_key"]): event["content"]
        for event in (*state, *timeline)
        if event.get("state_key") is not None
    }


async def current(reader: Talker, room_id: str) -> dict[tuple[str, str], Json]:
    return folded(await reader.get(f"{room(room_id)}/state"), [])


# --- the first sync ---


async def test_somebody_new_hears_of_their_rules_alone(alice: Talker) -> None:
    answer = await alice.sync()
    assert types(answer["account_data"]["events"]) == [RULES_TYPE]
    assert "rooms" not in answer
    assert answer["device_one_time_keys_count"].get("signed_curve25519", 0) == 0


async def test_a_first_sync_tells_whole_rooms(alice: Talker, bob: Talker, carol: Talker, room_id: str) -> None:
    await alice.say(room_id, "hello")
    await alice.invite(room_id, carol)
    other = await bob.make_room()
    answer = await bob.sync()
    assert set(answer["rooms"]["join"]) == {room_id, other}
    part = joined(answer, room_id)
    assert folded(part["state"]["events"], part["timeline"]["events"]) == await current(alice, room_id)
    assert bodies(part) == ["hello"]
    assert part["timeline"]["limited"] is False
    assert part["summary"]["m.joined_member_count"] == 2
    assert part["summary"]["m.invited_member_count"] == 1
    assert part["unread_notifications"] == {"notification_count": 1, "highlight_count": 0}


async def test_a_long_timeline_is_cut_and_goes_on_in_the_history(alice: Talker, bob: Talker, room_id: str) -> None:
    for n in range(30):
        await alice.say(room_id, f"{n}")
        if n == 3:
            await alice.set_state(room_id, TOPIC, {"topic": "early"})
    part = joined(await bob.sync(filter=limited(5)), room_id)
    assert bodies(part) == [f"{n}" for n in range(25, 30)]
    assert part["timeline"]["limited"] is True
    assert folded(part["state"]["events"], part["timeline"]["events"]) == await current(alice, room_id)
    older = await bob.messages(room_id, **{"from": part["timeline"]["prev_batch"]}, limit=10)
    assert [event["content"]["body"] for event in older["chunk"]] == [f"{n}" for n in range(24, 14, -1)]


async def test_the_default_timeline_is_bounded(alice: Talker, room_id: str) -> None:
    for n in range(40):
        await alice.say(room_id, f"{n}")
    assert 10 <= len(bodies(joined(await alice.sync(), room_id))) < 40


# --- going on ---


async def test_going_on_from_a_token(alice: Talker, bob: Talker, room_id: str) -> None:
    first = await bob.sync()
    again = await bob.sync(first["next_batch"])
    assert not {"rooms", "account_data"} & again.keys()
    event_id = await alice.say(room_id, "new")
    await alice.set_state(room_id, TOPIC, {"topic": "new"})
    answer = await bob.sync(again["next_batch"])
    part = joined(answer, room_id)
    assert part["timeline"]["events"][0]["event_id"] == event_id
    assert types(part["timeline"]["events"]) == [MESSAGE, TOPIC]
    assert part["state"]["events"] == []
    assert part["timeline"]["limited"] is False
    assert joined(await bob.sync(first["next_batch"]), room_id)["timeline"]["events"] == part["timeline"]["events"]
    assert "rooms" not in await bob.sync(answer["next_batch"])


async def test_a_gap_brings_the_state_that_changed_in_it(alice: Talker, bob: Talker, room_id: str) -> None:
    since = (await bob.sync())["next_batch"]
    await alice.set_state(room_id, TOPIC, {"topic": "in the gap"})
    await alice.set_state(room_id, "org.example.x", {"n": 1}, "k")
    for n in range(8):
        await alice.say(room_id, f"{n}")
    await alice.set_state(room_id, "org.example.x", {"n": 2}, "k")
    part = joined(await bob.sync(since, filter=limited(4)), room_id)
    assert part["timeline"]["limited"] is True
    assert folded(part["state"]["events"], []) == {
        (TOPIC, ""): {"topic": "in the gap"},
        ("org.example.x", "k"): {"n": 1},
    }
    assert bodies(part) == ["5", "6", "7"]
    prev_batch = part["timeline"]["prev_batch"]
    older = await bob.messages(room_id, **{"from": prev_batch, "to": since}, limit=50)
    assert len(older["chunk"]) == 7


@pytest.mark.parametrize("since", ["s", "x1", "s-1", "s1x", "1", "s" + "9" * 30])
async def test_tokens_nobody_gave_out(alice: Talker, since: str) -> None:
    assert await alice.refused("GET", f"{V3}/sync", since=since) == (400, "M_INVALID_PARAM")


async def test_a_token_of_the_future_begins_anew(alice: Talker, room_id: str) -> None:
    answer = await alice.sync("s999999999999")
    assert room_id in answer["rooms"]["join"]
    assert answer["next_batch"] != "s999999999999"


@pytest.mark.parametrize(
    "query",
    [{"timeout": "soon"}, {"timeout": -1}, {"full_state": "yes"}, {"set_presence": "busy"}, {"filter": "none-such"}],
)
async def test_malformed_questions(alice: Talker, query: Json) -> None:
    assert await alice.refused("GET", f"{V3}/sync", **query) == (400, "M_INVALID_PARAM")


@pytest.mark.parametrize(("text", "errcode"), [("{", "M_NOT_JSON"), ('{"room": 1}', "M_BAD_JSON")])
async def test_malformed_filters(alice: Talker, text: str, errcode: str) -> None:
    assert await alice.refused("GET", f"{V3}/sync", filter=text) == (400, errcode)


# --- waiting ---


async def test_a_waiting_sync_wakes(alice: Talker, bob: Talker, room_id: str) -> None:
    since = (await bob.sync())["next_batch"]
    waiting = asyncio.create_task(bob.sync(since, filter=NO_PRESENCE, timeout=WAIT_MS))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    began = time.monotonic()
    await alice.say(room_id, "wake up")
    assert bodies(joined(await waiting, room_id)) == ["wake up"]
    assert time.monotonic() - began < 5


async def test_every_device_wakes(alice: Talker, bob: Talker, room_id: str) -> None:
    tablet = await bob.another_device()
    devices = (alice, bob, tablet)
    tokens = [(await device.sync())["next_batch"] for device in devices]
    waiting = [
        device.sync(token, filter=NO_PRESENCE, timeout=WAIT_MS) for device, token in zip(devices, tokens, strict=True)
    ]
    answers, _ = await asyncio.gather(asyncio.gather(*waiting), alice.say(room_id, "x"))
    assert all(bodies(joined(answer, room_id)) == ["x"] for answer in answers)


async def test_a_sync_waits_as_long_as_it_was_asked_to(alice: Talker, room_id: str) -> None:
    since = (await alice.sync())["next_batch"]
    began = time.monotonic()
    answer = await alice.sync(since, filter=NO_PRESENCE, timeout=700)
    assert 0.6 < time.monotonic() - began < 5
    assert "rooms" not in answer
    assert not answer.get("account_data", {}).get("events")


async def test_what_the_filter_hides_does_not_make_up_news(alice: Talker, bob: Talker, room_id: str) -> None:
    """A sync that waits for another room sleeps on while people talk here."""
    wanted = {"room": {"not_rooms": [room_id]}, **NO_PRESENCE}
    since = (await bob.sync(filter=wanted))["next_batch"]
    waiting = asyncio.create_task(bob.sync(since, filter=wanted, timeout=WAIT_MS))
    await alice.say(room_id, "x")
    await asyncio.sleep(0.3)
    assert not waiting.done()
    other = await bob.make_room()
    assert set((await waiting)["rooms"]["join"]) == {other}


async def test_a_device_waits_in_many_syncs_where_rate_limits_are_off(alice: Talker) -> None:
    since = (await alice.sync())["next_batch"]
    query = {"since": since, "timeout": 1_500, "filter": json.dumps(NO_PRESENCE)}
    asked = [alice.ask("GET", f"{V3}/sync", **query) for _ in range(6)]
    answers = await asyncio.gather(*asked)
    assert [status for status, _ in answers] == [200] * 6


async def test_a_person_begins_anew_often_where_rate_limits_are_off(alice: Talker) -> None:
    await alice.make_room()
    answers = await asyncio.gather(*(alice.ask("GET", f"{V3}/sync") for _ in range(12)))
    assert [status for status, _ in answers] == [200] * 12


# --- the whole state, and the state after ---


async def test_who_waits_is_let_go_when_the_session_ends(alice: Talker, room_id: str) -> None:
    phone = await alice.another_device()
    since = (await phone.sync(set_presence="offline"))["next_batch"]
    waiting = asyncio.create_task(phone.sync(since, timeout=20_000, set_presence="offline"))
    await phone.sees_somebody_wait()
    await phone.post(f"{V3}/logout")
    assert (await asyncio.wait_for(waiting, 10))["next_batch"] == since
    assert await phone.refused("GET", f"{V3}/sync", since=since) == (401, "M_UNKNOWN_TOKEN")


async def test_a_session_that_ends_in_the_midst_of_an_answer_does_not_wait(
    alice: Talker, room_id: str, database: asyncpg.Connection
) -> None:
    phone, tablet = await alice.another_device(), await alice.another_device()
    since = (await phone.sync(set_presence="offline"))["next_batch"]
    await tablet.post(f"{V3}/logout")  # what was known of the person is dropped: the next sync has to look
    async with Hold(database, "LOCK TABLE presence IN ACCESS EXCLUSIVE MODE") as hold:
        waiting = asyncio.create_task(phone.sync(since, timeout=20_000, set_presence="offline"))
        await hold.waiting(1, waiting)
        await phone.post(f"{V3}/logout")
    assert (await asyncio.wait_for(waiting, 10))["next_batch"] == since


async def test_full_state_repeats_the_state_and_not_the_timeline(alice: Talker, bob: Talker, room_id: str) -> None:
    quiet = await alice.make_room()
    await alice.say(room_id, "old")
    since = (await alice.sync())["next_batch"]
    await alice.say(room_id, "new")
    answer = await alice.sync(since, full_state="true", timeout=WAIT_MS)
    part = joined(answer, room_id)
    assert bodies(part) == ["new"]
    assert part["timeline"]["limited"] is False
    assert folded(part["state"]["events"], part["timeline"]["events"]) == await current(alice, room_id)
    still = joined(answer, quiet)
    assert still["timeline"]["events"] == []
    assert folded(still["state"]["events"], []) == await current(alice, quiet)
    assert "rooms" not in await alice.sync(answer["next_batch"])


async def test_state_after_the_timeline(alice: Talker, bob: Talker, room_id: str) -> None:
    for n in range(3):
        await alice.say(room_id, f"{n}")
    await alice.set_state(room_id, NAME, {"name": "renamed"})
    first = await bob.sync(use_state_after="true", filter=limited(2))
    part = joined(first, room_id)
    assert "state" not in part
    assert folded(part["state_after"]["events"], []) == await current(alice, room_id)
    await alice.set_state(room_id, TOPIC, {"topic": "in the timeline"})
    await alice.say(room_id, "x")
    part = joined(await bob.sync(first["next_batch"], use_state_after="true"), room_id)
    assert types(part["timeline"]["events"]) == [TOPIC, MESSAGE]
    assert folded(part["state_after"]["events"], []) == {(TOPIC, ""): {"topic": "in the timeline"}}
    since = (await bob.sync())["next_batch"]
    await alice.say(room_id, "y")
    part = joined(await bob.sync(since, use_state_after="true"), room_id)
    assert part["state_after"]["events"] == []
    part = joined(await bob.sync(since, use_state_after="false"), room_id)
    assert "state_after" not in part
    await bob.leave(room_id)
    left = (await bob.sync(since, use_state_after="true"))["rooms"]["leave"][room_id]
    assert folded(left["state_after"]["events"], [])[MEMBER, bob.user_id] == {"membership": "leave"}
    assert "state" not in left


# --- lazy loading ---


async def test_lazy_loading_tells_who_speaks(alice: Talker, bob: Talker, carol: Talker, room_id: str) -> None:
    await alice.bring(room_id, carol)
    for n in range(25):
        await alice.say(room_id, f"{n}")
    first = await bob.sync(filter=LAZY)
    part = joined(first, room_id)
    assert members(part["state"]["events"]) >= {alice.user_id, bob.user_id}
    await carol.say(room_id, "me")
    part = joined(await bob.sync(first["next_batch"], filter=LAZY), room_id)
    assert members(part["state"]["events"]) == {carol.user_id}
    everybody = joined(await bob.sync(), room_id)["state"]["events"]
    assert members(everybody) == {alice.user_id, bob.user_id, carol.user_id}


async def test_lazy_loading_leaves_out_who_is_silent(alice: Talker, http: aiohttp.ClientSession) -> None:
    room_id = await alice.make_room(preset="public_chat", name="large")
    people = [await sign_up(http, "silent") for _ in range(4)]
    await asyncio.gather(*(person.join(room_id) for person in people))
    for n in range(25):
        await alice.say(room_id, f"{n}")
    part = joined(await people[0].sync(filter=LAZY), room_id)
    assert members(part["state"]["events"]) == {alice.user_id, people[0].user_id}
    assert part["summary"]["m.joined_member_count"] == 5


async def test_lazy_loading_brings_members_of_a_gap(alice: Talker, bob: Talker, carol: Talker, room_id: str) -> None:
    wanted = {"room": {**LAZY["room"], "timeline": {"limit": 2}}}
    since = (await bob.sync(filter=wanted))["next_batch"]
    await alice.bring(room_id, carol)
    for n in range(5):
        await alice.say(room_id, f"{n}")
    part = joined(await bob.sync(since, filter=wanted), room_id)
    assert part["timeline"]["limited"] is True
    assert carol.user_id in members(part["state"]["events"])


async def test_lazy_loading_brings_the_heroes(alice: Talker, http: aiohttp.ClientSession) -> None:
    """Who has to give the room its name must be known, when the list changes too."""
    room_id = await alice.make_room(preset="public_chat")
    people = [await sign_up(http, "hero") for _ in range(7)]
    for person in people:
        await person.join(room_id)
    for n in range(25):
        await alice.say(room_id, f"{n}")
    first = await alice.sync(filter=LAZY)
    part = joined(first, room_id)
    heroes = part["summary"]["m.heroes"]
    assert heroes == [person.user_id for person in people[:5]]
    assert set(heroes) <= members(part["state"]["events"])
    await people[0].leave(room_id)
    part = joined(await alice.sync(first["next_batch"], filter=LAZY), room_id)
    assert part["summary"]["m.heroes"] == [person.user_id for person in people[1:6]]
    assert people[5].user_id in members([*part["state"]["events"], *part["timeline"]["events"]])


# --- summaries ---


async def test_heroes_and_counts(alice: Talker, bob: Talker, carol: Talker) -> None:
    room_id = await alice.make_room()
    first = await alice.sync()
    assert joined(first, room_id)["summary"] == {
        "m.heroes": [],
        "m.joined_member_count": 1,
        "m.invited_member_count": 0,
    }
    await alice.bring(room_id, bob)
    await alice.invite(room_id, carol)
    second = await alice.sync(first["next_batch"])
    assert joined(second, room_id)["summary"] == {
        "m.heroes": [bob.user_id, carol.user_id],
        "m.joined_member_count": 2,
        "m.invited_member_count": 1,
    }
    await alice.say(room_id, "x")
    third = await alice.sync(second["next_batch"])
    assert "m.joined_member_count" not in joined(third, room_id)["summary"]
    await alice.set_state(room_id, NAME, {"name": "named"})
    fourth = await alice.sync(third["next_batch"])
    assert "m.heroes" not in joined(await alice.sync(), room_id)["summary"]
    await alice.set_state(room_id, NAME, {})
    assert joined(await alice.sync(fourth["next_batch"]), room_id)["summary"]["m.heroes"] == [
        bob.user_id,
        carol.user_id,
    ]
    await bob.leave(room_id)
    await carol.leave(room_id)
    summary = joined(await alice.sync(), room_id)["summary"]
    assert (summary["m.joined_member_count"], summary["m.invited_member_count"]) == (1, 0)
    assert set(summary["m.heroes"]) == {bob.user_id, carol.user_id}


# --- invitations, knocks, leaving ---


async def test_an_invitation_shows_the_rooms_face(alice: Talker, bob: Talker) -> None:
    since = (await bob.sync())["next_batch"]
    room_id = await alice.make_room(name="come in", topic="tea", invite=[bob.user_id])
    await alice.set_state(room_id, "org.example.secret", {"n": 1})
    for answer in (await bob.sync(since), await bob.sync()):
        assert set(answer["rooms"]) == {"invite"}
        events = answer["rooms"]["invite"][room_id]["invite_state"]["events"]
        told = {(event["type"], event["state_key"]): event for event in events}
        assert {(NAME, ""), (TOPIC, ""), (CREATE, ""), ("m.room.join_rules", "")} <= told.keys()
        assert told[NAME, ""]["content"] == {"name": "come in"}
        assert told[MEMBER, bob.user_id]["content"]["membership"] == "invite"
        assert told[MEMBER, bob.user_id]["sender"] == alice.user_id
        assert told[MEMBER, alice.user_id]["content"]["membership"] == "join"
        assert ("org.example.secret", "") not in told
        assert not any({"event_id", "origin_server_ts", "unsigned"} & event.keys() for event in events)
    assert "rooms" not in await bob.sync(answer["next_batch"])


async def test_coming_in_tells_the_whole_room(alice: Talker, bob: Talker) -> None:
    room_id = await alice.make_room(invite=[bob.user_id])
    await alice.say(room_id, "before")
    since = (await bob.sync())["next_batch"]
    await bob.join(room_id)
    answer = await bob.sync(since)
    assert set(answer["rooms"]) == {"join"}
    part = joined(answer, room_id)
    assert "before" in bodies(part)
    assert folded(part["state"]["events"], part["timeline"]["events"]) == await current(bob, room_id)


async def test_leaving_is_told_once(alice: Talker, bob: Talker, room_id: str) -> None:
    since = (await bob.sync())["next_batch"]
    await alice.say(room_id, "seen")
    await bob.leave(room_id)
    await alice.say(room_id, "unseen")
    answer = await bob.sync(since)
    assert set(answer["rooms"]) == {"leave"}
    part = answer["rooms"]["leave"][room_id]
    assert bodies(part) == ["seen"]
    last = part["timeline"]["events"][-1]
    assert (last["type"], last["content"]["membership"]) == (MEMBER, "leave")
    assert "rooms" not in await bob.sync(answer["next_batch"])
    assert "rooms" not in await bob.sync()


@pytest.mark.parametrize("verb", ["kick", "ban"])
async def test_being_sent_out_is_told(alice: Talker, bob: Talker, room_id: str, verb: str) -> None:
    since = (await bob.sync())["next_batch"]
    waiting = asyncio.create_task(bob.sync(since, filter=NO_PRESENCE, timeout=WAIT_MS))
    await alice.post(f"{room(room_id)}/{verb}", {"user_id": bob.user_id, "reason": "why"})
    answer = await waiting
    last = answer["rooms"]["leave"][room_id]["timeline"]["events"][-1]
    assert last["content"]["membership"] == ("leave" if verb == "kick" else "ban")
    assert last["content"]["reason"] == "why"


async def test_a_refused_invitation_is_told_as_left(alice: Talker, bob: Talker) -> None:
    room_id = await alice.make_room(invite=[bob.user_id])
    await alice.say(room_id, "not for bob")
    since = (await bob.sync())["next_batch"]
    await bob.leave(room_id)
    part = (await bob.sync(since))["rooms"]["leave"][room_id]
    assert members(part["timeline"]["events"]) == {bob.user_id}
    assert bodies(part) == []
    assert "rooms" not in await bob.sync(filter={"room": {"include_leave": True}})


async def test_left_rooms_are_told_when_asked_for(alice: Talker, bob: Talker, room_id: str) -> None:
    wanted = {"room": {"include_leave": True}}
    await alice.say(room_id, "seen")
    await bob.leave(room_id)
    await alice.say(room_id, "unseen")
    await alice.set_state(room_id, NAME, {"name": "renamed after"})
    first = await bob.sync(filter=wanted)
    part = first["rooms"]["leave"][room_id]
    assert bodies(part) == ["seen"]
    told = folded(part["state"]["events"], part["timeline"]["events"])
    assert told[NAME, ""] == {"name": "ours"}
    assert told[MEMBER, bob.user_id]["membership"] == "leave"
    assert "rooms" not in await bob.sync(first["next_batch"], filter=wanted)
    again = await bob.sync(first["next_batch"], filter=wanted, full_state="true")
    assert room_id in again["rooms"]["leave"]
    assert "rooms" not in await bob.sync(first["next_batch"], full_state="true")


async def test_history_before_joining_is_hidden_where_it_must_be(alice: Talker, bob: Talker) -> None:
    state = [{"type": "m.room.history_visibility", "content": {"history_visibility": "joined"}}]
    room_id = await alice.make_room(initial_state=state)
    await alice.say(room_id, "before")
    since = (await bob.sync())["next_batch"]
    await alice.bring(room_id, bob)
    await alice.say(room_id, "after")
    for answer in (await bob.sync(since), await bob.sync()):
        part = joined(answer, room_id)
        assert bodies(part) == ["after"]
        assert folded(part["state"]["events"], part["timeline"]["events"]) == await current(bob, room_id)


# --- filters ---


async def test_filters_by_section(alice: Talker, bob: Talker, room_id: str) -> None:
    await bob.set_state(room_id, MEMBER, {"membership": "join", "displayname": "B"}, bob.user_id)
    await alice.say(room_id, "a")
    await bob.say(room_id, "b")
    await alice.send(room_id, {"url": "mxc://x/y", "body": "f", "msgtype": "m.image"})
    part = joined(await bob.sync(filter={"room": {"timeline": {"types": [MESSAGE]}}}), room_id)
    assert bodies(part) == ["a", "b", "f"]
    assert set(types(part["timeline"]["events"])) == {MESSAGE}
    assert folded(part["state"]["events"], []) == await current(bob, room_id)
    part = joined(await bob.sync(filter={"room": {"timeline": {"senders": [alice.user_id], "limit": 2}}}), room_id)
    assert bodies(part) == ["a", "f"]
    part = joined(await bob.sync(filter={"room": {"timeline": {"not_types": ["m.room.*"]}}}), room_id)
    assert part["timeline"]["events"] == []
    part = joined(await bob.sync(filter={"room": {"timeline": {"contains_url": True}}}), room_id)
    assert bodies(part) == ["f"]
    part = joined(await bob.sync(filter={"room": {"state": {"types": [NAME]}, "timeline": {"limit": 1}}}), room_id)
    assert types(part["state"]["events"]) == [NAME]
    part = joined(await bob.sync(filter={"room": {"state": {"types": []}, "timeline": {"limit": 1}}}), room_id)
    assert part["state"]["events"] == []


async def test_filters_by_room(alice: Talker, room_id: str) -> None:
    other = await alice.make_room()
    answer = await alice.sync(filter={"room": {"rooms": [room_id]}})
    assert set(answer["rooms"]["join"]) == {room_id}
    answer = await alice.sync(filter={"room": {"not_rooms": [room_id]}})
    assert set(answer["rooms"]["join"]) == {other}
    answer = await alice.sync(filter={"room": {"rooms": [room_id], "not_rooms": [room_id]}})
    assert "rooms" not in answer
    assert "rooms" not in await alice.sync(filter={"room": {"rooms": []}})
    answer = await alice.sync(filter={"room": {"timeline": {"not_rooms": [room_id]}}})
    assert joined(answer, room_id)["timeline"]["events"] == []
    assert joined(answer, other)["timeline"]["events"]


async def test_stored_filters_are_used(alice: Talker, bob: Talker, room_id: str) -> None:
    await alice.say(room_id, "x")
    stored = await alice.post(f"{V3}/user/{segment(alice.user_id)}/filter", limited(1, types=[MESSAGE]))
    part = joined(await alice.sync(filter=stored["filter_id"]), room_id)
    assert bodies(part) == ["x"]
    assert len(part["timeline"]["events"]) == 1
    assert await bob.refused("GET", f"{V3}/sync", filter=stored["filter_id"]) == (400, "M_INVALID_PARAM")


async def test_fields_of_events(alice: Talker, room_id: str) -> None:
    await alice.send(room_id, {"msgtype": "m.text", "body": "x", "a.b": {"c": 1, "d": 2}})
    wanted = '{"event_fields": ["type", "content.body", "content.a\\\\.b.c"], "room": {"timeline": {"limit": 1}}}'
    status, answer = await alice.ask("GET", f"{V3}/sync", filter=wanted, pruned=True)
    assert status == 200
    part = joined(answer, room_id)
    assert part["timeline"]["events"] == [{"type": MESSAGE, "content": {"body": "x", "a.b": {"c": 1}}}]
    assert all(event.keys() <= {"type", "content"} for event in part["state"]["events"])


async def test_filters_of_account_data_and_presence(alice: Talker, bob: Talker, room_id: str) -> None:
    account = f"{V3}/user/{segment(alice.user_id)}/account_data"
    await alice.put(f"{account}/org.example.x", {"n": 1})
    wanted = {"account_data": {"types": ["org.example.*"]}, "presence": {"types": []}}
    answer = await alice.sync(filter=wanted)
    assert types(answer["account_data"]["events"]) == ["org.example.x"]
    assert "presence" not in answer
    answer = await alice.sync(filter={"account_data": {"not_types": ["*"]}})
    assert "account_data" not in answer


# --- /r0, which old clients use ---


async def test_the_old_prefix(alice: Talker, room_id: str) -> None:
    status, answer = await alice.ask("GET", "/_matrix/client/r0/sync")
    assert status == 200
    assert room_id in answer["rooms"]["join"]
