"""Whether anything is due, for many kinds of work in one question: a look that finds nothing is what idle costs."""

from collections.abc import Sequence

from bongsu.store.rooms import Reads


async def due(reads: Reads, conditions: Sequence[str], now_ms: int) -> list[bool]:
    """Which of these hold now. A condition is SQL of the module whose rows it asks about; $1 is now, in ms."""
    asked = ", ".join(f"EXISTS ({condition})" for condition in conditions)
    (row,) = await reads.fetch(f"SELECT ARRAY[{asked}, $1::bigint IS NULL]", now_ms)
    return list(row[0][:-1])
