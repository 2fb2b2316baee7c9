"""Broadcasts: what a channel says to all who follow it, a slice of them at a time. Times in ms.

A slice is claimed, said, and finished. Whoever claims it has it until `next_at`; if that worker dies, another says the
same slice again, and each message's transaction id keeps anybody from getting it twice.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from bongsu.core import limits
from bongsu.core.channels import LIVE, Agreed, State
from bongsu.core.json import JsonObject, decode, encode
from bongsu.core.paging import Page
from bongsu.core.webhooks import Type
from bongsu.store import webhooks
from bongsu.store.database import Connection, Record, end_when_silent
from bongsu.store.rooms import Reads


class Broadcast(msgspec.Struct, frozen=True, kw_only=True):
    """content: of the event that each gets. body: as its author wrote it. audience: how many were to get it."""

    broadcast_id: str
    channel_id: str
    author: str
    content: JsonObject
    body: str
    advertising: bool
    state: State
    starts_at: int
    made_ts: int
    began_ts: int | None = None
    ended_ts: int | None = None
    audience: int = 0
    sent: int = 0
    refused: int = 0


class Recipient(msgspec.Struct, frozen=True):
    """room_id, membership: of the room of the two, if there is one. is_there: the account has not ended.

    is_back: they had left that room, and follow anew since then. is_stale: it shows the channel as it was before.
    """

    user_id: str
    agreed: Agreed
    room_id: str | None
    membership: str | None
    is_there: bool
    is_back: bool = False
    is_stale: bool = False

    @property
    def is_at_hand(self) -> bool:
        """Nothing is to be done but to say it."""
        return self.room_id is not None and self.membership == "join" and not self.is_stale


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    """Some of a broadcast's followers. cursor, to: where the walk stands, and where it does after them.

    to None: they had been held, and their time has come. is_last: nobody follows behind them.
    """

    broadcast: Broadcast
    account: str
    recipients: list[Recipient]
    cursor: str
    to: str | None
    is_last: bool

    @property
    def began_ts(self) -> int:
        assert self.broadcast.began_ts is not None  # nothing is claimed of one that has not begun
        return self.broadcast.began_ts


class Outcome(msgspec.Struct, frozen=True):
    """What became of a slice: ids of events by user id, those who cannot get it, and when others may."""

    sent: Mapping[str, str]
    refused: Sequence[str]
    held: Mapping[str, int]


class Counts(msgspec.Struct, frozen=True):
    """delivered: read, or a device of theirs has been here since; read: there is a receipt at it, or behind it."""

    delivered: int
    read: int


_FIELDS: Final = ", ".join(Broadcast.__struct_fields__)


def _broadcast(row: Record) -> Broadcast:
    fields = {name: row[name] for name in Broadcast.__struct_fields__}
    return Broadcast(**{**fields, "content": decode(row["content"]), "state": State(row["state"])})


async def live_count(connection: Connection, channel_id: str) -> int:
    """Of a channel that is locked."""
    found: int = await connection.fetchval(
        "SELECT count(*) FROM channel_broadcasts WHERE channel_id = $1 AND state = ANY($2)",
        *(channel_id, [state.value for state in LIVE]),
    )
    return found


async def add(connection: Connection, broadcast: Broadcast) -> None:
    values = {**msgspec.structs.asdict(broadcast), "content": encode(broadcast.content), "state": broadcast.state.value}
    places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
    await connection.execute(f"INSERT INTO channel_broadcasts ({_FIELDS}) VALUES ({places})", *values.values())


async def one(reads: Reads, broadcast_id: str) -> Broadcast | None:
    rows = await reads.fetch(f"SELECT {_FIELDS} FROM channel_broadcasts WHERE broadcast_id = $1", broadcast_id)
    return _broadcast(rows[0]) if rows else None


async def lock(connection: Connection, broadcast_id: str) -> Broadcast | None:
    """Nobody else changes it before the transaction ends."""
    await end_when_silent(connection)
    rows = await connection.fetch(
        f"SELECT {_FIELDS} FROM channel_broadcasts WHERE broadcast_id = $1 FOR UPDATE", broadcast_id
    )
    return _broadcast(rows[0]) if rows else None


async def of_channel(reads: Reads, channel_id: str, page: Page) -> list[Broadcast]:
    """The newest first."""
    rows = await reads.fetch(
        f"SELECT {_FIELDS} FROM channel_broadcasts WHERE channel_id = $1 AND (made_ts, broadcast_id) < ($2, $3)"
        " ORDER BY made_ts DESC, broadcast_id DESC LIMIT $4",
        *(channel_id, *(page.after or (limits.INTEGER_MAX, "")), page.count),
    )
    return [_broadcast(row) for row in rows]


async def table_of(reads: Reads, channel_id: str, columns: Sequence[str], count: int) -> list[Record]:
    """The newest first, and of each no more than these columns: what was said may be long."""
    return await reads.fetch(
        f"SELECT {', '.join(columns)} FROM channel_broadcasts WHERE channel_id = $1"
        " ORDER BY made_ts DESC, broadcast_id DESC LIMIT $2",
        *(channel_id, count),
    )


async def audience(reads: Reads, channel_id: str) -> tuple[int, int, int]:
    """(who follows, who of them agreed to advertising, and who to it at night)."""
    rows = await reads.fetch(
        "SELECT count(*), count(*) FILTER (WHERE advertising), count(*) FILTER (WHERE advertising_at_night)"
        " FROM channel_followers WHERE channel_id = $1",
        channel_id,
    )
    followers, advertising, at_night = rows[0].values()
    return followers, advertising, at_night


async def begin(connection: Connection, broadcast: Broadcast, now_ms: int) -> None:
    """Those who follow now are to get it."""
    followers, advertising, _ = await audience(connection, broadcast.channel_id)
    await connection.execute(
        "UPDATE channel_broadcasts SET state = 'running', began_ts = $2, audience = $3 WHERE broadcast_id = $1",
        *(broadcast.broadcast_id, now_ms, advertising if broadcast.advertising else followers),
    )


async def end(connection: Connection, broadcast_id: str, state: State, now_ms: int) -> None:
    """Whoever was held gets it no more."""
    await connection.execute("DELETE FROM channel_held WHERE broadcast_id = $1", broadcast_id)
    row = await connection.fetchrow(
        "UPDATE channel_broadcasts SET state = $2, ended_ts = $3 WHERE broadcast_id = $1"
        " RETURNING channel_id, audience, sent, refused",
        *(broadcast_id, state.value, now_ms),
    )
    assert row is not None
    channel_id, *counted = row.values()
    told = dict(zip(("audience", "sent", "refused"), counted, strict=True))
    told |= {"broadcast_id": broadcast_id, "state": state.value}
    await webhooks.put(connection, channel_id, Type.BROADCAST_FINISHED, told, now_ms)


async def end_all(connection: Connection, channel_id: str, now_ms: int) -> None:
    """Those of a channel that is closed."""
    rows = await connection.fetch(
        "SELECT broadcast_id FROM channel_broadcasts WHERE channel_id = $1 AND state = ANY($2)"
        " ORDER BY broadcast_id FOR UPDATE",
        *(channel_id, [state.value for state in LIVE]),
    )
    for row in rows:
        await end(connection, row["broadcast_id"], State.CANCELLED, now_ms)


async def held_count(reads: Reads, broadcast_ids: Sequence[str]) -> dict[str, int]:
    rows = await reads.fetch(
        "SELECT broadcast_id, count(*) AS people FROM channel_held WHERE broadcast_id = ANY($1) GROUP BY broadcast_id",
        list(broadcast_ids),
    )
    return {row["broadcast_id"]: row["people"] for row in rows}


async def counts(reads: Reads, broadcast_id: str) -> Counts:
    """From what is there anyway: a message costs nothing for it, a look some µs a follower."""
    rows = await reads.fetch(
        "SELECT count(*) FILTER (WHERE is_read OR EXISTS (SELECT 1 FROM devices v WHERE v.user_id = got.user_id"
        " AND v.seen_at >= to_timestamp(got.ts / 1000.0))) AS delivered, count(*) FILTER (WHERE is_read) AS read FROM ("
        " SELECT d.user_id, d.ts, EXISTS (SELECT 1 FROM receipts t WHERE t.room_id = r.room_id"
        " AND t.user_id = d.user_id AND t.receipt_type = 'm.read' AND t.event_pos >= d.pos) AS is_read"
        " FROM channel_deliveries d JOIN channel_broadcasts b USING (broadcast_id)"
        " JOIN channels c ON c.channel_id = b.channel_id"
        " JOIN service_rooms r ON r.sender = c.account AND r.user_id = d.user_id WHERE d.broadcast_id = $1) got",
        broadcast_id,
    )
    return Counts(rows[0]["delivered"], rows[0]["read"])


# --- slices ---


DUE: Final = "SELECT 1 FROM channel_broadcasts WHERE (state = 'running' OR slice_to IS NOT NULL) AND next_at <= now()"


async def any_due(reads: Reads) -> bool:
    return bool(await reads.fetch(f"{DUE} LIMIT 1"))


_CLAIM: Final = f"""
SELECT {", ".join(f"b.{name}" for name in Broadcast.__struct_fields__)}, b.cursor, b.slice_to, b.has_walked, c.account,
    c.shown_ts
