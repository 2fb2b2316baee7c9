"""Group commit: whatever is queued while one commit is in flight forms the next batch.

One committer a worker, one transaction at a time. The transaction takes the right to write (the stream's row), brings
this worker's knowledge up to that position, lets every operation decide on it, writes all rows and commits. Holding
the row until the commit is done, its wait for a second site included, is what makes positions commit-ordered, and what
makes a worker's caches the truth at the moment of the decision: nobody else can have written since.

A commit whose outcome is unknown (connection lost, or warning 01000) is not guessed at: each batch has a number that is
written with it. On a new connection the committer takes the right to write, which the lost transaction must have
given back by ending, and reads its number: present means committed, absent means it is run again. Finding it present
is itself behind a commit that writes, so the acknowledgement still waits for the second site.

A worker that nobody else writes beside spares the lock: it decides on what it knows, and one statement both checks that
nobody has written since and commits. If somebody has, nothing is written, and the batch goes the long way.
"""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol, TypeVar

import asyncpg
import structlog
from prometheus_client import Counter

from bongsu.core import limits
from bongsu.core.errors import Refusal, limit_exceeded
from bongsu.metrics import Histogram
from bongsu.store import streams
from bongsu.store.batch import Rows, Wanted
from bongsu.store.database import (
    FULL,
    GONE,
    UNFIT,
    Barrier,
    Connection,
    Database,
    OutcomeUnknown,
    UniqueViolation,
    commit,
    commit_at_once,
    is_own_fault,
    not_stored,
    unavailable,
    unknown_outcome,
    watch,
)
from bongsu.store.feed import Feed
from bongsu.store.rows import Segment

log = structlog.get_logger(__name__)

T = TypeVar("T")
BATCH_SIZE: Final = Histogram(
    "bongsu_commit_batch_size", "Writes in one commit", buckets=(1, 2, 5, 10, 50, 100, 500, 1000)
)
COMMIT_SECONDS: Final = Histogram(
    "bongsu_commit_seconds",
    "One group commit, from lock to acknowledgement",
    buckets=(0.001, 0.005, 0.02, 0.1, 0.5, 2, 10),
)
UNKNOWN: Final = Counter("bongsu_commit_unknown_total", "Commits whose outcome had to be looked up")


class Operation(Protocol):
    """Something to decide and write. `wanted` is asked once, of whoever submits; `run` is called once or, if a commit
    failed, again from the start.
    """

    def wanted(self) -> Wanted: ...

    async def run(self, batch: Any) -> Any: ...


class Batch(Protocol):
    """What operations decide on: this worker's knowledge at the locked position, and the rows they add."""

    rows: Rows

    async def prepare(self, wanted: Sequence[Wanted]) -> None: ...

    async def decide(self, operation: Any) -> Any: ...


_RETRY_SECONDS: Final = 0.1

MakeBatch = Callable[[Connection, int, dict[bytes, str], bool], Batch]
_Waiting = tuple[Operation, Wanted, "asyncio.Future[Any]"]
_Outcome = tuple["asyncio.Future[Any]", Any]


