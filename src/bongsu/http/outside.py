"""Calls to addresses that people gave: nothing inside the operator's own networks is reached that way.

A name is looked up for each new connection, addresses that are not public are struck out, and the connection goes to
one of those that are left: there is no second look-up that could say something else. Redirects are not followed.
"""

import asyncio
import socket
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import msgspec

from bongsu.core import limits
from bongsu.core.addresses import may_ask


class Answer(msgspec.Struct, frozen=True):
    """retry_after: seconds, 0 where the answer says none. body: at most PUSH_ANSWER_BYTES_MAX of it."""

    status: int
    retry_after: float
    body: bytes

    def json(self) -> Any:
        """None for what is no JSON."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, RecursionError):
            return None


class Unreachable(Exception):
    """There is no answer, or nobody may be asked there."""


class Outside:
    """allows_private: private addresses may be called as well, and over plain HTTP those alone."""

    def __init__(self, *, allows_private: bool, seconds_max: float = limits.PUSH_ANSWER_SECONDS_MAX) -> None:
        self._allows_private = allows_private
        self._seconds_max = seconds_max
        self._sessions: dict[str, Any] = {}
        self._looking = asyncio.Semaphore(limits.PUSH_LOOKUPS_MAX)
        self._lookups: set[asyncio.Future[list[Any]]] = set()

    async def close(self) -> None:
        for session in self._sessions.values():
            await session.close()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Raises Unreachable."""
        import aiohttp  # here, because a server where nobody has a pusher needs none of it
        from yarl import URL

        scheme = urlsplit(url).scheme
        timeout = aiohttp.ClientTimeout(total=self._seconds_max, sock_connect=limits.PUSH_CONNECT_SECONDS_MAX)
        try:
            self._check_literal(url, scheme)
            async with self._session(scheme).post(
                URL(url, encoded=True), data=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as answer:
                content = await beginning(answer, limits.PUSH_ANSWER_BYTES_MAX)
                return Answer(answer.status, _seconds(answer.headers.get("retry-after")), content)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            raise Unreachable(_why(error)) from None

    def may_call(self, address: str, scheme: str) -> bool:
        """address: an IP address."""
        is_public = may_ask(address, ())
        if scheme == "http":
            return self._allows_private and not is_public
        return self._allows_private or is_public

    async def look_up(self, host: str, port: int, family: int) -> list[Any]:
        """What the system says. A look-up keeps its place until it really ends, though nobody may wait any longer."""
        task = asyncio.ensure_future(self._look_up(host, port, family))
        self._lookups.add(task)
        task.add_done_callback(self._lookups.discard)
        task.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(task)

    async def _look_up(self, host: str, port: int, family: int) -> list[Any]:
        async with self._looking:
            loop = asyncio.get_running_loop()
            return await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)

    def _check_literal(self, url: str, scheme: str) -> None:
        """An address instead of a name is not looked up."""
        host = urlsplit(url).hostname or ""
        try:
            ip_address(host)
        except ValueError:
            return
        if not self.may_call(host, scheme):
            raise Unreachable(f"{host} may not be called over {scheme}")

    def _session(self, scheme: str) -> Any:
        """One for each scheme, since they may call different addresses."""
        import aiohttp

        if scheme not in ("https", "http"):
            raise Unreachable("this is no address of the web")
        if scheme not in self._sessions:
            connector = aiohttp.TCPConnector(
                resolver=_resolver(self, scheme),
                use_dns_cache=False,
                keepalive_timeout=limits.PUSH_KEPT_SECONDS,
                limit=limits.PUSH_AT_ONCE_MAX,
                limit_per_host=limits.PUSH_AT_ONCE_PER_HOST_MAX,
            )
            self._sessions[scheme] = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
            )
        return self._sessions[scheme]


async def beginning(answer: Any, bytes_max: int) -> bytes:
    """The body of an answer, as far as it is of use: it may come in many pieces."""
    pieces: list[bytes] = []
    size = 0
    async for piece in answer.content.iter_chunked(65_536):
        pieces.append(piece)
        size += len(piece)
        if size >= bytes_max:
            break
    return b"".join(pieces)[:bytes_max]


def _resolver(outside: Outside, scheme: str) -> Any:
    from aiohttp.abc import AbstractResolver

    class Resolver(AbstractResolver):
        """The system's, without addresses that may not be called."""

        async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[Any]:
            found = await outside.look_up(host, port, family)
            kept = [each for each in found if outside.may_call(str(each[4][0]), scheme)]
            if not kept:
                raise OSError(f"{host} has no address that may be called")
            return [
                {
                    "hostname": host,
                    "host": address[0],
                    "port": port,
                    "family": kind,
                    "proto": proto,
                    "flags": socket.AI_NUMERICHOST,
                }
                for kind, _, proto, _, address in kept
            ]

        async def close(self) -> None:
            pass

    return Resolver()


def _why(error: Exception) -> str:
    """Without the address, which may hold a secret: errors of a connection name its host, all others the whole."""
    name = type(error).__name__
    return f"{name}: {error}" if isinstance(error, OSError) else name


def _seconds(text: str | None) -> float:
    return float(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 7 else 0.0