FROM channel_broadcasts b JOIN channels c USING (channel_id)
WHERE (b.state = 'running' OR b.slice_to IS NOT NULL) AND b.next_at <= now()
ORDER BY b.next_at LIMIT 1 FOR UPDATE OF b SKIP LOCKED
"""
_PERSON: Final = """
f.user_id IS NOT NULL AS follows, coalesce(f.advertising, false) AS advertising,
coalesce(f.advertising_at_night, false) AS advertising_at_night, r.room_id, m.membership,
EXISTS (SELECT 1 FROM users u WHERE u.user_id = who.user_id AND u.deactivated_at IS NULL) AS is_there,
coalesce(m.membership = 'leave' AND f.since_ts > (SELECT ts_ms FROM events e WHERE e.pos = m.pos), false) AS is_back,
$3::bigint > 0 AND r.room_id IS NOT NULL AND EXISTS (SELECT 1 FROM members own JOIN events e ON e.pos = own.pos
    WHERE own.user_id = $2 AND own.room_id = r.room_id AND e.ts_ms < $3) AS is_stale
"""
_ROOM: Final = """
LEFT JOIN service_rooms r ON r.sender = $2 AND r.user_id = who.user_id AND EXISTS (SELECT 1 FROM members own
    WHERE own.user_id = $2 AND own.room_id = r.room_id AND own.membership = 'join')
