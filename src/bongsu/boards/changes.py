"""Everything that changes a board, each in one commit with what it says in the room and its entry in the audit."""

from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import quote

import msgspec
import structlog

from bongsu.boards import texts
from bongsu.core import boards, limits
from bongsu.core.boards import Act
from bongsu.core.errors import Refusal, forbidden, invalid_param, not_found
from bongsu.core.events import ENCRYPTION, MEMBER, MESSAGE, Draft
from bongsu.core.json import JsonObject
from bongsu.core.usernames import BOARDS
from bongsu.rooms.batch import RoomBatch
from bongsu.rooms.room import WorkingRoom
from bongsu.rooms.sending import visible_room
from bongsu.store import audit, idempotency
from bongsu.store import boards as table
from bongsu.store.audit import Deed
from bongsu.store.batch import Wanted, undoable
from bongsu.store.boards import BedRow, Person, RequestRow
from bongsu.store.database import Connection
from bongsu.store.idempotency import Answer, Key
from bongsu.store.notices import put_speaker

log = structlog.get_logger(__name__)
FIELD: Final = "io.bongsu.board"
_NAME: Final = "Bed board · 병상 배정판"


class Desk(msgspec.Struct):
    """Where one person works on one board inside a batch."""

    batch: RoomBatch
    room: WorkingRoom
    who: Person
    title: str | None

    @property
    def connection(self) -> Any:
        return self.batch.connection

    @property
    def room_id(self) -> str:
        return self.room.room_id

    @property
    def now_ms(self) -> int:
        return self.batch.now_ms

    @property
    def is_admin(self) -> bool:
        """May this person send state here?"""
        power = self.room.power
        return power is not None and power.may_send(self.who.user_id, FIELD, True)

    async def request(self, request_id: str) -> RequestRow:
        found = await table.request(self.connection, self.room_id, request_id)
        if found is None:
            raise not_found("the board has no such request")
        return found

    async def bed(self, bed_id: str) -> BedRow:
        found = await table.bed(self.connection, self.room_id, bed_id)
        if found is None:
            raise not_found("the board has no such bed")
        return found

    def check_hospital(self, bed: BedRow) -> None:
        """Providers speak for their own hospital alone."""
        who = self.who
        if who.role == "provider" and who.user_id != bed.published_by and (who.hospital or None) != bed.hospital:
            raise forbidden(f"{bed.hospital} answers for this bed")

    def check_asker(self, request: RequestRow) -> None:
        if self.who.role == "requester" and self.who.user_id != request.requested_by:
            raise forbidden("this request is somebody else's")

    async def note(self, what: str, **more: object) -> None:
        await note(self.batch, self.room, self.who.user_id, what, **more)

    async def say(self, what: str, values: JsonObject, fields: JsonObject, mentions: list[str] | None = None) -> None:
        await speak(self.batch, self.room, texts.said(what, **values), {"what": what, **fields}, mentions or [])


async def note(batch: RoomBatch, room: WorkingRoom, user_id: str, what: str, **more: object) -> None:
    await audit.add(batch.connection, subject(room.room_id), [Deed(user_id, what, more)], batch.now_ms)


def subject(room_id: str) -> str:
    """What the audit calls a board."""
    return f"board {room_id}"


async def speak(batch: RoomBatch, room: WorkingRoom, text: str, fields: JsonObject, mentions: list[str]) -> None:
    """A room that has become encrypted, or does not let the board speak, is told nothing; the board itself goes on."""
    if room.get(ENCRYPTION) is not None:
        return
    content: JsonObject = {"msgtype": "m.text" if mentions else "m.notice", "body": text, FIELD: fields}
    content["m.mentions"] = {"user_ids": mentions[:50]} if mentions else {}
    try:
        await batch.append(room, Draft(type=MESSAGE, sender=speaker(batch.server_name), content=content))
    except Refusal as refusal:
        log.warning("board_is_mute", room_id=room.room_id, why=refusal.message)


def speaker(server_name: str) -> str:
    return f"@{BOARDS}:{server_name}"


Work = Callable[[Desk], Awaitable[JsonObject]]


