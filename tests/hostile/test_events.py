"""What events hold: numbers, NUL, sizes, junk where clients expect something. It is refused or carried, never fatal."""

import json
from itertools import product
from typing import Any

import pytest

from bongsu.core import limits
from tests.api.talking import room, segment
from tests.hostile.attack import V1, V3, Person, nothing_changes

pytestmark = pytest.mark.usefixtures("unharmed")

JUNK: tuple[Any, ...] = (5, None, "text", [], {}, [5], {"key": 5}, "\x00", True)


def message_path(room_id: str, txn_id: str = "t") -> str:
    return f"{room(room_id)}/send/m.room.message/{txn_id}"


def state_path(room_id: str, event_type: str, state_key: str = "") -> str:
    return f"{room(room_id)}/state/{segment(event_type)}/{segment(state_key)}"


# --- numbers ---


@pytest.mark.parametrize(
    "number",
    [
        b"9007199254740992",
        b"-9007199254740992",
        b"10000000000000000000000000",
        b"1.5",
        b"1.0",
        b"-0.0",
        b"1e3",
        b"1E-7",
    ],
)
async def test_a_number_that_events_cannot_hold_is_refused(mallory: Person, room_id: str, number: bytes) -> None:
    body = b'{"a": [{"b": %s}]}' % number
    async with nothing_changes(mallory):
        for method, path in (
            ("PUT", message_path(room_id)),
            ("PUT", state_path(room_id, "org.example.x")),
            ("PUT", f"{room(room_id)}/redact/{segment('$' + 'x' * 43)}/t"),
        ):
            wanted = (404, "M_NOT_FOUND") if "redact" in path else (400, "M_BAD_JSON")
            assert await mallory.refused(method, path, body) == wanted
        creation = b'{"creation_content": %s}' % body
        assert await mallory.refused("POST", f"{V3}/createRoom", creation) == (400, "M_BAD_JSON")
        initial = b'{"initial_state": [{"type": "org.example.x", "content": %s}]}' % body
        assert await mallory.refused("POST", f"{V3}/createRoom", initial) == (400, "M_BAD_JSON")


async def test_the_largest_numbers_are_carried_exactly(mallory: Person, room_id: str) -> None:
    content = {"a": limits.INTEGER_MAX, "b": -limits.INTEGER_MAX, "c": 0}
    event_id = await mallory.sends(room_id, content)
    assert (await mallory.does("GET", f"{room(room_id)}/event/{segment(event_id)}"))["content"] == content


async def test_numbers_outside_events_may_be_of_any_kind(mallory: Person) -> None:
    content = b'{"fraction":1.5,"large":12345678901234567890123456789,"tiny":1e-300}'
    await mallory.does("PUT", mallory.own("account_data/org.example.x"), content)
    answer = await mallory.ask("GET", mallory.own("account_data/org.example.x"))
    assert json.loads(answer.body) == json.loads(content)


# --- NUL ---


async def test_nul_in_content_is_carried(mallory: Person, alice: Person, room_id: str) -> None:
    """It is text as any other: in messages, names, topics, reactions, displayed names."""
    await alice.does("POST", f"{room(room_id)}/join", {})
    before = (await alice.syncs())["next_batch"]
    said = await mallory.sends(room_id, {"msgtype": "m.text", "body": "a\x00b", "\x00": {"\x00": "\x00"}})
    relation = {"rel_type": "m.annotation", "event_id": said, "key": "\x00"}
    await mallory.sends(room_id, {"m.relates_to": relation}, "m.reaction")
    await mallory.sets(room_id, "m.room.name", {"name": "\x00"})
    shown = (await alice.syncs(since=before))["rooms"]["join"][room_id]["timeline"]["events"]
    assert [event["content"].get("body", event["content"].get("name")) for event in shown] == ["a\x00b", None, "\x00"]


@pytest.mark.parametrize(
    "relation",
    [
        {"rel_type": "m.thread", "event_id": "\x00"},
        {"rel_type": "\x00", "event_id": "$x"},
        {"rel_type": "m.annotation", "event_id": "$x", "key": "\x00"},
        {"rel_type": "x" * 300, "event_id": "\U0001f525" * 300},
    ],
)
async def test_a_relation_to_nothing_is_carried(mallory: Person, room_id: str, relation: dict[str, str]) -> None:
    event_id = await mallory.sends(room_id, {"m.relates_to": relation})
    assert (await mallory.does("GET", f"{room(room_id)}/event/{segment(event_id)}"))["content"][
        "m.relates_to"
    ] == relation


