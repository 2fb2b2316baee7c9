"""What of a board is shown to whom, as the API names things: times without their unit, milliseconds everywhere."""

from typing import Any, Final

import msgspec

from bongsu.boards.desk import hospital_of
from bongsu.core import boards
from bongsu.core.boards import Place
from bongsu.core.json import JsonObject
from bongsu.store.boards import BedRow, Person, RequestRow

_INNER: Final = ("published_version",)


def may_see_patient(row: RequestRow, who: Person) -> bool:
    """Coordinators; who asked; and the hospital that the patient is offered to."""
    match who.role:
        case "coordinator":
            return True
        case "requester":
            return row.requested_by == who.user_id
        case "provider":
            return row.hospital is not None and row.hospital == hospital_of(who)
    return False


def for_eyes_of(row: RequestRow, who: Person) -> RequestRow:
    """To others a request says what is needed and in which area, and nothing of the patient."""
    if may_see_patient(row, who):
        return row
    return msgspec.structs.replace(row, patient="", note="", place=Place(area=row.place.area))


def person(row: Person, *, with_phone: bool) -> JsonObject:
    shown: JsonObject = msgspec.to_builtins(row)
    if not with_phone:
        del shown["phone"]
    return shown


def bed(row: BedRow, now_ms: int) -> JsonObject:
    return _plain(row, is_valid=row.valid_until_ms > now_ms)


def request(row: RequestRow, who: Person, now_ms: int) -> JsonObject:
    waited = now_ms - row.waiting_since_ms if row.state in boards.UNANSWERED else None
    return {**_plain(for_eyes_of(row, who), waited_ms=waited), "tier": boards.TIERS[row.tier]}


def _plain(row: Any, **more: object) -> JsonObject:
    whole = {**msgspec.to_builtins(row), **more}
    kept = {name: value for name, value in whole.items() if name not in _INNER}
    return {name if name == "waited_ms" else name.removesuffix("_ms"): value for name, value in kept.items()}
