"""Timers go off: each once, on whichever worker comes first, and on another when a site is lost."""

from collections.abc import Callable, Mapping

import structlog
from prometheus_client import Counter

from bongsu.core import limits
from bongsu.store.database import Database
from bongsu.store.timers import Failed, Handler, Timers
from bongsu.workflow.rounds import Rounds

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
        self._rounds = Rounds("timers_wait", limits.DUE_ROUND_SECONDS)

    def hurry(self) -> None:
        self._rounds.hurry()

    async def run(self) -> None:
        await self._rounds.run(self._fire_each)

    async def _fire_each(self) -> bool:
        """One of each kind that is due: a hundred thousand reminders hold up no place that is free again."""
        now_ms = self._now_ms()
        due = await self._timers.due(list(self._handlers), now_ms)
        if not any([await self._fire(kind, now_ms) for kind in due]):
            return False
        self._after()
        return True

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
