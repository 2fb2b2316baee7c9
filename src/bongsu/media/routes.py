"""The content repository (client-server API, "Content repository").

POST /_matrix/media/v3/upload                                                  a new file → content_uri
POST /_matrix/media/v1/create                                                  an id for a file that comes later
PUT  /_matrix/media/v3/upload/{server_name}/{media_id}                         that file
GET  /_bongsu/v1/uploads/{server_name}/{media_id}                              how much of it is here (see pieces.py)
PUT  /_bongsu/v1/uploads/{server_name}/{media_id}/{start}                      a piece of it
GET  /_matrix/client/v1/media/config, /_matrix/media/v3/config                 how large a file may be
GET  /_matrix/client/v1/media/download/{server_name}/{media_id}[/{file_name}]  a file, or a range of it
GET  /_matrix/client/v1/media/thumbnail/{server_name}/{media_id}               a picture made small
GET  /_matrix/media/v3/download/…, /_matrix/media/v3/thumbnail/…               the same without a token, if allowed

The deprecated paths answer under /_matrix/media/r0 and /v1 too, as clients spelt them before there was v3.
"""

import hashlib
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, cast

import msgspec

from bongsu.core import ids, limits
from bongsu.core.errors import Refusal, invalid_param, not_found
from bongsu.core.tiers import Tier
from bongsu.http.describing import Described
from bongsu.http.peers import Peers
from bongsu.http.request import Request
from bongsu.http.response import Response, empty, reply
from bongsu.http.router import Auth, Handler, Route
from bongsu.media import rules
from bongsu.media.arrivals import Arrivals
from bongsu.media.blobs import BlobFolder
from bongsu.media.copies import Copies
from bongsu.media.forgetting import Forgetting
from bongsu.media.peer_routes import PeerBlobs
from bongsu.media.pieces import Pieces
from bongsu.media.repair import Repair
from bongsu.media.rules import Method
from bongsu.media.thumbnails import Thumbnails, Wish
from bongsu.media.uploads import UploadRules, Uploads
from bongsu.media.workers import Workers
from bongsu.store.blob_copies import CopyStore
from bongsu.store.database import Database
from bongsu.store.forgotten_blobs import ForgottenBlobs
from bongsu.store.media import MediaRow, MediaStore

_BUCKET: Final = "media"
_LEGACY: Final = ("/_matrix/media/v3", "/_matrix/media/r0", "/_matrix/media/v1")
_AUTHENTICATED: Final = "/_matrix/client/v1/media"
_ITEM: Final = "/{server_name}/{media_id}"
_UPLOADS: Final = f"/_bongsu/v1/uploads{_ITEM}"


class Held(msgspec.Struct, frozen=True):
    """held: bytes of the file that this site has, from its beginning on. is_whole: the file is made."""

    held: int
    is_whole: bool


def new_media_id() -> str:
    """192 random bits, 32 characters: who has the id was given it."""
    return secrets.token_urlsafe(24)


