"""Who looked at a board, written down beside the answers: a read waits for no write."""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable

import structlog

from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.store import boards as table
from bongsu.store.boards import Look
from bongsu.store.database import Database

log = structlog.get_logger(__name__)
_DAY_MS = 86_400_000


class Looks:
    """saw() is told of looks; run() writes them, and those that could not be written again.

    A look whose commit had an unknown outcome may be counted twice; one in the moment before a worker's crash is lost.
    """

    def __init__(self, database: Database, now_ms: Callable[[], int]) -> None:
        self._database = database
        self._now_ms = now_ms
        self._seen: OrderedDict[tuple[str, str, str], int] = OrderedDict()
        self._owed: Counter[Look] = Counter()
        self._news = asyncio.Event()

    def saw(self, room_id: str, user_id: str, what: str) -> None:
        """Somebody's looks at one thing within some minutes are one."""
        key, now_ms = (room_id, user_id, what), self._now_ms()
        if now_ms - self._seen.get(key, 0) < limits.BOARD_ACCESS_SECONDS * 1_000:
            return
        self._seen[key] = now_ms
        self._seen.move_to_end(key)
        if len(self._seen) > limits.BOARD_ACCESS_CACHED_MAX:
            self._seen.popitem(last=False)
        look = Look(room_id, user_id, what, now_ms // _DAY_MS)
        if look in self._owed or len(self._owed) < limits.BOARD_ACCESS_CACHED_MAX:
            self._owed[look] += 1
        self._news.set()

    async def run(self) -> None:
        try:
            while True:
                await self._news.wait()
                self._news.clear()
                await self._try()
        finally:
            await self._last()

    async def _try(self) -> None:
        try:
            await self._write()
            return
        except Refusal as refusal:
            log.warning("looks_not_written", why=refusal.message)
        except Exception:
            log.exception("looks_not_written")
        self._news.set()
        await asyncio.sleep(limits.BOARD_ACCESS_RETRY_SECONDS)

    async def _write(self) -> None:
        owed, self._owed = self._owed, Counter()
        if not owed:
            return
        try:
            await self._database.write(lambda connection: table.note_access(connection, owed))
        except Exception:
            self._owed.update(owed)
            raise

    async def _last(self) -> None:
        """What is owed when the worker stops."""
        try:
            async with asyncio.timeout(limits.BOARD_ACCESS_LAST_SECONDS):
                await self._write()
        except Exception as error:
            log.warning("looks_not_written", why=repr(error))
