"""A site brings what it lacks, and looks at what it has.

What a site lacks is rows: uploads that were acknowledged with two other copies, everything from the time it was away,
what a disk lost. Each worker claims a few of its site's, brings them from whichever site has them, and writes that they
are held. A slow scrub reads every blob once a week; one that is not the bytes of its name any more is lacking, too.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from prometheus_client import Counter, Gauge

from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.media.blobs import Blobs
from bongsu.media.copies import Copies
from bongsu.store.blob_copies import CopyStore, Wanted

log = structlog.get_logger(__name__)

MISSING = Gauge("bongsu_media_missing", "Files that this site shall hold and does not, yet")
CHECKED = Counter("bongsu_media_checked_total", "Files that were read and compared with their names", ["found"])


class Repair:
    """bring_for_ever(), enrol_for_ever() and scrub_for_ever() are tasks of a worker; a single site needs none."""

    def __init__(self, blobs: Blobs, copies: Copies, store: CopyStore) -> None:
        self._blobs = blobs
        self._copies = copies
        self._store = store
        self._site = copies.site
        self._places = asyncio.Semaphore(limits.REPAIRS_AT_ONCE_MAX)

    async def bring_for_ever(self) -> None:
        await self._for_ever(self._bring_some, limits.REPAIR_EVERY_SECONDS)

    async def enrol_for_ever(self) -> None:
        """Files from before there were several sites, or that a worker of an older version took in."""
        await self._for_ever(self._enrol, limits.ENROL_EVERY_SECONDS)

    async def scrub_for_ever(self) -> None:
        await self._for_ever(self._scrub_some, limits.SCRUB_LOOK_SECONDS)

    async def _for_ever(self, work: Callable[[], Awaitable[bool]], pause_seconds: float) -> None:
        """Whatever goes wrong, it goes on: nobody would notice that a site no longer repairs itself."""
        while not self._copies.is_alone:
            again = False
            try:
                again = await work()
            except Refusal as refusal:
                log.warning("media_not_repaired", error=refusal.message)
            except Exception:
                log.exception("media_not_repaired")
            if not again:
                await asyncio.sleep(pause_seconds)

    async def _bring_some(self) -> bool:
        """One batch. False when there is nothing to do now, or nothing could be done."""
        MISSING.set(await self._store.missing(self._site))
        lacking = await self._store.claim_lacking(self._site, limits.REPAIR_BATCH_MAX)
        outcomes = await asyncio.gather(*map(self._bring, lacking))
        await self._write(lacking, outcomes)
        return any(outcomes)

    async def _scrub_some(self) -> bool:
        due = await self._store.claim_checks(self._site, limits.SCRUB_BATCH_MAX)
        for wanted in due:
            await self._check(wanted)
        return len(due) == limits.SCRUB_BATCH_MAX

    async def _bring(self, wanted: Wanted) -> bool:
        """Is it here now? Often it was all the time: sent by a worker that could not write so."""
        async with self._places:
            try:
                return await self._blobs.is_whole(wanted.sha256, wanted.size) or await self._copies.bring(
                    wanted.sha256, wanted.size
                )
            except Refusal as refusal:
                log.warning("file_not_brought", sha256=wanted.sha256.hex(), error=refusal.message)
                return False

    async def _write(self, lacking: list[Wanted], outcomes: list[bool]) -> None:
        brought = [wanted.sha256 for wanted, is_here in zip(lacking, outcomes, strict=True) if is_here]
        failed = [wanted.sha256 for wanted, is_here in zip(lacking, outcomes, strict=True) if not is_here]
        if brought:
            await self._store.set_held(self._site, brought)
            log.info("files_brought", count=len(brought))
        if failed:
            await self._store.postpone(self._site, failed)
            log.warning("files_missing", count=len(failed), tries=1 + max(wanted.tries for wanted in lacking))

    async def _enrol(self) -> bool:
        after: bytes | None = b""
        while after is not None:
            after = await self._store.enrol(self._site, after, limits.ENROL_BATCH_MAX)
            await asyncio.sleep(limits.ENROL_PAUSE_SECONDS)
        return False

    async def _check(self, due: Wanted) -> None:
        is_whole = await self._blobs.check(due.sha256, limits.SCRUB_BYTES_PER_SECOND)
        CHECKED.labels("whole" if is_whole else "broken").inc()
        if not is_whole:
            log.error("blob_broken", sha256=due.sha256.hex())
            await self._store.set_lost(self._site, [due.sha256])