class Do(msgspec.Struct, frozen=True, kw_only=True):
    """One act of one person on a board. The result is the answer; a retry gets that of the first try."""

    room_id: str
    user_id: str
    act: Act
    work: Work
    key: Key | None = None
    status: int = 200

    def wanted(self) -> Wanted:
        return Wanted([self.room_id], [(self.room_id, self.user_id)])

    async def run(self, batch: RoomBatch) -> Answer:
        return await undoable(batch.connection, lambda: self._run(batch))

    async def _run(self, batch: RoomBatch) -> Answer:
        room = await visible_room(batch, self.room_id, self.user_id)

        async def do(_: Connection) -> Answer:
            return Answer(self.status, await self.work(await self._desk(batch, room)))

        return await idempotency.once(batch.connection, self.key, batch.now_ms, do)

    async def _desk(self, batch: RoomBatch, room: WorkingRoom) -> Desk:
        title = await table.title_of(batch.connection, self.room_id)
        if title is None:
            raise not_found("this room has no board")
        who = await table.person(batch.connection, self.room_id, self.user_id)
        desk = Desk(batch, room, who or Person(self.user_id, "observer"), title)
        if not boards.may(desk.who.role, self.act) and not (self.act == "appoint" and desk.is_admin):
            raise forbidden(f"who is {desk.who.role} on this board may not {self.act}")
        return desk


class Create(Do, frozen=True, kw_only=True):
    """The board itself. Its account comes into the room; its maker coordinates."""

    title: str = ""

    async def _desk(self, batch: RoomBatch, room: WorkingRoom) -> Desk:
        desk = Desk(batch, room, Person(self.user_id, "coordinator"), self.title)
        if not desk.is_admin:
            raise forbidden("a board is made by somebody who may change the room's state")
        if room.get(ENCRYPTION) is not None:
            raise forbidden("this room is encrypted; a board speaks in the open, so make a room for it")
        if not await table.put_board(desk.connection, self.room_id, self.title, self.user_id, desk.now_ms):
            raise Refusal(409, "BONGSU_BOARD_EXISTS", "this room has a board")
        return desk


async def begin(desk: Desk) -> JsonObject:
    await _come_in(desk)
    await table.put_person(desk.connection, desk.room_id, desk.who)
    await desk.note("create")
    await desk.say("create", {"title": desk.title}, {})
    return {"room_id": desk.room_id, "title": desk.title}


async def _come_in(desk: Desk) -> None:
    own = speaker(desk.batch.server_name)
    await put_speaker(desk.connection, own, _NAME)
    await desk.batch.know_members(desk.room, [own, desk.who.user_id])
    steps = {"leave": ("invite", "join"), "invite": ("join",), "join": ()}.get(desk.room.membership(own))
    if steps is None:
        raise forbidden(f"{own} was banned from this room")
    for membership in steps:
        sender = own if membership == "join" else desk.who.user_id
        content = {"membership": membership, "displayname": _NAME}
        await desk.batch.append(desk.room, Draft(type=MEMBER, sender=sender, state_key=own, content=content))
    power = desk.room.power
    if power is None or not power.may_send(own, MESSAGE, False):
        raise forbidden(f"{own} could not write here: let it, or everybody, send messages")


# --- people ---


def appoint(target: Person) -> Work:
    async def work(desk: Desk) -> JsonObject:
        await desk.batch.know_members(desk.room, [target.user_id])
        if desk.room.membership(target.user_id) != "join":
            raise not_found("that person is not in this room")
        if await table.people_count(desk.connection, desk.room_id) >= limits.BOARD_PEOPLE_MAX:
            raise forbidden(f"a board lists {limits.BOARD_PEOPLE_MAX} people")
        await table.put_person(desk.connection, desk.room_id, target)
        await _check_coordinated(desk)
        await desk.note("appoint", target=target.user_id, role=target.role, hospital=target.hospital)
        await desk.say("appoint", {"who": target.user_id, "role": target.role}, {"user_id": target.user_id})
        return {}

    return work


async def _check_coordinated(desk: Desk) -> None:
    if await table.calmest_coordinator(desk.connection, desk.room_id) is None:
        raise Refusal(409, "BONGSU_LAST_COORDINATOR", "a board needs a coordinator: name another one first")


