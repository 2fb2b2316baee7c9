"""HTTP itself as a weapon: lengths that lie, codings, methods nobody has, and what browsers and proxies rely on.

How slow, large or broken heads are answered stands in test_slow_requests.py.
"""

import gzip
import zlib
from collections.abc import Mapping

import pytest

from bongsu.core import limits
from tests.api.talking import room, segment
from tests.hostile.attack import V1, V3, Answer, Attacker, Headers, Person, connect, head, nothing_changes

pytestmark = pytest.mark.usefixtures("unharmed")

LENGTH = "Content-Length"
CODING = "Transfer-Encoding"
QUIET_SECONDS = 0.1  # what has not come by then was not on its way
CHUNKED = b"2\r\n{}\r\n0\r\n\r\n"


def path_of(room_id: str) -> str:
    return f"{room(room_id)}/send/org.example.x/t"


def bearer(person: Attacker, *more: tuple[str, str]) -> Headers:
    return [("Authorization", f"Bearer {person.token}"), *more]


async def answers(person: Person, *pieces: bytes, count: int = 1) -> list[Answer]:
    """So many answers on a connection of its own, and that no more come."""
    connection = await connect(person.server)
    try:
        connection.send(*pieces)
        found = [await connection.answer() for _ in range(count)]
        assert await connection.rest(QUIET_SECONDS) == b""
    finally:
        connection.close()
    return found


# --- framing ---


@pytest.mark.parametrize(
    "framing",
    [
        [(LENGTH, "2"), (CODING, "chunked")],
        [(CODING, "chunked"), (LENGTH, "2")],
        [(LENGTH, "12"), (CODING, "chunked")],
        [(CODING, "xchunked")],
        [(CODING, "chunked, identity")],
        [(CODING, "chunked"), (CODING, "chunked")],
        [(CODING, "chunked"), (CODING, "identity")],
        [("Transfer-Encoding ", "chunked")],
        [(LENGTH, "2"), (LENGTH, "2")],
        [(LENGTH, "2"), (LENGTH, "12")],
        [(LENGTH, "2, 2")],
        [(LENGTH, "+2")],
        [(LENGTH, "-2")],
        [(LENGTH, "0x2")],
        [(LENGTH, "2 2")],
        [(LENGTH, "9" * 30)],
        [(LENGTH, "")],
    ],
    ids=str,
)
async def test_a_length_in_doubt_is_refused(mallory: Person, room_id: str, framing: Headers) -> None:
    """One answer, then the end: what is behind it is not taken for a second request."""
    smuggled = head("PUT", path_of(room_id) + "2", bearer(mallory, (LENGTH, "2"))) + b"{}"
    async with nothing_changes(mallory):
        request = head("PUT", path_of(room_id), bearer(mallory, *framing))
        found = await answers(mallory, request, CHUNKED, smuggled)
    assert [answer.refusal for answer in found] == [(400, "M_UNKNOWN")]
    assert found[0].headers["connection"] == "close"


