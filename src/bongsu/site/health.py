"""GET /health/live · GET /health/ready · GET /metrics"""

import asyncio
from collections.abc import Callable

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from bongsu.core.tiers import Tier
from bongsu.http.request import Request
from bongsu.http.response import Response, reply
from bongsu.http.router import Auth, Route
from bongsu.store import facts
from bongsu.store.database import Database
from bongsu.store.feed import Feed

_READY_SECONDS_MAX = 2.0  # a database that takes longer to say 1 does not serve people


STOPPING = "stopping"
EMPTIED = "this site is being emptied"


class Health:
    """live: this process runs and answers; ready: it can serve people. why_leaving: it is about to stop, say.

    While the database has no primary, a worker that can read is ready all the same: a proxy that took all of them out
    would end what still works. It says so.
    """

    def __init__(self, database: Database, feed: Feed, why_leaving: Callable[[], str | None]) -> None:
        self._database = database
        self._feed = feed
        self._why_leaving = why_leaving

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/health/live", self.live, Auth.NONE, tier=Tier.RUNNING),
            Route("GET", "/health/ready", self.ready, Auth.NONE, tier=Tier.RUNNING),
            Route("GET", "/metrics", self.metrics, Auth.NONE, tier=Tier.RUNNING),
        ]

    async def live(self, _: Request) -> Response:
        return reply({"live": True})

    async def ready(self, _: Request) -> Response:
        reason = await self.why_not_ready()
        if reason is not None:
            return reply({"ready": False, "reason": reason}, status=503)
        return reply({"ready": True, "writes": self._database.has_primary, "position": self._feed.pos})

    async def why_not_ready(self) -> str | None:
        """None when all is well."""
        if (reason := self._why_leaving()) is not None:
            return reason
        try:
            async with asyncio.timeout(_READY_SECONDS_MAX):
                is_usable = await facts.is_usable(self._database)
        except Exception:
            return "the database does not answer"
        return None if is_usable else "the database cannot be written to"

    async def metrics(self, _: Request) -> Response:
        return Response(generate_latest(), content_type=CONTENT_TYPE_LATEST)
