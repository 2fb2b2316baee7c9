"""What backups ask of a database: how far it is, what it holds, and which transaction wrote a position."""

from typing import Final

import msgspec

from bongsu.store.database import Database

SLOT: Final = "bongsu_backup"  # the replication slot that an archive reads


class Mark(msgspec.Struct, frozen=True):
    """A moment: the stream's position, and a byte of the log before which all of it is written."""

    position: int
    lsn: int


_MARK: Final = """
SELECT pos, pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
                                 ELSE pg_current_wal_flush_lsn() END, '0/0')::bigint AS lsn FROM stream
"""


async def mark(database: Database) -> Mark:
    row = await database.fetchrow(_MARK)
    assert row is not None
    return Mark(row["pos"], row["lsn"])


async def archived_lsn(database: Database, slot: str) -> int | None:
    """How far the archive that reads this slot has everything on its disk; None when nobody reads it."""
    lsn: int | None = await database.fetchval(
        "SELECT pg_wal_lsn_diff(restart_lsn, '0/0')::bigint FROM pg_replication_slots WHERE slot_name = $1 AND active",
        slot,
    )
    return lsn


class Contents(msgspec.Struct, frozen=True):
    """What a database holds up to a position. hash: of all that never changes of these events."""

    position: int
    events: int
    rooms: int
    hash: str


# Redactions replace an event's content and devices may be removed, so only what stays for ever is hashed; the event's
# id is itself the hash of the content. A sum does not depend on the order of reading.
_CONTENTS: Final = """
SELECT count(*) AS events,
       coalesce(sum(hashtextextended(concat_ws(' ', pos, event_id, room_id, type, sender, state_key, ts_ms), 0)), 0)
           ::text AS hash,
       (SELECT count(*) FROM rooms WHERE created_pos <= $1) AS rooms
FROM events WHERE pos <= $1
"""


async def contents(database: Database, position: int) -> Contents:
    row = await database.fetchrow(_CONTENTS, position)
    assert row is not None
    return Contents(position, row["events"], row["rooms"], row["hash"])


async def position(database: Database) -> int:
    return int(await database.fetchval("SELECT pos FROM stream"))


async def count_read(database: Database) -> dict[str, int]:
    """Rows of the tables that only grow. Reads the events to their last byte, so that every page's checksum is seen."""
    row = await database.fetchrow(
        "SELECT (SELECT count(*) FROM events WHERE length(pdu) > 0) AS events, (SELECT count(*) FROM users) AS users,"
        " (SELECT count(*) FROM rooms) AS rooms, (SELECT count(*) FROM blobs) AS blobs"
    )
    assert row is not None
    return dict(row.items())


async def blobs(database: Database) -> list[tuple[str, int]]:
    """(SHA-256 in hex, size) of every photo and file, newest first."""
    rows = await database.fetch("SELECT encode(sha256, 'hex') AS name, size FROM blobs ORDER BY created_at DESC")
    return [(row["name"], row["size"]) for row in rows]


async def last_message(database: Database, position: int) -> tuple[int, str] | None:
    """(position, transaction) of the last event at or before this position. A redacted row names its redaction's."""
    row = await database.fetchrow(
        "SELECT pos, xmin::text AS xid FROM events WHERE pos <= $1 AND redacted_by IS NULL ORDER BY pos DESC LIMIT 1",
        position,
    )
    return None if row is None else (row["pos"], row["xid"])
