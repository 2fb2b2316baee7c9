"""What changes bookings, each in a transaction that has locked the offer: rows, timers, what is told, the audit."""

import secrets
from collections.abc import Callable, Sequence

import msgspec

from bongsu.bookings import texts
from bongsu.bookings.round import Attempt, Known, Outcome, Round, no_offer, until, waits
from bongsu.core import bookings as rules
from bongsu.core import limits
from bongsu.core.bookings import Action, State
from bongsu.core.errors import Refusal, full, not_found
from bongsu.store import audit, idempotency, outbox, timers
from bongsu.store import bookings as table
from bongsu.store.audit import Deed
from bongsu.store.bookings import Booking, Offer, Subscription
from bongsu.store.database import Connection
from bongsu.store.timers import Timer

_KINDS = ("open", "hold", "remind", "last", "over", "promote", "close", "announce", "forget")
OPEN, HOLD, REMIND, LAST, OVER, PROMOTE, CLOSE, ANNOUNCE, FORGET = (f"booking.{what}" for what in _KINDS)
BY_PERSON = "person"  # as the actor in an audit: whoever the booking is of, who can be forgotten with it
_PIECE = limits.BOOKING_PROMOTED_AT_ONCE_MAX


def subject(offer_id: str) -> str:
    """Whose audit it is."""
    return f"offer/{offer_id}"


def no_booking() -> Refusal:
    return not_found("you have no such booking")


