"""Keys of a channel's programs, under /_bongsu/v1/channels/{channel_id}/keys.

POST, GET . · DELETE /{key_id}

The secret is told once, with the first answer. What is stored for a repeated request lacks it, as it is stored nowhere.
"""

import secrets
from typing import Any, Final

import msgspec

from bongsu.channels.access import ONE
from bongsu.channels.conversations import Conversations, has_bot
from bongsu.channels.doors import Doors
from bongsu.channels.forms import Empty, id_of, text_of
from bongsu.channels.leaving import Leaving
from bongsu.core import limits, scopes
from bongsu.core.channels import Deed
from bongsu.core.errors import full, not_found
from bongsu.core.paging import next_token
from bongsu.core.tiers import Tier
from bongsu.http.authentication import token_hash
from bongsu.http.describing import Described
from bongsu.http.request import Request
from bongsu.http.response import Response, reply
from bongsu.http.router import Auth, Route
from bongsu.store import channel_keys as table
from bongsu.store.channel_keys import ChannelKey
from bongsu.store.database import Connection, Database
from bongsu.store.idempotency import Answer
from bongsu.workflow.lists import page_of
from bongsu.workflow.writes import Writes

_KEYS: Final = f"{ONE}/keys"
_KEY: Final = f"{_KEYS}/{{key_id}}"


class NewKey(msgspec.Struct):
    """scopes: templates:send, desk:bot, webhooks:manage."""

    name: str
    scopes: list[str]


class KeySaid(msgspec.Struct, omit_defaults=True, kw_only=True):
    """secret: told once. used_ts: within a minute or so."""

    key_id: str
    name: str
    scopes: list[str]
    made_by: str
    made_ts: int
    used_ts: int | None = None
    revoked_ts: int | None = None
    secret: str | None = None


class KeysSaid(msgspec.Struct):
    keys: list[KeySaid]
    next_batch: str | None = None


class Keys:
    """For a channel's owner."""

    def __init__(
        self, database: Database, doors: Doors, writes: Writes, conversations: Conversations, leaving: Leaving
    ) -> None:
        self._database = database
        self._doors = doors
        self._writes = writes
        self._conversations = conversations
        self._leaving = leaving
        self._now_ms = conversations.now_ms

    def routes(self) -> list[Route]:
        errors = {409: ("BONGSU_CHANNEL_CLOSED",)}
        listed = Described("Keys of its programs", {200: KeysSaid}, query=("limit", "from"))
        make = Described("Makes a key, whose secret is told once", {201: KeySaid}, NewKey, errors=errors, is_write=True)
        revoke = Described("It opens nothing any more", {200: Empty}, is_write=True)
        return [
            Route("GET", _KEYS, self.all, Auth.KEYED, None, Tier.SERVICE, listed),
            Route("POST", _KEYS, self.make, Auth.KEYED, None, Tier.SERVICE, make),
            Route("DELETE", _KEY, self.revoke, Auth.KEYED, None, Tier.SERVICE, revoke),
        ]

    async def all(self, request: Request) -> Response:
        page = page_of(request)
        channel = (await self._doors.enter(request, Deed.KEYS)).channel
        found = await table.keys(self._database, channel.channel_id, page)
        places = [(each.made_ts, each.key_id) for each in found]
        return reply({"keys": [_said(each) for each in found], **next_token(page, places)})

    async def make(self, request: Request) -> Response:
        visitor = await self._doors.enter(request, Deed.KEYS)
        form = await request.read(NewKey)
        name = text_of(form.name, "name", limits.CHANNEL_KEY_NAME_CHARACTERS_MAX)
        wanted = scopes.check_scopes(form.scopes)
        secret = f"{scopes.KEY_PREFIX}{secrets.token_urlsafe(32)}"
        key_id = secrets.token_hex(8)

        async def work(connection: Connection) -> Answer:
            inside = await self._doors.enter_to_change(connection, request, Deed.KEYS, is_alone=True)
            channel_id = inside.channel.channel_id
            if await table.count(connection, channel_id) >= limits.CHANNEL_KEYS_MAX:
                raise full(f"a channel has at most {limits.CHANNEL_KEYS_MAX} keys")
            key = ChannelKey(
                key_id=key_id,
                channel_id=channel_id,
                name=name,
                scopes=wanted,
                made_by=inside.name,
                made_ts=self._now_ms(),
            )
            await table.add(connection, key, token_hash(secret))
            details = {"key_id": key_id, "scopes": " ".join(wanted)}
            await self._conversations.note(connection, channel_id, inside.name, "key.made", **details)
            return Answer(201, _said(key))

        return await self._writes.once_with(request, work, {"key_id": key_id}, {"secret": secret}, whose=visitor.name)

    async def revoke(self, request: Request) -> Response:
        """When it was the last of a bot, people see to what the bot had."""
        key_id = id_of(request, "key_id")
        visitor = await self._doors.enter(request, Deed.KEYS)

        async def work(connection: Connection) -> Answer:
            inside = await self._doors.enter_to_change(connection, request, Deed.KEYS, may_be_closed=True)
            channel_id = inside.channel.channel_id
            if await table.key_of(connection, channel_id, key_id) is None:
                raise not_found("the channel has no such key")
            if await table.revoke(connection, channel_id, key_id, self._now_ms()):
                if not await has_bot(connection, channel_id):
                    await self._leaving.lose_bot(connection, channel_id, inside.name)
                await self._conversations.note(connection, channel_id, inside.name, "key.revoked", key_id=key_id)
            return Answer(200, {})

        return await self._writes.once(request, work, whose=visitor.name)


def _said(key: ChannelKey) -> dict[str, Any]:
    said = KeySaid(
        key_id=key.key_id,
        name=key.name,
        scopes=key.scopes,
        made_by=key.made_by,
        made_ts=key.made_ts,
        used_ts=key.used_ts,
        revoked_ts=key.revoked_ts,
    )
    return dict(msgspec.to_builtins(said))
