"""What people do who want a place (under /_bongsu/v1/bookings).

POST /offers/{offer_id}/book · GET / · GET, DELETE /{booking_id} · POST /{booking_id}/confirm ·
GET /{booking_id}/ticket · GET /{booking_id}/ticket.svg · GET /{booking_id}/calendar.ics · GET /key ·
GET, POST /subscriptions · DELETE /subscriptions/{subscription_id}
"""

import asyncio
import base64
import io
import secrets
from collections.abc import Callable
from typing import Final

import msgspec

from bongsu.bookings.calendar import calendar
from bongsu.bookings.forms import (
    READ,
    WRITE,
    BookingSaid,
    Empty,
    InLine,
    MyBooking,
    NewSubscription,
    Placed,
    Wish,
    area_of,
    booking_said,
    id_of,
    my_booking,
)
from bongsu.bookings.ledger import Ledger, no_booking
from bongsu.bookings.lines import Lines
from bongsu.bookings.round import Attempt, placed
from bongsu.bookings.tickets import Tickets, no_ticket
from bongsu.core import bookings as rules
from bongsu.core import limits
from bongsu.core.bookings import State
from bongsu.core.errors import not_found
from bongsu.core.moderation import suspended
from bongsu.core.paging import next_token
from bongsu.http.describing import Described
from bongsu.http.request import Request
from bongsu.http.response import Response, reply
from bongsu.http.router import Auth, Route
from bongsu.store import bookings as table
from bongsu.store.bookings import Booking, Offer, Subscription
from bongsu.store.database import Connection, Database
from bongsu.store.idempotency import Answer
from bongsu.workflow.lists import page_of
from bongsu.workflow.times import time_of
from bongsu.workflow.writes import Writes, answered, key_of

_BASE: Final = "/_bongsu/v1/bookings"
_ONE: Final = f"{_BASE}/{{booking_id}}"
_PRIVATE: Final = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


class Mine(msgspec.Struct):
    bookings: list[MyBooking]
    now: int
    next_batch: str | None = None


class TicketSaid(msgspec.Struct):
    ticket: str


class KeySaid(msgspec.Struct):
    """key: 32 bytes in base64, of Ed25519. keys: all that a ticket may be signed with, that one first."""

    algorithm: str
    key: str
    keys: list[str]


class Subscribed(msgspec.Struct):
    subscription_id: str


class Subscriptions(msgspec.Struct):
    subscriptions: list[Subscription]


