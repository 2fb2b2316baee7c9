"""Several copies of one database, of which one at a time can be written to: which is it, and what to read without it.

The copies are asked all at once, because a host that was cut off answers nothing: taking them in turn would wait for
it. A copy is taken only if it has everything that was shown here already (`floor`): an old primary that woke up, or a
standby that lags, is not.

A standby may be read from while there is no primary. What it shows came to it from a primary's disk and is on its own,
so it stands in two sites, as an acknowledgement demands. That does not hold for a primary of before, which shows what
it alone has even when it runs as a standby; it is known by having replayed more than it received since it started.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import msgspec

from bongsu import pace
from bongsu.core import limits

Record = asyncpg.Record
Connect = Callable[[str], Awaitable["asyncpg.Connection[Record]"]]

_PAUSE_SECONDS: Final = 0.1
_ROLE: Final = """
SELECT pg_is_in_recovery(), coalesce(pg_last_wal_receive_lsn() >= pg_last_wal_replay_lsn(), false),
    current_setting('transaction_read_only')
"""
_POSITION: Final = "SELECT pos FROM stream"
_UNREACHABLE: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
_LATE_SECONDS: Final = 0.2  # a timer that fires so much too late says that this process stood still, not the primary


_STEPS: Final = frozenset(("prepare", "bind_execute", "bind_execute_many", "query", "execute"))


class _CutIsGone:
    """The driver trips over a connection that is cut off between two steps of a query, before the second is sent:
    that is a lost connection like any other.
    """

    def __enter__(self) -> None: ...

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, AttributeError) and error.name in _STEPS:
            raise ConnectionError("the connection was cut off") from error


CUT_IS_GONE: Final = _CutIsGone()


def split_hosts(dsn: str) -> list[str]:
    """An address that names several hosts as one address for each: postgresql://name@one,two/db."""
    parts = urlsplit(dsn)
    login, at, hosts = parts.netloc.rpartition("@")
    if "," not in hosts:
        return [dsn]
    return [urlunsplit(parts._replace(netloc=f"{login}{at}{host}")) for host in hosts.split(",")]


class Found(msgspec.Struct, frozen=True):
    """What a copy said of itself. pos: its newest position of the stream, 0 before there are tables."""

    dsn: str
    is_writable: bool
    is_fed: bool  # a standby; a primary sent it all that it shows
    pos: int


async def _look(connection: "asyncpg.Connection[Record]", dsn: str) -> Found:
    in_recovery, is_fed, read_only = await connection.fetchrow(_ROLE) or (True, False, "on")
    try:
        pos = await connection.fetchval(_POSITION)
    except asyncpg.UndefinedTableError:  # a new database; or a standby so far behind that there is nothing to read yet
        pos, is_fed = 0, False
    return Found(dsn, not in_recovery and read_only == "off", in_recovery and is_fed, pos or 0)


async def ask(connect: Connect, dsn: str) -> Found | None:
    """One copy's word; None when it does not answer in time."""
    connection: asyncpg.Connection[Record] | None = None
    try:
        with CUT_IS_GONE:
            async with asyncio.timeout(limits.COPY_ANSWER_SECONDS_MAX):
                connection = await connect(dsn)
                return await _look(connection, dsn)
    except _UNREACHABLE:
        return None
    finally:
        if connection is not None:
            connection.terminate()


async def find_primary(
    connect: Connect, dsns: Sequence[str], floor: Callable[[], int], see_standby: Callable[[Found], Awaitable[None]]
) -> Found:
    """Asks all copies until one can be written to. see_standby: is told of what can be read from meanwhile."""
    won: asyncio.Future[Found] = asyncio.get_running_loop().create_future()

    async def follow(dsn: str) -> None:
        while not won.done():
            found = await ask(connect, dsn)
            if found is not None and found.pos >= floor():
                if found.is_writable and not won.done():
                    won.set_result(found)
                elif found.is_fed:
                    await see_standby(found)
            await asyncio.sleep(_PAUSE_SECONDS)

    asking = [asyncio.create_task(follow(dsn)) for dsn in dsns]
    try:
        return await won
    finally:
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)


class Pulse:
    """Asks the primary on a connection of its own whether it is there. ended is set when it is not, or not any more.

    A connection that breaks says so at once; a site that was cut off or frozen says nothing, and its silence counts.
    The connection is cut, never asked to cancel: the question is harmless, but cancelling opens another connection.
    """

    def __init__(self, connection: "asyncpg.Connection[Record]") -> None:
        self._connection = connection
        self.ended = pace.Bell()
        self._silence: asyncio.TimerHandle | None = None
        connection.add_termination_listener(self._end)

    def _end(self, _: Any = None) -> None:
        self.ended.set()

    async def beat(self) -> None:
        """Returns when the primary is lost."""
        while not self.ended.is_set():
            await self._ask()
            await self.ended.comes(limits.PRIMARY_ASKED_EVERY_SECONDS)
        self._connection.terminate()

    async def _ask(self) -> None:
        self._await_answer(limits.PRIMARY_SILENT_SECONDS_MAX)
        try:
            with CUT_IS_GONE:
                if await self._connection.fetchval("SELECT pg_is_in_recovery()"):
                    self._end()
        except _UNREACHABLE:
            self._end()
        finally:
            if self._silence is not None:
                self._silence.cancel()

    def _await_answer(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._silence = loop.call_later(seconds, self._is_silent, loop.time() + seconds)

    def _is_silent(self, due: float) -> None:
        """If we stood still ourselves, the answer may lie in the socket, unread."""
        if asyncio.get_running_loop().time() - due > _LATE_SECONDS:
            self._await_answer(_LATE_SECONDS)
        else:
            self._connection.terminate()
