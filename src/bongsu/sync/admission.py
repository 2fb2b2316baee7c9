"""The door for people who come anew: first syncs, and people whom this worker does not know yet.

When a site is lost, all its people come at once. Each is read from the database and costs many times what a known one
does. A few are worked on together, some stand in line, and all others are told when to come again, each a little later
than the one before, as fast as the line is seen to move: so they come neither together nor too late, and cost nothing
meanwhile.
"""

import asyncio
import random
from collections import Counter as Tally
from collections import deque
from collections.abc import Callable
from typing import Final

from prometheus_client import Counter, Gauge

from bongsu.core import limits
from bongsu.core.errors import Refusal, limit_exceeded

ADMITTED: Final = Counter("bongsu_arrivals_total", "People who came anew and were let in")
PUT_OFF: Final = Counter("bongsu_arrivals_put_off_total", "Times that somebody who came anew was told to come later")
IN_LINE: Final = Gauge("bongsu_arrivals_in_line", "People who stand in line")
_FIRST_SECONDS: Final = 0.005  # from one to the next, before the line was seen to move
_SMOOTH: Final = 0.02  # of each new value in how long it takes from one to the next
_BOOKED: Final = 0.8  # of that: some come later than they were told, and the line takes those who come too early
_JITTER: Final = 0.2


class Entry:
    """A place among those at work. leave() it soon; more than once does no harm."""

    __slots__ = ("_leave", "_left")

    def __init__(self, leave: Callable[[], None]) -> None:
        self._left = False
        self._leave = leave

    def leave(self) -> None:
        if not self._left:
            self._left = True
            self._leave()


class Admission:
    """enter() for who comes anew. clock: seconds; dice: from 0 to less than 1; is_open: for everybody.

    per_person_max: of one person at work or in line.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        dice: Callable[[], float] = random.random,
        *,
        is_open: bool = False,
        per_person_max: int = limits.ARRIVALS_PER_PERSON_MAX,
    ) -> None:
        self._is_open = is_open
        self._per_person_max = per_person_max
        self._clock = clock
        self._dice = dice
        self._inside = 0
        self._line: deque[asyncio.Future[None]] = deque()
        self._people: Tally[str] = Tally()
        self._pace_seconds = _FIRST_SECONDS
        self._moved_at: float | None = None  # when the line last moved, if it has not ended since
        self._booked_until = 0.0

    async def enter(self, user_id: str) -> Entry:
        """At once, or after a while in line. Raises M_LIMIT_EXCEEDED with the time to come again."""
        if self._is_open:
            return Entry(lambda: None)
        if self._people[user_id] >= self._per_person_max:
            PUT_OFF.inc()
            raise limit_exceeded(2_000 + int(2_000 * self._dice()))
        self._people[user_id] += 1
        try:
            await self._wait()
        except BaseException:
            self._forget(user_id)
            raise
        ADMITTED.inc()
        return Entry(lambda: self._leave(user_id))

    async def go_on(self) -> Entry:
        """For the rest of what was begun: whoever was let in once is next in line, and never told to come later."""
        if self._is_open:
            return Entry(lambda: None)
        if self._inside < limits.ARRIVALS_AT_ONCE_MAX:
            self._inside += 1
        else:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._line.appendleft(turn)
            await self._turn(turn)
        return Entry(self._pass_on)

    async def _wait(self) -> None:
        """Ends with a place taken. Whoever leaves hands theirs to the next in line."""
        if self._inside < limits.ARRIVALS_AT_ONCE_MAX:
            self._inside += 1
            return
        if len(self._line) >= limits.ARRIVALS_IN_LINE_MAX:
            raise self._later()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        try:
            async with asyncio.timeout(limits.ARRIVAL_LINE_SECONDS_MAX):
                await self._turn(turn)
        except TimeoutError:
            raise self._later() from None

    async def _turn(self, turn: asyncio.Future[None]) -> None:
        """turn: stands in line."""
        IN_LINE.inc()
        try:
            await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                self._pass_on()  # the place came as the one who waited left
            elif turn in self._line:
                self._line.remove(turn)
            raise
        finally:
            IN_LINE.dec()

    def _leave(self, user_id: str) -> None:
        self._forget(user_id)
        self._pass_on()

    def _pass_on(self) -> None:
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(None)
                self._note_move()
                return
        self._moved_at = None
        self._inside -= 1

    def _note_move(self) -> None:
        now = self._clock()
        if self._moved_at is not None:
            self._pace_seconds += _SMOOTH * (now - self._moved_at - self._pace_seconds)
        self._moved_at = now

    def _forget(self, user_id: str) -> None:
        self._people[user_id] -= 1
        if not self._people[user_id]:
            del self._people[user_id]

    def _later(self) -> Refusal:
        """Everybody gets a time of their own, behind the line and behind whoever was put off before."""
        PUT_OFF.inc()
        now, pace = self._clock(), self._pace_seconds * _BOOKED
        line_ends = now + pace * len(self._line)
        latest = now + limits.ARRIVAL_RETRY_SECONDS_MAX
        self._booked_until = min(max(self._booked_until, line_ends) + pace, latest)
        wait = (self._booked_until - now) * (1 - _JITTER + 2 * _JITTER * self._dice())
        return limit_exceeded(max(1_000, int(wait * 1000)), "Many come at once and are let in by and by.")
