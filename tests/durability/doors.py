"""Several workers on one data folder, which may be killed, and clients that ask until one of them answers."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.api.talking import Talker
from tests.server import Server, data_folder

PAUSE_SECONDS = 0.05
ACKNOWLEDGED_BETWEEN = 15  # writes that say that the workers are at work again


class Doors:
    """The workers, asked in turn, each through connections of its own."""

    def __init__(self, workers: list[Server], sessions: list[aiohttp.ClientSession]) -> None:
        self.workers = workers
        self.sessions = sessions
        self._next = itertools.count()

    async def ask(self, talker: Talker, call: Callable[[Talker], Awaitable[tuple[int, Any]]]) -> Any:
        """Asks until a worker answers, whichever that is."""
        while True:
            session = self.sessions[next(self._next) % len(self.sessions)]
            try:
                status, answer = await call(talker.through(session))
            except aiohttp.ClientError:
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            if status == 200:
                return answer
            assert status == 503, answer
            await asyncio.sleep(PAUSE_SECONDS)

    async def kill_one(self, number: int, acknowledged: Sequence[object]) -> None:
        """Kills a worker in the middle of things, and starts it again when the others have gone on without it."""
        await _more(acknowledged)
        worker = self.workers[number % len(self.workers)]
        worker.kill()
        await _more(acknowledged)
        await asyncio.to_thread(worker.restart)


async def _more(acknowledged: Sequence[object]) -> None:
    enough = len(acknowledged) + ACKNOWLEDGED_BETWEEN
    while len(acknowledged) < enough:
        await asyncio.sleep(PAUSE_SECONDS)


@asynccontextmanager
async def doors(count: int) -> AsyncIterator[Doors]:
    """So many new workers."""
    with data_folder() as data_dir:
        workers = [await asyncio.to_thread(Server.start, data_dir) for _ in range(count)]
        timeout = aiohttp.ClientTimeout(20)
        sessions = [aiohttp.ClientSession(worker.base_url, timeout=timeout) for worker in workers]
        try:
            yield Doors(workers, sessions)
        finally:
            for session in sessions:
                await session.close()
