"""Apps that people sign in with (OAuth 2.0), and what a person allowed an app that has yet to fetch it."""

from datetime import datetime
from typing import Any, Final

import msgspec

from bongsu.core import limits
from bongsu.store.browsers import hold_browser
from bongsu.store.database import Connection, Database, Record

_COLUMNS: Final = (
    "client_id, scope, state, user_id, redirect_uri, challenge, nonce, proven_at, user_code, poll_seconds,"
    " device_id, expires_at < now() AS is_over"
)


class Client(msgspec.Struct, frozen=True):
    """metadata: as it was registered (core/oauth.py). secret_hash: None for an app that can keep no secret."""

    client_id: str
    metadata: dict[str, Any]
    secret_hash: bytes | None


class Grant(msgspec.Struct, frozen=True):
    """state: asked, allowed, denied or used. device_id: of the session it gave."""

    client_id: str
    scope: str
    state: str
    user_id: str | None
    redirect_uri: str | None
    challenge: str | None
    nonce: str | None
    proven_at: datetime | None
    user_code: str | None
    poll_seconds: int
    device_id: str | None
    is_over: bool


class NewGrant(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for by a device (with user_code), or was allowed to an app (with user_id)."""

    client_id: str
    scope: str
    seconds: float
    user_id: str | None = None
    redirect_uri: str | None = None
    challenge: str | None = None
    nonce: str | None = None
    proven_at: datetime | None = None
    user_code: str | None = None
    poll_seconds: int = 0


class GrantSpent(Exception):
    """Somebody else used the grant, or it is over."""


async def use_grant(connection: Connection, grant_hash: bytes, device_id: str | None) -> None:
    """In the transaction that gives what was allowed. Raises GrantSpent for the second who tries."""
    sql = (
        "UPDATE oauth_grants SET state = 'used', device_id = $2 WHERE grant_hash = $1 AND state = 'allowed'"
        " AND expires_at > now() RETURNING client_id"
    )
    client_id = await connection.fetchval(sql, grant_hash, device_id)
    if client_id is None:
        raise GrantSpent
    await connection.execute("UPDATE oauth_clients SET used_at = now() WHERE client_id = $1", client_id)


class OAuth:
    """Every query about apps and grants. Codes come in as their hashes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def client(self, client_id: str) -> Client | None:
        sql = "SELECT client_id, metadata::text, secret_hash FROM oauth_clients WHERE client_id = $1"
        row = await self._database.fetchrow(sql, client_id)
        return _client(row) if row else None

    async def clients(self, client_ids: list[str]) -> dict[str, Client]:
        sql = "SELECT client_id, metadata::text, secret_hash FROM oauth_clients WHERE client_id = ANY($1)"
        rows = await self._database.fetch(sql, client_ids)
        return {row["client_id"]: _client(row) for row in rows}

    async def put_client(self, client: Client) -> None:
        """Registers an app, or has it stay. Apps long out of use are forgotten: none is signed in or about to be."""

        async def work(connection: Connection) -> None:
            await connection.execute(
                "DELETE FROM oauth_clients WHERE client_id IN (SELECT client_id FROM oauth_clients c"
                " WHERE created_at < now() - $1 * interval '1 day'"
                " AND (used_at IS NULL OR used_at < now() - $1 * interval '1 day')"
                " AND NOT EXISTS (SELECT 1 FROM devices d WHERE d.oauth_client_id = c.client_id)"
                " AND NOT EXISTS (SELECT 1 FROM oauth_grants g WHERE g.client_id = c.client_id"
                " AND g.expires_at > now()) LIMIT $2 FOR UPDATE SKIP LOCKED)",
                limits.OAUTH_UNUSED_CLIENT_DAYS,
                limits.SESSIONS_SWEPT_MAX,
            )
            await connection.execute(
                "INSERT INTO oauth_clients (client_id, metadata, secret_hash) VALUES ($1, $2::text::jsonb, $3)"
                " ON CONFLICT (client_id) DO UPDATE SET created_at = now()",
                client.client_id,
                msgspec.json.encode(client.metadata).decode(),
                client.secret_hash,
            )

        await self._database.write(work)

    async def put_grant(self, grant_hash: bytes, grant: NewGrant, browser: bytes | None = None) -> bool:
        """False: there is such a user code already. browser: hash of the one that allows it, and is signed in."""

        async def work(connection: Connection) -> bool:
            if browser is not None:
                await hold_browser(connection, browser)
            await connection.execute(
                "DELETE FROM oauth_grants WHERE grant_hash IN (SELECT grant_hash FROM oauth_grants"
                " WHERE expires_at < now() - $1 * interval '1 second' LIMIT $2 FOR UPDATE SKIP LOCKED)",
                limits.OAUTH_GRANT_KEPT_SECONDS,
                limits.SESSIONS_SWEPT_MAX,
            )
            made = await connection.fetchval(
                "INSERT INTO oauth_grants (grant_hash, client_id, scope, state, user_id, redirect_uri, challenge,"
                " nonce, proven_at, user_code, poll_seconds, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9,"
                " $10, $11, now() + $12::float8 * interval '1 second') ON CONFLICT DO NOTHING RETURNING 1",
                grant_hash,
                grant.client_id,
                grant.scope,
                "asked" if grant.user_id is None else "allowed",
                grant.user_id,
                grant.redirect_uri,
                grant.challenge,
                grant.nonce,
                grant.proven_at,
                grant.user_code,
                grant.poll_seconds,
                grant.seconds,
            )
            return made is not None

        return await self._database.write(work)

    async def grant(self, grant_hash: bytes) -> Grant | None:
        row = await self._database.fetchrow(f"SELECT {_COLUMNS} FROM oauth_grants WHERE grant_hash = $1", grant_hash)
        return Grant(*row.values()) if row else None

    async def asked_by_device(self, user_code: str) -> Grant | None:
        """What a device with this code asks for and nobody has answered."""
        sql = f"SELECT {_COLUMNS} FROM oauth_grants WHERE user_code = $1 AND state = 'asked' AND expires_at > now()"
        row = await self._database.fetchrow(sql, user_code)
        return Grant(*row.values()) if row else None

    async def answer_device(self, user_code: str, browser: bytes, *, allowed: bool) -> bool:
        """False: it was answered before, or took too long. browser: hash of the one that answers, and is signed in."""

        async def work(connection: Connection) -> bool:
            await hold_browser(connection, browser)
            done = await connection.execute(
                "UPDATE oauth_grants g SET state = $3, user_id = b.user_id, proven_at = b.proven_at"
                " FROM browser_sessions b WHERE b.session_hash = $2 AND g.user_code = $1 AND g.state = 'asked'"
                " AND g.expires_at > now()",
                user_code,
                browser,
                "allowed" if allowed else "denied",
            )
            return bool(done == "UPDATE 1")

        return await self._database.write(work)

    async def poll(self, grant_hash: bytes) -> bool:
        """A device asks whether it was answered. False: it asks too often, and is to wait longer from now on."""

        async def work(connection: Connection) -> bool:
            sql = (
                "SELECT coalesce(polled_at > now() - poll_seconds * interval '1 second', false) FROM oauth_grants"
                " WHERE grant_hash = $1 FOR UPDATE"
            )
            is_early = bool(await connection.fetchval(sql, grant_hash))
            await connection.execute(
                "UPDATE oauth_grants SET polled_at = now(), poll_seconds = poll_seconds + $2 WHERE grant_hash = $1",
                grant_hash,
                limits.OAUTH_POLL_SECONDS if is_early else 0,
            )
            return not is_early

        return await self._database.write(work)

    async def opened_by(self, grant_hash: bytes) -> tuple[str, str] | None:
        """The session (user id, device id) that a grant opened, if it goes on. Its identity tokens end here."""

        async def work(connection: Connection) -> tuple[str, str] | None:
            await connection.execute("DELETE FROM openid_tokens WHERE oauth_grant = $1", grant_hash)
            row = await connection.fetchrow(
                "SELECT d.user_id, d.device_id FROM oauth_grants g JOIN devices d USING (user_id, device_id)"
                " WHERE g.grant_hash = $1 AND d.oauth_grant = $1",
                grant_hash,
            )
            return (row["user_id"], row["device_id"]) if row else None

        return await self._database.write(work)


def _client(row: Record) -> Client:
    return Client(row["client_id"], msgspec.json.decode(row["metadata"]), row["secret_hash"])
