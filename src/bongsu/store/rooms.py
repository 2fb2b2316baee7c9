"""Rooms, their state and their members, as the tables have them."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, Protocol

import msgspec

from bongsu.core.events import Event
from bongsu.store.database import Record
from bongsu.store.rows import Typing
from bongsu.store.streams import EVENT_COLUMNS, read_event


class Reads(Protocol):
    """Where to read: the pool, or the connection of a transaction."""

    async def fetch(self, sql: str, *args: Any) -> list[Record]: ...


class RoomRecord(msgspec.Struct):
    """What the tables know of one room. `tail`: its newest events, oldest first; `whole`: the tail is all there is."""

    room_id: str
    version: str
    pos: int
    state: list[Event] = []
    tail: list[Event] = []
    whole: bool = False
    joined_count: int = 0
    invited_count: int = 0
    typing: list[Typing] = []


_ROOMS: Final = """
SELECT room_id, version, (SELECT pos FROM stream) AS pos FROM rooms WHERE room_id = ANY($1)
"""
_STATE: Final = f"""
SELECT {EVENT_COLUMNS} FROM room_state s JOIN events e ON e.pos = s.pos WHERE s.room_id = ANY($1) ORDER BY e.pos
"""
_COUNTS: Final = """
SELECT room_id, membership, count(*) AS people FROM members
WHERE room_id = ANY($1) AND membership IN ('join', 'invite') GROUP BY room_id, membership
"""
_TYPING: Final = """
SELECT pos, room_id, user_id, until_ms FROM typing t
WHERE room_id = ANY($1) AND (until_ms > 0 OR pos = (SELECT max(pos) FROM typing n WHERE n.room_id = t.room_id))
"""  # the newest row too when it is an end: whoever does not know of it must be told
# Compared in pairs, so that nothing but the index of both can give the order. Else, where some rooms are large, the
# database takes events of all rooms, from the newest back, until it has enough of one that was silent for long.
_TAILS: Final = f"""
SELECT e.* FROM unnest($1::text[]) AS wanted (id), LATERAL (
    SELECT {EVENT_COLUMNS} FROM events e
    WHERE (e.room_id, e.pos) >= (wanted.id, 0) AND (e.room_id, e.pos) <= (wanted.id, $3)
    ORDER BY e.room_id DESC, e.pos DESC LIMIT $2
) AS e
"""


async def load(reads: Reads, room_ids: Sequence[str], tail_max: int) -> dict[str, RoomRecord]:
    """The rooms that exist, without their members. Run it inside one snapshot, or with the right to write."""
    rooms = {
        row["room_id"]: RoomRecord(row["room_id"], row["version"], row["pos"])
        for row in await reads.fetch(_ROOMS, room_ids)
    }
    for row in await reads.fetch(_STATE, room_ids):
        rooms[row["room_id"]].state.append(read_event(row))
    for row in await reads.fetch(_COUNTS, room_ids):
        if row["membership"] == "join":
            rooms[row["room_id"]].joined_count = row["people"]
        else:
            rooms[row["room_id"]].invited_count = row["people"]
    for row in await reads.fetch(_TYPING, room_ids):
        rooms[row["room_id"]].typing.append(Typing(*row.values()))
    for room_id, tail in (await tails(reads, list(rooms), tail_max)).items():
        rooms[room_id].tail = tail
        rooms[room_id].whole = len(tail) < tail_max
    return rooms


async def tails(reads: Reads, room_ids: Sequence[str], count: int, up_to: int = 2**62) -> dict[str, list[Event]]:
    """The newest `count` events at or below `up_to` of each room, oldest first."""
    found: dict[str, list[Event]] = {room_id: [] for room_id in room_ids}
    for row in await reads.fetch(_TAILS, room_ids, count, up_to):
        found[row["room_id"]].append(read_event(row))
    for tail in found.values():
        tail.reverse()
    return found


_MEMBERS: Final = f"""
SELECT {EVENT_COLUMNS} FROM unnest($1::text[], $2::text[]) AS wanted (room_id, user_id)
JOIN members m ON m.room_id = wanted.room_id AND m.user_id = wanted.user_id JOIN events e ON e.pos = m.pos
"""


async def members(reads: Reads, pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Event]:
    """The current m.room.member events of (room, user) pairs; pairs without one are absent."""
    pairs = list(pairs)
    rows = await reads.fetch(_MEMBERS, [room for room, _ in pairs], [user for _, user in pairs])
    return {(row["room_id"], row["state_key"]): read_event(row) for row in rows}


class Membership(msgspec.Struct, frozen=True):
    """A person's place in a room. pos: of the m.room.member event; joined_pos: where the present or last stay began."""

    room_id: str
    membership: str
    pos: int
    joined_pos: int | None
    forgotten: bool


async def memberships(reads: Reads, user_id: str) -> list[Membership]:
    """Where a person is, was and is invited."""
    rows = await reads.fetch(
        "SELECT room_id, membership, pos, joined_pos, forgotten_pos IS NOT NULL FROM members WHERE user_id = $1",
        user_id,
    )
    return [Membership(*row.values()) for row in rows]


async def members_of(reads: Reads, room_id: str, *kinds: str) -> list[str]:
    """The ids of a room's people with one of these memberships."""
    rows = await reads.fetch(
        "SELECT user_id FROM members WHERE room_id = $1 AND membership = ANY($2) ORDER BY pos", room_id, kinds
    )
    return [row["user_id"] for row in rows]


_STATE_AT: Final = f"""
SELECT DISTINCT ON (e.type, e.state_key) {EVENT_COLUMNS} FROM events e
WHERE e.room_id = $1 AND e.state_key IS NOT NULL AND e.pos <= $2
  AND ($3::text[] IS NULL OR e.type = ANY($3)) AND ($4::text[] IS NULL OR e.state_key = ANY($4))
  AND ($5::text[] IS NULL OR e.type <> ALL($5)) AND e.pos > $6
ORDER BY e.type, e.state_key, e.pos DESC
"""


async def state_at(
    reads: Reads,
    room_id: str,
    pos: int,
    *,
    types: Sequence[str] | None = None,
    state_keys: Sequence[str] | None = None,
    not_types: Sequence[str] | None = None,
    after: int = 0,
) -> list[Event]:
    """The state of a room as it stood at `pos`; with `after`, only what was set since then."""
    rows = await reads.fetch(_STATE_AT, room_id, pos, types, state_keys, not_types, after)
    return [read_event(row) for row in rows]


async def receipt_pos(reads: Reads, room_id: str, user_id: str, receipt_type: str, thread_id: str) -> int:
    """The position of the event this receipt points at; 0 for none."""
    rows = await reads.fetch(
        "SELECT event_pos FROM receipts WHERE room_id = $1 AND user_id = $2 AND receipt_type = $3 AND thread_id = $4",
        room_id,
        user_id,
        receipt_type,
        thread_id,
    )
    return rows[0]["event_pos"] if rows else 0


async def joined_rooms(reads: Reads, user_id: str) -> list[str]:
    rows = await reads.fetch("SELECT room_id FROM members WHERE user_id = $1 AND membership = 'join'", user_id)
    return [row["room_id"] for row in rows]
