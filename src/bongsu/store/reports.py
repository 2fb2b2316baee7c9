"""What people report: an event, a room or a person."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from bongsu.store.database import Database
from bongsu.store.rooms import Reads


class NewReport(msgspec.Struct, frozen=True):
    """room_id, event_id, user_id: "" where that is not what it is about."""

    reporter: str
    reason: str
    room_id: str = ""
    event_id: str = ""
    user_id: str = ""


class Report(msgspec.Struct, frozen=True):
    """As it is kept. closed_at None: nobody has looked after it yet."""

    report_id: int
    reporter: str
    room_id: str
    event_id: str
    user_id: str
    reason: str
    made_at: datetime
    closed_at: datetime | None


_ADD: Final = """
INSERT INTO reports (reporter, reason, room_id, event_id, user_id) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (reporter, room_id, event_id, user_id) WHERE closed_at IS NULL
DO UPDATE SET reason = excluded.reason, made_at = now()
"""
_COLUMNS: Final = "report_id, reporter, room_id, event_id, user_id, reason, made_at, closed_at"


async def add(database: Database, report: NewReport) -> None:
    """Who reports the same twice has one report, with the newer reason."""
    await database.execute(_ADD, *msgspec.structs.astuple(report))


async def some(reads: Reads, *, closed_too: bool, count: int) -> Sequence[Report]:
    """The newest reports, newest first."""
    rows = await reads.fetch(
        f"SELECT {_COLUMNS} FROM reports WHERE $1 OR closed_at IS NULL ORDER BY report_id DESC LIMIT $2",
        closed_too,
        count,
    )
    return [Report(*row.values()) for row in rows]


async def one(reads: Reads, report_id: int) -> Report | None:
    rows = await reads.fetch(f"SELECT {_COLUMNS} FROM reports WHERE report_id = $1", report_id)
    return Report(*rows[0].values()) if rows else None


async def close(database: Database, report_id: int) -> bool:
    """False for a report that is not there. One that is closed stays as it was."""
    tag = await database.execute(
        "UPDATE reports SET closed_at = coalesce(closed_at, now()) WHERE report_id = $1", report_id
    )
    return tag == "UPDATE 1"
