"""Bookings by themselves: no path leads to a place too many, a person twice, or somebody overtaken."""

from contextlib import suppress
from itertools import count

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from bongsu.bookings.calendar import calendar
from bongsu.core import bookings, ed25519, tickets
from bongsu.core.bookings import OVER, TAKES, Action, State, Stock
from bongsu.core.errors import Refusal
from bongsu.store.bookings import Booking, Offer

SECRET = bytes(range(32))


class Offering(RuleBasedStateMachine):
    """An offer and everybody's bookings, moved by chance."""

    @initialize(capacity=st.integers(1, 4), holds=st.booleans(), is_open=st.booleans())
    def begin(self, capacity: int, holds: bool, is_open: bool) -> None:
        self.capacity, self.holds, self.is_open = capacity, holds, is_open
        self.states: dict[int, State] = {}
        self.unwilling: set[int] = set()
        self.numbers = count()

    def stock(self) -> Stock:
        states = list(self.states.values())
        taken = sum(state in TAKES for state in states)
        waiting = states.count(State.WAITING)
        return Stock(self.capacity, taken, waiting, self.is_open, self.holds, State.HELD in states)

    def promote(self) -> None:
        """As the ledger does: first come, first served."""
        stock = self.stock()
        first = [number for number, state in self.states.items() if state is State.WAITING]
        count = bookings.promotable(stock)
        for number in first[:count]:
            action = Action.HOLD if stock.holds else Action.BOOK
            self.states[number] = bookings.move(State.WAITING, action)
        assert self.stock() == bookings.given(stock, count)
        if bookings.is_sold_out(self.stock()):
            for number in self.unwilling.intersection(first[count:]):
                self.states[number] = bookings.move(State.WAITING, Action.CANCEL)

    @rule(would_wait=st.booleans())
    def come(self, would_wait: bool) -> None:
        before = self.stock()
        state, after = bookings.admit(before, would_wait=would_wait)
        if state is not None:
            number = next(self.numbers)
            self.states[number] = state
            if not would_wait:
                self.unwilling.add(number)
        else:
            assert before.free == 0
        assert self.stock() == after

    @rule()
    def open(self) -> None:
        self.is_open = True
        self.promote()

    @precondition(lambda self: self.states)
    @rule(data=st.data(), action=st.sampled_from([a for a in Action if a not in (Action.HOLD, Action.BOOK)]))
    def move(self, data: st.DataObject, action: Action) -> None:
        number = data.draw(st.sampled_from(sorted(self.states)))
        before = self.states[number]
        with suppress(Refusal):
            self.states[number] = bookings.move(before, action)
            assert before not in OVER
            self.promote()

    @rule(would_wait=st.booleans())
    def come_late(self, would_wait: bool) -> None:
        """The line has ended: what is free goes to whoever is there, and nobody begins to wait."""
        late = replace(self.stock(), is_late=True)
        state, _ = bookings.admit(late, would_wait=would_wait)
        if self.is_open:
            assert state is (late.given if late.free else None)

    @invariant()
    def is_never_oversold(self) -> None:
        assert sum(state in TAKES for state in self.states.values()) <= self.capacity

    @invariant()
    def nobody_waits_beside_a_free_place(self) -> None:
        stock = self.stock()
        assert not (stock.is_open and stock.free and stock.waiting)

    @invariant()
    def nobody_waits_for_nothing_who_did_not_choose_to(self) -> None:
        if bookings.is_sold_out(self.stock()):
            assert all(self.states[number] is not State.WAITING for number in self.unwilling)


Offering.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestOffering = Offering.TestCase


def test_a_ticket_is_what_was_signed() -> None:
    ticket = tickets.Ticket("b1", "o1", 1, 2)
    text = tickets.issue(SECRET, ticket)
    public = ed25519.public_of(SECRET)
    assert tickets.check([SECRET[::-1], public], text) == ticket
    for other in (text[:-20] + "A" * 20, text.replace("B1.", "B2."), text.swapcase(), "", "B1..", "가"):
        with pytest.raises(Refusal, match="M_INVALID_PARAM"):
            tickets.check([public], other)
    with pytest.raises(Refusal):
        tickets.check([ed25519.public_of(SECRET[::-1])], text)


def test_a_calendar_holds_what_was_booked() -> None:
    offer = Offer(
        offer_id="o1",
        provider="@p:x",
        title="잔여백신, 1차; " * 10,
        place="A\\B",
        area="",
        starts_at=0,
        ends_at=3_600_000,
        opens_at=0,
        capacity=1,
        hold_seconds=0,
        room_id=None,
        made_at=0,
    )
    text = calendar(offer, Booking("b1", "o1", "@u:x", State.BOOKED, 1, 0), "x")
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))
    whole = text.replace("\r\n ", "")
    assert "SUMMARY:" + "잔여백신\\, 1차\\; " * 10 in whole
    assert "LOCATION:A\\\\B" in whole
    assert "DTEND:19700101T010000Z" in whole


@pytest.mark.parametrize(
    ("opens", "starts", "ends", "until"),
    [
        (0, 600, 660, 630),  # an hour to come
        (0, 600, 615, 600),  # a slot of a quarter of an hour: who gets it later misses its beginning
        (600, 600, 620, 610),  # what is left over, for twenty minutes from now
        (600, 0, 720, 690),
    ],
)
def test_until_when_who_waits_is_called(opens: int, starts: int, ends: int, until: int) -> None:
    minute = 60_000
    assert bookings.promoted_until(opens * minute, starts * minute, ends * minute) == until * minute
