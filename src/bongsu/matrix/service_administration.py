"""What the command line does with application services."""

from typing import Any

import msgspec

from bongsu.core import services as rules
from bongsu.core.errors import invalid_param
from bongsu.http.services import Services
from bongsu.rooms.services import PutService, RemoveService
from bongsu.store import services as table
from bongsu.store.committer import Committer
from bongsu.store.database import Database


class ServiceAdministration:
    """Registrations are kept in the database, so that all workers in all sites have the same."""

    def __init__(self, database: Database, committer: Committer, services: Services) -> None:
        self._database = database
        self._committer = committer
        self._services = services

    async def add(self, raw: bytes) -> str:
        """raw: a registration as YAML (JSON is YAML, too). Returns its id; one that is known is changed."""
        try:
            given = msgspec.yaml.decode(raw)
        except msgspec.DecodeError as error:
            raise invalid_param(f"the registration is no YAML: {error}".replace("\n", " ")) from None
        registration = rules.parse(given)
        await self._committer.submit(PutService(registration))
        return registration.id

    async def remove(self, service_id: str) -> None:
        await self._committer.submit(RemoveService(service_id))

    async def list_all(self) -> list[dict[str, Any]]:
        """id, url, sender, behind (positions), tries (of the transaction that waits)."""
        progress = {each.service_id: each for each in await table.progress(self._database)}
        return [
            {
                "id": service.id,
                "url": service.registration.url,
                "sender": service.sender,
                "behind": progress[service.id].behind,
                "tries": progress[service.id].tries,
            }
            for service in await self._services.current()
            if service.id in progress
        ]
