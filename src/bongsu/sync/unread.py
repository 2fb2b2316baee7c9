"""Unread counts: push rules evaluated lazily, for those who look, on what they have not read.

Counting at the reader's next sync instead of at every send makes a message cost nothing for people who are away, and
a count survives everything, because it follows from receipts, rules and events alone.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from bongsu.core.events import MEMBER, Event
from bongsu.core.json import JsonObject
from bongsu.core.pushrules import SILENT, Outcome, RoomFacts
from bongsu.core.timeline import thread_of
from bongsu.rooms.room import Room
from bongsu.store import personal as table
from bongsu.store import rooms as room_table
from bongsu.store import unread as history
from bongsu.store.database import Database
from bongsu.store.rows import Receipt
from bongsu.sync.readers import Reader, Unread

_MAIN = "main"


def facts_of(room: Room, reader: Reader) -> RoomFacts:
    if not reader.rules.needs_display_name:
        return room.facts
    member = room.members.get(reader.user_id)
    name = member.content.get("displayname") if member is not None else None
    return msgspec.structs.replace(room.facts, display_name=name if isinstance(name, str) else None)


def passes_over(reader: Reader, event: Event) -> bool:
    """Does it say that somebody else came or went, which by the reader's rules tells nothing? Asked first: a thousand
    people who join a room one after the other would each have the others' rules evaluated.
    """
    return event.type == MEMBER and event.state_key != reader.user_id and reader.rules.is_silent_about(MEMBER)


def read_positions(receipts: Iterable[Receipt]) -> dict[str, int]:
    """How far a person has read, by thread ("" for unthreaded); a private receipt counts as a public one."""
    read_at: dict[str, int] = {}
    for row in receipts:
        read_at[row.thread_id] = max(read_at.get(row.thread_id, 0), row.event_pos)
    return read_at


def is_read(event: Event, thread: str | None, read_at: Mapping[str, int]) -> bool:
    """read_at: as read_positions gives it; thread: of the event."""
    return event.pos <= read_at.get("", 0) or event.pos <= read_at.get(thread or _MAIN, 0)


def outcome_of(reader: Reader, event: Event, facts: RoomFacts) -> Outcome:
    """What the person's rules say of an event; SILENT for what was redacted, and for people whom they ignore."""
    if event.redacted_because is not None or event.sender in reader.ignored:
        return SILENT
    return reader.rules.evaluate(event.type, event.sender, event.state_key, event.content, facts)


def count(reader: Reader, room: Room, unread: Unread, events: Iterable[Event], up_to: int) -> None:
    """Adds the events in (unread.up_to, up_to] to the count."""
    facts = facts_of(room, reader) if reader.rules.needs_display_name else room.facts
    for event in events:
        if event.pos <= unread.up_to or event.pos > up_to or event.redacted_because is not None:
            continue
        if event.sender in reader.ignored or (event.state_key is not None and passes_over(reader, event)):
            continue
        thread = thread_of(event)
        if event.sender == reader.user_id and event.state_key is None:
            _read(unread, thread, event.pos)
            continue
        if is_read(event, thread, unread.read_at):
            continue
        outcome = reader.rules.evaluate(event.type, event.sender, event.state_key, event.content, facts)
        if not outcome.notify:
            continue
        if thread is None:
            unread.notify += 1
            unread.highlight += outcome.highlight
        else:
            counts = unread.threads.setdefault(thread, [0, 0])
            counts[0] += 1
            counts[1] += outcome.highlight
    unread.up_to = max(unread.up_to, up_to)


def _read(unread: Unread, thread: str | None, pos: int) -> None:
    """Who speaks has read what was said before, in that thread."""
    unread.read_at[thread or _MAIN] = max(unread.read_at.get(thread or _MAIN, 0), pos)
    if thread is None:
        unread.notify = unread.highlight = 0
    else:
        unread.threads.pop(thread, None)


