"""Filters: which shapes are taken, what matchers let through, and which fields of events are kept."""

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bongsu.core import filters, limits
from bongsu.core.errors import Refusal
from bongsu.core.filters import EventFilter, EventMatcher, Filter, RoomEventFilter, SyncFilter
from bongsu.core.json import JsonObject

SENDER = "@sender:example.org"
OTHER = "@other:example.org"
ROOM = "!room:example.org"
ELSEWHERE = "!elsewhere:example.org"

BAD = (400, "M_BAD_JSON")
INVALID = (400, "M_INVALID_PARAM")

WHOLE: JsonObject = {
    "room": {
        "rooms": [ROOM, ELSEWHERE],
        "not_rooms": [ELSEWHERE],
        "include_leave": True,
        "state": {"types": ["m.room.*"], "lazy_load_members": True, "include_redundant_members": True},
        "timeline": {
            "limit": 10,
            "types": ["m.room.message"],
            "not_senders": [OTHER],
            "contains_url": False,
            "unread_thread_notifications": True,
            "related_by_rel_types": ["m.thread"],
            "related_by_senders": [SENDER],
        },
        "ephemeral": {"types": ["m.receipt", "m.typing"], "not_rooms": [ELSEWHERE]},
        "account_data": {"not_types": ["m.tag"]},
    },
    "presence": {"types": []},
    "account_data": {"types": ["m.direct"]},
    "event_format": "federation",
    "event_fields": ["type", "content.body"],
}


def test_a_whole_filter() -> None:
    parsed = filters.parse(WHOLE)
    assert parsed.room.rooms == (ROOM, ELSEWHERE)
    assert parsed.room.timeline.related_by_rel_types == ("m.thread",)
    assert parsed.room.timeline.related_by_senders == (SENDER,)
    assert parsed.event_format == "federation"
    sync = SyncFilter(parsed)
    assert (sync.timeline_limit, sync.include_leave, sync.lazy_load_members) == (10, True, True)
    assert (sync.include_redundant_members, sync.unread_thread_notifications) == (True, True)
    assert (sync.includes_room(ROOM), sync.includes_room(ELSEWHERE), sync.includes_room("!x:y")) == (True, False, False)
    assert sync.timeline.matches("m.room.message", SENDER, ROOM, {})
    assert not sync.timeline.matches("m.room.message", OTHER, ROOM, {})
    assert sync.state.matches("m.room.name", SENDER, ROOM, {})
    assert not sync.state.matches("m.room", SENDER, ROOM, {})
    assert sync.ephemeral.matches("m.typing", "", ROOM, {})
    assert not sync.ephemeral.matches("m.typing", "", ELSEWHERE, {})
    assert not sync.room_account_data.matches("m.tag", "", ROOM, {})
    assert sync.room_account_data.matches("m.fully_read", "", ROOM, {})
    assert sync.account_data.matches("m.direct", "", "", {})
    assert not sync.account_data.matches("m.push_rules", "", "", {})
    assert sync.presence.nothing
    assert sync.fields is not None


