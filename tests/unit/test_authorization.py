"""The authorization rules of room versions 10, 11 and 12 as a table: each case says which rule it is about.

Rules are numbered as in version 12; in versions 10 and 11, which lack its rule 2, later numbers are one lower.
"""

import base64
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from Crypto.PublicKey import ECC
from Crypto.Signature import eddsa

from bongsu.core import events
from bongsu.core.authorization import auth_event_keys, authorize, authorize_redaction
from bongsu.core.errors import Refusal
from bongsu.core.events import Draft, Event, StateKey
from bongsu.core.json import canonical
from bongsu.core.power import PowerLevels
from bongsu.core.versions import version

VERSION_NAMES = ["10", "11", "12"]
LATER = ["11", "12"]
LAST = ["12"]
BEFORE_12 = ["10", "11"]

CREATOR = "@creator:here.example"
ADMIN = "@admin:here.example"  # 100
MODERATOR = "@moderator:here.example"  # 50
MODERATOR_2 = "@moderator-2:here.example"  # 50
MEMBER = "@member:here.example"  # 0
STRANGER = "@stranger:here.example"
INVITED = "@invited:here.example"
BANNED = "@banned:here.example"
KNOCKING = "@knocking:here.example"
GONE = "@gone:here.example"
ELSEWHERE = "@member:elsewhere.example"

MEMBERSHIPS = {
    CREATOR: "join", ADMIN: "join", MODERATOR: "join", MODERATOR_2: "join", MEMBER: "join", ELSEWHERE: "join",
    INVITED: "invite", BANNED: "ban", KNOCKING: "knock", GONE: "leave",
}  # fmt: skip
POWER: dict[str, Any] = {
    "ban": 50, "kick": 50, "redact": 50, "invite": 0, "events_default": 0, "state_default": 50, "users_default": 0,
    "events": {"m.room.power_levels": 50, "m.room.topic": 0, "m.secret": 100, "m.late": 60},
    "notifications": {"room": 50, "loud": 100},
    "users": {ADMIN: 100, MODERATOR: 50, MODERATOR_2: 50},
}  # fmt: skip
OK = "allowed"
NO = "M_FORBIDDEN"
BAD = "M_BAD_JSON"
NO_LEVEL: tuple[object, ...] = ("50", True)
NO_LEVELS_OBJECT: tuple[object, ...] = ([], {"a": "50"}, {"a": None}, 5)
NO_USERS: tuple[object, ...] = ([], {MEMBER: "50"}, {MEMBER: False}, {"member": 50}, {"@member": 50})
Content = dict[str, Any]
Changes = dict[StateKey, Content | None]  # None: this state does not exist


def outcome(act: Callable[[], None]) -> str:
    """OK, or the code of the refusal, whose status and message are checked in passing."""
    try:
        act()
    except Refusal as caught:
        refusal = caught
    else:
        return OK
    assert " " in refusal.message  # a sentence for a person
    assert refusal.status == (403 if refusal.errcode == NO else 400)
    return refusal.errcode


class Room:
    """A room of one version with people of every kind, and the state a case changes in it."""

    def __init__(self, name: str, changes: Changes | None = None, senders: dict[StateKey, str] | None = None) -> None:
        self.version = version(name)
        self.room_id = "!" + "c" * 43 if self.version.room_id_is_hash else "!room:here.example"
        self._senders = senders or {}
        users = POWER["users"] if self.version.privileged_creators else {CREATOR: 100, **POWER["users"]}
        contents: Changes = {
            (events.CREATE, ""): {"room_version": name, "creator": CREATOR},
            (events.POWER_LEVELS, ""): {**POWER, "users": users},
            (events.JOIN_RULES, ""): {"join_rule": "invite"},
            **{(events.MEMBER, user): {"membership": value} for user, value in MEMBERSHIPS.items()},
            **(changes or {}),
        }
        self._state = {key: self._event(key, content) for key, content in contents.items() if content is not None}

    def _event(self, key: StateKey, content: Content) -> Event:
        return Event(
            pos=1, event_id="$" + "c" * 43, room_id=self.room_id, type=key[0], state_key=key[1], ts_ms=1, depth=1,
            sender=self._senders.get(key, CREATOR), content_json=msgspec.json.encode(content),
        )  # fmt: skip

    def state(self, event_type: str, state_key: str) -> Event | None:
        return self._state.get((event_type, state_key))

    def verdict(self, draft: Draft, **options: Any) -> str:
        room_id = options.pop("room_id", self.room_id)
        return outcome(lambda: authorize(self.version, draft, room_id, self.state, **options))

    def power(self) -> PowerLevels:
        create = self.state(events.CREATE, "")
        assert create is not None
        return PowerLevels(self.version, create, self.state(events.POWER_LEVELS, ""))


def send(sender: str, event_type: str = events.MESSAGE, state_key: str | None = None, **content: Any) -> Draft:
    return Draft(type=event_type, sender=sender, content=content, state_key=state_key)


def member(sender: str, target: str, membership: object, **more: Any) -> Draft:
    return send(sender, events.MEMBER, target, membership=membership, **more)


def join(user: str, **more: Any) -> Draft:
    return member(user, user, "join", **more)


def join_rule(rule: object) -> Changes:
    return {(events.JOIN_RULES, ""): {"join_rule": rule}}


