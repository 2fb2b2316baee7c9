"""May this event be sent? The "Authorization rules" of every room version, against the current room state.

The functions stand in the order of the rules. Where a server alone knows all of a room's history, some rules become
simpler, and the comment at the place says why:
- auth_events are chosen by this server from the state it judges by, so they cannot be doubled, foreign or rejected;
- every sender belongs to this server, so an event counts as signed by the sender's server and by no other.

The rules do not know why a restricted join is permitted: whoever builds the join checks `allow` and names the
authorising user; a client must not be able to name one by itself.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from bongsu.core import events, ids, versions
from bongsu.core.errors import bad_json, forbidden
from bongsu.core.events import Draft, Event, StateKey, membership_of
from bongsu.core.json import canonical
from bongsu.core.power import PowerLevels, creator_of, level_of
from bongsu.core.versions import RoomVersion

State = Callable[[str, str], Event | None]  # (event type, state key) -> current state event
Verify = Callable[[str, str, bytes], bool]  # (public key, signature, both unpadded base64; signed bytes) -> is it valid

_AUTHORISING_USER: Final = "join_authorised_via_users_server"
_LEVELS: Final = ("users_default", "events_default", "state_default", "ban", "redact", "kick", "invite")
_RESTRICTED: Final = ("restricted", "knock_restricted")
_KNOCKABLE: Final = ("knock", "knock_restricted")
_HERE: Final = ("join", "invite")
_CREATE_KEY: Final = (events.CREATE, "")
_POWER_LEVELS_KEY: Final = (events.POWER_LEVELS, "")
_JOIN_RULES_KEY: Final = (events.JOIN_RULES, "")


# --- auth events selection (server-server API) ---


def auth_event_keys(version: RoomVersion, draft: Draft) -> list[StateKey]:
    """Which state events permit this draft: those of them that exist are its auth_events."""
    if draft.type == events.CREATE:
        return []
    keys = [_POWER_LEVELS_KEY, (events.MEMBER, draft.sender)]
    if not version.room_id_is_hash:
        keys.insert(0, _CREATE_KEY)
    if draft.type == events.MEMBER and draft.state_key is not None:
        keys += (key for key in dict.fromkeys(_member_keys(version, draft)) if key not in keys)
    return keys


def _member_keys(version: RoomVersion, draft: Draft) -> Iterator[StateKey]:
    membership = draft.content.get("membership")
    yield events.MEMBER, draft.state_key or ""
    if membership in ("join", "invite", "knock"):
        yield _JOIN_RULES_KEY
    if membership == "invite":
        token = _signed_invite(draft).get("token")
        if isinstance(token, str):
            yield events.THIRD_PARTY_INVITE, token
    via = draft.content.get(_AUTHORISING_USER)
    if membership == "join" and version.restricted_joins and isinstance(via, str):
        yield events.MEMBER, via


def _signed_invite(draft: Draft) -> Mapping[str, Any]:
    """`third_party_invite.signed`, or nothing where either is missing or no object."""
    invite = draft.content.get("third_party_invite")
    signed = invite.get("signed") if isinstance(invite, dict) else None
    return signed if isinstance(signed, dict) else {}


# --- the rules ---


class _Room:
    """The current state, asked in the rules' words. The power levels are read at first use unless given."""

    __slots__ = ("_power", "create", "state", "version")

    def __init__(self, version: RoomVersion, create: Event, state: State, power: PowerLevels | None) -> None:
        self.version = version
        self.create = create
        self.state = state
        self._power = power

    @property
    def power(self) -> PowerLevels:
        if self._power is None:
            self._power = PowerLevels(self.version, self.create, self.state(events.POWER_LEVELS, ""))
        return self._power

    def membership(self, user_id: str) -> str:
        return membership_of(self.state(events.MEMBER, user_id))

    def join_rule(self) -> str:
        """A room without m.room.join_rules is for invited people; one with a rule it does not know, "", for nobody."""
        rules = self.state(events.JOIN_RULES, "")
        if rules is None:
            return "invite"
        rule = rules.content.get("join_rule")
        return rule if isinstance(rule, str) and self.version.knows_join_rule(rule) else ""


def _nobody_signs(_key: str, _signature: str, _signed: bytes) -> bool:
    return False


