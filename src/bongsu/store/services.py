"""Application services in SQL: their registrations, and how far each was told (migration 0020 says how)."""

from typing import Final

import msgspec

from bongsu.core import limits
from bongsu.core.services import Registration
from bongsu.store.database import Database
from bongsu.store.rooms import Reads

PUT: Final = """
INSERT INTO services (service_id, registration, told_pos, txn_id)
SELECT $1, $2, pos, (extract(epoch FROM now()) * 1000)::bigint FROM stream
ON CONFLICT (service_id) DO UPDATE SET registration = excluded.registration, due_at = now()
"""
PUT_SENDER: Final = "INSERT INTO users (user_id, service_id) VALUES ($1, $2) ON CONFLICT DO NOTHING"
DELETE: Final = "DELETE FROM services WHERE service_id = $1"
DELETE_NETWORKS: Final = "DELETE FROM network_rooms WHERE service_id = $1"
PUBLISH: Final = (
    "INSERT INTO network_rooms (service_id, network_id, room_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
)
HIDE: Final = "DELETE FROM network_rooms WHERE service_id = $1 AND network_id = $2 AND room_id = $3"


async def registrations(reads: Reads) -> list[Registration]:
    rows = await reads.fetch("SELECT registration FROM services ORDER BY service_id")
    return [msgspec.json.decode(row["registration"], type=Registration) for row in rows]


class Progress(msgspec.Struct, frozen=True):
    """behind: positions of the stream that the service was not told of yet."""

    service_id: str
    behind: int
    tries: int


async def progress(reads: Reads) -> list[Progress]:
    rows = await reads.fetch(
        "SELECT service_id, s.pos - told_pos AS behind, tries FROM services, stream s ORDER BY service_id"
    )
    return [Progress(*row.values()) for row in rows]


class Pending(msgspec.Struct, frozen=True):
    """A transaction that was made and not yet answered. to: the position up to which it tells."""

    txn_id: int
    to: int
    body: bytes
    tries: int = 0


class Lease(msgspec.Struct, frozen=True):
    """The right to tell a service, until somebody else takes it. told_pos: what was told and answered."""

    service_id: str
    fence: int
    told_pos: int
    pending: Pending | None


class LeaseLost(Exception):
    """Another worker tells this service now, or the service is gone."""


class Tellings:
    """What the one worker that tells a service reads and writes. Whoever lost the lease gets LeaseLost."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, service_id: str) -> Lease | None:
        """None while another worker holds it."""
        rows = await self._database.write(
            lambda connection: connection.fetch(
                "UPDATE services SET fence = fence + 1, lease_until = now() + $2 * interval '1 s'"
                " WHERE service_id = (SELECT service_id FROM services WHERE service_id = $1 AND lease_until < now()"
                " FOR UPDATE SKIP LOCKED) RETURNING fence, told_pos, txn_id, txn_to, txn_body, tries",
                *(service_id, limits.SERVICE_LEASE_SECONDS),
            )
        )
        if not rows:
            return None
        row = rows[0]
        pending = None
        if row["txn_body"] is not None:
            pending = Pending(row["txn_id"], row["txn_to"], row["txn_body"], row["tries"])
        return Lease(service_id, row["fence"], row["told_pos"], pending)

    async def renew(self, lease: Lease) -> None:
        await self._change(lease, "lease_until = now() + $3 * interval '1 s'", limits.SERVICE_LEASE_SECONDS)

    async def give_back(self, lease: Lease) -> None:
        await self._change(lease, "lease_until = '-infinity'")

    async def make(self, lease: Lease, to: int, body: bytes) -> Pending:
        """Keeps a new transaction, which is then sent until it is answered."""
        change = "txn_id = txn_id + 1, txn_to = $3, txn_body = $4, tries = 0, due_at = now()"
        return Pending(await self._change(lease, change, to, body), to, body)

    async def answered(self, lease: Lease) -> None:
        await self._change(lease, "told_pos = txn_to, txn_to = NULL, txn_body = NULL, tries = 0")

    async def passed(self, lease: Lease, pos: int) -> None:
        """Up to here there was nothing to tell."""
        await self._change(lease, "told_pos = $3", pos)

    async def failed(self, lease: Lease, seconds: float) -> None:
        """It is tried again after so many seconds."""
        await self._change(lease, "tries = tries + 1, due_at = now() + $3::float8 * interval '1 s'", seconds)

    async def due_in(self, lease: Lease) -> float:
        """Seconds until the next try; not more than 0 when it is time."""
        seconds = await self._database.fetchval(
            "SELECT extract(epoch FROM due_at - now())::float8 FROM services WHERE service_id = $1 AND fence = $2",
            *(lease.service_id, lease.fence),
        )
        if seconds is None:
            raise LeaseLost
        return float(seconds)

    async def try_now(self, service_id: str) -> None:
        """The service answers again: what waits for it need not wait for longer."""
        sql = "UPDATE services SET due_at = now() WHERE service_id = $1 AND due_at > now()"
        await self._database.execute(sql, service_id)

    async def _change(self, lease: Lease, change: str, *values: object) -> int:
        sql = f"UPDATE services SET {change} WHERE service_id = $1 AND fence = $2 RETURNING txn_id"
        txn_id: int | None = await self._database.write(
            lambda connection: connection.fetchval(sql, lease.service_id, lease.fence, *values)
        )
        if txn_id is None:
            raise LeaseLost
        return txn_id


# --- who is concerned ---


async def members_at(reads: Reads, room_id: str, user_ids: list[str], before: int) -> set[str]:
    """Those of them who were in the room just before a position."""
    rows = await reads.fetch(
        "SELECT DISTINCT ON (state_key) state_key, pdu FROM events WHERE room_id = $1 AND type = 'm.room.member'"
        " AND state_key = ANY($2) AND pos < $3 ORDER BY state_key, pos DESC",
        *(room_id, user_ids, before),
    )
    return {row["state_key"] for row in rows if _membership(row["pdu"]) == "join"}


class _Content(msgspec.Struct):
    membership: str = "leave"


class _Pdu(msgspec.Struct):
    content: _Content


def _membership(pdu: bytes) -> str:
    return msgspec.json.decode(pdu, type=_Pdu).content.membership


async def ever_members(reads: Reads, room_id: str) -> list[str]:
    rows = await reads.fetch("SELECT user_id FROM members WHERE room_id = $1", room_id)
    return [row["user_id"] for row in rows]


async def aliases(reads: Reads, room_ids: list[str]) -> list[tuple[str, str]]:
    """(room id, alias) of all these rooms."""
    rows = await reads.fetch("SELECT room_id, alias FROM aliases WHERE room_id = ANY($1)", room_ids)
    return [(row["room_id"], row["alias"]) for row in rows]


async def typing_in(reads: Reads, room_ids: list[str], now_ms: int) -> list[tuple[str, str]]:
    """(room id, user id) of everybody who types there now."""
    rows = await reads.fetch(
        "SELECT room_id, user_id FROM typing WHERE room_id = ANY($1) AND until_ms > $2 ORDER BY room_id, user_id",
        *(room_ids, now_ms),
    )
    return [(row["room_id"], row["user_id"]) for row in rows]
