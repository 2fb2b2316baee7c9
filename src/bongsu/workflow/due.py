"""One look for all work that waits in rows: those who do it are woken when some of theirs is due."""

from collections.abc import Callable, Mapping
from typing import NoReturn

import structlog

from bongsu import pace
from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.store.database import REFUSED, Database
from bongsu.store.due import Question

log = structlog.get_logger(__name__)


class Due:
    """run() for ever. hurries: by the condition that says that something is due, whom to wake then."""

    def __init__(
        self, database: Database, now_ms: Callable[[], int], hurries: Mapping[str, Callable[[], None]]
    ) -> None:
        self._database = database
        self._now_ms = now_ms
        self._question = Question(list(hurries))
        self._hurries = list(hurries.values())

    async def run(self) -> NoReturn:
        """A look that fails is followed by another; and all of them look for themselves now and then."""
        while True:
            await pace.pause(limits.DUE_LOOK_SECONDS)
            try:
                await self._look()
            except (Refusal, *REFUSED) as error:
                log.warning("nobody_knows_what_is_due", error=repr(error))
            except Exception:
                log.exception("nobody_knows_what_is_due")

    async def _look(self) -> None:
        found = await self._question.ask(self._database, self._now_ms())
        for is_due, hurry in zip(found, self._hurries, strict=True):
            if is_due:
                hurry()
