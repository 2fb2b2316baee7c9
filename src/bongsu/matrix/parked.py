"""Syncs of any kind that wait for news, counted by device."""

import sys
from typing import Final
from weakref import WeakSet

from prometheus_client import Gauge

from bongsu.core.errors import limit_exceeded
from bongsu.core.requester import Requester

PARKED: Final = Gauge("bongsu_parked_syncs", "Syncs that wait for news on this worker")
Device = tuple[str, str]  # user id, device id


_ALL: Final[WeakSet["Parked"]] = WeakSet()  # of each kind of sync; counted when somebody asks, not twice a poll
PARKED.set_function(lambda: sum(parked.count() for parked in _ALL))


class Parked:
    """place() for each sync that waits. A device that parks more and more is leaking them.

    is_limited: not where rate limits are off, for those who measure with one device.
    """

    def __init__(self, per_device_max: int, *, is_limited: bool = True) -> None:
        self._per_device_max = per_device_max if is_limited else sys.maxsize
        self._counts: dict[Device, int] = {}
        _ALL.add(self)

    def count(self) -> int:
        return sum(self._counts.values())

    def place(self, requester: Requester) -> "_Place":
        return _Place(self, (requester.user_id, requester.device_id))

    def take_first(self, device: Device) -> bool:
        """Takes a place if none of this device waits yet."""
        if device in self._counts:
            return False
        self._counts[device] = 1
        return True

    def take(self, device: Device) -> None:
        count = self._counts.get(device, 0)
        if count >= self._per_device_max:
            raise limit_exceeded(1_000)
        self._counts[device] = count + 1

    def give_back(self, device: Device) -> None:
        left = self._counts[device] - 1
        if left:
            self._counts[device] = left
        else:
            del self._counts[device]


class _Place:
    """One sync that waits, from __enter__ to __exit__."""

    def __init__(self, parked: Parked, device: Device) -> None:
        self._parked = parked
        self._device = device

    def __enter__(self) -> None:
        self._parked.take(self._device)

    def __exit__(self, *_: object) -> None:
        self._parked.give_back(self._device)
