"""People, their devices and how they sign in.

Whatever changes the tokens of a device holds the device's row, so two changes of one device never mix. A session that
is opened shares the row of its person, so it is refused or ended by a deactivation or a new password, never missed.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from bongsu.core import limits, moderation, uia
from bongsu.core.errors import Refusal, forbidden, not_found
from bongsu.store import timers
from bongsu.store.browsers import hold_browser
from bongsu.store.database import Connection, Database, unavailable
from bongsu.store.oauth import use_grant
from bongsu.store.third_party_ids import bind, hold_owner, not_proven, use_proof
from bongsu.store.timers import Timer

# Tables whose rows go with their device. (Its device_keys go when others are told of that: keys.forget_gone.)
_OF_DEVICE: Final = (
    *("access_tokens", "refresh_tokens", "one_time_keys", "fallback_keys", "key_stocks", "to_device", "to_device_sent"),
    *("spent_refresh_tokens", "pushers", "devices"),
)
# What is of no use to anybody when an account has ended.
_OF_PERSON: Final = (
    *("cross_signing_keys", "key_signatures", "third_party_ids"),
    *("key_backup_owners", "key_backups", "backed_up_keys"),
    *("passkeys", "one_time_codes", "recovery_codes", "pushers", "booking_subscriptions"),
    "booking_announcers",
)


# What a person, or somebody in their name, allowed or was given by a session that has now ended.
_OF_SESSIONS: Final = ("browser_sessions", "login_tokens", "cross_signing_resets", "openid_tokens")


class User(msgspec.Struct, frozen=True):
    """password_hash: None where there is no password to sign in with, as after deactivation."""

    user_id: str
    password_hash: str | None
    is_admin: bool
    is_guest: bool
    deactivated_at: datetime | None
    created_at: datetime
    locked: bool
    suspended: bool


class NewUser(msgspec.Struct, frozen=True, kw_only=True):
    """registration_token: the one that let the person in, which is used up by it.

    password_hash: None for whoever never signs in with one. service_id: of the application service that makes it.
    mail_proof: the sid of one, whose address becomes the person's.
    """

    user_id: str
    password_hash: str | None
    is_admin: bool = False
    is_guest: bool = False
    display_name: str | None = None
    registration_token: str | None = None
    service_id: str | None = None
    mail_proof: str | None = None


class NewTokens(msgspec.Struct, frozen=True):
    """Hashes of the tokens of one session. Access tokens without a refresh token do not expire."""

    access_hash: bytes
    refresh_hash: bytes | None = None
    access_seconds: float | None = None


class NewSession(msgspec.Struct, frozen=True, kw_only=True):
    """proven_hash: of the password that was just given; the session is refused if it is no longer the person's.

    client_id, grant_hash: of the app (OAuth 2.0), and of what the person allowed it, which is used up.
    login_hash: of the login token that opens it, which is used up, too.
    """

    user_id: str
    device_id: str
    tokens: NewTokens
    display_name: str | None = None
    address: str | None = None
    proven_hash: str | None = None
    client_id: str | None = None
    grant_hash: bytes | None = None
    login_hash: bytes | None = None


class Device(msgspec.Struct, frozen=True):
    """client_id: of the app that it signed in with, if it came by OAuth 2.0."""

    device_id: str
    display_name: str | None
    seen_at: datetime | None
    seen_address: str | None
    client_id: str | None = None


class Holder(msgspec.Struct, frozen=True):
    """Whose an access token is. expires_in_ms: None for never, negative for past; first_use: of a refreshed one."""

    user_id: str
    device_id: str
    is_guest: bool
    is_admin: bool
    expires_in_ms: int | None
    first_use: bool
    is_locked: bool
    is_suspended: bool


class Seen(msgspec.Struct, frozen=True):
    """address: None where it is not known."""

    user_id: str
    device_id: str
    at_ms: int
    address: str | None


class RegistrationToken(msgspec.Struct, frozen=True):
    """uses_allowed, expires_at: None for no such limit."""

    token: str
    uses_allowed: int | None
    used: int
    expires_at: datetime | None


_USER: Final = (
    "SELECT user_id, password_hash, is_admin, is_guest, deactivated_at, created_at, locked, suspended FROM users"
)
_DEVICE: Final = "SELECT device_id, display_name, seen_at, seen_address, oauth_client_id FROM devices"
_USABLE: Final = "(uses_allowed IS NULL OR used < uses_allowed) AND (expires_at IS NULL OR expires_at > now())"
_HOLDER: Final = """
SELECT t.user_id, t.device_id, u.is_guest, u.is_admin,
    (extract(epoch FROM t.expires_at - now()) * 1000)::bigint AS expires_in_ms,
    t.expires_at IS NOT NULL AND EXISTS (
        SELECT 1 FROM refresh_tokens mine JOIN refresh_tokens before ON before.next_token_hash = mine.token_hash
            AND before.user_id = t.user_id AND before.device_id = t.device_id
        WHERE mine.user_id = t.user_id AND mine.device_id = t.device_id AND mine.access_token_hash = t.token_hash
    ) AS first_use, u.locked, u.suspended
