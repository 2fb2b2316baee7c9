"""Memory: of an idle server, and of each reader whose /sync is parked. Proportional set size, shared pages once."""

import asyncio
from collections.abc import Awaitable, Callable

from bench.api import sync_path
from bench.figures import Better, Figure, Floor
from bench.scenarios.scenario import Measured, Step
from bench.sizes import Sizes
from bench.target import Reader, Target
from bongsu.drill.wire import Connection, request

IDLE_SECONDS = 3.0
PARKED_SECONDS = 5.0
SYNC_TIMEOUT_MS = 60_000
KIB, MIB = 1024, 1024 * 1024


class Memory:
    name = "memory"
    title = "Memory: idle, and per parked reader"
    floors = (Floor("memory/idle_mib", "idle memory at most half of Synapse's", 1 / 2, Better.LOWER),)

    def __init__(self, sizes: Sizes) -> None:
        self._sizes = sizes

    async def prepare(self, target: Target) -> None:
        await target.readers(max(self._sizes.parked))

    def steps(self) -> list[Step]:
        idle = Step("idle after a restart", self._idle, self._sizes.rounds)
        return [idle, *(Step(f"{count} parked readers", self._parked(count), 1) for count in self._sizes.parked)]

    async def _idle(self, target: Target) -> Measured:
        await target.server.restart()
        await asyncio.sleep(IDLE_SECONDS)
        server, postgres = target.server.memory_bytes()
        return Measured(
            [
                Figure("memory/idle_mib", "Server, idle after a start", server / MIB, "MiB"),
                Figure("memory/idle_postgres_mib", "Its PostgreSQL", postgres / MIB, "MiB"),
            ]
        )

    def _parked(self, count: int) -> Callable[[Target], Awaitable[Measured]]:
        async def measure(target: Target) -> Measured:
            readers = await target.readers(count)
            with target.stage(f"catching up {count} readers", count) as advance:
                target.moved({r.user.user_id: await _caught_up(target, r, advance) for r in readers})
            await target.server.settle()
            before, postgres_before = target.server.memory_bytes()
            after, postgres_after = await _while_parked(target, await target.readers(count))
            each_kib = (after - before) / count / KIB
            postgres_kib = (postgres_after - postgres_before) / count / KIB
            at, title = f"memory/parked/{count}", f"{count:,} parked: "
            return Measured(
                [
                    Figure(f"{at}/server_mib", f"{title}server", after / MIB, "MiB"),
                    Figure(f"{at}/each_kib", f"{title}growth per reader", each_kib, "KiB"),
                    Figure(f"{at}/postgres_kib", f"{title}PostgreSQL's growth per reader", postgres_kib, "KiB"),
                ]
            )

        return measure


async def _caught_up(target: Target, reader: Reader, advance: Callable[[], None]) -> str:
    token = await target.api.next_batch(reader.user, reader.since, reader.filter_id)
    advance()
    return token


async def _while_parked(target: Target, readers: list[Reader]) -> tuple[int, int]:
    """Memory of the server and of PostgreSQL while each reader waits in a /sync."""
    connections = [Connection(target.server.port) for _ in readers]
    parked = [asyncio.create_task(_park(*pair)) for pair in zip(connections, readers, strict=True)]
    await asyncio.sleep(PARKED_SECONDS)
    await target.server.settle()
    answer = target.server.memory_bytes()
    for task, connection in zip(parked, connections, strict=True):
        task.cancel()
        connection.close()
    return answer


async def _park(connection: Connection, reader: Reader) -> None:
    path = sync_path(reader.since, reader.filter_id, SYNC_TIMEOUT_MS)
    while True:  # someone's presence may end a poll: the same poll again
        await connection.exchange(request("GET", path, reader.user.token))
