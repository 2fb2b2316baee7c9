"""What sliding sync asks of many rooms at once, and the table of what its connections were told."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from bongsu.core import limits
from bongsu.core.sliding import BUMPING
from bongsu.store.database import Connection, Database
from bongsu.store.rooms import Reads

_KINDS: Final = ", ".join(f"'{kind}'" for kind in sorted(BUMPING))  # written out, so that the index is used
_BUMPS: Final = f"""
SELECT r.room_id, (SELECT e.pos FROM events e WHERE e.room_id = r.room_id AND e.type IN ({_KINDS})
                   ORDER BY e.pos DESC LIMIT 1) AS pos
FROM unnest($1::text[]) AS r (room_id)
"""
_CHANGED: Final = """
SELECT r.room_id FROM unnest($1::text[]) AS r (room_id) WHERE EXISTS (
    SELECT 1 FROM events e
    WHERE e.room_id = r.room_id AND e.type = ANY($2) AND e.state_key IS NOT NULL AND e.pos > $3)
"""
_ENCRYPTED: Final = """
SELECT room_id FROM room_state WHERE room_id = ANY($1) AND type = 'm.room.encryption' AND state_key = ''
"""
_TYPED: Final = """
SELECT room_id, pdu FROM events WHERE type = 'm.room.create' AND state_key = '' AND room_id = ANY($1)
AND position('"type":"'::bytea IN substring(pdu FROM position('"type":"'::bytea IN pdu) + 1)) > 0
"""
_NAMED: Final = """
SELECT s.room_id, s.type, e.pdu FROM room_state s JOIN events e ON e.pos = s.pos
WHERE s.room_id = ANY($1) AND s.type IN ('m.room.name', 'm.room.canonical_alias') AND s.state_key = ''
"""


class _Content(msgspec.Struct):
    """What a filter looks at in an event's content, whatever its type there."""

    type: object = None
    name: object = None
    alias: object = None


class _Pdu(msgspec.Struct):
    content: _Content


_read: Final = msgspec.json.Decoder(_Pdu)


async def bumps(reads: Reads, room_ids: Sequence[str]) -> dict[str, int]:
    """Per room, where something was last said in it."""
    return {row["room_id"]: row["pos"] or 0 for row in await reads.fetch(_BUMPS, room_ids)}


async def changed(reads: Reads, room_ids: Sequence[str], kinds: Sequence[str], after: int) -> bool:
    """Was state of one of these types set in one of the rooms after the position?"""
    return bool(await reads.fetch(_CHANGED, room_ids, kinds, after))


async def encrypted(reads: Reads, room_ids: Sequence[str]) -> set[str]:
    return {row["room_id"] for row in await reads.fetch(_ENCRYPTED, room_ids)}


async def types(reads: Reads, room_ids: Sequence[str]) -> dict[str, str]:
    """The types of those rooms that have one."""
    found = {row["room_id"]: _read.decode(row["pdu"]).content.type for row in await reads.fetch(_TYPED, room_ids)}
    return {room_id: kind for room_id, kind in found.items() if isinstance(kind, str)}


async def names(reads: Reads, room_ids: Sequence[str]) -> dict[str, str]:
    """What rooms are called, case-folded, and their aliases, as one text."""
    found: dict[str, str] = {}
    for row in await reads.fetch(_NAMED, room_ids):
        content = _read.decode(row["pdu"]).content
        for name in (content.name, content.alias):
            if isinstance(name, str):
                found[row["room_id"]] = f"{found.get(row['room_id'], '')}\n{name.casefold()}"
    return found


async def tags(reads: Reads, user_id: str) -> dict[str, bytes]:
    """The content of m.tag, by room."""
    rows = await reads.fetch(
        "SELECT room_id, content FROM account_data WHERE user_id = $1 AND room_id <> '' AND type = 'm.tag'", user_id
    )
    return {row["room_id"]: row["content"] for row in rows}


# --- connections ---

_INSERT: Final = """
INSERT INTO sliding_connections (user_id, device_id, conn_id, told) VALUES ($1, $2, $3, $4) RETURNING version
"""
_DELETE_VERSIONS: Final = """
DELETE FROM sliding_connections WHERE user_id = $1 AND device_id = $2 AND conn_id = $3 AND version <> $4
AND (version < $4 OR version NOT IN (
    SELECT version FROM sliding_connections WHERE user_id = $1 AND device_id = $2 AND conn_id = $3
    ORDER BY version DESC LIMIT $5))
"""
_DELETE_CONNECTIONS: Final = """
DELETE FROM sliding_connections WHERE user_id = $1 AND device_id = $2 AND conn_id NOT IN (
    SELECT conn_id FROM sliding_connections WHERE user_id = $1 AND device_id = $2
    GROUP BY conn_id ORDER BY max(used_at) DESC, max(version) DESC LIMIT $3)
"""
_READ: Final = """
SELECT told FROM sliding_connections WHERE user_id = $1 AND device_id = $2 AND conn_id = $3 AND version = $4
"""
_TOUCH: Final = """
UPDATE sliding_connections c SET used_at = now() FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
    AS u (user_id, device_id, conn_id, version)
WHERE c.user_id = u.user_id AND c.device_id = u.device_id AND c.conn_id = u.conn_id AND c.version = u.version
AND c.used_at < now() - interval '1 day'
"""
_SWEEP: Final = "DELETE FROM sliding_connections WHERE used_at < now() - $1 * interval '1 day'"

Place = tuple[str, str, str]  # user id, device id, connection id


async def told(reads: Reads, place: Place, version: int) -> bytes | None:
    """What a connection had been told by this version; None when it is not kept any more."""
    rows = await reads.fetch(_READ, *place, version)
    return rows[0]["told"] if rows else None


async def remember(database: Database, place: Place, base: int, told: bytes) -> int:
    """A new version, made from the version `base` (0: none), of which the client thereby has shown that it has it.

    Older ones go. Others that were made from the same one stay for now: the client may have got any of them.
    """

    async def work(connection: Connection) -> int:
        version: int = await connection.fetchval(_INSERT, *place, told)
        await connection.execute(_DELETE_VERSIONS, *place, base, limits.SLIDING_VERSIONS_MAX)
        await connection.execute(_DELETE_CONNECTIONS, *place[:2], limits.SLIDING_CONNECTIONS_PER_DEVICE_MAX)
        return version

    return await database.write(work)


async def sweep(database: Database, used: Iterable[tuple[str, str, str, int]]) -> None:
    """Marks versions that were used lately, at most once a day, and forgets connections that nobody uses."""
    rows = list(used)
    if rows:
        await database.execute(_TOUCH, *map(list, zip(*rows, strict=True)))
    await database.execute(_SWEEP, limits.SLIDING_KEPT_DAYS)
