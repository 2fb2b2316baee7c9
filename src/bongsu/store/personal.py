"""A person's account data, receipts, presence and filters, as the tables have them."""

from collections.abc import Sequence
from typing import Final

from bongsu.core.account_data import IGNORED_USERS, ignored_users
from bongsu.core.json import decode
from bongsu.store.rooms import Reads
from bongsu.store.rows import AccountData, Presence, Receipt


async def account_data(reads: Reads, user_id: str, room_id: str, kind: str) -> bytes | None:
    """The content of one piece of account data (room_id "": global)."""
    rows = await reads.fetch(
        "SELECT content FROM account_data WHERE user_id = $1 AND room_id = $2 AND type = $3", user_id, room_id, kind
    )
    return rows[0]["content"] if rows else None


async def ignored_by(reads: Reads, user_id: str) -> frozenset[str]:
    """The people whom this one does not want to hear of."""
    content = await account_data(reads, user_id, "", IGNORED_USERS)
    return frozenset() if content is None else ignored_users(decode(content))


async def account_data_of(reads: Reads, user_id: str, kinds: Sequence[str]) -> list[tuple[str, bytes]]:
    """(type, content) of global account data of these types."""
    rows = await reads.fetch(
        "SELECT type, content FROM account_data WHERE user_id = $1 AND room_id = '' AND type = ANY($2)", user_id, kinds
    )
    return [(row["type"], row["content"]) for row in rows]


async def account_data_since(
    reads: Reads, user_id: str, after: int, up_to: int, room_ids: Sequence[str] | None = None
) -> list[AccountData]:
    """What was set in (after, up_to], globally and in rooms; with room_ids only there."""
    rows = await reads.fetch(
        "SELECT pos, user_id, room_id, type, content FROM account_data"
        " WHERE user_id = $1 AND pos > $2 AND pos <= $3 AND ($4::text[] IS NULL OR room_id = ANY($4)) ORDER BY pos",
        user_id,
        after,
        up_to,
        room_ids,
    )
    return [AccountData(*row.values()) for row in rows]


async def receipts_since(reads: Reads, user_id: str, room_ids: Sequence[str], after: int, up_to: int) -> list[Receipt]:
    """Receipts set in (after, up_to] in these rooms, other people's private ones left out."""
    rows = await reads.fetch(
        "SELECT pos, room_id, user_id, receipt_type, thread_id, event_id, event_pos, ts_ms FROM receipts"
        " WHERE room_id = ANY($1) AND pos > $2 AND pos <= $3 AND (receipt_type = 'm.read' OR user_id = $4)"
        " ORDER BY pos",
        room_ids,
        after,
        up_to,
        user_id,
    )
    return [Receipt(*row.values()) for row in rows]


async def own_receipts(reads: Reads, user_id: str, room_ids: Sequence[str]) -> list[Receipt]:
    """The person's read receipts, public and private."""
    rows = await reads.fetch(
        "SELECT pos, room_id, user_id, receipt_type, thread_id, event_id, event_pos, ts_ms FROM receipts"
        " WHERE user_id = $1 AND room_id = ANY($2)",
        user_id,
        room_ids,
    )
    return [Receipt(*row.values()) for row in rows]


_PRESENCE: Final = """
SELECT pos, user_id, state, status_msg, last_active_ms, ARRAY[]::text[] FROM presence p
WHERE pos > $2 AND pos <= $3 AND ($4 OR state <> 'offline') AND (user_id = $1 OR EXISTS (
    SELECT 1 FROM members mine JOIN members theirs ON theirs.room_id = mine.room_id
    WHERE mine.user_id = $1 AND mine.membership = 'join'
      AND theirs.user_id = p.user_id AND theirs.membership = 'join'))
ORDER BY pos DESC LIMIT $5
"""


async def presence_since(
    reads: Reads, user_id: str, after: int, up_to: int, *, offline_too: bool, count: int
) -> list[Presence]:
    """Presence changes in (after, up_to] of people who share a room with this one."""
    return [Presence(*row.values()) for row in await reads.fetch(_PRESENCE, user_id, after, up_to, offline_too, count)]


