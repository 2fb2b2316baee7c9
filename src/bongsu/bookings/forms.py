"""What is read and answered over HTTP. Times: ms since the epoch; those that are read may be RFC 3339, too."""

import secrets
import unicodedata
from typing import Any, Final

import msgspec

from bongsu.core import bookings as rules
from bongsu.core import ids, limits
from bongsu.core.errors import invalid_param
from bongsu.core.json import JsonObject
from bongsu.core.tiers import Tier
from bongsu.http.request import Request
from bongsu.store.bookings import Booking, Offer
from bongsu.workflow.times import time_of

_HOUR_MS = 3_600_000
WRITE: Final[dict[str, Any]] = {"bucket": "book", "tier": Tier.SERVICE}  # what its routes have in common
READ: Final[dict[str, Any]] = {"bucket": "read", "tier": Tier.SERVICE}


class NewOffer(msgspec.Struct):
    """ends_at: an hour after the beginning. opens_at: now. hold_seconds: 0, no confirmation. room_id: for everybody."""

    title: str
    place: str
    starts_at: int | str
    capacity: int
    ends_at: int | str | None = None
    opens_at: int | str | None = None
    area: str = ""
    hold_seconds: int = 0
    room_id: str | None = None


class Wish(msgspec.Struct):
    """waitlist: if it is sold out, take the next place that comes free."""

    waitlist: bool = False


class CheckIn(msgspec.Struct):
    """A ticket as its code was read, or the id of a booking."""

    ticket: str | None = None
    booking_id: str | None = None


class Empty(msgspec.Struct):
    pass


class Missed(msgspec.Struct):
    """Who did not come."""

    booking_id: str


class NewSubscription(msgspec.Struct):
    """area: any, if empty. Of offers that begin between the times; without them, of all."""

    area: str = ""
    not_before: int | str | None = None
    not_after: int | str | None = None


# --- answers, as they are described ---


class Made(msgspec.Struct):
    """announces: those who subscribed are told when it opens."""

    offer_id: str
    announces: bool


class Placed(msgspec.Struct):
    booking_id: str
    state: str
    until: int | None = None


class InLine(msgspec.Struct):
    booking_id: str
    state: str
    position: int


class BookingSaid(msgspec.Struct, omit_defaults=True):
    booking_id: str
    offer_id: str
    state: str
    made_at: int
    until: int | None = None
    position: int | None = None


class OfferNamed(msgspec.Struct):
    """What an offer is, to those who have a booking."""

    title: str
    place: str
    area: str
    starts_at: int
    ends_at: int
    state: str


class MyBooking(BookingSaid, omit_defaults=True, kw_only=True):
    offer: OfferNamed


class OfferSaid(msgspec.Struct, omit_defaults=True, kw_only=True):
    """now: the server's time, for countdowns."""

    offer_id: str
    provider: str
    title: str
    place: str
    area: str
    starts_at: int
    ends_at: int
    opens_at: int
    capacity: int
    available: int
    hold_seconds: int
    state: str
    room_id: str | None = None
    booking: BookingSaid | None = None
    now: int | None = None


class Guest(msgspec.Struct):
    """display_name: as they call themselves; None where they do not."""

    booking_id: str
    user_id: str
    display_name: str | None
    state: str
    arrival: int


def offer_said(offer: Offer, booking: BookingSaid | None = None, now_ms: int | None = None) -> JsonObject:
    known: dict[str, Any] = {name: getattr(offer, name) for name in OfferSaid.__struct_fields__ if hasattr(offer, name)}
    said = OfferSaid(**known, available=offer.capacity - offer.taken, booking=booking, now=now_ms)
    return dict(msgspec.to_builtins(said))


def booking_said(booking: Booking, position: int | None = None) -> BookingSaid:
    return BookingSaid(
        booking.booking_id, booking.offer_id, booking.state.value, booking.made_at, booking.until, position
    )


def my_booking(booking: Booking, offer: Offer) -> JsonObject:
    named = OfferNamed(*(getattr(offer, name) for name in OfferNamed.__struct_fields__))
    said = MyBooking(*msgspec.structs.astuple(booking_said(booking)), offer=named)
    return dict(msgspec.to_builtins(said))


def offer_of(form: NewOffer, provider: str, now_ms: int) -> Offer:
    """Refuses what nobody could book."""
    starts_at = time_of(form.starts_at, "starts_at")
    ends_at = starts_at + _HOUR_MS if form.ends_at is None else time_of(form.ends_at, "ends_at")
    opens_at = now_ms if form.opens_at is None else max(now_ms, time_of(form.opens_at, "opens_at"))
    rules.check_offer(form.capacity, form.hold_seconds, opens_at, starts_at, ends_at, now_ms)
    if form.room_id is not None and not ids.is_room_id(form.room_id):
        raise invalid_param("room_id is no room's id")
    return Offer(
        offer_id=f"o{secrets.token_hex(12)}",
        provider=provider,
        title=_text(form.title, "title"),
        place=_text(form.place, "place"),
        area=area_of(form.area),
        starts_at=starts_at,
        ends_at=ends_at,
        opens_at=opens_at,
        capacity=form.capacity,
        hold_seconds=form.hold_seconds,
        room_id=form.room_id,
        made_at=now_ms,
    )


def _text(said: str, name: str, *, may_be_empty: bool = False) -> str:
    """As it is stored, and looked for: what looks the same is the same."""
    text = unicodedata.normalize("NFC", said.strip())
    if not text and not may_be_empty:
        raise invalid_param(f"{name} is empty")
    if any(unicodedata.category(letter) in ("Cc", "Zl", "Zp") for letter in text):
        raise invalid_param(f"{name} is one line of text")
    return ids.check_text(text, name, limits.BOOKING_TEXT_BYTES_MAX)


def area_of(said: str) -> str:
    return _text(said, "area", may_be_empty=True)


def id_of(request: Request, name: str) -> str:
    """One of the path."""
    return ids.check_text(request.params[name], name)
