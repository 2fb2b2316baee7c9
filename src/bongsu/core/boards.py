"""The bed board: who may do what, what states a request goes through, when its waiting is told further.

Times are in milliseconds since the epoch. A request that waits has an owner and `due_ms`: when it is still unanswered
then, it goes one tier further (TIERS) and is due again, without an end, until somebody answers.
"""

import math
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal

import msgspec

from bongsu.core import limits
from bongsu.core.errors import Refusal, invalid_param

Role = Literal["requester", "coordinator", "provider", "observer"]
ROLES: Final[tuple[Role, ...]] = ("requester", "coordinator", "provider", "observer")
Severity = Literal["critical", "urgent", "ordinary"]
SEVERITIES: Final[tuple[Severity, ...]] = ("critical", "urgent", "ordinary")
State = Literal["waiting", "offered", "accepted", "arrived", "closed"]
Act = Literal[
    "see", "publish", "withdraw", "request", "assign", "accept", "decline", "arrive", "transfer", "close", "appoint",
    "examine", "print",
]  # fmt: skip

_ALL: Final = frozenset(ROLES)
_COORDINATOR: Final = frozenset[Role](("coordinator",))
_HOSPITAL: Final = frozenset[Role](("coordinator", "provider"))
_ASKING: Final = frozenset[Role](("coordinator", "requester"))
MAY: Final[dict[Act, frozenset[Role]]] = {
    "see": _ALL,
    "publish": _HOSPITAL,
    "withdraw": _HOSPITAL,
    "request": _ASKING,
    "assign": _COORDINATOR,
    "accept": _HOSPITAL,  # a coordinator writes down what a hospital said by telephone
    "decline": _HOSPITAL,
    "arrive": _ALL - {"observer"},
    "transfer": _HOSPITAL,
    "close": _ASKING,
    "appoint": _COORDINATOR,
    "examine": _COORDINATOR,  # the audit and the export of everything
    "print": _ALL - {"observer"},  # it holds telephone numbers
}

# What an act makes of a request: the states it may be in, and the state it is in then.
STEPS: Final[dict[Act, tuple[tuple[State, ...], State]]] = {
    "assign": (("waiting",), "offered"),
    "accept": (("offered",), "accepted"),
    "decline": (("offered",), "waiting"),
    "arrive": (("accepted",), "arrived"),
    "transfer": (("offered", "accepted", "arrived"), "waiting"),
    "withdraw": (("offered", "accepted"), "waiting"),
    "close": (("waiting", "offered", "accepted", "arrived"), "closed"),
}
UNANSWERED: Final[tuple[State, ...]] = ("waiting", "offered")
HOLDING: Final[tuple[State, ...]] = ("offered", "accepted", "arrived")  # a bed

OWNER, COORDINATORS, ON_CALL, CONTACTS = range(4)
TIERS: Final = ("owner", "coordinators", "on_call", "contacts")
_MINUTE: Final = 60_000
STEP_MS: Final[dict[Severity, int]] = {"critical": 5 * _MINUTE, "urgent": 10 * _MINUTE, "ordinary": 20 * _MINUTE}
DEADLINE_MS: Final[dict[Severity, int]] = {"critical": 15 * _MINUTE, "urgent": 60 * _MINUTE, "ordinary": 240 * _MINUTE}

# How waits are counted: up to each of these, and beyond the last.
BINS_MS: Final = tuple(minutes * _MINUTE for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 240, 480, 720, 1_440))

