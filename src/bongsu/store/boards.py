"""The tables of the bed board. Times are milliseconds since the epoch. What writes runs inside an operation's batch."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from bongsu.core import limits
from bongsu.core.boards import Place
from bongsu.store.database import Connection, Record, UniqueViolation
from bongsu.store.rooms import Reads


class Person(msgspec.Struct, frozen=True):
    """Somebody on a board. phone: at work."""

    user_id: str
    role: str
    hospital: str = ""
    on_call: bool = False
    phone: str = ""


class BedRow(msgspec.Struct, frozen=True):
    """places: that are there and open; free: those of them that nobody holds."""

    bed_id: str
    hospital: str
    kinds: list[str]
    place: Place
    note: str
    published_by: str
    published_ms: int
    valid_until_ms: int
    is_withdrawn: bool
    places: int
    free: int


class RequestRow(msgspec.Struct, frozen=True):
    """bed_id: the bed it holds now, if any."""

    request_id: str
    patient: str
    severity: Any
    needs: list[str]
    place: Place
    note: str
    requested_by: str
    created_ms: int
    deadline_ms: int
    state: str
    owner: str
    waiting_since_ms: int
    tier: int
    due_ms: int | None
    closed_ms: int | None
    bed_id: str | None


# --- boards and people ---


async def put_board(connection: Connection, room_id: str, title: str, user_id: str, now_ms: int) -> bool:
    """False if the room has one."""
    done = await connection.execute(
        "INSERT INTO boards (room_id, title, created_by, created_ms) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        *(room_id, title, user_id, now_ms),
    )
    return bool(done == "INSERT 0 1")


async def title_of(reads: Reads, room_id: str) -> str | None:
    rows = await reads.fetch("SELECT title FROM boards WHERE room_id = $1", room_id)
    return rows[0]["title"] if rows else None


async def people(reads: Reads, room_id: str) -> list[Person]:
    """Those who are listed and in the room."""
    rows = await reads.fetch(
        "SELECT p.user_id, p.role, p.hospital, p.on_call, p.phone FROM board_people p"
        " JOIN members m ON m.room_id = p.room_id AND m.user_id = p.user_id AND m.membership = 'join'"
        " WHERE p.room_id = $1 ORDER BY p.user_id",
        room_id,
    )
    return [Person(*row) for row in rows]


async def person(reads: Reads, room_id: str, user_id: str) -> Person | None:
    rows = await reads.fetch(
        "SELECT user_id, role, hospital, on_call, phone FROM board_people WHERE room_id = $1 AND user_id = $2",
        *(room_id, user_id),
    )
    return Person(*rows[0]) if rows else None


async def put_person(connection: Connection, room_id: str, who: Person) -> None:
    await connection.execute(
        "INSERT INTO board_people (room_id, user_id, role, hospital, on_call, phone) VALUES ($1, $2, $3, $4, $5, $6)"
        " ON CONFLICT (room_id, user_id) DO UPDATE SET role = excluded.role, hospital = excluded.hospital,"
        " on_call = excluded.on_call, phone = excluded.phone",
        *(room_id, who.user_id, who.role, who.hospital, who.on_call, who.phone),
    )


async def people_count(reads: Reads, room_id: str) -> int:
    return int((await reads.fetch("SELECT count(*) AS n FROM board_people WHERE room_id = $1", room_id))[0]["n"])


async def calmest_coordinator(reads: Reads, room_id: str, but: str = "") -> str | None:
    """The coordinator in the room who owns the fewest unanswered requests; `but`: unless nobody else is there."""
    rows = await reads.fetch(
        "SELECT p.user_id FROM board_people p"
        " JOIN members m ON m.room_id = p.room_id AND m.user_id = p.user_id AND m.membership = 'join'"
        " LEFT JOIN board_requests r ON r.room_id = p.room_id AND r.owner = p.user_id AND r.due_ms IS NOT NULL"
        " WHERE p.room_id = $1 AND p.role = 'coordinator'"
        " GROUP BY p.user_id ORDER BY p.user_id = $2, count(r.request_id), p.user_id LIMIT 1",
        *(room_id, but),
    )
    return rows[0]["user_id"] if rows else None


# --- beds ---

_BED: Final = """
SELECT b.bed_id, b.hospital, b.kinds, b.lat, b.lon, b.area, b.note, b.published_by, b.published_ms, b.valid_until_ms,
       b.is_withdrawn, count(p.place) FILTER (WHERE p.is_open) AS places,
       count(p.place) FILTER (WHERE p.is_open AND a.place IS NULL) AS free
