"""POST rooms/{roomId}/receipt/{receiptType}/{eventId} · POST rooms/{roomId}/read_markers ·
PUT rooms/{roomId}/typing/{userId} · GET, PUT presence/{userId}/status
"""

import asyncio
from collections.abc import Callable

import msgspec

from bongsu.core import ids, limits
from bongsu.core.errors import Refusal, forbidden, invalid_param
from bongsu.core.tiers import Tier
from bongsu.http.request import Request
from bongsu.http.response import Response, empty, reply
from bongsu.http.router import Route, client_routes
from bongsu.matrix.sending import check_room_id
from bongsu.rooms.personal import FULLY_READ, EndTyping, SetMarkers, SetPresence, SetReceipt, SetTyping
from bongsu.store import personal
from bongsu.store.committer import Committer
from bongsu.store.database import REFUSED, Database
from bongsu.sync.service import presence_content

_RECEIPTS = ("m.read", "m.read.private")
_PRESENCE = ("online", "offline", "unavailable")


class _Thread(msgspec.Struct):
    thread_id: str | None = None


class _Markers(msgspec.Struct, rename={"fully_read": "m.fully_read", "read": "m.read", "private": "m.read.private"}):
    fully_read: str | None = None
    read: str | None = None
    private: str | None = None


class _Typing(msgspec.Struct):
    typing: bool
    timeout: int = 30_000


class _Presence(msgspec.Struct):
    presence: str
    status_msg: str | None = None


class Ephemeral:
    """What is said between the messages: read up to here, writing now, at the desk."""

    def __init__(self, database: Database, committer: Committer, now_ms: Callable[[], int]) -> None:
        self._database = database
        self._committer = committer
        self._now_ms = now_ms

    def routes(self) -> list[Route]:
        return [
            *client_routes(
                "POST",
                "/rooms/{room_id}/receipt/{receipt_type}/{event_id}",
                self.receipt,
                bucket="send",
                tier=Tier.RECEIPT,
            ),
            *client_routes(
                "POST", "/rooms/{room_id}/read_markers", self.read_markers, bucket="send", tier=Tier.RECEIPT
            ),
            *client_routes("PUT", "/rooms/{room_id}/typing/{user_id}", self.typing, bucket="send", tier=Tier.TYPING),
            *client_routes("PUT", "/presence/{user_id}/status", self.set_presence, bucket="write", tier=Tier.PRESENCE),
            *client_routes("GET", "/presence/{user_id}/status", self.presence, tier=Tier.PRESENCE),
        ]

    async def receipt(self, request: Request) -> Response:
        kind = request.params["receipt_type"]
        if kind not in (*_RECEIPTS, FULLY_READ):
            raise invalid_param(f"the receipt type must be one of {', '.join((*_RECEIPTS, FULLY_READ))}")
        body = await request.read(_Thread)
        event_id = _check_event_id(request.params["event_id"])
        if kind == FULLY_READ:
            if body.thread_id is not None:
                raise invalid_param("m.fully_read takes no thread_id")
            user, room_id = request.requester.user_id, check_room_id(request.params)
            await self._committer.submit(SetMarkers(room_id, user, {}, event_id))
        else:
            await self._receipt(request, kind, event_id, _check_thread(body.thread_id))
        return empty()

    async def read_markers(self, request: Request) -> Response:
        body = await request.read(_Markers)
        named = zip(_RECEIPTS, (body.read, body.private), strict=True)
        receipts = {kind: _check_event_id(event_id) for kind, event_id in named if event_id}
        fully_read = _check_event_id(body.fully_read) if body.fully_read else None
        user, room_id = request.requester.user_id, check_room_id(request.params)
        await self._committer.submit(SetMarkers(room_id, user, receipts, fully_read))
        return empty()

    async def _receipt(self, request: Request, kind: str, event_id: str, thread_id: str) -> None:
        user = request.requester.user_id
        await self._committer.submit(SetReceipt(check_room_id(request.params), user, kind, event_id, thread_id))

    async def typing(self, request: Request) -> Response:
        user = request.params["user_id"]
        if user != request.requester.user_id:
            raise forbidden("you can say of yourself alone that you are typing")
        body = await request.read(_Typing)
        room_id = check_room_id(request.params)
        if not body.typing:
            await self._committer.submit(SetTyping(room_id, user, 0))
            return empty()
        until_ms = self._now_ms() + min(max(body.timeout, 0), limits.TYPING_MS_MAX)
        await self._committer.submit(SetTyping(room_id, user, until_ms))
        return empty()

    async def set_presence(self, request: Request) -> Response:
        user = request.params["user_id"]
        if user != request.requester.user_id:
            raise forbidden("you can set your own presence alone")
        body = await request.read(_Presence)
        if body.presence not in _PRESENCE:
            raise invalid_param(f"presence must be one of {', '.join(_PRESENCE)}")
        message = None if body.status_msg is None else ids.check_text(body.status_msg, "status_msg", 1_000)
        await self._committer.submit(SetPresence(user, body.presence, message, self._now_ms()))
        return empty()

    async def presence(self, request: Request) -> Response:
        user = ids.check_user_id(request.params["user_id"])
        mine = user == request.requester.user_id
        if not mine and not await personal.share_a_room(self._database, request.requester.user_id, user):
            raise forbidden("you share no room with this person")
        row = await personal.presence_of(self._database, user)
        if row is None:
            return reply({"presence": "offline"})
        return reply(presence_content(row, self._now_ms()))


class TypingEnds:
    """Ends typing that nobody ended: people close their laptops. hurry() when there is some; a second end is none."""

    def __init__(self, database: Database, committer: Committer, now_ms: Callable[[], int]) -> None:
        self._database = database
        self._committer = committer
        self._now_ms = now_ms
        self._due = asyncio.Event()

    def hurry(self) -> None:
        self._due.set()

    async def run(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            try:
                await self._sweep()
            except (Refusal, *REFUSED):
                continue  # the database is away or busy; typing can wait

    async def _sweep(self) -> None:
        for row in await self._database.fetch(personal.EXPIRED_TYPING, self._now_ms()):
            await self._committer.submit(EndTyping(row["room_id"], row["user_id"]))


def _check_event_id(event_id: str) -> str:
    if not ids.is_event_id(event_id):
        raise invalid_param("that is not an event id")
    return event_id


def _check_thread(thread_id: str | None) -> str:
    if thread_id is None:
        return ""
    if thread_id != "main" and not ids.is_event_id(thread_id):
        raise invalid_param('thread_id must be "main" or the id of a thread\'s first event')
    return thread_id
