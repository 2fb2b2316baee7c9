"""Connections to PostgreSQL, and the rule that a commit is never cancelled.

A COMMIT that waits for a second site becomes visible at once when it is cancelled, although one site alone holds it.
So every write runs in a task of its own that nothing but its end can stop: the caller may leave, the commit goes on.
The server says so with warning 01000 when a wait was cut short all the same; such a write has an unknown outcome and
is never acknowledged.
"""

import asyncio
import time
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

import asyncpg
import structlog
from asyncpg.pool import PoolConnectionProxy
from prometheus_client import Counter

from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.store import copies

log = structlog.get_logger(__name__)

T = TypeVar("T")
Record = asyncpg.Record
if TYPE_CHECKING:  # the classes take a type argument in their stubs alone
    Connection = asyncpg.Connection[Record] | PoolConnectionProxy[Record]
    Pool = asyncpg.Pool[Record]
else:
    Connection = asyncpg.Connection
    Pool = asyncpg.Pool
LOST: Final = Counter("bongsu_primary_lost_total", "Times that the database's primary was lost")
Work = Callable[[Connection], Awaitable[T]]
Committing = Callable[[Connection, Work[T]], Awaitable[T]]
UniqueViolation = asyncpg.UniqueViolationError

_CANCELLED_WAIT = "01000"
_NAME: Final = "bongsu"
_SETTINGS = {"application_name": _NAME, "jit": "off", "synchronous_commit": "on", "timezone": "UTC"}
GONE = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the server said goodbye, and the driver has not yet closed the connection
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.IdleInTransactionSessionTimeoutError,  # this process stood still inside a transaction, which was ended
    asyncpg.ReadOnlySQLTransactionError,  # a standby, or a primary of before: the writable one is elsewhere now
)


UNFIT = (ValueError,)  # a value that the driver cannot send
REFUSED = (asyncpg.PostgresError,)  # the server is there and says no
EXHAUSTED = (asyncpg.InsufficientResourcesError,)  # of those, a full disk and its like: it says so to everybody
FULL = (asyncpg.DiskFullError,)
FORBIDDEN = (asyncpg.InsufficientPrivilegeError, asyncpg.InvalidSchemaNameError)  # the database is somebody else's
ROLLED_BACK = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)  # nothing was changed: run it again
_ACQUIRE_SECONDS = 15.0  # for a free connection: a crowd that comes at once may queue for longer than a fault lasts
_RETRY_SECONDS = (0.05, 0.2, 0.5, 1.0, 1.0)  # pauses while a database restarts; a private one takes about a second


def watch(task: asyncio.Task[None], on_failure: Callable[[], None]) -> None:
    """A task that must not end by itself: if it fails, say so, loudly, and call on_failure."""

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.critical("task_failed", task=task.get_name(), exc_info=error)
            on_failure()

    task.add_done_callback(ended)


class OutcomeUnknown(Exception):
    """A commit may or may not have reached two sites. Never acknowledge it, never tell anyone."""


def unavailable() -> Refusal:
    return Refusal(
        503,
        "M_UNKNOWN",
        "the database cannot be reached; nothing was changed. Try again.",
        headers={"retry-after": "1"},
    )


def unknown_outcome() -> Refusal:
    return Refusal(
        503,
        "M_UNKNOWN",
        "it is not known whether this was stored. Send it again with the same transaction id or Idempotency-Key:"
        " then it is never stored twice.",
        headers={"retry-after": "1"},
    )


def not_stored() -> Refusal:
    return Refusal(
        503,
        "M_UNKNOWN",
        "the database could not store this (it may be full); nothing was changed. Try again later.",
        headers={"retry-after": "10"},
    )


class Barrier:
    """Listens on one connection for the warning that a commit's wait was cut short.

    For one commit; or, kept by whoever commits on the connection again and again, for one after the other.
    """

    def __init__(self, connection: Connection) -> None:
        self._cut = False
        self._connection = connection
        connection.add_log_listener(self._hear)

    def _hear(self, _: object, message: Any) -> None:
        if getattr(message, "sqlstate", "") == _CANCELLED_WAIT:
            self._cut = True

    def check(self) -> None:
        """After COMMIT returned: raises OutcomeUnknown when it returned too early."""
        cut, self._cut = self._cut, False
        if cut:
            raise OutcomeUnknown

    def remove(self) -> None:
        self._connection.remove_log_listener(self._hear)


def _is_open(connection: Connection) -> bool:
    """A pool takes a broken connection back at once, and then even this question fails."""
    try:
        return not connection.is_closed()
    except asyncpg.InterfaceError:
        return False


