"""Room versions 1 to 9 where they differ from 10: rules, levels, redactions, event ids and JSON, as tables.

What does not differ is tried in each of them, too: the table of test_authorization.py.
"""

import base64
import hashlib
import json
import re
from typing import Any

import msgspec
import pytest
from tests.unit.test_authorization import (
    ADMIN,
    BAD,
    CASES,
    ELSEWHERE,
    MEMBER,
    MODERATOR,
    NO,
    OK,
    POWER,
    STRANGER,
    VIA,
    Changes,
    Room,
    created,
    join,
    join_rule,
    levels,
    member,
    power,
    room_for,
    send,
)

from bongsu.core import creation, events, ids, pdu
from bongsu.core.authorization import auth_event_keys
from bongsu.core.errors import Refusal
from bongsu.core.events import Draft, Event
from bongsu.core.power import PowerLevels
from bongsu.core.versions import VERSIONS, version

OLD = [str(number) for number in range(1, 10)]
ALL = list(VERSIONS)
SENDER = "@sender:here.example"
ROOM = "!room:here.example"


def since(first: int, verdict: str, before: str) -> dict[str, str]:
    """A verdict from this version on, and another one before it."""
    return {name: verdict if int(name) >= first else before for name in ALL}


def differs(draft: Draft, changes: Changes) -> bool:
    """Is the case about something that an older version does not know?"""
    rule = (changes.get((events.JOIN_RULES, "")) or {}).get("join_rule")
    levels = draft.content if draft.type == events.POWER_LEVELS else {}
    texts = '"50"' in json.dumps(levels)
    return (
        rule in ("knock", "restricted", "knock_restricted")
        or draft.content.get("membership") == "knock"
        or draft.type == events.REDACTION
        or VIA in draft.content
        or levels.get("notifications") != (POWER["notifications"] if levels else None)
        or texts
    )


SAME = [
    pytest.param(name, draft, changes, verdict, id=f"{name}-{rule}-{what}")
    for rule, what, draft, changes, verdict, names in CASES
    if "10" in names and not differs(draft, changes)
    for name in OLD
]


@pytest.mark.parametrize(("name", "draft", "changes", "verdict"), SAME)
def test_what_does_not_differ(name: str, draft: Draft, changes: Changes, verdict: str) -> None:
    assert room_for(name, draft, changes).verdict(draft) == verdict


# --- rules that came with a version, or went with one ---

LEVELS_10 = {key: str(value) if isinstance(value, int) else value for key, value in POWER.items()}
TEXTS: Changes = {(events.POWER_LEVELS, ""): {**LEVELS_10, "users": {ADMIN: " +100", MODERATOR: "050"}}}
KNOCKED: Changes = {(events.JOIN_RULES, ""): {"join_rule": "knock"}, (events.MEMBER, STRANGER): {"membership": "knock"}}
REDACT_OWN_SERVER = Draft(type=events.REDACTION, sender=MEMBER, content={}, redacts="$a:here.example")
REDACT_ELSEWHERE = Draft(type=events.REDACTION, sender=MEMBER, content={}, redacts="$a:elsewhere.example")
REDACT_WITH_LEVEL = Draft(type=events.REDACTION, sender=MODERATOR, content={}, redacts="$a:elsewhere.example")

