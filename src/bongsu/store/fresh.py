"""What a first sync needs of many rooms, each in one query however many rooms there are."""

from collections.abc import Sequence
from typing import Final

from bongsu.core.events import Event, StateKey
from bongsu.store.rooms import Reads
from bongsu.store.streams import EVENT_COLUMNS, read_event


async def all_members(reads: Reads, room_ids: Sequence[str]) -> list[Event]:
    """Every current m.room.member event of these rooms."""
    rows = await reads.fetch(
        f"SELECT {EVENT_COLUMNS} FROM members m JOIN events e ON e.pos = m.pos WHERE m.room_id = ANY($1)", room_ids
    )
    return [read_event(row) for row in rows]


_HEROES: Final = """
SELECT r.room_id, h.user_id FROM unnest($1::text[]) AS r (room_id), LATERAL (
    SELECT user_id, pos FROM members m WHERE m.room_id = r.room_id AND m.user_id <> $2
      AND CASE WHEN EXISTS (SELECT 1 FROM members o WHERE o.room_id = r.room_id AND o.user_id <> $2
                            AND o.membership IN ('join', 'invite'))
               THEN m.membership IN ('join', 'invite') ELSE m.membership IN ('leave', 'ban') END
    ORDER BY pos LIMIT $3) AS h
ORDER BY h.pos
"""


async def heroes(reads: Reads, room_ids: Sequence[str], user_id: str, count: int) -> dict[str, list[str]]:
    """Per room the people it is called after when it has no name: who is in or invited; with nobody there, who was."""
    found: dict[str, list[str]] = {room_id: [] for room_id in room_ids}
    for row in await reads.fetch(_HEROES, room_ids, user_id, count) if room_ids else ():
        found[row["room_id"]].append(row["user_id"])
    return found


_BEFORE: Final = f"""
SELECT {EVENT_COLUMNS}
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) AS k (room_id, type, state_key, at),
LATERAL (SELECT * FROM events o WHERE o.room_id = k.room_id AND o.type = k.type AND o.state_key = k.state_key
         AND o.pos <= k.at ORDER BY o.pos DESC LIMIT 1) AS e
"""


async def state_before(reads: Reads, events: Sequence[tuple[Event, int]]) -> dict[tuple[str, str, str], Event]:
    """What stood under the key of each state event at a position, by (room id, type, state key)."""
    if not events:
        return {}
    keys: list[StateKey] = [event.key for event, _ in events if event.key is not None]
    rows = await reads.fetch(
        _BEFORE,
        [event.room_id for event, _ in events],
        [kind for kind, _ in keys],
        [state_key for _, state_key in keys],
        [at for _, at in events],
    )
    return {(row["room_id"], row["type"], row["state_key"]): read_event(row) for row in rows}
