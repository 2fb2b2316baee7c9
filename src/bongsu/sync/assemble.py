"""Rooms into slices: what a person is shown of each room between two positions.

A person who has been in a room since before `since` gets what happened in it since. One who left gets what happened up
to the leaving. (One who came in after `since` gets the room as it stands: sync/fresh.py.) Everything is bounded by
the same position `up_to`, below which the stream is complete, so it does not matter when each part is read.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from bongsu.core import limits, timeline
from bongsu.core.events import CANONICAL_ALIAS, MEMBER, NAME, REDACTION, Event
from bongsu.core.filters import SyncFilter
from bongsu.core.json import JsonObject
from bongsu.rooms.cache import Rooms
from bongsu.rooms.room import Room
from bongsu.store import events as event_table
from bongsu.store import fresh as fresh_table
from bongsu.store import personal, visible
from bongsu.store import rooms as room_table
from bongsu.store.database import Database
from bongsu.store.rooms import Membership
from bongsu.store.rows import AccountData, Receipt
from bongsu.sync import unread
from bongsu.sync.readers import Reader
from bongsu.sync.slices import RoomSlice

_SUMMARIZED: Final = frozenset({MEMBER, NAME, CANONICAL_ALIAS, REDACTION})  # what may change a room's summary


class Span(msgspec.Struct, frozen=True):
    """What a sync covers: (since, up_to], how it is filtered, and whether state is told as it is after the timeline.

    ignored: people whose events are not shown, unless they are state. unmet: with lazy loading, picks the memberships
    that the device was not told before.
    """

    since: int
    up_to: int
    wanted: SyncFilter
    state_after: bool = False
    now_ms: int = 0
    ignored: frozenset[str] = frozenset()
    unmet: Callable[[list[Event]], list[Event]] | None = None


class Past(msgspec.Struct, frozen=True):
    """What happened in a room. events: a stretch without a gap; before: the state changes older than that, if any.

    is_cut: there is more before the stretch.
    """

    events: Sequence[Event]
    before: Sequence[Event] = ()
    is_cut: bool = False

    @property
    def changes(self) -> list[Event]:
        """All changes of state, oldest first, but for those before the stretch that later ones replaced."""
        return [event for event in (*self.before, *self.events) if event.state_key is not None]


def matching(happened: Sequence[Event], span: Span) -> Sequence[Event]:
    """Those that the filter wants in the timeline, and whose senders are not ignored."""
    matcher = span.wanted.timeline
    if span.ignored:
        happened = [e for e in happened if e.state_key is not None or e.sender not in span.ignored]
    if matcher.everything:
        return happened
    if matcher.nothing:
        return []
    return [e for e in happened if matcher.matches(e.type, e.sender, e.room_id, e.content)]


def wanted_state(found: list[Event], span: Span) -> list[Event]:
    """Those that the filter wants as state."""
    matcher = span.wanted.state
    if matcher.everything:
        return found
    return [e for e in found if matcher.matches(e.type, e.sender, e.room_id, e.content)]


def typing_said(room: Room, span: Span) -> list[JsonObject]:
    """Who types now, if that changed since. In a fresh sync silence needs no words."""
    if not room.typing:
        return []
    changed = any(span.since < row.pos <= span.up_to for row in room.typing.values())
    now = [row.user_id for row in room.typing.values() if row.until_ms > span.now_ms and row.pos <= span.up_to]
    if not changed or (span.since == 0 and not now):
        return []
    return [{"type": "m.typing", "content": {"user_ids": now}}]


def ephemeral_said(room: Room, receipts: Sequence[Receipt], span: Span) -> list[JsonObject]:
    """Receipts and typing, as far as the filter wants them."""
    said: list[JsonObject] = []
    if receipts and span.wanted.ephemeral.matches("m.receipt", "", room.room_id, {}):
        said.extend({"type": "m.receipt", "content": content} for content in timeline.receipts_contents(receipts))
    if span.wanted.ephemeral.matches("m.typing", "", room.room_id, {}):
        said.extend(typing_said(room, span))
    return said


def account_data_wanted(rows: Iterable[AccountData], room_id: str, span: Span) -> list[AccountData]:
    """The newest of each type, as far as the filter wants it."""
    matcher = span.wanted.room_account_data
    return list({row.type: row for row in rows if matcher.matches(row.type, "", room_id, {})}.values())


class Assembler:
    """Builds slices from the rooms in memory where they reach, else from the tables."""

    def __init__(self, database: Database, rooms: Rooms, counter: unread.Counter) -> None:
        self._database = database
        self._rooms = rooms
        self._counter = counter

    # --- a room the person has been in all along ---

    async def continued(self, reader: Reader, room_id: str, span: Span) -> RoomSlice | None:
        """What happened in the room in (since, up_to]; None for nothing that the filter wants."""
        room = await self._rooms.get(room_id)
        past = await self._happened(room, span, span.up_to)
        receipts = await self._receipts(reader, room, span)
        room_slice = self._slice(room, past, past.events, span)
        room_slice.account_data = await self._account_data(reader, room_id, span)
        room_slice.ephemeral = ephemeral_said(room, receipts, span)
        has_read = any(row.user_id == reader.user_id for row in receipts)
        if room_slice.is_empty and not past.events and not has_read:
            return None
        if any(event.type in _SUMMARIZED for event in (*past.before, *past.events)):
            room_slice.summary = await self._summary(room, reader.user_id)
        await self._add_members(room, room_slice, span)
        await self._add_unread(reader, room, room_slice, span)
        return room_slice

    def _slice(self, room: Room, past: Past, candidates: Sequence[Event], span: Span) -> RoomSlice:
        """Timeline and state. candidates: what of the past may be shown."""
        shown, limited = timeline.newest(matching(candidates, span), span.wanted.timeline_limit)
        limited = limited or past.is_cut
        begin = shown[0].pos - 1 if shown else span.up_to if limited else span.since
        return RoomSlice(
            room_id=room.room_id,
            timeline=shown,
            limited=limited,
            prev_batch=begin,
            state=self._state_changes(past.changes, shown, span),
            after=span.state_after,
        )

    async def _happened(self, room: Room, span: Span, end: int) -> Past:
        """Events of the room in (since, end]: all state changes, and at least as many others as can be shown."""
        if span.since >= room.tail_after:
            return Past([event for event in room.after(span.since) if event.pos <= end])
        count = limits.PAGE_EVENTS_MAX
        if span.wanted.timeline.everything:
            count = span.wanted.timeline_limit + 1
        page = await event_table.page(
            self._database, room.room_id, after=span.since, up_to=end, newest_first=True, count=count
        )
        page.reverse()
        if len(page) < count:
            return Past(page)
        before = await room_table.state_at(self._database, room.room_id, page[0].pos - 1, after=span.since)
        return Past(page, sorted(before, key=lambda event: event.pos), is_cut=True)

    def _state_changes(self, changes: Sequence[Event], shown: Sequence[Event], span: Span) -> list[Event]:
        if not changes:
            return []
        found = timeline.state_of(changes) if span.state_after else timeline.state_besides(changes, shown)
        return wanted_state(found, span)

    async def _add_members(self, room: Room, room_slice: RoomSlice, span: Span) -> None:
        """With lazy loading, whoever speaks in the timeline or gives the room its name is introduced.

        Unless the slice does so already.
        """
        if not span.wanted.lazy_load_members:
            return
        introduced = {e.state_key for e in (*room_slice.state, *room_slice.timeline) if e.type == MEMBER}
        named = [*(e.sender for e in room_slice.timeline), *room_slice.summary.get("m.heroes", ())]
        unknown = dict.fromkeys(user for user in named if user not in introduced)
        up_to = room_slice.timeline[-1].pos if room_slice.timeline else span.up_to
        members = await self._members(room, list(unknown), up_to)
        room_slice.state.extend(members if span.unmet is None else span.unmet(members))

    async def _members(self, room: Room, user_ids: Sequence[str], up_to: int) -> list[Event]:
        found = [room.members.get(user) for user in user_ids]
        if all(event is not None and event.pos <= up_to for event in found):
            return [event for event in found if event is not None]
        return await room_table.state_at(self._database, room.room_id, up_to, types=[MEMBER], state_keys=list(user_ids))

    # --- parts ---

    async def _account_data(self, reader: Reader, room_id: str, span: Span) -> list[AccountData]:
        if span.since >= reader.account_data_after:
            rows: Iterable[AccountData] = (
                row for row in reader.account_data if row.room_id == room_id and span.since < row.pos <= span.up_to
            )
        else:
            rows = await personal.account_data_since(self._database, reader.user_id, span.since, span.up_to, [room_id])
        return account_data_wanted(rows, room_id, span)

    async def ephemeral(self, reader: Reader, room_id: str, span: Span) -> list[JsonObject]:
        """Receipts and typing in (since, up_to] alone."""
        room = await self._rooms.get(room_id)
        return ephemeral_said(room, await self._receipts(reader, room, span), span)

    async def _receipts(self, reader: Reader, room: Room, span: Span) -> list[Receipt]:
        if span.since < room.receipts_after:
            return await personal.receipts_since(self._database, reader.user_id, [room.room_id], span.since, span.up_to)
        newest: dict[tuple[str, str, str], Receipt] = {}
        for row in room.receipts:
            if span.since < row.pos <= span.up_to and (row.receipt_type == "m.read" or row.user_id == reader.user_id):
                newest[row.user_id, row.receipt_type, row.thread_id] = row
        return list(newest.values())

    async def _summary(self, room: Room, user_id: str) -> JsonObject:
        said: JsonObject = {
            "m.joined_member_count": room.joined_count,
            "m.invited_member_count": room.invited_count,
        }
        if timeline.needs_heroes(room.get):
            found = await fresh_table.heroes(self._database, [room.room_id], user_id, timeline.HEROES_MAX)
            said["m.heroes"] = found[room.room_id]
        return said

    async def _add_unread(self, reader: Reader, room: Room, room_slice: RoomSlice, span: Span) -> None:
        counted = await self._counter.of(reader, room, span.up_to)
        room_slice.unread = unread.say(counted, by_thread=span.wanted.unread_thread_notifications)

    # --- rooms the person is not in ---

    async def left(self, reader: Reader, membership: Membership, span: Span) -> RoomSlice:
        """What happened up to the leaving, and what became of the person after it (a ban, say).

        Who was not in at `since`, or has forgotten the room, sees that alone.
        """
        room = await self._rooms.get(membership.room_id)
        found = await visible.load_many(
            self._database, [room.room_id], reader.user_id, self._rooms.erased, though_forgotten=True
        )
        seen = found[room.room_id]
        own = await self._own(reader, membership)
        if seen.membership_at(span.since) != "join" or membership.forgotten:
            room_slice = self._slice(room, Past(own, is_cut=membership.joined_pos is not None), own, span)
        else:
            left_pos = min(seen.state_pos or 0, membership.pos)
            begin = seen.stretch_to(left_pos)  # the timeline reaches over nothing hidden: see Fresh._timeline
            past = await self._happened(room, span, left_pos)
            shown = [event for event in past.events if event.pos >= begin and seen.may_see(event)]
            later = own if membership.pos > left_pos else []
            past = Past([*past.events, *later], past.before, past.is_cut or seen.shows_any(span.since, begin - 1))
            room_slice = self._slice(room, past, [*shown, *later], span)
        await self._add_members(room, room_slice, span)
        room_slice.visibility = seen
        return room_slice

    async def _own(self, reader: Reader, membership: Membership) -> list[Event]:
        return await room_table.state_at(
            self._database, membership.room_id, membership.pos, types=[MEMBER], state_keys=[reader.user_id]
        )

    async def stripped(self, reader: Reader, membership: Membership) -> list[JsonObject]:
        """The room as an invited or knocking person is shown it; nothing where somebody ignored invited them."""
        room = await self._rooms.get(membership.room_id)
        own = await self._own(reader, membership)
        if any(event.sender in reader.ignored for event in own):
            return []
        inviters = [event.sender for event in own if event.sender != reader.user_id]
        inviter = await room_table.state_at(
            self._database, membership.room_id, membership.pos, types=[MEMBER], state_keys=inviters
        )
        return timeline.stripped_state(room.get, [*inviter, *own])
