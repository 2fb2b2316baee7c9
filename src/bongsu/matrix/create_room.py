"""POST createRoom"""

from collections.abc import Callable

import msgspec

from bongsu.core import creation, versions
from bongsu.http.request import Request
from bongsu.http.response import Response, reply
from bongsu.http.router import Route, client_routes
from bongsu.rooms.creation import CreateRoom
from bongsu.store.committer import Committer


class RoomCreation:
    """new_room_id: makes a fresh id, for room versions whose ids are not hashes."""

    def __init__(self, committer: Committer, new_room_id: Callable[[], str]) -> None:
        self._committer = committer
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
        room_id = None if version.room_id_is_hash else self._new_room_id()
        created = await self._committer.submit(CreateRoom(request.requester.user_id, version, options, room_id))
        return reply({"room_id": created})
