"""A customer begins: POST /_bongsu/v1/channels/{channel_id}/conversation, or an invitation to the channel's account.

One room for the two. Whoever invites the account from any Matrix client gets the room that they made, if they have no
other one with the channel; a channel has no keys, so an encrypted one is turned down, and they are told so in the open.
"""

import asyncio
import time
from collections.abc import Callable

import msgspec
import structlog

from bongsu.channels import desk_texts
from bongsu.channels.access import ONE, channel_seen, closed
from bongsu.channels.desk_forms import Opened
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
from bongsu.store import channel_hearing, outbox
from bongsu.store import channels as table
from bongsu.store.batch import Wanted
from bongsu.store.channel_hearing import Invitation
from bongsu.store.channels import Channel
from bongsu.store.committer import Committer
from bongsu.store.database import Database
from bongsu.store.feed import Feed
from bongsu.store.outbox import Post
from bongsu.store.rows import Segment
from bongsu.workflow.posting import check_heard, room_id_of_two, room_of_two
from bongsu.workflow.rounds import Rounds

log = structlog.get_logger(__name__)


class OpenRoom(FirstWord, frozen=True, kw_only=True):
    """The room of the two, with the person in it, also when they had left it. The result is its id."""

    async def run(self, batch: RoomBatch) -> str:
        room = await room_of_two(batch, self.account, self.user_id)
        if room is not None and room.membership(self.user_id) == "leave":
            room_id, target = room.room_id, self.user_id
            await Invite(room_id=room_id, sender=self.account, target=target, is_direct=True).run(batch)
            await Join(room_id=room_id, sender=target, target=target).run(batch)
        return (await room_with(batch, self)).room_id


class AnswerInvitation(msgspec.Struct, frozen=True, kw_only=True):
    """What a channel's account does about it. True: it came in, and what was said there before is heard next."""

    room_id: str
    account: str

    def wanted(self) -> Wanted:
        return Wanted([self.room_id], [(self.room_id, self.account)])

    async def run(self, batch: RoomBatch) -> bool:
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
        before = await room_id_of_two(batch, self.account, customer)
        if before is not None and before != self.room_id:
            await check_heard(batch, before)
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
            said = Post(sender=self.account, user_id=customer, content=desk_texts.text(desk_texts.SEALED))
            batch.rows.statements.append((outbox.PUT, outbox.values(said)))
            return False
        return not await self._have_another(batch, customer)

    async def _have_another(self, batch: RoomBatch, customer: str) -> bool:
        room = await room_of_two(batch, self.account, customer)
        return room is not None and room.room_id != self.room_id and room.membership(customer) in ("join", "invite")


class Beginnings:
    """run() for ever; apply() is the feed's. after: something was put in the outbox."""

    def __init__(
        self,
        database: Database,
        feed: Feed,
        committer: Committer,
        new_room_id: Callable[[], str],
        is_pressed: Callable[[], bool],
        after: Callable[[], None],
    ) -> None:
        self._database = database
        self._feed = feed
        self._committer = committer
        self._new_room_id = new_room_id
        self._is_pressed = is_pressed
        self._after = after
        self._rounds = Rounds("channels_answer_later", limits.DESK_INVITED_SECONDS)
        self._answered_to = 0
        self._failed: dict[Invitation, float] = {}

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

    async def _answer_all(self) -> bool:
        """Some of them. True: there may be more behind. One that cannot be answered holds up none of those."""
        if self._is_pressed() or not self._database.has_primary:
            return False
        most = limits.DESK_INVITED_MAX
        found = await channel_hearing.invitations(self._database, self._answered_to, most)
        now = time.monotonic()
        self._failed = {each: until for each, until in self._failed.items() if until > now}
        for each in found:
            if each not in self._failed:
                await self._answer(each)
        self._answered_to = found[-1].pos if len(found) == most else 0
        self._after()
        return len(found) == most

    async def _answer(self, invitation: Invitation) -> None:
        try:
            await self._committer.submit(AnswerInvitation(room_id=invitation.room_id, account=invitation.account))
        except Exception as error:
            is_final = not isinstance(error, Refusal) or (error.status < 500 and error.status != 429)
            log.warning("invitation_not_answered", room_id=invitation.room_id, error=repr(error))
            if not is_final:
                asyncio.get_running_loop().call_later(limits.DUE_LOOK_SECONDS, self._rounds.hurry)
            elif len(self._failed) < limits.DESK_INVITED_FAILED_MAX:
                self._failed[invitation] = time.monotonic() + limits.DESK_INVITED_AGAIN_SECONDS


def _invites_a_channel(event: Event) -> bool:
    is_channel = event.type == MEMBER and event.state_key is not None and event.state_key.startswith(f"@{CHANNEL}")
    return is_channel and membership_of(event) == "invite"
