"""The site with the database's primary is lost, and a worker with it: what is owed is pushed from the other site."""

import asyncio
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.api.talking import Talker, sign_up
from tests.gateway import SECONDS_MAX, Gateway, add_pusher
from tests.server import Server
from tests.sites.pair import Pair, pair
from tests.waiting import until

pytestmark = pytest.mark.xdist_group("sites")


@pytest.fixture
async def sites() -> AsyncIterator[Pair]:
    async with pair() as made:
        yield made


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    gateway = Gateway()
    await gateway.start()
    yield gateway
    await gateway.stop()


@pytest.fixture
async def workers(sites: Pair) -> AsyncIterator[list[Server]]:
    """One in each site."""
    with tempfile.TemporaryDirectory(prefix="bongsu-") as folder:
        options = ("--dsn", sites.dsn, "--password-hashing", "fast", "--push-private-addresses")
        started = [await asyncio.to_thread(Server.start, Path(folder) / name, *options) for name in ("one", "other")]
        yield started
        for worker in started:
            if worker.alive:
                worker.kill()


async def test_a_push_owed_survives_the_loss_of_a_site(sites: Pair, workers: list[Server], gateway: Gateway) -> None:
    burnt, left = workers
    async with aiohttp.ClientSession(burnt.base_url) as there, aiohttp.ClientSession(left.base_url) as here:
        alice = await sign_up(there, "alice")
        room_id = await alice.make_room(preset="public_chat")
        keys = [await _person(there, room_id, gateway) for _ in range(6)]  # looked after here and there
        said = [await alice.say(room_id, f"before {number}") for number in range(3)]
        await _all_came(gateway, keys, said[-1])
        gateway.status = 503
        said += [await alice.say(room_id, f"owed {number}") for number in range(3)]
        tried = gateway.tries

        async def tries() -> int:
            return gateway.tries

        await until(tries, lambda count: count > tried, SECONDS_MAX)
        burnt.kill()
        sites.primary.signal(signal.SIGKILL)
        gateway.status = 200
        await sites.promote()
        said.append(await alice.through(here).say(room_id, "after"))
        await _all_came(gateway, keys, said[-1])
    for key in keys:
        assert gateway.event_ids(key) == said


async def _person(http: aiohttp.ClientSession, room_id: str, gateway: Gateway) -> str:
    person: Talker = await sign_up(http, "person")
    await person.join(room_id)
    return await add_pusher(person, gateway)


async def _all_came(gateway: Gateway, keys: list[str], event_id: str) -> None:
    for key in keys:
        await gateway.came(key, event_id)
