"""The key that signs tickets, and what a ticket says. Each worker keeps it in mind once it was read."""

import secrets
from typing import Final

from bongsu.core import tickets
from bongsu.core.errors import Refusal, not_found
from bongsu.store import service_keys
from bongsu.store.bookings import Booking, Offer
from bongsu.store.database import Connection, Database

_PURPOSE: Final = "tickets"


class Tickets:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._private: bytes | None = None

    async def issue(self, offer: Offer, booking: Booking) -> str:
        ticket = tickets.Ticket(booking.booking_id, offer.offer_id, offer.starts_at, offer.ends_at)
        return tickets.issue(await self._key(), ticket)

    async def public(self) -> bytes:
        return tickets.public_of(await self._key())

    async def booking_of(self, connection: Connection, offer_id: str, text: str) -> str:
        """The booking that a ticket of this offer is for."""
        private = self._private or await service_keys.made(connection, _PURPOSE, secrets.token_bytes(32))
        ticket = tickets.check(tickets.public_of(private), text)
        if ticket.offer_id != offer_id:
            raise Refusal(409, "BONGSU_OTHER_OFFER", "this ticket is real, but for another offer")
        return ticket.booking_id

    async def _key(self) -> bytes:
        """Read where it can be: a standby has it, too."""
        if self._private is None:
            self._private = await service_keys.known(self._database, _PURPOSE)
        if self._private is None:
            fresh = secrets.token_bytes(32)
            self._private = await self._database.write(
                lambda connection: service_keys.made(connection, _PURPOSE, fresh)
            )
        return self._private


def no_ticket() -> Refusal:
    return not_found("there is a ticket once a place is booked")