class Media:
    """The service. legacy_access: also serve files without a token, as servers did before version 1.11.

    peers: the other sites that keep the same files.
    """

    def __init__(
        self,
        database: Database,
        blobs: BlobFolder,
        *,
        server_name: str,
        now_ms: Callable[[], int],
        uploads: UploadRules | None = None,
        workers: Workers | None = None,
        legacy_access: bool = False,
        new_id: Callable[[], str] = new_media_id,
        peers: Peers | None = None,
    ) -> None:
        self._store = MediaStore(database)
        self._server_name = server_name
        self._now_ms = now_ms
        self._legacy_access = legacy_access
        self._settings = uploads or UploadRules()
        self._arrivals = Arrivals(self._store)
        places = CopyStore(database)
        self._copies = Copies(blobs, places, peers)
        self._repair = Repair(blobs, self._copies, places)
        self._forgetting = Forgetting(blobs, ForgottenBlobs(database), self._copies.site, self._copies.sites)
        self._peer_blobs = PeerBlobs(blobs, self._copies, self._settings)
        self._pieces = Pieces(blobs)
        self._uploads = Uploads(
            *(self._store, blobs, self._copies, self._arrivals, self._pieces),
            settings=self._settings,
            now_ms=now_ms,
            new_id=new_id,
        )
        self._thumbnails = Thumbnails(self._store, blobs, self._copies, workers or Workers(), now_ms)

    def routes(self) -> list[Route]:
        download = self._download if self._legacy_access else self._frozen
        thumbnail = self._thumbnail if self._legacy_access else self._frozen
        return [
            Route("POST", "/_matrix/media/v1/create", self._create, bucket=_BUCKET, tier=Tier.FILES),
            Route("PUT", f"/_matrix/media/v3/upload{_ITEM}", self._fill, bucket=_BUCKET, tier=Tier.FILES),
            Route("GET", _UPLOADS, self._held, bucket="read", tier=Tier.FILES, described=_HELD),
            Route("PUT", f"{_UPLOADS}/{{start}}", self._add_piece, bucket=_BUCKET, tier=Tier.FILES, described=_PIECE),
            Route("GET", f"{_AUTHENTICATED}/config", self._config, bucket="read", tier=Tier.FILES),
            *_files(_AUTHENTICATED, self._download, self._thumbnail, Auth.REQUIRED),
            *(Route("POST", f"{prefix}/upload", self._upload, bucket=_BUCKET, tier=Tier.FILES) for prefix in _LEGACY),
            *(Route("GET", f"{prefix}/config", self._config, bucket="read", tier=Tier.FILES) for prefix in _LEGACY),
            *(route for prefix in _LEGACY for route in _files(prefix, download, thumbnail, Auth.NONE)),
            *self._peer_blobs.routes(),
        ]

    def sweeps(self) -> list[Callable[[], Awaitable[None]]]:
        """What goes on beside requests, for ever; with a single site what is about copies ends at once."""
        repair, sweep = self._repair, self._pieces.sweep_for_ever
        repairs = [repair.bring_for_ever, repair.enrol_for_ever, repair.scrub_for_ever]
        return [sweep, self._copies.run, *repairs, self._forgetting.run]

    async def keep_picture(self, picture: bytes, kind: str) -> str:
        """A picture that the server itself has found, as a file named after what it holds; its mxc address."""
        media_id = f"preview_{hashlib.sha256(picture).hexdigest()}"
        await self._uploads.keep(media_id, _once(picture), kind)
        return self._uri(media_id)

    def drain(self) -> None:
        """The server stops: downloads that wait for an upload are answered now."""
        self._arrivals.drain()

    async def close(self) -> None:
        await self._thumbnails.close()
        await self._copies.close()

    # --- handlers ---

    async def _upload(self, request: Request) -> Response:
        return reply({"content_uri": self._uri(await self._uploads.upload(request))})

    async def _create(self, request: Request) -> Response:
        media_id, expires_ms = await self._uploads.create(request.requester)
        return reply({"content_uri": self._uri(media_id), "unused_expires_at": expires_ms})

    async def _fill(self, request: Request) -> Response:
        await self._uploads.fill(self._media_id(request), request)
        return empty()

    async def _held(self, request: Request) -> Response:
        return reply(Held(*await self._uploads.held(self._media_id(request), _tag(request), request.requester)))

    async def _add_piece(self, request: Request) -> Response:
        start, total = request.params["start"], request.query.need("size")
        if not _COUNT.fullmatch(start) or not _COUNT.fullmatch(total) or int(start) > int(total):
            raise invalid_param("a piece has a place, and its file a size in bytes that is not smaller")
        place = (self._media_id(request), _tag(request), int(start), int(total))
        return reply(Held(*await self._uploads.add_piece(*place, request)))

    async def _config(self, _: Request) -> Response:
        return reply({"m.upload.size": self._settings.bytes_max})

    async def _frozen(self, _: Request) -> Response:
        raise not_found("files need an access token: use /_matrix/client/v1/media")

    async def _download(self, request: Request) -> Response:
        media, sha256 = await self._find(request)
        name = rules.file_name(request.params.get("file_name")) or media.file_name
        return await self._file(request, sha256, media.size, media.content_type, name)

    async def _thumbnail(self, request: Request) -> Response:
        size = _wanted_size(request)
        animated = request.query.flag("animated")
        media, sha256 = await self._find(request)
        made = await self._thumbnails.get(Wish(sha256, size, animated), media.size)
        name = f"thumbnail.{made.content_type.removeprefix('image/')}"
        return await self._file(request, made.sha256, made.size, made.content_type, name)

    # --- their parts ---

    def _uri(self, media_id: str) -> str:
        return f"mxc://{self._server_name}/{media_id}"

    def _media_id(self, request: Request) -> str:
        media_id = request.params["media_id"]
        if request.params["server_name"] != self._server_name or not ids.is_media_id(media_id):
            raise _no_such_file()
        return media_id

    async def _find(self, request: Request) -> tuple[MediaRow, bytes]:
        """The file and its blob. Waits for an upload under way, as long as the client does."""
        media_id = self._media_id(request)
        timeout_ms = request.query.integer(
            "timeout_ms", limits.MEDIA_TIMEOUT_MS_DEFAULT, high=limits.MEDIA_TIMEOUT_MS_MAX
        )
        media = await self._live(media_id)
        if media.sha256 is None and timeout_ms:
            await self._arrivals.wait(media_id, timeout_ms / 1000)
            media = await self._live(media_id)
        if media.sha256 is None:
            raise Refusal(504, "M_NOT_YET_UPLOADED", "this file has not been uploaded yet")
        return media, media.sha256

    async def _live(self, media_id: str) -> MediaRow:
        media = await self._store.find(media_id)
        if media is None or (media.expires_ms is not None and media.expires_ms <= self._now_ms()):
            raise _no_such_file()
        return media

    async def _file(self, request: Request, sha256: bytes, size: int, kind: str, name: str | None) -> Response:
        tag = rules.entity_tag(sha256)
        headers = {**rules.SAFE_HEADERS, "etag": tag, "content-disposition": rules.disposition(kind, name)}
        if rules.is_known(request.header("if-none-match"), tag):
            return _without_body(304, kind, headers)
        read = await self._copies.open(sha256, size)
        part = rules.span(request.header("range"), size) if request.method == "GET" else None
        if part is not None:
            headers["content-range"] = f"bytes {part.start}-{part.end - 1}/{size}"
        start, end = (part.start, part.end) if part is not None else (0, size)
        headers["content-length"] = str(end - start)
        if request.method == "HEAD":
            return _without_body(200, kind, headers)
        return Response(read(start, end), status=206 if part is not None else 200, content_type=kind, headers=headers)