FROM access_tokens t JOIN users u ON u.user_id = t.user_id
WHERE t.token_hash = $1 AND u.deactivated_at IS NULL
"""


# Kept of apps' sessions alone: a refresh token that is shown again after this was stolen.
_SPEND: Final = (
    "INSERT INTO spent_refresh_tokens (token_hash, user_id, device_id) SELECT token_hash, $1, $2 FROM gone WHERE spent"
    " AND EXISTS (SELECT 1 FROM devices WHERE user_id = $1 AND device_id = $2 AND oauth_client_id IS NOT NULL)"
    " ON CONFLICT DO NOTHING"
)


class Accounts:
    """Every query about people, devices and tokens. Tokens come in as their hashes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- people ---

    async def user(self, user_id: str) -> User | None:
        row = await self._database.fetchrow(f"{_USER} WHERE user_id = $1", user_id)
        return User(*row.values()) if row else None

    async def list_users(self, after: str = "", count: int = 1_000) -> list[User]:
        """A page of all users, sorted by id."""
        rows = await self._database.fetch(f"{_USER} WHERE user_id > $1 ORDER BY user_id LIMIT $2", after, count)
        return [User(*row.values()) for row in rows]

    async def create_user(self, new: NewUser, session: NewSession | None = None) -> None:
        """The person, the use of the registration token and the first session, all or nothing. Or M_USER_IN_USE."""

        async def work(connection: Connection) -> None:
            if new.registration_token is not None:
                await _use_registration_token(connection, new.registration_token)
            await _insert_user(connection, new)
            if new.mail_proof is not None:
                await _bind_address(connection, new.user_id, new.mail_proof)
            if session is not None:
                await _open_session(connection, session)

        await self._database.write(work)

    async def set_password(
        self,
        user_id: str,
        password_hash: str,
        *,
        sign_out: bool,
        except_device: str | None = None,
    ) -> list[str]:
        """Gives a new password and, if wanted, ends the other sessions. Returns the devices that were signed out.

        Browsers are signed out of the account's pages in any case, and what was allowed and not fetched yet is over.
        """

        async def work(connection: Connection) -> list[str]:
            await _change_password(connection, user_id, password_hash)
            return await _end_others(connection, user_id, except_device) if sign_out else []

        return await self._database.write(work)

    async def reset_password(self, proof: str, password_hash: str, *, sign_out: bool) -> tuple[str, list[str]]:
        """As set_password(), for whoever reads an account's mail. proof: the sid, which is used up by it.

        (user id, the devices that were signed out). M_THREEPID_AUTH_FAILED, M_THREEPID_NOT_FOUND.
        """

        async def work(connection: Connection) -> tuple[str, list[str]]:
            proven = await use_proof(connection, proof)
            if proven is None:
                raise not_proven()
            user_id = await hold_owner(connection, proven[0])
            await _change_password(connection, user_id, password_hash)
            return user_id, await _end_others(connection, user_id, None) if sign_out else []

        return await self._database.write(work)

    async def renew_hash(self, user_id: str, old_hash: str, new_hash: str) -> None:
        """The same password hashed at another cost; not if the password was changed meanwhile."""
        await self._database.execute(
            "UPDATE users SET password_hash = $3 WHERE user_id = $1 AND password_hash = $2", user_id, old_hash, new_hash
        )

    async def deactivate(self, user_id: str, *, erase: bool = False) -> None:
        """Ends the account for ever: no password, no sessions; with `erase` nothing of the person but events, and those
        are to be hidden (rooms.personal.Erase).
        """

        async def work(connection: Connection) -> None:
            done = await connection.fetchval(
                "UPDATE users SET password_hash = NULL, is_admin = false, deactivated_at = coalesce(deactivated_at,"
                " now()), erased_pos = coalesce(erased_pos, CASE WHEN $2 THEN 0 END) WHERE user_id = $1 RETURNING 1",
                *(user_id, erase),
            )
            if done is None:
                raise not_found("there is no such account")
            await _end_allowed(connection, user_id)
            await _delete_devices(connection, user_id, await _lock_devices(connection, user_id))
            for table in (
                *_OF_PERSON,
                *(("profiles", "account_data", "filters") if erase else ()),
            ):
                await connection.execute(f"DELETE FROM {table} WHERE user_id = $1", user_id)
            await timers.put(connection, [Timer(f"{timers.GONE}/{user_id}", timers.GONE, 0, {"user_id": user_id})])

        await self._database.write(work)

    async def deactivated_by_half(self) -> list[str]:
        """Those whose leaving, or being erased, was interrupted."""
        rows = await self._database.fetch(
            "SELECT u.user_id FROM users u WHERE u.deactivated_at IS NOT NULL AND (u.erased_pos = 0 OR EXISTS ("
            "SELECT 1 FROM members m WHERE m.user_id = u.user_id AND m.membership IN ('join', 'invite', 'knock')))"
        )
        return [row["user_id"] for row in rows]

    # --- sessions ---

    async def sign_in(self, session: NewSession) -> list[str]:
        """Opens a session. Returns the devices on which earlier ones ended by it: its own, and any above the limit."""
        return await self._database.write(lambda connection: _open_session(connection, session))

    async def holder(self, access_hash: bytes) -> Holder | None:
        """503 where only a standby could be asked and has no such session: it may have begun after what is here.

        To say that it has ended would make apps delete what they keep of it.
        """
        was_sure = self._database.has_primary
        row = await self._database.fetchrow(_HOLDER, access_hash)
        if row is None and not (was_sure and self._database.has_primary):
            raise unavailable()
        return Holder(*row.values()) if row else None

    async def confirm_use(self, holder: Holder, access_hash: bytes) -> bool:
        """A refreshed access token is used for the first time: the refresh token it came from ends.

        False: that refresh token was used again just before, so this access token is the one that ended.
        """

        async def work(connection: Connection) -> bool:
            await _lock_device(connection, holder.user_id, holder.device_id)
            await connection.execute(
                "WITH gone AS (DELETE FROM refresh_tokens before USING refresh_tokens mine"
                " WHERE mine.access_token_hash = $3 AND before.next_token_hash = mine.token_hash"
                " AND before.user_id = $1 AND before.device_id = $2 RETURNING before.token_hash, true AS spent)"
                f" {_SPEND}",
                holder.user_id,
                holder.device_id,
                access_hash,
            )
            return bool(await connection.fetchval("SELECT 1 FROM access_tokens WHERE token_hash = $1", access_hash))

        return await self._database.write(work)

    async def refresh(
        self, refresh_hash: bytes, tokens: NewTokens, client_id: str | None = None
    ) -> tuple[str, str] | None:
        """New tokens for a refresh token, which stays good until one of them is used. (user id, device id), or None.

        client_id: of the app that shows it, which must be the one that it was given to.
        """
        row = await self._database.fetchrow(
            "SELECT user_id, device_id, locked FROM refresh_tokens JOIN users USING (user_id)"
            " JOIN devices USING (user_id, device_id)"
            " WHERE token_hash = $1 AND oauth_client_id IS NOT DISTINCT FROM $2",
            refresh_hash,
            client_id,
        )
        if row is None:
            return None
        user_id, device_id, is_locked = row.values()
        if is_locked:
            raise moderation.locked()

        async def work(connection: Connection) -> bool:
            await _lock_device(connection, user_id, device_id)
            sql = "SELECT access_token_hash FROM refresh_tokens WHERE token_hash = $1"
            own_access = await connection.fetchval(sql, refresh_hash)
            if own_access is None:
                return False
            await _supersede(connection, (user_id, device_id), refresh_hash, own_access)
            await _forget_spent(connection, user_id, device_id, limits.SPENT_TOKEN_DAYS)
            await _insert_tokens(connection, user_id, device_id, tokens)
            sql = "UPDATE refresh_tokens SET next_token_hash = $2 WHERE token_hash = $1"
            await connection.execute(sql, refresh_hash, tokens.refresh_hash)
            return True

        return (user_id, device_id) if await self._database.write(work) else None

    async def spent_by(self, refresh_hash: bytes, client_id: str) -> tuple[str, str] | None:
        """The session (user id, device id) of an app in which this refresh token was replaced by one that is in use."""
        sql = (
            "SELECT user_id, device_id FROM spent_refresh_tokens JOIN devices USING (user_id, device_id)"
            " WHERE token_hash = $1 AND oauth_client_id = $2"
        )
        row = await self._database.fetchrow(sql, refresh_hash, client_id)
        return (row["user_id"], row["device_id"]) if row else None

    async def session_of(self, token_hash: bytes) -> tuple[str, str, str | None] | None:
        """(user id, device id, the app's client id) of an access or a refresh token."""
        sql = (
            "SELECT user_id, device_id, oauth_client_id FROM (SELECT user_id, device_id FROM access_tokens"
            " WHERE token_hash = $1 UNION ALL SELECT user_id, device_id FROM refresh_tokens WHERE token_hash = $1) t"
            " JOIN devices USING (user_id, device_id)"
        )
        row = await self._database.fetchrow(sql, token_hash)
        return (row["user_id"], row["device_id"], row["oauth_client_id"]) if row else None

    async def put_login_token(self, token_hash: bytes, user_id: str, asker: str | bytes) -> None:
        """asker: the device, or the hash of the browser, that asks for it; refused if it is signed out."""

        async def work(connection: Connection) -> None:
            if isinstance(asker, bytes):
                await hold_browser(connection, asker)
            else:
                await hold_device(connection, user_id, asker)
            await connection.execute("DELETE FROM login_tokens WHERE expires_at < now()")
            await connection.execute(
                "INSERT INTO login_tokens (token_hash, user_id, expires_at)"
                " VALUES ($1, $2, now() + $3 * interval '1 second')",
                token_hash,
                user_id,
                limits.LOGIN_TOKEN_SECONDS,
            )

        await self._database.write(work)

    async def login_token_owner(self, token_hash: bytes) -> str | None:
        """Whose it is. It is used up by the session that it opens."""
        sql = "SELECT user_id FROM login_tokens WHERE token_hash = $1 AND expires_at > now()"
        owner: str | None = await self._database.fetchval(sql, token_hash)
        return owner

    # --- devices ---

    async def devices(self, user_id: str) -> list[Device]:
        rows = await self._database.fetch(f"{_DEVICE} WHERE user_id = $1 ORDER BY created_at, device_id", user_id)
        return [Device(*row.values()) for row in rows]

    async def device(self, user_id: str, device_id: str) -> Device | None:
        row = await self._database.fetchrow(f"{_DEVICE} WHERE user_id = $1 AND device_id = $2", user_id, device_id)
        return Device(*row.values()) if row else None

    async def rename_device(self, user_id: str, device_id: str, display_name: str) -> bool:
        done = await self._database.execute(
            "UPDATE devices SET display_name = $3 WHERE user_id = $1 AND device_id = $2",
            user_id,
            device_id,
            display_name,
        )
        return done == "UPDATE 1"

    async def put_device(self, user_id: str, device_id: str, display_name: str | None) -> bool:
        """A device without a session, for application services. False: it was there already."""
        made = await self._database.execute(
            "INSERT INTO devices (user_id, device_id, display_name) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            user_id,
            device_id,
            display_name,
        )
        return made == "INSERT 0 1"

    async def delete_devices(self, user_id: str, device_ids: Sequence[str] | None = None) -> None:
        """Ends the sessions of these devices and forgets the devices.

        None: of all, with browsers and what was allowed. Holding the person's row, it misses none that is being opened.
        """

        async def work(connection: Connection) -> None:
            if device_ids is None:
                await connection.execute("SELECT 1 FROM users WHERE user_id = $1 FOR NO KEY UPDATE", user_id)
                await _end_allowed(connection, user_id)
            devices = await _lock_devices(connection, user_id)
            ended = devices if device_ids is None else [device for device in devices if device in set(device_ids)]
            await _delete_devices(connection, user_id, ended)

        await self._database.write(work)

    async def saw(self, rows: Sequence[Seen]) -> None:
        """When and where devices were seen. Rows that somebody else is changing are left out until the next time."""
        await self._database.execute(
            "UPDATE devices d SET seen_at = to_timestamp(s.at_ms / 1000.0),"
            " seen_address = coalesce(s.address, d.seen_address)"
            " FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[]) AS s (user_id, device_id, at_ms, address)"
            " WHERE (d.user_id, d.device_id) = (s.user_id, s.device_id) AND (d.user_id, d.device_id) IN ("
            "SELECT user_id, device_id FROM devices WHERE (user_id, device_id) IN"
            " (SELECT * FROM unnest($1::text[], $2::text[])) FOR UPDATE SKIP LOCKED)",
            [row.user_id for row in rows],
            [row.device_id for row in rows],
            [row.at_ms for row in rows],
            [row.address for row in rows],
        )

    # --- user-interactive authentication ---

    async def uia_session(self, session_id: str, session_hash: bytes) -> uia.Session | None:
        row = await self._database.fetchrow(
            "SELECT purpose, user_id, request_hash, completed, facts::text FROM uia_sessions"
            " WHERE session_hash = $1 AND expires_at > now()",
            session_hash,
        )
        if row is None:
            return None
        purpose, user_id, request_hash, completed, facts = row.values()
        return uia.Session(session_id, purpose, user_id, request_hash, completed, msgspec.json.decode(facts))

    async def put_uia_session(self, session: uia.Session, session_hash: bytes, seconds: float) -> None:
        """Keeps a session, and what a kept one has completed since. Its life is not made longer by that."""

        async def work(connection: Connection) -> None:
            await connection.execute(
                "DELETE FROM uia_sessions WHERE session_hash IN"
                " (SELECT session_hash FROM uia_sessions WHERE expires_at < now() LIMIT $1 FOR UPDATE SKIP LOCKED)",
                limits.SESSIONS_SWEPT_MAX,
            )
            await connection.execute(
                "INSERT INTO uia_sessions (session_hash, purpose, user_id, request_hash, completed, facts, expires_at)"
                " VALUES ($1, $2, $3, $4, $5, $6::text::jsonb, now() + $7 * interval '1 second')"
                " ON CONFLICT (session_hash) DO UPDATE SET facts = uia_sessions.facts || excluded.facts,"
                " completed = ARRAY(SELECT DISTINCT unnest(uia_sessions.completed || excluded.completed))",
                session_hash,
                session.purpose,
                session.user_id,
                session.request_hash,
                session.completed,
                msgspec.json.encode(session.facts).decode(),
                seconds,
            )

        await self._database.write(work)

    async def end_uia_session(self, session_hash: bytes) -> bool:
        """False: there is none, or it expired, or somebody else ended it."""

        async def work(connection: Connection) -> bool:
            sql = "DELETE FROM uia_sessions WHERE session_hash = $1 RETURNING expires_at > now()"
            return bool(await connection.fetchval(sql, session_hash))

        return await self._database.write(work)

    # --- registration tokens ---

    async def create_registration_token(
        self, token: str, uses_allowed: int | None = None, expires_at: datetime | None = None
    ) -> None:
        made = await self._database.execute(
            "INSERT INTO registration_tokens (token, uses_allowed, expires_at) VALUES ($1, $2, $3)"
            " ON CONFLICT DO NOTHING",
            token,
            uses_allowed,
            expires_at,
        )
        if made != "INSERT 0 1":
            raise Refusal(400, "M_INVALID_PARAM", "there is such a registration token already")

    async def list_registration_tokens(self) -> list[RegistrationToken]:
        rows = await self._database.fetch(
            "SELECT token, uses_allowed, used, expires_at FROM registration_tokens ORDER BY token"
        )
        return [RegistrationToken(*row.values()) for row in rows]

    async def delete_registration_token(self, token: str) -> bool:
        done = await self._database.execute("DELETE FROM registration_tokens WHERE token = $1", token)
        return done == "DELETE 1"

    async def is_registration_token(self, token: str) -> bool:
        """May somebody register with it now? A text with NUL is no token; the database could not be asked for it."""
        if "\x00" in token:
            return False
        sql = f"SELECT 1 FROM registration_tokens WHERE token = $1 AND {_USABLE}"
        return bool(await self._database.fetchval(sql, token))

    async def has_registration_tokens(self) -> bool:
        """May anybody register with a token now?"""
        return bool(await self._database.fetchval(f"SELECT 1 FROM registration_tokens WHERE {_USABLE} LIMIT 1"))


