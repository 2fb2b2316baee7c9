"""Keys of a channel's programs. A key is 256 random bits, so its plain SHA-256 gives nothing away."""

from typing import Final

import msgspec

from bongsu.core import limits
from bongsu.core.paging import Page
from bongsu.store.database import Connection, Database, Record
from bongsu.store.rooms import Reads


class ChannelKey(msgspec.Struct, frozen=True, kw_only=True):
    """used_ts: within a minute. revoked_ts: since then it opens nothing."""

    key_id: str
    channel_id: str
    name: str
    scopes: list[str]
    made_by: str
    made_ts: int
    used_ts: int | None = None
    revoked_ts: int | None = None


_COLUMNS: Final = "key_id, channel_id, name, scopes, made_by, made_ts, used_ts, revoked_ts"


def _key(row: Record) -> ChannelKey:
    names = ChannelKey.__struct_fields__
    return ChannelKey(**{name: row[name] for name in names})


async def add(connection: Connection, key: ChannelKey, secret_hash: bytes) -> None:
    await connection.execute(
        "INSERT INTO channel_keys (key_id, channel_id, name, secret_hash, scopes, made_by, made_ts)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7)",
        *(key.key_id, key.channel_id, key.name, secret_hash, key.scopes, key.made_by, key.made_ts),
    )


async def count(connection: Connection, channel_id: str) -> int:
    """Those that open something."""
    sql = "SELECT count(*) FROM channel_keys WHERE channel_id = $1 AND revoked_ts IS NULL"
    return int(await connection.fetchval(sql, channel_id))


async def by_secret(reads: Reads, secret_hash: bytes) -> ChannelKey | None:
    """None for one that opens nothing."""
    rows = await reads.fetch(
        f"SELECT {_COLUMNS} FROM channel_keys WHERE secret_hash = $1 AND revoked_ts IS NULL", secret_hash
    )
    return _key(rows[0]) if rows else None


async def key_of(reads: Reads, channel_id: str, key_id: str) -> ChannelKey | None:
    rows = await reads.fetch(
        f"SELECT {_COLUMNS} FROM channel_keys WHERE channel_id = $1 AND key_id = $2", channel_id, key_id
    )
    return _key(rows[0]) if rows else None


async def keys(reads: Reads, channel_id: str, page: Page) -> list[ChannelKey]:
    """Those that were revoked are among them."""
    after = page.after or (-1, "")
    rows = await reads.fetch(
        f"SELECT {_COLUMNS} FROM channel_keys WHERE channel_id = $1 AND (made_ts, key_id) > ($2, $3)"
        " ORDER BY made_ts, key_id LIMIT $4",
        *(channel_id, *after, page.count),
    )
    return [_key(row) for row in rows]


async def revoke(connection: Connection, channel_id: str, key_id: str, now_ms: int) -> bool:
    """False: it was revoked before, or there is none."""
    rows = await connection.fetch(
        "UPDATE channel_keys SET revoked_ts = $3 WHERE channel_id = $1 AND key_id = $2 AND revoked_ts IS NULL"
        " RETURNING 1",
        *(channel_id, key_id, now_ms),
    )
    return bool(rows)


async def revoke_all(connection: Connection, channel_id: str, now_ms: int) -> None:
    """Of a channel that is closed. Waits for what their programs have under way."""
    await connection.execute(
        "WITH live AS MATERIALIZED (SELECT key_id FROM channel_keys WHERE channel_id = $1 AND revoked_ts IS NULL"
        " ORDER BY key_id FOR NO KEY UPDATE)"
        " UPDATE channel_keys k SET revoked_ts = $2 FROM live WHERE k.key_id = live.key_id",
        *(channel_id, now_ms),
    )


async def hold(connection: Connection, key_id: str) -> bool:
    """Does it open something? Who revokes it waits for the caller's transaction."""
    sql = "SELECT FROM channel_keys WHERE key_id = $1 AND revoked_ts IS NULL FOR SHARE"
    return bool(await connection.fetch(sql, key_id))


async def hold_with(connection: Connection, channel_id: str, scope: str) -> bool:
    """As has_with(). Whoever revokes the key that was found waits for the caller's transaction."""
    rows = await connection.fetch(
        "SELECT FROM channel_keys WHERE channel_id = $1 AND $2 = ANY(scopes) AND revoked_ts IS NULL"
        " ORDER BY key_id FOR SHARE",
        *(channel_id, scope),
    )
    return bool(rows)


async def has_with(reads: Reads, channel_id: str, scope: str) -> bool:
    """Has some program such a key?"""
    rows = await reads.fetch(
        "SELECT FROM channel_keys WHERE channel_id = $1 AND $2 = ANY(scopes) AND revoked_ts IS NULL LIMIT 1",
        *(channel_id, scope),
    )
    return bool(rows)


async def used(database: Database, key_id: str, now_ms: int) -> None:
    """Noted once a minute."""
    await database.execute(
        "UPDATE channel_keys SET used_ts = $2 WHERE key_id = $1 AND coalesce(used_ts, 0) < $3",
        *(key_id, now_ms, now_ms - limits.CHANNEL_KEY_USED_MS),
    )