# --- beds ---


def publish(row: BedRow, given_hospital: str, *, is_new: bool) -> Work:
    """row: as wanted; its hospital and publisher are completed here."""

    async def work(desk: Desk) -> JsonObject:
        present = await table.bed(desk.connection, desk.room_id, row.bed_id)
        if present is None and not is_new:
            raise not_found("the board has no such bed")
        hospital = given_hospital or (present.hospital if present else desk.who.hospital) or desk.who.user_id
        whole = msgspec.structs.replace(row, hospital=hospital, published_by=desk.who.user_id, published_ms=desk.now_ms)
        if desk.who.role == "provider" and desk.who.hospital and hospital != desk.who.hospital:
            raise forbidden(f"you publish beds of {desk.who.hospital}")
        if present is not None:
            desk.check_hospital(present)
        elif await table.beds_count(desk.connection, desk.room_id) >= limits.BOARD_BEDS_MAX:
            raise forbidden(f"a board holds {limits.BOARD_BEDS_MAX} entries of beds")
        return await _publish(desk, whole)

    return work


async def _publish(desk: Desk, row: BedRow) -> JsonObject:
    latest = desk.now_ms + limits.BOARD_HORIZON_SECONDS * 1_000
    if not desk.now_ms < row.valid_until_ms <= latest:
        raise invalid_param("valid_until must be in the future, at most 30 days ahead")
    await table.put_bed(desk.connection, desk.room_id, row)
    await table.set_free(desk.connection, row.bed_id, row.free)
    await desk.note("publish", bed_id=row.bed_id, free=row.free, kinds=row.kinds)
    values = {"hospital": row.hospital, "kinds": texts.listed(row.kinds), "free": row.free}
    await desk.say("publish", values, {"bed_id": row.bed_id, "free": row.free})
    return {"bed_id": row.bed_id}


def withdraw(bed_id: str, reason: str) -> Work:
    async def work(desk: Desk) -> JsonObject:
        bed = await desk.bed(bed_id)
        desk.check_hospital(bed)
        await table.withdraw_bed(desk.connection, bed_id)
        await desk.note("withdraw", bed_id=bed_id, reason=reason)
        await desk.say("withdraw", {"hospital": bed.hospital, "kinds": texts.listed(bed.kinds)}, {"bed_id": bed_id})
        lost = [await desk.request(each) for each in await table.holders(desk.connection, bed_id)]
        waiting = [await _wait_again(desk, each, reason) for each in lost if each.state != "arrived"]
        return {"waiting_again": waiting}

    return work


async def _wait_again(desk: Desk, request: RequestRow, reason: str) -> str:
    await table.release(desk.connection, request.request_id, "withdraw", reason, desk.now_ms, is_used=False)
    waiting = await _back_in_line(desk, request, "withdraw")
    await desk.note("lost", request_id=request.request_id)
    await _say_of(desk, "lost", waiting, mentions=[waiting.owner])
    return request.request_id


# --- requests ---


def ask(row: RequestRow) -> Work:
    """row: as wanted; owner and times are completed here. deadline_ms 0: the severity's own."""

    async def work(desk: Desk) -> JsonObject:
        now_ms = desk.now_ms
        if await table.open_count(desk.connection, desk.room_id) >= limits.BOARD_WAITING_MAX:
            raise forbidden(f"a board holds {limits.BOARD_WAITING_MAX} open requests")
        deadline_ms = row.deadline_ms or now_ms + boards.DEADLINE_MS[row.severity]
        if not now_ms < deadline_ms <= now_ms + limits.BOARD_HORIZON_SECONDS * 1_000:
            raise invalid_param("deadline must be in the future, at most 30 days ahead")
        whole = msgspec.structs.replace(
            row,
            requested_by=desk.who.user_id,
            owner=await table.calmest_coordinator(desk.connection, desk.room_id) or desk.who.user_id,
            created_ms=now_ms,
            waiting_since_ms=now_ms,
            deadline_ms=deadline_ms,
            due_ms=boards.first_due(row.severity, deadline_ms, now_ms),
        )
        await table.put_request(desk.connection, desk.room_id, whole)
        await desk.note("request", request_id=row.request_id, severity=row.severity, needs=row.needs)
        await _say_of(desk, "request", whole, mentions=[whole.owner])
        return {"request_id": row.request_id, "owner": whole.owner, "deadline": deadline_ms, "due": whole.due_ms}

    return work