_AMONG: Final = """
SELECT pos, user_id, state, status_msg, last_active_ms, ARRAY[]::text[] FROM presence
WHERE state <> 'offline' AND pos <= $3 AND (user_id = ANY($1) OR user_id IN (
    SELECT user_id FROM members WHERE room_id = ANY($2) AND membership = 'join'))
LIMIT 500
"""


async def presence_among(reads: Reads, user_ids: Sequence[str], room_ids: Sequence[str], up_to: int) -> list[Presence]:
    """The presence of these people, and of those in these rooms, unless offline."""
    return [Presence(*row.values()) for row in await reads.fetch(_AMONG, user_ids, room_ids, up_to)]


async def presence_of(reads: Reads, user_id: str) -> Presence | None:
    rows = await reads.fetch(
        "SELECT pos, user_id, state, status_msg, last_active_ms, ARRAY[]::text[] FROM presence WHERE user_id = $1",
        user_id,
    )
    return Presence(*rows[0].values()) if rows else None


async def share_a_room(reads: Reads, one: str, other: str) -> bool:
    rows = await reads.fetch(
        "SELECT 1 FROM members a JOIN members b ON b.room_id = a.room_id"
        " WHERE a.user_id = $1 AND a.membership = 'join' AND b.user_id = $2 AND b.membership = 'join' LIMIT 1",
        one,
        other,
    )
    return bool(rows)


_TOUCHED: Final = """
SELECT room_id FROM unnest($1::text[]) AS r (room_id)
WHERE EXISTS (SELECT 1 FROM events e WHERE e.room_id = r.room_id AND e.pos > $2 AND e.pos <= $3)
   OR EXISTS (SELECT 1 FROM receipts t WHERE t.room_id = r.room_id AND t.pos > $2 AND t.pos <= $3)
UNION SELECT room_id FROM typing WHERE pos > $2 AND pos <= $3 AND room_id = ANY($1)
UNION SELECT room_id FROM account_data WHERE user_id = $4 AND pos > $2 AND pos <= $3 AND room_id <> ''
"""


async def touched(reads: Reads, user_id: str, room_ids: Sequence[str], after: int, up_to: int) -> set[str]:
    """Those of the rooms in which something happened in (after, up_to]."""
    return {row["room_id"] for row in await reads.fetch(_TOUCHED, room_ids, after, up_to, user_id)}


async def stored_filter(reads: Reads, user_id: str, filter_id: str) -> bytes | None:
    rows = await reads.fetch("SELECT filter FROM filters WHERE user_id = $1 AND filter_id = $2", user_id, filter_id)
    return rows[0]["filter"] if rows else None


async def typing_until(reads: Reads, room_id: str, user_id: str) -> int:
    """0: the person does not type there."""
    rows = await reads.fetch("SELECT until_ms FROM typing WHERE room_id = $1 AND user_id = $2", room_id, user_id)
    return int(rows[0]["until_ms"]) if rows else 0


SET_FILTER: Final = (
    "INSERT INTO filters (user_id, filter_id, filter) VALUES ($1, $2, $3) ON CONFLICT (user_id, filter_id) DO NOTHING"
)
TYPING_DUE: Final = "SELECT 1 WHERE (SELECT min(until_ms) FROM typing WHERE until_ms > 0) < $1"
EXPIRED_TYPING: Final = (
    "SELECT pos, room_id, user_id, until_ms FROM typing WHERE until_ms > 0 AND until_ms < $1 LIMIT 500"
)
REFRESH_PRESENCE: Final = (
    "UPDATE presence p SET last_active_ms = greatest(p.last_active_ms, s.ms)"
    " FROM unnest($1::text[], $2::bigint[]) AS s (user_id, ms) WHERE p.user_id = s.user_id"
)
GONE_PRESENCE: Final = "SELECT user_id FROM presence WHERE state <> 'offline' AND last_active_ms < $1 LIMIT 500"
