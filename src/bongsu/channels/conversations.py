"""What changes a conversation at a desk, each in a transaction that has locked it: rows, timers, what is told.

An agent's answer leaves in the name of the channel's account, through the outbox: the customer sees one voice whoever
has the conversation, agents need not be in the room, and what the table says of who may answer is all there is.
"""

import secrets
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from bongsu.channels.access import subject
from bongsu.channels.desk_texts import SEALED, waiting
from bongsu.channels.desk_texts import text as words
from bongsu.channels.doors import Visitor
from bongsu.channels.hearing import withdrawn_by
from bongsu.channels.saying import say
from bongsu.core import channels as rules
from bongsu.core import desk, limits
from bongsu.core.channels import Opening
from bongsu.core.desk import State, Talk
from bongsu.core.errors import Refusal, forbidden, not_found
from bongsu.core.events import ENCRYPTED, MEMBER, MESSAGE
from bongsu.core.json import JsonObject
from bongsu.core.relations import REPLACE, relates_to
from bongsu.core.scopes import Scope
from bongsu.core.webhooks import Type
from bongsu.store import audit, channel_keys, outbox, timers, webhooks
from bongsu.store import channels as channel_table
from bongsu.store import desk as table
from bongsu.store.audit import Deed
from bongsu.store.channel_hearing import Heard
from bongsu.store.channel_messages import By, Said
from bongsu.store.channels import Channel
from bongsu.store.database import Connection
from bongsu.store.desk import Conversation, Settings
from bongsu.store.outbox import Post
from bongsu.store.rooms import Reads
from bongsu.store.timers import Timer

BOT_SILENT: Final = "desk.bot_silent"
STICKER: Final = "m.sticker"
SAID: Final = (MESSAGE, ENCRYPTED, STICKER)  # what is heard, and shown


