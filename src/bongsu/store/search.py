"""The texts of messages: kept behind the commits, and searched together with what is not kept yet.

A worker takes what is new from the stream when it has been committed, so a message costs its sender nothing. Who looks
reads the newest events as well, so a message is found as soon as it was acknowledged.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from bongsu.core import finding, limits
from bongsu.core.events import REDACTION, Event
from bongsu.core.filters import RoomEventFilter
from bongsu.core.relations import REPLACE, relates_to
from bongsu.store import relations
from bongsu.store.database import Connection
from bongsu.store.forgotten_blobs import note_referred
from bongsu.store.history import Arguments, conditions
from bongsu.store.patterns import containing
from bongsu.store.rooms import Reads
from bongsu.store.streams import EVENT_COLUMNS, read_event

# --- what an event can be found by ---


class Text(msgspec.Struct, frozen=True):
    """The current text of the event at `pos`: folded, from the event at `text_pos`, under one of finding.KEYS."""

    pos: int
    text_pos: int
    room_id: str
    key: int
    text: str


_STRETCH: Final = f"SELECT {EVENT_COLUMNS} FROM events e WHERE e.pos > $1 AND e.pos <= $2 ORDER BY e.pos LIMIT $3"
_BACKWARDS: Final = f"SELECT {EVENT_COLUMNS} FROM events e WHERE e.pos <= $1 ORDER BY e.pos DESC LIMIT $2"
_NAMED: Final = f"""
SELECT {EVENT_COLUMNS} FROM events e WHERE e.pos IN (
    SELECT named.pos FROM events named WHERE named.event_id = ANY($1)
    UNION ALL SELECT s.pos FROM events edit JOIN search_texts s ON s.text_pos = edit.pos AND s.text_pos <> s.pos
    WHERE edit.event_id = ANY($1))
"""


async def _changed(reads: Reads, events: Sequence[Event]) -> dict[int, Text | None]:
    """By position, each event whose text these events make, change or end, with its current text."""
    own = [event for event in events if event.type != REDACTION and _edited(event) is None]
    others = {event_id for event in events if (event_id := _edited(event) or event.redacts) is not None}
    rows = await reads.fetch(_NAMED, list(others)) if others else []
    return await _texts(reads, [*own, *(e for e in map(read_event, rows) if _edited(e) is None)])


def _edited(event: Event) -> str | None:
    """The id of the event that this one edits."""
    related = relates_to(event.content) if event.state_key is None else None
    return related.parent_id if related is not None and related.rel_type == REPLACE else None


async def _texts(reads: Reads, events: Sequence[Event]) -> dict[int, Text | None]:
    editable = [event.event_id for event in events if event.state_key is None]
    edits = await relations.edits(reads, editable) if editable else {}
    return {event.pos: _text(event, edits.get(event.event_id)) for event in events}


def _text(event: Event, edit: Event | None) -> Text | None:
    """None: it cannot be found. An edit without a text leaves the text before it."""
    if event.redacted_because is not None:
        return None
    new = edit.content.get("m.new_content") if edit is not None else None
    if edit is not None and isinstance(new, dict):
        found = finding.searchable(event.type, event.state_key, new)
        if found is not None:
            return Text(event.pos, edit.pos, event.room_id, *found)
    found = finding.searchable(event.type, event.state_key, event.content)
    return None if found is None else Text(event.pos, event.pos, event.room_id, *found)


# --- keeping them ---


_CLAIM: Final = """
SELECT p.pos, p.back_pos, s.pos AS newest FROM search_progress p, stream s FOR UPDATE OF p SKIP LOCKED
"""
_KEEP: Final = """
INSERT INTO search_texts (pos, text_pos, key, text, grams)
SELECT pos, text_pos, key, text, grams::integer[]
FROM unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::text[], $5::text[])
    AS new (pos, text_pos, key, text, grams)
ON CONFLICT (pos) DO UPDATE SET text_pos = excluded.text_pos, key = excluded.key, text = excluded.text,
    grams = excluded.grams
