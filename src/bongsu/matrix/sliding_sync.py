"""POST org.matrix.simplified_msc3575/sync: simplified sliding sync (MSC4186)"""

from bongsu.core import limits, sliding
from bongsu.core.sliding import Body
from bongsu.core.tiers import Tier
from bongsu.http.request import Request
from bongsu.http.response import Response
from bongsu.http.router import Route
from bongsu.matrix.parked import Parked
from bongsu.matrix.sync import PRESENCE, SeePerson
from bongsu.sync.sliding import Sliding
from bongsu.sync.views import SlidingAsk
from bongsu.sync.waiting import WaitingPlace, Waits


class SlidingSyncEndpoint:
    """saw: is told who is here, and with which presence."""

    def __init__(self, sliding: Sliding, waits: Waits, parked: Parked, saw: SeePerson | None) -> None:
        self._sliding = sliding
        self._waits = waits
        self._saw = saw
        self._parked = parked

    def parked(self) -> int:
        """How many of them wait for news on this worker."""
        return self._parked.count()

    def routes(self) -> list[Route]:
        path = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync"
        return [Route("POST", path, self.sync, bucket="sync", tier=Tier.SYNC)]

    async def sync(self, request: Request) -> Response:
        with self._waits.place(request.requester, request.when_lost) as place:
            return Response(await self._answer(request, place))

    async def _answer(self, request: Request, place: WaitingPlace) -> bytes:
        ask = await self._ask(request)
        presence = request.query.choice("set_presence", PRESENCE, "online")
        requester = request.requester
        if self._saw is not None and presence != "offline":
            self._saw(requester.user_id, presence)
        if ask.timeout_ms == 0:
            return await self._sliding.answer(requester, ask, place)
        with self._parked.place(requester):
            return await self._sliding.answer(requester, ask, place)

    async def _ask(self, request: Request) -> SlidingAsk:
        body = await request.read(Body)
        sliding.check(body)
        return SlidingAsk(
            body=body,
            pos=request.query.get("pos") or None,
            timeout_ms=request.query.integer("timeout", 0, high=limits.SYNC_TIMEOUT_MS_MAX),
        )
