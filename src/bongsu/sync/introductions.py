"""Whom a device has met: with lazy loading it is told each membership once, unless it asks for all of them.

It is remembered in memory alone; after a restart, or on another worker, memberships are told once more. What was told
counts from the position of that reply on: whoever goes on from an earlier token did not get it. A device that comes
with a token which it was not given here lately may have begun anew elsewhere, so that nothing counts any more.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from bongsu.core import limits
from bongsu.core.events import MEMBER, Event
from bongsu.core.filters import SyncFilter
from bongsu.core.requester import Requester

_NEVER: Final = 2**62  # above every position
_TOKENS_KEPT: Final = 4  # a lost answer is asked for again with the token before it


class _Met(msgspec.Struct):
    """told: memberships by the position of their event, and as of when they were told; given: the last tokens."""

    told: dict[int, int] = {}
    given: tuple[int, ...] = ()


Whose = tuple[str, str, SyncFilter]  # user, device, and what it asks: devices that ask in two ways meet people twice


class Introductions:
    """Of all devices that sync on this worker with lazy loading; the longest silent are forgotten first."""

    def __init__(self) -> None:
        self._met: dict[Whose, _Met] = {}
        self._count = 0

    def begin(self, requester: Requester, wanted: SyncFilter) -> None:
        """A first sync: the device knows nobody."""
        self._forget((requester.user_id, requester.device_id, wanted))

    def go_on(self, requester: Requester, wanted: SyncFilter, since: int) -> None:
        """The device comes with this token."""
        whose = requester.user_id, requester.device_id, wanted
        met = self._met.pop(whose, None)
        if met is None:
            return
        if since in met.given:
            self._met[whose] = met  # the last to be forgotten
        else:
            self._count -= len(met.told)

    def unmet(self, requester: Requester, wanted: SyncFilter, since: int, members: Iterable[Event]) -> list[Event]:
        """Those of the memberships that the device was not told up to `since`."""
        met = self._met.get((requester.user_id, requester.device_id, wanted))
        if met is None or wanted.include_redundant_members:
            return list(members)
        told, unmet = met.told, []
        for event in members:
            if told.get(event.pos, _NEVER) > since:
                unmet.append(event)
        return unmet

    def tell(self, requester: Requester, wanted: SyncFilter, up_to: int, events: Sequence[Event] = ()) -> None:
        """The device is given the token `up_to`, and these events with it."""
        if not wanted.lazy_load_members or wanted.include_redundant_members:
            return
        whose = requester.user_id, requester.device_id, wanted
        met = self._met.get(whose)
        is_new = met is None
        if met is None:
            met = self._met[whose] = _Met()
        if up_to not in met.given:
            met.given = (*met.given, up_to)[-_TOKENS_KEPT:]
        if events:
            self._introduce(met, up_to, events)
        if events or is_new:
            self._forget_oldest()

    def _introduce(self, met: _Met, up_to: int, events: Sequence[Event]) -> None:
        before = len(met.told)
        for event in events:
            if event.type == MEMBER:
                met.told.setdefault(event.pos, up_to)
        self._count += len(met.told) - before

    def _forget_oldest(self) -> None:
        while self._count > limits.INTRODUCTIONS_MAX or len(self._met) > limits.INTRODUCED_DEVICES_MAX:
            self._forget(next(iter(self._met)))

    def _forget(self, whose: Whose) -> None:
        met = self._met.pop(whose, None)
        self._count -= len(met.told) if met is not None else 0