class Conversations:
    """The desk of every channel. sender: the account in whose name agents are called."""

    def __init__(self, sender: str, now_ms: Callable[[], int]) -> None:
        self.sender = sender
        self.now_ms = now_ms

    # --- the customer ---

    async def heard(self, connection: Connection, heard: Sequence[Heard]) -> None:
        """For the listener, in the transaction that moves its position."""
        concerned = [each for each in heard if _asks(each) or _came_in(each)]
        if concerned:
            await table.lock_all_with(connection, [(each.channel_id, each.user_id) for each in concerned])
        for each in concerned:
            if _asks(each):
                await self._heard(connection, each)
            else:
                await table.move_to(connection, each.channel_id, each.user_id, each.event.room_id)

    async def _heard(self, connection: Connection, heard: Heard) -> None:
        """What was heard before changes nothing."""
        event, channel = heard.event, await channel_table.channel_of(connection, heard.channel_id)
        if channel is None or channel.closed_ts is not None:
            return
        if await channel_table.is_blocked(connection, channel.channel_id, heard.user_id):
            return
        found = await self._with(connection, channel, heard.user_id, event.room_id)
        if event.pos <= found.heard_pos:
            return
        settings = await table.settings_of(connection, channel.channel_id)
        after = await self._hear(connection, channel, settings, found, heard)
        await table.keep(connection, after)
        data = {
            "event_id": event.event_id,
            "type": event.type,
            "sent_ts": event.ts_ms,
            "content": {} if event.type == ENCRYPTED else dict(event.content),
        }
        await self._tell(connection, after, Type.MESSAGE_RECEIVED, data)

    async def _with(self, connection: Connection, channel: Channel, customer: str, room_id: str) -> Conversation:
        """The conversation, locked; a new one where there is none."""
        found = await table.lock_with(connection, channel.channel_id, customer)
        if found is not None:
            return found
        return await table.begin(
            connection,
            Conversation(
                conversation_id=f"c{secrets.token_hex(12)}",
                channel_id=channel.channel_id,
                customer=customer,
                room_id=room_id,
                talk=Talk(),
                newest_ts=self.now_ms(),
            ),
        )

    async def _hear(
        self, connection: Connection, channel: Channel, settings: Settings, found: Conversation, heard: Heard
    ) -> Conversation:
        now_ms = self.now_ms()
        bot_answers = settings.bot_first and await has_bot(connection, channel.channel_id)
        talk = desk.hear(found.talk, now_ms, has_bot=bot_answers)
        after = msgspec.structs.replace(
            found, talk=talk, newest_ts=now_ms, heard_pos=heard.event.pos, room_id=heard.event.room_id
        )
        if found.talk.since_ms is None and not await table.is_case_open(connection, found):
            after = msgspec.structs.replace(after, cases=found.cases + 1)
            await table.begin_case(connection, after, now_ms)
        await self._call(connection, found.talk, after)
        if talk.state is State.BOT and found.talk.since_ms is None:
            await timers.put(connection, [self.silence(after, now_ms)])
        after = await self._greet(connection, channel, settings, found, after)
        if heard.event.type == ENCRYPTED and not after.unread_told:
            await self._say_itself(connection, channel, after, SEALED)
            after = msgspec.structs.replace(after, unread_told=True)
        return after

    async def _call(self, connection: Connection, before: Talk, after: Conversation, but: str = "") -> None:
        """Agents whose turn it is are told so. but: who made it so, and knows."""
        to = [each for each in await self._called(connection, before, after) if each != but]
        if not to or not (await table.settings_of(connection, after.channel_id)).calls:
            return
        channel = await channel_table.channel_of(connection, after.channel_id)
        assert channel is not None  # none is ever deleted
        said = waiting(channel.name, channel.channel_id, after.conversation_id)
        posts = [Post(sender=self.sender, user_id=each, content=said) for each in to[: limits.DESK_CALLED_MAX]]
        await outbox.put(connection, posts)

    async def _called(self, connection: Connection, before: Talk, after: Conversation) -> list[str]:
        """Whoever has it, of each first word that nobody has answered; all agents, when the first one waits."""
        talk = after.talk
        if talk.agent is not None:
            is_news = before.since_ms is None or before.agent != talk.agent
            return [talk.agent] if is_news and talk.since_ms is not None else []
        if talk.state is not State.WAITING or before.state is State.WAITING:
            return []
        if await table.others_wait(connection, after.channel_id, after.conversation_id):
            return []
        staff = await channel_table.staff(connection, after.channel_id)
        return [each.user_id for each in staff if rules.may(each.role, rules.Deed.DESK)]

    async def _greet(
        self, connection: Connection, channel: Channel, settings: Settings, before: Conversation, after: Conversation
    ) -> Conversation:
        """That nobody is there, once while it is closed; or the greeting, when a conversation begins."""
        now_ms = self.now_ms()
        if is_away(settings, channel.hours, now_ms) and after.talk.state is not State.BOT:
            if not settings.away_text or _knows(settings, channel.hours, after.away_told_ts, now_ms):
                return after
            await self._say_itself(connection, channel, after, settings.away_text)
            return msgspec.structs.replace(after, away_told_ts=now_ms)
        if settings.greeting and before.talk.state is State.CLOSED:
            await self._say_itself(connection, channel, after, settings.greeting)
        return after

    async def _say_itself(self, connection: Connection, channel: Channel, to: Conversation, text: str) -> None:
        await self.say(connection, channel, to.customer, words(text), By.DESK, "")

    def silence(self, conversation: Conversation, now_ms: int) -> Timer:
        named = {"channel_id": conversation.channel_id, "conversation_id": conversation.conversation_id}
        due_at = now_ms + limits.DESK_BOT_PATIENCE_MS
        return Timer(f"{BOT_SILENT}/{conversation.conversation_id}", BOT_SILENT, due_at, named)

    # --- the staff, and bots ---

    async def locked(self, connection: Connection, channel: Channel, conversation_id: str) -> Conversation:
        found = await table.lock(connection, channel.channel_id, conversation_id)
        if found is None:
            raise no_conversation()
        return found

    async def answer(
        self, connection: Connection, who: Visitor, before: Conversation, talk: Talk, said: JsonObject, by: By
    ) -> str:
        """talk: as the answer leaves it. The result is the id of the message."""
        now_ms = self.now_ms()
        if await channel_table.is_blocked(connection, before.channel_id, before.customer):
            raise forbidden("the customer has blocked this channel")
        message_id = await self.say(connection, who.channel, before.customer, said, by, who.name)
        after = msgspec.structs.replace(before, talk=talk, newest_ts=now_ms)
        await table.keep(connection, after)
        await table.answered_case(connection, after, now_ms, by_person=by is By.AGENT)
        await timers.drop(connection, [f"{BOT_SILENT}/{before.conversation_id}"])
        return message_id

    async def say(self, connection: Connection, channel: Channel, to: str, said: JsonObject, by: By, who: str) -> str:
        """said: the content of a message. The result is its id."""
        told = Said(
            message_id=f"m{secrets.token_hex(12)}",
            channel_id=channel.channel_id,
            user_id=to,
            kind=by,
            author=who,
            outbox_id=0,
            made_ts=self.now_ms(),
        )
        return await say(connection, channel, told, said)

    async def change(
        self, connection: Connection, before: Conversation, talk: Talk, who: str, action: str, **more: str
    ) -> Conversation:
        """Stores a new state, with who did it, and tells the channel's programs. The same one changes nothing."""
        if talk == before.talk:
            return before
        now_ms = self.now_ms()
        after = msgspec.structs.replace(before, talk=talk)
        await table.keep(connection, after)
        await self._call(connection, before.talk, after, who)
        if talk.state is State.CLOSED:
            await table.close_case(connection, after, now_ms)
        if talk.state is State.BOT and talk.since_ms is not None:
            await timers.put(connection, [self.silence(after, now_ms)])
        elif before.talk.state is State.BOT:
            await timers.drop(connection, [f"{BOT_SILENT}/{before.conversation_id}"])
        more = {"conversation_id": before.conversation_id, **more}
        await self.note(connection, before.channel_id, who, f"desk.{action}", **more)
        await self._tell(connection, after, Type.CONVERSATION_CHANGED, {"action": action})
        return msgspec.structs.replace(after, place=_place(after))

    async def note(self, connection: Connection, channel_id: str, who: str, what: str, **details: str) -> None:
        """In the channel's audit."""
        await audit.add(connection, subject(channel_id), [Deed(who, what, details)], self.now_ms())

    async def _tell(self, connection: Connection, about: Conversation, kind: Type, more: JsonObject) -> None:
        data = {"conversation_id": about.conversation_id, "user_id": about.customer, "state": about.talk.state.value}
        await webhooks.put(connection, about.channel_id, kind, {**data, **more}, self.now_ms())