def power(**changes: Any) -> Changes:
    """Power levels that differ from POWER; a value of None takes the key away."""
    merged = {**POWER, **changes}
    return {(events.POWER_LEVELS, ""): {key: value for key, value in merged.items() if value is not None}}


def levels(sender: str, section: str | None = None, /, **changes: Any) -> Draft:
    """New power levels: POWER with changes at the top, or in one section; None takes the key away."""
    content = {key: dict(value) if isinstance(value, dict) else value for key, value in POWER.items()}
    place = content if section is None else content[section]
    for key, value in changes.items():
        place.pop(key, None)
        if value is not None:
            place[key] = value
    return send(sender, events.POWER_LEVELS, "", **content)


def users(sender: str, changes: dict[str, int | None]) -> Draft:
    return levels(sender, "users", **changes)


ONLY_CREATE: Changes = {
    (events.POWER_LEVELS, ""): None,
    (events.JOIN_RULES, ""): None,
    **{(events.MEMBER, user): None for user in MEMBERSHIPS},
}
PRIVATE: Changes = {(events.CREATE, ""): {"creator": CREATOR, "m.federate": False}}
FEDERATED: Changes = {(events.CREATE, ""): {"creator": CREATOR, "m.federate": True}}
NOBODY: Changes = {(events.CREATE, ""): None}
NO_LEVELS: Changes = {(events.POWER_LEVELS, ""): None}
VIA = "join_authorised_via_users_server"

