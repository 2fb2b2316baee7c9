"""Push rules: what is predefined, what editing may do, and which events a person is told about."""

import time
from collections.abc import Mapping
from copy import deepcopy
from functools import lru_cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bongsu.core import limits, pushrules
from bongsu.core.errors import Refusal
from bongsu.core.json import JsonObject
from bongsu.core.pushrules import CompiledRules, Outcome, RoomFacts

READER = "@reader:example.org"
SENDER = "@sender:example.org"
MODERATOR = "@moderator:example.org"
ROOM = "!room:example.org"
MUTED: JsonObject = {"actions": []}
NOTIFY: JsonObject = {"actions": ["notify"]}


def facts(**changes: Any) -> RoomFacts:
    known: dict[str, Any] = {
        "joined_count": 5,
        "power_of": lambda user_id: 50 if user_id == MODERATOR else 0,
        "notification_levels": {},
        "display_name": "The Reader",
        "room_id": ROOM,
    }
    return RoomFacts(**{**known, **changes})


def told(
    content: Mapping[str, Any],
    *,
    stored: JsonObject | None = None,
    event_type: str = "m.room.message",
    sender: str = SENDER,
    state_key: str | None = None,
    **room: Any,
) -> Outcome:
    rules = CompiledRules(pushrules.ruleset(READER, stored), READER)
    return rules.evaluate(event_type, sender, state_key, content, facts(**room))


def text(body: str, **more: Any) -> JsonObject:
    return {"msgtype": "m.text", "body": body, **more}


def holds(*conditions: JsonObject, content: JsonObject, **event: Any) -> bool:
    """Do these conditions hold for an event of a type that no predefined rule knows?"""
    stored = pushrules.put_rule(None, "override", "mine", {**NOTIFY, "conditions": list(conditions)})
    event.setdefault("event_type", "org.example.event")
    return told(content, stored=stored, **event).notify


def refusal(call: Any, *args: Any, **named: Any) -> tuple[int, str]:
    with pytest.raises(Refusal) as caught:
        call(*args, **named)
    return caught.value.status, caught.value.errcode


NOT_FOUND = (404, "M_NOT_FOUND")
INVALID = (400, "M_INVALID_PARAM")
MISSING = (400, "M_MISSING_PARAM")
UNKNOWN = (400, "M_UNKNOWN")


# --- the predefined rules ---

OVERRIDE_IDS = [
    ".m.rule.master",
    ".m.rule.suppress_notices",
    ".m.rule.invite_for_me",
    ".m.rule.member_event",
    ".m.rule.is_user_mention",
    ".m.rule.is_room_mention",
    ".m.rule.tombstone",
    ".m.rule.reaction",
    ".m.rule.room.server_acl",
    ".m.rule.suppress_edits",
]
UNDERRIDE_IDS = [
    ".m.rule.call",
    ".m.rule.encrypted_room_one_to_one",
    ".m.rule.room_one_to_one",
    ".m.rule.message",
    ".m.rule.encrypted",
]


def ids(rules: JsonObject, kind: str) -> list[str]:
    return [rule["rule_id"] for rule in rules[kind]]


def test_predefined_rules_stand_in_the_order_of_the_protocol() -> None:
    rules = pushrules.defaults(READER)
    assert ids(rules, "override") == OVERRIDE_IDS
    assert ids(rules, "underride") == UNDERRIDE_IDS
    assert rules["content"] == rules["room"] == rules["sender"] == []


def test_a_predefined_rule_is_complete_json() -> None:
    assert pushrules.get_rule(READER, None, "override", ".m.rule.is_user_mention") == {
        "rule_id": ".m.rule.is_user_mention",
        "default": True,
        "enabled": True,
        "conditions": [
            {"kind": "event_property_contains", "key": "content.m\\.mentions.user_ids", "value": READER},
        ],
        "actions": ["notify", {"set_tweak": "sound", "value": "default"}, {"set_tweak": "highlight"}],
    }


def test_only_the_master_rule_is_disabled() -> None:
    rules = pushrules.ruleset(READER, None)
    disabled = [rule["rule_id"] for kind in pushrules.KINDS for rule in rules[kind] if not rule["enabled"]]
    assert disabled == [".m.rule.master"]


def test_defaults_are_fresh_each_time() -> None:
    pushrules.defaults(READER)["override"][1]["conditions"][0]["pattern"] = "spoilt"
    pushrules.ruleset(READER, None)["underride"][3]["actions"].append("spoilt")
    assert "spoilt" not in str(pushrules.ruleset(READER, None))


INVITE = {"membership": "invite"}
EDIT = {"m.relates_to": {"rel_type": "m.replace", "event_id": "$e"}}
ROOM_MENTION = {"m.mentions": {"room": True}}

