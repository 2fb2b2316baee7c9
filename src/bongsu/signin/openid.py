"""Who somebody is, for third parties: the protocol's own tokens, and OpenID Connect ("sign in with Bongsu").

POST /user/{user_id}/openid/request_token
GET  /_matrix/federation/v1/openid/userinfo
GET, POST /oauth2/userinfo
GET  /oauth2/keys.json
"""

import asyncio
import secrets
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from bongsu.core import ids, limits
from bongsu.core.errors import Refusal, forbidden
from bongsu.core.json import JsonObject, encode
from bongsu.core.tiers import Tier
from bongsu.http.app import token_of
from bongsu.http.authentication import ACCESS_PREFIX, Tokens, token_hash
from bongsu.http.request import Request
from bongsu.http.response import Response, reply
from bongsu.http.router import Auth, Route, client_routes
from bongsu.store import people
from bongsu.store.database import Database
from bongsu.store.identity import Identity, IdentityKey

if TYPE_CHECKING:
    from joserfc.jwk import RSAKey

USER_INFO: Final = "/oauth2/userinfo"
KEYS: Final = "/oauth2/keys.json"
_PREFIX: Final = "bsi_"
_KEY_BITS: Final = 2_048


class Said(msgspec.Struct, frozen=True):
    """What an app is told: who signed in, and when they last proved it."""

    client_id: str
    user_id: str
    nonce: str | None
    proven_at: datetime | None


class OpenId:
    """Gives tokens that say who somebody is, and answers those who show them."""

    def __init__(
        self, table: Identity, database: Database, tokens: Tokens, server_name: str, now_ms: Callable[[], int]
    ) -> None:
        self._table = table
        self._database = database
        self._tokens = tokens
        self._server_name = server_name
        self._now_ms = now_ms
        self._making: asyncio.Task[list[IdentityKey]] | None = None

    def routes(self) -> list[Route]:
        sub = "/_matrix/federation/v1/openid/userinfo"
        ask = "/user/{user_id}/openid/request_token"
        return [
            *client_routes("POST", ask, self.request_token, bucket="write", tier=Tier.SIGN_IN),
            Route("GET", sub, self.subject, Auth.NONE, "oauth", Tier.SIGN_IN),
            *(Route(method, USER_INFO, self.user_info, Auth.NONE, "oauth", Tier.SIGN_IN) for method in ("GET", "POST")),
            Route("GET", KEYS, self.keys, Auth.NONE, "oauth", Tier.SIGN_IN),
        ]

    async def request_token(self, request: Request) -> Response:
        user_id = ids.check_user_id(request.params["user_id"])
        await request.json_or_empty()
        if user_id != request.requester.user_id:
            raise forbidden("you can ask for a token of your own alone")
        given = await self.give(user_id, "openid")
        kept = {key: given[key] for key in ("access_token", "token_type", "expires_in")}
        return reply({**kept, "matrix_server_name": self._server_name})

    async def give(self, user_id: str, scope: str, grant_hash: bytes | None = None) -> JsonObject:
        """A token for the two endpoints below, and nothing else. Raises GrantSpent."""
        token = _PREFIX + secrets.token_urlsafe(32)
        seconds = limits.OPENID_TOKEN_SECONDS
        await self._table.put_token(token_hash(token), user_id, seconds, scope=scope, grant_hash=grant_hash)
        return {"access_token": token, "token_type": "Bearer", "expires_in": seconds, "scope": scope}

    async def end(self, hashed: bytes) -> None:
        await self._table.end_token(hashed)

    async def subject(self, request: Request) -> Response:
        """For other servers, who show the token in the address."""
        token = request.query.get("access_token")
        if token is None:
            raise Refusal(401, "M_MISSING_TOKEN", "access_token is missing")
        found = await self._found(token)
        if found is None:
            raise Refusal(401, "M_UNKNOWN_TOKEN", "this token is expired, or was never given")
        return reply({"sub": found[0]})

    async def user_info(self, request: Request) -> Response:
        token = token_of(dict(request.headers), request.query)
        whose = None if token is None else await self._whose(token)
        if whose is None:
            challenge = {"www-authenticate": 'Bearer error="invalid_token"'}
            raise Refusal(401, "M_UNKNOWN_TOKEN", "this token is expired, or was never given", headers=challenge)
        return Response(encode(await self._claims(*whose)), headers={"cache-control": "no-store"})

    async def _whose(self, token: str) -> tuple[str, str] | None:
        """(user id, scope). A session's own token may say who it is, too; but not of somebody locked."""
        if not token.startswith(ACCESS_PREFIX):
            return await self._found(token)
        try:
            who = await self._tokens.authenticate(token)
        except Refusal as refusal:
            if refusal.status != 401:
                raise
            return None
        return None if who.is_locked else (who.user_id, "openid profile")

    async def _found(self, token: str) -> tuple[str, str] | None:
        if not token.startswith(_PREFIX) or len(token) > limits.TOKEN_BYTES_MAX:
            return None
        return await self._table.token(token_hash(token))

    async def _claims(self, user_id: str, scope: str) -> JsonObject:
        if "profile" not in scope.split():
            return {"sub": user_id}
        profile = await people.profile(self._database, user_id)
        localpart = ids.split(user_id)[0]
        return {"sub": user_id, "preferred_username": localpart, "name": profile.get("displayname") or localpart}

    # --- what is signed ---

    async def id_token(self, issuer: str, said: Said) -> str:
        from joserfc import jwt  # here, as below: with cryptography it is 9 MB, for apps of third parties

        now = self._now_ms() // 1000
        claims: dict[str, Any] = {
            "iss": issuer,
            "sub": said.user_id,
            "aud": said.client_id,
            "iat": now,
            "exp": now + limits.ID_TOKEN_SECONDS,
            **({} if said.nonce is None else {"nonce": said.nonce}),
            **({} if said.proven_at is None else {"auth_time": int(said.proven_at.timestamp())}),
        }
        key = _key(await self._signing_key())
        return jwt.encode({"alg": "RS256", "kid": key.kid, "typ": "JWT"}, claims, key)

    async def keys(self, _: Request) -> Response:
        """Also those that sign no more: what they signed can still be checked. A look makes none but the first."""
        from joserfc.jwk import KeySet

        stored = await self._table.keys() or await self._make_key()
        known = KeySet([_key(each) for each in stored])
        return Response(encode(known.as_dict(private=False)), headers={"cache-control": "public, max-age=300"})

    async def _signing_key(self) -> IdentityKey:
        keys = await self._table.keys()
        return keys[0] if keys and not keys[0].is_old else (await self._make_key())[0]

    async def _make_key(self) -> list[IdentityKey]:
        """All keys, with one that was due. Who comes while a worker makes one waits for that."""
        if self._making is None:
            self._making = asyncio.create_task(self._add_key(), name="identity key")
        return await asyncio.shield(self._making)

    async def _add_key(self) -> list[IdentityKey]:
        from joserfc.jwk import RSAKey

        try:
            made = await asyncio.to_thread(RSAKey.generate_key, _KEY_BITS)
            await self._table.add_key(secrets.token_hex(8), made.as_pem(private=True).decode())
            return await self._table.keys()
        finally:
            self._making = None


def _key(stored: IdentityKey) -> "RSAKey":
    from joserfc.jwk import RSAKey

    return RSAKey.import_key(stored.private_pem, {"kid": stored.key_id, "use": "sig", "alg": "RS256"})
