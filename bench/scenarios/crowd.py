"""People whose site was lost: all connect here at once, and say where they were.

Each does what real clients do: a sync that does not wait, again when it was told to, and then one that waits.
"""

import asyncio
import time
from contextlib import suppress

import msgspec

from bench.api import sync_path
from bench.load import Gate
from bongsu.drill.wire import Connection, Reply, request

NO_ANSWER_SECONDS = 1.0  # until a client whose connection broke tries again
PARK_MS = 100_000


class CrowdSpec(msgspec.Struct, frozen=True):
    port: int
    tokens: list[str]
    since: str
    seconds_max: float


class CrowdResult(msgspec.Struct):
    """Seconds from the common start."""

    admitted: list[float] = msgspec.field(default_factory=list)
    put_off: int = 0
    broken: int = 0  # connections that ended without an answer
    waits: list[float] = msgspec.field(default_factory=list)  # that people were asked for
    others: int = 0  # answers that were neither


class _Wait(msgspec.Struct):
    retry_after_ms: int = 1_000


async def crowd_job(spec: CrowdSpec, gate: Gate) -> CrowdResult:
    result, begin = CrowdResult(), await gate.open()
    connections = [Connection(spec.port) for _ in spec.tokens]
    clients = [_arrive(spec, *pair, begin, result) for pair in zip(connections, spec.tokens, strict=True)]
    tasks = [asyncio.create_task(client) for client in clients]
    await asyncio.wait(tasks, timeout=spec.seconds_max)
    gate.done()
    for task in tasks:
        task.cancel()
    for connection in connections:
        connection.close()
    return result


async def _arrive(spec: CrowdSpec, connection: Connection, token: str, begin: float, result: CrowdResult) -> None:
    while True:
        try:
            reply = await connection.exchange(request("GET", sync_path(spec.since), token))
        except OSError:
            result.broken += 1
            await asyncio.sleep(NO_ANSWER_SECONDS)
            continue
        if reply.status == 200:
            break
        await asyncio.sleep(_told(reply, result))
    result.admitted.append(time.monotonic() - begin)
    asyncio.get_running_loop().create_task(_stay(connection, token, reply))


async def _stay(connection: Connection, token: str, reply: Reply) -> None:
    since = msgspec.json.decode(reply.body, type=_Since).next_batch
    with suppress(OSError):
        while reply.status == 200:
            reply = await connection.exchange(request("GET", sync_path(since, timeout_ms=PARK_MS), token))
            if reply.status == 200:
                since = msgspec.json.decode(reply.body, type=_Since).next_batch


class _Since(msgspec.Struct):
    next_batch: str


def _told(reply: Reply, result: CrowdResult) -> float:
    """Seconds to wait."""
    if reply.status != 429:
        result.others += 1
        return NO_ANSWER_SECONDS
    result.put_off += 1
    wait = msgspec.json.decode(reply.body, type=_Wait).retry_after_ms / 1000
    result.waits.append(wait)
    return wait