# (rule that decides, event, does it notify, does it highlight, sound)
DECIDED: list[tuple[str | None, dict[str, Any], bool, bool, str | None]] = [
    (".m.rule.suppress_notices", {"content": {"msgtype": "m.notice", "body": "x"}}, False, False, None),
    (".m.rule.suppress_notices", {"content": {"msgtype": "M.Notice", "body": "x"}}, False, False, None),
    (".m.rule.message", {"content": {"msgtype": "m.notices", "body": "x"}}, True, False, None),
    (
        ".m.rule.invite_for_me",
        {"content": INVITE, "event_type": "m.room.member", "state_key": READER},
        True,
        False,
        "default",
    ),
    (
        ".m.rule.member_event",
        {"content": INVITE, "event_type": "m.room.member", "state_key": SENDER},
        False,
        False,
        None,
    ),
    (
        ".m.rule.member_event",
        {"content": {"membership": "join"}, "event_type": "m.room.member", "state_key": READER},
        False,
        False,
        None,
    ),
    (None, {"content": INVITE, "event_type": "m.room.members", "state_key": READER}, False, False, None),
    (
        ".m.rule.is_user_mention",
        {"content": text("x", **{"m.mentions": {"user_ids": [READER]}})},
        True,
        True,
        "default",
    ),
    (
        ".m.rule.is_user_mention",
        {"content": {"m.mentions": {"user_ids": [SENDER, READER]}}, "event_type": "m.room.encrypted"},
        True,
        True,
        "default",
    ),
    (".m.rule.message", {"content": text("x", **{"m.mentions": {"user_ids": [SENDER]}})}, True, False, None),
    (".m.rule.message", {"content": text("x", **{"m.mentions": {"user_ids": READER}})}, True, False, None),
    (".m.rule.message", {"content": text(f"{READER} The Reader reader")}, True, False, None),
    (".m.rule.is_room_mention", {"content": text("x", **ROOM_MENTION), "sender": MODERATOR}, True, True, None),
    (".m.rule.message", {"content": text("x", **ROOM_MENTION)}, True, False, None),
    (
        ".m.rule.is_room_mention",
        {"content": text("x", **ROOM_MENTION), "notification_levels": {"room": 0}},
        True,
        True,
        None,
    ),
    (
        ".m.rule.message",
        {"content": text("x", **ROOM_MENTION), "sender": MODERATOR, "notification_levels": {"room": 51}},
        True,
        False,
        None,
    ),
    (
        ".m.rule.message",
        {"content": text("@room", **{"m.mentions": {"room": 1}}), "sender": MODERATOR},
        True,
        False,
        None,
    ),
    (".m.rule.tombstone", {"content": {}, "event_type": "m.room.tombstone", "state_key": ""}, True, True, None),
    (None, {"content": {}, "event_type": "m.room.tombstone", "state_key": "x"}, False, False, None),
    (None, {"content": {}, "event_type": "m.room.tombstone"}, False, False, None),
    (".m.rule.reaction", {"content": {}, "event_type": "m.reaction"}, False, False, None),
    (None, {"content": {}, "event_type": "m.reactions"}, False, False, None),
    (
        ".m.rule.room.server_acl",
        {"content": {}, "event_type": "m.room.server_acl", "state_key": ""},
        False,
        False,
        None,
    ),
    (None, {"content": {}, "event_type": "m.room.server_acl"}, False, False, None),
    (".m.rule.suppress_edits", {"content": text("x", **EDIT)}, False, False, None),
    (".m.rule.message", {"content": text("x", **{"m.relates_to": {"rel_type": "m.thread"}})}, True, False, None),
    (".m.rule.call", {"content": {}, "event_type": "m.call.invite"}, True, False, "ring"),
    (None, {"content": {}, "event_type": "m.call.hangup"}, False, False, None),
    (
        ".m.rule.encrypted_room_one_to_one",
        {"content": {}, "event_type": "m.room.encrypted", "joined_count": 2},
        True,
        False,
        "default",
    ),
    (".m.rule.encrypted", {"content": {}, "event_type": "m.room.encrypted", "joined_count": 3}, True, False, None),
    (".m.rule.room_one_to_one", {"content": text("x"), "joined_count": 2}, True, False, "default"),
    (".m.rule.message", {"content": text("x"), "joined_count": 1}, True, False, None),
    (".m.rule.message", {"content": text("x")}, True, False, None),
    (None, {"content": {"topic": "x"}, "event_type": "m.room.topic", "state_key": ""}, False, False, None),
]


@pytest.mark.parametrize(("rule_id", "event", "notify", "highlight", "sound"), DECIDED)
def test_predefined_rules_decide(
    rule_id: str | None, event: dict[str, Any], notify: bool, highlight: bool, sound: str | None
) -> None:
    outcome = told(**event)
    assert (outcome.rule_id, outcome.notify, outcome.highlight, outcome.sound) == (rule_id, notify, highlight, sound)


def test_every_predefined_rule_is_in_the_table() -> None:
    decided = {rule_id for rule_id, *_ in DECIDED if rule_id}
    assert decided == set(OVERRIDE_IDS + UNDERRIDE_IDS) - {".m.rule.master"}


def test_the_master_rule_silences_all_even_own_rules() -> None:
    stored = pushrules.put_rule(None, "override", "loud", {**NOTIFY, "conditions": []})
    assert told(text("x"), stored=stored).rule_id == "loud"
    stored = pushrules.set_enabled(stored, "override", ".m.rule.master", True)
    assert told(text("x"), stored=stored) == Outcome(False, False, None, ".m.rule.master", b"[]")


def test_own_events_never_notify() -> None:
    assert told(text("x"), sender=READER) == pushrules.SILENT
    loud = pushrules.put_rule(None, "override", "loud", {**NOTIFY, "conditions": []})
    assert not told(text("x"), sender=READER, stored=loud).notify


def test_readers_with_the_same_rules_share_them_but_not_their_ids() -> None:
    mention = text("x", **{"m.mentions": {"user_ids": [READER]}})
    rules = {user_id: CompiledRules(pushrules.ruleset(user_id, None), user_id) for user_id in (READER, MODERATOR)}
    outcomes = {
        user_id: mine.evaluate("m.room.message", SENDER, None, mention, facts()).rule_id
        for user_id, mine in rules.items()
    }
    assert outcomes == {READER: ".m.rule.is_user_mention", MODERATOR: ".m.rule.message"}


