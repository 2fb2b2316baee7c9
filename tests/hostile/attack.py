"""An attacker's tools: any bytes as a request, and what must hold whatever was sent.

Every answer comes soon, in the protocol's own form and with its CORS headers, and is never a fault of the server.
"""

import asyncio
import contextlib
import itertools
import json
import secrets
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from tests import seen
from tests.api.talking import room, segment
from tests.server import Server, running

V3 = "/_matrix/client/v3"
V1 = "/_matrix/client/v1"
SECONDS_MAX = 1.0  # the slowest refusal; one that took longer on a busy machine gets a second chance
WAIT_SECONDS_MAX = 20.0  # then the server hangs
PASSWORD = "a password that is long"
REGISTRATION_SECRET = "known to the operator alone"

Json = Any
Headers = Sequence[tuple[str, str]]


class Answer(msgspec.Struct, frozen=True):
    """headers: by lower-case name."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float

    @property
    def json(self) -> Json:
        return json.loads(self.body)

    @property
    def errcode(self) -> str:
        """Empty where there is none."""
        return str(self.json.get("errcode", "")) if self.body else ""

    @property
    def refusal(self) -> tuple[int, str]:
        return self.status, self.errcode


class Connection:
    """One connection: requests as bytes, answers as they come."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.is_over = False

    def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self._writer.write(piece)

    async def answer(self, method: str = "GET") -> Answer:
        """The next answer. Raises ConnectionError when the server closed the connection instead."""
        began = time.monotonic()
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            try:
                head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            except asyncio.IncompleteReadError as cut:
                raise ConnectionError(f"closed after {cut.partial!r}") from None
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
            body = await self._body(method, headers)
        self.is_over = headers.get("connection") == "close"
        return Answer(int(head[0].split()[1]), headers, body, time.monotonic() - began)

    async def _body(self, method: str, headers: Mapping[str, str]) -> bytes:
        if method == "HEAD":
            return b""
        assert headers.get("transfer-encoding") is None, "this server says how long its answers are"
        return await self._reader.readexactly(int(headers.get("content-length", "0")))

    async def rest(self, seconds: float) -> bytes:
        """What comes until the server closes the connection, or within this time."""
        try:
            async with asyncio.timeout(seconds):
                return await self._reader.read(1)
        except TimeoutError:
            return b""

    def close(self) -> None:
        self._writer.close()


async def connect(server: Server, address: str = "127.0.0.1") -> Connection:
    """address: from where; every one of 127.0.0.0/8 is this machine's."""
    return Connection(*await asyncio.open_connection("127.0.0.1", server.port, local_addr=(address, 0), limit=2**24))


def head(method: str, path: str, headers: Headers) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: test.example", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "\r\n"]).encode()


def encode(body: Json | bytes | None) -> bytes | None:
    """Bytes stay as they are; anything else becomes JSON."""
    return body if body is None or isinstance(body, bytes) else json.dumps(body).encode()


class Attacker:
    """Asks over one connection that is kept, and looks at every answer. token: a stolen one; address: from where."""

    def __init__(self, server: Server, token: str | None = None, address: str = "127.0.0.1") -> None:
        self.server = server
        self.token = token
        self._address = address
        self._connection: Connection | None = None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    async def ask(
        self, method: str, path: str, body: Json | bytes | None = None, *, headers: Headers | None = None
    ) -> Answer:
        """Sends the path as it is. headers: instead of the token and the content type."""
        answer = await self._ask(method, path, body, headers)
        if answer.seconds > SECONDS_MAX and answer.status >= 400:
            answer = await self._ask(method, path, body, headers)
        check(answer, f"{method} {path[:200]} {(encode(body) or b'')[:200]!r}")
        return answer

    async def refused(
        self, method: str, path: str, body: Json | bytes | None = None, *, headers: Headers | None = None
    ) -> tuple[int, str]:
        """(status, errcode) of an answer that is a refusal in the protocol's form."""
        answer = await self.ask(method, path, body, headers=headers)
        assert answer.status >= 400, f"{method} {path[:200]} was allowed: {answer.body[:200]!r}"
        assert answer.headers["content-type"] == "application/json"
        if method != "HEAD":
            assert answer.json["errcode"]
            assert answer.json["error"]
        return answer.refusal

    async def _ask(self, method: str, path: str, body: Json | bytes | None, headers: Headers | None) -> Answer:
        raw = encode(body)
        sent = list(self._headers(raw) if headers is None else headers)
        if raw is not None and not any(name.lower() in ("content-length", "transfer-encoding") for name, _ in sent):
            sent.append(("Content-Length", str(len(raw))))
        connection = await self._connected()
        connection.send(head(method, path, sent), raw or b"")
        answer = await connection.answer(method)
        seen.note(method, path, answer.status)
        if connection.is_over:
            connection.close()
            self._connection = None
        return answer

    def _headers(self, raw: bytes | None) -> Headers:
        bearer = [("Authorization", f"Bearer {self.token}")] if self.token is not None else []
        return [*bearer, *([("Content-Type", "application/json")] if raw is not None else [])]

    async def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = await connect(self.server, self._address)
        return self._connection

    async def position(self) -> int:
        """The newest position of the stream: it moves with whatever anybody changes in rooms, or says of themselves."""
        return int((await self.ask("GET", "/health/ready")).json["position"])


