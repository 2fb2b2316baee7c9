"""The listening socket: connections, their deadlines, and a stop that lets requests under way finish.

uvicorn's protocol speaks HTTP; this file adds what a public port needs. A head that is slow, too large or not HTTP is
answered in the protocol's own form and ends its connection. No traceback, no log line: anybody could write our log
full.
"""

import asyncio
import contextlib
import fcntl
import logging
import resource
import socket
import sys
import termios
import time
from asyncio import TimerHandle
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

import httptools
import msgspec
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from bongsu import pace
from bongsu.core import limits
from bongsu.core.json import encode
from bongsu.http.acceptor import Acceptor
from bongsu.http.deadlines import Deadlines
from bongsu.http.lane import Lane, Memory, Shorter
from bongsu.http.request import Loss
from bongsu.http.response import ANSWER_HEAD, Response
from bongsu.http.transport import Joined

KEEP_ALIVE_SECONDS_MAX: Final = 75  # longer than the 60 s of common proxies, so that the proxy is the one to close
LINGER_SECONDS_MAX: Final = 2.0  # after a refusal we read on: closing at once would destroy the answer on its way
STALL_SECONDS_MAX: Final = 60.0  # a client that takes no part of its answer for this long has gone, or means harm
PART_BYTES: Final = 65_536  # in that time: a quarter of what the slowest line of a phone carries
DESCRIPTORS_MAX: Final = 1_048_576  # more sockets than one process serves; some systems offer a thousand times more
DESCRIPTORS_KEPT: Final = 128  # for the database, files and pipes, when connections take all the others

_URL_BYTES_MAX: Final = min(limits.PATH_BYTES_MAX + 1 + limits.QUERY_BYTES_MAX, 65_535)  # the parser can no more
_LINE_BYTES_MAX: Final = 64  # the longest method, two spaces, the version

log = logging.getLogger("uvicorn.error")


# In the scope: whom to tell when the client hangs up. A parked request need not keep a task for that.
LOSS: Final = "bongsu.loss"
BODY: Final = "bongsu.body"  # the whole body, where it came together with the head
REPLY: Final = "bongsu.reply"  # Connection.reply


class Clocks(msgspec.Struct, frozen=True):
    """How long a connection may take, in seconds.

    For a request's head; between requests; after a refusal; and to take the next PART_BYTES of an answer: its whole may
    take as long as it takes.
    """

    head_seconds: float = limits.HEAD_SECONDS_MAX
    keep_alive_seconds: int = KEEP_ALIVE_SECONDS_MAX
    linger_seconds: float = LINGER_SECONDS_MAX
    stall_seconds: float = STALL_SECONDS_MAX


class _Refused(Exception):
    """Ends the parsing of a head; the answer is in Connection._answer."""


_NOT_HTTP: Final = (400, "M_UNKNOWN", "this is not an HTTP request")
_TOO_SLOW: Final = (408, "M_UNKNOWN", "the request took too long to arrive")
_LONG_URL: Final = (414, "M_TOO_LARGE", "the address of this request is too long")
_LONG_HEAD: Final = (431, "M_TOO_LARGE", f"the headers may have at most {limits.HEADERS_BYTES_MAX} bytes")


