"""Which requests are recognised by their bytes (http/lane.py): those that differ in nothing that counts."""

import pytest

from bongsu.http.lane import Memory, Sent

ROOM = b"%21room%3Ax"
PATH = b"/_matrix/client/v3/rooms/%b/send/m.room.message/%d"
BODY = b'{"body":"a"}'


def _put(path: bytes, fields: list[bytes], body: bytes = BODY) -> bytes:
    return b"\r\n".join([b"PUT %b HTTP/1.1" % path, *fields, b"", body])


def _fields(token: bytes = b"t1", body: bytes = BODY) -> list[bytes]:
    return [b"Host: x", b"authorization: Bearer %b" % token, b"Content-Length: %d" % len(body), b"Accept: */*"]


def _headers(fields: list[bytes]) -> list[tuple[bytes, bytes]]:
    pairs = [field.partition(b": ")[::2] for field in fields]
    return [(name.lower(), value) for name, value in pairs]


def _remembering(fields: list[bytes], body: bytes = BODY) -> Memory:
    memory = Memory()
    memory.keep(_put(PATH % (ROOM, 1), fields, body), _headers(fields))
    return memory


def test_a_message_is_recognised_with_another_body_and_from_somebody_else() -> None:
    longer = b'{"body":"a longer one"}'
    again = _put(PATH % (ROOM, 2), _fields(b"t2", longer), longer)
    assert _remembering(_fields()).sent(again) == Sent(ROOM, b"m.room.message", b"2", b"t2", longer)


def test_the_order_of_the_fields_is_the_clients() -> None:
    turned = _fields()[::-1]
    assert _remembering(turned).sent(_put(PATH % (ROOM, 2), turned)) is not None


@pytest.mark.parametrize(
    "again",
    [
        _put(PATH % (ROOM, 2), _fields(), BODY[:-1]),
        _put(PATH % (ROOM, 2), _fields(), BODY + b" "),
        _put(PATH % (ROOM, 2), [*_fields(), b"X: y"]),
        _put(PATH % (ROOM, 2), [b"Host: y", *_fields()[1:]]),
        _put(PATH % (ROOM, 2), [field.replace(b"Bearer ", b"Basic ") for field in _fields()]),
        _put(PATH % (ROOM, 2), [field.replace(b"Length: ", b"Length: 0") for field in _fields()]),
        _put(PATH % (ROOM, 2), [field.replace(b"Length: ", b"Length: +") for field in _fields()]),
        _put(PATH % (ROOM, 2) + b"?ts=1", _fields()),
        _put(PATH % (ROOM, 2) + b"/more", _fields()),
        _put(b"/_matrix/client/v3/rooms/%b/state/m.room.name/x" % ROOM, _fields()),
        _put(PATH % (b"", 2), _fields()),
        _put(PATH % (ROOM, 2), _fields()).replace(b"HTTP/1.1", b"HTTP/1.0"),
        _put(PATH % (ROOM, 2), _fields()).replace(b"PUT", b"POST"),
        _put(PATH % (ROOM, 2), _fields()) + _put(PATH % (ROOM, 3), _fields()),
        b"PUT " + PATH % (ROOM, 2),
    ],
    ids=lambda data: data[-60:].decode(),
)
def test_whatever_else_differs_goes_the_ordinary_way(again: bytes) -> None:
    memory = _remembering(_fields())
    assert memory.sent(_put(PATH % (ROOM, 2), _fields())) is not None
    assert memory.sent(again) is None


@pytest.mark.parametrize(
    "field",
    [
        b"Expect: 100-continue",
        b"Transfer-Encoding: chunked",
        b"Connection: close",
        b"Accept: again",
        b"Upgrade: websocket",
    ],
)
def test_an_unusual_head_is_not_remembered(field: bytes) -> None:
    fields = [*_fields(), field]
    assert _remembering(fields).sent(_put(PATH % (ROOM, 2), fields)) is None


def test_a_head_that_keeps_the_connection_is_usual() -> None:
    fields = [*_fields(), b"Connection: keep-alive"]
    assert _remembering(fields).sent(_put(PATH % (ROOM, 2), fields)) is not None


def test_a_first_line_that_ends_otherwise_is_not_remembered() -> None:
    """Else a field before the first true line end would count as one of those that come again."""
    fields = _fields()
    memory = Memory()
    memory.keep(_put(PATH % (ROOM, 1), fields).replace(b"HTTP/1.1\r\n", b"HTTP/1.1\nX: y\r\n"), _headers(fields))
    assert memory.sent(_put(PATH % (ROOM, 2), fields)) is None


def test_a_request_that_came_in_part_is_not_remembered() -> None:
    assert _remembering(_fields(), BODY[:-1]).sent(_put(PATH % (ROOM, 2), _fields())) is None


def test_polls_and_messages_share_a_connection() -> None:
    memory = _remembering(_fields())
    rest = b"\r\nHost: x\r\nAuthorization: Bearer t1\r\n\r\n"
    poll = b"GET /_matrix/client/v3/sync?since=s1 HTTP/1.1" + rest
    memory.keep(poll, [(b"host", b"x"), (b"authorization", b"Bearer t1")])
    assert memory.query_of(poll.replace(b"s1", b"s2")) == b"since=s2"
    assert memory.sent(_put(PATH % (ROOM, 2), _fields())) is not None
    assert memory.query_of(poll.replace(b"t1", b"t2")) is None
