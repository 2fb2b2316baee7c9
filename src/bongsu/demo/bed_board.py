"""A bed board in a room: health centres ask, a coordinator offers, hospitals answer.

Its places are named by what they are and where in a town without a name; its patients are numbers.
"""

import time
from typing import Any, Final

import msgspec

from bongsu.core.errors import Refusal
from bongsu.demo.asking import Asking, at, until
from bongsu.demo.cast import Cast

_ALIAS: Final = "demo-bed-board"
_BOARDS: Final = "/_bongsu/v1/boards"
_V3: Final = "/_matrix/client/v3"
_VALID_MS: Final = 30 * 86_400_000 - 3_600_000  # as long as beds may be published, and a bit less
_SOON_MS: Final = 1_500  # a deadline that has passed when somebody looks
COORDINATOR: Final = "demo-coordinator"
_CENTRE, _HOSPITAL = "demo-centre", "demo-hospital"
_DOCTOR, _SENIOR, _NURSE = "demo-doctor", "demo-senior", "demo-nurse"
_GENERAL: Final = "서구 종합병원"

_ROLES: Final[dict[str, dict[str, Any]]] = {
    _CENTRE: {"role": "requester", "hospital": "중구 보건소"},
    _SENIOR: {"role": "requester", "hospital": "동구 보건소"},
    _HOSPITAL: {"role": "provider", "hospital": _GENERAL},
    _DOCTOR: {"role": "coordinator", "on_call": True},
    _NURSE: {"role": "observer"},
}


class _Beds(msgspec.Struct, frozen=True):
    who: str
    hospital: str
    kinds: tuple[str, ...]
    free: int
    area: str
    note: str = ""


_BEDS: Final = (
    _Beds(_HOSPITAL, _GENERAL, ("icu",), 1, "서구", "인공호흡기 있음 · with a ventilator"),
    _Beds(_HOSPITAL, _GENERAL, ("isolation",), 3, "서구", "음압 · negative pressure"),
    _Beds(_HOSPITAL, _GENERAL, ("emergency",), 4, "서구"),
    _Beds(COORDINATOR, "동구 의료원", ("ward",), 6, "동구"),
    _Beds(COORDINATOR, "동구 의료원", ("isolation", "dialysis"), 1, "동구"),
    _Beds(COORDINATOR, "남구 어린이병원", ("children",), 3, "남구"),
    _Beds(COORDINATOR, "남구 어린이병원", ("newborn",), 2, "남구"),
    _Beds(COORDINATOR, "북구 병원", ("dialysis",), 2, "북구"),
    _Beds(COORDINATOR, "북구 병원", ("psychiatric",), 0, "북구", "모두 찼습니다 · all taken"),
)


class _Wish(msgspec.Struct, frozen=True):
    """A request, and what becomes of it: acts by their names, each by whom. bed: the hospital and a kind it has."""

    who: str
    patient: str
    severity: str
    needs: tuple[str, ...]
    area: str
    note: str = ""
    bed: tuple[str, str] = ("", "")
    acts: tuple[tuple[str, str, str], ...] = ()
    is_overdue: bool = False


_OFFERED: Final = ("assignment", COORDINATOR, "")
_WISHES: Final = (
    _Wish(
        *(_CENTRE, "P-101", "critical", ("burns", "icu"), "중구"),
        note="이송 준비 끝 · ready to be moved",
        is_overdue=True,
    ),
    _Wish(
        *(_SENIOR, "P-102", "ordinary", ("ward",), "동구"),
        note="보호자 있음 · with a relative",
        bed=("동구 의료원", "ward"),
        acts=(_OFFERED, ("decline", COORDINATOR, "병실 공사 중 · the room is being repaired")),
    ),
    _Wish(_CENTRE, "P-103", "urgent", ("isolation",), "중구", bed=(_GENERAL, "isolation"), acts=(_OFFERED,)),
    _Wish(
        *(_SENIOR, "P-104", "urgent", ("children",), "남구"),
        bed=("남구 어린이병원", "children"),
        acts=(_OFFERED, ("accept", COORDINATOR, "")),
    ),
    _Wish(
        *(_CENTRE, "P-105", "critical", ("emergency",), "중구"),
        bed=(_GENERAL, "emergency"),
        acts=(_OFFERED, ("accept", _HOSPITAL, ""), ("arrive", _HOSPITAL, "")),
    ),
    _Wish(
        *(_CENTRE, "P-106", "ordinary", ("dialysis",), "북구"),
        bed=("북구 병원", "dialysis"),
        acts=(
            _OFFERED,
            ("accept", COORDINATOR, ""),
            ("close", _CENTRE, "집 가까운 곳으로 · nearer home"),
        ),
    ),
)


