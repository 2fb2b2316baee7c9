"""What a new room begins with (client-server API, POST /createRoom), and what an upgraded room takes along."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from bongsu.core import events, ids, limits
from bongsu.core.errors import Refusal, bad_json, invalid_param
from bongsu.core.events import Draft, Event, StateKey
from bongsu.core.json import JsonObject
from bongsu.core.power import creators_of, level_of
from bongsu.core.versions import RoomVersion


class StateInput(msgspec.Struct, frozen=True):
    """One entry of initial_state."""

    type: str
    content: JsonObject
    state_key: str = ""


class Options(msgspec.Struct, frozen=True):
    """The body of POST /createRoom."""

    visibility: str = "private"
    room_alias_name: str | None = None
    name: str | None = None
    topic: str | None = None
    invite: list[str] = []
    invite_3pid: list[JsonObject] = []
    room_version: str | None = None
    creation_content: JsonObject = {}
    initial_state: list[StateInput] = []
    preset: str | None = None
    is_direct: bool = False
    power_level_content_override: JsonObject = {}


_PRESETS: Final[dict[str, tuple[str, str, str]]] = {  # join rule, history visibility, guest access
    "private_chat": ("invite", "shared", "can_join"),
    "trusted_private_chat": ("invite", "shared", "can_join"),
    "public_chat": ("public", "shared", "forbidden"),
}


def check(options: Options) -> None:
    """Refuses what no room can begin with."""
    if options.visibility not in ("private", "public"):
        raise invalid_param("visibility must be private or public")
    if options.preset is not None and options.preset not in _PRESETS:
        raise invalid_param(f"preset must be one of {', '.join(_PRESETS)}")
    if len(options.invite) > limits.INVITES_PER_CREATE_MAX:
        raise invalid_param(f"at most {limits.INVITES_PER_CREATE_MAX} people can be invited at once")
    if len(options.initial_state) > limits.INITIAL_STATE_MAX:
        raise invalid_param(f"initial_state may hold at most {limits.INITIAL_STATE_MAX} events")
    if options.invite_3pid:
        raise Refusal(400, "M_THREEPID_NOT_FOUND", "this server cannot invite by mail address or phone number yet")
    for user in options.invite:
        ids.check_user_id(user)
    _check_creation_content(options.creation_content)
    for entry in options.initial_state:
        if entry.type in (events.CREATE, events.MEMBER, events.REDACTION):
            raise invalid_param(f"initial_state cannot hold {entry.type}")
        ids.check_text(entry.type, "type")
        ids.check_text(entry.state_key, "state_key")


def _check_creation_content(content: JsonObject) -> None:
    """A create event stays for ever, so what clients and servers read in it must have its form from the start."""
    more = content.get("additional_creators", [])
    if not isinstance(more, list) or not all(isinstance(user, str) for user in more):
        raise bad_json("additional_creators must be a list of user ids")
    if not isinstance(content.get("m.federate", True), bool):
        raise bad_json("m.federate must be true or false")
    if not isinstance(content.get("type", ""), str):
        raise bad_json("type must be a string")
    old = content.get("predecessor", {"room_id": ""})
    if not isinstance(old, dict) or not isinstance(old.get("room_id"), str):
        raise bad_json("predecessor must be an object with a room_id")


def preset_of(options: Options) -> str:
    return options.preset or ("public_chat" if options.visibility == "public" else "private_chat")


def create_draft(version: RoomVersion, options: Options, creator: str) -> Draft:
    """The create event. In version 12 the invited of a trusted chat become creators too."""
    content = {key: value for key, value in options.creation_content.items() if key not in ("creator", "room_version")}
    content["room_version"] = version.name
    if version.creator_in_content:
        content["creator"] = creator
    if version.privileged_creators and preset_of(options) == "trusted_private_chat":
        merged = list(dict.fromkeys([*content.get("additional_creators", []), *options.invite]))
        if merged:
            content["additional_creators"] = merged
    return Draft(type=events.CREATE, sender=creator, content=content, state_key="")


def drafts_after_join(
    version: RoomVersion, options: Options, creator: str, create: Draft, alias: str | None
) -> list[Draft]:
    """What follows the creator's join, in the protocol's order, invitations left out."""
    initial = {(entry.type, entry.state_key): entry.content for entry in options.initial_state}
    levels = initial.pop((events.POWER_LEVELS, ""), None) or _power_levels(version, options, creator, create)
    steps: list[dict[StateKey, JsonObject]] = [
        {(events.POWER_LEVELS, ""): levels},
        {} if alias is None else {(events.CANONICAL_ALIAS, ""): {"alias": alias}},
        _preset_state(options),
        initial,
        _named_state(options),
    ]
    state: dict[StateKey, JsonObject] = {}
    for step in steps:
        for key, content in step.items():
            state.pop(key, None)  # a later step takes the place of an earlier one
            state[key] = content
    return [Draft(type=key[0], sender=creator, content=content, state_key=key[1]) for key, content in state.items()]


def _preset_state(options: Options) -> dict[StateKey, JsonObject]:
    join_rule, visibility, guests = _PRESETS[preset_of(options)]
    return {
        (events.JOIN_RULES, ""): {"join_rule": join_rule},
        (events.HISTORY_VISIBILITY, ""): {"history_visibility": visibility},
        (events.GUEST_ACCESS, ""): {"guest_access": guests},
    }


def _named_state(options: Options) -> dict[StateKey, JsonObject]:
    state: dict[StateKey, JsonObject] = {}
    if options.name:
        state[events.NAME, ""] = {"name": options.name}
    if options.topic:
        text = {"m.text": [{"body": options.topic, "mimetype": "text/plain"}]}
        state[events.TOPIC, ""] = {"topic": options.topic, "m.topic": text}
    return state


def _power_levels(version: RoomVersion, options: Options, creator: str, create: Draft) -> JsonObject:
    users = {} if version.privileged_creators else {creator: 100}
    if preset_of(options) == "trusted_private_chat" and not version.privileged_creators:
        users.update(dict.fromkeys(options.invite, 100))
    tombstone = 150 if version.privileged_creators else 100
    levels: JsonObject = {
        "ban": 50,
        "events": {
            events.NAME: 50,
            events.POWER_LEVELS: 100,
            events.HISTORY_VISIBILITY: 100,
            events.CANONICAL_ALIAS: 50,
            events.AVATAR: 50,
            events.TOMBSTONE: tombstone,
            "m.room.server_acl": 100,
            events.ENCRYPTION: 100,
        },
        "events_default": 0,
        "invite": 50 if preset_of(options) == "public_chat" else 0,
        "kick": 50,
        "redact": 50,
        "state_default": 50,
        "users": users,
        "users_default": 0,
    }
    return {**levels, **options.power_level_content_override}


_HIGHEST: Final = 100  # the level of whoever makes a room, where creators do not stand above all levels
_LATER_RULES: Final = ("knock", "restricted", "knock_restricted")
_COPIED: Final = (
    events.JOIN_RULES,
    events.NAME,
    events.TOPIC,
    events.AVATAR,
    events.CANONICAL_ALIAS,
    events.HISTORY_VISIBILITY,
    events.GUEST_ACCESS,
    events.ENCRYPTION,
    "m.room.server_acl",
    "m.room.related_groups",
    "m.room.pinned_events",
)


def copied_state(
    version: RoomVersion, creators: frozenset[str], upgrader: str, old: RoomVersion, state: Mapping[StateKey, Event]
) -> list[Draft]:
    """The state an upgraded room takes from the old one; its power levels first, so that the rest is allowed.

    version, creators: of the new room; old, state: of the one it replaces, whose creators have the highest level in the
    new one where creators do not stand above all levels.
    """
    before = creators_of(old, state[events.CREATE, ""])
    levels = state.get((events.POWER_LEVELS, ""))
    stated = _whole_levels(old, levels.content) if levels is not None else {}
    content = {**stated, **_changed_levels(version, creators, {*before, upgrader}, stated)}
    drafts = [Draft(type=events.POWER_LEVELS, sender=upgrader, content=content, state_key="")]
    for (kind, key), event in state.items():
        if (kind in _COPIED and key == "") or kind in ("m.space.child", "m.space.parent"):
            kept = _known_rule(version, event.content) if kind == events.JOIN_RULES else event.content
            drafts.append(Draft(type=kind, sender=upgrader, content=dict(kept), state_key=key))
    return drafts


def _whole_levels(old: RoomVersion, content: Mapping[str, Any]) -> JsonObject:
    """Power levels as integers, which every version understands; what is no level is left out."""
    whole: JsonObject = {}
    for key, value in content.items():
        level = _whole_levels(old, value) if isinstance(value, dict) else level_of(old, value)
        if isinstance(level, int):
            level = max(-limits.INTEGER_MAX, min(level, limits.INTEGER_MAX))
        if level is not None:
            whole[key] = level
    return whole


def _changed_levels(
    version: RoomVersion, creators: frozenset[str], highest: Iterable[str], stated: Mapping[str, Any]
) -> JsonObject:
    users, needed = stated.get("users", {}), stated.get("events", {})
    if version.privileged_creators:
        others = {user: level for user, level in users.items() if user not in creators}
        return {"users": others, "events": {**needed, events.TOMBSTONE: 150}}
    reachable = {event_type: min(level, _HIGHEST) for event_type, level in needed.items()}
    return {"users": {**users, **dict.fromkeys(highest, _HIGHEST)}, "events": reachable}


def _known_rule(version: RoomVersion, content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Join rules of a later version become the nearest that this one knows: nobody comes in who could not before."""
    rule = content.get("join_rule")
    if not isinstance(rule, str) or version.knows_join_rule(rule):
        return content
    nearest = "restricted" if rule == "knock_restricted" and version.restricted_joins else "invite"
    return {**content, "join_rule": nearest} if rule in _LATER_RULES else content
