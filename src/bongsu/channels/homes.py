"""Channels themselves, under /_bongsu/v1/channels.

POST, GET .                          make one; find some by name (?search=)
GET       /mine                      for which one works
GET, PUT  /{channel_id}              its home; change it · POST /close
GET       /staff · PUT, DELETE /staff/{user_id}
GET, POST /posts · PUT, DELETE /posts/{post_id}
GET       /audit
"""

import secrets
from typing import Any, Final

import msgspec

from bongsu.channels import desk_texts, naming
from bongsu.channels.access import BASE, ONE, channel_for, channel_seen, check_may_begin, closed, locked_for, subject
from bongsu.channels.conversations import Conversations
from bongsu.channels.forms import (
    Appointment,
    Changes,
    ChannelSaid,
    ChannelsSaid,
    Empty,
    Mine,
    NewChannel,
    NewPost,
    PostSaid,
    PostsSaid,
    StaffSaid,
    about_of,
    changed,
    channel_said,
    id_of,
    mine_said,
    picture_of,
    post_said,
    staff_said,
    text_of,
)
from bongsu.channels.leaving import Leaving
from bongsu.core import channels as rules
from bongsu.core import finding, ids, limits, usernames
from bongsu.core.channels import Deed, Role
from bongsu.core.errors import Refusal, forbidden, full, invalid_param, not_found
from bongsu.core.paging import next_token
from bongsu.core.tiers import Tier
from bongsu.http.describing import Described
from bongsu.http.ratelimit import RateLimiter
from bongsu.http.request import Request
from bongsu.http.response import Response, reply
from bongsu.http.router import Auth, Route
from bongsu.store import audit, broadcasts, channel_keys, notices, outbox, people, webhooks
from bongsu.store import channels as table
from bongsu.store.channels import Channel, ChannelPost, Staff
from bongsu.store.database import Connection, Database
from bongsu.store.idempotency import Answer
from bongsu.store.outbox import Post
from bongsu.workflow.chains import QUERY, AuditSaid, audited
from bongsu.workflow.lists import page_of
from bongsu.workflow.writes import Writes

_POST: Final = f"{ONE}/posts/{{post_id}}"
_STAFF: Final = f"{ONE}/staff/{{user_id}}"
_PAGED: Final = ("limit", "from")
_CLOSED: Final = ("BONGSU_CHANNEL_CLOSED",)
_NAMED: Final = {409: ("BONGSU_LOOKS_OFFICIAL", *_CLOSED)}


