"""Messages from device to device, while two workers on one folder are killed in turn: each arrives once, in order.

Answers are lost as well, as on a train: the receiver then comes with the token it had, to whichever worker is next.
"""

import asyncio
import itertools
from contextlib import suppress

import pytest

from tests.api.talking import V3, Talker, sign_up
from tests.durability.doors import PAUSE_SECONDS, Doors, doors

pytestmark = pytest.mark.xdist_group("heavy")  # not beside others that load the whole machine

KILLS = 3
LOST_EVERY = 3  # of the receiver's answers
SECONDS_MAX = 180.0  # on a machine that is busy with more than this


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


async def test_each_message_once_over_kills() -> None:
    async with doors(2) as two, asyncio.timeout(SECONDS_MAX):
        post = Post(two, await sign_up(two.sessions[0], "alice"), await sign_up(two.sessions[0], "bob"))
        is_over = asyncio.Event()
        sending, receiving = asyncio.create_task(post.keep_sending(is_over)), asyncio.create_task(post.keep_receiving())
        for number in range(KILLS):
            await two.kill_one(number, post.sent)
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