def bad_login_token() -> Refusal:
    return forbidden("this login token is used up, expired or was never given")


async def _use_registration_token(connection: Connection, token: str) -> None:
    sql = f"UPDATE registration_tokens SET used = used + 1 WHERE token = $1 AND {_USABLE} RETURNING 1"
    if await connection.fetchval(sql, token) is None:
        raise forbidden("this registration token is used up or expired")


async def _insert_user(connection: Connection, new: NewUser) -> None:
    made = await connection.fetchval(
        "INSERT INTO users (user_id, password_hash, is_admin, is_guest, service_id) VALUES ($1, $2, $3, $4, $5)"
        " ON CONFLICT DO NOTHING RETURNING 1",
        new.user_id,
        new.password_hash,
        new.is_admin,
        new.is_guest,
        new.service_id,
    )
    if made is None:
        raise Refusal(400, "M_USER_IN_USE", "this user name is taken")
    if new.display_name is not None:
        name = msgspec.json.encode(new.display_name)
        await connection.execute("INSERT INTO profiles VALUES ($1, 'displayname', $2)", new.user_id, name)


async def _bind_address(connection: Connection, user_id: str, sid: str) -> None:
    proven = await use_proof(connection, sid)
    if proven is None:
        raise not_proven()
    address, validated_ms = proven
    await bind(connection, user_id, address, validated_ms, validated_ms)


