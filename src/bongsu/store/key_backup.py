"""Backups of room keys, as the tables have them.

Whoever changes a person's backups holds the row of their owner, so that two devices that store keys at once, or one
that makes a new version meanwhile, come one after the other.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from bongsu.core import limits
from bongsu.core.errors import Refusal, invalid_param, not_found, too_large
from bongsu.core.key_backup import BackedUpKey, columns
from bongsu.store.database import Connection, Database
from bongsu.store.rooms import Reads


class Backup(msgspec.Struct, frozen=True):
    """auth_data: JSON; etag: counts the changes of its keys; keys: how many there are."""

    version: int
    algorithm: str
    auth_data: bytes
    etag: int
    keys: int


class Stored(msgspec.Struct, frozen=True):
    """What a backup holds after a change."""

    etag: int
    keys: int


class Which(msgspec.Struct, frozen=True):
    """Keys of one version: all, those of a room, or one."""

    user_id: str
    version: int
    room_id: str | None = None
    session_id: str | None = None

    @property
    def condition(self) -> str:
        """SQL on the columns of backed_up_keys, for args."""
        names = ("user_id", "version", "room_id", "session_id")[: len(self.args)]
        return " AND ".join(f"{name} = ${place}" for place, name in enumerate(names, 1))

    @property
    def args(self) -> list[str | int]:
        given = (self.user_id, self.version, self.room_id, self.session_id)
        return [value for value in given if value is not None]


def no_such_backup() -> Refusal:
    return not_found("you have no such backup")


# --- versions ---

_BACKUP: Final = "SELECT version, algorithm, auth_data, etag, keys FROM key_backups WHERE user_id = $1"
_NEW_VERSION: Final = (
    "INSERT INTO key_backup_owners AS o (user_id, newest) VALUES ($1, 1)"
    " ON CONFLICT (user_id) DO UPDATE SET newest = o.newest + 1 RETURNING newest"
)
_CREATE: Final = "INSERT INTO key_backups (user_id, version, algorithm, auth_data) VALUES ($1, $2, $3, $4)"


async def create(database: Database, user_id: str, algorithm: str, auth_data: bytes) -> int:
    """The new version. 400 where there are too many already."""

    async def work(connection: Connection) -> int:
        version: int = await connection.fetchval(_NEW_VERSION, user_id)
        present = await connection.fetchval("SELECT count(*) FROM key_backups WHERE user_id = $1", user_id)
        if present >= limits.KEY_BACKUPS_MAX:
            raise invalid_param(f"you have {present} backups: delete one before you make another")
        await connection.execute(_CREATE, user_id, version, algorithm, auth_data)
        return version

    return await database.write(work)


async def latest(reads: Reads, user_id: str) -> Backup | None:
    rows = await reads.fetch(f"{_BACKUP} ORDER BY version DESC LIMIT 1", user_id)
    return Backup(*rows[0].values()) if rows else None


async def one(reads: Reads, user_id: str, version: int) -> Backup | None:
    rows = await reads.fetch(f"{_BACKUP} AND version = $2", user_id, version)
    return Backup(*rows[0].values()) if rows else None


async def describe(database: Database, user_id: str, version: int, algorithm: str, auth_data: bytes) -> None:
    """Another auth_data. 404 for no such version, 400 for another algorithm than it has."""

    async def work(connection: Connection) -> None:
        await _lock(connection, user_id)
        backup = await one(connection, user_id, version)
        if backup is None:
            raise no_such_backup()
        if backup.algorithm != algorithm:
            raise invalid_param("the algorithm of a backup stays as it is")
        sql = "UPDATE key_backups SET auth_data = $3 WHERE user_id = $1 AND version = $2"
        await connection.execute(sql, user_id, version, auth_data)

    await database.write(work)


async def delete(database: Database, user_id: str, version: int) -> None:
    """The version and its keys. 404 if it never was; one that was deleted before is as good as deleted."""

    async def work(connection: Connection) -> None:
        if version > await _lock(connection, user_id):
            raise no_such_backup()
        for table in ("key_backups", "backed_up_keys"):
            await connection.execute(f"DELETE FROM {table} WHERE user_id = $1 AND version = $2", user_id, version)

    await database.write(work)


async def _lock(connection: Connection, user_id: str) -> int:
    """The newest version there ever was, 0 for none. Nobody else changes the person's backups until the commit."""
    newest = await connection.fetchval("SELECT newest FROM key_backup_owners WHERE user_id = $1 FOR UPDATE", user_id)
    return newest or 0


