"""A minimal HTTP/1.1 client: one request in flight per connection, so that the load costs little beside the server.

Reads replies with Content-Length or chunked coding; follows nothing, decodes nothing else.
"""

import asyncio
from typing import NamedTuple, cast

HEAD_END = b"\r\n\r\n"


class Reply(NamedTuple):
    status: int
    body: bytes


class ReplyReader:
    """Bytes in, at most one reply out."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._pieces: list[bytes] = []
        self._status = 0
        self._missing: int | None = None  # bytes of the body still to come; None: head not complete, or chunked
        self._chunked = False
        self._tail = b""
        self.closes = False

    def feed(self, data: bytes) -> Reply | None:
        if self._status == 0:
            head_and_body = self._head(data)
            if head_and_body is None:
                return None
            data = head_and_body
        self._pieces.append(data)
        return self._chunked_reply(data) if self._missing is None else self._sized_reply(len(data))

    def _head(self, data: bytes) -> bytes | None:
        """The first bytes of the body once the head is complete."""
        if self._pieces:
            data = b"".join((*self._pieces, data))
            self._pieces.clear()
        end = data.find(HEAD_END)
        if end < 0:
            self._pieces.append(data)
            return None
        head = data[:end].lower()
        self._status = int(head[9:12])
        self.closes = b"\r\nconnection: close" in head
        self._chunked = b"\r\ntransfer-encoding: chunked" in head
        self._missing = None if self._chunked else _content_length(head)
        return data[end + 4 :]

    def _sized_reply(self, received: int) -> Reply | None:
        assert self._missing is not None
        self._missing -= received
        return self._reply(b"".join(self._pieces)) if self._missing <= 0 else None

    def _chunked_reply(self, data: bytes) -> Reply | None:
        self._tail = (self._tail + data)[-4:]
        if self._tail != HEAD_END:
            return None  # a cheap test first: the last chunk ends so, wherever TCP cut it
        body = dechunk(b"".join(self._pieces))
        return None if body is None else self._reply(body)

    def _reply(self, body: bytes) -> Reply:
        reply, closes = Reply(self._status, body), self.closes
        self._reset()
        self.closes = closes
        return reply


def _content_length(head: bytes) -> int:
    start = head.find(b"\r\ncontent-length:")
    if start < 0:
        return 0  # 204 and the like
    return int(head[start + 17 :].split(b"\r\n", 1)[0])


def dechunk(raw: bytes) -> bytes | None:
    """The body inside chunked coding, None while its end is missing."""
    pieces: list[bytes] = []
    at = 0
    while True:
        line_end = raw.find(b"\r\n", at)
        if line_end < 0:
            return None
        size = int(raw[at:line_end].split(b";", 1)[0], 16)
        if size == 0:
            return b"".join(pieces)
        at = line_end + 2
        pieces.append(raw[at : at + size])
        at += size + 2


class Connection(asyncio.Protocol):
    """One TCP connection to the server. Reconnects by itself when the server closed it between two requests."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._port, self._host = port, host
        self._transport: asyncio.Transport | None = None
        self._reader = ReplyReader()
        self._waiter: asyncio.Future[Reply] | None = None

    async def exchange(self, request: bytes) -> Reply:
        """Sends one whole request. Raises ConnectionError when the connection ends before the reply does."""
        if self._transport is None or self._transport.is_closing():
            await self.connect()
        assert self._transport is not None
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiter

    async def connect(self) -> None:
        self._reader = ReplyReader()
        await asyncio.get_running_loop().create_connection(lambda: self, self._host, self._port)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Hangs up at once. A reply that is still under way is nobody's any more."""
        self._waiter = None
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but ancestry

    def data_received(self, data: bytes) -> None:
        reply = self._reader.feed(data)
        if reply is None:
            return
        if self._reader.closes:
            self.close()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(ConnectionResetError("the server closed the connection"))


def request(method: str, path: str, token: str = "", body: bytes = b"", *headers: str) -> bytes:
    """The bytes of one request. `path` is percent-encoded by the caller; headers: further lines of the head."""
    lines = [f"{method} {path} HTTP/1.1", "Host: load.example", "Accept: application/json", *headers]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    if body or method != "GET":
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + HEAD_END + body
