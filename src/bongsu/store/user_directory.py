"""People to be found by others, and the rooms that two people share."""

from collections.abc import Sequence
from typing import Final

import msgspec

from bongsu.core import limits
from bongsu.core.events import HISTORY_VISIBILITY, JOIN_RULES
from bongsu.core.finding import Person
from bongsu.core.json import encode
from bongsu.store.patterns import containing
from bongsu.store.rooms import Reads

# Content is canonical JSON, so a rule is a stretch of bytes. Who writes it elsewhere into their room's rules shows
# nobody but the room's members.
_OPEN: Final = f"""
EXISTS (
    SELECT 1 FROM members m JOIN room_state s ON s.room_id = m.room_id AND s.state_key = ''
      AND s.type IN ('{JOIN_RULES}', '{HISTORY_VISIBILITY}')
    JOIN events e ON e.pos = s.pos
    WHERE m.user_id = f.user_id AND m.membership = 'join'
      AND (position('"join_rule":"public"'::bytea IN e.pdu) > 0
           OR position('"history_visibility":"world_readable"'::bytea IN e.pdu) > 0))
"""
_FOUND: Final = f"""
WITH found AS (
    SELECT u.user_id, n.value AS name FROM users u
    LEFT JOIN profiles n ON n.user_id = u.user_id AND n.key_name = 'displayname'
    WHERE u.deactivated_at IS NULL AND (
        CASE WHEN $3 THEN u.user_id ELSE split_part(u.user_id, ':', 1) END ILIKE ANY($2)
        OR convert_from(n.value, 'UTF8') ILIKE ANY($2))
    ORDER BY coalesce(length(n.value), length(u.user_id)), u.user_id LIMIT $6
), known AS (
    SELECT f.*, f.user_id = $1 OR EXISTS (
        SELECT 1 FROM members theirs JOIN members own ON own.room_id = theirs.room_id
        WHERE theirs.user_id = f.user_id AND theirs.membership = 'join'
          AND own.user_id = $1 AND own.membership = 'join') AS is_known
    FROM found f
)
SELECT f.user_id, f.name, a.value AS avatar_url, f.is_known FROM known f
LEFT JOIN profiles a ON a.user_id = f.user_id AND a.key_name = 'avatar_url'
WHERE f.is_known OR $4 OR {_OPEN}
ORDER BY f.is_known DESC, coalesce(length(f.name), length(f.user_id)), f.user_id LIMIT $5
"""


async def candidates(
    reads: Reads, user_id: str, spellings: Sequence[str], *, whole_ids: bool, everybody: bool, count: int
) -> list[Person]:
    """People whom this one may find, whose name or id holds one of the spellings; the best known and shortest first.

    whole_ids: also look behind the colon of user ids. everybody: not only who shares a room or is in an open one.
    """
    patterns = [containing(encode(spelling).decode()[1:-1]) for spelling in spellings]
    rows = await reads.fetch(_FOUND, user_id, patterns, whole_ids, everybody, count, limits.PEOPLE_MATCHED_MAX)
    return [Person(row["user_id"], _text(row["name"]), _text(row["avatar_url"]), row["is_known"]) for row in rows]


def _text(value: bytes | None) -> str | None:
    found = msgspec.json.decode(value) if value is not None else None
    return found if isinstance(found, str) and found else None


_SHARED: Final = """
FROM members own JOIN members theirs ON theirs.room_id = own.room_id AND theirs.user_id = $2
WHERE own.user_id = $1 AND own.membership = 'join' AND theirs.membership = 'join'
"""


async def shared_rooms(reads: Reads, user_id: str, other: str, after: str, count: int) -> tuple[list[str], int]:
    """(rooms that both are in, by id, after this one; how many there are in all)."""
    rows = await reads.fetch(
        f"SELECT own.room_id {_SHARED} AND own.room_id > $3 ORDER BY own.room_id LIMIT $4",
        user_id,
        other,
        after,
        count,
    )
    total = await reads.fetch(f"SELECT count(*) AS rooms {_SHARED}", user_id, other)
    return [row["room_id"] for row in rows], total[0]["rooms"]
