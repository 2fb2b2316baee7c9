"""People report what should not be here (client-server API, "Reporting content").

POST /_matrix/client/v3/rooms/{room_id}/report
POST /_matrix/client/v3/rooms/{room_id}/report/{event_id}
POST /_matrix/client/v3/users/{user_id}/report

The operator reads them with `bongsu report`.
"""

import msgspec

from bongsu.core import ids, limits
from bongsu.core.errors import not_found
from bongsu.http.request import Request
from bongsu.http.response import Response, empty
from bongsu.http.router import Route, client_routes
from bongsu.rooms.cache import Rooms
from bongsu.rooms.visibility import readable_event
from bongsu.store import people
from bongsu.store import reports as table
from bongsu.store.database import Database
from bongsu.store.reports import NewReport


class _OfEvent(msgspec.Struct):
    """Older clients send a score as well; it said nothing that anybody could act on."""

    reason: str | None = None


class _Reason(msgspec.Struct):
    reason: str


class Reports:
    """Keeps reports. Of an event, who is in its room and may see it; of rooms and people, everybody."""

    def __init__(self, database: Database, rooms: Rooms) -> None:
        self._database = database
        self._rooms = rooms

    def routes(self) -> list[Route]:
        room = "/rooms/{room_id}/report"
        return [
            *client_routes("POST", room, self.room, bucket="report"),
            *client_routes("POST", f"{room}/{{event_id}}", self.event, bucket="report"),
            *client_routes("POST", "/users/{user_id}/report", self.user, bucket="report"),
        ]

    async def event(self, request: Request) -> Response:
        params, reporter = request.params, request.requester.user_id
        reason = _checked((await request.read(_OfEvent)).reason or "")
        found, event = await readable_event(
            self._database, self._rooms, params["room_id"], params["event_id"], reporter
        )
        if found.visibility.membership != "join":
            raise not_found("there is no such event, or you are not in its room")
        await table.add(self._database, NewReport(reporter, reason, event.room_id, event.event_id, event.sender))
        return empty()

    async def room(self, request: Request) -> Response:
        reason = _checked((await request.read(_Reason)).reason)
        room_id = request.params["room_id"]
        if not ids.is_room_id(room_id):
            raise not_found("there is no such room")
        await self._rooms.get(room_id)
        await table.add(self._database, NewReport(request.requester.user_id, reason, room_id))
        return empty()

    async def user(self, request: Request) -> Response:
        reason = _checked((await request.read(_Reason)).reason)
        user_id = request.params["user_id"]
        if not ids.is_user_id(user_id) or not await people.exists(self._database, user_id):
            raise not_found("there is no such person here")
        await table.add(self._database, NewReport(request.requester.user_id, reason, user_id=user_id))
        return empty()


def _checked(reason: str) -> str:
    return ids.check_text(reason, "the reason", limits.REPORT_REASON_BYTES_MAX)