@pytest.mark.parametrize("rule", ["restricted", "knock_restricted"])
@pytest.mark.parametrize("named", ["\x00", "!\x00:x", "x" * 1_000, "#x:y", 5, None, ["!x:y"]])
async def test_a_join_rule_that_names_no_room_lets_nobody_in(
    mallory: Person, alice: Person, room_id: str, rule: str, named: Any
) -> None:
    allow = [{"type": "m.room_membership", "room_id": named}]
    await mallory.sets(room_id, "m.room.join_rules", {"join_rule": rule, "allow": allow})
    async with nothing_changes(alice):
        assert await alice.refused("POST", f"{room(room_id)}/join", {}) == (403, "M_FORBIDDEN")
    answer = await alice.ask("GET", f"{V1}/room_summary/{segment(room_id)}")
    assert answer.status == (200 if rule == "knock_restricted" else 404)
    assert (await alice.ask("GET", f"{room(room_id, V1)}/hierarchy")).status == (200 if answer.status == 200 else 403)


# --- size ---


async def test_an_event_may_have_65536_bytes_and_not_one_more(mallory: Person, room_id: str) -> None:
    fits = await _body_that_fits(mallory, room_id)
    event_id = await mallory.sends(room_id, {"body": "x" * fits})
    shown = await mallory.does("GET", f"{room(room_id)}/event/{segment(event_id)}")
    assert len(shown["content"]["body"]) == fits
    async with nothing_changes(mallory):
        body = {"body": "x" * (fits + 1)}
        assert await mallory.refused("PUT", message_path(room_id), body) == (413, "M_TOO_LARGE")
        assert await mallory.refused("PUT", state_path(room_id, "m.room.message"), body) == (413, "M_TOO_LARGE")


async def _body_that_fits(person: Person, room_id: str) -> int:
    """How many letters the largest message has. The server says how many bytes an event would have had."""
    answer = await person.ask("PUT", message_path(room_id), {"body": "x" * 65_500})
    assert answer.refusal == (413, "M_TOO_LARGE")
    return 65_500 + limits.EVENT_BYTES_MAX - int(answer.json["error"].rpartition(" ")[2])


async def test_bytes_are_counted_not_letters(mallory: Person, room_id: str) -> None:
    async with nothing_changes(mallory):
        body = {"body": "봉" * 22_000}
        assert await mallory.refused("PUT", message_path(room_id), body) == (413, "M_TOO_LARGE")
    await mallory.sends(room_id, {"body": "봉" * 21_000})


async def test_white_space_and_escapes_do_not_count(mallory: Person, room_id: str) -> None:
    body = b" " * 200_000 + b'{"body": "' + b"\\u0061" * 60_000 + b'"}'
    await mallory.does("PUT", message_path(room_id, "spacious"), body)


@pytest.mark.parametrize("verb", ["join", "leave", "kick", "ban", "invite", "unban", "redact"])
async def test_a_reason_of_a_megabyte_is_refused(mallory: Person, alice: Person, room_id: str, verb: str) -> None:
    said = await alice_in(mallory, alice, room_id, verb)
    body = {"user_id": alice.user_id, "reason": "x" * 1_000_000}
    path = f"{room(room_id)}/{verb}" if verb != "redact" else f"{room(room_id)}/redact/{segment(said)}/t"
    who = alice if verb == "join" else mallory
    async with nothing_changes(mallory):
        assert await who.refused("PUT" if verb == "redact" else "POST", path, body) == (413, "M_TOO_LARGE")


async def alice_in(mallory: Person, alice: Person, room_id: str, verb: str) -> str:
    """Brings alice where the verb could apply to her. Returns the id of a message."""
    if verb in ("kick", "unban"):
        await alice.does("POST", f"{room(room_id)}/join", {})
    if verb == "unban":
        await mallory.does("POST", f"{room(room_id)}/ban", {"user_id": alice.user_id})
    return await mallory.says(room_id, "before")


async def test_account_data_tags_filters_and_profiles_are_bounded(mallory: Person, room_id: str) -> None:
    large = {"a": "x" * limits.ACCOUNT_DATA_BYTES_MAX}
    in_room = f"rooms/{segment(room_id)}"
    for method, path, body, wanted in (
        ("PUT", mallory.own("account_data/x"), large, (413, "M_TOO_LARGE")),
        ("PUT", mallory.own(f"{in_room}/account_data/x"), large, (413, "M_TOO_LARGE")),
        ("PUT", mallory.own(f"{in_room}/tags/x"), large, (413, "M_TOO_LARGE")),
        ("POST", mallory.own("filter"), large, (413, "M_TOO_LARGE")),
        ("PUT", f"{V3}/profile/{segment(mallory.user_id)}/x", {"x": large}, (400, "M_PROFILE_TOO_LARGE")),
        (
            "PUT",
            f"{V3}/profile/{segment(mallory.user_id)}/displayname",
            {"displayname": "x" * 257},
            (400, "M_INVALID_PARAM"),
        ),
        (
            "PUT",
            f"{V3}/presence/{segment(mallory.user_id)}/status",
            {"presence": "online", "status_msg": "x" * 1_001},
            (400, "M_INVALID_PARAM"),
        ),
        ("PUT", f"{V3}/devices/{mallory.device_id}", {"display_name": "x" * 257}, (400, "M_INVALID_PARAM")),
    ):
        async with nothing_changes(mallory):
            assert await mallory.refused(method, path, body) == wanted


