"""What people write in a board's room, or how they react to what the board said there, is done as if they had asked
over HTTP: the same acts, the same roles, the same refusals.
"""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Literal, cast

import msgspec

from bongsu.boards import changes, choosing, grammar, replies, requests
from bongsu.boards.acting import Acting
from bongsu.boards.desk import FIELD, Desk, Do, Work, say_there, speaker, the_board
from bongsu.boards.grammar import Asked
from bongsu.boards.looks import Looks
from bongsu.boards.requests import Meant
from bongsu.core import boards, ids, limits
from bongsu.core.boards import Act, Place, Role, Severity
from bongsu.core.errors import Refusal, forbidden, invalid_param, not_found
from bongsu.core.json import JsonObject
from bongsu.core.spoken import Language, Unclear
from bongsu.rooms.batch import RoomBatch
from bongsu.store import boards as table
from bongsu.store import commands
from bongsu.store.batch import Wanted, undoable
from bongsu.store.boards import BedRow, Person, RequestRow
from bongsu.store.commands import Ear, Heard
from bongsu.store.database import Database

_SHOWN_FITTING: Final = 5  # beds in one answer
_UNASKED: Final = 0  # of a request or bed without a number


class Reply(msgspec.Struct, frozen=True):
    """The board answers a command, once. Without a text it only lets go of it."""

    heard: Heard
    text: str | None

    def wanted(self) -> Wanted:
        return Wanted([self.heard.room_id])

    async def run(self, batch: RoomBatch) -> bool:
        return await undoable(batch.connection, lambda: self._run(batch))

    async def _run(self, batch: RoomBatch) -> bool:
        if not await commands.take(batch.connection, self.heard.pos):
            return False
        if self.text is None:
            return True
        room = await batch.room(self.heard.room_id)
        return await say_there(batch, room, self.text, {"what": "answer"}, [], self.heard.event_id)


