"""What providers do (under /_bongsu/v1/bookings).

POST, GET /offers · GET /offers/{offer_id} · POST /offers/{offer_id}/close · POST /offers/{offer_id}/check_in ·
POST /offers/{offer_id}/no_show ·
GET /offers/{offer_id}/bookings · GET /offers/{offer_id}/bookings.csv · GET /offers/{offer_id}/audit
"""

from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec

from bongsu.bookings.forms import (
    READ,
    WRITE,
    CheckIn,
    Guest,
    Made,
    Missed,
    NewOffer,
    OfferSaid,
    Placed,
    area_of,
    booking_said,
    id_of,
    offer_of,
    offer_said,
)
from bongsu.bookings.ledger import Ledger, subject
from bongsu.bookings.round import no_offer, placed
from bongsu.bookings.tickets import Tickets
from bongsu.core import ids, limits
from bongsu.core.bookings import Action, State
from bongsu.core.errors import Refusal, forbidden, missing_param
from bongsu.core.exports import Cell
from bongsu.core.moderation import suspended
from bongsu.core.paging import next_token
from bongsu.core.tiers import Tier
from bongsu.http.describing import Described
from bongsu.http.ratelimit import RateLimiter
from bongsu.http.request import Request
from bongsu.http.response import Response, reply
from bongsu.http.router import Route
from bongsu.store import bookings as table
from bongsu.store.bookings import Booking, Offer
from bongsu.store.database import Connection, Database
from bongsu.store.idempotency import Answer
from bongsu.store.rooms import Reads
from bongsu.workflow.chains import QUERY, AuditSaid, audited
from bongsu.workflow.lists import csv_in_pieces, page_of, whole_list
from bongsu.workflow.writes import Writes

BOOKINGS: Final = "/_bongsu/v1/bookings"
_OFFER: Final = f"{BOOKINGS}/offers/{{offer_id}}"
_PAGED: Final = ("limit", "from")
_GUEST: Final = ("arrival", "user_id", "state", "booking_id")


class OffersSaid(msgspec.Struct):
    offers: list[OfferSaid]
    now: int
    next_batch: str | None = None


class GuestsSaid(msgspec.Struct):
    bookings: list[Guest]
    next_batch: str | None = None


