"""Who is here. A sync says so; silence for a while says the opposite. Written only when it changes.

Every minute a worker writes down, in one statement, whom it has seen, without telling anybody. A row that nobody has
refreshed for two minutes belongs to somebody who left, or to a worker that died: any worker says so.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from bongsu import pace
from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.rooms.personal import KEEP, SetPresence
from bongsu.store import personal
from bongsu.store.committer import Committer
from bongsu.store.database import Database
from bongsu.store.rows import Segment

_REFRESH_MS: Final = 60_000
_GONE_MS: Final = 120_000
_SWEEP_SECONDS: Final = 10.0


class Attendance:
    """saw() is told of every sync; run() writes and sweeps; apply() is the feed's.

    is_shed: nothing is told to others now. It is made up for when people sync again.
    """

    def __init__(
        self, database: Database, committer: Committer, now_ms: Callable[[], int], is_shed: Callable[[], bool]
    ) -> None:
        self._database = database
        self._committer = committer
        self._now_ms = now_ms
        self._is_shed = is_shed
        self._states: dict[str, str] = {}
        self._seen_ms: dict[str, int] = {}
        self._refreshed_ms = 0
        self._changing: set[asyncio.Task[None]] = set()

    def saw(self, user_id: str, state: str) -> None:
        """Somebody synced with this presence. Telling the others does not keep the sync waiting."""
        self._seen_ms[user_id] = self._now_ms()
        if self._states.get(user_id) == state or self._is_shed():
            return
        if len(self._changing) < limits.PRESENCE_TOLD_AT_ONCE_MAX:  # else at the next sync
            self._states[user_id] = state
            self._change(user_id, state)

    def _change(self, user_id: str, state: str) -> None:
        task = asyncio.ensure_future(self._submit(user_id, state))
        self._changing.add(task)
        task.add_done_callback(self._changing.discard)

    async def _submit(self, user_id: str, state: str) -> None:
        seen_ms = self._seen_ms.get(user_id)
        try:
            await self._committer.submit(SetPresence(user_id, state, KEEP, seen_ms))
        except Refusal:
            self._states.pop(user_id, None)  # it is said again at the next sync

    def apply(self, segment: Segment) -> None:
        for row in segment.presence:
            if row.user_id in self._states:
                self._states[row.user_id] = row.state

    async def run(self) -> None:
        while True:
            await pace.pause(_SWEEP_SECONDS)
            try:
                await self._refresh()
                if not self._is_shed():
                    await self._sweep()
            except Refusal:
                continue  # the database is away; presence can wait

    async def _refresh(self) -> None:
        now_ms = self._now_ms()
        if now_ms - self._refreshed_ms < _REFRESH_MS:
            return
        self._refreshed_ms = now_ms
        seen, self._seen_ms = self._seen_ms, {}
        if seen:
            await self._database.execute(personal.REFRESH_PRESENCE, list(seen), list(seen.values()))

    async def _sweep(self) -> None:
        before_ms = self._now_ms() - _GONE_MS
        for row in await self._database.fetch(personal.GONE_PRESENCE, before_ms):
            self._states.pop(row["user_id"], None)
            await self._committer.submit(SetPresence(row["user_id"], "offline", KEEP, None))
