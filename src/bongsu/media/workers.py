"""The thumbnail processes as the server sees them: started when needed, one job each, killed when late or idle."""

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable
from typing import Final

import msgspec
import structlog

from bongsu.core import limits
from bongsu.core.errors import Refusal, limit_exceeded
from bongsu.media import messages
from bongsu.media.messages import Job, Outcome, PreviewJob

log = structlog.get_logger(__name__)

_PYTHON: Final = (sys.executable, "-P", "-B", "-m")
_COMMAND: Final = (*_PYTHON, "bongsu.media.worker")
PREVIEWS: Final = (*_PYTHON, "bongsu.media.preview_worker")
_ENVIRONMENT: Final = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH")  # nothing else: the others may hold secrets
_OUTCOME_BYTES_MAX: Final = 1_024
_outcome: Final = msgspec.json.Decoder(Outcome)


class WorkerLost(Exception):
    """A worker ended, or was ended, over a picture."""


class Clocks(msgspec.Struct, frozen=True):
    """Seconds for one thumbnail, for waiting in the queue, and until an unused worker ends."""

    job_seconds: float = limits.THUMBNAIL_SECONDS_MAX
    queue_seconds: float = limits.THUMBNAIL_QUEUE_SECONDS_MAX
    idle_seconds: float = limits.THUMBNAIL_IDLE_SECONDS_MAX


class Workers:
    """run() on one of at most `count` processes. Close it at the end."""

    def __init__(
        self,
        *,
        count: int | None = None,
        queue_max: int = limits.THUMBNAIL_QUEUE_MAX,
        clocks: Clocks | None = None,
        command: tuple[str, ...] = _COMMAND,
    ) -> None:
        count = count or min(limits.THUMBNAIL_WORKERS_MAX, os.cpu_count() or 1)
        self._clocks = clocks or Clocks()
        self._command = command
        self._jobs_max = count + queue_max
        self._jobs = 0
        self._places = asyncio.Semaphore(count)
        self._idle: list[_Worker] = []
        self._alive: set[_Worker] = set()

    async def run(self, job: Job | PreviewJob, source: AsyncIterator[bytes], size: int) -> tuple[Outcome, bytes]:
        """What a worker makes of `size` bytes of source. 429 when the queue is full, WorkerLost when it fails."""
        if self._jobs >= self._jobs_max:
            raise limit_exceeded(2_000)
        self._jobs += 1
        try:
            async with self._place():
                return await self._run(job, source, size)
        finally:
            self._jobs -= 1

    async def close(self) -> None:
        for worker in list(self._alive):
            await self._end(worker)

    @property
    def pids(self) -> list[int]:
        """The processes that run now."""
        return [worker.process.pid for worker in self._alive]

    @contextlib.asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._clocks.queue_seconds):
                await self._places.acquire()
        except TimeoutError:
            raise limit_exceeded(5_000) from None
        try:
            yield
        finally:
            self._places.release()

    async def _run(self, job: Job | PreviewJob, source: AsyncIterator[bytes], size: int) -> tuple[Outcome, bytes]:
        worker = await self._get()
        is_well = False
        try:
            async with asyncio.timeout(self._clocks.job_seconds):
                result = await worker.run(job, source, size)
            is_well = True
        except (TimeoutError, EOFError, ConnectionError, ValueError, msgspec.DecodeError) as error:
            log.warning("thumbnail_worker_lost", error=repr(error), pid=worker.process.pid)
            raise WorkerLost from error
        finally:
            if is_well:
                self._rest(worker)
            else:
                await self._end(worker)
        return result

    async def _get(self) -> "_Worker":
        while self._idle:
            worker = self._idle.pop()
            worker.stay()
            if worker.process.returncode is None:
                return worker
            self._alive.discard(worker)
        worker = _Worker(await self._start())
        self._alive.add(worker)
        return worker

    async def _start(self) -> Process:
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        try:
            return await asyncio.create_subprocess_exec(
                *self._command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=environment, cwd="/"
            )
        except OSError as error:
            log.error("thumbnail_worker_not_started", error=repr(error))
            raise Refusal(
                503, "M_UNKNOWN", "no thumbnails can be made now. Try again later.", headers={"retry-after": "30"}
            ) from error

    def _rest(self, worker: "_Worker") -> None:
        self._idle.append(worker)
        worker.leave_after(self._clocks.idle_seconds, self._dismiss)

    def _dismiss(self, worker: "_Worker") -> None:
        self._idle.remove(worker)
        worker.ending = asyncio.create_task(self._end(worker))

    async def _end(self, worker: "_Worker") -> None:
        """Kills it and waits until it is gone. It holds nothing worth a farewell."""
        worker.stay()
        if worker in self._idle:
            self._idle.remove(worker)
        with contextlib.suppress(ProcessLookupError):
            worker.process.kill()
        await worker.process.wait()
        self._alive.discard(worker)


class _Worker:
    """One process, and the moment it ends if nobody needs it."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.ending: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def leave_after(self, seconds: float, dismiss: Callable[["_Worker"], None]) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, dismiss, self)

    def stay(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def run(self, job: Job | PreviewJob, source: AsyncIterator[bytes], size: int) -> tuple[Outcome, bytes]:
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(messages.frame(msgspec.json.encode(job)) + messages.length(size))
        async for piece in source:
            stdin.write(piece)
            await stdin.drain()
        outcome = _outcome.decode(await messages.receive(stdout, _OUTCOME_BYTES_MAX))
        return outcome, await messages.receive(stdout, limits.THUMBNAIL_BYTES_MAX)
