"""Where a channel's programs are told what happens, under /_bongsu/v1/channels/{channel_id}/webhooks.

POST, GET .
GET, PUT, DELETE /{endpoint_id}
POST /{endpoint_id}/rotate      a new secret, beside which that of before signs for a while
POST /{endpoint_id}/ping        something to be told, at once
POST /{endpoint_id}/enable      after it was disabled; what it is owed is told

Signed after the Standard Webhooks specification. A secret is told when it is made, and not again.
"""

import secrets
from typing import Any, Final

import msgspec

from bongsu.channels.access import ONE
from bongsu.channels.conversations import Conversations
from bongsu.channels.doors import Doors, Visitor
from bongsu.channels.forms import Empty, id_of
from bongsu.core import limits, webhooks
from bongsu.core.channels import Deed
from bongsu.core.errors import Refusal, full, invalid_param, not_found
from bongsu.core.paging import next_token
from bongsu.core.scopes import Scope
from bongsu.core.tiers import Tier
from bongsu.core.webhooks import Type
from bongsu.http.describing import Described
from bongsu.http.request import Request
from bongsu.http.response import Response, reply
from bongsu.http.router import Auth, Handler, Route
from bongsu.store import webhooks as table
from bongsu.store.database import Connection, Database
from bongsu.store.idempotency import Answer
from bongsu.store.webhooks import Endpoint
from bongsu.workflow.lists import page_of
from bongsu.workflow.writes import Writes

_ALL: Final = f"{ONE}/webhooks"
_ONE: Final = f"{_ALL}/{{endpoint_id}}"
_KEY: Final = Scope.WEBHOOKS_MANAGE


class NewEndpoint(msgspec.Struct):
    """types: what it is told; none: all."""

    url: str
    types: list[str] = []


class Rotation(msgspec.Struct):
    """overlap_ms: how long the secret of before signs, too; 0 when it may be known to others."""

    overlap_ms: int = limits.WEBHOOK_ROTATION_MS


class EndpointSaid(msgspec.Struct, omit_defaults=True, kw_only=True):
    """owed: what waits to be told. failing_since: nothing was taken since then; secret: told once; rotation: its id."""

    endpoint_id: str
    url: str
    types: list[str]
    made_by: str
    made_ts: int
    owed: int
    taken_ts: int | None = None
    failing_since: int | None = None
    last_failure: str = ""
    disabled_ts: int | None = None
    disabled_why: str = ""
    old_secret_until: int | None = None
    rotation: str | None = None
    secret: str | None = None


class EndpointsSaid(msgspec.Struct):
    endpoints: list[EndpointSaid]
    next_batch: str | None = None


class Pinged(msgspec.Struct):
    webhook_id: str


