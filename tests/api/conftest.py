"""People for the tests of rooms, each new for each test."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from tests.api.talking import Talker, sign_up


@pytest.fixture
async def http(base_url: str) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(base_url, timeout=aiohttp.ClientTimeout(60)) as session:
        yield session


@pytest.fixture
async def alice(http: aiohttp.ClientSession) -> Talker:
    return await sign_up(http, "alice")


@pytest.fixture
async def bob(http: aiohttp.ClientSession) -> Talker:
    return await sign_up(http, "bob")
