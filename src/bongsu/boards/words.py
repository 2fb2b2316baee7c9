"""What the board's own names are called in Korean and English, for reading and for writing."""

from collections.abc import Mapping, Sequence
from typing import Final

from bongsu.core.boards import KINDS
from bongsu.core.spoken import Language

_KOREAN: Final = {
    **KINDS,
    "critical": "위급",
    "urgent": "긴급",
    "ordinary": "보통",
    "requester": "요청자",
    "coordinator": "조정자",
    "provider": "병원",
    "observer": "참관자",
    "waiting": "대기",
    "offered": "제안됨",
    "accepted": "수락",
    "arrived": "도착",
    "closed": "종료",
}
_CANONICAL: Final = {"일반": "ordinary"} | {korean: name for name, korean in _KOREAN.items() if name not in KINDS}


def word(name: str, language: Language) -> str:
    """What it is called; a kind of beds that nobody foresaw is called what it is."""
    return _KOREAN.get(name, name) if language == "ko" else name


def listed(names: Sequence[str], language: Language) -> str:
    return ", ".join(word(name, language) for name in names) or "-"


def canonical(said: str) -> str:
    """The name behind what somebody wrote."""
    small = said.lower()
    return _CANONICAL.get(small, small)


def minutes(ms: int, language: Language) -> str:
    """A time that somebody waits."""
    hours, rest = divmod(max(0, ms) // 60_000, 60)
    if language == "ko":
        return f"{hours}시간 {rest}분" if hours else f"{rest}분"
    return f"{hours} h {rest} min" if hours else f"{rest} min"


class Waited(int):
    """Milliseconds that somebody waits, as a value for a text."""


def worded(values: Mapping[str, object], language: Language) -> dict[str, object]:
    """Values for a text, each in its language: lists of kinds, severities, roles."""
    found: dict[str, object] = {}
    for name, value in values.items():
        if isinstance(value, Waited):
            found[name] = minutes(value, language)
        elif isinstance(value, list):
            found[name] = listed(value, language)
        else:
            found[name] = word(value, language) if name in ("severity", "role") and isinstance(value, str) else value
    return found
