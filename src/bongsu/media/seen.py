"""What was seen on a page, and what its oEmbed description adds. Pure; without the reader of pages, which stands in
pages.py and is loaded in a process of its own alone.
"""

from typing import Any
from urllib.parse import urljoin

import msgspec

from bongsu.core import limits


class Seen(msgspec.Struct):
    """said: properties and their values; image, oembed: whole addresses, where there are any."""

    said: dict[str, str]
    image: str | None = None
    oembed: str | None = None


class _Embed(msgspec.Struct):
    title: Any = None
    author_name: Any = None
    provider_name: Any = None
    thumbnail_url: Any = None


def with_embed(seen: Seen, answer: bytes) -> Seen:
    """What the page left out, from its oEmbed description."""
    try:
        embed = msgspec.json.decode(answer, type=_Embed)
    except (msgspec.DecodeError, RecursionError):
        return seen
    found = {"og:title": embed.title, "og:description": embed.author_name, "og:site_name": embed.provider_name}
    for name, value in found.items():
        if isinstance(value, str) and (text := clean(value)):
            seen.said.setdefault(name, short(text, name))
    if seen.image is None and isinstance(embed.thumbnail_url, str):
        seen.image = absolute("", embed.thumbnail_url)
    return seen


def absolute(base: str, address: str | None) -> str | None:
    if not address or not address.strip():
        return None
    try:
        whole = urljoin(base, address.strip())
    except ValueError:
        return None
    return whole if whole.startswith(("http://", "https://")) else None


def clean(text: str) -> str:
    return " ".join(text[: limits.PREVIEW_TEXT_CHARACTERS_MAX * 4].replace("\x00", " ").split())


def short(value: str, name: str) -> str:
    most = limits.PREVIEW_TITLE_CHARACTERS_MAX if name != "og:description" else limits.PREVIEW_TEXT_CHARACTERS_MAX
    return value if len(value) <= most else value[: most - 1].rstrip() + "…"
