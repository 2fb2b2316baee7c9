"""Which events point at which."""

from collections.abc import Sequence
from typing import Final

import msgspec

from bongsu.core.events import Event
from bongsu.core.relations import ANNOTATION, REPLACE, THREAD, RelatesTo
from bongsu.store.rooms import Reads
from bongsu.store.streams import EVENT_COLUMNS, read_event


async def has_annotation(reads: Reads, related: RelatesTo, event_type: str, sender: str) -> bool:
    rows = await reads.fetch(
        "SELECT 1 FROM relations WHERE parent_id = $1 AND rel_type = $2 AND key = $3 AND type = $4 AND sender = $5",
        related.parent_id,
        ANNOTATION,
        related.key,
        event_type,
        sender,
    )
    return bool(rows)


async def is_related(reads: Reads, event_id: str) -> bool:
    """Does this event itself relate to another?"""
    return bool(await reads.fetch("SELECT 1 FROM relations WHERE event_id = $1", event_id))


class ThreadSummary(msgspec.Struct, frozen=True):
    root_id: str
    count: int
    latest: Event
    participants: frozenset[str]


_THREADS: Final = f"""
SELECT t.parent_id, t.count, t.participants, {EVENT_COLUMNS} FROM (
    SELECT parent_id, count(*) AS count, max(pos) AS latest, array_agg(DISTINCT sender) AS participants
    FROM relations WHERE parent_id = ANY($1) AND rel_type = '{THREAD}' GROUP BY parent_id
) AS t JOIN events e ON e.pos = t.latest
"""


async def threads(reads: Reads, parent_ids: Sequence[str]) -> dict[str, ThreadSummary]:
    """The threads that begin at these events."""
    return {
        row["parent_id"]: ThreadSummary(row["parent_id"], row["count"], read_event(row), frozenset(row["participants"]))
        for row in await reads.fetch(_THREADS, parent_ids)
    }


_EDITS: Final = f"""
SELECT DISTINCT ON (r.parent_id) r.parent_id, {EVENT_COLUMNS}
FROM relations r JOIN events p ON p.event_id = r.parent_id JOIN events e ON e.pos = r.pos
WHERE r.parent_id = ANY($1) AND r.rel_type = '{REPLACE}' AND r.sender = p.sender AND r.type = p.type
  AND p.state_key IS NULL AND p.redacted_by IS NULL
ORDER BY r.parent_id, r.pos DESC
"""


async def edits(reads: Reads, parent_ids: Sequence[str]) -> dict[str, Event]:
    """The newest valid edit of each of these events."""
    return {row["parent_id"]: read_event(row) for row in await reads.fetch(_EDITS, parent_ids)}


_REFERENCES: Final = """
SELECT parent_id, array_agg(event_id ORDER BY pos) AS ids FROM relations
WHERE parent_id = ANY($1) AND rel_type = 'm.reference' GROUP BY parent_id
"""


async def references(reads: Reads, parent_ids: Sequence[str]) -> dict[str, list[str]]:
    return {row["parent_id"]: list(row["ids"]) for row in await reads.fetch(_REFERENCES, parent_ids)}


_CHILDREN: Final = f"""
SELECT {EVENT_COLUMNS} FROM relations r JOIN events e ON e.pos = r.pos
WHERE r.parent_id = ANY($1) AND r.room_id = $2 AND ($3::text IS NULL OR r.rel_type = $3)
  AND ($4::text IS NULL OR r.type = $4) AND r.pos > $5 AND r.pos <= $6
"""


async def children(
    reads: Reads,
    room_id: str,
    parent_ids: Sequence[str],
    *,
    rel_type: str | None,
    event_type: str | None,
    after: int,
    up_to: int,
    newest_first: bool,
    count: int,
) -> list[Event]:
    """Events of the room that relate to one of these, in (after, up_to]."""
    order = "DESC" if newest_first else "ASC"
    rows = await reads.fetch(
        f"{_CHILDREN} ORDER BY r.pos {order} LIMIT $7", parent_ids, room_id, rel_type, event_type, after, up_to, count
    )
    return [read_event(row) for row in rows]


_ROOTS: Final = f"""
SELECT t.latest, {EVENT_COLUMNS} FROM (
    SELECT parent_id, max(pos) AS latest FROM relations
    WHERE room_id = $1 AND rel_type = '{THREAD}' AND ($4::text IS NULL OR parent_id IN (
        SELECT own.parent_id FROM relations own WHERE own.room_id = $1 AND own.rel_type = '{THREAD}' AND own.sender = $4
        UNION SELECT root.event_id FROM events root WHERE root.room_id = $1 AND root.sender = $4))
    GROUP BY parent_id
) AS t JOIN events e ON e.event_id = t.parent_id
WHERE t.latest <= $2 ORDER BY t.latest DESC LIMIT $3
"""


async def thread_roots(
    reads: Reads, room_id: str, up_to: int, count: int, participant: str | None
) -> list[tuple[int, Event]]:
    """(position of the newest answer, root) of the room's threads, the liveliest first."""
    return [(row["latest"], read_event(row)) for row in await reads.fetch(_ROOTS, room_id, up_to, count, participant)]
