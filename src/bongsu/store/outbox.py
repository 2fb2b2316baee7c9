"""What services owe people: rows, written with what they tell of, that become room events exactly once.

`put` in the service's own transaction. The poster (workflow/poster.py) appends the event and deletes the row in one
commit, under the right to write: whoever comes second finds no row.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from bongsu.core import limits
from bongsu.core.events import MESSAGE
from bongsu.core.json import JsonObject, decode, encode
from bongsu.store.database import Connection, Database
from bongsu.store.rooms import Reads

CALLING: Final = -1  # somebody must act now, and nobody else does
URGENT: Final = 0  # what somebody has to act on, or waits for
ANNOUNCED: Final = 1  # what many are told
TXN: Final = "outbox-"  # how the poster calls its transactions: this, and the number of the row
REMOVE: Final = "DELETE FROM outbox WHERE outbox_id = $1"
PUT: Final = "INSERT INTO outbox (sender, room_id, user_id, type, content, priority) VALUES ($1, $2, $3, $4, $5, $6)"
SET_ROOM: Final = """
INSERT INTO service_rooms (sender, user_id, room_id) VALUES ($1, $2, $3)
ON CONFLICT (sender, user_id) DO UPDATE SET room_id = excluded.room_id
"""


class Post(msgspec.Struct, frozen=True, kw_only=True):
    """An event from `sender` (a service's user id) into a room, or to one person in a room of the two.

    priority: a lower one is said first, and each in its order otherwise. CALLING is said under pressure, too, and goes
    through the quiet hours of those whom its m.mentions name (core/quiet.py).
    """

    sender: str
    content: JsonObject
    room_id: str | None = None
    user_id: str | None = None
    type: str = MESSAGE
    priority: int = URGENT


async def put(connection: Connection, posts: Sequence[Post]) -> None:
    """In the caller's transaction. Its content must be a readable event by itself (msgtype, body)."""
    await connection.executemany(PUT, [values(post) for post in posts])


def values(post: Post) -> tuple[object, ...]:
    """For PUT."""
    return post.sender, post.room_id, post.user_id, post.type, encode(post.content), post.priority


async def put_one(connection: Connection, post: Post) -> int:
    """As put(). The result is the id by which what became of it can be found."""
    outbox_id: int = await connection.fetchval(f"{PUT} RETURNING outbox_id", *values(post))
    return outbox_id


async def read(connection: Connection, outbox_id: int) -> Post | None:
    """None: it was posted."""
    row = await connection.fetchrow("SELECT * FROM outbox WHERE outbox_id = $1", outbox_id)
    if row is None:
        return None
    return Post(
        sender=row["sender"],
        content=decode(row["content"]),
        room_id=row["room_id"],
        user_id=row["user_id"],
        type=row["type"],
        priority=row["priority"],
    )


async def room_with(connection: Connection, sender: str, user_id: str) -> str | None:
    """Where this service speaks to this person."""
    found: str | None = await connection.fetchval(
        "SELECT room_id FROM service_rooms WHERE sender = $1 AND user_id = $2", sender, user_id
    )
    return found


async def speaks_in(reads: Reads, sender: str, user_id: str) -> str | None:
    """As room_with(), if the service is still in there."""
    rows = await reads.fetch(
        "SELECT r.room_id FROM service_rooms r JOIN members m ON m.user_id = r.sender AND m.room_id = r.room_id"
        " WHERE r.sender = $1 AND r.user_id = $2 AND m.membership = 'join'",
        *(sender, user_id),
    )
    return rows[0]["room_id"] if rows else None


DUE: Final = "SELECT 1 FROM outbox WHERE due_at <= now()"


class Outbox:
    """The poster's view. What is claimed is nobody else's for a while; a double claim would do no harm."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def any_due(self, priority_max: int = ANNOUNCED) -> bool:
        return bool(await self._database.fetchval(f"{DUE} AND priority <= $1 LIMIT 1", priority_max))

    async def claim(self, count: int, priority_max: int = ANNOUNCED) -> list[tuple[int, int]]:
        """(outbox id, how many tries this is), oldest first.

        What goes to the same place waits until what came before it is said, unless that has failed for long.
        """
        rows = await self._database.write(
            lambda connection: connection.fetch(
                "WITH due AS (SELECT outbox_id FROM outbox o WHERE due_at <= now() AND priority <= $4"
                " AND NOT EXISTS"
                " (SELECT 1 FROM outbox e WHERE e.sender = o.sender AND coalesce(e.user_id, e.room_id)"
                " = coalesce(o.user_id, o.room_id) AND e.outbox_id < o.outbox_id AND e.priority <= o.priority"
                " AND e.tries < $3)"
                " ORDER BY priority, outbox_id LIMIT $1 FOR UPDATE OF o SKIP LOCKED)"
                " UPDATE outbox o SET due_at = now() + $2::float8 * interval '1 s', tries = tries + 1 FROM due"
                " WHERE o.outbox_id = due.outbox_id RETURNING o.outbox_id, tries",
                *(count, limits.OUTBOX_CLAIM_SECONDS, limits.OUTBOX_TRIES_IN_ORDER_MAX, priority_max),
            )
        )
        return sorted((row["outbox_id"], row["tries"]) for row in rows)

    async def postpone(self, outbox_id: int, seconds: float) -> None:
        sql = "UPDATE outbox SET due_at = now() + $2::float8 * interval '1 s' WHERE outbox_id = $1"
        await self._database.execute(sql, outbox_id, seconds)

    async def remove(self, outbox_id: int) -> None:
        """What can never be posted."""
        await self._database.execute(REMOVE, outbox_id)
