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


async def comes(event: asyncio.Event, seconds: float) -> bool:
    """Whether the event came within that time."""
    try:
        async with asyncio.timeout_at(at(seconds)):
            await event.wait()
    except TimeoutError:
        return False
    return True
