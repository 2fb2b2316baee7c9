"""Which events point at which."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from bongsu.core import limits
from bongsu.core.events import Event
from bongsu.core.relations import ANNOTATION, REFERENCE, REPLACE, THREAD, RelatesTo
from bongsu.core.visibility import END
from bongsu.store.rooms import Reads
from bongsu.store.streams import EVENT_COLUMNS, read_event


async def annotations(reads: Reads, related: RelatesTo, event_type: str, sender: str) -> list[str]:
    """The events by which this person has annotated the parent with this key."""
    rows = await reads.fetch(
        "SELECT event_id FROM relations"
        " WHERE parent_id = $1 AND rel_type = $2 AND key = $3 AND type = $4 AND sender = $5",
        related.parent_id,
        ANNOTATION,
        related.key,
        event_type,
        sender,
    )
    return [row["event_id"] for row in rows]


_LINEAGE: Final = """
WITH RECURSIVE up (parent_id, rel_type, hops) AS (
    SELECT parent_id, rel_type, 1 FROM relations WHERE event_id = $1 AND room_id = $2
    UNION ALL
    SELECT r.parent_id, r.rel_type, up.hops + 1 FROM up
    JOIN relations r ON r.event_id = up.parent_id AND r.room_id = $2 WHERE up.hops < $3
)
SELECT parent_id, rel_type FROM up ORDER BY hops
"""


async def lineage(reads: Reads, room_id: str, event_id: str) -> list[tuple[str, str]]:
    """(parent, relation) of the event, of its parent, and so on: what decides which thread it is in."""
    rows = await reads.fetch(_LINEAGE, event_id, room_id, limits.RELATIONS_DEPTH_MAX)
    return [(row["parent_id"], row["rel_type"]) for row in rows]


async def is_related(reads: Reads, event_id: str) -> bool:
    """Does this event itself relate to another?"""
    return bool(await reads.fetch("SELECT 1 FROM relations WHERE event_id = $1", event_id))


class Summary(msgspec.Struct):
    """What relates to one event. Positions, None where there is none.

    edit: the newest event that may replace it; thread_latest, thread_count: of its thread; took_part: did the reader
    answer in it; references: ids of the oldest events that refer to it, at most REFERENCES_BUNDLED_MAX.
    """

    edit: int | None = None
    thread_latest: int | None = None
    thread_count: int = 0
    took_part: bool = False
    references: Sequence[str] = ()

    @property
    def shown(self) -> list[int]:
        """Positions of the events that a bundle shows whole."""
        return [pos for pos in (self.edit, self.thread_latest) if pos is not None]


_SUMMARIES: Final = f"""
SELECT r.parent_id, r.rel_type, count(*) AS count, max(r.pos) AS latest, bool_or(r.sender = $2) AS took_part,
  (array_agg(r.event_id ORDER BY r.pos) FILTER (WHERE r.rel_type = '{REFERENCE}'))[1:$4] AS ids
FROM relations r JOIN events p ON p.event_id = r.parent_id AND p.room_id = r.room_id
WHERE r.parent_id = ANY($1) AND r.pos <= $3 AND (r.rel_type IN ('{THREAD}', '{REFERENCE}')
  OR r.rel_type = '{REPLACE}' AND r.sender = p.sender AND r.type = p.type)
  AND (r.rel_type <> '{THREAD}' OR r.sender <> ALL($5))
GROUP BY r.parent_id, r.rel_type
"""


async def summaries(
    reads: Reads, parent_ids: Sequence[str], user_id: str, up_to: int, ignored: Iterable[str] = ()
) -> dict[str, Summary]:
    """What relates to these events at or below `up_to`, reactions left out; events without anything are absent.

    ignored: people whose answers in threads do not count.
    """
    found: dict[str, Summary] = {}
    references_max = limits.REFERENCES_BUNDLED_MAX
    for row in await reads.fetch(_SUMMARIES, parent_ids, user_id, up_to, references_max, list(ignored)):
        summary = found.setdefault(row["parent_id"], Summary())
        match row["rel_type"]:
            case "m.replace":
                summary.edit = row["latest"]
            case "m.thread":
                summary.thread_latest, summary.thread_count = row["latest"], row["count"]
                summary.took_part = row["took_part"]
            case "m.reference":
                summary.references = row["ids"]
    return found


_EDITS: Final = f"""
SELECT DISTINCT ON (r.parent_id) r.parent_id, {EVENT_COLUMNS}
FROM relations r JOIN events p ON p.event_id = r.parent_id AND p.room_id = r.room_id JOIN events e ON e.pos = r.pos
WHERE r.parent_id = ANY($1) AND r.rel_type = '{REPLACE}' AND r.sender = p.sender AND r.type = p.type
  AND p.state_key IS NULL AND p.redacted_by IS NULL AND r.pos <= $2
