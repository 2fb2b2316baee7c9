"""A shorter way for the request that is asked most: the next long poll on a connection that had one before.

Its head differs from the last one in nothing but the query. So it is recognised by comparing bytes, not parsed again;
it waits without a task; and what it is told is written at once. Whatever is not just so goes the ordinary way, also
when that shows late: give_up() hands the same bytes to the parser as if they had only now arrived.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import msgspec

from bongsu.http.deadlines import Deadline

_LINE: Final = re.compile(rb"GET /_matrix/client/v3/sync\?([\x21-\x24\x26-\x2a\x2c-\x7e]+) HTTP/1\.1")  # no % and no +
_HEAD_END: Final = b"\r\n\r\n"
_GET: Final = b"GET "


class Way(Protocol):
    """What a lane needs of its connection."""

    def call_later(self, seconds: float, call: Callable[[], None]) -> Deadline: ...

    def write_answer(self, body: bytes) -> None: ...

    def go_ordinary_way(self, request: bytes) -> None: ...


class Lane(msgspec.Struct, eq=False):
    """One request. It ends once: by answer(), give_up() or lost()."""

    way: Way | None  # until it ends
    request: bytes
    _deadline: Deadline | None = None
    _ends: list[Callable[[], None]] = []

    def when_ended(self, call: Callable[[], None]) -> None:
        """`call` comes when the lane ends, before those that were told of earlier."""
        self._ends.append(call)

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        """If the lane has not ended by then. A later call takes an earlier one's place."""
        if self.way is not None:
            self._deadline = self.way.call_later(seconds, call)

    @property
    def is_open(self) -> bool:
        return self.way is not None

    def answer(self, body: bytes) -> None:
        if (way := self._end()) is not None:
            way.write_answer(body)

    def give_up(self) -> None:
        if (way := self._end()) is not None:
            way.go_ordinary_way(self.request)

    def lost(self) -> None:
        """The client hung up."""
        self._end()

    def _end(self) -> Way | None:
        way, self.way = self.way, None
        if way is not None:
            if self._deadline is not None:
                self._deadline.cancel()
            for ended in reversed(self._ends):
                ended()
        return way


Take = Callable[[Lane, bytes, Mapping[bytes, bytes], str], bool]  # lane, query, headers, client; False: not this one


class Memory:
    """The head of a connection's last request, as far as it can come again: all of it but its first line."""

    __slots__ = ("headers", "rest")

    def __init__(self) -> None:
        self.rest: bytes | None = None
        self.headers: Mapping[bytes, bytes] = {}

    def keep(self, data: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        """After a request was parsed: remembers it, if it was a whole GET without a body and arrived by itself."""
        end = data.find(_HEAD_END)
        if end + len(_HEAD_END) != len(data) or not data.startswith(_GET):
            return
        rest = data[data.find(b"\r\n") :]
        if rest == self.rest:
            return
        found = dict(headers)
        is_simple = b"authorization" in found and len(found) == len(headers) and not _UNUSUAL & found.keys()
        self.rest, self.headers = (rest, found) if is_simple else (None, {})

    def query_of(self, data: bytes) -> bytes | None:
        """The query, if this is the same head with another one."""
        if self.rest is None or not data.endswith(self.rest):
            return None
        match = _LINE.fullmatch(data, 0, len(data) - len(self.rest))
        return None if match is None else match[1]


_UNUSUAL: Final[frozenset[Any]] = frozenset(
    (b"connection", b"content-length", b"expect", b"transfer-encoding", b"upgrade", b"te", b"trailer")
)
