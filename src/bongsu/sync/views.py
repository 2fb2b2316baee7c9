"""What a client looks at by sliding sync at one moment, and the rooms there that may have something to tell."""

import zlib
from collections.abc import Iterable, Mapping

import msgspec

from bongsu.core import limits
from bongsu.core.json import encode
from bongsu.core.sliding import Body, Required, RoomAsk
from bongsu.rooms.cache import Rooms
from bongsu.store import personal
from bongsu.store.database import Database
from bongsu.store.feed import Feed
from bongsu.store.rooms import Membership
from bongsu.sync.kinds import Growth, Looks
from bongsu.sync.pieces import Shown, Wanted
from bongsu.sync.readers import Reader, Readers
from bongsu.sync.shelf import Shelf, Shelves, is_shown, window
from bongsu.sync.told import Place, Told


class SlidingAsk(msgspec.Struct, frozen=True):
    """What a client asked. pos None: a new connection. timeout_ms: how long it is ready to wait."""

    body: Body
    pos: str | None
    timeout_ms: int = 0

    @property
    def digest(self) -> int:
        """The same while the client looks at the same things."""
        body = self.body
        enabled = [asked.enabled for asked in (body.extensions.account_data, body.extensions.receipts)]
        return zlib.crc32(encode([body.lists, body.room_subscriptions, enabled]))


