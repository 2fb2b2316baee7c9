"""Moments as people and programs write them in requests (milliseconds since the epoch, or text as in RFC 3339), and as
services say them.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from bongsu.core.errors import invalid_param
from bongsu.core.spoken import Language

LATEST_MS: Final = 253_402_214_400_000  # the last day of the year 9999, with which calendars end
_ZONE: Final = timedelta(hours=9)  # Korean time, which is said with it where not everybody thinks of it
_DAYS: Final = "월화수목금토일"


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


def local(ms: int, language: Language) -> str:
    """For people to read: 2026년 11월 27일(금) 09:30; Fri 27 Nov 2026, 09:30 KST."""
    at = datetime.fromtimestamp(ms / 1_000, UTC) + _ZONE
    if language == "ko":
        return f"{at.year}년 {at.month}월 {at.day}일({_DAYS[at.weekday()]}) {at:%H:%M}"
    return f"{at:%a} {at.day} {at:%b %Y, %H:%M} KST"
