"""What time brings to boards: waits that are due go further, old personal data goes. All workers look; one changes."""

import asyncio
from collections.abc import Callable

import structlog

from bongsu.boards.changes import Escalate
from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.store import boards as table
from bongsu.store.committer import Committer
from bongsu.store.database import Database

log = structlog.get_logger(__name__)


class Waiting:
    """run() escalates, sweep() forgets. A wait's due time is a row, so neither a crash nor a lost site ends it."""

    def __init__(self, database: Database, committer: Committer, now_ms: Callable[[], int]) -> None:
        self._database = database
        self._committer = committer
        self._now_ms = now_ms

    async def run(self) -> None:
        while True:
            await asyncio.sleep(limits.BOARD_LOOK_SECONDS)
            try:
                await self._look()
            except Refusal as refusal:
                log.warning("escalation_waits", why=refusal.message)
            except Exception:
                log.exception("escalation_waits")

    async def _look(self) -> None:
        """Each by itself: one that fails keeps no other waiting."""
        due = await table.due(self._database, self._now_ms(), limits.BOARD_DUE_AT_ONCE_MAX)
        ended = await asyncio.gather(*(self._committer.submit(Escalate(*each)) for each in due), return_exceptions=True)
        for error in ended:
            if isinstance(error, BaseException):
                log.warning("escalation_waits", error=repr(error))

    async def sweep(self) -> None:
        while True:
            await asyncio.sleep(limits.BOARD_SWEEP_SECONDS)
            try:
                await self._database.write(lambda connection: table.sweep(connection, self._now_ms()))
            except Refusal as refusal:
                log.warning("boards_not_swept", why=refusal.message)
            except Exception:
                log.exception("boards_not_swept")
