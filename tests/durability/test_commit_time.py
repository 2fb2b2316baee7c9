"""What a commit takes says how much work there is only when the next one takes as long (core/pressure.py)."""

import asyncio
import time

from tests.durability.notes import Note, Worker, superuser, worker

HELD_SECONDS_MIN = 0.2


async def _commit(ours: Worker, dsn: str, held_seconds: float = 0.0) -> float:
    """Seconds that a commit takes which meets a database that is away for so long, or longer."""
    began = time.monotonic()
    async with superuser(dsn) as other:
        async with other.transaction():
            if held_seconds:
                await other.execute("SELECT FROM stream FOR UPDATE")
            waiting = asyncio.create_task(ours.committer.submit(Note("@slow")))
            await asyncio.sleep(held_seconds)
        await waiting
    return time.monotonic() - began


async def test_one_commit_that_stands_still_is_no_crowd(dsn: str) -> None:
    async with worker(dsn) as ours:
        await _commit(ours, dsn)
        quick = await _commit(ours, dsn)
        held = HELD_SECONDS_MIN + 2 * quick
        await _commit(ours, dsn, held)
        assert ours.committer.took_seconds <= quick
        await _commit(ours, dsn, held)
        assert ours.committer.took_seconds > quick
