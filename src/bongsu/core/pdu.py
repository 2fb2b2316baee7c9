"""PDUs: events as they are hashed and stored, and as clients see them (server-server API, "Signing Events").

An event is hashed twice: the content hash covers all of it, the reference hash (the event id) covers what a redaction
leaves, content hash included. Both texts differ in the content and in `hashes` alone, and canonical JSON sorts keys, so
every part is encoded once and the texts are put together from bytes:

    {"auth_events":…,"content":…,"depth":…,["hashes":…,]"origin_server_ts":…,"prev_events":…, … ,"type":…}
     `---- head ----'            `-- depth --'            `------------------ tail -----------------'

Signatures are no part of either hash; federation can add them later without changing an event id.

In room versions 1 and 2 an event id is no hash: it stands after the depth, and events that refer to this one name its
reference hash beside it. Any text will do, so it is made of a hash of all else: the same event has the same id.
"""

from base64 import b64encode, urlsafe_b64encode
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from bongsu.core import events, limits
from bongsu.core.errors import too_large
from bongsu.core.events import Draft, Event
from bongsu.core.json import JsonObject, canonical, decode, encode
from bongsu.core.versions import EventIds, RoomVersion

_NOT_IN_CONTENT_HASH: Final = frozenset({"hashes", "signatures", "unsigned"})
_NOT_IN_REFERENCE_HASH: Final = frozenset({"signatures", "unsigned", "age_ts"})


Citation = str | list[Any]  # how events name others: an event id, or in versions 1 and 2 [event id, {"sha256": hash}]


class Built(msgspec.Struct, frozen=True, kw_only=True):
    """A new event. pdu: canonical JSON with `hashes`, without signatures; content_json: its content, canonical.

    reference: the reference hash in unpadded base64.
    """

    event_id: str
    reference: str
    room_id: str
    pdu: bytes
    content_json: bytes


class Pdu(msgspec.Struct, frozen=True, kw_only=True):
    """A stored PDU, read back. room_id is None for a create event whose hash is the room id; redacts: top level."""

    type: str
    sender: str
    content: msgspec.Raw
    origin_server_ts: int
    depth: int
    auth_events: list[Citation]
    prev_events: list[Citation]
    hashes: dict[str, str]
    room_id: str | None = None
    state_key: str | None = None
    redacts: str | None = None

    def target(self, version: RoomVersion) -> str | None:
        """The event id that an m.room.redaction event is about, from where this room version keeps it."""
        return _target(version, self.type, self.redacts, decode(self.content) if version.redacts_in_content else {})


class _Tail(msgspec.Struct, kw_only=True):
    """The keys of a PDU after `hashes`, in canonical order. Field order is part of the format."""

    origin_server_ts: int
    prev_events: Sequence[Citation]
    redacts: str | UnsetType = UNSET
    room_id: str | UnsetType = UNSET
    sender: str
    state_key: str | UnsetType = UNSET
    type: str


class _ClientTail(msgspec.Struct, kw_only=True):
    """The keys of a client event after `content`, in the same order."""

    event_id: str
    origin_server_ts: int
    redacts: str | UnsetType = UNSET
    room_id: str | UnsetType = UNSET
    sender: str
    state_key: str | UnsetType = UNSET
    type: str


_pdu_decoder: Final = msgspec.json.Decoder(Pdu)


# --- redaction ---


def redact_content(version: RoomVersion, event_type: str, content: JsonObject) -> JsonObject:
    """What a redaction leaves of this content, as a new object."""
    rules = version.redaction
    if event_type in rules.whole_content:
        return dict(content)
    kept = {key: content[key] for key in rules.content_keys.get(event_type, ()) if key in content}
    if rules.signed_invite and event_type == events.MEMBER:
        invite = content.get("third_party_invite")
        if isinstance(invite, dict):
            kept["third_party_invite"] = {key: invite[key] for key in ("signed",) if key in invite}
    return kept


def redact(version: RoomVersion, pdu: JsonObject) -> JsonObject:
    """The redaction algorithm of this room version, on a whole PDU; as a new object."""
    kept = {key: value for key, value in pdu.items() if key in version.redaction.event_keys}
    kept["content"] = redact_content(version, pdu["type"], pdu["content"])
    return kept


