"""The people who sync on this worker: where they are, what touched them lately, and who of them waits.

A Reader is loaded from the tables at some position and from then on kept true by the feed, as rooms are
(rooms/cache.py). Its list of touches makes an incremental sync cost what changed, not how many rooms a person has.
"""

import asyncio
from collections.abc import Iterable
from itertools import count
from typing import Protocol

import msgspec

from bongsu.core import limits
from bongsu.core.account_data import IGNORED_USERS, INVITES, blocks_invites, ignored_users
from bongsu.core.events import MEMBER, REDACTION, Event, membership_of
from bongsu.core.json import decode
from bongsu.core.pushrules import CompiledRules, ruleset
from bongsu.core.quiet import QUIET_HOURS, Hours, parse_or_none
from bongsu.store import keys, streams, to_device
from bongsu.store import personal as table
from bongsu.store import rooms as room_table
from bongsu.store.database import Connection, Database
from bongsu.store.device_lists import Meeting
from bongsu.store.feed import Feed
from bongsu.store.quiet import zone
from bongsu.store.rooms import Membership
from bongsu.store.rows import (
    AccountData,
    DeviceList,
    Forgotten,
    KeyStock,
    Presence,
    Receipt,
    Revocation,
    Segment,
    ToDevice,
    Typing,
)
from bongsu.store.to_device import Waiting

PUSH_RULES = "m.push_rules"
_OBEYED = (PUSH_RULES, IGNORED_USERS, INVITES, QUIET_HOURS)


class Unread(msgspec.Struct):
    """What a person has not read in a room. up_to: counted so far; threads: by root, (notify, highlight).

    read_at: positions up to which was read, by thread ("" for an unthreaded receipt, "main" outside threads).
    """

    up_to: int
    read_at: dict[str, int]
    notify: int = 0
    highlight: int = 0
    threads: dict[str, list[int]] = {}


Touch = tuple[int, str]  # position, room id; one for all readers of the room


class Waiter(Protocol):
    """Who waits for news of a reader."""

    def wake(self) -> None:
        """There may be some. It is looked at later: the feed has not told everybody yet."""


