"""Twenty times kill -9 under load, on one data folder: nothing acknowledged is lost, doubled, moved or forgotten.

Killed are Bongsu's processes, PostgreSQL's postmaster, one of its sessions' processes, and several at once, first with
one worker and then with two that share the folder. Meanwhile people send, retry, hang up and read along.

SIGKILL ends a process, not the machine: what the process had given to the kernel stays in the page cache and reaches
the disk later. So this proves recovery, order and deduplication, not that an acknowledged write was on the disk at that
moment; that is test_fsync.py.
"""

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from bongsu.drill.checker import Reading, check
from bongsu.drill.client import Doors
from tests.durability.load import Crowd
from tests.server import Server, data_folder

pytestmark = pytest.mark.xdist_group("heavy")  # not beside others that load the whole machine

RECOVERY_SECONDS_MAX = 30.0  # from a kill until writes are acknowledged again; 1 to 4 s on an idle laptop
AGAIN_ACKNOWLEDGED = 20  # writes that say so
CALM_SECONDS = (0.3, 0.9)  # of undisturbed load before a kill
POLL_SECONDS = 0.02


class Disaster:
    """The data folder with its workers, and the ways to hurt them."""

    def __init__(self, data_dir: Path, crowd: Crowd, first: Server) -> None:
        self.crowd = crowd
        self.workers = [first]
        self.restarted = 0
        self._data_dir = data_dir

    @property
    def postmaster(self) -> int:
        return int((self._data_dir / "postgres" / "postmaster.pid").read_text().split()[0])

    # --- with any number of workers ---

    async def worker(self, place: int = 0) -> None:
        self.workers[place].kill()
        await self._restart(place)

    async def postgres(self) -> None:
        """The workers must outlive it and start it again."""
        os.kill(self.postmaster, signal.SIGKILL)

    async def session(self) -> None:
        """One database process dies, so PostgreSQL ends all sessions and recovers by itself."""
        sessions = [p for p in psutil.Process(self.postmaster).children() if "bongsu bongsu" in " ".join(p.cmdline())]
        random.choice(sessions).kill()

    async def both(self) -> None:
        os.kill(self.postmaster, signal.SIGKILL)
        self.workers[0].kill()
        await self._restart(0)

    # --- with two workers ---

    async def second_worker(self) -> None:
        """Comes to help; nothing is hurt."""
        self.workers.append(await asyncio.to_thread(Server.start, self._data_dir))
        self.crowd.doors.base_urls = [worker.base_url for worker in self.workers]

    async def one_of_two(self, place: int = 0) -> None:
        """The other one must go on alone."""
        self.workers[place].kill()
        await self.acknowledged_again()
        await self._restart(place)

    async def other_of_two(self) -> None:
        await self.one_of_two(1)

    async def postgres_and_one_of_two(self) -> None:
        """The worker that is left must start the database again."""
        os.kill(self.postmaster, signal.SIGKILL)
        await self.one_of_two()

    async def everything(self) -> None:
        for worker in self.workers:
            worker.kill()
        os.kill(self.postmaster, signal.SIGKILL)
        await asyncio.gather(*(self._restart(place) for place in range(len(self.workers))))

    # --- after it ---

    async def _restart(self, place: int) -> None:
        self.restarted += 1
        await asyncio.to_thread(self.workers[place].restart)

    async def acknowledged_again(self) -> None:
        """Returns when people are answered again, and fails when that takes too long."""
        records = self.crowd.records
        enough = len(records.acknowledged_at) + AGAIN_ACKNOWLEDGED
        deadline = time.monotonic() + RECOVERY_SECONDS_MAX
        while len(records.acknowledged_at) < enough:
            self.crowd.check_alive()
            assert time.monotonic() < deadline, f"no writes for {RECOVERY_SECONDS_MAX} s; {records.statuses}"
            await asyncio.sleep(POLL_SECONDS)


ALONE = ["worker", "postgres", "session", "both"] * 3 + ["worker", "postgres"]
TOGETHER = ["one_of_two", "postgres", "other_of_two", "session", "postgres_and_one_of_two", "everything"]


@pytest.fixture
async def life() -> AsyncIterator[Disaster]:
    """One worker on a new folder, and people who are in its rooms."""
    with data_folder() as data_dir:
        server = await asyncio.to_thread(Server.start, data_dir)
        crowd = Crowd(Doors([server.base_url]), senders=10, rooms=4, readers=3)
        await crowd.gather()
        crowd.records.statuses.clear()
        yield Disaster(data_dir, crowd, server)
        crowd.close()


async def test_nothing_acknowledged_is_lost_or_doubled(life: Disaster, capsys: pytest.CaptureFixture[str]) -> None:
    crowd, records = life.crowd, life.crowd.records
    began = time.monotonic()
    await crowd.start()
    load_began = records.now
    for round_ in ALONE:
        await _round(life, getattr(life, round_))
    await life.second_worker()
    for round_ in TOGETHER:
        await _round(life, getattr(life, round_))
    load_ended = records.now
    await crowd.finish()
    readings = [reading for reader in crowd.readers for reading in reader.fold.readings]
    readings += await crowd.fresh_readings("a warm worker")
    await life.everything()
    readings += await crowd.fresh_readings("a new worker")
    readings += await crowd.replayed_readings("the first token once more")
    await _check_newest_tokens(crowd, readings)
    sends = [attempted.recorded() for attempted in records.sends]
    violations = check(sends, readings)
    _print_summary(life, records.outage_seconds(load_began, load_ended), time.monotonic() - began, capsys)
    assert violations == []
    assert [met for met in records.refusals if met.status != 503 and not met.is_under_pressure] == []
    assert sum(bool(send.acknowledged) for send in sends) > 500, "too little happened to prove anything"


async def _round(life: Disaster, disaster: Callable[[], Awaitable[None]]) -> None:
    await asyncio.sleep(random.uniform(*CALM_SECONDS))
    await disaster()
    await life.acknowledged_again()


async def _check_newest_tokens(crowd: Crowd, readings: list[Reading]) -> None:
    """The tokens that were newest before the last kill still work, and nothing is told twice after them."""
    before = {(r.reader, r.room_id): r.events for r in readings}
    async with asyncio.timeout(RECOVERY_SECONDS_MAX):
        await asyncio.gather(*(reader.sync() for reader in crowd.readers))
    for reader in crowd.readers:
        for reading in reader.fold.readings:
            assert reading.events == before[reading.reader, reading.room_id]


def _print_summary(life: Disaster, outage: float, took: float, capsys: pytest.CaptureFixture[str]) -> None:
    records = life.crowd.records
    acknowledged = sum(bool(attempted.acknowledged) for attempted in records.sends)
    answers = ", ".join(f"{count} × {status}" for status, count in records.statuses.most_common())
    refusals = "".join(f"\n  {count} × {' '.join(map(str, met))}" for met, count in records.refusals.most_common())
    with capsys.disabled():
        print(
            f"\nkill -9: {len(ALONE) + len(TOGETHER)} rounds, {acknowledged} of {len(records.sends)} writes"
            f" acknowledged, longest write outage {outage:.1f} s, {took:.0f} s in all\n  answers: {answers}{refusals}"
        )
