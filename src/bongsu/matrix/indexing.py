"""Makes what was written searchable, behind the commits: one worker at a time, whichever is there."""

import asyncio
import time
from collections.abc import Callable

import structlog

from bongsu import pace
from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.store import search as table
from bongsu.store.database import Database
from bongsu.store.feed import Feed

log = structlog.get_logger(__name__)


class Indexing:
    """run() is a task of a worker. is_pressed: then messages come first, and the index waits."""

    def __init__(self, database: Database, feed: Feed, is_pressed: Callable[[], bool]) -> None:
        self._database = database
        self._feed = feed
        self._is_pressed = is_pressed
        self._done_to = -1
        self._looked_at = 0.0

    async def run(self) -> None:
        while True:
            more = False
            try:
                more = await self._some()
            except Refusal as refusal:
                log.warning("not_indexed", error=refusal.message)
            except Exception:  # nobody would notice that nothing new is in the index
                log.exception("not_indexed")
            if more:
                await asyncio.sleep(limits.INDEX_PAUSE_SECONDS)
            else:
                await pace.pause(limits.INDEX_EVERY_SECONDS)

    async def _some(self) -> bool:
        """One batch. Asks nobody while nothing was written."""
        pos, now = self._feed.pos, time.monotonic()
        if pos == self._done_to or self._is_pressed() or not self._database.has_primary:
            return False
        if pos - self._done_to < limits.INDEX_MUCH and now - self._looked_at < limits.INDEX_LATE_SECONDS:
            return False
        self._looked_at = now
        if await self._database.write(table.keep_some):
            self._looked_at = 0.0
            return True
        if await table.is_whole(self._database, pos):
            self._done_to = pos
        return False
