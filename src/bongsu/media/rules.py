"""What may be said about a file, and how: content types, file names, ranges, entity tags, thumbnail sizes. Pure.

Everything an uploader names (type, file name) goes into response headers, so it is rebuilt here from a grammar.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Final, Literal
from urllib.parse import quote

import msgspec

from bongsu.core import limits
from bongsu.core.errors import Refusal, invalid_param

Method = Literal["crop", "scale"]

OCTETS: Final = "application/octet-stream"

# What a browser may show in place of downloading it (client-server API, "Serving inline content").
INLINE: Final = frozenset(
    ["text/css", "text/plain", "text/csv", "application/json", "application/ld+json"]
    + [f"image/{name}" for name in ("jpeg", "gif", "png", "apng", "webp", "avif")]
    + [f"video/{name}" for name in ("mp4", "webm", "ogg", "quicktime")]
    + [f"audio/{name}" for name in ("mp4", "webm", "aac", "mpeg", "ogg", "wave", "wav", "x-wav", "x-pn-wav")]
    + ["audio/flac", "audio/x-flac"]
)

# Files are strangers' work: a browser that opens one must not run it, guess its type or let it load anything.
SAFE_HEADERS: Final[Mapping[str, str]] = {
    "x-content-type-options": "nosniff",
    "content-security-policy": (
        "sandbox; default-src 'none'; script-src 'none'; style-src 'unsafe-inline'; media-src 'self'; object-src 'self'"
    ),
    "cross-origin-resource-policy": "cross-origin",
    "referrer-policy": "no-referrer",
    "cache-control": "private, max-age=31536000, immutable",
    "accept-ranges": "bytes",
}

_WORD: Final = r"[0-9A-Za-z!#$%&'*+.^_`|~-]+"
_QUOTED: Final = r'"[0-9A-Za-z !#$%&\'()*+,./:;<=>?@\[\]^_`{|}~-]*"'
_CONTENT_TYPE: Final = re.compile(rf"({_WORD}/{_WORD})((?:[ \t]*;[ \t]*{_WORD}=(?:{_WORD}|{_QUOTED}))*)")
_PLAIN_NAME: Final = re.compile(r"[0-9A-Za-z !#$&'()+,.;=@\[\]^_`{}~-]+")  # needs no escape in any browser
_RANGE: Final = re.compile(r"bytes=[ \t]*([0-9]{0,18})[ \t]*-[ \t]*([0-9]{0,18})[ \t]*", re.IGNORECASE)
_BIDI: Final = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def content_type(claimed: str | None) -> str:
    """The uploader's content type where it is one, else application/octet-stream."""
    match = _CONTENT_TYPE.fullmatch((claimed or "").strip())
    if match is None or len(match[0]) > limits.CONTENT_TYPE_BYTES_MAX:
        return OCTETS
    return match[1].lower() + match[2]


def may_be_inline(kind: str) -> bool:
    return kind.partition(";")[0].strip() in INLINE


def file_name(claimed: str | None) -> str | None:
    """A name without control characters and without the marks that let "gpj.exe" look like "exe.jpg"; None for none."""
    if claimed is None:
        return None
    if len(claimed.encode("utf-8", "surrogatepass")) > limits.FILE_NAME_BYTES_MAX:
        raise invalid_param(f"a file name may have at most {limits.FILE_NAME_BYTES_MAX} bytes")
    return "".join(map(_kept, claimed)).strip() or None


def _kept(character: str) -> str:
    if character in "/\\":
        return "_"
    if character in _BIDI or unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp"):
        return ""
    return character


def disposition(kind: str, name: str | None) -> str:
    """The Content-Disposition header (RFC 6266, RFC 8187); `name` went through file_name()."""
    how = "inline" if may_be_inline(kind) else "attachment"
    if not name:
        return how
    if _PLAIN_NAME.fullmatch(name):
        return f'{how}; filename="{name}"'
    plain = "".join(c if _PLAIN_NAME.fullmatch(c) else "_" for c in name)
    return f"{how}; filename=\"{plain}\"; filename*=utf-8''{quote(name, safe='')}"


# --- what part of a file, and whether at all ---


class Span(msgspec.Struct, frozen=True):
    """Bytes start <= i < end."""

    start: int
    end: int


def span(header: str | None, size: int) -> Span | None:
    """The one range asked for; None for the whole (no range, several ranges, or not a range). 416 outside the file."""
    match = _RANGE.fullmatch(header or "")
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        start, end = max(0, size - int(match[2])), size
    else:
        start, end = int(match[1]), min(size, int(match[2]) + 1 if match[2] else size)
        if match[2] and int(match[2]) < start:
            return None
    if start >= size or start >= end:
        raise _outside(size)
    return Span(start, end)


def _outside(size: int) -> Refusal:
    return Refusal(
        416,
        "M_UNKNOWN",
        f"that range lies outside the file of {size} bytes",
        headers={"content-range": f"bytes */{size}"},
    )


def entity_tag(sha256: bytes) -> str:
    return f'"{sha256.hex()}"'


def is_known(if_none_match: str | None, tag: str) -> bool:
    """Does the client hold this version already?"""
    tags = [one.strip().removeprefix("W/") for one in (if_none_match or "").split(",")]
    return tag in tags or tags == ["*"]


# --- thumbnails ---


class Size(msgspec.Struct, frozen=True):
    """What is made of a picture: it fits into width x height ("scale") or fills it ("crop")."""

    width: int
    height: int
    method: Method


# The protocol's recommended sizes, and two larger squares for large avatars. Requests are mapped to these, so one
# picture has at most 14 thumbnails.
SIZES: Final = (
    Size(32, 32, "crop"),
    Size(96, 96, "crop"),
    Size(320, 320, "crop"),
    Size(640, 640, "crop"),
    Size(320, 240, "scale"),
    Size(640, 480, "scale"),
    Size(800, 600, "scale"),
)

_MAGIC: Final = re.compile(rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|RIFF....WEBP", re.DOTALL)
MAGIC_BYTES: Final = 12


def nearest(width: int, height: int, method: Method) -> Size:
    """The smallest size that is at least as large as asked for, or the largest there is."""
    sizes = [size for size in SIZES if size.method == method]
    return next((size for size in sizes if size.width >= width and size.height >= height), sizes[-1])


def is_picture(head: bytes) -> bool:
    """Do these first bytes begin a JPEG, PNG, GIF or WebP? The claimed type is not asked."""
    return _MAGIC.match(head) is not None


def fitted(width: int, height: int, size: Size) -> tuple[tuple[int, int], tuple[int, int]]:
    """(part of the source that is used, result), each (width, height) in pixels. Nothing is ever enlarged."""
    if size.method == "scale":
        used = (width, height)
        ratio = min(1.0, size.width / width, size.height / height)
    else:
        shape = min(width / size.width, height / size.height)
        used = (max(1, min(width, round(size.width * shape))), max(1, min(height, round(size.height * shape))))
        ratio = min(1.0, 1 / shape)
    return used, (max(1, round(used[0] * ratio)), max(1, round(used[1] * ratio)))