# (rule, what, draft, changed state, verdict, room versions)
CASES: list[tuple[str, str, Draft, Changes, str, list[str]]] = [
    ("2", "room without create event", send(MEMBER), NOBODY, NO, VERSION_NAMES),
    ("4", "m.federate false, own server", send(MEMBER), PRIVATE, OK, VERSION_NAMES),
    ("4", "m.federate false, other server", send(ELSEWHERE), PRIVATE, NO, VERSION_NAMES),
    ("4", "m.federate true, other server", send(ELSEWHERE), FEDERATED, OK, VERSION_NAMES),
    ("4", "m.federate false, join from other server", join(ELSEWHERE), {**PRIVATE, **join_rule("public")}, NO,
     VERSION_NAMES),
    # 5.1, 5.2, 5.8: m.room.member in general
    ("5.1", "membership without state key", send(MEMBER, events.MEMBER, membership="join"), {}, BAD, VERSION_NAMES),
    ("5.1", "no membership", send(MEMBER, events.MEMBER, MEMBER), {}, BAD, VERSION_NAMES),
    ("5.1", "membership is no string", member(MEMBER, MEMBER, 1), {}, BAD, VERSION_NAMES),
    ("5.1", "state key is no user id", member(ADMIN, "member", "invite"), {}, BAD, VERSION_NAMES),
    ("5.2", "authorising user of another server", join(STRANGER, **{VIA: ELSEWHERE}), join_rule("restricted"), NO,
     VERSION_NAMES),
    ("5.2", "authorising user of another server, public room", join(STRANGER, **{VIA: ELSEWHERE}),
     join_rule("public"), NO, VERSION_NAMES),
    ("5.2", "authorising user is no string", join(STRANGER, **{VIA: None}), join_rule("public"), NO, VERSION_NAMES),
    ("5.8", "unknown membership", member(MEMBER, MEMBER, "watch"), {}, NO, VERSION_NAMES),
    # 5.3: join
    ("5.3.1", "creator joins first", join(CREATOR), ONLY_CREATE, OK, VERSION_NAMES),
    ("5.3.1", "another joins first", join(MEMBER), ONLY_CREATE, NO, VERSION_NAMES),
    ("5.3.1", "creator who left needs an invitation", join(CREATOR),
     {(events.MEMBER, CREATOR): {"membership": "leave"}}, NO, VERSION_NAMES),
    ("5.3.1", "an additional creator is no first member", join(MEMBER),
     {**ONLY_CREATE, (events.CREATE, ""): {"additional_creators": [MEMBER]}}, NO, LAST),
    ("5.3.1", "the content names the creator", join(MEMBER),
     {**ONLY_CREATE, (events.CREATE, ""): {"creator": MEMBER}}, OK, ["10"]),
    ("5.3.1", "the content does not name the creator", join(MEMBER),
     {**ONLY_CREATE, (events.CREATE, ""): {"creator": MEMBER}}, NO, LATER),
    ("5.3.2", "join for another", member(ADMIN, STRANGER, "join"), join_rule("public"), NO, VERSION_NAMES),
    ("5.3.3", "banned", join(BANNED), join_rule("public"), NO, VERSION_NAMES),
    ("5.3.4", "invite rule, invited", join(INVITED), {}, OK, VERSION_NAMES),
    ("5.3.4", "invite rule, joined", join(MEMBER, displayname="new"), {}, OK, VERSION_NAMES),
    ("5.3.4", "invite rule, stranger", join(STRANGER), {}, NO, VERSION_NAMES),
    ("5.3.4", "invite rule, once a member", join(GONE), {}, NO, VERSION_NAMES),
    ("5.3.4", "no join rules, invited", join(INVITED), {(events.JOIN_RULES, ""): None}, OK, VERSION_NAMES),
    ("5.3.4", "no join rules, stranger", join(STRANGER), {(events.JOIN_RULES, ""): None}, NO, VERSION_NAMES),
    ("5.3.4", "knock rule, invited", join(INVITED), join_rule("knock"), OK, VERSION_NAMES),
    ("5.3.4", "knock rule, knocking", join(KNOCKING), join_rule("knock"), NO, VERSION_NAMES),
    ("5.3.4", "knock rule takes no authorising user", join(STRANGER, **{VIA: ADMIN}), join_rule("knock"), NO,
     VERSION_NAMES),
    ("5.3.5.1", "restricted, invited", join(INVITED), join_rule("restricted"), OK, VERSION_NAMES),
    ("5.3.5.1", "restricted, joined", join(MEMBER), join_rule("restricted"), OK, VERSION_NAMES),
    ("5.3.5.1", "knock_restricted, invited", join(INVITED), join_rule("knock_restricted"), OK, VERSION_NAMES),
    ("5.3.5.2", "restricted, nobody lets in", join(STRANGER), join_rule("restricted"), NO, VERSION_NAMES),
    ("5.3.5.2", "restricted, let in by a non-member", join(STRANGER, **{VIA: GONE}), join_rule("restricted"), NO,
     VERSION_NAMES),
    ("5.3.5.2", "restricted, let in by one who may not invite", join(STRANGER, **{VIA: MEMBER}),
     {**join_rule("restricted"), **power(invite=50)}, NO, VERSION_NAMES),
    ("5.3.5.2", "banned, though let in", join(BANNED, **{VIA: ADMIN}), join_rule("restricted"), NO, VERSION_NAMES),
    ("5.3.5.3", "restricted, let in", join(STRANGER, **{VIA: MODERATOR}),
     {**join_rule("restricted"), **power(invite=50)}, OK, VERSION_NAMES),
    ("5.3.5.3", "knock_restricted, let in", join(KNOCKING, **{VIA: MEMBER}), join_rule("knock_restricted"), OK,
     VERSION_NAMES),
    ("5.3.6", "public", join(STRANGER), join_rule("public"), OK, VERSION_NAMES),
    ("5.3.7", "private, invited", join(INVITED), join_rule("private"), NO, VERSION_NAMES),
    ("5.3.7", "unknown rule, invited", join(INVITED), join_rule("org.example"), NO, VERSION_NAMES),
    ("5.3.7", "rule of no form", join(INVITED), join_rule(["public"]), NO, VERSION_NAMES),
    # 5.4: invite (third-party invitations have a table of their own)
    ("5.4.2", "inviter is not in the room", member(STRANGER, GONE, "invite"), {}, NO, VERSION_NAMES),
    ("5.4.2", "inviter is only invited", member(INVITED, STRANGER, "invite"), {}, NO, VERSION_NAMES),
    ("5.4.3", "target is in the room", member(ADMIN, MEMBER, "invite"), {}, NO, VERSION_NAMES),
    ("5.4.3", "target is banned", member(ADMIN, BANNED, "invite"), {}, NO, VERSION_NAMES),
    ("5.4.4", "invitation", member(MEMBER, STRANGER, "invite"), {}, OK, VERSION_NAMES),
    ("5.4.4", "invitation again", member(MEMBER, INVITED, "invite"), {}, OK, VERSION_NAMES),
    ("5.4.4", "invitation of one who knocks", member(MEMBER, KNOCKING, "invite"), {}, OK, VERSION_NAMES),
    ("5.4.4", "level reached", member(MODERATOR, STRANGER, "invite"), power(invite=50), OK, VERSION_NAMES),
    ("5.4.4", "default level is 0", member(MEMBER, STRANGER, "invite"), power(invite=None), OK, VERSION_NAMES),
    ("5.4.5", "level not reached", member(MEMBER, STRANGER, "invite"), power(invite=50), NO, VERSION_NAMES),
    # 5.5: leave
    ("5.5.1", "leave", member(MEMBER, MEMBER, "leave"), {}, OK, VERSION_NAMES),
    ("5.5.1", "decline", member(INVITED, INVITED, "leave"), {}, OK, VERSION_NAMES),
    ("5.5.1", "take a knock back", member(KNOCKING, KNOCKING, "leave"), {}, OK, VERSION_NAMES),
    ("5.5.1", "banned cannot leave", member(BANNED, BANNED, "leave"), {}, NO, VERSION_NAMES),
    ("5.5.1", "stranger cannot leave", member(STRANGER, STRANGER, "leave"), {}, NO, VERSION_NAMES),
    ("5.5.1", "cannot leave twice", member(GONE, GONE, "leave"), {}, NO, VERSION_NAMES),
    ("5.5.2", "kick from outside", member(STRANGER, MEMBER, "leave"), {}, NO, VERSION_NAMES),
    ("5.5.3", "lift a ban", member(MODERATOR, BANNED, "leave"), {}, OK, VERSION_NAMES),
    ("5.5.3", "lift a ban below the ban level", member(MODERATOR, BANNED, "leave"), power(ban=60), NO,
     VERSION_NAMES),
    ("5.5.4", "lift a ban below the kick level", member(MODERATOR, BANNED, "leave"), power(kick=60), NO,
     VERSION_NAMES),
    ("5.5.4", "kick", member(MODERATOR, MEMBER, "leave"), {}, OK, VERSION_NAMES),
    ("5.5.4", "take an invitation back", member(MODERATOR, INVITED, "leave"), {}, OK, VERSION_NAMES),
    ("5.5.4", "kick below the ban level", member(MODERATOR, MEMBER, "leave"), power(ban=60), OK, VERSION_NAMES),
    ("5.5.5", "kick without the level", member(MEMBER, GONE, "leave"), {}, NO, VERSION_NAMES),
    ("5.5.5", "kick an equal", member(MODERATOR, MODERATOR_2, "leave"), {}, NO, VERSION_NAMES),
    ("5.5.5", "kick a superior", member(MODERATOR, ADMIN, "leave"), {}, NO, VERSION_NAMES),
    ("5.5.5", "kick the creator", member(ADMIN, CREATOR, "leave"), {}, NO, VERSION_NAMES),
    # 5.6: ban
    ("5.6.1", "ban from outside", member(STRANGER, MEMBER, "ban"), {}, NO, VERSION_NAMES),
    ("5.6.2", "ban a member", member(MODERATOR, MEMBER, "ban"), {}, OK, VERSION_NAMES),
    ("5.6.2", "ban a stranger", member(MODERATOR, STRANGER, "ban"), {}, OK, VERSION_NAMES),
    ("5.6.2", "ban below the kick level", member(MODERATOR, MEMBER, "ban"), power(kick=60), OK, VERSION_NAMES),
    ("5.6.3", "ban without the level", member(MEMBER, STRANGER, "ban"), {}, NO, VERSION_NAMES),
    ("5.6.3", "ban an equal", member(MODERATOR, MODERATOR_2, "ban"), {}, NO, VERSION_NAMES),
    ("5.6.3", "ban oneself", member(ADMIN, ADMIN, "ban"), {}, NO, VERSION_NAMES),
    ("5.6.3", "creator bans an administrator of the same number", member(CREATOR, ADMIN, "ban"), {}, NO, BEFORE_12),
    ("5.6.3", "creator stands above every number", member(CREATOR, ADMIN, "ban"),
     power(users={ADMIN: 2**53 - 1}), OK, LAST),
    ("5.6.3", "an additional creator is no less", member(CREATOR, ADMIN, "ban"),
     {(events.CREATE, ""): {"additional_creators": [ADMIN]}}, NO, LAST),
    # 5.7: knock
    ("5.7.1", "knock", member(STRANGER, STRANGER, "knock"), join_rule("knock"), OK, VERSION_NAMES),
    ("5.7.1", "knock, knock_restricted", member(GONE, GONE, "knock"), join_rule("knock_restricted"), OK,
     VERSION_NAMES),
    ("5.7.1", "knock, invite rule", member(STRANGER, STRANGER, "knock"), {}, NO, VERSION_NAMES),
    ("5.7.1", "knock, public", member(STRANGER, STRANGER, "knock"), join_rule("public"), NO, VERSION_NAMES),
    ("5.7.1", "knock, restricted", member(STRANGER, STRANGER, "knock"), join_rule("restricted"), NO, VERSION_NAMES),
    ("5.7.2", "knock for another", member(MEMBER, STRANGER, "knock"), join_rule("knock"), NO, VERSION_NAMES),
    ("5.7.3", "knock again", member(KNOCKING, KNOCKING, "knock"), join_rule("knock"), OK, VERSION_NAMES),
    ("5.7.4", "knock, banned", member(BANNED, BANNED, "knock"), join_rule("knock"), NO, VERSION_NAMES),
    ("5.7.4", "knock, invited", member(INVITED, INVITED, "knock"), join_rule("knock"), NO, VERSION_NAMES),
    ("5.7.4", "knock, joined", member(MEMBER, MEMBER, "knock"), join_rule("knock"), NO, VERSION_NAMES),
    # 6: senders are members
    ("6", "message of a member", send(MEMBER), {}, OK, VERSION_NAMES),
    *[("6", f"message of {user}", send(user), {}, NO, VERSION_NAMES)
      for user in (STRANGER, INVITED, BANNED, KNOCKING, GONE)],
    ("6", "member event of no form is no membership", send(MEMBER), {(events.MEMBER, MEMBER): {}}, NO,
     VERSION_NAMES),
    # 7: m.room.third_party_invite
    ("7.1", "third-party invitation", send(MEMBER, events.THIRD_PARTY_INVITE, "t"), {}, OK, VERSION_NAMES),
    ("7.1", "third-party invitation, level not reached", send(MEMBER, events.THIRD_PARTY_INVITE, "t"),
     power(invite=50), NO, VERSION_NAMES),
    ("7.1", "the level of the event type does not count", send(MODERATOR, events.THIRD_PARTY_INVITE, "t"),
     power(invite=50, events={events.THIRD_PARTY_INVITE: 100}), OK, VERSION_NAMES),
    # 8: required power level
    ("8", "message, events_default reached", send(MODERATOR), power(events_default=50), OK, VERSION_NAMES),
    ("8", "message, events_default not reached", send(MEMBER), power(events_default=50), NO, VERSION_NAMES),
    ("8", "state, state_default reached", send(MODERATOR, events.NAME, ""), {}, OK, VERSION_NAMES),
    ("8", "state, state_default not reached", send(MEMBER, events.NAME, ""), {}, NO, VERSION_NAMES),
    ("8", "state_default unstated is 50", send(MEMBER, events.NAME, ""), power(state_default=None), NO,
     VERSION_NAMES),
    ("8", "listed type, below the default", send(MEMBER, events.TOPIC, ""), {}, OK, VERSION_NAMES),
    ("8", "listed type, above the default", send(MODERATOR, "m.secret", ""), {}, NO, VERSION_NAMES),
    ("8", "listed type as a message", send(MODERATOR, "m.secret"), {}, NO, VERSION_NAMES),
    ("8", "users_default counts", send(MEMBER, events.NAME, ""), power(users_default=50), OK, VERSION_NAMES),
    ("8", "a member below zero", send(MEMBER), power(users={MEMBER: -1}), NO, VERSION_NAMES),
    ("8", "redaction is an event like others", send(MEMBER, events.REDACTION), power(redact=100), OK, VERSION_NAMES),
    ("8", "redaction above its level", send(MEMBER, events.REDACTION), power(events={events.REDACTION: 10}), NO,
     VERSION_NAMES),
    ("8", "no power levels: creator sets state", send(CREATOR, events.NAME, ""), NO_LEVELS, OK, VERSION_NAMES),
    ("8", "no power levels: member does not", send(MEMBER, events.NAME, ""), NO_LEVELS, NO, VERSION_NAMES),
    ("8", "no power levels: member writes", send(MEMBER), NO_LEVELS, OK, VERSION_NAMES),
    ("8", "creator without an entry", send(CREATOR, events.NAME, ""), power(), NO, BEFORE_12),
    ("8", "creator without an entry", send(CREATOR, "m.secret", ""), power(), OK, LAST),
    ("8", "additional creator", send(MEMBER, "m.secret", ""),
     {(events.CREATE, ""): {"additional_creators": [MEMBER]}}, OK, LAST),
    ("8", "additional creators mean nothing yet", send(MEMBER, "m.secret", ""),
     {(events.CREATE, ""): {"additional_creators": [MEMBER], "creator": CREATOR}}, NO, BEFORE_12),
    # 9: state keys that are user ids
    ("9", "own user id", send(MODERATOR, "org.status", MODERATOR), {}, OK, VERSION_NAMES),
    ("9", "another's user id", send(ADMIN, "org.status", MODERATOR), {}, NO, VERSION_NAMES),
    ("9", "anything that starts with @", send(ADMIN, "org.status", "@"), {}, NO, VERSION_NAMES),
    ("9", "any other state key", send(MODERATOR, "org.status", "x@y"), {}, OK, VERSION_NAMES),
    # 10.1-10.3: the form of power levels
    *[("10.1", f"{key} is {value!r}", levels(ADMIN, **{key: value}), {}, BAD, VERSION_NAMES)
      for key in ("users_default", "events_default", "state_default", "ban", "redact", "kick", "invite")
      for value in NO_LEVEL],
    ("10.1", "null is no integer", send(ADMIN, events.POWER_LEVELS, "", ban=None), {}, BAD, VERSION_NAMES),
    ("10.1", "other keys are free", levels(ADMIN, **{"org.x": "y"}), {}, OK, VERSION_NAMES),
    *[("10.2", f"{section} is {value!r}", levels(ADMIN, **{section: value}), {}, BAD, VERSION_NAMES)
      for section in ("events", "notifications") for value in NO_LEVELS_OBJECT],
    *[("10.3", f"users is {value!r}", levels(ADMIN, users=value), {}, BAD, VERSION_NAMES)
      for value in NO_USERS],
    # 10.4: creators are not listed
    ("10.4", "creator listed", users(CREATOR, {CREATOR: 100}), {}, BAD, LAST),
    ("10.4", "creator listed, first power levels", users(CREATOR, {CREATOR: 100}), NO_LEVELS, BAD, LAST),
    ("10.4", "additional creator listed", users(CREATOR, {MEMBER: 100}),
     {(events.CREATE, ""): {"additional_creators": [MEMBER]}}, BAD, LAST),
    # 10.5: the first power levels
    ("10.5", "first power levels", users(CREATOR, {CREATOR: 100}), NO_LEVELS, OK, BEFORE_12),
    ("10.5", "first power levels", users(CREATOR, {ADMIN: 2**53 - 1}), NO_LEVELS, OK, LAST),
    ("10.5", "first power levels of a member", users(MEMBER, {MEMBER: 100}), NO_LEVELS, NO, VERSION_NAMES),
    # 10.6: single levels
    *[("10.6", f"{key} up to one's level", levels(MODERATOR, **{key: 50}), power(**{key: 10}), OK, VERSION_NAMES)
      for key in ("users_default", "events_default", "state_default", "ban", "redact", "kick", "invite")],
    *[("10.6.1", f"{key} down from above", levels(MODERATOR, **{key: 10}), power(**{key: 60}), NO, VERSION_NAMES)
      for key in ("state_default", "ban", "redact", "kick", "invite")],
    *[("10.6.2", f"{key} above one's level", levels(MODERATOR, **{key: 60}), {}, NO, VERSION_NAMES)
      for key in ("users_default", "events_default", "state_default", "ban", "redact", "kick", "invite")],
    ("10.6.1", "taken away from above", levels(MODERATOR, ban=None), power(ban=60), NO, VERSION_NAMES),
    ("10.6.1", "taken away", levels(MODERATOR, ban=None), {}, OK, VERSION_NAMES),
    ("10.6.2", "added above", levels(MODERATOR, invite=51), power(invite=None), NO, VERSION_NAMES),
    ("10.6", "added", levels(MODERATOR, invite=50), power(invite=None), OK, VERSION_NAMES),
    ("10.6", "unchanged though above", levels(MODERATOR, redact=60), power(redact=60), OK, VERSION_NAMES),
    # 10.7, 10.8: events and notifications
    *[(rule, f"{section}: {what}", levels(MODERATOR, section, **changes), {}, verdict, VERSION_NAMES)
      for section, high in (("events", "m.late"), ("notifications", "loud"))
      for rule, what, changes, verdict in (
          ("10.7", "lower what stands above", {high: 10}, NO),
          ("10.7", "take away what stands above", {high: None}, NO),
          ("10.8", "add above", {"m.new": 51}, NO),
          ("10.8", "add", {"m.new": 50}, OK),
          ("10.8", "nothing", {}, OK))],
    ("10.7", "lower one's own level's entry", levels(MODERATOR, "notifications", room=10), {}, OK, VERSION_NAMES),
    ("10.8", "raise above", levels(MODERATOR, "notifications", room=51), {}, NO, VERSION_NAMES),
    ("10.7", "take the whole section away", levels(MODERATOR, notifications=None), {}, NO, VERSION_NAMES),
    # 10.9, 10.10: users
    ("10.9", "lower an equal", users(MODERATOR, {MODERATOR_2: 0}), {}, NO, VERSION_NAMES),
    ("10.9", "take an equal away", users(MODERATOR, {MODERATOR_2: None}), {}, NO, VERSION_NAMES),
    ("10.9", "lower an equal at the top", users(ADMIN, {MODERATOR: 50}),
     power(users={ADMIN: 100, MODERATOR: 100, MODERATOR_2: 50}), NO, VERSION_NAMES),
    ("10.9", "lower a superior", users(MODERATOR, {ADMIN: 0}), {}, NO, VERSION_NAMES),
    ("10.9", "lower an inferior", users(ADMIN, {MODERATOR: 0}), {}, OK, VERSION_NAMES),
    ("10.9", "take an inferior away", users(ADMIN, {MODERATOR: None}), {}, OK, VERSION_NAMES),
    ("10.9", "lower oneself", users(MODERATOR, {MODERATOR: 10}), {}, OK, VERSION_NAMES),
    ("10.9", "take oneself away", users(MODERATOR, {MODERATOR: None}), {}, OK, VERSION_NAMES),
    ("10.9", "creator lowers the highest", users(CREATOR, {ADMIN: 0}), power(users={ADMIN: 2**53 - 1}), NO,
     BEFORE_12),
    ("10.9", "creator lowers the highest", users(CREATOR, {ADMIN: 0}),
     power(users={ADMIN: 2**53 - 1, MODERATOR: 50, MODERATOR_2: 50}), OK, LAST),
    ("10.10", "raise oneself", users(MODERATOR, {MODERATOR: 51}), {}, NO, VERSION_NAMES),
    ("10.10", "add above", users(MODERATOR, {MEMBER: 51}), {}, NO, VERSION_NAMES),
    ("10.10", "add up to one's level", users(MODERATOR, {MEMBER: 50}), {}, OK, VERSION_NAMES),
    ("10.10", "member without the level of the event", users(MEMBER, {}), {}, NO, VERSION_NAMES),
]  # fmt: skip