async def hold_person(connection: Connection, user_id: str) -> str | None:
    """The hash of the password of somebody who may sign in, whose row is shared until the end. Or a refusal."""
    sql = "SELECT password_hash, deactivated_at, locked FROM users WHERE user_id = $1 FOR SHARE"
    row = await connection.fetchrow(sql, user_id)
    if row is None or row["deactivated_at"] is not None:
        raise Refusal(403, "M_USER_DEACTIVATED", "this account is deactivated")
    if row["locked"]:
        raise moderation.locked()
    password_hash: str | None = row["password_hash"]
    return password_hash


async def hold_device(connection: Connection, user_id: str, device_id: str) -> None:
    """The session of somebody who may sign in: it goes on until the transaction ends, or all of it is refused."""
    await hold_person(connection, user_id)
    sql = "SELECT 1 FROM devices WHERE user_id = $1 AND device_id = $2"
    if await connection.fetchval(sql, user_id, device_id) is None:
        raise forbidden("this session ended at this moment; sign in again")


async def _change_password(connection: Connection, user_id: str, password_hash: str) -> None:
    changed = await connection.fetchval(
        "UPDATE users SET password_hash = $2 WHERE user_id = $1 AND deactivated_at IS NULL RETURNING 1",
        user_id,
        password_hash,
    )
    if changed is None:
        raise not_found("there is no such account, or it is deactivated")
    await _end_allowed(connection, user_id)


