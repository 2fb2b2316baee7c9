"""What people say to channels in the rooms of the two is heard once each, in order, and survives everything.

Who refuses advertising by a reaction or a command, or leaves the room, need know nothing else. Other parts of the
service listen in the same way: the position moves in the transaction in which they write.
"""

from collections.abc import Awaitable, Callable, Sequence

from bongsu.channels import consents, texts
from bongsu.core import limits, relations
from bongsu.core.channels import Consent
from bongsu.core.events import MEMBER, MESSAGE, REACTION, membership_of
from bongsu.core.relations import ANNOTATION
from bongsu.store import channel_hearing, outbox
from bongsu.store import channels as table
from bongsu.store.channel_hearing import Heard
from bongsu.store.database import Connection, Database
from bongsu.store.feed import Feed
from bongsu.store.outbox import Post
from bongsu.workflow.rounds import Rounds

Listener = Callable[[Connection, Sequence[Heard]], Awaitable[None]]
_VARIATION = "\ufe0f"  # says that a sign is drawn in colour; some clients send it, some do not


class Hearing:
    """run() for ever. listeners: each writes in the transaction that it is given, and nowhere else; after: then.

    What one of them fails at is heard again, and holds up what was said after it: none may fail because of what people
    say.
    """

    def __init__(
        self,
        database: Database,
        feed: Feed,
        listeners: Sequence[Listener],
        is_pressed: Callable[[], bool],
        after: Callable[[], None],
    ) -> None:
        self._database = database
        self._feed = feed
        self._listeners = tuple(listeners)
        self._is_pressed = is_pressed
        self._after = after
        self._rounds = Rounds("channels_not_heard", limits.ROUND_SECONDS)
        self._heard_to = -1

    def hurry(self) -> None:
        self._rounds.hurry()

    async def run(self) -> None:
        await self._rounds.run(self._some)

    async def _some(self) -> bool:
        """Asks nobody while nothing was written."""
        pos = self._feed.pos
        if pos == self._heard_to or self._is_pressed() or not self._database.has_primary:
            return False
        if not await channel_hearing.is_behind(self._database, self._heard_to, pos):
            self._heard_to = pos
            return False
        more = await self._database.write(lambda connection: self._hear(connection, pos))
        if more:
            self._after()
        return more

    async def _hear(self, connection: Connection, pos: int) -> bool:
        heard = await channel_hearing.hear(connection, pos)
        for listener in self._listeners if heard else ():
            await listener(connection, heard or ())
        return heard is not None


class Refusals:
    """A listener: those who refuse advertising, or the channel, in their room with it."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms

    async def __call__(self, connection: Connection, heard: Sequence[Heard]) -> None:
        meant = [(each, consent) for each in heard if (consent := withdrawn_by(each)) is not None]
        for user_id in sorted({each.user_id for each, _ in meant}):  # all people before any channel, in one order
            await table.lock_person(connection, user_id)
        for each, consent in meant:
            await self._withdraw(connection, each, consent)

    async def _withdraw(self, connection: Connection, heard: Heard, consent: Consent) -> None:
        channel = await table.channel_of(connection, heard.channel_id)
        assert channel is not None  # none is ever deleted
        how = {MEMBER: "left", REACTION: "reaction"}.get(heard.event.type, "command")
        was_there = await consents.withdraw(connection, channel, heard.user_id, consent, how, self._now_ms())
        if how != "left":
            said = texts.withdrawn(channel, consent, was_there=was_there)
            await outbox.put(connection, [Post(sender=heard.account, room_id=heard.event.room_id, content=said)])


def withdrawn_by(heard: Heard) -> Consent | None:
    """What the person takes back by this event; None for anything else, be it nonsense."""
    event = heard.event
    if event.type == MEMBER:
        gone = event.state_key == heard.user_id and membership_of(event) == "leave"
        return Consent.FOLLOW if gone and event.sender == heard.user_id else None
    if event.sender != heard.user_id or event.state_key is not None or event.redacted_because is not None:
        return None
    if event.type == REACTION:
        related = relations.relates_to(event.content)
        key = (related.key or "").replace(_VARIATION, "") if related and related.rel_type == ANNOTATION else ""
        return Consent.ADVERTISING if key == texts.REFUSAL_SIGN else None
    body = event.content.get("body")
    is_text = event.type == MESSAGE and event.content.get("msgtype") == "m.text" and isinstance(body, str)
    return texts.said_in(str(body).splitlines()) if is_text else None
