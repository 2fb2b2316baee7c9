"""Whose devices have changed, who has come to share a room with somebody, and who shares none any more.

Only people who ever uploaded keys count: nobody needs to hear of the devices of others.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from bongsu.store.rooms import Reads


class Meeting(msgspec.Struct, frozen=True):
    """Somebody's membership of a room changed, or their name there did. left: they are not in it any more."""

    pos: int
    room_id: str
    user_id: str
    left: bool


_CHANGED: Final = """
SELECT DISTINCT l.user_id FROM device_lists l
WHERE l.pos > $2 AND l.pos <= $3 AND (l.seen_by = $1 OR l.seen_by = '' AND (l.user_id = $1 OR EXISTS (
    SELECT 1 FROM members mine JOIN members theirs ON theirs.room_id = mine.room_id
    WHERE mine.user_id = $1 AND mine.membership = 'join'
      AND theirs.user_id = l.user_id AND theirs.membership = 'join')))
"""


async def changed(reads: Reads, user_id: str, after: int, up_to: int) -> set[str]:
    """People whose keys changed in (after, up_to] and who share a room with this one, who is one of them."""
    return {row["user_id"] for row in await reads.fetch(_CHANGED, user_id, after, up_to)}


_MEETINGS: Final = """
SELECT m.pos, m.room_id, m.user_id, m.membership <> 'join'
FROM members mine JOIN members m ON m.room_id = mine.room_id
WHERE mine.user_id = $1 AND m.pos > $2 AND (mine.membership = 'join' OR m.user_id = $1)
"""


async def meetings(reads: Reads, user_id: str, after: int) -> list[Meeting]:
    """What happened since the position to members of the person's rooms, and to the person."""
    return [Meeting(*row.values()) for row in await reads.fetch(_MEETINGS, user_id, after)]


_HAS_KEYS: Final = "EXISTS (SELECT 1 FROM device_lists d WHERE d.user_id = met.user_id AND d.seen_by = '')"
_MET: Final = f"""
SELECT met.user_id FROM (
    SELECT user_id FROM members WHERE room_id = ANY($3) AND membership = 'join'
    UNION
    SELECT theirs.user_id FROM unnest($4::text[], $5::text[]) AS seen (room_id, user_id)
    JOIN members mine ON mine.room_id = seen.room_id AND mine.user_id = $1 AND mine.membership = 'join'
    JOIN members theirs ON theirs.room_id = seen.room_id AND theirs.user_id = seen.user_id
    WHERE theirs.membership = 'join' AND theirs.joined_pos > $2
) AS met
WHERE met.user_id <> $1 AND {_HAS_KEYS} AND NOT EXISTS (
    SELECT 1 FROM members mine JOIN members theirs ON theirs.room_id = mine.room_id
    WHERE mine.user_id = $1 AND mine.membership = 'join' AND mine.joined_pos <= $2
      AND theirs.user_id = met.user_id AND theirs.membership = 'join' AND theirs.joined_pos <= $2)
"""


async def met(
    reads: Reads, user_id: str, after: int, entered: Sequence[str], joined: Sequence[tuple[str, str]]
) -> set[str]:
    """Who shares a room with the person, but has not done so since before `after`.

    entered: rooms that the person came into; joined: (room, user) of others who may have come.
    """
    columns = ([room for room, _ in joined], [user for _, user in joined])
    return {row["user_id"] for row in await reads.fetch(_MET, user_id, after, list(entered), *columns)}


_PARTED: Final = f"""
SELECT met.user_id FROM (
    SELECT user_id FROM members
    WHERE room_id = ANY($3) AND joined_pos IS NOT NULL AND (membership = 'join' OR pos > $2)
    UNION
    SELECT theirs.user_id FROM unnest($4::text[], $5::text[]) AS seen (room_id, user_id)
    JOIN members theirs ON theirs.room_id = seen.room_id AND theirs.user_id = seen.user_id
    WHERE theirs.membership <> 'join' AND theirs.joined_pos IS NOT NULL
) AS met
WHERE met.user_id <> $1 AND {_HAS_KEYS} AND NOT EXISTS (
    SELECT 1 FROM members mine JOIN members theirs ON theirs.room_id = mine.room_id
    WHERE mine.user_id = $1 AND mine.membership = 'join'
      AND theirs.user_id = met.user_id AND theirs.membership = 'join')
"""


async def parted(
    reads: Reads, user_id: str, after: int, left: Sequence[str], gone: Sequence[tuple[str, str]]
) -> set[str]:
    """Who shares no room with the person any more.

    left: rooms that the person left; gone: (room, user) of others who may have left.
    """
    columns = ([room for room, _ in gone], [user for _, user in gone])
    return {row["user_id"] for row in await reads.fetch(_PARTED, user_id, after, list(left), *columns)}
