"""What people write to a board, from any client: `!bed accept 17`, `!병상 거절 17 사유`, ✅ on what the board said.

Numbers are those that the board says: of requests (#17) and of beds. Who answers one of the board's messages may leave
the request's number out.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from bongsu.boards.words import canonical
from bongsu.core import limits
from bongsu.core.boards import ROLES, SEVERITIES
from bongsu.core.json import JsonObject
from bongsu.core.spoken import Spoken, Unclear

ACCEPT, DECLINE, ARRIVE = "✅", "❌", "🏥"
_SIGNS: Final = {"✅": ACCEPT, "✔": ACCEPT, "☑": ACCEPT, "❌": DECLINE, "✖": DECLINE, "🏥": ARRIVE, "🚑": ARRIVE}
SIGNS: Final = frozenset(_SIGNS)
_MEANT: Final = {("assign", ACCEPT): "accept", ("assign", DECLINE): "decline", ("accept", ARRIVE): "arrive"}

_NAMES: Final = {
    "help": ("help", "도움말", "명령", "도움"),
    "list": ("list", "목록", "대기"),
    "beds": ("beds", "빈자리", "가용", "병상목록"),
    "show": ("show", "suggest", "보기", "추천"),
    "stats": ("stats", "통계"),
    "request": ("request", "ask", "요청"),
    "assign": ("assign", "offer", "배정", "제안"),
    "accept": ("accept", "수락"),
    "decline": ("decline", "reject", "거절"),
    "arrive": ("arrive", "arrived", "도착"),
    "transfer": ("transfer", "전원"),
    "close": ("close", "종료"),
    "publish": ("publish", "공개"),
    "withdraw": ("withdraw", "철회"),
    "role": ("role", "역할"),
}
SPOKEN: Final = Spoken(
    {"!bed": "en", "!beds": "en", "!병상": "ko"}, {name: verb for verb, names in _NAMES.items() for name in names}
)
_OPTIONS: Final = {
    "area": "area",
    "지역": "area",
    "patient": "patient",
    "환자": "patient",
    "in": "in",
    "기한": "in",
    "free": "free",
    "빈자리": "free",
    "가용": "free",
    "for": "for",
    "유효": "for",
    "hospital": "hospital",
    "version": "version",
    "판": "version",
    "병원": "hospital",
    "note": "note",
    "메모": "note",
    "oncall": "on_call",
    "당직": "on_call",
}
_OPTION: Final = re.compile(r"([a-z가-힣]+)=(.*)", re.IGNORECASE)
_NUMBER: Final = re.compile(r"#?([0-9]{1,9})번?", re.ASCII)
_SPAN: Final = re.compile(r"([0-9]{1,5})(m|min|h|분|시간)?", re.ASCII)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A command. request, bed: numbers; words: kinds and severities; options: by their English names."""

    verb: str
    request: int | None = None
    bed: int | None = None
    words: Sequence[str] = ()
    options: Mapping[str, str] = {}
    reason: str = ""


def reaction(sign: str, about: JsonObject | None) -> str | None:
    """What a sign on something that the board said asks for. None: nothing."""
    what = about.get("what") if about else None
    return _MEANT.get((what, _SIGNS.get(sign, ""))) if isinstance(what, str) else None


def read(said: str, about: JsonObject | None = None) -> Asked:
    """Raises Unclear. about: what the board said there, if this answers it."""
    _, *rest = said.split(maxsplit=1)
    first, *tail = rest[0].split(maxsplit=1) if rest else ("help",)
    verb = SPOKEN.verb(first)
    return _READERS[verb](verb, tail[0].strip() if tail else "", about or {})


def _bare(verb: str, rest: str, about: JsonObject) -> Asked:
    return Asked(verb=verb)


def _of_request(verb: str, rest: str, about: JsonObject) -> Asked:
    """[number] [reason]; the number may be left out in an answer to what the board said of one request."""
    number, reason = _number_first(rest)
    known = about.get("number") if "request_id" in about else None
    if isinstance(known, int) and number is None:
        return Asked(verb=verb, request=known, reason=rest)
    if isinstance(known, int) and number != known:
        raise Unclear(verb)  # is it another request, or does a reason begin with a number?
    if number is None or (verb in ("decline", "transfer") and not reason):
        raise Unclear(verb)
    return Asked(verb=verb, request=number, reason=reason)


