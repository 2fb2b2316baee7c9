"""What an uploader says of a file, made safe; ranges; sizes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.media import rules
from bongsu.media.rules import SIZES, Size, Span

# --- content types ---


@pytest.mark.parametrize(
    ("claimed", "kind"),
    [
        ("image/png", "image/png"),
        ("IMAGE/PNG", "image/png"),
        (" text/plain ", "text/plain"),
        ("text/plain; charset=utf-8", "text/plain; charset=utf-8"),
        ('audio/ogg; codecs="opus, vorbis"', 'audio/ogg; codecs="opus, vorbis"'),
        ("text/html", "text/html"),
        ("img/png", "img/png"),
        ("application/vnd.oasis.opendocument.text", "application/vnd.oasis.opendocument.text"),
        (None, rules.OCTETS),
        ("", rules.OCTETS),
        ("image", rules.OCTETS),
        ("image/", rules.OCTETS),
        ("image/png/x", rules.OCTETS),
        ("image/png, text/html", rules.OCTETS),
        ("image/png\r\nX-Evil: 1", rules.OCTETS),
        ("image/png\n", "image/png"),
        ("text/plain; charset=\xe9", rules.OCTETS),
        ("text/plain; charset", rules.OCTETS),
        ('text/plain; a="b\\"c"', rules.OCTETS),
        ("a/" + "b" * 254, rules.OCTETS),
    ],
)
def test_content_type(claimed: str | None, kind: str) -> None:
    assert rules.content_type(claimed) == kind


@given(st.text())
def test_a_content_type_fits_into_a_header(claimed: str) -> None:
    kind = rules.content_type(claimed)
    assert kind.isascii()
    assert kind.isprintable() or "\t" in kind
    assert "/" in kind


@pytest.mark.parametrize(
    "kind", ["image/png", "video/mp4", "audio/flac", "text/plain; charset=utf-8", "text/plain ;a=b"]
)
def test_shown_in_place(kind: str) -> None:
    assert rules.disposition(kind, None) == "inline"


@pytest.mark.parametrize(
    "kind",
    [
        *("text/html", "image/svg+xml", "text/xml", "application/xml", "application/xhtml+xml", "application/pdf"),
        *("text/javascript", "application/octet-stream", "image/png+html", "text/htmlx", "multipart/x-mixed-replace"),
    ],
)
def test_never_shown_in_place(kind: str) -> None:
    assert rules.disposition(kind, None) == "attachment"


# --- file names ---


@pytest.mark.parametrize(
    ("claimed", "name"),
    [
        ("photo.jpg", "photo.jpg"),
        ("봉수대.jpg", "봉수대.jpg"),
        ("a\r\nX-Evil: 1.jpg", "aX-Evil: 1.jpg"),
        ("../../etc/passwd", ".._.._etc_passwd"),
        ("C:\\x\\y.txt", "C:_x_y.txt"),
        ("invoice\u202egpj.exe", "invoicegpj.exe"),
        ("nul\x00.txt", "nul.txt"),
        ("half\ud800.txt", "half.txt"),
        ("\u2028", None),
        ("  ", None),
        ("", None),
        (None, None),
    ],
)
def test_file_name(claimed: str | None, name: str | None) -> None:
    assert rules.file_name(claimed) == name


def test_a_file_name_may_be_as_long_as_any_disk_allows() -> None:
    assert rules.file_name("봉" * 341) == "봉" * 341
    with pytest.raises(Refusal) as refused:
        rules.file_name("봉" * 342)
    assert (refused.value.status, refused.value.errcode) == (400, "M_INVALID_PARAM")


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("a b.txt", 'inline; filename="a b.txt"'),
        ("불.txt", "inline; filename=\"_.txt\"; filename*=utf-8''%EB%B6%88.txt"),
        ('say "hi".txt', "inline; filename=\"say _hi_.txt\"; filename*=utf-8''say%20%22hi%22.txt"),
        ("100%41.txt", "inline; filename=\"100_41.txt\"; filename*=utf-8''100%2541.txt"),
        ("🔥.txt", "inline; filename=\"_.txt\"; filename*=utf-8''%F0%9F%94%A5.txt"),
    ],
)
def test_disposition(name: str, header: str) -> None:
    assert rules.disposition("text/plain", name) == header


@given(st.text(max_size=200))
def test_a_disposition_fits_into_a_header(claimed: str) -> None:
    header = rules.disposition("text/plain", rules.file_name(claimed))
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') in (0, 2)


# --- ranges and tags ---


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_span_lies_in_the_file(first: int, last: int, size: int) -> None:
    asked = f"bytes={first}-{last}"
    if first > last:
        assert rules.span(asked, size) is None
    elif first < size:
        assert rules.span(asked, size) == Span(first, min(last + 1, size))
    else:
        with pytest.raises(Refusal) as refused:
            rules.span(asked, size)
        assert refused.value.headers == {"content-range": f"bytes */{size}"}


def test_the_end_of_a_file() -> None:
    assert rules.span("bytes=-3", 10) == Span(7, 10)
    assert rules.span("bytes=3-", 10) == Span(3, 10)
    with pytest.raises(Refusal):
        rules.span("bytes=-1", 0)


def test_known_tags() -> None:
    tag = rules.entity_tag(b"\x01" * 32)
    assert tag == '"' + "01" * 32 + '"'
    assert rules.is_known(f'"x", W/{tag}', tag)
    assert not rules.is_known(None, tag)
    assert not rules.is_known(f'"x{tag[1:]}', tag)


# --- thumbnails ---


def test_sizes_are_in_order_and_few() -> None:
    """nearest() takes the first that is large enough."""
    for method in ("crop", "scale"):
        widths = [size.width for size in SIZES if size.method == method]
        assert widths == sorted(widths)
    assert len(SIZES) <= 7


@given(st.integers(1, limits.INTEGER_MAX), st.integers(1, limits.INTEGER_MAX), st.sampled_from(["crop", "scale"]))
def test_any_request_maps_to_a_known_size(width: int, height: int, method: rules.Method) -> None:
    size = rules.nearest(width, height, method)
    assert size in SIZES
    assert size.method == method


@given(st.integers(1, 20_000), st.integers(1, 20_000), st.sampled_from(SIZES))
def test_fitted(width: int, height: int, size: Size) -> None:
    used, result = rules.fitted(width, height, size)
    assert 1 <= used[0] <= width
    assert 1 <= used[1] <= height
    assert 1 <= result[0] <= min(size.width, used[0])
    assert 1 <= result[1] <= min(size.height, used[1])
    if size.method == "scale":
        assert used == (width, height)
        assert result[0] in (width, size.width) or result[1] in (height, size.height)
    else:
        assert used[0] == width or used[1] == height


@pytest.mark.parametrize(
    ("head", "is_one"),
    [
        (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01", True),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\r", True),
        (b"GIF89a\x01\x00\x01\x00\x00\x00", True),
        (b"RIFF\n\n\n\nWEBP", True),
        (b"RIFF\x00\x00\x00\x00WAVE", False),
        (b"BM\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", False),
        (b" \xff\xd8\xff", False),
        (b"", False),
    ],
)
def test_is_picture(head: bytes, is_one: bool) -> None:
    assert rules.is_picture(head) is is_one
