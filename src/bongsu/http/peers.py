"""The other sites of this server, as this worker calls them: HTTP with the secret that sites share.

A site that does not answer is left alone for a moment, so that a burnt one costs each request nothing.
"""

import ssl
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

CONNECT_SECONDS_MAX: Final = 1.0  # sites are milliseconds apart
SILENCE_SECONDS_MAX: Final = 5.0  # between two pieces of an answer
LEFT_ALONE_SECONDS: Final = 1.0  # after a failure: asking a burnt site again and again delays what others can do


class Peer(msgspec.Struct, frozen=True):
    """Another site: its name, and the base address of its workers."""

    name: str
    url: str


def parse_peers(texts: Sequence[str]) -> list[Peer]:
    """name=url, as the settings have it (checked there)."""
    return [Peer(name, url.rstrip("/")) for name, _, url in (text.partition("=") for text in texts)]


class PeerGone(Exception):
    """The site did not answer, or was left alone because it did not a moment ago."""


class Answer(Protocol):
    """What a site said. read() and pieces() raise PeerGone when it breaks off. length: of the body, if it was said."""

    status: int
    length: int | None

    async def read(self) -> bytes: ...

    def pieces(self) -> AsyncIterator[bytes]: ...


class Peers:
    """Calls to other sites. Opens no connection before the first call."""

    def __init__(self, site: str, peers: Sequence[Peer], secret: str | None, ca: Path | None = None) -> None:
        self.site = site
        self.all = list(peers)
        self._secret = secret
        self._ca = ca
        self._session: Any = None
        self._failed_at: dict[str, float] = {}

    def may_answer(self, peer: Peer) -> bool:
        """False for a moment after a site has not answered."""
        return time.monotonic() - self._failed_at.get(peer.name, -LEFT_ALONE_SECONDS) >= LEFT_ALONE_SECONDS

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    @asynccontextmanager
    async def ask(
        self,
        peer: Peer,
        method: str,
        path: str,
        *,
        body: bytes | AsyncIterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        seconds_max: float | None = None,
        even_if_silent: bool = False,
    ) -> AsyncIterator[Answer]:
        """One request to another site. Raises PeerGone; an HTTP status is the caller's to judge.

        seconds_max: for the whole call, body included; None for large ones, which may take long but not stand still.
        even_if_silent: also when the site has just failed (for probes, whose purpose is to find that out).
        """
        import aiohttp  # here, because a single site needs none of it

        if not (even_if_silent or self.may_answer(peer)):
            raise PeerGone(peer.name)
        timeout = aiohttp.ClientTimeout(
            total=seconds_max, sock_connect=CONNECT_SECONDS_MAX, sock_read=seconds_max or SILENCE_SECONDS_MAX
        )
        named = {**(headers or {}), "authorization": f"Bearer {self._secret}"}
        try:
            async with self._open().request(
                method, peer.url + path, data=body, headers=named, timeout=timeout, allow_redirects=False
            ) as answer:
                self._failed_at.pop(peer.name, None)
                yield _Answer(answer)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._failed_at[peer.name] = time.monotonic()
            raise PeerGone(peer.name) from error

    def _open(self) -> Any:
        import aiohttp

        if self._session is None:
            context = ssl.create_default_context(cafile=self._ca) if self._ca else True
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context, limit_per_host=64))
        return self._session


class _Answer:
    def __init__(self, answer: Any) -> None:
        self.status: int = answer.status
        self.length: int | None = answer.content_length
        self._answer = answer

    async def read(self) -> bytes:
        return bytes(await self._answer.read())

    def pieces(self) -> AsyncIterator[bytes]:
        pieces: AsyncIterator[bytes] = self._answer.content.iter_any()
        return pieces
