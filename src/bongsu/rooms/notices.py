"""The server speaks to a person, in a room that it makes for that."""

import msgspec

from bongsu.core import creation
from bongsu.core.errors import not_found
from bongsu.core.events import MESSAGE, Draft
from bongsu.core.json import decode, encode
from bongsu.core.versions import RoomVersion
from bongsu.rooms.batch import RoomBatch, Transaction
from bongsu.rooms.creation import CreateRoom
from bongsu.rooms.membership import Invite
from bongsu.rooms.personal import EditAccountData
from bongsu.rooms.room import WorkingRoom
from bongsu.store import notices, people
from bongsu.store.batch import Wanted

_TAG = "m.server_notice"


class SendNotice(msgspec.Struct, frozen=True, kw_only=True):
    """A message to one person. The result is False, and nothing is sent, if they were sent this one before.

    speaker: the account in whose name it is. new_room_id: for room versions whose ids are not hashes.
    """

    speaker: str
    user_id: str
    notice_id: str
    text: str
    room_name: str
    version: RoomVersion
    new_room_id: str | None

    def wanted(self) -> Wanted:
        return Wanted()

    async def run(self, batch: RoomBatch) -> bool:
        if not await people.exists(batch.connection, self.user_id):
            raise not_found(f"there is no {self.user_id} here, or the account is deactivated")
        room_id = self._made_now(batch) or await notices.room_of(batch.connection, self.user_id)
        transaction = Transaction(self.speaker, "", self.notice_id)
        if room_id is not None and await _was_sent(batch, transaction.key(room_id, MESSAGE)):
            return False
        room = await (self._make(batch) if room_id is None else batch.room(room_id))
        content = {"msgtype": "m.text", "body": self.text}
        await batch.append(room, Draft(type=MESSAGE, sender=self.speaker, content=content), transaction)
        if room_id is not None:
            await self._invite_again(batch, room)
        else:
            await EditAccountData(self.user_id, room.room_id, "m.tag", _tagged).run(batch)
        return True

    def _made_now(self, batch: RoomBatch) -> str | None:
        """The person's room, if another operation of this batch has made it."""
        made = (values for sql, values in batch.rows.statements if sql == notices.SET_ROOM)
        return next((str(room_id) for user_id, room_id in made if user_id == self.user_id), None)

    async def _make(self, batch: RoomBatch) -> WorkingRoom:
        """A room in which the server alone can write."""
        options = creation.Options(
            preset="private_chat",
            name=self.room_name,
            invite=[self.user_id],
            power_level_content_override={"events_default": 50, "invite": 50},
        )
        room_id = await CreateRoom(self.speaker, self.version, options, self.new_room_id).run(batch)
        batch.rows.statements.append((notices.SET_ROOM, (self.user_id, room_id)))
        return await batch.room(room_id)

    async def _invite_again(self, batch: RoomBatch, room: WorkingRoom) -> None:
        """Who has left is asked back, because there is something to say."""
        await batch.know_members(room, [self.user_id])
        if room.membership(self.user_id) == "leave":
            await Invite(room_id=room.room_id, sender=self.speaker, target=self.user_id).run(batch)


async def _was_sent(batch: RoomBatch, key: bytes) -> bool:
    return batch.sent(key) is not None or await notices.was_sent(batch.connection, key)


def _tagged(before: bytes | None) -> bytes:
    content = decode(before) if before is not None else {}
    tags = content.get("tags")
    return encode({**content, "tags": {**(tags if isinstance(tags, dict) else {}), _TAG: {}}})
