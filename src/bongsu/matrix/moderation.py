"""Looking after other people's accounts (client-server API, "Server administration").

GET      /admin/whois/{user_id}
GET, PUT /_matrix/client/v1/admin/lock/{user_id}
GET, PUT /_matrix/client/v1/admin/suspend/{user_id}
"""

import msgspec

from bongsu.core import ids
from bongsu.core.errors import Refusal, forbidden, invalid_param, not_found
from bongsu.core.json import JsonObject
from bongsu.http.request import Request
from bongsu.http.response import Response, reply
from bongsu.http.router import Route, client_routes
from bongsu.rooms.moderation import SetFlag
from bongsu.store.accounts import Accounts, Device
from bongsu.store.committer import Committer
from bongsu.store.database import Database
from bongsu.store.moderation import Standing, standing_of


class _Lock(msgspec.Struct):
    locked: bool


class _Suspend(msgspec.Struct):
    suspended: bool


class Moderation:
    """For administrators. Who asks is judged before whom it is about, so that nobody learns who has an account."""

    def __init__(self, database: Database, accounts: Accounts, committer: Committer, server_name: str) -> None:
        self._database = database
        self._accounts = accounts
        self._committer = committer
        self._server_name = server_name

    def routes(self) -> list[Route]:
        lock, suspend = (f"/_matrix/client/v1/admin/{what}/{{user_id}}" for what in ("lock", "suspend"))
        return [
            *client_routes("GET", "/admin/whois/{user_id}", self.whois),
            Route("GET", lock, self.is_locked),
            Route("PUT", lock, self.set_locked, bucket="write"),
            Route("GET", suspend, self.is_suspended),
            Route("PUT", suspend, self.set_suspended, bucket="write"),
        ]

    async def whois(self, request: Request) -> Response:
        """For administrators, and of oneself."""
        user_id = request.params["user_id"]
        if not request.requester.is_admin and user_id != request.requester.user_id:
            raise _not_admin()
        if await standing_of(self._database, self._own(user_id)) is None:
            raise _nobody()
        devices = await self._accounts.devices(user_id)
        return reply({"user_id": user_id, "devices": {device.device_id: _seen(device) for device in devices}})

    async def is_locked(self, request: Request) -> Response:
        return reply({"locked": (await self._standing(request)).locked})

    async def is_suspended(self, request: Request) -> Response:
        return reply({"suspended": (await self._standing(request)).suspended})

    async def set_locked(self, request: Request) -> Response:
        value = (await request.read(_Lock)).locked
        user_id = self._target(request)
        await self._committer.submit(SetFlag(user_id, "locked", value, spares_admins=True))
        return reply({"locked": value})

    async def set_suspended(self, request: Request) -> Response:
        value = (await request.read(_Suspend)).suspended
        user_id = self._target(request)
        await self._committer.submit(SetFlag(user_id, "suspended", value, spares_admins=True))
        return reply({"suspended": value})

    def _target(self, request: Request) -> str:
        """Whom an administrator means to change."""
        user_id = self._asked(request)
        if user_id == request.requester.user_id:
            raise forbidden("nobody can do this to their own account")
        return user_id

    def _asked(self, request: Request) -> str:
        if not request.requester.is_admin:
            raise _not_admin()
        return self._own(request.params["user_id"])

    def _own(self, user_id: str) -> str:
        if not ids.is_user_id(user_id) or ids.split(user_id)[1] != self._server_name:
            raise invalid_param("that is no user id of this server")
        return user_id

    async def _standing(self, request: Request) -> Standing:
        standing = await standing_of(self._database, self._asked(request))
        if standing is None:
            raise _nobody()
        if standing.is_admin:
            raise forbidden("this account is an administrator's")
        return standing


def _not_admin() -> Refusal:
    return forbidden("this is for administrators of this server")


def _nobody() -> Refusal:
    return not_found("there is no such account, or it is deactivated")


def _seen(device: Device) -> JsonObject:
    """Sessions are one a device here, and a connection is where it was seen last."""
    connection: JsonObject = {}
    if device.seen_address is not None:
        connection["ip"] = device.seen_address
    if device.seen_at is not None:
        connection["last_seen"] = round(device.seen_at.timestamp() * 1_000)
    return {"sessions": [{"connections": [connection] if connection else []}]}
