"""What people take along of the services while the site that leads is gone: from the copy that another one has."""

import asyncio
import signal
import time
from urllib.parse import quote

import aiohttp
import pytest
from yarl import URL

from tests.api.boards import Board, make_board
from tests.server import Server, data_folder
from tests.sites.pair import Pair, pair

pytestmark = pytest.mark.xdist_group("sites")
ANSWER_SECONDS_MAX = 60.0
BOOKINGS = "/_bongsu/v1/bookings"


async def test_lists_and_exports_are_there_while_there_is_no_primary() -> None:
    async with pair() as sites:
        with data_folder(with_database=False) as folder:
            options = ("--dsn", sites.dsn, "--password-hashing", "fast", "--drain-seconds", "3")
            server = await asyncio.to_thread(Server.start, folder, *options)
            async with aiohttp.ClientSession(server.base_url) as http:
                board = await _taken_along(sites, http)
                await _stopped_without_a_primary(server, board)


async def _stopped_without_a_primary(server: Server, board: Board) -> None:
    """Whoever waits for a primary is told so when the worker stops, in time to send it again elsewhere."""
    path = f"/_matrix/client/v3/rooms/{quote(board.room_id)}/send/m.room.message/last"
    writing = asyncio.create_task(
        board.people["observer"].ask("PUT", path, {"msgtype": "m.text", "body": "last words"})
    )
    await asyncio.sleep(0.3)
    assert not writing.done()
    assert await asyncio.to_thread(server.stop) == 0
    status, answer = await writing
    assert status == 503, answer


async def _taken_along(sites: Pair, http: aiohttp.ClientSession) -> Board:
    board = await make_board(http)
    await board.bed()
    await board.wish(patient="P-17")
    provider, guest = board.people["coordinator"], board.people["observer"]
    offer = {"title": "t", "place": "p", "starts_at": time.time_ns() // 1_000_000 + 86_400_000, "capacity": 1}
    _, made = await provider.ask("POST", f"{BOOKINGS}/offers", offer)
    at = f"{BOOKINGS}/offers/{made['offer_id']}"
    assert (await guest.ask("POST", f"{at}/book", {}))[0] == 201
    sites.primary.signal(signal.SIGSTOP)
    wanted = {
        f"{board.path}/export.csv": "P-17",
        f"{board.path}/sheet?lang=ko": "한빛병원",
        f"{board.path}/export.xml": "한빛병원",
        f"{board.path}/requests": "P-17",
        f"{board.path}/audit": "request",
        f"{at}/bookings.csv": guest.user_id,
    }
    async with asyncio.timeout(ANSWER_SECONDS_MAX):
        for path, text in wanted.items():
            assert text in await _read(http, path, board)
    return board


async def _read(http: aiohttp.ClientSession, path: str, board: Board) -> str:
    """While a worker only begins to see that the primary is gone, it may ask to come again."""
    headers = {"Authorization": f"Bearer {board.people['coordinator'].access_token}"}
    url = http._base_url.join(URL(path, encoded=True))  # type: ignore[union-attr]
    while True:
        async with http.get(url, headers=headers) as response:
            if response.status == 200:
                return await response.text()
            assert response.status == 503, await response.text()
