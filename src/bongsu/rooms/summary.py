"""Who may know of a room without being in it."""

from collections.abc import Mapping

from bongsu.core import limits, summary
from bongsu.core.events import Event, membership_of
from bongsu.rooms.room import Room
from bongsu.store import rooms as room_table
from bongsu.store.rooms import Reads


def facts_of(room: Room) -> Mapping[str, Event]:
    """The room's state that outsiders are told of, by event type."""
    found = ((event_type, room.state.get((event_type, ""))) for event_type in summary.TYPES)
    return {event_type: event for event_type, event in found if event is not None}


async def may_know(reads: Reads, facts: Mapping[str, Event], user_id: str | None, membership: str) -> bool:
    """Members and the invited may, and everybody who may read the room, come in, or ask to. user_id None: anybody."""
    if membership in ("join", "invite", "knock") or summary.is_open(facts):
        return True
    if user_id is None or membership == "ban":
        return False
    allowed = [(room_id, user_id) for room_id in summary.allowed_room_ids(facts)[: limits.ALLOWED_ROOMS_MAX]]
    inside = await room_table.members(reads, allowed) if allowed else {}
    return any(membership_of(event) == "join" for event in inside.values())
