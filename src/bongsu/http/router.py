"""From (method, raw path) to a handler. Routing on the raw path keeps %2F inside its segment."""

import enum
from collections.abc import Awaitable, Callable, Iterable
from functools import lru_cache
from urllib.parse import unquote_to_bytes

import msgspec

from bongsu.core import limits
from bongsu.core.errors import Refusal, invalid_param
from bongsu.core.tiers import Tier
from bongsu.http.describing import Described
from bongsu.http.request import Request
from bongsu.http.response import Response

Handler = Callable[[Request], Awaitable[Response]]


class Auth(enum.Enum):
    """What a route asks of the access token.

    PEER: another site of this server, by the secret they share. KEYED: a person's token or a program's key, which the
    handler itself looks at: then there is no requester.
    """

    REQUIRED = "required"
    OPTIONAL = "optional"
    NONE = "none"
    PEER = "peer"
    KEYED = "keyed"


class Route(msgspec.Struct, frozen=True):
    """method and template ("/rooms/{room_id}/send/{event_type}/{txn_id}"; an empty last segment may match "{x}").

    bucket: the rate limit it counts against (http/ratelimit.py), if any. tier: what it is for, and so when it is shed.
    described: for the generated description of Bongsu's own interface.
    """

    method: str
    template: str
    handler: Handler
    auth: Auth = Auth.REQUIRED
    bucket: str | None = None
    tier: Tier = Tier.TALKING
    described: Described | None = None


class _Node:
    __slots__ = ("fixed", "named", "routes")

    def __init__(self) -> None:
        self.fixed: dict[str, _Node] = {}
        self.named: tuple[str, _Node] | None = None
        self.routes: dict[str, Route] = {}


def client(path: str) -> list[str]:
    """The templates of a client-server path: today's prefix, and /r0 which older clients still use."""
    return [f"/_matrix/client/v3{path}", f"/_matrix/client/r0{path}"]


def client_routes(
    method: str,
    path: str,
    handler: Handler,
    auth: Auth = Auth.REQUIRED,
    bucket: str | None = None,
    tier: Tier = Tier.TALKING,
) -> list[Route]:
    return [Route(method, template, handler, auth, bucket, tier) for template in client(path)]


def decode(segment: str) -> str:
    """A segment of a raw path. M_INVALID_PARAM for what is not percent-encoded UTF-8."""
    return _unquoted(segment) if "%" in segment else segment


@lru_cache(maxsize=limits.PATH_SEGMENTS_KEPT)
def _unquoted(segment: str) -> str:
    try:
        return unquote_to_bytes(segment).decode("utf-8")
    except UnicodeDecodeError:
        raise invalid_param("the path is not percent-encoded UTF-8") from None


class Router:
    """A tree of path segments; fixed segments win over named ones. Each named segment has one name per place."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Node()
        self._fixed: dict[tuple[str, str], Route] = {}
        self.routes = tuple(routes)
        for route in self.routes:
            self._add(route)

    def _add(self, route: Route) -> None:
        node = self._root
        for segment in route.template.split("/")[1:]:
            if segment.startswith("{"):
                name = segment[1:-1]
                if node.named is None:
                    node.named = (name, _Node())
                if node.named[0] != name:
                    raise ValueError(f"{route.template}: this place is already called {{{node.named[0]}}}")
                node = node.named[1]
            else:
                node = node.fixed.setdefault(segment, _Node())
        if route.method in node.routes:
            raise ValueError(f"{route.method} {route.template} is routed twice")
        node.routes[route.method] = route
        if "{" not in route.template:
            self._fixed[route.method, route.template] = route

    def find(self, method: str, raw_path: str) -> tuple[Route, dict[str, str]]:
        """The route and its decoded parameters. 404 M_UNRECOGNIZED for no such path, 405 for a wrong method."""
        fixed = self._fixed.get((method, raw_path))
        if fixed is not None:
            return fixed, {}
        found = self._walk(self._root, raw_path.split("/")[1:], 0, [])
        if found is None:
            raise Refusal(404, "M_UNRECOGNIZED", "this server has no such endpoint")
        node, pairs = found
        route = node.routes.get(method) or (node.routes.get("GET") if method == "HEAD" else None)
        if route is None:
            allow = ", ".join(sorted(node.routes))
            raise Refusal(
                405, "M_UNRECOGNIZED", f"this endpoint answers {allow}, not {method[:20]}", headers={"allow": allow}
            )
        return route, {name: decode(segment) for name, segment in pairs}

    def _walk(
        self, node: _Node, segments: list[str], index: int, pairs: list[tuple[str, str]]
    ) -> tuple[_Node, list[tuple[str, str]]] | None:
        """The place of these segments, and what its named ones are. A fixed one is preferred where both lead there."""
        for at in range(index, len(segments)):
            segment = segments[at]
            fixed = node.fixed.get(segment)
            named = node.named if segment or at + 1 == len(segments) else None
            if named is None:
                if fixed is None:
                    return None
                node = fixed
                continue
            if fixed is not None and (found := self._walk(fixed, segments, at + 1, pairs)) is not None:
                return found
            pairs, node = [*pairs, (named[0], segment)], named[1]
        return (node, pairs) if node.routes else None
