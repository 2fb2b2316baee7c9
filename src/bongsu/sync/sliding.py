"""One sliding sync: which rooms the client looks at, what it has not been told of them, and waiting for that.

A room that was told stays told up to the connection's position while it is in view. When it falls out of view, the
connection remembers up to where it was told, and goes on from there when it comes back. So nothing is told twice, no
gap stays unmarked, and rooms out of view cost nothing.
"""

import asyncio
from collections.abc import Callable

import msgspec

from bongsu.core import tokens
from bongsu.core.json import encode
from bongsu.core.requester import Requester
from bongsu.rooms.cache import Rooms
from bongsu.store.database import Database
from bongsu.store.feed import Feed
from bongsu.sync.admission import Admission, Entry
from bongsu.sync.connections import Connections
from bongsu.sync.devices import DeviceNews
from bongsu.sync.extensions import Extended, Extender, Scene, lasting
from bongsu.sync.gathering import Gatherer
from bongsu.sync.mailbox import Mailbox
from bongsu.sync.pieces import Kind, Piece
from bongsu.sync.readers import Reader, Readers
from bongsu.sync.say import Speaker
from bongsu.sync.say_sliding import SlidingSpeaker
from bongsu.sync.service import Sync
from bongsu.sync.told import Place, Telling, Token, Told, read_token, unknown_pos
from bongsu.sync.views import SlidingAsk, View, Views
from bongsu.sync.waiting import WaitingPlace


class Answer(msgspec.Struct):
    """What there is to tell, before it is said."""

    view: View
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
        self._feed = feed
        self._readers = readers
        self._mailbox = mailbox
        self._admission = admission
        self._sync = sync
        self._connections = connections
        self._views = Views(database, feed, rooms)
        self._gatherer = Gatherer(database, rooms, now_ms)
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
            await self._views.direct(reader, view.shelf),
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
        view = await self._views.view(reader, ask, place)
        asked = 0 if view.is_cut else ask.digest  # so that the next request does not wait
        telling = Telling(place, asked, lasting(ask.body.extensions))
        pieces = await self._gatherer.pieces(reader, view)
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

    # --- what the connection was told then ---

    @staticmethod
    def _tell(view: View, pieces: list[Piece], place: Place, telling: Telling) -> None:
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
