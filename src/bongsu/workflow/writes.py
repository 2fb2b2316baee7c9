"""A service's writes over HTTP, each of which may be repeated: the header Idempotency-Key.

The same key and request by the same person get the same answer for a day; another request to the same service with it
is refused with 409 BONGSU_IDEMPOTENCY_KEY_REUSED. A write without the header is accepted, and done as often as it is
sent.
"""

import asyncio
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Final

from bongsu.core import limits
from bongsu.core.errors import invalid_param
from bongsu.core.json import JsonObject, decode
from bongsu.http.request import Request
from bongsu.http.response import Response, reply
from bongsu.store import idempotency
from bongsu.store.database import Connection, Database, end_when_silent
from bongsu.store.idempotency import Answer, Key

HEADER: Final = "idempotency-key"
_PREFIX: Final = "/_bongsu/v1/"
Work = Callable[[Connection], Awaitable[Answer]]


async def key_of(request: Request, within: str | None = None, whose: str | None = None) -> Key | None:
    """None without the header. For work in a Together: pass it to store.idempotency.once with batch.connection.

    within: where the same key is another one. Unless said, the service, so that none waits for another's writes.
    whose: who asks, where that is no person with a token.
    """
    key = request.header(HEADER)
    if key is None:
        return None
    if not 0 < len(key) <= limits.IDEMPOTENCY_KEY_BYTES_MAX or not key.isprintable():
        raise invalid_param(f"an Idempotency-Key has 1 to {limits.IDEMPOTENCY_KEY_BYTES_MAX} printable characters")
    said = b"\n".join((request.method.encode(), request.path.encode(), await request.body()))
    place = request.path.removeprefix(_PREFIX).split("/", 1)[0] if within is None else within
    return Key(whose or request.requester.user_id, f"{place}/{key}", sha256(said).digest())


def answered(answer: Answer) -> Response:
    return reply(answer.body, answer.status)


class Writes:
    """once() runs a service's work in one transaction, behind the barrier; what it raises changes nothing.

    Some of them may wait for rows that others hold, each on a connection; the rest waits here, so that reads go on.
    after: called when it was done, as it may have left something in the outbox.
    """

    def __init__(self, database: Database, now_ms: Callable[[], int], after: Callable[[], None]) -> None:
        self._database = database
        self._now_ms = now_ms
        self._after = after
        self._turn = asyncio.Semaphore(limits.SERVICE_WRITES_AT_ONCE_MAX)

    async def once(self, request: Request, work: Work, *, whose: str | None = None) -> Response:
        """whose: see key_of()."""
        key = await key_of(request, whose=whose)
        now_ms = self._now_ms()
        write = self._database.write if key is None else self._database.write_until_known

        async def done(connection: Connection) -> Answer:
            await end_when_silent(connection)
            return await idempotency.once(connection, key, now_ms, work)

        async with self._turn:
            answer = await write(done)
        self._after()
        return answered(answer)

    async def once_with(
        self, request: Request, work: Work, mine: JsonObject, secret: JsonObject, *, whose: str | None = None
    ) -> Response:
        """As once(). The answer tells a secret as well, which is not stored: the first one does, and never again.

        mine: members of the answer by which it is known as the one that this very request has made.
        """
        response = await self.once(request, work, whose=whose)
        assert isinstance(response.body, bytes)
        said = decode(response.body)
        is_first = all(said.get(name) == value for name, value in mine.items())
        return reply({**said, **secret}, response.status) if is_first else response