LEFT JOIN members m ON m.room_id = r.room_id AND m.user_id = who.user_id
"""
_WALK: Final = f"""
SELECT who.user_id, {_PERSON} FROM (
    SELECT user_id FROM channel_followers WHERE channel_id = $1 AND user_id > $4 AND ($5::text IS NULL OR user_id <= $5)
    AND since_ts <= $6 AND (advertising OR NOT $7) ORDER BY user_id LIMIT $8
) who JOIN channel_followers f ON f.channel_id = $1 AND f.user_id = who.user_id {_ROOM} ORDER BY who.user_id
"""
_HELD: Final = f"""
SELECT who.user_id, {_PERSON} FROM (
    SELECT user_id FROM channel_held WHERE broadcast_id = $4 AND due_at <= $5 ORDER BY due_at, user_id LIMIT $6
) who LEFT JOIN channel_followers f ON f.channel_id = $1 AND f.user_id = who.user_id {_ROOM} ORDER BY who.user_id
"""


async def claim(connection: Connection, now_ms: int) -> Slice | None:
    """The next slice of the broadcast that has waited longest for its turn. None: nobody's turn is now.

    A slice whose worker died comes again as it was, also of a broadcast that was cancelled meanwhile.
    """
    await end_when_silent(connection)
    row = await connection.fetchrow(_CLAIM)
    if row is None:
        return None
    broadcast = _broadcast(row)
    if not row["has_walked"] or row["slice_to"] is not None:
        walked = await _walk(connection, broadcast, row)
        if walked.recipients or row["slice_to"] is not None:
            await _lease(connection, broadcast, walked.to)
            return walked
    return await _take_held(connection, broadcast, row, now_ms)


async def _walk(connection: Connection, broadcast: Broadcast, row: Record) -> Slice:
    rows = await connection.fetch(
        _WALK,
        *(broadcast.channel_id, row["account"], row["shown_ts"], row["cursor"], row["slice_to"]),
        *(broadcast.began_ts, broadcast.advertising, limits.BROADCAST_SLICE),
    )
    found = _recipients(rows)
    to = row["slice_to"] or (found[-1].user_id if found else row["cursor"])
    is_last = row["slice_to"] is None and len(found) < limits.BROADCAST_SLICE
    return Slice(
        broadcast=broadcast,
        account=row["account"],
        recipients=found,
        cursor=row["cursor"],
        to=to,
        is_last=is_last,
    )


async def _take_held(connection: Connection, broadcast: Broadcast, row: Record, now_ms: int) -> Slice | None:
    """Those whose time has come. Nobody is left: it is done; or it rests until the next one's time."""
    rows = await connection.fetch(
        _HELD,
        *(broadcast.channel_id, row["account"], row["shown_ts"]),
        *(broadcast.broadcast_id, now_ms, limits.BROADCAST_SLICE),
    )
    if rows:
        await _lease(connection, broadcast, None)
        found = _recipients(rows)
        return Slice(
            broadcast=broadcast, account=row["account"], recipients=found, cursor=row["cursor"], to=None, is_last=True
        )
    due_at = await connection.fetchval(
        "SELECT min(due_at) FROM channel_held WHERE broadcast_id = $1", broadcast.broadcast_id
    )
    if due_at is None:
        await end(connection, broadcast.broadcast_id, State.DONE, now_ms)
        return None
    await connection.execute(
        "UPDATE channel_broadcasts SET has_walked = true, next_at = to_timestamp($2::float8) WHERE broadcast_id = $1",
        *(broadcast.broadcast_id, due_at / 1000),
    )
    return None


