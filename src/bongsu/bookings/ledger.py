"""What changes bookings, each in a transaction that has locked the offer: rows, timers, what is told, the audit."""

import secrets
from collections.abc import Callable, Sequence

import msgspec

from bongsu.bookings import texts
from bongsu.core import bookings as rules
from bongsu.core import limits
from bongsu.core.bookings import Action, State, Stock
from bongsu.core.errors import Refusal, forbidden, not_found
from bongsu.store import audit, idempotency, outbox, timers
from bongsu.store import bookings as table
from bongsu.store.audit import Deed
from bongsu.store.bookings import Booking, Offer
from bongsu.store.database import Connection
from bongsu.store.idempotency import Answer, Key
from bongsu.store.timers import Timer

OPEN, HOLD, REMIND, OVER, PROMOTE = (f"booking.{what}" for what in ("open", "hold", "remind", "over", "promote"))


class Attempt(msgspec.Struct, frozen=True):
    """Somebody wants a place. would_wait: also one that is not there yet."""

    user_id: str
    would_wait: bool
    key: Key | None = None


Outcome = Answer | Refusal


def subject(offer_id: str) -> str:
    """Whose audit it is."""
    return f"offer/{offer_id}"


def no_offer() -> Refusal:
    return not_found("there is no such offer, or it is not for you")


def no_booking() -> Refusal:
    return not_found("you have no such booking")