def test_an_empty_filter_restricts_nothing() -> None:
    sync = SyncFilter(filters.parse({}))
    assert filters.parse({}) == Filter()
    assert sync.timeline_limit == limits.TIMELINE_EVENTS_DEFAULT
    sections = (sync.timeline, sync.state, sync.ephemeral, sync.room_account_data, sync.presence, sync.account_data)
    assert all(section.everything and not section.nothing for section in sections)
    assert sync.includes_room(ROOM)
    assert sync.fields is None
    assert (sync.include_leave, sync.lazy_load_members, sync.unread_thread_notifications) == (False, False, False)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"room": []}, BAD),
        ({"room": "x"}, BAD),
        ({"room": {"timeline": "x"}}, BAD),
        ({"room": {"timeline": {"types": "m.room.message"}}}, BAD),
        ({"room": {"timeline": {"types": [1]}}}, BAD),
        ({"room": {"timeline": {"limit": "10"}}}, BAD),
        ({"room": {"timeline": {"limit": 1.5}}}, BAD),
        ({"room": {"timeline": {"limit": True}}}, BAD),
        ({"room": {"state": {"lazy_load_members": "yes"}}}, BAD),
        ({"room": {"state": {"contains_url": 1}}}, BAD),
        ({"room": {"include_leave": 1}}, BAD),
        ({"room": {"rooms": ROOM}}, BAD),
        ({"presence": "not_an_object"}, BAD),
        ({"account_data": {"senders": {}}}, BAD),
        ({"event_fields": "content"}, BAD),
        ({"event_fields": [1]}, BAD),
        ({"event_format": "matrix"}, BAD),
        ({"event_format": 1}, BAD),
        ({"room": {"timeline": {"limit": -1}}}, INVALID),
        ({"presence": {"limit": -1}}, INVALID),
        ({"room": {"rooms": ["room"]}}, INVALID),
        ({"room": {"not_rooms": ["#room:x"]}}, INVALID),
        ({"room": {"timeline": {"rooms": ["room"]}}}, INVALID),
        ({"room": {"state": {"not_rooms": ["room"]}}}, INVALID),
        ({"room": {"ephemeral": {"senders": ["sender"]}}}, INVALID),
        ({"room": {"account_data": {"not_senders": [""]}}}, INVALID),
        ({"room": {"timeline": {"related_by_senders": ["sender"]}}}, INVALID),
        ({"presence": {"senders": ["sender"]}}, INVALID),
        ({"account_data": {"not_senders": ["sender"]}}, INVALID),
        ({"event_fields": ["x" * limits.FILTER_BYTES_MAX]}, (413, "M_TOO_LARGE")),
    ],
)
def test_wrong_filters_are_refused(body: JsonObject, expected: tuple[int, str]) -> None:
    with pytest.raises(Refusal) as caught:
        filters.parse(body)
    assert (caught.value.status, caught.value.errcode) == expected


def test_unknown_members_are_ignored() -> None:
    body = {"org.example.x": 1, "room": {"org.example.y": {}, "timeline": {"org.example.z": []}}}
    assert filters.parse(body) == Filter()


def test_a_filter_of_room_events() -> None:
    wanted = filters.parse_room_events({"limit": 3, "types": ["m.*"], "lazy_load_members": True})
    assert wanted == RoomEventFilter(limit=3, types=("m.*",), lazy_load_members=True)
    for body, errcode in (({"types": 1}, "M_BAD_JSON"), ({"rooms": ["x"]}, "M_INVALID_PARAM")):
        with pytest.raises(Refusal) as caught:
            filters.parse_room_events(body)
        assert caught.value.errcode == errcode


@pytest.mark.parametrize(("limit", "expected"), [(None, 7), (0, 1), (1, 1), (50, 50), (10**9, limits.PAGE_EVENTS_MAX)])
def test_limits_are_bounded(limit: int | None, expected: int) -> None:
    assert EventFilter(limit=limit).limit_or(7) == expected


@pytest.mark.parametrize(
    ("section", "event", "expected"),
    [
        ({"types": ["m.room.message"]}, {}, True),
        ({"types": ["m.room.name", "m.room.message"]}, {}, True),
        ({"types": ["m.room.name"]}, {}, False),
        ({"types": ["M.room.message"]}, {}, False),
        ({"types": ["m.room"]}, {}, False),
        ({"types": []}, {}, False),
        ({"types": ["*"]}, {}, True),
        ({"types": ["m.*"]}, {}, True),
        ({"types": ["*.message"]}, {}, True),
        ({"types": ["m.*.message"]}, {}, True),
        ({"types": ["m*room*mess*e"]}, {}, True),
        ({"types": ["m.room.message*"]}, {}, True),
        ({"types": ["m.room.message*message"]}, {}, False),
        ({"types": ["m?room?message"]}, {}, False),
        ({"types": ["*message*message*"]}, {}, False),
        ({"types": ["m.room.*"], "not_types": ["m.room.message"]}, {}, False),
        ({"types": ["m.room.message"], "not_types": ["m.room.*"]}, {}, False),
        ({"types": ["m.room.message"], "not_types": ["m.room.name*"]}, {}, True),
        ({"not_types": ["m.room.name"]}, {}, True),
        ({"not_types": ["*"]}, {}, False),
        ({"not_types": []}, {}, True),
        ({"senders": [SENDER]}, {}, True),
        ({"senders": [OTHER]}, {}, False),
        ({"senders": []}, {}, False),
        ({"senders": [SENDER], "not_senders": [SENDER]}, {}, False),
        ({"not_senders": [OTHER]}, {}, True),
        ({"not_senders": [SENDER]}, {}, False),
        ({"senders": ["@*"]}, {}, False),
        ({"senders": [SENDER]}, {"sender": ""}, False),
        ({"rooms": [ROOM]}, {}, True),
        ({"rooms": [ELSEWHERE]}, {}, False),
        ({"rooms": []}, {}, False),
        ({"rooms": [ROOM], "not_rooms": [ROOM]}, {}, False),
        ({"not_rooms": [ROOM]}, {}, False),
        ({"not_rooms": [ELSEWHERE]}, {}, True),
        ({"contains_url": True}, {}, False),
        ({"contains_url": True}, {"content": {"url": "mxc://x/y"}}, True),
        ({"contains_url": False}, {}, True),
        ({"contains_url": False}, {"content": {"url": "mxc://x/y"}}, False),
        ({"types": ["m.room.message"], "senders": [OTHER]}, {}, False),
        ({"lazy_load_members": True, "limit": 1, "related_by_rel_types": ["m.thread"]}, {}, True),
    ],
)
def test_matching(section: JsonObject, event: dict[str, Any], expected: bool) -> None:
    matcher = EventMatcher(filters.parse_room_events(section))
    seen = {"event_type": "m.room.message", "sender": SENDER, "room_id": ROOM, "content": {"body": "x"}, **event}
    assert matcher.matches(**seen) is expected
    assert matcher.matches(**seen) is expected  # the remembered answer


