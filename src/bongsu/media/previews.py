"""What an address is about (client-server API, "Content repository").

GET /_matrix/client/v1/media/preview_url
GET /_matrix/media/v3/preview_url, /_matrix/media/r0/preview_url     the same, as older clients ask

Whatever goes wrong on the way, the answer is the same: who asks learns nothing of the network behind this server.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, TypeVar

import msgspec
import structlog
from prometheus_client import Counter

from bongsu.core import limits
from bongsu.core.errors import Refusal, invalid_param, limit_exceeded, not_found
from bongsu.core.json import encode
from bongsu.core.tiers import Tier
from bongsu.http.request import Request
from bongsu.http.response import Response
from bongsu.http.router import Route
from bongsu.media.fetching import Fetched, Fetcher, NotFetched
from bongsu.media.messages import PreviewJob
from bongsu.media.seen import Seen, with_embed
from bongsu.media.workers import WorkerLost, Workers
from bongsu.store.database import Database
from bongsu.store.previews import Preview, PreviewStore

log = structlog.get_logger(__name__)

T = TypeVar("T")

PREVIEWS: Final = Counter("bongsu_url_previews_total", "Addresses that were asked for a preview", ["outcome"])
KeepPicture = Callable[[bytes, str], Awaitable[str]]  # (bytes, content type) → mxc address
_PATHS: Final = (
    "/_matrix/client/v1/media/preview_url",
    "/_matrix/media/v3/preview_url",
    "/_matrix/media/r0/preview_url",
)
_PAGES: Final = ("text/html", "application/xhtml+xml")
_ACCEPT: Final = "text/html, application/xhtml+xml, image/*;q=0.9, */*;q=0.1"


class _Picture(msgspec.Struct):
    content_type: str
    width: int
    height: int


class Previews:
    """keep_picture: how a picture becomes a file of this server."""

    def __init__(
        self, database: Database, fetcher: Fetcher, workers: Workers, keep_picture: KeepPicture, *, seconds: float
    ) -> None:
        self._store = PreviewStore(database)
        self._fetcher = fetcher
        self._workers = workers
        self._keep_picture = keep_picture
        self._claim_seconds = 3 * seconds + limits.PREVIEW_READ_SECONDS_MAX
        self._under_way: dict[str, asyncio.Task[Preview]] = {}
        self._places = asyncio.Semaphore(limits.PREVIEWS_AT_ONCE_MAX)

    def routes(self) -> list[Route]:
        return [Route("GET", path, self.preview, bucket="preview", tier=Tier.PREVIEW) for path in _PATHS]

    async def close(self) -> None:
        for task in self._under_way.values():
            task.cancel()
        if self._under_way:
            await asyncio.wait(list(self._under_way.values()))
        await self._fetcher.close()
        await self._workers.close()

    async def preview(self, request: Request) -> Response:
        url = self._checked(request.query.need("url"))
        request.query.integer("ts", 0)
        found = await self._store.find(url) or await self._shared(url)
        if found.said is None:
            raise not_found("there is no preview of this address")
        return Response(found.said)

    def _checked(self, url: str) -> str:
        try:
            return str(self._fetcher.check(url))
        except ValueError:
            raise invalid_param("this is no http or https address that is shown") from None

    async def _shared(self, url: str) -> Preview:
        """Several who ask for one address here wait for one answer."""
        task = self._under_way.get(url)
        if task is None:
            if len(self._under_way) >= limits.PREVIEWS_UNDER_WAY_MAX:
                raise limit_exceeded(5_000)
            task = self._under_way[url] = asyncio.create_task(self._asked(url))
            task.add_done_callback(lambda _: self._under_way.pop(url, None))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(task)

    async def _asked(self, url: str) -> Preview:
        """One worker asks; the others look for its answer, and ask themselves if it dies."""
        async with self._places:
            while True:
                found = await self._store.find(url)
                if found is not None:
                    return found
                if await self._store.claim(url, self._claim_seconds):
                    return await self._made(url)
                await asyncio.sleep(limits.PREVIEW_POLL_SECONDS)

    async def _made(self, url: str) -> Preview:
        try:
            said: bytes | None = encode(await self._said(url))
            seconds = limits.PREVIEW_KEPT_SECONDS
        except (NotFetched, WorkerLost) as error:
            log.debug("no_preview", error=str(error)[:200])  # what people look at is nobody's business
            said, seconds = None, limits.PREVIEW_FAILED_SECONDS
        PREVIEWS.labels("none" if said is None else "made").inc()
        await self._store.keep(url, said, seconds)
        return Preview(said)

    async def _said(self, url: str) -> dict[str, Any]:
        fetched = await self._fetcher.get(url, accept=_ACCEPT, bytes_max=limits.PREVIEW_PAGE_BYTES_MAX, cut=True)
        if fetched.kind in _PAGES:
            return await self._of_page(fetched)
        if fetched.kind.startswith("image/"):
            return await self._picture(fetched.url)
        return {}

    async def _of_page(self, fetched: Fetched) -> dict[str, Any]:
        job = PreviewJob(is_picture=False, url=fetched.url, content_type=fetched.content_type)
        seen = await self._read(job, fetched.body, Seen)
        if seen.oembed is not None and ("og:title" not in seen.said or seen.image is None):
            seen = await self._with_embed(seen, seen.oembed)
        picture = {} if seen.image is None else await self._picture(seen.image)
        return {**seen.said, **picture}

    async def _with_embed(self, seen: Seen, url: str) -> Seen:
        try:
            embed = await self._fetcher.get(url, accept="application/json", bytes_max=limits.PREVIEW_OEMBED_BYTES_MAX)
        except NotFetched:
            return seen
        return with_embed(seen, embed.body)

    async def _picture(self, url: str) -> dict[str, Any]:
        """The picture as a file of this server; nothing where it cannot be had, or is none."""
        try:
            fetched = await self._fetcher.get(url, accept="image/*", bytes_max=limits.PREVIEW_PICTURE_BYTES_MAX)
            picture = await self._read(PreviewJob(is_picture=True), fetched.body, _Picture)
            kept = await self._keep_picture(fetched.body, picture.content_type)
        except (NotFetched, WorkerLost, Refusal):
            return {}
        return {
            "og:image": kept,
            "og:image:type": picture.content_type,
            "og:image:width": picture.width,
            "og:image:height": picture.height,
            "matrix:image:size": len(fetched.body),
        }

    async def _read(self, job: PreviewJob, body: bytes, shape: type[T]) -> T:
        outcome, found = await self._workers.run(job, _once(body), len(body))
        if outcome.verdict != "made":
            raise WorkerLost("it cannot be read")
        return msgspec.json.decode(found, type=shape)


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body
