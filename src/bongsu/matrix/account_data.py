"""GET, PUT user/{userId}/account_data/{type} · the same under rooms/{roomId} ·
GET user/{userId}/rooms/{roomId}/tags · PUT, DELETE …/tags/{tag}
"""

from collections.abc import Callable

from bongsu.core import ids, limits, pushrules, quiet
from bongsu.core.errors import Refusal, forbidden, invalid_param, not_found, too_large
from bongsu.core.json import JsonObject, decode, encode
from bongsu.http.request import Request
from bongsu.http.response import Response, empty, reply
from bongsu.http.router import Route, client_routes
from bongsu.rooms.personal import EditAccountData, SetAccountData
from bongsu.store import personal
from bongsu.store.committer import Committer
from bongsu.store.database import Database
from bongsu.store.quiet import zone

_TAGS = "m.tag"
_PUSH_RULES = "m.push_rules"  # kept as what differs from the predefined rules, shown whole
_MANAGED = ("m.fully_read", _PUSH_RULES)  # the protocol gives these endpoints of their own


class AccountDataEndpoints:
    """What clients keep with the server for themselves."""

    def __init__(self, database: Database, committer: Committer) -> None:
        self._database = database
        self._committer = committer

    def routes(self) -> list[Route]:
        in_room = "/user/{user_id}/rooms/{room_id}"
        return [
            *client_routes("PUT", "/user/{user_id}/account_data/{type}", self.set, bucket="write"),
            *client_routes("GET", "/user/{user_id}/account_data/{type}", self.get),
            *client_routes("PUT", f"{in_room}/account_data/{{type}}", self.set, bucket="write"),
            *client_routes("GET", f"{in_room}/account_data/{{type}}", self.get),
            *client_routes("GET", f"{in_room}/tags", self.tags),
            *client_routes("PUT", f"{in_room}/tags/{{tag}}", self.set_tag, bucket="write"),
            *client_routes("DELETE", f"{in_room}/tags/{{tag}}", self.delete_tag, bucket="write"),
        ]

    async def set(self, request: Request) -> Response:
        room_id = _check_own(request)
        kind = ids.check_text(request.params["type"], "the type")
        if kind in _MANAGED:
            raise Refusal(405, "M_BAD_JSON", f"{kind} cannot be set here")
        body = await request.json()
        if kind == quiet.QUIET_HOURS and not room_id:
            quiet.parse(body, zone)
        content = _check_size(encode(body))
        await self._committer.submit(SetAccountData(request.requester.user_id, room_id, kind, content))
        return empty()

    async def get(self, request: Request) -> Response:
        room_id = _check_own(request)
        kind = ids.check_text(request.params["type"], "the type")
        content = await self._content(request, room_id, kind)
        if kind == _PUSH_RULES and not room_id:
            stored = None if content is None else decode(content)
            return reply({"global": pushrules.ruleset(request.requester.user_id, stored)})
        if content is None:
            raise not_found("there is no such account data")
        return Response(content)

    async def tags(self, request: Request) -> Response:
        room_id = _check_own(request)
        return reply({"tags": _tags_in(await self._content(request, room_id, _TAGS))})

    async def _content(self, request: Request, room_id: str, kind: str) -> bytes | None:
        return await personal.account_data(self._database, request.requester.user_id, room_id, kind)

    async def set_tag(self, request: Request) -> Response:
        room_id = _check_own(request)
        tag = ids.check_text(request.params["tag"], "the tag")
        body = await request.json_or_empty()
        order = body.get("order")
        if order is not None and (isinstance(order, bool) or not isinstance(order, int | float) or not 0 <= order <= 1):
            raise invalid_param("order must be a number from 0 to 1")
        await self._edit_tags(request, room_id, lambda tags: {**tags, tag: body})
        return empty()

    async def delete_tag(self, request: Request) -> Response:
        room_id = _check_own(request)
        gone = request.params["tag"]
        await self._edit_tags(request, room_id, lambda tags: {tag: value for tag, value in tags.items() if tag != gone})
        return empty()

    async def _edit_tags(self, request: Request, room_id: str, edit: Callable[[JsonObject], JsonObject]) -> None:
        def change(raw: bytes | None) -> bytes:
            return _check_size(encode({"tags": edit(_tags_in(raw))}))

        await self._committer.submit(EditAccountData(request.requester.user_id, room_id, _TAGS, change))


def _check_own(request: Request) -> str:
    """The room of the path ("" for none). Account data is its owner's alone."""
    if request.params["user_id"] != request.requester.user_id:
        raise forbidden("account data is its owner's alone")
    room_id = request.params.get("room_id", "")
    if room_id and not ids.is_room_id(room_id):
        raise invalid_param("that is not a room id")
    return room_id


def _check_size(raw: bytes) -> bytes:
    if len(raw) > limits.ACCOUNT_DATA_BYTES_MAX:
        raise too_large(f"account data may have at most {limits.ACCOUNT_DATA_BYTES_MAX} bytes")
    return raw


def _tags_in(raw: bytes | None) -> JsonObject:
    tags = decode(raw).get("tags") if raw is not None else None
    return tags if isinstance(tags, dict) else {}
