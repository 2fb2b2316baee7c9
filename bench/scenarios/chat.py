"""Chat: everybody's /sync is parked, messages arrive at a fixed rate, and each must reach each reader of its room.

The latency of a delivery runs from the send's start (before it waits for a free connection) until the reader's
/sync reply with the message is complete. Sends start by the clock, not by the last reply: an overloaded server does
not slow its load.
A room's readers and senders live in the same load process, so that nothing is compared across processes.
"""

import asyncio
import itertools
import secrets
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress

import msgspec

from bench.api import message, send_path, sync_path
from bench.figures import Better, Figure, Floor, latencies, per, percentile
from bench.load import Gate, Run, run
from bench.scenarios.scenario import Measured, Step, strangers_percent
from bench.sizes import Sizes
from bench.target import Reader, Target
from bongsu.drill.wire import Connection, request

TEXT = "Two fires on the southern hill."
SENDING_CONNECTIONS = 64  # more than any server here keeps busy
SYNC_TIMEOUT_MS = 30_000
DRAIN_SECONDS_MAX = 8.0  # after the last send is due; what has not arrived then is lost
FELL_BEHIND_SECONDS = 1.0  # median latency
FELL_BEHIND_SHARE = 0.95  # acknowledged of the sends that were due
SECONDS_MAX = 60.0
WARM_RATE, WARM_SECONDS = 10.0, 8.0  # a few messages in each room
FLOOR = "server CPU per delivered message at most 1/50 of Synapse's"


class ChatSpec(msgspec.Struct, frozen=True):
    port: int
    readers: list[Reader]
    rate: float
    seconds: float
    connections: int = SENDING_CONNECTIONS


class ChatResult(msgspec.Struct):
    due: int = 0
    acknowledged: int = 0
    sends: list[float] = msgspec.field(default_factory=list)  # seconds to the acknowledgement
    arrivals: list[float] = msgspec.field(default_factory=list)  # seconds to each reader
    lost: int = 0  # acknowledged, not seen by a reader of the room
    doubled: int = 0
    gaps: int = 0  # timelines that came with limited: true
    rooms: int = 0
    rooms_in_order: int = 0  # all readers saw the same order
    tokens: dict[str, str] = msgspec.field(default_factory=dict)


class _Content(msgspec.Struct):
    bench: tuple[str, int] | None = None  # the run, and when the send started, in µs of the monotonic clock


class _Event(msgspec.Struct):
    event_id: str
    content: _Content


class _Timeline(msgspec.Struct):
    events: list[_Event] = []
    limited: bool = False


class _Room(msgspec.Struct):
    timeline: _Timeline = msgspec.field(default_factory=_Timeline)


class _Rooms(msgspec.Struct):
    join: dict[str, _Room] = {}


class _Sync(msgspec.Struct):
    next_batch: str
    rooms: _Rooms = msgspec.field(default_factory=_Rooms)


_decode_sync = msgspec.json.Decoder(_Sync).decode


class _EventId(msgspec.Struct):
    event_id: str


