"""Sending into a room: messages, state, redactions. Each is an operation that a batch decides on."""

from collections.abc import Mapping
from typing import Any

import msgspec

from bongsu.core import guests, ids, limits, relations
from bongsu.core.authorization import authorize_redaction
from bongsu.core.errors import Refusal, forbidden, invalid_param, not_found
from bongsu.core.events import CANONICAL_ALIAS, CREATE, ENCRYPTED, GUEST_ACCESS, MEMBER, REDACTION, TOMBSTONE, Draft
from bongsu.core.json import JsonObject, canonical
from bongsu.core.moderation import suspended
from bongsu.core.relations import ANNOTATION, THREAD, RelatesTo
from bongsu.rooms.batch import RoomBatch, Transaction
from bongsu.rooms.room import WorkingRoom
from bongsu.store import directory, people
from bongsu.store import relations as relation_table
from bongsu.store.batch import Wanted


class SendEvent(msgspec.Struct, frozen=True):
    """A message event. The result is its event id, or the id an earlier try with the same transaction id made."""

    room_id: str
    draft: Draft
    transaction: Transaction

    def wanted(self) -> Wanted:
        key = self.transaction.key(self.room_id, self.draft.type)
        is_plain = "m.relates_to" not in self.draft.content
        return Wanted([self.room_id], [(self.room_id, self.draft.sender)], [key], is_plain)

    async def run(self, batch: RoomBatch) -> str:
        sent = batch.sent(self.transaction.key(self.room_id, self.draft.type))
        if sent is not None:
            return sent
        room = await visible_room(batch, self.room_id, self.draft.sender)
        related = relations.relates_to(self.draft.content)
        if related is not None:
            await check_relation(batch, self.draft, related)
        return (await batch.append(room, self.draft, self.transaction)).event_id


class FindSent(msgspec.Struct, frozen=True):
    """The event that was made with a transaction id of this person, perhaps by a device that is no more.

    Asked under the right to write, so that None means that there is none. It may have been encrypted on its way.
    """

    room_id: str
    event_type: str
    transaction: Transaction

    def wanted(self) -> Wanted:
        return Wanted(txn_keys=self._keys())

    async def run(self, batch: RoomBatch) -> str | None:
        return next((sent for key in self._keys() if (sent := batch.sent(key)) is not None), None)

    def _keys(self) -> list[bytes]:
        return [self.transaction.key(self.room_id, kind) for kind in (self.event_type, ENCRYPTED)]


class SendState(msgspec.Struct, frozen=True):
    """A state event. Setting what is set already makes no event, so that a retry is not stored twice."""

    room_id: str
    draft: Draft

    def wanted(self) -> Wanted:
        return Wanted([self.room_id], [(self.room_id, self.draft.sender)])

    async def run(self, batch: RoomBatch) -> str:
        draft = self.draft
        assert draft.state_key is not None
        if draft.type == MEMBER:  # who is outside may come in this way, too: the rules decide
            room = await existing_room(batch, self.room_id)
            draft = await _member_draft(batch, room, draft)
        else:
            room = await visible_room(batch, self.room_id, draft.sender)
        if draft.type == CREATE:
            raise invalid_param("a room is created once, by its first event")
        if draft.type == TOMBSTONE and draft.content.get("replacement_room") == self.room_id:
            raise invalid_param("a room cannot be replaced by itself")
        if draft.type == CANONICAL_ALIAS:
            await _check_canonical_alias(batch, room, draft.content)
        assert draft.state_key is not None
        present = room.get(draft.type, draft.state_key)
        if present is not None and present.sender == draft.sender and present.content_json == _canonical(room, draft):
            event = present
        else:
            event = await (batch.set_member if draft.type == MEMBER else batch.append)(room, draft)
        if draft.type == GUEST_ACCESS and not guests.admits(draft.content):
            await _send_guests_away(batch, room)
        return event.event_id


class Redact(msgspec.Struct, frozen=True):
    """Takes an event's content away. `reason` is kept with the redaction. own_only: nobody else's event."""

    room_id: str
    event_id: str
    content: JsonObject
    transaction: Transaction
    own_only: bool = False

    def wanted(self) -> Wanted:
        sender = self.transaction.user_id
        return Wanted([self.room_id], [(self.room_id, sender)], [self.transaction.key(self.room_id, REDACTION)])

    async def run(self, batch: RoomBatch) -> str:
        sender = self.transaction.user_id
        sent = batch.sent(self.transaction.key(self.room_id, REDACTION))
        if sent is not None:
            return sent
        room = await visible_room(batch, self.room_id, sender)
        target = await batch.event(room, self.event_id)
        if target is None:
            raise not_found("the room has no such event")
        if self.own_only and target[0].sender != sender:
            raise suspended()
        if room.power is not None:
            authorize_redaction(sender, target[0], room.power)
        content = {**self.content, "redacts": self.event_id} if room.version.redacts_in_content else self.content
        draft = Draft(type=REDACTION, sender=sender, content=content, redacts=self.event_id)
        return (await batch.redact(room, draft, target, self.transaction)).event_id


