"""A shorter way for the two requests that are asked most: the next long poll, and a message to a room.

On a connection that had one before, the head differs from the last one in nothing but its first line; that of a message
also in the length of its body and, where people share a connection, in who says it. So it is recognised by comparing
bytes, not parsed again; it waits without a task; and what it is told is written at once. Whatever is not just so goes
the ordinary way. A poll does so even when that shows late: give_up() hands the same bytes to the parser as if they had
only now arrived. A message that was submitted is bound: it can only be answered, and whatever else comes on its
connection waits until then.
"""

import re
from asyncio import Future
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import msgspec

from bongsu.http.deadlines import Deadline
from bongsu.http.response import Response

_POLL: Final = re.compile(rb"GET /_matrix/client/v3/sync\?([\x21-\x24\x26-\x2a\x2c-\x7e]+) HTTP/1\.1")  # no % and no +
_SEGMENT: Final = rb"([\w.~!$&'()*+,;=:@%-]+)"
_SEND: Final = re.compile(
    rb"PUT /_matrix/client/v3/rooms/" + _SEGMENT + rb"/send/" + _SEGMENT + rb"/" + _SEGMENT + rb" HTTP/1\.1"
)
_TOKEN: Final = re.compile(rb"authorization: Bearer ", re.IGNORECASE)
_LENGTH: Final = re.compile(rb"content-length: ", re.IGNORECASE)
_LINE_END: Final = b"\r\n"
_HEAD_END: Final = b"\r\n\r\n"
_GET: Final = b"GET "
_PUT: Final = b"PUT "


class Way(Protocol):
    """What a lane needs of its connection."""

    def call_later(self, seconds: float, call: Callable[[], None]) -> Deadline: ...

    def write_answer(self, body: bytes) -> None: ...

    def write_response(self, response: Response) -> None: ...

    def go_ordinary_way(self, request: bytes) -> None: ...

    def await_answer(self, future: Future[Any]) -> None: ...


class Lane(msgspec.Struct, eq=False):
    """One request. It ends once: by answer(), respond(), give_up() or lost(); or was never taken: leave().

    is_bound: see bind().
    """

    way: Way | None  # until it ends
    request: bytes
    is_bound: bool = False
    _deadline: Deadline | None = None
    _ends: list[Callable[[], None]] = []

    def when_ended(self, call: Callable[[], None]) -> None:
        """`call` comes when the lane ends, before those that were told of earlier."""
        self._ends.append(call)

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        """If the lane has not ended by then. A later call takes an earlier one's place."""
        if self.way is not None:
            self._deadline = self.way.call_later(seconds, call)

    def bind(self, future: Future[Any]) -> None:
        """What was asked for is under way until then, and must not be asked for again."""
        self.is_bound = True
        if self.way is not None:
            self.way.await_answer(future)

    @property
    def is_open(self) -> bool:
        return self.way is not None

    def answer(self, body: bytes) -> None:
        if (way := self._end()) is not None:
            way.write_answer(body)

    def respond(self, response: Response) -> None:
        """With anything whose body is there."""
        if (way := self._end()) is not None:
            way.write_response(response)

    def give_up(self) -> None:
        if (way := self._end()) is not None:
            way.go_ordinary_way(self.request)

    def lost(self) -> None:
        """The client hung up."""
        self._end()

    def leave(self) -> None:
        """It goes the ordinary way, and is answered there alone, whatever somebody began here before they failed."""
        self.way = None

    def _end(self) -> Way | None:
        way, self.way = self.way, None
        if way is not None:
            if self._deadline is not None:
                self._deadline.cancel()
            for ended in reversed(self._ends):
                ended()
        return way


class Head(msgspec.Struct, eq=False):
    """A poll's head without its first line. token_id: hash of its access token, once somebody has asked."""

    rest: bytes
    headers: Mapping[bytes, bytes]
    token_id: bytes | None = None


