"""What there is to tell of each room that a client looks at by sliding sync."""

from collections.abc import Callable
from functools import lru_cache

from bongsu.core import filters, limits
from bongsu.core.filters import SyncFilter
from bongsu.rooms.cache import Rooms
from bongsu.store import rooms as room_table
from bongsu.store.database import Database
from bongsu.sync.assemble import Assembler, Span
from bongsu.sync.extensions import has_read
from bongsu.sync.fresh import Fresh
from bongsu.sync.pieces import Kind, Piece, Wanted
from bongsu.sync.readers import Reader
from bongsu.sync.unread import Counter
from bongsu.sync.views import View


class Gatherer:
    """Puts pieces together from what /sync is made of, too."""

    def __init__(self, database: Database, rooms: Rooms, now_ms: Callable[[], int]) -> None:
        counter = Counter(database)
        self._database = database
        self._assembler = Assembler(database, rooms, counter)
        self._fresh = Fresh(database, rooms, counter)
        self._now_ms = now_ms

    async def pieces(self, view: View) -> list[Piece]:
        reader = view.reader
        pieces: list[Piece] = []
        whole: list[Wanted] = []
        for wanted in view.wanted:
            if wanted.membership.membership == "join" and (wanted.is_fresh or wanted.grows):
                whole.append(wanted)
            elif (piece := await self._news(reader, wanted, view.up_to)) is not None:
                pieces.append(piece)
        pieces += await self._whole(reader, whole, view.up_to)
        for wanted in view.left:
            span = self._span(reader, wanted, wanted.since, view.up_to)
            pieces.append(Piece(wanted, Kind.LEFT, await self._assembler.left(reader, wanted.membership, span)))
        return pieces

    async def _news(self, reader: Reader, wanted: Wanted, up_to: int) -> Piece | None:
        membership = wanted.membership
        if membership.membership != "join":
            if wanted.told is not None and membership.pos <= wanted.since:
                return None
            return Piece(wanted, Kind.OUTSIDE, stripped=await self._assembler.stripped(reader, membership))
        span = self._span(reader, wanted, wanted.since, up_to)
        part = await self._assembler.continued(reader, wanted.room_id, span)
        if part is None:
            return None
        piece = Piece(wanted, Kind.NEWS, part)
        piece.has_read = has_read(piece, reader.user_id)
        return piece

    async def _whole(self, reader: Reader, whole: list[Wanted], up_to: int) -> list[Piece]:
        """Rooms as they stand: those the client does not know, and those of which it wants more than before."""
        groups: dict[SyncFilter, list[Wanted]] = {}
        for wanted in whole:
            groups.setdefault(_filter_of(wanted), []).append(wanted)
        pieces = []
        for group in groups.values():
            span = self._span(reader, group[0], 0, up_to)
            parts = await self._fresh.rooms(reader, [wanted.membership for wanted in group], span)
            for wanted, part in zip(group, parts, strict=True):
                pieces.append(Piece(wanted, Kind.INITIAL if wanted.is_fresh else Kind.GROWN, part))
        await self._introduce(pieces)
        for piece in pieces:
            if piece.kind is Kind.GROWN and piece.part is not None:
                piece.cut()
                span = self._span(reader, piece.wanted, piece.wanted.since, up_to)
                piece.part.ephemeral = await self._assembler.ephemeral(reader, piece.room_id, span)
        return pieces

    async def _introduce(self, pieces: list[Piece]) -> None:
        """Adds the members that are wanted by name."""
        pairs = [(piece.room_id, user) for piece in pieces for user in piece.wanted.required.people()]
        if not pairs:
            return
        members = await room_table.members(self._database, pairs)
        for piece in pieces:
            if piece.part is not None:
                known = {event.event_id for event in piece.part.state}
                people = (members.get((piece.room_id, user)) for user in piece.wanted.required.people())
                piece.part.state += [e for e in people if e is not None and e.event_id not in known]

    def _span(self, reader: Reader, wanted: Wanted, since: int, up_to: int) -> Span:
        return Span(since, up_to, _filter_of(wanted), True, self._now_ms(), reader.ignored)


def _filter_of(wanted: Wanted) -> SyncFilter:
    return _filter(wanted.asked_limit, wanted.required.has_all_members)


@lru_cache(2 * limits.SLIDING_TIMELINE_EVENTS_MAX)
def _filter(limit: int, all_members: bool) -> SyncFilter:
    """A sync filter that shows as much."""
    timeline = filters.RoomEventFilter(limit=limit, types=None if limit else ())
    state = filters.RoomEventFilter(lazy_load_members=not all_members)
    return SyncFilter(filters.Filter(room=filters.RoomFilter(timeline=timeline, state=state)))
