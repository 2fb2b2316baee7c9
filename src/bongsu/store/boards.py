"""The tables of the bed board. Times are milliseconds since the epoch. What writes runs inside an operation's batch."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from bongsu.core import limits
from bongsu.core.boards import Place, Staff
from bongsu.core.paging import Page
from bongsu.store.database import Connection, Record, UniqueViolation
from bongsu.store.rooms import Reads

_DAY_MS: Final = 86_400_000


class Person(msgspec.Struct, frozen=True):
    """Somebody on a board. phone: at work."""

    user_id: str
    role: str
    hospital: str = ""
    on_call: bool = False
    phone: str = ""


class Board(msgspec.Struct, frozen=True):
    """subject: what its audit is called, which stays when the board moves."""

    title: str
    subject: str


class Entry(msgspec.Struct, frozen=True):
    """Somebody before a room's board. moved_to: the room that took the board from this one."""

    board: Board | None
    who: Person | None
    is_member: bool
    moved_to: str | None


class BedRow(msgspec.Struct, frozen=True):
    """places: that are there and open; free: those of them that nobody holds.

    version: grows with what changes free; published_version: what it was when the hospital last spoke; number: what
    people call it.
    """

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
    version: int = 0
    published_version: int = 0
    number: int = 0


class RequestRow(msgspec.Struct, frozen=True):
    """bed_id, offer_id, hospital: of the bed it holds now, if any. number: what people call it."""

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
    offer_id: int | None = None
    hospital: str | None = None
    number: int = 0


# --- boards and people ---


async def put_board(connection: Connection, room_id: str, title: str, user_id: str, now_ms: int) -> bool:
    """False if the room has one."""
    done = await connection.execute(
        "INSERT INTO boards (room_id, title, created_by, created_ms) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        *(room_id, title, user_id, now_ms),
    )
    return bool(done == "INSERT 0 1")


_ENTRY: Final = """
SELECT b.title, 'board ' || coalesce(b.audited_as, b.room_id) AS subject, v.new_room_id,
       EXISTS (SELECT FROM members m WHERE m.room_id = $1 AND m.user_id = $2 AND m.membership = 'join') AS is_member,
       p.user_id, p.role, p.hospital, p.on_call, p.phone
FROM (SELECT $1::text AS room_id) AS asked
LEFT JOIN boards b ON b.room_id = asked.room_id
LEFT JOIN board_people p ON p.room_id = b.room_id AND p.user_id = $2
LEFT JOIN board_moves v ON v.room_id = asked.room_id
"""


async def entry(reads: Reads, room_id: str, user_id: str) -> Entry:
    title, subject, moved_to, is_member, *whole = (await reads.fetch(_ENTRY, room_id, user_id))[0]
    board = None if title is None else Board(title, subject)
    return Entry(board, Person(*whole) if whole[0] is not None else None, is_member, moved_to)


MOVE: Final = (
    "UPDATE boards SET audited_as = coalesce(audited_as, room_id), room_id = $2 WHERE room_id = $1",
    "UPDATE board_waits SET room_id = $2 WHERE room_id = $1",
    "UPDATE board_access SET room_id = $2 WHERE room_id = $1",
    "INSERT INTO board_moves (room_id, new_room_id) VALUES ($1, $2)"
    " ON CONFLICT (room_id) DO UPDATE SET new_room_id = excluded.new_room_id",
)


async def has_board(reads: Reads, room_id: str) -> bool:
    return bool(await reads.fetch("SELECT FROM boards WHERE room_id = $1", room_id))


