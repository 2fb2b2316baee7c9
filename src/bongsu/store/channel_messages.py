"""What a channel said to one customer: who said it in truth, and what became of it.

The words go through the outbox into the room of the two. The event that they became is found by its transaction key.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from bongsu.core.events import Event
from bongsu.core.json import JsonObject
from bongsu.core.paging import Page
from bongsu.store import outbox
from bongsu.store.database import Connection, Record
from bongsu.store.outbox import Post
from bongsu.store.rooms import Reads
from bongsu.store.streams import EVENT_COLUMNS, read_event


class By(StrEnum):
    AGENT = "agent"
    BOT = "bot"
    DESK = "desk"  # what it says by itself: greeting, away text
    TEMPLATE = "template"


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """author: a user id, "key/…", or "" for the desk itself."""

    message_id: str
    channel_id: str
    user_id: str
    kind: By
    author: str
    outbox_id: int
    made_ts: int
    template_id: str | None = None
    version: int | None = None


_COLUMNS: Final = "message_id, channel_id, user_id, kind, author, template_id, version, outbox_id, made_ts"


def _said(row: Record) -> Said:
    return Said(
        message_id=row["message_id"],
        channel_id=row["channel_id"],
        user_id=row["user_id"],
        kind=By(row["kind"]),
        author=row["author"],
        outbox_id=row["outbox_id"],
        made_ts=row["made_ts"],
        template_id=row["template_id"],
        version=row["version"],
    )


async def say(connection: Connection, said: Said, post: Post) -> None:
    """Puts it into the outbox, and notes whose words they are. said.outbox_id is not looked at."""
    outbox_id = await outbox.put_one(connection, post)
    await connection.execute(
        f"INSERT INTO channel_messages ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        *(said.message_id, said.channel_id, said.user_id, said.kind.value, said.author),
        *(said.template_id, said.version, outbox_id, said.made_ts),
    )


async def message(reads: Reads, channel_id: str, message_id: str) -> Said | None:
    rows = await reads.fetch(
        f"SELECT {_COLUMNS} FROM channel_messages WHERE channel_id = $1 AND message_id = $2", channel_id, message_id
    )
    return _said(rows[0]) if rows else None


async def messages(reads: Reads, channel_id: str, kind: By, page: Page) -> list[Said]:
    """The oldest first."""
    after = page.after or (-1, "")
    rows = await reads.fetch(
        f"SELECT {_COLUMNS} FROM channel_messages WHERE channel_id = $1 AND kind = $2"
        " AND (made_ts, message_id) > ($3, $4) ORDER BY made_ts, message_id LIMIT $5",
        *(channel_id, kind.value, *after, page.count),
    )
    return [_said(row) for row in rows]


async def by_outbox(reads: Reads, outbox_ids: Sequence[int]) -> dict[int, Said]:
    """Whose words those rows of the outbox were."""
    if not outbox_ids:
        return {}
    rows = await reads.fetch(f"SELECT {_COLUMNS} FROM channel_messages WHERE outbox_id = ANY($1)", list(outbox_ids))
    return {row["outbox_id"]: _said(row) for row in rows}


# --- what became of it ---


async def rooms_of_both(reads: Reads, account: str, user_id: str, count: int) -> list[str]:
    """Where both are or were, the newest first: somebody may have left one room with a channel and made another."""
    rows = await reads.fetch(
        "SELECT m.room_id FROM members m JOIN members o ON o.user_id = $1 AND o.room_id = m.room_id"
        " WHERE m.user_id = $2 ORDER BY o.pos DESC LIMIT $3",
        *(account, user_id, count),
    )
    return [row["room_id"] for row in rows]


async def is_owed(reads: Reads, outbox_id: int) -> bool:
    """Is it not said yet?"""
    return bool(await reads.fetch("SELECT FROM outbox WHERE outbox_id = $1", outbox_id))


async def by_txn_key(reads: Reads, keys: Sequence[bytes]) -> Mapping[bytes, Event]:
    """What the transactions made, by their keys."""
    sql = f"SELECT {EVENT_COLUMNS}, e.txn_key FROM events e WHERE e.txn_key = ANY($1)"
    return {bytes(row["txn_key"]): read_event(row) for row in await reads.fetch(sql, list(keys))}


async def read_up_to(reads: Reads, account: str, room_id: str, user_id: str) -> tuple[int, int]:
    """(position, when): up to where the person has read the room, as far as the account may know. (0, 0): none."""
    rows = await reads.fetch(
        "SELECT r.event_pos, r.ts_ms FROM receipts r JOIN members m ON m.user_id = $3 AND m.room_id = r.room_id"
        " WHERE r.room_id = $1 AND r.user_id = $2 AND r.receipt_type = 'm.read'"
        " AND (m.membership = 'join' OR r.pos < m.pos) ORDER BY r.event_pos DESC LIMIT 1",
        *(room_id, user_id, account),
    )
    return (rows[0]["event_pos"], rows[0]["ts_ms"]) if rows else (0, 0)


_READ_SINCE: Final = """
SELECT r.pos, r.event_id, r.ts_ms, r.user_id, c.channel_id, d.conversation_id FROM receipts r
JOIN service_rooms s ON s.room_id = r.room_id AND s.user_id = r.user_id
JOIN channels c ON c.account = s.sender
JOIN members m ON m.user_id = s.sender AND m.room_id = s.room_id AND m.membership = 'join'
LEFT JOIN desk_conversations d ON d.channel_id = c.channel_id AND d.customer = r.user_id
WHERE r.pos > $1 AND r.pos <= $2 AND r.receipt_type = 'm.read' ORDER BY r.pos LIMIT $3
"""


class Read(msgspec.Struct, frozen=True):
    """A customer's receipt in a room with a channel."""

    pos: int
    event_id: str
    ts_ms: int
    user_id: str
    channel_id: str
    conversation_id: str | None

    def told(self) -> JsonObject:
        """As the channel's programs are told of it."""
        named = {"user_id": self.user_id, "event_id": self.event_id, "read_ts": self.ts_ms}
        return named if self.conversation_id is None else {**named, "conversation_id": self.conversation_id}


async def read_since(connection: Connection, after: int, up_to: int, count: int) -> list[Read]:
    return [Read(*row.values()) for row in await connection.fetch(_READ_SINCE, after, up_to, count)]
