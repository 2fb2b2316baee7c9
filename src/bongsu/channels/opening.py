"""A customer begins: POST /_bongsu/v1/channels/{channel_id}/conversation, or an invitation to the channel's account.

One room for the two. Whoever invites the account from any Matrix client gets the room that they made, if they have no
other one with the channel; a channel has no keys, so an encrypted one is turned down, and they are told so in the open.
"""

from collections.abc import Callable

import msgspec
import structlog

from bongsu.channels import desk_texts
from bongsu.channels.access import ONE, channel_seen, closed
from bongsu.channels.desk_forms import Opened
from bongsu.channels.hearing import Listener
from bongsu.channels.rooms import FirstWord, room_with
from bongsu.core import limits, versions
from bongsu.core.errors import Refusal, forbidden
from bongsu.core.events import ENCRYPTION, MEMBER, Event, membership_of
from bongsu.core.moderation import suspended
from bongsu.core.tiers import Tier
from bongsu.core.usernames import CHANNEL
from bongsu.http.describing import Described
from bongsu.http.request import Request
from bongsu.http.response import Response, reply
from bongsu.http.router import Route
from bongsu.rooms.batch import RoomBatch
from bongsu.rooms.membership import Invite, Join, Leave
from bongsu.rooms.room import WorkingRoom
from bongsu.store import channel_hearing, desk, events, outbox
from bongsu.store import channels as table
from bongsu.store.batch import Wanted, undoable
from bongsu.store.channel_hearing import Heard
from bongsu.store.channels import Channel
from bongsu.store.committer import Committer
from bongsu.store.database import Database
from bongsu.store.feed import Feed
from bongsu.store.outbox import Post
from bongsu.store.rows import Segment
from bongsu.workflow.rounds import Rounds

log = structlog.get_logger(__name__)


class OpenRoom(FirstWord, frozen=True, kw_only=True):
    """The room of the two, with the person in it, also when they had left it. The result is its id."""

    async def run(self, batch: RoomBatch) -> str:
        room_id = await outbox.room_with(batch.connection, self.account, self.user_id)
        if room_id is not None:
            room = await batch.room(room_id)
            await batch.know_members(room, [self.user_id])
            if room.membership(self.user_id) == "leave":
                target = self.user_id
                await Invite(room_id=room_id, sender=self.account, target=target, is_direct=True).run(batch)
                await Join(room_id=room_id, sender=target, target=target).run(batch)
        return (await room_with(batch, self)).room_id


class AnswerInvitation(msgspec.Struct, frozen=True, kw_only=True):
    """What a channel's account does about it. True: it came in.

    listener: hears what the customer has said there before, in this very commit.
    """

    room_id: str
    account: str
    listener: Listener

    def wanted(self) -> Wanted:
        return Wanted([self.room_id], [(self.room_id, self.account)])

    async def run(self, batch: RoomBatch) -> bool:
        return await undoable(batch.connection, lambda: self._run(batch))

    async def _run(self, batch: RoomBatch) -> bool:
        room = await batch.room(self.room_id)
        await batch.know_members(room, [self.account])
        invitation = room.get(MEMBER, self.account)
        if invitation is None or membership_of(invitation) != "invite":
            return False
        customer = invitation.sender
        channel = await table.by_account(batch.connection, self.account)
        if channel is None or not await self._is_welcome(batch, room, channel, customer):
            await Leave(room_id=self.room_id, sender=self.account, target=self.account).run(batch)
            return False
        await self._hear(batch, channel, customer)
        batch.rows.statements.append((outbox.SET_ROOM, (self.account, customer, self.room_id)))
        await Join(room_id=self.room_id, sender=self.account, target=self.account).run(batch)
        return True

    async def _is_welcome(self, batch: RoomBatch, room: WorkingRoom, channel: Channel, customer: str) -> bool:
        """A conversation that can be read, of nobody else, the first with a channel that is there for them."""
        is_small = room.base is not None and room.base.joined_count == 1 and room.base.invited_count <= 1
        if channel.closed_ts is not None or not is_small:
            return False
        if await table.is_blocked(batch.connection, channel.channel_id, customer):
            return False
        if room.get(ENCRYPTION) is not None:
            said = desk_texts.text(desk_texts.SEALED)
            await outbox.put(batch.connection, [Post(sender=self.account, user_id=customer, content=said)])
            return False
        return not await self._have_another(batch, customer)

    async def _have_another(self, batch: RoomBatch, customer: str) -> bool:
        room_id = await outbox.room_with(batch.connection, self.account, customer)
        if room_id is None or room_id == self.room_id:
            return False
        room = await batch.room(room_id)
        await batch.know_members(room, [customer])
        return room.membership(customer) in ("join", "invite")

    async def _hear(self, batch: RoomBatch, channel: Channel, customer: str) -> None:
        """The room is one of the two from this commit on, so nobody else hears what stands before it."""
        count = limits.DESK_INVITED_MAX
        before = await events.page(
            batch.connection, self.room_id, after=0, up_to=limits.INTEGER_MAX, newest_first=True, count=count
        )
        now = [stored.event for stored in batch.rows.events if stored.event.room_id == self.room_id]
        said = [*reversed(before), *now]
        heard = [Heard(channel.channel_id, self.account, customer, each) for each in said if each.sender == customer]
        await self.listener(batch.connection, heard)
        await desk.move_to(batch.connection, channel.channel_id, customer, self.room_id)