def test_sharing_tells_true_from_one() -> None:
    mine = {"kind": "event_property_is", "key": "content.n", "value": 1}
    yours = {"kind": "event_property_is", "key": "content.n", "value": True}
    rulesets = [
        pushrules.ruleset(READER, pushrules.put_rule(None, "override", "n", {**NOTIFY, "conditions": [condition]}))
        for condition in (mine, yours)
    ]
    compiled = [CompiledRules(rules, READER) for rules in rulesets]
    event = ("org.example.event", SENDER, None, {"n": True})
    assert [rules.evaluate(*event, facts()).notify for rules in compiled] == [False, True]


# --- the order of kinds and rules ---


def test_kinds_are_asked_in_order() -> None:
    stored: JsonObject | None = None
    stored = pushrules.put_rule(stored, "underride", "u", {**NOTIFY, "conditions": []})
    order = ["u"]
    assert told(text("cake")).rule_id == ".m.rule.message"
    for kind, rule_id, body in (
        ("sender", SENDER, NOTIFY),
        ("room", ROOM, NOTIFY),
        ("content", "c", {**NOTIFY, "pattern": "cake"}),
        ("override", "o", {**NOTIFY, "conditions": []}),
    ):
        assert told(text("cake"), stored=stored).rule_id == order[-1]
        stored = pushrules.put_rule(stored, kind, rule_id, body)
        order.append(rule_id)
    for rule_id in reversed(order):
        assert told(text("cake"), stored=stored).rule_id == rule_id
        kind = next(kind for kind in pushrules.KINDS if rule_id in ids(pushrules.ruleset(READER, stored), kind))
        stored = pushrules.set_enabled(stored, kind, rule_id, False)
    assert told(text("cake"), stored=stored).rule_id == ".m.rule.message"


def test_own_rules_come_before_predefined_ones_except_the_master_rule() -> None:
    stored = pushrules.put_rule(None, "override", "mine", {**MUTED, "conditions": []})
    stored = pushrules.put_rule(stored, "underride", "late", {**MUTED, "conditions": []})
    rules = pushrules.ruleset(READER, stored)
    assert ids(rules, "override") == [".m.rule.master", "mine", *OVERRIDE_IDS[1:]]
    assert ids(rules, "underride") == ["late", *UNDERRIDE_IDS]


def test_room_and_sender_rules_know_their_own() -> None:
    stored = pushrules.put_rule(None, "room", ROOM, MUTED)
    stored = pushrules.put_rule(stored, "sender", MODERATOR, MUTED)
    assert told(text("x"), stored=stored).rule_id == ROOM
    assert told(text("x"), stored=stored, room_id="!other:example.org").rule_id == ".m.rule.message"
    assert told(text("x"), stored=stored, room_id="!ROOM:example.org").rule_id == ".m.rule.message"
    assert told(text("x"), stored=stored, room_id="!o:example.org", sender=MODERATOR).rule_id == MODERATOR


def test_many_rooms_and_types_do_not_mix_up() -> None:
    stored: JsonObject | None = None
    for number in range(100):
        condition = {"kind": "event_match", "key": "room_id", "pattern": f"!r{number}:example.org"}
        stored = pushrules.put_rule(stored, "override", f"r{number}", {**MUTED, "conditions": [condition]})
    rules = CompiledRules(pushrules.ruleset(READER, stored), READER)
    for number in [*range(120), *range(120)]:
        room = facts(room_id=f"!R{number}:example.org")
        outcome = rules.evaluate("m.room.message", SENDER, None, text("x"), room)
        assert outcome.rule_id == (f"r{number}" if number < 100 else ".m.rule.message")
        assert rules.evaluate(f"type{number}", SENDER, None, text("x"), facts()).rule_id is None
    assert len(rules._index._candidates) <= limits.PUSH_TYPES_CACHED_MAX


# --- edits ---


def own(*rule_ids: str) -> JsonObject:
    """Own content rules in this order."""
    stored: JsonObject | None = None
    for rule_id in reversed(rule_ids):
        stored = pushrules.put_rule(stored, "content", rule_id, {**NOTIFY, "pattern": rule_id})
    assert stored is not None
    return stored


@pytest.mark.parametrize(
    ("rule_id", "before", "after", "expected"),
    [
        ("new", None, None, ["new", "a", "b", "c"]),
        ("new", "a", None, ["new", "a", "b", "c"]),
        ("new", "c", None, ["a", "b", "new", "c"]),
        ("new", None, "a", ["a", "new", "b", "c"]),
        ("new", None, "c", ["a", "b", "c", "new"]),
        ("new", "b", "c", ["a", "new", "b", "c"]),
        ("b", None, None, ["a", "b", "c"]),
        ("c", "a", None, ["c", "a", "b"]),
        ("a", None, "b", ["b", "a", "c"]),
        ("a", None, "c", ["b", "c", "a"]),
    ],
)
def test_where_a_rule_is_put(rule_id: str, before: str | None, after: str | None, expected: list[str]) -> None:
    body = {**MUTED, "pattern": "changed"}
    stored = pushrules.put_rule(own("a", "b", "c"), "content", rule_id, body, before=before, after=after)
    assert ids(pushrules.ruleset(READER, stored), "content") == expected
    assert pushrules.get_rule(READER, stored, "content", rule_id) == {
        "rule_id": rule_id,
        "default": False,
        "enabled": True,
        "actions": [],
        "pattern": "changed",
    }