def is_own_fault(error: Exception, connection: Connection) -> bool:
    """Did what ran on the connection fail by itself? False: the database ended it, or the connection is lost."""
    if not _is_open(connection) or isinstance(error, ROLLED_BACK):
        return False
    return not isinstance(error, GONE) or isinstance(error, (OSError, TimeoutError, asyncpg.InterfaceError))


def _leaves_doubt(error: Exception) -> bool:
    """Of what ended a commit: only the database's own refusal says that nothing was changed."""
    return isinstance(error, GONE) or not isinstance(error, REFUSED)


async def commit(connection: Connection, work: Callable[[Connection], Awaitable[T]], *, begin: str = "BEGIN") -> T:
    """Runs `work` in a transaction and commits it behind the barrier. Must run in a task nobody cancels.

    begin: statements that open the transaction, sent together, to spare a round trip.
    """
    barrier = Barrier(connection)
    committing = False
    try:
        try:
            with copies.CUT_IS_GONE:
                await connection.execute(begin)
                result = await work(connection)
        except BaseException:
            if _is_open(connection):
                await connection.execute("ROLLBACK")
            raise
        committing = True
        with copies.CUT_IS_GONE:
            await connection.execute("COMMIT")
        barrier.check()
    except Exception as error:
        if committing and _leaves_doubt(error):
            raise OutcomeUnknown from error
        raise
    finally:
        if _is_open(connection):
            barrier.remove()
    return result


async def commit_at_once(
    connection: Connection, statement: Callable[[Connection], Awaitable[T]], kept: Barrier | None = None
) -> T:
    """Runs one statement that is a transaction by itself, behind the barrier. Must run in a task nobody cancels.

    kept: the connection's, if it has one that stays.
    """
    barrier = kept or Barrier(connection)
    try:
        with copies.CUT_IS_GONE:
            result = await statement(connection)
        barrier.check()
    except Exception as error:
        if _leaves_doubt(error):
            raise OutcomeUnknown from error
        raise
    finally:
        if kept is None and _is_open(connection):
            barrier.remove()
    return result


async def end_when_silent(connection: Connection) -> None:
    """For a transaction that others wait for: its worker may be in a site that is gone, and its locks go with it."""
    idle_ms = int(limits.COMMIT_IDLE_SECONDS_MAX * 1000)
    await connection.execute(f"SET LOCAL idle_in_transaction_session_timeout = {idle_ms}")


async def leave_a_mark(connection: Connection) -> None:
    """Something in the log that changes nothing: once it is committed, all that was seen stands where it must."""
    await connection.execute("SELECT pg_logical_emit_message(true, 'bongsu', '')")


def place_of(dsn: str) -> str:
    """Which database an address means, for people: without user and password."""
    parts = urlsplit(dsn)
    host = parts.netloc.rpartition("@")[2] or dict(parse_qsl(parts.query)).get("host", "localhost")
    return f"{unquote(parts.path.lstrip('/')) or 'of the default name'} at {unquote(host)}"


def _snapshot_of(connection: Connection) -> Any:
    return connection.transaction(isolation="repeatable_read", readonly=True)


