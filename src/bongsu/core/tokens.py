"""Sync and pagination tokens: a position in the stream, as text.

The token "s42" stands between the event at 42 and the next. There is one stream, so every token fits everywhere a
token is asked for; it survives a restart, a change of site and a new primary, because positions are data.
"""

import re
from typing import Final

from bongsu.core.errors import invalid_param

_TOKEN: Final = re.compile(r"s(0|[1-9][0-9]{0,17})")
START: Final = 0


def format(pos: int) -> str:
    return f"s{pos}"


def parse(text: str) -> int:
    """The position a token stands for. 400 M_INVALID_PARAM for what this server did not make."""
    match = _TOKEN.fullmatch(text)
    if match is None:
        raise invalid_param("this token is not one of this server's")
    return int(match[1])


def parse_or(text: str | None, default: int) -> int:
    return default if text is None else parse(text)