FROM board_beds b
LEFT JOIN board_places p ON p.bed_id = b.bed_id
LEFT JOIN board_assignments a ON a.bed_id = p.bed_id AND a.place = p.place AND a.ended_ms IS NULL
"""


def _bed(row: Record) -> BedRow:
    bed_id, hospital, kinds, lat, lon, area, *rest = row
    return BedRow(bed_id, hospital, kinds, Place(lat, lon, area), *rest)


async def bed(reads: Reads, room_id: str, bed_id: str) -> BedRow | None:
    rows = await reads.fetch(f"{_BED} WHERE b.room_id = $1 AND b.bed_id = $2 GROUP BY b.bed_id", room_id, bed_id)
    return _bed(rows[0]) if rows else None


async def beds(reads: Reads, room_id: str, after: str, count: int, *, withdrawn: bool = False) -> list[BedRow]:
    rows = await reads.fetch(
        f"{_BED} WHERE b.room_id = $1 AND b.bed_id > $2 AND (NOT b.is_withdrawn OR $4)"
        " GROUP BY b.bed_id ORDER BY b.bed_id LIMIT $3",
        *(room_id, after, count, withdrawn),
    )
    return [_bed(row) for row in rows]


async def beds_count(reads: Reads, room_id: str) -> int:
    rows = await reads.fetch("SELECT count(*) AS n FROM board_beds WHERE room_id = $1 AND NOT is_withdrawn", room_id)
    return int(rows[0]["n"])


async def put_bed(connection: Connection, room_id: str, row: BedRow) -> None:
    await connection.execute(
        "INSERT INTO board_beds (bed_id, room_id, hospital, kinds, lat, lon, area, note, published_by, published_ms,"
        " valid_until_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
        " ON CONFLICT (bed_id) DO UPDATE SET kinds = excluded.kinds, lat = excluded.lat, lon = excluded.lon,"
        " area = excluded.area, note = excluded.note, published_ms = excluded.published_ms,"
        " valid_until_ms = excluded.valid_until_ms, is_withdrawn = false",
        *(row.bed_id, room_id, row.hospital, row.kinds, row.place.lat, row.place.lon, row.place.area, row.note),
        *(row.published_by, row.published_ms, row.valid_until_ms),
    )


async def set_free(connection: Connection, bed_id: str, free: int) -> None:
    """So many places are open that nobody holds. Held ones stay as they are."""
    await connection.execute(
        "UPDATE board_places p SET is_open = false WHERE p.bed_id = $1 AND p.is_open AND NOT EXISTS"
        " (SELECT FROM board_assignments a WHERE a.bed_id = $1 AND a.place = p.place AND a.ended_ms IS NULL)",
        bed_id,
    )
    await connection.execute(
        "UPDATE board_places SET is_open = true WHERE bed_id = $1 AND place IN (SELECT place FROM board_places p"
        " WHERE p.bed_id = $1 AND NOT p.is_open ORDER BY place LIMIT $2)",
        *(bed_id, free),
    )
    await connection.execute(
        "INSERT INTO board_places (bed_id, place) SELECT $1, taken.last + new.n FROM"
        " (SELECT coalesce(max(place), 0) AS last, $2 - count(*) FILTER (WHERE is_open AND NOT EXISTS (SELECT FROM"
        " board_assignments a WHERE a.bed_id = $1 AND a.place = p.place AND a.ended_ms IS NULL)) AS missing"
        " FROM board_places p WHERE bed_id = $1) taken, generate_series(1, taken.missing::integer) AS new (n)",
        *(bed_id, free),
    )


async def withdraw_bed(connection: Connection, bed_id: str) -> None:
    await connection.execute("UPDATE board_beds SET is_withdrawn = true WHERE bed_id = $1", bed_id)
    await connection.execute("UPDATE board_places SET is_open = false WHERE bed_id = $1", bed_id)


# --- requests ---

_REQUEST: Final = """
SELECT r.request_id, r.patient, r.severity, r.needs, r.lat, r.lon, r.area, r.note, r.requested_by, r.created_ms,
       r.deadline_ms, r.state, r.owner, r.waiting_since_ms, r.tier, r.due_ms, r.closed_ms, a.bed_id
