"""Rooms as they stand, many at once: a new device's first sync, and rooms somebody came into.

Everything is read in a fixed number of queries for every 500 rooms, and then put together without waiting.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import msgspec

from bongsu.core import timeline
from bongsu.core.events import Event
from bongsu.core.visibility import Visibility
from bongsu.rooms.cache import Rooms
from bongsu.rooms.room import Room
from bongsu.store import events as event_table
from bongsu.store import fresh as table
from bongsu.store import personal
from bongsu.store import rooms as room_table
from bongsu.store.database import Database
from bongsu.store.rooms import Membership
from bongsu.store.rows import AccountData, Receipt
from bongsu.sync import unread
from bongsu.sync.assemble import Span, account_data_wanted, ephemeral_said, matching, wanted_state
from bongsu.sync.readers import Reader, Unread
from bongsu.sync.slices import RoomSlice

_PAGES_MAX = 20  # a timeline filter that matches almost nothing is not searched for ever
_PAGE = 200
_ROOMS_AT_ONCE = 500  # fewer than the cache of rooms holds
Pair = tuple[str, str]  # room id, user id
T = TypeVar("T", Event, Receipt, AccountData)


class _Plan(msgspec.Struct):
    """One room on its way: where it ends for this person, what may be seen of it, and the timeline chosen."""

    room: Room
    membership: Membership
    end: int
    visibility: Visibility
    shown: list[Event] = []
    limited: bool = False

    @property
    def begin(self) -> int:
        return self.shown[0].pos - 1 if self.shown else self.end

    @property
    def room_id(self) -> str:
        return self.room.room_id

    @property
    def is_joined(self) -> bool:
        return self.membership.membership == "join"


class _Known(msgspec.Struct):
    """What was read for all rooms together."""

    members: Mapping[str, list[Event]]
    older: Mapping[tuple[str, str, str], Event]
    heroes: Mapping[str, list[str]]
    receipts: Mapping[str, list[Receipt]]
    account_data: Mapping[str, list[AccountData]]


class Fresh:
    """Puts together rooms as they stand at span.up_to, or as they were when the person left."""

    def __init__(self, database: Database, rooms: Rooms, counter: unread.Counter) -> None:
        self._database = database
        self._rooms = rooms
        self._counter = counter

    async def rooms(self, reader: Reader, memberships: Sequence[Membership], span: Span) -> list[RoomSlice]:
        span = msgspec.structs.replace(span, since=0)
        slices: list[RoomSlice] = []
        for at in range(0, len(memberships), _ROOMS_AT_ONCE):
            slices += await self._some(reader, memberships[at : at + _ROOMS_AT_ONCE], span)
        return slices

    async def _some(self, reader: Reader, memberships: Sequence[Membership], span: Span) -> list[RoomSlice]:
        plans = await self._plans(reader, memberships, span)
        known = await self._read(reader, plans, span)
        slices = [self._slice(reader, plan, known, span) for plan in plans]
        for plan, room_slice in zip(plans, slices, strict=True):
            if plan.is_joined:
                counted = await self._unread(reader, plan, known, span)
                room_slice.unread = unread.say(counted, by_thread=span.wanted.unread_thread_notifications)
        return slices

    async def _plans(self, reader: Reader, memberships: Sequence[Membership], span: Span) -> list[_Plan]:
        room_ids = [membership.room_id for membership in memberships]
        await self._rooms.know(room_ids)
        seen = await table.visibilities(self._database, room_ids, reader.user_id)
        plans = []
        for membership in memberships:
            room = await self._rooms.get(membership.room_id)
            end = span.up_to if membership.membership == "join" else membership.pos
            plans.append(_Plan(room, membership, end, seen[room.room_id]))
        for plan in plans:
            plan.shown, plan.limited = await self._timeline(plan, span)
        return plans

    async def _timeline(self, plan: _Plan, span: Span) -> tuple[list[Event], bool]:
        """The newest events the person may see, at most the filter's limit, and whether there are more."""
        limit = span.wanted.timeline_limit
        if span.wanted.timeline.nothing or limit == 0:
            return [], True
        page = [event for event in plan.room.tail if event.pos <= plan.end]
        found = [e for e in matching(page, span) if plan.visibility.may_see(e)]
        before = page[0].pos - 1 if page else plan.end
        pages = 0
        while len(found) <= limit and plan.room.tail_after > 0 and pages < _PAGES_MAX:
            older = await event_table.page(
                self._database, plan.room_id, after=0, up_to=before, newest_first=True, count=_PAGE
            )
            if not older:
                break
            before = older[-1].pos - 1
            pages += 1
            visible = [e for e in matching(older, span) if plan.visibility.may_see(e)]
            found = [*reversed(visible), *found]
        return found[-limit:], len(found) > limit

    # --- reading ---

    async def _read(self, reader: Reader, plans: Sequence[_Plan], span: Span) -> _Known:
        room_ids = [plan.room_id for plan in plans]
        joined = [plan.room_id for plan in plans if plan.is_joined]
        nameless = [plan.room_id for plan in plans if plan.is_joined and timeline.needs_heroes(plan.room.get)]
        heroes = await table.heroes(self._database, nameless, reader.user_id, timeline.HEROES_MAX)
        members = await self._members(reader, plans, heroes, span)
        rows = await personal.account_data_since(self._database, reader.user_id, 0, span.up_to, room_ids)
        receipts = await personal.receipts_since(self._database, reader.user_id, joined, 0, span.up_to)
        return _Known(
            members=members,
            older=await self._older(plans, members, span),
            heroes=heroes,
            receipts=_by_room(receipts),
            account_data=_by_room(rows),
        )

    async def _members(
        self, reader: Reader, plans: Sequence[_Plan], heroes: Mapping[str, list[str]], span: Span
    ) -> dict[str, list[Event]]:
        """Everybody's membership or, with lazy loading, that of those who speak, give a name, or ask."""
        if not span.wanted.lazy_load_members:
            return _by_room(await table.all_members(self._database, [plan.room_id for plan in plans]))
        pairs: dict[Pair, None] = {}
        for plan in plans:
            named = [*(e.sender for e in plan.shown), reader.user_id, *heroes.get(plan.room_id, ())]
            pairs.update(dict.fromkeys((plan.room_id, user) for user in named))
        return _by_room(list((await room_table.members(self._database, pairs)).values()))

    async def _older(
        self, plans: Sequence[_Plan], members: Mapping[str, list[Event]], span: Span
    ) -> dict[tuple[str, str, str], Event]:
        """For state that was set after the place the state is told of: what stood there before."""
        at = {plan.room_id: _state_pos(plan, span) for plan in plans}
        newer = [event for room_id, inside in members.items() for event in inside if event.pos > at[room_id]]
        for plan in plans:
            newer.extend(event for event in plan.room.state.values() if event.pos > at[plan.room_id])
        return await table.state_before(self._database, [(event, at[event.room_id]) for event in newer])

    # --- putting together ---

    def _slice(self, reader: Reader, plan: _Plan, known: _Known, span: Span) -> RoomSlice:
        receipts = known.receipts.get(plan.room_id, []) if plan.is_joined else []
        return RoomSlice(
            room_id=plan.room_id,
            timeline=plan.shown,
            limited=plan.limited,
            prev_batch=plan.begin,
            state=wanted_state(self._state(plan, known, span), span),
            after=span.state_after,
            account_data=account_data_wanted(known.account_data.get(plan.room_id, []), plan.room_id, span),
            ephemeral=ephemeral_said(plan.room, receipts, span) if plan.is_joined else [],
            summary=self._summary(plan, known) if plan.is_joined else {},
            visibility=plan.visibility,
        )

    @staticmethod
    def _state(plan: _Plan, known: _Known, span: Span) -> list[Event]:
        at = _state_pos(plan, span)
        current: Iterable[Event] = (
            *plan.room.state.values(),
            *known.members.get(plan.room_id, ()),
        )
        state = []
        for event in current:
            assert event.key is not None
            told = event if event.pos <= at else known.older.get((plan.room_id, *event.key))
            if told is not None:
                state.append(told)
        return state

    @staticmethod
    def _summary(plan: _Plan, known: _Known) -> dict[str, object]:
        said: dict[str, object] = {
            "m.joined_member_count": plan.room.joined_count,
            "m.invited_member_count": plan.room.invited_count,
        }
        if plan.room_id in known.heroes:
            said["m.heroes"] = known.heroes[plan.room_id]
        return said

    async def _unread(self, reader: Reader, plan: _Plan, known: _Known, span: Span) -> Unread:
        if plan.room_id not in reader.unread:
            own = (row for row in known.receipts.get(plan.room_id, ()) if row.user_id == reader.user_id)
            reader.unread[plan.room_id] = unread.begin(reader, plan.room_id, unread.read_positions(own))
        return await self._counter.of(reader, plan.room, span.up_to)


def _state_pos(plan: _Plan, span: Span) -> int:
    """Where the room's state is told of: at the end of the timeline for state_after, else where it begins."""
    return plan.end if span.state_after else plan.begin


def _by_room(rows: Sequence[T]) -> dict[str, list[T]]:
    by_room: dict[str, list[T]] = {}
    for row in rows:
        by_room.setdefault(row.room_id, []).append(row)
    return by_room
