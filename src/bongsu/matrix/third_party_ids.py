"""A person's mail addresses (client-server API, "Adding account administrative contact information").

GET  /account/3pid
POST /account/3pid · /account/3pid/add · /account/3pid/bind · /account/3pid/delete · /account/3pid/unbind

They let people sign in and set a new password. Nothing is published: this server trusts no identity server.
"""

from collections.abc import Callable

import msgspec

from bongsu.core import mail, uia
from bongsu.core.errors import Refusal
from bongsu.http.request import Request, convert
from bongsu.http.response import Response, empty, reply
from bongsu.http.router import Route, client_routes
from bongsu.matrix.interactive import Interactive, secret_hash
from bongsu.store.third_party_ids import ThirdPartyIds, not_proven

_NO_IDENTITY_SERVER = {"id_server_unbind_result": "no-support"}


class _Proof(msgspec.Struct):
    sid: str
    client_secret: str


class _OldProof(msgspec.Struct):
    three_pid_creds: _Proof


class _Address(msgspec.Struct):
    medium: str
    address: str


class ThirdPartyIdEndpoints:
    def __init__(self, addresses: ThirdPartyIds, interactive: Interactive, now_ms: Callable[[], int]) -> None:
        self._addresses = addresses
        self._interactive = interactive
        self._now_ms = now_ms

    def routes(self) -> list[Route]:
        return [
            *client_routes("GET", "/account/3pid", self.all),
            *client_routes("POST", "/account/3pid", self.add_as_of_old, bucket="write"),
            *client_routes("POST", "/account/3pid/add", self.add, bucket="write"),
            *client_routes("POST", "/account/3pid/bind", self.bind, bucket="write"),
            *client_routes("POST", "/account/3pid/delete", self.delete, bucket="write"),
            *client_routes("POST", "/account/3pid/unbind", self.unbind, bucket="write"),
        ]

    async def all(self, request: Request) -> Response:
        return reply({"threepids": await self._addresses.of_user(request.requester.user_id)})

    async def add(self, request: Request) -> Response:
        """Asks for the password: whoever can add an address can set a new one."""
        asked = await request.json_or_empty()
        proof = convert(asked, _Proof)
        return await self._add(request, asked, proof, not_proven())

    async def add_as_of_old(self, request: Request) -> Response:
        asked = await request.json_or_empty()
        proof = convert(asked, _OldProof).three_pid_creds
        return await self._add(request, asked, proof, not_proven(403))

    async def _add(self, request: Request, asked: dict[str, object], proof: _Proof, failed: Refusal) -> Response:
        sid, secret = mail.check_opaque(proof.sid, "sid"), secret_hash(proof.client_secret)
        await self._interactive.confirm(request, asked, uia.ASK_PASSWORD)
        if not await self._addresses.add(request.requester.user_id, sid, secret, self._now_ms()):
            raise failed
        return empty()

    async def bind(self, request: Request) -> Response:
        await request.read(_Proof)
        raise Refusal(400, "M_SERVER_NOT_TRUSTED", "this server trusts no identity server")

    async def delete(self, request: Request) -> Response:
        """What is not there is as good as deleted."""
        body = await request.read(_Address)
        address = mail.canonical_or_none(body.address)
        if address is not None:
            await self._addresses.remove(request.requester.user_id, body.medium, address)
        return reply(_NO_IDENTITY_SERVER)

    async def unbind(self, request: Request) -> Response:
        await request.read(_Address)
        return reply(_NO_IDENTITY_SERVER)
