"""GET / · the start page"""

from collections.abc import Callable

from bongsu.config import Settings
from bongsu.http.request import Request
from bongsu.http.response import Response
from bongsu.http.router import Auth, Route
from bongsu.store.database import Database
from bongsu.store.feed import Feed


class FrontPage:
    """For a person who opened the address in a browser."""

    def __init__(self, database: Database, feed: Feed, settings: Settings, now_ms: Callable[[], int]) -> None:
        self._database = database
        self._feed = feed
        self._settings = settings
        self._now_ms = now_ms

    def routes(self) -> list[Route]:
        return [Route("GET", "/", self.page, Auth.NONE)]

    async def page(self, _: Request) -> Response:
        return Response(b"Bongsu", content_type="text/plain; charset=utf-8")