FROM board_requests r
LEFT JOIN board_assignments a ON a.request_id = r.request_id AND a.ended_ms IS NULL
"""


def _request(row: Record) -> RequestRow:
    request_id, patient, severity, needs, lat, lon, area, *rest = row
    return RequestRow(request_id, patient, severity, needs, Place(lat, lon, area), *rest)


async def request(reads: Reads, room_id: str, request_id: str) -> RequestRow | None:
    rows = await reads.fetch(f"{_REQUEST} WHERE r.room_id = $1 AND r.request_id = $2", room_id, request_id)
    return _request(rows[0]) if rows else None


async def requests(
    reads: Reads, room_id: str, states: Sequence[str], after: tuple[int, str], count: int
) -> list[RequestRow]:
    """Who waits longest comes first."""
    rows = await reads.fetch(
        f"{_REQUEST} WHERE r.room_id = $1 AND r.state = ANY($2) AND (r.waiting_since_ms, r.request_id) > ($3, $4)"
        " ORDER BY r.waiting_since_ms, r.request_id LIMIT $5",
        *(room_id, states, *after, count),
    )
    return [_request(row) for row in rows]


async def open_count(reads: Reads, room_id: str) -> int:
    rows = await reads.fetch(
        "SELECT count(*) AS n FROM board_requests WHERE room_id = $1 AND state <> 'closed'", room_id
    )
    return int(rows[0]["n"])


async def put_request(connection: Connection, room_id: str, row: RequestRow) -> None:
    await connection.execute(
        "INSERT INTO board_requests (request_id, room_id, patient, severity, needs, lat, lon, area, note,"
        " requested_by, created_ms, deadline_ms, state, owner, waiting_since_ms, tier, due_ms)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
        *(row.request_id, room_id, row.patient, row.severity, row.needs, row.place.lat, row.place.lon, row.place.area),
        *(row.note, row.requested_by, row.created_ms, row.deadline_ms, row.state, row.owner, row.waiting_since_ms),
        *(row.tier, row.due_ms),
    )
    await begin_wait(connection, room_id, row.request_id, row.waiting_since_ms)


async def set_request(connection: Connection, row: RequestRow) -> None:
    """Writes what changes in the course of a request."""
    await connection.execute(
        "UPDATE board_requests SET state = $2, owner = $3, waiting_since_ms = $4, tier = $5, due_ms = $6,"
        " closed_ms = $7 WHERE request_id = $1",
        *(row.request_id, row.state, row.owner, row.waiting_since_ms, row.tier, row.due_ms, row.closed_ms),
    )


async def due(reads: Reads, now_ms: int, count: int) -> list[tuple[str, str]]:
    """(room, request) of waits that are due."""
    rows = await reads.fetch(
        "SELECT room_id, request_id FROM board_requests WHERE due_ms <= $1 ORDER BY due_ms LIMIT $2", now_ms, count
    )
    return [(row["room_id"], row["request_id"]) for row in rows]


# --- assignments and waits ---


async def hold(connection: Connection, request_id: str, bed_id: str, user_id: str, now_ms: int) -> bool:
    """Gives the request one open place of the bed. False where none is left."""
    try:
        done = await connection.execute(
            "INSERT INTO board_assignments (request_id, bed_id, place, assigned_by, assigned_ms)"
            " SELECT $1, p.bed_id, p.place, $3, $4 FROM board_places p WHERE p.bed_id = $2 AND p.is_open"
            " AND NOT EXISTS (SELECT FROM board_assignments a WHERE a.bed_id = p.bed_id AND a.place = p.place"
            " AND a.ended_ms IS NULL) ORDER BY p.place LIMIT 1",
            *(request_id, bed_id, user_id, now_ms),
        )
    except UniqueViolation:
        return False
    return bool(done == "INSERT 0 1")


async def release(
    connection: Connection, request_id: str, ending: str, reason: str, now_ms: int, *, is_used: bool
) -> None:
    """Ends what the request holds. is_used: somebody lay in it, so the hospital says when it is free again."""
    rows = await connection.fetch(
        "UPDATE board_assignments SET ended_ms = $2, ending = $3, reason = $4"
        " WHERE request_id = $1 AND ended_ms IS NULL RETURNING bed_id, place",
        *(request_id, now_ms, ending, reason),
    )
    for row in rows if is_used else ():
        await connection.execute(
            "UPDATE board_places SET is_open = false WHERE bed_id = $1 AND place = $2", row["bed_id"], row["place"]
        )


async def holders(reads: Reads, bed_id: str) -> list[str]:
    """Requests that hold a place of the bed."""
    rows = await reads.fetch(
        "SELECT request_id FROM board_assignments WHERE bed_id = $1 AND ended_ms IS NULL ORDER BY place", bed_id
    )
    return [row["request_id"] for row in rows]


async def refused_beds(reads: Reads, request_id: str) -> set[str]:
    """Beds that declined this request."""
    rows = await reads.fetch(
        "SELECT DISTINCT bed_id FROM board_assignments WHERE request_id = $1 AND ending = 'decline'", request_id
    )
    return {row["bed_id"] for row in rows}


async def begin_wait(connection: Connection, room_id: str, request_id: str, began_ms: int) -> None:
    """A wait that begins, or goes on because its bed was lost."""
    await connection.execute(
        "INSERT INTO board_waits (request_id, began_ms, room_id) VALUES ($1, $2, $3)"
        " ON CONFLICT (request_id, began_ms) DO UPDATE SET took_ms = NULL",
        *(request_id, began_ms, room_id),
    )


async def end_wait(connection: Connection, request_id: str, began_ms: int, now_ms: int) -> None:
    await connection.execute(
        "UPDATE board_waits SET took_ms = $3 WHERE request_id = $1 AND began_ms = $2",
        *(request_id, began_ms, max(0, now_ms - began_ms)),
    )


async def waits(reads: Reads, room_id: str, since_ms: int) -> list[int]:
    """How long the newest waits that ended took."""
    rows = await reads.fetch(
        "SELECT took_ms FROM board_waits WHERE room_id = $1 AND began_ms >= $2 AND took_ms IS NOT NULL"
        " ORDER BY began_ms DESC LIMIT $3",
        *(room_id, since_ms, limits.BOARD_STATS_MAX),
    )
    return [row["took_ms"] for row in rows]


async def waiting_since(reads: Reads, room_id: str) -> list[int]:
    rows = await reads.fetch(
        "SELECT waiting_since_ms FROM board_requests WHERE room_id = $1 AND due_ms IS NOT NULL", room_id
    )
    return [row["waiting_since_ms"] for row in rows]


# --- who looked ---


async def note_access(connection: Connection, room_id: str, user_id: str, what: str, day: int) -> None:
    await connection.execute(
        "INSERT INTO board_access (room_id, user_id, what, day, times) VALUES ($1, $2, $3, $4, 1)"
        " ON CONFLICT (room_id, day, user_id, what) DO UPDATE SET times = board_access.times + 1",
        *(room_id, user_id, what, day),
    )


async def access(reads: Reads, room_id: str, count: int) -> list[dict[str, Any]]:
    rows = await reads.fetch(
        "SELECT user_id, what, day, times FROM board_access WHERE room_id = $1"
        " ORDER BY day DESC, user_id, what LIMIT $2",
        *(room_id, count),
    )
    return [dict(row) for row in rows]


async def sweep(connection: Connection, now_ms: int) -> None:
    """Forgets what says anything about a patient."""
    await connection.execute(
        "UPDATE board_requests SET patient = '', area = '', note = '', lat = NULL, lon = NULL"
        " WHERE closed_ms < $1 AND patient <> ''",
        now_ms - limits.BOARD_KEPT_DAYS * 86_400_000,
    )


async def is_member(reads: Reads, room_id: str, user_id: str) -> bool:
    sql = "SELECT FROM members WHERE room_id = $1 AND user_id = $2 AND membership = 'join'"
    return bool(await reads.fetch(sql, room_id, user_id))
