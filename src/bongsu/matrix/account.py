"""A person's own account.

GET  /account/whoami
POST /account/password
POST /account/deactivate
"""

from typing import Final

import msgspec

from bongsu.core import uia
from bongsu.core.errors import missing_param
from bongsu.core.json import JsonObject
from bongsu.core.passwords import check_new
from bongsu.http.request import Request, convert
from bongsu.http.response import Response, empty, reply
from bongsu.http.router import Auth, Route, client_routes
from bongsu.matrix.deactivation import Deactivation
from bongsu.matrix.interactive import Interactive
from bongsu.matrix.passwords import Passwords
from bongsu.matrix.sessions import Sessions
from bongsu.store.accounts import Accounts

_DECIDED_LATE: Final = ("erase", "id_server")  # clients ask what to prove before the person has decided


class PasswordBody(msgspec.Struct):
    """new_password: missing when a client only asks how it has to authenticate."""

    new_password: str | None = None
    logout_devices: bool = True


class DeactivateBody(msgspec.Struct):
    """erase: forget what is not part of rooms."""

    erase: bool = False


class Account:
    """Who am I, a new password, the end."""

    def __init__(
        self,
        accounts: Accounts,
        sessions: Sessions,
        passwords: Passwords,
        interactive: Interactive,
        deactivation: Deactivation,
    ) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._passwords = passwords
        self._interactive = interactive
        self._deactivation = deactivation

    def routes(self) -> list[Route]:
        return [
            *client_routes("GET", "/account/whoami", self.whoami, bucket="read"),
            *client_routes("POST", "/account/password", self.change_password, Auth.OPTIONAL, "write"),
            *client_routes("POST", "/account/deactivate", self.deactivate, bucket="write"),
        ]

    async def whoami(self, request: Request) -> Response:
        who = request.requester
        device = {"device_id": who.device_id} if who.device_id else {}
        return reply({"user_id": who.user_id, **device, "is_guest": who.is_guest})

    async def change_password(self, request: Request) -> Response:
        asked = await request.json_or_empty()
        body = convert(asked, PasswordBody)
        if body.new_password is not None:
            check_new(body.new_password)
        if request.requester_or_none is None:
            await self._reset_password(request, asked, body)
            return empty()
        await self._interactive.confirm(request, asked, uia.ASK_PASSWORD)
        who = request.requester
        ended = await self._accounts.set_password(
            who.user_id, await self._hash(body), sign_out=body.logout_devices, except_device=who.device_id
        )
        await self._sessions.tell(who.user_id, ended)
        return empty()

    async def _reset_password(self, request: Request, asked: JsonObject, body: PasswordBody) -> None:
        """For who is not signed in, and reads the mail of an address that is the account's."""
        sid = (await self._interactive.confirm(request, asked, uia.ASK_EMAIL)).facts["sid"]
        password_hash = await self._hash(body)
        user_id, ended = await self._accounts.reset_password(sid, password_hash, sign_out=body.logout_devices)
        await self._sessions.tell(user_id, ended)

    async def _hash(self, body: PasswordBody) -> str:
        if body.new_password is None:
            raise missing_param("new_password is missing")
        return await self._passwords.hash(body.new_password)

    async def deactivate(self, request: Request) -> Response:
        asked = await request.json_or_empty()
        body = convert(asked, DeactivateBody)
        await self._interactive.confirm(request, asked, uia.ASK_PASSWORD, varying=_DECIDED_LATE)
        await self._deactivation.deactivate(request.requester.user_id, erase=body.erase)
        return reply({"id_server_unbind_result": "success"})
