"""One device of a good client: it knows three addresses, repeats the same transaction id for ever, and loses patience.

On a refusal it goes to the next site at once; on silence it hangs up after two seconds and repeats the call elsewhere.
It comes back to its own site when that has had time to recover. It learns nothing from other clients.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from bongsu.core import limits
from bongsu.drill.record import NOBODY, Attempt, Kind, Outcome
from bongsu.drill.wire import Connection, Reply, request

API: Final = "/_matrix/client/v3"
MESSAGE: Final = "m.room.message"


class Account(NamedTuple):
    user_id: str
    token: str


class Tries(Protocol):
    """Where a client writes down what happened to it."""

    @property
    def now(self) -> float: ...

    def tried(self, start: float, client: int, site: int, kind: Kind, outcome: int, send: int = NOBODY) -> None: ...


class Refused(Exception):
    """A call that no repetition mends, or a call that one site alone was asked and did not answer."""


class Doors:
    """The addresses of the sites. Clients that find one shut go to the next."""

    def __init__(self, base_urls: Sequence[str]) -> None:
        self.base_urls = list(base_urls)

    def __len__(self) -> int:
        return len(self.base_urls)

    def connection(self, site: int) -> Connection:
        address = urlsplit(self.base_urls[site % len(self)])
        assert address.hostname is not None
        return Connection(address.port or 80, address.hostname)


class Client:
    """number: in the record. home: its own site. pinned: it asks no other. patience_seconds: until it hangs up."""

    def __init__(
        self,
        doors: Doors,
        tries: Tries,
        account: Account,
        *,
        number: int = NOBODY,
        home: int = 0,
        pinned: bool = False,
        patience_seconds: float = limits.DRILL_PATIENCE_SECONDS,
    ) -> None:
        self.doors, self.account, self.number = doors, account, number
        self.site = self.home = home
        self._tries, self._patience, self._is_pinned = tries, patience_seconds, pinned
        self._connection: Connection | None = None
        self._failures = 0
        self._home_after = 0.0

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        query: Mapping[str, str] | None = None,
        wait_seconds: float = 0,
        kind: Kind = Kind.OTHER,
        send: int = NOBODY,
    ) -> Any:
        """The answer of the first try that succeeds, wherever. Tries for ever: the caller bounds the time."""
        raw = self.request(method, path, body, query)
        while True:
            reply = await self.ask(raw, kind, send, wait_seconds)
            if reply is not None and reply.status == 200:
                self._failures = 0
                return msgspec.json.decode(reply.body)
            await self._turn_elsewhere()

    def request(self, method: str, path: str, body: object = None, query: Mapping[str, str] | None = None) -> bytes:
        """The bytes of a call below the client-server API."""
        question = f"?{urlencode(query)}" if query else ""
        content = b"" if body is None else msgspec.json.encode(body)
        return request(method, API + path + question, self.account.token, content)

    async def ask(self, raw: bytes, kind: Kind, send: int = NOBODY, wait_seconds: float = 0) -> Reply | None:
        """One try at the present site, written down. None: no answer."""
        self._go_home_if_due()
        started, site = self._tries.now, self.site
        try:
            async with asyncio.timeout(self._patience + wait_seconds):
                reply = await self._exchange(raw)
        except (TimeoutError, OSError, ValueError) as error:
            self._leave()
            self._tries.tried(started, self.number, site, kind, _outcome(error), send)
            return None
        except asyncio.CancelledError:
            self._leave()
            raise
        self._tries.tried(started, self.number, site, kind, reply.status, send)
        return reply

    async def _exchange(self, raw: bytes) -> Reply:
        if self._connection is None:
            connection = self.doors.connection(self.site)
            await connection.connect()
            self._connection = connection
        return await self._connection.exchange(raw)

    def _leave(self) -> None:
        if self._connection is not None:
            self._connection.abort()
            self._connection = None

    def close(self) -> None:
        self._leave()

    async def _turn_elsewhere(self) -> None:
        """To the next site at once; after a whole round of failures with a short rest."""
        if self.site == self.home:
            self._home_after = self._tries.now + limits.DRILL_RETURN_SECONDS * random.uniform(0.5, 1)  # noqa: S311
        if not self._is_pinned:
            self._move((self.site + 1) % len(self.doors))
        self._failures += 1
        if self._failures % len(self.doors) == 0:
            await asyncio.sleep(limits.DRILL_REST_SECONDS)

    def _go_home_if_due(self) -> None:
        if self.site != self.home and self._failures == 0 and self._tries.now > self._home_after:
            self._move(self.home)

    def _move(self, site: int) -> None:
        self._leave()
        self.site = site

    # --- what it says ---

    async def deliver(self, attempt: Attempt, content: Mapping[str, Any] | None = None) -> str:
        """Repeats one message until it is acknowledged; the event id."""
        body = content or {"msgtype": "m.text", "body": attempt.body}
        answer = await self.call("PUT", send_path(attempt), body=body, kind=Kind.SEND, send=attempt.number)
        event_id: str = answer["event_id"]
        return event_id

    async def hang_up(self, attempt: Attempt, after_seconds: float) -> None:
        """Writes a whole send and leaves in the middle of it, before the answer is read."""
        raw = self.request("PUT", send_path(attempt), {"msgtype": "m.text", "body": attempt.body})
        address = urlsplit(self.doors.base_urls[self.site % len(self.doors)])
        started = self._tries.now
        try:
            async with asyncio.timeout(self._patience):
                _, writer = await asyncio.open_connection(address.hostname, address.port)
        except OSError:  # TimeoutError is one
            self._tries.tried(started, self.number, self.site, Kind.SEND, Outcome.REFUSED, attempt.number)
            await self._turn_elsewhere()
            return
        writer.write(raw)
        await asyncio.sleep(after_seconds)
        writer.transport.abort()
        self._tries.tried(started, self.number, self.site, Kind.SEND, Outcome.HUNG_UP, attempt.number)


def _outcome(error: Exception) -> Outcome:
    if isinstance(error, TimeoutError):
        return Outcome.SILENT
    if isinstance(error, ConnectionRefusedError):
        return Outcome.REFUSED
    return Outcome.GARBLED if isinstance(error, ValueError) else Outcome.BROKEN


def send_path(attempt: Attempt) -> str:
    return f"/rooms/{quote(attempt.room_id)}/send/{MESSAGE}/{attempt.txn_id}"
