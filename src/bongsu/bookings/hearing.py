"""What people write to the booking service, or how they react to what it said, is done as if they had asked over HTTP.

The effect, the answer in the outbox and the end of the command are one transaction, which takes the offer's lock as
every other does, and not the right to write.
"""

import secrets
from collections.abc import Callable

import msgspec

from bongsu.bookings import grammar, replies, texts
from bongsu.bookings.forms import area_of
from bongsu.bookings.grammar import Asked
from bongsu.bookings.ledger import Ledger, no_booking
from bongsu.bookings.round import Attempt, no_offer
from bongsu.bookings.texts import FIELD
from bongsu.core import limits
from bongsu.core.bookings import State
from bongsu.core.errors import Refusal
from bongsu.core.json import JsonObject
from bongsu.core.paging import Page
from bongsu.core.spoken import LANGUAGES, Language, Unclear
from bongsu.store import bookings as table
from bongsu.store import commands, outbox
from bongsu.store.bookings import Booking, Subscription
from bongsu.store.commands import Ear, Heard
from bongsu.store.database import Connection, Database, end_when_silent
from bongsu.store.outbox import Post


class Told(msgspec.Struct, frozen=True):
    """An answer. fields: what it says to programs, and by which signs on it are understood."""

    text: str
    fields: JsonObject = {}


class BookingHearing:
    """hurry: there is something in the outbox."""

    def __init__(self, database: Database, ledger: Ledger, sender: str, hurry: Callable[[], None]) -> None:
        self._database = database
        self._ledger = ledger
        self._hurry = hurry
        self.ear = Ear(sender, FIELD, frozenset(grammar.SPOKEN.heads), grammar.SIGNS, greets=True)

    async def act(self, heard: Heard) -> None:
        language = grammar.SPOKEN.language_of(heard.said)

        async def work(connection: Connection) -> None:
            await end_when_silent(connection)
            if await commands.take(connection, heard.pos):
                await self._answer(connection, heard, await self._done(connection, heard, language))

        await self._database.write_until_known(work)
        self._hurry()

    async def refuse(self, heard: Heard, refusal: Refusal) -> None:
        languages = LANGUAGES if heard.is_reaction else (grammar.SPOKEN.language_of(heard.said),)
        text = "\n".join(replies.refused(refusal, language) for language in languages)

        async def work(connection: Connection) -> None:
            if await commands.take(connection, heard.pos):
                await self._answer(connection, heard, text)

        await self._database.write_until_known(work)
        self._hurry()

    async def _answer(self, connection: Connection, heard: Heard, said: str | Told | None) -> None:
        if said is None:
            return
        told = Told(said) if isinstance(said, str) else said
        content: JsonObject = {"msgtype": "m.notice", "body": told.text, "m.mentions": {}, **told.fields}
        if heard.said:  # an invitation came from another room
            content["m.relates_to"] = {"m.in_reply_to": {"event_id": heard.event_id}}
        await outbox.put(connection, [Post(sender=self.ear.speaker, user_id=heard.user_id, content=content)])

    async def _done(self, connection: Connection, heard: Heard, language: Language) -> str | Told | None:
        """What is to be answered. None: the ledger has told them already."""
        if not heard.said:
            return "\n\n".join(replies.GUIDE.usage(each) for each in LANGUAGES)
        if heard.is_reaction:
            asked = grammar.reaction(heard.said, heard.about)
            return None if asked is None else await self._do(connection, heard.user_id, asked, language)
        try:
            asked = grammar.read(heard.said, heard.about)
            return await self._do(connection, heard.user_id, asked, language)
        except Unclear as problem:
            return replies.GUIDE.unclear(problem, language)

    async def _do(self, connection: Connection, user_id: str, asked: Asked, language: Language) -> str | Told | None:
        match asked.verb:
            case "list":
                return await self._list(connection, user_id, asked, language)
            case "mine":
                found = await table.live_of_person(connection, user_id, replies.LISTED_MAX)
                return replies.mine(found, language)
            case "book":
                return await self._book(connection, user_id, asked, language)
            case "confirm" | "cancel":
                return await self._change(connection, user_id, asked, language)
            case "subscribe":
                return await self._subscribe(connection, user_id, asked, language)
            case "unsubscribe":
                count = await table.unsubscribe_from(connection, user_id, area_of(asked.area))
                return replies.unsubscribed(count, language)
        return replies.GUIDE.usage(language)

    async def _list(self, connection: Connection, user_id: str, asked: Asked, language: Language) -> str:
        wanted, page = table.Wanted(area_of(asked.area) or None), Page(replies.LISTED_MAX, None)
        found = await table.offers_for(connection, user_id, self._ledger.now_ms(), wanted, page)
        return replies.offers(found, language)

    async def _book(self, connection: Connection, user_id: str, asked: Asked, language: Language) -> Told | None:
        offer_id = await self._offer_id(connection, user_id, asked)
        wanted = [Attempt(user_id, asked.waits)]
        [outcome] = await self._ledger.attempts(connection, offer_id, lambda: wanted)
        if isinstance(outcome, Refusal):
            raise outcome
        if outcome.status != 202:
            return None
        named = texts.named(offer_id, State.WAITING, outcome.body["booking_id"])
        return Told(replies.waiting(outcome.body["position"], language), named)

    async def _change(self, connection: Connection, user_id: str, asked: Asked, language: Language) -> str | None:
        booking = await self._booking(connection, user_id, asked)
        if booking is None:
            return replies.which(language)
        if asked.verb == "cancel":
            await self._ledger.cancel(connection, booking.booking_id, user_id)
            return None
        await self._ledger.confirm(connection, booking.booking_id, user_id)
        return replies.booked_already(language) if booking.state is State.BOOKED else None

    async def _booking(self, connection: Connection, user_id: str, asked: Asked) -> Booking | None:
        """The person's booking of the offer; without an offer their only one. None: they have several."""
        if asked.code is None and asked.offer_id is None:
            found = await table.live_of_person(connection, user_id, 2)
            if not found:
                raise no_booking()
            return found[0][0] if len(found) == 1 else None
        offer_id = await self._offer_id(connection, user_id, asked)
        booking = await table.booking_in(connection, offer_id, user_id)
        if booking is None:
            raise no_booking()
        if asked.booking_id not in (None, booking.booking_id):
            raise Refusal(409, "BONGSU_WRONG_STATE", "this was said of an earlier booking, which is over")
        return booking

    async def _offer_id(self, connection: Connection, user_id: str, asked: Asked) -> str:
        if asked.offer_id is not None:
            return asked.offer_id
        found = await table.offers_called(connection, user_id, asked.code or "")
        if len(found) != 1:
            raise no_offer()
        return found[0]

    async def _subscribe(self, connection: Connection, user_id: str, asked: Asked, language: Language) -> str:
        area = area_of(asked.area)
        wanted = Subscription(f"s{secrets.token_hex(12)}", user_id, area, 0, limits.INTEGER_MAX)
        await self._ledger.subscribe(connection, wanted)
        return replies.subscribed(area, language)