@pytest.mark.parametrize(
    "chunks",
    [
        b"2\n{}\n0\n\n",
        b"2\r\n{}0\r\n\r\n",
        b"2\r\n{}\r\n-1\r\n\r\n",
        b"zz\r\n{}\r\n0\r\n\r\n",
        b"0x2\r\n{}\r\n0\r\n\r\n",
        b"ffffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    ],
)
async def test_chunks_in_doubt_are_refused(mallory: Person, room_id: str, chunks: bytes) -> None:
    async with nothing_changes(mallory):
        request = head("PUT", path_of(room_id), bearer(mallory, (CODING, "chunked")))
        found = await answers(mallory, request, chunks)
    assert [answer.refusal for answer in found] == [(400, "M_UNKNOWN")]


async def test_trailers_behind_chunks_change_nothing(mallory: Person, alice: Person, room_id: str) -> None:
    """A proxy looks at the head alone; nothing behind the body may add to it or take its place."""
    await alice.does("POST", f"{room(room_id)}/join", {})
    trailers = f"Authorization: Bearer {alice.token}\r\nX-Forwarded-For: 192.0.2.1\r\n".encode()
    body = b"2\r\n{}\r\n0\r\n" + trailers + b"\r\n"
    found = await answers(mallory, head("PUT", path_of(room_id), bearer(mallory, (CODING, "chunked"))), body)
    event = await alice.does("GET", f"{room(room_id)}/event/{segment(found[0].json['event_id'])}")
    assert event["sender"] == mallory.user_id
    found = await answers(mallory, head("GET", f"{V3}/account/whoami", [(CODING, "chunked")]), body)
    assert [answer.refusal for answer in found] == [(401, "M_MISSING_TOKEN")]


async def test_endless_trailers_are_refused(mallory: Person, room_id: str) -> None:
    request = head("PUT", path_of(room_id), bearer(mallory, (CODING, "chunked")))
    trailers = b"X-A: " + b"b" * 1_000 + b"\r\n"
    found = await answers(mallory, request, b"2\r\n{}\r\n0\r\n", trailers * 20)
    assert [answer.refusal for answer in found] == [(431, "M_TOO_LARGE")]


async def test_a_body_in_chunks_is_as_good_as_one_with_a_length(mallory: Person, room_id: str) -> None:
    request = head("PUT", path_of(room_id), bearer(mallory, (CODING, "chunked")))
    assert [answer.status for answer in await answers(mallory, request, CHUNKED)] == [200]


async def test_two_requests_at_once_are_two(mallory: Person, room_id: str) -> None:
    first = head("PUT", path_of(room_id), bearer(mallory, (LENGTH, "2"))) + b"{}"
    second = head("GET", f"{V3}/account/whoami", bearer(mallory))
    found = await answers(mallory, first + second, count=2)
    assert [answer.status for answer in found] == [200, 200]
    assert found[1].json["user_id"] == mallory.user_id


async def test_without_a_length_there_is_no_body(mallory: Person, room_id: str) -> None:
    """What follows is then the beginning of another request: here one that comes with the first, and is no HTTP."""
    async with nothing_changes(mallory):
        found = await answers(mallory, head("PUT", path_of(room_id), bearer(mallory)) + b"{}")
    assert found[0].refusal == (400, "M_NOT_JSON")


async def test_a_body_over_the_limit_is_refused_before_it_is_sent(mallory: Person, room_id: str) -> None:
    request = head("PUT", path_of(room_id), bearer(mallory, (LENGTH, str(limits.BODY_BYTES_MAX + 1))))
    found = await answers(mallory, request, b'{"a": "')
    assert [answer.refusal for answer in found] == [(413, "M_TOO_LARGE")]


async def test_endless_chunks_are_refused_at_the_limit(mallory: Person, room_id: str) -> None:
    request = head("PUT", path_of(room_id), bearer(mallory, (CODING, "chunked")))
    chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    found = await answers(mallory, request, *[chunk] * 17)
    assert [answer.refusal for answer in found] == [(413, "M_TOO_LARGE")]


async def test_the_last_of_two_tokens_counts_alone(mallory: Person) -> None:
    both = [*bearer(mallory), ("Authorization", "Bearer bst_nobodys")]
    assert await mallory.refused("GET", f"{V3}/account/whoami", headers=both) == (401, "M_UNKNOWN_TOKEN")


# --- content codings and types ---


def bombs() -> Mapping[str, bytes]:
    plain = b'{"body": "' + b"a" * 20_000_000 + b'"}'
    return {"gzip": gzip.compress(plain), "deflate": zlib.compress(plain), "br": b"\x8b\x00\x80aaaa\x03"}


@pytest.mark.parametrize(("coding", "bomb"), bombs().items(), ids=["gzip", "deflate", "br"])
async def test_a_compressed_body_is_not_unpacked(mallory: Person, room_id: str, coding: str, bomb: bytes) -> None:
    async with nothing_changes(mallory):
        for headers in (
            bearer(mallory, ("Content-Encoding", coding)),
            bearer(mallory, ("Content-Encoding", f"{coding}, {coding}"), ("Content-Type", "application/json")),
        ):
            answer = await mallory.refused("PUT", path_of(room_id), bomb, headers=headers)
            assert answer == (400, "M_NOT_JSON")


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "application/xml",
        "x" * 5_000,
    ],
)
async def test_a_body_is_json_whatever_it_is_called(mallory: Person, room_id: str, content_type: str) -> None:
    """The protocol does not ask for a content type, and old clients send none."""
    named = bearer(mallory, ("Content-Type", content_type))
    assert (await mallory.ask("PUT", path_of(room_id), {"a": "봉수"}, headers=named)).status == 200
    form = b"type=m.login.password&user=x"
    assert await mallory.refused("POST", f"{V3}/login", form, headers=named) == (400, "M_NOT_JSON")


# --- methods ---