class Ledger:
    """sender: the account in whose name people are told."""

    def __init__(self, sender: str, now_ms: Callable[[], int]) -> None:
        self._sender = sender
        self.now_ms = now_ms

    # --- many come at once ---

    async def attempts(self, connection: Connection, offer_id: str, attempts: Sequence[Attempt]) -> list[Outcome]:
        """All in one transaction, in their order."""
        offer = await table.lock_offer(connection, offer_id)
        if offer is None:
            return [no_offer()] * len(attempts)
        users = list({attempt.user_id for attempt in attempts})
        keys = [attempt.key for attempt in attempts if attempt.key is not None]
        answered = await idempotency.find(connection, keys, self.now_ms()) if keys else {}
        members = None if offer.room_id is None else await table.members_of(connection, offer.room_id, users)
        live = await table.live_of(connection, offer_id, users)
        round_ = _Round(offer, await table.stock_of(connection, offer), self.now_ms(), live, answered, members)
        outcomes = [await self._one(connection, round_, attempt) for attempt in attempts]
        await table.add(connection, offer_id, round_.made)
        if round_.kept:
            await idempotency.keep(connection, round_.kept, round_.now_ms)
        told = [booking for booking in round_.made if booking.state is not State.WAITING]
        await self._tell(connection, offer, told)
        await audit.add(
            connection, subject(offer_id), [_deed(each.user_id, each) for each in round_.made], round_.now_ms
        )
        return outcomes

    async def _one(self, connection: Connection, round_: "_Round", attempt: Attempt) -> Outcome:
        try:
            before = round_.judge(attempt)
            if before is None:
                return round_.admit(attempt)
            if isinstance(before, Answer):
                return before
            return waiting(before, await table.position_of(connection, before))
        except Refusal as refusal:
            return refusal

    # --- one at a time ---

    async def confirm(self, connection: Connection, booking_id: str, user_id: str) -> Booking:
        offer, booking = await self._locked(connection, booking_id, user_id)
        if booking.state is State.BOOKED:
            return booking
        return await self._move(connection, offer, booking, Action.CONFIRM, user_id)

    async def cancel(self, connection: Connection, booking_id: str, user_id: str) -> Booking:
        """Whoever waits longest gets the place. What is cancelled already stays so."""
        offer, booking = await self._locked(connection, booking_id, user_id)
        if booking.state in rules.OVER:
            return booking
        moved = await self._move(connection, offer, booking, Action.CANCEL, user_id)
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
        live = await table.in_states(connection, offer.offer_id, [State.WAITING, State.HELD, State.BOOKED])
        moved = [_moved(booking, Action.CANCEL) for booking in live]
        await table.set_states(connection, moved)
        await table.set_offer_state(connection, offer.offer_id, "closed")
        await timers.drop(connection, [f"{kind}/{offer.offer_id}" for kind in (OPEN, OVER, PROMOTE)])
        await timers.drop(connection, [f"{kind}/{each.booking_id}" for each in moved for kind in (HOLD, REMIND)])
        posts = [texts.post(self._sender, each.user_id, texts.CLOSED, offer, each) for each in moved]
        await outbox.put(connection, posts)
        deeds = [Deed(actor, "closed"), *(_deed(actor, each) for each in moved)]
        await audit.add(connection, subject(offer.offer_id), deeds, self.now_ms())

    async def publish(self, connection: Connection, offer: Offer) -> None:
        if not await table.add_offer(connection, offer):
            most = limits.BOOKING_OFFERS_MAX
            raise Refusal(403, "M_RESOURCE_LIMIT_EXCEEDED", f"one provider has at most {most} offers at a time")
        named = {"offer_id": offer.offer_id}
        over = offer.ends_at + limits.BOOKING_NO_SHOW_MS
        await timers.put(connection, [Timer(f"{OVER}/{offer.offer_id}", OVER, over, named)])
        await audit.add(connection, subject(offer.offer_id), [Deed(offer.provider, "published")], self.now_ms())
        if offer.opens_at <= self.now_ms():
            await self.open(connection, offer)
        else:
            await timers.put(connection, [Timer(f"{OPEN}/{offer.offer_id}", OPEN, offer.opens_at, named)])

    async def open(self, connection: Connection, offer: Offer) -> None:
        """Those who waited get their places, and those who wanted to hear of it are told."""
        await table.set_offer_state(connection, offer.offer_id, "open")
        people = await table.who_waits_for(connection, offer)
        await outbox.put(connection, [texts.post(self._sender, user, texts.RELEASED, offer) for user in people])
        await audit.add(connection, subject(offer.offer_id), [Deed("", "opened")], self.now_ms())
        await self.promote(connection, msgspec.structs.replace(offer, state="open"))

    async def promote(self, connection: Connection, offer: Offer) -> None:
        """Who waits gets what is free, in the order in which they came. Very many: the rest by a timer."""
        if self.now_ms() >= offer.ends_at:
            return
        stock = await table.stock_of(connection, offer)
        count = rules.promotable(stock)
        if not count:
            return
        action = Action.HOLD if stock.holds else Action.BOOK
        first = await table.first_waiting(connection, offer.offer_id, min(count, limits.BOOKING_PROMOTED_AT_ONCE_MAX))
        moved = [_moved(booking, action, _until(offer, self.now_ms())) for booking in first]
        await self._keep(connection, offer, moved, "")
        if count > len(moved):
            named = {"offer_id": offer.offer_id}
            await timers.put(connection, [Timer(f"{PROMOTE}/{offer.offer_id}", PROMOTE, self.now_ms(), named)])

    async def expire(self, connection: Connection, booking_id: str) -> None:
        """A held place that nobody confirmed."""
        found = await self._found(connection, booking_id)
        if found is not None and found[1].state is State.HELD:
            await self._move(connection, *found, Action.EXPIRE, "")
            await self.promote(connection, found[0])

    async def over(self, connection: Connection, offer: Offer) -> None:
        """Who was not checked in did not come; who still waited waits no more."""
        booked = await table.in_states(connection, offer.offer_id, [State.BOOKED])
        left = await table.in_states(connection, offer.offer_id, [State.WAITING, State.HELD])
        moved = [_moved(booking, Action.MISS) for booking in booked]
        moved += [_moved(booking, Action.CANCEL) for booking in left]
        await table.set_offer_state(connection, offer.offer_id, "closed")
        await self._keep(connection, offer, moved, "")

    async def remind(self, connection: Connection, booking_id: str) -> None:
        found = await self._found(connection, booking_id)
        if found is not None and found[1].state is State.BOOKED:
            offer, booking = found
            await outbox.put(connection, [texts.post(self._sender, booking.user_id, texts.REMINDER, offer, booking)])

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

    async def _keep(self, connection: Connection, offer: Offer, moved: Sequence[Booking], actor: str) -> None:
        await table.set_states(connection, moved)
        await self._tell(connection, offer, moved)
        await audit.add(connection, subject(offer.offer_id), [_deed(actor, each) for each in moved], self.now_ms())

    async def _tell(self, connection: Connection, offer: Offer, moved: Sequence[Booking]) -> None:
        """Timers as the states need them, and a line to each person."""
        if not moved:
            return
        await timers.drop(connection, [f"{kind}/{each.booking_id}" for each in moved for kind in (HOLD, REMIND)])
        await timers.put(connection, [timer for each in moved for timer in self._timers(offer, each)])
        posts = [texts.post(self._sender, each.user_id, each.state, offer, each) for each in moved]
        await outbox.put(connection, posts)

    def _timers(self, offer: Offer, booking: Booking) -> list[Timer]:
        named = {"booking_id": booking.booking_id}
        if booking.state is State.HELD and booking.until is not None:
            return [Timer(f"{HOLD}/{booking.booking_id}", HOLD, booking.until, named)]
        remind_at = offer.starts_at - limits.BOOKING_REMINDER_MS
        if booking.state is State.BOOKED and remind_at > self.now_ms():
            return [Timer(f"{REMIND}/{booking.booking_id}", REMIND, remind_at, named)]
        return []


