"""Signing in and out.

GET  /login
POST /login
POST /_matrix/client/v1/login/get_token
POST /refresh
POST /logout
POST /logout/all
"""

from typing import Final

import msgspec

from bongsu.core import limits, uia, usernames
from bongsu.core.errors import Refusal, forbidden, missing_param
from bongsu.core.json import JsonObject
from bongsu.core.services import Service
from bongsu.core.tiers import Tier
from bongsu.http.app import token_of
from bongsu.http.request import Request
from bongsu.http.response import Response, empty, reply
from bongsu.http.router import Auth, Route, client_routes
from bongsu.http.services import Services
from bongsu.matrix.interactive import Interactive, UserIdentifier, named_by_address, named_by_id
from bongsu.matrix.passwords import Named, Passwords
from bongsu.matrix.sessions import Sessions, Wish
from bongsu.store.factors import Factors
from bongsu.store.third_party_ids import ThirdPartyIds

SSO: Final = "m.login.sso"
PROVIDER: Final = "bongsu"  # who signs people in by browser: this server itself
BY_TOKEN: Final = "m.login.token"  # noqa: S105 - a type's name
SERVICE: Final = "m.login.application_service"
_IDENTIFIERS: Final = ("m.id.user", "m.id.thirdparty", "m.id.phone")


class LoginBody(Wish, kw_only=True):
    """`user`, or `medium` and `address`, are the old form of `identifier`; `token` goes with m.login.token."""

    type: str
    identifier: UserIdentifier | None = None
    user: str | None = None
    medium: str | None = None
    address: str | None = None
    password: str | None = None
    token: str | None = None


class RefreshBody(msgspec.Struct):
    refresh_token: str


async def service_of(request: Request, services: Services) -> Service:
    """The application service whose as_token the request carries."""
    token = token_of(dict(request.headers), request.query)
    if token is None:
        raise Refusal(401, "M_MISSING_TOKEN", "this needs the application service's as_token")
    service = await services.by_token(token)
    if service is None:
        raise Refusal(401, "M_UNKNOWN_TOKEN", "this is no application service's as_token")
    return service


class Login:
    """Passwords and login tokens in, sessions out."""

    def __init__(
        self,
        sessions: Sessions,
        passwords: Passwords,
        interactive: Interactive,
        services: Services,
        addresses: ThirdPartyIds,
        factors: Factors,
        server_name: str,
    ) -> None:
        self._sessions = sessions
        self._passwords = passwords
        self._interactive = interactive
        self._services = services
        self._addresses = addresses
        self._factors = factors
        self._server_name = server_name

    def routes(self) -> list[Route]:
        return [
            *client_routes("GET", "/login", self.flows, Auth.NONE, "read", tier=Tier.SIGN_IN),
            *client_routes("POST", "/login", self.sign_in, Auth.NONE, "login", tier=Tier.SIGN_IN),
            Route("POST", "/_matrix/client/v1/login/get_token", self.get_token, bucket="login", tier=Tier.SIGN_IN),
            *client_routes("POST", "/refresh", self.refresh, Auth.NONE, "login", tier=Tier.SIGN_IN),
            *client_routes("POST", "/logout", self.sign_out, tier=Tier.SIGN_IN),
            *client_routes("POST", "/logout/all", self.sign_out_everywhere, tier=Tier.SIGN_IN),
        ]

    async def flows(self, _: Request) -> Response:
        """Clients that know OAuth 2.0 are told to prefer the browser, where passkeys and second factors are."""
        by_browser = {
            "type": SSO,
            "identity_providers": [{"id": PROVIDER, "name": self._server_name}],
            "oauth_aware_preferred": True,
            "org.matrix.msc3824.delegated_oidc_compatibility": True,
        }
        by_token = {"type": BY_TOKEN, "get_login_token": True}
        return reply({"flows": [{"type": uia.PASSWORD}, by_browser, by_token, {"type": SERVICE}]})

    async def sign_in(self, request: Request) -> Response:
        body = await request.read(LoginBody)
        body.check()
        if body.type == uia.PASSWORD:
            return reply(await self._with_password(body, request.client))
        if body.type == BY_TOKEN:
            return reply(await self._with_token(body, request.client))
        if body.type == SERVICE:
            return reply(await self._for_service(request, body))
        raise Refusal(400, "M_UNKNOWN", f"sign in with {uia.PASSWORD} or {BY_TOKEN}")

    async def _with_password(self, body: LoginBody, address: str) -> JsonObject:
        if body.password is None:
            raise missing_param("password is missing")
        user = await self._passwords.prove(await self._named(body), body.password)
        if await self._factors.has_codes(user.user_id):
            raise forbidden(f"this account has two-step sign-in: sign in by the browser, with OAuth 2.0 or {SSO}")
        answer = await self._sessions.sign_in(user.user_id, body, address, user.password_hash)
        await self._passwords.renew(user, body.password)
        return answer

    async def _for_service(self, request: Request, body: LoginBody) -> JsonObject:
        """A session for somebody whom an application service answers for."""
        service = await service_of(request, self._services)
        user_id = (await self._named(body)).user_id
        if user_id is None or not service.has_user(user_id):
            raise forbidden("this application service does not answer for that user")
        return await self._sessions.sign_in(user_id, body, request.client)

    async def _named(self, body: LoginBody) -> Named:
        """Whom the client means."""
        if body.identifier is not None and body.identifier.type not in _IDENTIFIERS:
            raise Refusal(400, "M_UNKNOWN", "identifier.type must be m.id.user")
        if body.identifier is not None and body.identifier.type == "m.id.thirdparty":
            return await named_by_address(self._addresses, body.identifier.medium, body.identifier.address)
        if body.identifier is not None and body.identifier.type != "m.id.user":
            return named_by_id(None)
        if body.identifier is None and body.user is None and body.medium is not None:
            return await named_by_address(self._addresses, body.medium, body.address)
        user = body.user if body.identifier is None else body.identifier.user
        if user is None:
            raise missing_param("identifier.user is missing")
        return named_by_id(usernames.known_user_id(user, self._server_name))

    async def _with_token(self, body: LoginBody, address: str) -> JsonObject:
        if body.token is None:
            raise missing_param("token is missing")
        return await self._sessions.sign_in_by_token(body.token, body, address)

    async def get_token(self, request: Request) -> Response:
        """A login token for another device of the person, who proves again each time that it is them."""
        who = request.requester
        await self._interactive.confirm(request, await request.json_or_empty(), uia.ASK_PASSWORD)
        token = await self._sessions.login_token(who.user_id, who.device_id)
        return reply({"login_token": token, "expires_in_ms": limits.LOGIN_TOKEN_SECONDS * 1_000})

    async def refresh(self, request: Request) -> Response:
        body = await request.read(RefreshBody)
        return reply(await self._sessions.refresh(body.refresh_token))

    async def sign_out(self, request: Request) -> Response:
        await self._sessions.end(request.requester.user_id, [request.requester.device_id])
        return empty()

    async def sign_out_everywhere(self, request: Request) -> Response:
        await self._sessions.end_all(request.requester.user_id)
        return empty()
