"""Reading a room's past (client-server API, "Getting events for a room").

GET /_matrix/client/v3/rooms/{room_id}/messages
GET /_matrix/client/v3/rooms/{room_id}/context/{event_id}
GET /_matrix/client/v3/rooms/{room_id}/event/{event_id}
GET /_matrix/client/v1/rooms/{room_id}/timestamp_to_event
"""

from collections.abc import Iterable, Sequence

import msgspec

from bongsu.core import filters, limits, tokens
from bongsu.core.errors import not_found
from bongsu.core.events import MEMBER, Event
from bongsu.core.filters import EventMatcher, RoomEventFilter
from bongsu.core.json import JsonObject, parse_object
from bongsu.core.requester import Requester
from bongsu.core.tiers import Tier
from bongsu.http.request import Query, Request
from bongsu.http.response import Response, reply
from bongsu.http.router import Route, client_routes
from bongsu.rooms import clientform
from bongsu.rooms.cache import Rooms
from bongsu.rooms.members import stretches
from bongsu.rooms.visibility import Readable, readable, readable_around, readable_event
from bongsu.store import history as table
from bongsu.store import rooms as room_table
from bongsu.store.database import Database


class Wanted(msgspec.Struct):
    """A filter as it came and as it is asked."""

    filter: RoomEventFilter
    matcher: EventMatcher

    def among(self, events: Iterable[Event]) -> list[Event]:
        if self.matcher.everything:
            return list(events)
        return [e for e in events if self.matcher.matches(e.type, e.sender, e.room_id, e.content)]


def _wanted(query: Query) -> Wanted:
    text = query.get("filter")
    parsed = filters.parse_room_events(parse_object(text.encode()) if text else {})
    return Wanted(parsed, EventMatcher(parsed))


def _limit(query: Query, wanted: Wanted) -> int:
    default = wanted.filter.limit_or(limits.PAGE_EVENTS_DEFAULT)
    return query.integer("limit", default, high=limits.PAGE_EVENTS_MAX)


