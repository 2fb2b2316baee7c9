"""GET /_matrix/client/v1/rooms/{room_id}/hierarchy

The tree is walked anew for every page, children before siblings, and the token says how many rooms to pass over. A
walk never looks at more than HIERARCHY_ROOMS_MAX rooms, most of which are in memory.
"""

import re
from collections.abc import AsyncIterator, Sequence
from typing import Final

import msgspec

from bongsu.core import ids, limits, spaces, summary
from bongsu.core.errors import forbidden, invalid_param
from bongsu.core.events import Event, membership_of
from bongsu.core.json import JsonObject
from bongsu.core.tiers import Tier
from bongsu.http.request import Query, Request
from bongsu.http.response import Response, reply
from bongsu.http.router import Route
from bongsu.rooms.cache import Rooms
from bongsu.rooms.room import Room
from bongsu.rooms.summary import facts_of, may_know
from bongsu.store import rooms as room_table
from bongsu.store.database import Database

_TOKEN: Final = re.compile(r"h([0-9]{1,6})_([0-9]{1,6})_(true|false)")


class _Asked(msgspec.Struct, frozen=True):
    """passed: rooms that earlier pages showed."""

    limit: int
    depth_max: int
    suggested_only: bool
    passed: int

    def token(self, passed: int) -> str:
        return f"h{passed}_{self.depth_max}_{'true' if self.suggested_only else 'false'}"


def _asked(query: Query) -> _Asked:
    asked = _Asked(
        limit=query.integer("limit", limits.HIERARCHY_PAGE_MAX, low=1, high=limits.HIERARCHY_PAGE_MAX),
        depth_max=query.integer("max_depth", limits.HIERARCHY_DEPTH_MAX, high=limits.HIERARCHY_DEPTH_MAX),
        suggested_only=query.flag("suggested_only"),
        passed=0,
    )
    start = query.get("from")
    if start is None:
        return asked
    match = _TOKEN.fullmatch(start)
    if match is None or asked.token(int(match[1])) != start:
        raise invalid_param("this token is not of this question: suggested_only and max_depth cannot change")
    return msgspec.structs.replace(asked, passed=int(match[1]))


class Spaces:
    """Shows the rooms in a space that the reader may know of."""

    def __init__(self, database: Database, rooms: Rooms) -> None:
        self._database = database
        self._rooms = rooms

    def routes(self) -> list[Route]:
        return [
            Route(
                "GET", "/_matrix/client/v1/rooms/{room_id}/hierarchy", self.hierarchy, bucket="read", tier=Tier.SEARCH
            )
        ]

    async def hierarchy(self, request: Request) -> Response:
        asked = _asked(request.query)
        walk = _Walk(self._database, self._rooms, request.requester.user_id, asked)
        shown: list[JsonObject] = []
        count = 0
        async for found in walk.from_root(request.params["room_id"]):
            count += 1
            if len(shown) == asked.limit:
                return reply({"rooms": shown, "next_batch": asked.token(asked.passed + asked.limit)})
            if count > asked.passed:
                shown.append(found)
        if count == 0:
            raise forbidden("there is no such room, or it is not for you to see")
        return reply({"rooms": shown})


class _Walk:
    """One walk through a tree of spaces, each room once."""

    def __init__(self, database: Database, rooms: Rooms, user_id: str, asked: _Asked) -> None:
        self._database = database
        self._rooms = rooms
        self._user_id = user_id
        self._asked = asked
        self._memberships: dict[str, str] = {}

    async def from_root(self, room_id: str) -> AsyncIterator[JsonObject]:
        """The rooms that may be known, children before siblings. Nothing below a room that may not be known."""
        waiting = [(room_id, 0)]
        await self._know([room_id] if ids.is_room_id(room_id) else [])
        looked_at: set[str] = set()
        while waiting and len(looked_at) < limits.HIERARCHY_ROOMS_MAX:
            room_id, depth = waiting.pop()
            room = self._rooms.known(room_id)
            if room is None or room_id in looked_at:
                continue
            looked_at.add(room_id)
            if not await may_know(self._database, facts_of(room), self._user_id, self._memberships[room_id]):
                continue
            children = self._children(room)
            yield _entry(room, children)
            if depth < self._asked.depth_max:
                below = [child for event in children if (child := event.state_key or "") not in looked_at]
                await self._know(below)
                waiting.extend((child, depth + 1) for child in reversed(below))

    async def _know(self, room_ids: Sequence[str]) -> None:
        """Reads rooms, and the reader's memberships of them, in a few queries for all."""
        room_ids = room_ids[: limits.HIERARCHY_ROOMS_MAX]
        await self._rooms.know(room_ids)
        unknown = [(room_id, self._user_id) for room_id in room_ids if room_id not in self._memberships]
        found = await room_table.members(self._database, unknown) if unknown else {}
        self._memberships.update((key[0], membership_of(found.get(key))) for key in unknown)

    def _children(self, room: Room) -> list[Event]:
        if summary.room_type(facts_of(room)) != spaces.SPACE:
            return []
        return spaces.children(room.state.values(), suggested_only=self._asked.suggested_only)


def _entry(room: Room, children: Sequence[Event]) -> JsonObject:
    said = summary.summary(room.room_id, room.joined_count, room.version.name, facts_of(room))
    said["children_state"] = [spaces.stripped(event) for event in children]
    return said
