"""A site that is emptied: nobody is sent there any more, and nobody who is there is turned away."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from bongsu.store.leaving import leaving_sites, set_leaving
from tests.durability.notes import opened
from tests.order.workers import Person, Workers
from tests.server import Server, data_folder
from tests.sites.pair import Pair, pair

pytestmark = pytest.mark.xdist_group("sites")
LONG_POLL_MS = 60_000


@pytest.fixture(scope="module")
async def sites() -> AsyncIterator[Pair]:
    async with pair() as made:
        yield made


@pytest.fixture
async def workers(sites: Pair) -> AsyncIterator[Workers]:
    """One worker in each of two sites."""
    with data_folder(with_database=False) as left, data_folder(with_database=False) as kept:
        servers = [Server(data, "--dsn", sites.dsn, "--site", name) for data, name in ((left, "left"), (kept, "kept"))]
        for server in servers:
            server.launch()
        for server in servers:
            await asyncio.to_thread(server.wait_ready)
        workers = Workers(servers)
        yield workers
        await workers.close()


async def _ready(workers: Workers, at: int) -> tuple[int, str]:
    async with aiohttp.ClientSession() as http, http.get(f"{workers.servers[at].base_url}/health/ready") as answer:
        return answer.status, (await answer.json()).get("reason", "")


async def _until_ready_is(workers: Workers, at: int, status: int) -> str:
    while True:
        present, reason = await _ready(workers, at)
        if present == status:
            return reason
        await asyncio.sleep(0.1)


async def test_a_site_that_is_emptied_is_not_ready_and_answers_everybody(sites: Pair, workers: Workers) -> None:
    person: Person = await workers.sign_up("stays")
    status, first = await workers.ask(0, "GET", "/_matrix/client/v3/sync", token=person.token)
    assert status == 200
    since = first["next_batch"]
    parked = asyncio.create_task(
        workers.ask(0, "GET", "/_matrix/client/v3/sync", token=person.token, since=since, timeout=LONG_POLL_MS)
    )
    async with opened(sites.dsn) as database, asyncio.timeout(LONG_POLL_MS / 1000 / 2):
        await set_leaving(database, "left", True)
        await set_leaving(database, "left", True)
        assert await leaving_sites(database) == {"left"}
        assert "emptied" in await _until_ready_is(workers, 0, 503)
        assert (await parked)[0] == 200, "a parked sync comes back early, and well"
        assert (await _ready(workers, 1))[0] == 200
        status, _ = await workers.ask(0, "POST", "/_matrix/client/v3/createRoom", {}, token=person.token)
        assert status == 200, "who has not moved yet is served"
        await set_leaving(database, "left", False)
        await _until_ready_is(workers, 0, 200)
