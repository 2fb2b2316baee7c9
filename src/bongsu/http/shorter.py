"""Who goes the shorter way (http/lane.py), and is answered there.

What the ordinary way asks of a request is asked here, too, as far as that needs no waiting. Whoever would be refused,
or has to wait for anything but a commit, is sent the ordinary way, which says why; so is what fails.
"""

import time
from asyncio import Future
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from bongsu.core import guests, moderation
from bongsu.core.json import encode
from bongsu.core.requester import Requester
from bongsu.http.app import REQUESTS, SECONDS, failed
from bongsu.http.authentication import token_hash
from bongsu.http.lane import Head, Lane, Sent
from bongsu.http.router import Route, Router, decode
from bongsu.http.shedding import Shedding
from bongsu.metrics import Count

_POLL: Final = "/_matrix/client/v3/sync"
_SEND: Final = "/_matrix/client/v3/rooms/-/send/-/-"

# Lane, who, query: answers a long poll, or says that it cannot.
Park = Callable[[Lane, Requester, bytes], bool]
# Who, the path's parameters, the body, and a question that is put last: may it be now? The event id to be, or None.
Submit = Callable[[Requester, dict[str, str], bytes, Callable[[], bool]], "Future[str] | None"]


class Authenticator(Protocol):
    def recognise(self, token_id: bytes, address: str | None = None) -> Requester | None:
        """Who holds the token with this hash, if that needs no waiting."""
        ...


class Limiter(Protocol):
    def spends_at_once(self, bucket: str, requester: Requester) -> bool:
        """Takes one request from this person's bucket, if that needs no waiting; else nothing is spent."""
        ...


class Shorter:
    """poll() and send(), as the routes of the ordinary way say."""

    def __init__(
        self,
        router: Router,
        authenticator: Authenticator,
        limiter: Limiter,
        shedding: Shedding,
        park: Park,
        submit: Submit,
    ) -> None:
        self._authenticator = authenticator
        self._limiter = limiter
        self._shedding = shedding
        self._park = park
        self._submit = submit
        self._send_route = router.find("PUT", _SEND)[0]
        self._polled = _count(router.find("GET", _POLL)[0], 200)
        self._sent = _count(self._send_route, 200)

    def poll(self, lane: Lane, query: bytes, head: Head, client: str) -> bool:
        requester = self._recognised(head, client)
        if requester is None:
            return False
        self._shedding.in_flight += 1
        lane.when_ended(self._poll_ended)
        try:
            is_taken = self._park(lane, requester, query)
        except Exception:  # the ordinary way meets it again, and says so
            is_taken = False
        if not is_taken:
            self._shedding.in_flight -= 1
        return is_taken

    def _poll_ended(self) -> None:
        self._shedding.in_flight -= 1
        self._polled.total += 1

    def send(self, lane: Lane, sent: Sent, client: str) -> bool:
        route = self._send_route
        requester = self._authenticator.recognise(_token_id(sent.token), client)
        if requester is None or route.tier.shed_at <= self._shedding.level:
            return False
        started = time.perf_counter()
        try:
            params = {
                "room_id": decode(sent.room_id.decode()),
                "event_type": decode(sent.event_type.decode()),
                "txn_id": decode(sent.txn_id.decode()),
            }
            moderation.check(requester, route.method, route.template)
            if requester.is_guest:
                guests.check(route.method, route.template, params)
            future = self._submit(requester, params, sent.body, partial(self._spends, requester))
        except Exception:  # as above; nothing was submitted
            return False
        if future is None:
            return False
        self._shedding.in_flight += 1
        lane.bind(future)
        future.add_done_callback(partial(self._answer, lane, started))
        return True

    def _spends(self, requester: Requester) -> bool:
        bucket = self._send_route.bucket
        return bucket is None or self._limiter.spends_at_once(bucket, requester)

    def _answer(self, lane: Lane, started: float, future: "Future[str]") -> None:
        self._shedding.in_flight -= 1
        if future.cancelled():
            lane.lost()  # the server stops and waits no longer
            return
        SECONDS.observe(time.perf_counter() - started)
        error = future.exception()
        if error is None:
            self._sent.total += 1
            lane.answer(encode({"event_id": future.result()}))
            return
        response = failed(error, self._send_route.method, self._send_route.template)
        _count(self._send_route, response.status).total += 1
        lane.respond(response)

    def _recognised(self, head: Head, client: str) -> Requester | None:
        if head.token_id is None:
            scheme, _, token = head.headers[b"authorization"].partition(b" ")
            if scheme != b"Bearer":
                return None
            head.token_id = _token_id(token)
        return self._authenticator.recognise(head.token_id, client)


def _token_id(token: bytes) -> bytes:
    return token_hash(token.decode("latin-1"))


def _count(route: Route, status: int) -> Count:
    return REQUESTS.labelled(route.method, route.template, str(status))
