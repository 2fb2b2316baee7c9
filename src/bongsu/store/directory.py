"""Aliases and the published room directory."""

from collections.abc import Sequence

from bongsu.store.rooms import Reads

SET_ALIAS = "INSERT INTO aliases (alias, room_id, creator) VALUES ($1, $2, $3)"
DELETE_ALIAS = "DELETE FROM aliases WHERE alias = $1"
SET_DIRECTORY = "UPDATE rooms SET directory = $2 WHERE room_id = $1"
MOVE_ALIASES = "UPDATE aliases SET room_id = $2 WHERE room_id = $1"


async def room_of(reads: Reads, alias: str) -> tuple[str, str] | None:
    """(room id, who made the alias)."""
    rows = await reads.fetch("SELECT room_id, creator FROM aliases WHERE alias = $1", alias)
    return (rows[0]["room_id"], rows[0]["creator"]) if rows else None


async def aliases_of(reads: Reads, room_id: str) -> list[str]:
    rows = await reads.fetch("SELECT alias FROM aliases WHERE room_id = $1 ORDER BY alias", room_id)
    return [row["alias"] for row in rows]


async def in_directory(reads: Reads, room_id: str) -> bool | None:
    """Is the room in the directory? None for no such room."""
    rows = await reads.fetch("SELECT directory FROM rooms WHERE room_id = $1", room_id)
    return rows[0]["directory"] if rows else None


async def published(reads: Reads, after: str, count: int) -> Sequence[tuple[str, int]]:
    """(room id, joined people) of published rooms, the fullest first."""
    rows = await reads.fetch(
        "SELECT r.room_id, (SELECT count(*) FROM members m WHERE m.room_id = r.room_id AND m.membership = 'join') AS n"
        " FROM rooms r WHERE r.directory ORDER BY n DESC, r.room_id OFFSET $1 LIMIT $2",
        int(after or 0),
        count,
    )
    return [(row["room_id"], row["n"]) for row in rows]
