"""How the database keeps what it acknowledged: its settings, and the copies that follow it."""

from typing import Final

import msgspec

from bongsu.store.database import Database

_WATCHED: Final = (
    "fsync",
    "full_page_writes",
    "synchronous_commit",
    "synchronous_standby_names",
    "data_checksums",
    "max_connections",
    "server_version",
)
# The columns of others' sessions are null for a role that may not see them; Patroni knows then.
_STANDBYS: Final = """
SELECT application_name, coalesce(state, '') AS state, coalesce(sync_state, '') AS sync_state,
       CASE WHEN NOT pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::bigint END AS behind
FROM pg_stat_replication ORDER BY application_name
"""


class Standby(msgspec.Struct, frozen=True):
    """A copy as the primary sees it. behind_bytes: null when this role may not see it."""

    name: str
    state: str
    sync_state: str
    behind_bytes: int | None


class DatabaseFacts(msgspec.Struct, frozen=True):
    """is_standby: what this site reads from is a copy. settings: as the server has them, by PostgreSQL's names."""

    is_standby: bool
    settings: dict[str, str]
    standbys: list[Standby]
    bytes: int


async def database_facts(database: Database) -> DatabaseFacts:
    settings = await database.fetch("SELECT name, setting FROM pg_settings WHERE name = ANY($1)", _WATCHED)
    default = await database.fetchval("SELECT reset_val FROM pg_settings WHERE name = 'synchronous_commit'")
    standbys = await database.fetch(_STANDBYS)
    return DatabaseFacts(
        is_standby=await database.fetchval("SELECT pg_is_in_recovery()"),
        settings={**{row["name"]: row["setting"] for row in settings}, "synchronous_commit": default},
        standbys=[Standby(*row) for row in standbys],
        bytes=await database.fetchval("SELECT pg_database_size(current_database())"),
    )
