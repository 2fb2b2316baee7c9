"""A place and who has it: which states a booking may pass through, and who of those who come gets one.

Pure. The database holds the same bounds as constraints: one live booking a person and offer, never more than there are.
"""

from enum import StrEnum
from typing import Final

import msgspec

from bongsu.core import limits
from bongsu.core.errors import Refusal, invalid_param


class State(StrEnum):
    WAITING = "waiting"
    HELD = "held"  # a place until a time, to be confirmed
    BOOKED = "booked"
    ARRIVED = "arrived"
    NO_SHOW = "no_show"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Action(StrEnum):
    HOLD = "hold"
    BOOK = "book"
    CONFIRM = "confirm"
    EXPIRE = "expire"
    CANCEL = "cancel"
    ARRIVE = "arrive"
    MISS = "miss"


TAKES: Final = frozenset({State.HELD, State.BOOKED, State.ARRIVED, State.NO_SHOW})  # a place
OVER: Final = frozenset({State.CANCELLED, State.EXPIRED})  # the person may book anew
_MOVES: Final = {
    (State.WAITING, Action.HOLD): State.HELD,
    (State.WAITING, Action.BOOK): State.BOOKED,
    (State.WAITING, Action.CANCEL): State.CANCELLED,
    (State.HELD, Action.CONFIRM): State.BOOKED,
    (State.HELD, Action.EXPIRE): State.EXPIRED,
    (State.HELD, Action.CANCEL): State.CANCELLED,
    (State.BOOKED, Action.CANCEL): State.CANCELLED,
    (State.BOOKED, Action.ARRIVE): State.ARRIVED,
    (State.BOOKED, Action.MISS): State.NO_SHOW,
    (State.NO_SHOW, Action.ARRIVE): State.ARRIVED,  # late
}


def check_offer(capacity: int, hold_seconds: int, opens_at: int, starts_at: int, ends_at: int, now_ms: int) -> None:
    """Refuses what nobody could book. Times in ms."""
    if not 1 <= capacity <= limits.BOOKING_CAPACITY_MAX:
        raise invalid_param(f"capacity is between 1 and {limits.BOOKING_CAPACITY_MAX}")
    if not 0 <= hold_seconds <= limits.BOOKING_HOLD_SECONDS_MAX:
        raise invalid_param(f"hold_seconds is between 0 and {limits.BOOKING_HOLD_SECONDS_MAX}")
    if ends_at < starts_at or ends_at <= now_ms or opens_at >= ends_at:
        raise invalid_param("an offer opens before it ends, ends after it begins, and is not over yet")


def check_wish(not_before: int, not_after: int) -> None:
    """Of somebody who wants to hear of offers that begin between the two times."""
    if not_before > not_after:
        raise invalid_param("not_before comes before not_after")


def move(state: State, action: Action) -> State:
    """The state after it. 409 BONGSU_WRONG_STATE where that cannot be."""
    after = _MOVES.get((state, action))
    if after is None:
        raise Refusal(409, "BONGSU_WRONG_STATE", f"this booking is {state.value}: it cannot {action.value} now")
    return after


class Stock(msgspec.Struct, frozen=True):
    """What there is of an offer. is_open: before, all who come wait. holds: a place must be confirmed.

    is_late: nobody who waits is given a place any more, see promoted_until().
    """

    capacity: int
    taken: int
    waiting: int
    is_open: bool = True
    holds: bool = False
    has_held: bool = False
    is_late: bool = False

    @property
    def free(self) -> int:
        return self.capacity - self.taken

    @property
    def given(self) -> State:
        """What somebody has who gets a place."""
        return State.HELD if self.holds else State.BOOKED


def admit(stock: Stock, *, would_wait: bool) -> tuple[State | None, Stock]:
    """What the next one who comes gets, and what is left. None: nothing, it is sold out.

    Nobody overtakes those who wait. While places are only held, people wait, as some will come free. Late, what is free
    is for whoever comes: they are near, and those who wait are not called any more.
    """
    if not stock.is_open or (stock.waiting and stock.free and not stock.is_late):
        return State.WAITING, msgspec.structs.replace(stock, waiting=stock.waiting + 1)
    if stock.free:
        has_held = stock.has_held or stock.holds
        return stock.given, msgspec.structs.replace(stock, taken=stock.taken + 1, has_held=has_held)
    if (would_wait or stock.has_held) and not stock.is_late:
        return State.WAITING, msgspec.structs.replace(stock, waiting=stock.waiting + 1)
    return None, stock


def given(stock: Stock, count: int) -> Stock:
    """What is left when so many of those who wait have got a place."""
    has_held = stock.has_held or (stock.holds and count > 0)
    return msgspec.structs.replace(stock, taken=stock.taken + count, waiting=stock.waiting - count, has_held=has_held)


def is_sold_out(stock: Stock) -> bool:
    """Nothing is left, and nothing comes free unless somebody gives it back: whoever did not choose to wait may go."""
    return stock.is_open and not stock.free and not stock.has_held


def promoted_until(opens_at: int, starts_at: int, ends_at: int) -> int:
    """Until when (ms) somebody who waits can still be given a place and come.

    What is open only while it lasts, as leftovers are, may be short: then for the first half of that time.
    """
    margin = limits.BOOKING_PROMOTED_UNTIL_MS
    if opens_at >= starts_at:
        margin = min(margin, (ends_at - opens_at) // 2)
    return max(starts_at, ends_at - margin)


def promotable(stock: Stock) -> int:
    """How many of those who wait get a place now, in the order in which they came."""
    return min(stock.free, stock.waiting) if stock.is_open else 0