def _canonical(room: WorkingRoom, draft: Draft) -> bytes:
    return canonical(draft.content, strict=room.version.strict_json)


async def _send_guests_away(batch: RoomBatch, room: WorkingRoom) -> None:
    """A room that is closed to guests keeps none."""
    for guest in await people.guests_in(batch.connection, room.room_id, limits.GUESTS_SENT_AWAY_MAX):
        await batch.know_members(room, [guest])
        if room.membership(guest) == "join":
            await batch.append(room, Draft(type=MEMBER, sender=guest, state_key=guest, content={"membership": "leave"}))


async def existing_room(batch: RoomBatch, room_id: str) -> WorkingRoom:
    """The room. One that does not exist looks like one the person may not know of."""
    try:
        return await batch.room(room_id)
    except Refusal as refusal:
        if refusal.status != 404:
            raise
        raise forbidden("you are not in this room") from None


async def visible_room(batch: RoomBatch, room_id: str, user_id: str) -> WorkingRoom:
    """The room, for one of its members. To anybody else a room that exists looks like one that does not."""
    room = await existing_room(batch, room_id)
    await batch.know_members(room, [user_id])
    if room.membership(user_id) != "join":
        raise forbidden("you are not in this room")
    return room


async def check_relation(batch: RoomBatch, draft: Draft, related: RelatesTo) -> None:
    """Refuses what the relation rules forbid: the same reaction twice, a thread begun on a related event."""
    if related.rel_type == ANNOTATION and related.key is not None:
        if await _has_annotated(batch, draft, related):
            raise Refusal(400, "M_DUPLICATE_ANNOTATION", "you have reacted with this already")
    elif related.rel_type == THREAD and await _is_related(batch, related.parent_id):
        raise Refusal(400, "M_UNKNOWN", "a thread cannot begin on an event that itself relates to another")


async def _has_annotated(batch: RoomBatch, draft: Draft, related: RelatesTo) -> bool:
    """Has the sender annotated so before, in this batch or in an earlier one, without taking it back?"""
    found = await relation_table.annotations(batch.connection, related, draft.type, draft.sender)
    found += [
        row.child.event_id
        for row in batch.rows.relations
        if (row.parent_id, row.rel_type, row.key, row.child.type, row.child.sender)
        == (related.parent_id, ANNOTATION, related.key, draft.type, draft.sender)
    ]
    gone = {row.event_id for row in batch.rows.redacted}
    return any(event_id not in gone for event_id in found)


async def _is_related(batch: RoomBatch, event_id: str) -> bool:
    if any(row.child.event_id == event_id for row in batch.rows.relations):
        return True
    return await relation_table.is_related(batch.connection, event_id)


async def _member_draft(batch: RoomBatch, room: WorkingRoom, draft: Draft) -> Draft:
    """A membership set as state. Who vouched for a restricted join is for this server to say, not for a client."""
    if not ids.is_user_id(draft.state_key):
        raise invalid_param("the state key of m.room.member must be a user id")
    assert draft.state_key is not None
    await batch.know_members(room, [draft.sender, draft.state_key])
    content = dict(draft.content)
    content.pop("join_authorised_via_users_server", None)
    present = room.get(MEMBER, draft.state_key)
    if present is not None and content.get("membership") == "join" == present.content.get("membership"):
        via = present.content.get("join_authorised_via_users_server")
        content.update({"join_authorised_via_users_server": via} if via else {})
    return msgspec.structs.replace(draft, content=content)


async def _check_canonical_alias(batch: RoomBatch, room: WorkingRoom, content: JsonObject) -> None:
    """Every alias that is newly named must be an alias of this room."""
    present = room.get(CANONICAL_ALIAS)
    before = _aliases(present.content) if present else []
    if not isinstance(content.get("alt_aliases"), list | None):
        raise invalid_param("alt_aliases must be a list of aliases")
    for alias in _aliases(content):
        if alias in before:
            continue
        if not isinstance(alias, str) or not ids.is_alias(alias):
            raise invalid_param(f"{str(alias)[:100]!r} is not an alias; one looks like #name:server")
        found = await directory.room_of(batch.connection, alias)
        if found is None or found[0] != room.room_id:
            raise Refusal(400, "M_BAD_ALIAS", f"{alias} is not an alias of this room")


def _aliases(content: Mapping[str, Any]) -> list[object]:
    """What a canonical alias event names, whatever it is."""
    alias, others = content.get("alias"), content.get("alt_aliases")
    return [*([] if alias is None else [alias]), *(others if isinstance(others, list) else [])]
