"""What services say becomes room events: one of the outbox, and its row gone, in one commit."""

import msgspec

from bongsu.core import creation
from bongsu.core.errors import Refusal, not_found
from bongsu.core.events import Draft
from bongsu.core.quiet import CALLS
from bongsu.core.versions import RoomVersion
from bongsu.rooms.batch import RoomBatch, Transaction
from bongsu.rooms.creation import CreateRoom
from bongsu.rooms.membership import Invite
from bongsu.rooms.room import WorkingRoom
from bongsu.store import channel_hearing, outbox, people
from bongsu.store.batch import Wanted
from bongsu.store.outbox import Post


class PostOne(msgspec.Struct, frozen=True, kw_only=True):
    """The result is False if it was posted before. new_room_id: for room versions whose ids are not hashes."""

    outbox_id: int
    names: dict[str, str]  # of rooms of a service and a person, by sender
    version: RoomVersion
    new_room_id: str | None

    def wanted(self) -> Wanted:
        return Wanted()

    async def run(self, batch: RoomBatch) -> bool:
        post = await outbox.read(batch.connection, self.outbox_id)
        if post is None or (outbox.REMOVE, (self.outbox_id,)) in batch.rows.statements:
            return False
        room = await (self._room_with(batch, post) if post.room_id is None else batch.room(post.room_id))
        transaction = Transaction(post.sender, "", f"{outbox.TXN}{self.outbox_id}")
        content = {**post.content, CALLS: True} if post.priority == outbox.CALLING else post.content
        await batch.append(room, Draft(type=post.type, sender=post.sender, content=content), transaction)
        batch.rows.statements.append((outbox.REMOVE, (self.outbox_id,)))
        return True

    async def _room_with(self, batch: RoomBatch, post: Post) -> WorkingRoom:
        assert post.user_id is not None
        if not await people.exists(batch.connection, post.user_id):
            raise not_found(f"there is no {post.user_id} here, or the account is deactivated")
        room = await room_of_two(batch, post.sender, post.user_id)
        if room is None:
            room = await self._make(batch, post.sender, post.user_id)
            await batch.know_members(room, [post.user_id])
        calls = post.priority == outbox.CALLING
        if room.membership(post.user_id) == "leave" or (calls and room.membership(post.user_id) == "invite"):
            invite = Invite(room_id=room.room_id, sender=post.sender, target=post.user_id, is_direct=True, calls=calls)
            await invite.run(batch)
        return room

    async def _make(self, batch: RoomBatch, sender: str, user_id: str) -> WorkingRoom:
        options = creation.Options(
            preset="private_chat",
            name=self.names.get(sender),
            power_level_content_override={"invite": 50},
        )
        room_id = await CreateRoom(sender, self.version, options, self.new_room_id).run(batch)
        batch.rows.statements.append((outbox.SET_ROOM, (sender, user_id, room_id)))
        return await batch.room(room_id)


async def room_of_two(batch: RoomBatch, sender: str, user_id: str) -> WorkingRoom | None:
    """Where a service speaks to a person; both are known in it. None: nowhere, or it was sent out of there."""
    room_id = await room_id_of_two(batch, sender, user_id)
    if room_id is None:
        return None
    room = await batch.room(room_id)
    await batch.know_members(room, [sender, user_id])
    if room.membership(sender) != "join":
        await check_heard(batch, room_id)
        return None
    return room


async def check_heard(batch: RoomBatch, room_id: str) -> None:
    """Two speak elsewhere only when all is heard that was said to a channel where they did. 503 until then."""
    just_now = any(stored.event.room_id == room_id for stored in batch.rows.events)
    if just_now or await channel_hearing.waits_in(batch.connection, room_id):
        why = "what was said in the room of before is heard first. Try again."
        raise Refusal(503, "M_UNKNOWN", why, headers={"retry-after": "1"})


async def room_id_of_two(batch: RoomBatch, sender: str, user_id: str) -> str | None:
    """Where the two spoke last, though the service may have been sent out of there."""
    return _made_now(batch, sender, user_id) or await outbox.room_with(batch.connection, sender, user_id)


def _made_now(batch: RoomBatch, sender: str, user_id: str) -> str | None:
    """The room of the two, if another operation of this batch has made or found it."""
    made = (values for sql, values in reversed(batch.rows.statements) if sql == outbox.SET_ROOM)
    return next((str(room) for by, to, room in made if (by, to) == (sender, user_id)), None)
