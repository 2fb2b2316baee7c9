"""Power levels: who may do what in a room (client-server API, m.room.power_levels; room version 12 for creators)."""

import re
from collections.abc import Mapping
from typing import Any, Final

from bongsu.core import limits
from bongsu.core.events import REDACTION, Event
from bongsu.core.versions import RoomVersion

CREATOR: Final = limits.INTEGER_MAX + 1  # above every level that JSON can state: "infinite". Never sent to anybody
_CREATOR_UNSTATED: Final = 100  # the creator's level in a room without m.room.power_levels, before version 12
_EMPTY: Final[Mapping[str, Any]] = {}


_TEXT: Final = re.compile(r"\s*([+-]?[0-9]{1,32})\s*", re.ASCII)


def level_of(version: RoomVersion, value: object) -> int | None:
    """A stated level, an integer or before room version 10 a text of one; None for what is no level."""
    if isinstance(value, int):
        return None if isinstance(value, bool) else value  # in JSON true is no integer
    if version.integer_levels or not isinstance(value, str):
        return None
    match = _TEXT.fullmatch(value)
    return int(match[1]) if match else None


def creator_of(version: RoomVersion, create: Event) -> str:
    """The user who made the room, and who alone may join it first."""
    if version.creator_in_content:
        named = create.content.get("creator")
        return named if isinstance(named, str) else ""
    return create.sender


def creators_of(version: RoomVersion, create: Event) -> frozenset[str]:
    """The users above every power level; nobody before room version 12."""
    if not version.privileged_creators:
        return frozenset()
    more = create.content.get("additional_creators")
    named = (user for user in more if isinstance(user, str)) if isinstance(more, list) else ()
    return frozenset((create.sender, *named))


class PowerLevels:
    """The levels of one room, read once from its create and power levels events and then asked often. Immutable.

    ban, kick, redact, invite: the level that each act needs.
    """

    __slots__ = ("_events", "_events_default", "_notifications", "_state_default", "_users", "_users_default",
                 "ban", "creators", "invite", "kick", "redact")  # fmt: skip

    def __init__(self, version: RoomVersion, create: Event, power_levels: Event | None) -> None:
        content = _EMPTY if power_levels is None else power_levels.content
        self.creators = creators_of(version, create)
        self.ban = _level(version, content, "ban", 50)
        self.kick = _level(version, content, "kick", 50)
        self.redact = _level(version, content, "redact", 50)
        self.invite = _level(version, content, "invite", 0)
        self._users_default = _level(version, content, "users_default", 0)
        self._events_default = _level(version, content, "events_default", 0)
        self._state_default = _level(version, content, "state_default", 50)
        self._events = _levels(version, content, "events")
        self._notifications = _levels(version, content, "notifications")
        self._users = _levels(version, content, "users")
        if power_levels is None:
            self._users[creator_of(version, create)] = _CREATOR_UNSTATED
        self._users.update(dict.fromkeys(self.creators, CREATOR))

    def of(self, user_id: str) -> int:
        """The level of a user. Creators of room version 12 have CREATOR, which is above any other."""
        return self._users.get(user_id, self._users_default)

    def needed(self, event_type: str, is_state: bool) -> int:
        """The level that sending an event of this type needs."""
        return self._events.get(event_type, self._state_default if is_state else self._events_default)

    def notification(self, key: str) -> int:
        """The level that a notification of everybody needs; key is "room" for @room."""
        return self._notifications.get(key, 50)

    def may_send(self, user_id: str, event_type: str, is_state: bool) -> bool:
        return self.of(user_id) >= self.needed(event_type, is_state)

    def may_redact(self, user_id: str, sender: str) -> bool:
        """May user_id redact an event that sender sent? Both the right to send redactions and the target count."""
        return self.may_send(user_id, REDACTION, False) and (user_id == sender or self.of(user_id) >= self.redact)


def _level(version: RoomVersion, content: Mapping[str, Any], key: str, default: int) -> int:
    level = level_of(version, content.get(key))
    return default if level is None else level


def _levels(version: RoomVersion, content: Mapping[str, Any], key: str) -> dict[str, int]:
    stated = content.get(key)
    found = {name: level_of(version, value) for name, value in stated.items()} if isinstance(stated, dict) else {}
    return {name: level for name, level in found.items() if level is not None}
