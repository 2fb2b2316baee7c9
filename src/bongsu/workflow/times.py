"""Moments as people and programs write them in requests: milliseconds since the epoch, or text as in RFC 3339."""

from datetime import datetime
from typing import Final

from bongsu.core.errors import invalid_param

LATEST_MS: Final = 253_402_214_400_000  # the last day of the year 9999, with which calendars end


def time_of(said: int | str, name: str) -> int:
    """In ms since the epoch. Raises M_INVALID_PARAM, which calls it by its name."""
    if isinstance(said, str):
        try:
            found = datetime.fromisoformat(said)
        except ValueError:
            raise invalid_param(f"{name} is ms since the epoch, or a time as in RFC 3339") from None
        if found.tzinfo is None:
            raise invalid_param(f"{name} needs a time zone, such as +09:00")
        said = round(found.timestamp() * 1000)
    if not 0 <= said <= LATEST_MS:
        raise invalid_param(f"{name} is no time that can come")
    return said
