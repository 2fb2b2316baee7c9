"""Keys of end-to-end encryption, as the tables have them.

Functions that take a connection are for the committing transaction; what they write is seen at once by whatever is
decided after it in the same transaction.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from bongsu.core import limits
from bongsu.core.json import encode
from bongsu.core.keys import SIGNED_CURVE25519, Signature, SigningKey, StoredKey
from bongsu.store.database import Connection
from bongsu.store.rooms import Reads
from bongsu.store.rows import KeyStock

Device = tuple[str, str]  # (user id, device id)


class Claim(msgspec.Struct, frozen=True):
    """A wish for one key of a device."""

    user_id: str
    device_id: str
    algorithm: str


class Claimed(msgspec.Struct, frozen=True):
    user_id: str
    device_id: str
    algorithm: str
    key_id: str
    key: bytes


# --- a device's own keys ---


async def is_device(reads: Reads, user_id: str, device_id: str) -> bool:
    sql = "SELECT 1 FROM devices WHERE user_id = $1 AND device_id = $2"
    return bool(await reads.fetch(sql, user_id, device_id))


async def device_keys(reads: Reads, user_id: str, device_id: str) -> bytes | None:
    sql = "SELECT keys FROM device_keys WHERE user_id = $1 AND device_id = $2"
    rows = await reads.fetch(sql, user_id, device_id)
    return rows[0]["keys"] if rows else None


async def put_device_keys(connection: Connection, user_id: str, device_id: str, keys: bytes) -> None:
    await connection.execute(
        "INSERT INTO device_keys (user_id, device_id, keys) VALUES ($1, $2, $3)"
        " ON CONFLICT (user_id, device_id) DO UPDATE SET keys = excluded.keys",
        user_id,
        device_id,
        keys,
    )


async def forget_identity(connection: Connection, user_id: str, device_id: str) -> None:
    """A device became another: what belongs to its former identity goes."""
    for table in ("one_time_keys", "fallback_keys"):
        await connection.execute(f"DELETE FROM {table} WHERE user_id = $1 AND device_id = $2", user_id, device_id)
    await _forget_signatures(connection, user_id, [device_id])


async def forget_signatures_of(connection: Connection, user_id: str, device_id: str) -> None:
    """A device says something else of itself: what was signed is not what it says now."""
    await connection.execute("DELETE FROM key_signatures WHERE user_id = $1 AND key_id = $2", user_id, device_id)


async def _forget_signatures(connection: Connection, user_id: str, device_ids: Sequence[str]) -> None:
    """Signatures of these devices, and by them."""
    await connection.execute(
        "DELETE FROM key_signatures WHERE user_id = $1 AND (key_id = ANY($2)"
        " OR signer_id = $1 AND signer_key = ANY($3))",
        user_id,
        device_ids,
        [f"ed25519:{device_id}" for device_id in device_ids],
    )


async def digests(reads: Reads, user_id: str, device_id: str) -> dict[tuple[str, str], tuple[bytes, bool]]:
    """By algorithm and id of every one-time key that is known: its digest, and whether it was claimed."""
    rows = await reads.fetch(
        "SELECT algorithm, key_id, digest, key IS NULL FROM one_time_keys WHERE user_id = $1 AND device_id = $2",
        user_id,
        device_id,
    )
    return {(row[0], row[1]): (row[2], row[3]) for row in rows}


_PUT_ONE_TIME: Final = """
INSERT INTO one_time_keys (user_id, device_id, algorithm, key_id, key, digest, pos) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (user_id, device_id, algorithm, key_id)
DO UPDATE SET key = excluded.key, digest = excluded.digest, pos = excluded.pos, claimed_at = NULL
"""
_FORGET_CLAIMED: Final = (
    "DELETE FROM one_time_keys WHERE user_id = $1 AND device_id = $2 AND claimed_at < now() - $3 * interval '1 second'"
)


async def put_one_time_keys(
    connection: Connection, user_id: str, device_id: str, pos: int, keys: Sequence[StoredKey]
) -> None:
    if not keys:
        return
    await connection.execute(_FORGET_CLAIMED, user_id, device_id, limits.CLAIMED_KEY_SECONDS)
    rows = [(user_id, device_id, key.algorithm, key.key_id, key.key, key.digest, pos) for key in keys]
    await connection.executemany(_PUT_ONE_TIME, rows)


_PUT_FALLBACK: Final = """
INSERT INTO fallback_keys (user_id, device_id, algorithm, key_id, key, digest) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (user_id, device_id, algorithm) DO UPDATE SET
    key_id = excluded.key_id, key = excluded.key, digest = excluded.digest,
    used = fallback_keys.used AND fallback_keys.key_id = excluded.key_id AND fallback_keys.digest = excluded.digest
