"""Pictures of previews are forgotten when no preview has shown them for long: the rows first, then each site's bytes.

What stands in a blob may be somebody's upload as well, or be stored again at any moment. Whoever stores bytes takes the
blob's row and then its removals away, in the transaction that names it; so nothing goes from a disk that a row names.
Blobs are locked before anything that names them, as uploads do.

Some clients put a preview's picture into the message itself, or take it for a room. Such a picture stays: whoever
follows the stream for the search index notes it, within minutes, long before it would be forgotten. In an encrypted
message it cannot be seen; there clients store a copy of their own, lest the picture tell what they hide.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

from bongsu.core.events import Event
from bongsu.store.database import Connection, Database, end_when_silent

_OLD: Final = """
SELECT m.media_id, m.sha256 FROM media m JOIN blobs b USING (sha256)
WHERE m.user_id = '' AND m.media_id LIKE 'preview\\_%' AND NOT m.is_referred
    AND m.created_at < now() - $1::float8 * interval '1 s' ORDER BY m.created_at LIMIT $2 FOR UPDATE OF b SKIP LOCKED
"""
_FORGET: Final = """
DELETE FROM media WHERE media_id = ANY($1) AND created_at < now() - $2::float8 * interval '1 s' AND NOT is_referred
RETURNING sha256
"""
_PICTURE: Final = re.compile(rb"mxc://[^/\"]{1,255}/(preview_[0-9a-f]{64})")
_NAMED: Final = "EXISTS (SELECT FROM media m WHERE m.sha256 = b.sha256)"
_SHOWN: Final = "EXISTS (SELECT FROM thumbnails t WHERE t.sha256 = b.sha256 AND t.source <> b.sha256)"
_UNNAMED: Final = f"SELECT b.sha256 FROM blobs b WHERE b.sha256 = ANY($1) AND NOT {_NAMED} AND NOT {_SHOWN}"
_LOCK: Final = "SELECT FROM blobs WHERE sha256 = ANY($1) ORDER BY sha256 FOR UPDATE"
_REMOVE: Final = """
INSERT INTO blob_removals (sha256, site) SELECT * FROM unnest($1::bytea[]) AS gone, unnest($2::text[]) AS site
ON CONFLICT (sha256, site) DO UPDATE SET due_at = now()
"""
_NEXT: Final = """
SELECT sha256, EXISTS (SELECT FROM blobs b WHERE b.sha256 = r.sha256) AS is_named FROM blob_removals r
WHERE site = $1 AND due_at <= now() ORDER BY due_at LIMIT $2 FOR UPDATE OF r SKIP LOCKED
"""

Remove = Callable[[bytes], Awaitable[bool]]  # from the disk; False: not now, as its bytes are young


async def stored_again(connection: Connection, sha256: bytes) -> None:
    """It stays on all disks. In the transaction in which something names it, after its row was written."""
    await connection.execute("DELETE FROM blob_removals WHERE sha256 = $1", sha256)


async def note_referred(connection: Connection, events: Iterable[Event]) -> None:
    """Pictures of previews that these events show stay."""
    contents = (event.content_json for event in events if b"/preview_" in event.content_json)
    named = {found.decode() for content in contents for found in _PICTURE.findall(content)}
    if named:
        await connection.execute("UPDATE media SET is_referred = true WHERE media_id = ANY($1)", sorted(named))


class ForgottenBlobs:
    """Of all sites; each removes what is its own. Any number of workers may do so at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def forget_pictures(self, sites: Sequence[str], seconds: float, count: int) -> int:
        """Those of previews that none has shown for so long, at most so many. How many there were."""

        async def work(connection: Connection) -> int:
            old = await connection.fetch(_OLD, seconds, count)
            if old:
                forgotten = await connection.fetch(_FORGET, [row["media_id"] for row in old], seconds)
                await _let_go(connection, [row["sha256"] for row in forgotten], sites)
            return len(old)

        return await self._database.write(work)

    async def remove_some(self, site: str, count: int, remove: Remove, retry_seconds: float) -> int:
        """From this site's disk, while the rows are held: nobody stores the same bytes meanwhile. How many were due."""

        async def work(connection: Connection) -> int:
            await end_when_silent(connection)
            due = await connection.fetch(_NEXT, site, count)
            done = [row["sha256"] for row in due if row["is_named"] or await remove(row["sha256"])]
            left = [row["sha256"] for row in due if row["sha256"] not in done]
            await connection.execute("DELETE FROM blob_removals WHERE site = $1 AND sha256 = ANY($2)", site, done)
            await connection.execute(
                "UPDATE blob_removals SET due_at = now() + $3::float8 * interval '1 s'"
                " WHERE site = $1 AND sha256 = ANY($2)",
                *(site, left, retry_seconds),
            )
            return len(due)

        return await self._database.write(work)


async def _let_go(connection: Connection, hashes: Sequence[bytes], sites: Sequence[str]) -> None:
    """Those of these that nothing names any more, and thumbnails of them. They are locked."""
    gone = await _unnamed(connection, hashes)
    made = await connection.fetch("DELETE FROM thumbnails WHERE source = ANY($1) RETURNING sha256", gone)
    thumbnails = sorted({row["sha256"] for row in made} - set(gone))
    await connection.execute(_LOCK, thumbnails)
    gone += await _unnamed(connection, thumbnails)
    await connection.execute("DELETE FROM blob_copies WHERE sha256 = ANY($1)", gone)
    await connection.execute("DELETE FROM blobs WHERE sha256 = ANY($1)", gone)
    await connection.execute(_REMOVE, gone, list(sites))


async def _unnamed(connection: Connection, hashes: Sequence[bytes]) -> list[bytes]:
    return [row["sha256"] for row in await connection.fetch(_UNNAMED, list(hashes))]
