"""Keys that sign what services give out: Ed25519, 32 bytes, one for each purpose."""

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
