"""One batch of changes: operations decide on committed truth and on what the batch itself has added so far."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import msgspec

from bongsu.core import authorization, pdu, relations
from bongsu.core.account_data import INVITES, blocks_invites
from bongsu.core.errors import Refusal, not_found
from bongsu.core.events import MEMBER, Draft, Event
from bongsu.core.json import canonical, decode
from bongsu.core.versions import EventIds, RoomVersion
from bongsu.rooms.cache import Rooms
from bongsu.rooms.room import Room, WorkingRoom
from bongsu.store import directory, notices, people, personal
from bongsu.store import events as event_table
from bongsu.store import rooms as room_table
from bongsu.store.batch import Rows, Wanted
from bongsu.store.database import Connection
from bongsu.store.rows import Redacted, Relation, StoredEvent, Typing


class Transaction(msgspec.Struct, eq=False):
    """A client's transaction id: a retry with the same one is answered with the first one's event."""

    user_id: str
    device_id: str
    txn_id: str
    _made: tuple[str, str, bytes] | None = None  # the last key, which is asked for at each step of a message's way

    def key(self, room_id: str, event_type: str) -> bytes:
        """What the store dedupes on: (user, device, room, type, txn id), hashed to a fixed length."""
        if self._made is None or self._made[:2] != (room_id, event_type):
            parts = "\x00".join((self.user_id, self.device_id, room_id, event_type, self.txn_id))
            self._made = room_id, event_type, hashlib.sha256(parts.encode()).digest()[:16]
        return self._made[2]


class Change(Protocol):
    """An operation on rooms: says what it will look at, then decides and adds rows."""

    def wanted(self) -> Wanted: ...

    async def run(self, batch: "RoomBatch") -> Any: ...


class RoomBatch:
    """What a Change decides on and writes to. Times are in milliseconds since the epoch."""

    def __init__(
        self,
        rooms: Rooms,
        connection: Connection,
        pos: int,
        sent: dict[bytes, str],
        *,
        has_lock: bool,
        now_ms: int,
        server_name: str,
    ) -> None:
        """sent: the events that earlier tries made, by transaction key.

        has_lock: nobody else can write meanwhile, so rooms are read on this connection. Without the right to write
        they are read as for readers, and what is decided holds only if the position has not moved at its end.
        """
        self.rows = Rows(pos)
        self.now_ms = now_ms
        self.server_name = server_name
        self.connection = connection
        self._rooms = rooms
        self._reads = connection if has_lock else None
        self._working: dict[str, WorkingRoom] = {}
        self._before: dict[str, WorkingRoom | None] = {}
        self._sent = sent
        self._references: dict[str, str] = {}

    async def prepare(self, wanted: Sequence[Wanted]) -> None:
        await self._rooms.know({room for want in wanted for room in want.room_ids}, reads=self._reads)
        await self._know({pair for want in wanted for pair in want.members})

    async def decide(self, operation: Change) -> Any:
        """Runs one operation; when it fails, everything it added is taken back."""
        mark = self.rows.mark()
        self._before = {}
        try:
            return await operation.run(self)
        except BaseException:
            self.rows.back_to(mark)
            self._restore()
            raise

    def _restore(self) -> None:
        for room_id, before in self._before.items():
            if before is None:
                del self._working[room_id]
            else:
                self._working[room_id] = before

    # --- reading ---

    async def room(self, room_id: str) -> WorkingRoom:
        """The room as this batch leaves it so far. 404 for one that does not exist."""
        working = self._working.get(room_id)
        if working is None:
            base = self._rooms.known(room_id)
            if base is None:
                await self._rooms.know([room_id], reads=self._reads)
                base = self._rooms.known(room_id)
            if base is None:
                raise not_found("there is no such room")
            working = self._working[room_id] = WorkingRoom(room_id, base.version, base)
        return working

    async def know_members(self, room: WorkingRoom, user_ids: Iterable[str]) -> None:
        unknown = [user for user in user_ids if not room.knows_member(user)]
        if unknown and room.base is not None:
            await self._read_members([(room.base, user) for user in unknown])

    async def _know(self, pairs: set[tuple[str, str]]) -> None:
        """Reads the members of committed rooms that are not in memory yet."""
        rooms = ((self._rooms.known(room_id), user) for room_id, user in pairs)
        unknown = [(room, user) for room, user in rooms if room is not None and user not in room.members]
        if unknown:
            await self._read_members(unknown)

    async def _read_members(self, unknown: Sequence[tuple[Room, str]]) -> None:
        found = await room_table.members(self.connection, [(room.room_id, user) for room, user in unknown])
        for room, user in unknown:
            room.members.setdefault(user, found.get((room.room_id, user)))

    async def event(self, room: WorkingRoom, event_id: str) -> tuple[Event, bytes] | None:
        """An event of the room with its PDU, be it committed or of this batch."""
        for stored in self.rows.events:
            if stored.event.event_id == event_id:
                return (stored.event, stored.pdu) if stored.event.room_id == room.room_id else None
        return await event_table.with_pdu(self.connection, room.room_id, event_id)

    def sent(self, key: bytes) -> str | None:
        """The event an earlier send with this transaction key made."""
        return self._sent.get(key)

    def claims_alias(self, alias: str) -> bool:
        """Does another operation of this batch take the alias?"""
        return any(sql == directory.SET_ALIAS and values[0] == alias for sql, values in self.rows.statements)

    # --- writing ---

    async def create_room(
        self, room_version: RoomVersion, draft: Draft, room_id: str | None, published: bool
    ) -> WorkingRoom:
        """Begins a room with its create event. room_id: for the versions whose ids are not hashes."""
        authorization.authorize(room_version, draft, room_id, lambda *_: None)
        ts_ms = self.now_ms
        built = _first_event(room_version, draft, room_id, ts_ms)
        while room_id is None and await self._is_taken(built.room_id):
            ts_ms += 1  # rooms made alike in one millisecond would have one hash
            built = _first_event(room_version, draft, room_id, ts_ms)
        room = WorkingRoom(built.room_id, room_version, None)
        self._before[room.room_id] = None
        self._working[room.room_id] = room
        event = self._store(room, draft, built, 1, ts_ms, None)
        self.rows.rooms.append((room.room_id, room_version.name, event.pos, published))
        return room

    async def _is_taken(self, room_id: str) -> bool:
        return room_id in self._working or await directory.in_directory(self.connection, room_id) is not None

    async def append(self, room: WorkingRoom, draft: Draft, transaction: Transaction | None = None) -> Event:
        """Authorizes, places and hashes one event. Refuses with M_FORBIDDEN what the room does not allow."""
        keys = authorization.auth_event_keys(room.version, draft)
        await self.know_members(room, [state_key for kind, state_key in keys if kind == MEMBER])
        power = room.power
        authorization.authorize(room.version, draft, room.room_id, room.get, power=power)
        self._remember(room)
        ts_ms = self.now_ms if draft.ts_ms is None else draft.ts_ms
        auth_events = [event.event_id for key in keys if (event := room.get(*key)) is not None]
        prev_events = [room.newest_id] if room.newest_id else []
        if room.version.event_ids is EventIds.OPAQUE:
            await self._know_references(room, {*auth_events, *prev_events})
        built = pdu.build(
            room.version,
            room_id=room.room_id,
            draft=draft,
            auth_events=self._citations(room, auth_events),
            prev_events=self._citations(room, prev_events),
            depth=room.depth + 1,
            ts_ms=ts_ms,
        )
        return self._store(room, draft, built, room.depth + 1, ts_ms, transaction)

    async def _know_references(self, room: WorkingRoom, event_ids: set[str]) -> None:
        """The reference hashes of events whose ids do not tell them."""
        unknown = event_ids - self._references.keys()
        for event_id, raw in (await event_table.pdus(self.connection, list(unknown))).items() if unknown else ():
            self._references[event_id] = pdu.reference(room.version, decode(raw))

    def _citations(self, room: WorkingRoom, event_ids: Sequence[str]) -> Sequence[pdu.Citation]:
        if room.version.event_ids is not EventIds.OPAQUE:
            return event_ids
        return [pdu.citation(room.version, each, self._references.get(each, "")) for each in event_ids]

    def _remember(self, room: WorkingRoom) -> None:
        """Keeps the room as it was before this operation first touched it."""
        if room.room_id not in self._before:
            self._before[room.room_id] = room.copy()

    def _store(
        self, room: WorkingRoom, draft: Draft, built: pdu.Built, depth: int, ts_ms: int, transaction: Transaction | None
    ) -> Event:
        event = Event(
            pos=self.rows.next_pos(),
            event_id=built.event_id,
            room_id=built.room_id,
            type=draft.type,
            sender=draft.sender,
            state_key=draft.state_key,
            ts_ms=ts_ms,
            depth=depth,
            content_json=built.content_json,
            redacts=draft.redacts,
            sender_device=transaction.device_id if transaction else None,
            txn_id=transaction.txn_id if transaction else None,
        )
        key = transaction.key(room.room_id, draft.type) if transaction else None
        if key is not None:
            self._sent[key] = event.event_id
        self.rows.events.append(StoredEvent(event, built.pdu, key))
        room.add(event)
        self._references[event.event_id] = built.reference
        related = relations.relates_to(draft.content)
        if related is not None and draft.state_key is None:
            self.rows.relations.append(Relation(related.parent_id, related.rel_type, related.key, event))
        return event

    async def set_member(self, room: WorkingRoom, draft: Draft) -> Event:
        """Appends a membership. Who goes no longer types. It must be the last that an operation adds."""
        assert draft.state_key is not None
        if draft.state_key == draft.sender and draft.content.get("membership") == "leave":
            await self._check_may_refuse(room, draft.sender)
        event = await self.append(room, draft)
        membership = room.membership(draft.state_key)
        if membership == "invite" and await self._blocks_invites(draft.state_key):
            raise Refusal(403, "M_INVITE_BLOCKED", f"{draft.state_key} wants no invitations")
        key = (room.room_id, draft.state_key)
        if membership != "join" and self._types(room, draft.state_key):
            self.rows.add(key, Typing(self.rows.next_pos(), *key, 0))
        return event

    async def _check_may_refuse(self, room: WorkingRoom, user_id: str) -> None:
        """Nobody turns the server's own room away, unless the account ends."""
        await self.know_members(room, [user_id])
        if room.membership(user_id) != "invite" or not await notices.is_notice_room(
            self.connection, room.room_id, user_id
        ):
            return
        if await people.exists(self.connection, user_id):
            raise Refusal(403, "M_CANNOT_LEAVE_SERVER_NOTICE_ROOM", "this is where the server speaks to you: join it")

    async def _blocks_invites(self, user_id: str) -> bool:
        stored = await personal.account_data(self.connection, user_id, "", INVITES)
        return stored is not None and blocks_invites(decode(stored))

    def _types(self, room: WorkingRoom, user_id: str) -> bool:
        queued = self.rows.small.get(Typing, {}).get((room.room_id, user_id))
        typing = queued or (room.base.typing.get(user_id) if room.base else None)
        return isinstance(typing, Typing) and typing.until_ms > 0

    async def redact(
        self, room: WorkingRoom, draft: Draft, target: tuple[Event, bytes], transaction: Transaction
    ) -> Event:
        """Appends a redaction and takes the target's content away."""
        event = await self.append(room, draft, transaction)
        original, raw = target
        pruned = pdu.redact(room.version, msgspec.json.decode(raw))
        self.rows.redacted.append(
            Redacted(original.event_id, canonical(pruned, strict=room.version.strict_json), event.event_id)
        )
        return event


def _first_event(room_version: RoomVersion, draft: Draft, room_id: str | None, ts_ms: int) -> pdu.Built:
    return pdu.build(room_version, room_id=room_id, draft=draft, auth_events=[], prev_events=[], depth=1, ts_ms=ts_ms)
