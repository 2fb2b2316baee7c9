"""What time brings to boards: waits that are due go further, old personal data goes. All workers look; one changes."""

import asyncio
from collections.abc import Callable

import structlog

from bongsu.boards.acting import Acting
from bongsu.boards.escalating import Escalate, Forget
from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.store import boards as table
from bongsu.store.database import Database
from bongsu.workflow.rounds import Rounds

log = structlog.get_logger(__name__)


class Waiting:
    """run() escalates, sweep() forgets. A wait's due time is a row, so neither a crash nor a lost site ends it."""

    def __init__(self, database: Database, acting: Acting, now_ms: Callable[[], int]) -> None:
        self._database = database
        self._acting = acting
        self._now_ms = now_ms
        self._rounds = Rounds("escalation_waits", limits.DUE_ROUND_SECONDS)

    def hurry(self) -> None:
        self._rounds.hurry()

    async def run(self) -> None:
        await self._rounds.run(self._some)

    async def _some(self) -> bool:
        """A few, each by itself. True: there may be more, and nothing stands in the way."""
        now_ms = self._now_ms()
        due = await table.due(self._database, now_ms, limits.BOARD_DUE_AT_ONCE_MAX)
        ended = await asyncio.gather(*(self._acting.submit(Escalate(*each)) for each in due), return_exceptions=True)
        errors = [(each[1], error) for each, error in zip(due, ended, strict=True) if isinstance(error, BaseException)]
        for request_id, error in errors:
            log.warning("escalation_waits", request_id=request_id, error=repr(error))
        failed = [request_id for request_id, error in errors if not _is_of_the_moment(error)]
        if failed:
            await self._database.write(lambda connection: table.postpone(connection, failed, now_ms))
        return len(due) == limits.BOARD_DUE_AT_ONCE_MAX and len(failed) == len(errors)

    async def sweep(self) -> None:
        while True:
            await asyncio.sleep(limits.BOARD_SWEEP_SECONDS)
            try:
                await self.forget()
                await self._database.write(lambda connection: table.sweep(connection, self._now_ms()))
            except Refusal as refusal:
                log.warning("boards_not_swept", why=refusal.message)
            except Exception:
                log.exception("boards_not_swept")

    async def forget(self) -> None:
        """What nobody has closed in a month. One that cannot be closed holds up no other, and is tried again."""
        found = await table.forgotten(self._database, self._now_ms(), limits.BOARD_FORGOTTEN_AT_ONCE_MAX)
        ended = await asyncio.gather(*(self._acting.submit(Forget(*each)) for each in found), return_exceptions=True)
        for (_, request_id), error in zip(found, ended, strict=True):
            if isinstance(error, BaseException):
                log.warning("forgotten_not_closed", request_id=request_id, error=repr(error))


def _is_of_the_moment(error: BaseException) -> bool:
    """The database, or a crowd: it is tried again in the next round. Anything else would fail again at once."""
    return isinstance(error, Refusal) and (error.status >= 500 or error.status == 429)
