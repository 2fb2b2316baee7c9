"""Keys that sign what services give out: Ed25519, 32 bytes, one for each purpose, or one after the other."""

import msgspec

from bongsu.store.database import Connection
from bongsu.store.rooms import Reads


async def known(reads: Reads, purpose: str) -> bytes | None:
    rows = await reads.fetch("SELECT private FROM service_keys WHERE purpose = $1", purpose)
    return bytes(rows[0]["private"]) if rows else None


async def made(connection: Connection, purpose: str, fresh: bytes) -> bytes:
    """The server's; `fresh` if it has none yet."""
    await connection.execute("INSERT INTO service_keys VALUES ($1, $2) ON CONFLICT DO NOTHING", purpose, fresh)
    found: bytes = await connection.fetchval("SELECT private FROM service_keys WHERE purpose = $1", purpose)
    return found


# --- one after the other ---


class MadeKey(msgspec.Struct, frozen=True):
    private: bytes
    made_at: int


async def series(reads: Reads, purpose: str) -> list[MadeKey]:
    """Oldest first."""
    rows = await reads.fetch(
        "SELECT private, made_at FROM service_keys WHERE purpose = $1 OR starts_with(purpose, $1 || '/')"
        " ORDER BY made_at, purpose",
        purpose,
    )
    return [MadeKey(bytes(row["private"]), row["made_at"]) for row in rows]


async def next_of(
    connection: Connection, purpose: str, fresh: MadeKey, due_since: int, kept_since: int
) -> list[MadeKey]:
    """All there are, with a fresh one if the newest was made by `due_since`; those made by `kept_since` are gone."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 25))", purpose)
    known = await series(connection, purpose)
    if known and known[-1].made_at > due_since:
        return known
    name = f"{purpose}/{fresh.made_at}" if known else purpose
    sql = "INSERT INTO service_keys (purpose, private, made_at) VALUES ($1, $2, $3)"
    await connection.execute(sql, name, fresh.private, fresh.made_at)
    old = "DELETE FROM service_keys WHERE (purpose = $1 OR starts_with(purpose, $1 || '/')) AND made_at <= $2"
    await connection.execute(old, purpose, kept_since)
    return await series(connection, purpose)