async def boards_of(reads: Reads, user_id: str, page: Page) -> list[dict[str, Any]]:
    """Boards of the rooms that this person is in, with how many wait there, and since when who waits longest.

    In the order in which they were made.
    """
    rows = await reads.fetch(
        "SELECT b.created_ms, b.room_id, b.title, coalesce(p.role, 'observer') AS role, w.waiting, w.since"
        " FROM members m JOIN boards b ON b.room_id = m.room_id"
        " LEFT JOIN board_people p ON p.room_id = b.room_id AND p.user_id = $1"
        " CROSS JOIN LATERAL (SELECT count(*) AS waiting, min(r.waiting_since_ms) AS since FROM board_requests r"
        " WHERE r.room_id = b.room_id AND r.due_ms IS NOT NULL) w"
        " WHERE m.user_id = $1 AND m.membership = 'join' AND (b.created_ms, b.room_id) > ($2, $3)"
        " ORDER BY b.created_ms, b.room_id LIMIT $4",
        *(user_id, *(page.after or (-1, "")), page.count),
    )
    return [dict(row) for row in rows]


async def people(reads: Reads, room_id: str, after: str, count: int) -> list[Person]:
    """Those who are listed and in the room, in the order of their ids, behind `after`."""
    rows = await reads.fetch(
        "SELECT p.user_id, p.role, p.hospital, p.on_call, p.phone FROM board_people p"
        " JOIN members m ON m.room_id = p.room_id AND m.user_id = p.user_id AND m.membership = 'join'"
        " WHERE p.room_id = $1 AND p.user_id > $2 ORDER BY p.user_id LIMIT $3",
        *(room_id, after, count),
    )
    return [Person(*row) for row in rows]


async def put_person(connection: Connection, room_id: str, who: Person, *, keeps_phone: bool = False) -> None:
    """keeps_phone: the one that is there, as who.phone says nothing."""
    await connection.execute(
        "INSERT INTO board_people AS p (room_id, user_id, role, hospital, on_call, phone)"
        " VALUES ($1, $2, $3, $4, $5, $6)"
        " ON CONFLICT (room_id, user_id) DO UPDATE SET role = excluded.role, hospital = excluded.hospital,"
        " on_call = excluded.on_call, phone = CASE WHEN $7 THEN p.phone ELSE excluded.phone END",
        *(room_id, who.user_id, who.role, who.hospital, who.on_call, who.phone, keeps_phone),
    )


async def people_count(reads: Reads, room_id: str, but: str) -> int:
    """How many others are listed."""
    sql = "SELECT count(*) AS n FROM board_people WHERE room_id = $1 AND user_id <> $2"
    return int((await reads.fetch(sql, room_id, but))[0]["n"])


async def staff(reads: Reads, room_id: str) -> list[Staff]:
    """Coordinators, and those on call, wherever they are: who leaves the room is on no list any more.

    Who may do nothing now is not here.
    """
    rows = await reads.fetch(
        "SELECT p.user_id, p.role, p.on_call, m.user_id IS NOT NULL AND u.user_id IS NULL AS is_here,"
        " count(r.request_id) AS owned FROM board_people p"
        " LEFT JOIN members m ON m.room_id = p.room_id AND m.user_id = p.user_id AND m.membership = 'join'"
        " LEFT JOIN users u ON u.user_id = p.user_id AND (u.locked OR u.suspended)"
        " LEFT JOIN board_requests r ON r.room_id = p.room_id AND r.owner = p.user_id AND r.state <> 'closed'"
        " AND r.due_ms IS NOT NULL"
        " WHERE p.room_id = $1 AND (p.role = 'coordinator' OR p.on_call)"
        " GROUP BY p.room_id, p.user_id, m.user_id, u.user_id ORDER BY p.user_id",
        room_id,
    )
    return [Staff(*row) for row in rows]


