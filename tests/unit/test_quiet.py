"""Quiet hours: when they hold, by the clock on the wall, and what is let through."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bongsu.core.errors import Refusal
from bongsu.core.events import Event
from bongsu.core.json import encode
from bongsu.core.quiet import CALLS, Hours, calls, parse, parse_or_none
from bongsu.store.quiet import zone

SEOUL = "Asia/Seoul"
SERVICE = "@bed-board:test.example"


def hours(*spans: dict[str, Any], where: str = SEOUL, **more: Any) -> Hours:
    return parse({"enabled": True, "time_zone": where, "spans": list(spans), **more}, zone)


def at(text: str, where: str = SEOUL, fold: int = 0) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(where), fold=fold).timestamp() * 1000)


NIGHT = {"from": "22:00", "to": "07:00"}


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2026-11-24T21:59:59", None),
        ("2026-11-24T22:00", "2026-11-25T07:00"),
        ("2026-11-25T00:00", "2026-11-25T07:00"),
        ("2026-11-25T06:59:59", "2026-11-25T07:00"),
        ("2026-11-25T07:00", None),
    ],
)
def test_a_night_goes_over_midnight(now: str, end: str | None) -> None:
    assert hours(NIGHT).until(at(now)) == (None if end is None else at(end))


def test_a_span_belongs_to_the_day_on_which_it_begins() -> None:
    friday = hours({**NIGHT, "days": [5]})
    assert friday.until(at("2026-11-27T23:00")) == at("2026-11-28T07:00")
    assert friday.until(at("2026-11-28T03:00")) == at("2026-11-28T07:00")
    assert friday.until(at("2026-11-27T03:00")) is None
    assert friday.until(at("2026-11-28T23:00")) is None


def test_spans_that_meet_are_one_quiet() -> None:
    both = hours({"from": "00:00", "to": "00:00", "days": [6, 7]}, {**NIGHT, "days": [5, 7]})
    assert both.until(at("2026-11-27T22:30")) == at("2026-11-30T07:00")
    assert both.until(at("2026-11-30T07:00")) is None


def test_always_quiet_ends_somewhere() -> None:
    end = hours({"from": "00:00", "to": "00:00"}).until(at("2026-11-24T12:00"))
    assert end is not None
    assert end > at("2026-12-01T00:00")


def test_a_pause_holds_whatever_the_spans_say() -> None:
    until = at("2026-11-24T22:30")
    assert hours(paused_until_ms=until, enabled=False).until(at("2026-11-24T12:00")) == until
    assert hours(NIGHT, paused_until_ms=until).until(at("2026-11-24T12:00")) == at("2026-11-25T07:00")
    assert hours(NIGHT, enabled=False).until(at("2026-11-24T23:00")) is None


@pytest.mark.parametrize(
    ("begins", "ends", "seconds"),
    [("2026-03-28T22:00", "2026-03-29T07:00", 8 * 3600), ("2026-10-24T22:00", "2026-10-25T07:00", 10 * 3600)],
)
def test_a_night_in_which_clocks_change(begins: str, ends: str, seconds: int) -> None:
    berlin = hours(NIGHT, where="Europe/Berlin")
    begin, end = at(begins, "Europe/Berlin"), at(ends, "Europe/Berlin")
    assert end - begin == seconds * 1000
    assert berlin.until(begin - 1) is None
    assert all(berlin.until(now) == end for now in range(begin, end, 600_000))
    assert berlin.until(end) is None


def test_an_end_that_comes_twice_is_the_first() -> None:
    span = hours({"from": "01:00", "to": "02:30"}, where="Europe/Berlin")
    assert span.until(at("2026-10-25T02:15", "Europe/Berlin")) == at("2026-10-25T02:30", "Europe/Berlin")
    assert span.until(at("2026-10-25T02:15", "Europe/Berlin", fold=1)) is None


def event(**more: Any) -> Event:
    content = more.pop("content", {"msgtype": "m.text", "body": "?"})
    fields = {"event_id": "$e", "room_id": "!r:test.example", "type": "m.room.message", "sender": "@a:test.example"}
    told = {**fields, "state_key": None, "ts_ms": 0, "depth": 1, "pos": 1, "content_json": encode(content), **more}
    return Event(**told)


def test_who_is_let_through() -> None:
    let = {"mentions": True, "users": ["@a:test.example"], "rooms": ["!q:test.example"]}
    some = hours(NIGHT, let_through=let)
    assert some.lets_through(event(), is_mention=False)
    assert some.lets_through(event(sender="@b:test.example", room_id="!q:test.example"), is_mention=False)
    assert some.lets_through(event(sender="@b:test.example"), is_mention=True)
    assert not some.lets_through(event(sender="@b:test.example"), is_mention=False)
    assert not hours(NIGHT).lets_through(event(), is_mention=True)


def test_a_service_calls_whom_it_names_and_nobody_else_can() -> None:
    content = {"msgtype": "m.text", "body": "!", "m.mentions": {"user_ids": ["@me:test.example"]}, CALLS: True}
    services = frozenset({SERVICE})
    assert calls(event(sender=SERVICE, content=content), "@me:test.example", services)
    assert not calls(event(sender=SERVICE, content=content), "@you:test.example", services)
    assert not calls(event(sender="@a:test.example", content=content), "@me:test.example", services)
    assert not calls(event(sender=SERVICE, content={**content, CALLS: 1}), "@me:test.example", services)
    assert not calls(event(sender=SERVICE, content={**content, "m.mentions": []}), "@me:test.example", services)
    invite = {"type": "m.room.member", "content": {"membership": "invite", CALLS: True}}
    assert calls(event(sender=SERVICE, state_key="@me:test.example", **invite), "@me:test.example", services)
    assert not calls(event(sender=SERVICE, state_key="@you:test.example", **invite), "@me:test.example", services)


BAD: list[dict[str, Any]] = [
    {"enabled": 1},
    {"time_zone": "Asia/Nowhere"},
    {"time_zone": "../../etc/passwd"},
    {"time_zone": "Asia"},
    {"time_zone": "x" * 300},
    {"time_zone": None},
    {"spans": {}},
    {"spans": [NIGHT] * 15},
    {"spans": ["22:00"]},
    {"spans": [{"from": "22:00"}]},
    {"spans": [{**NIGHT, "to": "24:00"}]},
    {"spans": [{**NIGHT, "to": "7:00"}]},
    {"spans": [{**NIGHT, "days": [0]}]},
    {"spans": [{**NIGHT, "days": [True]}]},
    {"spans": [{**NIGHT, "days": [1] * 8}]},
    {"paused_until_ms": -1},
    {"paused_until_ms": 2**53 - 1},
    {"paused_until_ms": True},
    {"let_through": []},
    {"let_through": {"mentions": "yes"}},
    {"let_through": {"users": ["!r:test.example"]}},
    {"let_through": {"rooms": ["@a:test.example"]}},
    {"let_through": {"users": [1]}},
    {"let_through": {"users": ["@a:test.example"] * 201}},
]


@pytest.mark.parametrize("content", BAD, ids=str)
def test_what_cannot_be_understood_is_refused_and_breaks_nothing(content: dict[str, Any]) -> None:
    with pytest.raises(Refusal) as refused:
        parse(content, zone)
    assert (refused.value.status, refused.value.errcode) == (400, "M_INVALID_PARAM")
    assert parse_or_none(content, zone) is None


def test_nothing_set_is_nothing_quiet() -> None:
    assert parse({}, zone).until(at("2026-11-24T23:00")) is None
