"""What people do beside the messages themselves: they type, read, look up, scroll back, look at pictures.

By the clock, like the chat: an overloaded server does not slow its load, and what it refuses is not asked again.
"""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import msgspec

from bench.api import V3, encode
from bench.load import Gate
from bench.target import Reader
from bongsu.drill.wire import Connection, request

CONNECTIONS = 1_000  # everybody has one: what an overloaded server has not answered does not hold the others back
DRAIN_SECONDS_MAX = 2.0
PICTURE_SIDES = (64, 320, 640)


class AsidesSpec(msgspec.Struct, frozen=True):
    port: int
    people: list[Reader]
    pictures: list[str]  # server name/media id
    read: dict[str, str]  # by room, an event to have read
    rate: float
    seconds: float


class AsidesResult(msgspec.Struct):
    """By kind: how many were due, answered with what was asked for, and refused."""

    due: dict[str, int] = msgspec.field(default_factory=dict)
    served: dict[str, int] = msgspec.field(default_factory=dict)
    refused: dict[str, int] = msgspec.field(default_factory=dict)
    seconds: list[float] = msgspec.field(default_factory=list)  # until each answer
    refused_seconds: list[float] = msgspec.field(default_factory=list)


Ask = tuple[str, str, bytes]  # method, path, body


def _typing(_: AsidesSpec, person: Reader, number: int) -> Ask:
    body = msgspec.json.encode({"typing": number % 2 == 0, "timeout": 30_000})
    return "PUT", f"{V3}/rooms/{encode(person.room_id)}/typing/{encode(person.user.user_id)}", body


def _receipt(spec: AsidesSpec, person: Reader, _: int) -> Ask:
    path = f"{V3}/rooms/{encode(person.room_id)}/receipt/m.read/{encode(spec.read[person.room_id])}"
    return "POST", path, b"{}"


def _presence(_: AsidesSpec, person: Reader, number: int) -> Ask:
    body = msgspec.json.encode({"presence": "online", "status_msg": f"here {number}"})
    return "PUT", f"{V3}/presence/{encode(person.user.user_id)}/status", body


def _search(_: AsidesSpec, __: Reader, number: int) -> Ask:
    body = msgspec.json.encode({"limit": 20, "filter": {"generic_search_term": f"room {number % 10}"}})
    return "POST", f"{V3}/publicRooms", body


def _history(_: AsidesSpec, person: Reader, __: int) -> Ask:
    return "GET", f"{V3}/rooms/{encode(person.room_id)}/messages?dir=b&limit=30", b""


def _preview(spec: AsidesSpec, _: Reader, number: int) -> Ask:
    side, picture = PICTURE_SIDES[number % len(PICTURE_SIDES)], spec.pictures[number % len(spec.pictures)]
    return "GET", f"/_matrix/client/v1/media/thumbnail/{picture}?width={side}&height={side}&method=scale", b""


def _file(spec: AsidesSpec, _: Reader, number: int) -> Ask:
    return "GET", f"/_matrix/client/v1/media/download/{spec.pictures[number % len(spec.pictures)]}", b""


KINDS: dict[str, Callable[[AsidesSpec, Reader, int], Ask]] = {
    "typing": _typing,
    "receipt": _receipt,
    "presence": _presence,
    "search": _search,
    "history": _history,
    "preview": _preview,
    "file": _file,
}
MIX = ("typing", "receipt", "preview", "search", "typing", "receipt", "history", "preview", "presence", "file")


async def asides_job(spec: AsidesSpec, gate: Gate) -> AsidesResult:
    idle: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
    connections = [Connection(spec.port) for _ in range(CONNECTIONS)]
    for start in range(0, CONNECTIONS, 50):
        await asyncio.gather(*(connection.connect() for connection in connections[start : start + 50]))
    for connection in connections:
        idle.put_nowait(connection)
    result, begin, tasks = AsidesResult(), await gate.open(), []
    due: Counter[str] = Counter()
    people = itertools.cycle(spec.people)
    for number in range(int(spec.rate * spec.seconds)):
        await asyncio.sleep(begin + number / spec.rate - time.monotonic())
        kind = MIX[number % len(MIX)]
        due[kind] += 1
        tasks.append(asyncio.create_task(_ask(spec, idle, kind, next(people), number, result)))
    result.due = dict(due)
    await asyncio.wait(tasks, timeout=DRAIN_SECONDS_MAX)
    for task in tasks:
        task.cancel()
    gate.done()
    return result


async def _ask(
    spec: AsidesSpec,
    idle: "asyncio.LifoQueue[Connection]",
    kind: str,
    person: Reader,
    number: int,
    result: AsidesResult,
) -> None:
    started = time.monotonic()
    method, path, body = KINDS[kind](spec, person, number // len(MIX))
    connection = await idle.get()
    try:
        with suppress(ConnectionError):
            reply = await connection.exchange(request(method, path, person.user.token, body))
            seconds = time.monotonic() - started
            into = result.served if reply.status == 200 else result.refused
            into[kind] = into.get(kind, 0) + 1
            (result.seconds if reply.status == 200 else result.refused_seconds).append(seconds)
    finally:
        idle.put_nowait(connection)
