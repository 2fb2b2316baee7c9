"""Room versions: what differs between them, as data. The rules read these flags and never compare version names.

To add an older version, describe its redaction in a table below and add a flag for each rule that it alone has.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

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


class RoomVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One room version.

    creator_in_content: m.room.create names its creator in `content.creator`, not by its sender alone;
    redacts_in_content: m.room.redaction names its target in `content.redacts`, not at the top level;
    room_id_is_hash: the room id is the create event's reference hash, so that event carries no room id and no other
    event lists it among its auth_events; privileged_creators: creators stand above every power level.
    """

    name: str
    redaction: Redaction
    creator_in_content: bool = False
    redacts_in_content: bool = True
    room_id_is_hash: bool = False
    privileged_creators: bool = False


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

_REDACTION_9: Final = Redaction(
    event_keys=_EVENT_KEYS | {"prev_state", "origin", "membership"},
    content_keys=MappingProxyType(
        {
            events.CREATE: frozenset({"creator"}),
            events.MEMBER: _MEMBER_KEYS,
            events.JOIN_RULES: _JOIN_RULES_KEYS,
            events.POWER_LEVELS: _POWER_KEYS,
            events.HISTORY_VISIBILITY: frozenset({"history_visibility"}),
        }
    ),
)
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

VERSIONS: Final[dict[str, RoomVersion]] = {
    each.name: each
    for each in (
        RoomVersion(name="10", redaction=_REDACTION_9, creator_in_content=True, redacts_in_content=False),
        RoomVersion(name="11", redaction=_REDACTION_11),
        RoomVersion(name="12", redaction=_REDACTION_11, room_id_is_hash=True, privileged_creators=True),
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
