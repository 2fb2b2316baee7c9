"""Who comes to a channel: a person of its staff with their token, or one of its programs with a scoped key."""

from collections.abc import Callable
from contextlib import suppress
from typing import Final

import msgspec

from bongsu.channels.access import channel_for, channel_seen, closed
from bongsu.channels.forms import id_of
from bongsu.core.channels import Deed, Role
from bongsu.core.desk import Actor
from bongsu.core.errors import Refusal, forbidden
from bongsu.core.moderation import suspended
from bongsu.core.scopes import Scope
from bongsu.http.app import token_of
from bongsu.http.authentication import token_hash
from bongsu.http.ratelimit import RateLimiter
from bongsu.http.request import Query, Request
from bongsu.store import channel_keys
from bongsu.store import channels as table
from bongsu.store.channel_keys import ChannelKey
from bongsu.store.channels import Channel
from bongsu.store.database import Connection, Database, end_when_silent

_MINUTE_MS: Final = 60_000


class Visitor(msgspec.Struct, frozen=True, kw_only=True):
    """name: as the audit calls it, a user id or "key/…". role: None for a program."""

    channel: Channel
    name: str
    role: Role | None = None

    @property
    def is_program(self) -> bool:
        return self.role is None

    @property
    def actor(self) -> Actor:
        return Actor(self.name, is_lead=self.role is Role.OWNER)


class Doors:
    """enter() first, and enter_to_change() in a write's transaction: what was revoked meanwhile opens nothing.

    For routes with Auth.KEYED. Their rate limits are spent here, as only here it is known whose key it is.
    """

    def __init__(self, database: Database, limiter: RateLimiter, now_ms: Callable[[], int]) -> None:
        self._database = database
        self._limiter = limiter
        self._now_ms = now_ms
        self._noted: dict[str, int] = {}

    async def enter(self, request: Request, deed: Deed, scope: Scope | None = None, *, bucket: str = "desk") -> Visitor:
        """deed: what people must be allowed to do; scope: what a key must be good for, None: it is not for programs."""
        requester = request.requester_or_none
        if requester is not None:
            await self._limiter.spend(bucket, requester, request.client)
            return await self._person(self._database, request, deed)
        await self._limiter.spend("channel_key_try", None, request.client)
        key = await self._key(request, scope)
        await self._limiter.spend_for("channel_key", key.key_id)
        await self._note_used(key)
        return Visitor(channel=await channel_seen(self._database, request), name=f"key/{key.key_id}")

    async def enter_to_change(
        self,
        connection: Connection,
        request: Request,
        deed: Deed,
        scope: Scope | None = None,
        *,
        is_alone: bool = False,
        may_be_closed: bool = False,
        also: str | None = None,
    ) -> Visitor:
        """In the transaction, before it locks anything else. Until its end the channel stays open, and nobody takes the
        visitor's role or key away.

        is_alone: nobody else changes the channel's own things meanwhile. also: somebody who keeps their role, too.
        """
        await end_when_silent(connection)
        if is_alone:
            await table.lock_channel(connection, id_of(request, "channel_id"))
        if request.requester_or_none is not None:
            if request.requester.is_suspended:
                raise suspended()
            held = (request.requester.user_id,) if also is None else (request.requester.user_id, also)
            await table.hold_roles(connection, id_of(request, "channel_id"), *held)
            visitor = await self._person(connection, request, deed)
        else:
            key = await self._key_in(connection, request, scope)
            if not await channel_keys.hold(connection, key.key_id):
                raise _no_key()
            visitor = Visitor(channel=await channel_seen(connection, request), name=f"key/{key.key_id}")
        if visitor.channel.closed_ts is not None and not may_be_closed:
            raise closed()
        return visitor

    async def _person(self, reads: Database | Connection, request: Request, deed: Deed) -> Visitor:
        channel = await channel_for(reads, request, deed)
        user_id = request.requester.user_id
        role = await table.role_of(reads, channel.channel_id, user_id)
        if role is None:  # gone between the two looks
            raise forbidden("this is for those who work for the channel")
        return Visitor(channel=channel, name=user_id, role=role)

    async def _key(self, request: Request, scope: Scope | None) -> ChannelKey:
        return await self._key_in(self._database, request, scope)

    async def _key_in(self, reads: Database | Connection, request: Request, scope: Scope | None) -> ChannelKey:
        token = token_of(dict(request.headers), Query(b""))  # an address with a key in it would stand in logs
        key = None if token is None else await channel_keys.by_secret(reads, token_hash(token))
        if key is None:
            raise _no_key()
        if key.channel_id != request.params["channel_id"]:
            raise forbidden("this key is another channel's")
        if scope is None:
            raise forbidden("this is for people who work for the channel, not for its programs")
        if scope.value not in key.scopes:
            raise forbidden(f"this key lacks the scope {scope.value}")
        return key

    async def _note_used(self, key: ChannelKey) -> None:
        """It is a hint to people: what cannot be written is left out."""
        now_ms = self._now_ms()
        if now_ms - max(key.used_ts or 0, self._noted.get(key.key_id, 0)) < _MINUTE_MS:
            return
        self._noted = {key_id: at for key_id, at in self._noted.items() if now_ms - at < _MINUTE_MS}
        self._noted[key.key_id] = now_ms
        if self._database.has_primary:
            with suppress(Refusal):
                await channel_keys.used(self._database, key.key_id, now_ms)


def _no_key() -> Refusal:
    return Refusal(401, "M_UNKNOWN_TOKEN", "this key opens nothing: it was revoked, or never given")
