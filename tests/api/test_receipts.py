"""Receipts and read markers through HTTP: who sees them, in which thread they count, and which are refused."""

from typing import Any

import aiohttp
import pytest
from tests.api.talking import V3, Json, Talker, relating, room, segment, sign_up

NOTHING = "$" + "x" * 43


@pytest.fixture
async def room_id(alice: Talker, bob: Talker) -> str:
    room_id = await alice.make_room(name="ours")
    await alice.bring(room_id, bob)
    return room_id


def receipt(room_id: str, event_id: str, kind: str = "m.read") -> str:
    return f"{room(room_id)}/receipt/{kind}/{segment(event_id)}"


def markers(room_id: str) -> str:
    return f"{room(room_id)}/read_markers"


async def read(who: Talker, room_id: str, event_id: str, kind: str = "m.read", **body: Any) -> None:
    assert await who.post(receipt(room_id, event_id, kind), body) == {}


async def receipts(reader: Talker, room_id: str, since: str | None = None) -> set[tuple[str, str, str, str | None]]:
    """(event, kind, person, thread) of every receipt a sync tells."""
    part = (await reader.sync(since)).get("rooms", {}).get("join", {}).get(room_id, {})
    return {
        (event_id, kind, user_id, said.get("thread_id"))
        for event in part.get("ephemeral", {}).get("events", ())
        if event["type"] == "m.receipt"
        for event_id, kinds in event["content"].items()
        for kind, people in kinds.items()
        for user_id, said in people.items()
    }


async def fully_read(reader: Talker, room_id: str, since: str | None = None) -> str | None:
    part = (await reader.sync(since)).get("rooms", {}).get("join", {}).get(room_id, {})
    events = [e for e in part.get("account_data", {}).get("events", ()) if e["type"] == "m.fully_read"]
    return events[-1]["content"]["event_id"] if events else None


# --- receipts ---


async def test_a_receipt_is_shown_to_everybody(alice: Talker, bob: Talker, room_id: str) -> None:
    said = await alice.say(room_id, "x")
    tokens = [(await person.sync())["next_batch"] for person in (alice, bob)]
    await read(bob, room_id, said)
    expected = {(said, "m.read", bob.user_id, None)}
    for person, token in zip((alice, bob), tokens, strict=True):
        assert await receipts(person, room_id, token) == expected
        assert await receipts(person, room_id) == expected


async def test_a_private_receipt_is_shown_to_its_owner(alice: Talker, bob: Talker, room_id: str) -> None:
    said = await alice.say(room_id, "x")
    tablet = await bob.another_device()
    tokens = [(await person.sync())["next_batch"] for person in (alice, bob, tablet)]
    await read(bob, room_id, said, "m.read.private")
    own = {(said, "m.read.private", bob.user_id, None)}
    for person, token, expected in zip((alice, bob, tablet), tokens, (set(), own, own), strict=True):
        assert await receipts(person, room_id, token) == expected
        assert await receipts(person, room_id) == expected


async def test_a_receipt_moves_forwards_only(alice: Talker, bob: Talker, room_id: str) -> None:
    said = [await alice.say(room_id, f"{n}") for n in range(3)]
    await read(bob, room_id, said[1])
    since = (await alice.sync())["next_batch"]
    await read(bob, room_id, said[0])
    await read(bob, room_id, said[1])
    assert await receipts(alice, room_id, since) == set()
    assert await receipts(alice, room_id) == {(said[1], "m.read", bob.user_id, None)}
    await read(bob, room_id, said[2])
    assert await receipts(alice, room_id) == {(said[2], "m.read", bob.user_id, None)}


async def test_receipts_are_kept_by_thread(alice: Talker, bob: Talker, room_id: str) -> None:
    root = await alice.say(room_id, "root")
    answer = await alice.say(room_id, "answer", **relating("m.thread", root))
    main = await alice.say(room_id, "main")
    since = (await alice.sync())["next_batch"]
    await read(bob, room_id, answer, thread_id=root)
    await read(bob, room_id, main, thread_id="main")
    await read(bob, room_id, root)
    expected = {
        (answer, "m.read", bob.user_id, root),
        (main, "m.read", bob.user_id, "main"),
        (root, "m.read", bob.user_id, None),
    }
    assert await receipts(alice, room_id, since) == expected
    assert await receipts(alice, room_id) == expected


async def test_several_receipts_on_one_event(alice: Talker, bob: Talker, room_id: str) -> None:
    """The root of a thread may be read unthreaded, in the main timeline, and as the beginning of its thread."""
    root = await alice.say(room_id, "root")
    await alice.say(room_id, "answer", **relating("m.thread", root))
    since = (await alice.sync())["next_batch"]
    await read(bob, room_id, root)
    await read(bob, room_id, root, thread_id="main")
    await read(bob, room_id, root, thread_id=root)
    expected = {(root, "m.read", bob.user_id, thread) for thread in (None, "main", root)}
    assert await receipts(alice, room_id, since) == expected
    assert await receipts(alice, room_id) == expected