async def has_bot(reads: Reads, channel_id: str) -> bool:
    """Is there a program that could answer?"""
    return await channel_keys.has_with(reads, channel_id, Scope.DESK_BOT.value)


def _asks(heard: Heard) -> bool:
    """Is it something that somebody should answer? Changes of what was said before are read with it."""
    event = heard.event
    if event.type not in SAID or event.state_key is not None or event.sender != heard.user_id:
        return False
    related = relates_to(event.content)
    is_edit = related is not None and related.rel_type == REPLACE
    return not is_edit and event.redacted_because is None and withdrawn_by(heard) is None


def _came_in(heard: Heard) -> bool:
    """The channel's account, at the customer's invitation: they speak there from now on."""
    return heard.event.type == MEMBER and heard.event.state_key == heard.account


def is_away(settings: Settings, opening: Sequence[Opening], now_ms: int) -> bool:
    return now_ms < settings.away_until or not rules.is_open(opening, now_ms)


def _knows(settings: Settings, opening: Sequence[Opening], told_ms: int, now_ms: int) -> bool:
    """Was somebody told in this very stretch of closed hours?"""
    if told_ms <= settings.changed_ts:
        return False
    return now_ms < settings.away_until or not rules.has_opened(opening, told_ms, now_ms)


def _place(conversation: Conversation) -> int:
    """As the table computes it."""
    since_ms = conversation.talk.since_ms
    return limits.DESK_PLACE_BEHIND - conversation.newest_ts if since_ms is None else since_ms


def no_conversation() -> Refusal:
    return not_found("the desk has no such conversation")