def assign(request_id: str, bed_id: str) -> Work:
    async def work(desk: Desk) -> JsonObject:
        request = await desk.request(request_id)
        state = boards.next_state(request.state, "assign")
        bed = await desk.bed(bed_id)
        if bed.is_withdrawn or bed.valid_until_ms <= desk.now_ms:
            raise Refusal(409, "BONGSU_BED_GONE", "this bed is no longer offered")
        if not await table.hold(desk.connection, request_id, bed_id, desk.who.user_id, desk.now_ms):
            raise Refusal(409, "BONGSU_BED_TAKEN", "this bed is taken")
        due_ms = boards.first_due(request.severity, request.deadline_ms, desk.now_ms)
        if request.deadline_ms <= desk.now_ms:  # late already: the hospital is given its time to answer
            due_ms = boards.next_due(request.severity, boards.OWNER, desk.now_ms)
        offered = msgspec.structs.replace(
            request, state=state, owner=bed.published_by, tier=boards.OWNER, due_ms=due_ms, bed_id=bed_id
        )
        await table.set_request(desk.connection, offered)
        return await _done(desk, "assign", offered, bed, mentions=[bed.published_by])

    return work


def accept(request_id: str) -> Work:
    async def work(desk: Desk) -> JsonObject:
        request, bed = await _held(desk, request_id)
        accepted = msgspec.structs.replace(request, state=boards.next_state(request.state, "accept"), due_ms=None)
        await table.set_request(desk.connection, accepted)
        await table.end_wait(desk.connection, request_id, request.waiting_since_ms, desk.now_ms)
        return await _done(desk, "accept", accepted, bed, mentions=[request.requested_by])

    return work


def decline(request_id: str, reason: str) -> Work:
    async def work(desk: Desk) -> JsonObject:
        request, bed = await _held(desk, request_id)
        boards.next_state(request.state, "decline")
        await table.release(desk.connection, request_id, "decline", reason, desk.now_ms, is_used=False)
        waiting = await _back_in_line(desk, request, "decline")
        return await _done(desk, "decline", waiting, bed, reason, [waiting.owner])

    return work


def arrive(request_id: str) -> Work:
    async def work(desk: Desk) -> JsonObject:
        request = await desk.request(request_id)
        desk.check_asker(request)
        state = boards.next_state(request.state, "arrive")
        assert request.bed_id is not None
        bed = await desk.bed(request.bed_id)
        desk.check_hospital(bed)
        arrived = msgspec.structs.replace(request, state=state)
        await table.set_request(desk.connection, arrived)
        return await _done(desk, "arrive", arrived, bed)

    return work


def transfer(request_id: str, reason: str) -> Work:
    async def work(desk: Desk) -> JsonObject:
        request, bed = await _held(desk, request_id)
        boards.next_state(request.state, "transfer")
        is_used = request.state == "arrived"
        await table.release(desk.connection, request_id, "transfer", reason, desk.now_ms, is_used=is_used)
        waiting = await _back_in_line(desk, request, "transfer")
        return await _done(desk, "transfer", waiting, bed, reason, [waiting.owner])

    return work


def close(request_id: str, reason: str) -> Work:
    async def work(desk: Desk) -> JsonObject:
        request = await desk.request(request_id)
        desk.check_asker(request)
        state = boards.next_state(request.state, "close")
        is_used = request.state == "arrived"
        await table.release(desk.connection, request_id, "close", reason, desk.now_ms, is_used=is_used)
        closed = msgspec.structs.replace(request, state=state, due_ms=None, closed_ms=desk.now_ms, bed_id=None)
        await table.set_request(desk.connection, closed)
        return await _done(desk, "close", closed, None, reason)

    return work


async def _held(desk: Desk, request_id: str) -> tuple[RequestRow, BedRow]:
    """A request and the bed it holds, for whoever may speak for that."""
    request = await desk.request(request_id)
    if request.bed_id is None:
        raise Refusal(409, "BONGSU_WRONG_STATE", f"the request is {request.state}; it has no bed")
    bed = await desk.bed(request.bed_id)
    desk.check_hospital(bed)
    return request, bed


