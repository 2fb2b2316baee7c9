"""Everything that changes a board, each in one commit with what it says in the room and its entry in the audit."""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Literal
from urllib.parse import quote

import msgspec
import structlog

from bongsu.boards import texts, words
from bongsu.core import boards, limits
from bongsu.core.boards import Act, Place, Severity, Staff, State
from bongsu.core.errors import Refusal, forbidden, invalid_param, not_found
from bongsu.core.events import ENCRYPTION, HISTORY_VISIBILITY, JOIN_RULES, MEMBER, MESSAGE, POWER_LEVELS, Draft
from bongsu.core.json import JsonObject
from bongsu.core.usernames import BOARDS
from bongsu.rooms.batch import RoomBatch
from bongsu.rooms.room import WorkingRoom
from bongsu.rooms.sending import visible_room
from bongsu.store import audit, commands, idempotency, outbox
from bongsu.store import boards as table
from bongsu.store.audit import Deed
from bongsu.store.batch import Wanted, undoable
from bongsu.store.boards import BedRow, Board, Entry, Person, RequestRow
from bongsu.store.commands import Heard
from bongsu.store.database import Connection
from bongsu.store.idempotency import Answer, Key
from bongsu.store.notices import put_speaker
from bongsu.store.outbox import Post

log = structlog.get_logger(__name__)
FIELD: Final = "io.bongsu.board"
NAME: Final = "Bed board · 병상 배정판"


class Desk(msgspec.Struct):
    """Where one person works on one board inside a batch. told: what they wrote in the room, if it was that way."""

    batch: RoomBatch
    room: WorkingRoom
    who: Person
    board: Board
    told: Heard | None = None

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
        if self.who.role == "provider" and hospital_of(self.who) != bed.hospital:
            raise forbidden(f"{bed.hospital} answers for this bed")

    def check_asker(self, request: RequestRow) -> None:
        if self.who.role == "requester" and self.who.user_id != request.requested_by:
            raise forbidden("this request is somebody else's")

    async def owners(self, count: int) -> list[str]:
        """Who sees to so many waits. Without a coordinator: who may change the room, and so name one."""
        found = boards.spread(await table.staff(self.connection, self.room_id), count)
        return found or [next(iter(await stewards(self.batch, self.room)), self.who.user_id)] * count

    async def name(self, user_id: str) -> str:
        return await name_of(self.batch, self.room, user_id)

    async def note(self, what: str, **more: object) -> None:
        await self.notes([Deed(self.who.user_id, what, more)])

    async def notes(self, deeds: list[Deed]) -> None:
        await audit.add(self.connection, self.board.subject, deeds, self.now_ms)

    async def say(self, what: str, values: JsonObject, fields: JsonObject, called: list[str] | None = None) -> None:
        said = texts.said(what, **values)
        told = self.told.event_id if self.told else None
        await speak(self.batch, self.room, self.board, said, {"what": what, **fields}, called or [], answers=told)


def hospital_of(provider: Person) -> str:
    """Who has been given no hospital is one by themselves."""
    return provider.hospital or provider.user_id


async def name_of(batch: RoomBatch, room: WorkingRoom, user_id: str) -> str:
    """As the room knows them. Who has no name there is called by their id."""
    await batch.know_members(room, [user_id])
    member = room.get(MEMBER, user_id)
    name = member.content.get("displayname") if member is not None else None
    return name if isinstance(name, str) and name and name.isprintable() else user_id


async def stewards(batch: RoomBatch, room: WorkingRoom) -> list[str]:
    """Members who may change the room's state."""
    power, levels = room.power, room.get(POWER_LEVELS)
    users = levels.content.get("users") if levels else None
    named = [*power.creators, *(users if isinstance(users, dict) else ())] if power else []
    able = [each for each in dict.fromkeys(named) if power and power.may_send(each, FIELD, True)]
    await batch.know_members(room, able[: limits.BOARD_CALLED_MAX])
    own = speaker(batch.server_name)
    return [each for each in able[: limits.BOARD_CALLED_MAX] if each != own and room.membership(each) == "join"]


# --- what it says ---