class Beginnings:
    """run() for ever; apply() is the feed's. listener: see AnswerInvitation; after: something was put in the outbox."""

    def __init__(
        self,
        database: Database,
        feed: Feed,
        committer: Committer,
        new_room_id: Callable[[], str],
        listener: Listener,
        is_pressed: Callable[[], bool],
        after: Callable[[], None],
    ) -> None:
        self._database = database
        self._feed = feed
        self._committer = committer
        self._new_room_id = new_room_id
        self._listener = listener
        self._is_pressed = is_pressed
        self._after = after
        self._rounds = Rounds("channels_answer_later", limits.DESK_INVITED_SECONDS)

    def routes(self) -> list[Route]:
        errors = {403: ("BONGSU_BLOCKED",), 409: ("BONGSU_CHANNEL_CLOSED",)}
        told = Described("The room in which one writes to it", {200: Opened}, errors=errors, is_write=True)
        return [Route("POST", f"{ONE}/conversation", self.open, bucket="channel", tier=Tier.SERVICE, described=told)]

    async def open(self, request: Request) -> Response:
        """It comes to the same end as often as it is asked."""
        requester = request.requester
        if requester.is_suspended or requester.is_guest:
            raise suspended() if requester.is_suspended else forbidden("guests write to no channels")
        channel = await channel_seen(self._database, request)
        if channel.closed_ts is not None:
            raise closed()
        if await table.is_blocked(self._database, channel.channel_id, requester.user_id):
            raise Refusal(403, "BONGSU_BLOCKED", "you have blocked this channel: unblock it first")
        version = versions.version(versions.DEFAULT)
        opening = OpenRoom(
            channel_id=channel.channel_id,
            account=channel.account,
            user_id=requester.user_id,
            content={},
            txn_id="",
            version=version,
            new_room_id=None if version.room_id_is_hash else self._new_room_id(),
        )
        return reply({"room_id": await self._committer.submit(opening)})

    # --- invitations ---

    def apply(self, segment: Segment) -> None:
        if any(map(_invites_a_channel, segment.events)):
            self._rounds.hurry()

    async def run(self) -> None:
        """All workers look; a second answer finds no invitation."""
        await self._rounds.run(self._answer_all)

    async def _answer_all(self) -> None:
        if self._is_pressed() or not self._database.has_primary:
            return
        for room_id, account in await channel_hearing.invitations(self._database, limits.DESK_INVITED_MAX):
            answer = AnswerInvitation(room_id=room_id, account=account, listener=self._listener)
            try:
                await self._committer.submit(answer)
            except Refusal as refusal:
                log.warning("invitation_not_answered", room_id=room_id, why=refusal.message)
        self._after()


def _invites_a_channel(event: Event) -> bool:
    is_channel = event.type == MEMBER and event.state_key is not None and event.state_key.startswith(f"@{CHANNEL}")
    return is_channel and membership_of(event) == "invite"
