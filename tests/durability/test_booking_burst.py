"""Very many want few places at once, on two workers, one of which dies in the middle: each place is taken once."""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import asyncpg
import pytest

from bongsu.http.authentication import ACCESS_PREFIX, token_hash
from tests.api.talking import ask, sign_up
from tests.server import SERVER_NAME, Server

BASE = "/_bongsu/v1/bookings"
PEOPLE = 300
PLACES = 40
Answer = tuple[int, Any]


class Crowd:
    """People with access tokens, made in the tables: their sign-up is not what is tested."""

    def __init__(self, sessions: list[aiohttp.ClientSession]) -> None:
        run = secrets.token_hex(4)
        self.people = [f"@crowd-{run}-{number}:{SERVER_NAME}" for number in range(PEOPLE)]
        self.tokens = [ACCESS_PREFIX + secrets.token_urlsafe(32) for _ in self.people]
        self._sessions = sessions

    async def move_in(self, database: asyncpg.Connection) -> None:
        await database.executemany("INSERT INTO users (user_id) VALUES ($1)", [(each,) for each in self.people])
        devices = [(each, "D") for each in self.people]
        await database.executemany("INSERT INTO devices (user_id, device_id) VALUES ($1, $2)", devices)
        await database.executemany(
            "INSERT INTO access_tokens (token_hash, user_id, device_id) VALUES ($1, $2, 'D')",
            [(token_hash(token), each) for each, token in zip(self.people, self.tokens, strict=True)],
        )

    async def book(self, offer: str, number: int) -> Answer:
        """Asks the workers in turn, with one key, until one answers."""
        headers = {"Authorization": f"Bearer {self.tokens[number]}", "Idempotency-Key": "burst"}
        turn = number
        while True:
            try:
                status, answer = await ask(self._sessions[turn % 2], "POST", f"{offer}/book", {}, headers)
                if status not in (429, 503):  # under pressure people are asked to come again
                    return status, answer
            except aiohttp.ClientError:
                pass
            turn += 1
            await asyncio.sleep(0.05)


@pytest.fixture
async def sessions(workers: list[Server]) -> AsyncIterator[list[aiohttp.ClientSession]]:
    for worker in workers:
        if not worker.alive:
            worker.restart()
    connector = [aiohttp.TCPConnector(limit=0) for _ in workers]
    made = [aiohttp.ClientSession(w.base_url, connector=c) for w, c in zip(workers, connector, strict=True)]
    yield made
    for session in made:
        await session.close()


async def publish(session: aiohttp.ClientSession) -> str:
    provider = await sign_up(session, "provider")
    body = {"title": "t", "place": "p", "starts_at": time.time_ns() // 1_000_000 + 10**8, "capacity": PLACES}
    status, answer = await provider.ask("POST", f"{BASE}/offers", body)
    assert status == 201, answer
    return f"{BASE}/offers/{answer['offer_id']}"


async def taken(database: asyncpg.Connection, offer: str) -> list[str]:
    rows = await database.fetch(
        "SELECT user_id FROM bookings WHERE offer_id = $1 AND state = 'booked' ORDER BY arrival",
        offer.rsplit("/", maxsplit=1)[-1],
    )
    return [row["user_id"] for row in rows]


@pytest.mark.parametrize("dies", [False, True], ids=["all live", "one dies"])
async def test_a_burst(
    workers: list[Server], sessions: list[aiohttp.ClientSession], database: asyncpg.Connection, dies: bool
) -> None:
    offer, crowd = await publish(sessions[0]), Crowd(sessions)
    await crowd.move_in(database)
    asking = [asyncio.create_task(crowd.book(offer, number)) for number in range(PEOPLE)]
    if dies:
        await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
        workers[1].kill()
    answers = await asyncio.gather(*asking)
    counted = Counter(answer.get("errcode", status) for status, answer in answers)
    assert counted == {201: PLACES, "BONGSU_SOLD_OUT": PEOPLE - PLACES}
    winners = await taken(database, offer)
    assert sorted(winners) == sorted(crowd.people[n] for n, (status, _) in enumerate(answers) if status == 201)
    assert len(set(winners)) == PLACES
    number, first = next((n, answer) for n, answer in enumerate(answers) if answer[0] == 201)
    assert await crowd.book(offer, number) == first


async def test_the_database_itself_sells_no_place_too_many(
    sessions: list[aiohttp.ClientSession], database: asyncpg.Connection
) -> None:
    offer_id = (await publish(sessions[0])).split("/")[-1]
    insert = "INSERT INTO bookings VALUES ($1, $2, $3, 'booked', $4, 0)"
    for number in range(PLACES):
        await database.execute(insert, f"{offer_id}-{number}", offer_id, f"@p{number}:x", number)
    with pytest.raises(asyncpg.CheckViolationError, match="booking_never_oversold"):
        await database.execute(insert, f"{offer_id}-x", offer_id, "@px:x", PLACES)
    await database.execute("UPDATE bookings SET state = 'cancelled' WHERE booking_id = $1", f"{offer_id}-0")
    with pytest.raises(asyncpg.UniqueViolationError):
        await database.execute(insert, f"{offer_id}-y", offer_id, "@p1:x", PLACES)