async def test_the_thread_must_be_the_events(alice: Talker, bob: Talker, room_id: str) -> None:
    root, main = await alice.say(room_id, "root"), await alice.say(room_id, "main")
    answer = await alice.say(room_id, "answer", **relating("m.thread", root))
    reaction = await alice.send(room_id, relating("m.annotation", answer, key="x"), "m.reaction")
    of_main = await alice.send(room_id, relating("m.annotation", main, key="x"), "m.reaction")
    refusal = (400, "M_INVALID_PARAM")
    wrong: list[tuple[str, Any]] = [(main, root), (answer, "main"), (reaction, "main"), (of_main, root), (answer, main)]
    wrong += [(main, ""), (main, 5), (main, "nonsense"), (main, NOTHING)]
    for event_id, thread in wrong:
        status, errcode = await bob.refused("POST", receipt(room_id, event_id), {"thread_id": thread})
        assert (status, errcode) == ((400, "M_BAD_JSON") if thread == 5 else refusal), (event_id, thread)
    assert await receipts(alice, room_id) == set()
    await read(bob, room_id, reaction, thread_id=root)
    await read(bob, room_id, of_main, thread_id="main")
    of_fully = receipt(room_id, main, "m.fully_read")
    assert await bob.refused("POST", of_fully, {"thread_id": "main"}) == refusal


async def test_receipts_that_are_refused(alice: Talker, bob: Talker, http: aiohttp.ClientSession, room_id: str) -> None:
    said = await alice.say(room_id, "x")
    other_room = await alice.make_room()
    elsewhere = await alice.say(other_room, "y")
    stranger = await sign_up(http, "stranger")
    for kind in ("m.read", "m.read.private", "m.fully_read"):
        assert await stranger.refused("POST", receipt(room_id, said, kind), {}) == (403, "M_FORBIDDEN")
        assert await alice.refused("POST", receipt("!none:x.example", said, kind), {}) == (403, "M_FORBIDDEN")
        assert await alice.refused("POST", receipt(room_id, NOTHING, kind), {}) == (404, "M_NOT_FOUND")
        assert await alice.refused("POST", receipt(room_id, elsewhere, kind), {}) == (404, "M_NOT_FOUND")
        assert await alice.refused("POST", receipt(room_id, "nonsense", kind), {}) == (400, "M_INVALID_PARAM")
    assert await alice.refused("POST", receipt(room_id, said, "m.seen"), {}) == (400, "M_INVALID_PARAM")
    await bob.leave(room_id)
    assert await bob.refused("POST", receipt(room_id, said), {}) == (403, "M_FORBIDDEN")


async def test_receipts_are_filtered(alice: Talker, bob: Talker, room_id: str) -> None:
    said = await alice.say(room_id, "x")
    await read(bob, room_id, said)
    wanted: Json
    for wanted in ({"types": []}, {"not_types": ["m.receipt"]}, {"not_rooms": [room_id]}):
        answer = await alice.sync(filter={"room": {"ephemeral": wanted}})
        assert answer["rooms"]["join"][room_id]["ephemeral"]["events"] == []


# --- read markers ---


async def test_markers_set_all_that_is_named(alice: Talker, bob: Talker, room_id: str) -> None:
    first, second, third = [await alice.say(room_id, f"{n}") for n in range(3)]
    since = (await bob.sync())["next_batch"]
    body = {"m.fully_read": first, "m.read": second, "m.read.private": third}
    assert await bob.post(markers(room_id), body) == {}
    assert await fully_read(bob, room_id, since) == first
    assert await fully_read(bob, room_id) == first
    own = {(second, "m.read", bob.user_id, None), (third, "m.read.private", bob.user_id, None)}
    assert await receipts(bob, room_id, since) == own
    assert await receipts(alice, room_id) == {(second, "m.read", bob.user_id, None)}
    account = f"{V3}/user/{segment(bob.user_id)}/rooms/{segment(room_id)}/account_data/m.fully_read"
    assert await bob.get(account) == {"event_id": first}
    assert await fully_read(alice, room_id) is None
    await bob.post(markers(room_id), {"m.read": third})
    assert await fully_read(bob, room_id) == first
    assert await bob.post(markers(room_id), {}) == {}


async def test_the_fully_read_marker_as_a_receipt(alice: Talker, bob: Talker, room_id: str) -> None:
    said = await alice.say(room_id, "x")
    since = (await bob.sync())["next_batch"]
    await read(bob, room_id, said, "m.fully_read")
    assert await fully_read(bob, room_id, since) == said
    assert await receipts(bob, room_id) == set()


async def test_markers_are_set_together_or_not_at_all(alice: Talker, bob: Talker, room_id: str) -> None:
    said = await alice.say(room_id, "x")
    for wrong, refusal in (
        ({"m.read": said, "m.fully_read": NOTHING}, (404, "M_NOT_FOUND")),
        ({"m.read": said, "m.read.private": NOTHING}, (404, "M_NOT_FOUND")),
        ({"m.read": said, "m.fully_read": "nonsense"}, (400, "M_INVALID_PARAM")),
        ({"m.read": 5}, (400, "M_BAD_JSON")),
    ):
        body: Json = dict(wrong)
        assert await bob.refused("POST", markers(room_id), body) == refusal
        assert await receipts(bob, room_id) == set()
        assert await fully_read(bob, room_id) is None
    await bob.leave(room_id)
    assert await bob.refused("POST", markers(room_id), {"m.fully_read": said}) == (403, "M_FORBIDDEN")