@pytest.mark.parametrize(
    ("section", "everything", "nothing"),
    [
        ({}, True, False),
        ({"limit": 5, "lazy_load_members": True}, True, False),
        ({"not_types": [], "not_senders": [], "not_rooms": []}, True, False),
        ({"types": ["*"]}, False, False),
        ({"not_types": ["x"]}, False, False),
        ({"senders": [SENDER]}, False, False),
        ({"not_senders": [SENDER]}, False, False),
        ({"rooms": [ROOM]}, False, False),
        ({"not_rooms": [ROOM]}, False, False),
        ({"contains_url": False}, False, False),
        ({"types": []}, False, True),
        ({"senders": []}, False, True),
        ({"rooms": []}, False, True),
    ],
)
def test_what_a_matcher_says_of_itself(section: JsonObject, everything: bool, nothing: bool) -> None:
    matcher = EventMatcher(filters.parse_room_events(section))
    assert (matcher.everything, matcher.nothing) == (everything, nothing)


def test_a_matcher_forgets_types_before_they_are_too_many() -> None:
    matcher = EventMatcher(EventFilter(types=("m.*1",)))
    for number in [*range(1_000), *range(1_000)]:
        assert matcher.matches(f"m.{number}", SENDER, ROOM, {}) is (number % 10 == 1)


@settings(max_examples=1_000, deadline=None)
@given(st.text("ab.***", max_size=8), st.text("ab.", max_size=6))
def test_wildcards_match_as_regular_expressions_do(pattern: str, event_type: str) -> None:
    plain = re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), event_type) is not None
    assert EventMatcher(EventFilter(types=(pattern,))).matches(event_type, SENDER, ROOM, {}) is plain


EVENT: JsonObject = {
    "type": "m.room.message",
    "sender": SENDER,
    "content": {"body": "x", "m.relates_to": {"rel_type": "m.thread", "event_id": "$e"}, "info": {"w": 1, "h": 2}},
    "unsigned": {"age": 5},
}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (["type"], {"type": "m.room.message"}),
        (["content.body"], {"content": {"body": "x"}}),
        (["content.m\\.relates_to.rel_type"], {"content": {"m.relates_to": {"rel_type": "m.thread"}}}),
        (["content.m.relates_to.rel_type"], {"content": {}}),
        (["content.info", "content.info.w"], {"content": {"info": {"w": 1, "h": 2}}}),
        (["content.info.w", "content.info"], {"content": {"info": {"w": 1, "h": 2}}}),
        (["content.info.w", "sender"], {"content": {"info": {"w": 1}}, "sender": SENDER}),
        (["content.body.x", "type.x"], {"content": {}}),
        (["nothing", ""], {}),
    ],
)
def test_only_wanted_fields_are_kept(fields: list[str], expected: JsonObject) -> None:
    wanted = filters.wanted_fields(tuple(fields))
    assert wanted is not None
    assert wanted.prune(EVENT) == expected
    assert json.loads(wanted.prune_encoded(json.dumps(EVENT).encode())) == expected


@pytest.mark.parametrize("fields", [None, ()])
def test_without_wanted_fields_nothing_is_pruned(fields: tuple[str, ...] | None) -> None:
    assert filters.wanted_fields(fields) is None
