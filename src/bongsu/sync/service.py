"""One /sync: find what changed since the token; if nothing did, wait until something does or time is over."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing
from functools import partial
from typing import Protocol

import msgspec
import structlog

from bongsu.core import limits, tokens
from bongsu.core.events import MEMBER, membership_of
from bongsu.core.filters import SyncFilter
from bongsu.core.json import JsonObject, decode, encode
from bongsu.core.pushrules import ruleset
from bongsu.core.requester import Requester
from bongsu.rooms.cache import Rooms
from bongsu.store import personal
from bongsu.store.database import Database, unavailable
from bongsu.store.feed import Feed
from bongsu.store.rooms import Membership
from bongsu.store.rows import AccountData, Presence
from bongsu.sync.admission import Admission
from bongsu.sync.assemble import Assembler, Span
from bongsu.sync.devices import DeviceNews, Lists
from bongsu.sync.fresh import Fresh
from bongsu.sync.introductions import Introductions
from bongsu.sync.mailbox import Mailbox
from bongsu.sync.readers import PUSH_RULES, Reader, Readers
from bongsu.sync.say import Speaker, account_data_event
from bongsu.sync.shared import Shared
from bongsu.sync.slices import Sections
from bongsu.sync.unread import Counter
from bongsu.sync.waiting import WaitingPlace, Waits

log = structlog.get_logger(__name__)


class Ask(msgspec.Struct, frozen=True):
    """What a client asked. since None: a first sync. timeout_ms: how long it is ready to wait."""

    since: str | None
    wanted: SyncFilter
    timeout_ms: int = 0
    full_state: bool = False
    state_after: bool = False


class _Poll(msgspec.Struct):
    """One sync that goes on. since, told_pos: from where, and up to where its device has its messages; both move along
    with what was looked at.
    """

    requester: Requester
    ask: Ask
    place: WaitingPlace
    since: int
    told_pos: int


class Lane(Protocol):
    """A request that waits on the shorter way: see http/lane.py."""

    def when_ended(self, call: Callable[[], None]) -> None: ...

    def call_later(self, seconds: float, call: Callable[[], None]) -> None: ...

    def answer(self, body: bytes) -> None: ...

    def give_up(self) -> None: ...


class Sync:
    """Answers syncs, and parks those that have nothing to be told."""

    def __init__(
        self,
        database: Database,
        feed: Feed,
        rooms: Rooms,
        readers: Readers,
        mailbox: Mailbox,
        admission: Admission,
        waits: Waits,
        now_ms: Callable[[], int],
    ) -> None:
        counter = Counter(database)
        self._database = database
        self._feed = feed
        self._readers = readers
        self._assembler = Assembler(database, rooms, counter)
        self._fresh = Fresh(database, rooms, counter)
        self._speaker = Speaker(database, rooms)
        self._introductions = Introductions()
        self._shared = Shared(rooms, counter, self._introductions)
        self._devices = DeviceNews(database)
        self._mailbox = mailbox
        self._admission = admission
        self._waits = waits
        self._now_ms = now_ms
        self._woken: list[_Parked] = []

    def park(self, lane: Lane, requester: Requester, token: str, ask: Ask) -> bool:
        """A sync that waits without a task, and is told messages alone. False: it has to be answered by answer().

        ask: what is asked from the token on.
        """
        reader = self._readers.known(requester.user_id)
        seconds = ask.timeout_ms / 1000
        if reader is None or self._waits.seconds_max < seconds:
            return False
        since, told_pos = tokens.parse_both(token)
        if since != told_pos or since > self._feed.pos or since < reader.touched_after:
            return False
        if reader.messages:
            self._mailbox.acknowledge(reader, requester.device_id, told_pos)
        if ask.wanted.lazy_load_members:
            self._introductions.go_on(requester, ask.wanted, since)
        if not reader.may_have_news(since):
            _Parked(self, lane, reader, requester, ask, since).wait(lane, seconds)
            return True
        said = self._shared.say(reader, requester, since, self._feed.pos, ask.wanted, ask.state_after)
        if said is None:
            return False
        lane.answer(said)
        return True

    def told(self, reader: Reader, requester: Requester, ask: Ask, since: int) -> bytes | None:
        """What a parked sync is told; None where that needs more than memory."""
        if self._waits.is_draining or reader.is_dropped:
            return None
        if reader.may_have_news(since):
            return self._shared.say(reader, requester, since, self._feed.pos, ask.wanted, ask.state_after)
        self._introductions.tell(requester, ask.wanted, self._feed.pos)
        return self._shared.nothing(reader, requester, self._feed.pos)

    def tell_soon(self, parked: "_Parked") -> None:
        """When the feed has told everybody. One call of the loop's tells all who were woken."""
        if not self._woken:
            asyncio.get_running_loop().call_soon(self._tell_woken)
        self._woken.append(parked)

    def _tell_woken(self) -> None:
        woken, self._woken = self._woken, []
        for parked in woken:
            try:
                parked.go()
            except Exception:  # the others are told all the same
                log.exception("parked_sync_not_told")
                parked.give_up()

    async def first(self, requester: Requester, ask: Ask) -> bytes | AsyncIterator[bytes]:
        """The body of the reply to a first sync; in pieces for somebody who is in many rooms."""
        entry = await self._admission.enter(requester.user_id)
        try:
            reader = await self._readers.get(requester.user_id)
            pieces = self._pieces(reader, requester, ask)
            begin = await anext(pieces)
            if len(reader.memberships) <= limits.FIRST_SYNC_PIECE_ROOMS:
                return begin + b"".join([piece async for piece in pieces])
            return self._beginning_with(begin, pieces)
        finally:
            entry.leave()

    async def _beginning_with(self, begin: bytes, pieces: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
        """Each piece is made in a place among those at work; none is held while the client reads."""
        async with aclosing(pieces):
            piece: bytes | None = begin
            while piece is not None:
                yield piece
                entry = await self._admission.go_on()
                try:
                    piece = await anext(pieces, None)
                finally:
                    entry.leave()

    async def _pieces(self, reader: Reader, requester: Requester, ask: Ask) -> AsyncGenerator[bytes, None]:
        """Made one after the other, as fast as the client takes them; all of them are as of one position."""
        up_to = self._feed.pos
        span = Span(0, up_to, ask.wanted, ask.state_after, self._now_ms(), reader.ignored)
        memberships = [
            m for m in reader.memberships.values() if not m.forgotten and span.wanted.includes_room(m.room_id)
        ]
        self._introductions.begin(requester, ask.wanted)
        self._introductions.tell(requester, ask.wanted, up_to)
        sections = Sections(up_to)
        await self._add_rest(sections, reader, None, span)
        sections.devices = await self._devices.since(reader, requester.device_id, None, 0, up_to)
        yield self._speaker.say_all_but_rooms(sections)[:-1]
        opened: str | None = None
        for kind, some in _by_kind(memberships):
            part = Sections(up_to)
            await self._rooms(reader, some, None, span, ask, part)
            self._introduce(requester, ask, part)
            if said := await self._speaker.say_rooms(kind, part, requester, ask.wanted):
                yield _joint(opened, kind) + said
                opened = kind
        yield b"}" if opened is None else b"}}}"

    async def answer(self, requester: Requester, ask: Ask, since: int, place: WaitingPlace) -> bytes:
        """The body of the reply to a sync that goes on from `since`; empty when the client has hung up."""
        if ask.full_state or not self._readers.knows(requester.user_id):
            await place.come_in(self._admission)
        if ask.wanted.lazy_load_members:
            self._introductions.go_on(requester, ask.wanted, since)
        told_pos = since if ask.since is None else tokens.parse_told(ask.since)
        self._mailbox.acknowledge(await self._readers.get(requester.user_id), requester.device_id, told_pos)
        poll = _Poll(requester, ask, place, since, told_pos)
        said = await place.until(ask.timeout_ms / 1000, partial(self._look, poll))
        if said is None and place.has_ended:
            return encode({"next_batch": ask.since})
        return said or b""

    async def _look(self, poll: _Poll, is_last: bool) -> bytes | None:
        """The body of the reply, if there is anything to tell."""
        ask, requester, since = poll.ask, poll.requester, poll.since
        reader = await self._readers.get(requester.user_id)  # each time: it may have been dropped
        poll.place.watch(reader.waiting)
        is_last |= ask.full_state
        if since == poll.told_pos and not ask.full_state:
            said = self._shared.say(reader, requester, since, self._feed.pos, ask.wanted, ask.state_after)
            if said is not None:
                return said
        if not is_last and not reader.may_have_news(min(since, poll.told_pos)):
            return None
        sections = await self._sections(reader, poll)
        if is_last or not sections.is_empty:
            self._introduce(requester, ask, sections)
            return await self._speaker.say(sections, requester, ask.wanted)
        poll.since = poll.told_pos = sections.next_batch
        return None

    def _introduce(self, requester: Requester, ask: Ask, sections: Sections) -> None:
        """What these rooms tell the device of people, it need not be told again."""
        if ask.wanted.lazy_load_members:
            events = [event for part in sections.joined for event in (*part.state, *part.timeline)]
            self._introductions.tell(requester, ask.wanted, sections.next_batch, events)

    async def device_lists(self, user_id: str, after: int, up_to: int) -> Lists:
        """Whose devices changed in (after, up_to], as syncs over that stretch would have told the person."""
        await self._feed.reach(max(after, up_to))
        return await self._devices.lists(await self._readers.get(user_id), after, up_to)

    async def position(self, since: str | None) -> int | None:
        """Where to go on; None for a first sync. A token from a future that does not exist begins anew."""
        if since is None:
            return None
        pos = tokens.parse(since)
        return pos if await self.reaches(pos) else None

    async def reaches(self, pos: int) -> bool:
        """Is this a position of the stream? If so, everything up to it is known here.

        One that another site gave may be ahead of a site that was cut off. So it is believed not to exist only when a
        commit has shown that this site knows the newest; a site that cannot show it says so, and leads nobody back.
        """
        await self._feed.reach(pos)
        if pos > self._feed.pos:
            if not self._database.has_primary:
                raise unavailable()
            if pos <= await self._feed.newest():
                await self._feed.reach(pos)
        return pos <= self._feed.pos

    # --- what there is to tell ---

    async def _sections(self, reader: Reader, poll: _Poll) -> Sections:
        ask, since = poll.ask, poll.since
        unmet = partial(self._introductions.unmet, poll.requester, ask.wanted, since)
        span = Span(since, self._feed.pos, ask.wanted, ask.state_after, self._now_ms(), reader.ignored, unmet)
        memberships = await self._memberships(reader, since, span, ask)
        sections = Sections(span.up_to)
        await self._rooms(reader, memberships, since, span, ask, sections)
        await self._add_rest(sections, reader, since, span)
        sections.devices = await self._devices.since(
            reader, poll.requester.device_id, since, poll.told_pos, sections.next_batch
        )
        return sections

    async def _add_rest(self, sections: Sections, reader: Reader, since: int | None, span: Span) -> None:
        """What does not stand in rooms, but for that of devices."""
        sections.account_data = await self.account_data(reader, since, span)
        rows = await self._presence(reader, since, span)
        if since is not None:
            rows += await self._presence_of_new(reader, sections, span)
        sections.presence = self._presence_said(rows, span)

    async def _memberships(self, reader: Reader, since: int, span: Span, ask: Ask) -> list[Membership]:
        """The rooms that a sync that goes on may have to speak of."""
        memberships = reader.memberships
        touched = set(memberships) if ask.full_state else reader.touched(since, span.up_to)
        if touched is None:
            memberships = dict(memberships)  # as they are at span.up_to, whatever happens meanwhile
            room_ids = list(memberships)
            touched = await personal.touched(self._database, reader.user_id, room_ids, since, span.up_to)
        found = (memberships.get(room_id) for room_id in touched)
        return [m for m in found if m is not None and span.wanted.includes_room(m.room_id)]

    async def _rooms(
        self,
        reader: Reader,
        memberships: list[Membership],
        since: int | None,
        span: Span,
        ask: Ask,
        sections: Sections,
    ) -> None:
        whole: list[Membership] = []
        for membership in memberships:
            kind = membership.membership
            is_new = since is None or membership.pos > since
            if kind == "join":
                if since is None or ask.full_state or (membership.joined_pos or 0) > since:
                    whole.append(membership)
                elif (part := await self._assembler.continued(reader, membership.room_id, span)) is not None:
                    sections.joined.append(part)
            elif kind == "invite" and is_new and not reader.blocks_invites:
                if state := await self._assembler.stripped(reader, membership):
                    sections.invited[membership.room_id] = state
            elif kind == "knock" and is_new:
                sections.knocked[membership.room_id] = await self._assembler.stripped(reader, membership)
            elif kind in ("leave", "ban"):
                if _is_archived(membership, span) and (since is None or ask.full_state):
                    whole.append(membership)
                elif since is not None and is_new:
                    sections.left.append(await self._assembler.left(reader, membership, span))
        inside = [membership for membership in whole if membership.membership == "join"]
        outside = [membership for membership in whole if membership.membership != "join"]
        sections.joined += await self._fresh.rooms(reader, inside, span)
        sections.left += await self._fresh.rooms(reader, outside, span)

    async def account_data(self, reader: Reader, since: int | None, span: Span) -> list[JsonObject]:
        if since is not None and since >= reader.account_data_after:
            rows = [row for row in reader.account_data if since < row.pos <= span.up_to and not row.room_id]
        else:
            rows = await personal.account_data_since(self._database, reader.user_id, span.since, span.up_to, [""])
        newest = {row.type: row for row in rows}
        said = [_said(reader, row) for row in newest.values()]
        if since is None and PUSH_RULES not in newest:
            said.append(push_rules_event(reader.user_id, None))
        return [event for event in said if span.wanted.account_data.matches(event["type"], "", "", {})]

    async def _presence(self, reader: Reader, since: int | None, span: Span) -> list[Presence]:
        """Presence that changed in the span, of people who share a room with this one."""
        if span.wanted.presence.nothing:
            return []
        if since is not None and since >= reader.presence_after:
            return [row for row in reader.presence if since < row.pos <= span.up_to]
        return await personal.presence_since(
            self._database,
            reader.user_id,
            span.since,
            span.up_to,
            offline_too=since is not None,
            count=limits.PRESENCE_SHOWN_MAX,
        )

    async def _presence_of_new(self, reader: Reader, sections: Sections, span: Span) -> list[Presence]:
        """The presence of people with whom the person shares a room only since this span."""
        entered = [part.room_id for part in sections.joined if reader.came_in(part.room_id) > span.since]
        people = {
            event.state_key or ""
            for part in sections.joined
            for event in (*part.state, *part.timeline)
            if event.type == MEMBER and event.pos > span.since and membership_of(event) == "join"
        }
        if span.wanted.presence.nothing or not (entered or people):
            return []
        return await personal.presence_among(self._database, list(people), entered, span.up_to)

    @staticmethod
    def _presence_said(rows: list[Presence], span: Span) -> list[JsonObject]:
        newest = {row.user_id: row for row in sorted(rows, key=lambda row: row.pos)}
        matcher = span.wanted.presence
        return [
            presence_event(row, span.now_ms)
            for row in newest.values()
            if matcher.matches("m.presence", row.user_id, "", {})
        ]


def _joint(before: str | None, kind: str) -> bytes:
    """What stands between the rooms of two pieces."""
    if before == kind:
        return b","
    return (b',"rooms":{' if before is None else b"},") + b'"%b":{' % kind.encode()


def _by_kind(memberships: list[Membership]) -> Iterator[tuple[str, list[Membership]]]:
    """Some at a time, those that stand under one key of the reply together."""
    for kind, named in (
        ("join", ("join",)),
        ("invite", ("invite",)),
        ("knock", ("knock",)),
        ("leave", ("leave", "ban")),
    ):
        found = [membership for membership in memberships if membership.membership in named]
        for at in range(0, len(found), limits.FIRST_SYNC_PIECE_ROOMS):
            yield kind, found[at : at + limits.FIRST_SYNC_PIECE_ROOMS]


def _is_archived(membership: Membership, span: Span) -> bool:
    """Is it a room the person was in, to be told of although they left it?"""
    return span.wanted.include_leave and membership.joined_pos is not None and not membership.forgotten


class _Parked(msgspec.Struct, eq=False):
    """A sync that waits among a reader's waiters.

    It lets go of its lane when that has ended: the lane holds it, too, and a circle of them would wait for the garbage
    collector, which held up everybody for milliseconds.
    """

    _sync: Sync
    _lane: Lane | None
    _reader: Reader
    _requester: Requester
    _ask: Ask
    _since: int
    _is_woken: bool = False

    def wait(self, lane: Lane, seconds: float) -> None:
        self._reader.waiting.add(self)
        lane.when_ended(self._leave)
        lane.call_later(seconds, self.go)

    def _leave(self) -> None:
        self._lane = None
        self._reader.waiting.discard(self)

    def wake(self) -> None:
        if not self._is_woken:
            self._is_woken = True
            self._sync.tell_soon(self)

    def give_up(self) -> None:
        if self._lane is not None:
            self._lane.give_up()

    def go(self) -> None:
        lane = self._lane
        if lane is None:
            return
        said = self._sync.told(self._reader, self._requester, self._ask, self._since)
        if said is None:
            lane.give_up()
        else:
            lane.answer(said)


def push_rules_event(user_id: str, stored: bytes | None) -> JsonObject:
    """The person's whole ruleset, as account data shows it."""
    rules = ruleset(user_id, None if stored is None else decode(stored))
    return {"type": PUSH_RULES, "content": {"global": rules}}


def _said(reader: Reader, row: AccountData) -> JsonObject:
    if row.type == PUSH_RULES:
        return push_rules_event(reader.user_id, row.content)
    return account_data_event(row)


def presence_event(row: Presence, now_ms: int) -> JsonObject:
    return {"type": "m.presence", "sender": row.user_id, "content": presence_content(row, now_ms)}


def presence_content(row: Presence, now_ms: int) -> JsonObject:
    """presence, last_active_ago (ms), currently_active where online, status_msg if set."""
    content: JsonObject = {"presence": row.state, "last_active_ago": max(0, now_ms - row.last_active_ms)}
    if row.state == "online":
        content["currently_active"] = True
    if row.status_msg:
        content["status_msg"] = row.status_msg
    return content
