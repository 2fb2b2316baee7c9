"""Sending through HTTP: messages, state and redactions, what a retry does, and how others see it."""

import asyncio
import itertools
from typing import Any

import aiohttp
import pytest
from tests.api.talking import V3, Json, Talker, relating, room, segment, sign_up
from tests.server import SERVER_NAME

VERSIONS = ("10", "11", "12")
MESSAGE, NAME, TOPIC, LEVELS = "m.room.message", "m.room.name", "m.room.topic", "m.room.power_levels"
REDACTION, ALIAS, MEMBER = "m.room.redaction", "m.room.canonical_alias", "m.room.member"

_txn_ids = (f"sending-{number}" for number in itertools.count())


@pytest.fixture
async def room_id(alice: Talker, bob: Talker) -> str:
    room_id = await alice.make_room()
    await alice.bring(room_id, bob)
    return room_id


def sending(room_id: str, txn_id: str, event_type: str = MESSAGE) -> str:
    return f"{room(room_id)}/send/{segment(event_type)}/{segment(txn_id)}"


def setting(room_id: str, event_type: str, state_key: str = "") -> str:
    return f"{room(room_id)}/state/{segment(event_type)}/{segment(state_key)}"


def redacting(room_id: str, event_id: str, txn_id: str) -> str:
    return f"{room(room_id)}/redact/{segment(event_id)}/{segment(txn_id)}"


def text(body: str) -> Json:
    return {"msgtype": "m.text", "body": body}


async def timeline(reader: Talker, room_id: str, since: str | None = None, **query: Any) -> list[Json]:
    events: list[Json] = (await reader.sync(since, **query))["rooms"]["join"][room_id]["timeline"]["events"]
    return events


async def seen(reader: Talker, room_id: str, event_id: str, since: str | None = None) -> Json:
    """The event as a sync shows it."""
    return next(event for event in await timeline(reader, room_id, since) if event["event_id"] == event_id)


# --- messages and retries ---


async def test_a_message_as_others_see_it(alice: Talker, bob: Talker, room_id: str) -> None:
    since = (await bob.sync())["next_batch"]
    content = {**text("봉수 🔥"), "org.example": {"n": [1, -5, None, True, "x"], "big": 2**53 - 1}}
    event_id = await alice.send(room_id, content)
    event = await seen(bob, room_id, event_id, since)
    assert event["content"] == content
    assert (event["type"], event["sender"]) == (MESSAGE, alice.user_id)
    assert event["unsigned"] == {"membership": "join"}
    assert not {"room_id", "state_key", "redacts"} & event.keys()
    assert event.keys() <= {"content", "event_id", "origin_server_ts", "sender", "type", "unsigned"}


async def test_a_retry_makes_no_second_event(alice: Talker, room_id: str) -> None:
    path = sending(room_id, "once/and again?")
    first = await alice.put(path, text("one"))
    assert await alice.put(path, text("one")) == first
    assert await alice.put(path, text("another text")) == first
    at_once = await asyncio.gather(*(alice.put(sending(room_id, "at once"), text("x")) for _ in range(6)))
    assert len({answer["event_id"] for answer in at_once}) == 1
    bodies = [event["content"].get("body") for event in await timeline(alice, room_id)]
    assert (bodies.count("one"), bodies.count("x"), bodies.count("another text")) == (1, 1, 0)


async def test_transaction_ids_are_each_devices_own(alice: Talker, bob: Talker, room_id: str) -> None:
    tablet = await alice.another_device()
    other_room = await alice.make_room()
    path = sending(room_id, "same")
    sent = [
        (await alice.put(path, text("a")))["event_id"],
        (await tablet.put(path, text("b")))["event_id"],
        (await bob.put(path, text("c")))["event_id"],
        (await alice.put(sending(room_id, "same", "org.example.other"), text("d")))["event_id"],
        (await alice.put(sending(other_room, "same"), text("e")))["event_id"],
    ]
    assert len(set(sent)) == 5


async def test_the_transaction_id_is_told_to_the_sending_device_alone(alice: Talker, bob: Talker, room_id: str) -> None:
    tablet = await alice.another_device()
    people = (alice, tablet, bob)
    before = [(await person.sync())["next_batch"] for person in people]
    event_id = (await alice.put(sending(room_id, "mine"), text("x")))["event_id"]
    state_id = await alice.set_state(room_id, TOPIC, {"topic": "no transaction"})
    for since, expected in zip((before, [None] * 3), ("mine", "mine"), strict=True):
        told = [await seen(person, room_id, event_id, token) for person, token in zip(people, since, strict=True)]
        assert [event["unsigned"].get("transaction_id") for event in told] == [expected, None, None]
    assert "transaction_id" not in (await seen(alice, room_id, state_id))["unsigned"]


