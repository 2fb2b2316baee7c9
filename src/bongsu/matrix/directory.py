"""Finding rooms: the published directory and summaries (client-server API, "Published room directory").

GET, PUT /_matrix/client/v3/directory/list/room/{room_id}
GET, POST /_matrix/client/v3/publicRooms
GET /_matrix/client/v1/room_summary/{room_id_or_alias}
GET /_matrix/client/unstable/im.nheko.summary/summary/{room_id_or_alias}  as matrix-js-sdk asks
"""

import re
from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from bongsu.core import ids, limits, summary
from bongsu.core.errors import Refusal, invalid_param, not_found
from bongsu.core.events import membership_of
from bongsu.core.json import JsonObject
from bongsu.core.requester import Requester
from bongsu.core.tiers import Tier
from bongsu.http.request import Request
from bongsu.http.response import Response, empty, reply
from bongsu.http.router import Auth, Route, client_routes
from bongsu.rooms.aliases import SetPublished
from bongsu.rooms.cache import Rooms
from bongsu.rooms.room import Room
from bongsu.rooms.summary import facts_of, may_know
from bongsu.store import directory as table
from bongsu.store import rooms as room_table
from bongsu.store.committer import Committer
from bongsu.store.database import Database
from bongsu.store.directory import EVERYWHERE, HERE, Cursor, Listed

_DRAFT: Final = "/_matrix/client/unstable/im.nheko.summary/summary/{room_id_or_alias}"
_DRAFTED: Final = ("room_version", "encryption")
_TOKEN: Final = re.compile(r"([np])([0-9]{1,15})(!.{1,254})", re.DOTALL)


class _Published(msgspec.Struct):
    visibility: Literal["public", "private"] = "public"


class _Filter(msgspec.Struct):
    generic_search_term: str | None = None
    room_types: list[str | None] | None = None


class _Search(msgspec.Struct):
    """The body of POST /publicRooms."""

    limit: int | None = None
    since: str | None = None
    filter: _Filter | None = None
    include_all_networks: bool = False
    third_party_instance_id: str | None = None


class _Asked(msgspec.Struct, frozen=True):
    """What is looked for. cursor, backwards: the place to begin at; term: as it was typed; types: of rooms."""

    limit: int
    cursor: Cursor | None = None
    backwards: bool = False
    term: str | None = None
    types: Sequence[str | None] | None = None
    listed: Listed = HERE

    def admits(self, said: JsonObject) -> bool:
        if self.types is not None and said.get("room_type") not in self.types:
            return False
        return self.term is None or summary.matches(said, self.term.casefold())


