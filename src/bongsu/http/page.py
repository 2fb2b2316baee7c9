"""Pages for people: their files, headers and languages. A page loads nothing from elsewhere and runs nothing inline."""

import gzip
import hashlib
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Final

import msgspec

from bongsu.core.errors import not_found
from bongsu.http.request import Request
from bongsu.http.response import Response

LOOK: Final = Path(__file__).parent / "look"  # what all pages share: colours, type, the icon
_NAMES: Final = {"en": "English", "ko": "한국어"}
LANGUAGES: Final = tuple(_NAMES)
_CURRENT: Final = ' aria-current="true"'
HTML: Final = "text/html; charset=utf-8"
HEADERS: Final = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class _Asset(msgspec.Struct, frozen=True):
    """A file of a page. tag: of its content."""

    content_type: str
    body: bytes
    packed: bytes
    tag: str


class Assets:
    """The files of a page's folder and those that all pages share, served under `prefix`."""

    def __init__(self, folder: Path, prefix: str) -> None:
        paths = sorted((*LOOK.iterdir(), *folder.iterdir()))
        self._assets = {path.name: _load(path) for path in paths if path.suffix in _TYPES}
        self._prefix = prefix

    def links(self) -> dict[str, str]:
        """What a template calls them (start_css), and addresses that name the content."""
        return {
            re.sub(r"[^a-z]", "_", name): f"{self._prefix}/{name}?v={asset.tag}" for name, asset in self._assets.items()
        }

    async def serve(self, request: Request) -> Response:
        """A link that names the content may be kept for ever; any other is asked for again."""
        asset = self._assets.get(request.params["file_name"])
        if asset is None:
            raise not_found("there is no such file")
        named = request.query.get("v") == asset.tag
        headers = {"cache-control": "public, max-age=31536000, immutable" if named else "no-cache"}
        headers["vary"] = "accept-encoding"
        if "gzip" in (request.header("accept-encoding") or ""):
            headers["content-encoding"] = "gzip"
            return answer(request, asset.packed, asset.content_type, f"{asset.tag}-gzip", headers)
        return answer(request, asset.body, asset.content_type, asset.tag, headers)


def template(path: Path) -> Template:
    """A page, with the head and the bar that all pages share. They name $languages, see languages()."""
    text = path.read_text(encoding="utf-8")
    for name in ("head", "bar"):
        text = text.replace(f"<!-- {name} -->", (LOOK / f"{name}.html").read_text(encoding="utf-8").strip())
    return Template(text)


def languages(language: str, label: str, here: str = "") -> str:
    """Links to this page in each language. here: its address with its query, if that must be kept."""
    to = f"{here}{'&' if '?' in here else '?'}lang="
    links = "".join(
        f'<a href="{escape(to + one)}" lang="{one}" hreflang="{one}"{_CURRENT if one == language else ""}>{name}</a>'
        for one, name in _NAMES.items()
    )
    return f'<nav aria-label="{escape(label)}">{links}</nav>'


def _load(path: Path) -> _Asset:
    body = path.read_bytes()
    return _Asset(_TYPES[path.suffix], body, gzip.compress(body, 9, mtime=0), tag_of(body))


def tag_of(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:20]


def answer(request: Request, body: bytes, content_type: str, tag: str, headers: Mapping[str, str]) -> Response:
    """The body, or 304 when the client has it."""
    whole = {**HEADERS, **headers, "etag": f'"{tag}"'}
    if f'"{tag}"' in (request.header("if-none-match") or ""):
        known = Response(b"", status=304, content_type=content_type, headers=whole)
        del known.headers["content-length"]  # it would be taken for that of the whole
        return known
    return Response(body, content_type=content_type, headers=whole)


def preferred(header: str) -> Sequence[str]:
    """What an Accept or Accept-Language header likes, best first, without its parameters; what it refuses left out."""
    liked: list[tuple[float, str]] = []
    for part in header.split(",")[:20]:
        tag, _, quality = part.strip().partition(";")
        match = re.fullmatch(r"\s*q=([01](?:\.[0-9]{0,3})?)\s*", quality)
        liked.append((-float(match[1]) if match else -1.0, tag.strip().lower()))
    return [tag for rank, tag in sorted(liked, key=lambda pair: pair[0]) if rank < 0]


def language_of(request: Request) -> str:
    """?lang=…, else the language the browser likes best among ours."""
    asked = request.query.get("lang")
    if asked in LANGUAGES:
        return asked
    tags = (tag.split("-")[0] for tag in preferred(request.header("accept-language") or ""))
    return next((tag for tag in tags if tag in LANGUAGES), LANGUAGES[0])