async def speak(
    batch: RoomBatch,
    room: WorkingRoom,
    board: Board,
    text: str,
    fields: JsonObject,
    called: list[str],
    directly: Sequence[str] = (),
    answers: str | None = None,
) -> bool:
    """Says it in the room, and directly to those of the called who cannot hear it there: to all of them where the room
    is encrypted or lets the board not speak. directly: who is told so in any case. answers: an event of the room.
    True: the room heard it.
    """
    is_heard = await say_there(batch, room, text, fields, called[: limits.BOARD_MENTIONS_MAX], answers)
    await batch.know_members(room, called)
    away = [
        each
        for place, each in enumerate(called)
        if not is_heard or place >= limits.BOARD_MENTIONS_MAX or room.membership(each) != "join"
    ]
    to = list(dict.fromkeys([*directly, *away]))[: limits.BOARD_CALLED_MAX]
    if to:
        await _tell(batch, room, f"{board.title}\n{text}".strip(), fields, to)
    return is_heard


async def say_there(
    batch: RoomBatch, room: WorkingRoom, text: str, fields: JsonObject, mentions: list[str], answers: str | None = None
) -> bool:
    """In the room alone. False: it lets the board not speak."""
    if room.get(ENCRYPTION) is not None:
        return False
    draft = _message(batch, text, fields, mentions)
    if answers is not None:
        draft.content["m.relates_to"] = {"m.in_reply_to": {"event_id": answers}}
    try:
        await batch.append(room, draft)
    except Refusal as refusal:
        log.warning("board_is_mute", room_id=room.room_id, why=refusal.message)
        return False
    return True


async def _tell(batch: RoomBatch, room: WorkingRoom, text: str, fields: JsonObject, to: list[str]) -> None:
    """Each in a room with the board alone, which no rule for this room silences. Who left hears nothing more."""
    outside = [each for each in to if room.membership(each) != "join"]
    listed = await table.listed(batch.connection, room.room_id, outside) if outside else set()
    content = {**fields, "room_id": room.room_id}
    posts = [
        Post(
            sender=speaker(batch.server_name),
            user_id=each,
            content=_message(batch, text, content, [each]).content,
            priority=outbox.CALLING,
        )
        for each in to
        if each not in outside or each in listed
    ]
    await outbox.put(batch.connection, posts)


def _message(batch: RoomBatch, text: str, fields: JsonObject, mentions: list[str]) -> Draft:
    content: JsonObject = {"msgtype": "m.text" if mentions else "m.notice", "body": text, FIELD: fields}
    content["m.mentions"] = {"user_ids": mentions} if mentions else {}
    return Draft(type=MESSAGE, sender=speaker(batch.server_name), content=content)


def speaker(server_name: str) -> str:
    return f"@{BOARDS}:{server_name}"


Work = Callable[[Desk], Awaitable[JsonObject]]


class Do(msgspec.Struct, frozen=True, kw_only=True):
    """One act of one person on a board. The result is the answer; a retry gets that of the first try.

    told: what they wrote or how they reacted in the room. It is obeyed once, as its row goes in the same commit.
    """

    room_id: str
    user_id: str
    act: Act
    work: Work
    key: Key | None = None
    status: int = 200
    told: Heard | None = None

    def wanted(self) -> Wanted:
        return Wanted([self.room_id], [(self.room_id, self.user_id)])

    async def run(self, batch: RoomBatch) -> Answer:
        return await undoable(batch.connection, lambda: self._run(batch))

    async def _run(self, batch: RoomBatch) -> Answer:
        room = await visible_room(batch, self.room_id, self.user_id)
        if self.told is not None and not await commands.take(batch.connection, self.told.pos):
            return Answer(self.status, {})

        async def do(_: Connection) -> Answer:
            return Answer(self.status, await self.work(await self._desk(batch, room)))

        return await idempotency.once(batch.connection, self.key, batch.now_ms, do)

    async def _desk(self, batch: RoomBatch, room: WorkingRoom) -> Desk:
        entry = await table.entry(batch.connection, self.room_id, self.user_id)
        desk = Desk(batch, room, entry.who or Person(self.user_id, "observer"), the_board(entry), self.told)
        if not boards.may(desk.who.role, self.act) and not (self.act == "appoint" and desk.is_admin):
            raise forbidden(f"who is {desk.who.role} on this board may not {self.act}")
        return desk


def the_board(entry: Entry) -> Board:
    """404 for a room without one, which says where the board went if it had one."""
    if entry.board is not None:
        return entry.board
    if entry.moved_to is not None:
        fields = {"replacement_room": entry.moved_to}
        raise Refusal(404, "BONGSU_BOARD_MOVED", "the board is in the room that replaces this one", fields=fields)
    raise not_found("this room has no board")


