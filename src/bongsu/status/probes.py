"""What this site can do, measured by doing it: reading, committing, showing, storing.

Whatever is measured is asked for once at a time: a commit that waits for another site is not cancelled and not sent
again, its age is the answer.
"""

import asyncio
import os
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from bongsu.core import limits
from bongsu.status.features import Part
from bongsu.status.rules import Level
from bongsu.store import facts
from bongsu.store import incidents as store
from bongsu.store.committer import Committer
from bongsu.store.database import Database
from bongsu.store.feed import Feed

_CONTENT: Final = b"Bongsu can store files here.\n"


class Effort:
    """Something that is tried again and again, one try at a time.

    is_proven: did people just do it? rests: for how many looks more a good answer counts, where trying is dear.
    """

    def __init__(
        self,
        run: Callable[[], Awaitable[Any]],
        stopped_seconds: float,
        *,
        is_proven: Callable[[], bool] = lambda: False,
        rests: int = 0,
    ) -> None:
        self._run = run
        self._stopped_seconds = stopped_seconds
        self._is_proven = is_proven
        self._rests = rests
        self._counts_for = 0
        self._task: asyncio.Task[Any] | None = None
        self._began = 0.0

    async def look(self) -> Level:
        return Level.WORKS if self.stands() else await self.tried()

    def stands(self) -> bool:
        """Is it known without a try that it works?"""
        if self._task is not None:
            return False
        self._counts_for -= 1
        return self._counts_for >= 0 or self._is_proven()

    async def comes_back(self, seconds: float) -> "asyncio.Task[Any]":
        """Tries, if it is not tried still, and waits so long at most for the end."""
        if self._task is None:
            self._task, self._began = asyncio.ensure_future(self._run()), time.monotonic()
        if not self._task.done():
            await asyncio.wait([self._task], timeout=seconds)
        return self._task

    async def tried(self) -> Level:
        """Waits no longer than what people would call slow."""
        task = await self.comes_back(limits.PROBE_SLOW_SECONDS)
        age = time.monotonic() - self._began
        if not task.done():
            return Level.STOPPED if age > self._stopped_seconds else Level.DELAYED
        self._task = None
        if task.cancelled() or task.exception() is not None:
            return Level.STOPPED
        if age > limits.PROBE_SLOW_SECONDS:
            return Level.DELAYED
        self._counts_for = self._rests
        return Level.WORKS

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task], timeout=limits.PROBE_SECONDS_MAX)


class SelfProbe:
    """look() measures all parts: writing first, as a commit that comes back at once has read, too."""

    def __init__(self, database: Database, feed: Feed, committer: Committer, data: Path, site: str) -> None:
        self._database = database
        self._feed = feed
        self._committer = committer
        self._data = data
        self._site = site
        self._newest = 0
        self._committed_to = 0
        self._behind_since: float | None = None
        self._has_read = False  # since the last look, with a commit
        self._efforts = {
            Part.WRITE: Effort(self._commit, limits.PROBE_WRITE_STOPPED_SECONDS, is_proven=self._has_committed),
            Part.READ: Effort(self._read, limits.PROBE_SECONDS_MAX, is_proven=lambda: self._has_read),
            Part.DISK: Effort(_aside(self._read_disk), limits.PROBE_SECONDS_MAX, rests=limits.PROBE_FILES_RESTS),
            Part.ROOM: Effort(_aside(self._store), limits.PROBE_WRITE_STOPPED_SECONDS, rests=limits.PROBE_FILES_RESTS),
        }

    async def look(self) -> dict[Part, Level]:
        shown_before, self._has_read = self._newest, False
        tried = []
        for part, effort in self._efforts.items():
            if not effort.stands():
                tried.append(part)
                if part is Part.WRITE:
                    await effort.comes_back(limits.PROBE_AT_ONCE_SECONDS)
        found = await asyncio.gather(*(self._efforts[part].tried() for part in tried))
        return {
            **dict.fromkeys(self._efforts, Level.WORKS),
            **dict(zip(tried, found, strict=True)),
            Part.QUEUE: _by_age(self._committer.age_seconds),
            Part.FEED: self._fed(shown_before),
        }

    async def stop(self) -> None:
        for effort in self._efforts.values():
            await effort.stop()

    async def _read(self) -> None:
        self._newest = await store.position(self._database)

    async def _commit(self) -> None:
        self._newest = await store.beat(self._database, self._site)
        self._has_read = True
        if self._database.is_full:
            await facts.look_for_room(self._database)
        if self._database.is_full:
            raise OSError("the database's disk is full")

    def _has_committed(self) -> bool:
        """Something of its own since the last look, no slower than people expect, and with room for more."""
        before, self._committed_to = self._committed_to, self._committer.committed_to
        has_room = not self._database.is_full
        return self._committed_to > before and has_room and self._committer.took_seconds <= limits.PROBE_SLOW_SECONDS

    def _fed(self, newest: int) -> Level:
        """What was the newest a look ago must be shown by now."""
        if self._feed.pos >= newest:
            self._behind_since = None
            return Level.WORKS
        now = time.monotonic()
        self._behind_since = self._behind_since or now
        return _by_age(limits.PROBE_SLOW_SECONDS + now - self._behind_since)

    def _read_disk(self) -> None:
        with os.scandir(self._data / "blobs") as entries:
            next(entries, None)

    def _store(self) -> None:
        """As an upload would be: on the disk, and read again."""
        path = self._data / "status" / f"probe-{os.getpid()}"
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("w+b") as file:
                file.write(_CONTENT)
                file.flush()
                os.fsync(file.fileno())
            if path.read_bytes() != _CONTENT or shutil.disk_usage(path).free < limits.DISK_FREE_BYTES_MIN:
                raise OSError("this disk keeps no more files")
        finally:
            path.unlink(missing_ok=True)


def _aside(work: Callable[[], None]) -> Callable[[], Awaitable[None]]:
    """In a thread: a disk may take its time."""
    return lambda: asyncio.to_thread(work)


def _by_age(seconds: float) -> Level:
    if seconds > limits.PROBE_WRITE_STOPPED_SECONDS:
        return Level.STOPPED
    return Level.DELAYED if seconds > limits.PROBE_SLOW_SECONDS else Level.WORKS
