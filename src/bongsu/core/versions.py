"""Room versions: what differs between them, as data. The rules read these flags and never compare version names."""

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec
from msgspec.structs import replace

from bongsu.core import events
from bongsu.core.errors import Refusal


class Redaction(msgspec.Struct, frozen=True, kw_only=True):
    """What a redaction leaves of an event (room version specifications, "Redactions").

    event_keys: top-level keys that stay; content_keys: per event type, keys of the content that stay;
    whole_content: types whose content stays entirely; signed_invite: m.room.member keeps `third_party_invite.signed`.
    """

    event_keys: frozenset[str]
    content_keys: Mapping[str, frozenset[str]]
    whole_content: frozenset[str] = frozenset()
    signed_invite: bool = False


class EventIds(enum.Enum):
    """What event ids are: any text before the server's name, or the reference hash in one of two alphabets."""

    OPAQUE = "$text:server"
    BASE64 = "with + and /"
    URL_SAFE = "with - and _"


class RoomVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One room version. The defaults are what the newest versions have in common.

    creator_in_content: m.room.create names its creator in `content.creator`, not by its sender alone;
    redacts_in_content: m.room.redaction names its target in `content.redacts`, not at the top level;
    room_id_is_hash: the room id is the create event's reference hash, so that event carries no room id and no other
    event lists it among its auth_events; privileged_creators: creators stand above every power level;
    event_ids: an opaque one stands in its event, and others refer to it by id and hash;
    integer_levels: power levels are integers, not also texts of one; notification_levels: nobody may change those above
    their own; strict_json: events hold integers only, within ±(2^53-1); knocking, restricted_joins, knock_restricted:
    are there such join rules; aliases_by_server: a server sets its m.room.aliases without any power level;
    redaction_by_server: a redaction of another server's event needs the *redact level* to be an event at all.
    """

    name: str
    redaction: Redaction
    event_ids: EventIds = EventIds.URL_SAFE
    strict_json: bool = True
    integer_levels: bool = True
    notification_levels: bool = True
    knocking: bool = True
    restricted_joins: bool = True
    knock_restricted: bool = True
    aliases_by_server: bool = False
    redaction_by_server: bool = False
    creator_in_content: bool = False
    redacts_in_content: bool = True
    room_id_is_hash: bool = False
    privileged_creators: bool = False

    def knows_join_rule(self, rule: str) -> bool:
        """Does the rule let anybody in? One that came with a later version lets nobody."""
        return {
            "knock": self.knocking,
            "restricted": self.restricted_joins,
            "knock_restricted": self.knock_restricted,
        }.get(rule, rule in ("public", "invite"))


_EVENT_KEYS: Final = frozenset(
    {
        "auth_events",
        "content",
        "depth",
        "event_id",
        "hashes",
        "origin_server_ts",
        "prev_events",
        "room_id",
        "sender",
        "signatures",
        "state_key",
        "type",
    }
)
_POWER_KEYS: Final = frozenset(
    {"ban", "events", "events_default", "kick", "redact", "state_default", "users", "users_default"}
)
_MEMBER_KEYS: Final = frozenset({"membership", "join_authorised_via_users_server"})
_JOIN_RULES_KEYS: Final = frozenset({"join_rule", "allow"})


def _redaction_until_10(**content_keys: frozenset[str]) -> Redaction:
    """The redaction of versions 1 to 10, which differ in what they know: content_keys, by the last part of the type."""
    kept = {
        events.CREATE: frozenset({"creator"}),
        events.MEMBER: frozenset({"membership"}),
        events.JOIN_RULES: frozenset({"join_rule"}),
        events.POWER_LEVELS: _POWER_KEYS,
        events.HISTORY_VISIBILITY: frozenset({"history_visibility"}),
        **{f"m.room.{name}": keys for name, keys in content_keys.items()},
    }
    return Redaction(
        event_keys=_EVENT_KEYS | {"prev_state", "origin", "membership"}, content_keys=MappingProxyType(kept)
    )


_REDACTION_1: Final = _redaction_until_10(aliases=frozenset({"aliases"}))
_REDACTION_6: Final = _redaction_until_10()
_REDACTION_8: Final = _redaction_until_10(join_rules=_JOIN_RULES_KEYS)
_REDACTION_9: Final = _redaction_until_10(join_rules=_JOIN_RULES_KEYS, member=_MEMBER_KEYS)
_REDACTION_11: Final = Redaction(
    event_keys=_EVENT_KEYS,
    content_keys=MappingProxyType(
        {
            events.MEMBER: _MEMBER_KEYS,
            events.JOIN_RULES: _JOIN_RULES_KEYS,
            events.POWER_LEVELS: _POWER_KEYS | {"invite"},
            events.HISTORY_VISIBILITY: frozenset({"history_visibility"}),
            events.REDACTION: frozenset({"redacts"}),
        }
    ),
    whole_content=frozenset({events.CREATE}),
    signed_invite=True,
)

_10: Final = RoomVersion(name="10", redaction=_REDACTION_9, creator_in_content=True, redacts_in_content=False)
_9: Final = replace(_10, name="9", integer_levels=False, knock_restricted=False)
_8: Final = replace(_9, name="8", redaction=_REDACTION_8)
_7: Final = replace(_8, name="7", redaction=_REDACTION_6, restricted_joins=False)
_6: Final = replace(_7, name="6", knocking=False)
_5: Final = replace(
    _6, name="5", redaction=_REDACTION_1, strict_json=False, notification_levels=False, aliases_by_server=True
)
_3: Final = replace(_5, name="3", event_ids=EventIds.BASE64)
_1: Final = replace(_3, name="1", event_ids=EventIds.OPAQUE, redaction_by_server=True)
_11: Final = RoomVersion(name="11", redaction=_REDACTION_11)

VERSIONS: Final[dict[str, RoomVersion]] = {
    each.name: each
    for each in (
        *(_1, replace(_1, name="2"), _3, replace(_5, name="4"), _5, _6, _7, _8, _9, _10, _11),
        replace(_11, name="12", room_id_is_hash=True, privileged_creators=True),
    )
}
SUPPORTED: Final = tuple(VERSIONS)  # oldest first
DEFAULT: Final = "12"


def version(name: str) -> RoomVersion:
    """The room version of this name; M_UNSUPPORTED_ROOM_VERSION for one that Bongsu does not know."""
    found = VERSIONS.get(name)
    if found is None:
        known = ", ".join(SUPPORTED)
        raise Refusal(400, "M_UNSUPPORTED_ROOM_VERSION", f"this server knows the room versions {known} only")
    return found
