"""Passkeys for apps: listed, made, renamed, removed, and shown to sign in.

POST /_bongsu/v1/passkeys/sign_in/ask · POST /_bongsu/v1/passkeys/sign_in    the answer is that of POST /login
GET  /_bongsu/v1/passkeys · POST /_bongsu/v1/passkeys/ask · POST /_bongsu/v1/passkeys
PUT  /_bongsu/v1/passkeys/{passkey_id} · POST /_bongsu/v1/passkeys/{passkey_id}/remove

To make and to remove one needs proof of who asks (user-interactive authentication): a stolen token would stay for ever.
"""

from typing import Any, Final

import msgspec

from bongsu.core import base64url, ids, uia
from bongsu.core.errors import Refusal, forbidden, invalid_param, not_found
from bongsu.core.json import JsonObject
from bongsu.core.moderation import locked
from bongsu.core.requester import Requester
from bongsu.core.tiers import Tier
from bongsu.http.request import Request
from bongsu.http.response import Response, empty, reply
from bongsu.http.router import Auth, Route
from bongsu.matrix.interactive import Interactive
from bongsu.matrix.sessions import Sessions, Wish
from bongsu.signin.ceremonies import NAME_BYTES_MAX, Ceremonies
from bongsu.store.accounts import Accounts
from bongsu.store.factors import Factors, Passkey

_BASE: Final = "/_bongsu/v1/passkeys"
_ONE: Final = f"{_BASE}/{{passkey_id}}"
_SIGN_IN: Final = "sign in by an app"
_PRIVATE: Final = {"cache-control": "no-store"}


class Shown(Wish, kw_only=True):
    """credential: as the browser serialises it (toJSON)."""

    credential: dict[str, Any]


class Made(msgspec.Struct):
    credential: dict[str, Any]
    name: str


class Named(msgspec.Struct):
    name: str


class PasskeyCalls:
    """A challenge to sign in is for whoever asked; one to make a passkey for the session that asked."""

    def __init__(
        self, table: Factors, ceremonies: Ceremonies, interactive: Interactive, accounts: Accounts, sessions: Sessions
    ) -> None:
        self._table = table
        self._ceremonies = ceremonies
        self._interactive = interactive
        self._accounts = accounts
        self._sessions = sessions

    def routes(self) -> list[Route]:
        tier = Tier.SIGN_IN
        return [
            Route("POST", f"{_BASE}/sign_in/ask", self.ask_sign_in, Auth.NONE, "login", tier),
            Route("POST", f"{_BASE}/sign_in", self.sign_in, Auth.NONE, "login", tier),
            Route("GET", _BASE, self.all, bucket="read", tier=tier),
            Route("POST", f"{_BASE}/ask", self.ask, bucket="write", tier=tier),
            Route("POST", _BASE, self.add, bucket="write", tier=tier),
            Route("PUT", _ONE, self.rename, bucket="write", tier=tier),
            Route("POST", f"{_ONE}/remove", self.remove, bucket="write", tier=tier),
        ]

    # --- signing in ---

    async def ask_sign_in(self, request: Request) -> Response:
        return _options(await self._ceremonies.ask_to_show(request, _SIGN_IN))

    async def sign_in(self, request: Request) -> Response:
        body = await request.read(Shown)
        body.check()
        user_id = await self._ceremonies.shown(request, body.credential, _SIGN_IN)
        user = None if user_id is None else await self._accounts.user(user_id)
        if user is None:
            raise forbidden("this passkey is nobody's here, or it was asked for too long ago")
        if user.deactivated_at is not None:
            raise Refusal(403, "M_USER_DEACTIVATED", "this account is deactivated")
        if user.locked:
            raise locked()
        return reply(await self._sessions.sign_in(user.user_id, body, request.client))

    # --- one's own ---

    async def all(self, request: Request) -> Response:
        found = await self._table.passkeys(_person(request).user_id)
        return reply({"passkeys": [_said(each) for each in found]})

    async def ask(self, request: Request) -> Response:
        who = _person(request)
        await self._interactive.confirm(request, await request.json_or_empty(), uia.ASK_PASSWORD)
        return _options(await self._ceremonies.ask_to_make(request, who.user_id, _adding(who)))

    async def add(self, request: Request) -> Response:
        body, who = await request.read(Made), _person(request)
        name = _name(body.name)
        made = await self._ceremonies.keep(request, body.credential, who.user_id, name, _adding(who))
        return reply({"passkey_id": base64url.encode(made)}, 201)

    async def rename(self, request: Request) -> Response:
        who, name = _person(request), _name((await request.read(Named)).name)
        if not await self._table.rename_passkey(who.user_id, _passkey_id(request), name):
            raise not_found("you have no such passkey")
        return empty()

    async def remove(self, request: Request) -> Response:
        """One that is not there is as good as removed."""
        who = _person(request)
        await self._interactive.confirm(request, await request.json_or_empty(), uia.ASK_PASSWORD)
        await self._table.remove_passkey(who.user_id, _passkey_id(request))
        return empty()


def _person(request: Request) -> Requester:
    """Somebody who signs in by themselves."""
    who = request.requester
    if who.is_guest or who.service_id is not None:
        raise forbidden("passkeys are for people with an account of their own")
    return who


def _adding(who: Requester) -> str:
    return f"add by an app {who.user_id} {who.device_id}"


def _name(said: str) -> str:
    name = said.strip()
    if not name:
        raise invalid_param("a passkey has a name")
    return ids.check_text(name, "name", NAME_BYTES_MAX)


def _passkey_id(request: Request) -> bytes:
    try:
        return base64url.decode(request.params["passkey_id"])
    except ValueError:
        raise not_found("you have no such passkey") from None


def _said(passkey: Passkey) -> JsonObject:
    used = {} if passkey.used_at is None else {"used_ts": round(passkey.used_at.timestamp() * 1_000)}
    made = round(passkey.created_at.timestamp() * 1_000)
    return {"passkey_id": base64url.encode(passkey.credential_id), "name": passkey.name, "created_ts": made, **used}


def _options(text: str) -> Response:
    return Response(text.encode(), headers=_PRIVATE)