class Connection(HttpToolsProtocol):
    """One client's connection. `_deadline` runs whenever the client owes us the rest of something."""

    def __init__(
        self,
        config: Config,
        state: ServerState,
        clocks: Clocks,
        deadlines: Deadlines,
        connections_max: int,
        shorter: Shorter | None = None,
    ) -> None:
        super().__init__(config, state, {}, asyncio.get_running_loop())
        self.access_log = False
        self._clocks = clocks
        self.call_later = deadlines.call_later  # the lane's
        self._connections_max = connections_max
        self._deadline: TimerHandle | None = None
        self._stall: TimerHandle | None = None  # runs while the client owes it to us to take its answer
        self._untaken_bytes = 0  # when that was set
        self._head_is_open = False  # some of a head has arrived, not all
        self._head_bytes = 0  # of the open head, as far as they came in pieces
        self._header_bytes = 0  # of the complete headers of the open head
        self._body_is_open = False  # a head is complete and its body is not
        self._head_came_now = False  # by the bytes that came last
        self._answer = _NOT_HTTP
        self._is_refused = False
        self._losses: deque[Loss] = deque()  # of the requests that are not answered yet
        self._shorter = shorter
        self._memory = Memory()
        self._lane: Lane | None = None
        self._later = b""  # what came while the lane was bound
        self._is_stopping = False
        self._idle_since = 0.0  # when the last answer was written on the shorter way, by the loop's clock
        self._heads_begun = 0  # by the bytes that came last

    # --- the connection ---

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(Joined(transport, self.loop))  # type: ignore[arg-type]
        if len(self.connections) > self._connections_max:
            transport.abort()
            return
        if (sock := transport.get_extra_info("socket")) is not None and sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._await(self._clocks.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_deadline()
        self._unset_keepalive_if_required()
        if self._lane is not None:
            self._lane.lost()
            self._lane = None
        super().connection_lost(exc)
        self._forget_stall()
        for loss in self._losses:
            loss.come()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.transport.is_closing():
            self._forget_stall()

    def _await_silence(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.call_later(  # type: ignore[assignment] # has a timer's cancel()
            seconds, self.timeout_keep_alive_handler
        )

    def timeout_keep_alive_handler(self) -> None:
        """The shorter way leaves the timer as it stands, so it may have come too early."""
        self.timeout_keep_alive_task = None
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if self._stall is not None:
            left = self.timeout_keep_alive  # it still takes its answer
        if self._lane is not None:
            return  # its answer sets another
        if left > 0:
            self._await_silence(left)
        else:
            self._end()

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        if self._lane is not None:  # more came before the answer
            if self._lane.is_bound:
                self._later += data
                self.flow.pause_reading()
                return
            self._lane.give_up()
        elif self._shorter is not None and self._goes_shorter(data, self._shorter):
            return
        self._unset_keepalive_if_required()
        self._heads_begun = 0
        self._parse(data)
        if self._shorter is not None and self._heads_begun == 1 and self._deadline is None and not self._is_refused:
            self._memory.keep(data, self.headers)

    def _parse(self, data: bytes) -> None:
        was_open = self._head_is_open
        self._head_came_now = False
        try:
            self.parser.feed_data(data)
            if was_open and self._head_is_open:
                self._head_bytes += len(data)
                self._check_open_head()
        except httptools.HttpParserUpgrade as upgrade:
            self._decline_upgrade(data[upgrade.args[0] :])
            return
        except (httptools.HttpParserError, _Refused):
            self._refuse()
            return
        if not self._body_is_open and self._deadline is None and (self._head_is_open or self._is_idle()):
            self._await(self._clocks.head_seconds)

    # --- the shorter way (http/lane.py) ---

    def _goes_shorter(self, data: bytes, shorter: Shorter) -> bool:
        if self._head_is_open or not self._is_idle():
            return False
        memory = self._memory
        query = memory.query_of(data)
        sent = memory.sent(data) if query is None else None
        if (query is None and sent is None) or self.transport.is_closing():
            return False
        if self.flow.write_paused or not self.server_state.default_headers:
            return False  # a client that reads nothing must not make us pile up answers
        self._forget_deadline()
        lane = self._lane = Lane(self, data)
        client = self.client[0] if self.client else ""
        if query is not None and memory.polling is not None:
            is_taken = shorter.poll(lane, query, memory.polling, client)
        else:
            is_taken = sent is not None and shorter.send(lane, sent, client)
        if not is_taken:
            lane.leave()
            self._lane = None
        return is_taken

    def await_answer(self, future: "asyncio.Future[Any]") -> None:
        self.tasks.add(future)  # type: ignore[arg-type] # a stop waits for it as for a task
        future.add_done_callback(self.tasks.discard)

    def write_answer(self, body: bytes) -> None:
        self._lane = None
        if not self.transport.is_closing():
            self._write_json(body)
            self._go_on()

    def write_response(self, response: Response) -> None:
        self._lane = None
        if not self.transport.is_closing():
            assert isinstance(response.body, bytes)
            lines = (*self.server_state.default_headers, *response.lines())
            head = b"".join(name + b": " + value + b"\r\n" for name, value in lines)
            self.transport.write_whole(  # type: ignore[attr-defined] # ours: see connection_made
                STATUS_LINE[response.status] + head + b"\r\n" + response.body
            )
            self._go_on()

    def _go_on(self) -> None:
        """A lane's answer was written."""
        self.server_state.total_requests += 1
        if self._is_stopping:
            self.transport.close()
            return
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._await_silence(self.timeout_keep_alive)
        if self._later:
            later, self._later = self._later, b""
            self.flow.resume_reading()
            self.data_received(later)

    def _write_json(self, body: bytes) -> None:
        (date,) = self.server_state.default_headers
        self.transport.write_whole(  # type: ignore[attr-defined] # ours: see connection_made
            b"HTTP/1.1 200 OK\r\ndate: %b\r\n%bcontent-length: %d\r\n\r\n%b" % (date[1], ANSWER_HEAD, len(body), body)
        )

    def reply(self, body: bytes) -> bool:
        """A JSON reply, 200, to the only request there is: written at once. False: it must be sent as any other is."""
        cycle = self.cycle
        if len(self._losses) != 1 or cycle.response_started or cycle.disconnected or not cycle.keep_alive:
            return False
        if cycle.scope["method"] == "HEAD" or self.flow.write_paused or not self.server_state.default_headers:
            return False
        cycle.response_started = cycle.response_complete = True
        self._write_json(body)
        cycle.message_event.set()
        cycle.on_response()
        return True

    def go_ordinary_way(self, request: bytes) -> None:
        self._lane = None
        if not self.transport.is_closing():
            self._parse(request)

    def shutdown(self) -> None:
        """The server stops: an idle connection closes now, a busy one after its answer."""
        self._is_stopping = True
        if self._lane is not None:
            if self._lane.is_bound:
                return
            self._lane.give_up()
        if not self._is_refused:
            super().shutdown()

    # --- the parser's calls ---

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._heads_begun += 1
        self._head_is_open = True
        self._head_bytes = self._header_bytes = 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > _URL_BYTES_MAX:
            self._stop(_LONG_URL)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_bytes += len(name) + len(value) + 4
        if self._header_bytes > limits.HEADERS_BYTES_MAX:
            self._stop(_LONG_HEAD)
        if self._head_is_open:  # else it is a trailer behind a chunked body, which shall change nothing of the head
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                self._stop(_NOT_HTTP)
            return
        self._forget_deadline()
        self._head_is_open = False
        self._body_is_open = True
        self._head_came_now = True
        self.scope[LOSS] = loss = Loss()  # type: ignore[typeddict-unknown-key]
        self.scope[REPLY] = self.reply  # type: ignore[typeddict-unknown-key]
        self._losses.append(loss)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        self._body_is_open = False
        self._forget_deadline()
        if self._head_came_now:  # nobody can have begun to read it
            self.scope[BODY] = bytes(self.cycle.body)  # type: ignore[typeddict-unknown-key]
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self._losses.popleft()
        super().on_response_complete()
        if self.transport.is_closing():
            self._watch()  # closed when the client has taken all of the answer
        elif self._body_is_open:
            self._await(self._clocks.linger_seconds)  # answered before its body had come: nobody reads the rest

    # --- what is not plain HTTP/1 ---

    def _decline_upgrade(self, rest: bytes) -> None:
        """Reads the request again without its wish to upgrade, because the parser takes its body for something else."""
        head = [self.parser.get_method() + b" " + self.url + b" HTTP/1.1\r\n"]
        head += [name + b": " + value + b"\r\n" for name, value in self.headers if name != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(b"".join(head) + b"\r\n" + rest)

    # --- deadlines and refusals ---

    def _is_idle(self) -> bool:
        return self._lane is None and (self.cycle is None or self.cycle.response_complete)

    def _await(self, seconds: float) -> None:
        self._forget_deadline()
        self._deadline = self.loop.call_later(seconds, self._too_late)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_late(self) -> None:
        self._deadline = None
        if self._head_is_open and not self._is_refused:
            self._answer = _TOO_SLOW
            self._refuse()
        else:
            self._end()

    def _end(self) -> None:
        """Closes, without waiting for a client that does not take what was written."""
        if self.transport.is_closing() or self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()

    def _watch(self) -> None:
        self._forget_stall()
        self._untaken_bytes = self._waiting_bytes()
        self._stall = self.loop.call_later(self._clocks.stall_seconds, self._look)

    def _look(self) -> None:
        self._stall = None
        if self._untaken_bytes - self._waiting_bytes() < PART_BYTES:
            self.transport.abort()
        else:
            self._watch()

    def _waiting_bytes(self) -> int:
        """Of answers, what has not reached the client: here, and in the kernel, which may hold megabytes."""
        sock = self.transport.get_extra_info("socket")
        if sock is None or sock.fileno() < 0:
            return 0  # it is closed
        in_kernel = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4))
        return self.transport.get_write_buffer_size() + int.from_bytes(in_kernel, sys.byteorder)

    def _forget_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _check_open_head(self) -> None:
        if self._head_bytes - len(self.url) - _LINE_BYTES_MAX > limits.HEADERS_BYTES_MAX:
            self._stop(_LONG_HEAD)

    def _stop(self, answer: tuple[int, str, str]) -> None:
        self._answer = answer
        raise _Refused

    def _refuse(self) -> None:
        """Answers and reads nothing more. An answer under way to an earlier request is not broken into."""
        self._is_refused = True
        self._head_is_open = False
        self._forget_deadline()
        if self._body_is_open and not self._is_idle():
            self._give_up_request()
        elif not self._is_idle():
            self.cycle.keep_alive = False
            return
        if not self.transport.is_closing():
            self.transport.write(self._refusal())
            self.transport.write_eof()
            self._await(self._clocks.linger_seconds)

    def _give_up_request(self) -> None:
        """The body of the newest request is broken: its handler is told that the client has gone."""
        self.cycle.disconnected = True
        self.cycle.message_event.set()
        if self.cycle.response_started or self.pipeline:
            self.transport.close()

    def _refusal(self) -> bytes:
        status, errcode, message = self._answer
        body = encode({"errcode": errcode, "error": message})
        headers = [
            *self.server_state.default_headers,
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"access-control-allow-origin", b"*"),
            (b"connection", b"close"),
        ]
        lines = [name + b": " + value + b"\r\n" for name, value in headers]
        return b"".join([STATUS_LINE[status], *lines, b"\r\n", body])


