"""What the room operations need of people: whether they exist, and the profile their membership shows."""

from collections.abc import Sequence

from bongsu.core.json import JsonObject, decode
from bongsu.store.database import Connection
from bongsu.store.rooms import Reads


async def profile(reads: Reads, user_id: str) -> JsonObject:
    """The whole profile; empty for somebody without one."""
    rows = await reads.fetch("SELECT key_name, value FROM profiles WHERE user_id = $1 ORDER BY key_name", user_id)
    return {row["key_name"]: decode(row["value"]) for row in rows}


async def member_profile(reads: Reads, user_id: str) -> JsonObject:
    """The part of the profile that an m.room.member event carries."""
    whole = await profile(reads, user_id)
    return {key: whole[key] for key in ("displayname", "avatar_url") if whole.get(key) is not None}


async def names(reads: Reads, user_ids: Sequence[str]) -> dict[str, str]:
    """The names that those of them show who have one."""
    rows = await reads.fetch(
        "SELECT user_id, value FROM profiles WHERE key_name = 'displayname' AND user_id = ANY($1)", list(user_ids)
    )
    found = {row["user_id"]: decode(row["value"]) for row in rows}
    return {user_id: name for user_id, name in found.items() if isinstance(name, str)}


async def exists(reads: Reads, user_id: str) -> bool:
    """Is there such a person here, not deactivated?"""
    rows = await reads.fetch("SELECT 1 FROM users WHERE user_id = $1 AND deactivated_at IS NULL", user_id)
    return bool(rows)


async def is_to_be_erased(reads: Reads, user_id: str) -> bool:
    """Does the person want to be erased, without a place in the stream as yet?"""
    return bool(await reads.fetch("SELECT 1 FROM users WHERE user_id = $1 AND erased_pos = 0", user_id))


async def erased(reads: Reads) -> dict[str, int]:
    """Everybody who wants to be erased: where in the stream that was, 0 for no place as yet."""
    rows = await reads.fetch("SELECT user_id, erased_pos FROM users WHERE erased_pos IS NOT NULL")
    return {row["user_id"]: row["erased_pos"] for row in rows}


async def guests_in(reads: Reads, room_id: str, count: int) -> list[str]:
    """Those of the room's members who have no account, or some of them."""
    rows = await reads.fetch(
        "SELECT m.user_id FROM members m JOIN users u ON u.user_id = m.user_id"
        " WHERE m.room_id = $1 AND m.membership = 'join' AND u.is_guest LIMIT $2",
        room_id,
        count,
    )
    return [row["user_id"] for row in rows]


async def set_field(connection: Connection, user_id: str, key_name: str, value: bytes | None) -> None:
    """One field of a profile; None takes it away."""
    if value is None:
        await connection.execute("DELETE FROM profiles WHERE user_id = $1 AND key_name = $2", user_id, key_name)
        return
    await connection.execute(
        "INSERT INTO profiles (user_id, key_name, value) VALUES ($1, $2, $3)"
        " ON CONFLICT (user_id, key_name) DO UPDATE SET value = excluded.value",
        user_id,
        key_name,
        value,
    )