async def answerers(reads: Reads, room_id: str, row: BedRow) -> list[str]:
    """Who in the room can answer for a bed: its hospital's people, those on call first; then who published it."""
    rows = await reads.fetch(
        "SELECT p.user_id FROM board_people p"
        " JOIN members m ON m.room_id = p.room_id AND m.user_id = p.user_id AND m.membership = 'join'"
        " WHERE p.room_id = $1 AND (p.role = 'provider' AND coalesce(nullif(p.hospital, ''), p.user_id) = $2"
        " OR p.role = 'coordinator' AND p.user_id = $3)"
        " AND NOT EXISTS (SELECT FROM users u WHERE u.user_id = p.user_id AND (u.locked OR u.suspended))"
        " ORDER BY p.role = 'coordinator', NOT p.on_call, p.user_id <> $3, p.user_id",
        *(room_id, row.hospital, row.published_by),
    )
    return [each["user_id"] for each in rows]


async def listed(reads: Reads, room_id: str, user_ids: Sequence[str]) -> set[str]:
    """Those of them who are something on the board."""
    rows = await reads.fetch(
        "SELECT user_id FROM board_people WHERE room_id = $1 AND user_id = ANY($2)", room_id, list(user_ids)
    )
    return {row["user_id"] for row in rows}


# --- beds ---

_BED: Final = """
SELECT b.bed_id, b.hospital, b.kinds, b.lat, b.lon, b.area, b.note, b.published_by, b.published_ms, b.valid_until_ms,
       b.is_withdrawn, count(p.place) FILTER (WHERE p.is_open) AS places,
       count(p.place) FILTER (WHERE p.is_open AND a.place IS NULL) AS free, b.version, b.published_version,
       b.number
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


async def beds(reads: Reads, room_id: str, after: str, count: int) -> list[BedRow]:
    rows = await reads.fetch(
        f"{_BED} WHERE b.room_id = $1 AND b.bed_id > $2 AND NOT b.is_withdrawn"
        " GROUP BY b.bed_id ORDER BY b.bed_id LIMIT $3",
        *(room_id, after, count),
    )
    return [_bed(row) for row in rows]


async def beds_for(reads: Reads, room_id: str, needs: Sequence[str], now_ms: int) -> list[BedRow]:
    """Those that can do all of it and are still offered."""
    rows = await reads.fetch(
        f"{_BED} WHERE b.room_id = $1 AND NOT b.is_withdrawn AND b.kinds @> $2::text[] AND b.valid_until_ms > $3"
        " GROUP BY b.bed_id ORDER BY b.bed_id",
        *(room_id, list(needs), now_ms),
    )
    return [_bed(row) for row in rows]


async def bed_called(reads: Reads, room_id: str, number: int) -> str | None:
    """The id of what people call so."""
    rows = await reads.fetch("SELECT bed_id FROM board_beds WHERE room_id = $1 AND number = $2", room_id, number)
    return rows[0]["bed_id"] if rows else None


async def request_called(reads: Reads, room_id: str, number: int) -> str | None:
    sql = "SELECT request_id FROM board_requests WHERE room_id = $1 AND number = $2"
    rows = await reads.fetch(sql, room_id, number)
    return rows[0]["request_id"] if rows else None


async def beds_count(reads: Reads, room_id: str) -> int:
    rows = await reads.fetch("SELECT count(*) AS n FROM board_beds WHERE room_id = $1 AND NOT is_withdrawn", room_id)
    return int(rows[0]["n"])


async def put_bed(connection: Connection, room_id: str, row: BedRow) -> int:
    """Its version now."""
    version: int = await connection.fetchval(
        "INSERT INTO board_beds (bed_id, room_id, hospital, kinds, lat, lon, area, note, published_by, published_ms,"
        " valid_until_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
        " ON CONFLICT (bed_id) DO UPDATE SET hospital = excluded.hospital, kinds = excluded.kinds, lat = excluded.lat,"
        " lon = excluded.lon, area = excluded.area, note = excluded.note, published_by = excluded.published_by,"
        " published_ms = excluded.published_ms, valid_until_ms = excluded.valid_until_ms, is_withdrawn = false,"
        " version = board_beds.version + 1, published_version = board_beds.version + 1 RETURNING version",
        *(row.bed_id, room_id, row.hospital, row.kinds, row.place.lat, row.place.lon, row.place.area, row.note),
        *(row.published_by, row.published_ms, row.valid_until_ms),
    )
    return version


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
    await connection.execute(
        "UPDATE board_beds SET is_withdrawn = true, version = version + 1 WHERE bed_id = $1", bed_id
    )
    await connection.execute("UPDATE board_places SET is_open = false WHERE bed_id = $1", bed_id)


# --- requests ---

_REQUEST: Final = """
SELECT r.request_id, r.patient, r.severity, r.needs, r.lat, r.lon, r.area, r.note, r.requested_by, r.created_ms,
       r.deadline_ms, r.state, r.owner, r.waiting_since_ms, r.tier, r.due_ms, r.closed_ms, a.bed_id,
       a.assignment_id, b.hospital, r.number