async def fill(cast: Cast, picture: str) -> None:
    """What is there already stays. picture: the address of the room's."""
    room_id = await _room(cast, picture)
    board = _BOARDS + at(room_id)
    coordinator = await cast.person(COORDINATOR)
    known = await coordinator.get(_BOARDS)
    if room_id not in [each["room_id"] for each in known["boards"]]:
        await coordinator.post(board, {"title": "병상 배정판 · Bed board"})
    for who, role in _ROLES.items():
        await coordinator.put(f"{board}/roles{at(cast.user(who))}", role)
    beds = await _publish(cast, board)
    known_patients = await _patients(coordinator, board)
    for wish in _WISHES:
        if wish.patient not in known_patients:
            await _follow(cast, board, wish, beds)
    await _until_escalated(coordinator, board)


async def _room(cast: Cast, picture: str) -> str:
    coordinator = await cast.person(COORDINATOR)
    try:
        found = await coordinator.get(f"{_V3}/directory/room{at(cast.alias(_ALIAS))}")
        room_id = str(found["room_id"])
    except Refusal:
        wanted = {"name": "병상 상황실 · Bed board", "topic": "가상의 병원과 환자입니다. · Invented, all of it."}
        shown = {"initial_state": [{"type": "m.room.avatar", "content": {"url": picture}}]}
        made = await coordinator.post(
            f"{_V3}/createRoom", {**wanted, **shown, "preset": "private_chat", "room_alias_name": _ALIAS}
        )
        room_id = str(made["room_id"])
    joined = await coordinator.get(f"{_V3}/rooms{at(room_id)}/joined_members")
    for who in _ROLES:
        if cast.user(who) not in joined["joined"]:
            await coordinator.post(f"{_V3}/rooms{at(room_id)}/invite", {"user_id": cast.user(who)})
            await (await cast.person(who)).post(f"{_V3}/join{at(room_id)}", {})
    return room_id


async def _publish(cast: Cast, board: str) -> dict[tuple[str, str], str]:
    """The ids of all beds, by hospital and kind."""
    there = await _beds(await cast.person(COORDINATOR), board)
    for beds in _BEDS:
        if (beds.hospital, beds.kinds[0]) not in there:
            said = {"hospital": beds.hospital, "kinds": beds.kinds, "free": beds.free, "place": beds.area}
            valid = {"valid_until": time.time_ns() // 1_000_000 + _VALID_MS}
            await (await cast.person(beds.who)).post(f"{board}/beds", {**said, "note": beds.note, **valid})
    return await _beds(await cast.person(COORDINATOR), board)


async def _beds(coordinator: Asking, board: str) -> dict[tuple[str, str], str]:
    found = (await coordinator.get(f"{board}/beds"))["beds"]
    return {(bed["hospital"], kind): bed["bed_id"] for bed in found for kind in bed["kinds"]}


async def _patients(coordinator: Asking, board: str) -> set[str]:
    """Who has asked before."""
    found = [await coordinator.get(f"{board}/requests?state={state}") for state in ("open", "closed")]
    return {each["patient"] for page in found for each in page["requests"]}


async def _follow(cast: Cast, board: str, wish: _Wish, beds: dict[tuple[str, str], str]) -> None:
    """Asks, and does with the request what is to become of it."""
    said: dict[str, Any] = {"severity": wish.severity, "needs": wish.needs, "place": wish.area, "note": wish.note}
    if wish.is_overdue:
        said["deadline"] = time.time_ns() // 1_000_000 + _SOON_MS
    asked = await (await cast.person(wish.who)).post(f"{board}/requests", {**said, "patient": wish.patient})
    for act, who, reason in wish.acts:
        body = {"bed_id": beds[wish.bed]} if act == "assignment" else {"reason": reason} if reason else {}
        await (await cast.person(who)).post(f"{board}/requests{at(asked['request_id'])}/{act}", body)


async def _until_escalated(coordinator: Asking, board: str) -> None:
    """Whoever looks first sees somebody whose wait was told further."""

    async def look() -> bool | None:
        waiting = (await coordinator.get(f"{board}/requests?state=waiting"))["requests"]
        return any(each["tier"] != "owner" for each in waiting) or None

    await until(look)
