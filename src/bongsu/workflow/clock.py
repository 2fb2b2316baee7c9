"""Timers go off: each once, on whichever worker comes first, and on another when a site is lost."""

import asyncio
from collections.abc import Callable, Mapping

import structlog
from prometheus_client import Counter

from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.store.database import REFUSED, Database
from bongsu.store.timers import Failed, Handler, Timers

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
                while await self._fire_each():
                    self._after()
            except (Refusal, *REFUSED) as error:
                log.warning("timers_wait", error=repr(error))
            except Exception:
                log.exception("timers_wait")
            await asyncio.sleep(limits.TIMER_LOOK_SECONDS)

    async def _fire_each(self) -> bool:
        """One of each kind that is due: a hundred thousand reminders hold up no place that is free again."""
        now_ms = self._now_ms()
        return any([await self._fire(kind, now_ms) for kind in await self._timers.due(list(self._handlers), now_ms)])

    async def _fire(self, kind: str, now_ms: int) -> bool:
        try:
            found = await self._timers.fire([kind], now_ms, self._handlers[kind])
        except Failed:
            FIRED.labels(kind, "failed").inc()
            log.exception("timer_failed", kind=kind)
            return True
        if found:
            FIRED.labels(kind, "done").inc()
        return found
