"""GET /health/live · GET /health/ready · GET /metrics"""

import asyncio
from collections.abc import Awaitable, Callable

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

    While nothing can be written, a worker that can read is ready all the same: a proxy that took all of them out would
    end what still works. It says so: `writes` for all that is text, `files` for photos and files.
    """

    def __init__(
        self,
        database: Database,
        feed: Feed,
        why_leaving: Callable[[], str | None],
        can_keep_files: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        self._database = database
        self._feed = feed
        self._why_leaving = why_leaving
        self._can_keep_files = can_keep_files

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
        writes = self._database.has_primary and not self._database.is_full
        files = writes and (self._can_keep_files is None or await self._can_keep_files())
        return reply({"ready": True, "writes": writes, "files": files, "position": self._feed.pos})

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
