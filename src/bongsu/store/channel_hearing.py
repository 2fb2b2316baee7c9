"""What people say to channels, in the rooms of the two, in the order of the stream."""

from typing import Final

import msgspec

from bongsu.core import limits
from bongsu.core.events import Event
from bongsu.store.database import Connection, end_when_silent
from bongsu.store.rooms import Reads
from bongsu.store.streams import EVENT_COLUMNS, read_event


class Heard(msgspec.Struct, frozen=True):
    """An event of a person in a channel's room with them, or of somebody else there. Those who come in are left out."""

    channel_id: str
    account: str
    user_id: str
    event: Event


_STRETCH: Final = f"""
SELECT {EVENT_COLUMNS}, c.channel_id, r.sender AS account, r.user_id FROM events e
JOIN service_rooms r ON r.room_id = e.room_id JOIN channels c ON c.account = r.sender
WHERE e.pos > $1 AND e.pos <= $2 AND e.sender <> r.sender
    AND (e.type <> 'm.room.member' OR position('"membership":"leave"'::bytea IN e.pdu) > 0)
ORDER BY e.pos LIMIT $3
"""  # of memberships those who go: a broadcast brings a hundred thousand in


async def is_behind(reads: Reads, passed: int, pos: int) -> bool:
    """Is there something to hear up to `pos`, or so much of other things that it should be noted as passed?

    passed: up to where nothing is left to be heard, as an earlier look has found.
    """
    rows = await reads.fetch("SELECT pos FROM channel_hearing")
    after = rows[0]["pos"]
    if pos - after >= limits.CHANNEL_HEARD_POSITIONS:
        return True
    return bool(await reads.fetch(_STRETCH, max(after, passed), pos, 1))


async def hear(connection: Connection, pos: int) -> list[Heard] | None:
    """The next of it, up to `pos`, which is now noted as heard. None: another worker hears, or all was heard."""
    await end_when_silent(connection)
    after = await connection.fetchval("SELECT pos FROM channel_hearing FOR UPDATE SKIP LOCKED")
    if after is None or after >= pos:
        return None
    to = min(pos, after + limits.CHANNEL_HEARD_POSITIONS)
    rows = await connection.fetch(_STRETCH, after, to, limits.CHANNEL_HEARD_MAX)
    found = [Heard(row["channel_id"], row["account"], row["user_id"], read_event(row)) for row in rows]
    if len(found) == limits.CHANNEL_HEARD_MAX:
        to = found[-1].event.pos
    await connection.execute("UPDATE channel_hearing SET pos = $1", to)
    return found


async def invitations(reads: Reads, count: int) -> list[tuple[str, str]]:
    """(room, a channel's account that is invited there), the oldest first."""
    rows = await reads.fetch(
        "SELECT m.room_id, m.user_id FROM channels c JOIN members m ON m.user_id = c.account"
        " WHERE m.membership = 'invite' ORDER BY m.pos LIMIT $1",
        count,
    )
    return [(row["room_id"], row["user_id"]) for row in rows]
