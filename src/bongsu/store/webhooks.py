"""What a channel's programs are told, as rows: endpoints, and what each is owed (migration 0044 says how).

`put` in the transaction in which it happens. Whoever holds an endpoint's lease sends what it is owed, in order, and
deletes each row once the receiver has taken it; whoever lost the lease is refused by the fence. So after a crash
another worker goes on, and sends again at most what was taken and not yet deleted, under the same id.
"""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from bongsu.core import limits, webhooks
from bongsu.core.json import JsonObject
from bongsu.core.paging import Page
from bongsu.core.webhooks import Type
from bongsu.store.database import Connection, Database, Record
from bongsu.store.rooms import Reads


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """types: what it is told, all if empty. old_secret signs as well until old_until (ms).

    disabled_ts: it is told nothing. failing_ts: since when nothing was taken; last_why: of the newest failure.
    """

    endpoint_id: str
    channel_id: str
    url: str
    types: list[str]
    secret: str
    made_by: str
    made_ts: int
    old_secret: str | None = None
    old_until: int = 0
    disabled_ts: int | None = None
    disabled_why: str = ""
    failing_ts: int | None = None
    last_why: str = ""
    taken_ts: int | None = None

    def secrets(self, now_ms: int) -> list[str]:
        """Those that are good now, the new one first."""
        if self.old_secret is None or self.old_until <= now_ms:
            return [self.secret]
        return [self.secret, self.old_secret]


class Delivery(msgspec.Struct, frozen=True):
    """What is owed. webhook_id: the same however often it is sent."""

    delivery_id: int
    webhook_id: str
    type: str
    body: bytes
    made_ts: int


class Lease(msgspec.Struct, frozen=True):
    """The right to tell an endpoint, until somebody else takes it. tries: how often its first delivery failed."""

    endpoint: Endpoint
    fence: int
    tries: int

    def succeeded(self) -> "Lease":
        """As it stands after something was taken."""
        endpoint = msgspec.structs.replace(self.endpoint, failing_ts=None)
        return msgspec.structs.replace(self, endpoint=endpoint, tries=0)


class LeaseLost(Exception):
    """Another worker tells it now, or it is disabled or gone."""


_COLUMNS: Final = (
    "endpoint_id, channel_id, url, types, secret, made_by, made_ts, old_secret, old_until, disabled_ts,"
    " disabled_why, failing_ts, last_why, taken_ts"
)


def _endpoint(row: Record) -> Endpoint:
    return Endpoint(**{name: row[name] for name in Endpoint.__struct_fields__})


# --- endpoints ---


async def add(connection: Connection, endpoint: Endpoint) -> None:
    await connection.execute(
        "INSERT INTO webhook_endpoints (endpoint_id, channel_id, url, types, secret, made_by, made_ts)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7)",
        *(endpoint.endpoint_id, endpoint.channel_id, endpoint.url, endpoint.types, endpoint.secret),
        *(endpoint.made_by, endpoint.made_ts),
    )


async def endpoint(reads: Reads, channel_id: str, endpoint_id: str) -> Endpoint | None:
    return await _one(reads, "channel_id = $1 AND endpoint_id = $2", channel_id, endpoint_id)


async def lock(connection: Connection, channel_id: str, endpoint_id: str) -> Endpoint | None:
    """What it is to be told may be put meanwhile."""
    return await _one(connection, "channel_id = $1 AND endpoint_id = $2 FOR NO KEY UPDATE", channel_id, endpoint_id)


async def _one(reads: Reads, condition: str, *values: object) -> Endpoint | None:
    rows = await reads.fetch(f"SELECT {_COLUMNS} FROM webhook_endpoints WHERE {condition}", *values)
    return _endpoint(rows[0]) if rows else None


async def endpoints(reads: Reads, channel_id: str, page: Page) -> list[Endpoint]:
    after = page.after or (-1, "")
    rows = await reads.fetch(
        f"SELECT {_COLUMNS} FROM webhook_endpoints WHERE channel_id = $1 AND (made_ts, endpoint_id) > ($2, $3)"
        " ORDER BY made_ts, endpoint_id LIMIT $4",
        *(channel_id, *after, page.count),
    )
    return [_endpoint(row) for row in rows]


async def count(connection: Connection, channel_id: str) -> int:
    return int(await connection.fetchval("SELECT count(*) FROM webhook_endpoints WHERE channel_id = $1", channel_id))


async def keep(connection: Connection, changed: Endpoint) -> None:
    """What its owner may change. It is tried anew at once, and whoever tells it now begins anew."""
    await connection.execute(
        "UPDATE webhook_endpoints SET url = $2, types = $3, secret = $4, old_secret = $5, old_until = $6,"
        " disabled_ts = $7, disabled_why = $8, failing_ts = NULL, tries = 0, due_at = now(), fence = fence + 1,"
        " lease_until = '-infinity' WHERE endpoint_id = $1",
        *(changed.endpoint_id, changed.url, changed.types, changed.secret, changed.old_secret, changed.old_until),
        *(changed.disabled_ts, changed.disabled_why),
    )


