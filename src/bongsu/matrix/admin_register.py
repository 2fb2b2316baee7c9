"""Accounts for whoever knows the registration secret, as the tools of other homeservers ask for them.

GET  /_synapse/admin/v1/register
POST /_synapse/admin/v1/register

The caller fetches a nonce, which is good once, and proves the secret by an HMAC-SHA1 over the nonce, the name, the
password and whether it is to be an administrator.
"""

import hmac
import secrets
from hashlib import sha256

import msgspec

from bongsu.core import ids, limits, usernames
from bongsu.core.errors import Refusal, invalid_param
from bongsu.core.tiers import Tier
from bongsu.core.uia import Session
from bongsu.http.request import Request
from bongsu.http.response import Response, reply
from bongsu.http.router import Auth, Route
from bongsu.matrix.passwords import Passwords
from bongsu.matrix.sessions import Sessions, Wish
from bongsu.store.accounts import Accounts, NewUser

_PATH = "/_synapse/admin/v1/register"


class AdminRegisterBody(msgspec.Struct):
    nonce: str
    username: str
    password: str
    mac: str
    admin: bool = False
    displayname: str | None = None
    user_type: str | None = None
    inhibit_login: bool = False


def expected_mac(secret: str, body: AdminRegisterBody) -> str:
    """Lower-case hex, as the tools send it."""
    parts = [body.nonce, body.username, body.password, "admin" if body.admin else "notadmin"]
    if body.user_type:
        parts.append(body.user_type)
    return hmac.digest(secret.encode(), "\0".join(parts).encode(), "sha1").hex()


def _nonce_hash(nonce: str) -> bytes:
    return sha256(b"admin register " + nonce.encode()).digest()


class AdminRegistration:
    """Without a secret these endpoints do not exist."""

    def __init__(
        self, accounts: Accounts, sessions: Sessions, passwords: Passwords, server_name: str, secret: str | None
    ) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._passwords = passwords
        self._server_name = server_name
        self._secret = secret

    def routes(self) -> list[Route]:
        if not self._secret:
            return []
        return [
            Route("GET", _PATH, self.nonce, Auth.NONE, "probe", tier=Tier.RUNNING),
            Route("POST", _PATH, self.register, Auth.NONE, "probe", tier=Tier.RUNNING),
        ]

    async def nonce(self, _: Request) -> Response:
        nonce = secrets.token_hex(32)
        session = Session("", _PATH, None, b"")
        await self._accounts.put_uia_session(session, _nonce_hash(nonce), limits.ADMIN_NONCE_SECONDS)
        return reply({"nonce": nonce})

    async def register(self, request: Request) -> Response:
        body = await request.read(AdminRegisterBody)
        await self._check_proof(body)
        new = NewUser(
            user_id=usernames.new_user_id(body.username, self._server_name),
            password_hash=await self._passwords.hash(body.password),
            is_admin=body.admin,
            display_name=_display_name(body),
        )
        return reply(await self._sessions.sign_up(new, None if body.inhibit_login else Wish(), request.client))

    async def _check_proof(self, body: AdminRegisterBody) -> None:
        if not await self._accounts.end_uia_session(_nonce_hash(body.nonce)):
            raise Refusal(400, "M_UNKNOWN", "this nonce is used up or was never given; fetch another one")
        assert self._secret is not None
        if not hmac.compare_digest(expected_mac(self._secret, body).encode(), body.mac.encode()):
            raise Refusal(403, "M_UNKNOWN", "the mac does not fit: is it the right registration secret?")
        if body.user_type:
            raise invalid_param("this server knows no user types")


def _display_name(body: AdminRegisterBody) -> str | None:
    if body.displayname is None:
        return None
    return ids.check_text(body.displayname, "displayname", limits.DISPLAY_NAME_BYTES_MAX)
