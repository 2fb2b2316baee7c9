"""One large room, a whole town in it: joining, sending, catching up, and the list of members."""

import time
from collections.abc import Awaitable, Callable

from bench.api import V3, User, checked, each, encode
from bench.figures import Better, Figure, latencies, per, percentile
from bench.scenarios.scenario import Measured, Step
from bench.scenarios.sends import measure_sends, send_figures
from bench.sizes import Sizes
from bench.target import Target

CATCH_UPS = 20
MEMBER_LISTS = 5


class LargeRoom:
    name = "large_room"
    floors = ()

    def __init__(self, sizes: Sizes) -> None:
        self._sizes = sizes
        self._rooms: dict[str, str] = {}
        self.title = f"One room of {sizes.town_members:,} members"

    async def prepare(self, target: Target) -> None:
        users = await target.users(self._sizes.town_members)
        self._rooms[target.name] = await target.api.create_room(users[0], "the whole town")

    def steps(self) -> list[Step]:
        rounds = self._sizes.rounds
        return [
            Step("everybody joins", self._joins, 1),
            Step("sending", self._sends, rounds),
            Step("catching up", self._catch_up, rounds),
            Step("list of members", self._members, rounds),
        ]

    async def _joins(self, target: Target) -> Measured:
        users, room_id = await target.users(self._sizes.town_members), self._rooms[target.name]
        before = target.server.usage()

        async def join(user: User) -> float:
            return await _timed(lambda: target.api.join(user, room_id))

        with target.stage(f"{len(users) - 1} people join one room", len(users) - 1) as advance:
            times = await each(users[1:], join, self._sizes.town_joins_at_once, advance)
        used = target.server.usage() - before
        cpu_ms = per(used.server, len(times), 1e3)
        return Measured(
            [
                Figure("large_room/join_rate", "Joins", len(times) / used.at, "1/s", Better.HIGHER),
                *latencies("large_room/join", "Time of a join", times),
                Figure("large_room/join_cpu_ms", "Server CPU per join", cpu_ms, "ms"),
            ]
        )

    async def _sends(self, target: Target) -> Measured:
        room_id = self._rooms[target.name]
        senders = [(user.token, room_id) for user in (await target.users(self._sizes.town_senders))]
        return Measured(send_figures("large_room", self._sizes.send_seconds, await measure_sends(target, senders)))

    async def _catch_up(self, target: Target) -> Measured:
        author, reader, *_ = await target.users(2)
        filter_id = await target.api.upload_filter(reader, 20)
        since = await target.api.next_batch(reader, filter_id=filter_id)
        times = []
        for number in range(CATCH_UPS):
            await target.api.send(author, self._rooms[target.name], f"news {number}")
            started = time.monotonic()
            since = await target.api.next_batch(reader, since, filter_id)
            times.append(time.monotonic() - started)
        return Measured(latencies("large_room/catch_up", "One member's sync after a message", times))

    async def _members(self, target: Target) -> Measured:
        reader = (await target.users(2))[1]
        path = f"{V3}/rooms/{encode(self._rooms[target.name])}/members"
        sizes: list[int] = []

        async def members() -> None:
            sizes.append(len(checked(await target.api.call("GET", path, reader), "members")))

        times = [await _timed(members) for _ in range(MEMBER_LISTS)]
        return Measured(
            [
                Figure("large_room/members_ms", "GET /members, p50", percentile(times, 0.5) * 1e3, "ms"),
                Figure("large_room/members_bytes", "Its size", sizes[0] / 1e3, "kB", Better.NEITHER),
            ]
        )


async def _timed(work: Callable[[], Awaitable[None]]) -> float:
    started = time.monotonic()
    await work()
    return time.monotonic() - started
