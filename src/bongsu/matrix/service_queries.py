"""Asking application services for people and rooms that do not exist yet: they may make them just then.

GET /_matrix/app/v1/users/{user_id} · GET /_matrix/app/v1/rooms/{alias}, at the service
"""

import asyncio
from collections.abc import Iterable
from urllib.parse import quote

from bongsu.core import ids
from bongsu.core.services import Service
from bongsu.http.ratelimit import RateLimiter
from bongsu.http.request import Request
from bongsu.http.service_calls import ServiceCalls, ServiceSilent
from bongsu.http.services import Services
from bongsu.store import directory, people
from bongsu.store.database import Database


class ServiceQueries:
    """Each returns when whoever may make it has had the occasion; the caller then looks again.

    A service is not asked for what it looks for itself, and nobody makes this server ask too often.
    """

    def __init__(
        self, database: Database, services: Services, calls: ServiceCalls, limiter: RateLimiter, server_name: str
    ) -> None:
        self._database = database
        self._services = services
        self._calls = calls
        self._limiter = limiter
        self._server_name = server_name

    async def users(self, user_ids: Iterable[str], request: Request) -> None:
        await asyncio.gather(*(self.user(user_id, request) for user_id in user_ids))

    async def user(self, user_id: str, request: Request) -> None:
        if not ids.is_user_id(user_id) or ids.split(user_id)[1] != self._server_name:
            return
        asked = [service for service in await self._others(request) if service.has_user(user_id)]
        if asked and not await people.exists(self._database, user_id):
            await self._ask(asked, f"/_matrix/app/v1/users/{quote(user_id, safe='')}", request)

    async def alias(self, alias: str, request: Request) -> None:
        if not ids.is_alias(alias) or ids.split(alias)[1] != self._server_name:
            return
        asked = [service for service in await self._others(request) if service.has_alias(alias)]
        if asked and await directory.room_of(self._database, alias) is None:
            await self._ask(asked, f"/_matrix/app/v1/rooms/{quote(alias, safe='')}", request)

    async def _others(self, request: Request) -> list[Service]:
        """The services that have an address, but for the one that asks."""
        requester = request.requester_or_none
        asks = None if requester is None else requester.service_id
        return [each for each in await self._services.current() if each.registration.url and each.id != asks]

    async def _ask(self, services: list[Service], path: str, request: Request) -> None:
        """One after another, until one says yes."""
        await self._limiter.spend("probe", request.requester_or_none, request.client)
        for service in services:
            try:
                if (await self._calls.call(service, "GET", path)).status == 200:
                    return
            except ServiceSilent:
                continue