DIFFERENT: list[tuple[str, Draft, Changes, dict[str, str]]] = [
    ("knock", member(STRANGER, STRANGER, "knock"), join_rule("knock"), since(7, OK, NO)),
    ("take a knock back", member(STRANGER, STRANGER, "leave"), KNOCKED, since(1, OK, NO)),
    ("knock rule, invited", join("@invited:here.example"), join_rule("knock"), since(7, OK, NO)),
    ("restricted, let in", join(STRANGER, **{VIA: MODERATOR}), join_rule("restricted"), since(8, OK, NO)),
    ("restricted, invited", join("@invited:here.example"), join_rule("restricted"), since(8, OK, NO)),
    ("knock_restricted, let in", join(STRANGER, **{VIA: MODERATOR}), join_rule("knock_restricted"), since(10, OK, NO)),
    ("knock_restricted, knock", member(STRANGER, STRANGER, "knock"), join_rule("knock_restricted"), since(10, OK, NO)),
    ("a foreign authorising user means nothing yet", join(STRANGER, **{VIA: ELSEWHERE}), join_rule("public"),
     since(8, NO, OK)),
    ("aliases of one's own server", send(MEMBER, events.ALIASES, "here.example"), {}, since(6, NO, OK)),
    ("aliases of one's own server, from outside", send(STRANGER, events.ALIASES, "here.example"), {},
     since(6, NO, OK)),
    ("aliases of another server", send(ADMIN, events.ALIASES, "elsewhere.example"), {}, since(6, OK, NO)),
    ("aliases that are no state", send(ADMIN, events.ALIASES), {}, since(6, OK, NO)),
    ("notification level above one's own", levels(MODERATOR, "notifications", room=51), power(), since(6, NO, OK)),
    ("take away a notification level above one's own", levels(MODERATOR, "notifications", loud=None), power(),
     since(6, NO, OK)),
    ("levels as texts", levels(ADMIN, ban="60"), power(), since(10, BAD, OK)),
    ("a level as a text above one's own", levels(MODERATOR, ban="060"), power(), since(10, BAD, NO)),
    ("a text that is no number", levels(ADMIN, ban="5_0"), power(), since(1, BAD, BAD)),
    ("a user's level as a text", levels(ADMIN, "users", **{MEMBER: "50 "}), power(), since(10, BAD, OK)),
    ("the same level as a text", levels(MODERATOR, "users", **{ADMIN: "100"}), power(), since(10, BAD, OK)),
    ("a level that is stated as a text counts", send(MODERATOR, events.NAME, ""), TEXTS, since(10, NO, OK)),
    ("redaction of one's own server's event", REDACT_OWN_SERVER, {}, since(1, OK, OK)),
    ("redaction of another server's event", REDACT_ELSEWHERE, {}, since(3, OK, NO)),
    ("redaction of another server's event, with the level", REDACT_WITH_LEVEL, {}, since(1, OK, OK)),
]  # fmt: skip


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(("what", "draft", "changes", "verdicts"), DIFFERENT)
def test_what_differs(name: str, what: str, draft: Draft, changes: Changes, verdicts: dict[str, str]) -> None:
    room = Room(name, changes)
    if name == "12" and what == "a level that is stated as a text counts":
        pytest.skip("an unread level is that of nobody, whoever made the room")
    assert room.verdict(draft) == verdicts[name], what


@pytest.mark.parametrize("name", OLD)
def test_a_create_event_names_creator_and_version(name: str) -> None:
    made = {"room_version": name, "creator": MEMBER}
    assert created(name, send(MEMBER, events.CREATE, "", **made)) == OK
    assert created(name, send(MEMBER, events.CREATE, "", room_version=name)) == NO
    unstated = created(name, send(MEMBER, events.CREATE, "", creator=MEMBER))
    assert unstated == (OK if name == "1" else NO)


@pytest.mark.parametrize("name", ALL)
def test_an_authorising_user_is_an_auth_event_where_there_are_restricted_joins(name: str) -> None:
    keys = auth_event_keys(version(name), join(STRANGER, **{VIA: ADMIN}))
    assert ((events.MEMBER, ADMIN) in keys) == (int(name) >= 8)


@pytest.mark.parametrize("name", ALL)
def test_levels_as_texts_are_read_until_version_9(name: str) -> None:
    content = {"ban": "7", "users_default": " -3 ", "users": {SENDER: "+0012"}, "events": {"m.a": "x"}}
    create = Event(
        pos=1, event_id="$e", room_id=ROOM, type=events.CREATE, sender="@maker:here.example", state_key="", ts_ms=1,
        depth=1, content_json=b'{"creator":"@maker:here.example"}',
    )  # fmt: skip
    stated = Event(
        pos=2, event_id="$p", room_id=ROOM, type=events.POWER_LEVELS, sender=SENDER, state_key="", ts_ms=1, depth=2,
        content_json=json.dumps(content).encode(),
    )  # fmt: skip
    read = PowerLevels(version(name), create, stated)
    found = (read.ban, read.of("@else:here.example"), read.of(SENDER), read.needed("m.a", True))
    assert found == ((7, -3, 12, 50) if int(name) < 10 else (50, 0, 0, 50))


