"""Searching for messages (client-server API, "Server Side Search").

POST /_matrix/client/v3/search

The newest matches are looked at together, in windows; `rank` sorts within a window, and the next one follows when all
of it was shown. Whoever left a room before a message was edited does not find it any more: its text of today is not
for them.
"""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from bongsu.core import base64url, filters, finding, ids, limits, tokens
from bongsu.core.errors import Refusal, invalid_param
from bongsu.core.events import CREATE, MEMBER, Event
from bongsu.core.filters import RoomEventFilter
from bongsu.core.json import JsonObject, encode
from bongsu.core.requester import Requester
from bongsu.core.tiers import Tier
from bongsu.core.visibility import END, Visibility
from bongsu.http.request import Request
from bongsu.http.response import Response, reply
from bongsu.http.router import Route, client_routes
from bongsu.rooms import clientform
from bongsu.rooms.cache import Rooms
from bongsu.store import events as event_table
from bongsu.store import history, visible
from bongsu.store import rooms as room_table
from bongsu.store import search as table
from bongsu.store.database import Database
from bongsu.store.directory import facts_of
from bongsu.store.feed import Feed

_BEFORE_ALL: Final = 2**62  # a score that nothing has


class _Context(msgspec.Struct):
    before_limit: int = limits.SEARCH_CONTEXT_DEFAULT
    after_limit: int = limits.SEARCH_CONTEXT_DEFAULT
    include_profile: bool = False


class _Group(msgspec.Struct, frozen=True):
    key: Literal["room_id", "sender"]


class _Groupings(msgspec.Struct, frozen=True):
    group_by: tuple[_Group, ...] = ()


class _Criteria(msgspec.Struct):
    search_term: str
    keys: list[Literal["content.body", "content.name", "content.topic"]] | None = None
    filter: JsonObject = {}
    order_by: Literal["rank", "recent"] = "rank"
    event_context: _Context | None = None
    include_state: bool = False
    groupings: _Groupings = _Groupings()


class _Categories(msgspec.Struct):
    room_events: _Criteria | None = None


class _Body(msgspec.Struct):
    search_categories: _Categories


class _Place(msgspec.Struct, frozen=True, array_like=True):
    """A place among the results: in the window that begins at or below `top`, after the one with this score and
    position. key, value: of the one group that is looked at.
    """

    top: int
    score: int = _BEFORE_ALL
    pos: int = END
    key: Literal["", "room_id", "sender"] = ""
    value: str = ""

    def __str__(self) -> str:
        return base64url.encode(encode(self))

    def within(self, key: Literal["room_id", "sender"], value: str) -> "_Place":
        return _Place(self.top, self.score, self.pos, key, value)


def _place(token: str | None, now: int) -> _Place:
    if token is None:
        return _Place(now)
    try:
        place = msgspec.json.decode(base64url.decode(token), type=_Place)
    except (ValueError, msgspec.DecodeError):
        raise invalid_param("next_batch is not a token of this endpoint") from None
    if not 0 <= place.top <= END or not 0 <= place.pos <= END or abs(place.score) > _BEFORE_ALL or "\0" in place.value:
        raise invalid_param("next_batch is not a token of this endpoint")
    return place


class _Hit(msgspec.Struct, frozen=True):
    """A match that may be seen."""

    score: int
    found: table.Found
    visibility: Visibility


class _Page(msgspec.Struct):
    """hits: in the order asked for; count: of all in their window; rest: where to go on."""

    hits: Sequence[_Hit]
    count: int
    rest: _Place | None