class _Round:
    """One transaction's attempts: what is left after each."""

    def __init__(
        self,
        offer: Offer,
        stock: Stock,
        now_ms: int,
        live: dict[str, Booking],
        answered: dict[tuple[str, str], tuple[bytes, Answer]],
        members: set[str] | None,
    ) -> None:
        self.offer = offer
        self.now_ms = now_ms
        self.made: list[Booking] = []
        self.kept: list[tuple[Key, Answer]] = []
        self._stock = stock
        self._live = live
        self._answered = answered
        self._members = members

    def judge(self, attempt: Attempt) -> Answer | Booking | None:
        """The answer of the first try, or the booking that waits already; None: it is to be admitted."""
        if attempt.key is not None and (known := self._answered.get((attempt.key.user_id, attempt.key.key))):
            return idempotency.check(attempt.key, *known)
        if self._members is not None and attempt.user_id not in self._members:
            if attempt.user_id == self.offer.provider:
                raise forbidden("this is for the members of its room")
            raise no_offer()
        booking = self._live.get(attempt.user_id)
        if booking is not None and booking.state is State.WAITING:
            return booking
        if booking is not None:
            raise Refusal(
                409,
                "BONGSU_ALREADY_BOOKED",
                "you have a place here already",
                fields={"booking_id": booking.booking_id, "state": booking.state.value},
            )
        if self.offer.state == "closed" or self.now_ms >= self.offer.ends_at:
            raise Refusal(409, "BONGSU_OFFER_CLOSED", "this offer is over, or was called off")
        return None

    def admit(self, attempt: Attempt) -> Answer:
        state, self._stock = rules.admit(self._stock, would_wait=attempt.would_wait)
        if state is None:
            raise Refusal(409, "BONGSU_SOLD_OUT", "there is no place left")
        booking = Booking(
            f"b{secrets.token_hex(12)}",
            self.offer.offer_id,
            attempt.user_id,
            state,
            self.offer.arrivals + len(self.made) + 1,
            self.now_ms,
            _until(self.offer, self.now_ms) if state is State.HELD else None,
        )
        self.made.append(booking)
        self._live[attempt.user_id] = booking
        answer = waiting(booking, self._stock.waiting) if state is State.WAITING else placed(booking)
        if attempt.key is not None:
            self.kept.append((attempt.key, answer))
            self._answered[attempt.key.user_id, attempt.key.key] = (attempt.key.request_hash, answer)
        return answer


def placed(booking: Booking) -> Answer:
    until = {} if booking.until is None else {"until": booking.until}
    return Answer(201, {"booking_id": booking.booking_id, "state": booking.state.value, **until})


def waiting(booking: Booking, position: int) -> Answer:
    return Answer(202, {"booking_id": booking.booking_id, "state": booking.state.value, "position": position})


def _until(offer: Offer, now_ms: int) -> int | None:
    """A held place is nobody's when it is over."""
    return min(now_ms + offer.hold_seconds * 1000, offer.ends_at) if offer.hold_seconds else None


def _moved(booking: Booking, action: Action, until: int | None = None) -> Booking:
    return msgspec.structs.replace(booking, state=rules.move(booking.state, action), until=until)


def _deed(actor: str, booking: Booking) -> Deed:
    return Deed(actor, booking.state.value, {"booking_id": booking.booking_id})