async def test_who_may_send(alice: Talker, bob: Talker, http: aiohttp.ClientSession, room_id: str) -> None:
    stranger = await sign_up(http, "stranger")
    path = sending(room_id, "x")
    assert await stranger.refused("PUT", path, text("x")) == (403, "M_FORBIDDEN")
    await alice.invite(room_id, stranger)
    assert await stranger.refused("PUT", path, text("x")) == (403, "M_FORBIDDEN")
    assert await alice.refused("PUT", sending("!none:x.example", "x"), text("x")) == (403, "M_FORBIDDEN")
    assert await alice.refused("PUT", sending("nonsense", "x"), text("x")) == (403, "M_FORBIDDEN")
    await bob.leave(room_id)
    assert await bob.refused("PUT", path, text("x")) == (403, "M_FORBIDDEN")
    levels = await alice.state(room_id, LEVELS)
    await alice.bring(room_id, bob)
    await alice.set_state(room_id, LEVELS, {**levels, "events": {**levels["events"], MESSAGE: 1}})
    assert await bob.refused("PUT", path, text("x")) == (403, "M_FORBIDDEN")
    assert (await bob.ask("PUT", sending(room_id, "x", "org.example.free"), {}))[0] == 200
    await alice.say(room_id, "may")


@pytest.mark.parametrize(
    ("event_type", "content", "refusal"),
    [
        (MESSAGE, ["no object"], (400, "M_BAD_JSON")),
        (MESSAGE, {"n": 0.5}, (400, "M_BAD_JSON")),
        (MESSAGE, {"n": 2**53}, (400, "M_BAD_JSON")),
        (MESSAGE, {"body": "x" * 65_536}, (413, "M_TOO_LARGE")),
        ("x" * 256, {}, (400, "M_INVALID_PARAM")),
        ("m.room.create", {}, (403, "M_FORBIDDEN")),
        (MEMBER, {"membership": "ban"}, (400, "M_BAD_JSON")),
    ],
)
async def test_what_cannot_be_sent(
    alice: Talker, room_id: str, event_type: str, content: Any, refusal: tuple[int, str]
) -> None:
    before = await alice.messages(room_id, limit=1)
    assert await alice.refused("PUT", sending(room_id, next(_txn_ids), event_type), content) == refusal
    assert (await alice.messages(room_id, limit=1))["chunk"] == before["chunk"]


async def test_transaction_ids_have_a_length(alice: Talker, room_id: str) -> None:
    assert await alice.refused("PUT", sending(room_id, "x" * 256), text("x")) == (400, "M_INVALID_PARAM")
    assert (await alice.ask("PUT", sending(room_id, "x" * 255), text("x")))[0] == 200


# --- state ---


async def test_setting_what_is_set_makes_no_event(alice: Talker, bob: Talker, room_id: str) -> None:
    first = await alice.set_state(room_id, "org.example.state", {"b": 1, "a": [2]}, "k")
    assert await alice.set_state(room_id, "org.example.state", {"a": [2], "b": 1}, "k") == first
    second = await alice.set_state(room_id, "org.example.state", {"a": [2], "b": 2}, "k")
    third = await alice.set_state(room_id, "org.example.state", {"a": [2], "b": 1}, "k")
    assert len({first, second, third}) == 3
    at_once = await asyncio.gather(*(alice.set_state(room_id, TOPIC, {"topic": "x"}) for _ in range(5)))
    assert len(set(at_once)) == 1
    types = [event["type"] for event in await timeline(alice, room_id)]
    assert (types.count("org.example.state"), types.count(TOPIC)) == (3, 1)


async def test_state_as_others_see_it(alice: Talker, bob: Talker, room_id: str) -> None:
    first = await alice.set_state(room_id, NAME, {"name": "one"})
    since = (await bob.sync())["next_batch"]
    second = await alice.set_state(room_id, NAME, {"name": "two"})
    event = await seen(bob, room_id, second, since)
    assert (event["state_key"], event["content"]) == ("", {"name": "two"})
    assert event["unsigned"]["prev_content"] == {"name": "one"}
    assert event["unsigned"]["replaces_state"] == first
    assert await alice.put(f"{room(room_id)}/state/{NAME}", {"name": "three"})
    assert await bob.get(f"{room(room_id)}/state/{NAME}") == {"name": "three"}
    assert await bob.state(room_id, NAME) == {"name": "three"}


