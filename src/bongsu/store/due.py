"""All that a worker asks again and again, in one question: a look that finds nothing is what idle costs."""

from collections.abc import Sequence

import msgspec

from bongsu.store.rooms import Reads


class Answer(msgspec.Struct, frozen=True):
    """holds: which conditions do; pos: the newest position that can be seen; clock_ms: the database's clock."""

    holds: list[bool]
    pos: int
    clock_ms: int


class Question:
    """A condition is SQL of the module whose rows it asks about; $1 is now, in ms."""

    def __init__(self, conditions: Sequence[str]) -> None:
        asked = [
            *(f"EXISTS ({condition})" for condition in conditions),
            "(SELECT pos FROM stream)",
            "(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
        ]
        self._sql = f"SELECT {', '.join(asked)} WHERE $1::bigint IS NOT NULL"

    async def ask(self, reads: Reads, now_ms: int) -> Answer:
        ((*holds, pos, clock_ms),) = await reads.fetch(self._sql, now_ms)
        return Answer(holds, pos, clock_ms)
