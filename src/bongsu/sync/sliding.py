"""One sliding sync: which rooms the client looks at, what it has not been told of them, and waiting for that.

A room that was told stays told up to the connection's position while it is in view. When it falls out of view, the
connection remembers up to where it was told, and goes on from there when it comes back. So nothing is told twice, no
gap stays unmarked, and rooms out of view cost nothing.
"""

import asyncio
import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

import msgspec

from bongsu.core import filters, limits, tokens
from bongsu.core.filters import SyncFilter
from bongsu.core.json import encode
from bongsu.core.requester import Requester
from bongsu.core.sliding import Body, Required, RoomAsk
from bongsu.rooms.cache import Rooms
from bongsu.store import personal
from bongsu.store import rooms as room_table
from bongsu.store.database import Database
from bongsu.store.feed import Feed
from bongsu.store.rooms import Membership
from bongsu.sync.admission import Admission, Entry
from bongsu.sync.assemble import Assembler, Span
from bongsu.sync.connections import Connections
from bongsu.sync.devices import DeviceNews
from bongsu.sync.extensions import Extended, Extender, Scene, has_read, lasting
from bongsu.sync.fresh import Fresh
from bongsu.sync.mailbox import Mailbox
from bongsu.sync.pieces import Kind, Piece, Shown, Wanted
from bongsu.sync.readers import Reader, Readers
from bongsu.sync.say import Speaker
from bongsu.sync.say_sliding import SlidingSpeaker
from bongsu.sync.service import Sync
from bongsu.sync.shelf import Shelf, Shelves, is_shown, window
from bongsu.sync.told import Place, Telling, Token, Told, read_token, unknown_pos
from bongsu.sync.unread import Counter
from bongsu.sync.waiting import WaitingPlace


class SlidingAsk(msgspec.Struct, frozen=True):
    """What a client asked. pos None: a new connection. timeout_ms: how long it is ready to wait."""

    body: Body
    pos: str | None
    timeout_ms: int = 0

    @property
    def digest(self) -> int:
        """The same while the client looks at the same things."""
        body = self.body
        enabled = [asked.enabled for asked in (body.extensions.account_data, body.extensions.receipts)]
        return zlib.crc32(encode([body.lists, body.room_subscriptions, enabled]))


class _View(msgspec.Struct):
    """What the client looks at, at one moment. counts: rooms in each list; keys: of the rooms shown.

    wanted: rooms there may be news of; back: rooms that come back into view, as they were told; is_quiet: nothing
    happened since, so nothing was looked for.
    """

    up_to: int
    shelf: Shelf
    counts: dict[str, int]
    is_quiet: bool
    shown: dict[str, Shown] = {}
    keys: set[int] = msgspec.field(default_factory=set)
    wanted: list[Wanted] = []
    back: list[tuple[int, Told]] = []
    left: list[Wanted] = []


class Answer(msgspec.Struct):
    """What there is to tell, before it is said."""

    view: _View
    pieces: list[Piece]
    extended: Extended
    telling: Telling

    @property
    def is_empty(self) -> bool:
        return self.extended.is_empty and not any(piece.is_news for piece in self.pieces)