async def test_who_may_set_state(alice: Talker, bob: Talker, room_id: str) -> None:
    assert await bob.refused("PUT", setting(room_id, NAME), {"name": "x"}) == (403, "M_FORBIDDEN")
    levels = await alice.state(room_id, LEVELS)
    assert await bob.refused("PUT", setting(room_id, LEVELS), {**levels, "ban": 0}) == (403, "M_FORBIDDEN")
    await alice.set_state(room_id, LEVELS, {**levels, "state_default": 0, "users": {bob.user_id: 10}})
    await bob.set_state(room_id, "org.example.x", {"n": 1})
    await bob.set_state(room_id, "org.example.x", {"n": 1}, bob.user_id)
    for_another = setting(room_id, "org.example.x", alice.user_id)
    assert await bob.refused("PUT", for_another, {}) == (403, "M_FORBIDDEN")
    assert await alice.refused("PUT", setting(room_id, "m.room.create"), {}) == (400, "M_INVALID_PARAM")
    itself = {"replacement_room": room_id}
    assert await alice.refused("PUT", setting(room_id, "m.room.tombstone"), itself) == (400, "M_INVALID_PARAM")
    assert await alice.refused("PUT", setting(room_id, LEVELS), {"users": {"x": 1}}) == (400, "M_BAD_JSON")
    assert await alice.refused("PUT", setting(room_id, LEVELS), {"ban": "50"}) == (400, "M_BAD_JSON")
    assert await alice.refused("PUT", setting(room_id, "x", "k" * 256), {}) == (400, "M_INVALID_PARAM")
    assert (await alice.ask("PUT", setting(room_id, "x", "k" * 255), {}))[0] == 200


async def test_canonical_aliases_lead_to_their_room(alice: Talker, room_id: str) -> None:
    other_room = await alice.make_room()
    own, other = (f"#{room_id[1:9]}-{name}:{SERVER_NAME}".lower() for name in ("own", "other"))
    await alice.put(f"{V3}/directory/room/{segment(own)}", {"room_id": room_id})
    await alice.put(f"{V3}/directory/room/{segment(other)}", {"room_id": other_room})
    path = setting(room_id, ALIAS)
    for wrong in ({"alias": other}, {"alias": "#none:test.example"}, {"alias": own, "alt_aliases": [other]}):
        assert await alice.refused("PUT", path, wrong) == (400, "M_BAD_ALIAS")
    for malformed in ({"alias": "own"}, {"alt_aliases": [own, "#no-server"]}, {"alt_aliases": own}, {"alias": 5}):
        assert await alice.refused("PUT", path, malformed) == (400, "M_INVALID_PARAM")
    await alice.put(path, {"alias": own, "alt_aliases": [own]})
    await alice.delete(f"{V3}/directory/room/{segment(own)}")
    assert await alice.state(room_id, ALIAS) == {"alt_aliases": []}
    assert await alice.refused("PUT", path, {"alias": own}) == (400, "M_BAD_ALIAS")
    await alice.put(path, {})


# --- redactions ---


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_redaction_takes_the_content_away(alice: Talker, bob: Talker, version: str) -> None:
    room_id = await alice.make_room(room_version=version)
    await alice.bring(room_id, bob)
    said = await bob.say(room_id, "secret", **{"m.mentions": {}})
    since = (await alice.sync())["next_batch"]
    redaction = await bob.redact(room_id, said, reason="changed my mind")
    told = await seen(alice, room_id, redaction, since)
    assert told["type"] == REDACTION
    assert told["content"] == {"redacts": said, "reason": "changed my mind"}
    assert told["redacts"] == said
    for event in (await seen(alice, room_id, said), await alice.event(room_id, said)):
        assert event["content"] == {}
        because = event["unsigned"]["redacted_because"]
        assert because["event_id"] == redaction
        assert (because["sender"], because["content"]["reason"]) == (bob.user_id, "changed my mind")
    page = await alice.messages(room_id, limit=5)
    assert "secret" not in str(page)


