"""JSON as Matrix wants it: strict when read, canonical when hashed (appendices, "Canonical JSON").

Reading refuses what parsers disagree about: duplicate keys, NaN, lone surrogates, deep nesting. What comes out again
byte for byte as it came in holds nothing of the kind, and most clients write so. All else is read by the standard
library's parser, because it alone shows duplicate keys; a body of 500 bytes costs it about 8 µs.
"""

import json
import math
import re
from typing import Any, Final

import msgspec

from bongsu.core import limits
from bongsu.core.errors import bad_json, not_json, too_large

JsonObject = dict[str, Any]

_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_canonical: Final = msgspec.json.Encoder(order="sorted")
_plain: Final = msgspec.json.Encoder()


class _Duplicate(ValueError):
    pass


def _object(pairs: list[tuple[str, Any]]) -> JsonObject:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise _Duplicate("the same key stands twice in one object")
    return result


def _constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _integer(digits: str) -> int:
    if len(digits) > 32:
        raise bad_json("an integer is outside ±(2^53-1)")
    return int(digits)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise bad_json("a number is too large")
    return number


_decoder: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_constant, parse_int=_integer, parse_float=_finite
)


def parse(raw: bytes) -> Any:
    """Any JSON value. Raises M_NOT_JSON for what is not JSON, M_BAD_JSON for JSON that Matrix does not allow.

    M_TOO_LARGE for more values than are worth the time of reading them; commas in strings count, which is near enough.
    """
    opened = raw.count(b"[") + raw.count(b"{")
    if opened + raw.count(b",") > limits.JSON_VALUES_MAX:
        raise too_large("the body holds too many values")
    if opened > limits.JSON_DEPTH_MAX:
        _check_depth(raw)
    if len(raw) <= limits.EVENT_BYTES_MAX:
        try:
            value = msgspec.json.decode(raw)
            if _plain.encode(value) == raw:
                return value
        except (msgspec.MsgspecError, ValueError, RecursionError):
            pass  # what is wrong with it, the other parser says
    try:
        value = _decoder.decode(raw.decode("utf-8"))
    except _Duplicate as error:
        raise bad_json(str(error)) from None
    except (ValueError, RecursionError) as error:
        raise not_json(f"the body is not JSON: {str(error)[:100]}") from None
    if _SURROGATE.search(raw):
        _check_surrogates(value)
    return value


def parse_object(raw: bytes) -> JsonObject:
    """A JSON object; an array, string or number is M_BAD_JSON."""
    value = parse(raw)
    if not isinstance(value, dict):
        raise bad_json("the body must be a JSON object")
    return value


def _check_depth(raw: bytes) -> None:
    depth = 0
    in_string = escaped = False
    for byte in raw:
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                in_string = False
        elif byte == 0x22:
            in_string = True
        elif byte in (0x5B, 0x7B):
            depth += 1
            if depth > limits.JSON_DEPTH_MAX:
                raise bad_json(f"the body nests deeper than {limits.JSON_DEPTH_MAX}")
        elif byte in (0x5D, 0x7D):
            depth -= 1


def _check_surrogates(value: Any) -> None:
    try:
        _plain.encode(value)
    except UnicodeEncodeError:
        raise bad_json("a string holds half of a surrogate pair") from None


def _check_canonical(value: Any) -> None:
    """Refuses what canonical JSON cannot hold: fractions and integers outside ±(2^53-1)."""
    if isinstance(value, dict):
        for inner in value.values():
            _check_canonical(inner)
    elif isinstance(value, list):
        for inner in value:
            _check_canonical(inner)
    elif isinstance(value, int):
        if not -limits.INTEGER_MAX <= value <= limits.INTEGER_MAX:
            raise bad_json("an integer is outside ±(2^53-1)")
    elif isinstance(value, float):
        raise bad_json("a number in an event must be an integer")


def canonical(value: Any, *, strict: bool = True) -> bytes:
    """Canonical JSON: keys sorted by code point, no white space, UTF-8. Raises M_BAD_JSON for fractions.

    strict False: as room versions before 6 have it, with fractions and longer integers.
    """
    if strict:
        _check_canonical(value)
    return _canonical.encode(value)


def encode(value: Any) -> bytes:
    """Ordinary JSON, for replies; msgspec.Raw values are spliced in as they are."""
    return _plain.encode(value)


decode: Final = msgspec.json.decode  # for JSON that Bongsu itself wrote
