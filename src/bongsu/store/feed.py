"""The stream as this worker knows it: one gapless sequence of segments, its own commits and those of other workers.

The table is the truth. A notification only says that it is worth looking; without one the feed looks every second,
unless somebody who asked the database for other things saw the position meanwhile.
A worker that is alone spares the notification of plain messages: who begins to listen says so, and now and then the
feed sees for itself whether anybody else still does.
A position is shown to nobody before the commit that made it has passed the barrier. Own commits are applied after
COMMIT returned. Rows of others are visible only after theirs did, with two exceptions: a database that restarted, and a
wait for a second site that somebody cut short, show rows that one site alone has. So a new connection commits a row
before what it reads is trusted, and where commits wait for a second site, every look at the table is followed by a
commit of the feed's own before what was seen is applied. While there is no primary the feed looks at a standby, whose
rows stand in two sites already (store/copies.py). What the committer reads with the right to write is learnt at
once by those who decide, and shown to readers with the commit that follows.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

import structlog
from prometheus_client import Gauge

from bongsu import pace
from bongsu.core.errors import Refusal
from bongsu.store import streams
from bongsu.store.copies import CUT_IS_GONE
from bongsu.store.database import (
    GONE,
    REFUSED,
    Connection,
    Database,
    OutcomeUnknown,
    commit,
    commit_at_once,
    leave_a_mark,
    unavailable,
    watch,
)
from bongsu.store.rows import Segment

log = structlog.get_logger(__name__)

CHANNEL: Final = "bongsu"
_LOOK_EVERY_SECONDS: Final = 1.0
_SEEN_SECONDS: Final = _LOOK_EVERY_SECONDS + pace.BEAT_SECONDS / 2  # who looks for the feed comes every second, too
_TRUSTS_SECONDS: Final = 3.0  # so long the feed sleeps at most, whoever looks for it
_LISTENERS_EVERY_SECONDS: Final = 10.0  # how often a worker that hears nothing sees whether it is alone
_HELD_SECONDS: Final = 0.1
_NEWEST_SECONDS_MAX: Final = 1.5  # then the client had better ask another site
_POSITION: Final = Gauge("bongsu_stream_position", "The newest position this worker shows")

Apply = Callable[[Segment], None]


class Feed:
    """Applies segments in order to whoever follows: caches first, those who wait last."""

    def __init__(self, database: Database) -> None:
        self.pos = 0
        self._database = database
        self.others_listen = True  # or may: a worker that is alone need not notify anybody
        self._was_told = False
        self._expected = 0
        self._saw_at = float("-inf")
        self._unknown_after: int | None = None
        self._followers: list[Apply] = []
        self._learners: list[Apply] = []
        self._hint = pace.Bell()
        self._pulling = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._asking: asyncio.Task[int] | None = None

    def follow(self, apply: Apply, *, learns: bool = False) -> None:
        """`apply` is called with every segment, in order; it must not wait and must not fail.

        learns: it decides rather than shows. It is told of what others committed a moment before readers are, and may
        be told again.
        """
        self._followers.append(apply)
        if learns:
            self._learners.append(apply)

    async def start(self, on_failure: Callable[[], None]) -> None:
        """on_failure: called when the feed cannot go on, which is a fault of this program. The worker must end then."""
        self._know(await self._database.write(streams.barrier_position))
        _POSITION.set_function(lambda: self.pos)
        self._task = asyncio.create_task(self._listen_for_ever(), name="feed")
        watch(self._task, on_failure)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def apply(self, segment: Segment) -> None:
        """Takes a committed segment that begins at or before what is known; the known part is left out."""
        if segment.to <= self.pos:
            return
        if segment.after > self.pos:
            raise ValueError(f"a gap: {self.pos} is known, the segment begins after {segment.after}")
        if segment.after < self.pos:
            segment = segment.later_than(self.pos)
        self._know(segment.to)
        for follower in self._followers:
            follower(segment)

    def _know(self, pos: int) -> None:
        self.pos = self._database.floor = pos

    def expect(self, pos: int) -> None:
        """This worker is about to commit up to `pos`: no need to look for that in the table."""
        self._expected = pos

    def saw(self, pos: int) -> None:
        """Somebody read this position in the table just now. If it is new, the feed looks, behind the barrier."""
        self._saw_at = time.monotonic()
        if pos > max(self.pos, self._expected):
            self._hint.set()

    def hold(self, after: int | None) -> None:
        """While the outcome of an own commit after this position is unknown, nothing beyond it is shown. None: it is
        known again.
        """
        if self._unknown_after != after:
            self._unknown_after = after
            self._hint.set()

    async def learn(self, connection: Connection, to: int) -> list[Segment]:
        """Tells those who decide what was committed up to `to`. The segments, to be applied after the next commit."""
        segments: list[Segment] = []
        learnt = self.pos
        while learnt < to:
            segment = await streams.read_segment(connection, learnt, to)
            for learner in self._learners:
                learner(segment)
            segments.append(segment)
            learnt = segment.to
        return segments

    async def reach(self, pos: int) -> None:
        """Returns when everything up to `pos` has been applied here, or everything there is."""
        while pos > self.pos:
            async with self._pulling:
                await self._database.read(self._look)
            if self._unknown_after is None or not self._database.has_primary:
                return
            await asyncio.sleep(_HELD_SECONDS)

    async def newest(self) -> int:
        """The newest position there is, from a primary that can still commit. 503 when there is none.

        A primary that was cut off answers with what it has; only a commit tells that it is one of before.
        """
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._database.write(streams.barrier_position))
            self._asking.add_done_callback(lambda task: task.cancelled() or task.exception())
        try:
            async with asyncio.timeout(_NEWEST_SECONDS_MAX):
                return await asyncio.shield(self._asking)
        except TimeoutError:
            raise unavailable() from None

    async def _look(self, connection: Connection) -> None:
        """Reads what lies between the known position and the newest, and applies it."""
        to, waits_for_others = await streams.newest(connection)
        if waits_for_others and to > self.pos:
            await _pass_barrier(connection)
        while self.pos < self._shown_to(to):
            self.apply(await streams.read_segment(connection, self.pos, self._shown_to(to)))

    def _shown_to(self, to: int) -> int:
        """What a standby shows is on two disks, and so known; that a commit is under way to the primary matters not."""
        return to if self._unknown_after is None or not self._database.has_primary else min(to, self._unknown_after)

    async def _listen_for_ever(self) -> None:
        while True:
            try:
                if self._database.has_primary:
                    with CUT_IS_GONE:
                        await self._listen()
                else:
                    await self._database.read(self._look)
            except Refusal:
                pass  # there is nothing to read from either: said in the log where it was found out
            except (*GONE, *REFUSED, OutcomeUnknown) as error:
                log.warning("feed_interrupted", error=repr(error))
            await asyncio.sleep(0.2)

    async def _listen(self) -> None:
        connection = await self._database.connect(streams.FEED)
        self.others_listen = True
        try:
            await commit(connection, streams.announce)
            await connection.add_listener(CHANNEL, self._hear)
            connection.add_termination_listener(self._end)
            self._hint.set()
            seen_at = float("-inf")
            while not connection.is_closed():
                was_hinted = await self._wait_for_hint()
                if was_hinted or not self._is_seen_for():
                    await self._look(connection)
                if not was_hinted and time.monotonic() - seen_at >= _LISTENERS_EVERY_SECONDS:
                    await self._see_others(connection)
                    seen_at = time.monotonic()
        finally:
            connection.terminate()

    async def _see_others(self, connection: Connection) -> None:
        """Who is heard while the question is under way is there, whatever its answer."""
        self._was_told = False
        found = await streams.others_listen(connection)
        self.others_listen = found or self._was_told

    def _hear(self, _connection: Any, _pid: int, _channel: str, payload: object) -> None:
        if not (isinstance(payload, str) and payload.isdigit() and int(payload) <= max(self.pos, self._expected)):
            self.others_listen = self._was_told = True  # whoever told this is there
            self._hint.set()

    def _end(self, _connection: Any) -> None:
        self._hint.set()

    def _is_seen_for(self) -> bool:
        return time.monotonic() - self._saw_at <= _SEEN_SECONDS

    async def _wait_for_hint(self) -> bool:
        """False: there was none, and it is time to look all the same."""
        came = await self._hint.comes(_TRUSTS_SECONDS if self._is_seen_for() else _LOOK_EVERY_SECONDS)
        if came:
            self._hint.clear()
        return came


async def _pass_barrier(connection: Connection) -> None:
    """Nothing depends on this commit but whether what was seen may be shown: if its outcome is unknown, look again."""
    try:
        await commit_at_once(connection, leave_a_mark)
    except OutcomeUnknown as error:
        raise ConnectionError("what was seen may stand in one site alone") from error
