"""Where a request waits for news, and what ends its waiting: news, its time, its client's leaving, its session's end.

All long polls wait here: syncs, sliding syncs and the old stream of events.
"""

import asyncio
from collections.abc import Awaitable, Callable

from bongsu.core import limits
from bongsu.core.requester import Requester
from bongsu.rooms.services import CHANGED
from bongsu.store.rows import Revocation, Segment
from bongsu.sync.admission import Admission, Entry
from bongsu.sync.readers import Waiter

WhenLost = Callable[[Callable[[], None]], None]  # registers a call for the moment that the client hangs up


class Waits:
    """place() for each request that may wait; apply() is the feed's."""

    def __init__(self) -> None:
        self._places: dict[str, set[WaitingPlace]] = {}  # by user, CHANGED for those of application services
        self.seconds_max = float("inf")  # for which a client may wait for news on this worker now
        self.is_draining = False

    def drain(self) -> None:
        """Ends every wait now, and lets nobody wait any more: this worker is about to stop."""
        self.is_draining = True
        self.seconds_max = 0.0
        self._wake_all()

    def hurry(self, is_leaving: bool) -> None:
        """While clients are to go to another site, none waits here for long."""
        if not self.is_draining:
            self.seconds_max = limits.SYNC_LEAVING_SECONDS_MAX if is_leaving else float("inf")
        self._wake_all()

    def _wake_all(self) -> None:
        for places in self._places.values():
            for place in places:
                place.wake()

    def apply(self, segment: Segment) -> None:
        """Whose session has ended waits no longer."""
        for row in segment.revocations:
            for place in self._places.get(row.user_id, ()):
                if _ends(row, place.requester):
                    place.end()

    def place(self, requester: Requester, when_lost: WhenLost) -> "WaitingPlace":
        """To be entered before anything is waited for: no end of the session is missed from then on."""
        place = WaitingPlace(self, requester)
        when_lost(place.leave)
        return place

    def enter(self, place: "WaitingPlace") -> None:
        for key in _keys(place.requester):
            self._places.setdefault(key, set()).add(place)

    def forget(self, place: "WaitingPlace") -> None:
        for key in _keys(place.requester):
            places = self._places[key]
            places.discard(place)
            if not places:
                del self._places[key]


def _keys(requester: Requester) -> tuple[str, ...]:
    return (requester.user_id,) if requester.service_id is None else (requester.user_id, CHANGED)


def _ends(row: Revocation, requester: Requester) -> bool:
    if row.user_id == CHANGED:
        return row.device_id == requester.service_id
    return row.device_id in (None, requester.device_id)


class WaitingPlace:
    """One request's, from __enter__ to __exit__."""

    __slots__ = ("_among", "_entry", "_future", "_is_woken", "_waits", "has_ended", "is_left", "requester")

    def __init__(self, waits: Waits, requester: Requester) -> None:
        self.requester = requester
        self.is_left = False  # the client has hung up
        self.has_ended = False  # the session: its client shall come anew, and be judged anew
        self._waits = waits
        self._among: set[Waiter] | None = None
        self._entry: Entry | None = None
        self._future: asyncio.Future[None] | None = None
        self._is_woken = False

    def __enter__(self) -> "WaitingPlace":
        self._waits.enter(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._waits.forget(self)
        self._give_way()
        if self._among is not None:
            self._among.discard(self)

    async def come_in(self, admission: Admission) -> None:
        """For somebody who comes anew. The place at work is given back before waiting for news, which costs nothing."""
        self._entry = await admission.enter(self.requester.user_id)

    def _give_way(self) -> None:
        if self._entry is not None:
            self._entry.leave()

    def watch(self, waiting: set[Waiter]) -> None:
        """Is woken with the others there from now on, and no longer with those it was among before."""
        if waiting is not self._among:
            if self._among is not None:
                self._among.discard(self)
            self._among = waiting
            waiting.add(self)

    async def until(self, seconds: float, look: Callable[[bool], Awaitable[bytes | None]]) -> bytes | None:
        """What look() finds, asked again after all that wakes. It is told when it is asked for the last time, and must
        have an answer then. None: the client has hung up, or its session has ended.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        while not (self.is_left or self.has_ended):
            self._is_woken = False  # whatever comes from here on is looked at once more
            left = began + min(seconds, self._waits.seconds_max) - loop.time()
            said = await look(left <= 0)
            if said is not None:
                return said
            await self._wait(left)
        return None

    async def _wait(self, seconds: float) -> None:
        if self._is_woken:
            return
        self._give_way()
        loop = asyncio.get_running_loop()
        self._future = loop.create_future()
        timer = loop.call_later(seconds, self.wake)
        try:
            await self._future
        finally:
            timer.cancel()

    def wake(self) -> None:
        self._is_woken = True
        if self._future is not None and not self._future.done():
            self._future.set_result(None)

    def leave(self) -> None:
        self.is_left = True
        self.wake()

    def end(self) -> None:
        self.has_ended = True
        self.wake()
