"""When many come at once: those who want the same offer stand in one line, and a whole stretch of it is one commit.

Messages do not wait for it: it takes the lock of its offer, not the right to write, and two connections at most.

Each worker has a line of its own, and its order is kept. Between workers the offer's lock goes round, and whoever has
it takes all who stand in their line by then: nobody is overtaken by somebody who came later elsewhere than it takes to
do one stretch of each other worker's, some 0.3 s for five thousand people (docs/decisions/arrival-order.md).
"""

import asyncio
from collections.abc import Callable

import structlog

from bongsu.bookings.ledger import Ledger
from bongsu.bookings.round import Attempt, Outcome
from bongsu.core import limits
from bongsu.core.errors import Refusal, limit_exceeded
from bongsu.store.database import EXHAUSTED, REFUSED, UNFIT, Database, not_stored
from bongsu.store.idempotency import Answer

log = structlog.get_logger(__name__)

_Waiting = tuple[Attempt, "asyncio.Future[Outcome]"]
_LINES_AT_ONCE = 2  # of a worker's connections, which reads need as well


class Lines:
    """book() returns when the commit with the attempt has passed the barrier. waiting: how many stand in all lines."""

    def __init__(self, database: Database, ledger: Ledger) -> None:
        self.waiting = 0
        self._database = database
        self._ledger = ledger
        self._lines: dict[str, list[_Waiting]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Semaphore(_LINES_AT_ONCE)

    async def book(self, offer_id: str, attempt: Attempt) -> Answer:
        if self.waiting >= limits.BOOKING_ATTEMPTS_WAITING_MAX:
            raise limit_exceeded(1_000)
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.waiting += 1
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
                some, outcomes = await self._next(offer_id, line)
            self.waiting -= len(some)
            for (_, future), outcome in zip(some, outcomes, strict=True):
                if not future.done():
                    future.set_result(outcome)
        del self._lines[offer_id]

    async def _next(self, offer_id: str, line: list[_Waiting]) -> tuple[list[_Waiting], list[Outcome]]:
        """A stretch and its outcomes. Who comes while the offer is locked by others belongs to it."""
        some: list[_Waiting] = []

        def come() -> list[Attempt]:
            if not some:  # or it is done again, and must find its own
                some.extend(line[: limits.BOOKING_ATTEMPTS_AT_ONCE_MAX])
                del line[: limits.BOOKING_ATTEMPTS_AT_ONCE_MAX]
            return [attempt for attempt, _ in some]

        outcomes = await self._decide(offer_id, come)
        return some, outcomes

    async def _decide(self, offer_id: str, come: Callable[[], list[Attempt]]) -> list[Outcome]:
        """They keep their place in the line until their outcome is known."""
        try:
            return await self._database.write_until_known(
                lambda connection: self._ledger.attempts(connection, offer_id, come)
            )
        except Refusal as refusal:
            return [refusal] * len(come())
        except (*REFUSED, *UNFIT) as error:
            return await self._apart(offer_id, come(), error)
        except Exception:
            log.exception("booking_failed")
            return [Refusal(500, "M_UNKNOWN", "something went wrong on this server; it was logged")] * len(come())

    async def _apart(self, offer_id: str, attempts: list[Attempt], error: Exception) -> list[Outcome]:
        """One that the database refuses must not take the others with it: halve until it stands alone."""
        if len(attempts) == 1 or isinstance(error, EXHAUSTED):
            log.error("booking_not_stored", error=repr(error), attempts=len(attempts))
            return [not_stored()] * len(attempts)
        first, second = attempts[: len(attempts) // 2], attempts[len(attempts) // 2 :]
        return [*await self._decide(offer_id, lambda: first), *await self._decide(offer_id, lambda: second)]
