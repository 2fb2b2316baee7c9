"""Browsers that are signed in to the account's pages. Cookies come in as their hashes."""

from datetime import datetime

import msgspec

from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.store.database import Connection, Database


class Browser(msgspec.Struct, frozen=True):
    """Who is signed in. needs_code: not yet, the second factor is missing. is_fresh: proved it minutes ago at most."""

    user_id: str
    needs_code: bool
    proven_at: datetime
    is_fresh: bool
    has_second_factor: bool


class Browsers:
    """Signs browsers in and out."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, session_hash: bytes) -> Browser | None:
        row = await self._database.fetchrow(
            "SELECT b.user_id, b.needs_code, b.proven_at, b.proven_at > now() - $2 * interval '1 second' AS is_fresh,"
            " EXISTS (SELECT 1 FROM one_time_codes c WHERE c.user_id = b.user_id) FROM browser_sessions b"
            " JOIN users u USING (user_id) WHERE b.session_hash = $1 AND b.expires_at > now()"
            " AND u.deactivated_at IS NULL AND NOT u.locked",
            session_hash,
            limits.BROWSER_FRESH_SECONDS,
        )
        return Browser(*row.values()) if row else None

    async def sign_in(self, session_hash: bytes, user_id: str, *, needs_code: bool, proven_hash: str | None) -> None:
        """proven_hash: of the password that was given; it must still be the person's."""

        async def work(connection: Connection) -> None:
            await connection.execute(
                "DELETE FROM browser_sessions WHERE session_hash IN (SELECT session_hash FROM browser_sessions"
                " WHERE expires_at < now() LIMIT $1 FOR UPDATE SKIP LOCKED)",
                limits.SESSIONS_SWEPT_MAX,
            )
            sql = "SELECT password_hash FROM users WHERE user_id = $1 AND deactivated_at IS NULL FOR SHARE"
            row = await connection.fetchrow(sql, user_id)
            if row is None or proven_hash not in (None, row["password_hash"]):
                raise Refusal(403, "M_FORBIDDEN", "this account changed at this moment; sign in again")
            seconds = limits.BROWSER_CODE_SECONDS if needs_code else limits.BROWSER_SECONDS
            await connection.execute(
                "INSERT INTO browser_sessions (session_hash, user_id, needs_code, expires_at)"
                " VALUES ($1, $2, $3, now() + $4 * interval '1 second')",
                session_hash,
                user_id,
                needs_code,
                seconds,
            )

        await self._database.write(work)

    async def sign_out(self, session_hash: bytes) -> None:
        await self._database.execute("DELETE FROM browser_sessions WHERE session_hash = $1", session_hash)