@pytest.mark.parametrize("relative", ["nobody", "a", ".m.rule.message", ""])
@pytest.mark.parametrize("side", ["before", "after"])
def test_a_place_beside_no_own_rule_is_refused(relative: str, side: str) -> None:
    named = {side: relative}
    assert refusal(pushrules.put_rule, own("a"), "content", "a", {**NOTIFY, "pattern": "x"}, **named) == UNKNOWN


def test_edits_leave_the_old_value_alone() -> None:
    stored = own("a", "b")
    before = deepcopy(stored)
    pushrules.put_rule(stored, "content", "c", {**NOTIFY, "pattern": "c"})
    pushrules.delete_rule(stored, "content", "a")
    pushrules.set_enabled(stored, "content", "a", False)
    pushrules.set_actions(stored, "content", "a", [])
    assert stored == before


def test_only_differences_are_stored() -> None:
    stored = pushrules.set_enabled(None, "override", ".m.rule.master", True)
    assert stored == {"enabled": {"override/.m.rule.master": True}}
    assert pushrules.set_enabled(stored, "override", ".m.rule.master", False) == {}
    stored = pushrules.set_actions(None, "underride", ".m.rule.message", [])
    assert stored == {"actions": {"underride/.m.rule.message": []}}
    assert pushrules.set_actions(stored, "underride", ".m.rule.message", ["notify"]) == {}
    stored = pushrules.set_enabled(own("a"), "content", "a", False)
    assert pushrules.delete_rule(stored, "content", "a") == {}


def test_disabling_lets_the_next_rule_decide() -> None:
    stored = pushrules.set_enabled(None, "override", ".m.rule.suppress_notices", False)
    assert told({"msgtype": "m.notice", "body": "x"}, stored=stored).rule_id == ".m.rule.message"
    stored = pushrules.set_enabled(stored, "underride", ".m.rule.message", False)
    assert told({"msgtype": "m.notice", "body": "x"}, stored=stored) == pushrules.SILENT


def test_an_update_keeps_a_disabled_rule_disabled() -> None:
    stored = pushrules.set_enabled(own("a"), "content", "a", False)
    stored = pushrules.put_rule(stored, "content", "a", {**MUTED, "pattern": "b"})
    assert pushrules.get_rule(READER, stored, "content", "a")["enabled"] is False


def test_a_rule_made_again_is_enabled() -> None:
    stored = pushrules.delete_rule(pushrules.set_enabled(own("a"), "content", "a", False), "content", "a")
    stored = pushrules.put_rule(stored, "content", "a", {**MUTED, "pattern": "b"})
    assert pushrules.get_rule(READER, stored, "content", "a")["enabled"] is True


def test_actions_of_own_and_predefined_rules_change() -> None:
    sound = {"set_tweak": "sound", "value": "horn"}
    stored = pushrules.set_actions(own("cake"), "content", "cake", ["notify", sound])
    stored = pushrules.set_actions(stored, "underride", ".m.rule.message", ["notify", {"set_tweak": "highlight"}])
    cake, other = told(text("cake"), stored=stored), told(text("tea"), stored=stored)
    assert (cake.sound, cake.highlight) == ("horn", False)
    assert (other.sound, other.highlight) == (None, True)
    assert cake.actions == b'["notify",{"set_tweak":"sound","value":"horn"}]'


def test_the_same_id_may_stand_in_two_kinds() -> None:
    stored = pushrules.put_rule(own("a"), "override", "a", {**NOTIFY, "conditions": []})
    stored = pushrules.set_enabled(stored, "override", "a", False)
    assert pushrules.get_rule(READER, stored, "content", "a")["enabled"] is True
    assert "pattern" not in pushrules.get_rule(READER, stored, "override", "a")


