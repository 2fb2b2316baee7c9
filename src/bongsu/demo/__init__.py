"""The demo: people, rooms and messages to look at, made with the operations that clients' requests become.

Everything but the question whether it is there already is loaded only when it is needed: drawing takes memory.
"""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from bongsu.core.errors import Refusal
from bongsu.demo import accounts

if TYPE_CHECKING:
    from bongsu.demo.filling import Worker


async def fill(worker: "Worker", announce: Callable[[str], None]) -> Sequence[tuple[str, str]]:
    """(user id, password) of the demo's people, as far as this data folder knows them. Makes them if need be."""
    from bongsu.demo import filling

    ...
