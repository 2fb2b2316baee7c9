"""Downloads that wait for an upload under way. One that ends here wakes them at once, one elsewhere is polled for."""

import asyncio

import structlog

from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.store.database import REFUSED
from bongsu.store.media import MediaStore

log = structlog.get_logger(__name__)


class Arrivals:
    """wait() until announce(). At most DOWNLOADS_WAITING_MAX wait; one query asks for all of them."""

    def __init__(self, store: MediaStore, *, poll_seconds: float = limits.MEDIA_POLL_SECONDS) -> None:
        self._store = store
        self._poll_seconds = poll_seconds
        self._waiting: dict[asyncio.Future[None], str] = {}
        self._poller: asyncio.Task[None] | None = None
        self._is_draining = False

    async def wait(self, media_id: str, seconds: float) -> None:
        """Returns when the file may be there, or the time is over, or too many wait."""
        if self._is_draining or len(self._waiting) >= limits.DOWNLOADS_WAITING_MAX:
            return
        arrived: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[arrived] = media_id
        if self._poller is None:
            self._poller = asyncio.create_task(self._poll())
        try:
            await asyncio.wait([arrived], timeout=seconds)
        finally:
            del self._waiting[arrived]

    def announce(self, media_id: str) -> None:
        self._wake({media_id})

    def drain(self) -> None:
        """The server stops: whoever waits is answered now."""
        self._is_draining = True
        self._wake(set(self._waiting.values()))

    def _wake(self, media_ids: set[str]) -> None:
        for arrived, media_id in self._waiting.items():
            if media_id in media_ids and not arrived.done():
                arrived.set_result(None)

    async def _poll(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(self._poll_seconds)
                try:
                    self._wake(set(await self._store.arrived(list(set(self._waiting.values())))))
                except (Refusal, *REFUSED) as error:  # the database is away: they go on waiting
                    log.warning("arrivals_not_seen", error=repr(error))
                except Exception:
                    log.exception("arrivals_not_seen")
        finally:
            self._poller = None
