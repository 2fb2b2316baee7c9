"""How much to give up: a decision from what a worker measures of itself, a few times a second.

It seeks the level that is just enough, instead of knowing beforehand what a level saves. Too much pressure: one level
up, or three when it is far too much. Calm for a while: one level down. Between the two nothing changes, so that it does
not swing. What is measured are the smallest values of a short time: a queue that empties now and then is a burst, one
that never does is too much work (Nichols and Jacobson, "Controlling Queue Delay", 2012).

Not every pressure is relieved by giving up everything. A commit that does not return (a primary is lost, a disk stands
still) is not hastened by refusing photos: such a sign counts only up to a level.
"""

from collections.abc import Iterator

import msgspec

from bongsu.core import limits
from bongsu.core.tiers import Level

_LEVELS_AT_ONCE_MAX = 3


class Signals(msgspec.Struct, frozen=True):
    """What a worker measured over the last moment, each the smallest of several values.

    lag_ms: how late its event loop calls; in_flight: requests being answered, those left out that only wait: syncs, and
    who stands in a booking line; commits: writes that wait for a commit; commit_ms: what each of the last two commits
    took at least, the longest of the moment, if another one followed at once; commit_age_ms: of the commit under way;
    reads: what else waits for the database; lines: who stands in booking lines.
    """

    lag_ms: float = 0.0
    in_flight: int = 0
    commits: int = 0
    commit_ms: float = 0.0
    commit_age_ms: float = 0.0
    reads: int = 0
    lines: int = 0


class Sign(msgspec.Struct, frozen=True):
    """One signal as a share of what is too much, and up to which level giving up relieves it."""

    name: str
    share: float
    level_max: Level


def signs(signals: Signals) -> Iterator[Sign]:
    yield Sign("lag", signals.lag_ms / limits.PRESSURE_LAG_MS_MAX, Level.TEXT)
    yield Sign("in_flight", signals.in_flight / limits.PRESSURE_IN_FLIGHT_MAX, Level.TEXT)
    stands = max(signals.commit_age_ms, signals.commit_ms) > limits.PRESSURE_COMMIT_STANDS_MS
    yield Sign("commits", signals.commits / limits.PRESSURE_COMMITS_MAX, Level.PRESENCE if stands else Level.TEXT)
    yield Sign(
        "commit_time", signals.commit_ms / limits.PRESSURE_COMMIT_MS_MAX, Level.PRESENCE if stands else Level.TEXT
    )
    yield Sign("commit_age", signals.commit_age_ms / limits.PRESSURE_COMMIT_AGE_MS_MAX, Level.PRESENCE)
    yield Sign("reads", signals.reads / limits.PRESSURE_READS_MAX, Level.FILES)
    yield Sign("lines", signals.lines / limits.PRESSURE_LINES_MAX, Level.SERVICES)


class Gauge:
    """step() a few times a second. level: what to give up; share: how much text passes, 1.0 below Level.TEXT."""

    def __init__(self) -> None:
        self.level = Level.CALM
        self.share = 1.0
        self.reason = ""
        self._calm_since_ms: int | None = None

    def step(self, signals: Signals, now_ms: int) -> Level:
        """The level from now on. now_ms: of any clock that only goes forward."""
        found = list(signs(signals))
        rising = [sign for sign in found if sign.share > 1 and self._is_relieved(sign)]
        if rising:
            self._rise(max(rising, key=lambda sign: (self._after(sign), sign.share)))
        elif all(sign.share < limits.PRESSURE_CALM_SHARE for sign in found if sign.level_max >= self.level):
            self._calm(now_ms)
        else:
            self._calm_since_ms = None
        return self.level

    def _is_relieved(self, sign: Sign) -> bool:
        """Does it help to give up more?"""
        return self.level < sign.level_max or self.level == sign.level_max == Level.TEXT

    def _rise(self, sign: Sign) -> None:
        self._calm_since_ms = None
        self.reason = sign.name
        if self.level == Level.TEXT:
            self.share = max(limits.TEXT_SHARE_MIN, self.share * limits.TEXT_SHARE_FACTOR)
        else:
            self.level = self._after(sign)

    def _after(self, sign: Sign) -> Level:
        """The level that this sign calls for. Another one, however large, that asks for less does not hide it."""
        up = min(int(sign.share), _LEVELS_AT_ONCE_MAX)
        last = Level.TEXT if self.level >= Level.RECEIPTS else Level.RECEIPTS  # first see what all else brings
        return Level(min(self.level + up, sign.level_max, last))

    def _calm(self, now_ms: int) -> None:
        if self.share < 1:
            self.share = min(1.0, self.share + limits.TEXT_SHARE_STEP)
        elif self._calm_since_ms is None:
            self._calm_since_ms = now_ms
        elif now_ms - self._calm_since_ms >= limits.PRESSURE_CALM_MS and self.level > Level.CALM:
            self.level = Level(self.level - 1)
            self._calm_since_ms = now_ms