async def disable_all(connection: Connection, channel_id: str, why: str, now_ms: int) -> None:
    """Those of a channel that is closed. Whoever tells one now is refused by the fence."""
    await connection.execute(
        "UPDATE webhook_endpoints SET disabled_ts = $2, disabled_why = $3, fence = fence + 1,"
        " lease_until = '-infinity' WHERE endpoint_id IN (SELECT endpoint_id FROM webhook_endpoints"
        " WHERE channel_id = $1 AND disabled_ts IS NULL ORDER BY endpoint_id FOR NO KEY UPDATE)",
        *(channel_id, now_ms, why),
    )


async def remove(connection: Connection, endpoint_id: str) -> None:
    """With all that it is owed."""
    await connection.execute("DELETE FROM webhook_endpoints WHERE endpoint_id = $1", endpoint_id)


async def owed(reads: Reads, endpoint_ids: Sequence[str]) -> dict[str, int]:
    """How much each waits for."""
    rows = await reads.fetch(
        "SELECT endpoint_id, count(*) AS owed FROM webhook_deliveries WHERE endpoint_id = ANY($1) GROUP BY endpoint_id",
        list(endpoint_ids),
    )
    return {row["endpoint_id"]: row["owed"] for row in rows}


async def owed_pings(connection: Connection, endpoint_id: str) -> int:
    return int(
        await connection.fetchval(
            "SELECT count(*) FROM webhook_deliveries WHERE endpoint_id = $1 AND type = 'ping'", endpoint_id
        )
    )


# --- what happens ---

_PUT: Final = """
INSERT INTO webhook_deliveries (endpoint_id, webhook_id, type, body, made_ts)
SELECT endpoint_id, $2, $3, $4, $5 FROM webhook_endpoints
WHERE channel_id = $1 AND disabled_ts IS NULL AND (cardinality(types) = 0 OR $3 = ANY(types))
"""


async def put(connection: Connection, channel_id: str, kind: Type, data: JsonObject, now_ms: int) -> None:
    """In the transaction in which it happens. Without endpoints it is a look at an index."""
    body = webhooks.payload(kind, _moment(now_ms), {"channel_id": channel_id, **data})
    webhook_id = f"msg_{secrets.token_hex(16)}"
    await connection.execute(_PUT, channel_id, webhook_id, kind.value, body, now_ms)


async def put_for(connection: Connection, endpoint: Endpoint, kind: Type, data: JsonObject, now_ms: int) -> str:
    """For one endpoint, whatever it wants to be told. The result is the webhook-id."""
    webhook_id = f"msg_{secrets.token_hex(16)}"
    await connection.execute(
        "INSERT INTO webhook_deliveries (endpoint_id, webhook_id, type, body, made_ts) VALUES ($1, $2, $3, $4, $5)",
        *(endpoint.endpoint_id, webhook_id, kind.value),
        *(webhooks.payload(kind, _moment(now_ms), {"channel_id": endpoint.channel_id, **data}), now_ms),
    )
    return webhook_id