class _Chat:
    """One load process's part of the conversation."""

    def __init__(self, spec: ChatSpec) -> None:
        self._spec = spec
        self._run_id = secrets.token_hex(6)
        self._result = ChatResult()
        self._seen: dict[str, list[str]] = {reader.user.user_id: [] for reader in spec.readers}
        self._acknowledged: dict[str, set[str]] = defaultdict(set)
        self._idle: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()

    async def work(self, gate: Gate) -> ChatResult:
        connections = [Connection(self._spec.port) for _ in self._spec.readers]
        await asyncio.gather(*map(self._catch_up, connections, self._spec.readers))
        reading = [asyncio.create_task(self._read(*pair)) for pair in zip(connections, self._spec.readers, strict=True)]
        await self._open_sending()
        sending = await self._send_by_the_clock(await gate.open())
        await self._drain(sending)
        gate.done()
        for task in (*reading, *sending):
            task.cancel()
        for connection in connections:
            connection.close()
        return self._judged()

    async def _catch_up(self, connection: Connection, reader: Reader) -> None:
        self._result.tokens[reader.user.user_id] = reader.since
        await self._sync(connection, reader, timeout_ms=0)

    async def _open_sending(self) -> None:
        connections = [Connection(self._spec.port) for _ in range(self._spec.connections)]
        await asyncio.gather(*(connection.connect() for connection in connections))
        for connection in connections:
            self._idle.put_nowait(connection)

    async def _read(self, connection: Connection, reader: Reader) -> None:
        while True:
            await self._sync(connection, reader, SYNC_TIMEOUT_MS)

    async def _sync(self, connection: Connection, reader: Reader, timeout_ms: int) -> None:
        user = reader.user
        path = sync_path(self._result.tokens[user.user_id], reader.filter_id, timeout_ms)
        reply = await connection.exchange(request("GET", path, user.token))
        now = time.monotonic()
        if reply.status != 200:
            await asyncio.sleep(0.05)
            return
        answer = _decode_sync(reply.body)
        self._result.tokens[user.user_id] = answer.next_batch
        for room in answer.rooms.join.values():
            self._note(room.timeline, user.user_id, now)

    def _note(self, timeline: _Timeline, user_id: str, now: float) -> None:
        mine = [event for event in timeline.events if event.content.bench and event.content.bench[0] == self._run_id]
        self._result.gaps += timeline.limited and bool(mine)
        for event in mine:
            assert event.content.bench is not None
            self._seen[user_id].append(event.event_id)
            self._result.arrivals.append(now - event.content.bench[1] / 1e6)

    async def _send_by_the_clock(self, begin: float) -> list[asyncio.Task[None]]:
        count = int(self._spec.rate * self._spec.seconds)
        tasks = []
        for number, reader in zip(range(count), itertools.cycle(_by_turns(self._spec.readers)), strict=False):
            await asyncio.sleep(begin + number / self._spec.rate - time.monotonic())
            tasks.append(asyncio.create_task(self._send(number, reader)))
        self._result.due = count
        return tasks

    async def _send(self, number: int, reader: Reader) -> None:
        started = time.monotonic()
        body = message(TEXT, bench=(self._run_id, int(started * 1e6)))
        connection = await self._idle.get()
        path = send_path(reader.room_id, f"{self._run_id}{number}")
        with suppress(ConnectionError):  # a send without a reply is not acknowledged
            reply = await connection.exchange(request("PUT", path, reader.user.token, body))
            if reply.status == 200:
                self._result.sends.append(time.monotonic() - started)
                event_id = msgspec.json.decode(reply.body, type=_EventId).event_id
                self._acknowledged[reader.room_id].add(event_id)
        self._idle.put_nowait(connection)

    async def _drain(self, sending: list[asyncio.Task[None]]) -> None:
        """Until every acknowledged message is everywhere, or the time is up."""
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS_MAX):
                await asyncio.gather(*sending, return_exceptions=True)
                while any(map(self._lost, self._spec.readers)):
                    await asyncio.sleep(0.05)

    def _lost(self, reader: Reader) -> int:
        """Acknowledged messages of the room that this reader has not seen."""
        return len(self._acknowledged[reader.room_id].difference(self._seen[reader.user.user_id]))

    def _judged(self) -> ChatResult:
        result = self._result
        result.acknowledged = len(result.sends)
        for reader in self._spec.readers:
            seen = self._seen[reader.user.user_id]
            result.doubled += len(seen) - len(set(seen))
            result.lost += self._lost(reader)
        for room_id in {reader.room_id for reader in self._spec.readers}:
            result.rooms += 1
            result.rooms_in_order += self._same_order(room_id)
        return result

    def _same_order(self, room_id: str) -> bool:
        """All readers saw what all of them saw in one order."""
        lists = [self._seen[reader.user.user_id] for reader in self._spec.readers if reader.room_id == room_id]
        common = set(lists[0]).intersection(*lists[1:])
        return len({tuple(event_id for event_id in seen if event_id in common) for seen in lists}) == 1


def _by_turns(readers: list[Reader]) -> list[Reader]:
    """Readers in an order that goes round the rooms."""
    turn: dict[str, int] = defaultdict(int)
    keyed = []
    for reader in readers:
        keyed.append((turn[reader.room_id], reader))
        turn[reader.room_id] += 1
    return [reader for _, reader in sorted(keyed, key=lambda pair: pair[0])]


async def chat_job(spec: ChatSpec, gate: Gate) -> ChatResult:
    return await _Chat(spec).work(gate)


