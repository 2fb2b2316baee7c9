"""The desk of a channel, under /_bongsu/v1/channels/{channel_id}/desk.

GET, PUT  .                                what it does by itself
GET       /conversations                   who waits longest first · /conversations/{conversation_id}
GET, POST /conversations/{id}/messages     what was said; an answer
POST      /conversations/{id}/take, give, give_back, to_bot, to_person, close
GET, POST /conversations/{id}/notes        among agents
GET       /conversations/{id}/transcript, transcript.csv
GET, POST /replies · PUT, DELETE /replies/{reply_id}
GET       /stats                           times to the first answer, with their tail

Agents answer here, in the name of the channel's account, and are not in the room. A bot holds a key with desk:bot.
"""

import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final

import msgspec

from bongsu.channels.access import ONE
from bongsu.channels.conversations import SAID, Conversations, has_bot, is_away, no_conversation
from bongsu.channels.desk_forms import (
    ConversationSaid,
    ConversationsSaid,
    DetailSaid,
    MessageSaid,
    MessagesSaid,
    NewMessage,
    NewNote,
    NewReply,
    NotesSaid,
    RepliesSaid,
    Sent,
    SettingsSaid,
    Settle,
    StatsSaid,
    To,
    content_of,
    conversation_said,
    detail_said,
    message_said,
    newest_said,
    settings_said,
)
from bongsu.channels.doors import Doors, Visitor
from bongsu.channels.forms import id_of, picture_of, text_of
from bongsu.core import desk, ids, limits
from bongsu.core.channels import Deed, may
from bongsu.core.desk import State, Talk
from bongsu.core.errors import Refusal, forbidden, full, invalid_param, not_found
from bongsu.core.events import Event
from bongsu.core.paging import Page, next_token
from bongsu.core.scopes import Scope
from bongsu.core.tiers import Tier
from bongsu.http.describing import Described
from bongsu.http.request import Request
from bongsu.http.response import Response, reply
from bongsu.http.router import Auth, Handler, Route
from bongsu.store import channel_keys, channel_messages, events, outbox, people, visible
from bongsu.store import channels as channel_table
from bongsu.store import desk as table
from bongsu.store.channel_messages import By
from bongsu.store.channels import Channel
from bongsu.store.database import Connection, Database
from bongsu.store.desk import Conversation, Note, Reply, Settings, Wanted
from bongsu.store.idempotency import Answer
from bongsu.store.rooms import Reads
from bongsu.workflow.lists import page_of
from bongsu.workflow.times import time_of
from bongsu.workflow.writes import Writes

DESK: Final = f"{ONE}/desk"
_TALK: Final = f"{DESK}/conversations/{{conversation_id}}"
_REPLY: Final = f"{DESK}/replies/{{reply_id}}"
_PAGED: Final = ("limit", "from")
_WRONG: Final = (
    *("BONGSU_TAKEN", "BONGSU_NOT_TAKEN", "BONGSU_WRONG_STATE", "BONGSU_NO_BOT", "BONGSU_NOT_WITH_BOT"),
    "BONGSU_CHANNEL_CLOSED",
)
_BOT: Final = Scope.DESK_BOT
Change = Callable[[Talk, Visitor], Talk]