class Offers:
    """Whoever has an account may publish; what is done with an offer is its provider's, or an administrator's."""

    def __init__(
        self, database: Database, ledger: Ledger, writes: Writes, tickets: Tickets, limiter: RateLimiter
    ) -> None:
        self._database = database
        self._limiter = limiter
        self._ledger = ledger
        self._writes = writes
        self._tickets = tickets

    def routes(self) -> list[Route]:
        return [*self._of_offers(), *self._of_guests()]

    def _of_offers(self) -> list[Route]:
        listed = ("area", "not_before", "not_after", "mine", *_PAGED)
        publish = Described("Publishes an offer", {201: Made}, NewOffer, is_write=True)
        all_of_them = Described("What can be booked", {200: OffersSaid}, query=listed)
        close = Described("Calls it off", {200: OfferSaid}, is_write=True)
        audited = Described("Who did what to it", {200: AuditSaid}, query=QUERY)
        return [
            Route("POST", f"{BOOKINGS}/offers", self.publish, **WRITE, described=publish),
            Route("GET", f"{BOOKINGS}/offers", self.all, **READ, described=all_of_them),
            Route("GET", _OFFER, self.one, **READ, described=Described("One offer", {200: OfferSaid})),
            Route("POST", f"{_OFFER}/close", self.close, **WRITE, described=close),
            Route("GET", f"{_OFFER}/audit", self.audit, **READ, described=audited),
        ]

    def _of_guests(self) -> list[Route]:
        wrong = {409: ("BONGSU_WRONG_STATE", "BONGSU_ALREADY_ARRIVED", "BONGSU_OTHER_OFFER")}
        come = Described("Somebody has come", {200: Placed}, CheckIn, errors=wrong, is_write=True)
        missed = Described("Somebody has not come", {200: Placed}, Missed, errors=wrong, is_write=True)
        listed = Described("Who has booked", {200: GuestsSaid}, query=_PAGED)
        csv = Described("Who has booked, as CSV", {200: None})
        return [
            Route("POST", f"{_OFFER}/check_in", self.check_in, bucket="door", tier=Tier.SERVICE, described=come),
            Route("POST", f"{_OFFER}/no_show", self.no_show, **WRITE, described=missed),
            Route("GET", f"{_OFFER}/bookings", self.bookings, **READ, described=listed),
            Route("GET", f"{_OFFER}/bookings.csv", self.csv, **READ, described=csv),
        ]

    async def publish(self, request: Request) -> Response:
        if request.requester.is_suspended:
            raise suspended()
        form = await request.read(NewOffer)

        async def work(connection: Connection) -> Answer:
            offer = offer_of(form, request.requester.user_id, self._ledger.now_ms())
            if offer.room_id is not None and not await table.members_of(connection, offer.room_id, [offer.provider]):
                raise forbidden("you are not in that room")
            await self._ledger.publish(connection, offer)
            announces = await table.announces(connection, offer)
            return Answer(201, {"offer_id": offer.offer_id, "announces": announces})

        return await self._writes.once(request, work)

    async def all(self, request: Request) -> Response:
        """mine: what one has published, whatever became of it, the last one first."""
        page, user_id, now_ms = page_of(request), request.requester.user_id, self._ledger.now_ms()
        if request.query.flag("mine"):
            found = await table.offers_by(self._database, user_id, page)
        else:
            found = await table.offers_for(self._database, user_id, now_ms, _wanted(request), page)
        places = [(offer.starts_at, offer.offer_id) for offer in found]
        return reply({"offers": [offer_said(offer) for offer in found], "now": now_ms, **next_token(page, places)})

    async def one(self, request: Request) -> Response:
        user_id = request.requester.user_id
        offer = await table.offer_for(self._database, user_id, id_of(request, "offer_id"))
        if offer is None:
            raise no_offer()
        booking = await table.booking_in(self._database, offer.offer_id, user_id)
        if booking is None:
            return reply(offer_said(offer, now_ms=self._ledger.now_ms()))
        waits = booking.state is State.WAITING
        position = await table.position_of(self._database, booking) if waits else None
        return reply(offer_said(offer, booking_said(booking, position), self._ledger.now_ms()))

    async def close(self, request: Request) -> Response:
        async def work(connection: Connection) -> Answer:
            offer = await self._own_locked(connection, request)
            if offer.state != "closed":
                await self._ledger.close(connection, offer, request.requester.user_id)
            closed = await table.lock_offer(connection, offer.offer_id)
            assert closed is not None
            return Answer(200, offer_said(closed))

        return await self._writes.once(request, work)

    async def check_in(self, request: Request) -> Response:
        form = await request.read(CheckIn)
        if (form.ticket is None) == (form.booking_id is None):
            raise missing_param("either ticket or booking_id")
        if form.booking_id is not None:
            ids.check_text(form.booking_id, "booking_id")

        async def work(connection: Connection) -> Answer:
            offer = await self._own_locked(connection, request)
            booking_id = form.booking_id
            if form.ticket is not None:
                booking_id = await self._tickets.booking_of(connection, offer.offer_id, form.ticket)
            assert booking_id is not None
            marked = await self._ledger.mark(connection, offer, booking_id, Action.ARRIVE, request.requester.user_id)
            return Answer(200, placed(marked).body)

        return await self._writes.once(request, work)

    async def no_show(self, request: Request) -> Response:
        """The provider saw it before the clock does."""
        booking_id = ids.check_text((await request.read(Missed)).booking_id, "booking_id")

        async def work(connection: Connection) -> Answer:
            offer = await self._own_locked(connection, request)
            if self._ledger.now_ms() < offer.starts_at:
                raise Refusal(409, "BONGSU_WRONG_STATE", "it has not begun: nobody is late yet")
            marked = await self._ledger.mark(connection, offer, booking_id, Action.MISS, request.requester.user_id)
            return Answer(200, placed(marked).body)

        return await self._writes.once(request, work)

    async def bookings(self, request: Request) -> Response:
        page = page_of(request)
        offer = await self._own(request)
        found = await table.bookings_of_offer(self._database, offer.offer_id, page)
        places = [(booking.arrival, booking.booking_id) for booking, _ in found]
        return reply({"bookings": [_guest(*each) for each in found], **next_token(page, places)})

    async def csv(self, request: Request) -> Response:
        offer = await self._own(request)
        return csv_in_pieces(offer.offer_id, _GUEST, self._guests(offer.offer_id))

    async def _guests(self, offer_id: str) -> AsyncIterator[list[tuple[Cell, ...]]]:
        """The list, in pieces, as far as an export goes."""
        pieces = whole_list(
            lambda page: table.bookings_of_offer(self._database, offer_id, page),
            lambda each: (each[0].arrival, each[0].booking_id),
        )
        async for found in pieces:
            yield [tuple(_guest(*each)[name] for name in _GUEST) for each in found]

    async def audit(self, request: Request) -> Response:
        page = page_of(request)
        named = subject((await self._own(request)).offer_id)
        return reply(await audited(self._database, self._limiter, request, named, page))

    async def _own(self, request: Request, reads: Reads | None = None) -> Offer:
        """reads: the connection of a transaction, which waits for no second one."""
        offer_id, requester, reads = id_of(request, "offer_id"), request.requester, reads or self._database
        if requester.is_admin:
            return _checked(await table.offer_of(reads, offer_id), request)
        return _checked(await table.offer_for(reads, requester.user_id, offer_id), request)

    async def _own_locked(self, connection: Connection, request: Request) -> Offer:
        """Who may not see it learns nothing of it."""
        await self._own(request, connection)
        return _checked(await table.lock_offer(connection, id_of(request, "offer_id")), request)


def _checked(offer: Offer | None, request: Request) -> Offer:
    if offer is None:
        raise no_offer()
    if offer.provider != request.requester.user_id and not request.requester.is_admin:
        raise forbidden("this is for the provider of the offer")
    return offer


def _wanted(request: Request) -> table.Wanted:
    area, query = request.query.get("area"), request.query
    return table.Wanted(
        None if area is None else area_of(area),
        query.integer("not_before", 0),
        query.integer("not_after", limits.INTEGER_MAX),
    )


def _guest(booking: Booking, name: str | None) -> dict[str, Any]:
    return {
        "booking_id": booking.booking_id,
        "user_id": booking.user_id,
        "display_name": name,
        "state": booking.state.value,
        "arrival": booking.arrival,
    }