@pytest.mark.parametrize(
    ("kind", "rule_id", "body", "expected"),
    [
        ("device", "a", NOTIFY, INVALID),
        ("content", ".a", {**NOTIFY, "pattern": "x"}, INVALID),
        ("override", ".m.rule.master", NOTIFY, INVALID),
        ("content", "", {**NOTIFY, "pattern": "x"}, INVALID),
        ("content", "a/b", {**NOTIFY, "pattern": "x"}, INVALID),
        ("content", "a\\b", {**NOTIFY, "pattern": "x"}, INVALID),
        ("content", "a\x00b", {**NOTIFY, "pattern": "x"}, INVALID),
        ("content", "a" * 256, {**NOTIFY, "pattern": "x"}, INVALID),
        ("room", "#alias:example.org", NOTIFY, INVALID),
        ("room", "room", NOTIFY, INVALID),
        ("sender", "sender", NOTIFY, INVALID),
        ("content", "a", {"pattern": "x"}, MISSING),
        ("content", "a", NOTIFY, MISSING),
        ("content", "a", {**NOTIFY, "pattern": 1}, INVALID),
        ("content", "a", {**NOTIFY, "pattern": ""}, INVALID),
        ("content", "a", {**NOTIFY, "pattern": "가" * 86}, INVALID),
        ("override", "a", {"actions": "notify"}, INVALID),
        ("override", "a", {"actions": ["shout"]}, INVALID),
        ("override", "a", {"actions": [1]}, INVALID),
        ("override", "a", {"actions": [{}]}, INVALID),
        ("override", "a", {"actions": [{"set_tweak": 1}]}, INVALID),
        ("override", "a", {"actions": [{"set_tweak": "sound"}]}, INVALID),
        ("override", "a", {"actions": [{"set_tweak": "sound", "value": 1}]}, INVALID),
        ("override", "a", {"actions": [{"set_tweak": "highlight", "value": "yes"}]}, INVALID),
        ("override", "a", {**NOTIFY, "conditions": {}}, INVALID),
        ("override", "a", {**NOTIFY, "conditions": ["x"]}, INVALID),
        ("override", "a", {**NOTIFY, "conditions": [{}]}, INVALID),
        ("underride", "a", {**NOTIFY, "conditions": [{"kind": 1}]}, INVALID),
        ("underride", "a", {**NOTIFY, "conditions": [{"kind": "event_match", "key": "type"}]}, INVALID),
        ("underride", "a", {**NOTIFY, "conditions": [{"kind": "event_match", "pattern": "x"}]}, INVALID),
        ("underride", "a", {**NOTIFY, "conditions": [{"kind": "event_match", "key": 1, "pattern": "x"}]}, INVALID),
        ("underride", "a", {**NOTIFY, "conditions": [{"kind": "event_property_is", "key": "type"}]}, INVALID),
        (
            "underride",
            "a",
            {**NOTIFY, "conditions": [{"kind": "event_property_is", "key": "type", "value": 1.5}]},
            INVALID,
        ),
        (
            "underride",
            "a",
            {**NOTIFY, "conditions": [{"kind": "event_property_contains", "key": "type", "value": []}]},
            INVALID,
        ),
        (
            "underride",
            "a",
            {**NOTIFY, "conditions": [{"kind": "event_property_is", "key": "type", "value": 2**53}]},
            INVALID,
        ),
        ("underride", "a", {**NOTIFY, "conditions": [{"kind": "room_member_count"}]}, INVALID),
        ("underride", "a", {**NOTIFY, "conditions": [{"kind": "room_member_count", "is": "=2"}]}, INVALID),
        ("underride", "a", {**NOTIFY, "conditions": [{"kind": "room_member_count", "is": "-2"}]}, INVALID),
        ("underride", "a", {**NOTIFY, "conditions": [{"kind": "room_member_count", "is": "٢"}]}, INVALID),
        ("underride", "a", {**NOTIFY, "conditions": [{"kind": "sender_notification_permission"}]}, INVALID),
    ],
)
def test_wrong_rules_are_refused(kind: str, rule_id: str, body: JsonObject, expected: tuple[int, str]) -> None:
    assert refusal(pushrules.put_rule, None, kind, rule_id, body) == expected


@pytest.mark.parametrize(
    "body",
    [
        {"actions": ["dont_notify"]},
        {"actions": ["coalesce", "notify"]},
        {"actions": [{"set_tweak": "org.example.flash", "value": {"colour": "red"}}]},
        {"actions": [], "conditions": [{"kind": "org.example.moon", "phase": "full"}]},
        {"actions": [], "conditions": [{"kind": "event_property_is", "key": "content.x", "value": None}]},
        {"actions": [], "unknown": "member"},
    ],
)
def test_rules_of_other_times_and_makers_are_kept(body: JsonObject) -> None:
    stored = pushrules.put_rule(None, "override", "a", body)
    rule = pushrules.get_rule(READER, stored, "override", "a")
    assert rule["actions"] == body["actions"]
    assert rule["conditions"] == body.get("conditions", [])


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda s: pushrules.get_rule(READER, s, "content", "b"), NOT_FOUND),
        (lambda s: pushrules.get_rule(READER, s, "override", "a"), NOT_FOUND),
        (lambda s: pushrules.get_rule(READER, s, "content", ".m.rule.contains_user_name"), NOT_FOUND),
        (lambda s: pushrules.get_rule(READER, s, "global", "a"), INVALID),
        (lambda s: pushrules.delete_rule(s, "content", "b"), NOT_FOUND),
        (lambda s: pushrules.delete_rule(s, "override", ".m.rule.nothing"), NOT_FOUND),
        (lambda s: pushrules.delete_rule(s, "override", ".m.rule.master"), INVALID),
        (lambda s: pushrules.delete_rule(s, "global", "a"), INVALID),
        (lambda s: pushrules.set_enabled(s, "content", "b", True), NOT_FOUND),
        (lambda s: pushrules.set_enabled(s, "underride", ".m.rule.master", True), NOT_FOUND),
        (lambda s: pushrules.set_actions(s, "content", "b", []), NOT_FOUND),
        (lambda s: pushrules.set_actions(s, "content", "a", ["shout"]), INVALID),
        (lambda s: pushrules.set_actions(s, "override", ".m.rule.master", None), INVALID),
    ],
)
def test_edits_of_unknown_rules_are_refused(call: Any, expected: tuple[int, str]) -> None:
    assert refusal(call, own("a")) == expected


def test_own_rules_are_bounded() -> None:
    full = {"rules": {"override": [{"rule_id": f"r{n}", "actions": []} for n in range(limits.PUSH_RULES_MAX)]}}
    assert refusal(pushrules.put_rule, full, "override", "more", MUTED) == INVALID
    assert pushrules.put_rule(full, "override", "r0", MUTED)
    large = {"set_tweak": "org.example", "value": "x" * limits.PUSH_RULES_BYTES_MAX}
    assert refusal(pushrules.put_rule, None, "override", "large", {"actions": [large]}) == INVALID
    assert refusal(pushrules.set_actions, None, "override", ".m.rule.master", [large]) == INVALID


@pytest.mark.parametrize(
    "condition",
    [
        {"kind": "event_match", "key": "content.body", "pattern": "x"},
        {"kind": "event_match", "key": "content.topic", "pattern": "x*"},
        {"kind": "event_property_contains", "key": "content.x", "value": 1},
        {"kind": "contains_display_name"},
    ],
)
def test_searches_are_bounded(condition: JsonObject) -> None:
    body = {**MUTED, "conditions": [condition] * limits.PUSH_SEARCHES_MAX}
    stored = pushrules.put_rule(None, "override", "a", body)
    assert refusal(pushrules.put_rule, stored, "content", "b", {**MUTED, "pattern": "x"}) == INVALID
    cheap = {"kind": "event_match", "key": "room_id", "pattern": ROOM}
    assert pushrules.put_rule(stored, "override", "b", {**MUTED, "conditions": [cheap]})