def room_for(name: str, draft: Draft, changes: Changes) -> Room:
    """New power levels are drafted as changes to POWER, which lists no creator: let the state list none either."""
    return Room(name, power() if draft.type == events.POWER_LEVELS and changes == {} else changes)


def table() -> list[Any]:
    return [
        pytest.param(name, draft, changes, verdict, id=f"{name}-{rule}-{what}")
        for rule, what, draft, changes, verdict, names in CASES
        for name in names
    ]


@pytest.mark.parametrize(("name", "draft", "changes", "verdict"), table())
def test_rules(name: str, draft: Draft, changes: Changes, verdict: str) -> None:
    assert room_for(name, draft, changes).verdict(draft) == verdict


# --- rule 1: m.room.create ---


def create(name: str, sender: str = CREATOR, state_key: str | None = "", **changes: Any) -> Draft:
    content = {"room_version": name, "creator": sender, **changes}
    return send(sender, events.CREATE, state_key, **{key: value for key, value in content.items() if value is not None})


def created(name: str, draft: Draft, *, room_id: str | None = None) -> str:
    rules = version(name)
    room = Room(name, {**ONLY_CREATE, **NOBODY})
    return room.verdict(draft, room_id=room_id or (None if rules.room_id_is_hash else room.room_id))


@pytest.mark.parametrize("name", VERSION_NAMES)
def test_a_room_can_be_created(name: str) -> None:
    assert created(name, create(name)) == OK


