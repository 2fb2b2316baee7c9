"""Connections that send slowly, too much, or not HTTP at all. Each is answered or dropped; nobody else notices."""

import asyncio
import contextlib
import json
import logging
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bongsu.core import limits
from bongsu.http import server
from bongsu.http.server import Clocks

QUICK = Clocks(head_seconds=0.4, keep_alive_seconds=1, linger_seconds=0.3, stall_seconds=0.4)
PATIENT = Clocks(keep_alive_seconds=1, stall_seconds=2)  # with somebody who is slow, and a machine that is
BIG_BYTES = 20_000_000  # more than the kernel takes for a client that does not read
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
SIP_BYTES = server.PART_BYTES // 2
DRIPS = 200  # at PAUSE_SECONDS each: a server that they keep waiting is found out, however slow the machine
PAUSE_SECONDS = 0.1
PATIENCE_SECONDS = 15.0  # less than they last

Reply = tuple[int, dict[str, str], bytes]


async def _echo(scope: Any, receive: Any, send: Any) -> None:
    """Reads the body and says how long it was; /early answers before reading, /big at length, /park at the stop."""
    size = 0
    if scope["path"] == "/slow":
        await asyncio.sleep(0.3)
    if scope["path"] == "/park":
        await PARK.wait()
    while scope["path"] != "/early":
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    body = b"b" * BIG_BYTES if scope["path"] == "/big" else str(size).encode()
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]}
    )
    await send({"type": "http.response.body", "body": body})


PARK = asyncio.Event()


@asynccontextmanager
async def _serving(
    clocks: Clocks = QUICK, drain_seconds: float = 1.0, draining: Callable[[], None] | None = None
) -> AsyncIterator[tuple[int, asyncio.Event, asyncio.Task[None]]]:
    stop, ports = asyncio.Event(), asyncio.Queue[int]()
    task = asyncio.create_task(
        server.run(
            _echo,
            host="127.0.0.1",
            port=0,
            ready=ports.put_nowait,
            stop=stop,
            drain_seconds=drain_seconds,
            clocks=clocks,
            draining=draining,
        )
    )
    port = await asyncio.wait_for(ports.get(), 5)
    try:
        yield port, stop, task
    finally:
        stop.set()
        await asyncio.wait_for(task, 10)


@pytest.fixture
async def port(caplog: pytest.LogCaptureFixture) -> AsyncIterator[int]:
    """A server on a real port. After each test: nothing was logged, and a polite client is still served."""
    caplog.set_level(logging.INFO)
    async with _serving() as (port, _, _):
        yield port
        assert (await _ask(port, GET))[0] == 200
    assert [record.getMessage() for record in caplog.records if record.name != "asyncio"] == []


async def _read_reply(reader: asyncio.StreamReader) -> Reply:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    return int(head[0].split()[1]), headers, await reader.readexactly(int(headers.get("content-length", "0")))


