"""Asking addresses that strangers name, without being led astray.

Each step of the way is looked up once, and the connection goes to the very address that was looked at: a name that
points somewhere else a moment later gains nothing. The same is checked again where the socket is made, so that no
spelling of a number gets past. Redirects are followed here, one by one, under the same rules.
"""

import asyncio
import socket
import threading
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import msgspec

from bongsu.core import limits
from bongsu.core.addresses import Network, may_ask

if TYPE_CHECKING:
    import aiohttp
    from yarl import URL

Lookup = Callable[[str, int], Awaitable[Sequence[str]]]  # (host, port) → addresses; OSError for none

_HEADERS: Final = {
    "User-Agent": "Mozilla/5.0 (compatible; Bongsu; link preview)",
    "Accept-Encoding": "gzip, deflate",
    "Accept-Language": "ko, en;q=0.8, *;q=0.5",
}
_REDIRECTS: Final = (301, 302, 303, 307, 308)
_FAULTS: Final = (OSError, ValueError, zlib.error, asyncio.IncompleteReadError)


class NotFetched(Exception):
    """There is nothing to be had. Why stays in here: it would tell strangers about the network behind this server."""


class Fetched(msgspec.Struct, frozen=True):
    """url: where it was in the end. content_type: as the other server says, with parameters."""

    url: str
    content_type: str
    body: bytes

    @property
    def kind(self) -> str:
        return self.content_type.partition(";")[0].strip().lower()


class Rules(msgspec.Struct, frozen=True):
    """ranges: private ones that may be asked all the same."""

    ranges: tuple[Network, ...] = ()
    ports: frozenset[int] = frozenset((80, 443))
    seconds: float = limits.PREVIEW_SECONDS_MAX

    def check(self, url: str) -> "URL":
        """Raises ValueError for an address that is not asked, whatever stands behind it."""
        from yarl import URL

        if len(url.encode("utf-8", "surrogatepass")) > limits.PREVIEW_URL_BYTES_MAX or not url.isprintable():
            raise ValueError("the address is too long, or holds what none may")
        parsed = URL(url).with_fragment(None)
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise ValueError("only http and https addresses are shown")
        if parsed.user is not None or parsed.password is not None or parsed.port not in self.ports:
            raise ValueError("an address with a password or a port of its own is not shown")
        return parsed


class Names:
    """The system's own answers, each in a thread of its own.

    A stranger's name server may be silent for long. The event loop's threads, by which the database's host is looked
    up when a site is lost, must not wait for it, nor must a server that stops.
    """

    def __init__(self) -> None:
        self._places = threading.BoundedSemaphore(limits.PREVIEW_NAMES_MAX)

    async def look_up(self, host: str, port: int) -> Sequence[str]:
        if not self._places.acquire(blocking=False):
            raise OSError("too many names are being looked up")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Sequence[str]] = loop.create_future()
        threading.Thread(target=self._ask, args=(host, port, loop, answer), name="names", daemon=True).start()
        return await answer

    def _ask(
        self, host: str, port: int, loop: asyncio.AbstractEventLoop, answer: "asyncio.Future[Sequence[str]]"
    ) -> None:
        addresses: Sequence[str] | OSError
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            addresses = [str(address[0]) for _, _, _, _, address in found]
        except (OSError, UnicodeError) as error:
            addresses = OSError(str(error))
        finally:
            self._places.release()
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_answer, answer, addresses)


def _answer(waiting: "asyncio.Future[Sequence[str]]", found: Sequence[str] | OSError) -> None:
    if waiting.done():
        return
    if isinstance(found, OSError):
        waiting.set_exception(found)
    else:
        waiting.set_result(found)


class Fetcher:
    """get() one address. Close it at the end."""

    def __init__(self, rules: Rules, lookup: Lookup) -> None:
        self._rules = rules
        self._lookup = lookup
        self._session: aiohttp.ClientSession | None = None

    def check(self, url: str) -> "URL":
        """Rules.check."""
        return self._rules.check(url)

    async def get(self, url: str, *, accept: str, bytes_max: int, cut: bool = False) -> Fetched:
        """What stands there: 200, and at most bytes_max, or with `cut` its beginning. Raises NotFetched."""
        import aiohttp  # here, because it is large and nothing is asked before somebody sees a link

        try:
            async with asyncio.timeout(self._rules.seconds):
                return await self._follow(self._rules.check(url), accept, bytes_max, cut)
        except (TimeoutError, aiohttp.ClientError, *_FAULTS) as error:
            raise NotFetched(repr(error)) from error

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _follow(self, url: "URL", accept: str, bytes_max: int, cut: bool) -> Fetched:
        from yarl import URL

        for _ in range(limits.PREVIEW_REDIRECTS_MAX + 1):
            async with self._open().get(url, headers={"Accept": accept}, allow_redirects=False) as answer:
                location = answer.headers.get("Location") if answer.status in _REDIRECTS else None
                if location is None:
                    return await self._taken(answer, bytes_max, cut)
            url = self._rules.check(str(url.join(URL(location))))
        raise NotFetched("it leads from one address to the next")

    async def _taken(self, answer: "aiohttp.ClientResponse", bytes_max: int, cut: bool) -> Fetched:
        if answer.status != 200:
            raise NotFetched(f"status {answer.status}")
        body = b""
        async for piece in _unpacked(answer, bytes_max + 1):
            body += piece
            if len(body) > bytes_max:
                if not cut:
                    raise NotFetched("too large")
                body = body[:bytes_max]
                break
        return Fetched(str(answer.url), answer.headers.get("Content-Type", ""), body)

    def _open(self) -> "aiohttp.ClientSession":
        """Nothing is kept between two questions: no connection, no cookie, no answer of a name server."""
        import aiohttp

        from bongsu.media.resolver import Resolver

        if self._session is None:
            connector = aiohttp.TCPConnector(
                resolver=Resolver(self._lookup, self._rules.ranges),
                socket_factory=self._socket,
                use_dns_cache=False,
                force_close=True,
                limit=limits.PREVIEWS_AT_ONCE_MAX * 2,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                headers=_HEADERS,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                timeout=aiohttp.ClientTimeout(total=self._rules.seconds),
            )
        return self._session

    def _socket(self, found: tuple[Any, ...]) -> socket.socket:
        """The last look at where a connection goes: aiohttp connects the socket to this address, and to no other."""
        family, kind, protocol, _, address = found
        if not may_ask(str(address[0]), self._rules.ranges):
            raise OSError("this address is not asked")
        return socket.socket(family, kind, protocol)


async def _unpacked(answer: "aiohttp.ClientResponse", bytes_max: int) -> AsyncIterator[bytes]:
    """The body, unpacked; no more than bytes_max at a time, however small it was packed."""
    encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip", "x-gzip", "deflate"):
        raise NotFetched("packed in a way that was not asked for")
    unpack = None if encoding == "identity" else zlib.decompressobj(zlib.MAX_WBITS | 32)
    async for piece in answer.content.iter_chunked(limits.PREVIEW_CHUNK_BYTES):
        yield piece if unpack is None else unpack.decompress(unpack.unconsumed_tail + piece, bytes_max)