def chat_figures(scenario: str, rate: int, outcome: Run) -> list[Figure]:
    (result,) = outcome.results
    at, title = f"{scenario}/{rate}", f"{rate}/s: "
    return [
        *latencies(f"{at}/arrival", f"{title}send to each reader", result.arrivals),
        *latencies(f"{at}/send", f"{title}send to acknowledgement", result.sends),
        *_cost_figures(at, title, outcome),
        *_truth_figures(at, title, result),
    ]


def _cost_figures(at: str, title: str, outcome: Run) -> list[Figure]:
    (result,) = outcome.results
    used, delivered, load = outcome.usage, len(result.arrivals), outcome.load_seconds
    message_us = per(used.server, result.acknowledged, 1e6)
    return [
        Figure(f"{at}/cpu_message_us", f"{title}server CPU per message", message_us, "µs"),
        Figure(f"{at}/cpu_delivered_us", f"{title}server CPU per delivery", per(used.server, delivered, 1e6), "µs"),
        Figure(
            f"{at}/cpu_postgres_us", f"{title}PostgreSQL CPU per delivery", per(used.postgres, delivered, 1e6), "µs"
        ),
        Figure(f"{at}/load", f"{title}load's own CPU", load / used.at * 100, "% of a core", Better.NEITHER),
        Figure(f"{at}/strangers", f"{title}CPU used by strangers", strangers_percent(outcome), "%", Better.NEITHER),
    ]


def _truth_figures(at: str, title: str, result: ChatResult) -> list[Figure]:
    acknowledged, order = per(result.acknowledged, result.due, 100), per(result.rooms_in_order, result.rooms, 100)
    return [
        Figure(f"{at}/acknowledged", f"{title}acknowledged of the sends due", acknowledged, "%", Better.HIGHER),
        Figure(f"{at}/lost", f"{title}deliveries lost or late", result.lost, ""),
        Figure(f"{at}/doubled", f"{title}deliveries doubled", result.doubled, ""),
        Figure(f"{at}/gaps", f"{title}timelines with a gap", result.gaps, ""),
        Figure(f"{at}/order", f"{title}rooms where all saw one order", order, "%", Better.HIGHER),
    ]


def fell_behind(rate: int, result: ChatResult) -> str:
    """Why higher rates are not asked of this server; empty when it kept up."""
    share, middle = per(result.acknowledged, result.due), percentile(result.arrivals, 0.5)
    if share >= FELL_BEHIND_SHARE and middle <= FELL_BEHIND_SECONDS:
        return ""
    return f"fell behind at {rate} messages/s ({share:.0%} acknowledged in time, median arrival {middle:.1f} s)"


class Chat:
    name = "chat"
    title = "Chat: long-polling readers in rooms of ten, messages at a fixed rate"

    def __init__(self, sizes: Sizes) -> None:
        self._sizes = sizes
        self.floors = tuple(
            Floor(f"chat/{rate}/cpu_delivered_us", f"{FLOOR} at {rate}/s", 1 / 50, Better.LOWER)
            for rate in sizes.chat_rates
        )

    async def prepare(self, target: Target) -> None:
        """Everybody has synced, and a short conversation has filled the server's caches."""
        await target.readers(self._sizes.readers)
        await self._talk(target, WARM_RATE, WARM_SECONDS)

    def steps(self) -> list[Step]:
        return [Step(f"{rate} messages/s", self._at(rate), self._sizes.rounds) for rate in self._sizes.chat_rates]

    def _at(self, rate: int) -> Callable[[Target], Awaitable[Measured]]:
        async def measure(target: Target) -> Measured:
            outcome = await self._talk(target, rate, self._sizes.chat_seconds)
            (result,) = outcome.results
            return Measured(chat_figures(self.name, rate, outcome), fell_behind(rate, result))

        return measure

    async def _talk(self, target: Target, rate: float, seconds: float) -> Run:
        spec = ChatSpec(target.server.port, await target.readers(self._sizes.readers), rate, seconds)
        seconds_max = seconds + DRAIN_SECONDS_MAX + SECONDS_MAX
        outcome = await run(chat_job, [spec], target.server.usage, seconds_max=seconds_max)
        target.moved(outcome.results[0].tokens)
        return outcome