def authorize(
    version: RoomVersion,
    draft: Draft,
    room_id: str | None,
    state: State,
    *,
    power: PowerLevels | None = None,
    verify: Verify = _nobody_signs,
) -> None:
    """Refuses a draft that the room's current state does not permit.

    room_id: None for the create event of a version whose room ids are hashes; state: looks up current state;
    power: the room's levels where the caller keeps them read; verify: checks an Ed25519 signature (third-party
    invites; without it they are refused). Raises M_FORBIDDEN, or M_BAD_JSON where the content has the wrong form.
    """
    if draft.type == events.CREATE:
        _check_create(version, draft, room_id, state)
        return
    create = _create_of(version, room_id, state)
    _check_federation(draft, create)
    if version.aliases_by_server and draft.type == events.ALIASES:
        _check_aliases(draft)
        return
    room = _Room(version, create, state, power)
    if draft.type == events.MEMBER:
        _check_member(room, draft, verify)
        return
    if room.membership(draft.sender) != "join":
        raise forbidden("you are not in this room")
    if draft.type == events.THIRD_PARTY_INVITE:
        _check_level(room, draft.sender, room.power.invite, "invite people")
        return
    _check_sending(room, draft)
    if draft.type == events.POWER_LEVELS:
        _check_power_levels(room, draft)
    if version.redaction_by_server and draft.type == events.REDACTION:
        _check_redacting_server(room, draft)


def _domain(identifier: str) -> str:
    return identifier.partition(":")[2]


def _check_level(room: _Room, user_id: str, needed: int, act: str) -> None:
    level = room.power.of(user_id)
    if level < needed:
        raise forbidden(f"to {act} here you need power level {needed}; yours is {level}")


# --- rule 1: m.room.create ---


def _check_create(version: RoomVersion, draft: Draft, room_id: str | None, state: State) -> None:
    if draft.state_key != "" or state(events.CREATE, "") is not None:
        raise forbidden("a room is created once, by its first event")
    if version.room_id_is_hash:
        if room_id is not None:
            raise forbidden("a create event of this room version has no room id; it makes one")
    elif room_id is None or _domain(room_id) != _domain(draft.sender):
        raise forbidden("a room id must end in the server name of the room's creator")
    _check_create_content(version, draft.content)


def _check_create_content(version: RoomVersion, content: Mapping[str, Any]) -> None:
    named = content.get("room_version", "1")
    if not isinstance(named, str) or versions.version(named) is not version:
        raise forbidden(f"the create event must state its room version, {version.name}")
    if version.creator_in_content and "creator" not in content:
        raise forbidden("a create event of this room version names its creator")
    if version.privileged_creators:
        _check_additional_creators(content.get("additional_creators", []))


def _check_additional_creators(named: object) -> None:
    if not isinstance(named, list) or not all(map(ids.is_user_id, named)):
        raise bad_json("additional_creators must be a list of user ids")


# --- rules on the room itself: its id, and m.federate ---


def _create_of(version: RoomVersion, room_id: str | None, state: State) -> Event:
    create = state(events.CREATE, "")
    if create is None or room_id is None:
        raise forbidden("there is no such room")
    if version.room_id_is_hash and room_id[1:] != create.event_id[1:]:
        raise forbidden("the room id is not the id of the room's create event")
    return create


def _check_federation(draft: Draft, create: Event) -> None:
    if create.content.get("m.federate") is False and _domain(draft.sender) != _domain(create.sender):
        raise forbidden("this room is for people of its own server only")


# --- m.room.aliases, up to version 5 ---


def _check_aliases(draft: Draft) -> None:
    if draft.state_key != _domain(draft.sender):
        raise forbidden("the aliases of a server are set by its own people")


# --- m.room.member ---


def _check_member(room: _Room, draft: Draft, verify: Verify) -> None:
    if not ids.is_user_id(draft.state_key):
        raise bad_json("the state key of a membership is the user id of the member")
    membership = draft.content.get("membership")
    if not isinstance(membership, str):
        raise bad_json("membership is missing or is not a string")
    if room.version.restricted_joins:
        _check_authorising_server(draft)
    if membership == "invite" and "third_party_invite" in draft.content:
        _check_third_party_invite(room, draft, verify)
        return
    check = _MEMBERSHIPS.get(membership)
    if check is None or (membership == "knock" and not room.version.knocking):
        raise forbidden("that membership is unknown")
    assert draft.state_key is not None
    check(room, draft, draft.state_key)


def _check_authorising_server(draft: Draft) -> None:
    """The authorising user's server must have signed: here that is the sender's own, see the top of this module."""
    via = draft.content.get(_AUTHORISING_USER)
    if via is None and _AUTHORISING_USER not in draft.content:
        return
    if not isinstance(via, str) or _domain(via) != _domain(draft.sender):
        raise forbidden("the server of the authorising user has not signed this membership")


