"""A board itself, its people and its beds: each change in one commit with what is said and its entry in the audit."""

from collections.abc import Sequence

import msgspec

from bongsu.boards.desk import NAME, Desk, Do, Work, full, hospital_of, speaker
from bongsu.boards.requests import wait_again
from bongsu.core import boards, limits
from bongsu.core.errors import Refusal, forbidden, invalid_param, not_found
from bongsu.core.events import ENCRYPTION, HISTORY_VISIBILITY, JOIN_RULES, MEMBER, MESSAGE, Draft
from bongsu.core.json import JsonObject
from bongsu.rooms.batch import RoomBatch
from bongsu.rooms.room import WorkingRoom
from bongsu.store import boards as table
from bongsu.store.audit import Deed
from bongsu.store.boards import BedRow, Board, Person
from bongsu.store.notices import put_speaker


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


# --- people ---


def appoint(target: Person, *, keeps_phone: bool = False) -> Work:
    """keeps_phone: nothing was said of it, so that the contact tree keeps the one it has."""

    async def work(desk: Desk) -> JsonObject:
        await desk.batch.know_members(desk.room, [target.user_id])
        if desk.room.membership(target.user_id) != "join":
            raise not_found("that person is not in this room")
        if await table.people_count(desk.connection, desk.room_id, target.user_id) >= limits.BOARD_PEOPLE_MAX:
            raise full(f"a board lists {limits.BOARD_PEOPLE_MAX} people")
        await table.put_person(desk.connection, desk.room_id, target, keeps_phone=keeps_phone)
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
        again = [each.request_id for each in await wait_again(desk, bed_id, lost, reason)]
        deeds = [Deed(desk.who.user_id, "lost", {"request_id": each}) for each in again]
        await desk.notes([Deed(desk.who.user_id, "withdraw", {"bed_id": bed_id}), *deeds])
        return {"waiting_again": again}

    return work