class Reader:
    """One person. touches: where something happened, newest last, complete after `touched_after`."""

    def __init__(self, user_id: str, pos: int) -> None:
        self.user_id = user_id
        self.pos = pos
        self.memberships: dict[str, Membership] = {}
        self.touches: list[Touch] = []
        self.touched_after = pos
        self.account_data: list[AccountData] = []
        self.account_data_after = pos
        self.presence: list[Presence] = []
        self.presence_after = pos
        self.device_lists: list[DeviceList] = []
        self.device_lists_after = pos
        self.meetings: list[Meeting] = []
        self.met_after = pos
        self.messages: dict[str, Waiting] = {}  # by device
        self.key_stocks: dict[str, KeyStock] = {}  # by device
        self.newest = 0
        self.other_news = pos  # where something was last told that did not happen in a room
        self.unread: dict[str, Unread] = {}
        self.uncounted = 0  # where the counts of some room were last found to be wrong
        self.rules = CompiledRules(ruleset(user_id, None), user_id)
        self.ignored: frozenset[str] = frozenset()
        self.blocks_invites = False
        self.quiet: Hours | None = None
        self.waiting: set[Waiter] = set()
        self.is_dropped = False  # nothing is told to it any more
        self.used = 0

    def rooms_where(self, *kinds: str) -> list[str]:
        return [m.room_id for m in self.memberships.values() if m.membership in kinds]

    def is_joined(self, room_id: str) -> bool:
        membership = self.memberships.get(room_id)
        return membership is not None and membership.membership == "join"

    def came_in(self, room_id: str) -> int:
        """Where the present stay in a room began; 0 for none."""
        membership = self.memberships.get(room_id)
        return membership.joined_pos or 0 if membership is not None else 0

    def was_in(self, room_id: str, since: int) -> bool:
        """Are they in the room, and were at that position, without a break?"""
        membership = self.memberships.get(room_id)
        return membership is not None and membership.membership == "join" and 0 < (membership.joined_pos or 0) <= since

    def may_have_news(self, after: int) -> bool:
        """Did anything touch this person after the position, as far as it is known here?"""
        return self.newest > after or after < self.touched_after

    def touched(self, after: int, up_to: int) -> set[str] | None:
        """Rooms in which something happened in (after, up_to]; None when it is not known that far back."""
        if after < self.touched_after:
            return None
        rooms = set()
        for pos, room_id in reversed(self.touches):
            if pos <= after:
                break
            if pos <= up_to:
                rooms.add(room_id)
        return rooms

    def wake(self) -> None:
        for waiter in self.waiting:
            waiter.wake()

    # --- what the feed tells ---

    def touch(self, touch: Touch) -> None:
        if touch[0] <= self.pos:
            return
        self.newest = touch[0]
        self.touches.append(touch)
        if len(self.touches) > limits.READER_CHANGES_MAX:
            half = limits.READER_CHANGES_MAX // 2
            self.touched_after = self.touches[half - 1][0]
            del self.touches[:half]

    def see_member(self, event: Event) -> None:
        """The person's own membership changed."""
        before = self.memberships.get(event.room_id)
        if before is not None and before.pos >= event.pos:
            return
        membership = membership_of(event)
        joined_pos = before.joined_pos if before else None
        if membership == "join" and (before is None or before.membership != "join"):
            joined_pos = event.pos
            self.count_anew(event.pos, event.room_id)
        self.memberships[event.room_id] = Membership(event.room_id, membership, event.pos, joined_pos, False)

    def forget(self, row: Forgotten) -> None:
        """The room is kept in mind all the same: devices that do not know of the leaving must be told."""
        membership = self.memberships.get(row.room_id)
        if membership is not None and membership.pos < row.pos and membership.membership in ("leave", "ban"):
            self.memberships[row.room_id] = msgspec.structs.replace(membership, forgotten=True)

    def see_account_data(self, row: AccountData) -> None:
        if row.pos <= self.pos:
            return
        self.newest = self.other_news = row.pos
        self.account_data.append(row)
        if len(self.account_data) > limits.READER_CHANGES_MAX:
            self.account_data_after = self.account_data.pop(0).pos
        if row.type in _OBEYED and not row.room_id:
            self.obey(row.type, row.content)
            self.unread.clear()
            self.uncounted = row.pos

    def obey(self, kind: str, raw: bytes) -> None:
        """Takes account data that changes what the person is told."""
        content = decode(raw)
        if kind == PUSH_RULES:
            self.rules = CompiledRules(ruleset(self.user_id, content), self.user_id)
        elif kind == IGNORED_USERS:
            self.ignored = ignored_users(content)
        elif kind == INVITES:
            self.blocks_invites = blocks_invites(content)
        elif kind == QUIET_HOURS:
            self.quiet = parse_or_none(content, zone)

    def see_presence(self, row: Presence) -> None:
        if row.pos <= self.pos:
            return
        self.newest = self.other_news = row.pos
        self.presence.append(row)
        if len(self.presence) > limits.READER_CHANGES_MAX:
            self.presence_after = self.presence.pop(0).pos

    def see_device_list(self, row: DeviceList) -> None:
        if row.pos <= self.pos:
            return
        self.newest = self.other_news = row.pos
        self.device_lists.append(row)
        if len(self.device_lists) > limits.READER_CHANGES_MAX:
            self.device_lists_after = self.device_lists.pop(0).pos

    def meet(self, event: Event) -> None:
        """Somebody came into a room the person is in, left it, or is called otherwise there."""
        if event.pos <= self.pos or event.state_key is None:
            return
        self.other_news = event.pos
        left = membership_of(event) in ("leave", "ban")
        self.meetings.append(Meeting(event.pos, event.room_id, event.state_key, left))
        if len(self.meetings) > limits.READER_CHANGES_MAX:
            self.met_after = self.meetings.pop(0).pos

    def see_message(self, row: ToDevice) -> None:
        if row.pos <= self.pos:
            return
        self.newest = self.other_news = row.pos
        waiting = self.messages.setdefault(row.device_id, Waiting(row.pos, row.pos))
        waiting.last = row.pos

    def see_key_stock(self, row: KeyStock) -> None:
        if row.pos <= self.pos:
            return
        self.newest = self.other_news = row.pos
        self.key_stocks[row.device_id] = row

    def count_anew(self, pos: int, room_id: str) -> None:
        """Something happened (an own receipt, a redaction, coming in) that may make unread events fewer."""
        self.unread.pop(room_id, None)
        self.uncounted = pos


