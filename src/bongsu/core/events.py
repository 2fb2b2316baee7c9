"""Events: what a room's history is made of.

A draft is what somebody wants to send. A PDU is the event as it is stored and hashed (room version specifications).
An Event is the PDU with its place in the stream, as readers use it.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from bongsu.core.json import JsonObject

CREATE: Final = "m.room.create"
MEMBER: Final = "m.room.member"
POWER_LEVELS: Final = "m.room.power_levels"
JOIN_RULES: Final = "m.room.join_rules"
HISTORY_VISIBILITY: Final = "m.room.history_visibility"
GUEST_ACCESS: Final = "m.room.guest_access"
THIRD_PARTY_INVITE: Final = "m.room.third_party_invite"
REDACTION: Final = "m.room.redaction"
NAME: Final = "m.room.name"
TOPIC: Final = "m.room.topic"
AVATAR: Final = "m.room.avatar"
ALIASES: Final = "m.room.aliases"  # up to room version 5; later an event like others
CANONICAL_ALIAS: Final = "m.room.canonical_alias"
ENCRYPTION: Final = "m.room.encryption"
TOMBSTONE: Final = "m.room.tombstone"
MESSAGE: Final = "m.room.message"
ENCRYPTED: Final = "m.room.encrypted"
REACTION: Final = "m.reaction"

StateKey = tuple[str, str]  # (event type, state key)


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """An event somebody wants to send: not yet permitted, placed or hashed."""

    type: str
    sender: str
    content: JsonObject
    state_key: str | None = None
    redacts: str | None = None
    ts_ms: int | None = None  # when it happened elsewhere, for what application services bring; else the present


class Event(msgspec.Struct, kw_only=True):
    """A committed event. Immutable but for redaction, which replaces `content_json` and sets `redacted_because`.

    pos: position in the stream, in commit order; ts_ms: origin_server_ts; content_json: canonical JSON of the content;
    redacted_because: the redacting event in client form, encoded; sender_device, txn_id: for the sender's own echo.
    """

    pos: int
    event_id: str
    room_id: str
    type: str
    sender: str
    state_key: str | None
    ts_ms: int
    depth: int
    content_json: bytes
    redacts: str | None = None
    redacted_because: bytes | None = None
    sender_device: str | None = None
    txn_id: str | None = None
    _content: Mapping[str, Any] | None = None
    _shown: bytes | None = None  # see shown_to_members
    _thread: str | msgspec.UnsetType | None = msgspec.UNSET  # see thread_of

    @property
    def content(self) -> Mapping[str, Any]:
        """The content, parsed at first use. Do not change it: readers share it."""
        if self._content is None:
            self._content = msgspec.json.decode(self.content_json)
        return self._content

    @property
    def key(self) -> StateKey | None:
        return None if self.state_key is None else (self.type, self.state_key)


def membership_of(event: Event | None) -> str:
    """The membership an m.room.member event gives; no event means "leave"."""
    if event is None:
        return "leave"
    value = event.content.get("membership")
    return value if isinstance(value, str) else "leave"
