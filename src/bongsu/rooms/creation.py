"""Making a room, and replacing one by its successor."""

from collections.abc import Awaitable

import msgspec

from bongsu.core import creation, ids, limits, usernames
from bongsu.core.errors import Refusal, forbidden
from bongsu.core.events import CANONICAL_ALIAS, CREATE, MEMBER, POWER_LEVELS, TOMBSTONE, Draft
from bongsu.core.json import JsonObject
from bongsu.core.power import creators_of, level_of
from bongsu.core.versions import RoomVersion
from bongsu.rooms.batch import RoomBatch
from bongsu.rooms.membership import Invite
from bongsu.rooms.room import WorkingRoom
from bongsu.rooms.sending import visible_room
from bongsu.rooms.succession import take_along
from bongsu.store import boards, directory, people
from bongsu.store import rooms as room_table
from bongsu.store.batch import Wanted


class CreateRoom(msgspec.Struct, frozen=True):
    """A room with all it begins with, in one commit or not at all. The result is its id.

    room_id: a fresh one, for the versions whose ids are not hashes.
    """

    creator: str
    version: RoomVersion
    options: creation.Options
    room_id: str | None

    def wanted(self) -> Wanted:
        return Wanted()

    async def run(self, batch: RoomBatch) -> str:
        alias = await self._alias(batch)
        create = creation.create_draft(self.version, self.options, self.creator)
        published = self.options.visibility == "public"
        room = await batch.create_room(self.version, create, self.room_id, published)
        await join_creator(batch, room, self.creator)
        await self._set_state(batch, room, create, alias)
        if alias is not None:
            batch.rows.statements.append((directory.SET_ALIAS, (alias, room.room_id, self.creator)))
        for user in dict.fromkeys(self.options.invite):
            await self._invite(batch, room, user)
        await take_along(batch, room, self.creator)
        return room.room_id

    async def _set_state(self, batch: RoomBatch, room: WorkingRoom, create: Draft, alias: str | None) -> None:
        for draft in creation.drafts_after_join(self.version, self.options, self.creator, create, alias):
            try:
                await batch.append(room, draft)
            except Refusal as refusal:
                if refusal.status != 403:
                    raise
                raise Refusal(400, "M_INVALID_ROOM_STATE", f"{draft.type}: {refusal.message}") from None

    async def _alias(self, batch: RoomBatch) -> str | None:
        name = self.options.room_alias_name
        if name is None:
            return None
        alias = f"#{name}:{batch.server_name}"
        if not ids.is_alias(alias) or ":" in name:
            raise Refusal(400, "M_INVALID_PARAM", "room_alias_name must be the part between # and :, without them")
        if await directory.room_of(batch.connection, alias) or batch.claims_alias(alias):
            raise Refusal(400, "M_ROOM_IN_USE", f"{alias} is taken")
        return alias

    async def _invite(self, batch: RoomBatch, room: WorkingRoom, user: str) -> None:
        if user != self.creator:
            invite = Invite(room_id=room.room_id, sender=self.creator, target=user, is_direct=self.options.is_direct)
            await invite.run(batch)


async def join_creator(batch: RoomBatch, room: WorkingRoom, creator: str) -> None:
    """Also for whoever was invited just now."""
    content = {"membership": "join", **await people.member_profile(batch.connection, creator)}
    await batch.append(room, Draft(type=MEMBER, sender=creator, state_key=creator, content=content))


