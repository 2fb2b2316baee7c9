"""Asks the server from within, as a client would from outside: the same path, rules, limits and answers."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, TypeVar
from urllib.parse import quote

import msgspec

from bongsu.core.errors import Refusal
from bongsu.core.json import JsonObject, encode

Message = MutableMapping[str, Any]
Served = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]
_TRIES: Final = 20
_UNTIL_SECONDS_MAX: Final = 15.0
_PAUSE_SECONDS: Final = 0.1
T = TypeVar("T")
_DEVICE: Final = "DEMO"


def at(*segments: str) -> str:
    """The end of a path, escaped."""
    return "".join(f"/{quote(segment, safe='')}" for segment in segments)


async def until(look: Callable[[], Awaitable[T | None]]) -> T:
    """What is found when it is there: the services do some things a moment later. Raises TimeoutError."""
    async with asyncio.timeout(_UNTIL_SECONDS_MAX):
        while True:
            if (found := await look()) is not None:
                return found
            await asyncio.sleep(_PAUSE_SECONDS)


class Asking:
    """One person's requests. Raises what the server refuses; waits where it asks to come later."""

    def __init__(self, served: Served, user_id: str) -> None:
        self.user_id = user_id
        self._served = served
        self._token = ""

    async def sign_in(self, password: str) -> None:
        who = {"type": "m.id.user", "user": self.user_id}
        body = {"type": "m.login.password", "identifier": who, "password": password, "device_id": _DEVICE}
        self._token = (await self.post("/_matrix/client/v3/login", body))["access_token"]

    async def sign_out(self) -> None:
        await self.post("/_matrix/client/v3/logout", {})

    async def get(self, path: str) -> JsonObject:
        return await self._ask("GET", path, b"")

    async def post(self, path: str, body: JsonObject) -> JsonObject:
        return await self._ask("POST", path, encode(body))

    async def put(self, path: str, body: JsonObject) -> JsonObject:
        return await self._ask("PUT", path, encode(body))

    async def _ask(self, method: str, path: str, body: bytes) -> JsonObject:
        for _ in range(_TRIES):
            status, said = await self._once(method, path, body)
            if status < 400:
                return said
            if status != 429:
                break
            await asyncio.sleep(said["retry_after_ms"] / 1_000)
        raise Refusal(status, said.get("errcode", "M_UNKNOWN"), f"{method} {path}: {said.get('error')}")

    async def _once(self, method: str, path: str, body: bytes) -> tuple[int, JsonObject]:
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        if self._token:
            headers.append((b"authorization", f"Bearer {self._token}".encode()))
        place, _, query = path.partition("?")
        scope = {"type": "http", "method": method, "path": place, "raw_path": place.encode(), "headers": headers}
        answer: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body}

        async def send(message: Message) -> None:
            answer.append(message)

        await self._served({**scope, "query_string": query.encode(), "client": None}, receive, send)
        said = b"".join(message.get("body", b"") for message in answer)
        return answer[0]["status"], msgspec.json.decode(said, type=dict[str, Any])
