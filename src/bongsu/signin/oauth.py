"""OAuth 2.0 between this server and apps. What people see of it is in consent.py.

GET  /_matrix/client/v1/auth_metadata
GET  /.well-known/openid-configuration · GET /.well-known/oauth-authorization-server
POST /oauth2/token
POST /oauth2/device
POST /oauth2/revoke
"""

import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog
from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]
from authlib.oauth2.rfc7636.challenge import CODE_VERIFIER_PATTERN  # type: ignore[import-untyped]

from bongsu.core import limits, oauth
from bongsu.core.errors import Refusal
from bongsu.core.json import JsonObject, encode
from bongsu.core.oauth import BadScope, Scope
from bongsu.core.tiers import Tier
from bongsu.http.authentication import token_hash
from bongsu.http.form import read_form
from bongsu.http.place import Place
from bongsu.http.request import Query, Request
from bongsu.http.response import Response
from bongsu.http.router import Auth, Route
from bongsu.matrix.sessions import App, Sessions, new_device_id
from bongsu.signin import refusals
from bongsu.signin.apps import REGISTER, Apps
from bongsu.signin.openid import KEYS, USER_INFO, OpenId, Said
from bongsu.signin.paths import ACCOUNT, AUTHORIZE
from bongsu.signin.refusals import NO_STORE, refused
from bongsu.store.accounts import Accounts
from bongsu.store.oauth import Client, Grant, GrantSpent, NewGrant, OAuth

log = structlog.get_logger(__name__)

_DRAFTS: Final = {
    "org.matrix.sessions_list": f"{ACCOUNT}/sessions",
    "org.matrix.session_view": f"{ACCOUNT}/sessions",
    "org.matrix.session_end": f"{ACCOUNT}/sessions",
}
_ACTIONS: Final = {
    "org.matrix.profile": ACCOUNT,
    "org.matrix.devices_list": f"{ACCOUNT}/sessions",
    "org.matrix.device_view": f"{ACCOUNT}/sessions",
    "org.matrix.device_delete": f"{ACCOUNT}/sessions",
    "org.matrix.account_deactivate": f"{ACCOUNT}/deactivate",
    "org.matrix.cross_signing_reset": f"{ACCOUNT}/reset-keys",
}
ACTIONS: Final = {**_ACTIONS, **_DRAFTS}  # of the account's pages, by the protocol's names and its drafts'
_STABLE: Final = "/_matrix/client/v1/auth_metadata"
_METADATA: Final = (
    _STABLE,
    "/_matrix/client/unstable/org.matrix.msc2965/auth_metadata",
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
)
_USER_CODE_LETTERS: Final = "BCDFGHJKLMNPQRSTVWXZ"  # no vowels, so no words; no digits that look like letters
_USER_CODE_TRIES: Final = 5


def read_scope(text: str | None) -> Scope:
    """As core/oauth.py; refused in OAuth's form."""
    if text is not None and len(text) > limits.OAUTH_TEXT_BYTES_MAX:
        raise refused(refusals.InvalidScope, "the scope is too long")
    try:
        return oauth.read_scope(text or "")
    except BadScope as error:
        raise refused(refusals.InvalidScope, str(error)) from None