class _SendHead(msgspec.Struct, frozen=True):
    """A message's head in lines, those left empty that differ each time; and where the token and the length stand."""

    lines: list[bytes]
    token_at: int
    before_token: bytes
    length_at: int
    before_length: bytes


class Sent(msgspec.Struct, frozen=True):
    """A message to a room: the path's segments and the access token as they came, and the body."""

    room_id: bytes
    event_type: bytes
    txn_id: bytes
    token: bytes
    body: bytes


class Shorter(Protocol):
    """Who answers here (http/shorter.py). client: address. False: this one goes the ordinary way."""

    def poll(self, lane: Lane, query: bytes, head: Head, client: str) -> bool: ...

    def send(self, lane: Lane, sent: Sent, client: str) -> bool: ...


class Memory:
    """The heads of a connection's last requests, one of a GET and one of a PUT, as far as they can come again."""

    __slots__ = ("_sending", "polling")

    def __init__(self) -> None:
        self.polling: Head | None = None
        self._sending: _SendHead | None = None

    def keep(self, data: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        """After a request was parsed: remembers it, if it was whole and arrived by itself."""
        line_end, end = data.find(_LINE_END), data.find(_HEAD_END)
        if line_end < 0 or data.find(b"\n", 0, line_end) >= 0:
            return
        if data.startswith(_GET):
            if end + len(_HEAD_END) == len(data):
                self._keep_poll(data[line_end:], headers)
        elif data.startswith(_PUT):
            found = _usual(headers)
            length = b"" if found is None else found.get(b"content-length", b"")
            whole = length.isdigit() and end + len(_HEAD_END) + int(length) == len(data)
            self._sending = _send_head(data[:end].split(_LINE_END)) if whole else None

    def _keep_poll(self, rest: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        if self.polling is None or self.polling.rest != rest:
            found = _usual(headers)
            has_body = found is None or b"content-length" in found
            self.polling = None if found is None or has_body else Head(rest, found)

    def query_of(self, data: bytes) -> bytes | None:
        """The query, if this is the long poll's head again with another one."""
        rest = None if self.polling is None else self.polling.rest
        if rest is None or not data.endswith(rest):
            return None
        match = _POLL.fullmatch(data, 0, len(data) - len(rest))
        return None if match is None else match[1]

    def sent(self, data: bytes) -> Sent | None:
        """The message, if its head is like that of the last PUT."""
        head = self._sending
        if head is None or not data.startswith(_PUT):
            return None
        end = data.find(_HEAD_END)
        lines = data[:end].split(_LINE_END)
        if len(lines) != len(head.lines):
            return None
        line, token, length = lines[0], lines[head.token_at], lines[head.length_at]
        lines[0] = lines[head.token_at] = lines[head.length_at] = b""
        if lines != head.lines or not token.startswith(head.before_token):
            return None
        body = data[end + len(_HEAD_END) :]
        match = _SEND.fullmatch(line)
        if match is None or length != b"%b%d" % (head.before_length, len(body)):
            return None
        return Sent(match[1], match[2], match[3], token[len(head.before_token) :], body)


def _usual(headers: list[tuple[bytes, bytes]]) -> dict[bytes, bytes] | None:
    """None for a head that says anything unusual of its connection or its body."""
    found = dict(headers)
    if b"authorization" not in found or len(found) != len(headers) or not _UNUSUAL.isdisjoint(found):
        return None
    return found if found.get(b"connection", _KEEP).lower() == _KEEP else None


def _send_head(lines: list[bytes]) -> _SendHead | None:
    lines[0] = b""
    places: list[tuple[int, bytes]] = []
    for pattern in (_TOKEN, _LENGTH):
        for at, line in enumerate(lines):
            if match := pattern.match(line):
                places.append((at, match[0]))
                lines[at] = b""
    return _SendHead(lines, *places[0], *places[1]) if len(places) == 2 else None


_KEEP: Final = b"keep-alive"
_UNUSUAL: Final[frozenset[bytes]] = frozenset((b"expect", b"transfer-encoding", b"upgrade", b"te", b"trailer"))
