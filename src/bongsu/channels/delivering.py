"""A channel's programs are told: each endpoint by one worker, in order, until it has taken what it is owed.

What is owed is a row, kept until the receiver has answered with 2xx. A worker that dies loses its lease, and another
goes on with the same row under the same webhook-id: a receiver may hear something twice, and never misses anything.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

import structlog
from prometheus_client import Counter

from bongsu.channels import desk_texts
from bongsu.channels.access import subject
from bongsu.core import limits, webhooks
from bongsu.core.errors import Refusal
from bongsu.core.webhooks import Type
from bongsu.http.outside import Answer, Outside, Unreachable
from bongsu.store import audit, channel_messages, outbox
from bongsu.store import channels as channel_table
from bongsu.store import webhooks as table
from bongsu.store.database import REFUSED, Connection, Database
from bongsu.store.feed import Feed
from bongsu.store.outbox import Post
from bongsu.store.webhooks import Deliveries, Delivery, Endpoint, Lease, LeaseLost
from bongsu.workflow.rounds import Rounds

log = structlog.get_logger(__name__)

TOLD: Final = Counter("bongsu_webhooks_total", "What channels' programs were told", ["outcome"])
_GONE: Final = 410  # the receiver says that it wants nothing more


class Delivering:
    """run() and watch_reads() for ever; hurry() when something is owed. is_pressed: messages come first.

    sender: the account in whose name owners are told. after: an owner is to be told.
    """

    def __init__(
        self,
        database: Database,
        feed: Feed,
        outside: Outside,
        sender: str,
        now_ms: Callable[[], int],
        random: Callable[[], float],
        is_pressed: Callable[[], bool],
        after: Callable[[], None],
    ) -> None:
        self._database = database
        self._feed = feed
        self._outside = outside
        self._sender = sender
        self._now_ms = now_ms
        self._random = random
        self._is_pressed = is_pressed
        self._after = after
        self._deliveries = Deliveries(database)
        self._telling: set[asyncio.Task[None]] = set()
        self._rounds = Rounds("webhooks_wait", limits.DUE_ROUND_SECONDS)
        self._reads = Rounds("reads_not_told", limits.ROUND_SECONDS)
        self._read_to = -1

    def hurry(self) -> None:
        self._rounds.hurry()

    def hurry_reads(self) -> None:
        self._reads.hurry()

    async def run(self) -> None:
        """One that is slow holds up no other."""
        try:
            await self._rounds.run(self._claim)
        finally:
            for task in self._telling:
                task.cancel()
            if self._telling:
                await asyncio.wait(self._telling)

    async def _claim(self) -> None:
        free = limits.WEBHOOK_AT_ONCE_MAX - len(self._telling)
        if free <= 0 or self._is_pressed() or not self._database.has_primary:
            return
        if not await self._deliveries.any_due():
            return
        for lease in await self._deliveries.claim(free):
            task = asyncio.create_task(self._tell(lease), name=f"webhook {lease.endpoint.endpoint_id}")
            self._telling.add(task)
            task.add_done_callback(self._told)

    def _told(self, task: asyncio.Task[None]) -> None:
        """Whoever waits for a free place gets it at once."""
        if len(self._telling) == limits.WEBHOOK_AT_ONCE_MAX:
            self._rounds.hurry()
        self._telling.discard(task)

    async def _tell(self, lease: Lease) -> None:
        """So many in a row, then others have their turn. A lease that is lost is another worker's."""
        try:
            await self._tell_some(lease)
        except LeaseLost:
            log.info("webhook_lease_lost", endpoint_id=lease.endpoint.endpoint_id)
        except (Refusal, *REFUSED) as error:
            log.warning("webhook_waits", endpoint_id=lease.endpoint.endpoint_id, error=repr(error))
        except Exception:
            log.exception("webhook_waits", endpoint_id=lease.endpoint.endpoint_id)

    async def _tell_some(self, lease: Lease) -> None:
        """A worker that stops gives the lease back, so that another goes on at once."""
        current, until = lease, time.monotonic() + limits.WEBHOOK_TURN_SECONDS
        try:
            for _ in range(limits.WEBHOOK_TURN_MAX):
                delivery = await self._deliveries.next(current)
                if delivery is None or not await self._try(current, delivery):
                    return
                if time.monotonic() >= until:
                    break
                current = current.succeeded()
            self._rounds.hurry()
        finally:
            with suppress(LeaseLost):
                await self._deliveries.give_back(lease)

    async def _try(self, lease: Lease, delivery: Delivery) -> bool:
        """True: it was taken, and that is kept."""
        endpoint = lease.endpoint
        try:
            answer = await self._outside.post(endpoint.url, delivery.body, self._headers(endpoint, delivery))
        except Unreachable as error:
            host = urlsplit(endpoint.url).hostname
            log.info("webhook_unreachable", endpoint_id=endpoint.endpoint_id, host=host, error=str(error))
            await self._failed(lease, "it could not be reached", 0.0)
            return False
        if 200 <= answer.status < 300:
            await self._deliveries.taken(lease, delivery, self._now_ms())
            TOLD.labels("taken").inc()
            return True
        log.info("webhook_refused", endpoint_id=endpoint.endpoint_id, status=answer.status)
        await self._refused(lease, answer)
        return False

    def _headers(self, endpoint: Endpoint, delivery: Delivery) -> dict[str, str]:
        now_ms = self._now_ms()
        seconds = now_ms // 1000
        signed = webhooks.signatures(endpoint.secrets(now_ms), delivery.webhook_id, seconds, delivery.body)
        return {
            "content-type": "application/json",
            "user-agent": "Bongsu",
            "webhook-id": delivery.webhook_id,
            "webhook-timestamp": str(seconds),
            "webhook-signature": signed,
        }

    async def _refused(self, lease: Lease, answer: Answer) -> None:
        if answer.status == _GONE:
            await self._disable(lease, "it answered 410: it wants nothing more")
            return
        await self._failed(lease, f"it answered {answer.status}", answer.retry_after)

    async def _failed(self, lease: Lease, why: str, retry_after: float) -> None:
        """It is tried again later, unless it has failed for too long."""
        TOLD.labels("failed").inc()
        endpoint, now_ms = lease.endpoint, self._now_ms()
        if endpoint.failing_ts is not None and now_ms - endpoint.failing_ts > limits.WEBHOOK_GIVEN_UP_MS:
            await self._disable(lease, f"it has taken nothing for days: {why}")
            return
        seconds = webhooks.pause_seconds(lease.tries + 1, self._random(), retry_after)
        await self._deliveries.failed(lease, seconds, why, now_ms)

    async def _disable(self, lease: Lease, why: str) -> None:
        """Its owner is told in the same transaction, and once."""

        async def work(connection: Connection) -> None:
            now_ms = self._now_ms()
            await table.disable(connection, lease, why, now_ms)
            channel = await channel_table.channel_of(connection, lease.endpoint.channel_id)
            assert channel is not None  # none is ever deleted
            said = desk_texts.disabled(channel.name, lease.endpoint.url, why)
            await outbox.put(connection, [Post(sender=self._sender, user_id=channel.owner, content=said)])
            details = {"endpoint_id": lease.endpoint.endpoint_id, "why": why}
            deed = audit.Deed("", "webhook.disabled", details)
            await audit.add(connection, subject(channel.channel_id), [deed], now_ms)

        await self._database.write(work)
        TOLD.labels("disabled").inc()
        log.warning("webhook_disabled", endpoint_id=lease.endpoint.endpoint_id, why=why)
        self._after()

    # --- what customers have read, and what nobody wants any more ---

    async def watch_reads(self) -> None:
        """Receipts in channels' rooms become message.read, on one worker at a time."""
        await self._reads.run(self._look_at_reads)

    async def _look_at_reads(self) -> bool:
        """True: there may be more. Asks nobody while nothing was written, and writes nothing while nobody cares."""
        pos = self._feed.pos
        if pos == self._read_to or self._is_pressed() or not self._database.has_primary:
            return False
        wants = await table.wants(self._database, Type.MESSAGE_READ)
        if not await table.is_behind(self._database, pos, wants=wants):
            self._read_to = pos
            return False
        if not await self._database.write(lambda connection: self._take_reads(connection, pos, wants=wants)):
            return False
        self._rounds.hurry()
        return True

    async def _take_reads(self, connection: Connection, pos: int, *, wants: bool) -> bool:
        """False: another worker takes them, or has."""
        after = await table.claim_progress(connection)
        if after is None or after >= pos:
            return False
        reads = await channel_messages.read_since(connection, after, pos, limits.WEBHOOK_TURN_MAX) if wants else []
        for each in reads:
            await table.put(connection, each.channel_id, Type.MESSAGE_READ, each.told(), self._now_ms())
        await table.set_progress(connection, reads[-1].pos if len(reads) == limits.WEBHOOK_TURN_MAX else pos)
        return True

    async def sweep(self) -> None:
        """Nobody is owed more and more, and what was owed to disabled endpoints is forgotten in the end."""
        await Rounds("webhooks_not_swept", limits.WEBHOOK_SWEEP_SECONDS).run(self._sweep_some)

    async def _sweep_some(self) -> bool:
        """True: there may be more to forget."""
        if self._is_pressed() or not self._database.has_primary:
            return False
        for lease in await self._deliveries.owed_too_much():
            with suppress(LeaseLost):  # somebody tells it just now: there is a next time
                await self._disable(lease, "it takes less than there is to tell, and is owed too much")
        before_ts = self._now_ms() - limits.WEBHOOK_KEPT_MS
        return await table.sweep(self._database, before_ts) == limits.WEBHOOK_SWEPT_MAX