def _assign(verb: str, rest: str, about: JsonObject) -> Asked:
    """request bed"""
    numbers = [match[1] for match in map(_NUMBER.fullmatch, re.split(r"[\s>→,]+", rest)) if match]
    known = about.get("number") if "request_id" in about else None
    if len(numbers) == 1 and isinstance(known, int):
        numbers = [str(known), *numbers]
    if len(numbers) != 2:
        raise Unclear(verb)
    return Asked(verb=verb, request=int(numbers[0]), bed=int(numbers[1]))


def _of_bed(verb: str, rest: str, about: JsonObject) -> Asked:
    number, reason = _number_first(rest)
    if number is None:
        raise Unclear(verb)
    return Asked(verb=verb, bed=number, reason=reason)


def _wish(verb: str, rest: str, about: JsonObject) -> Asked:
    """[severity] kinds… [area=] [patient=] [in=] [note=…]"""
    words, options = _words(rest, verb)
    if not words or len([each for each in words if each in SEVERITIES]) > 1:
        raise Unclear(verb)
    return Asked(verb=verb, words=words, options=options)


def _publish(verb: str, rest: str, about: JsonObject) -> Asked:
    """kinds… [free=] …, or the number of a bed and what is new of it."""
    number, others = _number_first(rest)
    words, options = _words(others if number is not None else rest, verb)
    if number is None and not words:
        raise Unclear(verb)
    return Asked(verb=verb, bed=number, words=words, options=options)


def _role(verb: str, rest: str, about: JsonObject) -> Asked:
    """@somebody:server role [hospital=…] [oncall]"""
    words, options = _words(rest, verb, is_literal=True)
    if len(words) < 2 or not words[0].startswith("@") or canonical(words[1]) not in ROLES:
        raise Unclear(verb)
    if any(_OPTIONS.get(word.lower()) == "on_call" for word in words[2:]):
        options = {**options, "on_call": "1"}
    return Asked(verb=verb, words=[words[0], canonical(words[1])], options=options)


_READERS: Final[Mapping[str, Callable[[str, str, JsonObject], Asked]]] = {
    **dict.fromkeys(("help", "list", "beds", "stats"), _bare),
    **dict.fromkeys(("show", "accept", "decline", "arrive", "transfer", "close"), _of_request),
    "request": _wish,
    "assign": _assign,
    "publish": _publish,
    "withdraw": _of_bed,
    "role": _role,
}


def _number_first(rest: str) -> tuple[int | None, str]:
    first, *tail = rest.split(maxsplit=1) if rest else ("",)
    match = _NUMBER.fullmatch(first)
    return (int(match[1]), tail[0].strip() if tail else "") if match else (None, rest)


def _words(rest: str, verb: str, *, is_literal: bool = False) -> tuple[list[str], dict[str, str]]:
    """Words, and options such as area=서울. A note takes all that follows it."""
    words: list[str] = []
    options: dict[str, str] = {}
    left = rest
    while left:
        first, _, left = left.partition(" ")
        match = _OPTION.fullmatch(first)
        if match is None:
            words += [each if is_literal else canonical(each) for each in first.split(",") if each]
            continue
        name = _OPTIONS.get(match[1].lower())
        if name is None:
            raise Unclear(verb)
        if name == "note":
            options[name], left = f"{match[2]} {left}".strip(), ""
        else:
            options[name] = match[2]
    return words[: limits.BOARD_KINDS_MAX + 2], options


def span_ms(said: str, verb: str) -> int:
    """How long: 30m, 2h, 30분, 2시간; minutes without a unit."""
    match = _SPAN.fullmatch(said.lower())
    if match is None:
        raise Unclear(verb)
    return int(match[1]) * (3_600_000 if match[2] in ("h", "시간") else 60_000)
