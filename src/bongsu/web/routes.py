"""GET /app/ and every page below it · GET /app/{file} · GET /app/assets/{file_name} · GET /app (leads to /app/)

What `vite build` wrote is opened once, at the start, and small files are kept in memory; a new build changes nothing of
what this worker gives. A file whose name carries its content may be kept for ever; the page and the service worker are
asked for each time. A path that is no file is the app's own page, and gets the app.
"""

import asyncio
import os
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Final

import msgspec

from bongsu.core import limits
from bongsu.core.errors import not_found
from bongsu.core.tiers import Tier
from bongsu.http.page import HTML, answer, language_of, tag_of
from bongsu.http.request import Request
from bongsu.http.response import Response
from bongsu.http.router import Auth, Handler, Route

DIST: Final = Path(__file__).parent / "dist"
_INDEX: Final = "index.html"
_TYPES: Final = {
    ".html": HTML,
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webmanifest": "application/manifest+json",
    ".wasm": "application/wasm",
}
_PACKINGS: Final = (("br", ".br"), ("gzip", ".gz"))  # as `vite build` packed them, the smaller one first
_NOT_BUILT: Final = {
    "en": "The web client was not built on this server: install Node 20 or newer and run “make run” again.",
    "ko": "이 서버에는 웹 앱이 빠져 있습니다. Node 20 이상을 설치하고 “make run”을 다시 실행해 주세요.",
}


class _Content:
    """Bytes in memory; or, of a large file, in the file that was there at the start, whatever has its name now."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._size = os.fstat(self._descriptor).st_size
        self._kept: bytes | None = None
        if self._size <= limits.WEB_FILE_KEPT_BYTES_MAX:
            self._kept = path.read_bytes()
            os.close(self._descriptor)

    def read(self) -> bytes:
        return os.pread(self._descriptor, self._size, 0) if self._kept is None else self._kept

    async def get(self) -> bytes:
        return await asyncio.to_thread(self.read) if self._kept is None else self._kept

    def __del__(self) -> None:
        if self._kept is None:
            os.close(self._descriptor)


class _File(msgspec.Struct, frozen=True):
    """packed: by content encoding. immutable: the name says what is in it."""

    content: _Content
    packed: dict[str, _Content]
    content_type: str
    tag: str
    immutable: bool


class WebClient:
    """sites: base URLs of all centres; the page may ask them, too, when the one it came from does not answer."""

    def __init__(self, sites: Sequence[str], folder: Path = DIST) -> None:
        self._files = _load(folder)
        self._policy = _policy(sites)

    def routes(self) -> list[Route]:
        def route(path: str, handler: Handler) -> Route:
            return Route("GET", path, handler, Auth.NONE, tier=Tier.TALKING)

        return [
            route("/app", self._lead_in),
            route("/app/assets/{file_name}", self._asset),
            route("/app/{page}", self._file_or_page),
            route("/app/{page}/{inside}", self._page),
            route("/app/{page}/{inside}/{more}", self._page),
            route("/app/{page}/{inside}/{more}/{most}", self._page),
            route("/app/{page}/{inside}/{more}/{most}/{last}", self._page),
        ]

    async def _lead_in(self, _: Request) -> Response:
        return Response(status=308, headers={"location": "/app/"})

    async def _asset(self, request: Request) -> Response:
        file = self._files.get(f"assets/{request.params['file_name']}")
        if file is None:
            raise not_found("there is no such file; the app may have been renewed: load the page again")
        return await self._give(request, file)

    async def _file_or_page(self, request: Request) -> Response:
        file = self._files.get(request.params["page"])
        return await (self._page(request) if file is None else self._give(request, file))

    async def _page(self, request: Request) -> Response:
        index = self._files.get(_INDEX)
        return _not_built(request) if index is None else await self._give(request, index)

    async def _give(self, request: Request, file: _File) -> Response:
        kept = "public, max-age=31536000, immutable" if file.immutable else "no-cache"
        headers = {"cache-control": kept, "content-security-policy": self._policy, "vary": "accept-encoding"}
        accepted = request.header("accept-encoding") or ""
        for encoding, packed in file.packed.items():
            if encoding in accepted:
                headers["content-encoding"] = encoding
                return answer(request, await packed.get(), file.content_type, f"{file.tag}-{encoding}", headers)
        return answer(request, await file.content.get(), file.content_type, file.tag, headers)


def _load(folder: Path) -> dict[str, _File]:
    """By path below the folder; empty when nothing was built."""
    paths = (path for path in folder.rglob("*") if path.suffix in _TYPES)
    return {path.relative_to(folder).as_posix(): _read(path, folder) for path in paths}


def _read(path: Path, folder: Path) -> _File:
    packed = {
        encoding: _Content(beside)
        for encoding, suffix in _PACKINGS
        if (beside := path.with_name(path.name + suffix)).is_file()
    }
    content = _Content(path)
    return _File(content, packed, _TYPES[path.suffix], tag_of(content.read()), immutable=path.parent != folder)


def _policy(sites: Sequence[str]) -> str:
    """Nothing inline, nothing from elsewhere; photos come with a token and are shown from memory (blob:).

    Long films are asked for at this origin, where the service worker answers for it. 'wasm-unsafe-eval' lets a page
    compile WebAssembly, which encrypts; browsers have no narrower word for it. It makes no script of a text.
    """
    asked = " ".join(("'self'", *sites))
    return (
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' blob:;"
        " media-src 'self' blob:;"
        f" connect-src {asked};"
        " manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _not_built(request: Request) -> Response:
    language = language_of(request)
    body = (
        f'<!doctype html><html lang="{language}"><meta charset="utf-8"><title>Bongsu 봉수</title>'
        f'<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
        f"<p>{escape(_NOT_BUILT[language])}</p></html>"
    ).encode()
    return answer(request, body, HTML, tag_of(body), {"cache-control": "no-cache", "vary": "accept-language"})