def test_question_marks_are_bounded() -> None:
    longest = "?" * limits.PUSH_QUESTION_MARKS_BYTES_MAX
    stored = pushrules.put_rule(None, "content", "a", {**MUTED, "pattern": longest})
    assert refusal(pushrules.put_rule, stored, "content", "b", {**MUTED, "pattern": "a?"}) == INVALID


# --- conditions ---


def match(key: str, pattern: str) -> JsonObject:
    return {"kind": "event_match", "key": key, "pattern": pattern}


def is_value(key: str, value: object) -> JsonObject:
    return {"kind": "event_property_is", "key": key, "value": value}


def contains(key: str, value: object) -> JsonObject:
    return {"kind": "event_property_contains", "key": key, "value": value}


@pytest.mark.parametrize(
    ("condition", "content", "expected"),
    [
        (match("content.topic", "lunc?*"), {"topic": "Lunch plans"}, True),
        (match("content.topic", "lunc?*"), {"topic": "LUNCH"}, True),
        (match("content.topic", "lunc?*"), {"topic": " lunch"}, False),
        (match("content.topic", "lunc?*"), {"topic": "lunc"}, False),
        (match("content.topic", "lunc?*"), {"topic": None}, False),
        (match("content.topic", "*"), {"topic": ""}, True),
        (match("content.topic", "*"), {"topic": 1}, False),
        (match("content.topic", "*"), {}, False),
        (match("content.topic", "a*a"), {"topic": "a"}, False),
        (match("content.topic", "a*a"), {"topic": "aa"}, True),
        (match("content.topic", "*a*"), {"topic": "bab"}, True),
        (match("content.topic", "straße"), {"topic": "STRASSE"}, True),
        (match("content.topic", "회의*"), {"topic": "회의실"}, True),
        (match("content.topic", "a.c"), {"topic": "abc"}, False),
        (match("content.topic", "a"), {"topic": "a\n"}, False),
        (match("content.topic", "a*b"), {"topic": "a\nb"}, True),
        (match("content.topic", ""), {"topic": ""}, True),
        (match("content.topic", ""), {"topic": "x"}, False),
        (match("content.body", "ex*ple"), {"body": "An example event."}, True),
        (match("content.body", "ex*ple"), {"body": "exple"}, True),
        (match("content.body", "ex*ple"), {"body": "An exciting triple-whammy"}, True),
        (match("content.body", "ex*ple"), {"body": "An annex simple"}, False),
        (match("content.body", "ex*ple"), {"body": "An example's examples"}, True),
        (match("content.body", "ex*ple"), {"body": "An examples"}, False),
        (match("content.body", "cake"), {"body": "CAKE!"}, True),
        (match("content.body", "cake"), {"body": "cakes"}, False),
        (match("content.body", "cake"), {"body": "cup_cake"}, False),
        (match("content.body", "cake"), {"body": "cupcake, cake"}, True),
        (match("content.body", "@room"), {"body": "Hello @room"}, True),
        (match("content.body", "@room"), {"body": "Hello@room!"}, True),
        (match("content.body", "@room"), {"body": "Hello @rooms"}, False),
        (match("content.body", "회의"), {"body": "오늘 회의실에서"}, True),
        (match("content.body", "b?d"), {"body": "a bed"}, True),
        (match("content.body", "b?d"), {"body": "b d"}, True),
        (match("content.body", "b?d"), {"body": "bd bead"}, False),
        (match("content.body", "?"), {"body": ""}, False),
        (match("content.body", ""), {"body": "x"}, True),
        (match("content.body", "x"), {"body": ["x"]}, False),
        (match("content.m\\.relates_to.rel_type", "m.thread"), {"m.relates_to": {"rel_type": "m.thread"}}, True),
        (match("content.m.relates_to.rel_type", "m.thread"), {"m.relates_to": {"rel_type": "m.thread"}}, False),
        (match("content.m.x", "y"), {"m": {"x": "y"}}, True),
        (match("content.a\\\\b", "y"), {"a\\b": "y"}, True),
        (match("content.a\\\\.b", "y"), {"a\\": {"b": "y"}}, True),
        (match("content.a\\xb", "y"), {"a\\xb": "y"}, True),
        (match("content..b", "y"), {"": {"b": "y"}}, True),
        (match("content.a.b", "y"), {"a": "y"}, False),
        (match("content", "*"), {"a": "y"}, False),
        (match("type", "org.*.event"), {}, True),
        (match("type", "ORG.example.event"), {}, True),
        (match("type", "org.example"), {}, False),
        (match("type.x", "org.example.event"), {}, False),
        (match("sender", SENDER), {}, True),
        (match("sender", "@s*:example.org"), {}, True),
        (match("sender", "@t*"), {}, False),
        (match("room_id", ROOM), {}, True),
        (match("room_id", "!roo?:*"), {}, True),
        (match("room_id", "!x:example.org"), {}, False),
        (match("state_key", ""), {}, False),
        (match("unsigned.age", "*"), {}, False),
        (is_value("content.m\\.federate", True), {"m.federate": True}, True),
        (is_value("content.m\\.federate", True), {"m.federate": "true"}, False),
        (is_value("content.m\\.federate", True), {"m.federate": 1}, False),
        (is_value("content.n", 1), {"n": 1}, True),
        (is_value("content.n", 1), {"n": True}, False),
        (is_value("content.n", 1), {"n": "1"}, False),
        (is_value("content.n", 0), {"n": False}, False),
        (is_value("content.n", None), {"n": None}, True),
        (is_value("content.n", None), {}, False),
        (is_value("content.n", "a"), {"n": "A"}, False),
        (is_value("content.n", "a*"), {"n": "ab"}, False),
        (is_value("content.n", "a"), {"n": ["a"]}, False),
        (is_value("type", "org.example.event"), {}, True),
        (is_value("type", "ORG.example.event"), {}, False),
        (is_value("room_id", None), {}, False),
        (is_value("sender", SENDER), {}, True),
        (contains("content.alt_aliases", "#a:x"), {"alt_aliases": ["#b:x", "#a:x"]}, True),
        (contains("content.alt_aliases", ":x"), {"alt_aliases": ["#b:x", "#a:x"]}, False),
        (contains("content.alt_aliases", "#a:x"), {"alt_aliases": "#a:x"}, False),
        (contains("content.alt_aliases", "#a:x"), {"alt_aliases": {"#a:x": 1}}, False),
        (contains("content.alt_aliases", "#a:x"), {}, False),
        (contains("content.list", 1), {"list": [True]}, False),
        (contains("content.list", 1), {"list": [True, 1]}, True),
        (contains("content.list", None), {"list": [None]}, True),
        (contains("content.list", 1), {"list": [[1], {"1": 1}]}, False),
        ({"kind": "contains_display_name"}, {"body": "ask the reader, please"}, True),
        ({"kind": "contains_display_name"}, {"body": "ask the readers"}, False),
        ({"kind": "contains_display_name"}, {"body": 1}, False),
        ({"kind": "contains_display_name"}, {}, False),
        ({"kind": "room_member_count", "is": "5"}, {}, True),
        ({"kind": "room_member_count", "is": "==5"}, {}, True),
        ({"kind": "room_member_count", "is": "4"}, {}, False),
        ({"kind": "room_member_count", "is": "<5"}, {}, False),
        ({"kind": "room_member_count", "is": "<6"}, {}, True),
        ({"kind": "room_member_count", "is": ">5"}, {}, False),
        ({"kind": "room_member_count", "is": ">4"}, {}, True),
        ({"kind": "room_member_count", "is": "<=5"}, {}, True),
        ({"kind": "room_member_count", "is": "<=4"}, {}, False),
        ({"kind": "room_member_count", "is": ">=5"}, {}, True),
        ({"kind": "room_member_count", "is": ">=6"}, {}, False),
        ({"kind": "sender_notification_permission", "key": "room"}, {}, False),
        ({"kind": "org.example.moon"}, {}, False),
    ],
)
def test_conditions(condition: JsonObject, content: JsonObject, expected: bool) -> None:
    assert holds(condition, content=content) is expected