# --- junk where clients expect something ---

KNOWN_STATE = {
    "m.room.name": ["name"],
    "m.room.topic": ["topic", "m.topic"],
    "m.room.avatar": ["url", "info"],
    "m.room.join_rules": ["join_rule", "allow"],
    "m.room.history_visibility": ["history_visibility"],
    "m.room.guest_access": ["guest_access"],
    "m.room.encryption": ["algorithm"],
    "m.room.tombstone": ["replacement_room"],
    "m.room.server_acl": ["allow"],
    "m.room.pinned_events": ["pinned"],
    "m.space.child": ["via", "order", "suggested"],
}


async def test_junk_in_state_is_carried_and_everybody_goes_on(mallory: Person, alice: Person) -> None:
    """Every known state event with junk in every field: whoever reads, searches, joins or walks through is served."""
    room_id = await mallory.makes_room(
        preset="public_chat", visibility="public", creation_content={"type": "m.space"}, name="before"
    )
    await alice.does("POST", f"{room(room_id)}/join", {})
    since = (await alice.syncs())["next_batch"]
    for event_type, fields in KNOWN_STATE.items():
        for field in fields:
            for junk in JUNK:
                await mallory.sets(room_id, event_type, {"via": ["x"], field: junk}, _state_key(event_type, room_id))
        await _is_served(alice, room_id, since)
    shown = await alice.syncs(since=since)
    assert shown["rooms"]["join"][room_id]["timeline"]["limited"]


def _state_key(event_type: str, room_id: str) -> str:
    return room_id if event_type == "m.space.child" else ""


async def _is_served(person: Person, room_id: str, since: str) -> None:
    """Everything that reads a room answers 200."""
    here, v1 = room(room_id), room(room_id, V1)
    lazy = segment(
        '{"room": {"state": {"lazy_load_members": true}, "timeline": {"unread_thread_notifications": true}}}'
    )
    for path in (
        f"{V3}/sync?set_presence=offline",
        f"{V3}/sync?set_presence=offline&filter={lazy}",
        f"{V3}/sync?set_presence=offline&since={since}",
        f"{V3}/sync?set_presence=offline&since={since}&full_state=true",
        f"{here}/messages?dir=b&limit=1000",
        f"{here}/messages?dir=f&from={since}&limit=1000",
        f"{here}/state",
        f"{here}/members",
        f"{here}/joined_members",
        f"{v1}/threads",
        f"{v1}/hierarchy",
        f"{V1}/room_summary/{segment(room_id)}",
        f"{V3}/publicRooms",
    ):
        assert (await person.ask("GET", path)).status == 200, path
    assert (await person.ask("POST", f"{V3}/publicRooms", {"filter": {"generic_search_term": "a"}})).status == 200


RELATIONS: tuple[Any, ...] = (
    *JUNK,
    {"rel_type": 5, "event_id": 5},
    {"rel_type": "m.thread"},
    {"rel_type": "m.replace", "event_id": "THIS"},
    {"rel_type": "m.reference", "event_id": "THIS"},
    {"rel_type": "m.annotation", "event_id": "THIS", "key": {}},
    {"rel_type": "m.annotation", "event_id": "THIS", "key": "k" * 60_000},
    {"rel_type": "m.thread", "event_id": "THIS", "m.in_reply_to": 5},
    {"rel_type": "", "event_id": ""},
)


async def test_junk_in_messages_is_carried_and_everybody_goes_on(mallory: Person, alice: Person, room_id: str) -> None:
    await alice.does("POST", f"{room(room_id)}/join", {})
    since = (await alice.syncs())["next_batch"]
    said = await mallory.says(room_id, "before")
    contents: tuple[Any, ...] = (5, None, {}, [], {"body": 5})
    for number, (relation, junk) in enumerate(product(RELATIONS, contents)):
        related = json.loads(json.dumps(relation).replace("THIS", said))
        content = {"m.relates_to": related, "m.new_content": junk, "m.mentions": junk, "body": junk, "url": junk}
        answer = await mallory.ask("PUT", message_path(room_id, f"junk{number}"), content)
        assert answer.status == 200 or answer.refusal == (400, "M_DUPLICATE_ANNOTATION")
    await _is_served(alice, room_id, since)
    for path in (f"relations/{segment(said)}", f"relations/{segment(said)}?recurse=true"):
        assert (await alice.ask("GET", f"{room(room_id, V1)}/{path}")).status == 200
    assert (await alice.ask("GET", f"{room(room_id)}/context/{segment(said)}?limit=100")).status == 200
