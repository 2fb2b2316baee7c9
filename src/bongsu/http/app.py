"""The ASGI application: one function from request to response, with what every request passes in one visible order.

OPTIONS → route → shed under pressure → authenticate → rate limit → handler → errors in the protocol's form → CORS
"""

import hmac
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from typing import Any, Final, Protocol

import structlog

from bongsu.core import guests, limits, moderation
from bongsu.core.errors import Refusal
from bongsu.core.requester import Requester
from bongsu.core.scopes import KEY_PREFIX
from bongsu.http.authentication import ACCESS_PREFIX
from bongsu.http.request import ClientGone, Loss, Query, Receive, Request
from bongsu.http.response import Response, empty, refusal
from bongsu.http.router import Auth, Route, Router
from bongsu.http.server import BODY, LOSS, REPLY
from bongsu.http.shedding import Shedding
from bongsu.metrics import Count, Counter, Histogram

log = structlog.get_logger(__name__)

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

REQUESTS: Final = Counter("bongsu_http_requests_total", "Requests answered", ["method", "route", "status"])
SECONDS: Final = Histogram(
    "bongsu_http_request_seconds",
    "Time to answer, long polls left out",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
_LONG_POLL: Final = ("/sync", "/events")


class Authenticator(Protocol):
    """Turns an access token into who asks. Raises M_UNKNOWN_TOKEN."""

    async def authenticate(self, token: str, address: str | None = None) -> Requester: ...


class ServiceAuthenticator(Protocol):
    """Turns the token of an application service into who asks; None for a token that is no service's."""

    async def requester(self, token: str, query: Query) -> Requester | None: ...


class Limiter(Protocol):
    """Raises M_LIMIT_EXCEEDED when the bucket of this person or address is empty."""

    async def spend(self, bucket: str, requester: Requester | None, address: str) -> None: ...


def token_of(headers: dict[bytes, bytes], query: Query) -> str | None:
    """The access token of a request, wherever it stands."""
    value = headers.get(b"authorization")
    if value is not None:
        scheme, _, token = value.decode("latin-1").partition(" ")
        if scheme.lower() == "bearer" and token.strip():
            return token.strip()
        raise Refusal(401, "M_MISSING_TOKEN", "the Authorization header must be: Bearer <access token>")
    return query.get("access_token")  # deprecated by the protocol, used by old clients


def failed(error: BaseException, method: str, template: str) -> Response:
    """What is answered to a request that ended so."""
    if isinstance(error, Refusal):
        return refusal(error)
    log.error("request_failed", method=method, route=template, exc_info=error)
    return refusal(Refusal(500, "M_UNKNOWN", "something went wrong on this server; it was logged"))


class App:
    """The whole server as one ASGI callable."""

    def __init__(
        self,
        router: Router,
        authenticator: Authenticator,
        limiter: Limiter,
        shedding: Shedding,
        peer_secret: str | None = None,
        services: ServiceAuthenticator | None = None,
    ) -> None:
        self._router = router
        self._services = services
        self._peer_secret = peer_secret
        self._authenticator = authenticator
        self._limiter = limiter
        self._shedding = shedding
        self._counts: dict[tuple[str, str, int], Count] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return  # the lifespan is main.py's
        started = time.perf_counter()
        write_reply = scope.pop(REPLY, None)  # taken out: through it the connection would hold itself
        template = "-"
        self._shedding.in_flight += 1
        try:
            route, request = await self._prepare(scope, receive)
            template = route.template
            response = await route.handler(request)
        except ClientGone:
            return
        except Exception as error:
            response = failed(error, scope["method"], template)
        finally:
            self._shedding.in_flight -= 1
        self._count(scope["method"], template, response.status, started)
        if write_reply is None or not (response.is_plain and write_reply(response.body)):
            await self._send(response, scope["method"], send, scope.get(LOSS))

    async def _prepare(self, scope: Scope, receive: Receive) -> tuple[Route, Request]:
        method: str = scope["method"]
        if method == "OPTIONS":
            return _PREFLIGHT, _EMPTY
        raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
        if len(raw_path) > limits.PATH_BYTES_MAX or len(scope["query_string"]) > limits.QUERY_BYTES_MAX:
            raise Refusal(414, "M_TOO_LARGE", "the address of this request is too long")
        path = raw_path.decode("latin-1")
        route, params = self._router.find(method, path)
        headers = dict(scope["headers"])
        if route.tier.shed_at <= self._shedding.level and self._shedding.forgets(
            route.tier, headers.get(b"authorization", b"")
        ):
            return _FORGOTTEN, _EMPTY
        query = Query(scope["query_string"])
        client = scope["client"][0] if scope.get("client") else ""
        requester = await self._authenticate(route, headers, query, client)
        if requester is not None and requester.is_guest:
            guests.check(method, route.template, params)
        if route.bucket is not None:
            await self._limiter.spend(route.bucket, requester, client)
        return route, Request(
            method=method,
            path=path,
            query=query,
            headers=headers,
            client=client,
            receive=receive,
            params=params,
            requester=requester,
            loss=scope.get(LOSS),
            came=scope.get(BODY),
        )

    async def _authenticate(
        self, route: Route, headers: dict[bytes, bytes], query: Query, address: str
    ) -> Requester | None:
        if route.auth is Auth.NONE:
            return None
        token = token_of(headers, query)
        if token is None:
            if route.auth is Auth.OPTIONAL:
                return None
            raise Refusal(401, "M_MISSING_TOKEN", "this needs an access token: sign in first")
        if route.auth is Auth.PEER:
            self._check_peer(token)
            return None
        if route.auth is Auth.KEYED and token.startswith(KEY_PREFIX):
            return None
        requester = None
        if self._services is not None and not token.startswith(ACCESS_PREFIX):
            requester = await self._services.requester(token, query)
        if requester is None:
            requester = await self._authenticator.authenticate(token, address)
        moderation.check(requester, route.method, route.template)
        return requester

    def _check_peer(self, token: str) -> None:
        """Who is not another site learns nothing of what sites tell each other."""
        if self._peer_secret is None or not hmac.compare_digest(token.encode(), self._peer_secret.encode()):
            raise Refusal(401, "M_UNKNOWN_TOKEN", "only another site of this server may ask this")

    def _count(self, method: str, template: str, status: int, started: float) -> None:
        key = (method if len(method) < 8 else "other", template, status)
        count = self._counts.get(key)
        if count is None:
            count = self._counts[key] = REQUESTS.labelled(key[0], template, str(status))
        count.total += 1
        if not template.endswith(_LONG_POLL):
            SECONDS.observe(time.perf_counter() - started)

    @staticmethod
    async def _send(response: Response, method: str, send: Send, loss: Loss | None = None) -> None:
        await send({"type": "http.response.start", "status": response.status, "headers": response.lines()})
        if isinstance(response.body, bytes):
            await send({"type": "http.response.body", "body": b"" if method == "HEAD" else response.body})
            return
        pieces = aiter(response.body)
        try:
            async for piece in pieces:
                if method == "HEAD" or (loss is not None and loss.has_come):
                    break  # nobody reads the rest, so it is not made
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        finally:
            if isinstance(pieces, AsyncGenerator):
                await pieces.aclose()
        await send({"type": "http.response.body", "body": b""})


async def _preflight(_: Request) -> Response:
    response = Response(status=204)
    response.headers.clear()  # there is no body to describe
    return response


async def _nothing() -> dict[str, Any]:
    return {"type": "http.disconnect"}


async def _forgotten(_: Request) -> Response:
    return empty()


_PREFLIGHT: Final = Route("OPTIONS", "-", _preflight, Auth.NONE)
_FORGOTTEN: Final = Route("-", "-", _forgotten, Auth.NONE)
_EMPTY: Final = Request(
    method="OPTIONS", path="", query=Query(b""), headers={}, client="", receive=_nothing, params={}, requester=None
)