class History:
    """Serves stretches of a room's history, and single events."""

    def __init__(self, database: Database, rooms: Rooms) -> None:
        self._database = database
        self._rooms = rooms

    def routes(self) -> list[Route]:
        at = "/_matrix/client/v1/rooms/{room_id}/timestamp_to_event"
        return [
            *client_routes("GET", "/rooms/{room_id}/messages", self.messages, tier=Tier.HISTORY),
            *client_routes("GET", "/rooms/{room_id}/context/{event_id}", self.context, tier=Tier.HISTORY),
            *client_routes("GET", "/rooms/{room_id}/event/{event_id}", self.event),
            Route("GET", at, self.event_at_time, bucket="read", tier=Tier.HISTORY),
        ]

    # --- a page ---

    async def messages(self, request: Request) -> Response:
        query = request.query
        if query.get("dir") is None:
            await self._readable(request)  # a stranger hears of being one first
        backwards = query.choice("dir", ("b", "f")) == "b"
        start, stop = query.get("from"), query.get("to")
        wanted = _wanted(query)
        limit = _limit(query, wanted)
        await self._rooms.reach(max(tokens.parse_or(start, tokens.START), tokens.parse_or(stop, tokens.START)))
        found = await self._readable(request)
        now = found.room.pos
        begin = tokens.parse_or(start, now if backwards else tokens.START)
        end = tokens.parse_or(stop, tokens.START if backwards else now)
        after, up_to = (end, min(begin, now)) if backwards else (begin, min(end, now))
        page = await self._page(found, wanted, (after, up_to), limit, newest_first=backwards)
        said: JsonObject = {"start": tokens.format(begin)}
        said["chunk"] = clientform.array(await self._client(request.requester, found, page.events))
        if page.rest is not None:
            said["end"] = tokens.format(page.rest - 1 if backwards else page.rest)
        elif limit == 0:
            said["end"] = tokens.format(begin)
        said.update(await self._senders(found, wanted, page.events))
        return reply(said)

    async def _page(
        self, found: Readable, wanted: Wanted, stretch: tuple[int, int], limit: int, *, newest_first: bool
    ) -> table.Page:
        if limit == 0 or wanted.matcher.nothing or not _wants_room(wanted.filter, found.room.room_id):
            return table.Page([], None)
        page = await table.page(
            self._database,
            found.room.room_id,
            after=stretch[0],
            up_to=stretch[1],
            newest_first=newest_first,
            count=limit,
            visible=found.visibility,
            wanted=wanted.filter,
        )
        return table.Page(wanted.among(found.visibility.shown_all(page.events)), page.rest)

    async def _senders(self, found: Readable, wanted: Wanted, events: Sequence[Event]) -> JsonObject:
        """With lazy loading, who speaks on this page, as they were at its newest event."""
        if not wanted.filter.lazy_load_members or not events:
            return {}
        newest = max(event.pos for event in events)
        people = (event.sender for event in events)
        members = await table.members_at(self._database, found.room.room_id, people, newest)
        return {"state": clientform.array(clientform.plain_events(found.visibility.shown_all(members)))}

    async def _client(self, requester: Requester, found: Readable, events: Sequence[Event]) -> list[bytes]:
        return await clientform.client_events(self._database, events, requester, found.visibility)

    async def _readable(self, request: Request) -> Readable:
        return await readable(self._database, self._rooms, request.params["room_id"], request.requester.user_id)

    # --- around an event ---

    async def context(self, request: Request) -> Response:
        wanted = _wanted(request.query)
        limit = _limit(request.query, wanted)
        found, event = await readable_around(*self._event_asked(request))
        now = found.room.pos
        before = await self._page(found, wanted, (tokens.START, event.pos - 1), limit // 2, newest_first=True)
        after = await self._page(found, wanted, (event.pos, now), limit - limit // 2, newest_first=False)
        shown = [*before.events, event, *after.events]
        first, last = min(e.pos for e in shown), max(e.pos for e in shown)
        state = await self._state(found, wanted, shown, last)
        client = await self._client(request.requester, found, shown)
        at = len(before.events)
        return reply(
            {
                "start": tokens.format(first - 1),
                "end": tokens.format(last),
                "events_before": clientform.array(client[:at]),
                "event": msgspec.Raw(client[at]),
                "events_after": clientform.array(client[at + 1 :]),
                "state": clientform.array(clientform.plain_events(found.visibility.shown_all(state))),
            }
        )

    async def _state(self, found: Readable, wanted: Wanted, shown: Sequence[Event], pos: int) -> list[Event]:
        """The state at the last event; with lazy loading, of the members only who speaks."""
        room_id = found.room.room_id
        state = wanted.among(await room_table.state_at(self._database, room_id, pos, not_types=[MEMBER]))
        if wanted.filter.lazy_load_members:
            return state + await table.members_at(self._database, room_id, (event.sender for event in shown), pos)
        async for stretch in stretches(self._database, room_id, pos):
            state.extend(wanted.among(stretch))
        return state

    # --- single events ---

    async def event(self, request: Request) -> Response:
        found, event = await readable_event(*self._event_asked(request))
        return Response((await self._client(request.requester, found, [event]))[0])

    def _event_asked(self, request: Request) -> tuple[Database, Rooms, str, str, str]:
        params = request.params
        return self._database, self._rooms, params["room_id"], params["event_id"], request.requester.user_id

    async def event_at_time(self, request: Request) -> Response:
        query = request.query
        query.need("ts")
        ts_ms = query.integer("ts", 0)
        later = query.choice("dir", ("f", "b")) == "f"
        found = await self._readable(request)
        nearest = await table.nearest(self._database, found.room.room_id, ts_ms, later=later, visible=found.visibility)
        if nearest is None:
            raise not_found(f"the room has no event {'after' if later else 'before'} that time which you may see")
        return reply({"event_id": nearest[0], "origin_server_ts": nearest[1]})


def _wants_room(wanted: RoomEventFilter, room_id: str) -> bool:
    return (wanted.rooms is None or room_id in wanted.rooms) and room_id not in (wanted.not_rooms or ())