class Ledger:
    """sender: the account in whose name people are told."""

    def __init__(self, sender: str, now_ms: Callable[[], int]) -> None:
        self._sender = sender
        self.now_ms = now_ms

    # --- many come at once ---

    async def attempts(
        self, connection: Connection, offer_id: str, come: Callable[[], Sequence[Attempt]]
    ) -> list[Outcome]:
        """All in one transaction, in their order. May be repeated with the same ones when its outcome is unknown.

        come: who they are; it is asked when the offer is locked.
        """
        offer = await table.lock_offer(connection, offer_id)
        attempts = come()
        if offer is None:
            return [no_offer()] * len(attempts)
        known = await self._known(connection, offer, attempts)
        now_ms = self.now_ms()
        round_ = Round(offer, await table.stock_of(connection, offer, now_ms), now_ms, known)
        outcomes = [round_.decide(attempt) for attempt in attempts]
        await table.add(connection, offer_id, round_.made)
        if round_.kept:
            await idempotency.keep(connection, round_.kept, round_.now_ms)
        if round_.willing:
            await table.set_willing(connection, round_.willing)
        await self._tell(connection, offer, [each for each in round_.made if each.state is not State.WAITING])
        await audit.add(connection, subject(offer_id), [_deed(BY_PERSON, each) for each in round_.made], round_.now_ms)
        return outcomes

    async def _known(self, connection: Connection, offer: Offer, attempts: Sequence[Attempt]) -> Known:
        users = list({attempt.user_id for attempt in attempts})
        keys = [attempt.key for attempt in attempts if attempt.key is not None]
        live = await table.live_of(connection, offer.offer_id, users)
        waiting = waits(live)
        return Known(
            live,
            await table.positions_of(connection, offer.offer_id, waiting) if waiting else {},
            await idempotency.find(connection, keys, self.now_ms()) if keys else {},
            None if offer.room_id is None else await table.members_of(connection, offer.room_id, users),
            await table.given_back(connection, offer.offer_id, users),
        )

    # --- one at a time ---

    async def confirm(self, connection: Connection, booking_id: str, user_id: str) -> Booking:
        """It is expired where the clock was slower than the person, and both were too late."""
        offer, booking = await self._locked(connection, booking_id, user_id)
        if booking.state is State.BOOKED:
            return booking
        is_late = booking.state is State.HELD and booking.until is not None and booking.until <= self.now_ms()
        moved = await self._move(connection, offer, booking, Action.EXPIRE if is_late else Action.CONFIRM, BY_PERSON)
        await self.promote(connection, offer)
        return moved

    async def cancel(self, connection: Connection, booking_id: str, user_id: str) -> Booking:
        """Whoever waits longest gets the place. What is cancelled already stays so."""
        offer, booking = await self._locked(connection, booking_id, user_id)
        if booking.state in rules.OVER:
            return booking
        if self.now_ms() >= offer.ends_at:
            raise Refusal(409, "BONGSU_OVER", "it is over: whether you came is known by now")
        moved = _moved(booking, Action.CANCEL)
        what = texts.UNWAITED if booking.state is State.WAITING else None
        await self._keep(connection, offer, [moved], BY_PERSON, what)
        await self.promote(connection, offer)
        return moved

    async def mark(self, connection: Connection, offer: Offer, booking_id: str, action: Action, actor: str) -> Booking:
        """By the provider. offer: locked."""
        booking = await table.booking(connection, booking_id)
        if booking is None or booking.offer_id != offer.offer_id:
            raise not_found("this offer has no such booking")
        if (booking.state, action) == (State.ARRIVED, Action.ARRIVE):
            raise Refusal(409, "BONGSU_ALREADY_ARRIVED", "this ticket was used before")
        return await self._move(connection, offer, booking, action, actor)

    async def close(self, connection: Connection, offer: Offer, actor: str) -> None:
        """It is called off. offer: locked."""
        await table.set_offer_state(connection, offer.offer_id, "closed")
        await timers.drop(connection, [f"{kind}/{offer.offer_id}" for kind in (OPEN, LAST, OVER)])
        await audit.add(connection, subject(offer.offer_id), [Deed(actor, "closed")], self.now_ms())
        await self._forget_later(connection, offer)
        await self.call_off(connection, offer, actor)

    async def call_off(self, connection: Connection, offer: Offer, actor: str = "") -> None:
        """Everybody's booking of a closed offer. Very many: the rest by a timer."""
        states = [State.WAITING, State.HELD, State.BOOKED]
        live = await table.in_states(connection, offer.offer_id, states, _PIECE)
        await self._keep(connection, offer, [_moved(each, Action.CANCEL) for each in live], actor, texts.CLOSED)
        if len(live) == _PIECE:
            await self._later(connection, CLOSE, offer)

    async def publish(self, connection: Connection, offer: Offer) -> None:
        if not await table.add_offer(connection, offer):
            most = limits.BOOKING_OFFERS_MAX
            raise full(f"one provider has at most {most} offers at a time")
        named = {"offer_id": offer.offer_id}
        last = rules.promoted_until(offer.opens_at, offer.starts_at, offer.ends_at)
        ends = ((LAST, last), (OVER, offer.ends_at + limits.BOOKING_NO_SHOW_MS))
        await timers.put(connection, [Timer(f"{kind}/{offer.offer_id}", kind, at, named) for kind, at in ends])
        await audit.add(connection, subject(offer.offer_id), [Deed(offer.provider, "published")], self.now_ms())
        if offer.opens_at <= self.now_ms():
            await self.open(connection, offer)
        else:
            await timers.put(connection, [Timer(f"{OPEN}/{offer.offer_id}", OPEN, offer.opens_at, named)])

    async def open(self, connection: Connection, offer: Offer) -> None:
        """Those who waited get their places, and then those who wanted to hear of it are told."""
        await table.set_offer_state(connection, offer.offer_id, "open")
        await audit.add(connection, subject(offer.offer_id), [Deed("", "opened")], self.now_ms())
        await self.promote(connection, msgspec.structs.replace(offer, state="open"))
        if await table.announces(connection, offer):
            await self._later(connection, ANNOUNCE, offer, after="")

    async def announce(self, connection: Connection, offer: Offer, after: str) -> None:
        """Tells subscribers behind this one, some of them. Nothing is changed: nobody who books waits for it."""
        people = await table.who_waits_for(connection, offer, after, limits.BOOKING_TOLD_AT_ONCE_MAX)
        await outbox.put(connection, [texts.post(self._sender, user, texts.RELEASED, offer) for user in people])
        if len(people) == limits.BOOKING_TOLD_AT_ONCE_MAX:
            await self._later(connection, ANNOUNCE, offer, after=people[-1])

    async def subscribe(self, connection: Connection, wanted: Subscription) -> str:
        """The id of what this person has then."""
        found = await table.subscribe(connection, wanted, self.now_ms())
        if found is None:
            raise full(f"one person has at most {limits.BOOKING_SUBSCRIPTIONS_MAX} subscriptions")
        return found

    async def forget(self, connection: Connection, offer: Offer) -> None:
        """An offer that was over long ago, in pieces: its audit, which names nobody who booked, stays."""
        if not await table.forget(connection, offer.offer_id, _PIECE):
            await self._later(connection, FORGET, offer)

    async def leave(self, connection: Connection, user_id: str) -> bool:
        """Places of an account that is no more go to others, an offer's at a time. False: there was none."""
        held = await table.first_live_of(connection, user_id)
        found = None if held is None else await self._found(connection, held)
        if found is None:
            return False
        offer, booking = found
        if booking.state in (State.WAITING, State.HELD, State.BOOKED):
            await self._store(connection, offer, [_moved(booking, Action.CANCEL)], "")
            await timers.drop(connection, [f"{kind}/{booking.booking_id}" for kind in (HOLD, REMIND)])
            await self.promote(connection, offer)
        return True

    async def promote(self, connection: Connection, offer: Offer) -> None:
        """Who waits gets what is free, in the order in which they came. Very many: the rest by a timer.

        Who is gone does not get it. When nothing is left, those who did not choose to wait are told so.
        """
        stock = await table.stock_of(connection, offer, self.now_ms())
        if stock.is_late:
            await self._end_line(connection, offer)
            return
        count = rules.promotable(stock)
        first = await table.first_waiting(connection, offer.offer_id, min(count, _PIECE)) if count else []
        gone = await table.gone_of(connection, offer, [each.user_id for each in first]) if first else set()
        there = [each for each in first if each.user_id not in gone]
        action = Action.HOLD if stock.holds else Action.BOOK
        moved = [_moved(each, Action.CANCEL) for each in first if each.user_id in gone]
        moved += [_moved(each, action, until(offer, self.now_ms())) for each in there]
        await self._keep(connection, offer, moved, "")
        if count > len(there) or (
            rules.is_sold_out(rules.given(stock, len(there))) and await self._end_unwilling(connection, offer)
        ):
            await self._later(connection, PROMOTE, offer)

    async def _end_line(self, connection: Connection, offer: Offer) -> None:
        """Nobody who waits could come in time any more. They are told, and whoever is there takes what is free."""
        waiting = await table.first_waiting(connection, offer.offer_id, _PIECE)
        await self._keep(connection, offer, [_moved(each, Action.CANCEL) for each in waiting], "", texts.SOLD_OUT)
        if len(waiting) == _PIECE:
            await self._later(connection, PROMOTE, offer)

    async def _end_unwilling(self, connection: Connection, offer: Offer) -> bool:
        """True: there are more."""
        unwilling = await table.unwilling(connection, offer.offer_id, _PIECE)
        await self._keep(connection, offer, [_moved(each, Action.CANCEL) for each in unwilling], "", texts.SOLD_OUT)
        return len(unwilling) == _PIECE

    async def expire(self, connection: Connection, booking_id: str) -> None:
        """A held place that nobody confirmed."""
        found = await self._found(connection, booking_id)
        if found is not None and found[1].state is State.HELD:
            await self._move(connection, *found, Action.EXPIRE, "")
            await self.promote(connection, found[0])

    async def over(self, connection: Connection, offer: Offer) -> None:
        """Who was not checked in did not come, and is told so where others were; who still waited waits no more."""
        live = await table.in_states(connection, offer.offer_id, [State.WAITING, State.HELD, State.BOOKED], _PIECE)
        if len(live) == _PIECE:
            await self._later(connection, OVER, offer)
        else:
            await table.set_offer_state(connection, offer.offer_id, "closed")
            await self._forget_later(connection, offer)
        missed = [_moved(each, Action.MISS) for each in live if each.state is State.BOOKED]
        if await table.has_arrived(connection, offer.offer_id):
            await self._keep(connection, offer, missed, "")
        else:
            await self._store(connection, offer, missed, "")
        late = [_moved(each, Action.EXPIRE) for each in live if each.state is State.HELD]
        await self._keep(connection, offer, late, "")
        left = [_moved(each, Action.CANCEL) for each in live if each.state is State.WAITING]
        await self._keep(connection, offer, left, "", texts.SOLD_OUT)

    async def remind(self, connection: Connection, booking_ids: Sequence[str]) -> None:
        """Nothing is changed: nobody who books waits for it."""
        found = await table.booked_of(connection, booking_ids)
        posts = [texts.post(self._sender, each.user_id, texts.REMINDER, offer, each) for each, offer in found]
        await outbox.put(connection, posts)

    async def _later(self, connection: Connection, kind: str, offer: Offer, **more: str) -> None:
        """Goes on at once, in another transaction. Its id is new, as a timer that goes off just now is locked."""
        timer_id = f"{kind}/{offer.offer_id}/{secrets.token_hex(4)}"
        await timers.put(connection, [Timer(timer_id, kind, self.now_ms(), {"offer_id": offer.offer_id, **more})])

    async def _forget_later(self, connection: Connection, offer: Offer) -> None:
        due_at = offer.ends_at + limits.BOOKING_KEPT_DAYS * 86_400_000
        timer = Timer(f"{FORGET}/{offer.offer_id}", FORGET, due_at, {"offer_id": offer.offer_id})
        await timers.put(connection, [timer])

    async def _found(self, connection: Connection, booking_id: str) -> tuple[Offer, Booking] | None:
        """With the offer locked, and the booking read after that."""
        booking = await table.booking(connection, booking_id)
        offer = None if booking is None else await table.lock_offer(connection, booking.offer_id)
        booking = await table.booking(connection, booking_id)
        return None if offer is None or booking is None else (offer, booking)

    async def _locked(self, connection: Connection, booking_id: str, user_id: str) -> tuple[Offer, Booking]:
        found = await self._found(connection, booking_id)
        if found is None or found[1].user_id != user_id:
            raise no_booking()
        return found

    async def _move(
        self, connection: Connection, offer: Offer, booking: Booking, action: Action, actor: str
    ) -> Booking:
        moved = _moved(booking, action)
        await self._keep(connection, offer, [moved], actor)
        return moved

    async def _keep(
        self, connection: Connection, offer: Offer, moved: Sequence[Booking], actor: str, what: str | None = None
    ) -> None:
        """what: the word that people are told, if not that of their state."""
        await self._store(connection, offer, moved, actor)
        await self._tell(connection, offer, moved, what)

    async def _store(self, connection: Connection, offer: Offer, moved: Sequence[Booking], actor: str) -> None:
        await table.set_states(connection, moved)
        await audit.add(connection, subject(offer.offer_id), [_deed(actor, each) for each in moved], self.now_ms())

    async def _tell(
        self, connection: Connection, offer: Offer, moved: Sequence[Booking], what: str | None = None
    ) -> None:
        """Timers as the states need them, and a line to each person."""
        if not moved:
            return
        await timers.drop(connection, [f"{kind}/{each.booking_id}" for each in moved for kind in (HOLD, REMIND)])
        await timers.put(connection, [timer for each in moved for timer in self._timers(offer, each)])
        posts = [texts.post(self._sender, each.user_id, what or each.state, offer, each) for each in moved]
        await outbox.put(connection, posts)

    def _timers(self, offer: Offer, booking: Booking) -> list[Timer]:
        named = {"booking_id": booking.booking_id}
        if booking.state is State.HELD and booking.until is not None:
            return [Timer(f"{HOLD}/{booking.booking_id}", HOLD, booking.until, named)]
        remind_at = offer.starts_at - limits.BOOKING_REMINDER_MS
        if booking.state is State.BOOKED and remind_at > self.now_ms():
            return [Timer(f"{REMIND}/{booking.booking_id}", REMIND, remind_at, named)]
        return []


def _moved(booking: Booking, action: Action, until: int | None = None) -> Booking:
    return msgspec.structs.replace(booking, state=rules.move(booking.state, action), until=until)


def _deed(actor: str, booking: Booking) -> Deed:
    return Deed(actor, booking.state.value, {"booking_id": booking.booking_id})