class Create(Do, frozen=True, kw_only=True):
    """The board itself. Its account comes into the room; its maker coordinates."""

    title: str = ""

    async def _desk(self, batch: RoomBatch, room: WorkingRoom) -> Desk:
        board = Board(self.title, f"board {self.room_id}")
        desk = Desk(batch, room, Person(self.user_id, "coordinator"), board)
        if not desk.is_admin:
            raise forbidden("a board is made by somebody who may change the room's state")
        if room.get(ENCRYPTION) is not None:
            raise forbidden("this room is encrypted; a board speaks in the open, so make a room for it")
        _check_private(room)
        if not await table.put_board(desk.connection, self.room_id, self.title, self.user_id, desk.now_ms):
            raise Refusal(409, "BONGSU_BOARD_EXISTS", "this room has a board")
        return desk


def _check_private(room: WorkingRoom) -> None:
    rules, visibility = room.get(JOIN_RULES), room.get(HISTORY_VISIBILITY)
    is_open = rules is not None and rules.content.get("join_rule") == "public"
    if is_open or (visibility is not None and visibility.content.get("history_visibility") == "world_readable"):
        raise forbidden("a board tells of patients, and anybody may come into this room or read it: close it first")


async def begin(desk: Desk) -> JsonObject:
    await _come_in(desk)
    await table.put_person(desk.connection, desk.room_id, desk.who)
    await desk.note("create")
    await desk.say("create", {"title": desk.board.title}, {})
    return {"room_id": desk.room_id, "title": desk.board.title}


async def _come_in(desk: Desk) -> None:
    own = speaker(desk.batch.server_name)
    await put_speaker(desk.connection, own, NAME)
    await desk.batch.know_members(desk.room, [own, desk.who.user_id])
    steps = {"leave": ("invite", "join"), "invite": ("join",), "join": ()}.get(desk.room.membership(own))
    if steps is None:
        raise forbidden(f"{own} was banned from this room")
    for membership in steps:
        sender = own if membership == "join" else desk.who.user_id
        content = {"membership": membership, "displayname": NAME}
        await desk.batch.append(desk.room, Draft(type=MEMBER, sender=sender, state_key=own, content=content))
    power = desk.room.power
    if power is None or not power.may_send(own, MESSAGE, False):
        raise forbidden(f"{own} could not write here: let it, or everybody, send messages")


def full(message: str) -> Refusal:
    """Nobody is forbidden anything: there is no room for more."""
    return Refusal(409, "BONGSU_BOARD_FULL", message)


# --- people ---


def appoint(target: Person) -> Work:
    async def work(desk: Desk) -> JsonObject:
        await desk.batch.know_members(desk.room, [target.user_id])
        if desk.room.membership(target.user_id) != "join":
            raise not_found("that person is not in this room")
        if await table.people_count(desk.connection, desk.room_id, target.user_id) >= limits.BOARD_PEOPLE_MAX:
            raise full(f"a board lists {limits.BOARD_PEOPLE_MAX} people")
        await table.put_person(desk.connection, desk.room_id, target)
        await _check_coordinated(desk)
        await desk.note("appoint", target=target.user_id, role=target.role, hospital=target.hospital)
        values = {"who": await desk.name(target.user_id), "role": target.role}
        await desk.say("appoint", values, {"user_id": target.user_id})
        return {}

    return work


async def _check_coordinated(desk: Desk) -> None:
    if boards.calmest(await table.staff(desk.connection, desk.room_id)) is None:
        raise Refusal(409, "BONGSU_LAST_COORDINATOR", "a board needs a coordinator: name another one first")


# --- beds ---


def publish(row: BedRow, free: int | None, version: int | None, kept: Sequence[str] | None) -> Work:
    """row: as wanted, completed here. free: None leaves the places of an entry as they are, and opens one of a new one.

    version: of the entry whose numbers its sender saw. kept: fields that stay as they are; None: the entry is new.
    """

    async def work(desk: Desk) -> JsonObject:
        present = await table.bed(desk.connection, desk.room_id, row.bed_id)
        if present is None and kept is not None:
            raise not_found("the board has no such bed")
        hospital = _hospital(desk.who, row.hospital, present)
        if present is None:
            await _check_room_for_beds(desk)
        else:
            desk.check_hospital(present)
            _check_version(present, free, version)
        said = {"hospital": hospital, "published_by": desk.who.user_id, "published_ms": desk.now_ms}
        stays = {name: getattr(present, name) for name in kept or ()}
        whole = msgspec.structs.replace(row, **stays, **said)
        return await _publish(desk, whole, 1 if free is None and present is None else free, present)

    return work


