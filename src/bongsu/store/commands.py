"""What people tell services by messages and reactions: heard in the order of the stream, and obeyed once each.

One worker at a time takes in a stretch of the stream, and moves the position in the same commit. What it finds becomes
rows of `commands`; whoever has the effect of one in a transaction takes the row in the same, so that a crash or a
second worker makes neither none nor two of it.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from bongsu.core import limits, relations
from bongsu.core.events import MEMBER, REACTION, Event
from bongsu.core.json import JsonObject, decode, encode
from bongsu.core.relations import ANNOTATION, REPLACE
from bongsu.store.database import Connection, Database, Record, end_when_silent
from bongsu.store.streams import EVENT_COLUMNS, read_event

_VARIATION: Final = "\ufe0f"  # says that a sign is drawn in colour; some clients send it, some do not


class Ear(msgspec.Struct, frozen=True):
    """What a service listens for. speaker: its account; field: of its own messages, what they say to programs.

    heads: first words of a command, in small letters; keys: reactions, as bare signs. greets: it hears of invitations,
    as it has a room of its own with each person.
    """

    speaker: str
    field: str
    heads: frozenset[str]
    keys: frozenset[str]
    greets: bool = False


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was told to a service, which is named by its speaker.

    said: the line, or a reaction's sign; empty for an invitation of the speaker into this room. about: the field of the
    service's own message that it answers, if any.
    """

    pos: int
    service: str
    room_id: str
    user_id: str
    event_id: str
    said: str
    is_reaction: bool
    about: JsonObject | None = None


# --- listening ---

_CLAIM: Final = "SELECT h.pos, s.pos AS newest FROM commands_heard h, stream s FOR UPDATE OF h SKIP LOCKED"
_TOLD: Final = f"""
SELECT {EVENT_COLUMNS},
    CASE WHEN e.state_key IS NOT NULL THEN e.state_key WHEN b.room_id IS NOT NULL THEN $4 ELSE r.sender END AS speaker
FROM events e
JOIN users u ON u.user_id = e.sender AND NOT (u.is_guest OR u.locked OR u.suspended) AND u.deactivated_at IS NULL
LEFT JOIN boards b ON b.room_id = e.room_id
LEFT JOIN service_rooms r ON r.room_id = e.room_id AND r.user_id = e.sender AND r.sender = ANY($5) AND r.sender <> $4
WHERE e.pos > $1 AND e.pos <= $2 AND e.redacted_by IS NULL AND (e.type IN ('m.room.message', 'm.reaction')
    AND e.state_key IS NULL AND (b.room_id IS NOT NULL OR r.sender IS NOT NULL)
    OR e.type = 'm.room.member' AND e.state_key = ANY($6))
ORDER BY e.pos LIMIT $3
"""
_ABOUT: Final = f"SELECT {EVENT_COLUMNS} FROM events e WHERE e.event_id = ANY($1) AND e.redacted_by IS NULL"
_STORE: Final = """
INSERT INTO commands (pos, service, room_id, user_id, event_id, said, is_reaction, about)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING
"""


def is_worth_looking(event: Event, ears: Mapping[str, Ear]) -> bool:
    """May this be for a service? Asked of every event of the server, so it costs next to nothing."""
    if event.state_key is not None:
        return event.type == MEMBER and event.state_key in ears and b'"membership":"invite"' in event.content_json
    return event.type == REACTION or b'"body":"!' in event.content_json or b"\\n!" in event.content_json


async def take_in(connection: Connection, ears: Mapping[str, Ear], boards: str) -> int | None:
    """One stretch of the stream, in the caller's transaction. How far it was heard; None: another worker is at it.

    ears: by speaker. boards: the speaker of rooms that carry a board.
    """
    await end_when_silent(connection)
    claimed = await connection.fetchrow(_CLAIM)
    if claimed is None:
        return None
    after, newest = claimed
    to = min(newest, after + limits.COMMANDS_STRETCH_MAX)
    greeting = [speaker for speaker, ear in ears.items() if ear.greets]
    rows = await connection.fetch(_TOLD, after, to, limits.COMMANDS_TAKEN_MAX, boards, list(ears), greeting)
    reached: int = to if len(rows) < limits.COMMANDS_TAKEN_MAX else rows[-1]["pos"]
    heard = [_read(ears[row["speaker"]], read_event(row)) for row in rows if row["speaker"] in ears]
    await _keep(connection, ears, [each for each in heard if each is not None])
    await connection.execute("UPDATE commands_heard SET pos = $1", reached)
    return reached


class _Read(msgspec.Struct, frozen=True):
    """answers: the event that it answers."""

    heard: Heard
    answers: str | None


