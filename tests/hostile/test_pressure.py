"""A worker with more to do than it can: text passes, what matters less is refused honestly, and comes back after.

The crowd is real: people who scroll back and search, more at once than the worker can answer.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from bongsu.core import limits
from bongsu.core.tiers import Level
from tests.api.talking import room
from tests.hostile.attack import V3, Answer, Attacker, Person, connect, encode, head, sign_up
from tests.server import Server

pytestmark = [pytest.mark.usefixtures("unharmed"), pytest.mark.xdist_group("heavy")]

PEOPLE = 300  # who ask at once
EVENTS = 100  # that each of them reads
SECONDS_MAX = 120.0  # until something is true that takes a few seconds when nothing else runs
LAST_ONE = '{"room":{"timeline":{"limit":1}}}'
LIMITED = (429, "M_LIMIT_EXCEEDED")
SEARCH = "POST", f"{V3}/publicRooms"


@pytest.fixture(scope="module")
def worker(target: Server) -> Iterator[Server]:
    server = Server.start(target.data_dir, "--password-hashing", "fast")
    yield server
    server.stop()


@pytest.fixture
async def alice(worker: Server) -> AsyncIterator[Person]:
    person = await sign_up(worker, "alice")
    yield person
    person.close()


async def metric(server: Server, name: str) -> float:
    """The sum of all lines of it."""
    attacker = Attacker(server)
    lines = (await attacker.ask("GET", "/metrics")).body.decode().splitlines()
    attacker.close()
    return sum(float(line.split()[-1]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))


async def reaches(server: Server, *levels: Level) -> Level:
    """Waits until one of the levels holds."""
    async with asyncio.timeout(SECONDS_MAX):
        while (level := Level(int(await metric(server, "bongsu_pressure_level")))) not in levels:
            await asyncio.sleep(0.05)
    return level


@asynccontextmanager
async def crowd(server: Server, person: Person, room_id: str) -> AsyncIterator[list[Answer]]:
    """So many clients that ask again as soon as they are answered, or when they were told to. Yields the refusals."""
    refusals: list[Answer] = []
    bearer = [("Authorization", f"Bearer {person.token}"), ("Content-Type", "application/json")]
    search = encode({"filter": {"generic_search_term": "room"}}) or b""
    asks = (
        head("GET", f"{room(room_id)}/messages?dir=b&limit={EVENTS}", bearer),
        head(*SEARCH, [*bearer, ("Content-Length", str(len(search)))]) + search,
    )

    async def client(number: int) -> None:
        connection = await connect(server)
        try:
            while True:
                connection.send(asks[number % 2])
                answer = await connection.answer()
                if answer.status == 429:
                    refusals.append(answer)
                    await asyncio.sleep(answer.json["retry_after_ms"] / 1000)
        finally:
            connection.close()

    clients = [asyncio.create_task(client(number)) for number in range(PEOPLE)]
    try:
        yield refusals
        assert not [task for task in clients if task.done()]
    finally:
        for task in clients:
            task.cancel()
        await asyncio.gather(*clients, return_exceptions=True)


async def _talks(alice: Person, room_id: str, count: int) -> None:
    """Every message is acknowledged at its first try, and stands in the room."""
    sent = [await alice.says(room_id, f"message {number} in the crowd") for number in range(count)]
    timeline = (await alice.syncs(filter=LAST_ONE))["rooms"]["join"][room_id]["timeline"]["events"]
    assert [event["event_id"] for event in timeline] == sent[-1:]


async def test_text_passes_while_the_rest_is_shed_and_comes_back(worker: Server, alice: Person) -> None:
    room_id = await alice.makes_room(preset="public_chat", visibility="public", name="a room of the directory")
    for number in range(EVENTS):
        await alice.says(room_id, f"old message {number}")
    assert (await alice.ask(*SEARCH, {})).status == 200
    async with crowd(worker, alice, room_id) as refusals:
        await reaches(worker, *(level for level in Level if level >= Level.SEARCH))
        await _talks(alice, room_id, 20)
        async with asyncio.timeout(SECONDS_MAX):
            while not refusals:
                await asyncio.sleep(0.05)
    low, high = limits.SHED_RETRY_MS
    for refusal in refusals:
        assert refusal.refusal == LIMITED
        assert low <= refusal.json["retry_after_ms"] <= high
        assert int(refusal.headers["retry-after"]) * 1000 >= refusal.json["retry_after_ms"]
        assert refusal.headers["access-control-allow-origin"] == "*"
    assert await metric(worker, 'bongsu_shed_total{reason="pressure",tier="search"}') > 0
    await reaches(worker, Level.CALM)
    assert (await alice.ask(*SEARCH, {})).status == 200
    assert (await alice.ask("GET", f"{room(room_id)}/messages?dir=b")).status == 200


async def test_a_person_with_many_new_devices_waits_and_others_do_not(worker: Server, alice: Person) -> None:
    """First syncs of one account, all at once: some are told to come again, and nobody else notices."""
    bob, token = await sign_up(worker, "bob"), secrets.token_hex(4)
    rooms = [await bob.makes_room(name=f"{token} {number}") for number in range(20)]
    askers = [Person(worker, {"access_token": bob.token, "user_id": bob.user_id, "device_id": ""}) for _ in range(40)]
    many = asyncio.gather(*(asker.ask("GET", f"{V3}/sync?set_presence=offline") for asker in askers))
    assert "next_batch" in await alice.syncs()
    answers = await many
    assert {answer.status for answer in answers} <= {200, 429}
    served = [answer.json for answer in answers if answer.status == 200]
    assert served
    assert all(set(answer["rooms"]["join"]) == set(rooms) for answer in served)
    for refused in (answer for answer in answers if answer.status == 429):
        assert refused.refusal == LIMITED
        assert refused.json["retry_after_ms"] >= 1_000
    for asker in askers:
        asker.close()
    bob.close()
