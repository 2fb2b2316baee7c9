"""A service's own rows and room events in one commit."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from bongsu.rooms.batch import RoomBatch
from bongsu.store.batch import Wanted, undoable


class Together(msgspec.Struct, frozen=True):
    """For Committer.submit: `work` runs under the right to write. The result is what it returns.

    It may use SQL (in store) on `batch.connection`, `store.idempotency.once` included, and add events by
    `await batch.append(await batch.room(room_id), Draft(…))`. If it raises, neither its rows nor its events are
    kept. It may run again from its start when a commit failed. Everybody's messages wait for it: a few
    short statements, no more. What takes longer belongs into Database.write, with its events in the outbox.
    """

    work: Callable[[RoomBatch], Awaitable[Any]]
    room_ids: tuple[str, ...] = ()

    def wanted(self) -> Wanted:
        return Wanted(list(self.room_ids))

    async def run(self, batch: RoomBatch) -> Any:
        return await undoable(batch.connection, lambda: self.work(batch))
