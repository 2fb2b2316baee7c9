"""A service's writes over HTTP, each of which may be repeated: the header Idempotency-Key.

The same key and request by the same person get the same answer for a day; another request with it is refused with 409
BONGSU_IDEMPOTENCY_KEY_REUSED. A write without the header is accepted, and done as often as it is sent.
"""

from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Final

from bongsu.core import limits
from bongsu.core.errors import invalid_param
from bongsu.http.request import Request
from bongsu.http.response import Response, reply
from bongsu.store import idempotency
from bongsu.store.database import Connection, Database
from bongsu.store.idempotency import Answer, Key

HEADER: Final = "idempotency-key"
Work = Callable[[Connection], Awaitable[Answer]]


async def key_of(request: Request) -> Key | None:
    """None without the header. For work in a Together: pass it to store.idempotency.once with batch.connection."""
    key = request.header(HEADER)
    if key is None:
        return None
    if not 0 < len(key) <= limits.IDEMPOTENCY_KEY_BYTES_MAX or not key.isprintable():
        raise invalid_param(f"an Idempotency-Key has 1 to {limits.IDEMPOTENCY_KEY_BYTES_MAX} printable characters")
    said = b"\n".join((request.method.encode(), request.path.encode(), await request.body()))
    return Key(request.requester.user_id, key, sha256(said).digest())


def answered(answer: Answer) -> Response:
    return reply(answer.body, answer.status)


class Writes:
    """once() runs a service's work in one transaction, behind the barrier; what it raises changes nothing.

    after: called when it was done, as it may have left something in the outbox.
    """

    def __init__(self, database: Database, now_ms: Callable[[], int], after: Callable[[], None]) -> None:
        self._database = database
        self._now_ms = now_ms
        self._after = after

    async def once(self, request: Request, work: Work) -> Response:
        key = await key_of(request)
        now_ms = self._now_ms()
        answer = await self._database.write(lambda connection: idempotency.once(connection, key, now_ms, work))
        self._after()
        return answered(answer)
