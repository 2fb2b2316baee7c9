"""PUT /sendToDevice/{eventType}/{txnId}: messages from device to device."""

import msgspec

from bongsu.core import ids, limits
from bongsu.core.errors import too_large
from bongsu.core.json import JsonObject, encode
from bongsu.http.request import Request
from bongsu.http.response import Response, empty
from bongsu.http.router import Route, client_routes
from bongsu.matrix.sending import transaction_of
from bongsu.rooms.devices import Message, SendToDevice
from bongsu.store.committer import Committer


class MessagesBody(msgspec.Struct):
    """messages: content by user and device; the device "*" is all of them."""

    messages: dict[str, dict[str, JsonObject]]


class ToDevice:
    """Returns after the messages are committed where they must be."""

    def __init__(self, committer: Committer) -> None:
        self._committer = committer

    def routes(self) -> list[Route]:
        return client_routes("PUT", "/sendToDevice/{event_type}/{txn_id}", self.send, bucket="to_device")

    async def send(self, request: Request) -> Response:
        body = await request.read(MessagesBody)
        event_type = ids.check_text(request.params["event_type"], "the event type")
        messages = [
            _message(user_id, device_id, content)
            for user_id, of_user in body.messages.items()
            for device_id, content in of_user.items()
        ]
        if len(messages) > limits.TO_DEVICE_MESSAGES_MAX:
            raise too_large(f"at most {limits.TO_DEVICE_MESSAGES_MAX} devices at once")
        await self._committer.submit(
            SendToDevice(transaction_of(request.requester, request.params), event_type, messages)
        )
        return empty()


def _message(user_id: str, device_id: str, content: JsonObject) -> Message:
    raw = encode(content)
    if len(raw) > limits.EVENT_BYTES_MAX:
        raise too_large(f"a message may have {limits.EVENT_BYTES_MAX} bytes")
    return Message(ids.check_text(user_id, "a user id"), ids.check_text(device_id, "a device id"), raw)
