"""Names of rooms (client-server API, "Room aliases").

PUT, GET, DELETE /_matrix/client/v3/directory/room/{room_alias}
GET /_matrix/client/v3/rooms/{room_id}/aliases
"""

import msgspec

from bongsu.core import ids
from bongsu.core.errors import Refusal, forbidden, invalid_param, not_found
from bongsu.core.visibility import WORLD_READABLE
from bongsu.http.request import Request
from bongsu.http.response import Response, empty, reply
from bongsu.http.router import Auth, Route, client_routes
from bongsu.http.services import Services
from bongsu.matrix.service_queries import ServiceQueries
from bongsu.rooms.aliases import DeleteAlias, SetAlias
from bongsu.rooms.cache import Rooms
from bongsu.rooms.visibility import with_state
from bongsu.store import directory as table
from bongsu.store.committer import Committer
from bongsu.store.database import Database


class _Target(msgspec.Struct):
    room_id: str


class Aliases:
    """Gives, finds and takes away aliases of this server."""

    def __init__(
        self,
        database: Database,
        rooms: Rooms,
        committer: Committer,
        services: Services,
        queries: ServiceQueries,
        server_name: str,
    ) -> None:
        self._database = database
        self._rooms = rooms
        self._committer = committer
        self._services = services
        self._queries = queries
        self._server_name = server_name

    def routes(self) -> list[Route]:
        path = "/directory/room/{room_alias}"
        return [
            *client_routes("GET", path, self.find, Auth.NONE),
            *client_routes("PUT", path, self.set, bucket="write"),
            *client_routes("DELETE", path, self.delete, bucket="write"),
            *client_routes("GET", "/rooms/{room_id}/aliases", self.of_room, bucket="read"),
        ]

    async def find(self, request: Request) -> Response:
        alias = _alias(request)
        await self._queries.alias(alias, request)
        found = await table.room_of(self._database, alias)
        if found is None:
            raise _no_alias(alias)
        return reply({"room_id": found[0], "servers": [self._server_name]})

    async def set(self, request: Request) -> Response:
        alias = _alias(request)
        if not self._is_own(alias):
            raise invalid_param(f"aliases of this server end in :{self._server_name}")
        room_id = (await request.read(_Target)).room_id
        if not ids.is_room_id(room_id):
            raise invalid_param("room_id is not a room id")
        await self._services.guard_alias(alias, request.requester.service_id)
        await self._committer.submit(SetAlias(alias, room_id, request.requester.user_id))
        return empty()

    async def delete(self, request: Request) -> Response:
        alias = _alias(request)
        if not self._is_own(alias):
            raise _no_alias(alias)
        requester = request.requester
        await self._services.guard_alias(alias, requester.service_id)
        await self._committer.submit(DeleteAlias(alias, requester.user_id, requester.is_admin))
        return empty()

    def _is_own(self, alias: str) -> bool:
        return ids.split(alias)[1] == self._server_name

    async def of_room(self, request: Request) -> Response:
        """For members, and for everybody where the room is world readable."""
        requester = request.requester
        found = await with_state(self._database, self._rooms, request.params["room_id"], requester.user_id)
        if found.visibility.membership != "join" and found.visibility.value != WORLD_READABLE:
            raise forbidden("you are not in this room")
        return reply({"aliases": await table.aliases_of(self._database, found.room.room_id)})


def _alias(request: Request) -> str:
    alias = request.params["room_alias"]
    if not ids.is_alias(alias):
        raise invalid_param("that is not an alias; one looks like #name:server")
    return alias


def _no_alias(alias: str) -> Refusal:
    return not_found(f"there is no alias {alias}")