class Webhooks:
    """For a channel's owner, and for programs with the scope."""

    def __init__(
        self, database: Database, doors: Doors, writes: Writes, conversations: Conversations, *, allows_private: bool
    ) -> None:
        self._database = database
        self._doors = doors
        self._writes = writes
        self._conversations = conversations
        self._now_ms = conversations.now_ms
        self._allows_private = allows_private

    def routes(self) -> list[Route]:
        one = {200: EndpointSaid}
        listed: tuple[tuple[str, str, Handler, Described], ...] = (
            ("GET", _ALL, self.all, Described("Where it is told", {200: EndpointsSaid}, query=("limit", "from"))),
            ("GET", _ONE, self.one, Described("One of them, and how it goes", one)),
            ("POST", _ALL, self.make, _write("Adds one, whose secret is told once", {201: EndpointSaid}, NewEndpoint)),
            ("PUT", _ONE, self.edit, _write("Changes it", one, NewEndpoint)),
            ("DELETE", _ONE, self.remove, _write("Drops it, with all that it is owed", {200: Empty})),
            ("POST", f"{_ONE}/rotate", self.rotate, _write("A new secret", one, Rotation)),
            ("POST", f"{_ONE}/enable", self.enable, _write("It is told again", one)),
            ("POST", f"{_ONE}/ping", self.ping, _write("Something to be told", {202: Pinged})),
        )
        return [Route(method, at, each, Auth.KEYED, None, Tier.SERVICE, told) for method, at, each, told in listed]

    # --- reads ---

    async def all(self, request: Request) -> Response:
        page = page_of(request)
        channel = (await self._doors.enter(request, Deed.WEBHOOKS, _KEY)).channel
        found = await table.endpoints(self._database, channel.channel_id, page)
        owed = await table.owed(self._database, [each.endpoint_id for each in found])
        places = [(each.made_ts, each.endpoint_id) for each in found]
        said = [self._said(each, owed.get(each.endpoint_id, 0)) for each in found]
        return reply({"endpoints": said, **next_token(page, places)})

    async def one(self, request: Request) -> Response:
        channel = (await self._doors.enter(request, Deed.WEBHOOKS, _KEY)).channel
        found = await table.endpoint(self._database, channel.channel_id, id_of(request, "endpoint_id"))
        if found is None:
            raise no_endpoint()
        owed = await table.owed(self._database, [found.endpoint_id])
        return reply(self._said(found, owed.get(found.endpoint_id, 0)))

    def _said(self, found: Endpoint, owed: int) -> dict[str, Any]:
        said = EndpointSaid(
            endpoint_id=found.endpoint_id,
            url=found.url,
            types=found.types,
            made_by=found.made_by,
            made_ts=found.made_ts,
            owed=owed,
            taken_ts=found.taken_ts,
            failing_since=found.failing_ts,
            last_failure=found.last_why,
            disabled_ts=found.disabled_ts,
            disabled_why=found.disabled_why,
            old_secret_until=found.old_until if len(found.secrets(self._now_ms())) > 1 else None,
        )
        return dict(msgspec.to_builtins(said))

    # --- writes ---

    async def make(self, request: Request) -> Response:
        visitor = await self._doors.enter(request, Deed.WEBHOOKS, _KEY)
        form = self._checked(await request.read(NewEndpoint))
        secret, endpoint_id = webhooks.secret(secrets.token_bytes(webhooks.SECRET_BYTES)), f"w{secrets.token_hex(8)}"

        async def work(connection: Connection) -> Answer:
            inside = await self._doors.enter_to_change(connection, request, Deed.WEBHOOKS, _KEY, is_alone=True)
            channel_id = inside.channel.channel_id
            if await table.count(connection, channel_id) >= limits.WEBHOOKS_MAX:
                raise full(f"a channel has at most {limits.WEBHOOKS_MAX} endpoints")
            new = Endpoint(
                endpoint_id=endpoint_id,
                channel_id=channel_id,
                url=form.url,
                types=form.types,
                secret=secret,
                made_by=inside.name,
                made_ts=self._now_ms(),
            )
            await table.add(connection, new)
            await self._note(connection, inside, new, "made")
            return Answer(201, self._said(new, 0))

        mine = {"endpoint_id": endpoint_id}
        return await self._writes.once_with(request, work, mine, {"secret": secret}, whose=visitor.name)

    def _checked(self, form: NewEndpoint) -> NewEndpoint:
        url = webhooks.check_url(form.url, allows_private=self._allows_private)
        return NewEndpoint(url, webhooks.check_types(form.types))

    async def edit(self, request: Request) -> Response:
        visitor = await self._doors.enter(request, Deed.WEBHOOKS, _KEY)
        form = self._checked(await request.read(NewEndpoint))
        return await self._change(
            request, visitor, "changed", lambda found: msgspec.structs.replace(found, url=form.url, types=form.types)
        )

    async def enable(self, request: Request) -> Response:
        visitor = await self._doors.enter(request, Deed.WEBHOOKS, _KEY)
        return await self._change(
            request, visitor, "enabled", lambda found: msgspec.structs.replace(found, disabled_ts=None, disabled_why="")
        )

    async def _change(self, request: Request, visitor: Visitor, what: str, change: Any) -> Response:
        async def work(connection: Connection) -> Answer:
            inside, found = await self._locked(connection, request)
            after = msgspec.structs.replace(change(found), failing_ts=None)
            await table.keep(connection, after)
            await self._note(connection, inside, after, what)
            owed = await table.owed(connection, [after.endpoint_id])
            return Answer(200, self._said(after, owed.get(after.endpoint_id, 0)))

        return await self._writes.once(request, work, whose=visitor.name)

    async def rotate(self, request: Request) -> Response:
        visitor = await self._doors.enter(request, Deed.WEBHOOKS, _KEY)
        overlap_ms = (await request.read(Rotation)).overlap_ms
        if not 0 <= overlap_ms <= limits.WEBHOOK_ROTATION_MS_MAX:
            raise invalid_param(f"overlap_ms is from 0 to {limits.WEBHOOK_ROTATION_MS_MAX}")
        secret, rotation = webhooks.secret(secrets.token_bytes(webhooks.SECRET_BYTES)), secrets.token_hex(8)

        async def work(connection: Connection) -> Answer:
            inside, found = await self._locked(connection, request)
            until = self._now_ms() + overlap_ms
            after = msgspec.structs.replace(found, secret=secret, old_secret=found.secret, old_until=until)
            await table.keep(connection, after)
            await self._note(connection, inside, after, "rotated")
            owed = await table.owed(connection, [after.endpoint_id])
            return Answer(200, {**self._said(after, owed.get(after.endpoint_id, 0)), "rotation": rotation})

        mine = {"rotation": rotation}
        return await self._writes.once_with(request, work, mine, {"secret": secret}, whose=visitor.name)

    async def remove(self, request: Request) -> Response:
        visitor = await self._doors.enter(request, Deed.WEBHOOKS, _KEY)

        async def work(connection: Connection) -> Answer:
            inside, found = await self._locked(connection, request, may_be_closed=True)
            await self._note(connection, inside, found, "removed")
            await table.remove(connection, found.endpoint_id)
            return Answer(200, {})

        return await self._writes.once(request, work, whose=visitor.name)

    async def ping(self, request: Request) -> Response:
        visitor = await self._doors.enter(request, Deed.WEBHOOKS, _KEY)

        async def work(connection: Connection) -> Answer:
            _, found = await self._locked(connection, request)
            if found.disabled_ts is not None:
                raise Refusal(409, "BONGSU_DISABLED", "this endpoint is disabled: enable it first")
            if await table.owed_pings(connection, found.endpoint_id) >= limits.WEBHOOK_PINGS_OWED_MAX:
                raise full(f"{limits.WEBHOOK_PINGS_OWED_MAX} pings wait to be taken")
            webhook_id = await table.put_for(connection, found, Type.PING, {}, self._now_ms())
            return Answer(202, {"webhook_id": webhook_id})

        return await self._writes.once(request, work, whose=visitor.name)

    async def _locked(
        self, connection: Connection, request: Request, *, may_be_closed: bool = False
    ) -> tuple[Visitor, Endpoint]:
        inside = await self._doors.enter_to_change(
            connection, request, Deed.WEBHOOKS, _KEY, may_be_closed=may_be_closed
        )
        found = await table.lock(connection, inside.channel.channel_id, id_of(request, "endpoint_id"))
        if found is None:
            raise no_endpoint()
        return inside, found

    async def _note(self, connection: Connection, who: Visitor, about: Endpoint, what: str) -> None:
        """Its address may hold a secret, and stays out of the audit."""
        named = {"endpoint_id": about.endpoint_id}
        await self._conversations.note(connection, about.channel_id, who.name, f"webhook.{what}", **named)


def _write(summary: str, answers: dict[int, Any], body: Any = None) -> Described:
    errors = {409: ("BONGSU_CHANNEL_CLOSED", "BONGSU_DISABLED")}
    return Described(summary, answers, body, errors=errors, is_write=True)


def no_endpoint() -> Refusal:
    return not_found("the channel has no such endpoint")
