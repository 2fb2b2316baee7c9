"""Who is answered on the shorter way (http/shorter.py), and who is sent the ordinary one: nothing stays behind."""

from asyncio import Future, get_running_loop
from collections.abc import Callable

import pytest

from bongsu.core.errors import forbidden
from bongsu.core.requester import Requester
from bongsu.core.tiers import Level, Tier
from bongsu.http.authentication import token_hash
from bongsu.http.deadlines import Deadline
from bongsu.http.lane import Head, Lane, Sent
from bongsu.http.request import Request
from bongsu.http.response import Response, empty
from bongsu.http.router import Router, client_routes
from bongsu.http.shedding import Shedding
from bongsu.http.shorter import Shorter

ALICE = Requester(user_id="@alice:x", device_id="D", token_id=token_hash("alice"))
MUTED = Requester(user_id="@muted:x", device_id="D", token_id=token_hash("muted"), is_suspended=True)
HEAD = Head(b"", {b"authorization": b"Bearer alice"})


def _sent(token: bytes = b"alice", body: bytes = b"{}") -> Sent:
    return Sent(b"%21r%3Ax", b"m.room.message", b"1", token, body)


async def _handler(_: Request) -> Response:
    return empty()


ROUTER = Router(
    [
        *client_routes("GET", "/sync", _handler, tier=Tier.SYNC),
        *client_routes("PUT", "/rooms/{room_id}/send/{event_type}/{txn_id}", _handler, bucket="send", tier=Tier.TEXT),
    ]
)


class Way:
    """A connection as a lane sees it."""

    def __init__(self) -> None:
        self.said: list[tuple[int, bytes]] = []
        self.awaited: list[Future[str]] = []

    def call_later(self, seconds: float, call: Callable[[], None]) -> Deadline:
        return Deadline(call)

    def write_answer(self, body: bytes) -> None:
        self.said.append((200, body))

    def write_response(self, response: Response) -> None:
        assert isinstance(response.body, bytes)
        self.said.append((response.status, response.body))

    def go_ordinary_way(self, request: bytes) -> None:
        raise AssertionError("it was not given up")

    def await_answer(self, future: "Future[str]") -> None:
        self.awaited.append(future)


class Server:
    """What stands behind: it knows two people, spends from one bucket, and keeps what was submitted."""

    def __init__(self, left: int = 1) -> None:
        self.left = left
        self.submitted: list[tuple[str, dict[str, str], bytes]] = []
        self.shedding = Shedding()
        self.shorter = Shorter(ROUTER, self, self, self.shedding, self.park, self.submit)

    def recognise(self, token_id: bytes, address: str | None = None) -> Requester | None:
        return {one.token_id: one for one in (ALICE, MUTED)}.get(token_id)

    def spends_at_once(self, bucket: str, requester: Requester) -> bool:
        self.left -= 1
        return self.left >= 0

    def park(self, lane: Lane, requester: Requester, query: bytes) -> bool:
        if query == b"fails":
            raise RuntimeError("a fault of our own")
        return query == b"waits"

    def submit(
        self, requester: Requester, params: dict[str, str], body: bytes, may: Callable[[], bool]
    ) -> "Future[str] | None":
        if body == b"fails":
            raise RuntimeError("a fault of our own")
        if body == b"refused":
            raise forbidden("no")
        if not may():
            return None
        self.submitted.append((requester.user_id, params, body))
        return get_running_loop().create_future()


async def test_a_message_is_submitted_and_answered_with_its_event() -> None:
    server, way = Server(), Way()
    assert server.shorter.send(Lane(way, b""), _sent(), "")
    params = {"room_id": "!r:x", "event_type": "m.room.message", "txn_id": "1"}
    assert server.submitted == [("@alice:x", params, b"{}")]
    assert server.shedding.in_flight == 1
    (future,) = way.awaited
    future.set_result("$event")
    await _turn()
    assert way.said == [(200, b'{"event_id":"$event"}')]
    assert server.shedding.in_flight == 0


async def test_what_its_commit_refuses_is_answered_in_the_protocols_form() -> None:
    server, way = Server(), Way()
    assert server.shorter.send(Lane(way, b""), _sent(), "")
    way.awaited[0].set_exception(forbidden("you are not in this room"))
    await _turn()
    assert way.said == [(403, b'{"errcode":"M_FORBIDDEN","error":"you are not in this room"}')]
    assert server.shedding.in_flight == 0


async def test_what_a_stop_cuts_off_is_not_answered() -> None:
    server, way = Server(), Way()
    lane = Lane(way, b"")
    assert server.shorter.send(lane, _sent(), "")
    way.awaited[0].cancel()
    await _turn()
    assert (way.said, lane.is_open, server.shedding.in_flight) == ([], False, 0)


@pytest.mark.parametrize(
    "sent",
    [
        _sent(token=b"nobody"),
        _sent(token=b"muted"),
        _sent(body=b"fails"),
        _sent(body=b"refused"),
        Sent(b"%FF", b"m.room.message", b"1", b"alice", b"{}"),
    ],
    ids=["unknown", "suspended", "fails", "refused", "no UTF-8"],
)
async def test_who_would_be_refused_goes_the_ordinary_way(sent: Sent) -> None:
    server, way = Server(), Way()
    assert not server.shorter.send(Lane(way, b""), sent, "")
    assert (server.submitted, server.left, server.shedding.in_flight, way.awaited) == ([], 1, 0, [])


async def test_so_does_who_has_sent_too_much_and_everybody_where_text_is_shed() -> None:
    server = Server(left=0)
    assert not server.shorter.send(Lane(Way(), b""), _sent(), "")
    server = Server()
    server.shedding.set(Level.TEXT, 0.5)
    assert not server.shorter.send(Lane(Way(), b""), _sent(), "")
    assert server.left == 1


@pytest.mark.parametrize(("query", "taken"), [(b"waits", True), (b"does not", False), (b"fails", False)])
async def test_a_poll_is_under_way_while_its_lane_is_open(query: bytes, taken: bool) -> None:
    server = Server()
    lane = Lane(Way(), b"")
    assert server.shorter.poll(lane, query, HEAD, "") is taken
    assert server.shedding.in_flight == int(taken)
    if taken:
        lane.answer(b"{}")
    assert server.shedding.in_flight == 0


async def _turn() -> None:
    """Lets the loop call what is due."""
    turned: Future[None] = get_running_loop().create_future()
    get_running_loop().call_soon(turned.set_result, None)
    await turned
