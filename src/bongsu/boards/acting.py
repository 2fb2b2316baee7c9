"""A few acts on boards at a time: each is a dozen statements that everybody's messages wait for."""

import asyncio
from typing import Any

from bongsu.core import limits
from bongsu.store.committer import Committer, Operation


class Acting:
    """submit() as the committer's. The rest stands in line here, and messages pass it."""

    def __init__(self, committer: Committer) -> None:
        self._committer = committer
        self._turn = asyncio.Semaphore(limits.BOARD_ACTS_AT_ONCE_MAX)

    async def submit(self, operation: Operation) -> Any:
        async with self._turn:
            return await self._committer.submit(operation)
