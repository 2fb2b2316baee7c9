"""How far everybody's apps were told: lanes and their leases, what is owed, what was sent (migration 0016 says how)."""

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

import msgspec

from bongsu.core import limits
from bongsu.core.json import JsonObject, decode
from bongsu.core.pushers import LANES, Pusher
from bongsu.store.database import Connection, Database, Record
from bongsu.store.rooms import Reads


class Lane(msgspec.Struct, frozen=True):
    """The right to tell the people of a lane, until somebody else takes it. walked_pos: as it was when it was taken."""

    number: int
    fence: int
    walked_pos: int


class Owner(msgspec.Struct, frozen=True):
    """A pusher and whose it is. told_pos: what it was told, or from where on it must be told."""

    pusher_id: int
    user_id: str
    lane: int
    told_pos: int
    owing: bool


class State(msgspec.Struct, frozen=True):
    """A pusher as it is just before something is sent. failing_seconds: since when it fails, 0 if it does not;
    is_locked: nothing of the account is to be shown.
    """

    pusher: Pusher
    set_ms: int
    told_pos: int
    owing: bool
    badge: int
    tries: int
    due_seconds: float
    failing_seconds: float
    is_locked: bool


class Sent(msgspec.Struct, frozen=True):
    """What a gateway took. owing: there may be more, from told_pos on. fence: of the lane, when it was sent."""

    pusher_id: int
    lane: int
    fence: int
    told_pos: int
    badge: int
    owing: bool


# --- lanes ---

_SEEN: Final = """
INSERT INTO push_workers (worker_id, seen_until) VALUES ($1, now() + $2::float8 * interval '1 s')
ON CONFLICT (worker_id) DO UPDATE SET seen_until = excluded.seen_until
"""
_SHARE: Final = "SELECT count(*) FROM push_workers WHERE seen_until > now()"
_GONE: Final = "DELETE FROM push_workers WHERE seen_until < now() - interval '1 minute'"
_RENEW: Final = """
UPDATE push_lanes l SET lease_until = now() + $3::float8 * interval '1 s', walked_pos = greatest(l.walked_pos, $4)
FROM unnest($1::smallint[], $2::bigint[]) AS mine (lane, fence) WHERE l.lane = mine.lane AND l.fence = mine.fence
RETURNING l.lane
"""
_CLAIM: Final = """
UPDATE push_lanes SET fence = fence + 1, lease_until = now() + $2::float8 * interval '1 s' WHERE lane IN (
    SELECT lane FROM push_lanes WHERE lease_until < now() ORDER BY lane LIMIT $1 FOR UPDATE SKIP LOCKED)
RETURNING lane, fence, walked_pos
"""
_GIVE_BACK: Final = """
UPDATE push_lanes l SET lease_until = '-infinity', walked_pos = greatest(l.walked_pos, mine.walked_pos)
FROM unnest($1::smallint[], $2::bigint[], $3::bigint[]) AS mine (lane, fence, walked_pos)
WHERE l.lane = mine.lane AND l.fence = mine.fence
"""


class Renewed(msgspec.Struct, frozen=True):
    """kept: lanes still held; taken: new ones; share: how many this worker should hold."""

    kept: frozenset[int]
    taken: list[Lane]
    share: int


