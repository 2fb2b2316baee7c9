"""The first sync of a new device in a heavy account: many rooms, each with a full timeline."""

import time

import msgspec

from bench.api import User, checked, each, sync_path
from bench.figures import Better, Figure, Floor, median
from bench.processes import Usage
from bench.scenarios.scenario import Measured, Step
from bench.sizes import Sizes
from bench.target import Target
from bongsu.drill.wire import Connection, request

TIMELINE_LIMIT = 20
WARM_SYNCS = 3  # each by a device of its own, as servers cache a device's reply


class _Timeline(msgspec.Struct):
    events: list[msgspec.Raw]


class _Room(msgspec.Struct):
    timeline: _Timeline


class _Rooms(msgspec.Struct):
    join: dict[str, _Room]


class _Sync(msgspec.Struct):
    rooms: _Rooms


class _First(msgspec.Struct, frozen=True):
    """What one first sync cost and brought."""

    seconds: float
    usage: Usage
    size_bytes: int
    rooms: int
    events: int


class InitialSync:
    name = "initial_sync"
    title = "First sync of a new device in a heavy account"
    floors = (
        Floor("initial_sync/warm_ms", "first sync at least 10 times faster than Synapse's", 1 / 10, Better.LOWER),
    )

    def __init__(self, sizes: Sizes) -> None:
        self._sizes = sizes

    async def prepare(self, target: Target) -> None:
        heavy, friend = await target.api.register("heavy"), await target.api.register("friend")
        count = self._sizes.heavy_rooms
        with target.stage(f"building {count} rooms of {self._sizes.heavy_events} messages", count) as advance:
            await each(range(count), lambda number: self._room(target, number, (heavy, friend)), advance=advance)

    async def _room(self, target: Target, number: int, people: tuple[User, User]) -> None:
        room_id = await target.api.create_room(people[0], f"room {number}")
        await target.api.join(people[1], room_id)
        for index in range(self._sizes.heavy_events):
            await target.api.send(people[index % 2], room_id, f"message {index} of room {number}")

    def steps(self) -> list[Step]:
        return [Step("after a restart, then again", self._measure, self._sizes.rounds)]

    async def _measure(self, target: Target) -> Measured:
        await target.server.restart()
        await target.server.settle()
        cold = await self._first_sync(target)
        warm = [await self._first_sync(target) for _ in range(WARM_SYNCS)]
        return Measured(
            [
                *_figures("initial_sync/cold", "After a restart", [cold]),
                *_figures("initial_sync/warm", "With warm caches", warm),
                Figure("initial_sync/bytes", "Size of the reply", cold.size_bytes / 1e6, "MB", Better.NEITHER),
                Figure("initial_sync/rooms", "Rooms in it", cold.rooms, "", Better.NEITHER),
                Figure("initial_sync/events", "Timeline events in it", cold.events, "", Better.NEITHER),
            ]
        )

    async def _first_sync(self, target: Target) -> _First:
        device = await target.api.login("heavy")
        filter_id = await target.api.upload_filter(device, TIMELINE_LIMIT)
        connection = Connection(target.server.port)
        await connection.connect()
        before, started = target.server.usage(), time.monotonic()
        reply = await connection.exchange(request("GET", sync_path(filter_id=filter_id), device.token))
        seconds, used = time.monotonic() - started, target.server.usage() - before
        connection.close()
        rooms = msgspec.json.decode(checked(reply, "first sync"), type=_Sync).rooms.join
        events = sum(len(room.timeline.events) for room in rooms.values())
        return _First(seconds, used, len(reply.body), len(rooms), events)


def _figures(key: str, title: str, syncs: list[_First]) -> list[Figure]:
    mean_server = sum(sync.usage.server for sync in syncs) / len(syncs)
    mean_postgres = sum(sync.usage.postgres for sync in syncs) / len(syncs)
    return [
        Figure(f"{key}_ms", f"{title}: time to the whole reply", median([sync.seconds for sync in syncs]) * 1e3, "ms"),
        Figure(f"{key}_cpu_server_ms", f"{title}: server CPU", mean_server * 1e3, "ms"),
        Figure(f"{key}_cpu_postgres_ms", f"{title}: PostgreSQL CPU", mean_postgres * 1e3, "ms"),
    ]