async def _ask(port: int, *pieces: bytes, pause: float = 0.0) -> Reply:
    """Sends the pieces on a connection of its own and reads one reply, and the end of the connection after errors."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sending = asyncio.create_task(_send(writer, pieces, pause))
    try:
        reply = await asyncio.wait_for(_read_reply(reader), PATIENCE_SECONDS)
        sending.cancel()
        if reply[0] >= 400:
            assert await asyncio.wait_for(reader.read(), 5) == b""
        return reply
    finally:
        sending.cancel()
        writer.close()


async def _send(writer: asyncio.StreamWriter, pieces: Sequence[bytes], pause: float) -> None:
    with contextlib.suppress(ConnectionError):
        for piece in pieces:
            if writer.is_closing():
                return
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)


def _check_refusal(reply: Reply, status: int, errcode: str) -> None:
    assert reply[0] == status
    assert json.loads(reply[2])["errcode"] == errcode
    assert reply[1]["content-type"] == "application/json"
    assert reply[1]["connection"] == "close"
    assert "date" in reply[1]
    assert "server" not in reply[1]


async def _seconds_until_closed(port: int, *pieces: bytes, pause: float = 0.0) -> float:
    began = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        await _send(writer, pieces, pause)
        with contextlib.suppress(ConnectionError):
            while await asyncio.wait_for(reader.read(65536), 5):
                pass
        return time.monotonic() - began
    finally:
        writer.close()


# --- slow ---


async def test_half_a_head_gets_408(port: int) -> None:
    _check_refusal(await _ask(port, b"GET / HTTP/1.1\r\nHost: x\r\n"), 408, "M_UNKNOWN")


async def test_a_head_in_drops_gets_408_however_steadily_it_drips(port: int) -> None:
    reply = await _ask(port, b"GET / HTTP/1.1\r\n", *[b"X-A: b\r\n"] * DRIPS, pause=PAUSE_SECONDS)
    _check_refusal(reply, 408, "M_UNKNOWN")


async def test_a_head_in_drops_within_the_time_is_served(port: int) -> None:
    assert (await _ask(port, *(GET[at : at + 5] for at in range(0, len(GET), 5)), pause=0.002))[0] == 200


async def test_a_connection_that_says_nothing_is_closed(port: int) -> None:
    assert await _seconds_until_closed(port) > 0.2


async def test_empty_lines_do_not_keep_a_connection(port: int) -> None:
    assert await _seconds_until_closed(port, *[b"\r\n"] * DRIPS, pause=PAUSE_SECONDS) < PATIENCE_SECONDS


async def test_empty_lines_after_a_request_do_not_keep_a_connection(port: int) -> None:
    assert await _seconds_until_closed(port, GET, *[b"\r\n"] * DRIPS, pause=PAUSE_SECONDS) < PATIENCE_SECONDS


async def test_an_idle_connection_is_closed(port: int) -> None:
    assert await _seconds_until_closed(port, GET) > 0.8


async def test_half_a_second_head_gets_408(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(GET + b"GET / HT")
    assert (await _read_reply(reader))[0] == 200
    _check_refusal(await asyncio.wait_for(_read_reply(reader), 5), 408, "M_UNKNOWN")
    writer.close()


async def test_a_body_may_take_longer_than_a_head(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n"
    reply = await _ask(port, head, *[b"a"] * 12, pause=0.08)
    assert (reply[0], reply[2]) == (200, b"12")


async def test_a_body_nobody_reads_does_not_keep_a_connection(port: int) -> None:
    head = b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
    assert await _seconds_until_closed(port, head, *[b"a"] * DRIPS, pause=PAUSE_SECONDS) < PATIENCE_SECONDS


async def test_five_hundred_half_open_connections_delay_nobody(port: int) -> None:
    connections = [await _half_open(port) for _ in range(500)]
    assert (await _ask(port, GET))[0] == 200
    replies = await asyncio.gather(*(asyncio.wait_for(reader.read(), 5) for reader, _ in connections))
    assert {reply[:13] for reply in replies} == {b"HTTP/1.1 408 "}
    for _, writer in connections:
        writer.close()


async def _half_open(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nX-Slow: ")
    return reader, writer


@pytest.mark.parametrize("header", [b"", b"Connection: close\r\n"], ids=["kept alive", "to be closed"])
async def test_an_answer_that_is_not_taken_does_not_keep_a_connection(port: int, header: bytes) -> None:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", port))
        sock.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n" + header + b"\r\n")
        await asyncio.sleep(2)
        sock.settimeout(5)
        taken = 0
        with contextlib.suppress(ConnectionError):
            while piece := sock.recv(1_000_000):
                taken += len(piece)
        assert taken < BIG_BYTES


async def test_an_answer_that_is_taken_slowly_arrives() -> None:
    """However long it takes altogether: longer than a client may take nothing, or stay without asking for more."""
    async with _serving(PATIENT) as (port, _, _):
        taken = await asyncio.gather(_take_slowly(port, b""), _take_slowly(port, b"Connection: close\r\n"))
    assert set(taken) == {BIG_BYTES}


async def _take_slowly(port: int, header: bytes) -> int:
    """How much of the body came. The clocks could run out twice before most of it is read."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=SIP_BYTES)
    writer.write(b"GET /big HTTP/1.1\r\nHost: x\r\n" + header + b"\r\n")
    await reader.readuntil(b"\r\n\r\n")
    taken, ends = 0, time.monotonic() + 2.5 * PATIENT.stall_seconds
    while taken < BIG_BYTES and (piece := await asyncio.wait_for(reader.read(SIP_BYTES), PATIENCE_SECONDS)):
        taken += len(piece)
        if time.monotonic() < ends:
            await asyncio.sleep(0.2)  # the kernel between us has more in hand than is taken before a clock runs out
    writer.close()
    return taken


# --- too much ---


@pytest.mark.parametrize(
    "pieces",
    [
        [b"".join(b"X-%d: %s\r\n" % (number, b"a" * 1000) for number in range(40))],
        [b"X: " + b"a" * 20_000 + b"\r\n\r\n"],
        [b"X: " + b"a" * 5_000] + [b"a" * 5_000] * 6,
        [b"a" * 100_000, b"a" * 100_000],
        [b"a: b\r\n" * 4_000],
    ],
    ids=["many", "one", "one in pieces", "a name without end", "many tiny"],
)
async def test_headers_over_the_limit_get_431(port: int, pieces: list[bytes]) -> None:
    reply = await _ask(port, b"GET / HTTP/1.1\r\nHost: x\r\n", *pieces, pause=0.01)
    _check_refusal(reply, 431, "M_TOO_LARGE")


