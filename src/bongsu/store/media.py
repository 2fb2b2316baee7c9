"""What is known of files: whose they are, what they are called, and which blob holds their bytes."""

from collections.abc import Mapping, Sequence

import msgspec

from bongsu.core import limits
from bongsu.store.blob_copies import add_copies
from bongsu.store.database import Connection, Database
from bongsu.store.forgotten_blobs import stored_again

_LOCK = 0x6D646961  # with a hash of the user id: one person's new ids are made one after the other


class MediaRow(msgspec.Struct, frozen=True):
    """A file, or an id that waits for its upload: then sha256 is None. expires_ms is since the epoch."""

    media_id: str
    user_id: str
    sha256: bytes | None
    size: int
    content_type: str
    file_name: str | None
    expires_ms: int | None


class NewFile(msgspec.Struct, frozen=True):
    """A file that was uploaded, without the id it gets. sites: who shall hold its blob, and whether they do."""

    user_id: str
    sha256: bytes
    size: int
    content_type: str
    file_name: str | None
    sites: Mapping[str, bool] = {}


class ThumbnailKey(msgspec.Struct, frozen=True):
    """Which thumbnail: of which blob, within which size in pixels, by which method, moving or not."""

    source: bytes
    width: int
    height: int
    method: str
    animated: bool


class ThumbnailRow(msgspec.Struct, frozen=True):
    """A thumbnail: the blob that holds it."""

    sha256: bytes
    size: int
    content_type: str


class MediaStore:
    """Times are milliseconds since the epoch; sha256 is 32 bytes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, media_id: str) -> MediaRow | None:
        row = await self._database.fetchrow(
            "SELECT m.media_id, m.user_id, m.sha256, coalesce(b.size, 0) AS size, coalesce(m.content_type, '') AS"
            " content_type, m.file_name, (extract(epoch FROM m.expires_at) * 1000)::bigint AS expires_ms"
            " FROM media m LEFT JOIN blobs b ON b.sha256 = m.sha256 WHERE m.media_id = $1",
            media_id,
        )
        return None if row is None else MediaRow(**row)

    async def add(self, media_id: str, file: NewFile) -> None:
        """A file that was uploaded in one step."""

        async def work(connection: Connection) -> None:
            await _add_file(connection, file)
            await connection.execute(
                "INSERT INTO media (media_id, user_id, sha256, content_type, file_name) VALUES ($1, $2, $3, $4, $5)",
                *(media_id, file.user_id, file.sha256, file.content_type, file.file_name),
            )

        await self._database.write(work)

    async def add_once(self, media_id: str, file: NewFile) -> None:
        """As add(), where the id says what the file holds: it may be there already, and is as new from then on."""

        async def work(connection: Connection) -> None:
            await _add_file(connection, file)
            await connection.execute(
                "INSERT INTO media (media_id, user_id, sha256, content_type, file_name) VALUES ($1, $2, $3, $4, $5)"
                " ON CONFLICT (media_id) DO UPDATE SET created_at = now()",
                *(media_id, file.user_id, file.sha256, file.content_type, file.file_name),
            )

        await self._database.write(work)

    async def reserve(self, media_id: str, user_id: str, *, now_ms: int, expires_ms: int, waiting_max: int) -> bool:
        """An id that waits for its upload. False when this person has waiting_max of them. Forgets expired ones."""

        async def work(connection: Connection) -> bool:
            await connection.execute("SELECT pg_advisory_xact_lock($1, hashtext($2))", _LOCK, user_id)
            await connection.execute(
                "DELETE FROM media WHERE user_id = $1 AND sha256 IS NULL AND expires_at < to_timestamp($2)",
                *(user_id, now_ms / 1000 - limits.MEDIA_WAITING_KEPT_SECONDS),
            )
            waiting = await connection.fetchval(
                "SELECT count(*) FROM media WHERE user_id = $1 AND sha256 IS NULL AND expires_at > to_timestamp($2)",
                *(user_id, now_ms / 1000),
            )
            if waiting >= waiting_max:
                return False
            await connection.execute(
                "INSERT INTO media (media_id, user_id, expires_at) VALUES ($1, $2, to_timestamp($3))",
                *(media_id, user_id, expires_ms / 1000),
            )
            return True

        return await self._database.write(work)

    async def bytes_of_day(self, user_id: str) -> int:
        """All that a person uploaded in the last 24 hours."""
        count: int = await self._database.fetchval(
            "SELECT coalesce(sum(b.size), 0)::bigint FROM media m JOIN blobs b ON b.sha256 = m.sha256"
            " WHERE m.user_id = $1 AND m.sha256 IS NOT NULL AND m.created_at > now() - interval '1 day'",
            user_id,
        )
        return count

    async def fill(self, media_id: str, file: NewFile) -> bool:
        """The upload of a waiting id. False when another upload was faster."""

        async def work(connection: Connection) -> bool:
            await _add_file(connection, file)
            tag = await connection.execute(
                "UPDATE media SET sha256 = $3, content_type = $4, file_name = $5, expires_at = NULL"
                " WHERE media_id = $1 AND user_id = $2 AND sha256 IS NULL",
                *(media_id, file.user_id, file.sha256, file.content_type, file.file_name),
            )
            return bool(tag == "UPDATE 1")

        return await self._database.write(work)

    async def arrived(self, media_ids: Sequence[str]) -> list[str]:
        """Those of these ids that were uploaded."""
        rows = await self._database.fetch(
            "SELECT media_id FROM media WHERE media_id = ANY($1::text[]) AND sha256 IS NOT NULL", list(media_ids)
        )
        return [row["media_id"] for row in rows]

    async def thumbnail(self, key: ThumbnailKey) -> ThumbnailRow | None:
        row = await self._database.fetchrow(
            "SELECT t.sha256, b.size, t.content_type FROM thumbnails t JOIN blobs b ON b.sha256 = t.sha256"
            " WHERE t.source = $1 AND t.width = $2 AND t.height = $3 AND t.method = $4 AND t.animated = $5",
            *msgspec.structs.astuple(key),
        )
        return None if row is None else ThumbnailRow(**row)

    async def add_thumbnail(self, key: ThumbnailKey, made: ThumbnailRow) -> None:
        """Two processes may make the same thumbnail; the newer row stays, both blobs are right."""

        async def work(connection: Connection) -> None:
            await add_blob(connection, made.sha256, made.size)
            await connection.execute(
                "INSERT INTO thumbnails (source, width, height, method, animated, content_type, sha256)"
                " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (source, width, height, method, animated)"
                " DO UPDATE SET content_type = excluded.content_type, sha256 = excluded.sha256",
                *msgspec.structs.astuple(key),
                made.content_type,
                made.sha256,
            )

        await self._database.write(work)


async def _add_file(connection: Connection, file: NewFile) -> None:
    """A file becomes visible together with where it is."""
    await add_blob(connection, file.sha256, file.size)
    if file.sites:
        await add_copies(connection, file.sha256, file.sites)


async def add_blob(connection: Connection, sha256: bytes, size: int) -> None:
    """The same bytes may have been stored before. The caller writes more in this transaction, so its commit waits.

    From now on nobody else takes it away as something that nothing names.
    """
    await connection.execute(
        "INSERT INTO blobs (sha256, size) VALUES ($1, $2) ON CONFLICT (sha256) DO UPDATE SET size = excluded.size",
        *(sha256, size),
    )
    await stored_again(connection, sha256)
