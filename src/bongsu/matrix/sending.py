"""PUT rooms/{roomId}/send/{eventType}/{txnId} · PUT rooms/{roomId}/state/{eventType}/{stateKey} ·
PUT rooms/{roomId}/redact/{eventId}/{txnId} · GET /_bongsu/v1/sent/{roomId}/{eventType}/{deviceId}/{txnId}
"""

from asyncio import Future
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from bongsu.core import ids, limits
from bongsu.core.errors import forbidden, invalid_param, not_found, too_large
from bongsu.core.events import REDACTION, Draft
from bongsu.core.json import JsonObject, encode, parse_object
from bongsu.core.requester import Requester
from bongsu.core.tiers import Tier
from bongsu.http.describing import Described
from bongsu.http.request import Request, convert
from bongsu.http.response import Response, reply
from bongsu.http.router import Route, client_routes
from bongsu.rooms.batch import Transaction
from bongsu.rooms.sending import FindSent, Redact, SendEvent, SendState
from bongsu.store.committer import Committer


class _Redaction(msgspec.Struct):
    """What readers look for in a redaction's content."""

    reason: str | None = None


def check_room_id(params: Mapping[str, str]) -> str:
    """The room of the path. What cannot be a room looks like a room the person is not in."""
    room_id = params["room_id"]
    if not ids.is_room_id(room_id):
        raise forbidden("you are not in this room")
    return room_id


def transaction_of(requester: Requester, params: Mapping[str, str]) -> Transaction:
    txn_id = ids.check_text(params["txn_id"], "the transaction id", limits.TXN_ID_BYTES_MAX)
    return Transaction(requester.user_id, requester.device_id, txn_id)


def _ts_ms(request: Request) -> int | None:
    """When it happened elsewhere: application services alone may say so."""
    if request.requester.service_id is None or request.query.get("ts") is None:
        return None
    return request.query.integer("ts", 0)


class Sent(msgspec.Struct, frozen=True):
    """The event that a transaction id became."""

    event_id: str


_SENT: Final = Described(
    "What became of a transaction id, also of a device of this person that was signed out before it heard",
    {200: Sent},
    errors={404: ("M_NOT_FOUND",)},
)


class Sending:
    """Each returns after its event is committed where it must be."""

    def __init__(self, committer: Committer) -> None:
        self._committer = committer

    def routes(self) -> list[Route]:
        return [
            *client_routes(
                "PUT", "/rooms/{room_id}/send/{event_type}/{txn_id}", self.send, bucket="send", tier=Tier.TEXT
            ),
            *client_routes("PUT", "/rooms/{room_id}/state/{event_type}/{state_key}", self.set_state, bucket="write"),
            *client_routes("PUT", "/rooms/{room_id}/state/{event_type}", self.set_state, bucket="write"),
            *client_routes(
                "PUT", "/rooms/{room_id}/redact/{event_id}/{txn_id}", self.redact, bucket="send", tier=Tier.TEXT
            ),
            Route(
                "GET",
                "/_bongsu/v1/sent/{room_id}/{event_type}/{device_id}/{txn_id}",
                self.find_sent,
                bucket="send",
                tier=Tier.TEXT,
                described=_SENT,
            ),
        ]

    async def send(self, request: Request) -> Response:
        operation = _message(request.requester, request.params, await request.json(), _ts_ms(request))
        if operation.draft.type == REDACTION:
            content = operation.draft.content
            return await self._redact(request, operation.room_id, str(content.pop("redacts", "")), content)
        return _sent(await self._committer.submit(operation))

    def submit(
        self, requester: Requester, params: Mapping[str, str], body: bytes, may: Callable[[], bool]
    ) -> "Future[str] | None":
        """As send(), on the shorter way (http/shorter.py): the event id to be, or None for what is not for it."""
        operation = _message(requester, params, parse_object(body), None)
        return None if operation.draft.type == REDACTION or not may() else self._committer.enqueue(operation)

    async def set_state(self, request: Request) -> Response:
        room_id = check_room_id(request.params)
        event_type = ids.check_text(request.params["event_type"], "the event type")
        if event_type == REDACTION:
            raise invalid_param("a redaction is no state")
        draft = Draft(
            type=event_type,
            sender=request.requester.user_id,
            content=_fitting(await request.json()),
            state_key=ids.check_text(request.params.get("state_key", ""), "the state key"),
            ts_ms=_ts_ms(request),
        )
        return _sent(await self._committer.submit(SendState(room_id, draft)))

    async def redact(self, request: Request) -> Response:
        content = _fitting(await request.json_or_empty())
        event_id = request.params["event_id"]
        return await self._redact(request, check_room_id(request.params), event_id, content)

    async def find_sent(self, request: Request) -> Response:
        params = request.params
        event_type = ids.check_text(params["event_type"], "the event type")
        transaction = msgspec.structs.replace(transaction_of(request.requester, params), device_id=params["device_id"])
        found = await self._committer.submit(FindSent(params["room_id"], event_type, transaction))
        if found is None:
            raise not_found("nothing was sent with this transaction id")
        return reply(Sent(found))

    async def _redact(self, request: Request, room_id: str, event_id: str, content: JsonObject) -> Response:
        if not ids.check_text(event_id, "the event id").startswith("$"):
            raise invalid_param("what is to be redacted must be an event id")
        convert(content, _Redaction)
        own_only = request.requester.is_suspended
        redact = Redact(room_id, event_id, content, transaction_of(request.requester, request.params), own_only)
        return _sent(await self._committer.submit(redact))


def _message(requester: Requester, params: Mapping[str, str], content: JsonObject, ts_ms: int | None) -> SendEvent:
    room_id = check_room_id(params)
    event_type = ids.check_text(params["event_type"], "the event type")
    draft = Draft(type=event_type, sender=requester.user_id, content=_fitting(content), ts_ms=ts_ms)
    return SendEvent(room_id, draft, transaction_of(requester, params))


def _fitting(content: JsonObject) -> JsonObject:
    """What cannot fit into an event need not keep the committing transaction to hear so."""
    if len(encode(content)) > limits.EVENT_BYTES_MAX:
        raise too_large(f"an event may have {limits.EVENT_BYTES_MAX} bytes")
    return content


def _sent(event_id: str) -> Response:
    return Response(encode({"event_id": event_id}))