class Sliding:
    """Answers sliding syncs, and parks those that have nothing to be told."""

    def __init__(
        self,
        database: Database,
        feed: Feed,
        rooms: Rooms,
        readers: Readers,
        mailbox: Mailbox,
        admission: Admission,
        sync: Sync,
        connections: Connections,
        now_ms: Callable[[], int],
    ) -> None:
        counter = Counter(database)
        self._database = database
        self._feed = feed
        self._readers = readers
        self._mailbox = mailbox
        self._admission = admission
        self._sync = sync
        self._connections = connections
        self._now_ms = now_ms
        self._shelves = Shelves(database, feed, rooms)
        self._assembler = Assembler(database, rooms, counter)
        self._fresh = Fresh(database, rooms, counter)
        self._extender = Extender(database, DeviceNews(database), sync)
        self._speaker = SlidingSpeaker(rooms, Speaker(database, rooms))

    async def answer(
        self, requester: Requester, ask: SlidingAsk, when_lost: Callable[[Callable[[], None]], None]
    ) -> bytes:
        """The body of the reply; empty when the client has hung up. M_UNKNOWN_POS for a place that is not known."""
        token = Token(0) if ask.pos is None else read_token(ask.pos)
        if not await self._sync.reaches(token.pos):
            raise unknown_pos()
        place = await self._connections.open(_name(requester, ask), token)
        if self._readers.knows(requester.user_id):
            return await self._answer(requester, ask, place, when_lost)
        entry = await self._admission.enter(requester.user_id)
        try:
            return await self._answer(requester, ask, place, when_lost, entry)
        finally:
            entry.leave()

    async def _answer(
        self,
        requester: Requester,
        ask: SlidingAsk,
        place: Place,
        when_lost: Callable[[Callable[[], None]], None],
        entry: Entry | None = None,
    ) -> bytes:
        """entry: left before it waits for news, which costs nothing."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        is_other = ask.pos is None or place.own.asked != ask.digest
        waiting: WaitingPlace | None = None
        looked_at = place.token.pos
        messages_pos = self._messages_pos(ask)
        self._acknowledge(await self._readers.get(requester.user_id), requester, ask)
        while True:
            reader = await self._readers.get(requester.user_id)  # each time: it may have been dropped as unused
            left = began + min(ask.timeout_ms / 1000, self._sync.wait_seconds_max) - loop.time()
            is_last = is_other or left <= 0
            if is_last or reader.may_have_news(looked_at) or _has_messages(reader, requester, messages_pos):
                answer = await self._look(reader, requester, ask, place)
                if is_last or not answer.is_empty:
                    return await self._say(answer, reader, requester, ask, place)
                looked_at = answer.view.up_to
                messages_pos = max(messages_pos, looked_at)
            if waiting is None:
                waiting = WaitingPlace()
                when_lost(waiting.leave)
                if entry is not None:
                    entry.leave()
            if not reader.may_have_news(looked_at):
                await waiting.wait(reader, left)
            if waiting.is_left:
                return b""

    def _messages_pos(self, ask: SlidingAsk) -> int:
        """Up to where the device has its messages; beyond all where it does not ask for them."""
        wanted = ask.body.extensions.to_device
        if not wanted.enabled:
            return 2**62
        return tokens.parse(wanted.since) if wanted.since else 0

    def _acknowledge(self, reader: Reader, requester: Requester, ask: SlidingAsk) -> None:
        since = ask.body.extensions.to_device.since
        if ask.body.extensions.to_device.enabled and since:
            self._mailbox.acknowledge(reader, requester.device_id, min(tokens.parse(since), self._feed.pos))

    async def _say(self, answer: Answer, reader: Reader, requester: Requester, ask: SlidingAsk, place: Place) -> bytes:
        view = answer.view
        rooms = await self._speaker.say(
            [piece for piece in answer.pieces if piece.is_news],
            requester,
            view.shelf,
            await self._shelves.direct(reader, view.shelf),
            place.token.pos,
        )
        token = await self._connections.keep(_name(requester, ask), place, answer.telling, view.up_to)
        said = {
            "pos": str(token),
            "lists": {name: {"count": count} for name, count in view.counts.items()},
            "rooms": rooms,
            "extensions": answer.extended.said,
        }
        if ask.body.txn_id is not None:
            said["txn_id"] = ask.body.txn_id
        return encode(said)

    # --- what there is to tell ---

    async def _look(self, reader: Reader, requester: Requester, ask: SlidingAsk, place: Place) -> Answer:
        view = await self._view(reader, ask, place)
        telling = Telling(place, ask.digest, lasting(ask.body.extensions))
        pieces = await self._pieces(reader, view)
        scene = Scene(
            reader=reader,
            device_id=requester.device_id,
            asked=ask.body.extensions,
            since=place.token.pos if ask.pos is not None else None,
            known=place.own.extensions,
            up_to=view.up_to,
            shown=view.shown,
            pieces=pieces,
        )
        extended = await self._extender.extend(scene)
        if not view.is_quiet:
            self._tell(view, pieces, place, telling)
        return Answer(view, pieces, extended, telling)

    async def _view(self, reader: Reader, ask: SlidingAsk, place: Place) -> _View:
        """The lists and subscriptions as they are at one position, and the rooms of them to be looked into."""
        while True:
            shelf = await self._shelves.of(reader)
            lists = {
                name: await self._shelves.view(reader, shelf, asked.filters) for name, asked in ask.body.lists.items()
            }
            if shelf.pos == self._feed.pos:
                break  # nothing happened while the lists were worked out, and nothing will until this is done
        is_same = ask.pos is not None and place.own.asked == ask.digest
        is_quiet = is_same and not reader.may_have_news(place.token.pos)
        view = _View(shelf.pos, shelf, {name: len(order) for name, order in lists.items()}, is_quiet)
        if is_quiet:
            return view
        for name, asked in ask.body.lists.items():
            merged = _asked(asked, reader, name)
            for first, last in asked.windows:
                _show(view.shown, window(lists[name], first, last), merged)
        for room_id, subscribed in ask.body.room_subscriptions.items():
            if is_shown(reader.memberships.get(room_id), reader):
                _show(view.shown, [room_id], _asked(subscribed, reader, None))
        await self._choose(reader, view, place)
        return view

    async def _choose(self, reader: Reader, view: _View, place: Place) -> None:
        """Which of the rooms there may be something to tell of."""
        since = place.token.pos
        newest: dict[str, int] = {}
        for pos, room_id in reader.touches:
            newest[room_id] = pos
        reaches_back = since >= reader.touched_after
        quiet: list[Wanted] = []
        satisfied: dict[tuple[int, int], bool] = {}
        key_of, told_of, touched_at = view.shelf.key, place.told, newest.get
        for room_id, asked in view.shown.items():
            key = key_of(room_id)
            view.keys.add(key)
            told = told_of(key)
            if told is not None and told.pos:
                view.back.append((key, told))
            elif told is not None and reaches_back and touched_at(room_id, 0) <= since:
                both = (id(told), id(asked))
                if both not in satisfied:
                    satisfied[both] = told.limit >= asked.limit and place.config(told).covers(asked.required)
                if satisfied[both]:
                    continue
            wanted = _wanted(reader.memberships[room_id], told, asked, place)
            if wanted.since < reader.touched_after and not wanted.is_fresh:
                quiet.append(wanted)
            elif told is None or wanted.grows or touched_at(room_id, 0) > wanted.since:
                view.wanted.append(wanted)
        view.left = self._left(reader, view, place, newest)
        if quiet:
            view.wanted += await self._touched(reader, quiet, view.up_to)

    async def _touched(self, reader: Reader, rooms: list[Wanted], up_to: int) -> list[Wanted]:
        """Those in which something happened that is longer ago than memory reaches."""
        room_ids = [wanted.room_id for wanted in rooms]
        after = min(wanted.since for wanted in rooms)
        touched = await personal.touched(self._database, reader.user_id, room_ids, after, up_to)
        return [wanted for wanted in rooms if wanted.room_id in touched or wanted.grows]

    @staticmethod
    def _left(reader: Reader, view: _View, place: Place, newest: Mapping[str, int]) -> list[Wanted]:
        """Rooms that the client was told of and the person is not in any more."""
        since = place.token.pos
        if since == 0:
            return []
        room_ids: Iterable[str] = newest if since >= reader.touched_after else list(reader.memberships)
        found = []
        for room_id in room_ids:
            membership = reader.memberships.get(room_id)
            if membership is None or membership.pos <= since or membership.membership not in ("leave", "ban"):
                continue
            told = place.told(view.shelf.key(room_id))
            if told is not None:
                asked = Shown(place.config(told), told.limit)
                found.append(_wanted(membership, told, asked, place))
        return found

    async def _pieces(self, reader: Reader, view: _View) -> list[Piece]:
        pieces: list[Piece] = []
        whole: list[Wanted] = []
        for wanted in view.wanted:
            membership = wanted.membership
            if membership.membership != "join":
                if wanted.told is None or membership.pos > wanted.since:
                    pieces.append(Piece(wanted, Kind.OUTSIDE, stripped=await self._stripped(reader, membership)))
            elif wanted.is_fresh or wanted.grows:
                whole.append(wanted)
            else:
                span = self._span(reader, wanted, wanted.since, view.up_to)
                part = await self._assembler.continued(reader, wanted.room_id, span)
                if part is not None:
                    piece = Piece(wanted, Kind.NEWS, part)
                    piece.has_read = has_read(piece, reader.user_id)
                    pieces.append(piece)
        pieces += await self._whole(reader, whole, view.up_to)
        for wanted in view.left:
            span = self._span(reader, wanted, wanted.since, view.up_to)
            part = await self._assembler.left(reader, wanted.membership, span)
            pieces.append(Piece(wanted, Kind.LEFT, part))
        return pieces

    async def _stripped(self, reader: Reader, membership: Membership) -> list[dict[str, object]]:
        return await self._assembler.stripped(reader, membership)

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

    # --- what the connection was told then ---

    @staticmethod
    def _tell(view: _View, pieces: list[Piece], place: Place, telling: Telling) -> None:
        gaps = {piece.room_id for piece in pieces if piece.kind is Kind.NEWS and piece.part and piece.part.limited}
        hidden = {piece.room_id for piece in pieces if piece.kind is Kind.OUTSIDE and not piece.stripped}
        for key, told in view.back:
            telling.tell(key, Told(0, told.config, told.limit))
        for wanted in view.wanted:
            limit = wanted.asked_limit if wanted.room_id in gaps else wanted.limit  # the client has no more than that
            told = Told(0, telling.number(wanted.required), limit)
            telling.tell(view.shelf.key(wanted.room_id), None if wanted.room_id in hidden else told)
        for wanted in view.left:
            telling.tell(view.shelf.key(wanted.room_id), None)
            view.keys.add(view.shelf.key(wanted.room_id))
        for key in place.live() - view.keys:
            if (last := place.told(key)) is not None:
                telling.tell(key, Told(place.token.pos, last.config, last.limit))


def _name(requester: Requester, ask: SlidingAsk) -> tuple[str, str, str]:
    return requester.user_id, requester.device_id, ask.body.conn_id


def _has_messages(reader: Reader, requester: Requester, told_pos: int) -> bool:
    waiting = reader.messages.get(requester.device_id)
    return waiting is not None and waiting.last > told_pos


def _asked(asked: RoomAsk, reader: Reader, name: str | None) -> Shown:
    """name: of the list; None for a subscription."""
    required = Required.asked(asked.required_state, reader.user_id)
    limit = min(asked.timeline_limit, limits.SLIDING_TIMELINE_EVENTS_MAX)
    return Shown(required, limit, frozenset() if name is None else frozenset({name}), name is None)


def _show(shown: dict[str, Shown], room_ids: Iterable[str], asked: Shown) -> None:
    for room_id in room_ids:
        present = shown.setdefault(room_id, asked)
        if present is not asked:
            shown[room_id] = present.and_also(asked)


def _wanted(membership: Membership, told: Told | None, asked: Shown, place: Place) -> Wanted:
    """A room that was told before is wanted as it was then, and as it is asked for now."""
    since = 0 if told is None else told.pos or place.token.pos
    known = Required() if told is None else place.config(told)
    return Wanted(
        membership=membership,
        told=told,
        since=since,
        required=asked.required if told is None else known.and_also(asked.required),
        known=known,
        asked_limit=asked.limit,
        limit=asked.limit if told is None else max(told.limit, asked.limit),
    )


def _filter_of(wanted: Wanted) -> SyncFilter:
    return _filter(wanted.asked_limit, wanted.required.has_all_members)


@lru_cache(2 * limits.SLIDING_TIMELINE_EVENTS_MAX)
def _filter(limit: int, all_members: bool) -> SyncFilter:
    """A sync filter that shows as much."""
    timeline = filters.RoomEventFilter(limit=limit, types=None if limit else ())
    state = filters.RoomEventFilter(lazy_load_members=not all_members)
    return SyncFilter(filters.Filter(room=filters.RoomFilter(timeline=timeline, state=state)))