"""


async def keep_some(connection: Connection) -> bool:
    """Takes in one batch: of what is new or, when that is done, of what is old. False when there is nothing left.

    Run in a transaction: whoever has the row of the progress works, the others find nothing to do.
    """
    claimed = await connection.fetchrow(_CLAIM)
    if claimed is None:
        return False
    pos, back_pos, newest = claimed
    if pos < newest:
        await _keep_new(connection, pos, newest)
        return bool(newest - pos > limits.INDEX_BATCH_MAX)
    if back_pos > 0:
        await _keep_old(connection, back_pos)
        return True
    return False


async def is_whole(reads: Reads, pos: int) -> bool:
    """Is everything up to this position kept?"""
    rows = await reads.fetch("SELECT pos >= $1 AND back_pos = 0 AS whole FROM search_progress", pos)
    return bool(rows[0]["whole"])


async def _keep_new(connection: Connection, after: int, newest: int) -> None:
    rows = await connection.fetch(_STRETCH, after, newest, limits.INDEX_BATCH_MAX)
    reached = newest if len(rows) < limits.INDEX_BATCH_MAX else rows[-1]["pos"]
    events = [read_event(row) for row in rows]
    await _keep(connection, await _changed(connection, events))
    await note_referred(connection, events)
    await connection.execute("UPDATE search_progress SET pos = $1", reached)


async def _keep_old(connection: Connection, back_pos: int) -> None:
    """The newest of the old ones first. What changed them stands above them, and is looked up with them."""
    rows = await connection.fetch(_BACKWARDS, back_pos, limits.INDEX_BATCH_MAX)
    events = [read_event(row) for row in rows]
    own = [event for event in events if event.type != REDACTION and _edited(event) is None]
    await _keep(connection, await _texts(connection, own))
    await note_referred(connection, events)
    reached = rows[-1]["pos"] - 1 if len(rows) == limits.INDEX_BATCH_MAX else 0
    await connection.execute("UPDATE search_progress SET back_pos = $1", reached)


async def _keep(connection: Connection, changed: Mapping[int, Text | None]) -> None:
    gone = [pos for pos, text in changed.items() if text is None]
    if gone:
        await connection.execute("DELETE FROM search_texts WHERE pos = ANY($1)", gone)
    kept = [text for text in changed.values() if text is not None]
    if kept:
        rows = [(t.pos, t.text_pos, t.key, t.text, _array(_grams(t))) for t in kept]
        await connection.execute(_KEEP, *map(list, zip(*rows, strict=True)))


def _grams(text: Text) -> list[int]:
    where = [finding.room_gram(text.room_id), finding.stretch_gram(finding.stretch_of(text.pos))]
    return [*finding.grams(text.text), *where]


def _array(numbers: Sequence[int]) -> str:
    """As the database writes an array: rows of arrays of unlike lengths are no array."""
    return "{" + ",".join(map(str, numbers)) + "}"


# --- looking ---


class Wanted(msgspec.Struct, frozen=True):
    """What is looked for: folded terms, numbers of finding.KEYS, in these rooms, as far as the filter lets through."""

    terms: tuple[str, ...]
    keys: tuple[int, ...]
    room_ids: Sequence[str]
    filter: RoomEventFilter

    def fits(self, text: Text | None) -> bool:
        return text is not None and text.key in self.keys and finding.holds(text.text, self.terms)


class Found(msgspec.Struct, frozen=True):
    """A match. text: the beginning of its folded text; text_pos: where that is from, which must be seen as well."""

    pos: int
    text_pos: int
    room_id: str
    sender: str
    text: str


class Window(msgspec.Struct):
    """The newest matches, newest first; rest: where to go on, None when there are no more."""

    found: list[Found]
    rest: int | None


async def newest_position(reads: Reads) -> int:
    """The end of the stream as the database has it."""
    return int((await reads.fetch("SELECT pos FROM stream"))[0]["pos"])


async def window(reads: Reads, wanted: Wanted, top: int, now: int) -> Window:
    """Matches at or below `top`, at most SEARCH_WINDOW_MAX. now: the newest position that may be shown."""
    progress = await reads.fetch("SELECT pos FROM search_progress")
    after = max(progress[0]["pos"], now - limits.SEARCH_TAIL_MAX)
    rows = await reads.fetch(_STRETCH, after, now, limits.SEARCH_TAIL_MAX)
    tail = await _changed(reads, [read_event(row) for row in rows])
    kept = await _kept(reads, wanted, top, skipped=list(tail))
    bottom = 0 if kept.rest is None else kept.rest + 1
    fresh = [text for text in tail.values() if text is not None and bottom <= text.pos <= top and wanted.fits(text)]
    found = sorted([*kept.found, *await _admitted(reads, wanted, fresh)], key=lambda each: -each.pos)
    return Window(found, kept.rest)


async def _kept(reads: Reads, wanted: Wanted, top: int, skipped: Sequence[int]) -> Window:
    """Looks at stretches of the stream, the newest first and each time twice as many: what is common ends soon."""
    found: list[Found] = []
    rare = any(finding.grams(term) for term in wanted.terms)
    count = 1
    for _ in range(limits.SEARCH_QUERIES_MAX if rare else limits.SEARCH_UNINDEXED_QUERIES_MAX):
        first = max(0, finding.stretch_of(top) - count + 1)
        found += await _look(reads, wanted, first, top, skipped, limits.SEARCH_WINDOW_MAX - len(found))
        if len(found) >= limits.SEARCH_WINDOW_MAX:
            return Window(found, found[-1].pos - 1)
        if first == 0:
            return Window(found, None)
        top = (first << limits.SEARCH_STRETCH_BITS) - 1
        count = min(2 * count, limits.SEARCH_STRETCHES_MAX)
    return Window(found, top)


async def _look(reads: Reads, wanted: Wanted, first: int, top: int, skipped: Sequence[int], count: int) -> list[Found]:
    """Matches from the stretch `first` up to the position `top`, the newest first."""
    arguments = Arguments([first << limits.SEARCH_STRETCH_BITS, top, limits.SEARCH_SCORED_CHARACTERS_MAX, count])
    clauses = [
        "s.pos >= $1",
        "s.pos <= $2",
        *_indexed(wanted, range(first, finding.stretch_of(top) + 1), arguments),
        f"s.text LIKE ALL({arguments.add([containing(term) for term in wanted.terms], 'text[]')})",
        f"s.key = ANY({arguments.add(wanted.keys, 'smallint[]')})",
        f"s.pos <> ALL({arguments.add(skipped, 'bigint[]')})",
        "(s.text_pos = s.pos OR EXISTS (SELECT 1 FROM events edit WHERE edit.pos = s.text_pos"
        " AND edit.redacted_by IS NULL))",
        *_admitting(wanted, arguments),
    ]
    rows = await reads.fetch(
        "SELECT s.pos, s.text_pos, e.room_id, e.sender, left(s.text, $3::integer) AS text FROM search_texts s"
        f" JOIN events e ON e.pos = s.pos WHERE {' AND '.join(clauses)} ORDER BY s.pos DESC LIMIT $4",
        *arguments,
    )
    return [Found(*row.values()) for row in rows]


def _indexed(wanted: Wanted, stretches: range, arguments: Arguments) -> list[str]:
    """What the index can say. Single characters are in no pair, so there it says the place alone."""
    pairs = sorted({gram for term in wanted.terms for gram in finding.grams(term)})
    clauses = [f"s.grams @> {arguments.add(pairs, 'integer[]')}"] if pairs else []
    if len(wanted.room_ids) <= limits.SEARCH_ROOMS_NAMED_MAX:
        rooms = [finding.room_gram(room_id) for room_id in wanted.room_ids]
        clauses.append(f"s.grams && {arguments.add(rooms, 'integer[]')}")
    clauses.append(f"s.grams && {arguments.add([*map(finding.stretch_gram, stretches)], 'integer[]')}")
    return clauses


def _admitting(wanted: Wanted, arguments: Arguments) -> list[str]:
    """The event's own conditions: its room, not redacted, and the filter."""
    rooms = arguments.add(wanted.room_ids, "text[]")
    return [f"e.room_id = ANY({rooms})", "e.redacted_by IS NULL", *conditions(wanted.filter, arguments)]


async def _admitted(reads: Reads, wanted: Wanted, texts: Sequence[Text]) -> list[Found]:
    if not texts:
        return []
    arguments = Arguments([[text.pos for text in texts]])
    where = " AND ".join(_admitting(wanted, arguments))
    rows = await reads.fetch(f"SELECT e.pos, e.sender FROM events e WHERE e.pos = ANY($1) AND {where}", *arguments)
    admitted = {row["pos"]: row["sender"] for row in rows}
    shown = limits.SEARCH_SCORED_CHARACTERS_MAX
    return [Found(t.pos, t.text_pos, t.room_id, admitted[t.pos], t.text[:shown]) for t in texts if t.pos in admitted]