async def renew(database: Database, worker_id: uuid.UUID, held: Mapping[int, Lane], walked_pos: int) -> Renewed:
    """Renews what is held, and takes what nobody holds, up to a fair share. walked_pos: for all held lanes."""
    seconds = limits.PUSH_LEASE_SECONDS

    async def work(connection: Connection) -> Renewed:
        await connection.execute(_SEEN, worker_id, seconds)
        await connection.execute(_GONE)
        share = -(-LANES // max(1, await connection.fetchval(_SHARE)))
        fences = [lane.fence for lane in held.values()]
        rows = await connection.fetch(_RENEW, list(held), fences, seconds, walked_pos) if held else []
        kept = frozenset(row["lane"] for row in rows)
        free = share - len(kept)
        taken = await connection.fetch(_CLAIM, free, seconds) if free > 0 else []
        return Renewed(kept, [Lane(*row.values()) for row in taken], share)

    return await database.write(work)


async def give_back(database: Database, lanes: Sequence[tuple[Lane, int]]) -> None:
    """Each with how far it was walked."""
    numbers, fences = [lane.number for lane, _ in lanes], [lane.fence for lane, _ in lanes]
    await database.execute(_GIVE_BACK, numbers, fences, [pos for _, pos in lanes])


async def leave(database: Database, worker_id: uuid.UUID) -> None:
    """The worker stops: the others need not leave it a share."""
    await database.execute("DELETE FROM push_workers WHERE worker_id = $1", worker_id)


# --- who is told ---


WANTED: Final = "SELECT 1 FROM pushers"  # without one there is nobody to be told


async def anybody(reads: Reads) -> bool:
    return bool(await reads.fetch(f"{WANTED} LIMIT 1"))


_OWNERS: Final = "SELECT pusher_id, user_id, lane, told_pos, owing FROM pushers"


async def owners_in(reads: Reads, lanes: Collection[int]) -> list[Owner]:
    rows = await reads.fetch(f"{_OWNERS} WHERE lane = ANY($1::smallint[])", list(lanes))
    return [Owner(*row.values()) for row in rows]


async def set_lately(reads: Reads, lanes: Collection[int]) -> list[Owner]:
    sql = f"{_OWNERS} WHERE lane = ANY($1::smallint[]) AND set_at > now() - $2::float8 * interval '1 s'"
    return [Owner(*row.values()) for row in await reads.fetch(sql, list(lanes), limits.PUSH_SET_SECONDS)]


async def owners_of(reads: Reads, user_id: str) -> list[Owner]:
    return [Owner(*row.values()) for row in await reads.fetch(f"{_OWNERS} WHERE user_id = $1", user_id)]


async def people_in(reads: Reads, room_ids: Collection[str], lanes: Collection[int]) -> dict[str, set[str]]:
    """By room, who of its members has a pusher in one of the lanes."""
    found: dict[str, set[str]] = {room_id: set() for room_id in room_ids}
    rows = await reads.fetch(
        "SELECT m.room_id, m.user_id FROM members m WHERE m.room_id = ANY($1) AND m.membership = 'join'"
        " AND m.user_id IN (SELECT user_id FROM pushers WHERE lane = ANY($2::smallint[]))",
        list(room_ids),
        list(lanes),
    )
    for row in rows:
        found[row["room_id"]].add(row["user_id"])
    return found


_HAPPENED: Final = """
WITH told AS (SELECT * FROM unnest($1::text[], $2::bigint[]) AS t (user_id, pos)),
    busy AS (SELECT room_id, max(pos) AS pos FROM events WHERE pos > $3 AND pos <= $4 GROUP BY room_id)
SELECT t.user_id, m.room_id FROM busy b JOIN members m ON m.room_id = b.room_id AND m.membership IN ('join', 'invite')
    JOIN told t ON t.user_id = m.user_id AND t.pos < b.pos
UNION
SELECT t.user_id, r.room_id FROM receipts r JOIN told t ON t.user_id = r.user_id AND t.pos < r.pos
    WHERE r.pos > $3 AND r.pos <= $4
"""


async def happened(reads: Reads, told: Mapping[str, int], up_to: int) -> list[tuple[str, str]]:
    """(user, room): where these people may have to be told of something after a position of theirs, and up to another.

    What lies more than PUSH_POSITIONS_MAX back is not looked at.
    """
    if not told:
        return []
    after = max(min(told.values()), up_to - limits.PUSH_POSITIONS_MAX)
    rows = await reads.fetch(_HAPPENED, list(told), list(told.values()), after, up_to)
    return [(row["user_id"], row["room_id"]) for row in rows]


async def rooms_of(reads: Reads, user_ids: Collection[str]) -> list[tuple[str, str]]:
    """(user, room) of where these people are."""
    rows = await reads.fetch(
        "SELECT user_id, room_id FROM members WHERE user_id = ANY($1) AND membership = 'join'", list(user_ids)
    )
    return [(row["user_id"], row["room_id"]) for row in rows]


_MAYBE_UNREAD: Final = """
SELECT m.room_id FROM members m WHERE m.user_id = $1 AND m.membership = 'join' AND EXISTS (
    SELECT 1 FROM events e WHERE e.room_id = m.room_id AND e.sender <> $1 AND e.pos > greatest(m.joined_pos, (
        SELECT max(r.event_pos) FROM receipts r
        WHERE r.room_id = m.room_id AND r.user_id = $1 AND r.thread_id = '')))
ORDER BY m.joined_pos DESC LIMIT $2
"""


async def maybe_unread(reads: Reads, user_id: str) -> list[str]:
    """The rooms in which something may be unread, at most PUSH_BADGE_ROOMS_MAX."""
    rows = await reads.fetch(_MAYBE_UNREAD, user_id, limits.PUSH_BADGE_ROOMS_MAX)
    return [row["room_id"] for row in rows]


# --- what was sent ---

_STATES: Final = """
SELECT pusher_id, app_id, pushkey, kind, app_display_name, device_display_name, profile_tag, lang, data,
    (extract(epoch FROM set_at) * 1000)::bigint AS set_ms, told_pos, owing, badge, tries,
    extract(epoch FROM due_at - now())::float8 AS due_seconds,
    coalesce(extract(epoch FROM now() - failing_since), 0)::float8 AS failing_seconds,
    EXISTS (SELECT 1 FROM users u WHERE u.user_id = pushers.user_id AND u.locked) AS is_locked
FROM pushers WHERE pusher_id = ANY($1::bigint[])
"""
_SENT: Final = """
UPDATE pushers p SET told_pos = greatest(p.told_pos, s.told_pos), badge = s.badge, owing = s.owing, tries = 0,
    failing_since = NULL
FROM unnest($1::bigint[], $2::smallint[], $3::bigint[], $4::bigint[], $5::integer[], $6::boolean[])
    AS s (pusher_id, lane, fence, told_pos, badge, owing)
JOIN push_lanes l ON l.lane = s.lane AND l.fence = s.fence
WHERE p.pusher_id = s.pusher_id RETURNING p.pusher_id
"""
_FAILED: Final = """
UPDATE pushers p SET owing = true, told_pos = $4, tries = tries + 1, due_at = now() + $5::float8 * interval '1 s',
    failing_since = coalesce(failing_since, now())
FROM push_lanes l WHERE l.lane = $2 AND l.fence = $3 AND p.pusher_id = $1
"""


async def states(reads: Reads, pusher_ids: Sequence[int]) -> dict[int, State]:
    """Those that still are, by id."""
    rows = await reads.fetch(_STATES, list(pusher_ids))
    return {row["pusher_id"]: _state(row) for row in rows}


def _state(row: Record) -> State:
    data: JsonObject = decode(row["data"])
    return State(
        Pusher(
            app_id=row["app_id"],
            pushkey=row["pushkey"],
            kind=row["kind"],
            app_display_name=row["app_display_name"],
            device_display_name=row["device_display_name"],
            profile_tag=row["profile_tag"],
            lang=row["lang"],
            data=data,
        ),
        *(row["set_ms"], row["told_pos"], row["owing"], row["badge"], row["tries"]),
        *(row["due_seconds"], row["failing_seconds"], row["is_locked"]),
    )


async def confirm(database: Database, sent: Sequence[Sent]) -> set[int]:
    """Keeps what gateways took. The pushers of which it could be kept: not of lanes that somebody else holds now."""
    columns = list(zip(*(msgspec.structs.astuple(each) for each in sent), strict=True))
    rows = await database.write(lambda connection: connection.fetch(_SENT, *map(list, columns)))
    return {row["pusher_id"] for row in rows}


async def fail(database: Database, pusher_id: int, lane: Lane, told_pos: int, seconds: float) -> None:
    """It is tried again after so many seconds, from told_pos on."""
    await database.execute(_FAILED, pusher_id, lane.number, lane.fence, told_pos, seconds)


async def remove(database: Database, pusher_id: int, set_ms: int) -> bool:
    """The gateway does not know it any more. False: it was set anew meanwhile, and that is not what was said."""
    sql = "DELETE FROM pushers WHERE pusher_id = $1 AND (extract(epoch FROM set_at) * 1000)::bigint = $2"
    return bool(await database.execute(sql, pusher_id, set_ms) == "DELETE 1")


# --- the key that browsers know this server by ---


async def web_push_key(database: Database, make: Callable[[], str]) -> str:
    """The private key, as it was kept first: one that is made now, if there was none."""
    return await _fact(database, "web_push_key") or await _kept(database, "web_push_key", make())


async def web_push_public(database: Database) -> str | None:
    """What is shown of it, once somebody asked."""
    return await _fact(database, "web_push_public")


async def keep_web_push_public(database: Database, public: str) -> None:
    await _kept(database, "web_push_public", public)


async def _fact(database: Database, name: str) -> str | None:
    value: str | None = await database.fetchval("SELECT value FROM server_facts WHERE name = $1", name)
    return value


async def _kept(database: Database, name: str, value: str) -> str:
    """What was kept first."""
    await database.execute(
        "INSERT INTO server_facts (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING", name, value
    )
    return await _fact(database, name) or value
