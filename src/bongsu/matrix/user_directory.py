"""Finding people, and what one has in common with them (client-server API, "User Directory", "Mutual rooms").

POST /_matrix/client/v3/user_directory/search
GET  /_matrix/client/v1/mutual_rooms
"""

import msgspec

from bongsu.core import finding, ids, limits
from bongsu.core.errors import invalid_param
from bongsu.core.finding import Person
from bongsu.core.json import JsonObject
from bongsu.core.tiers import Tier
from bongsu.http.request import Request
from bongsu.http.response import Response, reply
from bongsu.http.router import Route, client_routes
from bongsu.store import user_directory as table
from bongsu.store.database import Database


class _Search(msgspec.Struct):
    search_term: str
    limit: int = limits.PEOPLE_FOUND_DEFAULT


class UserDirectory:
    """Finds people by any part of their name or id. everybody: not only those one shares a room with, or who are in
    rooms that anybody may read or join.
    """

    def __init__(self, database: Database, *, everybody: bool) -> None:
        self._database = database
        self._everybody = everybody

    def routes(self) -> list[Route]:
        at = "/_matrix/client/v1/mutual_rooms"
        return [
            *client_routes("POST", "/user_directory/search", self.search, bucket="search", tier=Tier.SEARCH),
            Route("GET", at, self.mutual_rooms, bucket="search", tier=Tier.SEARCH),
        ]

    async def search(self, request: Request) -> Response:
        asked = await request.read(_Search)
        ids.check_text(asked.search_term, "the search term", limits.SEARCH_TERM_BYTES_MAX)
        if asked.limit < 0:
            raise invalid_param("limit must not be negative")
        limit = min(asked.limit, limits.PEOPLE_FOUND_MAX)
        found = await self._ranked(request.requester.user_id, finding.terms(asked.search_term))
        return reply({"results": [_told(person) for person in found[:limit]], "limited": len(found) > limit})

    async def _ranked(self, user_id: str, terms: tuple[str, ...]) -> list[Person]:
        """Those who fit all terms, the closest first. The longest term says who is looked at."""
        if not terms:
            return []
        longest = max(terms, key=len)
        people = await table.candidates(
            self._database,
            user_id,
            finding.spellings(longest),
            whole_ids=":" in longest,
            everybody=self._everybody,
            count=limits.PEOPLE_RANKED_MAX,
        )
        ranked = [(finding.closeness(person, terms), person) for person in people]
        ranked.sort(key=lambda pair: (-pair[0], pair[1].name or "", pair[1].user_id))
        return [person for closeness, person in ranked if closeness > 0]

    async def mutual_rooms(self, request: Request) -> Response:
        other = ids.check_user_id(request.query.need("user_id"))
        user_id = request.requester.user_id
        if other == user_id:
            raise invalid_param("you share every room with yourself")
        after = request.query.get("from") or ""
        if after and not ids.is_room_id(after):
            raise invalid_param("from is not a token of this endpoint")
        count = limits.MUTUAL_ROOMS_PAGE_MAX
        rooms, total = await table.shared_rooms(self._database, user_id, other, after, count + 1)
        said: JsonObject = {"joined": rooms[:count], "count": total}
        if len(rooms) > count:
            said["next_batch"] = rooms[count - 1]
        return reply(said)


def _told(person: Person) -> JsonObject:
    said: JsonObject = {"user_id": person.user_id}
    if person.name is not None:
        said["display_name"] = person.name
    if person.avatar_url is not None and person.avatar_url.startswith("mxc://"):
        said["avatar_url"] = person.avatar_url
    return said
