"""The stream in SQL: taking the right to write, writing a batch, reading a segment."""

import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from bongsu.core import pdu
from bongsu.core.events import MEMBER, REDACTION, Event
from bongsu.store.database import Connection, Record
from bongsu.store.rows import (
    AccountData,
    DeviceList,
    Erased,
    Forgotten,
    KeyStock,
    Presence,
    Receipt,
    Redacted,
    Relation,
    Revocation,
    Segment,
    StoredEvent,
    ToDevice,
    Typing,
)

EVENT_COLUMNS: Final = (
    "e.pos, e.event_id, e.room_id, e.type, e.sender, e.state_key, e.ts_ms, e.pdu, e.sender_device, e.txn_id,"
    " e.redacted_by, (SELECT r.pdu FROM events r WHERE r.event_id = e.redacted_by) AS redacted_because"
)
_SEGMENT_EVENTS_MAX: Final = 5_000  # one read of a worker that fell far behind


def _target(parsed: pdu.Pdu) -> str | None:
    """What a redaction is about: at the top level or, since room version 11, in the content."""
    if parsed.type != REDACTION:
        return None
    target = parsed.redacts or msgspec.json.decode(parsed.content).get("redacts")
    return target if isinstance(target, str) else None


def read_event(row: Record) -> Event:
    """A row with EVENT_COLUMNS as an event."""
    parsed = pdu.parse(row["pdu"])
    event = Event(
        pos=row["pos"],
        event_id=row["event_id"],
        room_id=row["room_id"],
        type=row["type"],
        sender=row["sender"],
        state_key=row["state_key"],
        ts_ms=row["ts_ms"],
        depth=parsed.depth,
        content_json=bytes(parsed.content),
        redacts=_target(parsed) if row["state_key"] is None else None,
        sender_device=row["sender_device"],
        txn_id=row["txn_id"],
    )
    if row["redacted_because"] is not None:
        event.redacted_because = redaction_in_client_form(row["redacted_by"], row["room_id"], row["redacted_because"])
    return event


def redaction_in_client_form(event_id: str, room_id: str, raw: bytes) -> bytes:
    """The redacting event as `unsigned.redacted_because` shows it."""
    parsed = pdu.parse(raw)
    redaction = Event(
        pos=0,
        event_id=event_id,
        room_id=room_id,
        type=parsed.type,
        sender=parsed.sender,
        state_key=parsed.state_key,
        ts_ms=parsed.origin_server_ts,
        depth=parsed.depth,
        content_json=bytes(parsed.content),
        redacts=_target(parsed),
    )
    return pdu.client_event(redaction, with_room_id=True)


_WAITING: Final = ("on", "remote_apply")  # the values of synchronous_commit that wait for a second site's disk


async def barrier_position(connection: Connection) -> int:
    """The newest position, read by a transaction that writes, so that its commit waits as every other does."""
    row = await connection.fetchrow("UPDATE stream SET pos = pos RETURNING pos, current_setting('synchronous_commit')")
    assert row is not None
    assert row[1] in _WAITING, "commits on this connection do not wait: synchronous_commit was lowered"
    return int(row[0])


async def announce(connection: Connection) -> int:
    """As barrier_position; and whoever listens hears that somebody else is about to."""
    await connection.execute("SELECT pg_notify('bongsu', '')")
    return await barrier_position(connection)


FEED: Final = "bongsu feed"  # the name of the sessions that listen
_OTHERS_LISTEN: Final = """
SELECT EXISTS (SELECT 1 FROM pg_stat_activity
    WHERE coalesce(application_name, $1) = $1 AND datname = current_database() AND pid <> pg_backend_pid())
"""


async def others_listen(connection: Connection) -> bool:
    """Does any other worker? Asked on one's own listening session. Whom we may not see may be one."""
    return bool(await connection.fetchval(_OTHERS_LISTEN, FEED))


_NEWEST: Final = """
SELECT pos, current_setting('synchronous_standby_names') <> '' AND NOT pg_is_in_recovery() FROM stream
"""


async def newest(connection: Connection) -> tuple[int, bool]:
    """The newest position that can be seen, and whether commits here wait for a second site (never on a standby)."""
    row = await connection.fetchrow(_NEWEST)
    assert row is not None
    return row[0], row[1]


LOCK: Final = "BEGIN; SELECT FROM stream FOR UPDATE"  # takes the right to write until the transaction ends

