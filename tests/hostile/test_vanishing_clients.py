"""Ten thousand clients that wait for news, and vanish without a word. Everybody else notices neither."""

import asyncio
import resource
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from bongsu.core import limits
from tests.api.talking import room
from tests.hostile.attack import SECONDS_MAX, V3, Attacker, Person, connect, head, nothing_is_logged, sign_up
from tests.server import Server

PROJECT = Path(__file__).parents[2]
SYNCS_PER_DEVICE = limits.PARKED_SYNCS_PER_DEVICE_MAX
DESCRIPTORS = resource.getrlimit(resource.RLIMIT_NOFILE)[1]  # what this system gives one process
DEVICES = min(10_000, DESCRIPTORS - 1_000) // SYNCS_PER_DEVICE
CLIENTS = DEVICES * SYNCS_PER_DEVICE
PARKED_BYTES_MAX = 40_000  # of one waiting client: its connection, request and place; measured: 17 kB
LEFT_BYTES_MAX = 2_000  # what one of a second crowd may add to what the first one left; measured: 270 bytes
DESCRIPTORS_MORE_MAX = 20  # connections to the database that were opened meanwhile, and this test's own
pytestmark = pytest.mark.xdist_group("heavy")  # not beside others that load the whole machine

SETTLE_SECONDS_MAX = 120.0  # with other work on the machine; without, it takes less than one


class Watched:
    """A worker and what it holds."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._process = psutil.Process(server.pid)
        self._attacker = Attacker(server)

    async def parked(self) -> int:
        metrics = (await self._attacker.ask("GET", "/metrics")).body.decode()
        gauge = next(line for line in metrics.splitlines() if line.startswith("bongsu_parked_syncs "))
        return int(float(gauge.split()[1]))

    async def settles(self, parked: int) -> None:
        """Returns when so many syncs wait."""
        deadline = time.monotonic() + SETTLE_SECONDS_MAX
        while (now := await self.parked()) != parked:
            assert time.monotonic() < deadline, f"{now} syncs wait, not {parked}"
            await asyncio.sleep(0.05)

    @property
    def descriptors(self) -> int:
        return int(self._process.num_fds())

    @property
    def bytes(self) -> int:
        return int(self._process.memory_info().rss)


@pytest.fixture(scope="module")
def crowded(target: Server) -> Iterator[Server]:
    """A worker for the crowd alone: what it holds is theirs."""
    server = Server.start(target.data_dir, "--password-hashing", "fast", "--rate-limits")
    yield server
    server.stop()


@pytest.fixture(scope="module")
async def tokens(target: Server) -> list[str]:
    """One device each of so many people, who sign up on another worker."""
    people = asyncio.Queue[int]()
    for number in range(DEVICES):
        people.put_nowait(number)
    found: list[str] = []

    async def sign_up_some() -> None:
        while not people.empty():
            person = await sign_up(target, f"crowd{people.get_nowait()}")
            assert person.token is not None
            found.append(person.token)

    await asyncio.gather(*(sign_up_some() for _ in range(20)))
    return found


@asynccontextmanager
async def crowd(server: Server, tokens: Sequence[str], since: str, syncs_per_device: int) -> AsyncIterator[None]:
    """The crowd waits inside, and has vanished after."""
    command = [sys.executable, "-m", "tests.hostile.crowd", str(server.port), since, str(syncs_per_device)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=PROJECT)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write("\n".join(tokens))
        process.stdin.close()
        assert int(await asyncio.to_thread(process.stdout.readline)) == len(tokens) * syncs_per_device
        yield
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


async def _others_are_served(server: Server) -> None:
    """Two people talk while the crowd waits: what one says reaches the other, who waits in a sync too."""
    alice, bob = await sign_up(server, "alice"), await sign_up(server, "bob")
    room_id = await alice.makes_room(preset="public_chat")
    await bob.does("POST", f"{room(room_id)}/join", {})
    for number in range(5):
        since = (await bob.syncs())["next_batch"]
        waiting = asyncio.create_task(bob.syncs(since=since, timeout=10_000))
        await asyncio.sleep(0.02)
        began = time.monotonic()
        await alice.says(room_id, str(number))
        heard = (await waiting)["rooms"]["join"][room_id]["timeline"]["events"]
        assert time.monotonic() - began < SECONDS_MAX
        assert [event["content"]["body"] for event in heard] == [str(number)]
    alice.close()
    bob.close()


async def test_ten_thousand_clients_vanish(target: Server, crowded: Server, tokens: list[str]) -> None:
    watched, person = Watched(crowded), Person(crowded, {"access_token": tokens[0], "user_id": "", "device_id": ""})
    since = (
        f"s{await Attacker(target).position()}"  # of the worker they signed up on: this one may not have read it yet
    )
    sync = f"{V3}/sync?set_presence=offline&since={since}"
    await _others_are_served(crowded)
    descriptors, empty = watched.descriptors, watched.bytes
    with nothing_is_logged():
        async with crowd(crowded, tokens, since, SYNCS_PER_DEVICE):
            await watched.settles(CLIENTS)
            assert watched.bytes - empty < CLIENTS * PARKED_BYTES_MAX
            await _others_are_served(crowded)
            refused = await person.ask("GET", f"{sync}&timeout=30000")
            assert (refused.refusal, refused.headers["retry-after"]) == ((429, "M_LIMIT_EXCEEDED"), "1")
        await watched.settles(0)
        assert watched.descriptors <= descriptors + DESCRIPTORS_MORE_MAX
        left = watched.bytes
        async with crowd(crowded, tokens, since, 1):
            await watched.settles(DEVICES)
        await watched.settles(0)
    assert watched.bytes - left < DEVICES * LEFT_BYTES_MAX, f"{empty}, {left}, then {watched.bytes}"
    assert (await person.ask("GET", f"{sync}&timeout=100")).status == 200
    person.close()


@pytest.mark.parametrize(("behind", "timeout_ms"), [(0, 100_000), (1, 1_000), (5, 1_000)])
async def test_who_hangs_up_at_once_does_not_wait(crowded: Server, behind: int, timeout_ms: int) -> None:
    """Before the sync has found its place, too. With requests sent behind it nobody reads on, so that the end of the
    connection is not seen before the sync's own; and no device has more than a few of those.
    """
    watched = Watched(crowded)
    person = await sign_up(crowded, "hasty")
    await person.makes_room()
    since = f"s{await person.position()}"
    bearer = [("Authorization", f"Bearer {person.token}")]
    sync = head("GET", f"{V3}/sync?set_presence=offline&since={since}&timeout={timeout_ms}", bearer)
    more = head("GET", f"{V3}/account/whoami", bearer) * behind
    for pause in (0.0, 0.0, 0.0, 0.001, 0.002, 0.005, 0.02, 0.1):
        connection = await connect(crowded)
        connection.send(sync, more)
        await asyncio.sleep(pause)
        connection.close()
    assert await watched.parked() <= SYNCS_PER_DEVICE
    await watched.settles(0)
    assert (await person.ask("GET", f"{V3}/sync?set_presence=offline&since={since}&timeout=10")).status == 200
    person.close()