async def _end_allowed(connection: Connection, user_id: str) -> None:
    """Browsers first: whoever allows something shares theirs. Used grants stay known, to be noticed if shown again."""
    for table in _OF_SESSIONS:
        await connection.execute(f"DELETE FROM {table} WHERE user_id = $1", user_id)
    await connection.execute("DELETE FROM oauth_grants WHERE user_id = $1 AND state = 'allowed'", user_id)


async def _end_others(connection: Connection, user_id: str, except_device: str | None) -> list[str]:
    ended = [device for device in await _lock_devices(connection, user_id) if device != except_device]
    await _delete_devices(connection, user_id, ended)
    return ended


async def _open_session(connection: Connection, session: NewSession) -> list[str]:
    if session.proven_hash not in (None, await hold_person(connection, session.user_id)):
        again = "the password was changed at this moment; sign in again"
        raise Refusal(503, "M_UNKNOWN", again, headers={"retry-after": "1"})
    if session.login_hash is not None:
        await _use_login_token(connection, session.user_id, session.login_hash)
    if session.grant_hash is not None:
        await use_grant(connection, session.grant_hash, session.device_id)
    await connection.execute(
        "INSERT INTO devices (user_id, device_id, display_name, seen_at, seen_address, oauth_client_id, oauth_grant)"
        " VALUES ($1, $2, $3, now(), $4, $5, $6) ON CONFLICT (user_id, device_id) DO UPDATE SET seen_at = now(),"
        " seen_address = excluded.seen_address, oauth_client_id = excluded.oauth_client_id,"
        " oauth_grant = excluded.oauth_grant",
        session.user_id,
        session.device_id,
        session.display_name,
        session.address,
        session.client_id,
        session.grant_hash,
    )
    replaced = await _delete_tokens(connection, session.user_id, session.device_id)
    await _forget_spent(connection, session.user_id, session.device_id, 0)
    await _insert_tokens(connection, session.user_id, session.device_id, session.tokens)
    return [*([session.device_id] if replaced else []), *await _drop_oldest_devices(connection, session)]


