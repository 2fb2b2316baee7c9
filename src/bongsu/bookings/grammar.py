"""What people write to the booking service in their room with it: `!book 1a2b3c`, `!예약 취소 1a2b3c`; or a sign, ✅.

An offer is called by the six characters that the service says with it. Who answers one of its messages may leave them
out.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from bongsu.core.spoken import Spoken, Unclear

YES, NO = "✅", "❌"
_SIGNS: Final = {"✅": YES, "✔": YES, "☑": YES, "❌": NO, "✖": NO}
SIGNS: Final = frozenset(_SIGNS)
_MEANT: Final = {
    ("released", YES): "book",
    ("held", YES): "confirm",
    ("held", NO): "cancel",
    ("booked", NO): "cancel",
    ("waiting", NO): "cancel",
    ("reminder", NO): "cancel",
}
_NAMES: Final = {
    "help": ("help", "도움말", "명령", "도움"),
    "list": ("list", "offers", "목록"),
    "mine": ("mine", "my", "내역", "내예약"),
    "book": ("book", "take", "신청", "하기"),
    "confirm": ("confirm", "확정"),
    "cancel": ("cancel", "취소"),
    "subscribe": ("subscribe", "알림"),
    "unsubscribe": ("unsubscribe", "알림끄기", "알림해제"),
}
SPOKEN: Final = Spoken(
    {"!book": "en", "!booking": "en", "!예약": "ko"}, {name: verb for verb, names in _NAMES.items() for name in names}
)
_WAIT: Final = frozenset({"wait", "waitlist", "대기"})
_CODE: Final = re.compile(r"#?([0-9a-f]{6})", re.ASCII)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A command. code: of an offer; offer_id, booking_id: of what is answered; waits: until a place comes free."""

    verb: str
    code: str | None = None
    offer_id: str | None = None
    booking_id: str | None = None
    waits: bool = False
    area: str = ""


def code_of(offer_id: str) -> str:
    """What people call an offer."""
    return offer_id[1:7]


def reaction(sign: str, about: Mapping[str, Any] | None) -> Asked | None:
    """What a sign on something that the service said asks for. None: nothing."""
    what, offer_id = (about.get("about"), about.get("offer_id")) if about else (None, None)
    verb = _MEANT.get((what, _SIGNS.get(sign, ""))) if isinstance(what, str) else None
    if verb is None or not isinstance(offer_id, str):
        return None
    return Asked(verb=verb, offer_id=offer_id, booking_id=_booking_id(about))


def read(said: str, about: Mapping[str, Any] | None = None) -> Asked:
    """Raises Unclear. about: what the service said there, if this answers it."""
    _, *words = said.split()
    if not words:
        return Asked(verb="help")
    first, rest = words[0].lower(), words[1:]
    if _CODE.fullmatch(first):
        return _of_offer("book", words, about)
    verb = SPOKEN.verb(first)
    if verb in ("book", "confirm", "cancel"):
        return _of_offer(verb, rest, about)
    return Asked(verb=verb, area=" ".join(rest))


def _of_offer(verb: str, words: list[str], about: Mapping[str, Any] | None) -> Asked:
    offer_id = about.get("offer_id") if about else None
    codes = [match[1] for match in (_CODE.fullmatch(word.lower()) for word in words) if match]
    others = [word.lower() for word in words if not _CODE.fullmatch(word.lower())]
    if len(codes) > 1 or not set(others) <= _WAIT or (others and verb != "book"):
        raise Unclear(verb)
    if codes:
        return Asked(verb=verb, code=codes[0], waits=bool(others))
    if isinstance(offer_id, str):
        return Asked(verb=verb, offer_id=offer_id, booking_id=_booking_id(about), waits=bool(others))
    if verb == "book":
        raise Unclear(verb)
    return Asked(verb=verb)  # the only one that the person has


def _booking_id(about: Mapping[str, Any] | None) -> str | None:
    named = about.get("booking_id") if about else None
    return named if isinstance(named, str) else None