_COUNT: Final = re.compile(r"[0-9]{1,16}", re.ASCII)
_TAG: Final = re.compile(r"[0-9A-Za-z]{1,64}", re.ASCII)
_HELD: Final = Described("How much of a file whose upload was cut off is at this site", {200: Held}, query=("tag",))
_PIECE: Final = Described(
    "More of a file, from `start` on; its last piece makes it",
    {200: Held},
    query=("size", "tag", "filename"),
    errors={403: ("BONGSU_UPLOADS_OF_DAY",), 409: ("BONGSU_GAP",)},
)


def _files(prefix: str, download: Handler, thumbnail: Handler, auth: Auth) -> list[Route]:
    return [
        Route("GET", f"{prefix}/download{_ITEM}", download, auth, tier=Tier.FILES),
        Route("GET", f"{prefix}/download{_ITEM}/{{file_name}}", download, auth, tier=Tier.FILES),
        Route("GET", f"{prefix}/thumbnail{_ITEM}", thumbnail, auth, tier=Tier.PREVIEW),
    ]


def _tag(request: Request) -> str:
    """Becomes a part of a path, so nothing but a tag passes."""
    tag = request.query.get("tag") or "0"
    if not _TAG.fullmatch(tag):
        raise invalid_param("a tag has up to 64 letters and digits")
    return tag


def _wanted_size(request: Request) -> rules.Size:
    query = request.query
    query.need("width"), query.need("height")
    method = cast("Method", query.choice("method", ("crop", "scale"), default="scale"))
    return rules.nearest(query.integer("width", 0, low=1), query.integer("height", 0, low=1), method)


def _without_body(status: int, kind: str, headers: dict[str, str]) -> Response:
    return Response(_nothing(), status=status, content_type=kind, headers=headers)


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""


def _no_such_file() -> Refusal:
    return not_found("there is no such file on this server")
