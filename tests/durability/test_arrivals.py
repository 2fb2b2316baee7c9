"""A download waits for an upload that another worker takes, whatever the database says meanwhile."""

from collections.abc import Sequence

import asyncpg

from bongsu.media.arrivals import Arrivals
from bongsu.store.database import Database
from bongsu.store.media import MediaStore


class Unreadable(MediaStore):
    """What was uploaded cannot be read twice; then all of it was."""

    asked = 0

    async def arrived(self, media_ids: Sequence[str]) -> list[str]:
        self.asked += 1
        if self.asked == 1:
            raise asyncpg.UndefinedTableError("a fault of the database")
        if self.asked == 2:
            raise RuntimeError("a fault of the program")
        return list(media_ids)


async def test_a_fault_ends_nobodys_wait(two: tuple[Database, Database]) -> None:
    store = Unreadable(two[0])
    await Arrivals(store, poll_seconds=0.01).wait("somewhere", seconds=20)
    assert store.asked == 3
