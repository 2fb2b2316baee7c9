"""Telling application services what happens: transactions in order, each sent until it is answered.

PUT /_matrix/app/v1/transactions/{txn_id}, at the service

A transaction is kept before it is sent, with its number and its bytes, so that a worker that takes over after a crash
sends the very same again; a service that has it already knows it by its number. The next one is made only after that.
For each service one worker holds a lease, which it must renew; what a holder of before still writes is refused.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import structlog
from prometheus_client import Counter, Gauge

from bongsu import pace
from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.core.services import Service
from bongsu.http.service_calls import ServiceCalls, ServiceSilent
from bongsu.http.services import Services
from bongsu.matrix.service_interest import Interest
from bongsu.store import streams
from bongsu.store.database import REFUSED, Database
from bongsu.store.feed import Feed
from bongsu.store.rows import Segment
from bongsu.store.services import Lease, LeaseLost, Pending, Tellings

log = structlog.get_logger(__name__)

TRANSACTIONS: Final = Counter(
    "bongsu_service_transactions_total", "Transactions sent to application services", ["service", "outcome"]
)
BEHIND: Final = Gauge(
    "bongsu_service_behind", "Positions of the stream that wait behind an unanswered transaction", ["service"]
)


class ServiceTellings:
    """start() and stop() for workers that serve; apply() is the feed's."""

    def __init__(
        self,
        database: Database,
        feed: Feed,
        services: Services,
        calls: ServiceCalls,
        now_ms: Callable[[], int],
        random: Callable[[], float],
    ) -> None:
        self._database = database
        self._feed = feed
        self._services = services
        self._calls = calls
        self._now_ms = now_ms
        self._random = random
        self._tellings = Tellings(database)
        self._tellers: dict[str, _Teller] = {}
        self._changed = pace.Bell()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="telling services")

    async def stop(self) -> None:
        """What is under way is given up: the next holder of the lease sends it again."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def apply(self, segment: Segment) -> None:
        for teller in self._tellers.values():
            teller.news.set()
        if any(row.user_id == "" for row in segment.revocations):
            self._changed.set()

    async def _run(self) -> None:
        """A teller for each service there is; its end is the end of all of them."""
        try:
            while True:
                self._changed.clear()
                seconds = limits.SERVICE_LOOK_SECONDS
                try:
                    await self._match()
                    seconds = limits.ROUND_SECONDS  # changes are told
                except (Refusal, *REFUSED) as error:
                    log.warning("services_not_known", error=repr(error))
                except Exception:
                    log.exception("services_not_known")
                await self._changed.comes(seconds)
        finally:
            await _stop(list(self._tellers.values()))

    async def _match(self) -> None:
        wanted = {service.id: service for service in await self._services.current() if service.registration.url}
        gone = [teller for teller in self._tellers.values() if wanted.get(teller.service.id) is not teller.service]
        for teller in gone:
            del self._tellers[teller.service.id]
        await _stop(gone)
        for service_id in wanted.keys() - self._tellers.keys():
            self._tellers[service_id] = self._teller(wanted[service_id])

    def _teller(self, service: Service) -> "_Teller":
        teller = _Teller(self._database, self._feed, service, self._tellings, self._calls, self._now_ms, self._random)
        teller.task = asyncio.create_task(teller.run(), name=f"telling {service.id}")
        return teller

    async def try_now(self, service_id: str) -> None:
        """The service has shown that it answers."""
        await self._tellings.try_now(service_id)
        if service_id in self._tellers:
            self._tellers[service_id].again.set()


async def _stop(tellers: "list[_Teller]") -> None:
    tasks = [teller.task for teller in tellers if teller.task is not None]
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)


class _Teller:
    """One service, as this worker tells it or waits to. news: something was committed; again: try at once."""

    def __init__(
        self,
        database: Database,
        feed: Feed,
        service: Service,
        tellings: Tellings,
        calls: ServiceCalls,
        now_ms: Callable[[], int],
        random: Callable[[], float],
    ) -> None:
        self.service = service
        self.news = asyncio.Event()
        self.again = pace.Bell()
        self.task: asyncio.Task[None] | None = None
        self._database = database
        self._feed = feed
        self._tellings = tellings
        self._calls = calls
        self._now_ms = now_ms
        self._random = random

    async def run(self) -> None:
        """Whatever goes wrong, it goes on: a bridge that is told nothing looks as if nobody spoke."""
        while True:
            try:
                lease = await self._tellings.claim(self.service.id)
                if lease is not None:
                    await self._hold(lease)
            except (LeaseLost, Refusal, *REFUSED) as error:
                log.warning("service_not_told", service=self.service.id, error=repr(error))
            except Exception:
                log.exception("service_not_told", service=self.service.id)
            await pace.pause(limits.SERVICE_LOOK_SECONDS)

    async def _hold(self, lease: Lease) -> None:
        """Tells until the lease is lost. A worker that stops gives it back, so that another goes on at once."""
        telling = asyncio.create_task(self._tell(lease))
        renewing = asyncio.create_task(self._renew(lease))
        try:
            done, _ = await asyncio.wait((telling, renewing), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (telling, renewing):
                task.cancel()
            await asyncio.wait((telling, renewing))
            with suppress(LeaseLost, Refusal, *REFUSED):
                await self._tellings.give_back(lease)

    async def _renew(self, lease: Lease) -> None:
        while True:
            await asyncio.sleep(limits.SERVICE_LEASE_SECONDS / 3)
            await self._tellings.renew(lease)

    async def _tell(self, lease: Lease) -> None:
        interest = Interest(self._database, self.service, self._now_ms)
        told, pending = lease.told_pos, lease.pending
        while True:
            if pending is None:
                pending = await self._make(lease, interest, told)
            await self._send(lease, pending)
            told, pending = pending.to, None

    # --- making ---

    async def _make(self, lease: Lease, interest: Interest, told: int) -> Pending:
        """Waits for something to tell, and keeps it as the next transaction."""
        noted = told
        while True:
            self.news.clear()
            while told < self._feed.pos:
                found = await interest.next(await self._read(told, self._feed.pos))
                if found.body is not None:
                    return await self._tellings.make(lease, found.to, found.body)
                told = found.to
            BEHIND.labels(self.service.id).set(0)
            noted = await self._note(lease, noted, told)
            await self.news.wait()

    async def _read(self, after: int, to: int) -> Segment:
        return await self._database.read(lambda connection: streams.read_segment(connection, after, to))

    async def _note(self, lease: Lease, noted: int, told: int) -> int:
        """A long stretch without anything to tell need not be looked at again after a crash."""
        if told - noted < limits.SERVICE_PASSED_POSITIONS:
            return noted
        await self._tellings.passed(lease, told)
        return told

    # --- sending ---

    async def _send(self, lease: Lease, pending: Pending) -> None:
        """Returns when the service has answered and that is kept."""
        tries = pending.tries
        await self._wait_until_due(lease)
        while not await self._try(pending):
            BEHIND.labels(self.service.id).set(self._feed.pos - pending.to)
            await self._tellings.failed(lease, self._pause(tries))
            tries += 1
            await self._wait_until_due(lease)
        await self._tellings.answered(lease)

    async def _try(self, pending: Pending) -> bool:
        path = f"/_matrix/app/v1/transactions/{pending.txn_id}"
        try:
            answer = await self._calls.call(
                self.service, "PUT", path, body=pending.body, seconds_max=limits.SERVICE_TRANSACTION_SECONDS_MAX
            )
        except ServiceSilent as silence:
            log.warning("service_silent", service=self.service.id, txn_id=pending.txn_id, error=str(silence))
            TRANSACTIONS.labels(self.service.id, "silent").inc()
            return False
        is_taken = 200 <= answer.status < 300
        TRANSACTIONS.labels(self.service.id, "taken" if is_taken else "refused").inc()
        if not is_taken:
            log.warning("service_refuses", service=self.service.id, txn_id=pending.txn_id, status=answer.status)
        return is_taken

    def _pause(self, tries: int) -> float:
        """Twice as long each time, a quarter more or less, so that services do not come back all at once."""
        seconds = min(limits.SERVICE_RETRY_SECONDS_MIN * 2.0 ** min(tries, 20), limits.SERVICE_RETRY_SECONDS_MAX)
        return seconds * (0.75 + self._random() / 2)

    async def _wait_until_due(self, lease: Lease) -> None:
        """Looked at now and then: another worker may have heard from the service."""
        while (seconds := await self._tellings.due_in(lease)) > 0:
            self.again.clear()
            await self.again.comes(min(seconds, limits.SERVICE_LOOK_SECONDS))