class Directory:
    """Lists the published rooms, the fullest first, and tells outsiders what they may know of a room."""

    def __init__(self, database: Database, rooms: Rooms, committer: Committer, server_name: str) -> None:
        self._database = database
        self._rooms = rooms
        self._committer = committer
        self._server_name = server_name

    def routes(self) -> list[Route]:
        listed = "/directory/list/room/{room_id}"
        at = "/_matrix/client/v1/room_summary/{room_id_or_alias}"
        return [
            *client_routes("GET", listed, self.is_published, Auth.NONE),
            *client_routes("PUT", listed, self.publish, bucket="write"),
            *client_routes("GET", "/publicRooms", self.list, Auth.NONE, tier=Tier.SEARCH),
            *client_routes("POST", "/publicRooms", self.search, tier=Tier.SEARCH),
            Route("GET", at, self.summary, Auth.OPTIONAL, tier=Tier.SEARCH),
            Route("GET", _DRAFT, self.draft_summary, Auth.OPTIONAL, tier=Tier.SEARCH),
        ]

    # --- publishing ---

    async def is_published(self, request: Request) -> Response:
        room_id = request.params["room_id"]
        published = await table.in_directory(self._database, room_id) if ids.is_room_id(room_id) else None
        if published is None:
            raise not_found("there is no such room")
        return reply({"visibility": "public" if published else "private"})

    async def publish(self, request: Request) -> Response:
        room_id, requester = request.params["room_id"], request.requester
        published = (await request.read(_Published)).visibility == "public"
        if not ids.is_room_id(room_id):
            raise not_found("there is no such room")
        await self._committer.submit(SetPublished(room_id, requester.user_id, requester.is_admin, published))
        return empty()

    # --- listing ---

    async def list(self, request: Request) -> Response:
        query = request.query
        self._check_server(query.get("server"))
        limit = query.integer("limit", limits.DIRECTORY_PAGE_DEFAULT, high=limits.DIRECTORY_PAGE_MAX)
        return reply(await self._listed(_asked(limit, query.get("since"), _Filter())))

    async def search(self, request: Request) -> Response:
        self._check_server(request.query.get("server"))
        body = await request.read(_Search)
        asked = _asked(body.limit or 0, body.since, body.filter or _Filter())
        return reply(await self._listed(msgspec.structs.replace(asked, listed=_where(body))))

    def _check_server(self, server: str | None) -> None:
        if server is not None and server != self._server_name:
            raise not_found("this server lists its own rooms only")

    async def _listed(self, asked: _Asked) -> JsonObject:
        found, rest = await self._find(asked)
        page = found[::-1] if asked.backwards else found
        said: JsonObject = {
            "chunk": [entry for _, entry in page],
            "total_room_count_estimate": await table.published_count(self._database, asked.term, asked.listed),
        }
        following = (page[-1][0] if page else None) if asked.backwards else rest
        preceding = rest if asked.backwards else (page[0][0] if page and asked.cursor else None)
        if following is not None:
            said["next_batch"] = _token("n", following)
        if preceding is not None:
            said["prev_batch"] = _token("p", preceding)
        return said

    async def _find(self, asked: _Asked) -> tuple[Sequence[tuple[Cursor, JsonObject]], Cursor | None]:
        """The rooms of one page in the direction asked for, and where to go on; None where nothing follows."""
        found: list[tuple[Cursor, JsonObject]] = []
        cursor, looked_at, count = asked.cursor, 0, asked.limit + 1
        while looked_at < limits.DIRECTORY_SEARCHED_MAX:
            places = await table.published(
                self._database, cursor, count, term=asked.term, backwards=asked.backwards, listed=asked.listed
            )
            entries = await self._entries(places)
            found += [(place, entry) for place, entry in zip(places, entries, strict=True) if asked.admits(entry)]
            if len(found) > asked.limit:
                return found[: asked.limit], found[asked.limit - 1][0]
            if len(places) < count:
                return found, None
            cursor = places[-1]
            looked_at += len(places)
        return found, cursor

    async def _entries(self, places: Sequence[Cursor]) -> Sequence[JsonObject]:
        facts = await table.facts_of(self._database, [place.room_id for place in places])
        return [summary.entry(place.room_id, place.people, facts[place.room_id]) for place in places]

    # --- one room ---

    async def summary(self, request: Request) -> Response:
        return reply(await self._summary(request))

    async def draft_summary(self, request: Request) -> Response:
        """As the proposal had it, which named two things otherwise."""
        said = await self._summary(request)
        return reply({**said, **{f"im.nheko.summary.{key}": said[key] for key in _DRAFTED if key in said}})

    async def _summary(self, request: Request) -> JsonObject:
        room = await self._room(request.params["room_id_or_alias"])
        requester = request.requester_or_none
        membership = await self._membership(room, requester)
        user_id = requester.user_id if requester else None
        if not await may_know(self._database, facts_of(room), user_id, membership):
            raise _no_room()
        said = summary.summary(room.room_id, room.joined_count, room.version.name, facts_of(room))
        if requester is not None:
            said["membership"] = membership
        return said

    async def _membership(self, room: Room, requester: Requester | None) -> str:
        if requester is None:
            return "leave"
        key = (room.room_id, requester.user_id)
        return membership_of((await room_table.members(self._database, [key])).get(key))

    async def _room(self, room: str) -> Room:
        if ids.is_alias(room):
            found = await table.room_of(self._database, room)
            if found is None:
                raise _no_room()
            return await self._rooms.get(found[0])
        if not ids.is_room_id(room):
            raise invalid_param("that is neither a room id nor an alias")
        return await self._rooms.get(room)


def _no_room() -> Refusal:
    return not_found("there is no such room, or it is not for everybody to know")


def _where(body: _Search) -> Listed:
    """This server's own directory, a network's of an application service, or all of them together."""
    instance = body.third_party_instance_id
    if instance is not None:
        if body.include_all_networks:
            raise invalid_param("third_party_instance_id names one network, include_all_networks asks for all")
        return Listed(ids.check_text(instance, "third_party_instance_id"))
    return EVERYWHERE if body.include_all_networks else HERE


def _token(direction: str, place: Cursor) -> str:
    return f"{direction}{place.people}{place.room_id}"


def _asked(limit: int, since: str | None, wanted: _Filter) -> _Asked:
    """limit 0: as many as the server likes."""
    if limit < 0:
        raise invalid_param("limit must not be negative")
    term = ids.check_text(wanted.generic_search_term or "", "the search term", limits.SEARCH_TERM_BYTES_MAX) or None
    match = _TOKEN.fullmatch(since) if since else None
    if since and (match is None or "\x00" in since):
        raise invalid_param("this token is not one of this server's")
    return _Asked(
        limit=min(limit or limits.DIRECTORY_PAGE_DEFAULT, limits.DIRECTORY_PAGE_MAX),
        cursor=Cursor(int(match[2]), match[3]) if match else None,
        backwards=match is not None and match[1] == "p",
        term=term,
        types=wanted.room_types,
    )