class Counter:
    """Keeps the counts of readers up to date, from memory where the tail reaches, else from the tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def known(
        self, reader: Reader, room: Room, up_to: int, since: int = 0, events: Sequence[Event] | None = None
    ) -> Unread | None:
        """The count of one room at `up_to`, if it follows from memory alone. events: those after `since`, if known."""
        unread = reader.unread.get(room.room_id)
        if unread is None or unread.up_to > up_to or unread.up_to < room.tail_after:
            return None  # never counted; or somebody counted further, and this sync wants an earlier answer
        if reader.rules.needs_display_name and reader.user_id not in room.members:
            return None
        news = room.after(unread.up_to) if events is None or unread.up_to < since else events
        count(reader, room, unread, news, up_to)
        return unread

    async def of(self, reader: Reader, room: Room, up_to: int) -> Unread:
        """The count of one room at `up_to`. It is kept unless it turned wrong while the tables were asked."""
        if (known := self.known(reader, room, up_to)) is not None:
            return known
        uncounted = reader.uncounted
        await know_name(self._database, reader, room)
        unread = reader.unread.get(room.room_id)
        if unread is None or unread.up_to > up_to:
            receipts = await table.own_receipts(self._database, reader.user_id, [room.room_id])
            unread = begin(reader, room.room_id, read_positions(receipts))
        if unread.up_to >= room.tail_after:
            count(reader, room, unread, room.after(unread.up_to), up_to)
        else:
            count(reader, room, unread, await self._events(reader, room, unread, up_to), up_to)
        if reader.uncounted == uncounted:
            reader.unread[room.room_id] = unread
        return unread

    async def _events(self, reader: Reader, room: Room, unread: Unread, up_to: int) -> Sequence[Event]:
        """What may be unread: everything after the main timeline was read, and answers in threads before that."""
        after = max(unread.up_to, unread.read_at.get(_MAIN, 0))
        events = await newest(self._database, reader, room, after, up_to)
        if after > unread.up_to:
            events = [*await history.threaded(self._database, room.room_id, unread.up_to, after), *events]
        return events


async def newest(database: Database, reader: Reader, room: Room, after: int, up_to: int) -> list[Event]:
    """The newest events of a room that may tell the reader something, from the tables."""
    members_but = reader.user_id if reader.rules.is_silent_about(MEMBER) else None
    return await history.newest(database, room.room_id, after, up_to, members_but)


async def know_name(database: Database, reader: Reader, room: Room) -> None:
    """Reads what the reader is called in the room, if rules ask for that and it is not known."""
    if reader.rules.needs_display_name and reader.user_id not in room.members:
        await know_members(database, room, [reader.user_id])


async def know_members(database: Database, room: Room, user_ids: Iterable[str]) -> None:
    """Reads those of these members that are not known."""
    unknown = [user_id for user_id in user_ids if user_id not in room.members]
    if unknown:
        found = await room_table.members(database, [(room.room_id, user_id) for user_id in unknown])
        for user_id in unknown:
            room.members.setdefault(user_id, found.get((room.room_id, user_id)))


def begin(reader: Reader, room_id: str, read_at: dict[str, int]) -> Unread:
    """Nothing counted yet: from where the person came in, or read everything."""
    membership = reader.memberships.get(room_id)
    joined_pos = membership.joined_pos or 0 if membership else 0
    return Unread(up_to=max(read_at.get("", 0), joined_pos), read_at=read_at)


def say(unread: Unread, *, by_thread: bool) -> JsonObject:
    """unread_notifications and, where threads are counted by themselves, unread_thread_notifications."""
    counts = [unread.notify, unread.highlight]
    said: JsonObject = {}
    if by_thread:
        threads = {root: _counts(*pair) for root, pair in unread.threads.items()}
        if threads:
            said["unread_thread_notifications"] = threads
    else:
        for notify, highlight in unread.threads.values():
            counts = [counts[0] + notify, counts[1] + highlight]
    said["unread_notifications"] = _counts(*counts)
    return said


def _counts(notify: int, highlight: int) -> JsonObject:
    return {"notification_count": notify, "highlight_count": highlight}