class Homes:
    """Whoever has an account may make a channel; what is done for one is its staff's (core.channels.MAY)."""

    def __init__(
        self,
        database: Database,
        writes: Writes,
        limiter: RateLimiter,
        conversations: Conversations,
        leaving: Leaving,
        server_name: str,
    ) -> None:
        self._conversations = conversations
        self._leaving = leaving
        self._limiter = limiter
        self._database = database
        self._writes = writes
        self._now_ms = conversations.now_ms
        self._server_name = server_name

    def routes(self) -> list[Route]:
        return [*self._of_channels(), *self._of_staff(), *self._of_posts()]

    def _of_channels(self) -> list[Route]:
        write: dict[str, Any] = {"bucket": "channel", "tier": Tier.SERVICE}
        read: dict[str, Any] = {"bucket": "read", "tier": Tier.SERVICE}
        make = Described("Makes a channel", {201: ChannelSaid}, NewChannel, errors=_NAMED, is_write=True)
        find = Described("Finds channels by name", {200: ChannelsSaid}, query=("search", *_PAGED))
        mine = Described("Those for which one works", {200: ChannelsSaid})
        one = Described("A channel's home", {200: ChannelSaid})
        edit = Described("Changes it", {200: ChannelSaid}, Changes, errors=_NAMED, is_write=True)
        shut = Described("Closes it for ever", {200: ChannelSaid}, is_write=True)
        audited = Described("Who did what for it", {200: AuditSaid}, query=QUERY)
        return [
            Route("POST", BASE, self.make, **write, described=make),
            Route("GET", BASE, self.find, bucket="search", tier=Tier.SERVICE, described=find),
            Route("GET", f"{BASE}/mine", self.mine, **read, described=mine),
            Route("GET", ONE, self.one, Auth.OPTIONAL, **read, described=one),
            Route("PUT", ONE, self.edit, **write, described=edit),
            Route("POST", f"{ONE}/close", self.close, **write, described=shut),
            Route("GET", f"{ONE}/audit", self.audit, **read, described=audited),
        ]

    def _of_staff(self) -> list[Route]:
        write: dict[str, Any] = {"bucket": "channel", "tier": Tier.SERVICE}
        read: dict[str, Any] = {"bucket": "read", "tier": Tier.SERVICE}
        errors = {409: ("BONGSU_LAST_OWNER", *_CLOSED)}
        appoint = Described("Says what somebody is to it", {200: StaffSaid}, Appointment, errors=errors, is_write=True)
        remove = Described("Somebody works for it no more", {200: StaffSaid}, errors=errors, is_write=True)
        return [
            Route("GET", f"{ONE}/staff", self.staff, **read, described=Described("Who works for it", {200: StaffSaid})),
            Route("PUT", _STAFF, self.appoint, **write, described=appoint),
            Route("DELETE", _STAFF, self.dismiss, **write, described=remove),
        ]

    def _of_posts(self) -> list[Route]:
        write: dict[str, Any] = {"bucket": "channel", "tier": Tier.SERVICE}
        read: dict[str, Any] = {"bucket": "read", "tier": Tier.SERVICE}
        errors = {409: _CLOSED}
        listed = Described("Its posts, the newest first", {200: PostsSaid}, query=_PAGED)
        post = Described("Posts something at its home", {201: PostSaid}, NewPost, errors=errors, is_write=True)
        edit = Described("Changes a post", {200: PostSaid}, NewPost, errors=errors, is_write=True)
        remove = Described("Takes a post away", {200: Empty}, errors=errors, is_write=True)
        return [
            Route("GET", f"{ONE}/posts", self.posts, Auth.OPTIONAL, **read, described=listed),
            Route("POST", f"{ONE}/posts", self.post, **write, described=post),
            Route("PUT", _POST, self.edit_post, **write, described=edit),
            Route("DELETE", _POST, self.remove_post, **write, described=remove),
        ]

    # --- channels ---

    async def make(self, request: Request) -> Response:
        form = await request.read(NewChannel)
        check_may_begin(request, "make")
        channel = self._new(form, request.requester.user_id)

        async def work(connection: Connection) -> Answer:
            await table.lock_names(connection)
            await _check_may_own(connection, channel.owner)
            near = await naming.check(connection, channel, self._now_ms())
            await notices.put_speaker(connection, channel.account, channel.name)
            await table.add(connection, channel)
            await self._note(connection, request, channel.channel_id, "made", {"name": channel.name})
            mine = Mine(role=Role.OWNER)
            return Answer(201, channel_said(channel, self._now_ms(), mine=mine, resembles=near))

        return await self._writes.once(request, work)

    def _new(self, form: NewChannel, owner: str) -> Channel:
        channel_id = secrets.token_hex(8)
        account = rules.account_of(channel_id, self._server_name)
        empty = Channel(
            channel_id=channel_id, account=account, owner=owner, name="", skeleton="", created_ts=self._now_ms()
        )
        return changed(empty, Changes(form.name, about_of(form.about), form.avatar, form.hours))

    async def find(self, request: Request) -> Response:
        page = page_of(request)
        said = finding.fold(ids.check_text(request.query.get("search") or "", "search"))
        found = await table.search(self._database, said, rules.skeleton(said), page)
        places = [(channel.followers, channel.channel_id) for channel in found]
        return reply({"channels": await self._said(found), **next_token(page, places)})

    async def _said(self, found: list[Channel]) -> list[dict[str, Any]]:
        marks = await table.marks_of(self._database, [channel.channel_id for channel in found])
        now_ms = self._now_ms()
        return [channel_said(channel, now_ms, marks.get(channel.channel_id)) for channel in found]

    async def mine(self, request: Request) -> Response:
        found = await table.mine(self._database, request.requester.user_id)
        marks = await table.marks_of(self._database, [channel.channel_id for channel, _ in found])
        now_ms = self._now_ms()
        said = [channel_said(each, now_ms, marks.get(each.channel_id), Mine(role=role)) for each, role in found]
        return reply({"channels": said})

    async def one(self, request: Request) -> Response:
        channel = await channel_seen(self._database, request)
        mark = await table.mark_of(self._database, channel.channel_id)
        requester = request.requester_or_none
        mine = None if requester is None else await self._mine(channel, requester.user_id)
        return reply(channel_said(channel, self._now_ms(), mark, mine))

    async def _mine(self, channel: Channel, user_id: str) -> Mine:
        channel_id = channel.channel_id

        async def work(connection: Connection) -> Mine:
            return mine_said(
                await table.agreed(connection, channel_id, user_id),
                await table.role_of(connection, channel_id, user_id),
                await outbox.speaks_in(connection, channel.account, user_id),
                blocked=await table.is_blocked(connection, channel_id, user_id),
                offered=channel.is_offered(user_id, self._now_ms()),
            )

        return await self._database.read(work)

    async def edit(self, request: Request) -> Response:
        form = await request.read(Changes)

        async def work(connection: Connection) -> Answer:
            await table.lock_names(connection)
            before = await locked_for(connection, request, Deed.EDIT)
            channel, now_ms = changed(before, form), self._now_ms()
            near = [] if channel.name == before.name else await naming.check(connection, channel, now_ms)
            await table.set_channel(connection, channel, now_ms)
            if channel.name != before.name and await table.drop_mark(connection, channel.channel_id):
                await self._note(connection, request, channel.channel_id, "mark_lost", {"name": before.name})
            named = [name for name in Changes.__struct_fields__ if getattr(form, name) is not None]
            details = {"changed": named, "name": channel.name}
            await self._note(connection, request, channel.channel_id, "edited", details)
            mark = await table.mark_of(connection, channel.channel_id)
            return Answer(200, channel_said(channel, now_ms, mark, resembles=near))

        return await self._writes.once(request, work)

    async def close(self, request: Request) -> Response:
        """Its owner, or who runs the server: a channel that deceives people is ended."""

        async def work(connection: Connection) -> Answer:
            channel = await locked_for(connection, request, Deed.CLOSE, may_be_closed=True, or_admin=True)
            now_ms = self._now_ms()
            if channel.closed_ts is None:
                await self._end(connection, channel.channel_id, request.requester.user_id, now_ms)
                await self._note(connection, request, channel.channel_id, "closed")
                channel = msgspec.structs.replace(channel, closed_ts=now_ms)
            return Answer(200, channel_said(channel, now_ms))

        return await self._writes.once(request, work)

    async def _end(self, connection: Connection, channel_id: str, who: str, now_ms: int) -> None:
        """What is under way in the name of its staff and programs comes first; then they come in no more."""
        await table.lock_staff(connection, channel_id)
        await channel_keys.revoke_all(connection, channel_id, now_ms)
        await table.close(connection, channel_id, who, now_ms)
        await table.drop_mark(connection, channel_id)
        await webhooks.disable_all(connection, channel_id, "the channel was closed", now_ms)
        await broadcasts.end_all(connection, channel_id, now_ms)

    async def audit(self, request: Request) -> Response:
        page = page_of(request)
        named = subject((await channel_for(self._database, request, Deed.SEE_AUDIT)).channel_id)
        return reply(await audited(self._database, self._limiter, request, named, page))

    # --- staff ---

    async def staff(self, request: Request) -> Response:
        channel = await channel_for(self._database, request, Deed.SEE_STAFF)
        found = await table.staff(self._database, channel.channel_id)
        return reply(staff_said(found, channel, self._now_ms()))

    async def appoint(self, request: Request) -> Response:
        form, user_id = await request.read(Appointment), ids.check_user_id(request.params["user_id"])
        is_owner, is_own = form.role is Role.OWNER, user_id == request.requester.user_id

        async def work(connection: Connection) -> Answer:
            seen = await channel_seen(connection, request)
            if is_owner and is_own and seen.owner != user_id:
                self._check_offered(seen, user_id)
                await self._take_over(connection, request, user_id)
            elif is_owner:
                await self._offer(connection, request, user_id)
            else:
                await self._set_role(connection, request, user_id, form.role)
            return await self._staff(connection, seen.channel_id)

        return await self._writes.once(request, work)

    async def _staff(self, connection: Connection, channel_id: str) -> Answer:
        channel = await table.channel_of(connection, channel_id)
        assert channel is not None  # none is ever deleted
        return Answer(200, staff_said(await table.staff(connection, channel_id), channel, self._now_ms()))

    async def _set_role(self, connection: Connection, request: Request, user_id: str, role: Role) -> None:
        channel = await locked_for(connection, request, Deed.APPOINT)
        if user_id == channel.owner:
            raise Refusal(409, "BONGSU_LAST_OWNER", "a channel has an owner: hand it over to somebody first")
        await self._check_appointed(connection, channel, user_id)
        await table.set_role(connection, channel.channel_id, Staff(user_id, role, self._now_ms()))
        await self._leave_desk(connection, channel.channel_id, user_id, role, request)
        await self._note_role(connection, request, channel, "appointed", user_id, role)

    async def _offer(self, connection: Connection, request: Request, user_id: str) -> None:
        """By its owner or, when their account has ended, by who runs the server. To its owner: to nobody."""
        is_lost = request.requester.is_admin and await self._is_lost(connection, request)
        if not is_lost:
            await channel_for(connection, request, Deed.APPOINT)
        await table.lock_names(connection)  # nobody comes to own too many at once
        channel, now_ms = await locked_for(connection, request, Deed.APPOINT, or_admin=is_lost), self._now_ms()
        if user_id == channel.owner:
            await table.offer(connection, channel.channel_id, None, None)
            if channel.offered_to is not None:
                await self._note_role(connection, request, channel, "offered_no_more", channel.offered_to, Role.OWNER)
            return
        await self._check_appointed(connection, channel, user_id)
        await _check_may_own(connection, user_id)
        is_news = not channel.is_offered(user_id, now_ms)
        await table.offer(connection, channel.channel_id, user_id, now_ms + limits.CHANNEL_OFFER_MS)
        if is_news:
            said = desk_texts.offered(channel.name, channel.channel_id, request.requester.user_id)
            await outbox.put(connection, [Post(sender=self._conversations.sender, user_id=user_id, content=said)])
            await self._note_role(connection, request, channel, "offered", user_id, Role.OWNER)

    async def _take_over(self, connection: Connection, request: Request, user_id: str) -> None:
        check_may_begin(request, "own")
        await table.lock_names(connection)
        channel = await table.lock_channel(connection, id_of(request, "channel_id"))
        assert channel is not None  # none is ever deleted
        self._check_offered(channel, user_id)
        if channel.closed_ts is not None:
            raise closed()
        await self._check_appointed(connection, channel, user_id)
        await _check_may_own(connection, user_id)
        await table.hand_over(connection, channel, user_id, self._now_ms())
        await self._leave_desk(connection, channel.channel_id, channel.owner, Role.EDITOR, request)
        await self._note_role(connection, request, channel, "appointed", user_id, Role.OWNER)

    def _check_offered(self, channel: Channel, user_id: str) -> None:
        if not channel.is_offered(user_id, self._now_ms()):
            raise forbidden("nobody has offered you this channel")

    async def _note_role(
        self, connection: Connection, request: Request, channel: Channel, action: str, user_id: str, role: Role
    ) -> None:
        await self._note(connection, request, channel.channel_id, action, {"user_id": user_id, "role": role.value})

    async def _is_lost(self, connection: Connection, request: Request) -> bool:
        """Has its owner no account any more? Then who runs the server hands it to somebody."""
        return not await people.exists(connection, (await channel_seen(connection, request)).owner)

    async def _leave_desk(
        self, connection: Connection, channel_id: str, user_id: str, role: Role | None, request: Request
    ) -> None:
        """Customers do not wait for somebody who answers no more.

        After the role is taken away, which waits for what is done by it.
        """
        if not rules.may(role, Deed.DESK):
            await self._leaving.lose_agent(connection, channel_id, user_id, request.requester.user_id)

    async def _check_appointed(self, connection: Connection, channel: Channel, user_id: str) -> None:
        """Who has blocked the channel has said that they want nothing of it."""
        channel_id = channel.channel_id
        if not await table.can_work(connection, user_id) or usernames.is_servers(user_id):
            raise not_found(f"there is no {user_id} here")
        if await table.is_blocked(connection, channel_id, user_id):
            raise forbidden(f"{user_id} cannot be appointed")
        if await table.role_of(connection, channel_id, user_id) is not None:
            return
        if len(await table.staff(connection, channel_id)) >= limits.CHANNEL_STAFF_MAX:
            raise full(f"{limits.CHANNEL_STAFF_MAX} people work for it already")
        if await table.works_for_count(connection, user_id) >= limits.CHANNELS_WORKED_FOR_MAX:
            raise full(f"{user_id} works for as many channels as one may")

    async def dismiss(self, request: Request) -> Response:
        """Who works for it may leave, and the owner dismisses others."""
        user_id = ids.check_user_id(request.params["user_id"])
        deed = Deed.SEE_STAFF if user_id == request.requester.user_id else Deed.APPOINT

        async def work(connection: Connection) -> Answer:
            channel = await locked_for(connection, request, deed)
            if user_id == channel.owner:
                raise Refusal(409, "BONGSU_LAST_OWNER", "a channel has an owner: hand it over to somebody first")
            await table.remove_role(connection, channel.channel_id, user_id)
            await self._leave_desk(connection, channel.channel_id, user_id, None, request)
            if channel.offered_to == user_id:
                await table.offer(connection, channel.channel_id, None, None)
            await self._note(connection, request, channel.channel_id, "dismissed", {"user_id": user_id})
            return await self._staff(connection, channel.channel_id)

        return await self._writes.once(request, work)

    # --- posts ---

    async def posts(self, request: Request) -> Response:
        page = page_of(request)
        channel = await channel_seen(self._database, request)
        found = await table.posts(self._database, channel.channel_id, page)
        places = [(post.made_ts, post.post_id) for post in found]
        return reply({"posts": [post_said(post) for post in found], **next_token(page, places)})

    async def post(self, request: Request) -> Response:
        form = _checked(await request.read(NewPost))

        async def work(connection: Connection) -> Answer:
            channel = await locked_for(connection, request, Deed.POST)
            if await table.posts_count(connection, channel.channel_id) >= limits.CHANNEL_POSTS_MAX:
                most = limits.CHANNEL_POSTS_MAX
                raise full(f"a channel has at most {most} posts: take some away")
            post = ChannelPost(
                f"p{secrets.token_hex(8)}",
                channel.channel_id,
                request.requester.user_id,
                form.title,
                form.body,
                form.picture,
                self._now_ms(),
            )
            await table.put_post(connection, post)
            await self._note(connection, request, channel.channel_id, "posted", {"post_id": post.post_id})
            return Answer(201, post_said(post))

        return await self._writes.once(request, work)

    async def edit_post(self, request: Request) -> Response:
        form = _checked(await request.read(NewPost))

        async def work(connection: Connection) -> Answer:
            channel, before = await self._own_post(connection, request)
            post = msgspec.structs.replace(
                before, title=form.title, body=form.body, picture=form.picture, edited_ts=self._now_ms()
            )
            await table.put_post(connection, post)
            await self._note(connection, request, channel.channel_id, "post_edited", {"post_id": post.post_id})
            return Answer(200, post_said(post))

        return await self._writes.once(request, work)

    async def remove_post(self, request: Request) -> Response:
        async def work(connection: Connection) -> Answer:
            channel, post = await self._own_post(connection, request)
            await table.remove_post(connection, post.post_id)
            await self._note(connection, request, channel.channel_id, "post_removed", {"post_id": post.post_id})
            return Answer(200, {})

        return await self._writes.once(request, work)

    async def _own_post(self, connection: Connection, request: Request) -> tuple[Channel, ChannelPost]:
        channel = await locked_for(connection, request, Deed.POST)
        post = await table.post_of(connection, channel.channel_id, id_of(request, "post_id"))
        if post is None:
            raise not_found("the channel has no such post")
        return channel, post

    async def _note(
        self,
        connection: Connection,
        request: Request,
        channel_id: str,
        action: str,
        details: dict[str, Any] | None = None,
    ) -> None:
        deed = audit.Deed(request.requester.user_id, action, details or {})
        await audit.add(connection, subject(channel_id), [deed], self._now_ms())


def _checked(form: NewPost) -> NewPost:
    title = text_of(form.title, "title", limits.CHANNEL_TITLE_CHARACTERS_MAX, may_be_empty=True)
    if "\n" in title:
        raise invalid_param("title is one line of text")
    return NewPost(text_of(form.body, "body", limits.CHANNEL_POST_CHARACTERS_MAX), title, picture_of(form.picture))


async def _check_may_own(connection: Connection, user_id: str) -> None:
    """A channel that is closed counts, too: its home, account and audit stay."""
    is_open, ever = await table.owned_counts(connection, user_id)
    if is_open >= limits.CHANNELS_OWNED_MAX:
        raise full(f"one person has at most {limits.CHANNELS_OWNED_MAX} channels that are open")
    if ever >= limits.CHANNELS_EVER_OWNED_MAX:
        raise full(f"one person has at most {limits.CHANNELS_EVER_OWNED_MAX} channels, those included that are closed")