class Committer:
    """submit() an operation; it returns when the commit that holds it has passed the barrier."""

    def __init__(self, database: Database, feed: Feed, make_batch: MakeBatch) -> None:
        self._database = database
        self._feed = feed
        self._make_batch = make_batch
        self._writer_id = uuid.uuid4()
        self._batch_number = 0
        self._queue: list[_Waiting] = []
        self._wake = asyncio.Event()
        self._stopping = False
        self._is_alone = True  # nobody else was seen to write lately
        self._began: float | None = None  # when the batch under way was taken from the queue
        self._took_seconds = 0.0  # the batch before it, from then until it was committed
        self.took_seconds = 0.0  # the shorter of the two before it: one alone may have met a database that was away
        self.committed_to = 0  # the newest position that this worker committed itself
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._barrier: Barrier | None = None  # of that connection
        self._task: asyncio.Task[None] | None = None

    def start(self, on_failure: Callable[[], None]) -> None:
        """on_failure: called when the committer cannot go on, which is a fault of this program. The worker must end."""
        self._task = asyncio.create_task(self._run(), name="committer")
        watch(self._task, on_failure)

    async def stop(self) -> None:
        """Commits everything that was submitted, then stops. Without a primary, once the database is not patient any
        more (Database.hurry), whoever waits is told 503.
        """
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await self._task

    @property
    def waiting(self) -> int:
        """Writes that stand in line, those of the batch under way left out."""
        return len(self._queue)

    @property
    def age_seconds(self) -> float:
        """Of the batch under way; 0 when there is none."""
        return 0.0 if self._began is None else time.monotonic() - self._began

    async def submit(self, operation: Operation) -> Any:
        """The operation's result, or its refusal. The caller may be cancelled; the operation, once queued, is not."""
        return await self.enqueue(operation)

    def enqueue(self, operation: Operation) -> "asyncio.Future[Any]":
        """As submit(), for who does not await. Raises what refuses it at once."""
        if len(self._queue) >= limits.COMMIT_QUEUE_MAX:
            raise limit_exceeded(1_000)
        if self._stopping:
            raise Refusal(
                503, "M_UNKNOWN", "this server is shutting down; nothing was changed", headers={"retry-after": "1"}
            )
        wanted = operation.wanted()
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._queue.append((operation, wanted, future))
        self._wake.set()
        return future

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                waiting = self._queue[: limits.COMMIT_BATCH_MAX]
                del self._queue[: limits.COMMIT_BATCH_MAX]
                self._began = time.monotonic()
                await self._commit_until_known(waiting)
                self._note_time(time.monotonic() - self._began)
            self._began = None
            if self._stopping:
                break
        if self._connection is not None:
            await self._connection.close()

    def _note_time(self, took_seconds: float) -> None:
        self.took_seconds = min(self._took_seconds, took_seconds)
        self._took_seconds = took_seconds

    async def _commit_until_known(self, waiting: list[_Waiting]) -> None:
        """Runs one batch to a known end, over lost connections and changes of primary."""
        self._batch_number += 1
        give_up_at = time.monotonic() + limits.COMMIT_UNKNOWN_SECONDS_MAX
        attempt = _Attempt(self._feed, self._make_batch, self._writer_id, self._batch_number, waiting)
        while not await self._try_once(attempt):
            self._drop_connection()
            if time.monotonic() > give_up_at or not self._database.is_patient:
                self._feed.hold(None)
                self._fail(waiting, unknown_outcome() if attempt.is_unknown else unavailable())
                self._fail(self._queue, unavailable())
                self._queue.clear()
                return
            await asyncio.sleep(_RETRY_SECONDS)
        self._finish(attempt)

    async def _try_once(self, attempt: "_Attempt") -> bool:
        """True when the batch has come to a known end."""
        started = time.perf_counter()
        try:
            connection = await self._connected()
            may_hurry = self._is_alone and attempt.is_plain and not attempt.is_unknown
            if not (may_hurry and await self._at_once(connection, attempt)):
                await commit(connection, attempt.run, begin=streams.LOCK)
                self._is_alone = not attempt.met_others
        except OutcomeUnknown:
            UNKNOWN.inc()
            attempt.is_unknown = True
            self._feed.hold(attempt.segment.after)
            log.warning("commit_outcome_unknown", batch=self._batch_number, writes=len(attempt.waiting))
        except (asyncpg.PostgresError, *UNFIT) as error:
            if isinstance(error, GONE) and not isinstance(error, UNFIT):
                log.warning("committer_lost_connection", error=repr(error))
            elif attempt.is_unknown:  # the look-up was turned away, which says nothing of the commit
                log.warning("commit_look_up_failed", error=repr(error))
            else:
                self._drop_connection()
                await self._apart(attempt, error)  # the transaction was rolled back: nothing was changed
                return True
        except GONE as error:
            log.warning("committer_lost_connection", error=repr(error))
        except Exception as error:
            if not attempt.has_begun:
                raise
            self._drop_connection()
            if isinstance(error, Refusal) and error.status == 503:  # no other connection could read what was wanted
                log.warning("batch_not_prepared", error=repr(error))
                self._is_alone = False  # with the right to write it is read on the committer's own
                return False
            await self._apart(attempt, error)  # the transaction was rolled back, and its outcome is in no doubt
            return True
        else:
            COMMIT_SECONDS.observe(time.perf_counter() - started)
            BATCH_SIZE.observe(len(attempt.waiting))
            return True
        return False

    async def _at_once(self, connection: Connection, attempt: "_Attempt") -> bool:
        """One round trip instead of four, for a worker that nobody else writes beside. False: take the lock instead."""
        if not await attempt.decide(connection, self._feed.pos, {}, has_lock=False):
            return False
        try:
            return await commit_at_once(connection, attempt.write_at_once, self._barrier)
        except UniqueViolation:  # a retry: its first try stands in the table
            return False

    async def _apart(self, attempt: "_Attempt", error: Exception) -> None:
        """One write that fails, or that the database refuses, must not take the others with it: halve until it stands
        alone.
        """
        waiting = attempt.waiting
        attempt.is_apart = True
        if isinstance(error, FULL):
            self._database.is_full = True
        self._feed.hold(None)
        if len(waiting) > 1:
            middle = len(waiting) // 2
            await self._commit_until_known(waiting[:middle])
            await self._commit_until_known(waiting[middle:])
            return
        log.error("commit_failed", error=repr(error), operation=type(waiting[0][0]).__name__, exc_info=error)
        self._fail(waiting, not_stored() if isinstance(error, asyncpg.PostgresError) else error)

    async def _connected(self) -> Connection:
        """The committer's connection. A new one passes the barrier before anything read on it is trusted."""
        if self._connection is None or self._connection.is_closed():
            try:
                self._connection = await self._database.connect()
                await commit(self._connection, streams.barrier_position)
                self._barrier = Barrier(self._connection)
            except asyncpg.PostgresError as error:  # it does not let us in: a fault of the moment, not of the batch
                raise ConnectionError(str(error)) from error
        return self._connection

    def _drop_connection(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
        self._feed.expect(0)

    def _finish(self, attempt: "_Attempt") -> None:
        """After the barrier. Who sent is answered before who reads, because clients take the echo of a message they
        do not know to be sent for somebody else's; but both go on only after this returned, when all is known.
        """
        if attempt.is_apart:
            return
        for future, result in attempt.outcomes:
            if future.done():
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
        self._feed.hold(None)
        if attempt.segment.to > attempt.segment.after:
            self.committed_to = attempt.segment.to
        for segment in (*attempt.foreign, attempt.segment):
            self._feed.apply(segment)

    @staticmethod
    def _fail(waiting: list[_Waiting], error: Exception) -> None:
        for _, _, future in waiting:
            if not future.done():
                future.set_exception(error)


class _Attempt:
    """One batch on its way into the database, as often as it takes. outcomes and segment are those of the last try.

    is_unknown: a try may have been committed; met_others: other workers wrote since this one last did, and `foreign` is
    what; has_begun: what fails now is its operations' doing; is_apart: it was taken apart, and its parts have come to
    their ends.
    """

    def __init__(
        self, feed: Feed, make_batch: MakeBatch, writer_id: uuid.UUID, number: int, waiting: list[_Waiting]
    ) -> None:
        self.waiting = waiting
        self.wanted = [wanted for _, wanted, _ in waiting]
        self.is_plain = all(want.is_plain for want in self.wanted)
        self.is_unknown = False
        self.has_begun = False
        self.is_apart = False
        self.met_others = False
        self.foreign: list[Segment] = []
        self.outcomes: list[_Outcome] = []
        self.segment = Segment(0, 0)
        self._rows = Rows(0)
        self._feed = feed
        self._make_batch = make_batch
        self._writer_id = writer_id
        self._number = number

    async def run(self, connection: Connection) -> None:
        """With the right to write. COMMIT follows."""
        self.has_begun = False
        keys = [key for want in self.wanted for key in want.txn_keys]
        pos, sent = await streams.begin_batch(connection, keys)
        self.met_others = pos > self._feed.pos
        self.foreign = await self._feed.learn(connection, pos)
        if self.is_unknown and await streams.last_batch(connection, self._writer_id) == self._number:
            await streams.write_batch(connection, self._writer_id, self._number, pos, [])
            return
        self.is_unknown = False
        await self.decide(connection, pos, sent, has_lock=True)
        self._feed.expect(self._rows.pos)
        await self._rows.write(connection, self._writer_id, self._number)

    async def decide(self, connection: Connection, pos: int, sent: dict[bytes, str], *, has_lock: bool) -> bool:
        """Lets every operation decide on what is known at `pos`. False if that is not what the feed is at any more."""
        batch = self._make_batch(connection, pos, sent, has_lock)
        self.has_begun = True
        await batch.prepare(self.wanted)
        self.outcomes = [(future, await _decide(batch, operation, connection)) for operation, _, future in self.waiting]
        self._rows = batch.rows
        self.segment = batch.rows.segment(pos)
        return pos == self._feed.pos

    def write_at_once(self, connection: Connection) -> Awaitable[bool]:
        self._feed.expect(self._rows.pos)
        return self._rows.write_at_once(
            connection, self._writer_id, self._number, self.segment.after, notify=self._feed.others_listen
        )


async def _decide(batch: Batch, operation: Operation, connection: Connection) -> Any:
    try:
        return await batch.decide(operation)
    except Refusal as refusal:
        return refusal
    except asyncpg.PostgresError:
        raise
    except asyncio.CancelledError as error:  # not the committer was, but what the operation waited for
        if (task := asyncio.current_task()) is None or task.cancelling():
            raise
        return _own_fault(operation, RuntimeError(f"cancelled: {error!r}"))
    except Exception as error:
        if not is_own_fault(error, connection):
            raise ConnectionError("lost while an operation decided") from error
        return _own_fault(operation, error)


def _own_fault(operation: Operation, error: Exception) -> Exception:
    log.error("operation_failed", operation=type(operation).__name__, exc_info=error)
    return error
