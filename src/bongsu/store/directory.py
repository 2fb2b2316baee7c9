"""Aliases and the published room directory."""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from bongsu.core import summary
from bongsu.core.events import CANONICAL_ALIAS, NAME, TOPIC, Event
from bongsu.core.json import encode
from bongsu.store.rooms import Reads
from bongsu.store.streams import EVENT_COLUMNS, read_event

SET_ALIAS = "INSERT INTO aliases (alias, room_id, creator) VALUES ($1, $2, $3)"
DELETE_ALIAS = "DELETE FROM aliases WHERE alias = $1"
SET_DIRECTORY = "UPDATE rooms SET directory = $2 WHERE room_id = $1"
MOVE_ALIASES = "UPDATE aliases SET room_id = $2 WHERE room_id = $1"


async def room_of(reads: Reads, alias: str) -> tuple[str, str] | None:
    """(room id, who made the alias)."""
    rows = await reads.fetch("SELECT room_id, creator FROM aliases WHERE alias = $1", alias)
    return (rows[0]["room_id"], rows[0]["creator"]) if rows else None


async def aliases_of(reads: Reads, room_id: str) -> list[str]:
    rows = await reads.fetch("SELECT alias FROM aliases WHERE room_id = $1 ORDER BY alias", room_id)
    return [row["alias"] for row in rows]


async def in_directory(reads: Reads, room_id: str) -> bool | None:
    """Is the room in the directory? None for no such room."""
    rows = await reads.fetch("SELECT directory FROM rooms WHERE room_id = $1", room_id)
    return rows[0]["directory"] if rows else None


async def published_among(reads: Reads, room_ids: Sequence[str]) -> set[str]:
    """Those of the rooms that are in the directory."""
    rows = await reads.fetch("SELECT room_id FROM rooms WHERE directory AND room_id = ANY($1)", room_ids)
    return {row["room_id"] for row in rows}


class Cursor(msgspec.Struct, frozen=True):
    """A place in the directory, where the fullest rooms stand first: just after the room with so many people."""

    people: int
    room_id: str


class Listed(msgspec.Struct, frozen=True):
    """Which directory is looked at. instance_id: of a network of an application service; None for this server's own."""

    instance_id: str | None = None
    everywhere: bool = False


HERE: Final = Listed()
EVERYWHERE: Final = Listed(everywhere=True)


def _values(listed: Listed) -> tuple[bool, str | None]:
    return listed.everywhere, listed.instance_id


_LISTED: Final = """
(CASE WHEN $2::boolean THEN r.directory OR EXISTS (SELECT FROM network_rooms n WHERE n.room_id = r.room_id)
      WHEN $3::text IS NULL THEN r.directory
      ELSE EXISTS (SELECT FROM network_rooms n WHERE n.room_id = r.room_id
                   AND n.service_id || '|' || n.network_id = $3) END)
"""
_MATCHING: Final = f"""
{_LISTED} AND ($1::text IS NULL OR EXISTS (
    SELECT 1 FROM room_state s JOIN events e ON e.pos = s.pos
    WHERE s.room_id = r.room_id AND s.type IN ('{NAME}', '{TOPIC}', '{CANONICAL_ALIAS}') AND s.state_key = ''
      AND convert_from(e.pdu, 'UTF8') ILIKE $1))
"""
_PUBLISHED: Final = f"""
SELECT room_id, people FROM (
    SELECT r.room_id, (
        SELECT count(*) FROM members m WHERE m.room_id = r.room_id AND m.membership = 'join') AS people
    FROM rooms r WHERE {_MATCHING}
) AS listed
"""
_AFTER: Final = """
WHERE $4::bigint IS NULL OR people < $4 OR (people = $4 AND room_id > $5) ORDER BY people DESC, room_id LIMIT $6
"""
_BEFORE: Final = """
WHERE people > $4 OR (people = $4 AND room_id < $5) ORDER BY people, room_id DESC LIMIT $6
"""


def _pattern(term: str | None) -> str | None:
    """Finds the term in the JSON of an event, where it may stand in other places too: a candidate, not an answer."""
    if term is None:
        return None
    written = encode(term).decode()[1:-1]
    return "%" + re.sub(r"([\\%_])", r"\\\1", written) + "%"


async def published(
    reads: Reads,
    cursor: Cursor | None,
    count: int,
    *,
    term: str | None = None,
    backwards: bool = False,
    listed: Listed = HERE,
) -> list[Cursor]:
    """Published rooms after the cursor (or before it, nearest first); term: candidates for holding it."""
    assert cursor is not None or not backwards
    place = (cursor.people, cursor.room_id) if cursor else (None, "")
    sql = _PUBLISHED + (_BEFORE if backwards else _AFTER)
    rows = await reads.fetch(sql, _pattern(term), *_values(listed), *place, count)
    return [Cursor(row["people"], row["room_id"]) for row in rows]


async def published_count(reads: Reads, term: str | None = None, listed: Listed = HERE) -> int:
    sql = f"SELECT count(*) AS rooms FROM rooms r WHERE {_MATCHING}"
    rows = await reads.fetch(sql, _pattern(term), *_values(listed))
    return int(rows[0]["rooms"])


_FACTS: Final = f"""
SELECT {EVENT_COLUMNS} FROM room_state s JOIN events e ON e.pos = s.pos
WHERE s.room_id = ANY($1) AND s.type = ANY($2) AND s.state_key = ''
"""


async def facts_of(reads: Reads, room_ids: Sequence[str]) -> dict[str, dict[str, Event]]:
    """The state that outsiders are told of, by room and event type."""
    facts: dict[str, dict[str, Event]] = {room_id: {} for room_id in room_ids}
    for row in await reads.fetch(_FACTS, room_ids, summary.TYPES):
        facts[row["room_id"]][row["type"]] = read_event(row)
    return facts
