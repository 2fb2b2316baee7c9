"""Thousands who come at one moment, each once, are not thousands of questions to the table of rate limits."""

import secrets
from contextlib import suppress

import asyncpg

from bongsu.core.errors import Refusal
from bongsu.http.ratelimit import RATES, RateLimiter
from bongsu.main import now_ms
from bongsu.store.database import Database
from bongsu.store.rate_limits import RateLimits


async def test_the_first_lease_of_who_books_is_a_credit(two: tuple[Database, Database]) -> None:
    limiter, run = RateLimiter(RateLimits(two[0]), now_ms), secrets.token_hex(4)
    people = [f"@{run}-{number}:x" for number in range(50)]
    for person in people:
        for _ in range(RATES["book"].lease):
            await limiter.spend_for("book", person)
    asked = "SELECT count(*) FROM rate_limits WHERE key LIKE $1"
    assert await two[0].fetchval(asked, f"book @{run}%") == 0
    await limiter.spend_for("book", people[0])
    assert await two[0].fetchval(asked, f"book @{run}%") == 1
    await limiter.spend_for("board", people[0])  # no crowd comes there
    assert await two[0].fetchval(asked, f"board @{run}%") == 1


class Unwritable(RateLimits):
    async def take(self, key: str, seconds: float, full_seconds: float) -> bool:
        raise asyncpg.DiskFullError("a fault of the database")


async def test_a_database_that_cannot_count_refuses_nobody(two: tuple[Database, Database]) -> None:
    limiter = RateLimiter(Unwritable(two[0]), now_ms)
    await limiter.spend_for("board", f"@{secrets.token_hex(4)}:x")


async def test_a_credit_ends(two: tuple[Database, Database]) -> None:
    limiter, person, rate = RateLimiter(RateLimits(two[0]), now_ms), f"@{secrets.token_hex(4)}:x", RATES["book"]
    began, served = now_ms(), 0
    with suppress(Refusal):
        while served < 10 * rate.at_once:
            await limiter.spend_for("book", person)
            served += 1
    assert served <= rate.at_once + 2 * rate.lease + 1 + rate.per_second * (now_ms() - began) / 1_000
