"""Routing on the raw path."""

import pytest

from bongsu.core.errors import Refusal
from bongsu.http.request import Query, Request
from bongsu.http.response import Response, empty
from bongsu.http.router import Route, Router


async def _handler(_: Request) -> Response:
    return empty()


ROUTER = Router(
    [
        Route("GET", "/rooms/{room_id}/state", _handler),
        Route("GET", "/rooms/{room_id}/state/{event_type}", _handler),
        Route("GET", "/rooms/{room_id}/state/{event_type}/{state_key}", _handler),
        Route("PUT", "/rooms/{room_id}/state/{event_type}/{state_key}", _handler),
        Route("GET", "/rooms/{room_id}/fixed", _handler),
        Route("GET", "/rooms/one/special", _handler),
    ]
)


@pytest.mark.parametrize(
    ("path", "template", "params"),
    [
        ("/rooms/!a:b/state", "/rooms/{room_id}/state", {"room_id": "!a:b"}),
        ("/rooms/one/special", "/rooms/one/special", {}),
        ("/rooms/one/state", "/rooms/{room_id}/state", {"room_id": "one"}),
        ("/rooms/a%2Fb/state/x%2Fy", "/rooms/{room_id}/state/{event_type}", {"room_id": "a/b", "event_type": "x/y"}),
        (
            "/rooms/r/state/t/",
            "/rooms/{room_id}/state/{event_type}/{state_key}",
            {"room_id": "r", "event_type": "t", "state_key": ""},
        ),
        ("/rooms/%EA%B0%80/state", "/rooms/{room_id}/state", {"room_id": "가"}),
        ("/rooms/../state", "/rooms/{room_id}/state", {"room_id": ".."}),
        ("/rooms/a+b/state", "/rooms/{room_id}/state", {"room_id": "a+b"}),
    ],
)
def test_found(path: str, template: str, params: dict[str, str]) -> None:
    route, found = ROUTER.find("GET", path)
    assert (route.template, found) == (template, params)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/rooms", 404),
        ("GET", "/rooms//state", 404),
        ("GET", "/rooms/r/state/t/k/more", 404),
        ("GET", "/rooms/r", 404),
        ("POST", "/rooms/r/state", 405),
        ("DELETE", "/rooms/r/state/t/k", 405),
    ],
)
def test_not_found(method: str, path: str, status: int) -> None:
    with pytest.raises(Refusal) as refused:
        ROUTER.find(method, path)
    assert (refused.value.status, refused.value.errcode) == (status, "M_UNRECOGNIZED")


def test_wrong_method_says_which_are_right() -> None:
    with pytest.raises(Refusal) as refused:
        ROUTER.find("DELETE", "/rooms/r/state/t/k")
    assert refused.value.headers["allow"] == "GET, PUT"


def test_path_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(Refusal) as refused:
        ROUTER.find("GET", "/rooms/%FF/state")
    assert refused.value.errcode == "M_INVALID_PARAM"


def test_one_place_has_one_name() -> None:
    with pytest.raises(ValueError, match="already called"):
        Router([Route("GET", "/a/{x}", _handler), Route("GET", "/a/{y}/b", _handler)])


@pytest.mark.parametrize(
    ("raw", "name", "value"),
    [
        (b"a=1&b=2", "b", "2"),
        (b"a=%26", "a", "&"),
        (b"a=1+2", "a", "1 2"),
        (b"a", "a", ""),
        (b"a=1&a=2", "a", "1"),
        (b"", "a", None),
    ],
)
def test_query(raw: bytes, name: str, value: str | None) -> None:
    assert Query(raw).get(name) == value


@pytest.mark.parametrize(
    "raw", [b"limit=x", b"limit=1.5", b"limit=", b"limit=-1", b"limit=" + b"9" * 30, "limit=１".encode()]
)
def test_query_integer_refuses(raw: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        Query(raw).integer("limit", 10)
    assert refused.value.errcode == "M_INVALID_PARAM"