def _recipients(rows: Sequence[Record]) -> list[Recipient]:
    return [
        Recipient(
            row["user_id"],
            Agreed(row["follows"], row["advertising"], row["advertising_at_night"]),
            row["room_id"],
            row["membership"],
            row["is_there"],
            row["is_back"],
            row["is_stale"],
        )
        for row in rows
    ]


async def _lease(connection: Connection, broadcast: Broadcast, to: str | None) -> None:
    await connection.execute(
        "UPDATE channel_broadcasts SET slice_to = $2, next_at = now() + $3::float8 * interval '1 s'"
        " WHERE broadcast_id = $1",
        *(broadcast.broadcast_id, to, limits.BROADCAST_LEASE_SECONDS),
    )


_DELIVERED: Final = """
INSERT INTO channel_deliveries (broadcast_id, user_id, pos, ts)
SELECT $1, said.user_id, e.pos, e.ts_ms FROM unnest($2::text[], $3::text[]) AS said (user_id, event_id)
JOIN events e ON e.event_id = said.event_id ON CONFLICT DO NOTHING
"""
_FINISHED: Final = """
UPDATE channel_broadcasts SET sent = sent + $2, refused = refused + $3, cursor = coalesce($4, cursor), slice_to = NULL,
    has_walked = has_walked OR $5, next_at = now() WHERE broadcast_id = $1
"""


async def finish(connection: Connection, piece: Slice, outcome: Outcome) -> bool:
    """Notes what became of a slice. False: another worker did so before, and nothing is changed."""
    await end_when_silent(connection)
    broadcast_id = piece.broadcast.broadcast_id
    stands = await connection.fetchval(
        "SELECT cursor = $2 AND slice_to IS NOT DISTINCT FROM $3 FROM channel_broadcasts WHERE broadcast_id = $1"
        " FOR UPDATE",
        *(broadcast_id, piece.cursor, piece.to),
    )
    if not stands:
        return False
    delivered = await connection.execute(_DELIVERED, broadcast_id, list(outcome.sent), list(outcome.sent.values()))
    refused = len(outcome.refused)
    if piece.to is None:
        gone = await connection.fetch(
            "DELETE FROM channel_held WHERE broadcast_id = $1 AND user_id = ANY($2) RETURNING user_id",
            *(broadcast_id, [*outcome.sent, *outcome.refused]),
        )
        refused = len({row["user_id"] for row in gone} & set(outcome.refused))
    if await _is_live(connection, broadcast_id):
        await _hold(connection, broadcast_id, outcome.held)
    await connection.execute(
        _FINISHED, broadcast_id, int(delivered.split()[-1]), refused, piece.to, piece.is_last and piece.to is not None
    )
    return True


async def _is_live(connection: Connection, broadcast_id: str) -> bool:
    sql = "SELECT state = 'running' FROM channel_broadcasts WHERE broadcast_id = $1"
    return bool(await connection.fetchval(sql, broadcast_id))


async def _hold(connection: Connection, broadcast_id: str, held: Mapping[str, int]) -> None:
    if held:
        await connection.execute(
            "INSERT INTO channel_held SELECT $1, h.* FROM unnest($2::text[], $3::bigint[]) AS h"
            " ON CONFLICT (broadcast_id, user_id) DO UPDATE SET due_at = excluded.due_at",
            *(broadcast_id, list(held), list(held.values())),
        )