async def _use_login_token(connection: Connection, user_id: str, token_hash: bytes) -> None:
    sql = "DELETE FROM login_tokens WHERE token_hash = $1 AND user_id = $2 AND expires_at > now() RETURNING 1"
    if await connection.fetchval(sql, token_hash, user_id) is None:
        raise bad_login_token()


async def _drop_oldest_devices(connection: Connection, session: NewSession) -> list[str]:
    """A script that signs in again and again loses the devices that were not used for longest."""
    rows = await connection.fetch(
        "SELECT device_id FROM devices WHERE user_id = $1 AND device_id <> $2"
        " ORDER BY coalesce(seen_at, created_at) DESC OFFSET $3 FOR UPDATE",
        session.user_id,
        session.device_id,
        limits.DEVICES_PER_USER_MAX - 1,
    )
    dropped = [row["device_id"] for row in rows]
    if dropped:
        await _delete_devices(connection, session.user_id, dropped)
    return dropped


async def _lock_device(connection: Connection, user_id: str, device_id: str) -> None:
    sql = "SELECT 1 FROM devices WHERE user_id = $1 AND device_id = $2 FOR UPDATE"
    await connection.execute(sql, user_id, device_id)


async def _lock_devices(connection: Connection, user_id: str) -> list[str]:
    sql = "SELECT device_id FROM devices WHERE user_id = $1 ORDER BY device_id FOR UPDATE"
    return [row["device_id"] for row in await connection.fetch(sql, user_id)]


