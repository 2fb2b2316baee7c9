"""One time for what is due, whichever site looks: that of the database, as sites' own clocks differ.

A site whose clock is fast would call people too early, and take places from those to whom they are still promised; one
whose clock is slow would tell people that they were in time who were not.
"""

from collections.abc import Callable

import structlog

from bongsu.core import limits
from bongsu.store.database import Database
from bongsu.store.timers import clock_ms

log = structlog.get_logger(__name__)


class OneClock:
    """now_ms() is this machine's clock, put right by what the database's showed last; own_ms() is it as it is.

    While there is no primary, what was found out last goes on; the next one's clock counts from then on.
    """

    def __init__(self, database: Database, own_ms: Callable[[], int]) -> None:
        self._database = database
        self.own_ms = own_ms
        self._ahead_ms = 0  # of this machine's clock

    def now_ms(self) -> int:
        return self.own_ms() - self._ahead_ms

    async def look(self) -> None:
        """Once; from then on the time comes with the answer to what is due (due.py)."""
        if self._database.has_primary:
            asked_ms = self.own_ms()
            self.saw(asked_ms, await clock_ms(self._database))

    def saw(self, asked_ms: int, there_ms: int) -> None:
        """The primary's clock, in an answer that came just now. asked_ms: when it was asked, by this machine's clock.

        A difference that may come from the way there and back is none.
        """
        took = self.own_ms() - asked_ms
        if not 0 <= took <= limits.CLOCK_ANSWER_MS_MAX:
            return
        ahead_ms = asked_ms + took // 2 - there_ms
        if abs(ahead_ms - self._ahead_ms) > limits.CLOCK_NOISE_MS:
            log.warning("clock_differs", ahead_ms=ahead_ms)
            self._ahead_ms = ahead_ms
