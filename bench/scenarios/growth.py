"""How costs grow: with the rooms of an account, the length of a history, the readers of a room, its members.

Of each thing several sizes are built, and the same work is done in each. A cost that does not depend on the size stays
the same; what is linear grows as the size does.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from bench.api import V3, User, checked, each, encode, sync_path
from bench.figures import Better, Figure, median, per
from bench.load import run
from bench.processes import Usage
from bench.scenarios.chat import DRAIN_SECONDS_MAX, SECONDS_MAX, ChatSpec, chat_job
from bench.scenarios.scenario import Measured, Step
from bench.sizes import Sizes
from bench.target import Target
from bongsu.drill.wire import Connection, request

TURNS = 150  # messages, each followed by a sync of the one who reads along
CHANGES = 40  # of membership, in each room
READERS_RATE = 10.0  # messages a second
READERS_SECONDS = 8.0
MEMORY_LOOK_SECONDS = 0.02
MIB = 1024 * 1024


class Growth:
    name = "growth"
    title = "How costs grow"
    floors = ()

    def __init__(self, sizes: Sizes) -> None:
        self._sizes = sizes

    async def prepare(self, target: Target) -> None:
        if target.name != "bongsu":
            raise NotImplementedError("this scenario compares one server with itself")
        await target.users(max(self._sizes.growth_members))

    def steps(self) -> list[Step]:
        sizes = self._sizes
        return [
            *(Step(f"an account of {count} rooms", self._rooms(count), 1) for count in sizes.growth_rooms),
            *(Step(f"a history of {count} messages", self._history(count), 1) for count in sizes.growth_history),
            *(Step(f"{count} readers of one room", self._readers(count), 1) for count in sizes.growth_readers),
            *(Step(f"a room of {count} members", self._members(count), 1) for count in sizes.growth_members),
        ]

    # --- the same work, in accounts and rooms of several sizes ---

    def _rooms(self, count: int) -> Callable[[Target], Awaitable[Measured]]:
        async def measure(target: Target) -> Measured:
            owner, friend = await target.api.register(f"rooms{count}"), await target.api.register(f"friend{count}")
            with target.stage(f"an account of {count} rooms", count) as advance:
                room_ids = await each(
                    range(count), lambda number: target.api.create_room(owner, f"room {number}"), advance=advance
                )
            await target.api.join(friend, room_ids[0])
            figures = await self._turns(
                target, f"growth/rooms/{count}", f"{count:,} rooms: ", owner, friend, room_ids[0]
            )
            return Measured([*figures, *await self._first_sync(target, count, owner)])

        return measure

    def _history(self, count: int) -> Callable[[Target], Awaitable[Measured]]:
        async def measure(target: Target) -> Measured:
            owner, friend = await target.api.register(f"long{count}"), await target.api.register(f"short{count}")
            room_id = await target.api.create_room(owner, f"a history of {count}")
            await target.api.join(friend, room_id)
            with target.stage(f"a history of {count} messages", count) as advance:
                await each(range(count), lambda n: target.api.send(friend, room_id, f"{n}"), advance=advance)
            at, title = f"growth/history/{count}", f"{count:,} messages before: "
            return Measured(await self._turns(target, at, title, owner, friend, room_id))

        return measure

    async def _turns(
        self, target: Target, at: str, title: str, reader: User, writer: User, room_id: str
    ) -> list[Figure]:
        """One writes, the other syncs, again and again."""
        filter_id = await target.api.upload_filter(reader, 20)
        since = await target.api.next_batch(reader, filter_id=filter_id)
        await target.server.settle()
        sends, syncs, before = [], [], target.server.usage()
        for number in range(TURNS):
            started = time.monotonic()
            await target.api.send(writer, room_id, f"turn {number}")
            sent = time.monotonic()
            since = await target.api.next_batch(reader, since, filter_id)
            sends.append(sent - started)
            syncs.append(time.monotonic() - sent)
        used = target.server.usage() - before
        return [
            Figure(f"{at}/send_ms", f"{title}a message, p50", median(sends) * 1e3, "ms"),
            Figure(f"{at}/sync_ms", f"{title}the sync after it, p50", median(syncs) * 1e3, "ms"),
            *_cpu(at, f"{title}both", used, TURNS),
        ]

    async def _first_sync(self, target: Target, count: int, owner: User) -> list[Figure]:
        """On a new device. memory: how much more than before the server ever had while it was made."""
        device = await target.api.login(owner.user_id)
        filter_id = await target.api.upload_filter(device, 20)
        await target.server.settle()
        connection = Connection(target.server.port)
        await connection.connect()
        height, is_over = _Height(target), asyncio.Event()
        watching = asyncio.create_task(height.watch(is_over))
        await asyncio.sleep(MEMORY_LOOK_SECONDS)
        before, started = target.server.usage(), time.monotonic()
        body = checked(await connection.exchange(request("GET", sync_path(filter_id=filter_id), device.token)), "sync")
        seconds, used = time.monotonic() - started, target.server.usage() - before
        is_over.set()
        await watching
        connection.close()
        at, title = f"growth/first_sync/{count}", f"{count:,} rooms, first sync: "
        return [
            Figure(f"{at}/ms", f"{title}time", seconds * 1e3, "ms"),
            Figure(f"{at}/kb", f"{title}size", len(body) / 1e3, "kB", Better.NEITHER),
            Figure(f"{at}/memory_mib", f"{title}memory at its height", height.bytes / MIB, "MiB"),
            *_cpu(at, f"{title}all", used, 1),
        ]

    def _readers(self, count: int) -> Callable[[Target], Awaitable[Measured]]:
        async def measure(target: Target) -> Measured:
            users = (await target.users(count + 1))[:count]
            room_id = await self._room_of(target, users)
            with target.stage(f"first sync of {count} readers", count) as advance:
                readers = await each(users, lambda user: target.reader(user, room_id), advance=advance)
            await target.server.settle()
            spec = ChatSpec(target.server.port, readers, READERS_RATE, READERS_SECONDS)
            longest = READERS_SECONDS + DRAIN_SECONDS_MAX + SECONDS_MAX
            outcome = await run(chat_job, [spec], target.server.usage, seconds_max=longest)
            result = outcome.results[0]
            at, title = f"growth/readers/{count}", f"{count:,} readers: "
            delivered = len(result.arrivals)
            each_us = per(outcome.usage.server, delivered, 1e6)
            return Measured(
                [
                    *_cpu(at, f"{title}a message", outcome.usage, result.acknowledged),
                    Figure(f"{at}/delivery_us", f"{title}server CPU per delivery", each_us, "µs"),
                    Figure(f"{at}/lost", f"{title}deliveries lost or late", result.lost, ""),
                ]
            )

        return measure

    def _members(self, count: int) -> Callable[[Target], Awaitable[Measured]]:
        """One person leaves and comes back: nothing of the others' memberships may be stored again for that."""

        async def measure(target: Target) -> Measured:
            users = await target.users(count)
            room_id = await self._room_of(target, users)
            mover = users[-1]
            await target.server.settle()
            before = target.server.usage()
            for _ in range(CHANGES // 2):
                checked(await target.api.call("POST", f"{V3}/rooms/{encode(room_id)}/leave", mover, {}), "leave")
                await target.api.join(mover, room_id)
            used = target.server.usage() - before
            at, title = f"growth/members/{count}", f"{count:,} members: "
            return Measured(_cpu(at, f"{title}a change of membership", used, CHANGES))

        return measure

    async def _room_of(self, target: Target, users: Sequence[User]) -> str:
        room_id = await target.api.create_room(users[0], f"a room of {len(users)}")
        with target.stage(f"{len(users)} people join one room", len(users)) as advance:
            await each(users[1:], lambda user: target.api.join(user, room_id), self._sizes.town_joins_at_once, advance)
        return room_id


class _Height:
    """Notes by how much the server's memory rose while it was watched."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self.bytes = 0

    async def watch(self, is_over: asyncio.Event) -> None:
        low = self._target.server.memory_bytes()[0]
        while not is_over.is_set():
            await asyncio.sleep(MEMORY_LOOK_SECONDS)
            self.bytes = max(self.bytes, self._target.server.memory_bytes()[0] - low)


def _cpu(at: str, title: str, used: Usage, count: int) -> list[Figure]:
    return [
        Figure(f"{at}/cpu_us", f"{title}, server CPU", per(used.server, count, 1e6), "µs"),
        Figure(f"{at}/postgres_us", f"{title}, PostgreSQL CPU", per(used.postgres, count, 1e6), "µs"),
    ]
