"""People for the tests of rooms, each new for each test: so many that their passwords are hashed at little cost."""

import os
from collections.abc import AsyncIterator

import aiohttp
import asyncpg
import pytest
from tests.api import signing_in
from tests.api.boards import Board, make_board
from tests.api.browser import Browser
from tests.api.talking import Talker, sign_up
from tests.server import FOR_TESTS, Server

from bongsu.store.embedded import EmbeddedPostgres


@pytest.fixture
async def http(base_url: str) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(base_url, timeout=aiohttp.ClientTimeout(60)) as session:
        yield session


@pytest.fixture(scope="session")
def other_base_url(base_url: str, request: pytest.FixtureRequest) -> str:
    """Where a second worker of the same server answers, which lets no new guests in."""
    if os.environ.get("BONGSU_TEST_BASE_URL"):
        pytest.skip("a server from outside has no second worker")
    server: Server = request.getfixturevalue("server")
    return Server.start(server.data_dir, *FOR_TESTS).base_url


@pytest.fixture
async def elsewhere(other_base_url: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Speaks with the second worker."""
    async with aiohttp.ClientSession(other_base_url, timeout=aiohttp.ClientTimeout(60)) as session:
        yield session


@pytest.fixture
async def alice(http: aiohttp.ClientSession) -> Talker:
    return await sign_up(http, "alice")


@pytest.fixture
async def bob(http: aiohttp.ClientSession) -> Talker:
    return await sign_up(http, "bob")


@pytest.fixture
async def board(http: aiohttp.ClientSession) -> Board:
    return await make_board(http)


@pytest.fixture
async def database(server: Server) -> AsyncIterator[asyncpg.Connection]:
    """The tables themselves: to let time pass, and to hand out what people cannot make for themselves."""
    postgres = EmbeddedPostgres(server.data_dir)
    connection = await asyncpg.connect(await postgres.start())
    yield connection
    await connection.close()
    await postgres.stop()


# --- somebody at the server's own pages ---


@pytest.fixture
def browser_url(base_url: str) -> str:
    return base_url


@pytest.fixture
async def browser(browser_url: str) -> AsyncIterator[Browser]:
    browser = Browser(browser_url)
    yield browser
    await browser.close()


@pytest.fixture
async def other(browser_url: str) -> AsyncIterator[Browser]:
    """Somebody else's."""
    browser = Browser(browser_url)
    yield browser
    await browser.close()


@pytest.fixture
async def user_id(http: aiohttp.ClientSession, browser: Browser) -> str:
    """Somebody whose browser is signed in."""
    user_id = await signing_in.sign_up(http)
    page = await signing_in.sign_in_browser(browser, user_id)
    assert page.path == "/account", page.text
    return user_id
