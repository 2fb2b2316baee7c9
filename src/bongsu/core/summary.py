"""What outsiders are told of a room: the published directory, room summaries, the hierarchy of spaces."""

from collections.abc import Mapping
from typing import Any, Final

from bongsu.core import events, ids
from bongsu.core.events import Event
from bongsu.core.json import JsonObject
from bongsu.core.versions import VERSIONS
from bongsu.core.visibility import WORLD_READABLE

TYPES: Final = (
    events.CREATE,
    events.NAME,
    events.TOPIC,
    events.AVATAR,
    events.CANONICAL_ALIAS,
    events.JOIN_RULES,
    events.HISTORY_VISIBILITY,
    events.GUEST_ACCESS,
    events.ENCRYPTION,
)  # the state that is told of, each with the state key ""
_OPEN_RULES: Final = ("public", "knock", "knock_restricted")
_RESTRICTED: Final = ("restricted", "knock_restricted")

State = Mapping[str, Event]  # by event type


def entry(room_id: str, joined_count: int, state: State) -> JsonObject:
    """A room as the published directory shows it."""
    said: JsonObject = {
        "room_id": room_id,
        "num_joined_members": joined_count,
        "world_readable": is_world_readable(state),
        "guest_can_join": stated(state, events.GUEST_ACCESS, "guest_access") == "can_join",
        "join_rule": join_rule(state),
        "name": stated(state, events.NAME, "name"),
        "topic": stated(state, events.TOPIC, "topic"),
        "avatar_url": stated(state, events.AVATAR, "url"),
        "canonical_alias": stated(state, events.CANONICAL_ALIAS, "alias"),
        "room_type": room_type(state),
    }
    return {key: value for key, value in said.items() if value is not None}


def summary(room_id: str, joined_count: int, version: str, state: State) -> JsonObject:
    """A room as GET /room_summary and the hierarchy show it."""
    said = {**entry(room_id, joined_count, state), "room_version": version}
    encryption = stated(state, events.ENCRYPTION, "algorithm")
    if encryption is not None:
        said["encryption"] = encryption
    allowed = allowed_room_ids(state)
    if allowed:
        said["allowed_room_ids"] = allowed
    return said


def stated(state: State, event_type: str, key: str) -> str | None:
    """A string from the content of a state event; None where there is none."""
    event = state.get(event_type)
    value: Any = None if event is None else event.content.get(key)
    return value if isinstance(value, str) and value else None


def join_rule(state: State) -> str:
    return stated(state, events.JOIN_RULES, "join_rule") or "invite"


def room_type(state: State) -> str | None:
    return stated(state, events.CREATE, "type")


def is_world_readable(state: State) -> bool:
    return stated(state, events.HISTORY_VISIBILITY, "history_visibility") == WORLD_READABLE


def is_open(state: State) -> bool:
    """May anybody know of the room, because anybody may read it, come in or ask to?"""
    return is_world_readable(state) or (join_rule(state) in _OPEN_RULES and _means_its_rule(state))


def _means_its_rule(state: State) -> bool:
    """A join rule that came with a later room version lets nobody in."""
    named = VERSIONS.get(stated(state, events.CREATE, "room_version") or "1")
    return named is not None and named.knows_join_rule(join_rule(state))


def allowed_room_ids(state: State) -> list[str]:
    """The rooms whose members may come in; empty where the join rule is no restricted one."""
    rules = state.get(events.JOIN_RULES)
    if rules is None or join_rule(state) not in _RESTRICTED or not _means_its_rule(state):
        return []
    allow = rules.content.get("allow")
    named = [
        each.get("room_id")
        for each in (allow if isinstance(allow, list) else [])
        if isinstance(each, dict) and each.get("type") == "m.room_membership"
    ]
    return [str(room_id) for room_id in named if ids.is_room_id(room_id)]


def matches(said: JsonObject, term: str) -> bool:
    """Is the term, case-folded, in the room's name, topic or alias?"""
    return any(term in said.get(key, "").casefold() for key in ("name", "topic", "canonical_alias"))
