"""Rate limits that all workers share: one row for each key, the moment at which its bucket is full again (GCRA).

The table is UNLOGGED, so taking from it waits for no disk and no second site; it is therefore written outside of
Database.write, and cancelling it does no harm.
"""

from typing import Final

from bongsu.store.database import Database

# What is left of a bucket is (now + full - full_at) / interval. Takes all that was asked for, or nothing.
_TAKE: Final = """
INSERT INTO rate_limits AS r (key, full_at) VALUES ($1, now() + $2::float8 * interval '1 second')
ON CONFLICT (key) DO UPDATE SET full_at = greatest(r.full_at, now()) + $2::float8 * interval '1 second'
    WHERE greatest(r.full_at, now()) + $2::float8 * interval '1 second' <= now() + $3::float8 * interval '1 second'
RETURNING 1
"""
_FULL_IN: Final = "SELECT extract(epoch FROM full_at - now())::float8 FROM rate_limits WHERE key = $1"


class RateLimits:
    """Buckets by key. Times in seconds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, key: str, seconds: float, full_seconds: float) -> bool:
        """Takes what it costs `seconds` to refill, from a bucket that refills in `full_seconds`."""
        return bool(await self._database.fetchval(_TAKE, key, seconds, full_seconds))

    async def full_in(self, key: str) -> float:
        """Seconds until the bucket is full again; 0 when it is."""
        seconds = await self._database.fetchval(_FULL_IN, key)
        return max(0.0, seconds or 0.0)

    async def sweep(self) -> None:
        """Forgets the buckets that are full: a missing row says the same."""
        await self._database.fetchval("DELETE FROM rate_limits WHERE full_at < now()")
