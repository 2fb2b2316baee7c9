"""Who of this worker's lanes may have to be told of something, and in which rooms it happened."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Sequence

from bongsu.core import limits
from bongsu.core.events import MEMBER, Event, membership_of
from bongsu.store import pushing
from bongsu.store.database import Database
from bongsu.store.pushing import Owner
from bongsu.store.rows import Segment


class Target:
    """A pusher as this worker knows it.

    done: everything up to here was looked at for it; rooms: where something happened since then; since: nothing before
    this has to be looked at again after a crash; rests: it is not its time to be tried again.
    """

    __slots__ = ("done", "lane", "pusher_id", "rests", "rooms", "running", "since", "user_id")

    def __init__(self, owner: Owner, done: int) -> None:
        self.pusher_id = owner.pusher_id
        self.user_id = owner.user_id
        self.lane = owner.lane
        self.done = done
        self.since = done
        self.rooms: set[str] = set()
        self.running = False
        self.rests = False


class People:
    """marked: is called with every target in whose rooms something happened; may_concern: is a person to be told of an
    event, or may it change what they are told?
    """

    def __init__(
        self, database: Database, marked: Callable[[Target], None], may_concern: Callable[[str, Event], bool]
    ) -> None:
        self._database = database
        self._marked = marked
        self._may_concern = may_concern
        self._of_user: dict[str, dict[int, Target]] = {}
        self._in_room: OrderedDict[str, set[str]] = OrderedDict()
        self._lanes: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return sum(map(len, self._of_user.values()))

    def has(self, user_id: str) -> bool:
        return user_id in self._of_user

    def targets(self) -> Iterable[Target]:
        return [target for targets in self._of_user.values() for target in targets.values()]

    def is_known(self, target: Target) -> bool:
        return self._of_user.get(target.user_id, {}).get(target.pusher_id) is target

    def keep_lanes(self, lanes: Collection[int]) -> list[Target]:
        """From now on these alone. The targets of others, which are forgotten."""
        self._lanes = frozenset(lanes)
        gone = [target for target in self.targets() if target.lane not in self._lanes]
        for target in gone:
            self.forget(target)
        return gone

    def forget(self, target: Target) -> None:
        targets = self._of_user.get(target.user_id, {})
        targets.pop(target.pusher_id, None)
        if not targets:
            self._of_user.pop(target.user_id, None)

    async def add(self, owners: Sequence[Owner], walked: Callable[[Owner], int], up_to: int) -> None:
        """Takes in those that are new, and marks them where something happened between what they were told and up_to.

        walked: up to where others looked already, for those that owe nothing.
        """
        new = [owner for owner in owners if owner.pusher_id not in self._of_user.get(owner.user_id, {})]
        if not new:
            return
        await self._enter_rooms({owner.user_id for owner in new} - self._of_user.keys())
        told: dict[str, int] = {}
        for owner in new:
            done = owner.told_pos if owner.owing else max(owner.told_pos, walked(owner))
            self._of_user.setdefault(owner.user_id, {})[owner.pusher_id] = Target(owner, done)
            told[owner.user_id] = min(done, told.get(owner.user_id, done))
        await self.find(told, up_to)
        for target in self.among([owner for owner in new if owner.owing]):
            self._marked(target)  # where nothing happened, it owes nothing from now on

    def among(self, owners: Sequence[Owner]) -> list[Target]:
        found = (self._of_user.get(owner.user_id, {}).get(owner.pusher_id) for owner in owners)
        return [target for target in found if target is not None]

    async def _enter_rooms(self, user_ids: Collection[str]) -> None:
        if user_ids and self._in_room:
            for user_id, room_id in await pushing.rooms_of(self._database, user_ids):
                if room_id in self._in_room:
                    self._in_room[room_id].add(user_id)

    async def find(self, told: dict[str, int], up_to: int) -> None:
        """Marks, from the tables, what happened to people after a position of theirs."""
        for user_id, room_id in await pushing.happened(self._database, told, up_to):
            self.mark(user_id, room_id, told[user_id])

    async def find_all(self, after: int, up_to: int) -> None:
        """The same for everybody, when there was too much to follow."""
        self.forget_rooms()
        await self.find(dict.fromkeys(self._of_user, after), up_to)

    def forget_rooms(self) -> None:
        """Who is in them was not followed for a while."""
        self._in_room.clear()

    def mark(self, user_id: str, room_id: str, after: int) -> None:
        for target in self._of_user.get(user_id, {}).values():
            if not target.rooms and not target.running:
                target.since = max(target.done, after)
            target.rooms.add(room_id)
            self._marked(target)

    # --- following the stream ---

    async def walk(self, segments: Sequence[Segment]) -> None:
        """Marks everybody whom these segments may concern: all at once, after they were found."""
        await self._know({event.room_id for segment in segments for event in segment.events})
        concerned: list[tuple[str, str, int]] = []
        for segment in segments:
            for event in segment.events:
                concerned += [(user_id, event.room_id, event.pos - 1) for user_id in await self._whom(event)]
            concerned += [
                (receipt.user_id, receipt.room_id, receipt.pos - 1)
                for receipt in segment.receipts
                if receipt.user_id in self._of_user
            ]
        for user_id, room_id, after in concerned:
            self.mark(user_id, room_id, after)
        while len(self._in_room) > limits.PUSH_ROOMS_CACHED_MAX:
            self._in_room.popitem(last=False)

    async def _know(self, room_ids: set[str]) -> None:
        missing = room_ids - self._in_room.keys()
        if missing:
            self._in_room.update(await pushing.people_in(self._database, missing, self._lanes))
        for room_id in room_ids:
            self._in_room.move_to_end(room_id)

    async def _whom(self, event: Event) -> list[str]:
        """A room may hold thousands: others have their turn between them."""
        inside = self._in_room[event.room_id]
        whom: list[str] = []
        for number, user_id in enumerate(list(inside)):
            if number % limits.PUSH_PEOPLE_AT_ONCE == 0:
                await asyncio.sleep(0)
            if user_id in self._of_user and self._may_concern(user_id, event):
                whom.append(user_id)
        person = event.state_key
        if event.type == MEMBER and person is not None and person in self._of_user:
            (inside.add if membership_of(event) == "join" else inside.discard)(person)
            whom.append(person)
        return whom
