"""What a page says of itself: its OpenGraph properties, and what stands in for those it lacks. Pure.

Runs in a process of its own (preview_worker.py): pages are made to break readers.
"""

import codecs
import re
from collections.abc import Iterator
from typing import Final

from selectolax.lexbor import LexborHTMLParser, LexborNode

from bongsu.core import limits
from bongsu.media.seen import Seen, absolute, clean, short

# What is passed on. Not players and frames: clients that open them tell a stranger where their people are.
_KEPT: Final = ("og:title", "og:description", "og:site_name", "og:type", "og:url", "og:locale", "og:image:alt")
_INSTEAD: Final = {
    "og:title": ("twitter:title", "title"),
    "og:description": ("twitter:description", "description"),
    "og:image": ("og:image:url", "og:image:secure_url", "twitter:image", "twitter:image:src"),
    "og:image:alt": ("twitter:image:alt",),
    "og:site_name": ("application-name",),
}
_CHARSET: Final = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([a-zA-Z0-9_.:-]{1,40})""", re.IGNORECASE)
_IN_HEADER: Final = re.compile(r"""charset\s*=\s*["']?\s*([a-zA-Z0-9_.:-]{1,40})""", re.IGNORECASE)
_MARKS: Final = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
# The names that pages use, as browsers take them (WHATWG, Encoding): each is read as the larger set it grew into.
_ENCODINGS: Final = {
    **dict.fromkeys(("utf-8", "utf8", "unicode-1-1-utf-8"), "utf-8"),
    **dict.fromkeys(
        (
            "euc-kr",
            "euckr",
            "ks_c_5601-1987",
            "ks_c_5601",
            "ksc5601",
            "ks-c-5601",
            "korean",
            "windows-949",
            "cp949",
            "uhc",
            "ms949",
        ),
        "cp949",
    ),
    **dict.fromkeys(("iso-8859-1", "latin1", "ascii", "us-ascii", "windows-1252", "cp1252"), "cp1252"),
    **dict.fromkeys(("shift_jis", "shift-jis", "sjis", "x-sjis", "windows-31j"), "cp932"),
    **dict.fromkeys(("gb2312", "gbk", "gb18030", "x-gbk"), "gb18030"),
    **dict.fromkeys(("big5", "big5-hkscs", "x-x-big5"), "big5hkscs"),
    **dict.fromkeys(("utf-16", "utf-16le", "utf-16be"), "utf-8"),  # a page that could be read so far is none of these
    "euc-jp": "euc_jp",
    "iso-2022-jp": "iso2022_jp",
    "koi8-r": "koi8_r",
    "windows-1251": "cp1251",
    "windows-1250": "cp1250",
    "iso-8859-2": "iso8859_2",
    "iso-8859-15": "iso8859_15",
}


def decoded(page: bytes, content_type: str) -> str:
    """The page's text, in the character set that a mark, the header or the page itself names; else a guess."""
    for mark, encoding in _MARKS:
        if page.startswith(mark):
            return page.decode(encoding, "replace")
    named = _IN_HEADER.search(content_type)
    stated = named[1] if named else None
    if stated is None and (found := _CHARSET.search(page[: limits.PREVIEW_CHARSET_BYTES])) is not None:
        stated = found[1].decode("ascii")
    encoding = _ENCODINGS.get((stated or "").lower(), "")
    return page.decode(encoding or _guessed(page), "replace")


def _guessed(page: bytes) -> str:
    """UTF-8 where it is that, but for a character that was cut at the end; else what old Korean pages are in."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(page)
    except UnicodeDecodeError:
        return "cp949"
    return "utf-8"


def read(page: bytes, content_type: str, url: str) -> Seen:
    """url: where the page is, from which its own addresses are meant."""
    tree = LexborHTMLParser(decoded(page, content_type))
    base = absolute(url, _attribute(tree.css_first("base[href]"), "href")) or url
    stated = _stated(tree)
    said = {name: value for name in _KEPT if (value := _value(stated, name))}
    _fill(said, tree)
    image = _value(stated, "og:image") or _attribute(tree.css_first('link[rel~="image_src"]'), "href")
    return Seen(
        {name: short(value, name) for name, value in said.items()},
        absolute(base, image) or _first_picture(tree, base),
        absolute(base, _attribute(tree.css_first('link[type="application/json+oembed"]'), "href")),
    )


def _stated(tree: LexborHTMLParser) -> dict[str, str]:
    """The meta elements by name; the first of a name counts."""
    found: dict[str, str] = {}
    for node in tree.css("meta")[: limits.PREVIEW_META_MAX]:
        name = (node.attributes.get("property") or node.attributes.get("name") or "").strip().lower()
        value = clean(node.attributes.get("content") or "")
        if name and value:
            found.setdefault(name, value)
    return found


def _value(stated: dict[str, str], name: str) -> str | None:
    return next((stated[each] for each in (name, *_INSTEAD.get(name, ())) if each in stated), None)


def _fill(said: dict[str, str], tree: LexborHTMLParser) -> None:
    """Title and description from the page itself, where nothing states them."""
    if "og:title" not in said and (title := next(_texts(tree, "title", "h1", "h2"), None)):
        said["og:title"] = title
    if "og:description" not in said:
        text = next((text for text in _texts(tree, "article p", "main p", "p") if len(text) >= 40), None)
        if text is not None:
            said["og:description"] = text


def _texts(tree: LexborHTMLParser, *selectors: str) -> Iterator[str]:
    for selector in selectors:
        for node in tree.css(selector)[: limits.PREVIEW_NODES_MAX]:
            if text := clean(node.text(deep=True)):
                yield text


def _first_picture(tree: LexborHTMLParser, base: str) -> str | None:
    """The first that is none of those that are a dot, to count readers."""
    for node in tree.css("img[src]")[: limits.PREVIEW_NODES_MAX]:
        sizes = [node.attributes.get(name) or "" for name in ("width", "height")]
        if any(size.isascii() and size.isdigit() and int(size[:6]) < 50 for size in sizes):
            continue
        address = absolute(base, _attribute(node, "src"))
        if address is not None and not address.partition("?")[0].lower().endswith((".svg", ".ico")):
            return address
    return None


def _attribute(node: LexborNode | None, name: str) -> str | None:
    return None if node is None else node.attributes.get(name)