"""


async def put_fallback_keys(connection: Connection, user_id: str, device_id: str, keys: Sequence[StoredKey]) -> None:
    """One that was used stays so if it is merely uploaded again."""
    rows = [(user_id, device_id, key.algorithm, key.key_id, key.key, key.digest) for key in keys]
    await connection.executemany(_PUT_FALLBACK, rows)


_COUNTS: Final = """
SELECT k.user_id, k.device_id, k.algorithm, count(*) FROM unnest($1::text[], $2::text[]) AS d (user_id, device_id)
JOIN one_time_keys k USING (user_id, device_id) WHERE k.key IS NOT NULL GROUP BY 1, 2, 3
"""
_UNUSED: Final = """
SELECT k.user_id, k.device_id, k.algorithm FROM unnest($1::text[], $2::text[]) AS d (user_id, device_id)
JOIN fallback_keys k USING (user_id, device_id) WHERE NOT k.used ORDER BY 3
"""


async def stocks(connection: Connection, devices: Sequence[Device], pos: int) -> list[KeyStock]:
    """What these devices have left. Clients make new keys only where they are told of none, so that 0 is said."""
    columns = [[user for user, _ in devices], [device for _, device in devices]]
    one_time: dict[Device, dict[str, int]] = {device: {} for device in devices}
    unused: dict[Device, list[str]] = {device: [] for device in devices}
    for user_id, device_id, algorithm, count in await connection.fetch(_COUNTS, *columns):
        one_time[user_id, device_id][algorithm] = count
    for user_id, device_id, algorithm in await connection.fetch(_UNUSED, *columns):
        unused[user_id, device_id].append(algorithm)
    return [
        KeyStock(pos, *device, encode({SIGNED_CURVE25519: 0, **one_time[device]}), unused[device]) for device in devices
    ]


async def stocks_of(reads: Reads, user_id: str) -> list[KeyStock]:
    """What each of the person's devices had left when that last changed."""
    rows = await reads.fetch(
        "SELECT pos, user_id, device_id, one_time, unused_fallback FROM key_stocks WHERE user_id = $1", user_id
    )
    return [KeyStock(*row.values()) for row in rows]


# --- claiming ---

_CLAIM: Final = """
WITH oldest AS (
    SELECT k.* FROM unnest($1::text[], $2::text[], $3::text[]) AS w (user_id, device_id, algorithm), LATERAL (
        SELECT o.user_id, o.device_id, o.algorithm, o.key_id, o.key FROM one_time_keys o
        WHERE o.user_id = w.user_id AND o.device_id = w.device_id AND o.algorithm = w.algorithm AND o.key IS NOT NULL
        ORDER BY o.pos, o.key_id LIMIT 1) AS k
    JOIN devices d ON d.user_id = k.user_id AND d.device_id = k.device_id
)
UPDATE one_time_keys t SET key = NULL, claimed_at = now() FROM oldest o
WHERE (t.user_id, t.device_id, t.algorithm, t.key_id) = (o.user_id, o.device_id, o.algorithm, o.key_id)
RETURNING o.user_id, o.device_id, o.algorithm, o.key_id, o.key
"""
_CLAIM_FALLBACK: Final = """
WITH found AS (
    SELECT k.* FROM unnest($1::text[], $2::text[], $3::text[]) AS w (user_id, device_id, algorithm)
    JOIN fallback_keys k USING (user_id, device_id, algorithm) JOIN devices d USING (user_id, device_id)
), marked AS (
    UPDATE fallback_keys t SET used = true FROM found f
    WHERE (t.user_id, t.device_id, t.algorithm) = (f.user_id, f.device_id, f.algorithm) AND NOT t.used
)
SELECT user_id, device_id, algorithm, key_id, key, used FROM found
"""


async def claim(connection: Connection, wanted: Sequence[Claim]) -> list[Claimed]:
    """Takes the oldest one-time key of each; devices that have none are left out."""
    return [Claimed(*row.values()) for row in await connection.fetch(_CLAIM, *_columns(wanted))]


async def claim_fallback(connection: Connection, wanted: Sequence[Claim]) -> list[tuple[Claimed, bool]]:
    """The fallback keys of these devices, and whether they had been used before."""
    rows = await connection.fetch(_CLAIM_FALLBACK, *_columns(wanted))
    return [(Claimed(*list(row.values())[:5]), row["used"]) for row in rows]


def _columns(wanted: Sequence[Claim]) -> list[list[str]]:
    return [[w.user_id for w in wanted], [w.device_id for w in wanted], [w.algorithm for w in wanted]]