def _moment(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


WANTED: Final = "SELECT 1 FROM webhook_endpoints WHERE disabled_ts IS NULL"


async def wants(reads: Reads, kind: Type) -> bool:
    """Is anybody told of such things?"""
    rows = await reads.fetch(
        "SELECT FROM webhook_endpoints WHERE disabled_ts IS NULL AND (cardinality(types) = 0 OR $1 = ANY(types))"
        " LIMIT 1",
        kind.value,
    )
    return bool(rows)


_BEHIND: Final = """
SELECT EXISTS (SELECT 1 FROM receipts r JOIN service_rooms s ON s.room_id = r.room_id AND s.user_id = r.user_id
    JOIN channels c ON c.account = s.sender WHERE r.pos > p.pos AND r.pos <= $1) AS has_read, p.pos
FROM webhook_progress p
"""


async def is_behind(reads: Reads, pos: int, *, wants: bool) -> bool:
    """Is there a receipt to tell of, or so much of other things that it should be noted as passed?"""
    [row] = await reads.fetch(_BEHIND, pos)
    return pos - row["pos"] >= limits.WEBHOOK_READ_POSITIONS or (wants and row["has_read"])


async def claim_progress(connection: Connection) -> int | None:
    """How far receipts were looked at. None: another worker looks now."""
    pos: int | None = await connection.fetchval("SELECT pos FROM webhook_progress FOR UPDATE SKIP LOCKED")
    return pos


async def set_progress(connection: Connection, pos: int) -> None:
    await connection.execute("UPDATE webhook_progress SET pos = $1", pos)


_SWEEP: Final = """
DELETE FROM webhook_deliveries WHERE delivery_id IN (
    SELECT delivery_id FROM webhook_deliveries d JOIN webhook_endpoints e USING (endpoint_id) WHERE e.disabled_ts < $1
    LIMIT $2 FOR UPDATE OF d SKIP LOCKED)
RETURNING 1
"""


async def sweep(database: Database, before_ts: int) -> int:
    """Some of what was owed to endpoints that were disabled before then is forgotten. How much."""
    return len(await database.write(lambda connection: connection.fetch(_SWEEP, before_ts, limits.WEBHOOK_SWEPT_MAX)))


# --- telling ---

_DUE: Final = """
FROM webhook_endpoints e WHERE disabled_ts IS NULL AND due_at <= now() AND lease_until < now()
  AND EXISTS (SELECT 1 FROM webhook_deliveries d WHERE d.endpoint_id = e.endpoint_id)
"""
DUE: Final = f"SELECT 1 {_DUE}"
_CLAIM: Final = f"""
WITH due AS (SELECT endpoint_id {_DUE} ORDER BY due_at LIMIT $1 FOR UPDATE OF e SKIP LOCKED)
UPDATE webhook_endpoints w SET fence = fence + 1, lease_until = now() + $2::float8 * interval '1 s'
FROM due WHERE w.endpoint_id = due.endpoint_id
RETURNING {", ".join(f"w.{name}" for name in Endpoint.__struct_fields__)}, fence, tries
"""
_TOO_MUCH: Final = f"""
SELECT {", ".join(f"e.{name}" for name in Endpoint.__struct_fields__)}, fence, tries FROM webhook_endpoints e, LATERAL (
    SELECT count(*) AS number, sum(octet_length(body)) AS bytes FROM (
        SELECT body FROM webhook_deliveries d WHERE d.endpoint_id = e.endpoint_id ORDER BY delivery_id LIMIT $1 + 1
    ) AS oldest) AS owed
WHERE disabled_ts IS NULL AND (owed.number > $1 OR owed.bytes > $2)
"""


class Deliveries:
    """What the workers that tell read and write. Whoever lost the lease gets LeaseLost."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def any_due(self) -> bool:
        return bool(await self._database.fetch(f"{DUE} LIMIT 1"))

    async def claim(self, count: int) -> list[Lease]:
        rows = await self._database.write(
            lambda connection: connection.fetch(_CLAIM, count, limits.WEBHOOK_LEASE_SECONDS)
        )
        return _leases(rows)

    async def owed_too_much(self) -> list[Lease]:
        """As whoever tells them holds them, or held them last."""
        return _leases(await self._database.fetch(_TOO_MUCH, limits.WEBHOOK_OWED_MAX, limits.WEBHOOK_OWED_BYTES_MAX))

    async def next(self, lease: Lease) -> Delivery | None:
        """What it is owed longest."""
        rows = await self._database.fetch(
            "SELECT delivery_id, webhook_id, type, body, made_ts FROM webhook_deliveries WHERE endpoint_id = $1"
            " ORDER BY delivery_id LIMIT 1",
            lease.endpoint.endpoint_id,
        )
        return Delivery(*rows[0].values()) if rows else None

    async def taken(self, lease: Lease, delivery: Delivery, now_ms: int) -> None:
        """The receiver has it. The lease goes on."""
        change = "tries = 0, failing_ts = NULL, last_why = '', taken_ts = $3, lease_until = now() + $4 * interval '1 s'"

        async def work(connection: Connection) -> None:
            await _change(connection, lease, change, now_ms, limits.WEBHOOK_LEASE_SECONDS)
            await connection.execute("DELETE FROM webhook_deliveries WHERE delivery_id = $1", delivery.delivery_id)

        await self._database.write(work)

    async def failed(self, lease: Lease, seconds: float, why: str, now_ms: int) -> None:
        """It is tried again after so many seconds, by whoever comes first."""
        change = (
            "tries = tries + 1, failing_ts = coalesce(failing_ts, $3), last_why = $4,"
            " due_at = now() + $5 * interval '1 s', lease_until = '-infinity'"
        )
        await self._database.write(lambda connection: _change(connection, lease, change, now_ms, why, seconds))

    async def give_back(self, lease: Lease) -> None:
        """It stands in line behind those who wait."""
        change = "lease_until = '-infinity', due_at = greatest(due_at, now())"
        await self._database.write(lambda connection: _change(connection, lease, change))


def _leases(rows: Sequence[Record]) -> list[Lease]:
    return [Lease(_endpoint(row), row["fence"], row["tries"]) for row in rows]


async def disable(connection: Connection, lease: Lease, why: str, now_ms: int) -> None:
    """In the transaction in which its owner is told."""
    change = "disabled_ts = $3, disabled_why = $4, lease_until = '-infinity'"
    await _change(connection, lease, change, now_ms, why)


async def _change(connection: Connection, lease: Lease, change: str, *values: object) -> None:
    rows = await connection.fetch(
        f"UPDATE webhook_endpoints SET {change} WHERE endpoint_id = $1 AND fence = $2 AND disabled_ts IS NULL"
        " RETURNING 1",
        *(lease.endpoint.endpoint_id, lease.fence, *values),
    )
    if not rows:
        raise LeaseLost
