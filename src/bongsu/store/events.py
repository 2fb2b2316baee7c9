"""Single events and stretches of history, as the table has them."""

from collections.abc import Sequence
from typing import Any, Final

from bongsu.core.events import Event
from bongsu.store.rooms import Reads
from bongsu.store.streams import EVENT_COLUMNS, read_event

_BY_ID: Final = f"SELECT {EVENT_COLUMNS} FROM events e WHERE e.event_id = ANY($1)"

_BY_POS: Final = f"SELECT {EVENT_COLUMNS} FROM events e WHERE e.pos = ANY($1)"


async def with_pdu(reads: Reads, room_id: str, event_id: str) -> tuple[Event, bytes] | None:
    """An event of this room and its PDU; None if the room has no such event."""
    rows = await reads.fetch(_BY_ID, [event_id])
    if not rows or rows[0]["room_id"] != room_id:
        return None
    return read_event(rows[0]), rows[0]["pdu"]


async def pdus(reads: Reads, event_ids: Sequence[str]) -> dict[str, bytes]:
    """The PDUs of events, by id."""
    rows = await reads.fetch("SELECT event_id, pdu FROM events WHERE event_id = ANY($1)", event_ids)
    return {row["event_id"]: row["pdu"] for row in rows}


async def by_id(reads: Reads, event_ids: Sequence[str]) -> dict[str, Event]:
    """Events by id, of whatever room."""
    return {row["event_id"]: read_event(row) for row in await reads.fetch(_BY_ID, event_ids)}


async def by_pos(reads: Reads, positions: Sequence[int]) -> dict[int, Event]:
    """Events by position, of whatever room."""
    return {row["pos"]: read_event(row) for row in await reads.fetch(_BY_POS, positions)}


_OF_PERSON: Final = f"""
SELECT {EVENT_COLUMNS} FROM events e
WHERE e.pos > $2 AND e.pos <= $3 AND ((e.type = 'm.room.member' AND e.state_key = $1) OR e.room_id IN (
    SELECT room_id FROM members WHERE user_id = $1 AND joined_pos IS NOT NULL AND forgotten_pos IS NULL
      AND (membership = 'join' OR pos > $2)))
ORDER BY e.pos LIMIT $4
"""


async def of_person(reads: Reads, user_id: str, after: int, up_to: int, count: int) -> list[Event]:
    """The oldest events of (after, up_to] in the rooms where the person is, or was at its beginning, and what became of
    the person in any room.

    Not all of them need be for the person to see. Costs up_to - after rows.
    """
    return [read_event(row) for row in await reads.fetch(_OF_PERSON, user_id, after, up_to, count)]


async def page(
    reads: Reads, room_id: str, *, after: int, up_to: int, newest_first: bool, count: int, **conditions: Any
) -> list[Event]:
    """Events of a room in (after, up_to], at most `count`, in the order asked for.

    conditions: types, not_types, senders, not_senders (lists of names, no wildcards).
    """
    where, arguments = _conditions(conditions, first=5)
    order = "DESC" if newest_first else "ASC"
    rows = await reads.fetch(
        f"SELECT {EVENT_COLUMNS} FROM events e WHERE e.room_id = $1 AND e.pos > $2 AND e.pos <= $3 {where}"
        f" ORDER BY e.pos {order} LIMIT $4",
        room_id,
        after,
        up_to,
        count,
        *arguments,
    )
    return [read_event(row) for row in rows]


async def newest_stretch(reads: Reads, room_id: str, types: Sequence[str], count: int) -> tuple[int, int] | None:
    """(first, last): positions between which the newest so many of these types stand. None: there are none."""
    [row] = await reads.fetch(
        "SELECT min(pos) AS first, max(pos) AS last FROM (SELECT pos FROM events WHERE room_id = $1 AND type = ANY($2)"
        " ORDER BY pos DESC LIMIT $3) AS newest",
        *(room_id, list(types), count),
    )
    return None if row["first"] is None else (row["first"], row["last"])


async def newest_of(reads: Reads, wanted: Sequence[tuple[str, str | None]], types: Sequence[str]) -> dict[str, Event]:
    """The newest event of these types in each room that has one. wanted: room ids, with whose it is to be."""
    rows = await reads.fetch(
        f"SELECT {EVENT_COLUMNS} FROM unnest($1::text[], $2::text[]) AS wanted (room_id, sender)"
        " JOIN LATERAL ("
        " SELECT pos FROM events WHERE events.room_id = wanted.room_id AND type = ANY($3)"
        " AND (wanted.sender IS NULL OR events.sender = wanted.sender) ORDER BY pos DESC LIMIT 1"
        ") AS newest ON true JOIN events e ON e.pos = newest.pos",
        *([room_id for room_id, _ in wanted], [sender for _, sender in wanted], list(types)),
    )
    return {event.room_id: event for event in map(read_event, rows)}


_CONDITIONS: Final = {
    "types": "AND e.type = ANY({})",
    "not_types": "AND e.type <> ALL({})",
    "senders": "AND e.sender = ANY({})",
    "not_senders": "AND e.sender <> ALL({})",
}


def _conditions(given: dict[str, Any], first: int) -> tuple[str, list[Any]]:
    clauses: list[str] = []
    arguments: list[Any] = []
    for name, value in given.items():
        if value is not None:
            clauses.append(_CONDITIONS[name].format(f"${first + len(arguments)}::text[]"))
            arguments.append(value)
    return " ".join(clauses), arguments
