"""POST /_matrix/client/v3/rooms/{room_id}/upgrade"""

from collections.abc import Callable

import msgspec

from bongsu.core import ids, limits, versions
from bongsu.core.errors import forbidden, invalid_param
from bongsu.http.request import Request
from bongsu.http.response import Response, reply
from bongsu.http.router import Route, client_routes
from bongsu.rooms.creation import UpgradeRoom
from bongsu.store.committer import Committer


class _Upgrade(msgspec.Struct):
    new_version: str
    additional_creators: list[str] = []


class Upgrades:
    """Replaces a room by one of another version. new_room_id: makes a fresh id, where ids are not hashes."""

    def __init__(self, committer: Committer, new_room_id: Callable[[], str]) -> None:
        self._committer = committer
        self._new_room_id = new_room_id

    def routes(self) -> list[Route]:
        return client_routes("POST", "/rooms/{room_id}/upgrade", self.upgrade, bucket="write")

    async def upgrade(self, request: Request) -> Response:
        room_id = request.params["room_id"]
        body = await request.read(_Upgrade)
        version = versions.version(body.new_version)
        if not ids.is_room_id(room_id):
            raise forbidden("you are not in this room")
        if len(body.additional_creators) > limits.INVITES_PER_CREATE_MAX:
            raise invalid_param(f"a room may have {limits.INVITES_PER_CREATE_MAX} additional creators")
        for user in body.additional_creators:
            ids.check_user_id(user)
        new_room_id = None if version.room_id_is_hash else self._new_room_id()
        operation = UpgradeRoom(room_id, request.requester.user_id, version, body.additional_creators, new_room_id)
        return reply({"replacement_room": await self._committer.submit(operation)})
