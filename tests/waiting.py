"""Waiting for something to become so, with an end that no healthy run comes near."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
POLL_SECONDS = 0.2


async def until(ask: Callable[[], Awaitable[T]], is_so: Callable[[T], bool], seconds_max: float) -> T:
    """The first answer that is as wanted. Fails with the last one that was not."""
    answer = None
    try:
        async with asyncio.timeout(seconds_max):
            while True:
                answer = await ask()
                if is_so(answer):
                    return answer
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise AssertionError(f"after {seconds_max} s it still was: {answer!r}") from None