@pytest.mark.parametrize("version", VERSIONS)
async def test_redacted_state(alice: Talker, bob: Talker, version: str) -> None:
    room_id = await alice.make_room(room_version=version)
    await alice.bring(room_id, bob)
    name = await alice.set_state(room_id, NAME, {"name": "secret"})
    await alice.redact(room_id, name)
    assert await bob.state(room_id, NAME) == {}
    state = (await bob.sync(filter={"room": {"timeline": {"limit": 1}}}))["rooms"]["join"][room_id]["state"]
    shown = next(event for event in state["events"] if event["type"] == NAME)
    assert shown["content"] == {}
    assert shown["unsigned"]["redacted_because"]["redacts"] == name
    levels = await alice.state(room_id, LEVELS, format="event")
    await alice.redact(room_id, levels["event_id"])
    kept = await alice.state(room_id, LEVELS)
    dropped = {"notifications", *(("invite",) if version == "10" else ())}
    assert kept == {key: value for key, value in levels["content"].items() if key not in dropped}
    member = await bob.state(room_id, MEMBER, bob.user_id, format="event")
    await alice.redact(room_id, member["event_id"])
    assert await bob.state(room_id, MEMBER, bob.user_id) == {"membership": "join"}
    await bob.say(room_id, "still here")


async def test_who_may_redact(alice: Talker, bob: Talker, http: aiohttp.ClientSession, room_id: str) -> None:
    stranger = await sign_up(http, "stranger")
    of_alice, of_bob = await alice.say(room_id, "a"), await bob.say(room_id, "b")
    path = redacting(room_id, of_alice, "x")
    assert await bob.refused("PUT", path, {}) == (403, "M_FORBIDDEN")
    assert await stranger.refused("PUT", path, {}) == (403, "M_FORBIDDEN")
    for nothing in ("$" + "x" * 43, "$nothing", "$nothing:test.example"):
        assert await alice.refused("PUT", redacting(room_id, nothing, "x"), {}) == (404, "M_NOT_FOUND")
    assert await alice.refused("PUT", redacting(room_id, "nonsense", "x"), {}) == (400, "M_INVALID_PARAM")
    other_room = await alice.make_room()
    assert await alice.refused("PUT", redacting(other_room, of_alice, "x"), {}) == (404, "M_NOT_FOUND")
    create = (await alice.state(room_id, "m.room.create", format="event"))["event_id"]
    assert await alice.refused("PUT", redacting(room_id, create, "x"), {}) == (403, "M_FORBIDDEN")
    await alice.redact(room_id, of_bob)  # the moderator
    levels = await alice.state(room_id, LEVELS)
    await alice.set_state(room_id, LEVELS, {**levels, "users": {bob.user_id: 50}})
    await bob.redact(room_id, of_alice)
    assert (await alice.event(room_id, of_alice))["content"] == {}
    await alice.set_state(room_id, LEVELS, {**levels, "events": {REDACTION: 20}})
    own = await bob.say(room_id, "own")
    assert await bob.refused("PUT", redacting(room_id, own, "y"), {}) == (403, "M_FORBIDDEN")


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_redaction_sent_as_an_event(alice: Talker, bob: Talker, version: str) -> None:
    room_id = await alice.make_room(room_version=version)
    await alice.bring(room_id, bob)
    said = await bob.say(room_id, "secret")
    path = sending(room_id, next(_txn_ids), REDACTION)
    redaction = (await alice.put(path, {"redacts": said, "reason": "spam"}))["event_id"]
    assert (await alice.put(path, {"redacts": said, "reason": "spam"}))["event_id"] == redaction
    assert (await bob.event(room_id, said))["content"] == {}
    told = await bob.event(room_id, redaction)
    assert (told["redacts"], told["content"]["reason"]) == (said, "spam")
    of_alice = await alice.say(room_id, "x")
    for content, refusal in (
        ({"redacts": of_alice}, (403, "M_FORBIDDEN")),
        ({}, (400, "M_INVALID_PARAM")),
        ({"redacts": 5}, (400, "M_INVALID_PARAM")),
    ):
        assert await bob.refused("PUT", sending(room_id, next(_txn_ids), REDACTION), content) == refusal


async def test_a_redaction_is_no_state(alice: Talker, bob: Talker, room_id: str) -> None:
    """As state it would name a target without anybody having asked whether its sender may redact that."""
    said = await alice.say(room_id, "stays")
    levels = await alice.state(room_id, LEVELS)
    await alice.set_state(room_id, LEVELS, {**levels, "state_default": 0})
    assert await bob.refused("PUT", setting(room_id, REDACTION), {"redacts": said}) == (400, "M_INVALID_PARAM")
    assert (await seen(alice, room_id, said))["content"]["body"] == "stays"


