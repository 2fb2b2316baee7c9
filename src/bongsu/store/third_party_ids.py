"""Mail addresses of people, and proofs under way that somebody reads what is sent to one (migration 0020)."""

from datetime import datetime
from typing import Final

import msgspec

from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.store.database import Connection, Database

_PROVEN: Final = """
SELECT address, validated_at FROM validations
WHERE sid = $1 AND purpose = $2 AND secret_hash = $3 AND validated_at IS NOT NULL AND expires_at > now()
"""


class ThirdPartyId(msgspec.Struct, frozen=True):
    """An address that is somebody's. Times are in milliseconds since the epoch."""

    medium: str
    address: str
    validated_at: int
    added_at: int


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """A proof that a client asks for. token_hash: of what goes into the mail."""

    sid: str
    purpose: str
    secret_hash: bytes
    address: str
    send_attempt: int
    token_hash: bytes
    next_link: str | None


class Mail(msgspec.Struct, frozen=True):
    """A mail that is owed. mail_id: also in the Message-ID."""

    mail_id: str
    recipient: str
    subject: str
    body: str
    tries: int = 0


class Waiting(msgspec.Struct, frozen=True):
    """What a link in a mail stands for."""

    address: str
    purpose: str
    next_link: str | None
    validated_at: datetime | None


def in_use() -> Refusal:
    return Refusal(400, "M_THREEPID_IN_USE", "this address belongs to an account already")


def not_proven(status: int = 400) -> Refusal:
    return Refusal(status, "M_THREEPID_AUTH_FAILED", "this address is not confirmed; follow the link in the mail first")


class ThirdPartyIds:
    """Every query about them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of_user(self, user_id: str) -> list[ThirdPartyId]:
        rows = await self._database.fetch(
            "SELECT medium, address, validated_ms, added_ms FROM third_party_ids WHERE user_id = $1"
            " ORDER BY added_ms, address",
            user_id,
        )
        return [ThirdPartyId(*row.values()) for row in rows]

    async def owner(self, medium: str, address: str) -> str | None:
        """Whose it is; None for nobody's."""
        sql = "SELECT user_id FROM third_party_ids WHERE medium = $1 AND address = $2"
        owner: str | None = await self._database.fetchval(sql, medium, address)
        return owner

    async def remove(self, user_id: str, medium: str, address: str) -> None:
        sql = "DELETE FROM third_party_ids WHERE user_id = $1 AND medium = $2 AND address = $3"
        await self._database.execute(sql, user_id, medium, address)

    # --- proofs ---

    async def begin(self, wish: Wish, mail: Mail) -> str:
        """Keeps the proof and the mail that asks for it, and returns its sid; a retry makes no second mail.

        Another mail begins the proof anew: what was proven is over, or it could be kept alive for ever.

        mail: the one that carries the token, or, with a token_hash that is nobody's, one that proves nothing.
        """

        async def work(connection: Connection) -> str:
            await _sweep(connection)
            row = await connection.fetchrow(
                "INSERT INTO validations AS v (sid, purpose, secret_hash, address, send_attempt, token_hash, next_link,"
                " expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, now() + $8 * interval '1 s')"
                " ON CONFLICT (purpose, secret_hash, address) DO UPDATE SET send_attempt = excluded.send_attempt,"
                " token_hash = excluded.token_hash, next_link = excluded.next_link, expires_at = excluded.expires_at,"
                " validated_at = NULL"
                " WHERE v.send_attempt < excluded.send_attempt RETURNING sid",
                *(wish.sid, wish.purpose, wish.secret_hash, wish.address, wish.send_attempt, wish.token_hash),
                *(wish.next_link, limits.VALIDATION_SECONDS),
            )
            if row is not None:
                await put_mail(connection, mail, limits.VALIDATION_SECONDS)
                return str(row["sid"])
            sql = "SELECT sid FROM validations WHERE purpose = $1 AND secret_hash = $2 AND address = $3"
            return str(await connection.fetchval(sql, wish.purpose, wish.secret_hash, wish.address))

        return await self._database.write(work)

    async def waiting(self, token_hash: bytes) -> Waiting | None:
        row = await self._database.fetchrow(
            "SELECT address, purpose, next_link, validated_at FROM validations"
            " WHERE token_hash = $1 AND expires_at > now()",
            token_hash,
        )
        return Waiting(*row.values()) if row else None

    async def confirm(self, token_hash: bytes) -> bool:
        """Somebody who had the link says that the address is theirs. Saying so twice is fine. False: no such link."""
        done = await self._database.execute(
            "UPDATE validations SET validated_at = coalesce(validated_at, now())"
            " WHERE token_hash = $1 AND expires_at > now()",
            token_hash,
        )
        return done == "UPDATE 1"

    async def proven(self, purpose: str, sid: str, secret_hash: bytes) -> str | None:
        """The address that was confirmed; None if none was."""
        address: str | None = await self._database.fetchval(_PROVEN, sid, purpose, secret_hash)
        return address

    async def add(self, user_id: str, sid: str, secret_hash: bytes, now_ms: int) -> bool:
        """The proven address becomes the person's; again is fine. False: it is not proven. M_THREEPID_IN_USE."""

        async def work(connection: Connection) -> bool:
            row = await connection.fetchrow(_PROVEN, sid, "add", secret_hash)
            if row is None:
                return False
            validated_ms = round(row["validated_at"].timestamp() * 1_000)
            await bind(connection, user_id, row["address"], validated_ms, now_ms)
            return True

        return await self._database.write(work)