def check(answer: Answer, what: str) -> None:
    """What holds for every answer; how long one may take that was a success is for the test to say."""
    said = f"{what} → {answer.status} {answer.body[:300]!r}"
    assert answer.status < 500, said
    assert answer.status < 400 or answer.seconds < SECONDS_MAX, f"{said} took {answer.seconds:.2f} s"
    assert answer.headers["access-control-allow-origin"] == "*", said


@asynccontextmanager
async def nothing_changes(attacker: Attacker) -> AsyncIterator[None]:
    """Nothing that is told in a sync comes into being meanwhile."""
    before = await attacker.position()
    yield
    assert await attacker.position() == before, "a refused request has changed something"


@contextlib.contextmanager
def nothing_is_logged() -> Any:
    """No server logs an error or a traceback meanwhile."""
    sizes = {server.log_path: _size(server.log_path) for server in running}
    yield
    for server in running:
        with server.log_path.open("rb") as log:
            log.seek(sizes.get(server.log_path, 0))
            lines = log.read().decode(errors="replace").splitlines()
        harm = [line for line in lines if '"level":"error"' in line or "Traceback" in line]
        assert not harm, "\n".join(harm)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


class Person(Attacker):
    """Somebody signed in, who can also be honest: `does` gives the JSON of an answer that must be a success."""

    def __init__(self, server: Server, signed_in: Json) -> None:
        super().__init__(server, signed_in["access_token"])
        self._signed_in = signed_in
        self.user_id: str = signed_in["user_id"]
        self.device_id: str = signed_in["device_id"]
        self._txn_ids = itertools.count()

    def on(self, server: Server) -> "Person":
        """The same device on another worker, over a connection of its own."""
        return Person(server, self._signed_in)

    async def does(self, method: str, path: str, body: Json | bytes | None = None) -> Json:
        answer = await self.ask(method, path, body)
        assert answer.status == 200, f"{method} {path} → {answer.status} {answer.body[:300]!r}"
        return answer.json

    def own(self, rest: str) -> str:
        """A path under /user/{userId}."""
        return f"{V3}/user/{segment(self.user_id)}/{rest}"

    async def makes_room(self, **options: Json) -> str:
        room_id: str = (await self.does("POST", f"{V3}/createRoom", options))["room_id"]
        return room_id

    async def brings(self, room_id: str, *others: "Person") -> None:
        for other in others:
            await self.does("POST", f"{room(room_id)}/invite", {"user_id": other.user_id})
            await other.does("POST", f"{room(room_id)}/join", {})

    async def sends(self, room_id: str, content: Json, event_type: str = "m.room.message") -> str:
        path = f"{room(room_id)}/send/{segment(event_type)}/{next(self._txn_ids)}"
        event_id: str = (await self.does("PUT", path, content))["event_id"]
        return event_id

    async def says(self, room_id: str, text: str) -> str:
        return await self.sends(room_id, {"msgtype": "m.text", "body": text})

    async def sets(self, room_id: str, event_type: str, content: Json, state_key: str = "") -> str:
        path = f"{room(room_id)}/state/{segment(event_type)}/{segment(state_key)}"
        event_id: str = (await self.does("PUT", path, content))["event_id"]
        return event_id

    async def syncs(self, **query: Json) -> Json:
        """Unseen, so that it writes nothing."""
        pairs = "".join(f"&{name}={segment(str(value))}" for name, value in query.items())
        return await self.does("GET", f"{V3}/sync?set_presence=offline{pairs}")


async def sign_up(server: Server, name: str = "somebody", **options: Json) -> Person:
    """Somebody new, whose name begins with this one."""
    attacker = Attacker(server)
    body = {"username": f"{name}-{secrets.token_hex(6)}", "password": PASSWORD, "auth": {"type": "m.login.dummy"}}
    answer = await attacker.ask("POST", f"{V3}/register", {**body, **options})
    attacker.close()
    assert answer.status == 200, answer.body
    return Person(server, answer.json)
