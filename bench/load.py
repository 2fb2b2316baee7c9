"""The load generator: processes of their own that speak minimal HTTP, started together through a gate.

A job is a coroutine `async def job(spec, gate) -> result` at module level. It connects, calls `await gate.open()`
(which tells the harness that it is ready and returns the common start time), works, calls `gate.done()` the
moment its work ends, and may take its time to add up the result. Clocks are time.monotonic(), which all
processes of a machine share.
"""

import asyncio
import multiprocessing
import time
from collections.abc import Awaitable, Callable, Sequence
from multiprocessing.connection import Connection as Pipe
from typing import Any, TypeVar

import msgspec
import uvloop

from bench.processes import Usage, cpu_seconds

S = TypeVar("S")
R = TypeVar("R")
READY_SECONDS_MAX = 300.0
START_AHEAD_SECONDS = 0.2  # from "all are ready" to the common start


class Gate:
    """The child's end of the line to the harness."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe

    async def open(self) -> float:
        """Ready; returns at the common start time, with it."""
        self._pipe.send("ready")
        begin: float = await asyncio.get_running_loop().run_in_executor(None, self._pipe.recv)
        await asyncio.sleep(begin - time.monotonic())
        return begin

    def done(self) -> None:
        self._pipe.send("done")


class Run(msgspec.Struct, frozen=True):
    """What a load run returned, and what was used from `begin + warm_seconds` to the last child's done()."""

    results: list[Any]
    usage: Usage
    load_seconds: float  # CPU of the load processes themselves


def _child(pipe: Pipe, job: Callable[[Any, Gate], Awaitable[Any]], spec: Any) -> None:
    async def main() -> Any:
        return await job(spec, Gate(pipe))

    try:
        result = uvloop.run(main())
    except BaseException as error:  # handed to the harness, which raises it
        pipe.send(RuntimeError(f"load process: {type(error).__name__}: {error}"))
        return
    pipe.send(result)


class _Child:
    """The harness's end."""

    def __init__(self, job: Callable[[Any, Gate], Awaitable[Any]], spec: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_child, args=(theirs, job, spec), daemon=True)
        self._process.start()
        theirs.close()

    async def receive(self, seconds_max: float) -> Any:
        loop = asyncio.get_running_loop()
        if not await loop.run_in_executor(None, self._pipe.poll, seconds_max):
            raise TimeoutError(f"a load process said nothing for {seconds_max:.0f} s")
        answer = await loop.run_in_executor(None, self._pipe.recv)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def cpu_seconds(self) -> float:
        assert self._process.pid is not None
        return cpu_seconds(self._process.pid)

    def start(self, begin: float) -> None:
        self._pipe.send(begin)

    def end(self) -> None:
        self._process.join(5)
        if self._process.is_alive():
            self._process.kill()


async def run(
    job: Callable[[S, Gate], Awaitable[R]],
    specs: Sequence[S],
    usage: Callable[[], Usage],
    *,
    seconds_max: float,
    warm_seconds: float = 0.0,
) -> Run:
    """One load process per spec, all started at the same moment. Raises what a job raised, or TimeoutError."""
    children = [_Child(job, spec) for spec in specs]
    try:
        await asyncio.gather(*(child.receive(READY_SECONDS_MAX) for child in children))
        begin = time.monotonic() + START_AHEAD_SECONDS
        for child in children:
            child.start(begin)
        await asyncio.sleep(begin + warm_seconds - time.monotonic())
        before, load_before = usage(), sum(child.cpu_seconds() for child in children)
        await asyncio.gather(*(child.receive(seconds_max) for child in children))
        after, load_after = usage(), sum(child.cpu_seconds() for child in children)
        results = await asyncio.gather(*(child.receive(seconds_max) for child in children))
    finally:
        for child in children:
            child.end()
    return Run(list(results), after - before, load_after - load_before)
