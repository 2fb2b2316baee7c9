"""Events that relate to others: children of an event, and the threads of a room (client-server API, "Relationships").

GET /_matrix/client/v1/rooms/{room_id}/relations/{event_id}
GET /_matrix/client/v1/rooms/{room_id}/relations/{event_id}/{rel_type}
GET /_matrix/client/v1/rooms/{room_id}/relations/{event_id}/{rel_type}/{event_type}
GET /_matrix/client/v1/rooms/{room_id}/threads
"""

from bongsu.core import ids, limits, pdu, tokens
from bongsu.core.events import Event
from bongsu.core.json import JsonObject
from bongsu.core.tiers import Tier
from bongsu.http.request import Request
from bongsu.http.response import Response, reply
from bongsu.http.router import Route
from bongsu.rooms import clientform
from bongsu.rooms.cache import Rooms
from bongsu.rooms.visibility import Readable, readable, readable_event
from bongsu.store import personal
from bongsu.store import relations as table
from bongsu.store.database import Database


class Relations:
    """Serves what relates to an event, as far as the reader may see it."""

    def __init__(self, database: Database, rooms: Rooms) -> None:
        self._database = database
        self._rooms = rooms

    def routes(self) -> list[Route]:
        room = "/_matrix/client/v1/rooms/{room_id}"
        return [
            Route("GET", f"{room}/relations/{{event_id}}", self.children, tier=Tier.HISTORY),
            Route("GET", f"{room}/relations/{{event_id}}/{{rel_type}}", self.children, tier=Tier.HISTORY),
            Route(
                "GET", f"{room}/relations/{{event_id}}/{{rel_type}}/{{event_type}}", self.children, tier=Tier.HISTORY
            ),
            Route("GET", f"{room}/threads", self.threads, bucket="read", tier=Tier.HISTORY),
        ]

    async def children(self, request: Request) -> Response:
        query = request.query
        backwards = query.choice("dir", ("b", "f"), "b") == "b"
        limit = query.integer("limit", limits.PAGE_EVENTS_DEFAULT, low=1, high=limits.PAGE_EVENTS_MAX)
        recurse = query.flag("recurse")
        start, stop = query.get("from"), query.get("to")
        params = request.params
        await self._rooms.reach(max(tokens.parse_or(start, tokens.START), tokens.parse_or(stop, tokens.START)))
        found, parent = await readable_event(
            self._database, self._rooms, params["room_id"], params["event_id"], request.requester.user_id
        )
        now = found.room.pos
        begin = tokens.parse_or(start, now if backwards else tokens.START)
        end = tokens.parse_or(stop, tokens.START if backwards else now)
        after, up_to = (end, min(begin, now)) if backwards else (begin, min(end, now))
        rows = await table.children(
            self._database,
            found.room.room_id,
            parent.event_id,
            rel_type=_name(request, "rel_type"),
            event_type=_name(request, "event_type"),
            after=after,
            up_to=up_to,
            newest_first=backwards,
            count=limit + 1,
            depth=limits.RELATIONS_DEPTH_MAX if recurse else 1,
        )
        said: JsonObject = {"chunk": await self._chunk(request, found, rows[:limit])}
        if len(rows) > limit:
            last = rows[limit - 1].pos
            said["next_batch"] = tokens.format(last - 1 if backwards else last)
        if start is not None:
            said["prev_batch"] = start
        if query.get("recurse") is not None:
            said["recursion_depth"] = limits.RELATIONS_DEPTH_MAX if recurse else 1
        return reply(said)

    async def _chunk(self, request: Request, found: Readable, rows: list[Event]) -> object:
        events = [event for event in rows if found.visibility.may_see(event)]
        return clientform.array(
            await clientform.client_events(self._database, events, request.requester, found.visibility)
        )

    async def threads(self, request: Request) -> Response:
        query = request.query
        participated = query.choice("include", ("all", "participated"), "all") == "participated"
        limit = query.integer("limit", limits.PAGE_EVENTS_DEFAULT, low=1, high=limits.PAGE_EVENTS_MAX)
        start = query.get("from")
        found = await self._readable(request)
        up_to = found.visibility.ranges[-1][1] if found.visibility.ranges else tokens.START
        rows, rest = await table.threads(
            self._database,
            found.room.room_id,
            before=tokens.parse_or(start, up_to),
            up_to=up_to,
            count=limit,
            participant=request.requester.user_id if participated else None,
        )
        ignored = await personal.ignored_by(self._database, request.requester.user_id)
        version = found.room.version
        roots = [pdu.emptied(version, root) if root.sender in ignored else root for _, root in rows]
        said: JsonObject = {"chunk": await self._chunk(request, found, roots)}
        if rest is not None:
            said["next_batch"] = tokens.format(rest)
        return reply(said)

    async def _readable(self, request: Request) -> Readable:
        return await readable(self._database, self._rooms, request.params["room_id"], request.requester.user_id)


def _name(request: Request, name: str) -> str | None:
    """A type from the path; None where the path has none."""
    value = request.params.get(name)
    return None if value is None else ids.check_text(value, name)
