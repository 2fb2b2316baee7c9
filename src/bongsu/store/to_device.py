"""Messages from device to device: kept until their device has asked for what comes after them."""

from collections.abc import Sequence
from typing import Final

import msgspec

from bongsu.core import limits
from bongsu.store.database import Connection, Database
from bongsu.store.rooms import Reads
from bongsu.store.rows import ToDevice


class Waiting(msgspec.Struct):
    """Messages wait for a device at `first` or after it, up to `last`."""

    first: int
    last: int


async def devices_of(reads: Reads, user_ids: Sequence[str]) -> dict[str, list[str]]:
    sql = "SELECT user_id, device_id FROM devices WHERE user_id = ANY($1) ORDER BY user_id, created_at, device_id"
    found: dict[str, list[str]] = {}
    for row in await reads.fetch(sql, list(user_ids)):
        found.setdefault(row["user_id"], []).append(row["device_id"])
    return found


_FORGET_SENT: Final = (
    "DELETE FROM to_device_sent WHERE user_id = $1 AND device_id = $2 AND sent_at < now() - $3 * interval '1 second'"
)


async def is_first_try(connection: Connection, user_id: str, device_id: str, txn_key: bytes) -> bool:
    """Marks a request as carried out; False if it was before. For the committing transaction."""
    await connection.execute(_FORGET_SENT, user_id, device_id, limits.TO_DEVICE_SENT_SECONDS)
    made = await connection.fetchval(
        "INSERT INTO to_device_sent (user_id, device_id, txn_key) VALUES ($1, $2, $3)"
        " ON CONFLICT DO NOTHING RETURNING 1",
        user_id,
        device_id,
        txn_key,
    )
    return made is not None


async def waiting_of(reads: Reads, user_id: str) -> dict[str, Waiting]:
    """By device of the person."""
    rows = await reads.fetch(
        "SELECT device_id, min(pos), max(pos) FROM to_device WHERE user_id = $1 GROUP BY device_id", user_id
    )
    return {row[0]: Waiting(row[1], row[2]) for row in rows}


async def messages(reads: Reads, user_id: str, device_id: str, after: int, up_to: int, count: int) -> list[ToDevice]:
    """The oldest messages to the device in (after, up_to]."""
    rows = await reads.fetch(
        "SELECT pos, user_id, device_id, sender, type, content FROM to_device"
        " WHERE user_id = $1 AND device_id = $2 AND pos > $3 AND pos <= $4 ORDER BY pos LIMIT $5",
        user_id,
        device_id,
        after,
        up_to,
        count,
    )
    return [ToDevice(*row.values()) for row in rows]


_DELETE: Final = """
DELETE FROM to_device t USING unnest($1::text[], $2::text[], $3::bigint[]) AS a (user_id, device_id, pos)
WHERE t.user_id = a.user_id AND t.device_id = a.device_id AND t.pos <= a.pos
"""
_DELETE_UNCLAIMED: Final = """
DELETE FROM to_device t USING (
    SELECT DISTINCT ON (user_id, device_id) user_id, device_id, pos FROM (
        SELECT user_id, device_id, pos, row_number() OVER (PARTITION BY user_id, device_id ORDER BY pos DESC) AS place
        FROM to_device) AS placed
    WHERE place > $1 ORDER BY user_id, device_id, pos DESC) AS old
WHERE t.user_id = old.user_id AND t.device_id = old.device_id AND t.pos <= old.pos
"""


async def delete(database: Database, acknowledged: Sequence[tuple[str, str, int]]) -> None:
    """acknowledged: (user id, device id, position up to which the device has its messages)."""
    await database.execute(_DELETE, *map(list, zip(*acknowledged, strict=True)))


async def delete_unclaimed(database: Database) -> None:
    """Of a device that never comes for its messages the newest are kept."""
    await database.execute(_DELETE_UNCLAIMED, limits.TO_DEVICE_WAITING_MAX)
