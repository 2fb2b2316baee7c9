"""Rooms as they stand, many at once: a new device's first sync, and rooms somebody came into.

Everything is read in a fixed number of queries for every 500 rooms, and then put together without waiting.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import msgspec

from bongsu.core import timeline
from bongsu.core.events import MEMBER, Event
from bongsu.core.visibility import Visibility
from bongsu.rooms.cache import Rooms
from bongsu.rooms.room import Room
from bongsu.store import events as event_table
from bongsu.store import fresh as table
from bongsu.store import personal, visible
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
_Placed = tuple[Event, int]  # a state event, and the position as of which it should be told
T = TypeVar("T", Event, Receipt, AccountData)


class _Plan(msgspec.Struct):
    """One room on its way: where it ends for this person, what may be seen of it, and the timeline chosen.

    state: what stood when this was begun, or later, but for members; after: the timeline begins after it;
    comes_back: the person was here before, so that the device may know an older part of the room.
    """

    room: Room
    membership: Membership
    end: int
    visibility: Visibility
    state: Sequence[Event]
    after: int
    comes_back: bool
    shown: list[Event] = []
    limited: bool = False

    @property
    def begin(self) -> int:
        return self.shown[0].pos - 1 if self.shown else self.end

    @property
    def room_id(self) -> str:
        return self.room.room_id

    @property
    def state_end(self) -> int:
        """Up to where the room's state may be told: not beyond the leaving, whatever came after it."""
        return min(self.end, self.visibility.state_pos or 0)

    @property
    def is_joined(self) -> bool:
        return self.membership.membership == "join"


class _Known(msgspec.Struct):
    """What was read for all rooms together."""

    state: Mapping[str, list[Event]]
    heroes: Mapping[str, list[str]]
    receipts: Mapping[str, list[Receipt]]
    account_data: Mapping[str, list[AccountData]]


