"""A sync, said in bytes. Events keep the bytes they have; an ordinary message is encoded once for all its readers."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from bongsu.core import pdu, tokens
from bongsu.core.events import Event
from bongsu.core.filters import SyncFilter, WantedFields
from bongsu.core.json import JsonObject, canonical, decode, encode
from bongsu.core.requester import Requester
from bongsu.core.versions import RoomVersion
from bongsu.rooms import clientform
from bongsu.rooms.cache import Rooms
from bongsu.store import events as event_table
from bongsu.store import history
from bongsu.store.database import Database
from bongsu.store.rows import AccountData
from bongsu.sync.slices import DeviceSections, RoomSlice, Sections

_INSIDE: Final = b'{"membership":"join"}'


def shown_to_members(event: Event) -> bytes:
    """An event as everybody in the room sees it, the sending device excepted. Encoded once, kept with the event."""
    if event._shown is None:
        event._shown = pdu.with_unsigned(pdu.client_event(event, with_room_id=False), _INSIDE)
    return event._shown


def shown_to(requester: Requester, event: Event) -> bytes:
    """A message as somebody who was in the room sees it, with the transaction id if this device sent it."""
    if _is_plain(event, requester):
        return shown_to_members(event)
    return clientform.with_unsigned_of(event, requester, membership="join", with_room_id=False)


def _is_plain(event: Event, requester: Requester) -> bool:
    """Does everybody in the room see the same bytes of it?"""
    return (
        event.state_key is None
        and event.redacted_because is None
        and (event.txn_id is None or event.sender_device != requester.device_id or event.sender != requester.user_id)
    )


class Speaker:
    """Turns sections into the body of a reply."""

    def __init__(self, database: Database, rooms: Rooms) -> None:
        self._database = database
        self._rooms = rooms

    async def say(self, sections: Sections, requester: Requester, wanted: SyncFilter) -> bytes:
        return encode(_body(sections, await self._rooms_said(sections, requester, wanted)))

    def say_all_but_rooms(self, sections: Sections) -> bytes:
        return encode(_body(sections, {}))

    async def say_rooms(self, kind: str, sections: Sections, requester: Requester, wanted: SyncFilter) -> bytes:
        """The rooms of one kind ("join", "leave", "invite", "knock") as members of an object, without its braces."""
        said = await self._rooms_said(sections, requester, wanted)
        return encode(said.get(kind, {}))[1:-1]

    async def _rooms_said(self, sections: Sections, requester: Requester, wanted: SyncFilter) -> JsonObject:
        slices = [*sections.joined, *sections.left]
        voice = await self.voice(slices, requester, wanted.fields)
        return _rooms(sections, await self._raw(slices, voice) if wanted.is_raw else voice)

    async def _raw(self, slices: Sequence[RoomSlice], voice: "Voice") -> "RawVoice":
        said = [event.event_id for part in slices for event in (*part.timeline, *part.state)]
        versions = {part.room_id: (await self._rooms.get(part.room_id)).version for part in slices}
        return RawVoice(voice, await event_table.pdus(self._database, said), versions)

    async def voice(
        self, slices: Sequence[RoomSlice], requester: Requester, fields: WantedFields | None = None
    ) -> "Voice":
        """What says the events of these slices."""
        replaced = await self._replaced(slices)
        return Voice(requester, fields, replaced, await self._related(slices, requester))

    async def _replaced(self, slices: Sequence[RoomSlice]) -> dict[int, Event]:
        changes = [event for part in slices for event in part.timeline if event.state_key is not None]
        return await history.replaced(self._database, changes) if changes else {}

    async def _related(self, slices: Sequence[RoomSlice], requester: Requester) -> dict[str, bytes]:
        """Bundled aggregations of timeline events that others relate to."""
        found: dict[str, bytes] = {}
        for part in slices:
            parents = self._parents(part)
            if parents:
                found.update(
                    await clientform.bundles(self._database, parents, requester, part.visibility, with_room_id=False)
                )
        return found

    def _parents(self, part: RoomSlice) -> list[Event]:
        """Events that others may relate to. The room in memory knows of those in its tail."""
        room = self._rooms.known(part.room_id)
        if room is None or (part.timeline and part.timeline[0].pos <= room.tail_after):
            return part.timeline
        if not room.related:
            return []
        return [event for event in part.timeline if event.event_id in room.related]


class Voice:
    """Says events of one reply."""

    def __init__(
        self,
        requester: Requester,
        fields: WantedFields | None,
        replaced: Mapping[int, Event],
        related: Mapping[str, bytes],
    ) -> None:
        self._requester = requester
        self._fields = fields
        self._replaced = replaced
        self._related = related

    def timeline(self, part: RoomSlice) -> list[msgspec.Raw]:
        return [self._raw(self._event(event, part)) for event in part.visibility.shown_all(part.timeline)]

    def state(self, part: RoomSlice) -> list[msgspec.Raw]:
        state = part.visibility.shown_all(part.state)
        return [self._raw(event) for event in clientform.plain_events(state, with_room_id=False)]

    def _event(self, event: Event, part: RoomSlice) -> bytes:
        membership = part.visibility.membership_at(event.pos)
        relations = self._related.get(event.event_id)
        if membership == "join" and relations is None and _is_plain(event, self._requester):
            return shown_to_members(event)
        return pdu.with_unsigned(pdu.client_event(event, with_room_id=False), self.unsigned(event, part))

    def unsigned(self, event: Event, part: RoomSlice) -> bytes:
        before = self._replaced.get(event.pos)
        return clientform.unsigned_of(
            event,
            self._requester,
            membership=part.visibility.membership_at(event.pos),
            relations=self._related.get(event.event_id),
            prev=None if before is None else clientform.previous(before, part.visibility),
        )

    def _raw(self, event: bytes) -> msgspec.Raw:
        return msgspec.Raw(event if self._fields is None else self._fields.prune_encoded(event))


class RawVoice(Voice):
    """Says them as servers tell them each other (`event_format` "federation"). pdus: by event id; versions: by room."""

    def __init__(self, voice: Voice, pdus: Mapping[str, bytes], versions: Mapping[str, RoomVersion]) -> None:
        super().__init__(voice._requester, voice._fields, voice._replaced, voice._related)
        self._pdus = pdus
        self._versions = versions

    def state(self, part: RoomSlice) -> list[msgspec.Raw]:
        return [self._raw(self._said(event, part, clientform.unsigned_as_state(event))) for event in part.state]

    def _event(self, event: Event, part: RoomSlice) -> bytes:
        return self._said(event, part, self.unsigned(event, part))

    def _said(self, event: Event, part: RoomSlice, unsigned: bytes) -> bytes:
        stored = self._pdus[event.event_id]
        if part.visibility.hides(event):
            version = self._versions[part.room_id]
            stored = canonical(pdu.redact(version, decode(stored)), strict=version.strict_json)
        return pdu.raw_event(stored, event.event_id, unsigned)


def _rooms(sections: Sections, voice: Voice) -> JsonObject:
    rooms: JsonObject = {}
    if sections.joined:
        rooms["join"] = {part.room_id: _joined(part, voice) for part in sections.joined}
    if sections.left:
        rooms["leave"] = {part.room_id: _room(part, voice) for part in sections.left}
    if sections.invited:
        rooms["invite"] = {room: {"invite_state": {"events": state}} for room, state in sections.invited.items()}
    if sections.knocked:
        rooms["knock"] = {room: {"knock_state": {"events": state}} for room, state in sections.knocked.items()}
    return rooms


def _body(sections: Sections, rooms: JsonObject) -> JsonObject:
    """Empty parts are left out, as the protocol allows, but for the containers that old clients expect."""
    body: JsonObject = {
        "next_batch": tokens.format(sections.next_batch, sections.devices.told_pos),
        **_devices(sections.devices),
    }
    if rooms:
        body["rooms"] = rooms
    if sections.account_data:
        body["account_data"] = {"events": sections.account_data}
    if sections.presence:
        body["presence"] = {"events": sections.presence}
    return body


def _devices(devices: DeviceSections) -> JsonObject:
    said: JsonObject = {
        "to_device": {"events": devices.to_device},
        "device_one_time_keys_count": msgspec.Raw(devices.one_time),
        "device_unused_fallback_key_types": devices.unused_fallback,
    }
    if devices.changed or devices.left:
        said["device_lists"] = {"changed": devices.changed, "left": devices.left}
    return said


def _room(part: RoomSlice, voice: Voice) -> JsonObject:
    said: JsonObject = {
        "timeline": {
            "events": voice.timeline(part),
            "limited": part.limited,
            "prev_batch": tokens.format(part.prev_batch),
        },
        "state_after" if part.after else "state": {"events": voice.state(part)},
    }
    if part.account_data:
        said["account_data"] = {"events": [account_data_event(row) for row in part.account_data]}
    return said


def _joined(part: RoomSlice, voice: Voice) -> JsonObject:
    return {
        **_room(part, voice),
        "ephemeral": {"events": part.ephemeral},
        "account_data": {"events": [account_data_event(row) for row in part.account_data]},
        "summary": part.summary,
        **part.unread,
    }


def account_data_event(row: AccountData) -> dict[str, Any]:
    return {"type": row.type, "content": msgspec.Raw(row.content)}
