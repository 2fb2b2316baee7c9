"""The keys that sign tickets, and what a ticket says.

A new key is made each quarter. Devices at doors keep what they know for a month, so a key is known for longer than that
before it signs anything, and long after: what was printed then is still good.
"""

import secrets
from collections.abc import Callable

from bongsu.core import ed25519, limits, tickets
from bongsu.core.errors import Refusal, not_found
from bongsu.store import service_keys
from bongsu.store.bookings import Booking, Offer
from bongsu.store.database import Connection, Database
from bongsu.store.service_keys import MadeKey

_PURPOSE = "tickets"
_DAY_MS = 86_400_000


class Tickets:
    """Each worker keeps the keys in mind for a while."""

    def __init__(self, database: Database, now_ms: Callable[[], int]) -> None:
        self._database = database
        self._now_ms = now_ms
        self._keys: list[MadeKey] = []
        self._read_at = 0

    async def issue(self, offer: Offer, booking: Booking) -> str:
        ticket = tickets.Ticket(booking.booking_id, offer.offer_id, offer.starts_at, offer.ends_at)
        return tickets.issue(signing(await self._known(), self._now_ms()).private, ticket)

    async def public(self) -> list[bytes]:
        """What tickets are checked with, the one that signs now first."""
        keys = await self._known()
        first = signing(keys, self._now_ms())
        return [ed25519.public_of(key.private) for key in sorted(keys, key=lambda key: key is not first)]

    async def booking_of(self, connection: Connection, offer_id: str, text: str) -> str:
        """The booking that a ticket of this offer is for."""
        keys = await service_keys.series(connection, _PURPOSE)
        ticket = tickets.check([ed25519.public_of(key.private) for key in keys], text)
        if ticket.offer_id != offer_id:
            raise Refusal(409, "BONGSU_OTHER_OFFER", "this ticket is real, but for another offer")
        return ticket.booking_id

    async def _known(self) -> list[MadeKey]:
        """Read where it can be: a standby has them, too. Without a primary the next one waits, unless there is none."""
        now_ms = self._now_ms()
        if not self._keys or now_ms - self._read_at > limits.TICKET_KEYS_TRUSTED_SECONDS * 1_000:
            self._keys, self._read_at = await service_keys.series(self._database, _PURPOSE), now_ms
        if not self._keys or self._keys[-1].made_at + limits.TICKET_KEY_DAYS * _DAY_MS <= now_ms:
            await self._make(now_ms)
        return self._keys

    async def _make(self, now_ms: int) -> None:
        due_since, kept_since = (
            now_ms - days * _DAY_MS for days in (limits.TICKET_KEY_DAYS, limits.TICKET_KEY_KEPT_DAYS)
        )
        fresh = MadeKey(secrets.token_bytes(32), now_ms)
        try:
            self._keys = await self._database.write(
                lambda connection: service_keys.next_of(connection, _PURPOSE, fresh, due_since, kept_since)
            )
        except Refusal:
            if not self._keys:
                raise


def signing(keys: list[MadeKey], now_ms: int) -> MadeKey:
    """The newest that devices know by now. keys: oldest first."""
    known = [key for key in keys if key.made_at + limits.TICKET_KEY_KNOWN_DAYS * _DAY_MS <= now_ms]
    return known[-1] if known else keys[0]


def no_ticket() -> Refusal:
    return not_found("there is a ticket once a place is booked")
