"""Texts made ready for finding: folded, cut into pairs of characters, compared and ranked.

A pair of neighbouring characters finds a message in any script, Korean among them, where words carry endings and few
spaces. The index says which messages hold all pairs of what is looked for; the folded text says which hold it as it was
written.
"""

import binascii
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import msgspec

from bongsu.core import limits
from bongsu.core.events import NAME, TOPIC

KEYS: Final = ("content.body", "content.name", "content.topic")  # by the number that the table keeps
_STATE_KEYS: Final = {NAME: (1, "name"), TOPIC: (2, "topic")}
_TERM: Final = re.compile(r'"([^"]+)"|(\S+)')
_WORD: Final = re.compile(r"\w")


def fold(text: str) -> str:
    """The text as it is compared: composed, without case, with single spaces."""
    composed = unicodedata.normalize("NFC", text).casefold()
    return " ".join(unicodedata.normalize("NFC", composed).replace("\x00", " ").split())


def terms(searched: str) -> tuple[str, ...]:
    """What must all be there, folded: words, and "several words" in quotation marks."""
    found = (fold(match[1] or match[2]) for match in _TERM.finditer(searched))
    return tuple(dict.fromkeys(term for term in found if term))[: limits.SEARCH_TERMS_MAX]


def searchable(event_type: str, state_key: str | None, content: Mapping[str, Any]) -> tuple[int, str] | None:
    """(number of the key, folded text) of what can be found by it; None for events without text."""
    key, name = (0, "body") if state_key is None else _STATE_KEYS.get(event_type, (0, ""))
    text = content.get(name) if name else None
    if not isinstance(text, str):
        return None
    folded = fold(text[: limits.SEARCH_TEXT_CHARACTERS_MAX])
    return (key, folded) if folded else None


def _signed(number: int) -> int:
    """The lower 32 bits, as an integer of the database."""
    number &= 0xFFFF_FFFF
    return number - 0x1_0000_0000 if number & 0x8000_0000 else number


def grams(text: str) -> list[int]:
    """Each pair of neighbouring characters but spaces, as a number. Two rare pairs may share one."""
    codes = [ord(character) for character in text]
    pairs = {(first << 16) ^ second for first, second in pairwise(codes) if first != 32 != second}
    return [_signed(pair) for pair in pairs]


def room_gram(room_id: str) -> int:
    return _signed(binascii.crc32(b"room " + room_id.encode()))


def stretch_gram(stretch: int) -> int:
    """stretch: the number of a stretch of the stream, SEARCH_STRETCH_BITS wide."""
    return _signed(binascii.crc32(b"stretch %d" % stretch))


def stretch_of(pos: int) -> int:
    return pos >> limits.SEARCH_STRETCH_BITS


def holds(text: str, wanted: Iterable[str]) -> bool:
    """Are all terms in the folded text?"""
    return all(term in text for term in wanted)


def score(text: str, wanted: Sequence[str]) -> int:
    """How well a folded text, or its beginning, fits the terms: more is closer.

    What counts: how often, at the beginning of a word, as a whole word, next to each other, and in how little else.
    """
    points = sum(_points(text, term) for term in wanted)
    if len(wanted) > 1 and " ".join(wanted) in text:
        points += 40
    length = sum(len(term) for term in wanted if term in text)
    return points + 40 * min(length, len(text)) // max(len(text), 1)


def _points(text: str, term: str) -> int:
    place = text.find(term)
    if place < 0:
        return 0  # it stands behind the beginning
    begins = _is_edge(text, place - 1)
    ends = _is_edge(text, place + len(term))
    return 10 + 4 * min(text.count(term), 4) + (10 if begins else 0) + (10 if begins and ends else 0)


def _is_edge(text: str, place: int) -> bool:
    return not 0 <= place < len(text) or _WORD.match(text[place]) is None


# --- people ---


class Person(msgspec.Struct, frozen=True):
    """Somebody who may be looked for. is_known: shares a room with whoever looks."""

    user_id: str
    name: str | None
    avatar_url: str | None
    is_known: bool


def spellings(term: str) -> list[str]:
    """A term as names may have it written, for databases that know no case beyond ASCII."""
    cased = (term, term.lower(), term.upper(), term.title(), fold(term))
    return list(dict.fromkeys(unicodedata.normalize(form, each) for each in cased for form in ("NFC", "NFD")))


def closeness(person: Person, wanted: Sequence[str]) -> int:
    """How well a person fits all terms: 0 for not at all."""
    name = fold(person.name or "")
    local, _, _ = person.user_id.casefold().partition(":")
    texts = (name, local[1:], person.user_id.casefold()) if any(c in t for t in wanted for c in "@:") else (name, local)
    if not all(any(term in text for text in texts) for term in wanted):
        return 0
    best = max(score(text, wanted) for text in (name, local[1:]))
    whole = " ".join(wanted)
    exact = 100 if whole in (name, local[1:], person.user_id.casefold()) else 0
    return 1 + best + exact + (30 if person.is_known else 0) + (5 if person.name else 0)
