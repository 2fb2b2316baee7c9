"""Messages from device to device, while two workers on one folder are killed in turn: each arrives once, in order.

Answers are lost as well, as on a train: the receiver then comes with the token it had, to whichever worker is next.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import aiohttp
import pytest

from tests.api.talking import V3, Talker, sign_up
from tests.server import Server, data_folder

pytestmark = pytest.mark.xdist_group("heavy")  # not beside others that load the whole machine

KILLS = 3
ACKNOWLEDGED_BETWEEN = 25  # messages that say that the workers are at work again
LOST_EVERY = 3  # of the receiver's answers
SECONDS_MAX = 90.0
PAUSE_SECONDS = 0.05


class Doors:
    """The workers, asked in turn, each through connections of its own."""

    def __init__(self, workers: list[Server], sessions: list[aiohttp.ClientSession]) -> None:
        self.workers = workers
        self.sessions = sessions
        self._next = itertools.count()

    async def ask(self, talker: Talker, call: Callable[[Talker], Awaitable[tuple[int, Any]]]) -> Any:
        """Asks until a worker answers, whichever that is."""
        while True:
            session = self.sessions[next(self._next) % len(self.sessions)]
            try:
                status, answer = await call(talker.through(session))
            except aiohttp.ClientError:
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            if status == 200:
                return answer
            assert status == 503, answer
            await asyncio.sleep(PAUSE_SECONDS)


class Post:
    """One sender, one receiver. sent: what was acknowledged; got: what arrived."""

    def __init__(self, doors: Doors, sender: Talker, receiver: Talker) -> None:
        self.sent: list[int] = []
        self.got: list[int] = []
        self._doors = doors
        self._sender = sender
        self._receiver = receiver
        self._since: str | None = None
        self._answers = itertools.count(1)

    async def send(self, number: int) -> None:
        messages = {self._receiver.user_id: {self._receiver.device_id: {"number": number}}}
        path = f"{V3}/sendToDevice/m.test/{number}"
        await self._doors.ask(self._sender, lambda talker: talker.ask("PUT", path, {"messages": messages}))

    async def keep_sending(self, until: asyncio.Event) -> None:
        while not until.is_set():
            await self.send(len(self.sent))
            self.sent.append(len(self.sent))

    async def receive(self) -> list[int]:
        """What the next answer brings, even if it is lost."""
        query = {"since": self._since, "timeout": 500, "set_presence": "offline"}
        answer = await self._doors.ask(self._receiver, lambda talker: talker.ask("GET", f"{V3}/sync", **query))
        numbers = [event["content"]["number"] for event in answer["to_device"]["events"]]
        if next(self._answers) % LOST_EVERY:
            self._since = answer["next_batch"]
            self.got += numbers
        return numbers

    async def keep_receiving(self) -> None:
        while True:
            await self.receive()


@pytest.fixture
async def doors() -> AsyncIterator[Doors]:
    with data_folder() as data_dir:
        workers = [await asyncio.to_thread(Server.start, data_dir) for _ in range(2)]
        timeout = aiohttp.ClientTimeout(20)
        sessions = [aiohttp.ClientSession(worker.base_url, timeout=timeout) for worker in workers]
        yield Doors(workers, sessions)
        for session in sessions:
            await session.close()


async def test_each_message_once_over_kills(doors: Doors) -> None:
    post = Post(doors, await sign_up(doors.sessions[0], "alice"), await sign_up(doors.sessions[0], "bob"))
    is_over = asyncio.Event()
    async with asyncio.timeout(SECONDS_MAX):
        sending, receiving = asyncio.create_task(post.keep_sending(is_over)), asyncio.create_task(post.keep_receiving())
        for number in range(KILLS):
            await _more(post.sent)
            worker = doors.workers[number % 2]
            worker.kill()
            await _more(post.sent)
            await asyncio.to_thread(worker.restart)
        is_over.set()
        await sending
        while len(post.got) < len(post.sent) and not receiving.done():
            await asyncio.sleep(PAUSE_SECONDS)
        receiving.cancel()
        with suppress(asyncio.CancelledError):
            await receiving
        assert post.got == post.sent

        for number in post.sent[-5:]:
            await post.send(number)  # a retry that comes late
        assert [await post.receive() for _ in range(2)] == [[], []]
        assert post.got == post.sent


async def _more(sent: list[int]) -> None:
    enough = len(sent) + ACKNOWLEDGED_BETWEEN
    while len(sent) < enough:
        await asyncio.sleep(PAUSE_SECONDS)