# --- redactions ---


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    ("event_type", "key", "kept_by"),
    [
        (events.ALIASES, "aliases", range(1, 6)),
        (events.CREATE, "creator", range(1, 13)),
        (events.CREATE, "room_version", range(11, 13)),
        (events.JOIN_RULES, "join_rule", range(1, 13)),
        (events.JOIN_RULES, "allow", range(8, 13)),
        (events.MEMBER, "membership", range(1, 13)),
        (events.MEMBER, VIA, range(9, 13)),
        (events.MEMBER, "displayname", range(0)),
        (events.POWER_LEVELS, "users", range(1, 13)),
        (events.POWER_LEVELS, "invite", range(11, 13)),
        (events.POWER_LEVELS, "notifications", range(0)),
        (events.HISTORY_VISIBILITY, "history_visibility", range(1, 13)),
        (events.REDACTION, "redacts", range(11, 13)),
        (events.MESSAGE, "body", range(0)),
    ],
)
def test_what_a_redaction_keeps(name: str, event_type: str, key: str, kept_by: range) -> None:
    assert (key in pdu.redact_content(version(name), event_type, {key: "x"})) == (int(name) in kept_by)


@pytest.mark.parametrize("name", OLD)
def test_old_redactions_keep_old_keys_of_the_event(name: str) -> None:
    whole = {"type": "t", "content": {}, "event_id": "$a:b", "origin": "b", "prev_state": [], "membership": "join",
             "redacts": "$x"}  # fmt: skip
    assert set(pdu.redact(version(name), whole)) == set(whole) - {"redacts"}


# --- event ids ---


def built(name: str, **content: Any) -> pdu.Built:
    rules = version(name)
    cited = [pdu.citation(rules, "$" + "c" * 43, "h" * 43)]
    room_id = "!" + "a" * 43 if rules.room_id_is_hash else ROOM
    draft = Draft(type=events.MESSAGE, sender=SENDER, content=content)
    return pdu.build(rules, room_id=room_id, draft=draft, auth_events=cited, prev_events=cited, depth=2, ts_ms=3)


