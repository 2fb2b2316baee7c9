"""Who waits for the next event of some rooms, be it as a member or from outside: the old event stream."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from bongsu.core.events import MEMBER
from bongsu.store.rows import Segment
from bongsu.sync.waiting import WaitingPlace


class Peeks:
    """Waiting places by the rooms they look at, and by person: whoever comes into a room looks at one more."""

    def __init__(self) -> None:
        self._places: dict[str, set[WaitingPlace]] = {}

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
    def looking(self, place: WaitingPlace, keys: Iterable[str]) -> Iterator[None]:
        """Meanwhile the place is woken by events under these keys: room ids and user ids."""
        watched = set(keys)
        for key in watched:
            self._places.setdefault(key, set()).add(place)
        try:
            yield
        finally:
            for key in watched:
                self._places[key].discard(place)
                if not self._places[key]:
                    del self._places[key]
