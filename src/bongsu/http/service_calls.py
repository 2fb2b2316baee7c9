"""Calls to application services: HTTP with the token that each service knows this server by."""

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec

from bongsu.core import limits
from bongsu.core.json import encode
from bongsu.core.services import Service
from bongsu.http.outside import beginning


class Answer(msgspec.Struct, frozen=True):
    """body: at most SERVICE_ANSWER_BYTES_MAX of it."""

    status: int
    body: bytes

    def json(self) -> Any:
        """None for what is no JSON."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, RecursionError):
            return None


class ServiceSilent(Exception):
    """No answer. timed_out: it took too long; else it cannot be reached."""

    def __init__(self, service_id: str, *, timed_out: bool) -> None:
        super().__init__(f"{service_id} {'took too long' if timed_out else 'cannot be reached'}")
        self.timed_out = timed_out


class ServiceCalls:
    """Opens no connection before the first call. Redirects are not followed: the token is for one place alone."""

    def __init__(self) -> None:
        self._session: Any = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def call(
        self,
        service: Service,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        seconds_max: float = limits.SERVICE_QUERY_SECONDS_MAX,
    ) -> Answer:
        """path: percent-encoded, from its first slash on. Raises ServiceSilent."""
        import aiohttp  # here, because a server without application services needs none of it
        from yarl import URL

        url = f"{service.registration.url}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {"authorization": f"Bearer {service.registration.hs_token}", "content-type": "application/json"}
        timeout = aiohttp.ClientTimeout(total=seconds_max, sock_connect=limits.SERVICE_CONNECT_SECONDS_MAX)
        try:
            async with self._open().request(
                method, URL(url, encoded=True), data=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as answer:
                return Answer(answer.status, await beginning(answer, limits.SERVICE_ANSWER_BYTES_MAX))
        except TimeoutError as error:
            raise ServiceSilent(service.id, timed_out=True) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise ServiceSilent(service.id, timed_out=False) from error

    async def ask(self, service: Service, path: str, query: Mapping[str, str] | None = None) -> Any:
        """The JSON of a 200 answer; None for any other, and for none."""
        try:
            answer = await self.call(service, "GET", path, query=query)
        except ServiceSilent:
            return None
        return answer.json() if answer.status == 200 else None

    async def ping(self, service: Service, transaction_id: str | None) -> Answer:
        body = encode({} if transaction_id is None else {"transaction_id": transaction_id})
        seconds_max = limits.SERVICE_PING_SECONDS_MAX
        return await self.call(service, "POST", "/_matrix/app/v1/ping", body=body, seconds_max=seconds_max)

    def _open(self) -> Any:
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit_per_host=16), cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._session


async def ask_all(calls: list[Any]) -> list[Any]:
    """What several were asked at once, without those who had nothing to say."""
    return [said for said in await asyncio.gather(*calls) if said is not None]
