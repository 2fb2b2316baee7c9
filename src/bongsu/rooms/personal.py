"""What belongs to a person: receipts, account data, typing, presence, sessions that end, profile changes in rooms.

They share the stream and the commit with events, so one position says everything that a device has seen.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from bongsu.core.errors import invalid_param, not_found
from bongsu.core.events import MEMBER, Draft
from bongsu.core.json import encode
from bongsu.core.relations import is_in_thread
from bongsu.rooms.batch import RoomBatch
from bongsu.rooms.devices import tell_lists
from bongsu.rooms.room import WorkingRoom
from bongsu.rooms.sending import visible_room
from bongsu.store import keys, people, personal
from bongsu.store import relations as relation_table
from bongsu.store import rooms as room_table
from bongsu.store.batch import Wanted
from bongsu.store.rows import AccountData, Erased, Presence, Receipt, Revocation, Typing

FULLY_READ: Final = "m.fully_read"


class SetReceipt(msgspec.Struct, frozen=True):
    """A receipt of one kind. It never moves backwards within its thread.

    thread_id: "" for none, "main" or a thread's root.
    """

    room_id: str
    user_id: str
    receipt_type: str
    event_id: str
    thread_id: str = ""

    def wanted(self) -> Wanted:
        return Wanted([self.room_id], [(self.room_id, self.user_id)])

    async def run(self, batch: RoomBatch) -> None:
        room = await visible_room(batch, self.room_id, self.user_id)
        event_pos = await _pos_of(batch, room, self.event_id)
        if self.thread_id:
            await self._check_thread(batch)
        await self.put(batch, event_pos)

    async def _check_thread(self, batch: RoomBatch) -> None:
        lineage = await relation_table.lineage(batch.connection, self.room_id, self.event_id)
        if not is_in_thread(self.event_id, lineage, self.thread_id):
            raise invalid_param("the event is not in the thread that thread_id names")

    async def put(self, batch: RoomBatch, event_pos: int) -> None:
        """event_pos: where the event stands, which must be in the room."""
        key = (self.room_id, self.user_id, self.receipt_type, self.thread_id)
        if not await self._is_behind(batch, key, event_pos):
            row = Receipt(batch.rows.next_pos(), *key, self.event_id, event_pos, batch.now_ms)
            batch.rows.add(key, row)

    async def _is_behind(self, batch: RoomBatch, key: tuple[str, str, str, str], event_pos: int) -> bool:
        queued = batch.rows.small.get(Receipt, {}).get(key)
        if isinstance(queued, Receipt):
            return queued.event_pos >= event_pos
        return await room_table.receipt_pos(batch.connection, *key) >= event_pos


class SetMarkers(msgspec.Struct, frozen=True):
    """Unthreaded receipts by their kind, and the marker up to which everything was read: all of them or none."""

    room_id: str
    user_id: str
    receipts: dict[str, str]
    fully_read: str | None = None

    def wanted(self) -> Wanted:
        return Wanted([self.room_id], [(self.room_id, self.user_id)])

    async def run(self, batch: RoomBatch) -> None:
        room = await visible_room(batch, self.room_id, self.user_id)
        named = [*self.receipts.values(), *([self.fully_read] if self.fully_read else [])]
        positions = {event_id: await _pos_of(batch, room, event_id) for event_id in dict.fromkeys(named)}
        for kind, event_id in self.receipts.items():
            await SetReceipt(self.room_id, self.user_id, kind, event_id).put(batch, positions[event_id])
        if self.fully_read:
            content = encode({"event_id": self.fully_read})
            await SetAccountData(self.user_id, self.room_id, FULLY_READ, content).run(batch)


async def _pos_of(batch: RoomBatch, room: WorkingRoom, event_id: str) -> int:
    """404 for an event that is not of this room."""
    found = await batch.event(room, event_id)
    if found is None:
        raise not_found("the room has no such event")
    return found[0].pos


class SetAccountData(msgspec.Struct, frozen=True):
    """Account data of a room or, with room_id "", of the account. The content replaces what was there."""

    user_id: str
    room_id: str
    type: str
    content: bytes

    def wanted(self) -> Wanted:
        return Wanted()

    async def run(self, batch: RoomBatch) -> None:
        row = AccountData(batch.rows.next_pos(), self.user_id, self.room_id, self.type, self.content)
        batch.rows.add((self.user_id, self.room_id, self.type), row)


class EditAccountData(msgspec.Struct, frozen=True):
    """A change to what is there, read and written in one commit. change: old content or None → new content."""

    user_id: str
    room_id: str
    type: str
    change: Callable[[bytes | None], bytes]

    def wanted(self) -> Wanted:
        return Wanted()

    async def run(self, batch: RoomBatch) -> None:
        key = (self.user_id, self.room_id, self.type)
        queued = batch.rows.small.get(AccountData, {}).get(key)
        present = (
            queued.content if isinstance(queued, AccountData) else await personal.account_data(batch.connection, *key)
        )
        content = self.change(present)
        if content != present:
            batch.rows.add(key, AccountData(batch.rows.next_pos(), *key, content))


class SetTyping(msgspec.Struct, frozen=True):
    """until_ms: when the typing ends by itself; 0 for an end now."""

    room_id: str
    user_id: str
    until_ms: int

    def wanted(self) -> Wanted:
        return Wanted([self.room_id], [(self.room_id, self.user_id)])

    async def run(self, batch: RoomBatch) -> None:
        await visible_room(batch, self.room_id, self.user_id)
        key = (self.room_id, self.user_id)
        batch.rows.add(key, Typing(batch.rows.next_pos(), *key, self.until_ms))


class EndTyping(msgspec.Struct, frozen=True):
    """Ends typing that nobody ended, also of somebody who has left the room meanwhile: for the server's own sweep.

    All workers look at once: what another ended, or the person has begun anew, stays as it is.
    """

    room_id: str
    user_id: str

    def wanted(self) -> Wanted:
        return Wanted()

    async def run(self, batch: RoomBatch) -> None:
        key = (self.room_id, self.user_id)
        queued = batch.rows.small.get(Typing, {}).get(key)
        if isinstance(queued, Typing):
            until_ms = queued.until_ms
        else:
            until_ms = await personal.typing_until(batch.connection, *key)
        if 0 < until_ms < batch.now_ms:
            batch.rows.add(key, Typing(batch.rows.next_pos(), *key, 0))


class _Keep:
    """A status message that stays what it is."""


KEEP: Final = _Keep()


class SetPresence(msgspec.Struct, frozen=True):
    """state: online, unavailable or offline. last_active_ms None: as it was."""

    user_id: str
    state: str
    status_msg: str | _Keep | None
    last_active_ms: int | None

    def wanted(self) -> Wanted:
        return Wanted()

    async def run(self, batch: RoomBatch) -> None:
        before = await personal.presence_of(batch.connection, self.user_id)
        message = self.status_msg
        if isinstance(message, _Keep):
            message = before.status_msg if before else None
        active_ms = self.last_active_ms if self.last_active_ms is not None else before.last_active_ms if before else 0
        rooms = await room_table.joined_rooms(batch.connection, self.user_id)
        row = Presence(batch.rows.next_pos(), self.user_id, self.state, message, active_ms, rooms)
        batch.rows.add((self.user_id,), row)


class Revoke(msgspec.Struct, frozen=True):
    """Tells every worker that sessions have ended. The tokens themselves are deleted before, in the accounts' tables.

    device_id None: every device of the person. Of devices that are no more, what was left of them goes now, and who
    knew their keys hears of it.
    """

    user_id: str
    device_id: str | None = None

    def wanted(self) -> Wanted:
        return Wanted()

    async def run(self, batch: RoomBatch) -> None:
        had_keys = await keys.forget_gone(batch.connection, self.user_id, self.device_id)
        row = Revocation(batch.rows.next_pos(), self.user_id, self.device_id)
        batch.rows.add((row.pos,), row)
        if had_keys:
            await tell_lists(batch, self.user_id)


class Erase(msgspec.Struct, frozen=True):
    """From here on, who comes into a room sees nothing of what the person said there. Once: later is as if never."""

    user_id: str

    def wanted(self) -> Wanted:
        return Wanted()

    async def run(self, batch: RoomBatch) -> None:
        if await people.is_to_be_erased(batch.connection, self.user_id):
            batch.rows.add((self.user_id,), Erased(batch.rows.next_pos(), self.user_id))


class ShowProfile(msgspec.Struct, frozen=True):
    """Puts the person's present name and picture into their membership of one room, if they differ from what stands.

    They are read when this runs: of changes that overtake each other the newest is shown in the end.
    """

    room_id: str
    user_id: str

    def wanted(self) -> Wanted:
        return Wanted([self.room_id], [(self.room_id, self.user_id)])

    async def run(self, batch: RoomBatch) -> None:
        room = await batch.room(self.room_id)
        await batch.know_members(room, [self.user_id])
        present = room.get(MEMBER, self.user_id)
        if present is None or room.membership(self.user_id) != "join":
            return
        kept = {
            key: value for key, value in present.content.items() if key not in ("displayname", "avatar_url", "reason")
        }
        content = {**kept, **await people.member_profile(batch.connection, self.user_id)}
        if content != present.content:
            await batch.append(room, Draft(type=MEMBER, sender=self.user_id, state_key=self.user_id, content=content))
