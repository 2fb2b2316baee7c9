"""Quiet hours: when a person wants nothing to sound or to light up, and who may all the same.

They are account data of the type QUIET_HOURS, so that they hold for every app of the person:

    {"enabled": true, "time_zone": "Asia/Seoul",
     "spans": [{"from": "22:00", "to": "07:00", "days": [1, 2, 3, 4, 5]}], "paused_until_ms": 1790000000000,
     "let_through": {"mentions": true, "users": ["@a:example.org"], "rooms": ["!r:example.org"]}}

A span begins on its days (ISO: 1 is Monday; all, if none are named) and ends at the next such time of day; from and to
alike are a whole day. paused_until_ms: quiet from now until then, whatever the spans say. All but the spans' times may
be left out; without "enabled": true nothing is quiet but a pause.

Times are those of the clock on the wall: a night in which clocks change is an hour shorter or longer.
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any, Final, NoReturn

import msgspec

from bongsu.core import events, limits
from bongsu.core.errors import Refusal, invalid_param
from bongsu.core.events import Event
from bongsu.core.ids import is_room_id, is_user_id
from bongsu.core.json import JsonObject

QUIET_HOURS: Final = "org.bongsu.quiet_hours"
CALLS: Final = "org.bongsu.calls"  # in what a service says: whom it mentions, or invites, must act now, also at night
_DAYS: Final = frozenset(range(1, 8))
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])", re.ASCII)
_ZONE: Final = re.compile(r"[A-Za-z0-9_+-]{1,32}(?:/[A-Za-z0-9_+-]{1,32}){0,2}", re.ASCII)
_MEETING_MAX: Final = 16  # spans that follow one another without a gap: more than a week of days

ZoneOf = Callable[[str], tzinfo | None]  # by IANA name; None: there is no such zone


class Span(msgspec.Struct, frozen=True):
    begins: time
    ends: time
    days: frozenset[int]


class Hours(msgspec.Struct, frozen=True):
    """What a person has set. spans: none, where they are not enabled."""

    zone: tzinfo
    spans: tuple[Span, ...] = ()
    paused_until_ms: int = 0
    mentions: bool = False
    users: frozenset[str] = frozenset()
    rooms: frozenset[str] = frozenset()

    def until(self, at_ms: int) -> int | None:
        """When the quiet that holds at this time ends; None where it is not quiet."""
        end = self.paused_until_ms if at_ms < self.paused_until_ms else None
        for _ in range(_MEETING_MAX):
            later = self._ends(at_ms if end is None else end)
            if later is None:
                return end
            end = later
        return end

    def _ends(self, at_ms: int) -> int | None:
        """When the last of the spans ends that hold at this time."""
        today = datetime.fromtimestamp(at_ms / 1000, self.zone).date()
        found = [ends for begins, ends in self._near(today) if begins <= at_ms < ends]
        return max(found, default=None)

    def _near(self, today: date) -> Iterator[tuple[int, int]]:
        """The spans that begin on this day or the one before it."""
        for day in (today - timedelta(days=1), today):
            for span in self.spans:
                if day.isoweekday() in span.days:
                    last = day if span.begins < span.ends else day + timedelta(days=1)
                    yield self._moment(day, span.begins), self._moment(last, span.ends)

    def _moment(self, day: date, at: time) -> int:
        """In ms. A time that a change of clocks leaves out is as much later; one that comes twice is the first."""
        return int(datetime.combine(day, at, self.zone).astimezone(UTC).timestamp() * 1000)

    def lets_through(self, event: Event, *, is_mention: bool) -> bool:
        """May this be told in the quiet? is_mention: the person's rules highlight it."""
        if event.sender in self.users or event.room_id in self.rooms:
            return True
        return self.mentions and is_mention


def calls(event: Event, user_id: str, services: frozenset[str]) -> bool:
    """Does a service say that this person must act now? services: user ids, in whose name the server alone speaks."""
    if event.sender not in services or event.content.get(CALLS) is not True:
        return False
    if event.type == events.MEMBER:
        return event.state_key == user_id
    mentions = event.content.get("m.mentions")
    named = mentions.get("user_ids") if isinstance(mentions, dict) else None
    return isinstance(named, list) and user_id in named


# --- what clients send ---


def parse(content: JsonObject, zone_of: ZoneOf) -> Hours:
    """M_INVALID_PARAM for what cannot be understood: nobody shall believe in a quiet that there is not."""
    enabled = content.get("enabled", False)
    if not isinstance(enabled, bool):
        _bad("enabled must be true or false")
    name = content.get("time_zone", "UTC")
    zone = zone_of(name) if isinstance(name, str) and _ZONE.fullmatch(name) else None
    if zone is None:
        _bad("time_zone must be the IANA name of a time zone, such as Asia/Seoul")
    let = content.get("let_through", {})
    if not isinstance(let, dict) or not isinstance(let.get("mentions", False), bool):
        _bad("let_through must be an object, and its mentions true or false")
    spans = tuple(_span(span) for span in _list(content, "spans", limits.QUIET_SPANS_MAX))
    return Hours(
        zone=zone,
        spans=spans if enabled else (),
        paused_until_ms=_moment(content.get("paused_until_ms", 0)),
        mentions=let.get("mentions", False),
        users=_ids(let, "users", is_user_id),
        rooms=_ids(let, "rooms", is_room_id),
    )


def parse_or_none(content: JsonObject, zone_of: ZoneOf) -> Hours | None:
    """Of what is stored: what cannot be understood any more keeps nothing quiet, and breaks nothing."""
    try:
        return parse(content, zone_of)
    except Refusal:
        return None


def _bad(message: str) -> NoReturn:
    raise invalid_param(message)


def _list(holder: JsonObject, name: str, count_max: int) -> list[Any]:
    value = holder.get(name, [])
    if not isinstance(value, list) or len(value) > count_max:
        _bad(f"{name} must be a list of at most {count_max}")
    return value


def _span(span: object) -> Span:
    if not isinstance(span, dict):
        _bad("each of spans must be an object")
    days = _list(span, "days", len(_DAYS))
    if not all(type(day) is int and day in _DAYS for day in days):
        _bad("days are numbers from 1 (Monday) to 7")
    return Span(_time(span, "from"), _time(span, "to"), frozenset(days) or _DAYS)


def _time(span: JsonObject, name: str) -> time:
    value = span.get(name)
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        _bad(f"{name} must be a time of day, such as 22:30")
    return time(int(found[1]), int(found[2]))


def _moment(value: object) -> int:
    if type(value) is not int or not 0 <= value <= limits.QUIET_MS_MAX:
        _bad("paused_until_ms must be milliseconds since 1970")
    return value


def _ids(let: JsonObject, name: str, is_id: Callable[[str], bool]) -> frozenset[str]:
    found = _list(let, name, limits.QUIET_LET_THROUGH_MAX)
    if not all(isinstance(each, str) and is_id(each) for each in found):
        _bad(f"let_through.{name} must be ids")
    return frozenset(found)
