"""POST rooms/{roomId}/{join,leave,invite,kick,ban,unban,forget} · POST join/{roomIdOrAlias} ·
POST knock/{roomIdOrAlias}
"""

from typing import Any

import msgspec

from bongsu.core import ids
from bongsu.core.errors import Refusal, forbidden, invalid_param, not_found
from bongsu.core.json import JsonObject
from bongsu.http.request import Request, convert
from bongsu.http.response import Response, empty, reply
from bongsu.http.router import Handler, Route, client_routes
from bongsu.matrix.sending import check_room_id
from bongsu.matrix.service_queries import ServiceQueries
from bongsu.rooms.membership import Ban, Forget, Invite, Join, Kick, Knock, Leave, Unban, own_words
from bongsu.store import directory
from bongsu.store.committer import Committer
from bongsu.store.database import Database


class _Reason(msgspec.Struct):
    reason: str | None = None
    third_party_signed: JsonObject | None = None


class _Target(msgspec.Struct):
    user_id: str | None = None
    reason: str | None = None
    medium: str | None = None


class Membership:
    """Coming and going."""

    def __init__(self, database: Database, committer: Committer, queries: ServiceQueries) -> None:
        self._database = database
        self._queries = queries
        self._committer = committer

    def routes(self) -> list[Route]:
        of_room: dict[str, Handler] = {
            "join": self.join,
            "leave": self.leave,
            "invite": self.invite,
            "kick": self.kick,
            "ban": self.ban,
            "unban": self.unban,
            "forget": self.forget,
        }
        return [
            *(
                route
                for name, handler in of_room.items()
                for route in client_routes("POST", f"/rooms/{{room_id}}/{name}", handler, bucket="write")
            ),
            *client_routes("POST", "/join/{room_id_or_alias}", self.join_by_name, bucket="write"),
            *client_routes("POST", "/knock/{room_id_or_alias}", self.knock, bucket="write"),
        ]

    async def join(self, request: Request) -> Response:
        return await self._join(request, check_room_id(request.params))

    async def join_by_name(self, request: Request) -> Response:
        return await self._join(request, await self._resolve(request))

    async def _join(self, request: Request, room_id: str) -> Response:
        requester, body = request.requester, await request.json_or_empty()
        reason, user = convert(body, _Reason).reason, requester.user_id
        operation = Join(
            room_id=room_id, sender=user, target=user, reason=reason, is_guest=requester.is_guest, more=own_words(body)
        )
        joined = await self._committer.submit(operation)
        return reply({"room_id": joined})

    async def knock(self, request: Request) -> Response:
        room_id = await self._resolve(request)
        user, reason = request.requester.user_id, (await request.read(_Reason)).reason
        knocked = await self._committer.submit(Knock(room_id=room_id, sender=user, target=user, reason=reason))
        return reply({"room_id": knocked})

    async def _resolve(self, request: Request) -> str:
        room = request.params["room_id_or_alias"]
        if room.startswith("#"):
            if not ids.is_alias(room):
                raise invalid_param("that is not an alias; one looks like #name:server")
            await self._queries.alias(room, request)
            found = await directory.room_of(self._database, room)
            if found is None:
                raise not_found(f"there is no room called {room}")
            return found[0]
        if not ids.is_room_id(room):
            raise invalid_param("that is neither a room id nor an alias")
        return room

    async def leave(self, request: Request) -> Response:
        user, reason = request.requester.user_id, (await request.read(_Reason)).reason
        room_id = check_room_id(request.params)
        return await self._submit(Leave(room_id=room_id, sender=user, target=user, reason=reason))

    async def forget(self, request: Request) -> Response:
        await request.json_or_empty()
        return await self._submit(Forget(check_room_id(request.params), request.requester.user_id))

    async def invite(self, request: Request) -> Response:
        return await self._change(request, Invite)

    async def kick(self, request: Request) -> Response:
        return await self._change(request, Kick)

    async def ban(self, request: Request) -> Response:
        return await self._change(request, Ban)

    async def unban(self, request: Request) -> Response:
        return await self._change(request, Unban)

    async def _change(self, request: Request, change: type[Invite] | type[Kick] | type[Ban] | type[Unban]) -> Response:
        body = await request.read(_Target)
        if body.medium is not None:
            raise Refusal(400, "M_THREEPID_NOT_FOUND", "this server cannot invite by mail address or phone number yet")
        if body.user_id is None:
            raise Refusal(400, "M_MISSING_PARAM", "user_id is missing")
        target = ids.check_user_id(body.user_id)
        room_id, sender = check_room_id(request.params), request.requester.user_id
        if change is Invite:
            await self._queries.user(target, request)
        return await self._submit(change(room_id=room_id, sender=sender, target=target, reason=body.reason))

    async def _submit(self, operation: Any) -> Response:
        try:
            await self._committer.submit(operation)
        except Refusal as refusal:
            if refusal.status == 404 and refusal.message == "there is no such room":
                raise forbidden("you are not in this room") from None
            raise
        return empty()
