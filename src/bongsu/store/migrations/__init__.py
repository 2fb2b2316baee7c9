"""The schema's history, in expand and contract halves.

`NNNN_name.expand.sql` adds what new code needs and breaks nothing that old code uses; every start applies what is
missing. `NNNN_name.contract.sql` removes what old code used; it is applied by `bongsu migrate --contract`, when no
process of the older version runs any more. An applied file never changes: its checksum is kept.
"""

import asyncio
import hashlib
import re
from importlib import resources
from typing import Final

import asyncpg
import msgspec
import structlog

from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.store.database import Connection, Database

log = structlog.get_logger(__name__)

_LOCK: Final = 0x626F6E67  # any number, as long as every process takes the same
_NAME: Final = re.compile(r"(\d{4}_\w+)\.(expand|contract)\.sql")


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
    return sorted(found)


async def migrate(database: Database, *, contract: bool = False) -> list[str]:
    """Applies what is missing and returns the names. Safe when several processes start at once: one does the work.

    A table that is in use is waited for only briefly, again and again: who waits for a table stops everybody who comes
    after. Raises a 503 refusal when it never was free.
    """
    for _ in range(limits.MIGRATION_TRIES):
        try:
            return await database.write(lambda connection: _apply_missing(connection, contract))
        except asyncpg.LockNotAvailableError:
            log.info("migration_waits_for_a_table")
            await asyncio.sleep(limits.MIGRATION_REST_SECONDS)
    raise Refusal(
        503, "M_UNKNOWN", "the tables are in use all the time: nothing was changed; start again when it is quieter"
    )


async def _apply_missing(connection: Connection, contract: bool) -> list[str]:
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
    await connection.execute(f"SET LOCAL lock_timeout = {limits.MIGRATION_LOCK_MS}")
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS migrations (name text, half text, checksum text NOT NULL,"
        " applied_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (name, half))"
    )
    rows = await connection.fetch("SELECT name, half, checksum FROM migrations")
    applied = {(row["name"], row["half"]): row["checksum"] for row in rows}
    return [f"{m.name}.{m.half}" for m in known() if await _apply(connection, m, applied, contract)]


async def _apply(
    connection: Connection, migration: Migration, applied: dict[tuple[str, str], str], contract: bool
) -> bool:
    checksum = applied.get((migration.name, migration.half))
    if checksum is not None:
        if checksum != migration.checksum:
            name = f"{migration.name}.{migration.half}"
            raise Refusal(500, "M_UNKNOWN", f"this database was made by another version: its {name} is not this one's")
        return False
    if migration.half == "contract" and not contract:
        return False
    await connection.execute(migration.sql)
    await connection.execute(
        "INSERT INTO migrations (name, half, checksum) VALUES ($1, $2, $3)",
        migration.name,
        migration.half,
        migration.checksum,
    )
    log.info("migration_applied", name=migration.name, half=migration.half)
    return True
