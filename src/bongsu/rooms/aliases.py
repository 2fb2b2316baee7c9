"""Names of rooms: operations on aliases and on the published directory. Decided in the committing transaction."""

import msgspec

from bongsu.core import limits
from bongsu.core.errors import Refusal, forbidden, not_found
from bongsu.core.events import CANONICAL_ALIAS, Draft
from bongsu.core.json import JsonObject
from bongsu.rooms.batch import RoomBatch
from bongsu.rooms.room import WorkingRoom
from bongsu.rooms.sending import visible_room
from bongsu.store import directory
from bongsu.store.batch import Wanted


class SetAlias(msgspec.Struct, frozen=True):
    """Gives the room an alias that no room has."""

    alias: str
    room_id: str
    user_id: str

    def wanted(self) -> Wanted:
        return Wanted([self.room_id], [(self.room_id, self.user_id)])

    async def run(self, batch: RoomBatch) -> None:
        room = await visible_room(batch, self.room_id, self.user_id)
        if await directory.room_of(batch.connection, self.alias) or batch.claims_alias(self.alias):
            raise Refusal(409, "M_UNKNOWN", f"the alias {self.alias} already exists")
        if await _alias_count(batch, room) >= limits.ALIASES_PER_ROOM_MAX:
            raise forbidden(f"a room may have {limits.ALIASES_PER_ROOM_MAX} aliases")
        batch.rows.statements.append((directory.SET_ALIAS, (self.alias, room.room_id, self.user_id)))


async def _alias_count(batch: RoomBatch, room: WorkingRoom) -> int:
    """The room's aliases, those of this batch included."""
    queued = [1 for sql, values in batch.rows.statements if sql == directory.SET_ALIAS and values[1] == room.room_id]
    return len(queued) + len(await directory.aliases_of(batch.connection, room.room_id))


class DeleteAlias(msgspec.Struct, frozen=True):
    """Takes an alias away, also from the canonical alias event where the person may change that.

    Whoever made the alias may, an administrator may, and whoever may set the room's canonical alias.
    """

    alias: str
    user_id: str
    is_admin: bool

    def wanted(self) -> Wanted:
        return Wanted()

    async def run(self, batch: RoomBatch) -> None:
        found = await directory.room_of(batch.connection, self.alias)
        if found is None:
            raise not_found(f"there is no alias {self.alias}")
        room_id, creator = found
        room = await batch.room(room_id)
        await batch.know_members(room, [self.user_id])
        if not (self.is_admin or creator == self.user_id or may_name(room, self.user_id)):
            raise forbidden("only who made the alias, or may set the room's main alias, can delete it")
        await self._leave_canonical(batch, room)
        batch.rows.statements.append((directory.DELETE_ALIAS, (self.alias,)))

    async def _leave_canonical(self, batch: RoomBatch, room: WorkingRoom) -> None:
        present = room.get(CANONICAL_ALIAS)
        if present is None or not may_name(room, self.user_id):
            return
        content = _without(dict(present.content), self.alias)
        if content != present.content:
            await batch.append(room, Draft(type=CANONICAL_ALIAS, sender=self.user_id, state_key="", content=content))


def _without(content: JsonObject, alias: str) -> JsonObject:
    """The content of a canonical alias event that does not name this alias."""
    if content.get("alias") == alias:
        del content["alias"]
    others = content.get("alt_aliases")
    if isinstance(others, list) and alias in others:
        content["alt_aliases"] = [other for other in others if other != alias]
    return content


class SetPublished(msgspec.Struct, frozen=True):
    """Puts a room into the published directory, or takes it out."""

    room_id: str
    user_id: str
    is_admin: bool
    published: bool

    def wanted(self) -> Wanted:
        return Wanted([self.room_id], [(self.room_id, self.user_id)])

    async def run(self, batch: RoomBatch) -> None:
        room = await batch.room(self.room_id)
        await batch.know_members(room, [self.user_id])
        if not (self.is_admin or may_name(room, self.user_id)):
            raise forbidden("this needs the power to set the room's main alias")
        batch.rows.statements.append((directory.SET_DIRECTORY, (self.room_id, self.published)))


def may_name(room: WorkingRoom, user_id: str) -> bool:
    """Is the person in the room, with the power to set its canonical alias? The member must be known."""
    power = room.power
    return power is not None and room.membership(user_id) == "join" and power.may_send(user_id, CANONICAL_ALIAS, True)