class BoardHearing:
    def __init__(
        self, database: Database, acting: Acting, looks: Looks, server_name: str, now_ms: Callable[[], int]
    ) -> None:
        self._database = database
        self._acting = acting
        self._looks = looks
        self._now_ms = now_ms
        self.ear = Ear(speaker(server_name), FIELD, frozenset(grammar.SPOKEN.heads), grammar.SIGNS)
        self._reads: Mapping[str, Callable[[Heard, Asked, Language], Awaitable[str]]] = {
            "list": self._list,
            "beds": self._beds,
            "show": self._show,
            "stats": self._stats,
        }

    async def act(self, heard: Heard) -> None:
        if heard.is_reaction:
            await self._reacted(heard)
            return
        language = grammar.SPOKEN.language_of(heard.said)
        try:
            asked = grammar.read(heard.said, heard.about)
            if asked.verb == "help":
                await self._reply(heard, replies.GUIDE.usage(language))
            elif asked.verb in self._reads:
                await self._check_may_see(heard)
                await self._reply(heard, await self._reads[asked.verb](heard, asked, language))
            else:
                await self._do(heard, *self._work(heard, asked))
        except Unclear as problem:
            await self._reply(heard, replies.GUIDE.unclear(problem, language))

    async def refuse(self, heard: Heard, refusal: Refusal) -> None:
        """A sign of somebody who has no say in it is nothing that was said to the board."""
        if heard.is_reaction:
            both = "\n".join(replies.refused(refusal, language) for language in ("ko", "en"))
            await self._reply(heard, None if refusal.errcode == "M_FORBIDDEN" else both)
        else:
            await self._reply(heard, replies.refused(refusal, grammar.SPOKEN.language_of(heard.said)))

    async def _reply(self, heard: Heard, text: str | None) -> None:
        await self._acting.submit(Reply(heard, text))

    async def _do(self, heard: Heard, act: Act, work: Work) -> None:
        await self._acting.submit(Do(room_id=heard.room_id, user_id=heard.user_id, act=act, work=work, told=heard))

    async def _reacted(self, heard: Heard) -> None:
        verb, about = grammar.reaction(heard.said, heard.about), heard.about or {}
        request_id = about.get("request_id")
        if verb is None or not isinstance(request_id, str):
            await self._reply(heard, None)
            return
        await self._do(heard, *_answer(verb, request_id, _meant(about), grammar.DECLINE))

    # --- acts ---

    def _work(self, heard: Heard, asked: Asked) -> tuple[Act, Work]:
        if asked.verb == "request":
            return "request", requests.ask(_wish_of(asked, self._now_ms()))
        if asked.verb == "publish":
            return "publish", _publish(asked, self._now_ms())
        if asked.verb == "withdraw":
            reason = boards.check_impersonal(asked.reason, "reason")
            return "withdraw", _on_bed(asked, lambda bed_id: changes.withdraw(bed_id, reason))
        if asked.verb == "role":
            return "appoint", changes.appoint(_person_of(asked), keeps_phone=True)
        if asked.verb == "assign":
            return "assign", _assign(asked)
        reason = boards.check_impersonal(asked.reason, "reason")
        is_answer = heard.about is not None and heard.about.get("number") == asked.request
        meant = _meant(heard.about or {}) if is_answer else Meant()
        act = cast(Act, asked.verb)
        return act, _on_request(asked, lambda request_id: _answer(asked.verb, request_id, meant, reason)[1])

    # --- reads ---

    async def _check_may_see(self, heard: Heard) -> None:
        entry = await table.entry(self._database, heard.room_id, heard.user_id)
        if not entry.is_member:
            raise forbidden("you are not in this room")
        the_board(entry)
        self._looks.saw(heard.room_id, heard.user_id, "see")

    async def _list(self, heard: Heard, asked: Asked, language: Language) -> str:
        first, count = (False, -1, ""), len(await table.waiting_since(self._database, heard.room_id))
        rows = await table.open_requests(self._database, heard.room_id, boards.UNANSWERED, first, replies.SHOWN_MAX)
        return replies.requests(rows, count, self._now_ms(), language)

    async def _beds(self, heard: Heard, asked: Asked, language: Language) -> str:
        found = await table.beds(self._database, heard.room_id, "", limits.BOARD_BEDS_MAX)
        free = [bed for bed in found if bed.free > 0 and bed.valid_until_ms > self._now_ms()]
        free.sort(key=lambda bed: (bed.hospital, bed.number))
        return replies.beds(free[: replies.SHOWN_MAX], len(free), language)

    async def _show(self, heard: Heard, asked: Asked, language: Language) -> str:
        """Distances would say where the patient is."""
        request_id = await _known(table.request_called(self._database, heard.room_id, asked.request or _UNASKED))
        row = await table.request(self._database, heard.room_id, request_id)
        assert row is not None
        said, now_ms = replies.request(row, self._now_ms(), language), self._now_ms()
        if row.state != "waiting":
            return said
        vague = msgspec.structs.replace(row, place=Place(area=row.place.area))
        fitting = await choosing.fitting(self._database, heard.room_id, vague, now_ms, _SHOWN_FITTING)
        return f"{said}\n{replies.fitting(fitting, language)}"

    async def _stats(self, heard: Heard, asked: Asked, language: Language) -> str:
        now_ms = self._now_ms()
        took = await table.waits(self._database, heard.room_id, now_ms - limits.BOARD_HORIZON_SECONDS * 1_000)
        waiting = [now_ms - each for each in await table.waiting_since(self._database, heard.room_id)]
        return replies.stats(boards.distribution(took), boards.distribution(waiting), language)


def _meant(about: JsonObject) -> Meant:
    """The very offer that the board spoke of, where it spoke of one."""
    bed_id, offer_id = about.get("bed_id"), about.get("offer_id")
    return Meant(bed_id if isinstance(bed_id, str) else None, offer_id if isinstance(offer_id, int) else None)


