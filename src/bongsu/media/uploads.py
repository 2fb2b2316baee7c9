"""Taking files in. An upload is acknowledged when its bytes are on the disk (of two sites, where there are several) and
its row is committed.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager

import msgspec

from bongsu.core import limits
from bongsu.core.errors import Refusal, forbidden, limit_exceeded, not_found
from bongsu.core.requester import Requester
from bongsu.http.request import Request
from bongsu.media import rules
from bongsu.media.arrivals import Arrivals
from bongsu.media.blobs import Blobs, Stored, file_too_large
from bongsu.media.copies import Copies
from bongsu.media.pieces import Piece, Pieces
from bongsu.store.media import MediaRow, MediaStore, NewFile


class UploadRules(msgspec.Struct, frozen=True):
    """What an operator or a test may set: bytes of a file, and of all that a person sends in 24 hours; seconds an
    upload may be silent; waiting ids of a person, and their uploads at once.
    """

    bytes_max: int = limits.UPLOAD_BYTES_MAX
    day_bytes_max: int = limits.UPLOAD_DAY_BYTES_MAX
    idle_seconds: float = limits.UPLOAD_IDLE_SECONDS_MAX
    waiting_max: int = limits.MEDIA_WAITING_PER_USER_MAX
    waiting_seconds: float = limits.MEDIA_WAITING_SECONDS
    at_once_max: int = limits.UPLOADS_PER_USER_MAX


class Uploads:
    """new_id makes a media id that nobody can guess; now_ms is the clock."""

    def __init__(
        self,
        store: MediaStore,
        blobs: Blobs,
        copies: Copies,
        arrivals: Arrivals,
        pieces: Pieces,
        *,
        settings: UploadRules,
        now_ms: Callable[[], int],
        new_id: Callable[[], str],
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._copies = copies
        self._arrivals = arrivals
        self._pieces = pieces
        self._settings = settings
        self._now_ms = now_ms
        self._new_id = new_id
        self._under_way: Counter[str] = Counter()

    async def upload(self, request: Request) -> str:
        """A new file; its media id."""
        file = await self._receive(request)
        media_id = self._new_id()
        await self._store.add(media_id, file)
        return media_id

    async def create(self, requester: Requester) -> tuple[str, int]:
        """An id whose file comes later; until when, in ms since the epoch."""
        await self._check_may_upload(requester)
        media_id, now_ms = self._new_id(), self._now_ms()
        expires_ms = now_ms + round(self._settings.waiting_seconds * 1000)
        made = await self._store.reserve(
            media_id, requester.user_id, now_ms=now_ms, expires_ms=expires_ms, waiting_max=self._settings.waiting_max
        )
        if not made:
            raise limit_exceeded(60_000)
        return media_id, expires_ms

    async def fill(self, media_id: str, request: Request) -> None:
        """The file of an id that create() made. What can be refused is refused before a byte is read."""
        await self._check_waits(media_id, request.requester)
        await self._arrive(media_id, await self._receive(request))

    async def held(self, media_id: str, tag: str, requester: Requester) -> tuple[int, bool]:
        """How many bytes of such a file this site has, and whether it is whole."""
        media = await self._store.find(media_id)
        if media is not None and media.user_id == requester.user_id and media.sha256 is not None:
            return media.size, True
        await self._check_waits(media_id, requester)
        return _size(await self._pieces.held(f"{media_id}.{tag}")), False

    async def add_piece(self, media_id: str, tag: str, start: int, total: int, request: Request) -> tuple[int, bool]:
        """More bytes of such a file of `total` bytes; the last ones make it. As held() says afterwards.

        Bytes that are here already are not read again.
        """
        if total > self._settings.bytes_max:
            raise file_too_large(self._settings.bytes_max)
        await self._check_may_upload(request.requester)
        await self._check_waits(media_id, request.requester)
        with self._place(request.requester.user_id):
            name = f"{media_id}.{tag}"
            pieces = await self._pieces.held(name)
            if start > _size(pieces):
                raise _gap(_size(pieces))
            if not pieces:
                await self._pieces.drop_others(media_id, name)
            if start == _size(pieces):
                stream = in_time(request.stream(), self._settings.idle_seconds, limits.UPLOAD_SECONDS_MAX)
                pieces.append(await self._pieces.add(name, start, total, stream))
            if _size(pieces) < total:
                return _size(pieces), False
            await self._make_whole(media_id, name, pieces, request)
        return total, True

    async def _make_whole(self, media_id: str, name: str, pieces: Sequence[Piece], request: Request) -> None:
        async with self._blobs.receive(self._pieces.read(name, pieces), self._settings.bytes_max) as draft:
            await self._arrive(media_id, self._file_of(request, draft.stored, await self._copies.keep(draft)))
        await self._pieces.drop(name)

    async def _check_waits(self, media_id: str, requester: Requester) -> None:
        _check_waits_for(await self._store.find(media_id), requester.user_id, self._now_ms())

    async def _arrive(self, media_id: str, file: NewFile) -> None:
        if not await self._store.fill(media_id, file):
            raise _cannot_overwrite()
        self._arrivals.announce(media_id)

    async def keep(self, media_id: str, content: AsyncIterator[bytes], kind: str) -> None:
        """A file that nobody uploaded: of the server itself. The same id stays what it was."""
        async with self._blobs.receive(content, self._settings.bytes_max) as draft:
            sites = await self._copies.keep(draft)
            await self._store.add_once(media_id, NewFile("", draft.stored.sha256, draft.stored.size, kind, None, sites))

    async def _receive(self, request: Request) -> NewFile:
        """Stores the body."""
        blob, sites = await self._stored(request)
        return self._file_of(request, blob, sites)

    def _file_of(self, request: Request, blob: Stored, sites: dict[str, bool]) -> NewFile:
        """What the uploader says of it (type, name) is made safe here."""
        kind = rules.content_type(request.header("content-type"))
        name = rules.file_name(request.query.get("filename"))
        return NewFile(request.requester.user_id, blob.sha256, blob.size, kind, name, sites)

    async def _stored(self, request: Request) -> tuple[Stored, dict[str, bool]]:
        """The blob, and the sites that shall hold it with whether they do."""
        length = request.header("content-length") or "0"
        if not length.isdigit() or len(length) > 18 or int(length) > self._settings.bytes_max:
            raise file_too_large(self._settings.bytes_max)
        await self._check_may_upload(request.requester)
        with self._place(request.requester.user_id):
            pieces = in_time(request.stream(), self._settings.idle_seconds, limits.UPLOAD_SECONDS_MAX)
            async with self._blobs.receive(pieces, self._settings.bytes_max) as draft:
                return draft.stored, await self._copies.keep(draft)

    async def _check_may_upload(self, requester: Requester) -> None:
        if requester.is_guest:
            raise Refusal(403, "M_GUEST_ACCESS_FORBIDDEN", "guests cannot upload files")
        if await self._store.bytes_of_day(requester.user_id) >= self._settings.day_bytes_max:
            raise Refusal(
                403, "BONGSU_UPLOADS_OF_DAY", "you uploaded as much as one person may in a day; go on tomorrow"
            )

    @contextmanager
    def _place(self, user_id: str) -> Iterator[None]:
        if self._under_way[user_id] >= self._settings.at_once_max:
            raise limit_exceeded(5_000)
        self._under_way[user_id] += 1
        try:
            yield
        finally:
            self._under_way[user_id] -= 1
            if not self._under_way[user_id]:
                del self._under_way[user_id]


async def in_time(stream: AsyncIterator[bytes], idle_seconds: float, seconds: float) -> AsyncIterator[bytes]:
    """The stream, as long as each piece comes within idle_seconds and all of them within `seconds`; else 408."""
    clock = asyncio.get_running_loop()
    end = clock.time() + seconds
    while True:
        try:
            async with asyncio.timeout(min(idle_seconds, max(0.0, end - clock.time()))):
                piece = await anext(stream, None)
        except TimeoutError:
            raise Refusal(408, "M_UNKNOWN", "the upload stood still or took too long; nothing was stored") from None
        if piece is None:
            return
        yield piece


def _check_waits_for(media: MediaRow | None, user_id: str, now_ms: int) -> None:
    """Does this id wait for an upload of this person?"""
    if media is None:
        raise not_found("there is no such media id")
    if media.user_id != user_id:
        raise forbidden("somebody else made this media id")
    if media.sha256 is not None:
        raise _cannot_overwrite()
    if media.expires_ms is not None and media.expires_ms <= now_ms:
        raise not_found("this media id has expired; make a new one")


def _size(pieces: Sequence[Piece]) -> int:
    return pieces[-1].end if pieces else 0


def _gap(held: int) -> Refusal:
    return Refusal(409, "BONGSU_GAP", "bytes before these are missing here: go on from `held`", fields={"held": held})


def _cannot_overwrite() -> Refusal:
    return Refusal(409, "M_CANNOT_OVERWRITE_MEDIA", "this media id has its file already")