class Search:
    """Finds messages by any two neighbouring characters of theirs, in any script."""

    def __init__(self, database: Database, feed: Feed, rooms: Rooms) -> None:
        self._database = database
        self._feed = feed
        self._knows = rooms

    def routes(self) -> list[Route]:
        return client_routes("POST", "/search", self.search, bucket="search", tier=Tier.SEARCH)

    async def search(self, request: Request) -> Response:
        criteria = (await request.read(_Body)).search_categories.room_events
        if criteria is None:
            return reply({"search_categories": {}})
        ids.check_text(criteria.search_term, "the search term", limits.SEARCH_TERM_BYTES_MAX)
        wanted_filter = filters.parse_room_events(criteria.filter)
        now = await self._now()
        place = _place(request.query.get("next_batch"), now)
        wanted = await self._wanted(request.requester.user_id, criteria, wanted_filter, place)
        limit = min(wanted_filter.limit_or(limits.PAGE_EVENTS_DEFAULT), limits.SEARCH_PAGE_MAX)
        looking = self._page(request.requester.user_id, wanted, place, limit, now, ranked=criteria.order_by == "rank")
        page = await self._in_time(looking)
        said = await _Told(self._database, request.requester, criteria, wanted_filter, now).of(page)
        said["highlights"] = list(wanted.terms)
        return reply({"search_categories": {"room_events": said}})

    async def _in_time(self, looking: Coroutine[None, None, _Page]) -> _Page:
        """Messages can be made so that reading them takes long: whoever looks for them keeps nobody else waiting."""
        try:
            async with asyncio.timeout(limits.SEARCH_SECONDS_MAX):
                return await looking
        except TimeoutError:
            raise Refusal(503, "M_UNKNOWN", "this search takes too long. Look for more, or in one room.") from None

    async def _now(self) -> int:
        """The newest position there is, shown here: whoever was told of their message finds it, on any worker."""
        newest = await table.newest_position(self._database)
        await self._feed.reach(newest)
        return min(newest, self._feed.pos)

    async def _wanted(self, user_id: str, criteria: _Criteria, wanted: RoomEventFilter, place: _Place) -> table.Wanted:
        keys = criteria.keys if criteria.keys is not None else finding.KEYS
        rooms = await self._rooms(user_id, wanted, place)
        numbers = tuple(finding.KEYS.index(key) for key in keys)
        return table.Wanted(finding.terms(criteria.search_term), numbers, rooms, _narrowed(wanted, place))

    async def _rooms(self, user_id: str, wanted: RoomEventFilter, place: _Place) -> list[str]:
        """The person's rooms that are looked through. Who names a room means what it was before an upgrade, too."""
        memberships = await room_table.memberships(self._database, user_id)
        rooms = {each.room_id for each in memberships if not each.forgotten}
        if wanted.rooms is not None:
            rooms &= await self._with_predecessors(rooms.intersection(wanted.rooms))
        if place.key == "room_id":
            rooms &= {place.value}
        return sorted(rooms.difference(wanted.not_rooms or ()))

    async def _with_predecessors(self, room_ids: set[str]) -> set[str]:
        found, newest = set(room_ids), set(room_ids)
        for _ in range(limits.SEARCH_UPGRADES_MAX):
            facts = await facts_of(self._database, list(newest)) if newest else {}
            newest = {room_id for state in facts.values() if (room_id := _predecessor(state)) is not None} - found
            found |= newest
        return found

    async def _page(
        self, user_id: str, wanted: table.Wanted, place: _Place, limit: int, now: int, *, ranked: bool
    ) -> _Page:
        if not wanted.terms or not wanted.room_ids:
            return _Page([], 0, None)
        top = place.top
        for _ in range(limits.SEARCH_WINDOWS_MAX):
            window = await table.window(self._database, wanted, top, now)
            hits = _sorted(await self._visible(user_id, wanted, window.found), ranked)
            left = [hit for hit in hits if top != place.top or _follows(hit, place, ranked)]
            if left and len(left) >= limit:
                last = left[limit - 1]
                rest = _Place(top, last.score, last.found.pos, place.key, place.value)
                return _Page(left[:limit], len(hits), rest)
            if left or window.rest is None:
                further = None if window.rest is None else _Place(window.rest, key=place.key, value=place.value)
                return _Page(left, len(hits), further)
            top = window.rest
        return _Page([], 0, _Place(top, key=place.key, value=place.value))

    async def _visible(self, user_id: str, wanted: table.Wanted, found: Sequence[table.Found]) -> list[_Hit]:
        rooms = list({each.room_id for each in found})
        seen = await visible.load_many(self._database, rooms, user_id, self._knows.erased)
        return [
            _Hit(finding.score(each.text, wanted.terms), each, seen[each.room_id])
            for each in found
            if _shows(seen[each.room_id], each)
        ]


def _shows(visibility: Visibility, found: table.Found) -> bool:
    return all(
        visibility.shows(pos) and visibility.shows_whole(found.sender, pos) for pos in (found.pos, found.text_pos)
    )


def _sorted(hits: Sequence[_Hit], ranked: bool) -> list[_Hit]:
    return sorted(hits, key=lambda hit: (-hit.score if ranked else 0, -hit.found.pos))


def _follows(hit: _Hit, place: _Place, ranked: bool) -> bool:
    """Does the hit stand behind this place?"""
    if ranked and hit.score != place.score:
        return hit.score < place.score
    return hit.found.pos < place.pos


def _narrowed(wanted: RoomEventFilter, place: _Place) -> RoomEventFilter:
    """The filter, for the group that the token is of. Rooms are narrowed down where they are named."""
    if place.key == "sender":
        senders = (place.value,) if wanted.senders is None or place.value in wanted.senders else ()
        return msgspec.structs.replace(wanted, senders=senders)
    return wanted


def _predecessor(state: Mapping[str, Event]) -> str | None:
    create = state.get(CREATE)
    stated = None if create is None else create.content.get("predecessor")
    room_id = stated.get("room_id") if isinstance(stated, dict) else None
    return room_id if ids.is_room_id(room_id) else None