class OAuthEndpoints:
    """Metadata, tokens, devices, revocation."""

    def __init__(
        self,
        table: OAuth,
        apps: Apps,
        accounts: Accounts,
        sessions: Sessions,
        openid: OpenId,
        place: Place,
        *,
        can_sign_up: bool,
    ) -> None:
        self._can_sign_up = can_sign_up
        self._table = table
        self._apps = apps
        self._accounts = accounts
        self._sessions = sessions
        self._openid = openid
        self._place = place
        self._grants: dict[str, Callable[[Request, Query, Client], Awaitable[JsonObject]]] = {
            oauth.CODE_GRANT: self._by_code,
            oauth.REFRESH_GRANT: self._by_refresh_token,
            oauth.DEVICE_GRANT: self._by_device_code,
        }

    def routes(self) -> list[Route]:
        posts = (("/oauth2/token", self.token), ("/oauth2/device", self.device), ("/oauth2/revoke", self.revoke))
        return [
            *(Route("GET", path, self.metadata, Auth.NONE, tier=Tier.SIGN_IN) for path in _METADATA),
            *(Route("POST", path, handler, Auth.NONE, "oauth", Tier.SIGN_IN) for path, handler in posts),
        ]

    async def metadata(self, request: Request) -> Response:
        base = self._place.base_url(request)
        said = {
            "issuer": self._place.issuer(request),
            "authorization_endpoint": f"{base}{AUTHORIZE}",
            "token_endpoint": f"{base}/oauth2/token",
            "revocation_endpoint": f"{base}/oauth2/revoke",
            "registration_endpoint": f"{base}{REGISTER}",
            "device_authorization_endpoint": f"{base}/oauth2/device",
            "userinfo_endpoint": f"{base}{USER_INFO}",
            "jwks_uri": f"{base}{KEYS}",
            "account_management_uri": f"{base}{ACCOUNT}",
            "account_management_actions_supported": list(_ACTIONS if request.path == _STABLE else ACTIONS),
            "scopes_supported": ["openid", "profile", "urn:matrix:client:api:*", "urn:matrix:client:device:*"],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query", "fragment"],
            "grant_types_supported": list(oauth.GRANTS),
            "code_challenge_methods_supported": ["S256"],
            "prompt_values_supported": ["create"] if self._can_sign_up else [],
            "token_endpoint_auth_methods_supported": list(oauth.AUTH_METHODS),
            "revocation_endpoint_auth_methods_supported": list(oauth.AUTH_METHODS),
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "claims_supported": ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "name", "preferred_username"],
            "authorization_response_iss_parameter_supported": True,
        }
        return Response(encode(said), headers={"cache-control": "public, max-age=300", "vary": "host"})

    # --- tokens ---

    async def token(self, request: Request) -> Response:
        form = await _form(request)
        client = await self._apps.prove(request, form)
        kind = form.get("grant_type")
        give = self._grants.get(kind or "")
        if give is None:
            raise refused(refusals.UnsupportedGrantType, f"grant_type must be one of {', '.join(oauth.GRANTS)}")
        if kind not in client.metadata["grant_types"] and kind != oauth.REFRESH_GRANT:
            raise refused(refusals.UnauthorizedClient, "this client was not registered for this grant")
        return Response(encode(await give(request, form, client)), headers=NO_STORE)

    async def _by_code(self, request: Request, form: Query, client: Client) -> JsonObject:
        hashed, grant = await self._grant(form.get("code"), client)
        if grant.redirect_uri is None or grant.redirect_uri != form.get("redirect_uri"):
            raise refused(refusals.InvalidGrant, "the code was given for another redirect_uri")
        verifier = form.get("code_verifier") or ""
        if not CODE_VERIFIER_PATTERN.match(verifier) or create_s256_code_challenge(verifier) != grant.challenge:
            raise refused(refusals.InvalidGrant, "the code_verifier does not fit the code")
        return await self._give(request, hashed, grant, client)

    async def _by_device_code(self, request: Request, form: Query, client: Client) -> JsonObject:
        hashed, grant = await self._grant(form.get("device_code"), client)
        if grant.redirect_uri is not None:
            raise refused(refusals.InvalidGrant, "this is no device code")
        if grant.state == "denied":
            raise refused(refusals.AccessDenied, "the person said no")
        if grant.is_over:
            raise refused(refusals.Expired, "nobody answered in time")
        if not await self._table.poll(hashed):
            raise refused(refusals.SlowDown, "ask less often")
        if grant.state == "asked":
            raise refused(refusals.Pending, "nobody has answered yet")
        return await self._give(request, hashed, grant, client)

    async def _grant(self, code: str | None, client: Client) -> tuple[bytes, Grant]:
        """What was given to this very app. Whoever shows a used code again ends what it gave."""
        if code is None:
            raise refused(refusals.InvalidRequest, "the code is missing")
        hashed = token_hash(code)
        grant = await self._table.grant(hashed) if len(code) <= limits.TOKEN_BYTES_MAX else None
        if grant is None or grant.client_id != client.client_id:
            raise refused(refusals.InvalidGrant, "there is no such code")
        if grant.state == "used":
            await self._end_of(hashed)
            raise refused(refusals.InvalidGrant, "this code was used before")
        return hashed, grant

    async def _end_of(self, grant_hash: bytes) -> None:
        opened = await self._table.opened_by(grant_hash)
        if opened is not None:
            log.warning("code_used_twice", user_id=opened[0], device_id=opened[1])
            await self._sessions.end(opened[0], [opened[1]])

    async def _give(self, request: Request, grant_hash: bytes, grant: Grant, client: Client) -> JsonObject:
        assert grant.user_id is not None, "nobody allows without a name"
        scope = oauth.read_scope(grant.scope)
        try:
            if scope.has_api:
                given = await self._give_session(request, grant_hash, grant.user_id, scope, client)
            else:
                given = await self._openid.give(grant.user_id, scope.text, grant_hash)
        except GrantSpent:
            await self._end_of(grant_hash)
            raise refused(refusals.InvalidGrant, "this code was used before, or is too old") from None
        except Refusal as refusal:
            if refusal.status not in (401, 403):  # locked, deactivated
                raise
            raise refused(refusals.InvalidGrant, refusal.message) from None
        if scope.has_identity:
            said = Said(client.client_id, grant.user_id, grant.nonce, grant.proven_at)
            given["id_token"] = await self._openid.id_token(self._place.issuer(request), said)
        return given

    async def _give_session(
        self, request: Request, grant_hash: bytes, user_id: str, scope: Scope, client: Client
    ) -> JsonObject:
        device_id = scope.device_id or new_device_id()
        app = App(client.client_id, oauth.app_name(client.metadata, "en"), grant_hash)
        issued = await self._sessions.sign_in_app(user_id, device_id, app, request.client)
        return {
            "access_token": issued.access,
            "token_type": "Bearer",
            "expires_in": round(issued.seconds or 0),
            "refresh_token": issued.refresh,
            "scope": scope.with_device(device_id),
        }

    async def _by_refresh_token(self, _: Request, form: Query, client: Client) -> JsonObject:
        token = form.get("refresh_token")
        if token is None:
            raise refused(refusals.InvalidRequest, "the refresh_token is missing")
        try:
            refreshed = await self._sessions.refresh_app(token, client.client_id)
        except Refusal as refusal:  # locked: no error of OAuth's, by which apps would forget the session
            refusal.headers.update(NO_STORE)
            raise
        if refreshed is None:
            raise refused(refusals.InvalidGrant, "this refresh token is not, or no longer, good")
        issued, device_id = refreshed
        return {
            "access_token": issued.access,
            "token_type": "Bearer",
            "expires_in": round(issued.seconds or 0),
            "refresh_token": issued.refresh,
            "scope": oauth.session_scope(device_id),
        }

    # --- devices that have no keyboard, or show a QR code ---

    async def device(self, request: Request) -> Response:
        form = await _form(request)
        client = await self._apps.prove(request, form)
        if oauth.DEVICE_GRANT not in client.metadata["grant_types"]:
            raise refused(refusals.UnauthorizedClient, "this client was not registered for this grant")
        scope = read_scope(form.get("scope"))
        device_code = f"bsd_{secrets.token_urlsafe(32)}"
        user_code = await self._ask(token_hash(device_code), client, scope)
        page = f"{self._place.base_url(request)}{ACCOUNT}/device"
        said = {
            "device_code": device_code,
            "user_code": user_code,
            "verification_uri": page,
            "verification_uri_complete": f"{page}?code={user_code}",
            "expires_in": limits.OAUTH_DEVICE_SECONDS,
            "interval": limits.OAUTH_POLL_SECONDS,
        }
        return Response(encode(said), headers=NO_STORE)

    async def _ask(self, grant_hash: bytes, client: Client, scope: Scope) -> str:
        for _ in range(_USER_CODE_TRIES):
            letters = "".join(secrets.choice(_USER_CODE_LETTERS) for _ in range(8))
            user_code = f"{letters[:4]}-{letters[4:]}"
            new = NewGrant(
                client_id=client.client_id,
                scope=scope.text,
                seconds=limits.OAUTH_DEVICE_SECONDS,
                user_code=user_code,
                poll_seconds=limits.OAUTH_POLL_SECONDS,
            )
            if await self._table.put_grant(grant_hash, new):
                return user_code
        raise Refusal(503, "M_UNKNOWN", "too many devices ask at once; try again", headers={"retry-after": "1"})

    # --- the end ---

    async def revoke(self, request: Request) -> Response:
        """Either token of a session ends it, as signing out does. A token that is none is as good as ended."""
        form = await _form(request)
        client = await self._apps.prove(request, form)
        token = form.get("token")
        if token is None:
            raise refused(refusals.InvalidRequest, "the token is missing")
        if len(token) <= limits.TOKEN_BYTES_MAX:
            await self._end_token(token_hash(token), client)
        return Response(b"{}", headers=NO_STORE)

    async def _end_token(self, hashed: bytes, client: Client) -> None:
        session = await self._accounts.session_of(hashed)
        if session is None:
            await self._openid.end(hashed)
            return
        user_id, device_id, client_id = session
        if client_id != client.client_id:
            raise refused(refusals.InvalidGrant, "this token was given to another client")
        await self._sessions.end(user_id, [device_id])


async def _form(request: Request) -> Query:
    """As read_form(); refused in OAuth's form."""
    try:
        return await read_form(request)
    except Refusal as refusal:
        if refusal.status not in (400, 415):
            raise
        raise refused(refusals.InvalidRequest, refusal.message) from None


def granted(**parts: Any) -> NewGrant:
    """What a person allowed an app that fetches it by a code."""
    return NewGrant(seconds=limits.OAUTH_CODE_SECONDS, **parts)
