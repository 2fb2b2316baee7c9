"""When many come at once: those who want the same offer stand in one line, and a whole stretch of it is one commit.

Messages do not wait for it: it takes the lock of its offer, not the right to write, and two connections at most.
"""

import asyncio

import structlog

from bongsu.bookings.ledger import Attempt, Ledger, Outcome
from bongsu.core import limits
from bongsu.core.errors import Refusal, limit_exceeded
from bongsu.store.database import Database
from bongsu.store.idempotency import Answer

log = structlog.get_logger(__name__)

_Waiting = tuple[Attempt, "asyncio.Future[Outcome]"]
_LINES_AT_ONCE = 2  # of a worker's connections, which reads need as well


class Lines:
    """book() returns when the commit with the attempt has passed the barrier."""

    def __init__(self, database: Database, ledger: Ledger) -> None:
        self._database = database
        self._ledger = ledger
        self._lines: dict[str, list[_Waiting]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._count = 0
        self._turn = asyncio.Semaphore(_LINES_AT_ONCE)

    async def book(self, offer_id: str, attempt: Attempt) -> Answer:
        if self._count >= limits.BOOKING_ATTEMPTS_WAITING_MAX:
            raise limit_exceeded(1_000)
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._count += 1
        if offer_id in self._lines:
            self._lines[offer_id].append((attempt, future))
        else:
            self._lines[offer_id] = [(attempt, future)]
            task = asyncio.create_task(self._serve(offer_id), name="booking")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        outcome = await future
        if isinstance(outcome, Refusal):
            raise outcome
        return outcome

    async def _serve(self, offer_id: str) -> None:
        """Until nobody stands there any more."""
        line = self._lines[offer_id]
        while line:
            async with self._turn:
                some = line[: limits.BOOKING_ATTEMPTS_AT_ONCE_MAX]
                del line[: limits.BOOKING_ATTEMPTS_AT_ONCE_MAX]
                outcomes = await self._decide(offer_id, [attempt for attempt, _ in some])
            self._count -= len(some)
            for (_, future), outcome in zip(some, outcomes, strict=True):
                if not future.done():
                    future.set_result(outcome)
        del self._lines[offer_id]

    async def _decide(self, offer_id: str, attempts: list[Attempt]) -> list[Outcome]:
        try:
            return await self._database.write(lambda connection: self._ledger.attempts(connection, offer_id, attempts))
        except Refusal as refusal:
            return [refusal] * len(attempts)
        except Exception:
            log.exception("booking_failed")
            return [Refusal(500, "M_UNKNOWN", "something went wrong on this server; it was logged")] * len(attempts)
