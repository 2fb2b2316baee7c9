"""Strict reading, canonical writing."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.core.json import canonical, parse, parse_object

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-limits.INTEGER_MAX, limits.INTEGER_MAX) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("raw", "errcode"),
    [
        (b"", "M_NOT_JSON"),
        (b"{", "M_NOT_JSON"),
        (b"{'a':1}", "M_NOT_JSON"),
        (b'{"a":NaN}', "M_NOT_JSON"),
        (b'{"a":Infinity}', "M_NOT_JSON"),
        (b"\xff\xfe", "M_NOT_JSON"),
        (b'{"a":1}x', "M_NOT_JSON"),
        (b'{"a":1,"a":2}', "M_BAD_JSON"),
        (b'{"x":{"a":1,"b":2,"a":1}}', "M_BAD_JSON"),
        (b'{"a":"\\ud800"}', "M_BAD_JSON"),
        (b'{"\\udfff":1}', "M_BAD_JSON"),
        (b'{"a":1e400}', "M_BAD_JSON"),
        (b'{"a":' + b"9" * 5000 + b"}", "M_BAD_JSON"),
        (b'{"a":' * 101 + b"1" + b"}" * 101, "M_BAD_JSON"),
        (b"[" * 10_000, "M_BAD_JSON"),
        (b"[]", "M_BAD_JSON"),
        (b"null", "M_BAD_JSON"),
    ],
)
def test_refused(raw: bytes, errcode: str) -> None:
    with pytest.raises(Refusal) as refused:
        parse_object(raw)
    assert (refused.value.status, refused.value.errcode) == (400, errcode)


@given(st.recursive(VALUES | st.floats(allow_nan=False, allow_infinity=False), st.lists, max_leaves=5))
def test_what_is_written_closely_reads_as_what_is_not(value: Any) -> None:
    """The first comes out as it came in, and so is read by the quicker parser."""
    close, wide = json.dumps(value, ensure_ascii=False, separators=(",", ":")), json.dumps(value, indent=1)
    assert repr(parse(close.encode())) == repr(parse(wide.encode())) == repr(value)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":"\\ud83d\\ude00"}',
        b'{"a":"[[[[{{{{"}',
        b'{"a":"\\u0000"}',
        b'{"a":' * 100 + b"1" + b"}" * 100,
        b'{"a":0.5}',
    ],
)
def test_accepted(raw: bytes) -> None:
    assert parse_object(raw) == json.loads(raw)


def test_brackets_in_strings_are_no_depth() -> None:
    raw = json.dumps({"a": "[{" * 500 + '"\\'}).encode()
    assert parse_object(raw) == json.loads(raw)


@given(VALUES)
def test_canonical_is_what_a_plain_implementation_writes(value: Any) -> None:
    try:
        plain = _plain(value)
    except UnicodeEncodeError:
        with pytest.raises(UnicodeEncodeError):
            canonical(value)
        return
    assert canonical(value) == plain
    assert parse(plain) == value


def _plain(value: Any) -> bytes:
    """Python's own encoder; it sorts by code point, too."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).replace("\x7f", "\x7f").encode()


@pytest.mark.parametrize("value", [1.5, 2**53, -(2**53), {"a": [0.1]}, [{"b": 2**60}], 1e3])
def test_canonical_refuses(value: Any) -> None:
    with pytest.raises(Refusal) as refused:
        canonical(value)
    assert refused.value.errcode == "M_BAD_JSON"