def _hospital(who: Person, wanted: str, present: BedRow | None) -> str:
    hospital = wanted or (present.hospital if present else hospital_of(who))
    if who.role == "provider" and hospital != hospital_of(who):
        raise forbidden(f"you publish beds of {hospital_of(who)}")
    return hospital


async def _check_room_for_beds(desk: Desk) -> None:
    if await table.beds_count(desk.connection, desk.room_id) >= limits.BOARD_BEDS_MAX:
        raise full(f"a board holds {limits.BOARD_BEDS_MAX} entries of beds")


def _check_version(present: BedRow, free: int | None, version: int | None) -> None:
    """Who counts free beds has not counted the one that was given away meanwhile, and it would be given away again."""
    if free is None or present.version == (present.published_version if version is None else version):
        return
    fields = {"version": present.version, "places": present.places, "free": present.free}
    raise Refusal(
        409,
        "BONGSU_BED_CHANGED",
        "beds were given or came back meanwhile: look again, and name the version",
        fields=fields,
    )


async def _publish(desk: Desk, row: BedRow, free: int | None, present: BedRow | None) -> JsonObject:
    latest = desk.now_ms + limits.BOARD_HORIZON_SECONDS * 1_000
    if not desk.now_ms < row.valid_until_ms <= latest:
        raise invalid_param("valid_until must be in the future, at most 30 days ahead")
    version = await table.put_bed(desk.connection, desk.room_id, row)
    if free is not None:
        await table.set_free(desk.connection, row.bed_id, free)
    now = await desk.bed(row.bed_id)
    await desk.note("publish", bed_id=row.bed_id, free=now.free, kinds=row.kinds)
    if present is None or _shown(present) != _shown(now):
        values = {"bed": now.number, "hospital": row.hospital, "kinds": row.kinds, "free": now.free}
        await desk.say("publish", values, {"bed_id": row.bed_id, "number": now.number, "free": now.free})
    return {"bed_id": row.bed_id, "number": now.number, "version": version}


def _shown(bed: BedRow) -> tuple[object, ...]:
    """What people need to hear of when it changes: not that it still holds."""
    return (bed.is_withdrawn, bed.hospital, bed.kinds, bed.place, bed.note, bed.free, bed.places)


def withdraw(bed_id: str, reason: str) -> Work:
    async def work(desk: Desk) -> JsonObject:
        bed = await desk.bed(bed_id)
        desk.check_hospital(bed)
        if bed.is_withdrawn:
            return {"waiting_again": []}
        await table.withdraw_bed(desk.connection, bed_id)
        values = {"bed": bed.number, "hospital": bed.hospital, "kinds": bed.kinds}
        await desk.say("withdraw", values, {"bed_id": bed_id, "number": bed.number})
        lost = await table.on_their_way(desk.connection, bed_id)
        again = [each.request_id for each in await _wait_again(desk, bed_id, lost, reason)]
        deeds = [Deed(desk.who.user_id, "lost", {"request_id": each}) for each in again]
        await desk.notes([Deed(desk.who.user_id, "withdraw", {"bed_id": bed_id}), *deeds])
        return {"waiting_again": again}

    return work


async def _wait_again(desk: Desk, bed_id: str, lost: list[RequestRow], reason: str) -> list[RequestRow]:
    """All at once, and in few statements: a fire takes a whole ward."""
    if not lost:
        return []
    request_ids = [each.request_id for each in lost]
    await table.release(desk.connection, request_ids, "withdraw", reason, desk.now_ms, is_used=False)
    owners = await desk.owners(len(lost))
    again = [_waiting(desk, each, "withdraw", owner) for each, owner in zip(lost, owners, strict=True)]
    await _put_in_line(desk, again)
    called = list(dict.fromkeys(owners))
    numbers = ", ".join(f"#{each.number}" for each in lost)
    names = [await desk.name(each) for each in called[: limits.BOARD_MENTIONS_MAX]]
    values = {"numbers": numbers, "owners": ", ".join(names)}
    await desk.say("lost", values, {"bed_id": bed_id, "request_ids": request_ids}, called)
    return again


# --- requests ---


