"""One time for what is due, whichever site looks: that of the database, as sites' own clocks differ.

A site whose clock is fast would call people too early, and take places from those to whom they are still promised; one
whose clock is slow would tell people that they were in time who were not.
"""

from collections.abc import Callable

import structlog

from bongsu import pace
from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.store.database import REFUSED, Database
from bongsu.store.timers import clock_ms

log = structlog.get_logger(__name__)


class OneClock:
    """now_ms() is this machine's clock, put right by what the database's showed last. run() looks, for ever.

    While there is no primary, what was found out last goes on; the next one's clock counts from then on.
    """

    def __init__(self, database: Database, own_ms: Callable[[], int]) -> None:
        self._database = database
        self._own_ms = own_ms
        self._ahead_ms = 0  # of this machine's clock

    def now_ms(self) -> int:
        return self._own_ms() - self._ahead_ms

    async def run(self) -> None:
        while True:
            try:
                await self.look()
            except (Refusal, *REFUSED) as error:
                log.info("clock_not_seen", error=repr(error))
            except Exception:
                log.exception("clock_not_seen")
            await pace.pause(limits.CLOCK_LOOK_SECONDS)

    async def look(self) -> None:
        """A difference that may come from the way there and back is none."""
        if not self._database.has_primary:
            return
        asked = self._own_ms()
        there = await clock_ms(self._database)
        took = self._own_ms() - asked
        if not 0 <= took <= limits.CLOCK_ANSWER_MS_MAX:
            return
        ahead_ms = asked + took // 2 - there
        if abs(ahead_ms - self._ahead_ms) > limits.CLOCK_NOISE_MS:
            log.warning("clock_differs", ahead_ms=ahead_ms)
            self._ahead_ms = ahead_ms
