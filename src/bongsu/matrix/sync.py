"""GET sync · POST user/{userId}/filter · GET user/{userId}/filter/{filterId}"""

import hashlib
from collections.abc import AsyncIterator, Callable
from functools import lru_cache, partial
from typing import Final, TypeVar

from bongsu.core import filters, ids, limits
from bongsu.core.errors import Refusal, forbidden, not_found
from bongsu.core.filters import SyncFilter
from bongsu.core.json import canonical, encode, parse_object
from bongsu.core.requester import Requester
from bongsu.core.tiers import Tier
from bongsu.http.lane import Lane
from bongsu.http.request import Query, Request
from bongsu.http.response import Response, reply
from bongsu.http.router import Route, client_routes
from bongsu.matrix.parked import Parked
from bongsu.store import personal
from bongsu.store.database import Database
from bongsu.sync.service import Ask, Sync
from bongsu.sync.waiting import WaitingPlace, Waits

K = TypeVar("K")
V = TypeVar("V")
_USUAL: Final = frozenset(("since", "timeout", "filter", "use_state_after"))
_SINCE: Final = b"since="
PRESENCE = ("online", "offline", "unavailable")
SeePerson = Callable[[str, str], None]


class SyncEndpoints:
    """saw: is told who is here, and with which presence."""

    def __init__(self, database: Database, sync: Sync, waits: Waits, parked: Parked, saw: SeePerson | None) -> None:
        self._database = database
        self._sync = sync
        self._waits = waits
        self._saw = saw
        self._parked = parked
        self._filters: dict[tuple[str, str], SyncFilter] = {}
        self._usual: dict[tuple[str, bytes, bytes], Ask] = {}  # by person, and the query before and after the token

    def parked(self) -> int:
        """How many syncs wait for news on this worker."""
        return self._parked.count()

    def routes(self) -> list[Route]:
        return [
            *client_routes("GET", "/sync", self.sync, tier=Tier.SYNC),
            *client_routes("POST", "/user/{user_id}/filter", self.define_filter, bucket="write"),
            *client_routes("GET", "/user/{user_id}/filter/{filter_id}", self.get_filter),
        ]

    async def sync(self, request: Request) -> Response:
        with self._waits.place(request.requester, request.when_lost) as place:
            return Response(await self._answer(request, place))

    async def _answer(self, request: Request, place: WaitingPlace) -> bytes | AsyncIterator[bytes]:
        ask = await self._ask(request)
        presence = request.query.choice("set_presence", PRESENCE, "online")
        requester = request.requester
        if self._saw is not None and presence != "offline":
            self._saw(requester.user_id, presence)
        since = await self._sync.position(ask.since)
        if since is None:
            return await self._sync.first(requester, ask)
        if ask.timeout_ms == 0:
            return await self._sync.answer(requester, ask, since, place)
        with self._parked.place(requester):
            return await self._sync.answer(requester, ask, since, place)

    def park(self, lane: Lane, requester: Requester, raw_query: bytes) -> bool:
        """A long poll on the shorter way: as sync(), for the usual parameters, or False."""
        before, _, rest = raw_query.partition(_SINCE)
        since, _, after = rest.partition(b"&")
        asked = (requester.user_id, before, after)
        ask = self._usual.get(asked)
        if ask is None:
            ask = self._usual_ask(requester.user_id, raw_query)
            if ask is None or (before and not before.endswith(b"&")):
                return False
            _remember(self._usual, asked, ask)
        device = (requester.user_id, requester.device_id)
        if not self._parked.take_first(device):
            return False
        lane.when_ended(partial(self._parked.give_back, device))
        is_taken = False
        try:
            is_taken = self._sync.park(lane, requester, since.decode(), ask)
        finally:
            if not is_taken:
                self._parked.give_back(device)
        if is_taken and self._saw is not None:
            self._saw(requester.user_id, "online")
        return is_taken

    def _usual_ask(self, user_id: str, raw_query: bytes) -> Ask | None:
        """What is asked but for where to go on, if nothing unusual is. A device asks it again with each poll."""
        query = Query(raw_query)
        timeout, named, state_after = query.get("timeout"), query.get("filter"), query.get("use_state_after")
        wanted = _NO_FILTER if named is None else self._filters.get((user_id, named))
        if timeout is None or wanted is None or not query.is_of(_USUAL):
            return None
        if not timeout.isdigit() or len(timeout) > 6 or timeout == "0" or state_after not in (None, "true", "false"):
            return None
        return Ask(None, wanted, min(int(timeout), limits.SYNC_TIMEOUT_MS_MAX), state_after=state_after == "true")

    async def _ask(self, request: Request) -> Ask:
        query = request.query
        return Ask(
            since=query.get("since"),
            wanted=await self._filter(request.requester.user_id, query.get("filter")),
            timeout_ms=query.integer("timeout", 0, high=limits.SYNC_TIMEOUT_MS_MAX),
            full_state=query.flag("full_state"),
            state_after=query.flag("use_state_after"),
        )

    async def _filter(self, user_id: str, text: str | None) -> SyncFilter:
        """The filter a request names: JSON in place, or the id of a stored one."""
        if text is None or text == "":
            return _NO_FILTER
        if text.startswith("{"):
            return _compiled(text.encode())
        known = self._filters.get((user_id, text))
        if known is not None:
            return known
        stored = await personal.stored_filter(self._database, user_id, ids.check_text(text, "the filter id"))
        if stored is None:
            raise Refusal(400, "M_INVALID_PARAM", "there is no filter with this id")
        wanted = _compiled(stored)
        _remember(self._filters, (user_id, text), wanted)  # it never changes, and need not be read again
        return wanted

    async def define_filter(self, request: Request) -> Response:
        _check_own(request)
        body = await request.json()
        filters.parse(body)
        raw = encode(body)
        if len(raw) > limits.FILTER_BYTES_MAX:
            raise Refusal(413, "M_TOO_LARGE", f"a filter may have at most {limits.FILTER_BYTES_MAX} bytes")
        filter_id = hashlib.sha256(_stable(body)).hexdigest()[:16]
        await self._database.execute(personal.SET_FILTER, request.requester.user_id, filter_id, raw)
        return reply({"filter_id": filter_id})

    async def get_filter(self, request: Request) -> Response:
        _check_own(request)
        filter_id = ids.check_text(request.params["filter_id"], "the filter id")
        stored = await personal.stored_filter(self._database, request.requester.user_id, filter_id)
        if stored is None:
            raise not_found("there is no filter with this id")
        return Response(stored)


_NO_FILTER = SyncFilter(filters.Filter())


def _remember(known: dict[K, V], key: K, value: V) -> None:
    """The oldest is forgotten when there are too many."""
    if len(known) >= limits.FILTERS_CACHED_MAX:
        del known[next(iter(known))]
    known[key] = value


@lru_cache(limits.FILTERS_COMPILED_MAX)
def _compiled(raw: bytes) -> SyncFilter:
    """People who use the same client have the same filter, and it is compiled once for all of them."""
    return SyncFilter(filters.parse(parse_object(raw)))


def _stable(body: dict[str, object]) -> bytes:
    """The same filter has the same id, so that storing it again stores nothing."""
    try:
        return canonical(body)
    except Refusal:  # a filter may hold fractions, canonical JSON may not
        return encode(body)


def _check_own(request: Request) -> None:
    if request.params["user_id"] != request.requester.user_id:
        raise forbidden("a filter is its owner's alone")
