"""Thumbnails: found, or made once however many ask for the same one, and kept as blobs like everything else.

Among several sites a thumbnail is brought to where it is asked for, or made anew when no site gives it.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable

import msgspec

from bongsu.core import limits
from bongsu.core.errors import Refusal, too_large
from bongsu.media.blobs import BlobLost, Blobs, cannot_read
from bongsu.media.copies import Copies, Read
from bongsu.media.messages import Job, Outcome
from bongsu.media.rules import MAGIC_BYTES, Size, is_picture
from bongsu.media.workers import WorkerLost, Workers
from bongsu.store.media import MediaStore, ThumbnailKey, ThumbnailRow


class Wish(msgspec.Struct, frozen=True):
    """One thumbnail: of which blob, how large, moving or not."""

    source: bytes
    size: Size
    animated: bool

    @property
    def key(self) -> ThumbnailKey:
        return ThumbnailKey(self.source, self.size.width, self.size.height, self.size.method, self.animated)


def impossible() -> Refusal:
    return Refusal(400, "M_UNKNOWN", "no thumbnail can be made of this file")


def too_costly() -> Refusal:
    return too_large("this picture is too large to make a thumbnail of")


class Thumbnails:
    """get() a thumbnail. What cannot be done is remembered for a while, so that it costs once."""

    def __init__(
        self, store: MediaStore, blobs: Blobs, copies: Copies, workers: Workers, now_ms: Callable[[], int]
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._copies = copies
        self._workers = workers
        self._now_ms = now_ms
        self._under_way: dict[Wish, asyncio.Task[ThumbnailRow]] = {}
        self._refused: OrderedDict[Wish, tuple[int, Refusal]] = OrderedDict()  # until when, in ms since the epoch

    async def get(self, wish: Wish, source_size: int) -> ThumbnailRow:
        """400, 413, 429 or 503 when there is none to be had."""
        row = await self._store.thumbnail(wish.key)
        if row is not None and await self._copies.can_open(row.sha256, row.size):
            return row
        task = self._under_way.get(wish)
        if task is None:
            task = self._under_way[wish] = asyncio.create_task(self._make(wish, source_size))
            task.add_done_callback(lambda done: self._forget(wish, done))
        return await asyncio.shield(task)

    async def close(self) -> None:
        while self._under_way:
            await asyncio.wait(list(self._under_way.values()))
        await self._workers.close()

    def _forget(self, wish: Wish, done: "asyncio.Task[ThumbnailRow]") -> None:
        del self._under_way[wish]
        if not done.cancelled():
            done.exception()  # seen: whoever asked may have gone

    async def _make(self, wish: Wish, source_size: int) -> ThumbnailRow:
        until_ms, refused = self._refused.get(wish, (0, None))
        if refused is not None and until_ms > self._now_ms():
            raise refused.with_traceback(None)
        try:
            read = await self._copies.open(wish.source, source_size)
            await self._check_source(read, source_size)
            outcome, picture = await self._work(wish, read, source_size)
        except BlobLost:
            raise cannot_read() from None
        row = await self._kept(wish, source_size, outcome, picture)
        await self._store.add_thumbnail(wish.key, row)
        return row

    async def _work(self, wish: Wish, read: Read, source_size: int) -> tuple[Outcome, bytes]:
        try:
            return await self._workers.run(Job(wish.size, wish.animated), read(0, source_size), source_size)
        except WorkerLost:
            return Outcome("too_large"), b""

    async def _check_source(self, read: Read, size: int) -> None:
        head = b"".join([piece async for piece in read(0, min(MAGIC_BYTES, size))])
        if not is_picture(head):
            raise impossible()
        if size > limits.THUMBNAIL_SOURCE_BYTES_MAX:
            raise too_costly()

    async def _kept(self, wish: Wish, source_size: int, outcome: Outcome, picture: bytes) -> ThumbnailRow:
        if outcome.verdict == "as_is":
            return ThumbnailRow(wish.source, source_size, outcome.content_type)
        if outcome.verdict != "made":
            raise self._refusal(wish, too_costly() if outcome.verdict == "too_large" else impossible())
        blob = await self._blobs.put(_once(picture), limits.THUMBNAIL_BYTES_MAX)
        return ThumbnailRow(blob.sha256, blob.size, outcome.content_type)

    def _refusal(self, wish: Wish, why: Refusal) -> Refusal:
        """Keeps it in mind: the next one who asks costs nothing."""
        self._refused[wish] = self._now_ms() + round(limits.THUMBNAIL_REFUSED_SECONDS * 1000), why
        if len(self._refused) > limits.THUMBNAIL_REFUSED_MAX:
            self._refused.popitem(last=False)
        return why


async def _once(piece: bytes) -> AsyncIterator[bytes]:
    yield piece
