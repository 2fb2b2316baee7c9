"""Where people work on a board: one act inside a batch, and what the board says of it, in the room or directly."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec
import structlog

from bongsu.boards import texts
from bongsu.core import boards, ids, limits
from bongsu.core.boards import Act
from bongsu.core.errors import Refusal, forbidden, not_found
from bongsu.core.events import ENCRYPTION, MEMBER, MESSAGE, POWER_LEVELS, Draft
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
    """As the room knows them. Who has no name there is called by that of their account."""
    await batch.know_members(room, [user_id])
    member = room.get(MEMBER, user_id)
    name = member.content.get("displayname") if member is not None else None
    return name if isinstance(name, str) and name and name.isprintable() else ids.split(user_id)[0]


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


def full(message: str) -> Refusal:
    """Nobody is forbidden anything: there is no room for more."""
    return Refusal(409, "BONGSU_BOARD_FULL", message)