class Database:
    """Pools of connections: to the database that can be written to and, while there is none, to one that can be read.

    Reads go through fetch*, writes through write(). With one host in the address there is one pool for ever. With
    several, the primary is watched; when it is lost everything on it is cut off, so that nobody waits for a burnt site,
    and what was under way is done again on the next one. floor: the newest position that was shown here; no copy
    without it is used. is_full: something could not be stored for want of room, and none was found since
    (facts.look_for_room).
    """

    def __init__(self, dsn: str, *, connections_max: int = 10) -> None:
        self.dsn = dsn
        self.floor = 0
        self.is_full = False
        self._dsns = copies.split_hosts(dsn)
        self._connections_max = connections_max
        self._under_way = 0
        self._primary: Pool | None = None
        self._primary_dsn = self._dsns[0]
        self._standby: Pool | None = None
        self._standby_pos = 0
        self._changed = asyncio.Event()  # set once, and replaced, whenever a pool comes
        self._own: weakref.WeakSet[asyncpg.Connection[Record]] = weakref.WeakSet()
        self._writes: set[asyncio.Task[Any]] = set()
        self._watching: asyncio.Task[None] | None = None
        self._hurrying: asyncio.Task[None] | None = None
        self.is_patient = True  # else nobody waits any more for a primary that is gone

    @property
    def has_primary(self) -> bool:
        """Can anything be written now, as far as is known?"""
        return self._primary is not None

    @property
    def waiting(self) -> int:
        """Reads and writes that wait for a connection."""
        return max(0, self._under_way - self._connections_max)

    async def open(self) -> None:
        """Connects. Raises a 503 refusal that says why it could not."""
        try:
            if len(self._dsns) == 1:
                self._primary = await self._create_pool(self.dsn)
            else:
                self._watching = asyncio.create_task(self._watch(), name="primary")
                await self._wait_for_pool(lambda: self._primary, limits.PRIMARY_FIRST_SECONDS_MAX)
        except (asyncpg.PostgresError, *GONE) as error:
            reason = str(error) or type(error).__name__
            raise Refusal(503, "M_UNKNOWN", f"the database {place_of(self.dsn)} cannot be used: {reason}") from error

    async def _create_pool(self, dsn: str) -> Pool:
        return await asyncpg.create_pool(
            dsn,
            min_size=1,
            max_size=self._connections_max,
            connection_class=_Pooled,
            server_settings=_SETTINGS,
            command_timeout=None,
            timeout=5,
            max_inactive_connection_lifetime=300,
        )

    async def close(self) -> None:
        """Waits for every commit under way, then closes."""
        while self._writes:
            await asyncio.wait(self._writes)
        for task in (self._watching, self._hurrying):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        if self._standby is not None:
            self._standby.terminate()
        if self._primary is not None:
            await self._primary.close()

    # --- a stop that no lost primary holds up ---

    def hurry(self, seconds: float) -> None:
        """For a worker that stops. After `seconds` nobody waits for a primary that is gone, and one that commits
        nothing is lost: it may be frozen, or cut off from the others. What is under way there is cut, never cancelled.
        """
        if self._hurrying is None:
            self._hurrying = asyncio.create_task(self._lose_patience(seconds), name="the stop")

    async def _lose_patience(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self.is_patient = False
        self._tell_changed()
        while True:
            if self._primary is not None and not await self._commits(self._primary_dsn):
                log.warning("primary_does_not_commit", host=urlsplit(self._primary_dsn).hostname)
                self._lose_primary()
            await asyncio.sleep(limits.STOP_ASKED_EVERY_SECONDS)

    async def _commits(self, dsn: str) -> bool:
        """Does it commit behind the barrier within a second?"""
        time_is_over = asyncio.create_task(asyncio.sleep(limits.STOP_COMMIT_SECONDS_MAX))
        try:
            return await self._has_company(dsn, (time_is_over,))
        except (asyncpg.PostgresError, OutcomeUnknown, *GONE):
            return False
        finally:
            time_is_over.cancel()

    # --- several hosts ---

    async def _watch(self) -> None:
        """Finds the primary, follows its pulse, and begins anew when it is lost."""
        while True:
            try:
                await self._find_and_follow()
            except (asyncpg.PostgresError, OutcomeUnknown, *GONE) as error:
                log.warning("primary_lost_at_once", error=repr(error))
            except Exception:  # whatever it is, a worker that looks for no primary is of no use
                log.exception("primary_watch_failed")
            if self._primary is not None:
                log.warning("primary_lost", host=urlsplit(self._primary_dsn).hostname)
            self._lose_primary()
            await asyncio.sleep(_RETRY_SECONDS[0])

    async def _find_and_follow(self) -> None:
        found: copies.Found | None = await self._find(self._dsns, lambda: self.floor)
        while found is not None:
            found = await self._follow(found)

    async def _find(self, dsns: Sequence[str], floor: Callable[[], int]) -> copies.Found:
        return await copies.find_primary(self._plain_connection, dsns, floor, self._see_standby)

    async def _follow(self, found: copies.Found) -> copies.Found | None:
        """Until it is lost, or until another one is found that has more, while this one has no company: it is one of
        before that woke up.
        """
        wire = await self._plain_connection(found.dsn)
        beating = asyncio.create_task(copies.Pulse(wire).beat(), name="pulse")
        others = [dsn for dsn in self._dsns if dsn != found.dsn]
        finding = asyncio.create_task(self._find(others, lambda: found.pos + 1), name="a newer primary")
        try:
            if not await self._has_company(found.dsn, (beating, finding)):
                return await finding if finding.done() else None
            finding.cancel()
            self._primary = await self._create_pool(found.dsn)
            self._primary_dsn = found.dsn
            self._tell_changed()
            self._drop_standby()
            log.info("primary_found", host=urlsplit(found.dsn).hostname, position=found.pos)
            await beating
            return None
        finally:
            finding.cancel()
            beating.cancel()
            wire.terminate()

    async def _has_company(self, dsn: str, ends: Sequence["asyncio.Task[Any]"]) -> bool:
        """Once a commit has passed the barrier there: then all that this primary shows stands where it must.

        One that has just restarted shows what it alone has. Reads go to a standby until then. False: one of the ends
        came first. Raises what it refused the commit with.
        """
        connection = await self._plain_connection(dsn)
        passing = asyncio.create_task(commit(connection, leave_a_mark))
        try:
            await asyncio.wait((passing, *ends), return_when=asyncio.FIRST_COMPLETED)
            if passing.done():
                await passing
            return passing.done()
        finally:
            connection.terminate()
            await asyncio.wait((passing,))
            passing.exception()  # of one that was cut off: it is known that the primary is lost

    async def _plain_connection(self, dsn: str) -> "asyncpg.Connection[Record]":
        return await asyncpg.connect(dsn, server_settings=_SETTINGS, timeout=limits.COPY_ANSWER_SECONDS_MAX)

    def _lose_primary(self) -> None:
        """Cuts off all that waits on it. A commit among that has an unknown outcome, and is looked up."""
        lost, self._primary = self._primary, None
        for connection in [*self._own]:
            connection.terminate()
        if lost is not None:
            LOST.inc()
            lost.terminate()

    async def _see_standby(self, found: copies.Found) -> None:
        """Reads go to the standby that has most."""
        if self._standby is not None and found.pos <= self._standby_pos:
            return
        with suppress(asyncpg.PostgresError, *GONE):
            pool = await self._create_pool(found.dsn)
            self._drop_standby()
            self._standby, self._standby_pos = pool, found.pos
            self._tell_changed()
            log.info("reading_from_standby", host=urlsplit(found.dsn).hostname, position=found.pos)

    def _drop_standby(self) -> None:
        """Its reads under way are cut off, and done again elsewhere."""
        dropped, self._standby, self._standby_pos = self._standby, None, 0
        if dropped is not None:
            dropped.terminate()

    def _tell_changed(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def _wait_for_pool(self, pool: Callable[[], Pool | None], seconds: float) -> Pool:
        """The pool, when there is one. Raises ConnectionError after `seconds`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while (found := pool()) is None and self.is_patient:
                    await self._changed.wait()
                if found is not None:
                    return found
        raise ConnectionError("no host of the database can be written to")

    async def connect(self, name: str = _NAME) -> "asyncpg.Connection[Record]":
        """A connection of one's own to the primary, outside the pool (the committer's, the listener's).

        Its few statements are planned once: planning them anew for every batch costs more than running them. A session
        that stands idle inside a transaction ends soon: its worker may have been in a site that is gone, and what it
        holds is the right to write. name: as others see it among the database's sessions.
        """
        if self._primary is None:
            raise ConnectionError("no host of the database can be written to")
        idle_ms = int(limits.COMMIT_IDLE_SECONDS_MAX * 1000)
        settings = {
            **_SETTINGS,
            "application_name": name,
            "plan_cache_mode": "force_generic_plan",
            "idle_in_transaction_session_timeout": str(idle_ms),
        }
        connection = await asyncpg.connect(self._primary_dsn, server_settings=settings, timeout=5)
        self._own.add(connection)
        return connection

    # --- reading and writing ---

    async def fetch(self, sql: str, *args: Any) -> list[Record]:
        return await self._reading(lambda pool: pool.fetch(sql, *args))

    async def fetchrow(self, sql: str, *args: Any) -> Record | None:
        return await self._reading(lambda pool: pool.fetchrow(sql, *args))

    async def fetchval(self, sql: str, *args: Any) -> Any:
        return await self._reading(lambda pool: pool.fetchval(sql, *args))

    async def _reading(self, run: Callable[[Pool], Awaitable[T]]) -> T:
        return await self._patiently(run, lambda: self._primary or self._standby, limits.READ_WAIT_SECONDS_MAX)

    async def _patiently(
        self, run: Callable[[Pool], Awaitable[T]], pool: Callable[[], Pool | None], seconds: float
    ) -> T:
        """Runs what changes nothing if it fails for want of a connection, again while a database restarts or another
        one takes over; then 503. Likewise what the database has rolled back because two waited for each other.
        """
        self._under_way += 1
        try:
            return await self._again_and_again(run, pool, seconds)
        finally:
            self._under_way -= 1

    async def _again_and_again(
        self, run: Callable[[Pool], Awaitable[T]], pool: Callable[[], Pool | None], seconds: float
    ) -> T:
        give_up_at = time.monotonic() + seconds
        pauses = iter(_RETRY_SECONDS)
        while True:
            try:
                left = max(0.0, give_up_at - time.monotonic())
                with copies.CUT_IS_GONE:
                    return await run(pool() or await self._wait_for_pool(pool, left))
            except (*GONE, *ROLLED_BACK) as error:
                pause = next(pauses, _RETRY_SECONDS[-1])
                if time.monotonic() + pause > give_up_at or not self.is_patient:
                    log.warning("database_unavailable", error=repr(error))
                    raise unavailable() from error
                await asyncio.sleep(pause)

    async def snapshot(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Runs several reads on one unchanging view of the database."""

        async def read(connection: Connection) -> T:
            async with _snapshot_of(connection):
                return await work(connection)

        return await self.read(read)

    async def write(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Runs `work` in one transaction and returns after its commit passed the barrier.

        A caller that is cancelled leaves; the transaction goes on to its end. Raises 503 refusals when the database
        cannot be reached (nothing changed) or the outcome is unknown.
        """
        return await self.to_the_end(self._write(work))

    async def write_until_known(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """As write(), for work that finds what a first try of its own has left, under a lock that its effect is under.

        An unknown outcome is looked up by running it again: what it finds is behind a commit that writes.
        """
        return await self.to_the_end(self._write_until_known(work, commit))

    async def write_at_once(self, statement: Callable[[Connection], Awaitable[T]]) -> T:
        """As write_until_known(), for one statement that does no more if it runs twice: it is a transaction by itself,
        and goes there and back once instead of three times.
        """
        return await self.to_the_end(self._write_until_known(statement, commit_at_once))

    async def to_the_end(self, writing: Coroutine[Any, Any, T]) -> T:
        """Whoever waits may leave: it goes on, and close() waits for it."""
        task = asyncio.ensure_future(writing)
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)
        return await asyncio.shield(task)

    async def _write(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        try:
            return await self._write_once(work, commit)
        except OutcomeUnknown as error:
            log.warning("commit_outcome_unknown")
            raise unknown_outcome() from error
        except EXHAUSTED as error:
            log.error("not_stored", error=repr(error))
            raise not_stored() from error

    async def _write_until_known(self, work: Work[T], committing: Committing[T]) -> T:
        give_up_at = time.monotonic() + limits.WRITE_WAIT_SECONDS_MAX
        unknown: OutcomeUnknown | None = None
        while unknown is None or time.monotonic() < give_up_at:
            try:
                return await self._write_once(work, committing)
            except OutcomeUnknown as error:
                unknown = error
                log.warning("commit_outcome_looked_up")
            except (Refusal, *REFUSED) as error:  # of a look-up they say nothing
                if unknown is None or (isinstance(error, Refusal) and error.status < 500):
                    raise
                break
            await asyncio.sleep(_RETRY_SECONDS[0])
        raise unknown_outcome() from unknown

    async def _write_once(self, work: Work[T], committing: Committing[T]) -> T:
        """Again, if nothing was changed. Raises OutcomeUnknown."""
        seconds = limits.READ_WAIT_SECONDS_MAX if len(self._dsns) == 1 else limits.WRITE_WAIT_SECONDS_MAX

        async def attempt(pool: Pool) -> T:
            return await _on_connection(pool, lambda connection: committing(connection, work))

        try:
            return await self._patiently(attempt, lambda: self._primary, seconds)
        except FULL:
            self.is_full = True
            raise

    async def read(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Runs `work` on one connection; again, if that was lost before anything changed. 503 when there is none."""
        return await self._reading(lambda pool: _on_connection(pool, work))

    async def execute(self, sql: str, *args: Any) -> str:
        """One writing statement in a transaction of its own; returns its command tag ("UPDATE 1")."""
        return await self.write(lambda connection: connection.execute(sql, *args))

    async def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        await self.write(lambda connection: connection.executemany(sql, rows))


class _Pooled(asyncpg.Connection):
    """Nothing here sets anything that lasts longer than a transaction, so nothing is set back after each use. What is
    open is rolled back all the same.
    """

    def get_reset_query(self) -> str:
        return ""


async def _on_connection(pool: Pool, work: Callable[[Connection], Awaitable[T]]) -> T:
    connection = await pool.acquire(timeout=_ACQUIRE_SECONDS)
    try:
        return await work(connection)
    finally:
        with suppress(*GONE):  # what was done is done, even if the connection dies on its way back
            await pool.release(connection)
