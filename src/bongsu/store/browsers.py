"""Browsers that are signed in to the account's pages. Cookies come in as their hashes."""

from datetime import datetime

import msgspec

from bongsu.core import limits
from bongsu.core.errors import Refusal, forbidden
from bongsu.store.database import Connection, Database


class Browser(msgspec.Struct, frozen=True):
    """Who is signed in. needs_code: not yet, the second factor is missing. is_fresh: proved it minutes ago at most."""

    user_id: str
    needs_code: bool
    proven_at: datetime
    is_fresh: bool


class NewBrowser(msgspec.Struct, frozen=True, kw_only=True):
    """proven_at: when the person proved who they are, if not now. proven_hash: of the password that was given, which
    must still be the person's.
    """

    session_hash: bytes
    user_id: str
    needs_code: bool = False
    proven_hash: str | None = None
    proven_at: datetime | None = None


class Browsers:
    """Signs browsers in and out."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, session_hash: bytes) -> Browser | None:
        row = await self._database.fetchrow(
            "SELECT b.user_id, b.needs_code, b.proven_at, b.proven_at > now() - $2 * interval '1 second' AS is_fresh"
            " FROM browser_sessions b JOIN users u USING (user_id) WHERE b.session_hash = $1 AND b.expires_at > now()"
            " AND u.deactivated_at IS NULL AND NOT u.locked",
            session_hash,
            limits.BROWSER_FRESH_SECONDS,
        )
        return Browser(*row.values()) if row else None

    async def sign_in(self, new: NewBrowser, before: bytes) -> None:
        """before: the session that ends by it, if there is one."""

        async def work(connection: Connection) -> None:
            await _hold_person(connection, new)
            await connection.execute("DELETE FROM browser_sessions WHERE session_hash = $1", before)
            await _open(connection, new)

        await self._database.write(work)

    async def pass_code(self, new: NewBrowser, before: bytes) -> None:
        """The second factor was given: the session that lacked it goes on as a new one, unless it ended meanwhile."""

        async def work(connection: Connection) -> None:
            await _hold_person(connection, new)
            sql = (
                "DELETE FROM browser_sessions WHERE session_hash = $1 AND needs_code AND expires_at > now() RETURNING 1"
            )
            if await connection.fetchval(sql, before) is None:
                raise changed()
            await _open(connection, new)

        await self._database.write(work)

    async def sign_out(self, session_hash: bytes) -> None:
        await self._database.execute("DELETE FROM browser_sessions WHERE session_hash = $1", session_hash)


def changed() -> Refusal:
    return forbidden("this account changed at this moment; sign in again")


async def hold_browser(connection: Connection, session_hash: bytes) -> None:
    """Whoever allows something is signed in until the transaction ends: a new password waits, and then ends it, too."""
    sql = "SELECT 1 FROM browser_sessions WHERE session_hash = $1 AND NOT needs_code AND expires_at > now() FOR SHARE"
    if await connection.fetchval(sql, session_hash) is None:
        raise changed()


async def _hold_person(connection: Connection, new: NewBrowser) -> None:
    """Before any session's row, as a new password and the end of all sessions do."""
    sql = "SELECT password_hash FROM users WHERE user_id = $1 AND deactivated_at IS NULL FOR SHARE"
    row = await connection.fetchrow(sql, new.user_id)
    if row is None or new.proven_hash not in (None, row["password_hash"]):
        raise changed()


async def _open(connection: Connection, new: NewBrowser) -> None:
    await connection.execute(
        "DELETE FROM browser_sessions WHERE session_hash IN (SELECT session_hash FROM browser_sessions"
        " WHERE expires_at < now() LIMIT $1 FOR UPDATE SKIP LOCKED)",
        limits.SESSIONS_SWEPT_MAX,
    )
    await connection.execute(
        "INSERT INTO browser_sessions (session_hash, user_id, needs_code, expires_at, proven_at)"
        " VALUES ($1, $2, $3, now() + $4 * interval '1 second', coalesce($5, now()))",
        new.session_hash,
        new.user_id,
        new.needs_code,
        limits.BROWSER_CODE_SECONDS if new.needs_code else limits.BROWSER_SECONDS,
        new.proven_at,
    )
