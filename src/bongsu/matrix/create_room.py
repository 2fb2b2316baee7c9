"""POST createRoom"""

from collections.abc import Callable

import msgspec

from bongsu.core import creation, versions
from bongsu.http.request import Request
from bongsu.http.response import Response, reply
from bongsu.http.router import Route, client_routes
from bongsu.http.services import Services
from bongsu.matrix.service_queries import ServiceQueries
from bongsu.rooms.creation import CreateRoom
from bongsu.store.committer import Committer


class RoomCreation:
    """new_room_id: makes a fresh id, for room versions whose ids are not hashes."""

    def __init__(
        self,
        committer: Committer,
        services: Services,
        queries: ServiceQueries,
        new_room_id: Callable[[], str],
        server_name: str,
    ) -> None:
        self._committer = committer
        self._services = services
        self._queries = queries
        self._server_name = server_name
        self._new_room_id = new_room_id

    def routes(self) -> list[Route]:
        return client_routes("POST", "/createRoom", self.create, bucket="write")

    async def create(self, request: Request) -> Response:
        options = await request.read(creation.Options)
        creation.check(options)
        version = versions.version(versions.DEFAULT if options.room_version is None else options.room_version)
        options = msgspec.structs.replace(
            options, invite=[user for user in options.invite if user != request.requester.user_id]
        )
        if options.room_alias_name is not None:
            alias = f"#{options.room_alias_name}:{self._server_name}"
            await self._services.guard_alias(alias, request.requester.service_id)
        await self._queries.users(options.invite, request)
        room_id = None if version.room_id_is_hash else self._new_room_id()
        created = await self._committer.submit(CreateRoom(request.requester.user_id, version, options, room_id))
        return reply({"room_id": created})