def emptied(version: RoomVersion, event: Event) -> Event:
    """What a redaction would leave of the event; as a new one, for readers from whom the rest is kept."""
    content = redact_content(version, event.type, decode(event.content_json))
    return msgspec.structs.replace(event, content_json=encode(content), _content=None, _shown=None)


def _redacted_json(version: RoomVersion, event_type: str, content: JsonObject) -> bytes:
    kept = redact_content(version, event_type, content)
    return canonical(kept, strict=version.strict_json) if kept else b"{}"


def redacts_of(version: RoomVersion, draft: Draft) -> str | None:
    """The event id that an m.room.redaction draft is about, wherever its sender put it; None for other events."""
    return _target(version, draft.type, draft.redacts, draft.content)


def _target(version: RoomVersion, event_type: str, top_level: str | None, content: JsonObject) -> str | None:
    if event_type != events.REDACTION:
        return None
    if version.redacts_in_content and top_level is None:
        inner = content.get("redacts")
        return inner if isinstance(inner, str) else None
    return top_level


# --- hashes ---


def _base64(digest: bytes) -> bytes:
    return b64encode(digest).rstrip(b"=")


def _event_id(version: RoomVersion, digest: bytes) -> str:
    """The event id of a reference hash, where it is made of that."""
    if version.event_ids is EventIds.BASE64:
        return "$" + _base64(digest).decode()
    return "$" + urlsafe_b64encode(digest).rstrip(b"=").decode()


def content_hash(pdu: JsonObject) -> str:
    """The content hash of any PDU, in unpadded base64: what its `hashes.sha256` should say."""
    covered = {key: value for key, value in pdu.items() if key not in _NOT_IN_CONTENT_HASH}
    return _base64(sha256(canonical(covered, strict=False)).digest()).decode()


def _reference_digest(version: RoomVersion, pdu: JsonObject) -> bytes:
    kept = redact(version, pdu)
    covered = {key: value for key, value in kept.items() if key not in _NOT_IN_REFERENCE_HASH}
    return sha256(canonical(covered, strict=version.strict_json)).digest()


def reference(version: RoomVersion, pdu: JsonObject) -> str:
    """The reference hash of any PDU, in unpadded base64."""
    return _base64(_reference_digest(version, pdu)).decode()


def event_id(version: RoomVersion, pdu: JsonObject) -> str:
    """The event id of any PDU."""
    if version.event_ids is EventIds.OPAQUE:
        return str(pdu["event_id"])
    return _event_id(version, _reference_digest(version, pdu))


def citation(version: RoomVersion, event_id: str, reference: str) -> Citation:
    """How an event of this room version names another one in its prev_events and auth_events."""
    return [event_id, {"sha256": reference}] if version.event_ids is EventIds.OPAQUE else event_id


# --- building ---


def build(
    version: RoomVersion,
    *,
    room_id: str | None,
    draft: Draft,
    auth_events: Sequence[Citation],
    prev_events: Sequence[Citation],
    depth: int,
    ts_ms: int,
) -> Built:
    """The PDU of a permitted draft. auth_events, prev_events: see citation(); ts_ms: origin_server_ts.

    room_id is None for the create event of a version whose room ids are hashes, and for nothing else.
    Raises M_TOO_LARGE for what exceeds the protocol's sizes, M_BAD_JSON for content that canonical JSON cannot hold.
    """
    assert (room_id is None) == (version.room_id_is_hash and draft.type == events.CREATE)
    _check_ids(draft, room_id)
    content = _content(version, draft)
    content_json = canonical(content, strict=version.strict_json)
    head = b'{"auth_events":' + encode(auth_events) + b',"content":'
    middle = b',"depth":%d,' % min(depth, limits.INTEGER_MAX)
    tail, tail_redacted = _tails(version, room_id, draft, prev_events, ts_ms)
    digest = sha256(b"".join((head, content_json, middle, tail))).digest()
    opaque_id = _opaque_id(digest, draft.sender) if version.event_ids is EventIds.OPAQUE else None
    if opaque_id is not None:
        middle += b'"event_id":' + encode(opaque_id) + b","
        digest = sha256(b"".join((head, content_json, middle, tail))).digest()
    middle += b'"hashes":{"sha256":"' + _base64(digest) + b'"},'
    pdu = b"".join((head, content_json, middle, tail))
    if len(pdu) > limits.EVENT_BYTES_MAX:
        raise too_large(f"an event may have {limits.EVENT_BYTES_MAX} bytes; this one has {len(pdu)}")
    redacted = _redacted_json(version, draft.type, content)
    referred = sha256(b"".join((head, redacted, middle, tail_redacted))).digest()
    new_id = opaque_id or _event_id(version, referred)
    return Built(
        event_id=new_id,
        reference=_base64(referred).decode(),
        room_id=room_id or "!" + new_id[1:],
        pdu=pdu,
        content_json=content_json,
    )


