"""The official mark of a channel: signed by the operator, verified by clients.

PUT, GET, DELETE /_bongsu/v1/channels/{channel_id}/mark    certify, look, revoke
GET /.well-known/bongsu/channels                           the public key
"""

import secrets
from collections.abc import Callable
from typing import Any

import msgspec

from bongsu.channels.access import ONE, channel_seen, closed, no_channel, subject
from bongsu.channels.forms import Certifying, Empty, MarkSaid, id_of, mark_said
from bongsu.core import limits, marks
from bongsu.core.errors import Refusal, forbidden, invalid_param, not_found
from bongsu.core.marks import Certified
from bongsu.core.tiers import Tier
from bongsu.http.describing import Described
from bongsu.http.request import Request
from bongsu.http.response import Response, reply
from bongsu.http.router import Auth, Route
from bongsu.store import audit, service_keys
from bongsu.store import channels as table
from bongsu.store.channels import Channel, Mark
from bongsu.store.database import Connection, Database
from bongsu.store.idempotency import Answer
from bongsu.workflow.writes import Writes

_PURPOSE = "channels"
_DAY_MS = 86_400_000


class KeySaid(msgspec.Struct):
    """key: 32 bytes in base64, of Ed25519."""

    algorithm: str
    key_id: str
    key: str


class Marks:
    """certify() and revoke() for the operator, here and on the command line. Each worker keeps the key in mind."""

    def __init__(self, database: Database, writes: Writes, now_ms: Callable[[], int]) -> None:
        self._database = database
        self._writes = writes
        self._now_ms = now_ms
        self._private: bytes | None = None

    def routes(self) -> list[Route]:
        write: dict[str, Any] = {"bucket": "channel", "tier": Tier.SERVICE}
        read: dict[str, Any] = {"bucket": "read", "tier": Tier.SERVICE}
        errors = {409: ("BONGSU_LOOKS_OFFICIAL", "BONGSU_CHANNEL_CLOSED")}
        certify = Described("Certifies a channel", {200: MarkSaid}, Certifying, errors=errors, is_write=True)
        revoke = Described("Takes its mark back", {200: Empty}, is_write=True)
        look = Described("Its official mark", {200: MarkSaid})
        key = Described("What marks are verified with", {200: KeySaid})
        return [
            Route("PUT", f"{ONE}/mark", self.put, **write, described=certify),
            Route("DELETE", f"{ONE}/mark", self.delete, **write, described=revoke),
            Route("GET", f"{ONE}/mark", self.look, Auth.OPTIONAL, **read, described=look),
            Route("GET", "/.well-known/bongsu/channels", self.key, Auth.NONE, tier=Tier.RUNNING, described=key),
        ]

    async def put(self, request: Request) -> Response:
        form = await request.read(Certifying)
        actor, channel_id = _operator(request), id_of(request, "channel_id")

        async def work(connection: Connection) -> Answer:
            mark = await self.certify(connection, channel_id, form.days, actor)
            return Answer(200, msgspec.to_builtins(mark_said(mark)))

        return await self._writes.once(request, work)

    async def delete(self, request: Request) -> Response:
        actor, channel_id = _operator(request), id_of(request, "channel_id")

        async def work(connection: Connection) -> Answer:
            await self.revoke(connection, channel_id, actor)
            return Answer(200, {})

        return await self._writes.once(request, work)

    async def look(self, request: Request) -> Response:
        channel = await channel_seen(self._database, request)
        mark = await table.mark_of(self._database, channel.channel_id)
        if mark is None or mark.valid_until <= self._now_ms():
            raise not_found("this channel has no official mark")
        return reply(msgspec.to_builtins(mark_said(mark)))

    async def key(self, _: Request) -> Response:
        public = marks.public_of(await self._key())
        return reply({"algorithm": "ed25519", "key_id": marks.key_id(public), "key": public})

    # --- what the operator does ---

    async def certify(self, connection: Connection, channel_id: str, days: int, actor: str) -> Mark:
        """In the caller's transaction. actor: "" for the command line. 409 for one that looks like another."""
        if not 1 <= days <= limits.CHANNEL_MARK_DAYS_MAX:
            raise invalid_param(f"days is between 1 and {limits.CHANNEL_MARK_DAYS_MAX}")
        await table.lock_names(connection)
        channel = await table.lock_channel(connection, channel_id)
        if channel is None:
            raise no_channel()
        if channel.closed_ts is not None:
            raise closed()
        now_ms = self._now_ms()
        await table.drop_stale_marks(connection, now_ms)
        alike = (await table.certified(connection, channel, now_ms)).get(channel.skeleton)
        if alike is not None:
            raise Refusal(
                409, "BONGSU_LOOKS_OFFICIAL", f"it looks like {alike.name}, which is certified: revoke that first"
            )
        mark = await self._sign(connection, channel, now_ms, days)
        await table.put_mark(connection, mark, channel.skeleton)
        deed = audit.Deed(actor, "certified", {"name": channel.name, "valid_until": mark.valid_until})
        await audit.add(connection, subject(channel_id), [deed], now_ms)
        return mark

    async def _sign(self, connection: Connection, channel: Channel, now_ms: int, days: int) -> Mark:
        private = self._private or await service_keys.made(connection, _PURPOSE, secrets.token_bytes(32))
        certified = Certified(channel.channel_id, channel.name, channel.account, now_ms, now_ms + days * _DAY_MS)
        key_id = marks.key_id(marks.public_of(private))
        return Mark(**msgspec.structs.asdict(certified), key_id=key_id, signature=marks.sign(private, certified))

    async def revoke(self, connection: Connection, channel_id: str, actor: str) -> None:
        """In the caller's transaction. 404 if it had none."""
        channel = await table.lock_channel(connection, channel_id)
        if channel is None:
            raise no_channel()
        if not await table.drop_mark(connection, channel_id):
            raise not_found("this channel has no official mark")
        deed = audit.Deed(actor, "revoked", {"name": channel.name})
        await audit.add(connection, subject(channel_id), [deed], self._now_ms())

    async def all(self) -> list[Mark]:
        """By name."""
        return await table.marks(self._database)

    async def _key(self) -> bytes:
        """Read where it can be: a standby has it, too."""
        if self._private is None:
            self._private = await service_keys.known(self._database, _PURPOSE)
        if self._private is None:
            fresh = secrets.token_bytes(32)
            self._private = await self._database.write(
                lambda connection: service_keys.made(connection, _PURPOSE, fresh)
            )
        return self._private


def _operator(request: Request) -> str:
    if not request.requester.is_admin:
        raise forbidden("the official mark is given by those who run this server")
    return request.requester.user_id
