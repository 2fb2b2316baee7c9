"""Telling people's apps: each is told by one worker, of what was committed, until its gateway has taken it.

A message costs its sender nothing: no row is written for those who are to be told. Everybody with a pusher belongs to a
lane, and a lane to the one worker that holds its lease. That worker follows the stream, finds out who was in the room,
evaluates their rules as for unread counts, and sends. What a gateway took is kept with the pusher before the next is
sent to it; how far the lane was looked at is kept with the lease. So after a crash another worker goes on from there,
and sends again only what was sent and not kept. Whoever lost the lease can keep nothing, and sends nothing more.
"""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import structlog
from prometheus_client import Gauge

from bongsu import pace
from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.push.people import People, Target
from bongsu.push.planning import Planning
from bongsu.push.rounds import Rounds
from bongsu.push.sending import Sending
from bongsu.store import pushing
from bongsu.store.database import REFUSED, Database
from bongsu.store.feed import Feed
from bongsu.store.pushing import Lane
from bongsu.store.rows import Segment

log = structlog.get_logger(__name__)

HELD: Final = Gauge("bongsu_pushers_held", "Pushers that this worker looks after")
OWED: Final = Gauge("bongsu_pushers_behind", "Of these, those that have not been told everything yet")


class Pushing:
    """start() and stop() for workers that serve; apply() is the feed's; heard() of a pusher that was set here."""

    def __init__(
        self,
        database: Database,
        feed: Feed,
        planning: Planning,
        sending: Sending,
        *,
        is_pressed: Callable[[], bool],
        random: Callable[[], float],
    ) -> None:
        self._database = database
        self._feed = feed
        self._planning = planning
        self._is_pressed = is_pressed
        self._rounds = Rounds(database, self, planning, sending, random)
        self._worker_id = uuid.uuid4()
        self._lanes: dict[int, Lane] = {}
        self._good_until = 0.0
        self._rests = False  # nobody has a pusher
        self._people = People(database, self._rounds.marked, planning.may_concern)
        self._walked = 0
        self._segments: list[Segment] = []
        self._overrun = False
        self._walking = asyncio.Lock()
        self._news = asyncio.Event()
        self._hurry = pace.Bell()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._look_for_ever(), name="push leases"),
            asyncio.create_task(self._walk_for_ever(), name="push"),
        ]

    async def stop(self) -> None:
        """Others may go on when what is under way here has ended."""
        if not self._tasks:
            return
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        await self._rounds.stop()
        with suppress(Refusal, *REFUSED):
            await self._give_back(list(self._lanes))
            await pushing.leave(self._database, self._worker_id)

    def apply(self, segment: Segment) -> None:
        if not self._lanes or not (segment.events or segment.receipts or segment.account_data):
            return
        for row in segment.account_data:
            if not row.room_id and self._people.has(row.user_id):
                self._planning.forget(row.user_id)
        if len(self._segments) < limits.PUSH_SEGMENTS_MAX:
            self._segments.append(segment)
        else:
            self._overrun = True
        self._news.set()

    def heard(self, user_id: str) -> None:
        """A pusher was set. Whoever looks after the person elsewhere finds it at the next look."""
        self._hurry.set()

    def wanted(self) -> None:
        """Somebody has a pusher."""
        if self._rests:
            self._hurry.set()

    # --- what the rounds ask (rounds.Holder) ---

    @property
    def walked(self) -> int:
        return self._walked

    @property
    def may_send(self) -> bool:
        return asyncio.get_running_loop().time() < self._good_until

    def lane(self, number: int) -> Lane | None:
        return self._lanes.get(number)

    def is_known(self, target: Target) -> bool:
        return self._people.is_known(target)

    def forget(self, target: Target) -> None:
        self._people.forget(target)

    def lost(self) -> None:
        """The fence of a lane is another one now: which, says the next look."""
        self._hurry.set()

    # --- lanes ---

    async def _look_for_ever(self) -> None:
        while True:
            seconds = limits.PUSH_LOOK_SECONDS
            try:
                seconds = await self._look()
            except (Refusal, *REFUSED) as error:
                log.warning("push_lanes_not_renewed", error=repr(error))
            except Exception:
                log.exception("push_lanes_not_renewed")
            await self._hurry.comes(seconds)
            self._hurry.clear()

    async def _look(self) -> float:
        """Renews and takes leases, and finds new pushers. Seconds until the next time."""
        self._rests = not self._lanes and not await pushing.anybody(self._database)
        if self._rests:
            return limits.PUSH_QUIET_SECONDS
        now = asyncio.get_running_loop().time()
        renewed = await pushing.renew(self._database, self._worker_id, self._lanes, self._walked_to())
        self._lanes = {number: lane for number, lane in self._lanes.items() if number in renewed.kept}
        self._drop_strangers()
        self._good_until = now + limits.PUSH_LEASE_SECONDS - limits.PUSH_LEASE_SPARE_SECONDS
        if renewed.taken:
            await self._take(renewed.taken)
        if len(self._lanes) > renewed.share:
            await self._give_back(sorted(self._lanes)[renewed.share :])
        await self._find_new()
        HELD.set(len(self._people))
        OWED.set(len(self._rounds.behind))
        return limits.PUSH_LOOK_SECONDS

    async def _take(self, lanes: Sequence[Lane]) -> None:
        """What was walked by whoever had them before is not walked again."""
        async with self._walking:
            if not self._lanes:
                self._segments.clear()
                self._overrun = False
                self._people.forget_rooms()
                self._walked = self._feed.pos
            walked = {lane.number: lane.walked_pos for lane in lanes}
            self._lanes.update({lane.number: lane for lane in lanes})
            self._people.keep_lanes(self._lanes)
            try:
                owners = await pushing.owners_in(self._database, walked)
                await self._people.add(owners, lambda owner: walked[owner.lane], self._walked)
            except BaseException:  # whoever takes them next does it from the beginning
                self._lanes = {number: lane for number, lane in self._lanes.items() if number not in walked}
                self._drop_strangers()
                raise

    async def _find_new(self) -> None:
        async with self._walking:
            owners = await pushing.set_lately(self._database, self._lanes)
            await self._people.add(owners, lambda owner: owner.told_pos, self._walked)
        for target in self._people.among(owners):
            if target.rests:  # it may have been set to another address, and need not wait any longer
                self._rounds.again(target)

    async def _give_back(self, numbers: Sequence[int]) -> None:
        """Their people are told nothing more from here."""
        lanes = [self._lanes.pop(number) for number in numbers]
        behind = list(self._rounds.behind)
        self._drop_strangers()
        walked = [
            min((target.since for target in behind if target.lane == lane.number), default=self._walked)
            for lane in lanes
        ]
        await self._rounds.ended(numbers)
        if lanes:
            await pushing.give_back(self._database, list(zip(lanes, walked, strict=True)))

    def _drop_strangers(self) -> None:
        for target in self._people.keep_lanes(self._lanes):
            self._rounds.drop(target)

    def _walked_to(self) -> int:
        """Up to where nothing is owed but what stands with its pusher."""
        return min((target.since for target in self._rounds.behind), default=self._walked)

    # --- following the stream ---

    async def _walk_for_ever(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            await asyncio.sleep(limits.PUSH_PRESSED_SECONDS if self._is_pressed() else limits.PUSH_MERGE_SECONDS)
            try:
                async with self._walking:
                    await self._walk()
            except Exception as error:  # whatever it is, what was not walked is looked for in the tables
                log.warning("push_not_walked", error=repr(error))
                self._overrun = True
                self._news.set()
                await asyncio.sleep(limits.PUSH_RESUME_SECONDS)

    async def _walk(self) -> None:
        segments, self._segments = self._segments, []
        if self._overrun:
            to = self._feed.pos
            self._overrun = False
            await self._people.find_all(self._walked, to)
            self._walked = max(self._walked, to)
        elif segments:
            await self._people.walk(segments)
            self._walked = max(self._walked, segments[-1].to)