# A statement of its own, after the lock: its snapshot must see what the holder before us committed.
_BEGIN_BATCH: Final = """
SELECT s.pos, e.txn_key, e.event_id FROM stream s LEFT JOIN events e ON e.txn_key = ANY($1)
"""


async def begin_batch(connection: Connection, txn_keys: Sequence[bytes]) -> tuple[int, dict[bytes, str]]:
    """With the right to write: the newest position, and which of the transactions made an event before."""
    rows = await connection.fetch(_BEGIN_BATCH, txn_keys)
    return rows[0]["pos"], {row["txn_key"]: row["event_id"] for row in rows if row["txn_key"] is not None}


async def last_batch(connection: Connection, writer_id: uuid.UUID) -> int:
    """The number of the last batch this worker committed; 0 for none."""
    batch = await connection.fetchval("SELECT batch FROM writers WHERE writer_id = $1", writer_id)
    return int(batch or 0)


_WRITE_EVENTS: Final = """
WITH placed AS (UPDATE stream SET pos = $1 RETURNING 1),
marked AS (
    INSERT INTO writers (writer_id, batch, seen_at) VALUES ($2, $3, now())
    ON CONFLICT (writer_id) DO UPDATE SET batch = excluded.batch, seen_at = excluded.seen_at RETURNING 1),
written AS (
    INSERT INTO events (pos, event_id, room_id, type, sender, state_key, ts_ms, pdu, sender_device, txn_id, txn_key)
    SELECT * FROM unnest($4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::bigint[],
                         $11::bytea[], $12::text[], $13::text[], $14::bytea[]) RETURNING 1)
SELECT pg_notify('bongsu', $1::text)
"""


_WRITE_PLAIN: Final = """
WITH placed AS (UPDATE stream SET pos = $1 WHERE pos = $2 RETURNING 1),
marked AS (
    INSERT INTO writers (writer_id, batch, seen_at) SELECT $3, $4, now() FROM placed
    ON CONFLICT (writer_id) DO UPDATE SET batch = excluded.batch, seen_at = excluded.seen_at RETURNING 1),
written AS (
    INSERT INTO events (pos, event_id, room_id, type, sender, state_key, ts_ms, pdu, sender_device, txn_id, txn_key)
    SELECT e.* FROM placed, {events} AS e RETURNING 1)
SELECT CASE WHEN $5 THEN pg_notify('bongsu', $1::text) END FROM placed
"""
_WRITE_PLAIN_MANY: Final = _WRITE_PLAIN.format(
    events="unnest($6::bigint[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::bigint[],"
    " $13::bytea[], $14::text[], $15::text[], $16::bytea[])"
)
_WRITE_PLAIN_ONE: Final = _WRITE_PLAIN.format(  # arrays of one cost the driver more than everything else here
    events="(VALUES ($6::bigint, $7::text, $8::text, $9::text, $10::text, $11::text, $12::bigint,"
    " $13::bytea, $14::text, $15::text, $16::bytea))"
)


async def write_batch(
    connection: Connection, writer_id: uuid.UUID, batch: int, to: int, events: Sequence[StoredEvent]
) -> None:
    """Moves the position, marks the batch as this worker's, and writes its events: one round trip."""
    await connection.fetchval(_WRITE_EVENTS, to, writer_id, batch, *_columns(events))


async def write_plain(
    connection: Connection,
    writer_id: uuid.UUID,
    batch: int,
    after: int,
    to: int,
    events: Sequence[StoredEvent],
    *,
    notify: bool,
) -> bool:
    """As write_batch, but only if the position is still `after`; nothing is written, and False, if it is not.

    The update waits for whoever has the right to write, and then compares: if it succeeds, nobody has written since
    `after` was known, so what was decided on that knowledge holds. A transaction key that is there already raises
    UniqueViolation. notify: whether other workers listen.
    """
    if len(events) == 1:
        sql, values = _WRITE_PLAIN_ONE, _row(events[0])
    else:
        sql, values = _WRITE_PLAIN_MANY, _columns(events)
    return bool(await connection.fetch(sql, to, after, writer_id, batch, notify, *values))


_COLUMNS: Final = 11


def _columns(events: Sequence[StoredEvent]) -> tuple[Any, ...]:
    return tuple(map(list, zip(*map(_row, events), strict=True))) if events else ([],) * _COLUMNS


def _row(stored: StoredEvent) -> tuple[Any, ...]:
    event = stored.event
    return (
        event.pos,
        event.event_id,
        event.room_id,
        event.type,
        event.sender,
        event.state_key,
        event.ts_ms,
        stored.pdu,
        event.sender_device,
        event.txn_id,
        stored.txn_key,
    )