def _check_join(room: _Room, draft: Draft, target: str) -> None:
    if _is_first_join(room, target):
        return
    if draft.sender != target:
        raise forbidden("nobody can join for another person")
    membership = room.membership(target)
    if membership == "ban":
        raise forbidden("you are banned from this room")
    rule = room.join_rule()
    if rule == "public":
        return
    if rule == "":
        raise forbidden("this room lets nobody join")
    if membership in _HERE:
        return
    if rule not in _RESTRICTED:
        raise forbidden("you are not invited to this room")
    _check_authorising_user(room, draft)


def _is_first_join(room: _Room, target: str) -> bool:
    """Is the create event the only one yet, and is this its creator's join?

    Until the creator has joined the rules permit nothing else, so a creator without a membership says it all.
    """
    return target == creator_of(room.version, room.create) and room.state(events.MEMBER, target) is None


def _check_authorising_user(room: _Room, draft: Draft) -> None:
    via = draft.content.get(_AUTHORISING_USER)
    if not isinstance(via, str):
        raise forbidden("you are not invited to this room, and nothing else lets you join it")
    if room.membership(via) != "join" or room.power.of(via) < room.power.invite:
        raise forbidden("the user who should let you in may not invite people here")


def _check_invite(room: _Room, draft: Draft, target: str) -> None:
    if room.membership(draft.sender) != "join":
        raise forbidden("you are not in this room")
    membership = room.membership(target)
    if membership == "join":
        raise forbidden(f"{target} is in this room already")
    if membership == "ban":
        raise forbidden(f"{target} is banned from this room")
    _check_level(room, draft.sender, room.power.invite, "invite people")


def _check_leave(room: _Room, draft: Draft, target: str) -> None:
    membership = room.membership(target)
    if draft.sender == target:
        if membership not in ("invite", "join", "knock"):
            raise forbidden("you are not in this room")
        return
    if room.membership(draft.sender) != "join":
        raise forbidden("you are not in this room")
    if membership == "ban":
        _check_level(room, draft.sender, room.power.ban, "lift a ban")
    _check_level(room, draft.sender, room.power.kick, "remove people")
    _check_above(room, draft.sender, target)


def _check_ban(room: _Room, draft: Draft, target: str) -> None:
    if room.membership(draft.sender) != "join":
        raise forbidden("you are not in this room")
    _check_level(room, draft.sender, room.power.ban, "ban people")
    _check_above(room, draft.sender, target)


def _check_above(room: _Room, sender: str, target: str) -> None:
    if room.power.of(target) >= room.power.of(sender):
        raise forbidden(f"the power level of {target} is not below yours")


def _check_knock(room: _Room, draft: Draft, target: str) -> None:
    if room.join_rule() not in _KNOCKABLE:
        raise forbidden("nobody can knock on this room")
    if draft.sender != target:
        raise forbidden("nobody can knock for another person")
    membership = room.membership(target)
    if membership == "ban":
        raise forbidden("you are banned from this room")
    if membership in _HERE:
        raise forbidden("you are in this room or invited to it already")


_MEMBERSHIPS: Final[Mapping[str, Callable[[_Room, Draft, str], None]]] = {
    "join": _check_join,
    "invite": _check_invite,
    "leave": _check_leave,
    "ban": _check_ban,
    "knock": _check_knock,
}


# --- invitations by third parties ---


def _check_third_party_invite(room: _Room, draft: Draft, verify: Verify) -> None:
    if room.membership(draft.state_key or "") == "ban":
        raise forbidden(f"{draft.state_key} is banned from this room")
    signed = _signed_invite(draft)
    token = signed.get("token")
    if not isinstance(token, str) or "mxid" not in signed:
        raise forbidden("the third-party invitation is not signed, or lacks mxid or token")
    if signed["mxid"] != draft.state_key:
        raise forbidden("the third-party invitation is for somebody else")
    invite = room.state(events.THIRD_PARTY_INVITE, token)
    if invite is None or invite.sender != draft.sender:
        raise forbidden("no such third-party invitation was made by this sender")
    if not _is_signed(signed, _public_keys(invite.content), verify):
        raise forbidden("the third-party invitation bears no valid signature")


def _is_signed(signed: Mapping[str, Any], keys: list[str], verify: Verify) -> bool:
    covered = canonical({key: value for key, value in signed.items() if key not in ("signatures", "unsigned")})
    return any(verify(key, signature, covered) for signature in _signatures(signed) for key in keys)


