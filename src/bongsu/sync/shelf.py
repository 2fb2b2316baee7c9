"""One person's rooms, those first in which something was said last: in memory, and never sorted twice.

A shelf is read once and then follows what touches its reader (sync/readers.py), at each sliding sync. What was said
moves a room to the front; what changes where a room belongs (its name, a tag, coming in) drops what was worked out
about the filtered lists, and they are worked out anew when they are asked for.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Final
from weakref import WeakKeyDictionary

import msgspec

from bongsu.core import limits
from bongsu.core.account_data import INVITES
from bongsu.core.events import CANONICAL_ALIAS, ENCRYPTION, NAME
from bongsu.core.json import decode
from bongsu.core.sliding import BUMPING, Filters, direct_rooms
from bongsu.rooms.cache import Rooms
from bongsu.store import personal
from bongsu.store import sliding as table
from bongsu.store.database import Database, unavailable
from bongsu.store.feed import Feed
from bongsu.store.rooms import Membership
from bongsu.sync.readers import Reader
from bongsu.sync.told import key_of

SHOWN: Final = ("join", "invite", "knock")
_SPACE_CHILD: Final = "m.space.child"
SORTING: Final = (NAME, CANONICAL_ALIAS, ENCRYPTION, _SPACE_CHILD)  # state that filters look at
_SORTED_BY: Final = ("m.direct", "m.tag", INVITES)  # account data that filters look at


class Facts:
    """What filters look at. None: not asked for yet."""

    def __init__(self) -> None:
        self.direct: frozenset[str] | None = None
        self.encrypted: set[str] | None = None
        self.types: dict[str, str] | None = None
        self.names: dict[str, str] | None = None
        self.tags: dict[str, set[str]] | None = None


class _Said(msgspec.Struct, frozen=True):
    """pos: where something was last said in a room; is_other: it may belong in other lists than before."""

    pos: int
    is_other: bool


class Shelf:
    """order: room id → where something was last said, the newest last. Complete up to `pos`."""

    def __init__(self, pos: int) -> None:
        self.pos = pos
        self.order: dict[str, int] = {}
        self.facts = Facts()
        self.views: dict[Filters, dict[str, int]] = {}
        self._keys: dict[str, int] = {}

    def key(self, room_id: str) -> int:
        key = self._keys.get(room_id)
        if key is None:
            key = self._keys[room_id] = key_of(room_id)
        return key

    def _put(self, room_id: str, pos: int) -> None:
        """Something was said in a room that is on the shelf."""
        for order in (self.order, *self.views.values()):
            if order.get(room_id, pos) != pos:
                newest = order[next(reversed(order))]
                del order[room_id]
                order[room_id] = pos
                if pos < newest:
                    _sort(order)

    def take(self, changes: Mapping[str, int | None], said: Mapping[str, _Said], pos: int) -> None:
        """What happened up to `pos`. changes: rooms that come (with their place) and go; said: in the others."""
        if any(news.is_other for news in said.values()):
            self.forget()
        if changes:
            self._change(changes)
        for room_id, news in sorted(said.items(), key=lambda item: item[1].pos):
            if news.pos > self.order.get(room_id, 0):
                self._put(room_id, news.pos)
        self.pos = pos

    def _change(self, changes: Mapping[str, int | None]) -> None:
        """The filtered lists are worked out anew."""
        for room_id, pos in changes.items():
            self.order.pop(room_id, None)
            if pos is not None:
                self.order[room_id] = pos
        _sort(self.order)
        self.forget()

    def forget(self) -> None:
        self.facts = Facts()
        self.views.clear()


def _sort(order: dict[str, int]) -> None:
    rooms = sorted(order.items(), key=lambda item: item[1])
    order.clear()
    order.update(rooms)


def window(order: dict[str, int], first: int, last: int) -> Iterable[str]:
    """The rooms at these places, the newest being at 0."""
    return islice(reversed(order), first, last + 1)


def is_shown(membership: Membership | None, reader: Reader) -> bool:
    if membership is None or membership.membership not in SHOWN or membership.forgotten:
        return False
    return membership.membership != "invite" or not reader.blocks_invites


class Shelves:
    """of() a reader: their shelf, as of the feed's position at the moment it returns.

    A reader that was dropped meanwhile is told nothing more: whoever asks looks whether it still is the person's.
    """

    def __init__(self, database: Database, feed: Feed, rooms: Rooms) -> None:
        self._database = database
        self._feed = feed
        self._rooms = rooms
        self._shelves: WeakKeyDictionary[Reader, Shelf] = WeakKeyDictionary()

    async def of(self, reader: Reader) -> Shelf:
        pos = self._feed.pos
        looked_up: dict[str, _Said] = {}
        for _ in range(limits.ROOM_READS_MAX):
            shelf = self._shelves.get(reader)
            touched = None if shelf is None else self._touched(reader, shelf, pos)
            if shelf is None or touched is None:
                self._shelves[reader] = await self._read(reader)
            elif unknown := self._follow(reader, shelf, touched, looked_up, pos):
                looked_up.update(await self._look_up(unknown, shelf.pos))
                continue  # up to the same position, for which what was looked up is good
            elif shelf.pos == self._feed.pos:
                return shelf
            pos, looked_up = self._feed.pos, {}
        raise unavailable()

    # --- reading ---

    async def _read(self, reader: Reader) -> Shelf:
        shelf = Shelf(self._feed.pos)
        shown = {m.room_id: m for m in reader.memberships.values() if is_shown(m, reader)}
        joined = [room_id for room_id, m in shown.items() if m.membership == "join"]
        bumps = await table.bumps(self._database, joined)
        shelf.order = {room_id: _place(m, bumps.get(room_id, 0)) for room_id, m in shown.items()}
        _sort(shelf.order)
        return shelf

    async def _look_up(self, room_ids: Sequence[str], after: int) -> dict[str, _Said]:
        """The same as _said(), of rooms that are not in memory."""
        bumps = await table.bumps(self._database, room_ids)
        is_other = await table.changed(self._database, room_ids, SORTING, after)
        return {room_id: _Said(bump, is_other) for room_id, bump in bumps.items()}

    # --- following ---

    @staticmethod
    def _touched(reader: Reader, shelf: Shelf, pos: int) -> set[str] | None:
        """Rooms to look at; None where the shelf has to be read anew."""
        if shelf.pos < reader.account_data_after:
            return None
        news = [row.type for row in reader.account_data if row.pos > shelf.pos and row.type in _SORTED_BY]
        if INVITES in news:
            return None
        if news:
            shelf.forget()
        return reader.touched(shelf.pos, pos)

    def _follow(
        self, reader: Reader, shelf: Shelf, touched: set[str], looked_up: Mapping[str, _Said], pos: int
    ) -> list[str]:
        """Takes what touched the reader up to `pos`; or returns the rooms that have to be looked up first."""
        said: dict[str, _Said] = {}
        changes: dict[str, int | None] = {}
        unknown: list[str] = []
        for room_id in touched:
            membership = reader.memberships.get(room_id)
            if membership is None or not is_shown(membership, reader):
                if room_id in shelf.order:
                    changes[room_id] = None
            elif membership.membership != "join":
                if shelf.order.get(room_id) != membership.pos:
                    changes[room_id] = membership.pos
            elif room_id not in shelf.order or reader.came_in(room_id) > shelf.pos:
                if room_id in looked_up:
                    changes[room_id] = _place(membership, looked_up[room_id].pos)
                else:
                    unknown.append(room_id)
            elif (news := self._said(room_id, shelf) or looked_up.get(room_id)) is not None:
                said[room_id] = news
            else:
                unknown.append(room_id)
        if not unknown:
            shelf.take(changes, said, pos)
        return unknown

    def _said(self, room_id: str, shelf: Shelf) -> _Said | None:
        """None: the room in memory does not tell."""
        room = self._rooms.known(room_id)
        if room is None or room.tail_after > shelf.pos:
            return None
        news = room.after(shelf.pos)
        bump = max((event.pos for event in news if event.type in BUMPING), default=0)
        return _Said(bump, any(event.type in SORTING and event.state_key is not None for event in news))

    # --- filtered lists ---

    async def view(self, reader: Reader, shelf: Shelf, filters: Filters | None) -> dict[str, int]:
        """The rooms that pass, in order. It stays true until the shelf follows again."""
        if filters is None or filters.admits_all:
            return shelf.order
        view = shelf.views.get(filters)
        while view is None:
            facts = shelf.facts
            inside = await self._inside(reader, filters)
            await self._learn(reader, shelf, filters)
            if shelf.facts is not facts:
                continue  # it followed meanwhile, and forgot
            view = {room: pos for room, pos in shelf.order.items() if _passes(room, reader, filters, facts, inside)}
            if len(shelf.views) >= limits.SLIDING_VIEWS_MAX:
                del shelf.views[next(iter(shelf.views))]
            shelf.views[filters] = view
            await asyncio.sleep(0)  # several lists of many rooms: others have their turn between them
        return view

    async def _inside(self, reader: Reader, filters: Filters) -> set[str] | None:
        """The rooms that stand in one of the spaces that the person is in."""
        if filters.spaces is None:
            return None
        joined = [space for space in filters.spaces if reader.is_joined(space)]
        await self._rooms.know(joined)
        spaces = [room for space in joined if (room := self._rooms.known(space)) is not None]
        state = [event for room in spaces for event in room.state.values() if event.type == _SPACE_CHILD]
        return {event.state_key or "" for event in state if event.content.get("via")}

    async def direct(self, reader: Reader, shelf: Shelf) -> frozenset[str]:
        """The rooms that the person calls direct ones."""
        facts = shelf.facts
        if facts.direct is None:
            raw = await personal.account_data(self._database, reader.user_id, "", "m.direct")
            facts.direct = direct_rooms(decode(raw)) if raw else frozenset()
        return facts.direct

    async def _learn(self, reader: Reader, shelf: Shelf, filters: Filters) -> None:
        """Reads what the filter looks at and is not known."""
        facts, rooms = shelf.facts, list(shelf.order)
        if filters.is_dm is not None:
            await self.direct(reader, shelf)
        if filters.is_encrypted is not None and facts.encrypted is None:
            facts.encrypted = await table.encrypted(self._database, rooms)
        if (filters.room_types is not None or filters.not_room_types) and facts.types is None:
            facts.types = await table.types(self._database, rooms)
        if filters.room_name_like is not None and facts.names is None:
            facts.names = await table.names(self._database, rooms)
        if (filters.tags is not None or filters.not_tags) and facts.tags is None:
            contents = await table.tags(self._database, reader.user_id)
            facts.tags = {room_id: _tags_of(content) for room_id, content in contents.items()}


def _place(membership: Membership, bump: int) -> int:
    """A room stands where something was last said or, if that was later, where the person came in or was asked in."""
    if membership.membership == "join":
        return max(bump, membership.joined_pos or 0)
    return membership.pos


def _tags_of(raw: bytes) -> set[str]:
    tags = decode(raw).get("tags")
    return set(tags) if isinstance(tags, dict) else set()


def _passes(room_id: str, reader: Reader, filters: Filters, facts: Facts, inside: set[str] | None) -> bool:
    membership = reader.memberships.get(room_id)
    is_invite = membership is not None and membership.membership == "invite"
    kind = (facts.types or {}).get(room_id)
    tags = (facts.tags or {}).get(room_id, set())
    like = None if filters.room_name_like is None else filters.room_name_like.casefold()
    return (
        (filters.is_invite is None or filters.is_invite == is_invite)
        and (filters.is_dm is None or filters.is_dm == (room_id in (facts.direct or ())))
        and (filters.is_encrypted is None or filters.is_encrypted == (room_id in (facts.encrypted or ())))
        and (inside is None or room_id in inside)
        and (filters.room_types is None or kind in filters.room_types)
        and (not filters.not_room_types or kind not in filters.not_room_types)
        and (filters.tags is None or not tags.isdisjoint(filters.tags))
        and (not filters.not_tags or tags.isdisjoint(filters.not_tags))
        and (like is None or like in (facts.names or {}).get(room_id, ""))
    )