class Desk:
    """Reads are answered from whatever copy there is; writes lock the conversation, and not the right to write."""

    def __init__(self, database: Database, doors: Doors, writes: Writes, conversations: Conversations) -> None:
        self.database = self._database = database
        self._doors = doors
        self._writes = writes
        self._conversations = conversations
        self._now_ms = conversations.now_ms

    def routes(self) -> list[Route]:
        return [*self._reads(), *self._changes(), *self._writing()]

    def _reads(self) -> list[Route]:
        listed: tuple[tuple[str, Handler, Any, tuple[str, ...], str], ...] = (
            (DESK, self.settings, SettingsSaid, (), "What the desk does by itself"),
            (
                f"{DESK}/conversations",
                self.all,
                ConversationsSaid,
                ("state", "agent", "customer", "search", *_PAGED),
                "Its conversations, who waits longest first",
            ),
            (_TALK, self.one, DetailSaid, (), "One conversation, and who had it"),
            (f"{_TALK}/messages", self.messages, MessagesSaid, _PAGED, "What was said, the newest first"),
            (f"{_TALK}/notes", self.notes, NotesSaid, _PAGED, "What agents noted"),
            (f"{DESK}/replies", self.replies, RepliesSaid, (), "Answers that are given often"),
            (f"{DESK}/stats", self.stats, StatsSaid, ("since",), "Times to the first answer, with their tail"),
        )
        return [
            Route("GET", at, handler, Auth.KEYED, None, Tier.SERVICE, Described(summary, {200: answer}, query=query))
            for at, handler, answer, query, summary in listed
        ]

    def _changes(self) -> list[Route]:
        listed: tuple[tuple[str, Handler, Any, str], ...] = (
            ("take", self.take, None, "An agent takes it"),
            ("give", self.give, To, "Gives it to another agent"),
            ("give_back", self.give_back, None, "Lets it wait for another agent"),
            ("to_bot", self.to_bot, None, "Lets the bot answer"),
            ("to_person", self.to_person, None, "The bot lets people answer"),
            ("close", self.close, None, "Nothing is asked any more"),
        )
        answer = {200: ConversationSaid}
        return [
            _write("POST", f"{_TALK}/{name}", handler, Described(summary, answer, body, errors={409: _WRONG}))
            for name, handler, body, summary in listed
        ]

    def _writing(self) -> list[Route]:
        wrong = {409: _WRONG}
        return [
            _write("PUT", DESK, self.settle, Described("Says what the desk does", {200: SettingsSaid}, Settle)),
            _write(
                "POST",
                f"{_TALK}/messages",
                self.answer,
                Described("Answers the customer", {201: Sent}, NewMessage, errors=wrong),
            ),
            _write("POST", f"{_TALK}/notes", self.note, Described("Notes something for agents", {201: Note}, NewNote)),
            _write("POST", f"{DESK}/replies", self.add_reply, Described("Keeps an answer", {201: Reply}, NewReply)),
            _write("PUT", _REPLY, self.set_reply, Described("Changes a kept answer", {200: Reply}, NewReply)),
            _write("DELETE", _REPLY, self.drop_reply, Described("Drops a kept answer", {200: None})),
        ]

    # --- what it does by itself ---

    async def settings(self, request: Request) -> Response:
        channel = (await self._doors.enter(request, Deed.SEE_DESK)).channel
        settings = await table.settings_of(self._database, channel.channel_id)
        return reply(await self._settings_said(self._database, channel, settings))

    async def _settings_said(self, reads: Reads, channel: Channel, settings: Settings) -> dict[str, Any]:
        is_open = not is_away(settings, channel.hours, self._now_ms())
        return settings_said(settings, open_now=is_open, has_bot=await has_bot(reads, channel.channel_id))

    async def settle(self, request: Request) -> Response:
        visitor = await self._doors.enter(request, Deed.SET_DESK)
        settings = _settings(await request.read(Settle), self._now_ms())

        async def work(connection: Connection) -> Answer:
            inside = await self._doors.enter_to_change(connection, request, Deed.SET_DESK)
            await table.put_settings(connection, inside.channel.channel_id, settings)
            await self._conversations.note(connection, inside.channel.channel_id, inside.name, "desk.settled")
            return Answer(200, await self._settings_said(connection, inside.channel, settings))

        return await self._writes.once(request, work, whose=visitor.name)

    # --- conversations ---

    async def all(self, request: Request) -> Response:
        page, wanted = page_of(request), _wanted(request)
        visitor = await self._doors.enter(request, Deed.SEE_DESK, _BOT)
        if visitor.is_program:
            wanted = msgspec.structs.replace(wanted, states=(State.BOT,))
        found = await table.conversations(self._database, visitor.channel.channel_id, wanted, page)
        said = await self._listed(visitor.channel, found)
        return reply({"conversations": said, "now": self._now_ms(), **next_token(page, [each.at for each in found])})

    async def _listed(self, channel: Channel, found: list[Conversation]) -> list[dict[str, Any]]:
        """With the customers' names, and what was said last: by the customer, as long as nobody has answered."""
        names = await people.names(self._database, [each.customer for each in found])
        rooms = [each.room_id for each in found]
        seen = await visible.load_many(self._database, rooms, channel.account, {})
        whose = [(each.room_id, None if each.talk.since_ms is None else each.customer) for each in found]
        newest = await events.newest_of(self._database, whose, SAID)
        shown = {room_id: event for room_id, event in newest.items() if seen[room_id].may_see(event)}
        return [_listed(each, channel, names.get(each.customer), shown.get(each.room_id)) for each in found]

    async def one(self, request: Request) -> Response:
        found = await self._found(request, _BOT)
        name = (await people.names(self._database, [found.customer])).get(found.customer)
        agreed = await channel_table.agreed(self._database, found.channel_id, found.customer)
        had = await table.assignments(self._database, found.conversation_id, limits.DESK_ASSIGNMENTS_SHOWN_MAX)
        return reply(detail_said(found, name, agreed, had, self._now_ms()))

    async def messages(self, request: Request) -> Response:
        page = page_of(request)
        visitor = await self._doors.enter(request, Deed.SEE_DESK, _BOT)
        found = await self._seen(visitor, request)
        read = await self._read(found, page)
        said = await self._said(found, visitor.channel, read)
        return reply({"messages": msgspec.to_builtins(said), **next_token(page, [(each.pos, "") for each in read])})

    async def whole(self, request: Request) -> tuple[Channel, Conversation, AsyncIterator[list[MessageSaid]]]:
        """For people: what was said, the oldest first, some at a time."""
        visitor = await self._doors.enter(request, Deed.SEE_DESK)
        found = await self._seen(visitor, request)
        return visitor.channel, found, self._from_the_oldest(found, visitor.channel)

    async def _from_the_oldest(self, found: Conversation, channel: Channel) -> AsyncIterator[list[MessageSaid]]:
        stretch = await events.newest_stretch(self._database, found.room_id, SAID, limits.DESK_TRANSCRIPT_MAX)
        first, last = stretch or (1, 0)
        while first <= last:
            where = {"after": first - 1, "up_to": last, "count": limits.DESK_TRANSCRIPT_PIECE}
            read = await events.page(self._database, found.room_id, **where, newest_first=False, types=SAID)
            yield await self._said(found, channel, read)
            first = read[-1].pos + 1 if read else last + 1

    async def _read(self, found: Conversation, page: Page) -> list[Event]:
        """The newest first. Nothing is read twice in two pages, whatever is said meanwhile."""
        up_to = limits.INTEGER_MAX if page.after is None else page.after[0] - 1
        return await events.page(
            *(self._database, found.room_id), after=0, up_to=up_to, newest_first=True, count=page.count, types=SAID
        )

    async def _said(self, found: Conversation, channel: Channel, read: list[Event]) -> list[MessageSaid]:
        """With whose words they were in truth; nothing of what was said while the account was not in the room."""
        seen = await visible.load(self._database, found.room_id, channel.account, {})
        read = [each for each in read if seen.may_see(each)]
        outbox_ids = {each.event_id: _outbox_id(each, channel.account) for each in read}
        wanted = [outbox_id for outbox_id in outbox_ids.values() if outbox_id is not None]
        known = await channel_messages.by_outbox(self._database, wanted)
        read_pos, _ = await channel_messages.read_up_to(self._database, channel.account, found.room_id, found.customer)
        return [
            message_said(each, found, channel.account, known.get(outbox_ids[each.event_id] or 0), read_pos)
            for each in read
        ]

    async def _found(self, request: Request, scope: Scope | None = None) -> Conversation:
        visitor = await self._doors.enter(request, Deed.SEE_DESK, scope)
        return await self._seen(visitor, request)

    async def _seen(self, visitor: Visitor, request: Request) -> Conversation:
        channel_id = visitor.channel.channel_id
        found = await table.conversation(self._database, channel_id, id_of(request, "conversation_id"))
        if found is None:
            raise no_conversation()
        if visitor.is_program and found.talk.state is not State.BOT:
            raise forbidden("this conversation is not the bot's now")
        return found

    # --- changes of state ---

    async def take(self, request: Request) -> Response:
        return await self._act(request, "take", lambda talk, who: desk.take(talk, who.name))

    async def give(self, request: Request) -> Response:
        visitor = await self._doors.enter(request, Deed.DESK)
        to = ids.check_user_id((await request.read(To)).agent)
        return await self._act(
            request, "give", lambda talk, who: desk.give(talk, who.actor, to), visitor=visitor, to=to
        )

    async def give_back(self, request: Request) -> Response:
        now_ms = self._now_ms()
        return await self._act(request, "give_back", lambda talk, who: desk.give_back(talk, who.actor, now_ms))

    async def to_bot(self, request: Request) -> Response:
        return await self._act(request, "to_bot", lambda talk, who: desk.to_bot(talk, who.actor, has_bot=True))

    async def to_person(self, request: Request) -> Response:
        now_ms = self._now_ms()
        return await self._act(request, "to_person", lambda talk, _: desk.to_person(talk, now_ms), bot=True)

    async def close(self, request: Request) -> Response:
        def change(talk: Talk, who: Visitor) -> Talk:
            return desk.close_as_bot(talk) if who.is_program else desk.close(talk, who.actor)

        return await self._act(request, "close", change, bot=None)

    async def _act(
        self,
        request: Request,
        action: str,
        change: Change,
        *,
        visitor: Visitor | None = None,
        bot: bool | None = False,
        to: str | None = None,
    ) -> Response:
        """bot: True: it is for bots alone, None: for them as well. to: the agent who is to have it."""
        scope = None if bot is False else _BOT
        visitor = visitor or await self._doors.enter(request, Deed.DESK, scope)
        if bot and not visitor.is_program:
            raise forbidden("this is for the bot: people take a conversation")

        async def work(connection: Connection) -> Answer:
            inside = await self._doors.enter_to_change(connection, request, Deed.DESK, scope, also=to)
            await self._check_can(connection, inside.channel, action, to)
            found = await self._conversations.locked(connection, inside.channel, id_of(request, "conversation_id"))
            more = {} if to is None else {"to": to}
            after = await self._conversations.change(
                connection, found, change(found.talk, inside), inside.name, action, **more
            )
            return Answer(200, conversation_said(after))

        return await self._writes.once(request, work, whose=visitor.name)

    async def _check_can(self, connection: Connection, channel: Channel, action: str, to: str | None) -> None:
        """Is there somebody who would have it then, and stays until this is done? Their role is held."""
        if to is not None:
            role = await channel_table.role_of(connection, channel.channel_id, to)
            if not may(role, Deed.DESK) or not await people.exists(connection, to):
                raise not_found("nobody of this name answers at this desk")
        if action == "to_bot" and not await channel_keys.hold_with(connection, channel.channel_id, _BOT.value):
            raise Refusal(409, "BONGSU_NO_BOT", "this channel has no bot that could answer")

    # --- answers and notes ---

    async def answer(self, request: Request) -> Response:
        visitor = await self._doors.enter(request, Deed.DESK, _BOT)
        form = await request.read(NewMessage)
        body = text_of(form.body, "body", limits.DESK_ANSWER_CHARACTERS_MAX)
        picture_of(form.url, "url")
        said = content_of(form, body)

        async def work(connection: Connection) -> Answer:
            inside = await self._doors.enter_to_change(connection, request, Deed.DESK, _BOT)
            found = await self._conversations.locked(connection, inside.channel, id_of(request, "conversation_id"))
            by = By.BOT if inside.is_program else By.AGENT
            talk = desk.answer_as_bot(found.talk) if by is By.BOT else desk.answer(found.talk, inside.name)
            message_id = await self._conversations.answer(connection, inside, found, talk, said, by)
            return Answer(201, {"message_id": message_id})

        return await self._writes.once(request, work, whose=visitor.name)

    async def notes(self, request: Request) -> Response:
        page = page_of(request)
        found = await self._found(request)
        notes = await table.notes(self._database, found.conversation_id, page)
        places = [(each.made_ts, each.note_id) for each in notes]
        return reply({"notes": msgspec.to_builtins(notes), **next_token(page, places)})

    async def note(self, request: Request) -> Response:
        visitor = await self._doors.enter(request, Deed.DESK)
        body = text_of((await request.read(NewNote)).body, "body", limits.DESK_NOTE_CHARACTERS_MAX)

        async def work(connection: Connection) -> Answer:
            inside = await self._doors.enter_to_change(connection, request, Deed.DESK)
            found = await self._conversations.locked(connection, inside.channel, id_of(request, "conversation_id"))
            if await table.notes_count(connection, found.conversation_id) >= limits.DESK_NOTES_MAX:
                raise full(f"a conversation has at most {limits.DESK_NOTES_MAX} notes")
            note = Note(f"n{secrets.token_hex(8)}", inside.name, body, self._now_ms())
            await table.add_note(connection, found.conversation_id, note)
            return Answer(201, msgspec.to_builtins(note))

        return await self._writes.once(request, work, whose=visitor.name)

    # --- canned replies ---

    async def replies(self, request: Request) -> Response:
        channel = (await self._doors.enter(request, Deed.SEE_REPLIES)).channel
        return reply({"replies": msgspec.to_builtins(await table.replies(self._database, channel.channel_id))})

    async def add_reply(self, request: Request) -> Response:
        return await self._put_reply(request, f"r{secrets.token_hex(8)}", 201)

    async def set_reply(self, request: Request) -> Response:
        return await self._put_reply(request, id_of(request, "reply_id"), 200)

    async def _put_reply(self, request: Request, reply_id: str, status: int) -> Response:
        visitor = await self._doors.enter(request, Deed.SET_REPLIES)
        form = await request.read(NewReply)
        name = text_of(form.name, "name", limits.DESK_REPLY_NAME_CHARACTERS_MAX)
        body = text_of(form.body, "body", limits.DESK_ANSWER_CHARACTERS_MAX)

        async def work(connection: Connection) -> Answer:
            inside = await self._doors.enter_to_change(connection, request, Deed.SET_REPLIES, is_alone=True)
            channel_id = inside.channel.channel_id
            new = Reply(reply_id, name, body, inside.name, self._now_ms())
            _check_reply(await table.replies(connection, channel_id), new, is_new=status == 201)
            await table.put_reply(connection, channel_id, new)
            return Answer(status, msgspec.to_builtins(new))

        return await self._writes.once(request, work, whose=visitor.name)

    async def drop_reply(self, request: Request) -> Response:
        reply_id = id_of(request, "reply_id")
        visitor = await self._doors.enter(request, Deed.SET_REPLIES)

        async def work(connection: Connection) -> Answer:
            inside = await self._doors.enter_to_change(connection, request, Deed.SET_REPLIES)
            if not await table.drop_reply(connection, inside.channel.channel_id, reply_id):
                raise _no_reply()
            return Answer(200, {})

        return await self._writes.once(request, work, whose=visitor.name)

    # --- figures ---

    async def stats(self, request: Request) -> Response:
        since_ms = request.query.integer("since", 0)
        channel = (await self._doors.enter(request, Deed.SEE_DESK)).channel
        answered, by_person = await table.first_answers(self._database, channel.channel_id, since_ms)
        return reply(msgspec.to_builtins({
            "first_answer_ms": answered,
            "first_answer_by_person_ms": by_person,
            "waiting_now_ms": await table.waiting(self._database, channel.channel_id, self._now_ms()),
            "conversations": await table.counts(self._database, channel.channel_id),
        }))  # fmt: skip