async def write_rooms(connection: Connection, rooms: Sequence[tuple[str, str, int, bool]]) -> None:
    """rooms: (room_id, version, created_pos, in the directory)."""
    await connection.executemany(
        "INSERT INTO rooms (room_id, version, created_pos, directory) VALUES ($1, $2, $3, $4)", rooms
    )


_WRITE_STATE: Final = """
INSERT INTO room_state (room_id, type, state_key, pos)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
ON CONFLICT (room_id, type, state_key) DO UPDATE SET pos = excluded.pos
"""
_WRITE_MEMBERS: Final = """
INSERT INTO members (user_id, room_id, membership, pos, joined_pos)
SELECT user_id, room_id, membership, pos, CASE WHEN membership = 'join' THEN pos END
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) AS new (user_id, room_id, membership, pos)
ON CONFLICT (user_id, room_id) DO UPDATE SET
    membership = excluded.membership,
    pos = excluded.pos,
    joined_pos = CASE WHEN excluded.membership = 'join' AND members.membership <> 'join' THEN excluded.pos
                      ELSE members.joined_pos END,
    forgotten_pos = NULL
"""


async def write_state(connection: Connection, state_events: Sequence[Event]) -> None:
    """The newest event of each state key, in room_state or, for members, in members."""
    newest: dict[tuple[str, str, str], int] = {}
    for event in state_events:
        if event.type != MEMBER and event.state_key is not None:
            newest[event.room_id, event.type, event.state_key] = event.pos
    if newest:
        others = [(*key, pos) for key, pos in newest.items()]
        await connection.execute(_WRITE_STATE, *map(list, zip(*others, strict=True)))
    for members in _in_turns(event for event in state_events if event.type == MEMBER):
        rows = [(e.state_key, e.room_id, e.content["membership"], e.pos) for e in members]
        await connection.execute(_WRITE_MEMBERS, *map(list, zip(*rows, strict=True)))


def _in_turns(member_events: Iterable[Event]) -> list[list[Event]]:
    """Nobody twice in one room in one turn: a stay may begin, or begin and end, inside one commit."""
    turns: list[list[Event]] = []
    had: Counter[tuple[str, str | None]] = Counter()
    for event in member_events:
        turn = had[event.room_id, event.state_key]
        had[event.room_id, event.state_key] += 1
        if turn == len(turns):
            turns.append([])
        turns[turn].append(event)
    return turns


async def write_relations(connection: Connection, relations: Sequence[Relation]) -> None:
    await connection.executemany(
        "INSERT INTO relations (room_id, parent_id, rel_type, key, pos, event_id, type, sender)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        [
            (
                r.child.room_id,
                r.parent_id,
                r.rel_type,
                r.key,
                r.child.pos,
                r.child.event_id,
                r.child.type,
                r.child.sender,
            )
            for r in relations
        ],
    )


async def write_redacted(connection: Connection, redacted: Sequence[Redacted]) -> None:
    """A redacted event loses its content and its relation to others (room version redaction rules)."""
    await connection.executemany(
        "UPDATE events SET pdu = $2, redacted_by = $3 WHERE event_id = $1",
        [(r.event_id, r.pdu, r.redacted_by) for r in redacted],
    )
    await connection.execute("DELETE FROM relations WHERE event_id = ANY($1)", [r.event_id for r in redacted])


