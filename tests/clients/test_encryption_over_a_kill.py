"""Two people with matrix-nio and two with matrix-js-sdk in one encrypted room, whose server dies and comes back.

Everything that was said is read by everybody, once. What a server that dies may lose are the answers
under way: a room's key that a client does not know it has sent, and a message that it sends again.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import nio  # type: ignore[import-untyped]
import pytest

from tests.clients.device import MEGOLM, Device, device_of
from tests.clients.node import Puppet, puppet
from tests.clients.person import People, ok, people_on
from tests.server import Server, data_folder

pytestmark = pytest.mark.xdist_group("js")


@pytest.fixture
async def own_server() -> AsyncIterator[Server]:
    """One that may be killed."""
    with data_folder() as data_dir:
        yield await asyncio.to_thread(Server.start, data_dir, "--password-hashing", "fast")


class Circle:
    """Four people with keys in one room. said: texts by event id."""

    def __init__(self, server: Server, room_id: str, devices: list[Device], puppets: list[Puppet]) -> None:
        self.server = server
        self.room_id = room_id
        self.devices = devices
        self.puppets = puppets
        self.said: dict[str, str] = {}

    async def each_says(self, text: str) -> None:
        """All of them, at the same time. Texts are told apart by who says them."""
        everybody: list[Device | Puppet] = [*self.devices, *self.puppets]
        await asyncio.gather(*(self.says(one, f"{text}, says {number}") for number, one in enumerate(everybody)))

    async def says(self, who: Device | Puppet, body: str) -> None:
        self.said[await who.deliver(self.room_id, body)] = body

    async def all_read(self) -> None:
        """Returns when everybody has read everything; nobody anything twice.

        matrix-nio shows the server's order; matrix-js-sdk leaves what somebody sends where they sent it.
        """
        for one in self.puppets:
            await one.act("online")
        for event_id, body in self.said.items():
            for device in self.devices:
                assert await device.reads(event_id) == body
            for one in self.puppets:
                assert await one.reads(self.room_id, event_id) == body
        read = [list(device.read.values()) for device in self.devices]
        assert read[0] == read[1]
        read += [await one.act("bodies", self.room_id) for one in self.puppets]
        assert [sorted(bodies) for bodies in read] == [sorted(self.said.values())] * 4

    async def kill_and_restart(self) -> None:
        self.server.kill()
        await asyncio.to_thread(self.server.restart)


async def gather(server: Server, people: People, stack: AsyncExitStack, folder: Path) -> Circle:
    """Everybody in the room, and known to everybody with nio; matrix-js-sdk looks for itself when it sends."""
    room_id, (alice, bob) = await people.group("alice", "bob")
    await ok(alice.client.room_put_state(room_id, "m.room.encryption", MEGOLM), nio.RoomPutStateResponse)
    puppets = [
        await stack.enter_async_context(puppet(server.base_url, name, crypto=True)) for name in ("carol", "dave")
    ]
    for one in puppets:
        await ok(alice.client.room_invite(room_id, one.user_id), nio.RoomInviteResponse)
        await one.join(room_id)
    devices = [
        await stack.enter_async_context(device_of(server.base_url, person.user_id, folder / person.name))
        for person in (alice, bob)
    ]
    for device in devices:
        for user_id in (alice.user_id, bob.user_id, *(one.user_id for one in puppets)):
            if user_id != device.client.user_id:
                await device.knows(user_id, 1)
    return Circle(server, room_id, devices, puppets)


async def test_talk_goes_on_over_a_killed_server(own_server: Server, tmp_path: Path) -> None:
    async with people_on(own_server.base_url) as people, AsyncExitStack() as stack:
        circle = await gather(own_server, people, stack, tmp_path)
        await circle.each_says("before")
        await circle.all_read()

        talking = asyncio.create_task(circle.each_says("while it dies"))
        while len(circle.said) == 4 and not talking.done():
            await asyncio.sleep(0.005)
        await circle.kill_and_restart()
        await talking
        await circle.all_read()

        carol = circle.puppets[0]
        await carol.act("renewKey", circle.room_id)
        await circle.says(carol, "by a new key")
        await circle.kill_and_restart()
        await circle.each_says("afterwards")
        await circle.all_read()
