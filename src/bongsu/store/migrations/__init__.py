"""The schema's history, in parts that old and new versions can live with side by side.

`NNNN_name.expand.sql` adds what new code needs and breaks nothing that old code uses; every start applies what is
missing. `NNNN_name.index.sql` adds indexes to tables that may be large already, each without stopping who writes.
`NNNN_name.contract.sql` removes what old code used; it is applied by `bongsu migrate --contract`, when no process of
the older version runs any more. An applied file never changes: its checksum is kept.
"""

import asyncio
import hashlib
import re
from collections.abc import Mapping
from importlib import resources
from typing import Final

import asyncpg
import msgspec
import structlog

from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.store.database import GONE, Connection, Database, OutcomeUnknown, commit

log = structlog.get_logger(__name__)

_LOCK: Final = 0x626F6E67  # any number, as long as every process takes the same
_NAME: Final = re.compile(r"(\d{4}_\w+)\.(expand|index|contract)\.sql")
_INDEX: Final = re.compile(r"CREATE INDEX CONCURRENTLY (\w+)\s")
_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS migrations (name text, half text, checksum text NOT NULL,"
    " applied_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (name, half))"
)
_NOTE: Final = "INSERT INTO migrations (name, half, checksum) VALUES ($1, $2, $3)"


class Migration(msgspec.Struct, frozen=True, order=True):
    """One file: its name ("0001_core"), its half, and its SQL."""

    name: str
    half: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def known() -> list[Migration]:
    """All migrations of this version, in order."""
    found = []
    for file in resources.files(__package__).iterdir():
        match = _NAME.fullmatch(file.name)
        if match:
            found.append(Migration(match[1], match[2], file.read_text("utf-8")))
    return sorted(found, key=in_order)


def in_order(migration: Migration) -> tuple[bool, Migration]:
    """By their numbers, and whatever removes something last."""
    return migration.half == "contract", migration


async def migrate(database: Database, *, contract: bool = False) -> list[str]:
    """Applies what is missing and returns the names. Safe when several processes start at once: one does the work.

    Each file is a transaction of its own. A table that is in use is waited for only briefly, again and again: who waits
    for a table stops everybody who comes after. Raises a 503 refusal when it never was free, or there is no primary.
    """
    done: list[str] = []
    for _ in range(limits.MIGRATION_TRIES):
        try:
            await database.to_the_end(_apply_missing(database, contract, done))
            if done:
                log.info("tables_changed", migrations=len(done), last=done[-1])
            return done
        except (asyncpg.LockNotAvailableError, OutcomeUnknown, *GONE) as error:
            log.info("migration_waits", reason=repr(error))
            await asyncio.sleep(limits.MIGRATION_REST_SECONDS)
    raise Refusal(503, "M_UNKNOWN", "the tables cannot be changed now; start again when the database is quieter")


async def _apply_missing(database: Database, contract: bool, done: list[str]) -> None:
    """Adds the names of what it applied to `done`. The lock is the session's: it ends with the connection."""
    connection = await database.connect()
    try:
        await _take_lock(connection)
        await commit(connection, lambda _: connection.execute(_TABLE))
        applied = {
            (row["name"], row["half"]): row["checksum"]
            for row in await connection.fetch("SELECT name, half, checksum FROM migrations")
        }
        for migration in known():
            if _is_missing(migration, applied) and (contract or migration.half != "contract"):
                await _apply(connection, migration)
                done.append(f"{migration.name}.{migration.half}")
    finally:
        connection.terminate()


async def _take_lock(connection: Connection) -> None:
    """Asked for again and again, never waited for: an index waits for every statement under way, a waiting one too."""
    while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):  # noqa: ASYNC110 - no event says so
        await asyncio.sleep(limits.MIGRATION_REST_SECONDS / 5)


def _is_missing(migration: Migration, applied: Mapping[tuple[str, str], str]) -> bool:
    checksum = applied.get((migration.name, migration.half))
    if checksum not in (None, migration.checksum):
        name = f"{migration.name}.{migration.half}"
        raise Refusal(500, "M_UNKNOWN", f"this database was made by another version: its {name} is not this one's")
    return checksum is None


async def _apply(connection: Connection, migration: Migration) -> None:
    async def note(_: Connection) -> None:
        await connection.execute(_NOTE, migration.name, migration.half, migration.checksum)

    async def change(_: Connection) -> None:
        await connection.execute(migration.sql)
        await note(connection)

    if migration.half == "index":
        await _build(connection, migration.sql)
        await commit(connection, note)
    else:
        await connection.execute(f"SET lock_timeout = {limits.MIGRATION_LOCK_MS}")
        await commit(connection, change)
    log.debug("migration_applied", name=migration.name, half=migration.half)


async def _build(connection: Connection, sql: str) -> None:
    """Outside of a transaction, and as patient as it must be, for nobody waits behind it. What a try that broke off
    left behind goes first.
    """
    await connection.execute("SET lock_timeout = 0")
    for match in _INDEX.finditer(sql):
        end = sql.index(";", match.start())
        await connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {match[1]}")
        await connection.execute(sql[match.start() : end])