def _opaque_id(digest: bytes, sender: str) -> str:
    return f"${urlsafe_b64encode(digest[:18]).decode()}:{sender.partition(':')[2]}"


def _content(version: RoomVersion, draft: Draft) -> JsonObject:
    if draft.redacts is not None and version.redacts_in_content:
        return {**draft.content, "redacts": draft.redacts}
    return draft.content


def _tails(
    version: RoomVersion, room_id: str | None, draft: Draft, prev_events: Sequence[Citation], ts_ms: int
) -> tuple[bytes, bytes]:
    """The tail of the PDU, and of its redacted form: a redaction takes a top-level `redacts` away."""
    tail = _Tail(
        origin_server_ts=ts_ms,
        prev_events=prev_events,
        room_id=UNSET if room_id is None else room_id,
        sender=draft.sender,
        state_key=UNSET if draft.state_key is None else draft.state_key,
        type=draft.type,
    )
    without = encode(tail)[1:]
    if draft.redacts is None or version.redacts_in_content:
        return without, without
    tail.redacts = draft.redacts
    return encode(tail)[1:], without


def _check_ids(draft: Draft, room_id: str | None) -> None:
    _check_size("sender", draft.sender)
    _check_size("type", draft.type)
    if draft.state_key:
        _check_size("state_key", draft.state_key)
    if room_id is not None:
        _check_size("room_id", room_id)
    if draft.redacts is not None:
        _check_size("redacts", draft.redacts)


def _check_size(name: str, value: str) -> None:
    size = len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
    if size > limits.ID_BYTES_MAX:
        raise too_large(f"{name} may have {limits.ID_BYTES_MAX} bytes; this one has {size}")


# --- reading ---


def parse(pdu: bytes) -> Pdu:
    """A PDU that Bongsu itself stored."""
    return _pdu_decoder.decode(pdu)


def client_event(event: Event, *, with_room_id: bool) -> bytes:
    """The event in client form, encoded, without `unsigned` (client-server API, "Room event format").

    Readers of /sync learn the room from the place in the reply, so that room_id can be left out there.
    """
    tail = _ClientTail(
        event_id=event.event_id,
        origin_server_ts=event.ts_ms,
        redacts=UNSET if event.redacts is None else event.redacts,
        room_id=event.room_id if with_room_id else UNSET,
        sender=event.sender,
        state_key=UNSET if event.state_key is None else event.state_key,
        type=event.type,
    )
    content_json = event.content_json if event.redacts is None else _content_with_redacts(event)
    return b'{"content":' + content_json + b"," + encode(tail)[1:]


def _content_with_redacts(event: Event) -> bytes:
    """Clients look for `redacts` in both places, whatever the room version (room version 11, "Event format")."""
    if event.content.get("redacts") == event.redacts:
        return event.content_json
    return canonical({**event.content, "redacts": event.redacts}, strict=False)


def raw_event(stored: bytes, event_id: str, unsigned: bytes) -> bytes:
    """A stored PDU as servers tell it each other, with the id that its receiver would have to reckon.

    In versions 1 and 2 an id names a server, and stands in the PDU already. unsigned: encoded, may be empty.
    """
    id_too = b"" if ":" in event_id else b',"event_id":' + encode(event_id)
    said = b"".join((stored[:-1], id_too, b"}"))
    return with_unsigned(said, unsigned) if unsigned else said


def with_unsigned(client: bytes, unsigned: bytes) -> bytes:
    """A client event with this encoded object as its `unsigned`."""
    return b"".join((client[:-1], b',"unsigned":', unsigned, b"}"))