async def test_a_retried_redaction_makes_no_second_event(alice: Talker, room_id: str) -> None:
    said = await alice.say(room_id, "x")
    path = redacting(room_id, said, "once")
    first = await alice.put(path, {})
    assert await alice.put(path, {}) == first
    types = [event["type"] for event in await timeline(alice, room_id)]
    assert types.count(REDACTION) == 1


# --- relations ---


async def test_nobody_reacts_the_same_way_twice(alice: Talker, bob: Talker, room_id: str) -> None:
    said = await alice.say(room_id, "x")
    reaction = relating("m.annotation", said, key="👍")
    first = await bob.send(room_id, reaction, "m.reaction")
    again = sending(room_id, next(_txn_ids), "m.reaction")
    assert await bob.refused("PUT", again, reaction) == (400, "M_DUPLICATE_ANNOTATION")
    await bob.send(room_id, relating("m.annotation", said, key="👎"), "m.reaction")
    await alice.send(room_id, reaction, "m.reaction")
    await bob.redact(room_id, first)
    await bob.send(room_id, reaction, "m.reaction")


async def test_nobody_reacts_twice_at_once(alice: Talker, bob: Talker, room_id: str) -> None:
    """Reactions that arrive together share a commit, and must see each other nevertheless."""
    for _ in range(3):
        said = await alice.say(room_id, "x")
        reaction = relating("m.annotation", said, key="👍")
        paths = [sending(room_id, next(_txn_ids), "m.reaction") for _ in range(8)]
        reacting = [bob.ask("PUT", path, reaction) for path in paths]
        _, *answers = await asyncio.gather(alice.say(room_id, "keeps the committer busy"), *reacting)
        assert sorted(answer[0] for answer in answers) == [200] + [400] * 7


async def test_no_thread_begins_on_an_answer(alice: Talker, room_id: str) -> None:
    root = await alice.say(room_id, "root")
    answer = await alice.say(room_id, "answer", **relating("m.thread", root))
    reaction = await alice.send(room_id, relating("m.annotation", root, key="x"), "m.reaction")
    for wrong in (answer, reaction):
        content = {**text("x"), **relating("m.thread", wrong)}
        assert await alice.refused("PUT", sending(room_id, next(_txn_ids)), content) == (400, "M_UNKNOWN")
    await alice.say(room_id, "another answer", **relating("m.thread", root))


async def test_relations_are_bundled_in_a_sync(alice: Talker, bob: Talker, room_id: str) -> None:
    root, said = await alice.say(room_id, "root"), await alice.say(room_id, "said")
    edited = {**text("* better"), "m.new_content": text("better"), **relating("m.replace", said)}
    edit = await alice.send(room_id, edited)
    answer = await bob.say(room_id, "answer", **relating("m.thread", root))
    bundled = (await seen(bob, room_id, said))["unsigned"]["m.relations"]
    assert bundled["m.replace"]["event_id"] == edit
    summary = (await seen(bob, room_id, root))["unsigned"]["m.relations"]["m.thread"]
    assert (summary["count"], summary["current_user_participated"]) == (1, True)
    assert summary["latest_event"]["event_id"] == answer
    assert "m.relations" not in (await seen(bob, room_id, answer))["unsigned"]


# --- what became of a transaction id ---


async def test_a_device_learns_what_one_that_was_signed_out_had_sent(alice: Talker, bob: Talker, room_id: str) -> None:
    before = await alice.another_device()
    said = (await before.put(sending(room_id, "left behind"), text("x")))["event_id"]
    hidden = (await before.put(sending(room_id, "hidden", "m.room.encrypted"), {"ciphertext": "x"}))["event_id"]
    gone = (await before.put(redacting(room_id, said, "taken back"), {}))["event_id"]
    await before.post(f"{V3}/logout")

    def sent(txn_id: str, event_type: str = "m.room.message") -> str:
        return f"/_bongsu/v1/sent/{segment(room_id)}/{event_type}/{segment(before.device_id)}/{segment(txn_id)}"

    assert await alice.get(sent("left behind")) == {"event_id": said}
    assert await alice.get(sent("hidden")) == {"event_id": hidden}
    assert await alice.get(sent("taken back", REDACTION)) == {"event_id": gone}
    for who, path in ((alice, sent("never")), (alice, sent("left behind", "m.sticker")), (bob, sent("left behind"))):
        assert await who.refused("GET", path) == (404, "M_NOT_FOUND")
