"""Those who want the same offer at once, judged one after the other: what is left after each."""

import secrets
from collections.abc import Mapping

import msgspec

from bongsu.core import bookings as rules
from bongsu.core import limits
from bongsu.core.bookings import State, Stock
from bongsu.core.errors import Refusal, forbidden, not_found
from bongsu.store import idempotency
from bongsu.store.bookings import Booking, Offer
from bongsu.store.idempotency import Answer, Key


def new_booking_id() -> str:
    return f"b{secrets.token_hex(12)}"


class Attempt(msgspec.Struct, frozen=True):
    """Somebody wants a place. would_wait: also one that is not there yet.

    booking_id: of what it will be. So a try of it that was committed unseen is known for its own.
    """

    user_id: str
    would_wait: bool
    key: Key | None = None
    booking_id: str = msgspec.field(default_factory=new_booking_id)


Outcome = Answer | Refusal


class Known(msgspec.Struct, frozen=True):
    """What the tables hold of those who come, behind the offer's lock.

    live: bookings by person; positions: of those who wait, by person; answered: (hash of the request, answer) by
    (person, key); members: who may book, None: everybody; given_back: how many places, by person.
    """

    live: dict[str, Booking]
    positions: dict[str, int]
    answered: dict[tuple[str, str], tuple[bytes, Answer]]
    members: set[str] | None
    given_back: dict[str, int]


class Round:
    """One transaction's attempts. made, kept and willing: what is to be stored of them, in their order."""

    def __init__(self, offer: Offer, stock: Stock, now_ms: int, known: Known) -> None:
        self.offer = offer
        self.now_ms = now_ms
        self.made: list[Booking] = []
        self.kept: list[tuple[Key, Answer]] = []
        self.willing: list[str] = []
        self._stock = stock
        self._known = known

    def decide(self, attempt: Attempt) -> Outcome:
        try:
            return self._judge(attempt) or self._admit(attempt)
        except Refusal as refusal:
            return refusal

    def _judge(self, attempt: Attempt) -> Answer | None:
        """The answer of the first try, or for the booking that is there; None: it is to be admitted."""
        known = self._known
        if attempt.key is not None and (before := known.answered.get((attempt.key.user_id, attempt.key.key))):
            return idempotency.check(attempt.key, *before)
        if (booking := known.live.get(attempt.user_id)) is not None:
            return self._again(attempt, booking)
        if known.members is not None and attempt.user_id not in known.members:
            if attempt.user_id == self.offer.provider:
                raise forbidden("this is for the members of its room")
            raise no_offer()
        if self.offer.state == "closed" or self.now_ms >= self.offer.ends_at:
            raise Refusal(409, "BONGSU_OFFER_CLOSED", "this offer is over, or was called off")
        if known.given_back.get(attempt.user_id, 0) >= limits.BOOKING_GIVEN_BACK_MAX:
            raise Refusal(409, "BONGSU_TOO_OFTEN", "you have given back places of this offer too often")
        return None

    def _again(self, attempt: Attempt, booking: Booking) -> Answer:
        if booking.state is State.WAITING:
            if attempt.would_wait and not booking.would_wait:
                self.willing.append(booking.booking_id)
            return waiting(booking, self._known.positions[attempt.user_id])
        if booking.booking_id == attempt.booking_id:
            return placed(booking)
        raise Refusal(
            409,
            "BONGSU_ALREADY_BOOKED",
            "you have a place here already",
            fields={"booking_id": booking.booking_id, "state": booking.state.value},
        )

    def _admit(self, attempt: Attempt) -> Answer:
        state, self._stock = rules.admit(self._stock, would_wait=attempt.would_wait)
        if state is None:
            raise Refusal(409, "BONGSU_SOLD_OUT", "there is no place left")
        booking = Booking(
            attempt.booking_id,
            self.offer.offer_id,
            attempt.user_id,
            state,
            self.offer.arrivals + len(self.made) + 1,
            self.now_ms,
            until(self.offer, self.now_ms) if state is State.HELD else None,
            attempt.would_wait,
        )
        answer = waiting(booking, self._stock.waiting) if state is State.WAITING else placed(booking)
        self._remember(attempt, booking, answer)
        return answer

    def _remember(self, attempt: Attempt, booking: Booking, answer: Answer) -> None:
        self.made.append(booking)
        self._known.live[attempt.user_id] = booking
        self._known.positions[attempt.user_id] = self._stock.waiting
        if attempt.key is not None:
            self.kept.append((attempt.key, answer))
            self._known.answered[attempt.key.user_id, attempt.key.key] = (attempt.key.request_hash, answer)


def no_offer() -> Refusal:
    return not_found("there is no such offer, or it is not for you")


def placed(booking: Booking) -> Answer:
    held = {} if booking.until is None else {"until": booking.until}
    return Answer(201, {"booking_id": booking.booking_id, "state": booking.state.value, **held})


def waiting(booking: Booking, position: int) -> Answer:
    return Answer(202, {"booking_id": booking.booking_id, "state": booking.state.value, "position": position})


def until(offer: Offer, now_ms: int) -> int | None:
    """A held place is nobody's when it is over."""
    return min(now_ms + offer.hold_seconds * 1000, offer.ends_at) if offer.hold_seconds else None


def waits(live: Mapping[str, Booking]) -> list[str]:
    """Who of them waits."""
    return [user_id for user_id, booking in live.items() if booking.state is State.WAITING]
