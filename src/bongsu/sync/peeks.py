"""Who waits for the next event of some rooms, be it as a member or from outside: the old event stream."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

from bongsu.core import limits
from bongsu.core.errors import limit_exceeded
from bongsu.core.events import MEMBER
from bongsu.core.requester import Requester
from bongsu.store.rows import Segment


class Peek:
    """One place to wait in. What comes between two waits is not missed."""

    def __init__(self) -> None:
        self._news = asyncio.Event()
        self.is_left = False

    def wake(self) -> None:
        self._news.set()

    def leave(self) -> None:
        self.is_left = True
        self.wake()

    async def wait(self, seconds: float) -> None:
        """Returns at the next event, or when the time is over or the client has hung up."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()
        if not self.is_left:
            self._news.clear()


class Peeks:
    """Everybody's places, by the rooms they look at, and by person: whoever comes into a room looks at one more."""

    def __init__(self) -> None:
        self._places: defaultdict[str, set[Peek]] = defaultdict(set)
        self._held: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._draining = False

    def drain(self) -> None:
        """Answers everybody now, and keeps nobody waiting any more: this worker is about to stop."""
        self._draining = True
        for places in self._places.values():
            for place in places:
                place.leave()

    def apply(self, segment: Segment) -> None:
        """The feed's."""
        if not self._places:
            return
        for event in segment.events:
            self._wake(event.room_id)
            if event.type == MEMBER and event.state_key:
                self._wake(event.state_key)

    def _wake(self, key: str) -> None:
        for place in self._places.get(key, ()):
            place.wake()

    @contextmanager
    def place(
        self, requester: Requester, keys: Iterable[str], when_lost: Callable[[Callable[[], None]], None]
    ) -> Iterator[Peek]:
        """keys: room ids and user ids; when_lost: registers a call for the moment that the client hangs up."""
        device = (requester.user_id, requester.device_id)
        if self._held[device] >= limits.PARKED_SYNCS_PER_DEVICE_MAX:
            raise limit_exceeded(1_000)
        self._held[device] += 1
        place, watched = Peek(), set(keys)
        for key in watched:
            self._places[key].add(place)
        if self._draining:
            place.leave()
        when_lost(place.leave)
        try:
            yield place
        finally:
            self._give_back(device)
            for key in watched:
                self._forget(key, place)

    def _give_back(self, device: tuple[str, str]) -> None:
        self._held[device] -= 1
        if not self._held[device]:
            del self._held[device]

    def _forget(self, key: str, place: Peek) -> None:
        self._places[key].discard(place)
        if not self._places[key]:
            del self._places[key]
