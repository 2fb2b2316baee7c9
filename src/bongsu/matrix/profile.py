"""GET profile/{userId} · GET, PUT, DELETE profile/{userId}/{keyName}"""

import re
from typing import Any

from bongsu.core import ids, limits
from bongsu.core.errors import Refusal, bad_json, forbidden, invalid_param, missing_param, not_found
from bongsu.core.json import encode
from bongsu.http.request import Request
from bongsu.http.response import Response, empty, reply
from bongsu.http.router import Auth, Route, client_routes
from bongsu.matrix.service_queries import ServiceQueries
from bongsu.rooms.personal import ShowProfile
from bongsu.store import people
from bongsu.store import rooms as room_table
from bongsu.store.committer import Committer
from bongsu.store.database import Connection, Database

_KEY = re.compile(r"[a-z][a-z0-9_.-]*")
_IN_ROOMS = ("displayname", "avatar_url")
_TIME_ZONE = "m.tz"


class Profiles:
    """A person's name, picture and whatever else they show."""

    def __init__(self, database: Database, committer: Committer, queries: ServiceQueries) -> None:
        self._database = database
        self._queries = queries
        self._committer = committer

    def routes(self) -> list[Route]:
        one = "/profile/{user_id}/{key_name}"
        return [
            *client_routes("GET", "/profile/{user_id}", self.whole, Auth.OPTIONAL),
            *client_routes("GET", one, self.field, Auth.OPTIONAL),
            *client_routes("PUT", one, self.set_field, bucket="write"),
            *client_routes("DELETE", one, self.delete_field, bucket="write"),
        ]

    async def whole(self, request: Request) -> Response:
        user = await self._whose(request)
        profile = await people.profile(self._database, user)
        if not profile and not await people.exists(self._database, user):
            raise not_found("there is no such person here")
        return reply(profile)

    async def field(self, request: Request) -> Response:
        user = await self._whose(request)
        name = _check_key(request)
        profile = await people.profile(self._database, user)
        if name not in profile:
            raise not_found("the profile has no such field")
        return reply({name: profile[name]})

    async def _whose(self, request: Request) -> str:
        """Whom somebody who is signed in asks for may be made just then, by an application service."""
        user = ids.check_user_id(request.params["user_id"])
        if request.requester_or_none is not None:
            await self._queries.user(user, request)
        return user

    async def set_field(self, request: Request) -> Response:
        user, name = _check_own(request), _check_key(request)
        body = await request.json()
        if name not in body:
            raise missing_param(f"{name} is missing")
        value = _check_value(name, body[name])
        is_taken_away = value is None and name in _IN_ROOMS
        await self._change(user, name, None if is_taken_away else encode(value))
        return empty()

    async def delete_field(self, request: Request) -> Response:
        await self._change(_check_own(request), _check_key(request), None)
        return empty()

    async def _change(self, user: str, name: str, value: bytes | None) -> None:
        """value: JSON; None takes the field away."""

        async def work(connection: Connection) -> None:
            await people.set_field(connection, user, name, value)
            if len(encode(await people.profile(connection, user))) > limits.PROFILE_BYTES_MAX:
                raise Refusal(
                    400, "M_PROFILE_TOO_LARGE", f"a profile may have at most {limits.PROFILE_BYTES_MAX} bytes"
                )

        await self._database.write(work)
        if name in _IN_ROOMS:
            await self._show(user)

    async def _show(self, user: str) -> None:
        """Every room the person is in shows the change, too."""
        for room_id in await room_table.joined_rooms(self._database, user):
            await self._committer.submit(ShowProfile(room_id, user))


def _check_own(request: Request) -> str:
    if request.params["user_id"] != request.requester.user_id:
        raise forbidden("you can change your own profile alone")
    return request.requester.user_id


def _check_key(request: Request) -> str:
    name = request.params["key_name"]
    if len(name.encode()) > limits.ID_BYTES_MAX:
        raise Refusal(400, "M_KEY_TOO_LARGE", f"the name of a field may have at most {limits.ID_BYTES_MAX} bytes")
    if not _KEY.fullmatch(name):
        raise invalid_param("the name of a field is made of a-z, 0-9, _, - and .")
    return name


def _check_value(name: str, value: Any) -> Any:
    """The value as it is kept. Of names and pictures, nothing and an empty text take what there is away."""
    if name not in (*_IN_ROOMS, _TIME_ZONE):
        return value
    if name != _TIME_ZONE and (value is None or value == ""):
        return None
    if not isinstance(value, str):
        raise bad_json(f"{name} must be a string")
    if name == "avatar_url" and not value.startswith("mxc://"):
        raise invalid_param("a picture is named by its mxc:// address")
    return ids.check_text(value, name, limits.DISPLAY_NAME_BYTES_MAX if name == "displayname" else 1_000)
