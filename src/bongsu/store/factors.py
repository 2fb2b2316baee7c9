"""What a person proves who they are with, beside the password: passkeys, one-time codes, recovery codes."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.store.browsers import hold_browser
from bongsu.store.database import Connection, Database


class Passkey(msgspec.Struct, frozen=True):
    credential_id: bytes
    user_id: str
    public_key: bytes
    sign_count: int
    name: str
    created_at: datetime
    used_at: datetime | None


_PASSKEY = "SELECT credential_id, user_id, public_key, sign_count, name, created_at, used_at FROM passkeys"


class Factors:
    """Every query about them. Challenges and recovery codes come in as their hashes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- passkeys ---

    async def passkeys(self, user_id: str) -> list[Passkey]:
        rows = await self._database.fetch(f"{_PASSKEY} WHERE user_id = $1 ORDER BY created_at", user_id)
        return [Passkey(*row.values()) for row in rows]

    async def passkey(self, credential_id: bytes) -> Passkey | None:
        row = await self._database.fetchrow(f"{_PASSKEY} WHERE credential_id = $1", credential_id)
        return Passkey(*row.values()) if row else None

    async def add_passkey(
        self, user_id: str, credential_id: bytes, public_key: bytes, sign_count: int, name: str
    ) -> None:
        """Refused for one that is registered already, and for one too many."""

        async def work(connection: Connection) -> None:
            await connection.execute("SELECT 1 FROM users WHERE user_id = $1 FOR NO KEY UPDATE", user_id)
            count = await connection.fetchval("SELECT count(*) FROM passkeys WHERE user_id = $1", user_id)
            if count >= limits.PASSKEYS_MAX:
                raise Refusal(400, "M_LIMIT_EXCEEDED", f"at most {limits.PASSKEYS_MAX} passkeys")
            made = await connection.fetchval(
                "INSERT INTO passkeys (credential_id, user_id, public_key, sign_count, name)"
                " VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING 1",
                credential_id,
                user_id,
                public_key,
                sign_count,
                name,
            )
            if made is None:
                raise Refusal(400, "M_INVALID_PARAM", "this passkey is registered already")

        await self._database.write(work)

    async def used_passkey(self, credential_id: bytes, before: int, sign_count: int) -> bool:
        """Counts on. False: the same count was used at this moment by somebody else, or the passkey was removed."""
        done = await self._database.execute(
            "UPDATE passkeys SET sign_count = $3, used_at = now() WHERE credential_id = $1 AND sign_count = $2",
            credential_id,
            before,
            sign_count,
        )
        return done == "UPDATE 1"

    async def rename_passkey(self, user_id: str, credential_id: bytes, name: str) -> bool:
        """False: they have no such passkey."""
        done = await self._database.execute(
            "UPDATE passkeys SET name = $3 WHERE user_id = $1 AND credential_id = $2", user_id, credential_id, name
        )
        return done == "UPDATE 1"

    async def remove_passkey(self, user_id: str, credential_id: bytes) -> None:
        await self._database.execute(
            "DELETE FROM passkeys WHERE user_id = $1 AND credential_id = $2", user_id, credential_id
        )

    async def put_challenge(self, challenge_hash: bytes, purpose: str) -> None:
        async def work(connection: Connection) -> None:
            await connection.execute(
                "DELETE FROM passkey_challenges WHERE challenge_hash IN (SELECT challenge_hash FROM passkey_challenges"
                " WHERE expires_at < now() LIMIT $1 FOR UPDATE SKIP LOCKED)",
                limits.SESSIONS_SWEPT_MAX,
            )
            await connection.execute(
                "INSERT INTO passkey_challenges VALUES ($1, $2, now() + $3 * interval '1 second')",
                challenge_hash,
                purpose,
                limits.PASSKEY_CHALLENGE_SECONDS,
            )

        await self._database.write(work)

    async def take_challenge(self, challenge_hash: bytes, purpose: str) -> bool:
        """Once, and for what it was made for."""

        async def work(connection: Connection) -> bool:
            sql = (
                "DELETE FROM passkey_challenges WHERE challenge_hash = $1 RETURNING purpose = $2 AND expires_at > now()"
            )
            return bool(await connection.fetchval(sql, challenge_hash, purpose))

        return await self._database.write(work)

    # --- one-time codes ---

    async def has_codes(self, user_id: str) -> bool:
        return bool(await self._database.fetchval("SELECT 1 FROM one_time_codes WHERE user_id = $1", user_id))

    async def code_secret(self, user_id: str) -> str | None:
        secret: str | None = await self._database.fetchval(
            "SELECT secret FROM one_time_codes WHERE user_id = $1", user_id
        )
        return secret

    async def set_codes(self, user_id: str, secret: str, step: int, recovery_hashes: Sequence[bytes]) -> None:
        """Turned on with the code of this step, which is used up by it. What was before ends."""

        async def work(connection: Connection) -> None:
            await connection.execute(
                "INSERT INTO one_time_codes VALUES ($1, $2, $3) ON CONFLICT (user_id)"
                " DO UPDATE SET secret = excluded.secret, last_step = excluded.last_step",
                user_id,
                secret,
                step,
            )
            await connection.execute("DELETE FROM recovery_codes WHERE user_id = $1", user_id)
            await connection.execute(
                "INSERT INTO recovery_codes SELECT $1, unnest($2::bytea[])", user_id, list(recovery_hashes)
            )

        await self._database.write(work)

    async def use_step(self, user_id: str, step: int) -> bool:
        """False: a code of this step or a later one was used before."""
        done = await self._database.execute(
            "UPDATE one_time_codes SET last_step = $2 WHERE user_id = $1 AND last_step < $2", user_id, step
        )
        return done == "UPDATE 1"

    async def use_recovery_code(self, user_id: str, code_hash: bytes) -> bool:
        done = await self._database.execute(
            "DELETE FROM recovery_codes WHERE user_id = $1 AND code_hash = $2", user_id, code_hash
        )
        return done == "DELETE 1"

    async def recovery_codes_left(self, user_id: str) -> int:
        return int(await self._database.fetchval("SELECT count(*) FROM recovery_codes WHERE user_id = $1", user_id))

    async def remove_codes(self, user_id: str) -> None:
        async def work(connection: Connection) -> None:
            for table in ("one_time_codes", "recovery_codes"):
                await connection.execute(f"DELETE FROM {table} WHERE user_id = $1", user_id)

        await self._database.write(work)

    # --- new cross-signing keys ---

    async def allow_reset(self, user_id: str, browser: bytes) -> None:
        """browser: hash of the one that allows it; refused if it is signed out."""

        async def work(connection: Connection) -> None:
            await hold_browser(connection, browser)
            await connection.execute(
                "INSERT INTO cross_signing_resets VALUES ($1, now() + $2 * interval '1 second')"
                " ON CONFLICT (user_id) DO UPDATE SET expires_at = excluded.expires_at",
                user_id,
                limits.CROSS_SIGNING_RESET_SECONDS,
            )

        await self._database.write(work)


async def may_reset(connection: Connection, user_id: str) -> bool:
    """May new cross-signing keys come now? It stays so until the transaction ends."""
    sql = "SELECT 1 FROM cross_signing_resets WHERE user_id = $1 AND expires_at > now() FOR UPDATE"
    return bool(await connection.fetchval(sql, user_id))


async def end_reset(connection: Connection, user_id: str) -> None:
    await connection.execute("DELETE FROM cross_signing_resets WHERE user_id = $1", user_id)
