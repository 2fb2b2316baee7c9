"""Work that is looked for again and again, for ever, whatever goes wrong."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NoReturn

import structlog

from bongsu import pace
from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.store.database import REFUSED

log = structlog.get_logger(__name__)


async def go_on(run: Callable[[], Awaitable[None]]) -> None:
    """Begins it anew when a fault ended it: nobody would notice that a worker does a part of its work no more."""
    while True:
        try:
            return await run()
        except Exception:
            log.exception("begun_anew", work=getattr(run, "__qualname__", repr(run)))
        await asyncio.sleep(limits.ROUND_SECONDS)


class Rounds:
    """A round begins at once after hurry(), and after some seconds in any case: a hint may be lost.

    waits: the name of the log's line when a round failed. What was not done is done in a later one.
    """

    def __init__(self, waits: str, seconds: float) -> None:
        self._waits = waits
        self._seconds = seconds
        self._news = pace.Bell()

    def hurry(self) -> None:
        self._news.set()

    async def run(self, some: Callable[[], Awaitable[object]]) -> NoReturn:
        """some: does a piece of the work, and is asked again at once if it says that there may be more."""
        while True:
            self._news.clear()
            try:
                while await some():
                    pass
            except (Refusal, *REFUSED) as error:
                log.warning(self._waits, error=repr(error))
            except Exception:
                log.exception(self._waits)
            await self._news.comes(self._seconds)
