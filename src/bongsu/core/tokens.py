"""Sync and pagination tokens: a position in the stream, as text.

The token "s42" stands between the event at 42 and the next. There is one stream, so every token fits everywhere a
token is asked for; it survives a restart, a change of site and a new primary, because positions are data.

"s42_17" stands there as well, but of the messages to the device only those up to 17 have been told: there were too many
for one answer.
"""

import re
from functools import lru_cache
from typing import Final

from bongsu.core.errors import invalid_param

_TOKEN: Final = re.compile(r"s(0|[1-9][0-9]{0,17})(?:_(0|[1-9][0-9]{0,17}))?")
START: Final = 0


def format(pos: int, told_pos: int | None = None) -> str:
    """told_pos: up to where messages to the device were told, if not to `pos`."""
    return f"s{pos}" if told_pos is None else f"s{pos}_{told_pos}"


@lru_cache(64)  # everybody who is told of the same moment has the same one
def encoded(pos: int) -> bytes:
    return format(pos).encode()


def parse(text: str) -> int:
    """The position a token stands for. 400 M_INVALID_PARAM for what this server did not make."""
    return parse_both(text)[0]


def parse_told(text: str) -> int:
    """Up to where messages to the device had been told when the token was made."""
    return parse_both(text)[1]


@lru_cache(1_024)  # everybody in a room goes on from the same one
def parse_both(text: str) -> tuple[int, int]:
    """As parse(), and as parse_told()."""
    match = _TOKEN.fullmatch(text)
    pos, told_pos = (int(match[1]), int(match[2] or match[1])) if match else (0, 1)
    if told_pos > pos:
        raise invalid_param("this token is not one of this server's")
    return pos, told_pos


def parse_or(text: str | None, default: int) -> int:
    return default if text is None else parse(text)
