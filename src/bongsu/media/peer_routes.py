"""What sites ask each other about blobs. Only another site may.

PUT  /_bongsu/peer/v1/blobs/{sha256}   take this; answered when it is on the disk under its name
GET  /_bongsu/peer/v1/blobs/{sha256}   the bytes, or a range of them, compared with the name before
HEAD /_bongsu/peer/v1/blobs/{sha256}   is it there, and how large?

A site answers for its own disk alone and asks nobody in turn, so that no question goes round. What one site has let in
is not given up by another: pressure is answered at the door where the client asks.
"""

import re
from collections.abc import AsyncIterator
from typing import Final

from bongsu.core import limits
from bongsu.core.errors import Refusal, invalid_param, not_found
from bongsu.core.tiers import Tier
from bongsu.http.request import Request
from bongsu.http.response import Response, reply
from bongsu.http.router import Auth, Route
from bongsu.media import rules
from bongsu.media.blobs import Blobs, WrongBytes, file_too_large
from bongsu.media.copies import ADDRESSEE, PATH, Copies, Taken
from bongsu.media.uploads import UploadRules, in_time

_NAME: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


class PeerBlobs:
    """The endpoints."""

    def __init__(self, blobs: Blobs, copies: Copies, settings: UploadRules) -> None:
        self._blobs = blobs
        self._copies = copies
        self._settings = settings

    def routes(self) -> list[Route]:
        path = f"{PATH}/{{sha256}}"
        return [
            Route("PUT", path, self._take, Auth.PEER, tier=Tier.RUNNING),
            Route("GET", path, self._give, Auth.PEER, tier=Tier.RUNNING),
            Route("HEAD", path, self._tell, Auth.PEER, tier=Tier.RUNNING),
        ]

    async def _take(self, request: Request) -> Response:
        sha256, bytes_max = _name(request), self._settings.bytes_max
        if request.header(ADDRESSEE) not in (None, self._copies.site):
            raise Refusal(
                421, "M_UNKNOWN", f"this is the site {self._copies.site!r}: the address of another leads here"
            )
        length = request.header("content-length") or ""
        if not length.isdigit():
            raise Refusal(411, "M_UNKNOWN", "a blob comes with its length")
        if len(length) > 18 or int(length) > bytes_max:
            raise file_too_large(bytes_max)
        pieces = in_time(request.stream(), self._settings.idle_seconds, limits.UPLOAD_SECONDS_MAX)
        try:
            await self._blobs.put(pieces, int(length), sha256)
        except WrongBytes:
            raise Refusal(400, "M_UNKNOWN", "these bytes have another SHA-256; nothing was stored") from None
        self._copies.note(sha256, is_held=True)
        return reply(Taken(self._copies.site))

    async def _give(self, request: Request) -> Response:
        sha256 = _name(request)
        size = await self._blobs.size(sha256)
        if size is None or not await self._blobs.is_whole(sha256, size):
            if size is not None:
                self._copies.note(sha256, is_held=False)
            raise _not_here()
        part = rules.span(request.header("range"), size)
        headers = {} if part is None else {"content-range": f"bytes {part.start}-{part.end - 1}/{size}"}
        start, end = (0, size) if part is None else (part.start, part.end)
        headers["content-length"] = str(end - start)
        body = self._blobs.read(sha256, start, end)
        return Response(body, status=200 if part is None else 206, content_type=rules.OCTETS, headers=headers)

    async def _tell(self, request: Request) -> Response:
        size = await self._blobs.size(_name(request))
        if size is None:
            raise _not_here()
        return Response(_nothing(), content_type=rules.OCTETS, headers={"content-length": str(size)})


def _name(request: Request) -> bytes:
    """Becomes a path in the blob folder, so nothing but a name passes."""
    if not _NAME.fullmatch(request.params["sha256"]):
        raise invalid_param("a blob's name is its SHA-256: 64 digits and letters a to f")
    return bytes.fromhex(request.params["sha256"])


def _not_here() -> Refusal:
    return not_found("this blob is not in this site")


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""
