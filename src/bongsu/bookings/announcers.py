"""Who may tell everybody who subscribed of what they release: administrators name them (docs/decisions/announcing.md).

GET /_bongsu/v1/bookings/announcers · PUT, DELETE /_bongsu/v1/bookings/announcers/{user_id}
"""

from collections.abc import Callable
from typing import Final

import msgspec

from bongsu.bookings.forms import READ, WRITE, Empty
from bongsu.core import ids
from bongsu.core.errors import forbidden, not_found
from bongsu.core.paging import next_token
from bongsu.http.describing import Described
from bongsu.http.request import Request
from bongsu.http.response import Response, reply
from bongsu.http.router import Route
from bongsu.store import bookings as table
from bongsu.store import people
from bongsu.store.database import Connection, Database
from bongsu.store.idempotency import Answer
from bongsu.workflow.lists import page_of
from bongsu.workflow.writes import Writes

_ALL: Final = "/_bongsu/v1/bookings/announcers"


class AnnouncersSaid(msgspec.Struct):
    announcers: list[str]
    next_batch: str | None = None


class Announcers:
    """For administrators alone."""

    def __init__(self, database: Database, writes: Writes, now_ms: Callable[[], int]) -> None:
        self._database = database
        self._writes = writes
        self._now_ms = now_ms

    def routes(self) -> list[Route]:
        one = f"{_ALL}/{{user_id}}"
        listed = Described("Who may tell all subscribers", {200: AnnouncersSaid}, query=("limit", "from"))
        name = Described("Lets somebody tell all subscribers", {200: Empty}, Empty, is_write=True)
        unname = Described("Lets them no longer", {200: Empty}, is_write=True)
        return [
            Route("GET", _ALL, self.all, **READ, described=listed),
            Route("PUT", one, self.name, **WRITE, described=name),
            Route("DELETE", one, self.unname, **WRITE, described=unname),
        ]

    async def all(self, request: Request) -> Response:
        _check(request)
        page = page_of(request)
        found = await table.announcers(self._database, page)
        return reply({"announcers": found, **next_token(page, [(0, each) for each in found])})

    async def name(self, request: Request) -> Response:
        await request.read(Empty)
        _check(request)
        user_id = ids.check_user_id(request.params["user_id"])

        async def work(connection: Connection) -> Answer:
            if not await people.exists(connection, user_id):
                raise not_found("there is no such account, or it is deactivated")
            await table.name_announcer(connection, user_id, request.requester.user_id, self._now_ms())
            return Answer(200, {})

        return await self._writes.once(request, work)

    async def unname(self, request: Request) -> Response:
        _check(request)
        user_id = ids.check_user_id(request.params["user_id"])

        async def work(connection: Connection) -> Answer:
            if not await table.unname_announcer(connection, user_id):
                raise not_found("this account could not tell all subscribers anyway")
            return Answer(200, {})

        return await self._writes.once(request, work)


def _check(request: Request) -> None:
    if not request.requester.is_admin:
        raise forbidden("this is for those who run this server")