def _write(method: str, at: str, handler: Handler, described: Described) -> Route:
    told = msgspec.structs.replace(described, is_write=True)
    return Route(method, at, handler, Auth.KEYED, None, Tier.SERVICE, told)


def _listed(found: Conversation, channel: Channel, name: str | None, newest: Event | None) -> dict[str, Any]:
    said = None if newest is None else newest_said(newest, found.customer, channel.account)
    return conversation_said(found, name, said)


def _settings(form: Settle, now_ms: int) -> Settings:
    most = limits.DESK_ANSWER_CHARACTERS_MAX
    return Settings(
        greeting=text_of(form.greeting, "greeting", most, may_be_empty=True),
        away_text=text_of(form.away_text, "away_text", most, may_be_empty=True),
        away_until=0 if form.away_until is None else time_of(form.away_until, "away_until"),
        bot_first=form.bot_first,
        changed_ts=now_ms,
        calls=form.calls_agents,
    )


def _wanted(request: Request) -> Wanted:
    """?state= one of its states, or "unanswered" for all in which a customer waits."""
    states = [each.value for each in State]
    said = request.query.choice("state", ("all", "unanswered", *states), "all")
    agent, customer, search = (request.query.get(name) for name in ("agent", "customer", "search"))
    if any(each is not None and "\x00" in each for each in (agent, customer, search)):
        raise invalid_param("agent and customer are user ids, search is a text")
    if search is not None and len(search) > limits.DESK_SEARCH_CHARACTERS_MAX:
        raise invalid_param(f"search has at most {limits.DESK_SEARCH_CHARACTERS_MAX} characters")
    return Wanted((State(said),) if said in states else (), agent, customer, said == "unanswered", search)


def _outbox_id(event: Event, account: str) -> int | None:
    """Which row of the outbox it was."""
    number = (event.txn_id or "").removeprefix(outbox.TXN)
    is_said = event.sender == account and number != event.txn_id and number.isascii() and number.isdigit()
    return int(number) if is_said else None


def _check_reply(kept: Sequence[Reply], new: Reply, *, is_new: bool) -> None:
    if not is_new and all(each.reply_id != new.reply_id for each in kept):
        raise _no_reply()
    if any(each.name == new.name and each.reply_id != new.reply_id for each in kept):
        raise Refusal(409, "BONGSU_NAME_TAKEN", "another kept answer has this name")
    if is_new and len(kept) >= limits.DESK_REPLIES_MAX:
        raise full(f"a channel keeps at most {limits.DESK_REPLIES_MAX} answers")


def _no_reply() -> Refusal:
    return not_found("the desk keeps no such answer")
