"""What happens to offers and bookings in time: the handlers of their timers."""

import secrets
from collections.abc import Awaitable, Callable, Mapping

from bongsu.bookings.ledger import ANNOUNCE, CLOSE, FORGET, HOLD, LAST, OPEN, OVER, PROMOTE, REMIND, Ledger
from bongsu.core import limits
from bongsu.store import bookings as table
from bongsu.store import timers
from bongsu.store.bookings import Offer
from bongsu.store.database import Connection
from bongsu.store.timers import GONE, Handler, Timer


def handlers(ledger: Ledger) -> Mapping[str, Handler]:
    """By kind."""
    return {
        OPEN: _of_offer(ledger.open, "announced"),
        PROMOTE: _of_offer(ledger.promote, "open"),
        LAST: _of_offer(ledger.promote, "open"),
        OVER: _of_offer(ledger.over, "announced", "open"),
        CLOSE: _of_offer(ledger.call_off, "closed"),
        HOLD: _of_booking(ledger.expire),
        REMIND: _reminding(ledger),
        FORGET: _of_offer(ledger.forget, "closed"),
        ANNOUNCE: _announcing(ledger),
        GONE: _gone(ledger),
    }


def _reminding(ledger: Ledger) -> Handler:
    """With it all that are due: a hall is reminded at one moment."""

    async def handle(connection: Connection, timer: Timer) -> None:
        due = [timer, *await timers.take_more(connection, REMIND, ledger.now_ms(), limits.TIMERS_TOGETHER_MAX)]
        await ledger.remind(connection, [each.payload["booking_id"] for each in due])

    return handle


def _announcing(ledger: Ledger) -> Handler:
    async def handle(connection: Connection, timer: Timer) -> None:
        offer = await table.offer_of(connection, timer.payload["offer_id"])
        if offer is not None and offer.state == "open":
            await ledger.announce(connection, offer, timer.payload["after"])

    return handle


def _gone(ledger: Ledger) -> Handler:
    """One place at a time, each in a transaction of its own: who holds two offers' locks waits for somebody."""

    async def handle(connection: Connection, timer: Timer) -> None:
        user_id = timer.payload["user_id"]
        if await ledger.leave(connection, user_id):
            again = Timer(f"{GONE}/{user_id}/{secrets.token_hex(4)}", GONE, ledger.now_ms(), timer.payload)
            await timers.put(connection, [again])

    return handle


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
