"""Making an account.

POST /register
GET  /register/available
GET  /_matrix/client/v1/register/m.login.registration_token/validity
"""

import secrets
from collections.abc import Mapping
from typing import Literal

import msgspec

from bongsu.core import uia, usernames
from bongsu.core.errors import Refusal, forbidden, missing_param
from bongsu.core.guests import no_guests
from bongsu.core.ids import user_id as make_user_id
from bongsu.core.passwords import check_new
from bongsu.core.services import Service, exclusive
from bongsu.core.tiers import Tier
from bongsu.core.uia import Flow
from bongsu.http.request import Request, convert
from bongsu.http.response import Response, reply
from bongsu.http.router import Auth, Route, client_routes
from bongsu.http.services import Services
from bongsu.matrix.interactive import Interactive
from bongsu.matrix.login import SERVICE, service_of
from bongsu.matrix.passwords import Passwords
from bongsu.matrix.sessions import Sessions, Wish
from bongsu.store.accounts import Accounts, NewUser


class RegisterBody(Wish, kw_only=True):
    type: str | None = None
    username: str | None = None
    password: str | None = None
    inhibit_login: bool = False


class _Guest(msgspec.Struct):
    initial_device_display_name: str | None = None


class Registration:
    """Accounts for everybody (open), or for those with a registration token that was handed out."""

    def __init__(
        self,
        accounts: Accounts,
        sessions: Sessions,
        passwords: Passwords,
        interactive: Interactive,
        services: Services,
        server_name: str,
        *,
        is_open: bool,
        has_guests: bool,
        mail: Literal["no", "optional", "required"],
    ) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._passwords = passwords
        self._interactive = interactive
        self._services = services
        self._server_name = server_name
        self._is_open = is_open
        self._has_guests = has_guests
        self._mail = mail

    def routes(self) -> list[Route]:
        validity = "/_matrix/client/v1/register/m.login.registration_token/validity"
        return [
            *client_routes("POST", "/register", self.register, Auth.NONE, "register", tier=Tier.SIGN_IN),
            *client_routes("GET", "/register/available", self.available, Auth.NONE, "probe", tier=Tier.SEARCH),
            Route("GET", validity, self.token_validity, Auth.NONE, "probe", tier=Tier.SIGN_IN),
        ]

    async def register(self, request: Request) -> Response:
        if request.query.choice("kind", ("user", "guest"), "user") == "guest":
            return await self._register_guest(request)
        asked = await request.json_or_empty()
        body = convert(asked, RegisterBody)
        if body.type == SERVICE:
            return await self._register_for(await service_of(request, self._services), body, request.client)
        flows = await self._flows()
        user_id = await self._wanted_user_id(body)
        completed = await self._interactive.confirm(request, asked, flows, varying=asked)  # nobody's account yet
        new = await self._new_user(user_id, body, completed.facts)
        return reply(await self._sessions.sign_up(new, None if body.inhibit_login else body, request.client))

    async def _register_guest(self, request: Request) -> Response:
        """Somebody without an account or a way to come back. Of the body the device's name alone counts."""
        if not self._has_guests:
            raise no_guests("this server has no guests")
        said = convert(await request.json_or_empty(), _Guest)
        wish = Wish(initial_device_display_name=said.initial_device_display_name)
        wish.check()
        user_id = make_user_id(f"guest-{secrets.token_hex(8)}", self._server_name)
        new = NewUser(user_id=user_id, password_hash=None, is_guest=True)
        return reply(await self._sessions.sign_up(new, wish, request.client))

    async def _register_for(self, service: Service, body: RegisterBody, address: str) -> Response:
        """Somebody whom an application service answers for. They have no password, and sign in through it alone."""
        body.check()
        if not body.username:
            raise missing_param("username is missing")
        user_id = usernames.new_user_id(body.username, self._server_name)
        if not service.has_user(user_id):
            raise exclusive("every name outside of this application service's own")
        await self._services.guard_user(user_id, service.id)
        new = NewUser(user_id=user_id, password_hash=None, service_id=service.id)
        return reply(await self._sessions.sign_up(new, None if body.inhibit_login else body, address))

    @property
    def is_for_everybody(self) -> bool:
        """May anybody make an account on the page for it?"""
        return self._is_open and self._mail != "required"

    async def gate(self) -> Literal["open", "token", "closed"]:
        """What a person needs who makes an account on the page for it. A mail address is confirmed by apps alone."""
        if self._mail == "required":
            return "closed"
        if self._is_open:
            return "open"
        return "token" if await self._accounts.has_registration_tokens() else "closed"

    async def make(self, username: str, password: str, token: str | None) -> str:
        """An account without a session. The user id; refused as register() would."""
        gate = await self.gate()
        if gate == "closed":
            raise forbidden("registration is closed")
        facts = {"registration_token": token or ""} if gate == "token" else {}
        if facts:
            await self._interactive.check_registration_token(facts["registration_token"])
        body = RegisterBody(username=username, password=password)
        user_id = await self._free_user_id(username)
        await self._sessions.sign_up(await self._new_user(user_id, body, facts), None, "")
        return user_id

    async def _flows(self) -> list[Flow]:
        flows: list[Flow] = [(uia.DUMMY,)] if self._is_open else []
        if await self._accounts.has_registration_tokens():
            flows.append((uia.REGISTRATION_TOKEN,))
        if not flows:
            raise forbidden("registration is closed")
        return self._with_mail(flows)

    def _with_mail(self, flows: list[Flow]) -> list[Flow]:
        """A confirmed mail address takes the place of the stage that asks for nothing."""
        with_mail = [(*(stage for stage in flow if stage != uia.DUMMY), uia.EMAIL) for flow in flows]
        return {"no": flows, "optional": [*flows, *with_mail], "required": with_mail}[self._mail]

    async def _wanted_user_id(self, body: RegisterBody) -> str:
        """The protocol wants the name judged before the person has to prove anything; so is the password."""
        body.check()
        if body.password is not None:
            check_new(body.password)
        if not body.username:
            return make_user_id(f"u{secrets.token_hex(6)}", self._server_name)
        return await self._free_user_id(body.username)

    async def _free_user_id(self, username: str) -> str:
        user_id = usernames.new_user_id(username, self._server_name)
        await self._services.guard_user(user_id)
        if await self._accounts.user(user_id) is not None:
            raise Refusal(400, "M_USER_IN_USE", "this user name is taken")
        return user_id

    async def _new_user(self, user_id: str, body: RegisterBody, facts: Mapping[str, str]) -> NewUser:
        if body.password is None:
            raise missing_param("password is missing")
        password_hash = await self._passwords.hash(body.password)
        return NewUser(
            user_id=user_id,
            password_hash=password_hash,
            registration_token=facts.get("registration_token"),
            mail_proof=facts.get("sid"),
        )

    async def available(self, request: Request) -> Response:
        await self._free_user_id(request.query.need("username"))
        return reply({"available": True})

    async def token_validity(self, request: Request) -> Response:
        if not (self._is_open or await self._accounts.list_registration_tokens()):
            raise forbidden("registration is closed")
        return reply({"valid": await self._accounts.is_registration_token(request.query.need("token"))})