_UPSERTS: Final[dict[type[Any], str]] = {
    Receipt: """
        INSERT INTO receipts (pos, room_id, user_id, receipt_type, thread_id, event_id, event_pos, ts_ms)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        ON CONFLICT (room_id, user_id, receipt_type, thread_id) DO UPDATE SET pos = excluded.pos,
            event_id = excluded.event_id, event_pos = excluded.event_pos, ts_ms = excluded.ts_ms""",
    AccountData: """
        INSERT INTO account_data (pos, user_id, room_id, type, content) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (user_id, room_id, type) DO UPDATE SET pos = excluded.pos, content = excluded.content""",
    Typing: """
        INSERT INTO typing (pos, room_id, user_id, until_ms) VALUES ($1, $2, $3, $4)
        ON CONFLICT (room_id, user_id) DO UPDATE SET pos = excluded.pos, until_ms = excluded.until_ms""",
    Presence: """
        INSERT INTO presence (pos, user_id, state, status_msg, last_active_ms)
        SELECT $1::bigint, $2::text, $3::text, $4::text, $5::bigint WHERE $6::text[] IS NOT NULL
        ON CONFLICT (user_id) DO UPDATE SET pos = excluded.pos, state = excluded.state,
            status_msg = excluded.status_msg, last_active_ms = excluded.last_active_ms""",
    Forgotten: """
        UPDATE members SET forgotten_pos = $1
        WHERE room_id = $2 AND user_id = $3 AND membership IN ('leave', 'ban')""",
    Erased: "UPDATE users SET erased_pos = $1 WHERE user_id = $2",
    Revocation: "INSERT INTO revocations (pos, user_id, device_id) VALUES ($1, $2, $3)",
    ToDevice: """
        INSERT INTO to_device (pos, user_id, device_id, sender, type, content) VALUES ($1, $2, $3, $4, $5, $6)""",
    DeviceList: """
        INSERT INTO device_lists (pos, user_id, seen_by)
        SELECT $1::bigint, $2::text, $3::text WHERE $4::text[] IS NOT NULL
        ON CONFLICT (user_id, seen_by) DO UPDATE SET pos = excluded.pos""",
    KeyStock: """
        INSERT INTO key_stocks (pos, user_id, device_id, one_time, unused_fallback) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (user_id, device_id) DO UPDATE SET pos = excluded.pos, one_time = excluded.one_time,
            unused_fallback = excluded.unused_fallback""",
}


async def write_rows(connection: Connection, rows: Sequence[msgspec.Struct]) -> None:
    """Rows of one of the small tables: receipts, account data, typing, presence, revocations, messages to devices…"""
    await connection.executemany(_UPSERTS[type(rows[0])], [msgspec.structs.astuple(row) for row in rows])


_ROOMS_OF: Final = (
    "ARRAY(SELECT room_id FROM members m WHERE m.user_id = presence.user_id AND m.membership = 'join') AS room_ids"
)
_ROOMS_OF_CHANGED: Final = (
    "ARRAY(SELECT room_id FROM members m WHERE m.user_id = device_lists.user_id AND m.membership = 'join'"
    " AND device_lists.seen_by = '') AS room_ids"
)
# (rows of the segment, columns, table, the column of the position, shape)
_SMALL: Final[tuple[tuple[str, str, str, str, type[Any]], ...]] = (
    (
        "receipts",
        "pos, room_id, user_id, receipt_type, thread_id, event_id, event_pos, ts_ms",
        "receipts",
        "pos",
        Receipt,
    ),
    ("account_data", "pos, user_id, room_id, type, content", "account_data", "pos", AccountData),
    ("typing", "pos, room_id, user_id, until_ms", "typing", "pos", Typing),
    ("presence", f"pos, user_id, state, status_msg, last_active_ms, {_ROOMS_OF}", "presence", "pos", Presence),
    ("revocations", "pos, user_id, device_id", "revocations", "pos", Revocation),
    ("forgotten", "forgotten_pos, room_id, user_id", "members", "forgotten_pos", Forgotten),
    ("to_device", "pos, user_id, device_id, sender, type, content", "to_device", "pos", ToDevice),
    ("device_lists", f"pos, user_id, seen_by, {_ROOMS_OF_CHANGED}", "device_lists", "pos", DeviceList),
    ("erased", "erased_pos, user_id", "users", "erased_pos", Erased),
    ("key_stocks", "pos, user_id, device_id, one_time, unused_fallback", "key_stocks", "pos", KeyStock),
)
_PRESENT: Final = " UNION ALL ".join(  # most segments have rows in none of them or in one
    f"SELECT {number} AS number WHERE EXISTS (SELECT 1 FROM {table} WHERE {pos} > $1 AND {pos} <= $2)"
    for number, (_, _, table, pos, _) in enumerate(_SMALL)
)


async def read_segment(connection: Connection, after: int, to: int) -> Segment:
    """Everything in (after, to], or in a shorter stretch from `after` when there is much; `to` must be committed."""
    to = min(to, after + _SEGMENT_EVENTS_MAX)
    rows = await connection.fetch(
        f"SELECT {EVENT_COLUMNS} FROM events e WHERE pos > $1 AND pos <= $2 ORDER BY pos", after, to
    )
    segment = Segment(after, to, [read_event(row) for row in rows])
    for present in await connection.fetch(_PRESENT, after, to):
        name, columns, table, pos, shape = _SMALL[present["number"]]
        found = await connection.fetch(
            f"SELECT {columns} FROM {table} WHERE {pos} > $1 AND {pos} <= $2 ORDER BY {pos}", after, to
        )
        setattr(segment, name, [shape(*row.values()) for row in found])
    return segment
