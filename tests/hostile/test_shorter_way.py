"""A message on the shorter way (http/lane.py) is bound until it is committed: what else happens on its connection."""

import asyncio
from asyncio import Future, StreamReader, StreamWriter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from bongsu.http import server
from bongsu.http.lane import Head, Lane, Sent
from bongsu.http.server import Clocks

SECONDS_MAX = 10.0
PATH = "/_matrix/client/v3/rooms/!x/send/m.text/{}"
PUT = f"PUT {PATH} HTTP/1.1\r\nAuthorization: Bearer t\r\nContent-Length: 2\r\n\r\n{{{{}}}}"
GET = b"GET /other HTTP/1.1\r\nHost: x\r\n\r\n"


async def _ordinary(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    body = b"ordinary"
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Commits:
    """Takes messages, and answers each when the test says that it is committed."""

    def __init__(self) -> None:
        self.taken: asyncio.Queue[tuple[Lane, Future[bytes]]] = asyncio.Queue()

    def poll(self, lane: Lane, query: bytes, head: Head, client: str) -> bool:
        return False

    def send(self, lane: Lane, sent: Sent, client: str) -> bool:
        future: Future[bytes] = asyncio.get_running_loop().create_future()
        lane.bind(future)
        future.add_done_callback(lambda done: lane.lost() if done.cancelled() else lane.answer(done.result()))
        self.taken.put_nowait((lane, future))
        return True


@asynccontextmanager
async def _serving(
    commits: Commits,
    draining: Callable[[], None] | None = None,
    drain_seconds: float = 5.0,
    clocks: Clocks | None = None,
) -> AsyncIterator[tuple[int, asyncio.Event, "asyncio.Task[None]"]]:
    stop, ports = asyncio.Event(), asyncio.Queue[int]()
    task = asyncio.create_task(
        server.run(
            _ordinary,
            shorter=commits,
            host="127.0.0.1",
            port=0,
            ready=ports.put_nowait,
            stop=stop,
            drain_seconds=drain_seconds,
            draining=draining,
            clocks=clocks,
        )
    )
    try:
        yield await ports.get(), stop, task
    finally:
        stop.set()
        await task


async def _reply(reader: StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length: "))
    return await reader.readexactly(int(length.removeprefix(b"content-length: ")))


async def _bound(port: int, commits: Commits) -> tuple[StreamReader, StreamWriter, "Future[bytes]"]:
    """A connection with a message under way. The first one on it is parsed, and so remembered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(PUT.format(1).encode())
    assert await _reply(reader) == b"ordinary"
    writer.write(PUT.format(2).encode())
    _, future = await commits.taken.get()
    return reader, writer, future


async def test_what_comes_meanwhile_waits_and_is_answered_in_order() -> None:
    commits = Commits()
    async with asyncio.timeout(SECONDS_MAX), _serving(commits) as (port, _, _):
        reader, writer, future = await _bound(port, commits)
        writer.write(GET)
        await writer.drain()
        writer.write(PUT.format(3).encode())
        await asyncio.sleep(0.2)  # time enough for a wrong answer; a right one cannot come yet
        assert commits.taken.empty()
        future.set_result(b"committed")
        assert [await _reply(reader) for _ in range(3)] == [b"committed", b"ordinary", b"ordinary"]
        writer.write(PUT.format(4).encode())
        _, again = await commits.taken.get()
        again.set_result(b"once more")
        assert await _reply(reader) == b"once more"
        writer.close()


async def test_who_sends_on_without_end_meanwhile_is_not_read() -> None:
    commits = Commits()
    async with asyncio.timeout(SECONDS_MAX), _serving(commits) as (port, _, _):
        _, writer, future = await _bound(port, commits)
        written = 0
        try:
            async with asyncio.timeout(1):
                while written < 100_000_000:
                    writer.write(b"x" * 100_000)
                    await writer.drain()
                    written += 100_000
        except TimeoutError:
            pass
        assert written < 100_000_000
        future.set_result(b"committed")
        writer.transport.abort()


async def test_a_stop_waits_for_the_commit_and_closes_after_the_answer() -> None:
    commits, draining = Commits(), asyncio.Event()
    async with asyncio.timeout(SECONDS_MAX), _serving(commits, draining.set) as (port, stop, task):
        reader, writer, future = await _bound(port, commits)
        stop.set()
        await draining.wait()
        await asyncio.sleep(0.2)  # a server that did not wait would be gone
        assert not task.done()
        future.set_result(b"committed")
        assert await _reply(reader) == b"committed"
        assert await reader.read() == b""
        writer.close()
        await task


async def test_a_stop_does_not_wait_for_ever() -> None:
    commits = Commits()
    async with asyncio.timeout(SECONDS_MAX), _serving(commits, drain_seconds=0.2) as (port, stop, task):
        reader, writer, future = await _bound(port, commits)
        stop.set()
        await task
        assert future.cancelled()
        assert await reader.read() == b""
        writer.close()


async def test_who_hangs_up_meanwhile_stops_nothing() -> None:
    commits = Commits()
    async with asyncio.timeout(SECONDS_MAX), _serving(commits) as (port, _, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(PUT.format(1).encode())
        await _reply(reader)
        writer.write(PUT.format(2).encode())
        lane, future = await commits.taken.get()
        writer.transport.abort()
        while lane.is_open:
            await asyncio.sleep(0.01)
        assert not future.done()
        future.set_result(b"committed")
        other = await _bound(port, commits)
        other[2].set_result(b"committed")
        assert await _reply(other[0]) == b"committed"
        other[1].close()


async def test_who_goes_on_is_not_taken_for_silent_and_who_is_silent_is_closed() -> None:
    commits = Commits()
    async with (
        asyncio.timeout(SECONDS_MAX),
        _serving(commits, clocks=Clocks(keep_alive_seconds=1)) as (port, _, _),
    ):
        reader, writer, future = await _bound(port, commits)
        await asyncio.sleep(1.2)  # longer than silence may last: it is the server that is silent
        future.set_result(b"0")
        assert await _reply(reader) == b"0"
        for number in range(1, 6):
            await asyncio.sleep(0.4)
            writer.write(PUT.format(2 + number).encode())
            _, future = await commits.taken.get()
            future.set_result(b"%d" % number)
            assert await _reply(reader) == b"%d" % number
        assert await reader.read() == b""
        writer.close()


class Fails(Commits):
    """Takes a message, and then says that it did not: as a fault may have it between the two."""

    def send(self, lane: Lane, sent: Sent, client: str) -> bool:
        asyncio.get_running_loop().call_later(0.05, lane.answer, b"twice")
        return False


async def test_what_went_the_ordinary_way_is_answered_there_alone() -> None:
    async with asyncio.timeout(SECONDS_MAX), _serving(Fails()) as (port, _, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in range(3):
            writer.write(PUT.format(number).encode())
            assert await _reply(reader) == b"ordinary"
            await asyncio.sleep(0.1)
        writer.write(GET)
        assert await _reply(reader) == b"ordinary"
        writer.close()
