"""How busy this worker is, measured all the time: sets what is given up (http/shedding.py), and says so."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final

import structlog
from prometheus_client import Gauge as Metric

from bongsu import pace
from bongsu.core import limits
from bongsu.core.pressure import Gauge, Signals
from bongsu.core.tiers import Level
from bongsu.http.shedding import Shedding
from bongsu.store.committer import Committer
from bongsu.store.database import Database

log = structlog.get_logger(__name__)

LEVEL: Final = Metric("bongsu_pressure_level", "What is given up: 0 nothing, 8 a part of the text")
SHARE: Final = Metric("bongsu_text_share", "How much of the text passes")
LAG: Final = Metric("bongsu_loop_lag_seconds", "How late the event loop calls, at least, in the last moment")
BUSY: Final = Metric("bongsu_loop_busy", "Share of a core that the event loop's thread uses")


_QUIET_IN_FLIGHT: Final = 10


class Pressure:
    """level and share: what holds now.

    parked: how many of the requests in flight only wait for news; lines: how many of them stand in booking lines.
    """

    def __init__(
        self,
        database: Database,
        committer: Committer,
        shedding: Shedding,
        parked: Callable[[], int],
        lines: Callable[[], int],
    ) -> None:
        self._database = database
        self._committer = committer
        self._shedding = shedding
        self._parked = parked
        self._lines = lines
        self._gauge = Gauge()
        self._lags: deque[float] = deque(maxlen=limits.PRESSURE_TICKS)
        self._ages: deque[float] = deque(maxlen=limits.PRESSURE_TICKS)
        self._took: deque[float] = deque(maxlen=limits.PRESSURE_TICKS)
        self._reads: deque[int] = deque(maxlen=limits.PRESSURE_TICKS)
        self._busy = (time.monotonic(), time.thread_time())
        self._show()

    @property
    def level(self) -> Level:
        return self._gauge.level

    @property
    def share(self) -> float:
        return self._gauge.share

    async def run(self) -> None:
        """Looks seldom while it is quiet, because a look costs an idle worker more than what it serves."""
        while True:
            if await self._tick(self._pause()):
                for _ in range(limits.PRESSURE_TICKS):
                    await self._tick(limits.PRESSURE_TICK_SECONDS)
            elif self._is_quiet():
                continue
            self._decide()

    def _pause(self) -> float:
        in_flight = self._in_flight()
        if self._gauge.level != Level.CALM or in_flight >= _QUIET_IN_FLIGHT:
            return limits.PRESSURE_TICK_SECONDS
        if in_flight or self._committer.waiting:
            return limits.PRESSURE_QUIET_SECONDS
        return pace.at(limits.PRESSURE_IDLE_SECONDS) - asyncio.get_running_loop().time()

    def _is_quiet(self) -> bool:
        """After a look that called for no more: nothing that the gauge would have to hear of either."""
        return self._in_flight() < _QUIET_IN_FLIGHT and not self._database.waiting and not self._lines()

    def _in_flight(self) -> int:
        """Those that are worked on. Who hung up is no request any more, and may still stand in a line."""
        return max(0, self._shedding.in_flight - self._parked() - self._lines())

    async def _tick(self, seconds: float) -> bool:
        """One look, after some time; True where it calls for more."""
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        await asyncio.sleep(seconds)
        lag_ms = max(0.0, loop.time() - due) * 1000
        self._look(lag_ms)
        is_quiet = self._gauge.level == Level.CALM and self._committer.waiting < _QUIET_IN_FLIGHT
        return not is_quiet or lag_ms > limits.PRESSURE_LAG_MS_MAX * limits.PRESSURE_CALM_SHARE or self._ages[-1] > 0

    def _look(self, lag_ms: float) -> None:
        self._lags.append(lag_ms)
        self._ages.append(self._committer.age_seconds * 1000)
        self._took.append(self._committer.took_seconds * 1000 if self._committer.age_seconds else 0.0)
        self._reads.append(self._database.waiting)

    def _decide(self) -> None:
        before = self._gauge.level
        signals = self.signals()
        level = self._gauge.step(signals, time.monotonic_ns() // 1_000_000)
        self._shedding.set(level, self._gauge.share)
        if level != before:
            log.info("pressure", now=level.name.lower(), before=before.name.lower(), reason=self._gauge.reason)

    def signals(self) -> Signals:
        """Of the last moment; there must have been one."""
        return Signals(
            lag_ms=min(self._lags),
            in_flight=self._in_flight(),
            commits=self._committer.waiting,
            commit_ms=max(self._took),
            commit_age_ms=min(self._ages),
            reads=min(self._reads),
            lines=self._lines(),
        )

    def _show(self) -> None:
        """What whoever asks for the metrics is told."""
        LEVEL.set_function(lambda: self._gauge.level)
        SHARE.set_function(lambda: self._gauge.share)
        LAG.set_function(lambda: min(self._lags, default=0.0) / 1000)
        BUSY.set_function(self._busy_share)

    def _busy_share(self) -> float:
        """Since the metrics were asked for last."""
        before, self._busy = self._busy, (time.monotonic(), time.thread_time())
        return (self._busy[1] - before[1]) / max(self._busy[0] - before[0], 0.001)