class Readers:
    """get() a reader; apply() is the feed's."""

    def __init__(self, database: Database, feed: Feed) -> None:
        self._database = database
        self._feed = feed
        self._readers: dict[str, Reader] = {}
        self._in_room: dict[str, set[Reader]] = {}
        self._loading: dict[str, tuple[list[Segment], asyncio.Future[None]]] = {}
        self._clock = count(1)

    def known(self, user_id: str) -> Reader | None:
        """The reader, if it is in memory."""
        reader = self._readers.get(user_id)
        if reader is not None:
            reader.used = next(self._clock)
        return reader

    def knows(self, user_id: str) -> bool:
        return user_id in self._readers

    async def get(self, user_id: str) -> Reader:
        while (reader := self._readers.get(user_id)) is None:
            under_way = self._loading.get(user_id)
            if under_way is not None:
                await asyncio.wait([under_way[1]])
            else:
                await self._load(user_id)
        reader.used = next(self._clock)
        return reader

    async def _load(self, user_id: str) -> None:
        meanwhile: list[Segment] = []
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._loading[user_id] = meanwhile, done
        try:
            reader = await self._database.snapshot(lambda connection: _read(connection, user_id))
            await self._feed.reach(reader.pos)
            self._enter(reader)
            for segment in meanwhile:
                self._tell(segment, only=reader)
        finally:
            del self._loading[user_id]
            done.set_result(None)

    def _enter(self, reader: Reader) -> None:
        self._readers[reader.user_id] = reader
        for room_id in reader.rooms_where("join"):
            self._in_room.setdefault(room_id, set()).add(reader)
        if len(self._readers) > limits.READERS_CACHED_MAX:
            self._forget_unused()

    def _forget_unused(self) -> None:
        idle = sorted((r for r in self._readers.values() if not r.waiting), key=lambda reader: reader.used)
        for reader in idle[: len(idle) // 10]:
            self._remove(reader)

    def _remove(self, reader: Reader) -> None:
        del self._readers[reader.user_id]
        reader.is_dropped = True
        for room_id in list(reader.memberships):
            self._leave(reader, room_id)

    def _leave(self, reader: Reader, room_id: str) -> None:
        inside = self._in_room.get(room_id)
        if inside is not None:
            inside.discard(reader)
            if not inside:
                del self._in_room[room_id]

    def wake_all(self) -> None:
        for reader in self._readers.values():
            reader.wake()

    def apply(self, segment: Segment) -> None:
        """The feed's: who is touched by this, and who need not wait any longer."""
        for meanwhile, _ in self._loading.values():
            meanwhile.append(segment)
        for reader in self._tell(segment):
            reader.wake()

    def _tell(self, segment: Segment, only: Reader | None = None) -> set[Reader]:
        """Tells readers what happened and returns those it touched. only: the one who came in while it happened."""
        told: set[Reader] = set()
        for row in segment.in_order():
            match row:
                case Event():
                    told.update(self._tell_event(row, only))
                case Receipt():
                    told.update(self._tell_receipt(row, only))
                case Typing():
                    told.update(self._tell_room(row.pos, row.room_id, only))
                case AccountData():
                    told.update(self._tell_account_data(row, only))
                case Presence():
                    told.update(self._tell_presence(row, only))
                case Forgotten():
                    for reader in self._named(row.user_id, only):
                        reader.forget(row)
                case ToDevice() | KeyStock() | DeviceList():
                    told.update(self._tell_of_device(row, only))
                case Revocation():
                    told.update(self._drop(row, only))
        return told

    def _named(self, user_id: str, only: Reader | None) -> list[Reader]:
        reader = self._readers.get(user_id)
        return [reader] if reader is not None and only in (None, reader) else []

    def _inside(self, room_id: str, only: Reader | None) -> Iterable[Reader]:
        inside = self._in_room.get(room_id, ())
        return inside if only is None else [only] if only in inside else []

    def _tell_room(self, pos: int, room_id: str, only: Reader | None) -> Iterable[Reader]:
        inside = self._inside(room_id, only)
        touch = pos, room_id
        for reader in inside:
            reader.touch(touch)
        return inside

    def _tell_event(self, event: Event, only: Reader | None) -> Iterable[Reader]:
        inside = set(self._tell_room(event.pos, event.room_id, only))
        if event.type == MEMBER and event.state_key is not None:
            for reader in self._named(event.state_key, only):
                self._tell_member(event, reader)
                inside.add(reader)
            for reader in inside:
                reader.meet(event)
        elif event.type == REDACTION:
            for reader in inside:
                reader.count_anew(event.pos, event.room_id)
        return inside

    def _tell_member(self, event: Event, reader: Reader) -> None:
        reader.see_member(event)
        if event.room_id not in reader.memberships:
            return
        if reader not in self._in_room.get(event.room_id, ()):
            reader.touch((event.pos, event.room_id))
        if reader.is_joined(event.room_id):
            self._in_room.setdefault(event.room_id, set()).add(reader)
        else:
            self._leave(reader, event.room_id)

    def _tell_receipt(self, receipt: Receipt, only: Reader | None) -> Iterable[Reader]:
        own = self._named(receipt.user_id, only)
        for reader in own:
            reader.count_anew(receipt.pos, receipt.room_id)
        if receipt.receipt_type == "m.read.private":
            for reader in own:
                reader.touch((receipt.pos, receipt.room_id))
            return own
        return self._tell_room(receipt.pos, receipt.room_id, only)

    def _tell_account_data(self, row: AccountData, only: Reader | None) -> Iterable[Reader]:
        own = self._named(row.user_id, only)
        for reader in own:
            reader.see_account_data(row)
            if row.room_id:
                reader.touch((row.pos, row.room_id))
        return own

    def _tell_presence(self, row: Presence, only: Reader | None) -> Iterable[Reader]:
        concerned = set(self._named(row.user_id, only))
        for room_id in row.room_ids:
            concerned.update(self._inside(room_id, only))
        for reader in concerned:
            reader.see_presence(row)
        return concerned

    def _tell_of_device(self, row: ToDevice | KeyStock | DeviceList, only: Reader | None) -> Iterable[Reader]:
        if isinstance(row, DeviceList):
            return self._tell_device_list(row, only)
        own = self._named(row.user_id, only)
        for reader in own:
            if isinstance(row, ToDevice):
                reader.see_message(row)
            else:
                reader.see_key_stock(row)
        return own

    def _tell_device_list(self, row: DeviceList, only: Reader | None) -> Iterable[Reader]:
        concerned = set(self._named(row.seen_by or row.user_id, only))
        for room_id in row.room_ids:
            concerned.update(self._inside(room_id, only))
        for reader in concerned:
            reader.see_device_list(row)
        return concerned

    def _drop(self, row: Revocation, only: Reader | None) -> Iterable[Reader]:
        """With a device ends what is known of it. That is seldom: the person is read anew."""
        dropped = [reader for reader in self._named(row.user_id, only) if row.pos > reader.pos]
        for reader in dropped:
            self._remove(reader)
        return dropped


async def _read(connection: Connection, user_id: str) -> Reader:
    pos, _ = await streams.newest(connection)
    reader = Reader(user_id, pos)
    for membership in await room_table.memberships(connection, user_id):
        reader.memberships[membership.room_id] = membership
    reader.messages = await to_device.waiting_of(connection, user_id)
    reader.key_stocks = {stock.device_id: stock for stock in await keys.stocks_of(connection, user_id)}
    for kind, raw in await table.account_data_of(connection, user_id, _OBEYED):
        reader.obey(kind, raw)
    return reader
