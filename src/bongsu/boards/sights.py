"""What people see of bed boards, under /_bongsu/v1/boards. Lists come in pages.

GET /_bongsu/v1/boards                        those of one's rooms
GET /{room_id}                                what it is, and who is on it
GET /{room_id}/beds, /requests                of requests the unanswered first, of these who waits longest; ?ids= of
                                              these alone
GET /{room_id}/requests/{id}, …/suggestions   one; beds that fit it, the nearest first
GET /{room_id}/stats, /audit, /access         figures; what was done; who looked
GET /{room_id}/export.csv, /export.xml, /sheet  requests; beds in the terms of EDXL-HAVE; a sheet for the printer
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final

import msgspec

from bongsu.boards import answers, choosing, exports, have, showing
from bongsu.boards.desk import hospital_of, the_board
from bongsu.boards.forms import ALL, BOARD, REQUEST, id_of, own_id, room_of
from bongsu.boards.looks import Looks
from bongsu.core import boards, limits
from bongsu.core.boards import Act
from bongsu.core.errors import forbidden, invalid_param, not_found
from bongsu.core.json import JsonObject
from bongsu.core.paging import next_token
from bongsu.core.spoken import LANGUAGES
from bongsu.core.tiers import Tier
from bongsu.http.describing import Described
from bongsu.http.page import HEADERS, HTML, language_of
from bongsu.http.ratelimit import RateLimiter
from bongsu.http.request import Request
from bongsu.http.response import Response, reply
from bongsu.http.router import Handler, Route
from bongsu.store import boards as table
from bongsu.store.boards import Board, Person, RequestRow
from bongsu.store.database import Database
from bongsu.workflow.chains import QUERY, AuditSaid, audited
from bongsu.workflow.lists import csv_in_pieces, page_of

_OPEN: Final = ("waiting", "offered", "accepted", "arrived")
_ID: Final = re.compile(r"[0-9a-f]{16}")
_FIRST: Final = "0" * 16
_PLACE: Final = re.compile(r"([01])_([0-9]{1,15})_([0-9a-f]{16})", re.ASCII)
_BEFORE_ALL: Final = (False, -1, "")
_PRIVATE: Final = {"cache-control": "no-store"}
_PAGED: Final = ("limit", "from")


def _read(at: str, handler: Handler, answer: Any, summary: str, query: tuple[str, ...] = ()) -> Route:
    told = Described(summary, {200: answer}, query=query)
    return Route("GET", at, handler, bucket="read", tier=Tier.SERVICE, described=told)


class Sights:
    """Answered from whatever copy of the database there is. Who looked is noted beside."""

    def __init__(self, database: Database, looks: Looks, limiter: RateLimiter, now_ms: Callable[[], int]) -> None:
        self._database = database
        self._limiter = limiter
        self._looks = looks
        self._now_ms = now_ms

    def routes(self) -> list[Route]:
        wanted, fitting = f"{BOARD}/requests", f"{REQUEST}/suggestions"
        line = "The unanswered first, who waits longest before"
        have_said = "The beds, in the terms of EDXL-HAVE 2.0"
        sheet = "A sheet for the printer, with the phone tree"
        return [
            _read(ALL, self.all, answers.BoardsSaid, "The boards of one's rooms", _PAGED),
            _read(BOARD, self.board, answers.WholeBoard, "The board, and who is on it", _PAGED),
            _read(f"{BOARD}/beds", self.beds, answers.BedsSaid, "Its beds", _PAGED),
            _read(wanted, self.requests, answers.RequestsSaid, line, (*_PAGED, "state", "ids")),
            _read(REQUEST, self.request, answers.RequestSaid, "One request"),
            _read(fitting, self.suggestions, answers.SuggestionsSaid, "Beds that fit, the nearest first"),
            _read(f"{BOARD}/stats", self.stats, answers.StatsSaid, "Times to assign, with their tail", ("since",)),
            _read(f"{BOARD}/audit", self.audit, AuditSaid, "What was done", QUERY),
            _read(f"{BOARD}/access", self.access, answers.AccessesSaid, "Who looked, the last day first", _PAGED),
            _read(f"{BOARD}/export.csv", self.export_csv, None, "All requests as CSV"),
            _read(f"{BOARD}/export.xml", self.export_have, None, have_said),
            _read(f"{BOARD}/sheet", self.sheet, None, sheet, ("lang",)),
        ]

    async def all(self, request: Request) -> Response:
        page = page_of(request)
        found = await table.boards_of(self._database, request.requester.user_id, page)
        places = [(row.pop("created_ms"), row["room_id"]) for row in found]
        return reply({"boards": found, "now": self._now_ms(), **next_token(page, places)})

    async def board(self, request: Request) -> Response:
        page = page_of(request)
        room_id, board, who = await self._enter(request, "see")
        listed = await table.people(self._database, room_id, page.after[1] if page.after else "", page.count)
        people = [showing.person(each, with_phone=boards.may(who.role, "print")) for each in listed]
        return reply({
            "room_id": room_id,
            "title": board.title,
            "role": who.role,
            "hospital": hospital_of(who),
            "may": boards.allowed(who.role),
            "people": people,
            "tiers": boards.TIERS,
            **next_token(page, [(0, each.user_id) for each in listed]),
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
        return reply(await asyncio.to_thread(_figures, ended, without, waiting))

    async def audit(self, request: Request) -> Response:
        page = page_of(request)
        _, board, _ = await self._enter(request, "examine")
        return reply(await audited(self._database, self._limiter, request, board.subject, page))

    async def access(self, request: Request) -> Response:
        page = page_of(request)
        room_id, _, _ = await self._enter(request, "examine")
        found = await table.access(self._database, room_id, page)
        places = [(each.day, each.place) for each in found]
        looks = [{"user_id": each.user_id, "what": each.what, "day": each.day, "times": each.times} for each in found]
        return reply({"access": looks, **next_token(page, places)})

    async def export_csv(self, request: Request) -> Response:
        room_id, _, _ = await self._enter(request, "examine")
        return csv_in_pieces("requests", exports.COLUMNS, self._all_requests(room_id))

    async def _all_requests(self, room_id: str) -> AsyncIterator[list[Sequence[str]]]:
        """Of an export, in pieces, by when their wait began. Where there are more, the oldest are left out."""
        after, states = await table.before_newest(self._database, room_id, limits.EXPORT_ROWS_MAX), (*_OPEN, "closed")
        while rows := await table.requests(self._database, room_id, states, after, limits.EXPORT_PIECE_ROWS):
            yield [exports.cells(row) for row in rows]
            after = (rows[-1].waiting_since_ms, rows[-1].request_id)

    async def export_have(self, request: Request) -> Response:
        room_id, board, _ = await self._enter(request, "see")
        beds = await table.beds(self._database, room_id, "", limits.BOARD_BEDS_MAX)
        page = await asyncio.to_thread(have.as_have, board.title, beds, self._now_ms())
        return Response(page, content_type="application/xml", headers=_PRIVATE)

    async def sheet(self, request: Request) -> Response:
        room_id, board, who = await self._enter(request, "print")
        found = await table.open_requests(self._database, room_id, _OPEN, _BEFORE_ALL, limits.BOARD_STATS_MAX)
        rows = [showing.for_eyes_of(row, who) for row in found]
        now_ms, language = self._now_ms(), LANGUAGES[language_of(request) != "ko"]
        beds = await table.beds(self._database, room_id, "", limits.BOARD_BEDS_MAX)
        people = await table.people(self._database, room_id, "", limits.BOARD_PEOPLE_MAX)
        page = await asyncio.to_thread(exports.as_sheet, language, board.title, rows, beds, people, now_ms)
        return Response(page, content_type=HTML, headers={**HEADERS, **_PRIVATE})

    async def _find(self, room_id: str, request: Request) -> RequestRow:
        row = await table.request(self._database, room_id, id_of(request, "request_id"))
        if row is None:
            raise not_found("the board has no such request")
        self._looks.saw(room_id, request.requester.user_id, f"request {row.request_id}")
        return row

    async def _enter(self, request: Request, act: Act) -> tuple[str, Board, Person]:
        """For a member of the room whose role allows it. It is noted who looked."""
        room_id, user_id = room_of(request), request.requester.user_id
        entry = await table.entry(self._database, room_id, user_id)
        if not entry.is_member:
            raise forbidden("you are not in this room")
        board, who = the_board(entry), entry.who or Person(user_id, "observer")
        if not boards.may(who.role, act):
            raise forbidden(f"who is {who.role} on this board may not {act}")
        self._looks.saw(room_id, user_id, request.path.rpartition("/")[2] if act in ("examine", "print") else act)
        return room_id, board, who


def _figures(ended: Sequence[int], without: Sequence[int], waiting: Sequence[int]) -> JsonObject:
    """Of very many waits: some 100 ms of work."""
    return {
        "time_to_assign_ms": msgspec.to_builtins(boards.distribution(ended)),
        "without_bed_ms": msgspec.to_builtins(boards.distribution(without)),
        "waiting_now": len(waiting),
        "waiting_now_ms": msgspec.to_builtins(boards.distribution(waiting)),
        "bins_ms": boards.BINS_MS,
        "counts": boards.counted(ended),
        "waiting_counts": boards.counted(waiting),
    }


def _bed_before(text: str | None) -> str:
    if text is not None and not _ID.fullmatch(text):
        raise invalid_param("from must be a next_batch of this list")
    return text or _FIRST


def _named(ids_said: str) -> list[str]:
    named = ids_said.split(",")
    if len(named) > limits.BOARD_NAMED_MAX:
        raise invalid_param(f"ids names at most {limits.BOARD_NAMED_MAX} requests")
    return [own_id(each) for each in named]


def _after(row: RequestRow) -> str:
    return f"{int(row.due_ms is None)}_{row.waiting_since_ms}_{row.request_id}"


def _position(text: str | None) -> tuple[bool, int, str]:
    if text is None:
        return _BEFORE_ALL
    match = _PLACE.fullmatch(text)
    if match is None:
        raise invalid_param("from must be a next_batch of this list")
    return match[1] == "1", int(match[2]), match[3]
