"""What clients asked before there was /sync; some of it shows rooms to those outside (specification: "Room Previews").

For the stream of events see event_stream.py.

GET /_matrix/client/v3/events/{event_id}
GET /_matrix/client/v3/initialSync                  everything, to begin with
GET /_matrix/client/v3/rooms/{room_id}/initialSync  one room, not only members'
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from bongsu.core import filters, limits, pdu, tokens
from bongsu.core.events import MEMBER, Event
from bongsu.core.filters import SyncFilter
from bongsu.core.json import JsonObject, decode
from bongsu.core.requester import Requester
from bongsu.core.tiers import Tier
from bongsu.core.visibility import END
from bongsu.http.request import Request
from bongsu.http.response import Response, reply
from bongsu.http.router import Route, client_routes
from bongsu.rooms import clientform
from bongsu.rooms.cache import Rooms
from bongsu.rooms.members import stretches
from bongsu.rooms.visibility import Readable, readable_by_id, with_state
from bongsu.store import directory, personal
from bongsu.store import history as table
from bongsu.store import rooms as room_table
from bongsu.store.database import Database
from bongsu.store.feed import Feed
from bongsu.sync.service import Ask, Sync


class OldSync:
    """Answers from the same tables as /sync; tokens are the same, too."""

    def __init__(self, database: Database, feed: Feed, rooms: Rooms, sync: Sync) -> None:
        self._database = database
        self._feed = feed
        self._rooms = rooms
        self._sync = sync

    def routes(self) -> list[Route]:
        return [
            *client_routes("GET", "/events/{event_id}", self.event, tier=Tier.HISTORY),
            *client_routes("GET", "/initialSync", self.everything, bucket="read", tier=Tier.SYNC),
            *client_routes("GET", "/rooms/{room_id}/initialSync", self.room, bucket="read", tier=Tier.HISTORY),
        ]

    async def event(self, request: Request) -> Response:
        found, event = await readable_by_id(
            self._database, self._rooms, request.params["event_id"], request.requester.user_id
        )
        said = await clientform.client_events(self._database, [event], request.requester, found.visibility)
        return Response(said[0])

    # --- one room ---

    async def room(self, request: Request) -> Response:
        limit = request.query.integer("limit", limits.PAGE_EVENTS_DEFAULT, high=limits.PAGE_EVENTS_MAX)
        user_id = request.requester.user_id
        found = await with_state(self._database, self._rooms, request.params["room_id"], user_id)
        room = found.room
        published = await directory.in_directory(self._database, room.room_id)
        said: JsonObject = {"room_id": room.room_id, "visibility": "public" if published else "private"}
        membership = found.visibility.membership
        if membership in ("join", "invite", "ban") or (membership == "leave" and found.visibility.was_told(END)):
            said["membership"] = membership
        said["messages"] = await self._messages(request.requester, found, limit)
        said["state"] = clientform.array(clientform.plain_events(found.visibility.shown_all(await self._state(found))))
        rows = await personal.account_data_since(self._database, user_id, 0, self._feed.pos, [room.room_id])
        said["account_data"] = [{"type": row.type, "content": msgspec.Raw(row.content)} for row in rows]
        return reply(said)

    async def _messages(self, requester: Requester, found: Readable, limit: int) -> JsonObject:
        """The newest messages, oldest first."""
        end = found.room.pos if found.state_pos is None else found.state_pos
        page = table.Page([], None)
        if limit > 0:
            page = await table.page(
                self._database,
                found.room.room_id,
                after=tokens.START,
                up_to=end,
                newest_first=True,
                count=limit,
                visible=found.visibility,
            )
        events = page.events[::-1]
        said = await clientform.client_events(self._database, events, requester, found.visibility)
        start = events[0].pos - 1 if events else end
        return {"start": tokens.format(start), "end": tokens.format(end), "chunk": clientform.array(said)}

    async def _state(self, found: Readable) -> list[Event]:
        pos = found.state_pos
        state = list(found.room.state.values())
        if pos is not None:
            state = await room_table.state_at(self._database, found.room.room_id, pos, not_types=[MEMBER])
        async for stretch in stretches(self._database, found.room.room_id, pos):
            state.extend(stretch)
        return state

    # --- everything ---

    async def everything(self, request: Request) -> Response:
        """A first sync, told in the words of then."""
        query = request.query
        limit = query.integer("limit", limits.PAGE_EVENTS_DEFAULT, high=limits.PAGE_EVENTS_MAX)
        wanted = filters.parse({"room": {"timeline": {"limit": limit}, "include_leave": query.flag("archived")}})
        begun = await self._sync.first(request.requester, Ask(None, SyncFilter(wanted), state_after=True))
        synced = decode(begun if isinstance(begun, bytes) else b"".join([piece async for piece in begun]))
        rooms = synced.get("rooms", {})
        told = [
            *(_entered(synced, "join", room_id, room) for room_id, room in rooms.get("join", {}).items()),
            *(_entered(synced, "leave", room_id, room) for room_id, room in rooms.get("leave", {}).items()),
            *await self._invited(request.requester.user_id, list(rooms.get("invite", ()))),
        ]
        published = await directory.published_among(self._database, [room["room_id"] for room in told])
        for room in told:
            room["visibility"] = "public" if room["room_id"] in published else "private"
        return reply(
            {
                "end": synced["next_batch"],
                "rooms": told,
                "presence": _events(synced, "presence"),
                "account_data": _events(synced, "account_data"),
            }
        )

    async def _invited(self, user_id: str, room_ids: Sequence[str]) -> list[JsonObject]:
        members = await room_table.members(self._database, [(room_id, user_id) for room_id in room_ids])
        return [
            {
                "room_id": room_id,
                "membership": "invite",
                "invite": msgspec.Raw(pdu.client_event(event, with_room_id=True)),
            }
            for (room_id, _), event in members.items()
        ]


def _events(holder: JsonObject, section: str) -> list[Any]:
    found: list[Any] = holder.get(section, {}).get("events", [])
    return found


def _placed(room_id: str, events: Iterable[JsonObject]) -> list[JsonObject]:
    return [{**event, "room_id": room_id} for event in events]


def _entered(synced: JsonObject, membership: str, room_id: str, room: JsonObject) -> JsonObject:
    """A room of a sync as it was told then. The state is that after the messages."""
    timeline = room.get("timeline", {})
    messages = {"end": synced["next_batch"], "chunk": _placed(room_id, timeline.get("events", []))}
    if "prev_batch" in timeline:
        messages["start"] = timeline["prev_batch"]
    return {
        "room_id": room_id,
        "membership": membership,
        "messages": messages,
        "state": _placed(room_id, _events(room, "state_after")),
        "account_data": _events(room, "account_data"),
    }
