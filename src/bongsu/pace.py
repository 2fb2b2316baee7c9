"""The beat of this process: waits that may as well end a moment earlier end together.

A worker that is idle wakes for each thing that it does now and then, and each time the processor has forgotten the
program: a wake costs several times what is done in it. What wakes together costs little more than one of them. The beat
begins when the process does, so workers do not march in step.
"""

import asyncio
import math
import time
from typing import Final

BEAT_SECONDS: Final = 1.0
_BEGAN: Final = round(time.monotonic(), 3)
_ROUNDING: Final = 1e-6


def last_beat(began: float, until: float) -> float:
    """The last beat that is not later than `until`. All in seconds of one clock."""
    return began + math.floor((until - began) / BEAT_SECONDS + _ROUNDING) * BEAT_SECONDS


def at(seconds: float) -> float:
    """When to wake instead of in so many seconds: by the loop's clock, a little earlier if that is a beat or more."""
    until = asyncio.get_running_loop().time() + seconds
    return until if seconds < BEAT_SECONDS else last_beat(_BEGAN, until)


async def pause(seconds: float) -> None:
    """As asyncio.sleep, for waits that nobody measures."""
    await asyncio.sleep(at(seconds) - asyncio.get_running_loop().time())


class Bell:
    """Wakes one who waits for news, or for a time. As asyncio.Event, but whose time is over is not cancelled for it:
    that is most of what such a wait costs.
    """

    def __init__(self) -> None:
        self._rang = False
        self._waiting: asyncio.Future[None] | None = None

    def set(self) -> None:
        self._rang = True
        if self._waiting is not None:
            _wake(self._waiting)

    def clear(self) -> None:
        self._rang = False

    def is_set(self) -> bool:
        return self._rang

    async def comes(self, seconds: float) -> bool:
        """Whether it was set within that time, or before."""
        if not self._rang:
            assert self._waiting is None, "one at a time"
            loop = asyncio.get_running_loop()
            self._waiting = loop.create_future()
            timer = loop.call_at(at(seconds), _wake, self._waiting)
            try:
                await self._waiting
            finally:
                timer.cancel()
                self._waiting = None
        return self._rang


def _wake(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)
