"""The room of a channel and one person: made when something is first said, and shown with the channel's profile."""

from typing import Final

import msgspec

from bongsu.channels.texts import FIELD
from bongsu.core import creation
from bongsu.core.errors import Refusal
from bongsu.core.events import JOIN_RULES, MEMBER, MESSAGE, POWER_LEVELS, Draft
from bongsu.core.json import JsonObject
from bongsu.core.versions import RoomVersion
from bongsu.rooms.batch import RoomBatch, Transaction
from bongsu.rooms.creation import join_creator
from bongsu.rooms.room import WorkingRoom
from bongsu.store import notices, outbox, people
from bongsu.store.batch import Wanted
from bongsu.workflow.posting import room_id_of_two, room_of_two


def left() -> Refusal:
    return Refusal(403, "BONGSU_LEFT", "this person has left the channel's room")


class FirstWord(msgspec.Struct, frozen=True, kw_only=True):
    """What a channel says to a follower with whom it has no room yet, or none as it should be. The result: an event id.

    txn_id: whoever says the same again says nothing. is_back: they had left the room, and follow anew since then.
    new_room_id: for room versions whose ids are not hashes.
    """

    channel_id: str
    account: str
    user_id: str
    content: JsonObject
    txn_id: str
    version: RoomVersion
    new_room_id: str | None
    is_back: bool = False

    def wanted(self) -> Wanted:
        return Wanted()

    async def run(self, batch: RoomBatch) -> str:
        transaction = Transaction(self.account, "", self.txn_id)
        known = await self._said_before(batch, transaction)
        if known is not None:
            return known
        room = await room_with(batch, self)
        draft = Draft(type=MESSAGE, sender=self.account, content=self.content)
        return (await batch.append(room, draft, transaction)).event_id

    async def _said_before(self, batch: RoomBatch, transaction: Transaction) -> str | None:
        """Where they speak, or did until the channel was sent out: whoever got it there gets it nowhere else."""
        room_id = await room_id_of_two(batch, self.account, self.user_id)
        if room_id is None:
            return None
        key = transaction.key(room_id, MESSAGE)
        return batch.sent(key) or await notices.event_of(batch.connection, key)


async def room_with(batch: RoomBatch, wanted: FirstWord) -> WorkingRoom:
    """Their room, with the person in it: who follows has asked to be written to. 403 BONGSU_LEFT if they went."""
    account, user_id = wanted.account, wanted.user_id
    room = await room_of_two(batch, account, user_id)
    if room is None:
        return await _make(batch, wanted)
    await _show(batch, room, account)
    membership = room.membership(user_id)
    if membership == "invite" or (membership == "leave" and wanted.is_back):
        await _bring(batch, room, wanted, is_invited=membership == "invite")
    elif membership != "join":
        raise left()
    return room


_SHOWN: Final = ("membership", "displayname", "avatar_url")
_NEEDED: Final = (POWER_LEVELS, JOIN_RULES)  # all else is as a room without it is: each event is there 100,000 times


async def _make(batch: RoomBatch, wanted: FirstWord) -> WorkingRoom:
    account, version = wanted.account, wanted.version
    named = {FIELD: {"channel_id": wanted.channel_id}}
    options = creation.Options(creation_content=named, power_level_content_override={"invite": 50})
    create = creation.create_draft(version, options, account)
    room = await batch.create_room(version, create, wanted.new_room_id, published=False)
    await join_creator(batch, room, account)
    for draft in creation.drafts_after_join(version, options, account, create, None):
        if draft.type in _NEEDED:
            await batch.append(room, draft)
    batch.rows.statements.append((outbox.SET_ROOM, (account, wanted.user_id, room.room_id)))
    await _bring(batch, room, wanted)
    return room


async def _bring(batch: RoomBatch, room: WorkingRoom, wanted: FirstWord, *, is_invited: bool = False) -> None:
    """Into the room: whoever wants no invitations has asked for this one by following."""
    account, user_id = wanted.account, wanted.user_id
    profile = await people.member_profile(batch.connection, user_id)
    if not is_invited:
        invited = {"membership": "invite", "is_direct": True, **profile}
        await batch.append(room, Draft(type=MEMBER, sender=account, state_key=user_id, content=invited))
    joined = {"membership": "join", **profile}
    await batch.append(room, Draft(type=MEMBER, sender=user_id, state_key=user_id, content=joined))


async def _show(batch: RoomBatch, room: WorkingRoom, account: str) -> None:
    """The channel by the name and picture that it has now."""
    present = room.get(MEMBER, account)
    if present is None or present.content.get("membership") != "join":
        return
    shown = {"membership": "join", **await people.member_profile(batch.connection, account)}
    if shown != {name: value for name, value in present.content.items() if name in _SHOWN}:
        await batch.append(room, Draft(type=MEMBER, sender=account, state_key=account, content=shown))
