"""Asking application services for people and rooms that do not exist yet: they may make them just then.

GET /_matrix/app/v1/users/{user_id} · GET /_matrix/app/v1/rooms/{alias}, at the service
"""

from urllib.parse import quote

from bongsu.core import ids
from bongsu.core.services import Service
from bongsu.http.service_calls import ServiceCalls, ServiceSilent
from bongsu.http.services import Services
from bongsu.store import directory, people
from bongsu.store.database import Database


class ServiceQueries:
    """Each returns when whoever may make it has had the occasion; the caller then looks again."""

    def __init__(self, database: Database, services: Services, calls: ServiceCalls, server_name: str) -> None:
        self._database = database
        self._services = services
        self._calls = calls
        self._server_name = server_name

    async def user(self, user_id: str) -> None:
        if not ids.is_user_id(user_id) or ids.split(user_id)[1] != self._server_name:
            return
        asked = [service for service in await self._services.current() if service.has_user(user_id)]
        if asked and not await people.exists(self._database, user_id):
            await self._ask(asked, f"/_matrix/app/v1/users/{quote(user_id, safe='')}")

    async def alias(self, alias: str) -> None:
        if not ids.is_alias(alias) or ids.split(alias)[1] != self._server_name:
            return
        asked = [service for service in await self._services.current() if service.has_alias(alias)]
        if asked and await directory.room_of(self._database, alias) is None:
            await self._ask(asked, f"/_matrix/app/v1/rooms/{quote(alias, safe='')}")

    async def _ask(self, services: list[Service], path: str) -> None:
        """One after another, until one says yes."""
        for service in services:
            if not service.registration.url:
                continue
            try:
                if (await self._calls.call(service, "GET", path)).status == 200:
                    return
            except ServiceSilent:
                continue
