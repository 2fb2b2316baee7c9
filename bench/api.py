"""The few client-server calls that a load needs, the same for every server."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from bongsu.drill.wire import Connection, Reply, request

T = TypeVar("T")
R = TypeVar("R")
V3 = "/_matrix/client/v3"
PASSWORD = "correct horse battery staple"
SETUP_CONNECTIONS = 16  # enough to keep either server busy while rooms are built


class User(msgspec.Struct, frozen=True):
    user_id: str
    token: str


class Refused(Exception):
    """The server answered with an error where the load needs success."""


class _Member(msgspec.Struct):
    room_id: str = ""
    event_id: str = ""
    filter_id: str = ""
    user_id: str = ""
    access_token: str = ""
    next_batch: str = ""


def checked(reply: Reply, what: str) -> bytes:
    if reply.status != 200:
        raise Refused(f"{what}: {reply.status} {reply.body[:300].decode(errors='replace')}")
    return reply.body


def encode(path: str) -> str:
    return quote(path, safe="")


def message(text: str, **more: Any) -> bytes:
    return msgspec.json.encode({"msgtype": "m.text", "body": text, **more})


def send_path(room_id: str, txn_id: str) -> str:
    return f"{V3}/rooms/{encode(room_id)}/send/m.room.message/{txn_id}"


def sync_path(since: str = "", filter_id: str = "", timeout_ms: int = 0) -> str:
    since_part = f"&since={encode(since)}" if since else ""
    filter_part = f"&filter={encode(filter_id)}" if filter_id else ""
    return f"{V3}/sync?timeout={timeout_ms}{since_part}{filter_part}"


class Api:
    """Calls over a small pool of connections."""

    def __init__(self, port: int, connections: int = SETUP_CONNECTIONS) -> None:
        self._idle: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
        self._all = [Connection(port) for _ in range(connections)]
        self._txn = itertools.count()
        for connection in self._all:
            self._idle.put_nowait(connection)

    def close(self) -> None:
        for connection in self._all:
            connection.close()

    async def call(self, method: str, path: str, user: User | None = None, body: Any = None) -> Reply:
        raw = body if isinstance(body, bytes) else b"" if body is None else msgspec.json.encode(body)
        connection = await self._idle.get()
        try:
            return await connection.exchange(request(method, path, user.token if user else "", raw))
        finally:
            self._idle.put_nowait(connection)

    async def _typed(self, method: str, path: str, user: User | None = None, body: Any = None) -> _Member:
        reply = await self.call(method, path, user, body)
        return msgspec.json.decode(checked(reply, f"{method} {path}"), type=_Member)

    async def register(self, name: str) -> User:
        body = {"username": name, "password": PASSWORD, "auth": {"type": "m.login.dummy"}}
        made = await self._typed("POST", f"{V3}/register", body=body)
        return User(made.user_id, made.access_token)

    async def login(self, user_id: str) -> User:
        """The same person on a new device."""
        who = {"type": "m.id.user", "user": user_id}
        body = {"type": "m.login.password", "identifier": who, "password": PASSWORD}
        made = await self._typed("POST", f"{V3}/login", body=body)
        return User(made.user_id, made.access_token)

    async def create_room(self, user: User, name: str) -> str:
        body = {"preset": "public_chat", "name": name}
        return (await self._typed("POST", f"{V3}/createRoom", user, body)).room_id

    async def join(self, user: User, room_id: str) -> None:
        await self._typed("POST", f"{V3}/join/{encode(room_id)}", user, {})

    async def send(self, user: User, room_id: str, text: str) -> str:
        path = send_path(room_id, f"setup{next(self._txn)}")
        return (await self._typed("PUT", path, user, message(text))).event_id

    async def upload_filter(self, user: User, timeline_limit: int) -> str:
        """As clients do: a filter with lazily loaded members, uploaded once."""
        room = {"timeline": {"limit": timeline_limit}, "state": {"lazy_load_members": True}}
        path = f"{V3}/user/{encode(user.user_id)}/filter"
        return (await self._typed("POST", path, user, {"room": room})).filter_id

    async def next_batch(self, user: User, since: str = "", filter_id: str = "") -> str:
        return (await self._typed("GET", sync_path(since, filter_id), user)).next_batch


@asynccontextmanager
async def api(port: int) -> AsyncIterator[Api]:
    calls = Api(port)
    try:
        yield calls
    finally:
        calls.close()


async def each(
    items: Sequence[T],
    work: Callable[[T], Awaitable[R]],
    limit: int = SETUP_CONNECTIONS,
    advance: Callable[[], None] = lambda: None,
) -> list[R]:
    """work(item) for all items, at most `limit` at a time; results in the order of the items."""
    results: list[R | None] = [None] * len(items)
    todo = iter(enumerate(items))

    async def worker() -> None:
        for index, item in todo:
            results[index] = await work(item)
            advance()

    async with asyncio.TaskGroup() as group:
        for _ in range(min(limit, len(items))):
            group.create_task(worker())
    return results  # type: ignore[return-value]  # every place is filled: the group has ended