FROM board_requests r
LEFT JOIN board_assignments a ON a.request_id = r.request_id AND a.ended_ms IS NULL
LEFT JOIN board_beds b ON b.bed_id = a.bed_id
"""


def _request(row: Iterable[Any]) -> RequestRow:
    request_id, patient, severity, needs, lat, lon, area, *rest = row
    return RequestRow(request_id, patient, severity, needs, Place(lat, lon, area), *rest)


async def request(reads: Reads, room_id: str, request_id: str) -> RequestRow | None:
    rows = await reads.fetch(f"{_REQUEST} WHERE r.room_id = $1 AND r.request_id = $2", room_id, request_id)
    return _request(rows[0]) if rows else None


async def request_and_board(reads: Reads, room_id: str, request_id: str) -> tuple[RequestRow, Board] | None:
    rows = await reads.fetch(
        f"SELECT found.*, b.title, 'board ' || coalesce(b.audited_as, b.room_id) AS subject FROM ({_REQUEST}"
        " WHERE r.room_id = $1 AND r.request_id = $2) AS found, boards b WHERE b.room_id = $1",
        *(room_id, request_id),
    )
    if not rows:
        return None
    *row, title, subject = rows[0]
    return _request(row), Board(title, subject)


async def open_requests(
    reads: Reads, room_id: str, states: Sequence[str], after: tuple[bool, int, str], count: int
) -> list[RequestRow]:
    """Those not closed: the unanswered come first, of these who waits longest. after: (is answered, since, id)."""
    rows = await reads.fetch(
        f"{_REQUEST} WHERE r.room_id = $1 AND r.state = ANY($2) AND r.state <> 'closed'"
        " AND (r.due_ms IS NULL, r.waiting_since_ms, r.request_id) > ($3, $4, $5)"
        " ORDER BY r.due_ms IS NULL, r.waiting_since_ms, r.request_id LIMIT $6",
        *(room_id, states, *after, count),
    )
    return [_request(row) for row in rows]


async def requests(
    reads: Reads, room_id: str, states: Sequence[str], after: tuple[int, str], count: int
) -> list[RequestRow]:
    """By when their wait began."""
    rows = await reads.fetch(
        f"{_REQUEST} WHERE r.room_id = $1 AND r.state = ANY($2) AND (r.waiting_since_ms, r.request_id) > ($3, $4)"
        " ORDER BY r.waiting_since_ms, r.request_id LIMIT $5",
        *(room_id, states, *after, count),
    )
    return [_request(row) for row in rows]


async def requests_of(reads: Reads, room_id: str, request_ids: Sequence[str]) -> list[RequestRow]:
    """These, in whatever state they are."""
    rows = await reads.fetch(
        f"{_REQUEST} WHERE r.room_id = $1 AND r.request_id = ANY($2) ORDER BY r.request_id",
        *(room_id, list(request_ids)),
    )
    return [_request(row) for row in rows]


async def before_newest(reads: Reads, room_id: str, count: int) -> tuple[int, str]:
    """(since, id) behind which requests() finds the newest `count` of all."""
    rows = await reads.fetch(
        "SELECT waiting_since_ms, request_id FROM board_requests WHERE room_id = $1"
        " ORDER BY waiting_since_ms DESC, request_id DESC OFFSET $2 LIMIT 1",
        *(room_id, count),
    )
    return (rows[0]["waiting_since_ms"], rows[0]["request_id"]) if rows else (-1, "")


async def open_of(reads: Reads, room_id: str, patient: str) -> tuple[int, str | None]:
    """(how many requests are open and nobody has arrived, the open one of this patient)."""
    rows = await reads.fetch(
        "SELECT (SELECT count(*) FROM board_requests WHERE room_id = $1 AND state <> 'closed' AND state <> 'arrived'),"
        " (SELECT request_id FROM board_requests WHERE room_id = $1 AND patient = $2 AND state <> 'closed')",
        *(room_id, patient),
    )
    return rows[0][0], rows[0][1]


async def put_request(connection: Connection, room_id: str, row: RequestRow) -> int:
    """Its number."""
    number: int = await connection.fetchval(
        "INSERT INTO board_requests (request_id, room_id, patient, severity, needs, lat, lon, area, note,"
        " requested_by, created_ms, deadline_ms, state, owner, waiting_since_ms, tier, due_ms)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) RETURNING number",
        *(row.request_id, room_id, row.patient, row.severity, row.needs, row.place.lat, row.place.lon, row.place.area),
        *(row.note, row.requested_by, row.created_ms, row.deadline_ms, row.state, row.owner, row.waiting_since_ms),
        *(row.tier, row.due_ms),
    )
    await begin_waits(connection, room_id, [row])
    return number


async def set_requests(connection: Connection, rows: Sequence[RequestRow]) -> None:
    """Writes what changes in the course of requests, of many in one statement."""
    await connection.execute(
        "UPDATE board_requests r SET state = n.state, owner = n.owner, waiting_since_ms = n.waiting_since_ms,"
        " deadline_ms = n.deadline_ms, tier = n.tier, due_ms = n.due_ms, closed_ms = n.closed_ms"
        " FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::integer[], $7::bigint[],"
        " $8::bigint[]) AS n (request_id, state, owner, waiting_since_ms, deadline_ms, tier, due_ms, closed_ms)"
        " WHERE r.request_id = n.request_id",
        [row.request_id for row in rows],
        [row.state for row in rows],
        [row.owner for row in rows],
        [row.waiting_since_ms for row in rows],
        [row.deadline_ms for row in rows],
        [row.tier for row in rows],
        [row.due_ms for row in rows],
        [row.closed_ms for row in rows],
    )


DUE: Final = "SELECT 1 FROM board_requests WHERE due_ms <= $1"


async def due(reads: Reads, now_ms: int, count: int) -> list[tuple[str, str]]:
    """(room, request) of waits that are due."""
    rows = await reads.fetch(
        "SELECT room_id, request_id FROM board_requests WHERE due_ms <= $1 ORDER BY due_ms LIMIT $2", now_ms, count
    )
    return [(row["room_id"], row["request_id"]) for row in rows]


_FORGOTTEN: Final = """
SELECT r.room_id, r.request_id FROM board_requests r
JOIN board_assignments a ON a.request_id = r.request_id AND a.ended_ms IS NULL
WHERE r.state IN ('accepted', 'arrived') AND r.state <> 'closed' AND greatest(a.assigned_ms, r.deadline_ms) < $1
"""


def _forgotten_before(now_ms: int) -> int:
    return now_ms - limits.BOARD_KEPT_DAYS * _DAY_MS


async def forgotten(reads: Reads, now_ms: int, count: int) -> list[tuple[str, str]]:
    """(room, request) of those that got their bed a month ago, and were never closed."""
    rows = await reads.fetch(f"{_FORGOTTEN} ORDER BY a.assigned_ms LIMIT $2", _forgotten_before(now_ms), count)
    return [(row["room_id"], row["request_id"]) for row in rows]


async def is_forgotten(reads: Reads, request_id: str, now_ms: int) -> bool:
    return bool(await reads.fetch(f"{_FORGOTTEN} AND r.request_id = $2", _forgotten_before(now_ms), request_id))


async def postpone(connection: Connection, request_ids: Sequence[str], now_ms: int) -> None:
    """Lets what cannot be escalated now stand back, lest it keep others waiting."""
    await connection.execute(
        "UPDATE board_requests SET due_ms = $3 WHERE request_id = ANY($1) AND due_ms <= $2",
        *(list(request_ids), now_ms, now_ms + limits.BOARD_RETRY_SECONDS * 1_000),
    )


# --- assignments and waits ---


async def hold(connection: Connection, request_id: str, bed_id: str, user_id: str, now_ms: int) -> int | None:
    """Gives the request one open place of the bed: the offer's id. None where no place is left."""
    try:
        offer_id: int | None = await connection.fetchval(
            "INSERT INTO board_assignments (request_id, bed_id, place, assigned_by, assigned_ms)"
            " SELECT $1, p.bed_id, p.place, $3, $4 FROM board_places p WHERE p.bed_id = $2 AND p.is_open"
            " AND NOT EXISTS (SELECT FROM board_assignments a WHERE a.bed_id = p.bed_id AND a.place = p.place"
            " AND a.ended_ms IS NULL) ORDER BY p.place LIMIT 1 RETURNING assignment_id",
            *(request_id, bed_id, user_id, now_ms),
        )
    except UniqueViolation:
        return None
    return offer_id


