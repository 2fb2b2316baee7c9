"""Connections to PostgreSQL, and the rule that a commit is never cancelled.

A COMMIT that waits for a second site becomes visible at once when it is cancelled, although one site alone holds it.
So every write runs in a task of its own that nothing but its end can stop: the caller may leave, the commit goes on.
The server says so with warning 01000 when a wait was cut short all the same; such a write has an unknown outcome and
is never acknowledged.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg
import structlog
from asyncpg.pool import PoolConnectionProxy

from bongsu.core.errors import Refusal

log = structlog.get_logger(__name__)

T = TypeVar("T")
Record = asyncpg.Record
if TYPE_CHECKING:  # the classes take a type argument in their stubs alone
    Connection = asyncpg.Connection[Record] | PoolConnectionProxy[Record]
else:
    Connection = asyncpg.Connection
UniqueViolation = asyncpg.UniqueViolationError

_CANCELLED_WAIT = "01000"
_SETTINGS = {"application_name": "bongsu", "jit": "off", "synchronous_commit": "on", "timezone": "UTC"}
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
    asyncpg.ReadOnlySQLTransactionError,  # a standby, or a primary of before: the writable one is elsewhere now
)


UNFIT = (ValueError,)  # a value that the driver cannot send
REFUSED = (asyncpg.PostgresError,)  # the server is there and says no
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
        "it is not known whether this was stored. Send it again: the same transaction id is never stored twice.",
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
    """Listens on one connection for the warning that a commit's wait was cut short."""

    def __init__(self, connection: Connection) -> None:
        self._cut = False
        self._connection = connection
        connection.add_log_listener(self._hear)

    def _hear(self, _: object, message: Any) -> None:
        if getattr(message, "sqlstate", "") == _CANCELLED_WAIT:
            self._cut = True

    def check(self) -> None:
        """After COMMIT returned: raises OutcomeUnknown when it returned too early."""
        if self._cut:
            raise OutcomeUnknown

    def remove(self) -> None:
        self._connection.remove_log_listener(self._hear)


async def commit(connection: Connection, work: Callable[[Connection], Awaitable[T]], *, begin: str = "BEGIN") -> T:
    """Runs `work` in a transaction and commits it behind the barrier. Must run in a task nobody cancels.

    begin: statements that open the transaction, sent together, to spare a round trip.
    """
    barrier = Barrier(connection)
    committing = False
    try:
        try:
            await connection.execute(begin)
            result = await work(connection)
        except BaseException:
            if not connection.is_closed():
                await connection.execute("ROLLBACK")
            raise
        committing = True
        await connection.execute("COMMIT")
        barrier.check()
    except GONE as error:
        if committing:
            raise OutcomeUnknown from error
        raise
    finally:
        if not connection.is_closed():
            barrier.remove()
    return result


async def commit_at_once(connection: Connection, statement: Callable[[Connection], Awaitable[T]]) -> T:
    """Runs one statement that is a transaction by itself, behind the barrier. Must run in a task nobody cancels."""
    barrier = Barrier(connection)
    try:
        result = await statement(connection)
        barrier.check()
    except GONE as error:
        raise OutcomeUnknown from error
    finally:
        if not connection.is_closed():
            barrier.remove()
    return result


def _snapshot_of(connection: Connection) -> Any:
    return connection.transaction(isolation="repeatable_read", readonly=True)


class Database:
    """A pool of connections. Reads go through fetch*, writes through write()."""

    def __init__(self, dsn: str, *, connections_max: int = 10) -> None:
        self.dsn = dsn
        self._connections_max = connections_max
        self._pool: asyncpg.Pool[Record] | None = None
        self._writes: set[asyncio.Task[Any]] = set()

    async def open(self) -> None:
        """Connects. Raises a 503 refusal that says why it could not."""
        try:
            self._pool = await self._create_pool()
        except (asyncpg.PostgresError, *GONE) as error:
            reason = str(error) or type(error).__name__
            raise Refusal(503, "M_UNKNOWN", f"the database cannot be used: {reason}") from error

    async def _create_pool(self) -> "asyncpg.Pool[Record]":
        return await asyncpg.create_pool(
            self.dsn,
            min_size=1,
            max_size=self._connections_max,
            server_settings=_SETTINGS,
            command_timeout=None,
            timeout=5,
            max_inactive_connection_lifetime=300,
        )

    async def close(self) -> None:
        """Waits for every commit under way, then closes."""
        while self._writes:
            await asyncio.wait(self._writes)
        if self._pool is not None:
            await self._pool.close()

    async def connect(self) -> "asyncpg.Connection[Record]":
        """A connection of one's own, outside the pool (the committer's, the listener's).

        Its few statements are planned once: planning them anew for every batch costs more than running them.
        """
        settings = {**_SETTINGS, "plan_cache_mode": "force_generic_plan"}
        return await asyncpg.connect(self.dsn, server_settings=settings, timeout=5)

    @property
    def pool(self) -> "asyncpg.Pool[Record]":
        assert self._pool is not None, "open() first"
        return self._pool

    async def fetch(self, sql: str, *args: Any) -> list[Record]:
        return await self._patiently(lambda: self.pool.fetch(sql, *args))

    async def fetchrow(self, sql: str, *args: Any) -> Record | None:
        return await self._patiently(lambda: self.pool.fetchrow(sql, *args))

    async def fetchval(self, sql: str, *args: Any) -> Any:
        return await self._patiently(lambda: self.pool.fetchval(sql, *args))

    @staticmethod
    async def _patiently(run: Callable[[], Awaitable[T]]) -> T:
        """Runs what changes nothing if it fails for want of a connection, again while a database restarts; then 503."""
        for pause in _RETRY_SECONDS:
            try:
                return await run()
            except GONE:
                await asyncio.sleep(pause)
        try:
            return await run()
        except GONE as error:
            log.warning("database_unavailable", error=repr(error))
            raise unavailable() from error

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
        task = asyncio.ensure_future(self._write(work))
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)
        return await asyncio.shield(task)

    async def _write(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        try:
            return await self.read(lambda connection: commit(connection, work))
        except OutcomeUnknown as error:
            log.warning("commit_outcome_unknown")
            raise unknown_outcome() from error

    async def read(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Runs `work` on one connection; again, if that was lost before anything changed. 503 when there is none."""

        async def attempt() -> T:
            connection = await self.pool.acquire(timeout=_ACQUIRE_SECONDS)
            try:
                return await work(connection)
            finally:
                with suppress(*GONE):  # what was done is done, even if the connection dies on its way back
                    await self.pool.release(connection)

        return await self._patiently(attempt)

    async def execute(self, sql: str, *args: Any) -> str:
        """One writing statement in a transaction of its own; returns its command tag ("UPDATE 1")."""
        return await self.write(lambda connection: connection.execute(sql, *args))

    async def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        await self.write(lambda connection: connection.executemany(sql, rows))
