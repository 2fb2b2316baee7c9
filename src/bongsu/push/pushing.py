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

from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.push.people import People, Target
from bongsu.push.planning import Plan, Planning
from bongsu.push.sending import Outcome, Said, Sending, Slots, wants_counts
from bongsu.push.together import Together
from bongsu.push.words import News
from bongsu.store import pushing
from bongsu.store.database import REFUSED, Database
from bongsu.store.feed import Feed
from bongsu.store.pushing import Lane, Sent, State
from bongsu.store.rows import Segment

log = structlog.get_logger(__name__)

HELD: Final = Gauge("bongsu_pushers_held", "Pushers that this worker looks after")
OWED: Final = Gauge("bongsu_pushers_behind", "Of these, those that have not been told everything yet")


class LaneLost(Exception):
    """Another worker looks after these people now."""


class NotNow(Exception):
    """Nothing more may be sent for the moment: the lease may end, or what was planned holds no longer."""


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
        self._sending = sending
        self._is_pressed = is_pressed
        self._random = random
        self._worker_id = uuid.uuid4()
        self._lanes: dict[int, Lane] = {}
        self._good_until = 0.0
        self._people = People(database, self._marked, planning.may_concern)
        self._walked = 0
        self._segments: list[Segment] = []
        self._overrun = False
        self._walking = asyncio.Lock()
        self._news = asyncio.Event()
        self._hurry = asyncio.Event()
        self._behind: set[Target] = set()
        self._rounds: set[asyncio.Task[None]] = set()
        self._evaluating = asyncio.Semaphore(limits.PUSH_ROUNDS_MAX)
        self._slots = Slots()
        self._states: Together[int, State | None] = Together(self._read_states)
        self._confirmed: Together[Sent, bool] = Together(self._confirm_all)
        self._tasks: list[asyncio.Task[None]] = []
        self._is_stopping = False

    def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._look_for_ever(), name="push leases"),
            asyncio.create_task(self._walk_for_ever(), name="push"),
        ]

    async def stop(self) -> None:
        """What is under way ends, so that it need not be sent again; then others may go on."""
        self._is_stopping = True
        if not self._tasks:
            return
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        if self._rounds:
            await asyncio.wait(self._rounds, timeout=limits.PUSH_STOP_SECONDS)
        for task in self._rounds:
            task.cancel()
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
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._hurry.wait()
            self._hurry.clear()

    async def _look(self) -> float:
        """Renews and takes leases, and finds new pushers. Seconds until the next time."""
        if not self._lanes and not await pushing.anybody(self._database):
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
        OWED.set(len(self._behind))
        return limits.PUSH_LOOK_SECONDS

    async def _take(self, lanes: Sequence[Lane]) -> None:
        """What was walked by whoever had them before is not walked again."""
        async with self._walking:
            if not self._lanes:
                self._segments.clear()
                self._overrun = False
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
                self._again(target)

    async def _give_back(self, numbers: Sequence[int]) -> None:
        """Their people are told nothing more from here."""
        lanes = [self._lanes.pop(number) for number in numbers]
        behind = list(self._behind)
        self._drop_strangers()
        walked = [
            min((target.since for target in behind if target.lane == lane.number), default=self._walked)
            for lane in lanes
        ]
        running = [task for task in self._rounds if task.get_name() in {f"push {number}" for number in numbers}]
        if running:
            await asyncio.wait(running, timeout=limits.PUSH_STOP_SECONDS)
        if lanes:
            await pushing.give_back(self._database, list(zip(lanes, walked, strict=True)))

    def _drop_strangers(self) -> None:
        for target in self._people.keep_lanes(self._lanes):
            self._behind.discard(target)
            self._planning.forget(target.user_id)

    def _walked_to(self) -> int:
        """Up to where nothing is owed but what stands with its pusher."""
        return min((target.since for target in self._behind), default=self._walked)

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

    def _marked(self, target: Target) -> None:
        if target.rests:
            return  # what it owes stands with it
        self._behind.add(target)
        self._begin(target)

    # --- one pusher's round ---

    def _begin(self, target: Target) -> None:
        if target.running or self._is_stopping:
            return
        target.running = True
        task = asyncio.create_task(self._round(target), name=f"push {target.lane}")
        self._rounds.add(task)
        task.add_done_callback(self._rounds.discard)

    async def _round(self, target: Target) -> None:
        """Tells one pusher what there is, and once more if something came meanwhile."""
        rooms: set[str] = set()
        pause: float | None = None
        try:
            pause = await self._tell(target, rooms)
        except NotNow:
            pause = 0.0 if self._may_send() else limits.PUSH_RESUME_SECONDS
        except LaneLost:
            self._hurry.set()
            pause = limits.PUSH_RESUME_SECONDS
        except (Refusal, *REFUSED) as error:
            log.info("push_later", error=repr(error))
            pause = limits.PUSH_RESUME_SECONDS
        except Exception:
            log.exception("push_failed")
            pause = limits.PUSH_RETRY_SECONDS_MAX
        finally:
            target.running = False
        self._end(target, rooms, pause)

    def _end(self, target: Target, rooms: set[str], pause: float | None) -> None:
        """pause: None when all was told; else what happened in these rooms must be told after so many seconds."""
        if not self._people.is_known(target) or self._is_stopping:
            return
        if pause is not None:
            target.rooms |= rooms
            self._rest(target, pause)
        elif target.rooms:
            target.since = target.done
            self._begin(target)
        else:
            self._behind.discard(target)

    def _rest(self, target: Target, seconds: float) -> None:
        target.rests = True
        asyncio.get_running_loop().call_later(seconds, self._again, target)

    def _again(self, target: Target) -> None:
        target.rests = False
        if self._people.is_known(target):
            self._begin(target)

    async def _tell(self, target: Target, rooms: set[str]) -> float | None:
        """Seconds after which it must be tried again; None when it was told everything up to now.

        rooms: gets those that this was about.
        """
        async with self._evaluating:
            up_to = self._walked  # at the same moment as the rooms: those where something happened later are not in it
            rooms |= target.rooms
            target.rooms.clear()
            state = await self._states.ask(target.pusher_id)
            if state is None:
                self._people.forget(target)
                self._behind.discard(target)
                return None
            if state.due_seconds > 0:
                return self._keeps_owing(target, state.due_seconds)
            after = state.told_pos if state.owing else max(state.told_pos, target.done)
            plan = await self._planning.plan(target.user_id, rooms, after, up_to)
        return await self._say_all(target, state, plan, after, up_to)

    def _keeps_owing(self, target: Target, seconds: float) -> float:
        """What it owes stands with the pusher, so that the lane need not wait for it."""
        self._behind.discard(target)
        return seconds

    async def _say_all(self, target: Target, state: State, plan: Plan, after: int, up_to: int) -> float | None:
        things: list[News | None] = list(plan.news)
        if not things and wants_counts(state, plan.counts):
            things = [None]
        for number, news in enumerate(things, 1):
            async with self._slots.of(state.pusher.url):
                lane = self._check(target, plan)
                said = await self._sending.say(state, news, plan.counts)
            if said.outcome is Outcome.GONE:
                await self._remove(target, state)
                return None
            if said.outcome is Outcome.FAILED:
                return await self._failed(target, lane, state, said, after, up_to)
            is_last = number == len(things)
            after = up_to if is_last or news is None else news.event.pos
            await self._keep(target, lane, after, plan.counts.unread, owing=state.owing and not is_last)
            target.done = max(target.done, after)
        if not things and state.owing:
            await self._keep(target, self._lane(target), up_to, state.badge, owing=False)
        target.done = max(target.done, up_to)
        return None

    def _may_send(self) -> bool:
        return asyncio.get_running_loop().time() < self._good_until

    def _check(self, target: Target, plan: Plan) -> Lane:
        """Just before something is sent: by which right."""
        if plan.is_stale or self._is_stopping or not self._may_send() or not self._people.is_known(target):
            raise NotNow
        return self._lane(target)

    async def _remove(self, target: Target, state: State) -> None:
        log.info("pusher_gone", app_id=state.pusher.app_id)
        await pushing.remove(self._database, target.pusher_id)
        self._people.forget(target)
        self._behind.discard(target)

    async def _failed(
        self, target: Target, lane: Lane, state: State, said: Said, told: int, up_to: int
    ) -> float | None:
        """It is tried again later and later; what could not be told for a day is given up."""
        if state.failing_seconds > limits.PUSH_GIVEN_UP_SECONDS:
            log.warning("push_given_up", app_id=state.pusher.app_id)
            await self._keep(target, lane, up_to, state.badge, owing=False)
            target.done = max(target.done, up_to)
            return None
        seconds = self._pause(state.tries, said.retry_after)
        await pushing.fail(self._database, target.pusher_id, lane, told, seconds)
        return self._keeps_owing(target, seconds)

    def _pause(self, tries: int, retry_after: float) -> float:
        """Twice as long each time, a quarter more or less, so that not all come back at once."""
        seconds = min(limits.PUSH_RETRY_SECONDS_MIN * 2.0 ** min(tries, 20), limits.PUSH_RETRY_SECONDS_MAX)
        return max(seconds * (0.75 + self._random() / 2), min(retry_after, limits.PUSH_RETRY_SECONDS_MAX))

    def _lane(self, target: Target) -> Lane:
        lane = self._lanes.get(target.lane)
        if lane is None:
            raise LaneLost
        return lane

    # --- what is kept ---

    async def _keep(self, target: Target, lane: Lane, told: int, badge: int, *, owing: bool) -> None:
        """Returns when it is kept, however long that takes: it was sent. LaneLost: somebody else goes on."""
        sent = Sent(target.pusher_id, lane.number, lane.fence, told, badge, owing)
        while True:
            try:
                if not await self._confirmed.ask(sent):
                    raise LaneLost
                return
            except (Refusal, *REFUSED):
                await asyncio.sleep(limits.PUSH_RESUME_SECONDS)

    async def _confirm_all(self, sent: Sequence[Sent]) -> list[bool]:
        kept = await pushing.confirm(self._database, sent)
        return [each.pusher_id in kept for each in sent]

    async def _read_states(self, pusher_ids: Sequence[int]) -> list[State | None]:
        found = await pushing.states(self._database, pusher_ids)
        return [found.get(pusher_id) for pusher_id in pusher_ids]
