"""Workers are killed between a commit and its push: every message is pushed, and what was heard only once."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from bongsu.config import Settings
from bongsu.core import limits
from bongsu.main import open_worker
from bongsu.store.pushing import Lane
from tests.api.talking import Talker, sign_up
from tests.gateway import SECONDS_MAX, Gateway, add_pusher
from tests.server import Server, data_folder
from tests.waiting import until


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    gateway = Gateway()
    await gateway.start()
    yield gateway
    await gateway.stop()


def worker(data_dir: Path) -> Server:
    return Server.start(data_dir, "--password-hashing", "fast", "--push-private-addresses")


async def test_what_was_committed_is_pushed_after_kills_and_what_was_heard_is_not_pushed_again(
    gateway: Gateway,
) -> None:
    with data_folder() as data_dir:
        workers = [await asyncio.to_thread(worker, data_dir) for _ in range(2)]
        async with aiohttp.ClientSession(workers[0].base_url) as http:
            alice, bob = await sign_up(http, "alice"), await sign_up(http, "bob")
            room_id = await alice.make_room()
            await alice.bring(room_id, bob)
            key = await add_pusher(bob, gateway)
            said = [await alice.say(room_id, f"before {number}") for number in range(5)]
            await gateway.came(key, said[-1])
            gateway.hangs = True
            said += [await alice.say(room_id, f"under way {number}") for number in range(3)]
            await _tried(gateway, 6)
            for each in workers:  # whoever pushes, and whoever could take over
                each.kill()
        gateway.hangs = False
        await asyncio.to_thread(workers[0].restart)
        async with aiohttp.ClientSession(workers[0].base_url) as http:
            said.append(await alice.through(http).say(room_id, "after"))
            await gateway.came(key, said[-1])
            assert gateway.event_ids(key) == said
            await _survives_a_stop(gateway, data_dir, workers[0], alice, room_id, key, said)


async def _survives_a_stop(
    gateway: Gateway, data_dir: Path, first: Server, alice: Talker, room_id: str, key: str, said: list[str]
) -> None:
    """A second worker comes and takes its share; the first one stops, and the second goes on."""
    second = await asyncio.to_thread(worker, data_dir)
    async with aiohttp.ClientSession(second.base_url) as http:
        speaker = alice.through(http)
        stopping = asyncio.create_task(asyncio.to_thread(first.stop))
        for _ in range(limits.PUSH_QUEUE_MAX // 2):  # of more, whoever takes over tells the newest alone
            if not stopping.done():
                said.append(await speaker.say(room_id, "while it stops"))
        await stopping
        said.append(await speaker.say(room_id, "at the end"))
        await gateway.came(key, said[-1])
        assert gateway.event_ids(key) == said


async def test_a_pusher_that_was_set_elsewhere_is_looked_after_although_nobody_says_so(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker where it was set may be gone by then."""
    monkeypatch.setattr(limits, "PUSH_QUIET_SECONDS", 3_600.0)
    settings = Settings(dsn=dsn, data=tmp_path, server_name="test.example")
    async with open_worker(settings, lambda _: None) as worker:
        worker.pushing.start()
        await asyncio.sleep(0.5)  # it has seen that nobody has one
        await worker.database.execute(
            "INSERT INTO pushers (user_id, app_id, pushkey, device_id, kind, app_display_name, device_display_name,"
            " lang, data, lane, told_pos) VALUES ('@a:test.example', 'app', 'key', '', 'http', '', '', '', '{}', 0, 0)"
        )

        async def lane() -> Lane | None:
            return worker.pushing.lane(0)

        try:
            await until(lane, bool, SECONDS_MAX)
        finally:
            await worker.database.execute("DELETE FROM pushers WHERE app_id = 'app'")


async def _tried(gateway: Gateway, count: int) -> None:
    async def tries() -> int:
        return gateway.tries

    await until(tries, lambda found: found >= count, SECONDS_MAX)


async def test_a_worker_that_stood_still_pushes_nothing_again(gateway: Gateway) -> None:
    """Others took its people over meanwhile; when it wakes, its leases are over and its fences are old."""
    with data_folder() as data_dir:
        frozen, other = [await asyncio.to_thread(worker, data_dir) for _ in range(2)]
        async with (
            aiohttp.ClientSession(other.base_url) as http,
            aiohttp.ClientSession(frozen.base_url) as frozen_http,
        ):
            alice = await sign_up(http, "alice")
            room_id = await alice.make_room(preset="public_chat")
            keys = []
            for number in range(8):  # some of them are looked after here, some there
                person = await sign_up(http, f"person-{number}")
                await person.join(room_id)
                keys.append(await add_pusher(person, gateway))
            said = [await alice.say(room_id, "to all")]
            await _all_came(gateway, keys, said[-1])
            await until(lambda: _held(frozen_http), bool, SECONDS_MAX)
            frozen.send_signal(signal.SIGSTOP)
            said += [await alice.say(room_id, f"meanwhile {number}") for number in range(3)]
            await _all_came(gateway, keys, said[-1])
            frozen.send_signal(signal.SIGCONT)
            said.append(await alice.through(frozen_http).say(room_id, "awake"))
            await _all_came(gateway, keys, said[-1])
            await until(lambda: _held(frozen_http), bool, SECONDS_MAX)  # it has its share again
            said.append(await alice.say(room_id, "shared"))
            await _all_came(gateway, keys, said[-1])
        for key in keys:
            assert gateway.event_ids(key) == said


async def _all_came(gateway: Gateway, keys: list[str], event_id: str) -> None:
    for key in keys:
        await gateway.came(key, event_id)


async def _held(http: aiohttp.ClientSession) -> float:
    """The pushers that a worker looks after."""
    async with http.get("/metrics") as response:
        lines = (await response.text()).splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("bongsu_pushers_held "))
