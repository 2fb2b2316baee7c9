"""What somebody has to be told now: their rules on what they have not read, and how much is unread in all."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence

import msgspec

from bongsu.core import limits
from bongsu.core.events import MEMBER, REDACTION, Event
from bongsu.core.quiet import calls
from bongsu.core.timeline import thread_of
from bongsu.push.words import Counts, News, missed_calls
from bongsu.rooms.cache import Rooms
from bongsu.rooms.room import Room
from bongsu.store import events as event_table
from bongsu.store import pushing
from bongsu.store.database import Database
from bongsu.store.feed import Feed
from bongsu.sync import unread
from bongsu.sync.readers import Reader, Readers
from bongsu.sync.unread import Counter

_BADGES_MAX = 50_000  # people whose counts are kept


class Plan(msgspec.Struct):
    """news: oldest first. It holds until something is read: see is_stale.

    hushed: some were left out for the person's quiet hours; only the count tells of them.
    """

    news: list[News]
    counts: Counts
    reader: Reader
    uncounted: int
    hushed: bool

    @property
    def is_stale(self) -> bool:
        """Has the person read something since, or changed what they want to be told?"""
        return self.reader.uncounted != self.uncounted


class Planning:
    """plan() for one person; forget() them when their rules change or others look after them.

    services: whose urgent calls go through quiet hours, by user id.
    """

    def __init__(
        self,
        database: Database,
        feed: Feed,
        rooms: Rooms,
        readers: Readers,
        services: frozenset[str],
        now_ms: Callable[[], int],
    ) -> None:
        self._database = database
        self._feed = feed
        self._rooms = rooms
        self._readers = readers
        self._services = services
        self._now_ms = now_ms
        self._counter = Counter(database)
        self._badges: OrderedDict[str, dict[str, Counts]] = OrderedDict()

    def forget(self, user_id: str) -> None:
        self._badges.pop(user_id, None)

    def may_concern(self, user_id: str, event: Event) -> bool:
        """False where it is sure that an event is nothing to this person. Costs a hundredth of a plan."""
        reader, room = self._readers.known(user_id), self._rooms.known(event.room_id)
        if reader is None or room is None or event.sender == user_id or event.type == REDACTION:
            return True
        if unread.passes_over(reader, event):
            return False
        if reader.rules.needs_display_name and user_id not in room.members:
            return True
        return unread.outcome_of(reader, event, unread.facts_of(room, reader)).notify

    async def plan(self, user_id: str, room_ids: Collection[str], after: int, up_to: int) -> Plan:
        """Of what happened in these rooms in (after, up_to]."""
        reader = await self._readers.get(user_id)
        uncounted = reader.uncounted
        news: list[News] = []
        for room_id in room_ids:
            news += await self._in_room(reader, room_id, after, up_to)
        told = [each for each in news if self._may_sound(reader, each)]
        told.sort(key=lambda each: each.event.pos)
        told = told[-limits.PUSH_QUEUE_MAX :]
        for each in told:
            await unread.know_members(self._database, each.room, [each.event.sender])
        hushed = bool(news) and not told
        return Plan(told, await self._counts(reader, room_ids), reader, uncounted, hushed)

    # --- events ---

    async def _in_room(self, reader: Reader, room_id: str, after: int, up_to: int) -> list[News]:
        place = reader.memberships.get(room_id)
        if place is None or place.membership not in ("join", "invite"):
            return []
        room = await self._rooms.get(room_id)
        await unread.know_name(self._database, reader, room)
        if place.membership == "invite":
            found = await event_table.by_pos(self._database, [place.pos] if after < place.pos <= up_to else [])
            return self._news(reader, room, list(found.values()), {})
        read_at = (await self._counter.of(reader, room, self._feed.pos)).read_at
        events = await self._events(reader, room, max(after, place.joined_pos or 0), up_to)
        return self._news(reader, room, events, read_at)

    async def _events(self, reader: Reader, room: Room, after: int, up_to: int) -> list[Event]:
        if room.tail_after <= after:
            return [event for event in room.after(after) if event.pos <= up_to]
        return await unread.newest(self._database, reader, room, after, up_to)

    def _news(self, reader: Reader, room: Room, events: Sequence[Event], read_at: dict[str, int]) -> list[News]:
        oldest_ms = self._now_ms() - int(limits.PUSH_GIVEN_UP_SECONDS * 1000)
        facts = unread.facts_of(room, reader)
        news: list[News] = []
        for event in events:
            if event.ts_ms < oldest_ms or unread.is_read(event, thread_of(event), read_at):
                continue
            outcome = unread.outcome_of(reader, event, facts)
            if outcome.notify:
                is_target = event.type == MEMBER and event.state_key == reader.user_id
                news.append(News(event, outcome, room, is_target))
        return news

    def _may_sound(self, reader: Reader, news: News) -> bool:
        """Nothing does in the person's quiet hours. What came in them does not after them either: a morning does not
        begin with all of it at once.
        """
        hours, event, now = reader.quiet, news.event, self._now_ms()
        if hours is None or (hours.until(now) is None and hours.until(min(event.ts_ms, now)) is None):
            return True
        return hours.lets_through(event, is_mention=news.outcome.highlight) or calls(
            event, reader.user_id, self._services
        )

    # --- counts ---

    async def _counts(self, reader: Reader, changed: Collection[str]) -> Counts:
        badges = self._badges.get(reader.user_id)
        is_new = badges is None
        if badges is None:
            badges = {}
            changed = {*changed, *await pushing.maybe_unread(self._database, reader.user_id)}
        await self._rooms.know(room_id for room_id in changed if reader.is_joined(room_id))
        for room_id in changed:
            await self._count(reader, room_id, badges)
        if is_new:
            self._keep(reader.user_id, badges)
        calls = sum(counts.missed_calls for counts in badges.values())
        return Counts(sum(counts.unread for counts in badges.values()), calls)

    def _keep(self, user_id: str, badges: dict[str, Counts]) -> None:
        self._badges[user_id] = badges
        if len(self._badges) > _BADGES_MAX:
            self._badges.popitem(last=False)

    async def _count(self, reader: Reader, room_id: str, badges: dict[str, Counts]) -> None:
        if not reader.is_joined(room_id):
            badges.pop(room_id, None)
            return
        room = await self._rooms.get(room_id)
        found = await self._counter.of(reader, room, self._feed.pos)
        total = found.notify + sum(notify for notify, _ in found.threads.values())
        counts = Counts(total, missed_calls(room, reader.user_id, found.read_at))
        if counts == Counts(0):
            badges.pop(room_id, None)
        else:
            badges[room_id] = counts