async def _delete_devices(connection: Connection, user_id: str, device_ids: Sequence[str]) -> None:
    for table in _OF_DEVICE:
        await connection.execute(
            f"DELETE FROM {table} WHERE user_id = $1 AND device_id = ANY($2)", user_id, list(device_ids)
        )


async def _delete_tokens(connection: Connection, user_id: str, device_id: str) -> bool:
    """Ends what was signed in on the device before. True if something was."""
    found = False
    for table in ("refresh_tokens", "access_tokens"):
        done = await connection.execute(
            f"DELETE FROM {table} WHERE user_id = $1 AND device_id = $2", user_id, device_id
        )
        found = found or done != "DELETE 0"
    return found


async def _forget_spent(connection: Connection, user_id: str, device_id: str, days: int) -> None:
    """Refresh tokens that were replaced so long ago, and the oldest where there are too many."""
    await connection.execute(
        "DELETE FROM spent_refresh_tokens WHERE user_id = $1 AND device_id = $2"
        " AND (spent_at <= now() - $3 * interval '1 day' OR token_hash IN (SELECT token_hash FROM spent_refresh_tokens"
        " WHERE user_id = $1 AND device_id = $2 ORDER BY spent_at DESC, token_hash OFFSET $4))",
        *(user_id, device_id, days, limits.SPENT_TOKENS_MAX),
    )


