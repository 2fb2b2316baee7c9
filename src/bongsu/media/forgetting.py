"""Pictures of previews do not stay for ever: what none has shown for a month goes from all sites.

The rows go first, in one transaction; then each site removes its own bytes (store/forgotten_blobs.py). Bytes that were
written lately stay for another day: they may be those of an upload under way, whose row is still to come.
"""

import asyncio
from typing import Final

import structlog
from prometheus_client import Counter

from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.media.blobs import BlobFolder
from bongsu.store.forgotten_blobs import ForgottenBlobs

log = structlog.get_logger(__name__)

FORGOTTEN: Final = Counter("bongsu_media_forgotten_total", "Pictures of previews that were forgotten")


class Forgetting:
    """run() for ever, on every worker. sites: all of them; site: this one."""

    def __init__(self, blobs: BlobFolder, store: ForgottenBlobs, site: str, sites: list[str]) -> None:
        self._blobs = blobs
        self._store = store
        self._site = site
        self._sites = sites

    async def run(self) -> None:
        while True:
            again = False
            try:
                again = await self.some()
            except Refusal as refusal:
                log.warning("pictures_not_forgotten", error=refusal.message)
            except Exception:
                log.exception("pictures_not_forgotten")
            await asyncio.sleep(limits.FORGET_PAUSE_SECONDS if again else limits.FORGET_EVERY_SECONDS)

    async def some(self) -> bool:
        """True: there may be more."""
        count = limits.FORGOTTEN_AT_ONCE_MAX
        forgotten = await self._store.forget_pictures(self._sites, limits.PREVIEW_PICTURE_KEPT_SECONDS, count)
        FORGOTTEN.inc(forgotten)
        removed = await self._store.remove_some(self._site, count, self._remove, limits.BLOB_YOUNG_SECONDS)
        return max(forgotten, removed) == count

    async def _remove(self, sha256: bytes) -> bool:
        return await self._blobs.remove(sha256, limits.BLOB_YOUNG_SECONDS)
