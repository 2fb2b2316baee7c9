"""What happens to offers and bookings in time: the handlers of their timers."""

from collections.abc import Awaitable, Callable, Mapping

from bongsu.bookings.ledger import CLOSE, HOLD, OPEN, OVER, PROMOTE, REMIND, Ledger
from bongsu.store import bookings as table
from bongsu.store.bookings import Offer
from bongsu.store.database import Connection
from bongsu.store.timers import Handler, Timer


def handlers(ledger: Ledger) -> Mapping[str, Handler]:
    """By kind."""
    return {
        OPEN: _of_offer(ledger.open, "announced"),
        PROMOTE: _of_offer(ledger.promote, "open"),
        OVER: _of_offer(ledger.over, "announced", "open"),
        CLOSE: _of_offer(ledger.call_off, "closed"),
        HOLD: _of_booking(ledger.expire),
        REMIND: _of_booking(ledger.remind),
    }


def _of_offer(run: Callable[[Connection, Offer], Awaitable[None]], *states: str) -> Handler:
    async def handle(connection: Connection, timer: Timer) -> None:
        offer = await table.lock_offer(connection, timer.payload["offer_id"])
        if offer is not None and offer.state in states:
            await run(connection, offer)

    return handle


def _of_booking(run: Callable[[Connection, str], Awaitable[None]]) -> Handler:
    async def handle(connection: Connection, timer: Timer) -> None:
        await run(connection, timer.payload["booking_id"])

    return handle
