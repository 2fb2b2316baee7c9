"""People, rooms and messages to look at, made with the operations that clients use."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bongsu.main import Worker


async def fill(worker: "Worker", announce: Callable[[str], None]) -> Sequence[tuple[str, str]]:
    """(user id, password) of everybody in the demo."""
    return ()