def plain_hash(event: dict[str, Any], *without: str) -> str:
    covered = {key: value for key, value in event.items() if key not in without}
    raw = json.dumps(covered, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
    return base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip("=")


@pytest.mark.parametrize("name", ALL)
def test_the_form_of_event_ids(name: str) -> None:
    made = [built(name, body=str(number)) for number in range(60)]
    joined = "".join(each.event_id for each in made)
    assert all(map(ids.is_event_id, (each.event_id for each in made)))
    if int(name) < 3:
        assert all(re.fullmatch(r"\$[0-9A-Za-z_-]{24}:here\.example", each.event_id) for each in made)
    else:
        assert ("+" in joined, "/" in joined) == ((name == "3"),) * 2
        assert ("-" in joined, "_" in joined) == ((name != "3"),) * 2
        assert all(len(each.event_id) == 44 for each in made)
    assert len({each.event_id for each in made}) == 60


@pytest.mark.parametrize("name", ["1", "2"])
def test_an_opaque_id_stands_in_its_event_and_both_hashes_cover_it(name: str) -> None:
    made = built(name, body="b")
    event = json.loads(made.pdu)
    assert made.pdu == json.dumps(event, separators=(",", ":"), sort_keys=True).encode()
    assert event["event_id"] == made.event_id == pdu.event_id(version(name), event)
    assert event["prev_events"] == event["auth_events"] == [["$" + "c" * 43, {"sha256": "h" * 43}]]
    assert event["hashes"]["sha256"] == plain_hash(event, "hashes") == pdu.content_hash(event)
    assert made.reference == plain_hash({**event, "content": {}}) == pdu.reference(version(name), event)
    assert built(name, body="b").event_id == made.event_id
    assert pdu.parse(made.pdu).prev_events == event["prev_events"]


@pytest.mark.parametrize("name", ["3", "4"])
def test_a_hashed_id_is_the_reference_hash(name: str) -> None:
    made = built(name, body="b")
    event = json.loads(made.pdu)
    assert "event_id" not in event
    assert event["prev_events"] == ["$" + "c" * 43]
    spelt = made.event_id[1:].replace("-", "+").replace("_", "/")
    assert spelt == made.reference == plain_hash({**event, "content": {}})
    assert pdu.event_id(version(name), event) == made.event_id


# --- JSON ---


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("number", [0.5, 2**53, -(2**60), {"deep": [1e300, 10**31]}])
def test_fractions_and_long_integers_are_events_until_version_5(name: str, number: object) -> None:
    if int(name) < 6:
        made = built(name, n=number)
        assert json.loads(made.content_json) == {"n": number}
        assert pdu.content_hash(json.loads(made.pdu)) == json.loads(made.pdu)["hashes"]["sha256"]
        return
    with pytest.raises(Refusal, match="integer"):
        built(name, n=number)


# --- what an upgrade makes of older state ---


def copied(old: str, new: str, key: str, content: dict[str, Any]) -> dict[str, Any]:
    event = Event(
        pos=1, event_id="$e", room_id=ROOM, type=key, sender=SENDER, state_key="", ts_ms=1, depth=1,
        content_json=json.dumps(content).encode(),
    )  # fmt: skip
    made = msgspec.structs.replace(
        event, type=events.CREATE, content_json=b'{"additional_creators":["@b:here.example"]}'
    )
    creators = frozenset([SENDER]) if new == "12" else frozenset[str]()
    state = {(key, ""): event, (events.CREATE, ""): made}
    drafts = creation.copied_state(version(new), creators, SENDER, version(old), state)
    return next(dict(draft.content) for draft in drafts if draft.type == key)


@pytest.mark.parametrize(
    ("new", "knock", "restricted", "knock_restricted"),
    [
        *((str(number), "invite", "invite", "invite") for number in range(1, 7)),
        ("7", "knock", "invite", "invite"),
        ("8", "knock", "restricted", "restricted"),
        ("9", "knock", "restricted", "restricted"),
        ("10", "knock", "restricted", "knock_restricted"),
        ("12", "knock", "restricted", "knock_restricted"),
    ],
)
def test_a_join_rule_becomes_one_that_the_version_knows(
    new: str, knock: str, restricted: str, knock_restricted: str
) -> None:
    rules = ("knock", "restricted", "knock_restricted", "public", "private", "org.example")
    found = [copied("10", new, events.JOIN_RULES, {"join_rule": rule})["join_rule"] for rule in rules]
    assert found == [knock, restricted, knock_restricted, "public", "private", "org.example"]


@pytest.mark.parametrize("new", ALL)
def test_levels_become_integers_that_the_version_takes(new: str) -> None:
    old = {"ban": "60", "users": {MEMBER: "9" * 30, SENDER: "100"}, "events": {"m.a": " 5", "m.room.tombstone": 150}}
    content = copied("9", new, events.POWER_LEVELS, old)
    assert content["ban"] == 60
    assert content["events"] == {"m.a": 5, "m.room.tombstone": 150 if new == "12" else 100}
    assert content["users"] == {MEMBER: 2**53 - 1, **({} if new == "12" else {SENDER: 100})}


def test_creators_keep_the_highest_level_where_none_is_above_it() -> None:
    old = {"users": {MEMBER: 50}}
    made = {SENDER: 100, "@b:here.example": 100}
    assert copied("12", "11", events.POWER_LEVELS, old)["users"] == {MEMBER: 50, **made}
    assert copied("12", "12", events.POWER_LEVELS, old)["users"] == {MEMBER: 50}
    assert copied("11", "10", events.POWER_LEVELS, old)["users"] == {MEMBER: 50, SENDER: 100}