async def bind(connection: Connection, user_id: str, address: str, validated_ms: int, now_ms: int) -> None:
    """The address becomes the person's. M_THREEPID_IN_USE when it is somebody else's.

    It holds the person's row: the limit is counted by one at a time, and an account that ends takes no address along.
    """
    sql = "SELECT 1 FROM users WHERE user_id = $1 AND deactivated_at IS NULL FOR NO KEY UPDATE"
    if await connection.fetchval(sql, user_id) is None:
        raise Refusal(403, "M_USER_DEACTIVATED", "this account is deactivated")
    await connection.execute(
        "INSERT INTO third_party_ids (medium, address, user_id, validated_ms, added_ms)"
        " VALUES ('email', $1, $2, $3, $4) ON CONFLICT DO NOTHING",
        *(address, user_id, validated_ms, now_ms),
    )
    sql = "SELECT user_id FROM third_party_ids WHERE medium = 'email' AND address = $1"
    if await connection.fetchval(sql, address) != user_id:
        raise in_use()
    count = await connection.fetchval("SELECT count(*) FROM third_party_ids WHERE user_id = $1", user_id)
    if count > limits.MAIL_ADDRESSES_PER_USER_MAX:
        raise Refusal(400, "M_THREEPID_DENIED", f"an account may have {limits.MAIL_ADDRESSES_PER_USER_MAX} addresses")


async def hold_owner(connection: Connection, address: str) -> str:
    """Whose the address is, with that person's row and the address held as they are. M_THREEPID_NOT_FOUND.

    The person comes first, as everywhere, or two transactions would wait for each other.
    """
    sql = "SELECT user_id FROM third_party_ids WHERE medium = 'email' AND address = $1"
    owner = await connection.fetchval(sql, address)
    await connection.execute("SELECT 1 FROM users WHERE user_id = $1 FOR NO KEY UPDATE", owner)
    if owner is None or await connection.fetchval(f"{sql} AND user_id = $2 FOR SHARE", address, owner) is None:
        raise Refusal(400, "M_THREEPID_NOT_FOUND", "no account here has this address any more")
    return str(owner)


async def use_proof(connection: Connection, sid: str) -> tuple[str, int] | None:
    """Takes a proof that is good once: (address, when it was given in ms). None: it was used already, or is over."""
    row = await connection.fetchrow(
        "DELETE FROM validations WHERE sid = $1 AND validated_at IS NOT NULL AND expires_at > now()"
        " RETURNING address, validated_at",
        sid,
    )
    return (row["address"], round(row["validated_at"].timestamp() * 1_000)) if row else None


async def _sweep(connection: Connection) -> None:
    await connection.execute(
        "DELETE FROM validations WHERE sid IN (SELECT sid FROM validations WHERE expires_at < now() LIMIT $1"
        " FOR UPDATE SKIP LOCKED)",
        limits.SESSIONS_SWEPT_MAX,
    )


# --- mail that is owed ---


async def put_mail(connection: Connection, mail: Mail, seconds: float) -> None:
    """seconds: how long it is worth sending."""
    await connection.execute(
        "INSERT INTO mails (mail_id, recipient, subject, body, expires_at)"
        " VALUES ($1, $2, $3, $4, now() + $5::float8 * interval '1 s')",
        *(mail.mail_id, mail.recipient, mail.subject, mail.body, seconds),
    )


class Mails:
    """The postman's view. A mail that is claimed is nobody else's for a while."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, count: int) -> list[Mail]:
        async def work(connection: Connection) -> list[Mail]:
            await connection.execute("DELETE FROM mails WHERE expires_at < now()")
            rows = await connection.fetch(
                "WITH due AS (SELECT mail_id FROM mails WHERE due_at <= now() ORDER BY due_at LIMIT $1"
                " FOR UPDATE SKIP LOCKED)"
                " UPDATE mails m SET due_at = now() + $2 * interval '1 s', tries = tries + 1 FROM due"
                " WHERE m.mail_id = due.mail_id RETURNING m.mail_id, recipient, subject, body, tries",
                *(count, limits.MAIL_CLAIM_SECONDS),
            )
            return [Mail(*row.values()) for row in rows]

        return await self._database.write(work)

    async def done(self, mail_id: str) -> None:
        await self._database.execute("DELETE FROM mails WHERE mail_id = $1", mail_id)

    async def postpone(self, mail_id: str, seconds: float) -> None:
        sql = "UPDATE mails SET due_at = now() + $2::float8 * interval '1 s' WHERE mail_id = $1"
        await self._database.execute(sql, mail_id, seconds)

    async def any_due(self) -> bool:
        return bool(await self._database.fetchval("SELECT 1 FROM mails WHERE due_at <= now() LIMIT 1"))
