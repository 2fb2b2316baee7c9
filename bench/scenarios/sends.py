"""Durable sends: as many acknowledged messages per second as the server gives, each with its own transaction id."""

import asyncio
import secrets
import time

import msgspec

from bench.api import message, send_path
from bench.figures import Better, Figure, Floor, latencies, per
from bench.load import Gate, Run, run
from bench.scenarios.scenario import Measured, Step, strangers_percent
from bench.sizes import Sizes
from bench.target import Target
from bongsu.drill.wire import Connection, request

TEXT = "The beacon on the southern hill is lit; two fires."
SECONDS_MAX = 60.0  # past the end of the load


class SendSpec(msgspec.Struct, frozen=True):
    port: int
    senders: list[tuple[str, str]]  # access token, room id: one connection each
    warm_seconds: float
    seconds: float


class SendResult(msgspec.Struct):
    """Of the sends whose reply came inside the measured window."""

    seconds: list[float] = msgspec.field(default_factory=list)
    refused: int = 0


async def send_job(spec: SendSpec, gate: Gate) -> SendResult:
    connections = [Connection(spec.port) for _ in spec.senders]
    await asyncio.gather(*(connection.connect() for connection in connections))
    result = SendResult()
    begin = await gate.open() + spec.warm_seconds
    senders = zip(connections, spec.senders, strict=True)
    tasks = [asyncio.create_task(_sender(c, *s, begin, begin + spec.seconds, result)) for c, s in senders]
    await asyncio.sleep(begin + spec.seconds - time.monotonic())
    gate.done()
    await asyncio.gather(*tasks)
    for connection in connections:
        connection.close()
    return result


async def _sender(
    connection: Connection, token: str, room_id: str, begin: float, end: float, result: SendResult
) -> None:
    """Sends the next message when the last one is acknowledged, until the end."""
    body, run_id, number, started = message(TEXT), secrets.token_hex(6), 0, 0.0
    while started < end:
        started = time.monotonic()
        reply = await connection.exchange(request("PUT", send_path(room_id, f"{run_id}{number}"), token, body))
        now = time.monotonic()
        number += 1
        if reply.status != 200:
            result.refused += 1
            await asyncio.sleep(0.01)
        elif begin <= now < end:
            result.seconds.append(now - started)


async def measure_sends(target: Target, senders: list[tuple[str, str]]) -> Run:
    sizes = target.sizes
    spec = SendSpec(target.server.port, senders, sizes.warm_seconds, sizes.send_seconds)
    seconds_max = sizes.warm_seconds + sizes.send_seconds + SECONDS_MAX
    usage = target.server.usage
    return await run(send_job, [spec], usage, seconds_max=seconds_max, warm_seconds=sizes.warm_seconds)


def send_figures(prefix: str, seconds: float, outcome: Run) -> list[Figure]:
    """Rate, time and cost of the sends of one run that measured for `seconds`."""
    times = [value for result in outcome.results for value in result.seconds]
    refused = sum(result.refused for result in outcome.results)
    used, count = outcome.usage, len(times)
    return [
        Figure(f"{prefix}/rate", "Acknowledged sends", count / seconds, "1/s", Better.HIGHER),
        *latencies(f"{prefix}/send", "Time to the acknowledgement", times),
        Figure(f"{prefix}/cpu_server_us", "Server CPU per send", per(used.server, count, 1e6), "µs"),
        Figure(f"{prefix}/cpu_postgres_us", "PostgreSQL CPU per send", per(used.postgres, count, 1e6), "µs"),
        Figure(f"{prefix}/refused", "Sends refused", refused, ""),
        Figure(
            f"{prefix}/load_us", "Load's own CPU per send", per(outcome.load_seconds, count, 1e6), "µs", Better.NEITHER
        ),
        Figure(f"{prefix}/strangers", "CPU used by strangers", strangers_percent(outcome), "%", Better.NEITHER),
    ]


class Sends:
    name = "sends"
    title = "Durable sends: many senders, each waits for its acknowledgement"
    floors = (Floor("sends/rate", "acknowledged sends per second at least 60 times Synapse's", 60.0, Better.HIGHER),)

    def __init__(self, sizes: Sizes) -> None:
        self._sizes = sizes

    async def prepare(self, target: Target) -> None:
        await target.groups(self._sizes.send_rooms)

    def steps(self) -> list[Step]:
        return [Step(f"{self._sizes.senders} senders", self._measure, self._sizes.rounds)]

    async def _measure(self, target: Target) -> Measured:
        groups = await target.groups(self._sizes.send_rooms)
        each_room = self._sizes.senders // len(groups)
        senders = [(member.token, group.room_id) for group in groups for member in group.members[:each_room]]
        return Measured(send_figures("sends", self._sizes.send_seconds, await measure_sends(target, senders)))