GET_ONLY = (
    "/sync",
    "/account/whoami",
    "/joined_rooms",
    "/capabilities",
    "/rooms/!x:y/messages",
    "/rooms/!x:y/event/$x",
)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "PURGE", "LINK"])
async def test_a_method_that_is_not_served_names_those_that_are(mallory: Person, method: str) -> None:
    for path in GET_ONLY:
        answer = await mallory.ask(method, f"{V3}{path}", {})
        assert (answer.refusal, answer.headers["allow"]) == ((405, "M_UNRECOGNIZED"), "GET")
    several = {
        f"{V3}/createRoom": "POST",
        f"{V3}/login": "GET, POST",
        f"{V3}/rooms/!x:y/state/m.room.name/": "GET, PUT",
        f"{V3}/profile/@x:y/displayname": "DELETE, GET, PUT",
        f"{V3}/devices/X": "DELETE, GET, PUT",
    }
    for path, allowed in several.items():
        if method not in allowed:
            answer = await mallory.ask(method, path, {})
            assert (answer.refusal, answer.headers["allow"]) == ((405, "M_UNRECOGNIZED"), allowed)


@pytest.mark.parametrize("method", ["BREW", "get", "GETT", "CONNECT", "PRI"])
async def test_a_method_that_is_none_ends_the_connection(mallory: Person, method: str) -> None:
    answer = await mallory.ask(method, f"{V3}/sync")
    assert (answer.refusal, answer.headers["connection"]) == ((400, "M_UNKNOWN"), "close")


async def test_a_method_cannot_be_put_into_a_header(mallory: Person, room_id: str) -> None:
    for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        answer = await mallory.refused("POST", path_of(room_id), {}, headers=bearer(mallory, (name, "PUT")))
        assert answer == (405, "M_UNRECOGNIZED")


async def test_head_says_what_get_would(mallory: Person, room_id: str) -> None:
    for path in (
        f"{V3}/login",
        f"{V3}/account/whoami",
        f"{V3}/sync?set_presence=offline",
        f"{room(room_id)}/state",
        f"{V3}/nothing",
        f"{V3}/profile/nobody",
    ):
        got, headed = await mallory.ask("GET", path), await mallory.ask("HEAD", path)
        assert headed.status == got.status
        assert headed.headers["content-type"] == got.headers["content-type"]
        assert headed.headers["content-length"] == got.headers["content-length"]
    answer = await mallory.ask("HEAD", f"{V3}/createRoom")
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


# --- CORS ---

CORS = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "GET, HEAD, POST, PUT, DELETE, OPTIONS",
    "access-control-allow-headers": "X-Requested-With, Content-Type, Authorization, Range, Idempotency-Key",
}


@pytest.mark.parametrize(
    "path",
    [
        "/",
        f"{V3}/login",
        f"{V3}/rooms/!x:y/send/m.room.message/t",
        f"{V1}/media/download/a/b",
        "/_matrix/media/v3/upload",
        "/nothing/here",
        "/%ff",
        f"{V3}/{'x' * 6_000}",
        "*",
    ],
)
async def test_browsers_may_ask_everywhere(nobody: Attacker, path: str) -> None:
    """A preflight carries no token, and is answered the same whatever there is."""
    asked = [
        ("Origin", "https://evil.example"),
        ("Access-Control-Request-Method", "PUT"),
        ("Access-Control-Request-Headers", "authorization"),
    ]
    answer = await nobody.ask("OPTIONS", path, headers=asked)
    assert (answer.status, answer.body) == (204, b"")
    assert "content-length" not in answer.headers
    assert CORS.items() <= answer.headers.items()
    assert "access-control-allow-credentials" not in answer.headers


async def test_browsers_may_read_every_answer(mallory: Person, nobody: Attacker, room_id: str) -> None:
    for attacker, method, path, body, status in (
        (mallory, "GET", f"{V3}/account/whoami", None, 200),
        (nobody, "GET", f"{V3}/account/whoami", None, 401),
        (mallory, "PUT", path_of(room_id), b"nope", 400),
        (mallory, "GET", f"{V3}/nothing", None, 404),
        (mallory, "POST", f"{V3}/sync", {}, 405),
        (mallory, "PUT", path_of(room_id), {"a": "x" * 70_000}, 413),
        (mallory, "GET", f"{V3}/{'x' * 5_000}", None, 414),
        (mallory, "GET", f"{room('!x:y')}/state", None, 403),
    ):
        answer = await attacker.ask(method, path, body)
        assert answer.status == status
        assert CORS.items() <= answer.headers.items()
        assert "retry-after" in answer.headers["access-control-expose-headers"].lower()