class Places:
    """Each person sees and changes their own bookings alone. hurry: there is something in the outbox."""

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        writes: Writes,
        tickets: Tickets,
        lines: Lines,
        hurry: Callable[[], None],
        server_name: str,
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._writes = writes
        self._tickets = tickets
        self._lines = lines
        self._hurry = hurry
        self._server_name = server_name

    def routes(self) -> list[Route]:
        return [*self._of_places(), *self._of_one(), *self._of_subscriptions()]

    def _of_places(self) -> list[Route]:
        codes = {409: ("BONGSU_SOLD_OUT", "BONGSU_ALREADY_BOOKED", "BONGSU_OFFER_CLOSED", "BONGSU_TOO_OFTEN")}
        book = Described("Takes a place", {201: Placed, 202: InLine}, Wish, errors=codes, is_write=True)
        mine = Described("One's bookings", {200: Mine}, query=("limit", "from", "dir"))
        key = Described("What tickets are checked with", {200: KeySaid})
        return [
            Route("POST", f"{_BASE}/offers/{{offer_id}}/book", self.book, **WRITE, described=book),
            Route("GET", _BASE, self.mine, **READ, described=mine),
            Route("GET", f"{_BASE}/key", self.key, Auth.NONE, **READ, described=key),
        ]

    def _of_one(self) -> list[Route]:
        late, over = {409: ("BONGSU_WRONG_STATE", "BONGSU_EXPIRED")}, {409: ("BONGSU_WRONG_STATE", "BONGSU_OVER")}
        one = Described("One booking", {200: BookingSaid})
        cancel = Described("Gives a place back", {200: Placed}, errors=over, is_write=True)
        confirm = Described("Confirms a held place", {200: Placed}, errors=late, is_write=True)
        ticket = Described("Its ticket", {200: TicketSaid})
        code = Described("Its ticket as a code", {200: None})
        dated = Described("It for a calendar", {200: None})
        return [
            Route("GET", _ONE, self.one, **READ, described=one),
            Route("DELETE", _ONE, self.cancel, **WRITE, described=cancel),
            Route("POST", f"{_ONE}/confirm", self.confirm, **WRITE, described=confirm),
            Route("GET", f"{_ONE}/ticket", self.ticket, **READ, described=ticket),
            Route("GET", f"{_ONE}/ticket.svg", self.code, **READ, described=code),
            Route("GET", f"{_ONE}/calendar.ics", self.calendar, **READ, described=dated),
        ]

    def _of_subscriptions(self) -> list[Route]:
        all_of_them = f"{_BASE}/subscriptions"
        subscribe = Described("Wants to hear of what is released", {201: Subscribed}, NewSubscription, is_write=True)
        subscribed = Described("One's subscriptions", {200: Subscriptions})
        unsubscribe = Described("Ends a subscription", {200: Empty}, is_write=True)
        one = f"{all_of_them}/{{subscription_id}}"
        return [
            Route("POST", all_of_them, self.subscribe, **WRITE, described=subscribe),
            Route("GET", all_of_them, self.subscriptions, **READ, described=subscribed),
            Route("DELETE", one, self.unsubscribe, **WRITE, described=unsubscribe),
        ]

    async def book(self, request: Request) -> Response:
        if request.requester.is_suspended:
            raise suspended()
        wish, offer_id = await request.read(Wish), id_of(request, "offer_id")
        attempt = Attempt(request.requester.user_id, wish.waitlist, await key_of(request, f"book/{offer_id}"))
        answer = await self._lines.book(offer_id, attempt)
        self._hurry()
        return answered(answer)

    async def mine(self, request: Request) -> Response:
        page, is_back = page_of(request), request.query.choice("dir", ("f", "b"), "f") == "b"
        found = await table.bookings_of_person(self._database, request.requester.user_id, page, newest_first=is_back)
        places = [(booking.made_at, booking.booking_id) for booking, _ in found]
        said = [my_booking(*each) for each in found]
        return reply({"bookings": said, "now": self._ledger.now_ms(), **next_token(page, places)})

    async def one(self, request: Request) -> Response:
        booking = await self._own(request)
        waits = booking.state is State.WAITING
        position = await table.position_of(self._database, booking) if waits else None
        return reply(msgspec.to_builtins(booking_said(booking, position)))

    async def cancel(self, request: Request) -> Response:
        async def work(connection: Connection) -> Answer:
            booking_id, user_id = id_of(request, "booking_id"), request.requester.user_id
            cancelled = await self._ledger.cancel(connection, booking_id, user_id)
            return Answer(200, placed(cancelled).body)

        return await self._writes.once(request, work)

    async def confirm(self, request: Request) -> Response:
        async def work(connection: Connection) -> Answer:
            booking_id, user_id = id_of(request, "booking_id"), request.requester.user_id
            booking = await self._ledger.confirm(connection, booking_id, user_id)
            if booking.state is State.EXPIRED:  # an answer, not a refusal: that would leave it held
                return Answer(409, {"errcode": "BONGSU_EXPIRED", "error": "this place was held for you until just now"})
            return Answer(200, placed(booking).body)

        return await self._writes.once(request, work)

    # --- what is taken along ---

    async def ticket(self, request: Request) -> Response:
        text = await self._tickets.issue(*await self._booked(request))
        return Response(msgspec.json.encode({"ticket": text}), headers=_PRIVATE)

    async def code(self, request: Request) -> Response:
        text = await self._tickets.issue(*await self._booked(request))
        drawn = await asyncio.to_thread(_drawn, text)
        return Response(drawn, content_type="image/svg+xml", headers=_PRIVATE)

    async def calendar(self, request: Request) -> Response:
        text = calendar(*await self._booked(request), self._server_name)
        name = {"content-disposition": 'attachment; filename="booking.ics"'}
        return Response(text.encode(), content_type="text/calendar; charset=utf-8", headers={**_PRIVATE, **name})

    async def key(self, _: Request) -> Response:
        keys = [base64.b64encode(key).decode() for key in await self._tickets.public()]
        return reply({"algorithm": "ed25519", "key": keys[0], "keys": keys})

    async def _booked(self, request: Request) -> tuple[Offer, Booking]:
        booking = await self._own(request)
        if booking.state not in (State.BOOKED, State.ARRIVED):
            raise no_ticket()
        offer = await table.offer_of(self._database, booking.offer_id)
        assert offer is not None  # the database holds them together
        return offer, booking

    async def _own(self, request: Request) -> Booking:
        booking = await table.booking(self._database, id_of(request, "booking_id"))
        if booking is None or booking.user_id != request.requester.user_id:
            raise no_booking()
        return booking

    # --- who wants to hear ---

    async def subscribe(self, request: Request) -> Response:
        if request.requester.is_suspended:
            raise suspended()
        form = await request.read(NewSubscription)
        not_before = 0 if form.not_before is None else time_of(form.not_before, "not_before")
        not_after = limits.INTEGER_MAX if form.not_after is None else time_of(form.not_after, "not_after")
        area = area_of(form.area)
        rules.check_wish(not_before, not_after)

        async def work(connection: Connection) -> Answer:
            wanted = Subscription(f"s{secrets.token_hex(12)}", request.requester.user_id, area, not_before, not_after)
            return Answer(201, {"subscription_id": await self._ledger.subscribe(connection, wanted)})

        return await self._writes.once(request, work)

    async def subscriptions(self, request: Request) -> Response:
        found = await table.subscriptions(self._database, request.requester.user_id)
        return reply({"subscriptions": msgspec.to_builtins(found)})

    async def unsubscribe(self, request: Request) -> Response:
        async def work(connection: Connection) -> Answer:
            named = id_of(request, "subscription_id")
            if not await table.unsubscribe(connection, request.requester.user_id, named):
                raise not_found("you have no such subscription")
            return Answer(200, {})

        return await self._writes.once(request, work)


def _drawn(text: str) -> bytes:
    """As a code to be read by cameras: some 15 ms of work."""
    import segno  # here, because few ever look at a ticket

    out = io.BytesIO()
    code = segno.make(text, error="m", micro=False)
    code.save(out, kind="svg", scale=4, title="예약 확인증 · Ticket", light="#fff")
    return out.getvalue()
