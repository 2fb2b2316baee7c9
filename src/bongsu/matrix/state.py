"""Reading a room's state, and who is in it (client-server API, "Getting events for a room").

GET /_matrix/client/v3/rooms/{room_id}/state
GET /_matrix/client/v3/rooms/{room_id}/state/{event_type}
GET /_matrix/client/v3/rooms/{room_id}/state/{event_type}/{state_key}
GET /_matrix/client/v3/rooms/{room_id}/members
GET /_matrix/client/v3/rooms/{room_id}/joined_members
GET /_matrix/client/v3/joined_rooms

Who has left sees the state as it was when they left. Members are read and encoded in stretches, so that a room of ten
thousand people keeps nobody else waiting.
"""

import msgspec

from bongsu.core import ids, pdu, tokens
from bongsu.core.errors import forbidden, not_found
from bongsu.core.events import MEMBER, Event
from bongsu.core.visibility import END
from bongsu.http.request import Query, Request
from bongsu.http.response import Response, reply
from bongsu.http.router import Route, client_routes
from bongsu.rooms import clientform
from bongsu.rooms.cache import Rooms
from bongsu.rooms.members import stretches
from bongsu.rooms.visibility import Readable, with_state
from bongsu.store import history as table
from bongsu.store import rooms as room_table
from bongsu.store.database import Database

_MEMBERSHIPS = ("join", "invite", "knock", "leave", "ban")
_JOINED = ("join",)


class State:
    """Serves the present state, and to those who left the state of then."""

    def __init__(self, database: Database, rooms: Rooms) -> None:
        self._database = database
        self._rooms = rooms

    def routes(self) -> list[Route]:
        return [
            *client_routes("GET", "/rooms/{room_id}/state", self.all),
            *client_routes("GET", "/rooms/{room_id}/state/{event_type}", self.one),
            *client_routes("GET", "/rooms/{room_id}/state/{event_type}/{state_key}", self.one),
            *client_routes("GET", "/rooms/{room_id}/members", self.members),
            *client_routes("GET", "/rooms/{room_id}/joined_members", self.joined_members),
            *client_routes("GET", "/joined_rooms", self.joined_rooms),
        ]

    async def all(self, request: Request) -> Response:
        found = await self._readable(request)
        if found.state_pos is None:
            others = list(found.room.state.values())
        else:
            others = await room_table.state_at(self._database, found.room.room_id, found.state_pos, not_types=[MEMBER])
        client = clientform.plain_events(found.visibility.shown_all(others))
        async for stretch in stretches(self._database, found.room.room_id, found.state_pos, None):
            client.extend(clientform.plain_events(found.visibility.shown_all(stretch)))
        return reply(clientform.array(client))

    async def one(self, request: Request) -> Response:
        event_type = ids.check_text(request.params["event_type"], "the event type")
        state_key = ids.check_text(request.params.get("state_key", ""), "the state key")
        whole = request.query.choice("format", ("content", "event"), "content") == "event"
        found = await self._readable(request)
        event = await self._one(found, event_type, state_key)
        if event is None:
            raise not_found("the room has no such state")
        event = found.visibility.shown(event)
        return Response(pdu.client_event(event, with_room_id=True) if whole else event.content_json)

    async def _one(self, found: Readable, event_type: str, state_key: str) -> Event | None:
        if found.state_pos is None and event_type != MEMBER:
            return found.room.state.get((event_type, state_key))
        pos = END if found.state_pos is None else found.state_pos
        return await table.state_event_at(self._database, found.room.room_id, event_type, state_key, pos)

    # --- members ---

    async def members(self, request: Request) -> Response:
        memberships = _memberships(request.query)
        at = request.query.get("at")
        asked = tokens.parse_or(at, tokens.START)
        await self._rooms.reach(asked)
        found = await self._readable(request)
        pos = found.state_pos
        if at is not None and asked < found.room.pos:
            pos = asked if pos is None else min(asked, pos)
        client: list[bytes] = []
        async for stretch in stretches(self._database, found.room.room_id, pos, memberships):
            client.extend(clientform.plain_events(found.visibility.shown_all(stretch)))
        return reply({"chunk": clientform.array(client)})

    async def joined_members(self, request: Request) -> Response:
        found = await self._readable(request)
        if found.state_pos is not None:
            raise forbidden("you are not in this room")
        joined: dict[str, _Shown] = {}
        async for stretch in stretches(self._database, found.room.room_id, None, _JOINED):
            joined.update((event.state_key or "", _shown(event)) for event in stretch)
        return reply({"joined": joined})

    async def joined_rooms(self, request: Request) -> Response:
        memberships = await room_table.memberships(self._database, request.requester.user_id)
        return reply({"joined_rooms": [m.room_id for m in memberships if m.membership == "join"]})

    async def _readable(self, request: Request) -> Readable:
        return await with_state(self._database, self._rooms, request.params["room_id"], request.requester.user_id)


class _Shown(msgspec.Struct, omit_defaults=True):
    """What joined_members tells of somebody."""

    display_name: str | None = None
    avatar_url: str | None = None


def _shown(member: Event) -> _Shown:
    name, picture = member.content.get("displayname"), member.content.get("avatar_url")
    is_picture = isinstance(picture, str) and picture.startswith("mxc://")
    return _Shown(name if isinstance(name, str) else None, picture if is_picture else None)


def _memberships(query: Query) -> tuple[str, ...] | None:
    """Those that are asked for; where both parameters are given, what either admits. None for all."""
    asked, excluded = query.get("membership"), query.get("not_membership")
    if asked is None and excluded is None:
        return None
    admitted = set()
    if asked is not None:
        admitted.add(query.choice("membership", _MEMBERSHIPS))
    if excluded is not None:
        admitted.update(set(_MEMBERSHIPS) - {query.choice("not_membership", _MEMBERSHIPS)})
    return tuple(sorted(admitted))