class _Told:
    """Puts one page into the protocol's form."""

    def __init__(
        self, database: Database, requester: Requester, criteria: _Criteria, wanted: RoomEventFilter, now: int
    ) -> None:
        self._database = database
        self._requester = requester
        self._criteria = criteria
        self._wanted = wanted
        self._now = now

    async def of(self, page: _Page) -> JsonObject:
        events = await event_table.by_pos(self._database, [hit.found.pos for hit in page.hits])
        hits = [hit for hit in page.hits if hit.found.pos in events]
        shown = await self._shown(hits, events)
        said: JsonObject = {"count": max(page.count, len(hits)), "results": []}
        for hit in hits:
            event = events[hit.found.pos]
            result: JsonObject = {"rank": hit.score / 100, "result": msgspec.Raw(shown[event.pos])}
            if self._criteria.event_context is not None:
                result["context"] = await self._context(self._criteria.event_context, hit, event)
            said["results"].append(result)
        if page.rest is not None:
            said["next_batch"] = str(page.rest)
        if self._criteria.groupings.group_by:
            said["groups"] = self._groups([events[hit.found.pos] for hit in hits], page.rest)
        if self._criteria.include_state:
            said["state"] = await self._state(hits, events)
        return said

    async def _shown(self, hits: Sequence[_Hit], events: dict[int, Event]) -> dict[int, bytes]:
        """The events in client form, by position: one query for each room rather than for each event."""
        by_room: dict[str, list[_Hit]] = {}
        for hit in hits:
            by_room.setdefault(hit.found.room_id, []).append(hit)
        shown: dict[int, bytes] = {}
        for found in by_room.values():
            positions = [hit.found.pos for hit in found]
            shown.update(
                zip(positions, await self._client([events[pos] for pos in positions], found[0].visibility), strict=True)
            )
        return shown

    async def _client(self, events: Sequence[Event], visibility: Visibility) -> list[bytes]:
        return await clientform.client_events(self._database, events, self._requester, visibility)

    # --- around a result ---

    async def _context(self, asked: _Context, hit: _Hit, event: Event) -> JsonObject:
        before = await self._around(hit, asked.before_limit, (tokens.START, event.pos - 1), newest_first=True)
        after = await self._around(hit, asked.after_limit, (event.pos, self._now), newest_first=False)
        shown = [*before, event, *after]
        client = await self._client([*before, *after], hit.visibility)
        said: JsonObject = {
            "start": tokens.format(min(each.pos for each in shown) - 1),
            "end": tokens.format(max(each.pos for each in shown)),
            "events_before": clientform.array(client[: len(before)]),
            "events_after": clientform.array(client[len(before) :]),
        }
        if asked.include_profile:
            said["profile_info"] = await self._profiles(hit, event, shown)
        return said

    async def _around(self, hit: _Hit, count: int, stretch: tuple[int, int], *, newest_first: bool) -> Sequence[Event]:
        if count <= 0:
            return []
        page = await history.page(
            self._database,
            hit.found.room_id,
            after=stretch[0],
            up_to=stretch[1],
            newest_first=newest_first,
            count=min(count, limits.SEARCH_CONTEXT_MAX),
            visible=hit.visibility,
        )
        return page.events

    async def _profiles(self, hit: _Hit, event: Event, shown: Sequence[Event]) -> JsonObject:
        """Of those who speak, as they were at the event."""
        senders = {each.sender for each in shown}
        members = await history.members_at(self._database, event.room_id, senders, event.pos)
        return {str(member.state_key): _profile(hit.visibility.shown(member).content) for member in members}

    # --- what else was asked for ---

    def _groups(self, events: Sequence[Event], rest: _Place | None) -> JsonObject:
        """The results of the page by room and by sender; each group can be gone on with alone."""
        said: JsonObject = {}
        for group in self._criteria.groupings.group_by:
            found: dict[str, JsonObject] = said.setdefault(group.key, {})
            for event in events:
                value = event.room_id if group.key == "room_id" else event.sender
                entry = found.setdefault(value, {"order": len(found), "results": []})
                entry["results"].append(event.event_id)
                if rest is not None:
                    entry["next_batch"] = str(rest.within(group.key, value))
        return said

    async def _state(self, hits: Sequence[_Hit], events: dict[int, Event]) -> JsonObject:
        """The present state of the rooms on the page; of a room that was left, its state then."""
        said: JsonObject = {}
        for hit in hits:
            room_id = hit.found.room_id
            if room_id not in said:
                senders = {event.sender for event in events.values() if event.room_id == room_id}
                said[room_id] = await self._state_of(hit, senders)
        return said

    async def _state_of(self, hit: _Hit, senders: set[str]) -> Any:
        pos = min(hit.visibility.state_pos or 0, self._now)
        room_id = hit.found.room_id
        state = await room_table.state_at(self._database, room_id, pos, not_types=[MEMBER])
        count = limits.SEARCH_STATE_MEMBERS_MAX
        members = await history.members_then(self._database, room_id, "", pos, count + 1)
        if len(members) > count or self._wanted.lazy_load_members:
            members = await history.members_at(self._database, room_id, senders, pos)
        return clientform.array(clientform.plain_events(hit.visibility.shown_all([*state, *members])))


def _profile(content: Any) -> JsonObject:
    """Members may write what they like into their event; what is told has the protocol's form."""
    said: JsonObject = {}
    name, picture = content.get("displayname"), content.get("avatar_url")
    if isinstance(name, str):
        said["displayname"] = name
    if isinstance(picture, str) and picture.startswith("mxc://"):
        said["avatar_url"] = picture
    return said