@pytest.mark.parametrize("name", VERSION_NAMES)
def test_a_room_is_created_once_and_by_state_with_an_empty_key(name: str) -> None:
    room_id = None if name == "12" else "!room:here.example"
    assert Room(name).verdict(create(name), room_id=room_id) == NO
    assert created(name, create(name, state_key=None)) == NO
    assert created(name, create(name, state_key="x")) == NO


@pytest.mark.parametrize("name", BEFORE_12)
def test_the_room_id_has_the_server_name_of_the_creator(name: str) -> None:
    assert created(name, create(name), room_id="!room:elsewhere.example") == NO
    assert Room(name, {**ONLY_CREATE, **NOBODY}).verdict(create(name), room_id=None) == NO


def test_a_version_12_create_event_has_no_room_id() -> None:
    assert created("12", create("12"), room_id="!" + "c" * 43) == NO


@pytest.mark.parametrize("name", VERSION_NAMES)
def test_the_create_event_states_a_known_version_which_is_the_room_s(name: str) -> None:
    assert created(name, create(name, room_version="org.example")) == "M_UNSUPPORTED_ROOM_VERSION"
    assert created(name, create(name, room_version="11" if name != "11" else "12")) == NO
    assert created(name, create(name, room_version=int(name))) == NO


def test_only_version_10_names_the_creator_in_the_content() -> None:
    assert [created(name, create(name, creator=None)) for name in VERSION_NAMES] == [NO, OK, OK]


