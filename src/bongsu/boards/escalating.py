"""Waits that are due go a tier further; what everybody has forgotten is closed."""

import msgspec

from bongsu.boards import texts, words
from bongsu.boards.desk import speak, speaker, stewards
from bongsu.boards.requests import closed_row
from bongsu.core import boards, limits
from bongsu.core.boards import Staff
from bongsu.rooms.batch import RoomBatch
from bongsu.rooms.room import WorkingRoom
from bongsu.store import audit
from bongsu.store import boards as table
from bongsu.store.audit import Deed
from bongsu.store.batch import Wanted, undoable
from bongsu.store.boards import Board, RequestRow


class _Due(msgspec.Struct, frozen=True):
    """What time does to a request. False: another worker was first, or there is nothing to do any more."""

    room_id: str
    request_id: str

    def wanted(self) -> Wanted:
        return Wanted([self.room_id])

    async def run(self, batch: RoomBatch) -> bool:
        return await undoable(batch.connection, lambda: self._run(batch))

    async def _run(self, batch: RoomBatch) -> bool:
        raise NotImplementedError


class Escalate(_Due, frozen=True):
    """A wait that is due goes a tier further. Of several workers that see it, the first one's commit moves it on."""

    async def _run(self, batch: RoomBatch) -> bool:
        found = await table.request_and_board(batch.connection, self.room_id, self.request_id)
        if found is None or found[0].due_ms is None or found[0].due_ms > batch.now_ms:
            return False
        request, board = found
        room = await batch.room(self.room_id)
        if batch.now_ms > request.deadline_ms + limits.BOARD_HORIZON_SECONDS * 1_000:
            await table.give_up(batch.connection, self.request_id, request.waiting_since_ms, batch.now_ms)
            await _close(batch, room, request, board, "give_up", texts.GIVEN_UP)
        else:
            await self._escalate(batch, room, request, board)
        return True

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
        waited = batch.now_ms - moved.waiting_since_ms
        values = {"number": moved.number, "needs": moved.needs, "severity": moved.severity}
        text = texts.escalated(tier, **values, waited=words.Waited(waited))
        fields = {"request_id": self.request_id, "tier": boards.TIERS[tier], "owner": moved.owner}
        is_heard = await speak(batch, room, board, text, {"what": "escalate", **fields}, called, directly)
        return "room" if is_heard else "direct"


class Forget(_Due, frozen=True):
    """A request that got its bed long ago, and that nobody has closed: its patient's data would stay for ever."""

    async def _run(self, batch: RoomBatch) -> bool:
        found = await table.request_and_board(batch.connection, self.room_id, self.request_id)
        if found is None or not await table.is_forgotten(batch.connection, self.request_id, batch.now_ms):
            return False
        await _close(batch, await batch.room(self.room_id), *found, "forget", texts.FORGOTTEN)
        return True


async def _close(
    batch: RoomBatch, room: WorkingRoom, request: RequestRow, board: Board, action: str, why: tuple[str, str]
) -> None:
    """A board that everybody has forgotten does not call for ever, nor keep what it knows of anybody."""
    connection, now_ms, request_id = batch.connection, batch.now_ms, request.request_id
    is_used = request.state in ("accepted", "arrived")  # as far as is known: the hospital says when it is free
    await table.release(connection, [request_id], "close", "", now_ms, is_used=is_used)
    await table.set_requests(connection, [closed_row(request, "closed", now_ms)])
    fields = {"what": "close", "request_id": request_id, "number": request.number, "state": "closed"}
    await speak(batch, room, board, texts.in_both(why, number=request.number), fields, [])
    deed = Deed(speaker(batch.server_name), action, {"request_id": request_id})
    await audit.add(connection, board.subject, [deed], now_ms)
