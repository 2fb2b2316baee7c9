"""What of the stream concerns one application service: its people, its rooms, and rooms that its people are in.

Who of them was in a room is known as of the place in the stream that is looked at, so that a service that was away for
a week is told what it would have been told then.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from bongsu.core import limits
from bongsu.core.events import MEMBER, Event, membership_of
from bongsu.core.json import JsonObject, encode
from bongsu.core.services import Service
from bongsu.rooms import clientform
from bongsu.rooms.clientform import Previous
from bongsu.store import history
from bongsu.store import services as table
from bongsu.store.database import Database
from bongsu.store.rows import Segment

_PUBLIC_RECEIPT: Final = "m.read"


class Told(msgspec.Struct, frozen=True):
    """What to tell of the stretch up to `to`. body: None where there is nothing."""

    to: int
    body: bytes | None


class _Nobody:
    """Who is told is no device that sent anything."""

    user_id = ""
    device_id = ""


class Interest:
    """next() of a segment; segments must come in order. now_ms: for who is typing."""

    def __init__(self, database: Database, service: Service, now_ms: Callable[[], int]) -> None:
        self._database = database
        self._service = service
        self._now_ms = now_ms
        self._inside: OrderedDict[str, set[str]] = OrderedDict()  # by room: the service's people in it

    async def next(self, segment: Segment) -> Told:
        """The beginning of the segment that fits one transaction, or all of it."""
        named = await self._named_rooms({event.room_id for event in segment.events})
        events: list[Event] = []
        to = segment.to
        for event in segment.events:
            if await self._concerns(event, named):
                events.append(event)
                if len(events) == limits.SERVICE_EVENTS_MAX:
                    to = event.pos
                    break
        ephemeral = await self._ephemeral(segment, to) if self._service.wants_ephemeral else []
        if not (events or ephemeral):
            return Told(to, None)
        return Told(to, await self._body(events, ephemeral))

    async def _named_rooms(self, room_ids: set[str]) -> set[str]:
        """Those that the service has by their id or an alias, whoever is inside."""
        named = {room_id for room_id in room_ids if self._service.has_room(room_id)}
        if self._service.names_aliases and room_ids:
            found = await table.aliases(self._database, sorted(room_ids))
            named.update(room_id for room_id, alias in found if self._service.has_alias(alias))
        return named

    async def _concerns(self, event: Event, named: set[str]) -> bool:
        inside = await self._people(event.room_id, event.pos)
        was_inside = bool(inside)
        if event.type == MEMBER and event.state_key is not None and self._service.has_user(event.state_key):
            (inside.add if membership_of(event) == "join" else inside.discard)(event.state_key)
            return True
        return was_inside or event.room_id in named or self._service.has_user(event.sender)

    async def _people(self, room_id: str, pos: int) -> set[str]:
        """The service's people in the room, as of just before `pos` when it is read and then as next() went on."""
        inside = self._inside.get(room_id)
        if inside is None:
            ever = [user for user in await table.ever_members(self._database, room_id) if self._service.has_user(user)]
            inside = await table.members_at(self._database, room_id, ever, pos) if ever else set()
            self._inside[room_id] = inside
            if len(self._inside) > limits.SERVICE_ROOMS_CACHED_MAX:
                self._inside.popitem(last=False)
        self._inside.move_to_end(room_id)
        return inside

    # --- the transaction ---

    async def _body(self, events: Sequence[Event], ephemeral: Sequence[JsonObject]) -> bytes:
        replaced = await history.replaced(self._database, events)
        said: JsonObject = {"events": clientform.array([_client(event, replaced.get(event.pos)) for event in events])}
        said.update(dict.fromkeys(self._service.ephemeral_names, ephemeral))
        return encode(said)

    async def _ephemeral(self, segment: Segment, to: int) -> list[JsonObject]:
        return [
            *await self._receipts(segment, to),
            *await self._typing(segment, to),
            *await self._presence(segment, to),
        ]

    async def _rooms(self, room_ids: set[str], to: int) -> set[str]:
        """Those of them that concern the service."""
        named = await self._named_rooms(room_ids)
        return {room_id for room_id in room_ids if room_id in named or await self._people(room_id, to + 1)}

    async def _receipts(self, segment: Segment, to: int) -> list[JsonObject]:
        public = [row for row in segment.receipts if row.receipt_type == _PUBLIC_RECEIPT and row.pos <= to]
        rooms = await self._rooms({row.room_id for row in public}, to)
        contents: dict[str, dict[str, Any]] = {}
        for row in public:
            if row.room_id in rooms:
                data: JsonObject = {"ts": row.ts_ms, **({"thread_id": row.thread_id} if row.thread_id else {})}
                of_event = contents.setdefault(row.room_id, {}).setdefault(row.event_id, {_PUBLIC_RECEIPT: {}})
                of_event[_PUBLIC_RECEIPT][row.user_id] = data
        return [{"type": "m.receipt", "room_id": room, "content": content} for room, content in contents.items()]

    async def _typing(self, segment: Segment, to: int) -> list[JsonObject]:
        rooms = await self._rooms({row.room_id for row in segment.typing if row.pos <= to}, to)
        if not rooms:
            return []
        people: dict[str, list[str]] = {room_id: [] for room_id in sorted(rooms)}
        for room_id, user_id in await table.typing_in(self._database, list(people), self._now_ms()):
            people[room_id].append(user_id)
        return [{"type": "m.typing", "room_id": room, "content": {"user_ids": users}} for room, users in people.items()]

    async def _presence(self, segment: Segment, to: int) -> list[JsonObject]:
        rows = [row for row in segment.presence if row.pos <= to]
        rooms = await self._rooms({room_id for row in rows for room_id in row.room_ids}, to)
        told = []
        for row in rows:
            if self._service.has_user(row.user_id) or not rooms.isdisjoint(row.room_ids):
                content: JsonObject = {"presence": row.state, "currently_active": row.state == "online"}
                if row.last_active_ms:
                    content["last_active_ago"] = max(0, self._now_ms() - row.last_active_ms)
                if row.status_msg is not None:
                    content["status_msg"] = row.status_msg
                told.append({"type": "m.presence", "sender": row.user_id, "content": content})
        return told


def _client(event: Event, before: Event | None) -> bytes:
    previous = None if before is None else Previous(before, shown=True)
    return clientform.with_unsigned_of(event, _Nobody(), prev=previous)
