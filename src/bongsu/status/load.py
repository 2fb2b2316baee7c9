"""How busy this worker and its machine were in the busiest minute: whether any two sites can carry the peak."""

import asyncio
import os
import time
from collections.abc import Callable

import msgspec

from bongsu.core import limits


class LoadFacts(msgspec.Struct, frozen=True):
    """cores: of the machine. The busiest minute since since_ms: worker_peak: the share of one core that this worker
    took; machine_peak: how many processes wanted a core, for each core there is. null: not measured yet.
    """

    cores: int
    since_ms: int
    worker_peak: float | None
    machine_peak: float | None


class Load:
    """run() measures for ever; facts() tells the peak since the start of this worker."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._since_ms = now_ms()
        self._worker: float | None = None
        self._machine: float | None = None

    async def run(self) -> None:
        while True:
            took, at = time.process_time(), time.monotonic()
            await asyncio.sleep(limits.LOAD_SAMPLE_SECONDS)
            share = (time.process_time() - took) / (time.monotonic() - at)
            self._worker = max(share, self._worker or 0.0)
            self._machine = max(os.getloadavg()[0] / (os.cpu_count() or 1), self._machine or 0.0)

    def facts(self) -> LoadFacts:
        return LoadFacts(os.cpu_count() or 1, self._since_ms, self._worker, self._machine)
