"""One look for all work that waits in rows: those who do it are woken when some of theirs is due.

What else a worker wants to know so often is asked with it: how far the stream is, and what time it is.
"""

from collections.abc import Callable, Mapping
from typing import NoReturn

import structlog

from bongsu import pace
from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.store.database import REFUSED, Database
from bongsu.store.due import Question
from bongsu.store.feed import Feed
from bongsu.store.kept import Kept
from bongsu.workflow.one_clock import OneClock

log = structlog.get_logger(__name__)


class Due:
    """run() for ever. hurries: by the condition that says that something is due, whom to wake then."""

    def __init__(
        self, database: Database, feed: Feed, clock: OneClock, hurries: Mapping[str, Callable[[], None]]
    ) -> None:
        self._database = database
        self._asked = Kept(database)
        self._feed = feed
        self._clock = clock
        self._question = Question(list(hurries))
        self._hurries = list(hurries.values())

    async def run(self) -> NoReturn:
        """A look that fails is followed by another; and all of them look for themselves now and then."""
        try:
            while True:
                await pace.pause(limits.DUE_LOOK_SECONDS)
                await self._try()
        finally:
            self._asked.close()

    async def _try(self) -> None:
        try:
            await self._look()
        except (Refusal, *REFUSED) as error:
            log.warning("nobody_knows_what_is_due", error=repr(error))
        except Exception:
            log.exception("nobody_knows_what_is_due")

    async def _look(self) -> None:
        asked_ms, has_primary = self._clock.own_ms(), self._database.has_primary
        answer = await self._question.ask(self._asked, self._clock.now_ms())
        if has_primary:
            self._clock.saw(asked_ms, answer.clock_ms)
        self._feed.saw(answer.pos)
        for is_due, hurry in zip(answer.holds, self._hurries, strict=True):
            if is_due:
                hurry()
