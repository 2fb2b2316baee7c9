"""A room's past: pages of it, and state as it was. Every query costs a bounded number of rows."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from bongsu.core import limits
from bongsu.core.events import MEMBER, Event
from bongsu.core.filters import Names, RoomEventFilter
from bongsu.core.visibility import END, Visibility
from bongsu.store.rooms import Reads
from bongsu.store.streams import EVENT_COLUMNS, read_event

# --- pages ---


class Page(msgspec.Struct):
    """events: in the order asked for; rest: the position of the last row looked at, None when nothing follows it."""

    events: list[Event]
    rest: int | None


class Arguments(list[Any]):
    """The arguments of a query that is put together: add() gives the placeholder."""

    def add(self, value: Any, kind: str) -> str:
        self.append(value)
        return f"${len(self)}::{kind}"


NOTHING_FILTERED: Final = RoomEventFilter()


async def page(
    reads: Reads,
    room_id: str,
    *,
    after: int,
    up_to: int,
    newest_first: bool,
    count: int,
    visible: Visibility,
    wanted: RoomEventFilter = NOTHING_FILTERED,
) -> Page:
    """At most `count` (from 1) visible events of (after, up_to] that the filter lets through.

    contains_url is only narrowed down here: ask an EventMatcher too. A filter that matches little ends the page after
    HISTORY_SCAN_MAX rows, wherever that is.
    """
    if not visible.ranges:
        return Page([], None)
    after, up_to = max(after, visible.ranges[0][0] - 1), min(up_to, visible.ranges[-1][1])
    arguments = Arguments([room_id, after, up_to, limits.HISTORY_SCAN_MAX, count + 1])
    clauses = [*_visible(visible, arguments), *conditions(wanted, arguments)]
    order = "DESC" if newest_first else "ASC"
    rows = await reads.fetch(
        f"SELECT {EVENT_COLUMNS} FROM (SELECT * FROM events WHERE room_id = $1 AND pos > $2 AND pos <= $3"
        f" ORDER BY pos {order} LIMIT $4) AS e {_where(clauses)} ORDER BY e.pos {order} LIMIT $5",
        *arguments,
    )
    events = [read_event(row) for row in rows[:count] if visible.shows(row["pos"])]
    if len(rows) > count:
        return Page(events, rows[count - 1]["pos"])
    return Page(events, await _scanned_to(reads, room_id, after, up_to, order) if clauses else None)


async def _scanned_to(reads: Reads, room_id: str, after: int, up_to: int, order: str) -> int | None:
    """Where a page ended that looked at HISTORY_SCAN_MAX rows; None when there were not so many."""
    rows = await reads.fetch(
        f"SELECT pos FROM events WHERE room_id = $1 AND pos > $2 AND pos <= $3 ORDER BY pos {order} OFFSET $4 LIMIT 1",
        room_id,
        after,
        up_to,
        limits.HISTORY_SCAN_MAX - 1,
    )
    return rows[0]["pos"] if rows else None


def _where(clauses: Sequence[str]) -> str:
    return f"WHERE {' AND '.join(clauses)}" if clauses else ""


def _visible(visible: Visibility, arguments: Arguments) -> list[str]:
    """Nothing to ask where what is visible is one stretch (the page's bounds say it), or where it is very many."""
    if not 1 < len(visible.ranges) <= limits.VISIBLE_RANGES_IN_SQL_MAX:
        return []
    firsts = arguments.add([first for first, _ in visible.ranges], "bigint[]")
    lasts = arguments.add([last for _, last in visible.ranges], "bigint[]")
    return [
        f"EXISTS (SELECT 1 FROM unnest({firsts}, {lasts}) AS seen (first, last)"
        " WHERE e.pos BETWEEN seen.first AND seen.last)"
    ]


def conditions(wanted: RoomEventFilter, arguments: Arguments) -> list[str]:
    clauses: list[str] = []
    clauses += _types(wanted.types, "{}", arguments)
    clauses += _types(wanted.not_types, "NOT {}", arguments)
    if wanted.senders is not None:
        clauses.append(f"e.sender = ANY({arguments.add(wanted.senders, 'text[]')})")
    if wanted.not_senders:
        clauses.append(f"e.sender <> ALL({arguments.add(wanted.not_senders, 'text[]')})")
    if wanted.contains_url:
        clauses.append("""position('"url":'::bytea in e.pdu) > 0""")
    return clauses + _related(wanted, arguments)


def _types(types: Names, form: str, arguments: Arguments) -> list[str]:
    """Exact names and patterns. A filter with very many patterns is left to the matcher."""
    if types is None:
        return []
    patterns = [name for name in types if "*" in name]
    if len(patterns) > limits.FILTER_PATTERNS_IN_SQL_MAX:
        return []
    exact = arguments.add([name for name in types if "*" not in name], "text[]")
    if not patterns:
        return [form.format(f"(e.type = ANY({exact}))")]
    likes = arguments.add([_like(pattern) for pattern in patterns], "text[]")
    return [form.format(f"(e.type = ANY({exact}) OR e.type LIKE ANY({likes}))")]


def _like(pattern: str) -> str:
    return re.sub(r"\*+", "%", re.sub(r"([\\%_])", r"\\\1", pattern))


def _related(wanted: RoomEventFilter, arguments: Arguments) -> list[str]:
    if wanted.related_by_rel_types is None and wanted.related_by_senders is None:
        return []
    rel_types = arguments.add(wanted.related_by_rel_types, "text[]")
    senders = arguments.add(wanted.related_by_senders, "text[]")
    return [
        "EXISTS (SELECT 1 FROM relations r WHERE r.parent_id = e.event_id"
        f" AND ({rel_types} IS NULL OR r.rel_type = ANY({rel_types}))"
        f" AND ({senders} IS NULL OR r.sender = ANY({senders})))"
    ]


async def nearest(
    reads: Reads, room_id: str, ts_ms: int, *, later: bool, visible: Visibility
) -> tuple[str, int] | None:
    """(event id, its time) of the visible event nearest to a time, at it or later (or earlier).

    Looks at no more than HISTORY_SCAN_MAX events.
    """
    if not visible.ranges:
        return None
    arguments = Arguments([room_id, ts_ms, limits.HISTORY_SCAN_MAX, visible.ranges[0][0], visible.ranges[-1][1]])
    clauses = ["e.pos >= $4", "e.pos <= $5", *_visible(visible, arguments)]
    sign, order = (">=", "ASC") if later else ("<=", "DESC")
    rows = await reads.fetch(
        f"SELECT pos, event_id, ts_ms FROM (SELECT pos, event_id, ts_ms FROM events WHERE room_id = $1"
        f" AND ts_ms {sign} $2 ORDER BY ts_ms {order}, pos {order} LIMIT $3) AS e"
        f" {_where(clauses)} ORDER BY ts_ms {order}, pos {order} LIMIT 100",
        *arguments,
    )
    return next(((row["event_id"], row["ts_ms"]) for row in rows if visible.shows(row["pos"])), None)


# --- state as it was ---

_PREVIOUS: Final = f"""
SELECT wanted.pos AS of_pos, e.* FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
    AS wanted (room_id, type, state_key, pos),
LATERAL (
    SELECT {EVENT_COLUMNS} FROM events e WHERE e.room_id = wanted.room_id AND e.type = wanted.type
      AND e.state_key = wanted.state_key AND e.pos < wanted.pos ORDER BY e.pos DESC LIMIT 1
) AS e
"""


async def replaced(reads: Reads, events: Iterable[Event]) -> dict[int, Event]:
    """By position of each state event among these: the event whose place it took."""
    keys = [(e.room_id, e.type, e.state_key, e.pos) for e in events if e.state_key is not None]
    if not keys:
        return {}
    rows = await reads.fetch(_PREVIOUS, *map(list, zip(*keys, strict=True)))
    return {row["of_pos"]: read_event(row) for row in rows}


_MEMBERS_AT: Final = f"""
SELECT e.* FROM unnest($2::text[]) AS wanted (user_id), LATERAL (
    SELECT {EVENT_COLUMNS} FROM events e WHERE e.room_id = $1 AND e.type = '{MEMBER}'
      AND e.state_key = wanted.user_id AND e.pos <= $3 ORDER BY e.pos DESC LIMIT 1
) AS e
"""


async def members_at(reads: Reads, room_id: str, user_ids: Iterable[str], pos: int) -> list[Event]:
    """The m.room.member events of these people as they stood at `pos`."""
    wanted = list(dict.fromkeys(user_ids))
    return [read_event(row) for row in await reads.fetch(_MEMBERS_AT, room_id, wanted, pos)] if wanted else []


_STATE_KEY_AT: Final = f"""
SELECT {EVENT_COLUMNS} FROM events e
WHERE e.room_id = $1 AND e.type = $2 AND e.state_key = $3 AND e.pos <= $4 ORDER BY e.pos DESC LIMIT 1
"""


async def state_event_at(reads: Reads, room_id: str, event_type: str, state_key: str, pos: int = END) -> Event | None:
    rows = await reads.fetch(_STATE_KEY_AT, room_id, event_type, state_key, pos)
    return read_event(rows[0]) if rows else None


_MEMBERS_NOW: Final = f"""
SELECT {EVENT_COLUMNS} FROM (
    SELECT user_id, pos FROM members WHERE room_id = $1 AND user_id > $2
      AND ($4::text[] IS NULL OR membership = ANY($4)) ORDER BY user_id LIMIT $3
) AS m JOIN events e ON e.pos = m.pos ORDER BY m.user_id
"""
_MEMBERS_THEN: Final = f"""
SELECT DISTINCT ON (e.state_key) {EVENT_COLUMNS} FROM events e
WHERE e.room_id = $1 AND e.type = '{MEMBER}' AND e.state_key > $2 AND e.pos <= $4
ORDER BY e.state_key, e.pos DESC LIMIT $3
"""


async def members_now(
    reads: Reads, room_id: str, after_user: str, memberships: Sequence[str] | None, count: int
) -> list[Event]:
    """A stretch of the room's m.room.member events, by user id; memberships: only those, None for all."""
    return [read_event(row) for row in await reads.fetch(_MEMBERS_NOW, room_id, after_user, count, memberships)]


async def members_then(reads: Reads, room_id: str, after_user: str, pos: int, count: int) -> list[Event]:
    """As members_now, of everybody, as it stood at `pos`."""
    return [read_event(row) for row in await reads.fetch(_MEMBERS_THEN, room_id, after_user, count, pos)]