_BETWEEN: Final = r"[-\s.()\u2010-\u2015\u2212~]*"  # what people put between the digits of a number
_RESIDENT: Final = re.compile(rf"(?<![0-9])[0-9]{{6}}{_BETWEEN}[0-9]{{7}}(?![0-9])")
_PHONE: Final = re.compile(
    rf"(?<![0-9])(?:\+?82{_BETWEEN}0?|0){_BETWEEN}[1-9][0-9]?{_BETWEEN}[0-9]{{3,4}}{_BETWEEN}[0-9]{{4}}(?![0-9])"
)
_NAME: Final = re.compile("[가-힣]{3}|[A-Za-z]{7}")  # a Korean name has three syllables mostly, a place's name two
_PSEUDONYM: Final = re.compile(r"[0-9A-Za-z가-힣][0-9A-Za-z가-힣._-]{0,39}")
KINDS: Final = {  # what hospitals call their beds; any other short word is a kind as well
    "icu": "중환자",
    "isolation": "격리",
    "dialysis": "투석",
    "birth": "분만",
    "children": "소아",
    "newborn": "신생아",
    "burns": "화상",
    "psychiatric": "정신",
    "emergency": "응급",
    "ward": "일반병실",
}
_KINDS_IN_ENGLISH: Final = {korean: name for name, korean in KINDS.items()}
_KIND: Final = re.compile(r"[0-9a-z가-힣][0-9a-z가-힣_-]{0,31}")


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where something is: degrees of WGS 84, and the name of an area."""

    lat: float | None = None
    lon: float | None = None
    area: str = ""


class Bed(msgspec.Struct, frozen=True):
    """What a bed offers, for choosing. free: how many places of it nobody holds."""

    bed_id: str
    kinds: tuple[str, ...]
    place: Place
    free: int
    valid_until_ms: int


class Suggestion(msgspec.Struct, frozen=True):
    """A bed that fits. spare: what it can do beyond what is needed. distance_km: None where a place is not known."""

    bed_id: str
    distance_km: float | None
    same_area: bool
    spare: int


class Distribution(msgspec.Struct, frozen=True):
    """Of times to assign, in milliseconds; None where there are none."""

    count: int
    median: int | None
    p90: int | None
    p99: int | None
    longest: int | None


def may(role: str, act: Act) -> bool:
    return role in MAY[act]


def allowed(role: str) -> list[Act]:
    return [act for act in MAY if may(role, act)]


def next_state(state: str, act: Act) -> State:
    """The state after the act. 409 where the request is in a state that does not allow it."""
    allowed, after = STEPS[act]
    if state not in allowed:
        raise Refusal(
            409, "BONGSU_WRONG_STATE", f"the request is {state}; this needs one that is {' or '.join(allowed)}"
        )
    return after


# --- what may be written down ---


def check_pseudonym(text: str) -> str:
    """A patient's pseudonym. What looks like a name, or a resident registration or telephone number, is refused."""
    text = _composed(text)
    if not _PSEUDONYM.fullmatch(text):
        raise invalid_param("patient must be a pseudonym of at most 40 letters, digits and . _ -")
    if not any(letter.isdigit() for letter in text) or _NAME.search(text):
        raise invalid_param("patient must be a pseudonym such as P-17: with a number, and no name in it")
    return check_impersonal(text, "patient")


def check_impersonal(text: str, name: str, characters_max: int = limits.BOARD_TEXT_CHARACTERS_MAX) -> str:
    """A short text that names nobody by number. What looks the same is the same, as it is compared with others."""
    text = _composed(text).strip()
    if len(text) > characters_max or not text.isprintable():
        raise invalid_param(f"{name} must be one line of at most {characters_max} characters")
    plain = unicodedata.normalize("NFKC", text)  # full-width digits are digits
    if _RESIDENT.search(plain) or _PHONE.search(plain):
        raise invalid_param(f"{name} holds what looks like a resident registration or telephone number")
    return text


def _composed(text: str) -> str:
    """Some devices write Hangul in pieces."""
    return unicodedata.normalize("NFC", text)


def check_line(text: str, name: str) -> str:
    """A short text about staff, which may hold their telephone numbers at work."""
    if len(text) > limits.BOARD_TEXT_CHARACTERS_MAX or not text.isprintable():
        raise invalid_param(f"{name} must be one line of at most {limits.BOARD_TEXT_CHARACTERS_MAX} characters")
    return text


def check_kinds(kinds: Sequence[str], name: str) -> list[str]:
    """Kinds of beds, each once, in order. What KINDS names in Korean is the same kind, and fits the same needs."""
    kinds = [_composed(kind) for kind in kinds]
    if len(kinds) > limits.BOARD_KINDS_MAX or not all(_KIND.fullmatch(kind) for kind in kinds):
        raise invalid_param(f"{name} must be at most {limits.BOARD_KINDS_MAX} short words in small letters")
    return sorted({_KINDS_IN_ENGLISH.get(kind, kind) for kind in kinds})


def check_place(place: Place) -> Place:
    if place.lat is not None and not -90 <= place.lat <= 90:
        raise invalid_param("lat must be from -90 to 90")
    if place.lon is not None and not -180 <= place.lon <= 180:
        raise invalid_param("lon must be from -180 to 180")
    return msgspec.structs.replace(place, area=check_impersonal(place.area, "area"))


# --- choosing ---


def distance_km(one: Place, other: Place) -> float | None:
    """Along the great circle."""
    if one.lat is None or one.lon is None or other.lat is None or other.lon is None:
        return None
    lat, other_lat = math.radians(one.lat), math.radians(other.lat)
    half_lat, half_lon = (other_lat - lat) / 2, math.radians(other.lon - one.lon) / 2
    part = math.sin(half_lat) ** 2 + math.cos(lat) * math.cos(other_lat) * math.sin(half_lon) ** 2
    return round(2 * 6371.0 * math.asin(min(1.0, math.sqrt(part))), 1)


