"""The door to a room's past: who may read it, and as of when."""

import msgspec

from bongsu.core import ids
from bongsu.core.errors import Refusal, forbidden, not_found
from bongsu.core.events import Event
from bongsu.core.visibility import END, Visibility
from bongsu.rooms.cache import Rooms
from bongsu.rooms.room import Room
from bongsu.store import events, visible
from bongsu.store.rooms import Reads


class Readable(msgspec.Struct, frozen=True):
    """A room and what the person who asks may see of it."""

    room: Room
    visibility: Visibility

    @property
    def state_pos(self) -> int | None:
        """Where the person left the room, whose state they see as it was then; None: they see the present state."""
        pos = self.visibility.state_pos
        return None if pos == END else pos


async def readable(reads: Reads, rooms: Rooms, room_id: str, user_id: str) -> Readable:
    """403 for a stranger to the room. A room that exists looks to strangers like one that does not."""
    found = await _look(reads, rooms, room_id, user_id)
    if not found.visibility.may_read:
        raise _stranger()
    return found


async def readable_event(
    reads: Reads, rooms: Rooms, room_id: str, event_id: str, user_id: str
) -> tuple[Readable, Event]:
    """404 for an event that is not there and for one that may not be seen: nobody learns which."""
    return await _event_in(reads, await _readable_by(reads, rooms, room_id, user_id), room_id, event_id)


async def readable_around(
    reads: Reads, rooms: Rooms, room_id: str, event_id: str, user_id: str
) -> tuple[Readable, Event]:
    """As readable_event(), but strangers to the room are told so, as by readable()."""
    return await _event_in(reads, await readable(reads, rooms, room_id, user_id), room_id, event_id)


async def _event_in(reads: Reads, found: Readable, room_id: str, event_id: str) -> tuple[Readable, Event]:
    event = await _by_id(reads, event_id)
    if event is None or event.room_id != room_id or not found.visibility.may_see(event):
        raise _no_event()
    return found, event


async def readable_by_id(reads: Reads, rooms: Rooms, event_id: str, user_id: str) -> tuple[Readable, Event]:
    """As readable_event(), of whatever room."""
    event = await _by_id(reads, event_id)
    if event is None:
        raise _no_event()
    found = await _readable_by(reads, rooms, event.room_id, user_id)
    if not found.visibility.may_see(event):
        raise _no_event()
    return found, event


async def _by_id(reads: Reads, event_id: str) -> Event | None:
    by_id = await events.by_id(reads, [event_id]) if ids.is_event_id(event_id) else {}
    return by_id.get(event_id)


async def _readable_by(reads: Reads, rooms: Rooms, room_id: str, user_id: str) -> Readable:
    """As readable(), but a stranger learns no more than that there is no such event."""
    try:
        return await readable(reads, rooms, room_id, user_id)
    except Refusal as refusal:
        if refusal.status != 403:
            raise
        raise _no_event() from None


async def with_state(reads: Reads, rooms: Rooms, room_id: str, user_id: str) -> Readable:
    """As readable(), for whoever may see the room's state: members, former members, everybody if world readable."""
    found = await _look(reads, rooms, room_id, user_id)
    if found.visibility.state_pos is None:
        raise _stranger()
    return found


def _stranger() -> Refusal:
    return forbidden("you are not in this room")


def _no_event() -> Refusal:
    return not_found("there is no such event, or you may not see it")


async def _look(reads: Reads, rooms: Rooms, room_id: str, user_id: str) -> Readable:
    if not ids.is_room_id(room_id):
        raise _stranger()
    try:
        room = await rooms.get(room_id)
    except Refusal as refusal:
        if refusal.status != 404:
            raise
        raise _stranger() from None
    return Readable(room, await visible.load(reads, room_id, user_id, rooms.erased))
