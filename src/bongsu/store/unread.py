"""Events that somebody may not have read, as the tables have them. Oldest first."""

from typing import Final

from bongsu.core import limits
from bongsu.core.events import MEMBER, Event
from bongsu.core.relations import THREAD
from bongsu.store import events
from bongsu.store.rooms import Reads
from bongsu.store.streams import EVENT_COLUMNS, read_event

_NEWEST: Final = f"""
SELECT {EVENT_COLUMNS} FROM (
    SELECT * FROM events WHERE room_id = $1 AND pos > $2 AND pos <= $3 ORDER BY pos DESC LIMIT $4) AS e
WHERE e.type <> $5 OR e.state_key IS NOT DISTINCT FROM $6 ORDER BY e.pos
"""


async def newest(reads: Reads, room_id: str, after: int, up_to: int, members_but: str | None = None) -> list[Event]:
    """Of the newest events in (after, up_to], UNREAD_EVENTS_MAX of them, all; with members_but none that tell of other
    members than this one.
    """
    count = limits.UNREAD_EVENTS_MAX
    if members_but is None:
        found = await events.page(reads, room_id, after=after, up_to=up_to, newest_first=True, count=count)
        return found[::-1]
    return [read_event(row) for row in await reads.fetch(_NEWEST, room_id, after, up_to, count, MEMBER, members_but)]


_THREADED: Final = f"""
SELECT {EVENT_COLUMNS} FROM relations r JOIN events e ON e.pos = r.pos
WHERE r.room_id = $1 AND r.rel_type = '{THREAD}' AND r.pos > $2 AND r.pos <= $3 ORDER BY r.pos DESC LIMIT $4
"""


async def threaded(reads: Reads, room_id: str, after: int, up_to: int) -> list[Event]:
    """Answers in threads in (after, up_to]."""
    rows = await reads.fetch(_THREADED, room_id, after, up_to, limits.UNREAD_EVENTS_MAX)
    return [read_event(row) for row in reversed(rows)]


_OF_PERSON: Final = f"""
WITH newest AS (
    SELECT e.pos FROM members m, LATERAL (
        SELECT pos FROM events WHERE room_id = m.room_id AND pos < $2 AND pos > coalesce(m.joined_pos, 0)
        ORDER BY pos DESC LIMIT $3) AS e  -- from the index alone: it may be thousands of rooms
    WHERE m.user_id = $1 AND m.membership = 'join'
    UNION ALL
    SELECT pos FROM members WHERE user_id = $1 AND membership = 'invite' AND pos < $2
    ORDER BY pos DESC LIMIT $3)
SELECT {EVENT_COLUMNS} FROM newest n JOIN events e ON e.pos = n.pos ORDER BY e.pos DESC
"""


async def before(reads: Reads, user_id: str, pos: int, count: int) -> list[Event]:
    """The newest events before a position that the person may have been told of, newest first: what happened in rooms
    since they came in, and invitations.
    """
    return [read_event(row) for row in await reads.fetch(_OF_PERSON, user_id, pos, count)]