async def release(
    connection: Connection, request_ids: Sequence[str], ending: str, reason: str, now_ms: int, *, is_used: bool
) -> None:
    """Ends what the requests hold. is_used: somebody lay in it, so the hospital says when it is free again."""
    await connection.execute(
        "WITH ended AS (UPDATE board_assignments SET ended_ms = $2, ending = $3, reason = $4"
        " WHERE request_id = ANY($1) AND ended_ms IS NULL RETURNING bed_id, place)"
        " UPDATE board_places p SET is_open = p.is_open AND NOT $5 FROM ended"
        " WHERE p.bed_id = ended.bed_id AND p.place = ended.place",
        *(list(request_ids), now_ms, ending, reason, is_used),
    )


async def on_their_way(reads: Reads, bed_id: str) -> list[RequestRow]:
    """Requests that hold a place of the bed, and nobody has arrived."""
    rows = await reads.fetch(f"{_REQUEST} WHERE a.bed_id = $1 AND r.state <> 'arrived' ORDER BY a.place", bed_id)
    return [_request(row) for row in rows]


async def refused_beds(reads: Reads, request_id: str) -> set[str]:
    """Beds that declined this request."""
    rows = await reads.fetch(
        "SELECT DISTINCT bed_id FROM board_assignments WHERE request_id = $1 AND ending = 'decline'", request_id
    )
    return {row["bed_id"] for row in rows}