def new_request(
    *, severity: Severity, needs: list[str], place: Place, note: str, patient: str, deadline_ms: int
) -> RequestRow:
    """As it is asked for; whose it is and when it is due follows from who asks and when. patient "": one is made up."""
    return RequestRow(
        request_id=secrets.token_hex(8),
        patient=boards.check_pseudonym(patient or f"P-{secrets.randbelow(10**8):08}"),
        severity=severity,
        needs=needs,
        place=place,
        note=note,
        requested_by="",
        created_ms=0,
        deadline_ms=deadline_ms,
        state="waiting",
        owner="",
        waiting_since_ms=0,
        tier=boards.OWNER,
        due_ms=0,
        closed_ms=None,
        bed_id=None,
    )


def ask(row: RequestRow) -> Work:
    """row: as wanted; owner and times are completed here. deadline_ms 0: the severity's own."""

    async def work(desk: Desk) -> JsonObject:
        now_ms = desk.now_ms
        await _check_waits_once(desk, row.patient)
        deadline_ms = row.deadline_ms or now_ms + boards.DEADLINE_MS[row.severity]
        if not now_ms < deadline_ms <= now_ms + limits.BOARD_HORIZON_SECONDS * 1_000:
            raise invalid_param("deadline must be in the future, at most 30 days ahead")
        whole = msgspec.structs.replace(
            row,
            requested_by=desk.who.user_id,
            owner=(await desk.owners(1))[0],
            created_ms=now_ms,
            waiting_since_ms=now_ms,
            deadline_ms=deadline_ms,
            due_ms=boards.first_due(row.severity, deadline_ms, now_ms),
        )
        number = await table.put_request(desk.connection, desk.room_id, whole)
        whole = msgspec.structs.replace(whole, number=number)
        await desk.note("request", request_id=row.request_id, severity=row.severity, needs=row.needs)
        await _say_of(desk, "request", whole, called=[whole.owner])
        answer = {"request_id": row.request_id, "number": number, "owner": whole.owner}
        return {**answer, "deadline": deadline_ms, "due": whole.due_ms}

    return work


async def _check_waits_once(desk: Desk, patient: str) -> None:
    """Two requests of one patient would hold two beds."""
    count, known = await table.open_of(desk.connection, desk.room_id, patient)
    if known is not None:
        raise Refusal(409, "BONGSU_PATIENT_WAITS", "this patient has an open request", fields={"request_id": known})
    if count >= limits.BOARD_WAITING_MAX:
        raise full(f"a board holds {limits.BOARD_WAITING_MAX} open requests")


def assign(request_id: str, bed_id: str) -> Work:
    async def work(desk: Desk) -> JsonObject:
        request = await desk.request(request_id)
        if (request.state, request.bed_id) == ("offered", bed_id):
            return _state_of(request)  # somebody asks again who did not hear the answer
        state = boards.next_state(request.state, "assign")
        bed = await desk.bed(bed_id)
        if bed.is_withdrawn or bed.valid_until_ms <= desk.now_ms:
            raise Refusal(409, "BONGSU_BED_GONE", "this bed is no longer offered")
        offer_id = await table.hold(desk.connection, request_id, bed_id, desk.who.user_id, desk.now_ms)
        if offer_id is None:
            raise Refusal(409, "BONGSU_BED_TAKEN", "this bed is taken")
        there = await table.answerers(desk.connection, desk.room_id, bed) or [desk.who.user_id]
        due_ms = boards.first_due(request.severity, request.deadline_ms, desk.now_ms)
        offered = msgspec.structs.replace(
            request, state=state, owner=there[0], due_ms=due_ms, bed_id=bed_id, offer_id=offer_id
        )
        await table.set_requests(desk.connection, [offered])
        return await _done(desk, "assign", offered, bed, called=there)

    return work


class Meant(msgspec.Struct, frozen=True):
    """Which offer an answer is about. Left out: the one that is there when it comes."""

    bed_id: str | None = None
    offer_id: int | None = None

    def check(self, request: RequestRow) -> None:
        """A late answer must not hit another offer."""
        if self.bed_id in (None, request.bed_id) and self.offer_id in (None, request.offer_id):
            return
        fields = {"bed_id": request.bed_id, "offer_id": request.offer_id}
        raise Refusal(409, "BONGSU_WRONG_STATE", "the request holds another bed by now, or none", fields=fields)