# --- keys ---

_PUT: Final = """
WITH put AS (
    INSERT INTO backed_up_keys AS k
        (user_id, version, room_id, session_id, first_message_index, forwarded_count, is_verified, session_data)
    SELECT $1, $2, * FROM unnest($3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::boolean[], $8::bytea[])
    ON CONFLICT (user_id, version, room_id, session_id) DO UPDATE SET
        first_message_index = excluded.first_message_index, forwarded_count = excluded.forwarded_count,
        is_verified = excluded.is_verified, session_data = excluded.session_data
    WHERE (excluded.is_verified, -excluded.first_message_index, -excluded.forwarded_count)
        > (k.is_verified, -k.first_message_index, -k.forwarded_count)
    RETURNING k.xmax = 0 AS is_new
)
UPDATE key_backups
SET etag = etag + EXISTS (SELECT FROM put)::int, keys = keys + (SELECT count(*) FROM put WHERE is_new)
WHERE user_id = $1 AND version = $2 RETURNING etag, keys
"""


async def put(database: Database, user_id: str, version: int, keys: Sequence[BackedUpKey]) -> Stored:
    """Stores keys, however many, in one statement. Of two of the same session the better one stays: verified before
    unverified, then the one that reads earlier messages, then the one that was forwarded less.
    """

    async def work(connection: Connection) -> Stored:
        await _lock(connection, user_id)
        await _check_newest(connection, user_id, version)
        row = await connection.fetchrow(_PUT, user_id, version, *columns(keys))
        assert row is not None
        total = await connection.fetchval("SELECT sum(keys) FROM key_backups WHERE user_id = $1", user_id)
        if total > limits.KEY_BACKUP_KEYS_MAX:
            raise too_large(f"your backups may hold {limits.KEY_BACKUP_KEYS_MAX} keys; delete one that you do not need")
        return Stored(*row.values())

    return await database.write(work)


async def _check_newest(connection: Connection, user_id: str, version: int) -> None:
    """Keys are stored in the newest version alone. 403 for an older one, 404 for one that is not there."""
    rows = await connection.fetch("SELECT version FROM key_backups WHERE user_id = $1", user_id)
    versions = [row["version"] for row in rows]
    if version not in versions:
        raise no_such_backup()
    newest = max(versions)
    if version != newest:
        raise Refusal(
            403,
            "M_WRONG_ROOM_KEYS_VERSION",
            "there is a newer backup: store the keys in that one",
            fields={"current_version": str(newest)},
        )


async def delete_keys(database: Database, which: Which) -> Stored:
    """404 for no such version; keys that are not there are as good as deleted."""
    sql = (
        f"WITH gone AS (DELETE FROM backed_up_keys WHERE {which.condition} RETURNING 1)"
        " UPDATE key_backups SET etag = etag + EXISTS (SELECT FROM gone)::int,"
        " keys = keys - (SELECT count(*) FROM gone) WHERE user_id = $1 AND version = $2 RETURNING etag, keys"
    )

    async def work(connection: Connection) -> Stored:
        await _lock(connection, which.user_id)
        row = await connection.fetchrow(sql, *which.args)
        if row is None:
            raise no_such_backup()
        return Stored(*row.values())

    return await database.write(work)


_COLUMNS: Final = "room_id, session_id, first_message_index, forwarded_count, is_verified, session_data"


async def page(reads: Reads, which: Which, after: BackedUpKey | None, count: int) -> list[BackedUpKey]:
    """Some of the keys, by room and session, from behind `after` on."""
    args = which.args
    further = ""
    if after is not None:
        further = f" AND (room_id, session_id) > (${len(args) + 1}, ${len(args) + 2})"
        args = [*args, after.room_id, after.session_id]
    sql = (
        f"SELECT {_COLUMNS} FROM backed_up_keys WHERE {which.condition}{further}"
        f" ORDER BY room_id, session_id LIMIT ${len(args) + 1}"
    )
    return [BackedUpKey(*row.values()) for row in await reads.fetch(sql, *args, count)]