@pytest.mark.parametrize("named", ["@a:here.example", ["a"], [1], ["@a:here.example", "@a"], {}])
def test_additional_creators_are_a_list_of_user_ids_in_version_12(named: object) -> None:
    verdicts = [created(name, create(name, additional_creators=named)) for name in VERSION_NAMES]
    assert verdicts == [OK, OK, BAD]


@pytest.mark.parametrize("named", [[], [MEMBER], [MEMBER, ELSEWHERE, MEMBER]])
def test_additional_creators_are_accepted(named: list[str]) -> None:
    assert created("12", create("12", additional_creators=named)) == OK


def test_a_version_12_room_id_is_that_of_its_create_event() -> None:
    assert Room("12").verdict(send(MEMBER), room_id="!" + "d" * 43) == NO
    assert Room("12").verdict(send(MEMBER), room_id=None) == NO


# --- rule 5.4.1: third-party invitations, with real signatures ---

KEY = ECC.construct(curve="Ed25519", seed=b"k" * 32)
OTHER_KEY = ECC.construct(curve="Ed25519", seed=b"o" * 32)


def unpadded(raw: bytes) -> str:
    return base64.b64encode(raw).decode().rstrip("=")


def public(key: ECC.EccKey) -> str:
    return unpadded(key.public_key().export_key(format="raw"))