# --- cross-signing ---


async def cross_signing_keys(reads: Reads, user_ids: Sequence[str]) -> dict[tuple[str, str], tuple[str, bytes]]:
    """By user and usage: the public key, and the whole."""
    rows = await reads.fetch(
        "SELECT user_id, usage, public_key, key FROM cross_signing_keys WHERE user_id = ANY($1)", list(user_ids)
    )
    return {(row[0], row[1]): (row[2], row[3]) for row in rows}


_FORGET_SIGNATURES: Final = """
DELETE FROM key_signatures s USING cross_signing_keys k WHERE k.user_id = $1 AND k.usage = ANY($2)
  AND (s.user_id = $1 AND s.key_id = k.public_key OR s.signer_id = $1 AND s.signer_key = 'ed25519:' || k.public_key)
"""


async def put_cross_signing_keys(
    connection: Connection, user_id: str, keys: Sequence[SigningKey], ended: Sequence[str]
) -> None:
    """ended: the uses whose present key ends. What it signed, and what was signed of it, goes with it."""
    await connection.execute(_FORGET_SIGNATURES, user_id, ended)
    usages = [*ended, *(key.usage for key in keys)]
    await connection.execute("DELETE FROM cross_signing_keys WHERE user_id = $1 AND usage = ANY($2)", user_id, usages)
    await connection.executemany(
        "INSERT INTO cross_signing_keys (user_id, usage, public_key, key) VALUES ($1, $2, $3, $4)",
        [(user_id, key.usage, key.public_key, key.key) for key in keys],
    )


async def put_signatures(connection: Connection, signatures: Iterable[Signature]) -> None:
    await connection.executemany(
        "INSERT INTO key_signatures (user_id, key_id, signer_id, signer_key, signature) VALUES ($1, $2, $3, $4, $5)"
        " ON CONFLICT (user_id, key_id, signer_id, signer_key) DO UPDATE SET signature = excluded.signature",
        [msgspec.structs.astuple(signature) for signature in signatures],
    )


# --- showing ---


async def people(reads: Reads, user_ids: Sequence[str]) -> list[str]:
    """Those of the ids that are somebody's."""
    rows = await reads.fetch("SELECT user_id FROM users WHERE user_id = ANY($1)", list(user_ids))
    return [row["user_id"] for row in rows]


async def devices(reads: Reads, user_ids: Sequence[str]) -> list[tuple[str, str, str | None, bytes]]:
    """(user id, device id, display name, keys) of all devices with keys."""
    rows = await reads.fetch(
        "SELECT k.user_id, k.device_id, d.display_name, k.keys FROM device_keys k"
        " JOIN devices d ON d.user_id = k.user_id AND d.device_id = k.device_id"
        " WHERE k.user_id = ANY($1) ORDER BY 1, 2",
        list(user_ids),
    )
    return [(row[0], row[1], row[2], row[3]) for row in rows]


async def signatures(reads: Reads, user_ids: Sequence[str], reader_id: str) -> list[Signature]:
    """Signatures of these people's keys that the reader may see: the owners', and the reader's own."""
    rows = await reads.fetch(
        "SELECT user_id, key_id, signer_id, signer_key, signature FROM key_signatures"
        " WHERE user_id = ANY($1) AND signer_id IN (user_id, $2)",
        list(user_ids),
        reader_id,
    )
    return [Signature(*row.values()) for row in rows]


# --- the end of devices ---

_OF_DEVICE: Final = (
    "one_time_keys",
    "fallback_keys",
    "key_stocks",
    "to_device",
    "to_device_sent",
    "sliding_connections",
)
_IS_GONE: Final = (
    "x.user_id = $1 AND ($2::text IS NULL OR x.device_id = $2)"
    " AND NOT EXISTS (SELECT 1 FROM devices d WHERE d.user_id = x.user_id AND d.device_id = x.device_id)"
)


async def forget_gone(connection: Connection, user_id: str, device_id: str | None) -> bool:
    """Takes away what is left of a device (None: of all) that is no more. True if it had keys that others know.

    Devices are deleted by transactions that do not have the right to write. What was sent or uploaded at that moment
    is found here, by the one that tells of the end.
    """
    for table in _OF_DEVICE:
        await connection.execute(f"DELETE FROM {table} x WHERE {_IS_GONE}", user_id, device_id)
    gone = await connection.fetch(
        f"DELETE FROM device_keys x WHERE {_IS_GONE} RETURNING x.device_id", user_id, device_id
    )
    device_ids = [row["device_id"] for row in gone]
    if device_ids:
        await _forget_signatures(connection, user_id, device_ids)
    return bool(device_ids)