def suggestions(
    needs: Sequence[str], place: Place, beds: Iterable[Bed], refused: set[str], now_ms: int
) -> list[Suggestion]:
    """Beds that have all that is needed: the nearest first, of equally near ones that which spares scarce kinds."""
    found = [
        Suggestion(
            bed.bed_id,
            distance_km(place, bed.place),
            bool(place.area) and place.area == bed.place.area,
            len(set(bed.kinds) - set(needs)),
        )
        for bed in beds
        if bed.free > 0 and bed.valid_until_ms > now_ms and bed.bed_id not in refused and set(needs) <= set(bed.kinds)
    ]
    return sorted(found, key=_rank)


def _rank(found: Suggestion) -> tuple[Any, ...]:
    distance = math.inf if found.distance_km is None else found.distance_km
    return (not found.same_area if found.distance_km is None else False, distance, found.spare, found.bed_id)


# --- waiting ---


def first_due(severity: Severity, deadline_ms: int, now_ms: int) -> int:
    """When a wait that begins, or goes on, is told further: after its step, or at a deadline that comes before."""
    return _not_past(deadline_ms, now_ms, now_ms + STEP_MS[severity])


def next_tier(tier: int) -> int:
    return min(tier + 1, CONTACTS)


def next_due(severity: Severity, tier: int, deadline_ms: int, now_ms: int) -> int:
    """After the last tier it is said again and again: silence is never the end of it."""
    pause_ms = limits.BOARD_REPEAT_SECONDS * 1_000 if tier >= CONTACTS else STEP_MS[severity]
    return _not_past(deadline_ms, now_ms, now_ms + pause_ms)


def _not_past(deadline_ms: int, now_ms: int, due_ms: int) -> int:
    return min(due_ms, deadline_ms) if deadline_ms > now_ms else due_ms


def tier_again(tier: int, deadline_ms: int, now_ms: int) -> int:
    """Of a wait that goes on because its bed was lost: who was told of it stays told."""
    return max(tier, COORDINATORS) if deadline_ms <= now_ms else tier


class Staff(msgspec.Struct, frozen=True):
    """Who may be called. owned: unanswered requests that are theirs.

    is_here: in the room, and able to act. Others have not followed the board into its new room yet, or are locked out.
    """

    user_id: str
    role: str
    on_call: bool
    is_here: bool
    owned: int


def calmest(staff: Sequence[Staff], but: str = "") -> str | None:
    """The coordinator who owns the fewest unanswered requests; `but`: unless there is nobody else."""
    there = [each for each in staff if each.role == "coordinator"]
    if not there:
        return None
    return min(there, key=lambda each: (not each.is_here, each.user_id == but, each.owned, each.user_id)).user_id


def spread(staff: Sequence[Staff], count: int) -> list[str]:
    """Owners for so many waits, each in turn the calmest coordinator. Empty where there is none."""
    there = [each for each in staff if each.role == "coordinator"]
    owned = {each.user_id: each.owned for each in [each for each in there if each.is_here] or there}
    owners: list[str] = []
    for _ in range(count if owned else 0):
        owner = min(owned, key=lambda user_id: (owned[user_id], user_id))
        owned[owner] += 1
        owners.append(owner)
    return owners


def called(staff: Sequence[Staff], tier: int, owner: str) -> list[str]:
    """Who is to look: the coordinators, from ON_CALL those on call first."""
    coordinators = [each.user_id for each in staff if each.role == "coordinator"]
    return list(dict.fromkeys([*on_call(staff, tier), owner, *coordinators]))


def on_call(staff: Sequence[Staff], tier: int) -> list[str]:
    return [each.user_id for each in staff if each.on_call] if tier >= ON_CALL else []


def distribution(times_ms: Sequence[int]) -> Distribution:
    """By nearest rank, so that each figure is a time that somebody waited."""
    ordered = sorted(times_ms)
    if not ordered:
        return Distribution(0, None, None, None, None)

    def at(share: float) -> int:
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)]

    return Distribution(len(ordered), at(0.5), at(0.9), at(0.99), ordered[-1])


def counted(times_ms: Iterable[int]) -> list[int]:
    """How many times fall under each of BINS_MS, and last how many are longer."""
    counts = [0] * (len(BINS_MS) + 1)
    for each in times_ms:
        counts[bisect_left(BINS_MS, each)] += 1
    return counts