async def _back_in_line(desk: Desk, request: RequestRow, act: Act) -> RequestRow:
    """It waits again, from when its wait began; after an arrival a new wait begins."""
    since = desk.now_ms if request.state == "arrived" else request.waiting_since_ms
    owner = await table.calmest_coordinator(desk.connection, desk.room_id) or desk.who.user_id
    waiting = msgspec.structs.replace(
        request,
        state=boards.next_state(request.state, act),
        owner=owner,
        tier=boards.OWNER,
        waiting_since_ms=since,
        due_ms=boards.next_due(request.severity, boards.OWNER, desk.now_ms),
        bed_id=None,
    )
    await table.set_request(desk.connection, waiting)
    await table.begin_wait(desk.connection, desk.room_id, request.request_id, since)
    return waiting


async def _done(
    desk: Desk,
    act: Act,
    request: RequestRow,
    bed: BedRow | None,
    reason: str = "",
    mentions: list[str] | None = None,
) -> JsonObject:
    bed_id = bed.bed_id if bed else ""
    await desk.note(act, request_id=request.request_id, bed_id=bed_id, reason=reason)
    await _say_of(desk, act, request, bed, reason, mentions)
    return {"request_id": request.request_id, "state": request.state, "owner": request.owner}


async def _say_of(
    desk: Desk,
    what: str,
    request: RequestRow,
    bed: BedRow | None = None,
    reason: str = "",
    mentions: list[str] | None = None,
) -> None:
    values = {
        "number": texts.number(request.request_id),
        "needs": texts.listed(request.needs),
        "severity": request.severity,
        "owner": request.owner,
        "hospital": bed.hospital if bed else "",
        "reason": reason,
    }
    fields = {"request_id": request.request_id, "state": request.state, "owner": request.owner}
    await desk.say(what, values, {**fields, **({"bed_id": bed.bed_id} if bed else {})}, mentions)


# --- waiting ---


class Escalate(msgspec.Struct, frozen=True):
    """A wait that is due goes a tier further. Of several workers that see it, the first one's commit moves it on."""

    room_id: str
    request_id: str

    def wanted(self) -> Wanted:
        return Wanted([self.room_id])

    async def run(self, batch: RoomBatch) -> bool:
        return await undoable(batch.connection, lambda: self._run(batch))

    async def _run(self, batch: RoomBatch) -> bool:
        request = await table.request(batch.connection, self.room_id, self.request_id)
        if request is None or request.due_ms is None or request.due_ms > batch.now_ms:
            return False
        await self._escalate(batch, await batch.room(self.room_id), request)
        return True

    async def _escalate(self, batch: RoomBatch, room: WorkingRoom, request: RequestRow) -> None:
        tier = boards.next_tier(request.tier)
        people = await table.people(batch.connection, self.room_id)
        owner = await table.calmest_coordinator(batch.connection, self.room_id, request.owner) or request.owner
        due_ms = boards.next_due(request.severity, tier, batch.now_ms)
        moved = msgspec.structs.replace(request, tier=tier, owner=owner, due_ms=due_ms)
        await table.set_request(batch.connection, moved)
        by = speaker(batch.server_name)
        await note(batch, room, by, "escalate", request_id=self.request_id, tier=boards.TIERS[tier], owner=owner)
        sheet = f"/_bongsu/v1/boards/{quote(self.room_id, safe='')}/sheet"
        text = texts.escalated(tier, number=texts.number(self.request_id), sheet=sheet)
        fields = {"what": "escalate", "request_id": self.request_id, "tier": boards.TIERS[tier], "owner": owner}
        await speak(batch, room, text, fields, _called(people, tier, owner))


def _called(people: list[Person], tier: int, owner: str) -> list[str]:
    """Who is to look: the coordinators, from the next tier on those on call first."""
    on_call = [each.user_id for each in people if each.on_call] if tier >= boards.ON_CALL else []
    coordinators = [each.user_id for each in people if each.role == "coordinator"]
    return list(dict.fromkeys([*on_call, owner, *coordinators]))
