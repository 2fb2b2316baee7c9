"""What is to happen later, as rows. Whoever does it deletes the row in the same transaction: so it happens once.

A service puts its timers in its own transaction, with an id it can name again ("booking.hold/b123").
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.core.json import JsonObject, decode, encode
from bongsu.store.database import Connection, Database, end_when_silent, is_own_fault
from bongsu.store.rooms import Reads


class Timer(msgspec.Struct, frozen=True):
    """timer_id: unique; a later timer with the same one replaces it. due_at: ms. payload: JSON for the handler."""

    timer_id: str
    kind: str
    due_at: int
    payload: JsonObject = {}


GONE: Final = "gone"  # of an account that was deactivated; payload: user_id. Services give back what it had of them


# By the least: of a $1 that it does not know, a plan expects that a third of all timers are due, and reads all of them.
DUE: Final = "SELECT 1 WHERE (SELECT min(due_at) FROM timers) <= $1"

Handler = Callable[[Connection, Timer], Awaitable[None]]


async def clock_ms(reads: Reads) -> int:
    """What time it is, by the database's clock."""
    rows = await reads.fetch("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS ms")
    return int(rows[0]["ms"])


async def put(connection: Connection, timers: Sequence[Timer]) -> None:
    """Sets them in the caller's transaction."""
    await connection.executemany(
        "INSERT INTO timers (timer_id, kind, due_at, payload) VALUES ($1, $2, $3, $4) ON CONFLICT (timer_id)"
        " DO UPDATE SET kind = excluded.kind, due_at = excluded.due_at, payload = excluded.payload, tries = 0",
        [(timer.timer_id, timer.kind, timer.due_at, encode(timer.payload)) for timer in timers],
    )


async def drop(connection: Connection, timer_ids: Sequence[str]) -> None:
    """Takes them back in the caller's transaction; those that are gone, or go off just now, are none of its business.

    So a handler must ask whether there is still something to do, once it has the lock that the caller holds here.
    """
    await connection.execute(
        "DELETE FROM timers WHERE timer_id IN"
        " (SELECT timer_id FROM timers WHERE timer_id = ANY($1) FOR UPDATE SKIP LOCKED)",
        list(timer_ids),
    )


class Failed(Exception):
    """A handler failed: nothing of it was kept, and its timer waits."""


class Timers:
    """The clock's view. A row that is being done is locked, and the lock ends with the transaction or its worker."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self, kinds: Sequence[str], now_ms: int) -> list[str]:
        """The kinds of which something is due."""
        rows = await self._database.fetch(
            "SELECT kind FROM unnest($2::text[]) AS kind"
            " WHERE EXISTS (SELECT 1 FROM timers t WHERE t.kind = kind.kind AND due_at <= $1)",
            *(now_ms, list(kinds)),
        )
        return [row["kind"] for row in rows]

    async def fire(self, kinds: Sequence[str], now_ms: int, run: Handler) -> bool:
        """Does the one that is due longest. False: nothing is due that no one else does. Raises Failed.

        One that fails, however it does, waits; a database that cannot be reached may be its doing as well.
        """
        taken: list[Timer] = []

        async def work(connection: Connection) -> bool:
            timer = await _take(connection, kinds, now_ms)
            if timer is None:
                return False
            taken[:] = [timer]
            try:
                await run(connection, timer)
            except Exception as error:
                if not is_own_fault(error, connection):
                    raise
                raise Failed(timer.kind) from error
            return True

        try:
            return await self._database.write(work)
        except (Failed, Refusal):
            if taken:
                await self._postpone(taken[0], now_ms)
            raise

    async def _postpone(self, timer: Timer, now_ms: int) -> None:
        """Longer with each try, so that one that always fails holds up no other."""
        await self._database.execute(
            "UPDATE timers SET tries = tries + 1, due_at = $2 + least($3 * 2 ^ least(tries, 20), $4)::bigint"
            " WHERE timer_id = $1 AND due_at = $5",
            timer.timer_id,
            now_ms,
            limits.TIMER_RETRY_MS_MIN,
            limits.TIMER_RETRY_MS_MAX,
            timer.due_at,
        )


async def take_more(connection: Connection, kind: str, now_ms: int, count: int) -> list[Timer]:
    """In a handler's transaction: others of its kind that are due and nobody is at, to be done with its own."""
    rows = await connection.fetch(
        "DELETE FROM timers WHERE timer_id IN (SELECT timer_id FROM timers WHERE due_at <= $1 AND kind = $2"
        " ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED) RETURNING timer_id, kind, due_at, payload",
        *(now_ms, kind, count),
    )
    return [Timer(row["timer_id"], row["kind"], row["due_at"], decode(row["payload"])) for row in rows]


async def _take(connection: Connection, kinds: Sequence[str], now_ms: int) -> Timer | None:
    await end_when_silent(connection)
    row = await connection.fetchrow(
        "DELETE FROM timers WHERE timer_id = (SELECT timer_id FROM timers WHERE due_at <= $1 AND kind = ANY($2)"
        " ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING timer_id, kind, due_at, payload",
        now_ms,
        list(kinds),
    )
    return None if row is None else Timer(row["timer_id"], row["kind"], row["due_at"], decode(row["payload"]))
