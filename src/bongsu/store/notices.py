"""The rooms in which the server speaks to people."""

from typing import Final

import structlog

from bongsu.core.errors import Refusal
from bongsu.core.json import encode
from bongsu.store.database import Connection
from bongsu.store.rooms import Reads

log = structlog.get_logger(__name__)

SET_ROOM: Final = """
INSERT INTO notice_rooms (user_id, room_id) VALUES ($1, $2)
ON CONFLICT (user_id) DO UPDATE SET room_id = excluded.room_id
"""


async def room_of(reads: Reads, user_id: str) -> str | None:
    rows = await reads.fetch("SELECT room_id FROM notice_rooms WHERE user_id = $1", user_id)
    return rows[0]["room_id"] if rows else None


async def is_notice_room(reads: Reads, room_id: str, user_id: str) -> bool:
    rows = await reads.fetch("SELECT FROM notice_rooms WHERE room_id = $1 AND user_id = $2", room_id, user_id)
    return bool(rows)


async def was_sent(reads: Reads, txn_key: bytes) -> bool:
    return bool(await reads.fetch("SELECT FROM events WHERE txn_key = $1", txn_key))


async def event_of(reads: Reads, txn_key: bytes) -> str | None:
    """The id of the event that was sent with this transaction key."""
    rows = await reads.fetch("SELECT event_id FROM events WHERE txn_key = $1", txn_key)
    return rows[0]["event_id"] if rows else None


_IS_SOMEBODY: Final = """
SELECT EXISTS (SELECT 1 FROM users u WHERE user_id = $1 AND (password_hash IS NOT NULL OR service_id IS NOT NULL
    OR EXISTS (SELECT 1 FROM devices d WHERE d.user_id = u.user_id)))
"""


async def put_speaker(connection: Connection, user_id: str, name: str) -> None:
    """The account in whose name the server speaks; nobody can sign in with it. 409 if somebody had it before."""
    if await connection.fetchval(_IS_SOMEBODY, user_id):
        log.critical("speaker_is_somebody", user_id=user_id)
        raise Refusal(409, "M_USER_IN_USE", f"{user_id} is somebody's, and the server needs it: deactivate the account")
    await connection.execute("INSERT INTO users (user_id) VALUES ($1) ON CONFLICT DO NOTHING", user_id)
    await connection.execute(
        "INSERT INTO profiles (user_id, key_name, value) VALUES ($1, 'displayname', $2) ON CONFLICT DO NOTHING",
        *(user_id, encode(name)),
    )


_PEOPLE: Final = "deactivated_at IS NULL AND NOT is_guest AND service_id IS NULL AND user_id <> $1"


async def people_after(reads: Reads, speaker: str, after: str, count: int) -> list[str]:
    """People in the order of their ids: no guests, nobody whom an application service made, nobody who is gone."""
    rows = await reads.fetch(
        f"SELECT user_id FROM users WHERE {_PEOPLE} AND user_id > $2 ORDER BY user_id LIMIT $3",
        *(speaker, after, count),
    )
    return [row["user_id"] for row in rows]


async def people_count(reads: Reads, speaker: str) -> int:
    rows = await reads.fetch(f"SELECT count(*) AS people FROM users WHERE {_PEOPLE}", speaker)
    return int(rows[0]["people"])
