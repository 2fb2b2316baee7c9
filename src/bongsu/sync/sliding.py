"""One sliding sync: which rooms the client looks at, what it has not been told of them, and waiting for that.

A room that was told stays told up to the connection's position while it is in view. When it falls out of view, the
connection remembers up to where it was told, and goes on from there when it comes back. So nothing is told twice, no
gap stays unmarked, and rooms out of view cost nothing.
"""

from collections.abc import Callable
from functools import partial

import msgspec

from bongsu.core import tokens
from bongsu.core.json import encode
from bongsu.core.requester import Requester
from bongsu.rooms.cache import Rooms
from bongsu.store.database import Database
from bongsu.store.feed import Feed
from bongsu.sync.admission import Admission
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


class _Poll(msgspec.Struct):
    """One request. messages_since: up to where its device has its messages; looked_at, messages_pos: up to where there
    was nothing to tell.
    """

    requester: Requester
    ask: SlidingAsk
    waiting: WaitingPlace
    place: Place
    messages_since: int
    looked_at: int
    messages_pos: int

    @property
    def is_other(self) -> bool:
        """Does the client look at something else than before? It is answered at once then."""
        return self.ask.pos is None or self.place.own.asked != self.ask.digest

    def has_messages(self, reader: Reader) -> bool:
        waiting = reader.messages.get(self.requester.device_id)
        asks = self.ask.body.extensions.to_device.enabled
        return bool(asks) and waiting is not None and waiting.last > self.messages_pos


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
        self._readers = readers
        self._mailbox = mailbox
        self._admission = admission
        self._sync = sync
        self._connections = connections
        self._views = Views(database, feed, rooms, readers)
        self._gatherer = Gatherer(database, rooms, now_ms)
        self._extender = Extender(database, DeviceNews(database), sync)
        self._speaker = SlidingSpeaker(rooms, Speaker(database, rooms))

    async def answer(self, requester: Requester, ask: SlidingAsk, waiting: WaitingPlace) -> bytes:
        """The body of the reply; empty when the client has hung up. M_UNKNOWN_POS for a place that is not known."""
        token = Token(0) if ask.pos is None else read_token(ask.pos)
        if not await self._sync.reaches(token.pos):
            raise unknown_pos()
        messages_since = await self._messages_since(ask)
        if not self._readers.knows(requester.user_id):
            await waiting.come_in(self._admission)
        place = await self._connections.open(_name(requester, ask), token)
        if messages_since:
            reader = await self._readers.get(requester.user_id)
            self._mailbox.acknowledge(reader, requester.device_id, messages_since)
        poll = _Poll(requester, ask, waiting, place, messages_since, looked_at=token.pos, messages_pos=messages_since)
        said = await waiting.until(ask.timeout_ms / 1000, partial(self._answer, poll))
        if said is None and waiting.has_ended:
            return encode({"pos": str(token), "lists": {}, "rooms": {}, "extensions": {}})
        return said or b""

    async def _messages_since(self, ask: SlidingAsk) -> int:
        """Up to where the device has its messages. A token from a future that does not exist says nothing of that."""
        wanted = ask.body.extensions.to_device
        if not wanted.enabled or not wanted.since:
            return 0
        return tokens.parse_told(wanted.since) if await self._sync.reaches(tokens.parse(wanted.since)) else 0

    async def _answer(self, poll: _Poll, is_last: bool) -> bytes | None:
        """The body of the reply, if there is anything to tell."""
        requester, is_last = poll.requester, is_last or poll.is_other
        reader = await self._readers.get(requester.user_id)  # each time: it may have been dropped
        poll.waiting.watch(reader.waiting)
        if not (is_last or reader.may_have_news(poll.looked_at) or poll.has_messages(reader)):
            return None
        answer = await self._look(poll)
        if is_last or not answer.is_empty:
            return await self._say(answer, poll)
        poll.looked_at = answer.view.up_to
        poll.messages_pos = max(poll.messages_pos, poll.looked_at)
        return None

    async def _say(self, answer: Answer, poll: _Poll) -> bytes:
        requester, ask, place, view = poll.requester, poll.ask, poll.place, answer.view
        rooms = await self._speaker.say(
            [piece for piece in answer.pieces if piece.is_news],
            requester,
            view.shelf,
            await self._views.direct(view),
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

    async def _look(self, poll: _Poll) -> Answer:
        ask, place = poll.ask, poll.place
        view = await self._views.view(poll.requester.user_id, ask, place)
        asked = 0 if view.is_cut else ask.digest  # so that the next request does not wait
        telling = Telling(place, asked, lasting(ask.body.extensions))
        pieces = await self._gatherer.pieces(view)
        scene = Scene(
            reader=view.reader,
            device_id=poll.requester.device_id,
            asked=ask.body.extensions,
            since=place.token.pos if ask.pos is not None else None,
            messages_since=poll.messages_since,
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