async def begin_waits(connection: Connection, room_id: str, rows: Sequence[RequestRow]) -> None:
    """Waits that begin, or go on because their bed was lost."""
    await connection.execute(
        "INSERT INTO board_waits (request_id, began_ms, room_id) SELECT n.*, $3"
        " FROM unnest($1::text[], $2::bigint[]) AS n (request_id, began_ms)"
        " ON CONFLICT (request_id, began_ms) DO UPDATE SET took_ms = NULL, gave_up_ms = NULL",
        [row.request_id for row in rows],
        [row.waiting_since_ms for row in rows],
        room_id,
    )


async def end_wait(connection: Connection, request_id: str, began_ms: int, now_ms: int) -> None:
    await connection.execute(
        "UPDATE board_waits SET took_ms = $3 WHERE request_id = $1 AND began_ms = $2",
        *(request_id, began_ms, max(0, now_ms - began_ms)),
    )


async def give_up(connection: Connection, request_id: str, began_ms: int, now_ms: int) -> None:
    """The wait ended without a bed."""
    await connection.execute(
        "UPDATE board_waits SET gave_up_ms = $3 WHERE request_id = $1 AND began_ms = $2",
        *(request_id, began_ms, max(0, now_ms - began_ms)),
    )


async def waits(reads: Reads, room_id: str, since_ms: int) -> list[int]:
    """How long the newest waits took that ended with a bed."""
    rows = await reads.fetch(
        "SELECT took_ms FROM board_waits WHERE room_id = $1 AND began_ms >= $2 AND took_ms IS NOT NULL"
        " ORDER BY began_ms DESC LIMIT $3",
        *(room_id, since_ms, limits.BOARD_STATS_MAX),
    )
    return [row["took_ms"] for row in rows]


