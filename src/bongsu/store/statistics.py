"""Plans made for an empty table do not outlive its being empty.

A statement is planned once and run many thousand times (Database.connect). Its plan is made anew when PostgreSQL renews
what it knows of a table, which in a table that grows fast comes a minute or two too late: until then each commit reads
all there is. So whoever serves looks what has grown many times over, and renews that at once. From some size on that
is seldom, and PostgreSQL's own ways do.
"""

from typing import Final

import structlog

from bongsu import pace
from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.store.database import REFUSED, Database
from bongsu.store.feed import Feed

log = structlog.get_logger(__name__)

# What is there now against PostgreSQL's last look at it (0: it never looked), both in pages of 8 kB. Of others' tables
# it would say that it leaves them out, by the very warning that says that a commit's wait was cut short.
GROWN: Final = """
SELECT oid::regclass::text AS name FROM pg_class
WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace AND pg_has_role(relowner, 'USAGE')
    AND pg_relation_size(oid) / 8192 > 8 + 4 * greatest(relpages, 0)
"""


class Statistics:
    """run() for ever, on every worker: a table that one renews is left alone by the others."""

    def __init__(self, database: Database, feed: Feed) -> None:
        self._database = database
        self._feed = feed

    async def run(self) -> None:
        while True:
            pos = self._feed.pos
            try:
                await self.look()
            except (Refusal, *REFUSED) as error:
                log.warning("statistics_not_renewed", error=repr(error))
            for _ in range(limits.STATISTICS_QUIET_LOOKS):
                await pace.pause(limits.STATISTICS_LOOK_SECONDS)
                if self._feed.pos >= pos + limits.STATISTICS_MUCH:
                    break

    async def look(self) -> None:
        if not self._database.has_primary:
            return
        for row in await self._database.fetch(GROWN):
            await self._database.execute(f"ANALYZE (SKIP_LOCKED) {row['name']}")
            log.info("statistics_renewed", table=row["name"])
