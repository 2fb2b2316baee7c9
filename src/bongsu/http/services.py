"""The application services that this worker knows, and who asks in whose name.

Registrations are read when somebody needs them after a change, which the feed tells of. A service's token speaks for
its sender or, with `user_id`, for anybody of its namespace who has an account; with `device_id` for a device of theirs.
"""

import hmac
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from bongsu.core import ids, limits
from bongsu.core.errors import Refusal, forbidden, invalid_param
from bongsu.core.requester import Requester
from bongsu.core.services import Service, exclusive
from bongsu.http.request import Query
from bongsu.store import services as table
from bongsu.store.accounts import Accounts
from bongsu.store.database import Database
from bongsu.store.rows import Segment

_DEVICE: Final = ("device_id", "org.matrix.msc3202.device_id")
_Key = tuple[str, str, str]  # (service id, user id, device id)


class Services:
    """current() gives all of them; requester() says who asks; apply() is the feed's."""

    def __init__(self, database: Database, accounts: Accounts, server_name: str, now_ms: Callable[[], int]) -> None:
        self._database = database
        self._accounts = accounts
        self._server_name = server_name
        self._now_ms = now_ms
        self._services: tuple[Service, ...] = ()
        self._changes = 1  # told so far, the start being the first
        self._read = 0  # of those
        self._ends = 0  # revocations told so far
        self._known: OrderedDict[_Key, tuple[Requester, int]] = OrderedDict()

    def apply(self, segment: Segment) -> None:
        for row in segment.revocations:
            self._ends += 1
            if row.user_id == "":
                self._changes += 1
                self._known.clear()
            for key in [key for key in self._known if key[1] == row.user_id]:
                del self._known[key]

    async def current(self) -> tuple[Service, ...]:
        while self._read < self._changes:
            changes = self._changes
            found = await table.registrations(self._database)
            self._services = tuple(Service(registration, self._server_name) for registration in found)
            self._read = changes
        return self._services

    async def by_id(self, service_id: str) -> Service | None:
        return next((service for service in await self.current() if service.id == service_id), None)

    async def by_token(self, token: str) -> Service | None:
        """Whose as_token it is."""
        found = None
        for service in await self.current():
            if hmac.compare_digest(service.registration.as_token.encode(), token.encode()):
                found = service
        return found

    async def guard_user(self, user_id: str, service_id: str | None = None) -> None:
        """400 M_EXCLUSIVE for a name that is kept for another service than this one."""
        if any(each.owns_user(user_id) for each in await self.current() if each.id != service_id):
            raise exclusive("this user name")

    async def guard_alias(self, alias: str, service_id: str | None = None) -> None:
        if any(each.owns_alias(alias) for each in await self.current() if each.id != service_id):
            raise exclusive("this alias")

    async def requester(self, token: str, query: Query) -> Requester | None:
        """Who asks with a service's token; None when it is no service's. 403 for somebody it does not answer for."""
        service = await self.by_token(token)
        if service is None:
            return None
        user_id = query.get("user_id") or service.sender
        device_id = next((value for name in _DEVICE if (value := query.get(name))), "")
        key = (service.id, user_id, device_id)
        known = self._known.get(key)
        if known is not None and known[1] > self._now_ms():
            return known[0]
        ends = self._ends
        requester = await self._look_up(service, user_id, device_id)
        if ends == self._ends:
            self._remember(key, requester)
        return requester

    def _remember(self, key: _Key, requester: Requester) -> None:
        self._known[key] = requester, self._now_ms() + limits.TOKEN_TRUSTED_SECONDS * 1_000
        if len(self._known) > limits.SERVICE_PEOPLE_CACHED_MAX:
            self._known.popitem(last=False)

    async def _look_up(self, service: Service, user_id: str, device_id: str) -> Requester:
        if not service.has_user(user_id):
            raise forbidden("this application service does not answer for that user")
        user = await self._accounts.user(user_id) if ids.is_user_id(user_id) else None
        if user is None or ids.split(user_id)[1] != self._server_name:
            raise forbidden("this user is not registered; the application service has to do that first")
        if user.deactivated_at is not None:
            raise Refusal(403, "M_USER_DEACTIVATED", "this account is deactivated")
        await self._check_device(user_id, device_id)
        return Requester(
            user_id=user_id,
            device_id=device_id,
            token_id=b"",
            is_guest=user.is_guest,
            is_admin=user.is_admin,
            is_locked=user.locked,
            is_suspended=user.suspended,
            service_id=service.id,
            is_unlimited=not service.registration.rate_limited or user_id == service.sender,
        )

    async def _check_device(self, user_id: str, device_id: str) -> None:
        if not device_id:
            return
        if "\x00" in device_id or len(device_id) > limits.DEVICE_ID_BYTES_MAX:
            raise invalid_param("that is no device id")
        if await self._accounts.device(user_id, device_id) is None:
            raise Refusal(400, "M_UNKNOWN_DEVICE", "this user has no such device")
