"""Requests for beds: asked, offered, answered, over. Each change in one commit with what is said and its audit."""

import secrets
from typing import Literal

import msgspec

from bongsu.boards.desk import Desk, Work, full
from bongsu.boards.showing import may_see_patient
from bongsu.core import boards, limits
from bongsu.core.boards import Act, Place, Severity, State
from bongsu.core.errors import Refusal, invalid_param
from bongsu.core.json import JsonObject
from bongsu.store import boards as table
from bongsu.store.boards import BedRow, RequestRow


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
        fields = {"request_id": known} if may_see_patient(await desk.request(known), desk.who) else {}
        raise Refusal(409, "BONGSU_PATIENT_WAITS", "this patient has an open request", fields=fields)
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
        bed = None if request.bed_id is None or is_used else await desk.bed(request.bed_id)
        waits = await table.answerers(desk.connection, desk.room_id, bed) if bed else []
        await table.release(desk.connection, [request_id], "close", reason, desk.now_ms, is_used=is_used)
        closed = closed_row(request, state, desk.now_ms)
        await table.set_requests(desk.connection, [closed])
        if request.state in boards.UNANSWERED:
            await table.give_up(desk.connection, request_id, request.waiting_since_ms, desk.now_ms)
        return await _done(desk, "close", closed, None, reason, waits)  # whoever keeps the bed hears of it

    return work


def closed_row(request: RequestRow, state: State, now_ms: int) -> RequestRow:
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
    }
    whose = {"number": request.number, "owner": request.owner}
    held = {"bed_id": bed.bed_id, "offer_id": request.offer_id} if bed else {}
    fields = {"request_id": request.request_id, "state": request.state, **whose, **held}
    await desk.say(what, values, fields, called)


async def wait_again(desk: Desk, bed_id: str, lost: list[RequestRow], reason: str) -> list[RequestRow]:
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
    await desk.batch.know_members(desk.room, called[: limits.BOARD_MENTIONS_MAX])
    names = [await desk.name(each) for each in called[: limits.BOARD_MENTIONS_MAX]]
    values = {"numbers": numbers, "owners": ", ".join(names)}
    await desk.say("lost", values, {"bed_id": bed_id, "request_ids": request_ids}, called)
    return again