class UpgradeRoom(msgspec.Struct, frozen=True):
    """A new room of another version that continues an old one: state copied, aliases moved, the old one closed."""

    room_id: str
    user_id: str
    version: RoomVersion
    additional_creators: list[str]
    new_room_id: str | None

    def wanted(self) -> Wanted:
        return Wanted([self.room_id], [(self.room_id, self.user_id)])

    async def run(self, batch: RoomBatch) -> str:
        old = await visible_room(batch, self.room_id, self.user_id)
        assert old.power is not None
        if not old.power.may_send(self.user_id, TOMBSTONE, True):
            raise forbidden("closing this room needs a higher power level than yours")
        if self.new_room_id is not None:  # so that the predecessor's newest event is the tombstone
            await self._entomb(batch, old, self.new_room_id)
        new = await self._successor(batch, old)
        if self.new_room_id is None:
            await self._entomb(batch, old, new.room_id)
        if old.get(CANONICAL_ALIAS) is not None:
            await self._do_if_allowed(batch.append(old, self._state(CANONICAL_ALIAS, {})))
        await self._move_board(batch, old, new)
        await self._close(batch, old)
        batch.rows.statements.append((directory.MOVE_ALIASES, (old.room_id, new.room_id)))
        if await directory.in_directory(batch.connection, old.room_id):
            batch.rows.statements.append((directory.SET_DIRECTORY, (old.room_id, False)))
            batch.rows.statements.append((directory.SET_DIRECTORY, (new.room_id, True)))
        await take_along(batch, new, self.user_id)
        return new.room_id

    async def _entomb(self, batch: RoomBatch, old: WorkingRoom, new_room_id: str) -> None:
        tombstone: JsonObject = {"body": "This room has been replaced", "replacement_room": new_room_id}
        await batch.append(old, self._state(TOMBSTONE, tombstone))

    async def _successor(self, batch: RoomBatch, old: WorkingRoom) -> WorkingRoom:
        draft = self._create_draft(old)
        new = await batch.create_room(self.version, draft, self.new_room_id, False)
        await join_creator(batch, new, self.user_id)
        create = new.get(CREATE)
        assert create is not None
        creators = creators_of(self.version, create)
        for copied in creation.copied_state(self.version, creators, self.user_id, old.version, old.state):
            await batch.append(new, copied)
        await self._keep_bans(batch, old, new)
        return new

    async def _keep_bans(self, batch: RoomBatch, old: WorkingRoom, new: WorkingRoom) -> None:
        """Who was kept out of the old room does not come into the new one."""
        banned = await room_table.members_of(batch.connection, old.room_id, "ban")
        for user in banned[-limits.BANS_KEPT_MAX :]:
            await batch.know_members(old, [user])
            ban = old.get(MEMBER, user)
            if ban is not None and old.membership(user) == "ban":
                reason = {key: ban.content[key] for key in ("reason",) if key in ban.content}
                content: JsonObject = {"membership": "ban", **reason}
                draft = Draft(type=MEMBER, sender=self.user_id, state_key=user, content=content)
                await self._do_if_allowed(batch.append(new, draft))

    def _create_draft(self, old: WorkingRoom) -> Draft:
        create = old.get(CREATE)
        assert create is not None
        dropped = ("creator", "room_version", "predecessor", "additional_creators")
        content: JsonObject = {key: value for key, value in create.content.items() if key not in dropped}
        content["room_version"] = self.version.name
        content["predecessor"] = {"room_id": old.room_id, "event_id": old.newest_id}
        if self.version.creator_in_content:
            content["creator"] = self.user_id
        if self.version.privileged_creators and self.additional_creators:
            content["additional_creators"] = self.additional_creators
        return Draft(type=CREATE, sender=self.user_id, content=content, state_key="")

    async def _close(self, batch: RoomBatch, old: WorkingRoom) -> None:
        """Nobody but moderators can write in the old room any more, where the upgrader may say so."""
        levels = old.get(POWER_LEVELS)
        content = dict(levels.content) if levels else {}
        closed = max(50, _stated(old, content, "users_default") + 1)
        content["events_default"] = max(closed, _stated(old, content, "events_default"))
        content["invite"] = max(closed, _stated(old, content, "invite"))
        await self._do_if_allowed(batch.append(old, self._state(POWER_LEVELS, content)))

    def _state(self, event_type: str, content: JsonObject) -> Draft:
        return Draft(type=event_type, sender=self.user_id, state_key="", content=content)

    async def _move_board(self, batch: RoomBatch, old: WorkingRoom, new: WorkingRoom) -> None:
        """A bed board goes along. Where its account may not come with it, the board speaks to each person directly."""
        if not await boards.has_board(batch.connection, old.room_id):
            return
        batch.rows.statements += [(sql, (old.room_id, new.room_id)) for sql in boards.MOVE]
        own = ids.user_id(usernames.BOARDS, batch.server_name)
        await batch.know_members(old, [own])
        if old.membership(own) == "join":
            await self._do_if_allowed(self._bring(batch, new, own))

    async def _bring(self, batch: RoomBatch, new: WorkingRoom, own: str) -> None:
        invite: JsonObject = {"membership": "invite", **await people.member_profile(batch.connection, own)}
        await batch.append(new, Draft(type=MEMBER, sender=self.user_id, state_key=own, content=invite))
        await join_creator(batch, new, own)

    async def _do_if_allowed(self, doing: Awaitable[object]) -> None:
        try:
            await doing
        except Refusal as refusal:
            if refusal.status != 403:
                raise


def _stated(room: WorkingRoom, levels: JsonObject, key: str) -> int:
    return level_of(room.version, levels.get(key)) or 0
