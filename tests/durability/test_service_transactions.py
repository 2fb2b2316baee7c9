"""Workers are killed in the middle of a transaction: the application service is told all of it, in order, unchanged."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.api.talking import V3, Talker, ask, room, sign_up
from tests.bridge import AS_TOKEN, Bridge
from tests.server import SERVER_NAME, Server, data_folder
from tests.waiting import until

SECONDS_MAX = 30.0  # a lease of a killed worker ends within 6 s


@pytest.fixture
async def bridge() -> AsyncIterator[Bridge]:
    bridge = Bridge()
    await bridge.start()
    yield bridge
    await bridge.stop()


def add(bridge: Bridge, data_dir: Path, folder: Path) -> None:
    command = [sys.executable, "-m", "bongsu", "appservice", "add", str(bridge.write(folder))]
    subprocess.run([*command, "--data", str(data_dir), "--server-name", SERVER_NAME], check=True, timeout=60)


async def make_room(http: aiohttp.ClientSession, alice: Talker) -> str:
    """A room with the bridge's own account in it."""
    bot = {"Authorization": f"Bearer {AS_TOKEN}"}
    room_id = await alice.make_room(invite=[f"@bridgebot:{SERVER_NAME}"])
    assert (await ask(http, "POST", f"{room(room_id)}/join", {}, bot))[0] == 200
    return room_id


async def test_killed_in_the_middle_of_a_transaction(bridge: Bridge, tmp_path: Path) -> None:
    with data_folder() as data_dir:
        workers = [Server.start(data_dir, "--password-hashing", "fast") for _ in range(2)]
        add(bridge, data_dir, tmp_path)
        async with aiohttp.ClientSession(workers[0].base_url) as http:
            alice = await sign_up(http, "alice")
            room_id = await make_room(http, alice)
            said = [await alice.say(room_id, f"before {number}") for number in range(5)]
            await _taken(bridge, said[-1])
            bridge.hangs = True
            said.append(await alice.say(room_id, "in the middle"))
            under_way = await _try_with(bridge, said[-1])
        for worker in workers:  # whoever tells, and whoever could take over
            worker.kill()
        bridge.hangs = False
        tried = len(bridge.tries)
        workers[0].restart()
        async with aiohttp.ClientSession(workers[0].base_url) as http:
            after = alice.through(http)
            said += [await after.say(room_id, f"after {number}") for number in range(5)]
            await _taken(bridge, said[-1])
            await after.get(f"{V3}/account/whoami")
        assert bridge.tries[tried] == under_way  # first of all, the very same
        messages = [event["event_id"] for event in bridge.events if event["type"] == "m.room.message"]
        assert messages == said
        assert len({txn_id for txn_id, _ in bridge.taken}) == len(bridge.taken)


async def _taken(bridge: Bridge, event_id: str) -> None:
    async def events() -> list[str]:
        return [event["event_id"] for event in bridge.events]

    await until(events, lambda found: event_id in found, SECONDS_MAX)


async def _try_with(bridge: Bridge, event_id: str) -> tuple[str, bytes]:
    """The transaction that was sent with this event, and is not answered."""

    async def tries() -> list[tuple[str, bytes]]:
        return [(txn_id, raw) for txn_id, raw in bridge.tries if event_id in raw.decode()]

    found = await until(tries, bool, SECONDS_MAX)
    assert json.loads(found[0][1])["events"]
    return found[0]
