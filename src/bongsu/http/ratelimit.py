"""Who asks too often is asked to wait: a bucket for each person or address and kind of request (core/limits.RATES).

The buckets are shared by all workers, yet a request seldom asks the database: a worker takes a small lease from the
bucket and spends it in memory. A lease is paid for when it is taken, so leases only let a worker save up: within any
time, a person gets at most what the rate gives, "at once", and one lease a worker. A lease is a tenth of "at once", so
with ten workers the limit holds within a factor of two.

Where thousands come at one moment, each of them once, the table would be asked thousands of times for nothing: there
the first lease is a worker's credit.
"""

import asyncio
import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import msgspec
import structlog
from prometheus_client import Counter

from bongsu.core import limits
from bongsu.core.errors import Refusal, limit_exceeded
from bongsu.core.requester import Requester
from bongsu.store.database import REFUSED
from bongsu.store.rate_limits import RateLimits

log = structlog.get_logger(__name__)

LIMITED: Final = Counter("bongsu_rate_limited_total", "Requests refused because they came too often", ["bucket"])
_TRIES_MAX: Final = 20  # leases that others may spend before us until we give up


class Rate(msgspec.Struct, frozen=True):
    """per_second: how fast a bucket refills; at_once: how much a full one holds; lease: what a worker takes of it."""

    per_second: float
    at_once: int
    lease: int

    def seconds(self, count: int) -> float:
        return count / self.per_second


def rate(per_second: float, at_once: int) -> Rate:
    return Rate(per_second, at_once, max(1, min(at_once // limits.RATE_LEASE_SHARE, limits.RATE_LEASE_MAX)))


RATES: Final = {name: rate(*numbers) for name, numbers in limits.RATES.items()}


def whence(address: str) -> str:
    """Whom an address stands for: an IPv6 host owns its whole /64, and an IPv4 address may come in IPv6 form."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


class _Bucket:
    """What this worker holds of one: leased and unspent, or the time (ms) before which asking again is useless."""

    __slots__ = ("empty_until_ms", "leasing", "left")

    def __init__(self) -> None:
        self.left = 0
        self.empty_until_ms = 0
        self.leasing: asyncio.Task[None] | None = None


class RateLimiter:
    """spend() for the edge, spend_for() for what only a handler knows, such as the account a password is tried on."""

    def __init__(self, rate_limits: RateLimits, now_ms: Callable[[], int], *, enabled: bool = True) -> None:
        self._rate_limits = rate_limits
        self._now_ms = now_ms
        self._enabled = enabled
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._sweeping: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._enabled:
            self._sweeping = asyncio.create_task(self._sweep_for_ever(), name="rate limits")

    async def stop(self) -> None:
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.wait([self._sweeping])

    async def spend(self, bucket: str, requester: Requester | None, address: str) -> None:
        """One request of this person or, where nobody is signed in, of this address. Raises M_LIMIT_EXCEEDED."""
        if requester is None or not requester.is_unlimited:
            await self.spend_for(bucket, whence(address) if requester is None else requester.user_id)

    def spends_at_once(self, bucket: str, requester: Requester) -> bool:
        """As spend(), if that needs no waiting; else nothing is spent."""
        if not self._enabled or requester.is_unlimited:
            return True
        key = f"{bucket} {requester.user_id}"
        held = self._buckets.get(key)
        if held is None or held.left <= 0:
            return False
        held.left -= 1
        self._buckets.move_to_end(key)
        return True

    async def spend_for(self, bucket: str, whom: str) -> None:
        limit = RATES[bucket]
        if not self._enabled:
            return
        key = f"{bucket} {whom}"
        held = self._held(key, limit.lease if bucket in limits.RATES_WITH_CREDIT else 0)
        for _ in range(_TRIES_MAX):
            if held.left > 0:
                held.left -= 1
                return
            self._check_not_empty(bucket, held)
            await self._lease(key, limit, held)
        raise limit_exceeded(1_000)

    def _held(self, key: str, credit: int) -> _Bucket:
        held = self._buckets.get(key)
        if held is None:
            held = self._buckets[key] = _Bucket()
            held.left = credit
            if len(self._buckets) > limits.RATE_KEYS_MAX:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(key)
        return held

    def _check_not_empty(self, bucket: str, held: _Bucket) -> None:
        wait_ms = held.empty_until_ms - self._now_ms()
        if wait_ms > 0:
            LIMITED.labels(bucket).inc()
            raise limit_exceeded(wait_ms)

    async def _lease(self, key: str, limit: Rate, held: _Bucket) -> None:
        """One lease at a time for a key; whoever comes meanwhile waits for it."""
        if held.leasing is None:
            held.leasing = asyncio.create_task(self._take(key, limit, held))
        await asyncio.shield(held.leasing)

    async def _take(self, key: str, limit: Rate, held: _Bucket) -> None:
        try:
            async with asyncio.timeout(limits.RATE_LEASE_SECONDS_MAX):
                await self._take_from_table(key, limit, held)
        except (TimeoutError, Refusal, *REFUSED):
            log.warning("rate_limits_unavailable")
            held.left += limit.lease
        finally:
            held.leasing = None

    async def _take_from_table(self, key: str, limit: Rate, held: _Bucket) -> None:
        full = limit.seconds(limit.at_once)
        for count in dict.fromkeys((limit.lease, 1)):
            if await self._rate_limits.take(key, limit.seconds(count), full):
                held.left += count
                return
        wait = await self._rate_limits.full_in(key) + limit.seconds(1) - full
        held.empty_until_ms = self._now_ms() + max(1, round(wait * 1000))

    async def _sweep_for_ever(self) -> None:
        while True:
            await asyncio.sleep(limits.RATE_SWEEP_SECONDS)
            try:
                await self._rate_limits.sweep()
            except (Refusal, *REFUSED):
                log.warning("rate_limits_unavailable")
