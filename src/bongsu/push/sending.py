"""Saying it: to push gateways and browsers' push services, a few at a time each, until it is heard."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import Enum
from typing import Final
from urllib.parse import urlsplit

import msgspec
import structlog
from prometheus_client import Counter, Histogram

from bongsu.core import limits
from bongsu.core.json import encode
from bongsu.http.outside import Answer, Outside, Unreachable
from bongsu.push import webpush
from bongsu.push.webpush import Vapid
from bongsu.push.words import Counts, News, for_browser, for_gateway
from bongsu.store.pushing import State

log = structlog.get_logger(__name__)

PUSHES: Final = Counter("bongsu_pushes_total", "Pushes to gateways and browsers", ["kind", "outcome"])
SECONDS: Final = Histogram(
    "bongsu_push_seconds",
    "From a message to the gateway's answer that it has it",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3_600),
)


_TOO_LARGE: Final = 413


class Outcome(Enum):
    """TAKEN: the gateway has it; TOO_LARGE: it never takes this, so the next is told; GONE: it does not know the app
    any more; FAILED: to be tried again.
    """

    TAKEN = "taken"
    TOO_LARGE = "too_large"
    GONE = "gone"
    FAILED = "failed"


class Said(msgspec.Struct, frozen=True):
    """retry_after: seconds that the gateway asks for."""

    outcome: Outcome
    retry_after: float = 0.0


class Slots:
    """Who may send now: so many in all, and so many to one gateway."""

    def __init__(self) -> None:
        self._all = asyncio.Semaphore(limits.PUSH_AT_ONCE_MAX)
        self._hosts: dict[str, tuple[asyncio.Semaphore, int]] = {}

    @asynccontextmanager
    async def of(self, url: str) -> AsyncIterator[None]:
        """The gateway's place first: who waits for a slow one takes no place from others."""
        host = urlsplit(url).netloc
        semaphore, users = self._hosts.get(host, (asyncio.Semaphore(limits.PUSH_AT_ONCE_PER_HOST_MAX), 0))
        self._hosts[host] = semaphore, users + 1
        try:
            async with semaphore, self._all:
                yield
        finally:
            users = self._hosts[host][1] - 1
            self._hosts[host] = semaphore, users
            if not users:
                del self._hosts[host]


class Sending:
    """say() one thing to one pusher; news None: the counts alone."""

    def __init__(self, outside: Outside, vapid: Vapid, now_ms: Callable[[], int]) -> None:
        self._outside = outside
        self._vapid = vapid
        self._now_ms = now_ms

    async def say(self, state: State, news: News | None, counts: Counts) -> Said:
        pusher = state.pusher
        try:
            answer = await (self._browser if pusher.is_web_push else self._gateway)(state, news, counts)
        except Unreachable as error:
            log.info("push_unreachable", host=urlsplit(pusher.url).hostname, error=str(error))
            PUSHES.labels(pusher.kind, "unreachable").inc()
            return Said(Outcome.FAILED)
        said = self._heard_browser(answer) if pusher.is_web_push else self._heard_gateway(answer, pusher.pushkey)
        PUSHES.labels(pusher.kind, said.outcome.value).inc()
        if said.outcome is Outcome.TAKEN and news is not None:
            SECONDS.observe(max(0, self._now_ms() - news.event.ts_ms) / 1000)
        if said.outcome in (Outcome.FAILED, Outcome.TOO_LARGE):
            log.info("push_refused", host=urlsplit(pusher.url).hostname, status=answer.status)
        return said

    async def _gateway(self, state: State, news: News | None, counts: Counts) -> Answer:
        body = encode(for_gateway(state, news, counts))
        return await self._outside.post(state.pusher.url, body, {"content-type": "application/json"})

    async def _browser(self, state: State, news: News | None, counts: Counts) -> Answer:
        body = webpush.sealed(state.pusher, encode(for_browser(state, news, counts)))
        is_urgent = news is not None and news.prio == "high"
        headers = await webpush.headers(self._vapid, state.pusher, is_urgent=is_urgent)
        return await self._outside.post(state.pusher.url, body, headers)

    def _heard_gateway(self, answer: Answer, pushkey: str) -> Said:
        if answer.status == _TOO_LARGE:
            return Said(Outcome.TOO_LARGE)
        if answer.status != 200:
            return Said(Outcome.FAILED, answer.retry_after)
        said = answer.json()
        rejected = said.get("rejected") if isinstance(said, dict) else None
        is_gone = isinstance(rejected, list) and pushkey in rejected
        return Said(Outcome.GONE if is_gone else Outcome.TAKEN)

    def _heard_browser(self, answer: Answer) -> Said:
        if 200 <= answer.status < 300:
            return Said(Outcome.TAKEN)
        if answer.status == _TOO_LARGE:
            return Said(Outcome.TOO_LARGE)
        if answer.status in (404, 410):
            return Said(Outcome.GONE)
        return Said(Outcome.FAILED, answer.retry_after)


def wants_counts(state: State, counts: Counts, *, hushed: bool) -> bool:
    """Is the app to be told of counts alone? When they fell: a badge goes away where something was read. And when they
    changed in quiet hours (hushed), in which nothing else tells of them.

    Browsers must show something for every push, so they are told only if they say that they want it.
    """
    events_only = state.pusher.data.get("events_only", state.pusher.is_web_push)
    has_news = counts.unread < state.badge or (hushed and counts.unread > state.badge)
    return has_news and events_only is False