def _answer(verb: str, request_id: str, meant: Meant, reason: str) -> tuple[Act, Work]:
    match verb:
        case "accept":
            return "accept", requests.accept(request_id, meant)
        case "arrive":
            return "arrive", requests.arrive(request_id, meant)
        case "close":
            return "close", requests.close(request_id, reason)
    act = cast(Literal["decline", "transfer"], verb)
    return act, requests.give_back(act, request_id, meant, reason)


async def _known(finding: Awaitable[str | None]) -> str:
    found = await finding
    if found is None:
        raise not_found("the board has nothing of this number")
    return found


def _on_request(asked: Asked, work_of: Callable[[str], Work]) -> Work:
    async def work(desk: Desk) -> JsonObject:
        number = asked.request or _UNASKED
        return await work_of(await _known(table.request_called(desk.connection, desk.room_id, number)))(desk)

    return work


def _on_bed(asked: Asked, work_of: Callable[[str], Work]) -> Work:
    async def work(desk: Desk) -> JsonObject:
        number = asked.bed or _UNASKED
        return await work_of(await _known(table.bed_called(desk.connection, desk.room_id, number)))(desk)

    return work


def _assign(asked: Asked) -> Work:
    return _on_request(asked, lambda request_id: _on_bed(asked, lambda bed_id: requests.assign(request_id, bed_id)))


def _wish_of(asked: Asked, now_ms: int) -> RequestRow:
    severity = next((word for word in asked.words if word in boards.SEVERITIES), "urgent")
    span = asked.options.get("in")
    return requests.new_request(
        severity=cast(Severity, severity),
        needs=boards.check_kinds([word for word in asked.words if word not in boards.SEVERITIES], "needs"),
        place=boards.check_place(Place(area=asked.options.get("area", ""))),
        note=boards.check_impersonal(asked.options.get("note", ""), "note"),
        patient=asked.options.get("patient", ""),
        deadline_ms=0 if span is None else now_ms + grammar.span_ms(span, "request"),
    )


def _publish(asked: Asked, now_ms: int) -> Work:
    """A new entry, or what is new of one that is there: the rest of it stays."""
    free, version = _count(asked, "free", limits.BOARD_PLACES_MAX), _count(asked, "version", limits.INTEGER_MAX)
    span = asked.options.get("for")
    valid_ms = limits.BOARD_VALID_SECONDS * 1_000 if span is None else grammar.span_ms(span, "publish")
    area, note = asked.options.get("area"), asked.options.get("note")
    said = BedRow(
        bed_id=secrets.token_hex(8),
        hospital=boards.check_impersonal(asked.options.get("hospital", ""), "hospital"),
        kinds=boards.check_kinds(asked.words, "kinds"),
        place=boards.check_place(Place(area=area or "")),
        note=boards.check_impersonal(note or "", "note"),
        published_by="",
        published_ms=0,
        valid_until_ms=now_ms + valid_ms,
        is_withdrawn=False,
        places=0,
        free=0,
    )
    if asked.bed is None:
        return changes.publish(said, free, version, None)

    given = {"kinds": said.kinds, "place": area is not None, "note": note is not None}
    kept = [name for name, is_given in given.items() if not is_given]
    return _on_bed(
        asked, lambda bed_id: changes.publish(msgspec.structs.replace(said, bed_id=bed_id), free, version, kept)
    )


def _count(asked: Asked, name: str, most: int) -> int | None:
    said = asked.options.get(name)
    if said is None:
        return None
    if not said.isascii() or not said.isdigit() or len(said) > 16 or int(said) > most:
        raise invalid_param(f"{name} must be from 0 to {most}")
    return int(said)


def _person_of(asked: Asked) -> Person:
    user_id, role = asked.words
    hospital = boards.check_impersonal(asked.options.get("hospital", ""), "hospital")
    return Person(ids.check_user_id(user_id), cast(Role, role), hospital, "on_call" in asked.options)