def test_a_state_key_is_seen_when_there_is_one() -> None:
    assert holds(match("state_key", ""), content={}, state_key="")
    assert holds(match("state_key", "@*"), content={}, state_key=SENDER)
    assert holds(match("state_key", READER), content={}, state_key=READER)
    assert not holds(match("state_key", READER), content={}, state_key=SENDER)


@pytest.mark.parametrize(
    ("levels", "key", "sender", "expected"),
    [
        ({}, "room", MODERATOR, True),
        ({}, "room", SENDER, False),
        ({"room": 0}, "room", SENDER, True),
        ({"room": 100}, "room", MODERATOR, False),
        ({"room": 0}, "other", SENDER, False),
        ({"other": 0}, "other", SENDER, True),
    ],
)
def test_the_sender_needs_power(levels: dict[str, int], key: str, sender: str, expected: bool) -> None:
    condition = {"kind": "sender_notification_permission", "key": key}
    assert holds(condition, content={}, sender=sender, notification_levels=levels) is expected


@pytest.mark.parametrize(
    ("name", "body", "expected"),
    [
        ("a*", "a*", True),
        ("a*", "abc", False),
        ("", "anything", False),
        (None, "anything", False),
        ("봉수", "봉수님 안녕하세요", True),
        ("x" * 300, "x" * 300, False),
    ],
)
def test_a_display_name_is_not_a_pattern(name: str | None, body: str, expected: bool) -> None:
    assert holds({"kind": "contains_display_name"}, content={"body": body}, display_name=name) is expected


def test_all_conditions_must_hold() -> None:
    both = (match("content.body", "a"), match("type", "org.example.event"))
    assert holds(*both, content={"body": "a"})
    assert not holds(*both, content={"body": "b"})
    assert not holds(*both, content={"body": "a"}, event_type="org.example.other")
    assert not holds(both[0], {"kind": "org.example.moon"}, content={"body": "a"})
    assert holds(content={})


def test_rules_say_whether_they_need_the_display_name() -> None:
    assert not CompiledRules(pushrules.ruleset(READER, None), READER).needs_display_name
    body = {**NOTIFY, "conditions": [{"kind": "contains_display_name"}]}
    stored = pushrules.put_rule(None, "underride", "name", body)
    assert CompiledRules(pushrules.ruleset(READER, stored), READER).needs_display_name