class Fresh:
    """Puts together rooms as they stand at span.up_to, or as they were when the person left.

    Of a room in which the person was at span.since, the timeline goes on from there.
    """

    def __init__(self, database: Database, rooms: Rooms, counter: unread.Counter) -> None:
        self._database = database
        self._rooms = rooms
        self._counter = counter

    async def rooms(self, reader: Reader, memberships: Sequence[Membership], span: Span) -> list[RoomSlice]:
        slices: list[RoomSlice] = []
        for at in range(0, len(memberships), _ROOMS_AT_ONCE):
            slices += await self._some(reader, memberships[at : at + _ROOMS_AT_ONCE], span)
        return slices

    async def _some(self, reader: Reader, memberships: Sequence[Membership], span: Span) -> list[RoomSlice]:
        plans = await self._plans(reader, memberships, span)
        span = msgspec.structs.replace(span, since=0)
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
        seen = await visible.load_many(
            self._database, room_ids, reader.user_id, self._rooms.erased, though_forgotten=True
        )
        plans = []
        for membership in memberships:
            room = await self._rooms.get(membership.room_id)
            plans.append(_plan(room, membership, seen[room.room_id], span))
        for plan in plans:
            plan.shown, plan.limited = await self._timeline(plan, span)
            plan.limited |= plan.comes_back
        return plans

    async def _timeline(self, plan: _Plan, span: Span) -> tuple[list[Event], bool]:
        """The newest events the person may see, at most the filter's limit, and whether there are more.

        It does not reach over anything hidden: what changed there is told as state, before the timeline.
        """
        limit = span.wanted.timeline_limit
        if span.wanted.timeline.nothing or limit == 0:
            return [], True
        after = max(plan.after, plan.visibility.stretch_to(plan.end) - 1)
        page = [event for event in plan.room.tail if after < event.pos <= plan.end]
        found = [e for e in matching(page, span) if plan.visibility.may_see(e)]
        before = page[0].pos - 1 if page else plan.end
        is_cut = plan.room.tail_after > after
        for _ in range(_PAGES_MAX):
            if len(found) > limit or not is_cut:
                break
            older = await event_table.page(
                self._database, plan.room_id, after=after, up_to=before, newest_first=True, count=_PAGE
            )
            is_cut = len(older) == _PAGE
            before = older[-1].pos - 1 if older else after
            visible = [e for e in matching(older, span) if plan.visibility.may_see(e)]
            found = [*reversed(visible), *found]
        is_cut = is_cut or plan.visibility.shows_any(plan.after, after)
        return found[-limit:], len(found) > limit or is_cut

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
            state=await self._state(reader, plans, members, span),
            heroes=heroes,
            receipts=_by_room(receipts),
            account_data=_by_room(rows),
        )

    async def _members(
        self, reader: Reader, plans: Sequence[_Plan], heroes: Mapping[str, list[str]], span: Span
    ) -> dict[str, list[Event]]:
        """Everybody's membership or, with lazy loading, of those who speak, give a name, ask, or changed."""
        if not span.wanted.lazy_load_members:
            return _by_room(await table.all_members(self._database, [plan.room_id for plan in plans]))
        pairs: dict[Pair, None] = {}
        for plan in plans:
            named = [*(e.sender for e in plan.shown), reader.user_id, *heroes.get(plan.room_id, ())]
            named += await self._changed(plan) if plan.after else []
            pairs.update(dict.fromkeys((plan.room_id, user) for user in named))
        return _by_room(list((await room_table.members(self._database, pairs)).values()))

    async def _changed(self, plan: _Plan) -> list[str]:
        """Whose membership changed since the device last looked: it may know them as they were."""
        events = await room_table.state_at(self._database, plan.room_id, plan.end, types=[MEMBER], after=plan.after)
        return [event.state_key or "" for event in events]

    async def _state(
        self, reader: Reader, plans: Sequence[_Plan], members: Mapping[str, list[Event]], span: Span
    ) -> dict[str, list[Event]]:
        """The state at the end of each room; of what the timeline shows (but for state_after) what stood before it.

        State that the filter keeps out of the timeline is told as it is at the end, for nothing else will tell it.
        """
        ends = {(plan.room_id, MEMBER, reader.user_id): plan.end for plan in plans}
        state = {}
        for plan in plans:
            stands = [*plan.state, *members.get(plan.room_id, ())]
            state[plan.room_id] = [(event, ends.get(_key(event), plan.state_end)) for event in stands]
        state = await self._as_of(state, lambda event, end: event.pos > end)
        if span.state_after:
            return {room_id: [event for event, _ in told] for room_id, told in state.items()}
        shown = {event.pos for plan in plans for event in plan.shown}
        for plan in plans:
            state[plan.room_id] = [(event, plan.begin) for event, _ in state[plan.room_id]]
        state = await self._as_of(state, lambda event, _: event.pos in shown)
        return {room_id: [event for event, _ in told] for room_id, told in state.items()}

    async def _as_of(
        self, state: Mapping[str, list[_Placed]], is_later: Callable[[Event, int], bool]
    ) -> dict[str, list[_Placed]]:
        """Puts in the place of each event that is later than it should be what stood under its key at its position."""
        later = [placed for told in state.values() for placed in told if is_later(*placed)]
        before = await table.state_before(self._database, later)
        found = {}
        for room_id, told in state.items():
            stood = ((before.get(_key(event)) if is_later(event, at) else event, at) for event, at in told)
            found[room_id] = [(event, at) for event, at in stood if event is not None]
        return found

    # --- putting together ---

    def _slice(self, reader: Reader, plan: _Plan, known: _Known, span: Span) -> RoomSlice:
        receipts = known.receipts.get(plan.room_id, []) if plan.is_joined else []
        return RoomSlice(
            room_id=plan.room_id,
            timeline=plan.shown,
            limited=plan.limited,
            prev_batch=plan.begin,
            state=wanted_state(known.state.get(plan.room_id, []), span),
            after=span.state_after,
            account_data=account_data_wanted(known.account_data.get(plan.room_id, []), plan.room_id, span),
            ephemeral=ephemeral_said(plan.room, receipts, span) if plan.is_joined else [],
            summary=self._summary(plan, known) if plan.is_joined else {},
            visibility=plan.visibility,
        )

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
        if plan.room_id not in reader.unread and reader.uncounted <= span.up_to:
            own = (row for row in known.receipts.get(plan.room_id, ()) if row.user_id == reader.user_id)
            reader.unread[plan.room_id] = unread.begin(reader, plan.room_id, unread.read_positions(own))
        return await self._counter.of(reader, plan.room, span.up_to)


def _plan(room: Room, membership: Membership, visibility: Visibility, span: Span) -> _Plan:
    goes_on = visibility.membership_at(span.since) == "join" or membership.pos <= span.since
    return _Plan(
        room=room,
        membership=membership,
        end=span.up_to if membership.membership == "join" else membership.pos,
        visibility=visibility,
        state=list(room.state.values()),
        after=span.since if goes_on else 0,
        comes_back=visibility.was_told(span.since) and not goes_on,
    )


def _key(event: Event) -> tuple[str, str, str]:
    return event.room_id, event.type, event.state_key or ""


def _by_room(rows: Sequence[T]) -> dict[str, list[T]]:
    by_room: dict[str, list[T]] = {}
    for row in rows:
        by_room.setdefault(row.room_id, []).append(row)
    return by_room