async def waits_without_bed(reads: Reads, room_id: str, since_ms: int) -> list[int]:
    """How long those waited lately who never got one."""
    rows = await reads.fetch(
        "SELECT gave_up_ms FROM board_waits WHERE room_id = $1 AND began_ms >= $2 AND gave_up_ms IS NOT NULL"
        " ORDER BY began_ms DESC LIMIT $3",
        *(room_id, since_ms, limits.BOARD_STATS_MAX),
    )
    return [row["gave_up_ms"] for row in rows]


async def waiting_since(reads: Reads, room_id: str) -> list[int]:
    rows = await reads.fetch(
        "SELECT waiting_since_ms FROM board_requests WHERE room_id = $1 AND due_ms IS NOT NULL", room_id
    )
    return [row["waiting_since_ms"] for row in rows]


# --- who looked ---


class Look(msgspec.Struct, frozen=True, order=True):
    """That somebody looked at something, on a day since the epoch."""

    room_id: str
    user_id: str
    what: str
    day: int


async def note_access(connection: Connection, looks: Mapping[Look, int]) -> None:
    """Counts them. In one order everywhere, lest two workers wait for each other."""
    ordered = sorted(looks)
    await connection.execute(
        "INSERT INTO board_access (room_id, user_id, what, day, times)"
        " SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[])"
        " ON CONFLICT (room_id, day, user_id, what) DO UPDATE SET times = board_access.times + excluded.times",
        [look.room_id for look in ordered],
        [look.user_id for look in ordered],
        [look.what for look in ordered],
        [look.day for look in ordered],
        [looks[look] for look in ordered],
    )


class Access(msgspec.Struct, frozen=True):
    """place: of the row among those of its day."""

    user_id: str
    what: str
    day: int
    times: int
    place: str


async def access(reads: Reads, room_id: str, page: Page) -> list[Access]:
    """The last day first."""
    day, place = page.after or (limits.INTEGER_MAX, "")
    rows = await reads.fetch(
        "SELECT user_id, what, day, times, user_id || ' ' || what AS place FROM board_access WHERE room_id = $1"
        " AND (day < $2 OR day = $2 AND user_id || ' ' || what > $3) ORDER BY day DESC, place LIMIT $4",
        *(room_id, day, place, page.count),
    )
    return [Access(*row) for row in rows]


async def sweep(connection: Connection, now_ms: int) -> None:
    """Forgets what says anything about a patient, reasons included, and after its own time who looked."""
    kept_ms = now_ms - limits.BOARD_KEPT_DAYS * _DAY_MS
    await connection.execute(
        "UPDATE board_requests SET patient = '', area = '', note = '', lat = NULL, lon = NULL"
        " WHERE closed_ms < $1 AND patient <> ''",
        kept_ms,
    )
    await connection.execute("UPDATE board_assignments SET reason = '' WHERE ended_ms < $1 AND reason <> ''", kept_ms)
    first_day = now_ms // _DAY_MS - limits.BOARD_ACCESS_KEPT_DAYS
    await connection.execute("DELETE FROM board_access WHERE day < $1", first_day)