def _signatures(signed: Mapping[str, Any]) -> Iterator[str]:
    """Every Ed25519 signature on an object: `signatures` maps servers to key ids to base64."""
    servers = signed.get("signatures")
    for by_key in servers.values() if isinstance(servers, dict) else ():
        for key_id, signature in by_key.items() if isinstance(by_key, dict) else ():
            if key_id.startswith("ed25519:") and isinstance(signature, str):
                yield signature


def _public_keys(content: Mapping[str, Any]) -> list[str]:
    listed = content.get("public_keys")
    entries = listed if isinstance(listed, list) else []
    keys = [content.get("public_key"), *(entry.get("public_key") for entry in entries if isinstance(entry, dict))]
    return [key for key in keys if isinstance(key, str)]


# --- required power level, and state keys that are user ids ---


def _check_sending(room: _Room, draft: Draft) -> None:
    state_key = draft.state_key
    needed = room.power.needed(draft.type, state_key is not None)
    _check_level(room, draft.sender, needed, f"send {draft.type}")
    if state_key is not None and state_key.startswith("@") and state_key != draft.sender:
        raise forbidden("state that is named after a person can be set by that person only")


# --- m.room.power_levels ---


def _check_power_levels(room: _Room, draft: Draft) -> None:
    version, new = room.version, draft.content
    _check_level_forms(version, new)
    named = room.power.creators.intersection(new.get("users", ()))
    if named:
        raise bad_json(f"{min(named)} is a creator of this room and has no power level that could be set")
    current = room.state(events.POWER_LEVELS, "")
    if current is None:
        return
    old = current.content
    level = room.power.of(draft.sender)
    for key in _LEVELS:
        _check_change(level, key, level_of(version, old.get(key)), level_of(version, new.get(key)))
    for section in ("events", "notifications") if version.notification_levels else ("events",):
        for key, before, after in _changes(version, old.get(section), new.get(section)):
            _check_change(level, key, before, after)
    _check_users(room, draft, old.get("users"))


def _check_level_forms(version: RoomVersion, content: Mapping[str, Any]) -> None:
    for key in _LEVELS:
        if key in content and level_of(version, content[key]) is None:
            raise bad_json(f"{key} must be an integer")
    for section in ("events", "notifications", "users"):
        levels = content.get(section, {})
        if not isinstance(levels, dict) or any(level_of(version, level) is None for level in levels.values()):
            raise bad_json(f"{section} must be an object of integers")
    if not all(map(ids.is_user_id, content.get("users", ()))):
        raise bad_json("users must be named by their user ids")


def _check_users(room: _Room, draft: Draft, old: object) -> None:
    level = room.power.of(draft.sender)
    for user, before, after in _changes(room.version, old, draft.content.get("users")):
        if before is not None and before >= level and user != draft.sender:
            raise forbidden(f"the power level of {user} is not below yours")
        _check_change(level, user, before, after)


def _changes(version: RoomVersion, old: object, new: object) -> Iterator[tuple[str, int | None, int | None]]:
    """(key, level before, level after) of every entry that was added, changed or removed; None: there is none."""
    before = old if isinstance(old, dict) else {}
    after = new if isinstance(new, dict) else {}
    for key in sorted(before.keys() | after.keys()):
        levels = level_of(version, before.get(key)), level_of(version, after.get(key))
        if levels[0] != levels[1]:
            yield key, *levels


def _check_change(level: int, name: str, before: int | None, after: int | None) -> None:
    """Nobody changes what stands above their own level, nor sets anything above it."""
    if before == after:
        return
    if (before is not None and before > level) or (after is not None and after > level):
        raise forbidden(f"your power level, {level}, does not reach to change {name} this way")


# --- m.room.redaction, in versions 1 and 2 ---


def _check_redacting_server(room: _Room, draft: Draft) -> None:
    if _domain(draft.redacts or "") != _domain(draft.sender):
        _check_level(room, draft.sender, room.power.redact, "redact what people of other servers sent")


# --- redactions: permitted as events by the rules above, and by these as acts on their target ---


def authorize_redaction(sender: str, target: Event, power: PowerLevels) -> None:
    """Refuses the redaction of an event that is neither the sender's own nor within the *redact level*.

    The room versions also let a whole server redact what its own users sent; a server must not pass that on to each of
    its users, so it is not granted here (client-server API, "Redactions"). The create event keeps a room readable.
    """
    if target.type == events.CREATE:
        raise forbidden("the first event of a room cannot be redacted")
    if not power.may_redact(sender, target.sender):
        raise forbidden(f"to redact what others sent you need power level {power.redact} in this room")