async def _insert_tokens(connection: Connection, user_id: str, device_id: str, tokens: NewTokens) -> None:
    await connection.execute(
        "INSERT INTO access_tokens (token_hash, user_id, device_id, expires_at)"
        " VALUES ($1, $2, $3, now() + $4::float8 * interval '1 second')",
        tokens.access_hash,
        user_id,
        device_id,
        tokens.access_seconds,
    )
    if tokens.refresh_hash is not None:
        await connection.execute(
            "INSERT INTO refresh_tokens (token_hash, user_id, device_id, access_token_hash) VALUES ($1, $2, $3, $4)",
            tokens.refresh_hash,
            user_id,
            device_id,
            tokens.access_hash,
        )


async def _supersede(connection: Connection, device: Sequence[str], used: bytes, own_access: bytes) -> None:
    """A refresh token is used: the one before it ends, and so does what an earlier use of it made, which nobody used.

    Of the access tokens only its own stays, so that a client that loses the answer hears "refresh", not "sign in".
    """
    await connection.execute(
        "WITH gone AS (DELETE FROM refresh_tokens WHERE user_id = $1 AND device_id = $2 AND (next_token_hash = $3"
        " OR token_hash = (SELECT next_token_hash FROM refresh_tokens WHERE token_hash = $3))"
        f" RETURNING token_hash, next_token_hash IS NOT DISTINCT FROM $3 AS spent) {_SPEND}",
        *device,
        used,
    )
    await connection.execute(
        "DELETE FROM access_tokens WHERE user_id = $1 AND device_id = $2 AND token_hash <> $3", *device, own_access
    )
