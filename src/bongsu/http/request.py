"""One request, parsed once."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

import msgspec

from bongsu.core import limits
from bongsu.core.errors import Refusal, bad_json, invalid_param, missing_param, too_large
from bongsu.core.json import JsonObject, parse_object
from bongsu.core.requester import Requester

T = TypeVar("T")
_WHOLE_NUMBER: Final = re.compile(r"-?[0-9]{1,16}", re.ASCII)
_FIELDS_MAX: Final = 100  # of a query string
Receive = Callable[[], Awaitable[Mapping[str, Any]]]


class ClientGone(Exception):
    """The client hung up before the request was complete."""


def convert(value: object, shape: type[T]) -> T:
    """A parsed JSON value as a typed one. A missing member is M_MISSING_PARAM, a wrong type M_BAD_JSON."""
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        if "missing required field" in str(error):
            raise missing_param(str(error)) from None
        raise bad_json(str(error)) from None


class Loss:
    """The end of a client's connection: whoever wants to hear of it is told, also if it has come already."""

    __slots__ = ("_calls", "has_come")

    def __init__(self) -> None:
        self._calls: list[Callable[[], None]] = []
        self.has_come = False

    def tell(self, call: Callable[[], None]) -> None:
        if self.has_come:
            call()
        else:
            self._calls.append(call)

    def come(self) -> None:
        self.has_come = True
        for call in self._calls:
            call()


class Query:
    """The query string: the first value of each name, decoded; values() where a name may repeat."""

    def __init__(self, raw: bytes) -> None:
        self._pairs: list[tuple[str, str]] = []
        if raw.count(b"&") >= _FIELDS_MAX:
            raise invalid_param(f"a query may have {_FIELDS_MAX} fields")
        if raw and b"%" not in raw and b"+" not in raw and raw.isascii():
            self._pairs = [pair.partition("=")[::2] for pair in raw.decode().split("&")]
        elif raw:
            try:
                self._pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict")
            except ValueError:
                raise invalid_param("the query string is not percent-encoded UTF-8") from None

    def get(self, name: str) -> str | None:
        for key, value in self._pairs:
            if key == name:
                return value
        return None

    def values(self, name: str) -> list[str]:
        return [value for key, value in self._pairs if key == name]

    def pairs(self) -> list[tuple[str, str]]:
        return list(self._pairs)

    def is_of(self, names: frozenset[str]) -> bool:
        """Are these the names that occur, each at most once?"""
        found = [name for name, _ in self._pairs]
        return names.issuperset(found) and len(set(found)) == len(found)

    def need(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise missing_param(f"the query parameter {name} is missing")
        return value

    def integer(self, name: str, default: int, *, low: int = 0, high: int = limits.INTEGER_MAX) -> int:
        """A whole number; below `low` is refused, above `high` is lowered to it."""
        text = self.get(name)
        if text is None:
            return default
        if not _WHOLE_NUMBER.fullmatch(text):
            raise invalid_param(f"{name} must be a whole number")
        if int(text) < low:
            raise invalid_param(f"{name} must be at least {low}")
        return min(int(text), high)

    def flag(self, name: str, default: bool = False) -> bool:
        text = self.get(name)
        if text is None:
            return default
        if text not in ("true", "false"):
            raise invalid_param(f"{name} must be true or false")
        return text == "true"

    def choice(self, name: str, choices: tuple[str, ...], default: str | None = None) -> str:
        text = self.get(name) if default is not None else self.need(name)
        if text is None:
            assert default is not None
            return default
        if text not in choices:
            raise invalid_param(f"{name} must be one of {', '.join(choices)}")
        return text


class Request:
    """What a handler gets. `params` are the path's named segments, percent-decoded; `path` is as it came."""

    __slots__ = (
        "_body",
        "_came",
        "_loss",
        "_receive",
        "_requester",
        "client",
        "headers",
        "method",
        "params",
        "path",
        "query",
    )

    def __init__(
        self,
        *,
        method: str,
        path: str,
        query: Query,
        headers: Mapping[bytes, bytes],
        client: str,
        receive: Receive,
        params: dict[str, str],
        requester: Requester | None,
        loss: Loss | None = None,
        came: bytes | None = None,
    ) -> None:
        """came: the whole body, if it is there already."""
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.client = client
        self.params = params
        self._receive = receive
        self._requester = requester
        self._body: bytes | None = None
        self._loss = loss
        self._came = came

    @property
    def requester(self) -> Requester:
        """Who asks. On a route that needs no token: M_MISSING_TOKEN when there is none."""
        if self._requester is None:
            raise Refusal(401, "M_MISSING_TOKEN", "this needs an access token: sign in first")
        return self._requester

    @property
    def requester_or_none(self) -> Requester | None:
        return self._requester

    def header(self, name: str) -> str | None:
        value = self.headers.get(name.encode())
        return None if value is None else value.decode("latin-1")

    async def stream(self) -> AsyncIterator[bytes]:
        """The body in pieces as they arrive. Raises ClientGone when the client hangs up before its end."""
        if self._came is not None:
            yield self._came
            return
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            if piece := message.get("body", b""):
                yield piece
            if not message.get("more_body", False):
                return

    async def body(self, bytes_max: int = limits.BODY_BYTES_MAX) -> bytes:
        """The whole body, within a size and a time."""
        if self._body is None:
            declared = self.headers.get(b"content-length", b"0")
            if (declared.isdigit() and int(declared) > bytes_max) or len(self._came or b"") > bytes_max:
                raise too_large(f"the body may have at most {bytes_max} bytes")
            self._body = await self._read_in_time(bytes_max) if self._came is None else self._came
        return self._body

    async def _read_in_time(self, bytes_max: int) -> bytes:
        if b"content-length" not in self.headers and b"transfer-encoding" not in self.headers:
            return b""
        try:
            async with asyncio.timeout(limits.BODY_SECONDS_MAX):
                return await self._read(bytes_max)
        except TimeoutError:
            raise Refusal(408, "M_UNKNOWN", "the body took too long to arrive") from None

    async def _read(self, bytes_max: int) -> bytes:
        pieces: list[bytes] = []
        size = 0
        async for piece in self.stream():
            size += len(piece)
            if size > bytes_max:
                raise too_large(f"the body may have at most {bytes_max} bytes")
            pieces.append(piece)
        return b"".join(pieces)

    async def json(self) -> JsonObject:
        """The body as a JSON object; M_NOT_JSON, M_BAD_JSON or M_TOO_LARGE when it is none."""
        return parse_object(await self.body())

    async def json_or_empty(self) -> JsonObject:
        """As json(), for the endpoints whose body may be left out."""
        raw = await self.body()
        return parse_object(raw) if raw else {}

    async def read(self, shape: type[T]) -> T:
        """The body as a typed value (msgspec)."""
        return convert(await self.json_or_empty(), shape)

    def when_lost(self, tell: Callable[[], None]) -> None:
        """`tell` is called when the client hangs up while this request is being answered, or has hung up already."""
        if self._loss is not None:
            self._loss.tell(tell)
