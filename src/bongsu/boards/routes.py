"""The bed board (병상 배정) of a room, under /_bongsu/v1/boards/{room_id}.

GET       /_bongsu/v1/boards                  those of one's rooms
POST, GET .                                   make it; what it is, and who is on it
PUT       /roles/{user_id}                    who is requester, coordinator, provider, observer
POST, GET /beds                               publish or update beds; POST /beds/{bed_id}/withdraw
POST, GET /requests, GET /requests/{id}       the unanswered first, of these who waits longest; ?ids= of these alone
POST      /requests/{id}/assignment           offer a bed
POST      /requests/{id}/accept, decline, arrive, transfer, close
GET       /requests/{id}/suggestions          beds that fit, the nearest first
GET       /stats, /audit, /export.csv, /export.xml (EDXL-HAVE), /sheet
"""

import re
import secrets
from collections.abc import Callable
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from bongsu.boards import answers, changes, choosing, exports, have, requests, showing
from bongsu.boards.acting import Acting
from bongsu.boards.changes import Create
from bongsu.boards.desk import Do, Work, the_board
from bongsu.boards.looks import Looks
from bongsu.boards.requests import Meant
from bongsu.core import boards, ids, limits
from bongsu.core.boards import Act, Place, Role, Severity
from bongsu.core.errors import Refusal, forbidden, invalid_param, missing_param, not_found
from bongsu.core.json import JsonObject
from bongsu.core.moderation import suspended
from bongsu.core.spoken import LANGUAGES
from bongsu.core.tiers import Tier
from bongsu.http.describing import Described
from bongsu.http.page import HEADERS, HTML, language_of
from bongsu.http.request import Request
from bongsu.http.response import Response, reply
from bongsu.http.router import Handler, Route
from bongsu.store import audit
from bongsu.store import boards as table
from bongsu.store.boards import BedRow, Board, Person, RequestRow
from bongsu.store.database import Database
from bongsu.workflow.lists import csv_answer
from bongsu.workflow.times import time_of
from bongsu.workflow.writes import answered, key_of

_ALL: Final = "/_bongsu/v1/boards"
_PREFIX: Final = f"{_ALL}/{{room_id}}"
_ONE: Final = f"{_PREFIX}/requests/{{request_id}}"
_OPEN: Final = ("waiting", "offered", "accepted", "arrived")
_ID: Final = re.compile(r"[0-9a-f]{16}")
_FIRST: Final = "0" * 16
_PLACE: Final = re.compile(r"([01])_([0-9]{1,15})_([0-9a-f]{16})", re.ASCII)
_BEFORE_ALL: Final = (False, -1, "")
_CONFLICTS: Final = (
    *("BONGSU_WRONG_STATE", "BONGSU_BED_TAKEN", "BONGSU_BED_GONE", "BONGSU_BED_CHANGED", "BONGSU_PATIENT_WAITS"),
    *("BONGSU_BOARD_FULL", "BONGSU_BOARD_EXISTS", "BONGSU_LAST_COORDINATOR", "BONGSU_IDEMPOTENCY_KEY_REUSED"),
)
_PRIVATE: Final = {"cache-control": "no-store"}


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
        return Meant(None if self.bed_id is None else _own_id(self.bed_id), self.offer_id)


class ReasonedAnswer(Answer, forbid_unknown_fields=True):
    reason: str = ""


