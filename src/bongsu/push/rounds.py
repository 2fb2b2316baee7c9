"""A pusher's rounds: what there is to tell is planned, said, and kept, again and again until there is nothing more.

What a gateway took is kept before the next is sent to it. What it did not take stands with the pusher from then on,
with the time of the next try, so that the lane need not wait for it.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

import structlog

from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.push.people import Target
from bongsu.push.planning import Plan, Planning
from bongsu.push.sending import Outcome, Said, Sending, Slots, wants_counts
from bongsu.push.together import Together
from bongsu.push.words import News
from bongsu.store import pushing
from bongsu.store.database import REFUSED, Database
from bongsu.store.pushing import Lane, Sent, State

log = structlog.get_logger(__name__)


class LaneLost(Exception):
    """Another worker looks after these people now."""


class NotNow(Exception):
    """Nothing more may be sent for the moment: the lease may end, or what was planned holds no longer."""


class Holder(Protocol):
    """Who holds the lanes. walked: up to where everybody was marked; may_send: is the lease good for a while?"""

    @property
    def walked(self) -> int: ...

    @property
    def may_send(self) -> bool: ...

    def lane(self, number: int) -> Lane | None: ...

    def is_known(self, target: Target) -> bool: ...

    def forget(self, target: Target) -> None: ...

    def lost(self) -> None: ...


class Rounds:
    """behind: who has not been told everything yet, and whose pusher does not say so by itself."""

    def __init__(
        self,
        database: Database,
        holder: Holder,
        planning: Planning,
        sending: Sending,
        random: Callable[[], float],
    ) -> None:
        self.behind: set[Target] = set()
        self._database = database
        self._holder = holder
        self._planning = planning
        self._sending = sending
        self._random = random
        self._under_way: set[asyncio.Task[None]] = set()
        self._evaluating = asyncio.Semaphore(limits.PUSH_ROUNDS_MAX)
        self._slots = Slots()
        self._states: Together[int, State | None] = Together(self._read_states)
        self._confirmed: Together[Sent, bool] = Together(self._confirm_all)
        self._is_stopping = False

    async def stop(self) -> None:
        """What is under way ends, so that it need not be sent again."""
        self._is_stopping = True
        await self._wait(self._under_way)
        for task in self._under_way:
            task.cancel()

    async def ended(self, lanes: Collection[int]) -> None:
        """Returns when nothing is under way for these lanes, whose targets are not known any more."""
        names = {_name(number) for number in lanes}
        await self._wait({task for task in self._under_way if task.get_name() in names})

    async def _wait(self, tasks: set[asyncio.Task[None]]) -> None:
        if tasks:
            await asyncio.wait(tasks, timeout=limits.PUSH_STOP_SECONDS)

    def marked(self, target: Target) -> None:
        """Something happened. Who rests is not woken: what they owe stands with them."""
        if not target.rests:
            self.behind.add(target)
            self._begin(target)

    def drop(self, target: Target) -> None:
        self.behind.discard(target)
        self._planning.forget(target.user_id)

    def again(self, target: Target) -> None:
        """It has rested for long enough."""
        target.rests = False
        if self._holder.is_known(target):
            self._begin(target)

    def _begin(self, target: Target) -> None:
        if target.running or self._is_stopping:
            return
        target.running = True
        task = asyncio.create_task(self._round(target), name=_name(target.lane))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _round(self, target: Target) -> None:
        """Tells one pusher what there is, and once more if something came meanwhile."""
        rooms: set[str] = set()
        pause: float | None = None
        try:
            pause = await self._tell(target, rooms)
        except NotNow:
            pause = 0.0 if self._holder.may_send else limits.PUSH_RESUME_SECONDS
        except LaneLost:
            self._holder.lost()
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
        if not self._holder.is_known(target) or self._is_stopping:
            return
        if pause is not None:
            target.rooms |= rooms
            self._rest(target, pause)
        elif target.rooms:
            target.since = target.done
            self._begin(target)
        else:
            self.behind.discard(target)

    def _rest(self, target: Target, seconds: float) -> None:
        target.rests = True
        asyncio.get_running_loop().call_later(seconds, self.again, target)

    async def _tell(self, target: Target, rooms: set[str]) -> float | None:
        """Seconds after which it must be tried again; None when it was told everything up to now.

        rooms: gets those that this was about.
        """
        async with self._evaluating:
            up_to = self._holder.walked  # at the same moment as the rooms, among which are none of later
            rooms |= target.rooms
            target.rooms.clear()
            state = await self._states.ask(target.pusher_id)
            if state is None:
                self._holder.forget(target)
                self.behind.discard(target)
                return None
            if state.due_seconds > 0:
                return self._keeps_owing(target, state.due_seconds)
            after = state.told_pos if state.owing else max(state.told_pos, target.done)
            plan = await self._planning.plan(target.user_id, rooms, after, up_to)
        return await self._say_all(target, state, plan, after, up_to)

    def _keeps_owing(self, target: Target, seconds: float) -> float:
        """What it owes stands with the pusher, so that the lane need not wait for it."""
        self.behind.discard(target)
        return seconds

    async def _say_all(self, target: Target, state: State, plan: Plan, after: int, up_to: int) -> float | None:
        things: list[News | None] = [] if state.is_locked else list(plan.news)
        if not things and not state.is_locked and wants_counts(state, plan.counts, hushed=plan.hushed):
            things = [None]
        for number, news in enumerate(things, 1):
            async with self._slots.of(state.pusher.url):
                lane = self._check(target, plan)
                said = await self._sending.say(state, news, plan.counts)
            if said.outcome is Outcome.GONE:
                return await self._remove(target, state)
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

    def _check(self, target: Target, plan: Plan) -> Lane:
        """Just before something is sent: by which right."""
        if plan.is_stale or self._is_stopping or not self._holder.may_send or not self._holder.is_known(target):
            raise NotNow
        return self._lane(target)

    async def _remove(self, target: Target, state: State) -> float | None:
        """A pusher that was set anew meanwhile stays, and is told at once."""
        if not await pushing.remove(self._database, target.pusher_id, state.set_ms):
            return 0.0
        log.info("pusher_gone", app_id=state.pusher.app_id)
        self._holder.forget(target)
        self.behind.discard(target)
        return None

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
        lane = self._holder.lane(target.lane)
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


def _name(lane: int) -> str:
    return f"push {lane}"
