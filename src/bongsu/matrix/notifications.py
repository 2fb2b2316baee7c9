"""GET /notifications: what a person was told of, newest first, worked out from what there is and from their rules."""

from collections.abc import Sequence

import msgspec

from bongsu.core import limits, tokens
from bongsu.core.events import Event
from bongsu.core.json import JsonObject
from bongsu.core.pushrules import Outcome
from bongsu.core.requester import Requester
from bongsu.core.tiers import Tier
from bongsu.core.timeline import thread_of
from bongsu.core.visibility import END, Visibility
from bongsu.http.request import Request
from bongsu.http.response import Response, reply
from bongsu.http.router import Route, client_routes
from bongsu.rooms import clientform
from bongsu.rooms.cache import Rooms
from bongsu.store import unread as table
from bongsu.store.database import Database
from bongsu.store.feed import Feed
from bongsu.sync import unread
from bongsu.sync.readers import Reader, Readers
from bongsu.sync.unread import Counter

_HIGHLIGHT = "highlight"


class Told(msgspec.Struct, frozen=True):
    event: Event
    outcome: Outcome


class Notifications:
    """Push rules are applied as they are now, as unread counts are."""

    def __init__(self, database: Database, feed: Feed, rooms: Rooms, readers: Readers) -> None:
        self._database = database
        self._feed = feed
        self._counter = Counter(database)
        self._rooms = rooms
        self._readers = readers

    def routes(self) -> list[Route]:
        return client_routes("GET", "/notifications", self.page, bucket="notifications", tier=Tier.HISTORY)

    async def page(self, request: Request) -> Response:
        query = request.query
        limit = query.integer("limit", limits.NOTIFICATIONS_DEFAULT, low=1, high=limits.NOTIFICATIONS_MAX)
        only_highlights = query.choice("only", (_HIGHLIGHT, ""), "") == _HIGHLIGHT
        given = query.get("from")
        before = END if not given else tokens.parse(given)
        reader = await self._readers.get(request.requester.user_id)
        told, rest = await self._collect(reader, before, limit, only_highlights)
        said: JsonObject = {"notifications": await self._shown(request.requester, reader, told)}
        if rest is not None:
            said["next_token"] = tokens.format(rest)
        return reply(said)

    async def _collect(
        self, reader: Reader, before: int, limit: int, only_highlights: bool
    ) -> tuple[list[Told], int | None]:
        """What was told before a position, and before which position the next page begins; None when it is all."""
        told: list[Told] = []
        for _ in range(limits.NOTIFICATIONS_READ_MAX // limits.NOTIFICATIONS_READ):
            events = await table.before(self._database, reader.user_id, before, limits.NOTIFICATIONS_READ)
            outcomes = await self._outcomes(reader, events)
            for event, outcome in zip(events, outcomes, strict=True):
                before = event.pos
                if outcome.notify and (outcome.highlight or not only_highlights):
                    told.append(Told(event, outcome))
                    if len(told) == limit:
                        return told, before
            if len(events) < limits.NOTIFICATIONS_READ:
                return told, None
        return told, before

    async def _outcomes(self, reader: Reader, events: Sequence[Event]) -> list[Outcome]:
        rooms = {room_id: await self._rooms.get(room_id) for room_id in {event.room_id for event in events}}
        for room in rooms.values():
            await unread.know_name(self._database, reader, room)
        facts = {room_id: unread.facts_of(room, reader) for room_id, room in rooms.items()}
        return [unread.outcome_of(reader, event, facts[event.room_id]) for event in events]

    async def _shown(self, requester: Requester, reader: Reader, told: Sequence[Told]) -> list[JsonObject]:
        room_ids = list({each.event.room_id for each in told})
        read_at = await self._read_at(reader, room_ids)
        client: dict[int, bytes] = {}
        for room_id in room_ids:
            events = [each.event for each in told if each.event.room_id == room_id]
            client.update(await self._client(requester, reader, events))
        return [
            {
                "actions": msgspec.Raw(each.outcome.actions),
                "event": msgspec.Raw(client[each.event.pos]),
                "read": _is_read(each.event, read_at.get(each.event.room_id, {})),
                "room_id": each.event.room_id,
                "ts": each.event.ts_ms,
            }
            for each in told
        ]

    async def _client(self, requester: Requester, reader: Reader, events: Sequence[Event]) -> dict[int, bytes]:
        """Events of one room, by position."""
        visibility = Visibility.of_stay(reader.came_in(events[0].room_id))
        client = await clientform.client_events(self._database, events, requester, visibility, with_room_id=False)
        return dict(zip((event.pos for event in events), client, strict=True))

    async def _read_at(self, reader: Reader, room_ids: Sequence[str]) -> dict[str, dict[str, int]]:
        """How far was read: by receipts, and by speaking."""
        read_at: dict[str, dict[str, int]] = {}
        for room_id in room_ids:
            if reader.is_joined(room_id):
                room = await self._rooms.get(room_id)
                read_at[room_id] = (await self._counter.of(reader, room, self._feed.pos)).read_at
        return read_at


def _is_read(event: Event, read_at: dict[str, int]) -> bool:
    return unread.is_read(event, thread_of(event), read_at)
