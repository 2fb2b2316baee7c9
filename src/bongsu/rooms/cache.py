"""The rooms this worker knows. Loaded on demand, kept true by the feed, forgotten when there are too many.

While a room is being read, the feed goes on. What it tells of that room meanwhile is kept and applied after, so a room
enters the cache without a gap. It is handed out only once the feed has reached the position at which it was read:
nobody is shown a room from the future.
"""

import asyncio
from collections.abc import Iterable, Sequence
from itertools import count

from bongsu.core import limits
from bongsu.core.errors import not_found
from bongsu.core.events import Event
from bongsu.rooms.room import Room
from bongsu.store import people
from bongsu.store import rooms as table
from bongsu.store.database import Database, unavailable
from bongsu.store.feed import Feed
from bongsu.store.rows import Receipt, Segment, Typing

Told = Event | Receipt | Typing


class Rooms:
    """get() one room, know() many; apply() is the feed's."""

    def __init__(self, database: Database, feed: Feed) -> None:
        self._database = database
        self._feed = feed
        self._rooms: dict[str, Room] = {}
        self._loading: dict[str, list[Told]] = {}
        self._loaded: dict[str, asyncio.Future[None]] = {}
        self._clock = count(1)
        self.erased: dict[str, int] = {}  # people who want to be erased, and since which position

    async def start(self) -> None:
        """Before anybody reads: who is erased is known from here on."""
        self.erased.update(await people.erased(self._database))

    def known(self, room_id: str) -> Room | None:
        """The room if it is in memory and to be trusted."""
        room = self._rooms.get(room_id)
        if room is None or room.stale:
            return None
        room.used = next(self._clock)
        return room

    async def get(self, room_id: str) -> Room:
        """The room, read if need be, and again if it turned stale meanwhile. 404 for one that does not exist."""
        for _ in range(limits.ROOM_READS_MAX):
            room = self.known(room_id)
            if room is not None:
                return room
            if room_id in await self.know([room_id]):
                raise not_found("there is no such room")
        raise unavailable()

    async def reach(self, pos: int) -> None:
        """Returns when everything up to this position of the stream is known here: for tokens of other workers."""
        await self._feed.reach(pos)

    async def know(self, room_ids: Iterable[str], *, reads: table.Reads | None = None) -> set[str]:
        """Reads those that are not known, and returns those that were looked for and do not exist.

        reads: the connection of the transaction that has the right to write.
        """
        missing = {room_id for room_id in room_ids if self.known(room_id) is None}
        if not missing:
            return missing
        if reads is not None:
            records = await table.load(reads, list(missing), limits.ROOM_TAIL_EVENTS_MAX)
            self._enter(records, {})
            return missing - records.keys()
        under_way = [self._loaded[room_id] for room_id in missing if room_id in self._loaded]
        absent = await self._load([room_id for room_id in missing if room_id not in self._loaded])
        if under_way:
            await asyncio.wait(under_way)
        return absent

    async def _load(self, room_ids: Sequence[str]) -> set[str]:
        """Reads these rooms and returns those that do not exist."""
        if not room_ids:
            return set()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        for room_id in room_ids:
            self._loading[room_id] = []
            self._loaded[room_id] = done
        try:
            records = await self._database.snapshot(
                lambda connection: table.load(connection, room_ids, limits.ROOM_TAIL_EVENTS_MAX)
            )
            await self._feed.reach(max((record.pos for record in records.values()), default=0))
            self._enter(records, self._loading)
            return set(room_ids) - records.keys()
        finally:
            done.set_result(None)
            for room_id in room_ids:
                del self._loading[room_id], self._loaded[room_id]

    def _enter(self, records: dict[str, table.RoomRecord], meanwhile: dict[str, list[Told]]) -> None:
        for room_id, record in records.items():
            present = self.known(room_id)
            if present is not None and present.pos >= record.pos:
                continue
            room = self._rooms[room_id] = Room(record)
            room.used = next(self._clock)
            for told in meanwhile.get(room_id, ()):
                _tell(room, told)
        if len(self._rooms) > limits.ROOMS_CACHED_MAX:
            self._forget_unused()

    def _forget_unused(self) -> None:
        by_use = sorted(self._rooms.values(), key=lambda room: room.used)
        for room in by_use[: len(by_use) // 10]:
            del self._rooms[room.room_id]

    def apply(self, segment: Segment) -> None:
        """The feed's: everything that was committed, in order."""
        told: Told
        for rows in (segment.events, segment.receipts, segment.typing):
            for told in rows:
                self._apply(told)
        for row in segment.erased:
            self.erased[row.user_id] = row.pos

    def _apply(self, told: Told) -> None:
        room = self._rooms.get(told.room_id)
        if room is not None:
            _tell(room, told)
            if room.stale:
                del self._rooms[told.room_id]
        waiting = self._loading.get(told.room_id)
        if waiting is not None:
            waiting.append(told)


def _tell(room: Room, told: Told) -> None:
    match told:
        case Event():
            room.apply(told)
        case Receipt():
            room.apply_receipt(told)
        case Typing():
            room.apply_typing(told)
