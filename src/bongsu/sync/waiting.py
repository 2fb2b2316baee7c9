"""Where a sync waits for news."""

import asyncio

from bongsu.sync.readers import Reader


class WaitingPlace:
    """Where one sync waits: until its reader is touched, the time is over, or the client has hung up."""

    __slots__ = ("_future", "is_left")

    def __init__(self) -> None:
        self._future: asyncio.Future[None] | None = None
        self.is_left = False

    async def wait(self, reader: Reader, seconds: float) -> None:
        if self.is_left:
            return  # the client hung up before there was a place to wait in
        loop = asyncio.get_running_loop()
        self._future = woken = loop.create_future()
        timer = loop.call_later(seconds, self._wake)
        reader.waiting.add(woken)
        try:
            await woken
        finally:
            timer.cancel()
            reader.waiting.discard(woken)

    def _wake(self) -> None:
        if self._future is not None and not self._future.done():
            self._future.set_result(None)

    def leave(self) -> None:
        self.is_left = True
        self._wake()