def accept(request_id: str, meant: Meant) -> Work:
    async def work(desk: Desk) -> JsonObject:
        request, bed = await _held(desk, request_id, meant)
        if request.state == "accepted":
            return _state_of(request)
        accepted = msgspec.structs.replace(request, state=boards.next_state(request.state, "accept"), due_ms=None)
        await table.set_requests(desk.connection, [accepted])
        await table.end_wait(desk.connection, request_id, request.waiting_since_ms, desk.now_ms)
        return await _done(desk, "accept", accepted, bed, called=[request.requested_by])

    return work


def give_back(act: Literal["decline", "transfer"], request_id: str, meant: Meant, reason: str) -> Work:
    """The hospital does not take the patient, or cannot keep them: the request waits again."""

    async def work(desk: Desk) -> JsonObject:
        request, bed = await _held(desk, request_id, meant)
        boards.next_state(request.state, act)
        is_used = request.state == "arrived"
        await table.release(desk.connection, [request_id], act, reason, desk.now_ms, is_used=is_used)
        waiting = _waiting(desk, request, act, (await desk.owners(1))[0])
        await _put_in_line(desk, [waiting])
        return await _done(desk, act, waiting, bed, reason, [waiting.owner])

    return work


def arrive(request_id: str, meant: Meant) -> Work:
    async def work(desk: Desk) -> JsonObject:
        request, bed = await _held(desk, request_id, meant)
        if request.state == "arrived":
            return _state_of(request)
        arrived = msgspec.structs.replace(request, state=boards.next_state(request.state, "arrive"))
        await table.set_requests(desk.connection, [arrived])
        return await _done(desk, "arrive", arrived, bed)

    return work


def close(request_id: str, reason: str) -> Work:
    async def work(desk: Desk) -> JsonObject:
        request = await desk.request(request_id)
        desk.check_asker(request)
        if request.state == "closed":
            return _state_of(request)
        state = boards.next_state(request.state, "close")
        is_used = request.state == "arrived"
        await table.release(desk.connection, [request_id], "close", reason, desk.now_ms, is_used=is_used)
        closed = _closed(request, state, desk.now_ms)
        await table.set_requests(desk.connection, [closed])
        if request.state in boards.UNANSWERED:
            await table.give_up(desk.connection, request_id, request.waiting_since_ms, desk.now_ms)
        return await _done(desk, "close", closed, None, reason)

    return work


def _closed(request: RequestRow, state: State, now_ms: int) -> RequestRow:
    return msgspec.structs.replace(
        request, state=state, due_ms=None, closed_ms=now_ms, bed_id=None, offer_id=None, hospital=None
    )


def _state_of(request: RequestRow) -> JsonObject:
    offer = {} if request.offer_id is None or request.state != "offered" else {"offer_id": request.offer_id}
    return {"request_id": request.request_id, "state": request.state, "owner": request.owner, **offer}


async def _held(desk: Desk, request_id: str, meant: Meant) -> tuple[RequestRow, BedRow]:
    """A request and the bed it holds, for whoever may speak for that. Others learn nothing of it."""
    request = await desk.request(request_id)
    desk.check_asker(request)
    if request.bed_id is None:
        raise Refusal(409, "BONGSU_WRONG_STATE", f"the request is {request.state}; it has no bed")
    bed = await desk.bed(request.bed_id)
    desk.check_hospital(bed)
    meant.check(request)
    return request, bed


def _waiting(desk: Desk, request: RequestRow, act: Act, owner: str) -> RequestRow:
    """It waits again, from when its wait began, told as far as it was. After an arrival a new wait begins."""
    now_ms, severity = desk.now_ms, request.severity
    if request.state == "arrived":
        since, tier, deadline_ms = now_ms, boards.OWNER, now_ms + boards.DEADLINE_MS[severity]
    else:
        since, deadline_ms = request.waiting_since_ms, request.deadline_ms
        tier = boards.tier_again(request.tier, deadline_ms, now_ms)
    return msgspec.structs.replace(
        request,
        state=boards.next_state(request.state, act),
        owner=owner,
        tier=tier,
        waiting_since_ms=since,
        deadline_ms=deadline_ms,
        due_ms=boards.first_due(severity, deadline_ms, now_ms),
        bed_id=None,
        offer_id=None,
        hospital=None,
    )


async def _put_in_line(desk: Desk, waiting: list[RequestRow]) -> None:
    await table.set_requests(desk.connection, waiting)
    await table.begin_waits(desk.connection, desk.room_id, waiting)