@pytest.mark.parametrize(
    ("actions", "notify", "highlight", "sound"),
    [
        ([], False, False, None),
        (["dont_notify"], False, False, None),
        (["coalesce"], False, False, None),
        (["notify"], True, False, None),
        (["notify", {"set_tweak": "highlight"}], True, True, None),
        (["notify", {"set_tweak": "highlight", "value": True}], True, True, None),
        (["notify", {"set_tweak": "highlight", "value": False}], True, False, None),
        (["notify", {"set_tweak": "sound", "value": "x.wav"}], True, False, "x.wav"),
        ([{"set_tweak": "highlight"}, {"set_tweak": "sound", "value": "x.wav"}], False, False, None),
    ],
)
def test_actions(actions: list[Any], notify: bool, highlight: bool, sound: str | None) -> None:
    stored = pushrules.set_actions(None, "underride", ".m.rule.message", actions)
    outcome = told(text("x"), stored=stored)
    assert (outcome.notify, outcome.highlight, outcome.sound) == (notify, highlight, sound)
    assert outcome.rule_id == ".m.rule.message"


# --- globs against a plain reference ---


def plainly_fits(pattern: str, value: str) -> bool:
    """The definition itself, letter by letter."""

    @lru_cache(None)
    def fits(at: int, place: int) -> bool:
        if at == len(pattern):
            return place == len(value)
        if pattern[at] == "*":
            return fits(at + 1, place) or (place < len(value) and fits(at, place + 1))
        same = place < len(value) and pattern[at] in ("?", value[place])
        return same and fits(at + 1, place + 1)

    return fits(0, 0)


def is_boundary(value: str, place: int) -> bool:
    def word(letter: str) -> bool:
        return letter.isascii() and (letter.isalnum() or letter == "_")

    return place in (0, len(value)) or not word(value[place - 1]) or not word(value[place])


def plainly_found(pattern: str, value: str) -> bool:
    places = [place for place in range(len(value) + 1) if is_boundary(value, place)]
    return any(plainly_fits(pattern, value[start:end]) for start in places for end in places if start <= end)


LETTERS = "abA1_ -.\n가*?\\["
PATTERNS = st.text(alphabet=LETTERS + "***???ab", max_size=8)
VALUES = st.text(alphabet=LETTERS, max_size=12)


def matches(key: str, pattern: str, content: JsonObject) -> bool:
    rule = {"rule_id": "x", "enabled": True, "actions": ["notify"], "conditions": [match(key, pattern)]}
    rules = CompiledRules({"override": [rule]}, READER)
    return rules.evaluate("org.example.event", SENDER, None, content, facts()).notify


@settings(max_examples=1_500, deadline=None)
@given(PATTERNS, VALUES)
def test_globs_match_whole_values(pattern: str, value: str) -> None:
    assert matches("content.x", pattern, {"x": value}) == plainly_fits(pattern.lower(), value.lower())


@settings(max_examples=1_500, deadline=None)
@given(PATTERNS, VALUES)
def test_globs_match_in_bodies_between_word_boundaries(pattern: str, value: str) -> None:
    assert matches("content.body", pattern, {"body": value}) == plainly_found(pattern.lower(), value.lower())


@pytest.mark.parametrize("key", ["content.body", "content.x"])
@pytest.mark.parametrize(
    "pattern", ["a*" * 120 + "b", "a?" * 60 + "b", "a ?" * 40 + "b", "*a*" * 40 + "b", "?*" * 60 + "b", "a" * 250 + "b"]
)
@pytest.mark.parametrize("letters", ["a", "a ", "ab "])
def test_no_pattern_is_expensive(key: str, pattern: str, letters: str) -> None:
    body = letters * (65_000 // len(letters)) + "c"
    started = time.thread_time()
    matches(key, pattern, {"body": body, "x": body})
    assert time.thread_time() - started < 2


# --- what need not be asked event by event ---

TELLS_OF_JOINS = {**NOTIFY, "conditions": [{"kind": "event_match", "key": "type", "pattern": "m.room.memb*"}]}
MENTIONS_OF_JOINS = {**NOTIFY, "conditions": [{"kind": "event_match", "key": "content.reason", "pattern": "fire"}]}


@pytest.mark.parametrize(
    "stored",
    [
        pushrules.put_rule(None, "override", "mine", TELLS_OF_JOINS),
        pushrules.put_rule(None, "override", "mine", MENTIONS_OF_JOINS),
        pushrules.set_actions(None, "override", ".m.rule.member_event", ["notify"]),
        pushrules.put_rule(
            pushrules.set_enabled(None, "override", ".m.rule.member_event", False), "room", ROOM, NOTIFY
        ),
    ],
    ids=["by type", "by content", "predefined", "by room"],
)
def test_who_wants_to_hear_of_others_coming_is_asked_each_time(stored: JsonObject) -> None:
    rules = CompiledRules(pushrules.ruleset(READER, stored), READER)
    assert not rules.is_silent_about("m.room.member")
    content = {"membership": "join", "reason": "fire"}
    assert told(content, stored=stored, event_type="m.room.member", state_key=SENDER).notify


@pytest.mark.parametrize(
    "stored",
    [
        None,
        pushrules.put_rule(None, "content", "mine", {**NOTIFY, "pattern": "fire"}),
        pushrules.put_rule(None, "room", ROOM, NOTIFY),
        pushrules.set_enabled(None, "override", ".m.rule.master", True),
    ],
    ids=["predefined", "a word", "a room", "nothing at all"],
)
def test_others_coming_and_going_is_nothing_to_most(stored: JsonObject | None) -> None:
    rules = CompiledRules(pushrules.ruleset(READER, stored), READER)
    assert rules.is_silent_about("m.room.member")
    for membership in ("join", "invite", "leave"):
        content = {"membership": membership, "body": "fire"}
        assert not told(content, stored=stored, event_type="m.room.member", state_key=SENDER).notify
    assert rules.is_silent_about("m.room.message") is (stored is not None and "enabled" in stored)
