"""Timers go off: each once, on whichever worker comes first, and on another when a site is lost."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress

import structlog
from prometheus_client import Counter

from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.store.database import REFUSED, Connection, Database
from bongsu.store.timers import Failed, Handler, Timer, Timers

log = structlog.get_logger(__name__)

FIRED = Counter("bongsu_timers_total", "Timers that went off", ["kind", "outcome"])


class Clock:
    """run() for ever. handlers: by a timer's kind; each writes in the transaction that it is given, and nowhere else.

    after: called when something was done, as it may have left something in the outbox.
    """

    def __init__(
        self,
        database: Database,
        handlers: Mapping[str, Handler],
        now_ms: Callable[[], int],
        after: Callable[[], None],
    ) -> None:
        self._timers = Timers(database)
        self._handlers = handlers
        self._now_ms = now_ms
        self._after = after

    async def run(self) -> None:
        """Whatever goes wrong, it goes on."""
        while True:
            try:
                while await self._fire():
                    self._after()
            except (Refusal, *REFUSED) as error:
                log.warning("timers_wait", error=repr(error))
            except Exception:
                log.exception("timers_wait")
            await asyncio.sleep(limits.TIMER_LOOK_SECONDS)

    async def _fire(self) -> bool:
        now_ms, kinds = self._now_ms(), list(self._handlers)
        if not await self._timers.next_due(kinds, now_ms):
            return False
        fired: list[str] = []

        async def handle(connection: Connection, timer: Timer) -> None:
            fired[:] = [timer.kind]
            await self._handlers[timer.kind](connection, timer)

        try:
            found = await self._timers.fire(kinds, now_ms, handle)
        except Failed as error:
            FIRED.labels(str(error), "failed").inc()
            log.exception("timer_failed", kind=str(error))
            return True
        with suppress(IndexError):
            FIRED.labels(fired[0], "done").inc()
        return found
