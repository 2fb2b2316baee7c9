"""Sliding sync: the first screen of accounts of rising size, what comes after it, and the quiet moments between."""

import time
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec

from bench.api import User, checked, each
from bench.figures import Better, Figure, median
from bench.processes import Usage
from bench.scenarios.scenario import Measured, Step
from bench.sizes import Sizes
from bench.target import Target
from bongsu.drill.wire import Connection, request

PATH = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync"
MESSAGES = 3  # in each room
TIMELINE_LIMIT = 20
WARM = 5  # first screens, each of a connection of its own
ROUNDS = 20  # messages, and quiet polls
BODY = {
    "lists": {
        "all_rooms": {
            "ranges": [[0, 19]],
            "timeline_limit": TIMELINE_LIMIT,
            "required_state": [
                *(["m.room.name", ""], ["m.room.encryption", ""], ["m.room.member", "$LAZY"], ["m.room.member", "$ME"]),
                *(["m.room.topic", ""], ["m.room.avatar", ""], ["m.room.canonical_alias", ""]),
                *(["m.room.power_levels", ""], ["m.room.join_rules", ""], ["m.room.create", ""]),
                *(["m.space.child", "*"], ["m.space.parent", "*"], ["m.room.tombstone", ""]),
            ],
            "filters": {"not_room_types": ["m.space"]},
        }
    },
    "extensions": {name: {"enabled": True} for name in ("account_data", "receipts", "typing", "e2ee", "to_device")},
}


class _Answer(msgspec.Struct):
    pos: str
    rooms: dict[str, msgspec.Raw] = {}


class _Line:
    """One device's connection to the server."""

    def __init__(self, target: Target, user: User, conn_id: str) -> None:
        self._target = target
        self._user = user
        self._body = msgspec.json.encode({**BODY, "conn_id": conn_id})
        self._connection = Connection(target.server.port)

    async def ask(self, pos: str = "") -> tuple[float, _Answer]:
        """(seconds, the answer) of a poll that does not wait."""
        path = f"{PATH}?timeout=0&set_presence=offline" + (f"&pos={pos}" if pos else "")
        began = time.monotonic()
        reply = await self._connection.exchange(request("POST", path, self._user.token, self._body))
        return time.monotonic() - began, msgspec.json.decode(checked(reply, "sliding sync"), type=_Answer)

    async def __aenter__(self) -> "_Line":
        await self._connection.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._connection.close()


class Sliding:
    name = "sliding"
    title = "Sliding sync: the first screen, by the number of rooms"
    floors = ()

    def __init__(self, sizes: Sizes) -> None:
        self._sizes = sizes
        self._rooms: dict[tuple[str, int], list[str]] = {}

    async def prepare(self, target: Target) -> None:
        for count in self._sizes.growth_rooms:
            user = await target.api.register(f"slider{count}")
            with target.stage(f"building {count} rooms", count) as advance:
                rooms = await each(range(count), partial(_room, target, user), advance=advance)
            self._rooms[target.name, count] = list(rooms)

    def steps(self) -> list[Step]:
        return [Step(f"{count:,} rooms", self._measure(count), 1) for count in self._sizes.growth_rooms]

    def _measure(self, count: int) -> Callable[[Target], Awaitable[Measured]]:
        async def measure(target: Target) -> Measured:
            rooms = self._rooms[target.name, count]
            await target.server.restart()
            await target.server.settle()
            user = await target.api.login(f"slider{count}")
            cold, cold_used = await _screens(target, user, ["cold"])
            warm, warm_used = await _screens(target, user, [f"warm{number}" for number in range(WARM)])
            news, news_used = await _news(target, user, rooms)
            quiet, quiet_used = await _quiet(target, user)
            at = f"sliding/{count}"
            return Measured(
                [
                    *_figures(f"{at}/cold", f"{count:,} rooms: first screen after a restart", cold, cold_used),
                    *_figures(f"{at}/warm", f"{count:,} rooms: first screen", warm, warm_used),
                    *_figures(f"{at}/news", f"{count:,} rooms: a message in a room out of view", news, news_used),
                    *_figures(f"{at}/quiet", f"{count:,} rooms: a poll without news", quiet, quiet_used),
                ]
            )

        return measure


async def _room(target: Target, user: User, number: int) -> str:
    room_id = await target.api.create_room(user, f"room {number}")
    for index in range(MESSAGES):
        await target.api.send(user, room_id, f"message {index}")
    return room_id


async def _screens(target: Target, user: User, conn_ids: list[str]) -> tuple[list[float], Usage]:
    before, seconds = target.server.usage(), []
    for conn_id in conn_ids:
        async with _Line(target, user, conn_id) as line:
            took, answer = await line.ask()
            assert answer.rooms, "a first screen without rooms"
            seconds.append(took)
    return seconds, target.server.usage() - before


async def _news(target: Target, user: User, rooms: list[str]) -> tuple[list[float], Usage]:
    """Messages in rooms far down, each of which comes into view. The sending is not counted in the time."""
    seconds = []
    async with _Line(target, user, "news") as line:
        _, answer = await line.ask()
        before = target.server.usage()
        for number in range(ROUNDS):
            await target.api.send(user, rooms[number % len(rooms)], "news")
            took, answer = await line.ask(answer.pos)
            assert answer.rooms, "a message that was not told"
            seconds.append(took)
    return seconds, target.server.usage() - before


async def _quiet(target: Target, user: User) -> tuple[list[float], Usage]:
    seconds = []
    async with _Line(target, user, "quiet") as line:
        _, answer = await line.ask()
        before = target.server.usage()
        for _ in range(ROUNDS):
            took, answer = await line.ask(answer.pos)
            seconds.append(took)
    return seconds, target.server.usage() - before


def _figures(key: str, title: str, seconds: list[float], used: Usage) -> list[Figure]:
    server_ms, postgres_ms = (value / len(seconds) * 1e3 for value in (used.server, used.postgres))
    return [
        Figure(f"{key}_ms", f"{title}, time", median(seconds) * 1e3, "ms"),
        Figure(f"{key}_cpu_server_ms", f"{title}, server CPU", server_ms, "ms", Better.NEITHER),
        Figure(f"{key}_cpu_postgres_ms", f"{title}, PostgreSQL CPU", postgres_ms, "ms", Better.NEITHER),
    ]
