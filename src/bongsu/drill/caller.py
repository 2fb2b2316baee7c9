"""One person's screen, as the services see it: a write has its own key, and goes from site to site until answered."""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import aiohttp
import msgspec

from bongsu.core import limits

API: Final = "/_matrix/client/v3"
SERVICES: Final = "/_bongsu/v1"
_COME_AGAIN: Final = (429, 502, 503, 504)


class Answer(NamedTuple):
    status: int
    body: Any

    @property
    def is_done(self) -> bool:
        return self.status in (200, 201)


class Caller:
    """urls: of the sites, the person's own first. waits: told +1 when a call begins to wait for a site, -1 when it was
    answered. The caller bounds the time.
    """

    def __init__(
        self, http: aiohttp.ClientSession, urls: Sequence[str], waits: Callable[[int], None], token: str = ""
    ) -> None:
        self._http, self._urls, self._waits = http, list(urls), waits
        self.user_id, self.token = "", token

    async def register(self, name: str, password: str) -> None:
        body = {"username": name, "password": password, "auth": {"type": "m.login.dummy"}}
        made = (await self.call("POST", f"{API}/register", body)).body
        self.user_id, self.token = made["user_id"], made["access_token"]

    async def call(self, method: str, path: str, body: object = None) -> Answer:
        """The first answer that is none of a site in trouble. A repeated write is the same write."""
        headers = {"Idempotency-Key": uuid.uuid4().hex} if method != "GET" else {}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        failures = 0
        while (answer := await self._try(method, path, body, headers)) is None:
            failures += 1
            if failures == 1:
                self._waits(1)
            self._urls.append(self._urls.pop(0))
            if failures % len(self._urls) == 0:
                await asyncio.sleep(limits.DRILL_REST_SECONDS)
        if failures:
            self._waits(-1)
        return answer

    async def _try(self, method: str, path: str, body: object, headers: dict[str, str]) -> Answer | None:
        data = None if body is None else msgspec.json.encode(body)
        patience = aiohttp.ClientTimeout(limits.DRILL_PATIENCE_SECONDS)
        try:
            async with self._http.request(
                method, self._urls[0] + path, data=data, headers=headers, timeout=patience
            ) as reply:
                raw = await reply.read()
                return None if reply.status in _COME_AGAIN else Answer(reply.status, msgspec.json.decode(raw))
        except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError):
            return None
