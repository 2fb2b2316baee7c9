"""What is read of a request to a board: its path, its body, and what both may be."""

import re
import secrets
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from bongsu.boards import requests
from bongsu.boards.requests import Meant
from bongsu.core import boards, ids, limits
from bongsu.core.boards import Place, Role, Severity
from bongsu.core.errors import Refusal, forbidden, invalid_param, missing_param, not_found
from bongsu.core.moderation import suspended
from bongsu.http.request import Request
from bongsu.store.boards import BedRow, Person, RequestRow
from bongsu.workflow.times import time_of

ALL: Final = "/_bongsu/v1/boards"
BOARD: Final = f"{ALL}/{{room_id}}"
REQUEST: Final = f"{BOARD}/requests/{{request_id}}"
_ID: Final = re.compile(r"[0-9a-f]{16}")


class NewBoard(msgspec.Struct, forbid_unknown_fields=True):
    title: str = ""


class Appointment(msgspec.Struct, forbid_unknown_fields=True):
    role: Role
    hospital: str = ""
    on_call: bool = False
    phone: str = ""


class NewBeds(msgspec.Struct, forbid_unknown_fields=True):
    """place: a text is the name of an area. valid_until: see workflow/times.py; without it, one shift from now.

    kinds, kind: one at least for new beds. An entry that is updated without them, place or note keeps its own.
    free: places that nobody holds; an entry that is updated without it keeps them. version: of the entry whose numbers
    were seen; without it, free is taken only if nothing was given or came back since the entry was published.
    """

    kinds: list[str] = []
    kind: str = ""
    bed_id: str = ""
    hospital: str = ""
    free: int | None = None
    version: int | None = None
    place: Place | str | UnsetType = UNSET
    note: str | UnsetType = UNSET
    valid_until: int | str | None = None


class NewRequest(msgspec.Struct, forbid_unknown_fields=True):
    """deadline: see workflow/times.py; without it, what the severity asks for."""

    severity: Severity
    needs: list[str] = []
    place: Place | str = Place()
    deadline: int | str | None = None
    patient: str = ""
    note: str = ""


class BedOffer(msgspec.Struct, forbid_unknown_fields=True):
    bed_id: str


class Reason(msgspec.Struct, forbid_unknown_fields=True):
    reason: str = ""


class Answer(msgspec.Struct, forbid_unknown_fields=True):
    """Which offer is meant. Of any other nothing is changed; without both, it is the one that is there."""

    bed_id: str | None = None
    offer_id: int | None = None

    def meant(self) -> Meant:
        return Meant(None if self.bed_id is None else own_id(self.bed_id), self.offer_id)


class ReasonedAnswer(Answer, forbid_unknown_fields=True):
    reason: str = ""


# --- of the path ---


def room_of(request: Request) -> str:
    if not ids.is_room_id(request.params["room_id"]):
        raise forbidden("you are not in this room")
    return request.params["room_id"]


def id_of(request: Request, name: str) -> str:
    return own_id(request.params[name])


def own_id(given: str) -> str:
    """An id of a bed or request; what has no such form is nothing that is here."""
    if not _ID.fullmatch(given):
        raise not_found("the board has no such bed or request")
    return given


# --- who and what ---


def writer_of(request: Request) -> str:
    if request.requester.is_suspended:
        raise suspended()
    return request.requester.user_id


def reason_of(text: str, *, needed: bool) -> str:
    reason = boards.check_impersonal(text.strip(), "reason")
    if needed and not reason:
        raise Refusal(400, "M_MISSING_PARAM", "this needs a reason")
    return reason


def person_of(user_id: str, asked: Appointment) -> Person:
    return Person(
        ids.check_user_id(user_id),
        asked.role,
        boards.check_impersonal(asked.hospital, "hospital"),
        asked.on_call,
        boards.check_line(asked.phone, "phone"),
    )


def beds_of(asked: NewBeds, now_ms: int) -> tuple[BedRow, tuple[str, ...] | None]:
    """The entry as it is wanted, and which of its fields stay as they are; None: it is a new one."""
    if asked.free is not None and not 0 <= asked.free <= limits.BOARD_PLACES_MAX:
        raise invalid_param(f"free must be from 0 to {limits.BOARD_PLACES_MAX}")
    default_ms = now_ms + limits.BOARD_VALID_SECONDS * 1_000
    row = BedRow(
        bed_id=own_id(asked.bed_id or secrets.token_hex(8)),
        hospital=boards.check_impersonal(asked.hospital, "hospital"),
        kinds=boards.check_kinds([*asked.kinds, *([asked.kind] if asked.kind else [])], "kinds"),
        place=_place(asked.place or Place()),
        note=boards.check_impersonal(asked.note or "", "note"),
        published_by="",
        published_ms=0,
        valid_until_ms=default_ms if asked.valid_until is None else time_of(asked.valid_until, "valid_until"),
        is_withdrawn=False,
        places=0,
        free=0,
    )
    if not asked.bed_id:
        if not row.kinds:
            raise missing_param("kinds: what these beds are for")
        return row, None
    given = {"kinds": row.kinds, "place": asked.place is not UNSET, "note": asked.note is not UNSET}
    return row, tuple(name for name, is_given in given.items() if not is_given)


def wish_of(asked: NewRequest) -> RequestRow:
    return requests.new_request(
        severity=asked.severity,
        needs=boards.check_kinds(asked.needs, "needs"),
        place=_place(asked.place),
        note=boards.check_impersonal(asked.note, "note"),
        patient=asked.patient,
        deadline_ms=0 if asked.deadline is None else time_of(asked.deadline, "deadline"),
    )


def _place(asked: Place | str) -> Place:
    return boards.check_place(Place(area=asked) if isinstance(asked, str) else asked)