class View(msgspec.Struct):
    """What the client looks at, at one moment. reader: as they are then; counts: rooms in each list; keys: of the rooms
    shown.

    wanted: rooms there may be news of; back: rooms that come back into view, as they were told; is_quiet: nothing
    happened since, so nothing was looked for; is_cut: there is more than one answer should hold.
    """

    up_to: int
    reader: Reader
    shelf: Shelf
    counts: dict[str, int]
    is_quiet: bool
    shown: dict[str, Shown] = {}
    keys: set[int] = msgspec.field(default_factory=set)
    wanted: list[Wanted] = []
    back: list[tuple[int, Told]] = []
    left: list[Wanted] = []
    is_cut: bool = False

    def cut(self) -> None:
        """Leaves out rooms that would make the answer too large, the last ones: as if they were not in view yet."""
        longest = max((wanted.asked_limit for wanted in self.wanted), default=0)
        count = min(limits.SLIDING_ROOMS_AT_ONCE_MAX, limits.SLIDING_EVENTS_AT_ONCE_MAX // max(1, longest))
        later = {wanted.room_id for wanted in self.wanted[count:]}
        if later:
            self.is_cut = True
            self.wanted = [wanted for wanted in self.wanted if wanted.room_id not in later]
            keys = {self.shelf.key(room_id) for room_id in later}
            self.keys -= keys
            self.back = [(key, told) for key, told in self.back if key not in keys]
            for room_id in later:
                del self.shown[room_id]


class Views:
    """view() for each request."""

    def __init__(self, database: Database, feed: Feed, rooms: Rooms, readers: Readers) -> None:
        self._database = database
        self._feed = feed
        self._readers = readers
        self._shelves = Shelves(database, feed, rooms)

    async def direct(self, view: View) -> frozenset[str]:
        """The rooms that the person calls direct ones."""
        return await self._shelves.direct(view.reader, view.shelf)

    async def view(self, user_id: str, ask: SlidingAsk, place: Place) -> View:
        """The lists and subscriptions as they are at one position, and the rooms of them to be looked into."""
        while True:
            reader = await self._readers.get(user_id)
            shelf = await self._shelves.of(reader)
            lists = {
                name: await self._shelves.view(reader, shelf, asked.filters) for name, asked in ask.body.lists.items()
            }
            if shelf.pos == self._feed.pos and self._readers.known(user_id) is reader:
                break  # nothing happened while the lists were worked out, and nothing will until this is done
        is_same = ask.pos is not None and place.own.asked == ask.digest
        is_quiet = is_same and not reader.may_have_news(place.token.pos)
        view = View(shelf.pos, reader, shelf, {name: len(order) for name, order in lists.items()}, is_quiet)
        if is_quiet:
            return view
        view.shown = _look(lists, ask.body, reader)
        await self._choose(reader, view, place)
        view.cut()
        return view

    async def _choose(self, reader: Reader, view: View, place: Place) -> None:
        """Which of the rooms there may be something to tell of."""
        touched_at = {room_id: pos for pos, room_id in reader.touches}  # the newest, for it stands last
        long_ago: list[Wanted] = []
        satisfied: dict[tuple[int, int], bool] = {}
        growth = Growth(place.configs)
        key_of, told_of, since = view.shelf.key, place.told, place.token.pos
        is_remembered = since >= reader.touched_after
        for room_id, asked in view.shown.items():
            key = key_of(room_id)
            view.keys.add(key)
            told = told_of(key)
            if told is not None and told.pos:
                view.back.append((key, told))
            elif told is not None and is_remembered and touched_at.get(room_id, 0) <= since:
                both = (id(told), id(asked))  # most rooms were told alike, and alike is asked of them
                if both not in satisfied:
                    satisfied[both] = told.limit >= asked.limit and place.config(told).covers(asked.required)
                if satisfied[both]:
                    continue
            wanted = _wanted(reader.memberships[room_id], told, asked, place, growth)
            if wanted.since < reader.touched_after and not wanted.is_fresh:
                long_ago.append(wanted)
            elif wanted.is_fresh or wanted.grows or touched_at.get(room_id, 0) > wanted.since:
                view.wanted.append(wanted)
        view.left = _left(reader, view, place, touched_at)
        if long_ago:
            view.wanted += await self._touched(reader, long_ago, view.up_to)

    async def _touched(self, reader: Reader, rooms: list[Wanted], up_to: int) -> list[Wanted]:
        """Those in which something happened that is longer ago than memory reaches."""
        room_ids = [wanted.room_id for wanted in rooms]
        after = min(wanted.since for wanted in rooms)
        touched = await personal.touched(self._database, reader.user_id, room_ids, after, up_to)
        return [wanted for wanted in rooms if wanted.room_id in touched or wanted.grows]


def _look(lists: Mapping[str, dict[str, int]], body: Body, reader: Reader) -> dict[str, Shown]:
    """The rooms in the windows of the lists, and those that are subscribed to."""
    looks = Looks()
    for name, asked in body.lists.items():
        number = looks.add(_asked(asked, reader, name))
        for first, last in _apart(asked.windows):
            for room_id in window(lists[name], first, last):
                looks.show(room_id, number)
    alike: dict[RoomAsk, int] = {}
    for room_id, subscribed in body.room_subscriptions.items():
        if is_shown(reader.memberships.get(room_id), reader):
            if subscribed not in alike:
                alike[subscribed] = looks.add(_asked(subscribed, reader, None))
            looks.show(room_id, alike[subscribed])
    return looks.shown()


def _apart(windows: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same places, none of them twice."""
    apart: list[tuple[int, int]] = []
    for first, last in sorted(windows):
        if apart and first <= apart[-1][1] + 1:
            apart[-1] = (apart[-1][0], max(apart[-1][1], last))
        else:
            apart.append((first, last))
    return apart


def _left(reader: Reader, view: View, place: Place, newest: Mapping[str, int]) -> list[Wanted]:
    """Rooms that the client was told of and the person is not in any more."""
    since = place.token.pos
    if since == 0:
        return []
    room_ids: Iterable[str] = newest if since >= reader.touched_after else list(reader.memberships)
    found = []
    for room_id in room_ids:
        membership = reader.memberships.get(room_id)
        if membership is None or membership.pos <= since or membership.membership not in ("leave", "ban"):
            continue
        told = place.told(view.shelf.key(room_id))
        if told is not None:
            asked = Shown(place.config(told), told.limit)
            found.append(_wanted(membership, told, asked, place, Growth(place.configs)))
    return found


def _asked(asked: RoomAsk, reader: Reader, name: str | None) -> Shown:
    """name: of the list; None for a subscription."""
    required = Required.asked(asked.required_state, reader.user_id)
    limit = min(asked.timeline_limit, limits.SLIDING_TIMELINE_EVENTS_MAX)
    return Shown(required, limit, frozenset() if name is None else frozenset({name}), name is None)


def _wanted(membership: Membership, told: Told | None, asked: Shown, place: Place, growth: Growth) -> Wanted:
    """A room that was told before is wanted as it was then, and as it is asked for now."""
    since = 0 if told is None else told.pos or place.token.pos
    known = Required() if told is None else place.config(told)
    return Wanted(
        membership=membership,
        told=told,
        since=since,
        required=growth.of(known, asked.required),
        known=known,
        asked_limit=asked.limit,
        limit=asked.limit if told is None else max(told.limit, asked.limit),
    )