async def _done(
    desk: Desk,
    act: Act,
    request: RequestRow,
    bed: BedRow | None,
    reason: str = "",
    called: list[str] | None = None,
) -> JsonObject:
    bed_id = bed.bed_id if bed else ""
    await desk.note(act, request_id=request.request_id, bed_id=bed_id)
    await _say_of(desk, act, request, bed, reason, called)
    return _state_of(request)


async def _say_of(
    desk: Desk,
    what: str,
    request: RequestRow,
    bed: BedRow | None = None,
    reason: str = "",
    called: list[str] | None = None,
) -> None:
    values = {
        "number": request.number,
        "needs": request.needs,
        "severity": request.severity,
        "owner": await desk.name(request.owner),
        "hospital": bed.hospital if bed else "",
        "bed": bed.number if bed else "",
        "reason": reason,
        "why": f": {reason}" if reason else "",
    }
    whose = {"number": request.number, "owner": request.owner}
    held = {"bed_id": bed.bed_id, "offer_id": request.offer_id} if bed else {}
    await desk.say(what, values, {"request_id": request.request_id, "state": request.state, **whose, **held}, called)


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
        found = await table.request_and_board(batch.connection, self.room_id, self.request_id)
        if found is None or found[0].due_ms is None or found[0].due_ms > batch.now_ms:
            return False
        request, board = found
        room = await batch.room(self.room_id)
        if batch.now_ms > request.deadline_ms + limits.BOARD_HORIZON_SECONDS * 1_000:
            await self._give_up(batch, room, request, board)
        else:
            await self._escalate(batch, room, request, board)
        return True

    async def _give_up(self, batch: RoomBatch, room: WorkingRoom, request: RequestRow, board: Board) -> None:
        """A board that everybody has forgotten does not call for ever."""
        connection, now_ms = batch.connection, batch.now_ms
        await table.release(connection, [self.request_id], "close", "", now_ms, is_used=False)
        await table.set_requests(connection, [_closed(request, "closed", now_ms)])
        await table.give_up(connection, self.request_id, request.waiting_since_ms, now_ms)
        text = texts.in_both(texts.GIVEN_UP, number=request.number)
        fields = {"what": "close", "request_id": self.request_id, "number": request.number, "state": "closed"}
        await speak(batch, room, board, text, fields, [])
        deed = Deed(speaker(batch.server_name), "give_up", {"request_id": self.request_id})
        await audit.add(connection, board.subject, [deed], now_ms)

    async def _escalate(self, batch: RoomBatch, room: WorkingRoom, request: RequestRow, board: Board) -> None:
        tier = boards.next_tier(request.tier)
        staff = await table.staff(batch.connection, self.room_id)
        owner = boards.calmest(staff, request.owner) or request.owner
        due_ms = boards.next_due(request.severity, tier, request.deadline_ms, batch.now_ms)
        moved = msgspec.structs.replace(request, tier=tier, owner=owner, due_ms=due_ms)
        await table.set_requests(batch.connection, [moved])
        heard = await self._call(batch, room, board, moved, staff)
        said = {"request_id": self.request_id, "tier": boards.TIERS[tier], "owner": owner, "heard": heard}
        await audit.add(
            batch.connection, board.subject, [Deed(speaker(batch.server_name), "escalate", said)], batch.now_ms
        )

    async def _call(
        self, batch: RoomBatch, room: WorkingRoom, board: Board, moved: RequestRow, staff: list[Staff]
    ) -> str:
        """From ON_CALL people are also called directly: who is on call may have silenced a room that says so much."""
        tier = moved.tier
        called = boards.called(staff, tier, moved.owner)
        if not any(each.is_here for each in staff):
            called += [each for each in await stewards(batch, room) if each not in called]
        directly = (boards.on_call(staff, tier) or called) if tier >= boards.ON_CALL else []
        sheet = f"/_bongsu/v1/boards/{quote(self.room_id, safe='')}/sheet"
        waited = batch.now_ms - moved.waiting_since_ms
        values = {"number": moved.number, "needs": moved.needs, "severity": moved.severity, "sheet": sheet}
        text = texts.escalated(tier, **values, waited=words.Waited(waited))
        fields = {"request_id": self.request_id, "tier": boards.TIERS[tier], "owner": moved.owner}
        is_heard = await speak(batch, room, board, text, {"what": "escalate", **fields}, called, directly)
        return "room" if is_heard else "direct"