def verify(public_key: str, signature: str, signed: bytes) -> bool:
    """An Ed25519 check as a caller would pass it in."""
    key = eddsa.import_public_key(base64.b64decode(public_key + "=="))
    try:
        eddsa.new(key, "rfc8032").verify(signed, base64.b64decode(signature + "=="))
    except ValueError:
        return False
    return True


def signed(**changes: Any) -> Content:
    content = {"mxid": STRANGER, "token": "t", **changes}
    content = {key: value for key, value in content.items() if value is not None}
    signature = unpadded(eddsa.new(KEY, "rfc8032").sign(canonical(content)))
    return {**content, "signatures": {"identity.example": {"ed25519:0": signature}}}


def third_party_invite(signed_part: object, target: str = STRANGER) -> Draft:
    invite = {"display_name": "somebody", "signed": signed_part}
    return member(MEMBER, target, "invite", third_party_invite=invite)


def third_party_verdict(name: str, draft: Draft, content: Content | None, **options: Any) -> str:
    key = (events.THIRD_PARTY_INVITE, "t")
    room = Room(name, {key: content}, {key: options.pop("inviter", MEMBER)})
    return room.verdict(draft, **{"verify": verify, **options})


LISTED = {"public_key": public(OTHER_KEY), "public_keys": [{}, {"public_key": public(KEY)}]}
FORGED = {**signed(), "extra": 1}
SIGNATURE = signed()["signatures"]["identity.example"]["ed25519:0"]
UNSIGNED = {"mxid": STRANGER, "token": "t"}


@pytest.mark.parametrize("name", VERSION_NAMES)
@pytest.mark.parametrize(
    ("what", "draft", "content", "verdict"),
    [
        ("7.1: one key", third_party_invite(signed()), {"public_key": public(KEY)}, OK),
        ("7.2: one of several keys", third_party_invite(signed()), LISTED, OK),
        ("1: banned", third_party_invite(signed(mxid=BANNED), BANNED), {"public_key": public(KEY)}, NO),
        ("2: not signed", member(MEMBER, STRANGER, "invite", third_party_invite={}), LISTED, NO),
        ("2: signed of no form", third_party_invite("text"), LISTED, NO),
        ("2: invitation of no form", member(MEMBER, STRANGER, "invite", third_party_invite=None), LISTED, NO),
        ("3: no mxid", third_party_invite(signed(mxid=None)), LISTED, NO),
        ("3: no token", third_party_invite(signed(token=None)), LISTED, NO),
        ("4: for another", third_party_invite(signed(), GONE), LISTED, NO),
        ("5: unknown token", third_party_invite(signed(token="u")), LISTED, NO),
        ("5: invitation taken back", third_party_invite(signed()), None, NO),
        ("7: another key", third_party_invite(signed()), {"public_key": public(OTHER_KEY)}, NO),
        ("7: no key", third_party_invite(signed()), {"public_keys": "text"}, NO),
        ("7: changed after signing", third_party_invite(FORGED), LISTED, NO),
        ("8: no signature", third_party_invite(UNSIGNED), LISTED, NO),
        (
            "8: of another algorithm",
            third_party_invite({**UNSIGNED, "signatures": {"a": {"rsa:0": SIGNATURE}}}),
            LISTED,
            NO,
        ),
        (
            "8: signature of no form",
            third_party_invite({**UNSIGNED, "signatures": {"a": {"ed25519:0": 5}}}),
            LISTED,
            NO,
        ),
        ("8: signatures of no form", third_party_invite({**UNSIGNED, "signatures": {"a": []}}), LISTED, NO),
    ],
)
def test_third_party_invitations(name: str, what: str, draft: Draft, content: Content | None, verdict: str) -> None:
    assert third_party_verdict(name, draft, content) == verdict, what


