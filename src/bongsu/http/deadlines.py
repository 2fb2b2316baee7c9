"""Calls for later that are nearly always taken back first: what a parked client's long poll and its silence need.

A timer of the loop's costs several microseconds to set and to take back, and each answered poll has two. Here setting
one is an entry in a list, and one timer stands for all that fall into the same half second. So a call may come half a
second late, and never early.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec

_PER_SECOND: Final = 2


class Deadline(msgspec.Struct):
    """One call. cancel(): it does not come any more."""

    call: Callable[[], object] | None

    def cancel(self) -> None:
        self.call = None


class Deadlines:
    """Of all connections of one loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._turns: dict[int, list[Deadline]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._next = 0  # the turn that the timer stands for

    def call_later(self, seconds: float, call: Callable[[], object]) -> Deadline:
        turn = int((self._loop.time() + seconds) * _PER_SECOND) + 1
        deadline = Deadline(call)
        waiting = self._turns.get(turn)
        if waiting is None:
            self._turns[turn] = [deadline]
            if self._timer is None or turn < self._next:
                self._set(turn)
        else:
            waiting.append(deadline)
        return deadline

    def _set(self, turn: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next = turn
        self._timer = self._loop.call_at(turn / _PER_SECOND, self._go)

    def _go(self) -> None:
        self._timer = None
        for deadline in self._turns.pop(self._next, ()):
            if deadline.call is not None:
                self._loop.call_soon(deadline.call)
        if self._turns:
            self._set(min(self._turns))