class Boards:
    """Writes go through the committer; reads are answered from whatever copy of the database there is."""

    def __init__(self, database: Database, acting: Acting, looks: Looks, now_ms: Callable[[], int]) -> None:
        self._database = database
        self._acting = acting
        self._looks = looks
        self._now_ms = now_ms

    def routes(self) -> list[Route]:
        return [*self._writes(), *self._reads()]

    def _writes(self) -> list[Route]:
        now = answers.RequestNow
        listed: tuple[tuple[str, str, Handler, Any, int, Any, str], ...] = (
            ("POST", _PREFIX, self.create, NewBoard, 201, answers.BoardMade, "Makes the board of a room"),
            (
                "PUT",
                f"{_PREFIX}/roles/{{user_id}}",
                self.appoint,
                Appointment,
                200,
                answers.Nothing,
                "Says what somebody is on the board",
            ),
            (
                "POST",
                f"{_PREFIX}/beds",
                self.publish,
                NewBeds,
                201,
                answers.BedPublished,
                "Publishes beds, or updates an entry",
            ),
            (
                "POST",
                f"{_PREFIX}/beds/{{bed_id}}/withdraw",
                self.withdraw,
                Reason,
                200,
                answers.BedWithdrawn,
                "Takes beds back",
            ),
            ("POST", f"{_PREFIX}/requests", self.ask, NewRequest, 201, answers.RequestMade, "Asks for a bed"),
            ("POST", f"{_ONE}/assignment", self.assign, BedOffer, 200, now, "Offers the request a bed"),
            ("POST", f"{_ONE}/accept", self.accept, Answer, 200, now, "The hospital takes the patient"),
            ("POST", f"{_ONE}/decline", self.decline, ReasonedAnswer, 200, now, "The hospital does not, and says why"),
            ("POST", f"{_ONE}/arrive", self.arrive, Answer, 200, now, "The patient has arrived"),
            ("POST", f"{_ONE}/transfer", self.transfer, ReasonedAnswer, 200, now, "The patient needs another bed"),
            ("POST", f"{_ONE}/close", self.close, Reason, 200, now, "The request is over"),
        )
        routes = []
        for method, at, handler, body, status, answer, summary in listed:
            told = Described(summary, {status: answer}, body=body, errors={409: _CONFLICTS}, is_write=True)
            routes.append(Route(method, at, handler, bucket="board", tier=Tier.SERVICE, described=told))
        return routes

    def _reads(self) -> list[Route]:
        paged = ("limit", "from")
        listed: tuple[tuple[str, Handler, Any, tuple[str, ...], str], ...] = (
            (_ALL, self.all, answers.BoardsSaid, (), "The boards of one's rooms"),
            (_PREFIX, self.board, answers.WholeBoard, (), "The board, and who is on it"),
            (f"{_PREFIX}/beds", self.beds, answers.BedsSaid, paged, "Its beds"),
            (
                f"{_PREFIX}/requests",
                self.requests,
                answers.RequestsSaid,
                (*paged, "state", "ids"),
                "The unanswered first, who waits longest before",
            ),
            (_ONE, self.request, answers.RequestSaid, (), "One request"),
            (
                f"{_ONE}/suggestions",
                self.suggestions,
                answers.SuggestionsSaid,
                (),
                "Beds that fit, the nearest first",
            ),
            (f"{_PREFIX}/stats", self.stats, answers.StatsSaid, ("since",), "Times to assign, with their tail"),
            (f"{_PREFIX}/audit", self.audit, answers.BoardAudit, (*paged, "dir"), "What was done, and who looked"),
            (f"{_PREFIX}/export.csv", self.export_csv, None, (), "All requests as CSV"),
            (f"{_PREFIX}/export.xml", self.export_have, None, (), "The beds, in the terms of EDXL-HAVE 2.0"),
            (f"{_PREFIX}/sheet", self.sheet, None, ("lang",), "A sheet for the printer, with the phone tree"),
        )
        routes = []
        for at, handler, answer, query, summary in listed:
            told = Described(summary, {200: answer}, query=query)
            routes.append(Route("GET", at, handler, bucket="read", tier=Tier.SERVICE, described=told))
        return routes

    # --- writing ---

    async def create(self, request: Request) -> Response:
        title = boards.check_impersonal((await request.read(NewBoard)).title, "title")
        doing = Create(
            room_id=_room(request),
            user_id=_writer(request),
            act="appoint",
            work=changes.begin,
            key=await key_of(request),
            status=201,
            title=title,
        )
        return answered(await self._acting.submit(doing))

    async def appoint(self, request: Request) -> Response:
        asked = await request.read(Appointment)
        who = Person(
            ids.check_user_id(request.params["user_id"]),
            asked.role,
            boards.check_impersonal(asked.hospital, "hospital"),
            asked.on_call,
            boards.check_line(asked.phone, "phone"),
        )
        return await self._do(request, "appoint", changes.appoint(who))

    async def publish(self, request: Request) -> Response:
        asked = await request.read(NewBeds)
        if asked.free is not None and not 0 <= asked.free <= limits.BOARD_PLACES_MAX:
            raise invalid_param(f"free must be from 0 to {limits.BOARD_PLACES_MAX}")
        default_ms = self._now_ms() + limits.BOARD_VALID_SECONDS * 1_000
        row = BedRow(
            bed_id=_own_id(asked.bed_id or secrets.token_hex(8)),
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
        if not row.kinds and not asked.bed_id:
            raise missing_param("kinds: what these beds are for")
        given = {"kinds": row.kinds, "place": asked.place is not UNSET, "note": asked.note is not UNSET}
        kept = tuple(name for name, is_given in given.items() if not is_given)
        work = changes.publish(row, asked.free, asked.version, kept if asked.bed_id else None)
        return await self._do(request, "publish", work, 200 if asked.bed_id else 201)

    async def withdraw(self, request: Request) -> Response:
        reason = _reason((await request.read(Reason)).reason, needed=False)
        return await self._do(request, "withdraw", changes.withdraw(_id(request, "bed_id"), reason))

    async def ask(self, request: Request) -> Response:
        asked = await request.read(NewRequest)
        row = requests.new_request(
            severity=asked.severity,
            needs=boards.check_kinds(asked.needs, "needs"),
            place=_place(asked.place),
            note=boards.check_impersonal(asked.note, "note"),
            patient=asked.patient,
            deadline_ms=0 if asked.deadline is None else time_of(asked.deadline, "deadline"),
        )
        return await self._do(request, "request", requests.ask(row), 201)

    async def assign(self, request: Request) -> Response:
        bed_id = _own_id((await request.read(BedOffer)).bed_id)
        return await self._do(request, "assign", requests.assign(_id(request, "request_id"), bed_id))

    async def accept(self, request: Request) -> Response:
        meant = (await request.read(Answer)).meant()
        return await self._do(request, "accept", requests.accept(_id(request, "request_id"), meant))

    async def decline(self, request: Request) -> Response:
        return await self._give_back(request, "decline")

    async def arrive(self, request: Request) -> Response:
        meant = (await request.read(Answer)).meant()
        return await self._do(request, "arrive", requests.arrive(_id(request, "request_id"), meant))

    async def transfer(self, request: Request) -> Response:
        return await self._give_back(request, "transfer")

    async def _give_back(self, request: Request, act: Literal["decline", "transfer"]) -> Response:
        asked = await request.read(ReasonedAnswer)
        reason, meant = _reason(asked.reason, needed=True), asked.meant()
        return await self._do(request, act, requests.give_back(act, _id(request, "request_id"), meant, reason))

    async def close(self, request: Request) -> Response:
        reason = _reason((await request.read(Reason)).reason, needed=False)
        return await self._do(request, "close", requests.close(_id(request, "request_id"), reason))

    async def _do(self, request: Request, act: Act, work: Work, status: int = 200) -> Response:
        user_id, key = _writer(request), await key_of(request)
        doing = Do(room_id=_room(request), user_id=user_id, act=act, work=work, key=key, status=status)
        return answered(await self._acting.submit(doing))

    # --- reading ---

    async def all(self, request: Request) -> Response:
        found = await table.boards_of(self._database, request.requester.user_id, limits.BOARD_PAGE_MAX)
        return reply({"boards": found, "now": self._now_ms()})

    async def board(self, request: Request) -> Response:
        room_id, board, who = await self._enter(request, "see")
        listed = await table.people(self._database, room_id)
        people = [showing.person(each, with_phone=boards.may(who.role, "print")) for each in listed]
        return reply({
            "room_id": room_id,
            "title": board.title,
            "role": who.role,
            "may": boards.allowed(who.role),
            "people": people,
            "tiers": boards.TIERS,
        })  # fmt: skip

    async def beds(self, request: Request) -> Response:
        room_id, _, _ = await self._enter(request, "see")
        count = request.query.integer("limit", 100, low=1, high=limits.BOARD_PAGE_MAX)
        rows = await table.beds(self._database, room_id, _bed_before(request.query.get("from")), count)
        more = {"next_batch": rows[-1].bed_id} if len(rows) == count else {}
        now_ms = self._now_ms()
        return reply({"beds": [showing.bed(row, now_ms) for row in rows], "now": now_ms, **more})

    async def requests(self, request: Request) -> Response:
        room_id, _, who = await self._enter(request, "see")
        state = request.query.choice("state", ("open", *_OPEN, "closed"), "open")
        count = request.query.integer("limit", 100, low=1, high=limits.BOARD_PAGE_MAX)
        after = _position(request.query.get("from"))
        if (named := request.query.get("ids")) is not None:
            rows, count = await table.requests_of(self._database, room_id, _named(named)), 0
        elif state == "closed":
            rows = await table.requests(self._database, room_id, (state,), after[1:], count)
        else:
            states = _OPEN if state == "open" else (state,)
            rows = await table.open_requests(self._database, room_id, states, after, count)
        more = {"next_batch": _after(rows[-1])} if rows and len(rows) == count else {}
        now_ms = self._now_ms()
        return reply({"requests": [showing.request(row, who, now_ms) for row in rows], "now": now_ms, **more})

    async def request(self, request: Request) -> Response:
        room_id, _, who = await self._enter(request, "see")
        return reply(showing.request(await self._find(room_id, request), who, self._now_ms()))

    async def suggestions(self, request: Request) -> Response:
        room_id, _, who = await self._enter(request, "see")
        row = showing.for_eyes_of(await self._find(room_id, request), who)
        fitting = await choosing.fitting(self._database, room_id, row, self._now_ms(), 20)
        return reply({"suggestions": [{**msgspec.to_builtins(f), "hospital": bed.hospital} for f, bed in fitting]})

    async def stats(self, request: Request) -> Response:
        room_id, _, _ = await self._enter(request, "see")
        now_ms = self._now_ms()
        since_ms = request.query.integer("since", 0)
        waiting = [now_ms - each for each in await table.waiting_since(self._database, room_id)]
        ended = await table.waits(self._database, room_id, since_ms)
        without = await table.waits_without_bed(self._database, room_id, since_ms)
        return reply({
            "time_to_assign_ms": msgspec.to_builtins(boards.distribution(ended)),
            "without_bed_ms": msgspec.to_builtins(boards.distribution(without)),
            "waiting_now": len(waiting),
            "waiting_now_ms": msgspec.to_builtins(boards.distribution(waiting)),
            "bins_ms": boards.BINS_MS,
            "counts": boards.counted(ended),
            "waiting_counts": boards.counted(waiting),
        })  # fmt: skip

    async def audit(self, request: Request) -> Response:
        room_id, board, _ = await self._enter(request, "examine")
        is_back = request.query.choice("dir", ("f", "b"), "f") == "b"
        after = request.query.integer("from", limits.INTEGER_MAX if is_back else 0)
        count = request.query.integer("limit", 100, low=1, high=limits.BOARD_PAGE_MAX)
        listed = audit.entries_before if is_back else audit.entries
        entries = await listed(self._database, board.subject, after, count)
        access = await table.access(self._database, room_id, limits.BOARD_PAGE_MAX)
        more = {"next_batch": str(entries[-1].number)} if len(entries) == count else {}
        whole: JsonObject = {}
        if request.query.get("from") is None:
            whole["faults"] = await audit.faults(self._database, board.subject)  # reads all that there is
        return reply({"entries": [msgspec.to_builtins(each) for each in entries], "access": access, **more, **whole})

    async def export_csv(self, request: Request) -> Response:
        room_id, _, _ = await self._enter(request, "examine")
        rows = await table.newest_requests(self._database, room_id, limits.EXPORT_ROWS_MAX)
        return csv_answer("requests", exports.COLUMNS, map(exports.cells, rows))

    async def export_have(self, request: Request) -> Response:
        room_id, board, _ = await self._enter(request, "see")
        beds = await table.beds(self._database, room_id, "", limits.BOARD_BEDS_MAX)
        page = have.as_have(board.title, beds, self._now_ms())
        return Response(page, content_type="application/xml", headers=_PRIVATE)

    async def sheet(self, request: Request) -> Response:
        room_id, board, who = await self._enter(request, "print")
        found = await table.open_requests(self._database, room_id, _OPEN, _BEFORE_ALL, limits.BOARD_STATS_MAX)
        rows = [showing.for_eyes_of(row, who) for row in found]
        now_ms, language = self._now_ms(), LANGUAGES[language_of(request) != "ko"]
        beds = await table.beds(self._database, room_id, "", limits.BOARD_BEDS_MAX)
        people = await table.people(self._database, room_id)
        page = exports.as_sheet(language, board.title, rows, beds, people, now_ms)
        return Response(page, content_type=HTML, headers={**HEADERS, **_PRIVATE})

    async def _find(self, room_id: str, request: Request) -> RequestRow:
        row = await table.request(self._database, room_id, _id(request, "request_id"))
        if row is None:
            raise not_found("the board has no such request")
        self._looks.saw(room_id, request.requester.user_id, f"request {row.request_id}")
        return row

    async def _enter(self, request: Request, act: Act) -> tuple[str, Board, Person]:
        """For a member of the room whose role allows it. It is noted who looked."""
        room_id, user_id = _room(request), request.requester.user_id
        entry = await table.entry(self._database, room_id, user_id)
        if not entry.is_member:
            raise forbidden("you are not in this room")
        board, who = the_board(entry), entry.who or Person(user_id, "observer")
        if not boards.may(who.role, act):
            raise forbidden(f"who is {who.role} on this board may not {act}")
        self._looks.saw(room_id, user_id, request.path.rpartition("/")[2] if act in ("examine", "print") else act)
        return room_id, board, who


def _writer(request: Request) -> str:
    if request.requester.is_suspended:
        raise suspended()
    return request.requester.user_id


def _reason(text: str, *, needed: bool) -> str:
    reason = boards.check_impersonal(text.strip(), "reason")
    if needed and not reason:
        raise Refusal(400, "M_MISSING_PARAM", "this needs a reason")
    return reason


def _place(asked: Place | str) -> Place:
    return boards.check_place(Place(area=asked) if isinstance(asked, str) else asked)


def _own_id(given: str) -> str:
    """An id of a bed or request; what has no such form is nothing that is here."""
    if not _ID.fullmatch(given):
        raise not_found("the board has no such bed or request")
    return given


def _id(request: Request, name: str) -> str:
    return _own_id(request.params[name])


def _bed_before(text: str | None) -> str:
    if text is not None and not _ID.fullmatch(text):
        raise invalid_param("from must be a next_batch of this list")
    return text or _FIRST


def _named(ids_said: str) -> list[str]:
    named = ids_said.split(",")
    if len(named) > limits.BOARD_NAMED_MAX:
        raise invalid_param(f"ids names at most {limits.BOARD_NAMED_MAX} requests")
    return [_own_id(each) for each in named]


def _room(request: Request) -> str:
    if not ids.is_room_id(request.params["room_id"]):
        raise forbidden("you are not in this room")
    return request.params["room_id"]


def _after(row: RequestRow) -> str:
    return f"{int(row.due_ms is None)}_{row.waiting_since_ms}_{row.request_id}"


def _position(text: str | None) -> tuple[bool, int, str]:
    if text is None:
        return _BEFORE_ALL
    match = _PLACE.fullmatch(text)
    if match is None:
        raise invalid_param("from must be a next_batch of this list")
    return match[1] == "1", int(match[2]), match[3]
