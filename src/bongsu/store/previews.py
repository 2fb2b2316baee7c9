"""What addresses were about when they were last asked, and who asks one now."""

import hashlib
from typing import Final

import msgspec

from bongsu.core import limits
from bongsu.store.database import Connection, Database


class Preview(msgspec.Struct, frozen=True):
    """said: JSON, None where there was nothing to be had."""

    said: bytes | None


_FIND: Final = "SELECT said FROM url_previews WHERE url_hash = $1 AND expires_at > now()"
_CLAIM: Final = """
INSERT INTO url_previews (url_hash, url, expires_at, claimed_until)
VALUES ($1, $2, now(), now() + make_interval(secs => $3))
ON CONFLICT (url_hash) DO UPDATE SET claimed_until = excluded.claimed_until
WHERE url_previews.expires_at <= now() AND coalesce(url_previews.claimed_until <= now(), true)
RETURNING 1
"""
_KEEP: Final = """
UPDATE url_previews SET said = $2, fetched_at = now(), expires_at = now() + make_interval(secs => $3),
    claimed_until = NULL
WHERE url_hash = $1
"""
_SWEEP: Final = """
DELETE FROM url_previews WHERE url_hash IN (
    SELECT url_hash FROM url_previews WHERE expires_at < now() AND coalesce(claimed_until < now(), true)
    ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)
"""


def _hash(url: str) -> bytes:
    return hashlib.sha256(url.encode()).digest()


class PreviewStore:
    """Times are the database's: all workers have the same."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, url: str) -> Preview | None:
        """None for an address that was not asked, or too long ago."""
        row = await self._database.fetchrow(_FIND, _hash(url))
        return None if row is None else Preview(row["said"])

    async def claim(self, url: str, seconds: float) -> bool:
        """True for the one who shall ask; for that long, all others wait."""

        async def work(connection: Connection) -> bool:
            return bool(await connection.fetchval(_CLAIM, _hash(url), url, seconds))

        return await self._database.write(work)

    async def keep(self, url: str, said: bytes | None, seconds: float) -> None:
        """The answer, for so long. Some that are over are cleared away, so that the table cannot grow for ever."""

        async def work(connection: Connection) -> None:
            await connection.execute(_SWEEP, limits.PREVIEWS_SWEPT_MAX)
            await connection.execute(_KEEP, _hash(url), said, seconds)

        await self._database.write(work)
