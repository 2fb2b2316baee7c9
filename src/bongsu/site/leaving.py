"""A site that is emptied for work on it: its workers say that they are not ready, and answer everything all the same.

Whoever directs clients (a proxy, DNS) asks /health/ready and sends them elsewhere; no request fails, because nobody is
turned away. Parked syncs come back within a second instead of thirty, so that their clients move soon.
"""

from collections.abc import Callable
from typing import Final

import structlog

from bongsu import pace
from bongsu.core.errors import Refusal
from bongsu.store.database import Database
from bongsu.store.leaving import leaving_sites

log = structlog.get_logger(__name__)

LOOK_EVERY_SECONDS: Final = 1.0


class Leaving:
    """run() follows the fact in the database. hurry: is told whether parked requests shall come back soon."""

    def __init__(self, database: Database, site: str, hurry: Callable[[bool], None]) -> None:
        self.is_leaving = False
        self._database = database
        self._site = site
        self._hurry = hurry

    async def run(self) -> None:
        while self._site:
            await self._look()
            await pace.pause(LOOK_EVERY_SECONDS)

    async def _look(self) -> None:
        try:
            is_leaving = self._site in await leaving_sites(self._database)
        except Refusal:
            return  # a database that cannot be read says nothing about it
        if is_leaving != self.is_leaving:
            self.is_leaving = is_leaving
            self._hurry(is_leaving)
            log.warning("site_is_left" if is_leaving else "site_is_used_again", site=self._site)
