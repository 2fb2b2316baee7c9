"""What people say to channels, in the rooms of the two, in the order of the stream."""

from typing import Any, Final

import msgspec

from bongsu.core import limits
from bongsu.core.events import MEMBER, Event
from bongsu.store import visible
from bongsu.store.database import Connection, Record, end_when_silent
from bongsu.store.rooms import Reads
from bongsu.store.streams import EVENT_COLUMNS, read_event


class Heard(msgspec.Struct, frozen=True):
    """An event of a person in a channel's room with them, or of somebody else there, while its account was there, too.

    Of those who come in only the account, at a person's invitation: what they had said before comes with it.
    """

    channel_id: str
    account: str
    user_id: str
    event: Event


WANTED: Final = "SELECT 1 FROM channels"  # without one there is nothing to hear, and nobody need ask


class _Content(msgspec.Struct):
    membership: Any = None


class _Pdu(msgspec.Struct):
    content: _Content


_pdu: Final = msgspec.json.Decoder(_Pdu)
# stay: the account's membership just before. The pieces of text spare looks; what counts is read from the whole.
_OF_CHANNELS: Final = f"""
FROM events e
JOIN service_rooms r ON r.room_id = e.room_id JOIN channels c ON c.account = r.sender
JOIN members m ON m.user_id = r.sender AND m.room_id = e.room_id
JOIN LATERAL (SELECT s.pdu FROM events s WHERE s.room_id = e.room_id AND s.type = '{MEMBER}'
    AND s.state_key = r.sender AND s.pos < e.pos ORDER BY s.pos DESC LIMIT 1) stay ON true
WHERE (m.membership = 'join' OR e.pos < m.pos) AND CASE WHEN e.sender <> r.sender
    THEN e.type <> '{MEMBER}' OR position('"membership":"leave"'::bytea IN e.pdu) > 0
    ELSE e.type = '{MEMBER}' AND e.state_key = r.sender AND position('"membership":"invite"'::bytea IN stay.pdu) > 0 END
"""  # of memberships those who go: a broadcast brings a hundred thousand in
_STRETCH: Final = f"""
SELECT {EVENT_COLUMNS}, c.channel_id, r.sender AS account, r.user_id, stay.pdu AS stay {_OF_CHANNELS}
AND e.pos > $1 AND e.pos <= $2 ORDER BY e.pos LIMIT $3
"""
_WAITS: Final = f"SELECT 1 {_OF_CHANNELS} AND e.room_id = $1 AND e.pos > (SELECT pos FROM channel_hearing) LIMIT 1"
_BEFORE: Final = f"""
SELECT {EVENT_COLUMNS} FROM events e WHERE e.room_id = $1 AND e.pos < $2 AND e.sender = $3 AND e.state_key IS NULL
    AND e.pos > coalesce((SELECT max(s.pos) FROM events s WHERE s.room_id = $1 AND s.type = '{MEMBER}'
        AND s.state_key = $4 AND s.sender = $4 AND s.pos < $2
        AND position('"membership":"join"'::bytea IN s.pdu) > 0), 0)
ORDER BY e.pos DESC LIMIT $5
"""  # since it came in the last time


async def is_behind(reads: Reads, passed: int, pos: int) -> bool:
    """Is there something to hear up to `pos`, or so much of other things that it should be noted as passed?

    passed: up to where nothing is left to be heard, as an earlier look has found.
    """
    rows = await reads.fetch("SELECT pos FROM channel_hearing")
    after = rows[0]["pos"]
    if pos - after >= limits.CHANNEL_HEARD_POSITIONS:
        return True
    return bool(await reads.fetch(_STRETCH, max(after, passed), pos, 1))


async def waits_in(reads: Reads, room_id: str) -> bool:
    """Is there something in this room that is still to be heard?"""
    return bool(await reads.fetch(_WAITS, room_id))


async def hear(connection: Connection, pos: int) -> list[Heard] | None:
    """The next of it, up to `pos`, which is now noted as heard. None: another worker hears, or all was heard."""
    await end_when_silent(connection)
    after = await connection.fetchval("SELECT pos FROM channel_hearing FOR UPDATE SKIP LOCKED")
    if after is None or after >= pos:
        return None
    to = min(pos, after + limits.CHANNEL_HEARD_POSITIONS)
    rows = await connection.fetch(_STRETCH, after, to, limits.CHANNEL_HEARD_MAX)
    found: list[Heard] = []
    for number, row in enumerate(rows, 1):
        found += await _heard(connection, row)
        if max(number, len(found)) >= limits.CHANNEL_HEARD_MAX:
            to = row["pos"]
            break
    await connection.execute("UPDATE channel_hearing SET pos = $1", to)
    return found


async def _heard(connection: Connection, row: Record) -> list[Heard]:
    event, account, customer = read_event(row), row["account"], row["user_id"]
    before = _pdu.decode(row["stay"]).content.membership
    if event.sender == account:
        said = await _said_before(connection, event, customer) if before == "invite" else []
        return [Heard(row["channel_id"], account, customer, each) for each in [*said, event] if before == "invite"]
    return [Heard(row["channel_id"], account, customer, event)] if before == "join" else []


async def _said_before(connection: Connection, came_in: Event, customer: str) -> list[Event]:
    """By the customer while the account was not there, as far as it may be read by whoever comes in."""
    room_id, account = came_in.room_id, came_in.sender
    seen = await visible.load(connection, room_id, account, {})
    rows = await connection.fetch(_BEFORE, room_id, came_in.pos, customer, account, limits.DESK_INVITED_MAX)
    said = [read_event(row) for row in reversed(rows)]
    return [each for each in said if seen.may_see(each) and seen.membership_at(each.pos) != "join"]


class Invitation(msgspec.Struct, frozen=True):
    """account: a channel's, that is invited into the room."""

    pos: int
    room_id: str
    account: str


async def invitations(reads: Reads, after: int, count: int) -> list[Invitation]:
    """Those behind a position, the oldest first."""
    rows = await reads.fetch(
        "SELECT m.pos, m.room_id, m.user_id FROM channels c JOIN members m ON m.user_id = c.account"
        " WHERE m.membership = 'invite' AND m.pos > $1 ORDER BY m.pos LIMIT $2",
        *(after, count),
    )
    return [Invitation(*row.values()) for row in rows]
