"""Where calls find a relay when no direct way leads between two phones (client-server API, "Voice over IP").

GET /_matrix/client/v3/voip/turnServer
"""

import base64
import hashlib
import hmac
from collections.abc import Callable

import msgspec

from bongsu.http.request import Request
from bongsu.http.response import Response, empty, reply
from bongsu.http.router import Route, client_routes


class Relay(msgspec.Struct, frozen=True):
    """TURN servers that know the secret (coturn: use-auth-secret), and how long a name they are given is good."""

    uris: tuple[str, ...]
    secret: str | None
    seconds: int


class Voip:
    """Hands out names for the relay; nothing is kept, the relay works them out again."""

    def __init__(self, relay: Relay, now_ms: Callable[[], int]) -> None:
        self._relay = relay
        self._now_ms = now_ms

    def routes(self) -> list[Route]:
        return client_routes("GET", "/voip/turnServer", self.turn_server, bucket="read")

    async def turn_server(self, request: Request) -> Response:
        relay = self._relay
        if not relay.uris or relay.secret is None:
            return empty()
        username = f"{self._now_ms() // 1000 + relay.seconds}:{request.requester.user_id}"
        digest = hmac.new(relay.secret.encode(), username.encode(), hashlib.sha1).digest()
        password = base64.b64encode(digest).decode()
        return reply({"username": username, "password": password, "uris": relay.uris, "ttl": relay.seconds})