def raise_descriptor_limit() -> int:
    """Lets this process hold as many sockets as the system allows; returns how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS_MAX if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS_MAX)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return DESCRIPTORS_MAX if soft == resource.RLIM_INFINITY else soft


async def run(
    app: Callable[..., Any],
    *,
    shorter: Shorter | None = None,
    host: str,
    port: int,
    ready: Callable[[int], None] | None = None,
    stop: asyncio.Event,
    drain_seconds: float,
    draining: Callable[[], None] | None = None,
    trusted_proxies: Sequence[str] = (),
    clocks: Clocks | None = None,
) -> None:
    """Serves `app` until `stop` is set, then lets requests under way finish.

    port 0 takes any free one; `ready` is told the port once connections are accepted. `draining` is called when the
    stop begins, so that long polls can answer. What has not finished after drain_seconds is cancelled.
    shorter: answers long polls and messages on a shorter way (http/lane.py).
    X-Forwarded-For is believed from trusted_proxies alone. Raises OSError when the address cannot be had.
    """
    if trusted_proxies:
        shorter = None  # who the client is then stands in headers that uvicorn reads
    clocks = clocks or Clocks()
    config = _config(app, clocks, trusted_proxies)
    state = ServerState()
    connections_max = max(raise_descriptor_limit() - DESCRIPTORS_KEPT, 16)
    deadlines = Deadlines(asyncio.get_running_loop())
    acceptor = await Acceptor.listen(
        lambda: Connection(config, state, clocks, deadlines, connections_max, shorter), host, port
    )
    clock = asyncio.create_task(_keep_date(state))
    try:
        if ready is not None:
            ready(acceptor.port)
        await stop.wait()
    finally:
        acceptor.close()
        if draining is not None:
            draining()
        await _drain(state, drain_seconds)
        clock.cancel()


def _config(app: Callable[..., Any], clocks: Clocks, trusted_proxies: Sequence[str]) -> Config:
    config = Config(
        app,
        http=Connection,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=list(trusted_proxies),
        timeout_keep_alive=clocks.keep_alive_seconds,
    )
    config.load()
    return config


def date_of(seconds: float) -> str:
    """A time since the epoch as HTTP writes it (RFC 9110, 5.6.7). In English: no locale is set in a server."""
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(seconds))


async def _keep_date(state: ServerState) -> None:
    """The Date header, made once a second for all answers."""
    while True:
        state.default_headers = [(b"date", date_of(time.time()).encode())]
        await pace.pause(1)


async def _drain(state: ServerState, seconds: float) -> None:
    for connection in list(state.connections):
        connection.shutdown()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while state.tasks:
                await asyncio.wait(state.tasks)
    if state.tasks:
        log.warning("%d requests were still under way and are cut off", len(state.tasks))
        await _cut_off(state)
    for connection in list(state.connections):
        connection.transport.close()
    await asyncio.sleep(0)


async def _cut_off(state: ServerState) -> None:
    level = log.level
    log.setLevel(logging.CRITICAL)  # uvicorn reports every cancelled request with its traceback
    try:
        for task in state.tasks:
            task.cancel()
        await asyncio.wait(state.tasks, timeout=1)
    finally:
        log.setLevel(level)
