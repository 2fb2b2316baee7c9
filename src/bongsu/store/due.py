"""Whether anything is due, for many kinds of work in one question: a look that finds nothing is what idle costs."""

from collections.abc import Sequence

from bongsu.store.rooms import Reads


class Question:
    """Which of these hold. A condition is SQL of the module whose rows it asks about; $1 is now, in ms."""

    def __init__(self, conditions: Sequence[str]) -> None:
        asked = ", ".join(f"EXISTS ({condition})" for condition in conditions)
        self._sql = f"SELECT ARRAY[{asked}, $1::bigint IS NULL]"

    async def ask(self, reads: Reads, now_ms: int) -> list[bool]:
        (row,) = await reads.fetch(self._sql, now_ms)
        return list(row[0][:-1])