def _read(ear: Ear, event: Event) -> _Read | None:
    if not is_worth_looking(event, {ear.speaker: ear}):
        return None  # or it would be heard by chance, when somebody else speaks
    if event.type == MEMBER:
        return _of(ear, event, "", None)
    content = event.content
    related = relations.relates_to(content)
    if event.type == REACTION:
        key = (related.key or "").replace(_VARIATION, "") if related and related.rel_type == ANNOTATION else ""
        return _of(ear, event, key, related.parent_id) if related and key in ear.keys else None
    body = content.get("body")
    if content.get("msgtype") != "m.text" or not isinstance(body, str) or (related and related.rel_type == REPLACE):
        return None
    line = _line(body)
    return _of(ear, event, line, _replied_to(content)) if _head(line) in ear.heads else None


def _of(ear: Ear, event: Event, said: str, answers: str | None) -> _Read:
    heard = Heard(
        pos=event.pos,
        service=ear.speaker,
        room_id=event.room_id,
        user_id=event.sender,
        event_id=event.event_id,
        said=said,
        is_reaction=event.type == REACTION,
    )
    return _Read(heard, answers)


def _line(body: str) -> str:
    """The first line that is no quotation of what is answered."""
    lines = (line.strip() for line in body[: limits.COMMAND_SEARCHED_CHARACTERS_MAX].splitlines())
    found = next((line for line in lines if line and not line.startswith(">")), "")
    return unicodedata.normalize("NFC", found[: limits.COMMAND_CHARACTERS_MAX].replace("\x00", ""))


def _head(line: str) -> str:
    return line.split(maxsplit=1)[0].lower() if line else ""


def _replied_to(content: Mapping[str, Any]) -> str | None:
    stated = content.get("m.relates_to")
    reply = stated.get("m.in_reply_to") if isinstance(stated, dict) else None
    event_id = reply.get("event_id") if isinstance(reply, dict) else None
    return event_id if isinstance(event_id, str) and "\x00" not in event_id else None


async def _keep(connection: Connection, ears: Mapping[str, Ear], read: Sequence[_Read]) -> None:
    if not read:
        return
    answered = [each.answers for each in read if each.answers is not None]
    rows = await connection.fetch(_ABOUT, answered) if answered else []
    events = {event.event_id: event for event in map(read_event, rows)}
    whole = [(each.heard, _about(ears[each.heard.service], each, events)) for each in read]
    await connection.executemany(
        _STORE,
        [
            (
                h.pos,
                h.service,
                h.room_id,
                h.user_id,
                h.event_id,
                h.said,
                h.is_reaction,
                encode(about) if about else None,
            )
            for h, about in whole
            if about is not None or not h.is_reaction
        ],
    )


def _about(ear: Ear, read: _Read, events: Mapping[str, Event]) -> JsonObject | None:
    """What the service itself has said there: anybody else can send the same field."""
    event = events.get(read.answers or "")
    if event is None or event.sender != ear.speaker or event.room_id != read.heard.room_id:
        return None
    field = event.content.get(ear.field)
    return field if isinstance(field, dict) else None


# --- obeying ---


async def take(connection: Connection, pos: int) -> bool:
    """In the transaction that has its effect. False: it was obeyed before."""
    return bool(await connection.fetchval("DELETE FROM commands WHERE pos = $1 RETURNING true", pos))


DUE: Final = "SELECT 1 FROM commands WHERE due_at <= now()"


class Commands:
    """The rows as a worker takes its turn with them. What it claims is nobody else's for a while."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def any_due(self) -> bool:
        return bool(await self._database.fetchval(f"{DUE} LIMIT 1"))

    async def claim(self, count: int) -> list[tuple[Heard, int]]:
        """With how many tries this makes. What one person says in one room is obeyed in order."""
        rows = await self._database.write(
            lambda connection: connection.fetch(
                "WITH due AS (SELECT pos FROM commands c WHERE due_at <= now() AND NOT EXISTS"
                " (SELECT 1 FROM commands e WHERE e.room_id = c.room_id AND e.user_id = c.user_id AND e.pos < c.pos)"
                " ORDER BY pos LIMIT $1 FOR UPDATE OF c SKIP LOCKED)"
                " UPDATE commands c SET due_at = now() + $2::float8 * interval '1 s', tries = tries + 1 FROM due"
                " WHERE c.pos = due.pos RETURNING c.*",
                *(count, limits.COMMAND_CLAIM_SECONDS),
            )
        )
        return [(_heard(row), row["tries"]) for row in sorted(rows, key=lambda row: int(row["pos"]))]

    async def postpone(self, pos: int, seconds: float) -> None:
        sql = "UPDATE commands SET due_at = now() + $2::float8 * interval '1 s' WHERE pos = $1"
        await self._database.execute(sql, pos, seconds)

    async def remove(self, pos: int) -> None:
        await self._database.write(lambda connection: take(connection, pos))


def _heard(row: Record) -> Heard:
    about = row["about"]
    return Heard(
        pos=row["pos"],
        service=row["service"],
        room_id=row["room_id"],
        user_id=row["user_id"],
        event_id=row["event_id"],
        said=row["said"],
        is_reaction=row["is_reaction"],
        about=None if about is None else decode(about),
    )