async def test_headers_under_the_limit_are_served(port: int) -> None:
    big = b"X: " + b"a" * (limits.HEADERS_BYTES_MAX - 200)
    assert (await _ask(port, b"GET / HTTP/1.1\r\nHost: x\r\n" + big + b"\r\n\r\n"))[0] == 200


async def test_a_header_bomb_of_megabytes_is_answered_at_its_start(port: int) -> None:
    reply = await _ask(port, b"GET / HTTP/1.1\r\n", *[b"X-A: " + b"b" * 65_000 + b"\r\n"] * 100)
    _check_refusal(reply, 431, "M_TOO_LARGE")


async def test_an_address_over_the_limit_gets_414(port: int) -> None:
    _check_refusal(await _ask(port, b"GET /" + b"a" * 80_000 + b" HTTP/1.1\r\n\r\n"), 414, "M_TOO_LARGE")


async def test_a_long_query_is_served(port: int) -> None:
    assert (await _ask(port, b"GET /?" + b"a" * 60_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"))[0] == 200


# --- not HTTP ---


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100,
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x00" * 64,
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT example.org:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nBad Header: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: b\x00c\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
async def test_what_is_not_http_gets_400(port: int, nonsense: bytes) -> None:
    _check_refusal(await _ask(port, nonsense), 400, "M_UNKNOWN")


async def test_a_broken_chunked_body_gets_400_and_ends_its_request(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    _check_refusal(await _ask(port, head, b"zz\r\nnonsense", pause=0.05), 400, "M_UNKNOWN")


async def test_nonsense_behind_a_request_does_not_break_its_answer(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n\x00\x01\x02nonsense\r\n\r\n")
    assert (await _read_reply(reader))[0] == 200
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()


async def test_an_upgrade_is_not_made_and_the_request_is_answered(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nab"
    reply = await _ask(port, head)
    assert (reply[0], reply[2]) == (200, b"2")


async def test_an_upgrade_in_pieces_is_not_made_either(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 6\r\n\r\nab"
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in (head[:30], head[30:], b"cd", b"ef" + GET):
        writer.write(piece)
        await asyncio.sleep(0.02)
    assert [(await _read_reply(reader))[2] for _ in range(2)] == [b"6", b"0"]
    writer.close()


async def test_pipelined_requests_are_answered_in_order(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /slow HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc" + GET)
    assert [(await _read_reply(reader))[2] for _ in range(2)] == [b"3", b"0"]
    writer.close()


async def test_a_client_that_resets_its_connection_leaves_no_trace(port: int) -> None:
    for piece in (b"GET / HT", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nab", GET):
        sock = socket.create_connection(("127.0.0.1", port))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        sock.sendall(piece)
        sock.close()
        await asyncio.sleep(0.05)


# --- the end ---


async def test_a_request_under_way_is_answered_after_the_stop() -> None:
    async with _serving(drain_seconds=2 * PATIENCE_SECONDS) as (port, stop, task):
        asking = asyncio.create_task(_ask(port, b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"))
        await asyncio.sleep(0.1)
        stop.set()
        reply = await asking
        assert (reply[0], reply[1]["connection"]) == (200, "close")
        await asyncio.wait_for(task, PATIENCE_SECONDS)
        with pytest.raises(ConnectionError):
            await asyncio.open_connection("127.0.0.1", port)


async def test_parked_requests_are_told_to_end() -> None:
    PARK.clear()
    async with _serving(drain_seconds=2 * PATIENCE_SECONDS, draining=PARK.set) as (port, stop, task):
        asking = asyncio.create_task(_ask(port, b"GET /park HTTP/1.1\r\nHost: x\r\n\r\n"))
        await asyncio.sleep(0.1)
        stop.set()
        assert (await asking)[0] == 200
        await asyncio.wait_for(task, PATIENCE_SECONDS)


async def test_what_does_not_end_is_cut_off(caplog: pytest.LogCaptureFixture) -> None:
    PARK.clear()
    async with _serving(drain_seconds=0.2) as (port, stop, task):
        asking = asyncio.create_task(_ask(port, b"GET /park HTTP/1.1\r\nHost: x\r\n\r\n"))
        await asyncio.sleep(0.1)
        stop.set()
        await asyncio.wait_for(task, PATIENCE_SECONDS)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            assert (await asking)[0] == 500
    assert "Traceback" not in caplog.text
    assert "1 requests were still under way" in caplog.text


async def test_an_address_in_use_is_an_oserror() -> None:
    async with _serving() as (port, _, _):
        with pytest.raises(OSError, match="address already in use"):
            await server.run(_echo, host="127.0.0.1", port=port, stop=asyncio.Event(), drain_seconds=0)
