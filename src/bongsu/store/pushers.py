"""Pushers as their people see them. How they are told of something stands in store/pushing.py."""

from typing import Final

from bongsu.core import limits
from bongsu.core.json import JsonObject, decode, encode
from bongsu.core.pushers import Key, Pusher, lane_of
from bongsu.store.database import Connection, Database, Record
from bongsu.store.rooms import Reads

_COLUMNS: Final = "app_id, pushkey, kind, app_display_name, device_display_name, profile_tag, lang, data"
_PUT: Final = """
INSERT INTO pushers (user_id, app_id, pushkey, device_id, kind, app_display_name, device_display_name, profile_tag,
    lang, data, lane, owing, told_pos)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, true, pos FROM stream
ON CONFLICT (user_id, app_id, pushkey) DO UPDATE SET
    device_id = excluded.device_id, kind = excluded.kind, app_display_name = excluded.app_display_name,
    device_display_name = excluded.device_display_name, profile_tag = excluded.profile_tag, lang = excluded.lang,
    data = excluded.data, set_at = now(), tries = 0, due_at = now(), failing_since = NULL
"""
_DROP_OLDEST: Final = """
DELETE FROM pushers WHERE pusher_id IN (
    SELECT pusher_id FROM pushers WHERE user_id = $1 ORDER BY set_at DESC, pusher_id DESC OFFSET $2)
"""


async def of_person(reads: Reads, user_id: str) -> list[Pusher]:
    rows = await reads.fetch(f"SELECT {_COLUMNS} FROM pushers WHERE user_id = $1 ORDER BY pusher_id", user_id)
    return [_pusher(row) for row in rows]


def _pusher(row: Record) -> Pusher:
    data: JsonObject = decode(row["data"])
    return Pusher(**{**dict(row), "data": data})


async def put(database: Database, user_id: str, device_id: str, pusher: Pusher, key: Key) -> bool:
    """Makes or changes it. False: the device was signed out meanwhile, so that nothing was done.

    Two people who set the same key at once come one after the other, and the second one has it.
    """

    async def work(connection: Connection) -> bool:
        sql = "SELECT 1 FROM devices WHERE user_id = $1 AND device_id = $2 FOR SHARE"
        if device_id and await connection.fetchval(sql, user_id, device_id) is None:
            return False
        await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 16))", pusher.pushkey)
        if not key.append:
            sql = "DELETE FROM pushers WHERE app_id = $1 AND pushkey = $2 AND user_id <> $3"
            await connection.execute(sql, pusher.app_id, pusher.pushkey, user_id)
        await connection.execute(
            _PUT,
            user_id,
            pusher.app_id,
            pusher.pushkey,
            device_id,
            pusher.kind,
            pusher.app_display_name,
            pusher.device_display_name,
            pusher.profile_tag,
            pusher.lang,
            encode(pusher.data),
            lane_of(user_id),
        )
        await connection.execute(_DROP_OLDEST, user_id, limits.PUSHERS_MAX)
        return True

    return await database.write(work)


async def delete(database: Database, user_id: str, key: Key) -> None:
    sql = "DELETE FROM pushers WHERE user_id = $1 AND app_id = $2 AND pushkey = $3"
    await database.execute(sql, user_id, key.app_id, key.pushkey)
