"""What the installation is, once and for all."""

from typing import Final

from bongsu.core.errors import Refusal
from bongsu.store.database import FULL, Connection, Database


async def check_server_name(database: Database, server_name: str) -> None:
    """The name stands in every user id and event; a database that was begun with another one is not served."""
    await database.execute(
        "INSERT INTO server_facts (name, value) VALUES ('server_name', $1) ON CONFLICT (name) DO NOTHING", server_name
    )
    present = await database.fetchval("SELECT value FROM server_facts WHERE name = 'server_name'")
    if present != server_name:
        raise Refusal(
            500,
            "M_UNKNOWN",
            f"this database belongs to the server {present}; start with --server-name {present},"
            f" or give {server_name} a database of its own",
        )


VERSION_MIN: Final = 15
_KIND: Final = (
    "SELECT current_setting('server_version_num')::int / 10000 AS version,"
    " current_setting('server_encoding') AS encoding"
)


async def check_kind(database: Database) -> None:
    """Before anything is written: it must be new enough, and hold every script."""
    kind = await database.fetchrow(_KIND)
    assert kind is not None
    if kind["version"] < VERSION_MIN:
        raise Refusal(
            500,
            "M_UNKNOWN",
            f"this database is PostgreSQL {kind['version']}; Bongsu needs {VERSION_MIN} or newer",
        )
    if kind["encoding"] != "UTF8":
        raise Refusal(
            500,
            "M_UNKNOWN",
            f"this database keeps texts in {kind['encoding']}, which cannot hold every script;"
            " make one with: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0",
        )


async def is_usable(database: Database) -> bool:
    """Does it have our tables, and is it a primary, or a standby that is read from until there is one again?"""
    is_standby = await database.fetchval("SELECT pg_is_in_recovery() FROM stream")
    return is_standby is False or (is_standby is True and not database.has_primary)


_NEEDS_ROOM: Final = "SELECT count(*) FROM (SELECT FROM generate_series(1, 200000) AS n ORDER BY -n) AS sorted"


async def look_for_room(database: Database) -> None:
    """After something could not be stored: a sort that takes some megabytes of the same disk for a moment, as on a full
    one a small write may happen to fit.
    """

    async def sort(connection: Connection) -> None:
        async with connection.transaction():
            await connection.execute("SET LOCAL work_mem = '64kB'")
            await connection.execute(_NEEDS_ROOM)

    try:
        await database.read(sort)
        database.is_full = False
    except FULL:
        database.is_full = True


_DURABLE = "SELECT name FROM pg_settings WHERE name IN ('fsync', 'full_page_writes') AND setting <> 'on'"


async def check_durability(database: Database) -> None:
    """A database that does not keep what it acknowledged is not served."""
    lowered = [row["name"] for row in await database.fetch(_DURABLE)]
    if lowered:
        raise Refusal(500, "M_UNKNOWN", f"this database may lose what it acknowledged: {', '.join(lowered)} must be on")