def test_a_third_party_invitation_is_bound_to_its_maker_and_needs_a_verifier() -> None:
    draft = third_party_invite(signed())
    assert third_party_verdict("12", draft, LISTED, inviter=ADMIN) == NO
    room = Room("12", {(events.THIRD_PARTY_INVITE, "t"): LISTED}, {(events.THIRD_PARTY_INVITE, "t"): MEMBER})
    assert room.verdict(draft) == NO
    assert room.verdict(draft, verify=verify) == OK


# --- auth events selection ---

CREATE_KEY, POWER_KEY, RULES_KEY = (events.CREATE, ""), (events.POWER_LEVELS, ""), (events.JOIN_RULES, "")


def of(user: str) -> StateKey:
    return events.MEMBER, user


@pytest.mark.parametrize("name", VERSION_NAMES)
@pytest.mark.parametrize(
    ("draft", "more"),
    [
        (send(MEMBER), set()),
        (send(MEMBER, events.NAME, ""), set()),
        (join(MEMBER), {RULES_KEY}),
        (join(MEMBER, **{VIA: ADMIN}), {RULES_KEY, of(ADMIN)}),
        (member(MEMBER, STRANGER, "invite"), {RULES_KEY, of(STRANGER)}),
        (third_party_invite(signed()), {RULES_KEY, of(STRANGER), (events.THIRD_PARTY_INVITE, "t")}),
        (third_party_invite("text"), {RULES_KEY, of(STRANGER)}),
        (member(MEMBER, MEMBER, "knock"), {RULES_KEY}),
        (member(MEMBER, MEMBER, "leave"), set()),
        (member(MEMBER, STRANGER, "leave", **{VIA: ADMIN}), {of(STRANGER)}),
        (member(MEMBER, STRANGER, "ban"), {of(STRANGER)}),
        (join(MEMBER, **{VIA: 5}), {RULES_KEY}),
    ],
)
def test_auth_events_selection(name: str, draft: Draft, more: set[StateKey]) -> None:
    keys = auth_event_keys(version(name), draft)
    base = {POWER_KEY, of(MEMBER)} | (set() if name == "12" else {CREATE_KEY})
    assert set(keys) == base | more
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("name", VERSION_NAMES)
def test_the_create_event_rests_on_nothing(name: str) -> None:
    assert auth_event_keys(version(name), create(name)) == []


@pytest.mark.parametrize(("name", "draft", "changes", "verdict"), table())
def test_the_selected_auth_events_suffice_to_judge(name: str, draft: Draft, changes: Changes, verdict: str) -> None:
    """What the rules read is what the auth events say, so that any server comes to the same verdict from them."""
    room = room_for(name, draft, changes)
    selected = {*auth_event_keys(room.version, draft), CREATE_KEY}
    asked: list[StateKey] = []

    def recorded(event_type: str, state_key: str) -> Event | None:
        asked.append((event_type, state_key))
        return room.state(event_type, state_key)

    assert outcome(lambda: authorize(room.version, draft, room.room_id, recorded)) == verdict
    assert set(asked) <= selected


# --- power levels given by the caller, and redactions as acts ---


def test_levels_that_the_caller_keeps_are_used_instead_of_read() -> None:
    room = Room("12")
    strict = Room("12", power(events_default=50)).power()
    assert room.verdict(send(MEMBER), power=strict) == NO
    assert room.verdict(send(MODERATOR), power=strict) == OK


def redacted(name: str, sender: str, target: str, changes: Changes | None = None, event_type: str = "m.any") -> str:
    room = Room(name, changes)
    event = Event(
        pos=2, event_id="$t", room_id=room.room_id, type=event_type, sender=target, state_key=None, ts_ms=1, depth=2,
        content_json=b"{}",
    )  # fmt: skip
    return outcome(lambda: authorize_redaction(sender, event, room.power()))


@pytest.mark.parametrize("name", VERSION_NAMES)
def test_redactions(name: str) -> None:
    assert redacted(name, MEMBER, MEMBER) == OK
    assert redacted(name, MEMBER, MODERATOR) == NO
    assert redacted(name, MODERATOR, MEMBER) == OK
    assert redacted(name, MODERATOR, ADMIN) == OK
    assert redacted(name, MODERATOR, MEMBER, power(redact=60)) == NO
    assert redacted(name, MEMBER, MEMBER, power(events={events.REDACTION: 1})) == NO
    assert redacted(name, CREATOR, CREATOR, event_type=events.CREATE) == NO
