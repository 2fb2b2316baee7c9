"""Which sites hold which files: rows, so that a site that was away knows what it missed.

A row names a blob and a site. Rows of several blobs are locked in their order, so that nobody waits in a circle.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from bongsu.core import limits
from bongsu.store.database import Connection, Database

_NEXT_CHECK: Final = f"now() + {limits.SCRUB_EVERY_SECONDS} * (0.9 + random() * 0.2) * interval '1 s'"
_HELD: Final = "held_at IS NOT NULL"
_LACKING: Final = "held_at IS NULL"
_NOT_LOST: Final = "lost_at IS NULL"
_EXPECTED: Final = "held_at IS NULL AND lost_at IS NULL"  # and on its way, perhaps


class Wanted(msgspec.Struct, frozen=True):
    """A blob to be brought to a site, or to be looked at there. tries: how often that failed so far."""

    sha256: bytes
    size: int
    tries: int


async def add_copies(connection: Connection, sha256: bytes, sites: Mapping[str, bool]) -> None:
    """sites: every site that shall hold this blob, and whether it does. What is known to be held stays held."""
    names = sorted(sites)
    await connection.execute(
        "INSERT INTO blob_copies AS c (sha256, site, held_at, due_at)"
        f" SELECT $1, site, CASE WHEN held THEN now() END, CASE WHEN held THEN {_NEXT_CHECK}"
        f" ELSE now() + {limits.COPY_GRACE_SECONDS} * interval '1 s' END"
        " FROM unnest($2::text[], $3::boolean[]) AS given(site, held) ORDER BY site"
        " ON CONFLICT (sha256, site) DO UPDATE SET held_at = excluded.held_at, lost_at = NULL,"
        " due_at = excluded.due_at, tries = 0"
        " WHERE c.held_at IS NULL AND excluded.held_at IS NOT NULL",
        *(sha256, names, [sites[name] for name in names]),
    )


class CopyStore:
    """What one site knows of its own copies. A blob without a row (a thumbnail) is left out without a word."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def set_held(self, site: str, hashes: Sequence[bytes]) -> None:
        """For whoever has just looked at the disk."""
        await self._change(
            f"held_at = now(), lost_at = NULL, due_at = {_NEXT_CHECK}, tries = 0", _LACKING, site, hashes
        )

    async def set_arrived(self, site: str, hashes: Sequence[bytes]) -> None:
        """They came, some time ago. What was found to be lost since then stays lost."""
        await self._change(f"held_at = now(), due_at = {_NEXT_CHECK}, tries = 0", _EXPECTED, site, hashes)

    async def set_lost(self, site: str, hashes: Sequence[bytes]) -> None:
        """The site does not have it, whatever was believed: it is to be brought at once."""
        await self._change("held_at = NULL, lost_at = now(), due_at = now(), tries = 0", _NOT_LOST, site, hashes)

    async def postpone(self, site: str, hashes: Sequence[bytes]) -> None:
        """It could not be brought: each try waits longer than the one before."""
        seconds = f"least(2 ^ least(tries, 20), {limits.REPAIR_RETRY_SECONDS_MAX})"
        await self._change(f"tries = tries + 1, due_at = now() + {seconds} * interval '1 s'", _LACKING, site, hashes)

    async def claim_lacking(self, site: str, count: int) -> list[Wanted]:
        """What this site lacks and is due. For a while nobody else gets the same."""
        due_at = f"now() + {limits.REPAIR_CLAIM_SECONDS} * interval '1 s'"
        return await self._claim(site, count, _LACKING, due_at)

    async def claim_checks(self, site: str, count: int) -> list[Wanted]:
        """What this site holds and has not looked at for long. It counts as looked at."""
        return await self._claim(site, count, _HELD, _NEXT_CHECK)

    async def missing(self, site: str) -> int:
        """How many blobs this site lacks, counted up to a bound."""
        count: int = await self._database.fetchval(
            "SELECT count(*) FROM (SELECT FROM blob_copies WHERE site = $1 AND held_at IS NULL LIMIT $2) AS lacking",
            *(site, limits.MISSING_COUNTED_MAX),
        )
        return count

    async def enrol(self, site: str, after: bytes, count: int) -> bytes | None:
        """Gives the next `count` blobs behind `after` that files name a row for this site, if they have none.

        Returns the last one looked at; None when there are no more.
        """

        async def work(connection: Connection) -> bytes | None:
            last: bytes | None = await connection.fetchval(
                "WITH page AS (SELECT sha256 FROM blobs WHERE sha256 > $2 ORDER BY sha256 LIMIT $3), enrolled AS ("
                "INSERT INTO blob_copies (sha256, site) SELECT sha256, $1 FROM page"
                " WHERE EXISTS (SELECT FROM media WHERE media.sha256 = page.sha256)"
                " AND NOT EXISTS (SELECT FROM blob_copies c WHERE c.sha256 = page.sha256 AND c.site = $1)"
                " ON CONFLICT DO NOTHING) SELECT sha256 FROM page ORDER BY sha256 DESC LIMIT 1",
                *(site, after, count),
            )
            return last

        return await self._database.write(work)

    async def _change(self, change: str, which: str, site: str, hashes: Sequence[bytes]) -> None:
        await self._database.execute(
            "WITH chosen AS (SELECT sha256 FROM blob_copies WHERE site = $1 AND sha256 = ANY($2::bytea[])"
            f" AND {which} ORDER BY sha256 FOR UPDATE)"
            f" UPDATE blob_copies AS c SET {change} FROM chosen WHERE c.site = $1 AND c.sha256 = chosen.sha256",
            *(site, list(hashes)),
        )

    async def _claim(self, site: str, count: int, which: str, due_at: str) -> list[Wanted]:
        async def work(connection: Connection) -> list[Wanted]:
            rows = await connection.fetch(
                f"WITH due AS (SELECT sha256 FROM blob_copies WHERE site = $1 AND {which} AND due_at <= now()"
                " ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED)"
                f" UPDATE blob_copies AS c SET due_at = {due_at} FROM due, blobs b"
                " WHERE c.site = $1 AND c.sha256 = due.sha256 AND b.sha256 = due.sha256"
                " RETURNING c.sha256, b.size, c.tries",
                *(site, count),
            )
            return [Wanted(**row) for row in rows]

        return await self._database.write(work)