ORDER BY r.parent_id, r.pos DESC
"""


async def edits(reads: Reads, parent_ids: Sequence[str], up_to: int = END) -> dict[str, Event]:
    """The newest edit of each of these events, at or below `up_to`."""
    return {row["parent_id"]: read_event(row) for row in await reads.fetch(_EDITS, parent_ids, up_to)}


_DESCENDANTS: Final = """
WITH RECURSIVE tree (event_id, pos, rel_type, type, depth) AS (
    SELECT event_id, pos, rel_type, type, 1 FROM relations WHERE parent_id = $1 AND room_id = $2
    UNION
    SELECT r.event_id, r.pos, r.rel_type, r.type, tree.depth + 1 FROM tree
    JOIN relations r ON r.parent_id = tree.event_id AND r.room_id = $2 WHERE tree.depth < $8
), looked_at AS (SELECT * FROM tree LIMIT $9)
SELECT DISTINCT pos FROM looked_at r
"""
_DIRECT: Final = "SELECT r.pos FROM relations r"
_CHILD_CONDITIONS: Final = """
WHERE ($3::text IS NULL OR r.rel_type = $3) AND ($4::text IS NULL OR r.type = $4) AND r.pos > $5 AND r.pos <= $6
"""


async def children(
    reads: Reads,
    room_id: str,
    parent_id: str,
    *,
    rel_type: str | None,
    event_type: str | None,
    after: int,
    up_to: int,
    newest_first: bool,
    count: int,
    depth: int = 1,
) -> list[Event]:
    """Events of the room in (after, up_to] that relate to this one, or with `depth` to one that does, and so on."""
    order = "DESC" if newest_first else "ASC"
    arguments = [parent_id, room_id, rel_type, event_type, after, up_to, count]
    if depth == 1:
        found = f"{_DIRECT} {_CHILD_CONDITIONS} AND r.parent_id = $1 AND r.room_id = $2"
    else:
        found = f"{_DESCENDANTS} {_CHILD_CONDITIONS}"
        arguments += [depth, limits.RELATIONS_RECURSED_MAX]
    rows = await reads.fetch(
        f"SELECT {EVENT_COLUMNS} FROM ({found} ORDER BY pos {order} LIMIT $7) AS c JOIN events e ON e.pos = c.pos"
        f" ORDER BY e.pos {order}",
        *arguments,
    )
    return [read_event(row) for row in rows]


_THREADS: Final = f"""
SELECT t.pos AS latest, {EVENT_COLUMNS} FROM (
    SELECT pos, parent_id FROM relations WHERE room_id = $1 AND rel_type = '{THREAD}' AND pos <= $2
    ORDER BY pos DESC LIMIT $6
) AS t JOIN events e ON e.event_id = t.parent_id AND e.room_id = $1
WHERE NOT EXISTS (SELECT 1 FROM relations later WHERE later.parent_id = t.parent_id AND later.rel_type = '{THREAD}'
    AND later.pos > t.pos AND later.pos <= $3)
  AND ($5::text IS NULL OR e.sender = $5 OR EXISTS (SELECT 1 FROM relations own
    WHERE own.parent_id = t.parent_id AND own.rel_type = '{THREAD}' AND own.sender = $5 AND own.pos <= $3))
ORDER BY t.pos DESC LIMIT $4
"""
_THREADS_SCANNED: Final = f"""
SELECT pos FROM relations WHERE room_id = $1 AND rel_type = '{THREAD}' AND pos <= $2
ORDER BY pos DESC OFFSET $3 LIMIT 1
"""


async def threads(
    reads: Reads, room_id: str, *, before: int, up_to: int, count: int, participant: str | None
) -> tuple[list[tuple[int, Event]], int | None]:
    """(position of the newest answer, root) of the room's threads, the liveliest first, and where to go on.

    before: only threads whose newest answer at or below `up_to` lies at or below it. Looks at no more than
    HISTORY_SCAN_MAX answers, so that one page may be short although there is more.
    """
    scan = limits.HISTORY_SCAN_MAX
    before = min(before, up_to)
    rows = await reads.fetch(_THREADS, room_id, before, up_to, count + 1, participant, scan)
    found = [(row["latest"], read_event(row)) for row in rows[:count]]
    if len(rows) > count:
        return found, rows[count]["latest"]
    scanned = await reads.fetch(_THREADS_SCANNED, room_id, before, scan - 1)
    return found, scanned[0]["pos"] - 1 if scanned else None
