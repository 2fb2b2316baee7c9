"""GET /events: what came since a token, in all rooms of a person; with room_id in one room, not only for members.

The stream that clients followed before there was /sync. Tokens are the same.
"""

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from bongsu.core import limits, pdu, tokens
from bongsu.core.account_data import IGNORED_USERS, INVITES, blocks_invites, ignored_users
from bongsu.core.events import MEMBER, Event, membership_of
from bongsu.core.json import decode, encode
from bongsu.core.requester import Requester
from bongsu.core.tiers import Tier
from bongsu.http.request import Request
from bongsu.http.response import Response
from bongsu.http.router import Route, client_routes
from bongsu.matrix.parked import Parked
from bongsu.rooms import clientform
from bongsu.rooms.cache import Rooms
from bongsu.rooms.visibility import readable
from bongsu.store import events as event_table
from bongsu.store import history as table
from bongsu.store import personal, visible
from bongsu.store import rooms as room_table
from bongsu.store.database import Database
from bongsu.store.feed import Feed
from bongsu.sync.peeks import Peeks
from bongsu.sync.service import Sync
from bongsu.sync.waiting import Waits

_Page = tuple[list[bytes], int]  # encoded events, and the position they reach to
_Read = Callable[[int, int], Awaitable[_Page]]


class _Tastes(msgspec.Struct, frozen=True):
    """What a person does not want to hear of."""

    ignored: frozenset[str] = frozenset()
    blocks_invites: bool = False

    def wants(self, event: Event, user_id: str) -> bool:
        if event.state_key is None:
            return event.sender not in self.ignored
        if event.type != MEMBER or event.state_key != user_id or membership_of(event) != "invite":
            return True
        return not self.blocks_invites and event.sender not in self.ignored


class EventStream:
    """Answers from the tables, and waits where syncs do."""

    def __init__(
        self, database: Database, feed: Feed, rooms: Rooms, sync: Sync, waits: Waits, parked: Parked, peeks: Peeks
    ) -> None:
        self._database = database
        self._feed = feed
        self._rooms = rooms
        self._sync = sync
        self._waits = waits
        self._peeks = peeks
        self._parked = parked

    def parked(self) -> int:
        """How many of them wait for news on this worker."""
        return self._parked.count()

    def routes(self) -> list[Route]:
        return client_routes("GET", "/events", self.events, tier=Tier.SYNC)

    async def events(self, request: Request) -> Response:
        with self._waits.place(request.requester, request.when_lost) as place:
            seconds = request.query.integer("timeout", 0, high=limits.SYNC_TIMEOUT_MS_MAX) / 1000
            after = await self._sync.position(request.query.get("from"))
            after = self._feed.pos if after is None else after
            keys, read = await self._looked_at(request.requester, request.query.get("room_id"))
            with self._parked.place(request.requester), self._peeks.looking(place, keys):
                said = await place.until(seconds, self._look(after, read))
        return Response(_said(after, after, []) if said is None else said)

    async def _looked_at(self, requester: Requester, room_id: str | None) -> tuple[list[str], _Read]:
        """What wakes the request, and how to read what it is told. 403 for a room that is not for this person."""
        if room_id is not None:
            await readable(self._database, self._rooms, room_id, requester.user_id)
            return [room_id], self._of_room(requester, room_id)
        rooms = await room_table.joined_rooms(self._database, requester.user_id)
        return [*rooms, requester.user_id], self._of_person(requester)

    def _look(self, after: int, read: _Read) -> Callable[[bool], Awaitable[bytes | None]]:
        """What can be read in one go; a client that has more to come is answered at once, and asks on."""
        looked_at = after

        async def look(is_last: bool) -> bytes | None:
            nonlocal looked_at
            newest = self._feed.pos
            chunk, looked_at = await read(looked_at, newest)
            if chunk or is_last or looked_at < newest:
                return _said(after, max(looked_at, after), chunk)
            return None

        return look

    def _of_room(self, requester: Requester, room_id: str) -> _Read:
        async def read(after: int, up_to: int) -> _Page:
            found = await readable(self._database, self._rooms, room_id, requester.user_id)
            page = await table.page(
                self._database,
                room_id,
                after=after,
                up_to=up_to,
                newest_first=False,
                count=limits.STREAM_EVENTS_MAX,
                visible=found.visibility,
            )
            tastes = await self._tastes(requester)
            wanted = [event for event in page.events if tastes.wants(event, requester.user_id)]
            said = await clientform.client_events(self._database, wanted, requester, found.visibility)
            return said, up_to if page.rest is None else page.rest

        return read

    def _of_person(self, requester: Requester) -> _Read:
        async def read(after: int, up_to: int) -> _Page:
            up_to = min(up_to, after + limits.HISTORY_SCAN_MAX)
            events = await event_table.of_person(
                self._database, requester.user_id, after, up_to, limits.STREAM_EVENTS_MAX
            )
            end = events[-1].pos if len(events) == limits.STREAM_EVENTS_MAX else up_to
            tastes = await self._tastes(requester)
            return await self._told(requester, [e for e in events if tastes.wants(e, requester.user_id)]), end

        return read

    async def _tastes(self, requester: Requester) -> _Tastes:
        kinds = [IGNORED_USERS, INVITES]
        found = dict(await personal.account_data_of(self._database, requester.user_id, kinds))
        contents = {kind: decode(raw) for kind, raw in found.items()}
        return _Tastes(ignored_users(contents.get(IGNORED_USERS, {})), blocks_invites(contents.get(INVITES, {})))

    async def _told(self, requester: Requester, events: Sequence[Event]) -> list[bytes]:
        """Those of the events that the person may see, encoded, in the same order."""
        own = [event for event in events if event.type == MEMBER and event.state_key == requester.user_id]
        told = {event.pos: pdu.client_event(event, with_room_id=True) for event in own}
        seen = await visible.load_many(
            self._database, list({event.room_id for event in events}), requester.user_id, self._rooms.erased
        )
        for room_id, visibility in seen.items():
            inside = [event for event in events if event.room_id == room_id and visibility.may_see(event)]
            encoded = await clientform.client_events(self._database, inside, requester, visibility)
            told.update(zip((event.pos for event in inside), encoded, strict=True))
        return [told[pos] for pos in sorted(told)]


def _said(start: int, end: int, chunk: Sequence[bytes]) -> bytes:
    return encode({"start": tokens.format(start), "end": tokens.format(end), "chunk": clientform.array(chunk)})
