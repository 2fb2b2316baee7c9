"""Who somebody is, told to others: tokens that allow nothing else, and the keys that sign what is told."""

from typing import Final

import msgspec

from bongsu.core import limits
from bongsu.store.accounts import hold_person
from bongsu.store.database import Connection, Database
from bongsu.store.oauth import use_grant

_LOCK: Final = 0x626F6964  # any number, as long as every process takes the same


class IdentityKey(msgspec.Struct, frozen=True):
    """is_old: another one is due."""

    key_id: str
    private_pem: str
    is_old: bool


class Identity:
    """Tokens come in as their hashes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put_token(
        self, token_hash: bytes, user_id: str, seconds: float, *, scope: str = "openid", grant_hash: bytes | None = None
    ) -> None:
        """grant_hash: of what is used up by it; raises GrantSpent. Refused for who may not sign in."""

        async def work(connection: Connection) -> None:
            await hold_person(connection, user_id)
            if grant_hash is not None:
                await use_grant(connection, grant_hash, None)
            await connection.execute(
                "DELETE FROM openid_tokens WHERE token_hash IN (SELECT token_hash FROM openid_tokens"
                " WHERE expires_at < now() LIMIT $1 FOR UPDATE SKIP LOCKED)",
                limits.SESSIONS_SWEPT_MAX,
            )
            await connection.execute(
                "INSERT INTO openid_tokens VALUES ($1, $2, $3, $4, now() + $5::float8 * interval '1 second')",
                token_hash,
                user_id,
                scope,
                grant_hash,
                seconds,
            )

        await self._database.write(work)

    async def token(self, token_hash: bytes) -> tuple[str, str] | None:
        """(user id, scope) of a token that is good."""
        row = await self._database.fetchrow(
            "SELECT t.user_id, t.scope FROM openid_tokens t JOIN users u USING (user_id)"
            " WHERE t.token_hash = $1 AND t.expires_at > now() AND u.deactivated_at IS NULL AND NOT u.locked",
            token_hash,
        )
        return (row["user_id"], row["scope"]) if row else None

    async def end_token(self, token_hash: bytes) -> None:
        await self._database.execute("DELETE FROM openid_tokens WHERE token_hash = $1", token_hash)

    async def keys(self) -> list[IdentityKey]:
        """The newest, which signs, first."""
        rows = await self._database.fetch(
            "SELECT key_id, private_pem, created_at < now() - $1 * interval '1 day' FROM identity_keys"
            " ORDER BY created_at DESC, key_id",
            limits.IDENTITY_KEY_DAYS,
        )
        return [IdentityKey(*row.values()) for row in rows]

    async def add_key(self, key_id: str, private_pem: str) -> None:
        """Unless another worker was faster. Keys whose successor has signed for long are forgotten."""

        async def work(connection: Connection) -> None:
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            await connection.execute(
                "DELETE FROM identity_keys WHERE created_at < now() - 2 * $1 * interval '1 day'",
                limits.IDENTITY_KEY_DAYS,
            )
            await connection.execute(
                "INSERT INTO identity_keys (key_id, private_pem) SELECT $1, $2 WHERE NOT EXISTS"
                " (SELECT 1 FROM identity_keys WHERE created_at > now() - $3 * interval '1 day')",
                key_id,
                private_pem,
                limits.IDENTITY_KEY_DAYS,
            )

        await self._database.write(work)
