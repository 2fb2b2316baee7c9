"""Sessions: how they begin, go on with fresh tokens, and end. Only hashes of tokens are stored.

An end has two steps: the rows go, then a revocation tells every worker. The second is repeated when the first finds
nothing, so a client that tries again after an error gets what it wanted.
"""

import asyncio
import secrets
import string
from collections.abc import Iterable

import msgspec

from bongsu.core import ids, limits
from bongsu.core.json import JsonObject
from bongsu.http.authentication import ACCESS_PREFIX, token_hash, unknown_token
from bongsu.rooms.personal import Revoke
from bongsu.store.accounts import Accounts, NewSession, NewTokens, NewUser, bad_login_token
from bongsu.store.committer import Committer

REFRESH_PREFIX = "bsr_"
LOGIN_PREFIX = "bsl_"
_DEVICE_ID_LETTERS = 10


def _token(prefix: str) -> str:
    return prefix + secrets.token_urlsafe(32)


class Wish(msgspec.Struct, kw_only=True):
    """What a client says of the session it wants; part of several request bodies."""

    device_id: str | None = None
    initial_device_display_name: str | None = None
    refresh_token: bool = False

    def check(self) -> None:
        ids.check_text(self.device_id or "", "device_id", limits.DEVICE_ID_BYTES_MAX)
        name = self.initial_device_display_name or ""
        ids.check_text(name, "initial_device_display_name", limits.DISPLAY_NAME_BYTES_MAX)


class Issued(msgspec.Struct, frozen=True):
    """Tokens as the client gets them, once. refresh: None for a session without."""

    access: str
    refresh: str | None
    seconds: float | None

    @property
    def hashes(self) -> NewTokens:
        return NewTokens(
            token_hash(self.access), None if self.refresh is None else token_hash(self.refresh), self.seconds
        )

    @property
    def fields(self) -> JsonObject:
        if self.refresh is None or self.seconds is None:
            return {"access_token": self.access}
        expires_in_ms = round(self.seconds * 1_000)
        return {"access_token": self.access, "refresh_token": self.refresh, "expires_in_ms": expires_in_ms}


class App(msgspec.Struct, frozen=True):
    """Who asks for a session by OAuth 2.0. name: what its device is called; grant_hash: of what was allowed."""

    client_id: str
    name: str
    grant_hash: bytes


class Sessions:
    """Begins, refreshes and ends sessions. access_token_seconds: of clients that can refresh."""

    def __init__(
        self,
        accounts: Accounts,
        committer: Committer,
        server_name: str,
        *,
        access_token_seconds: float = limits.ACCESS_TOKEN_SECONDS,
    ) -> None:
        self._accounts = accounts
        self._committer = committer
        self._server_name = server_name
        self._access_token_seconds = access_token_seconds

    async def sign_up(self, new: NewUser, wish: Wish | None, address: str) -> JsonObject:
        """Makes the person and, unless there is no wish, their first session. What the client gets as answer."""
        if wish is None:
            await self._accounts.create_user(new)
            return self._answer(new.user_id)
        issued = self._issue(wish.refresh_token)
        session = _new_session(new.user_id, wish, issued, address)
        await self._accounts.create_user(new, session)
        return self._answer(new.user_id, session.device_id, issued)

    async def sign_in(self, user_id: str, wish: Wish, address: str, proven_hash: str | None = None) -> JsonObject:
        """Begins a session; an earlier one of the same device ends. What the client gets as answer."""
        return await self._begin(user_id, wish, address, proven_hash=proven_hash)

    async def _begin(
        self,
        user_id: str,
        wish: Wish,
        address: str,
        *,
        proven_hash: str | None = None,
        login_hash: bytes | None = None,
    ) -> JsonObject:
        issued = self._issue(wish.refresh_token)
        session = _new_session(user_id, wish, issued, address, proven_hash, login_hash)
        await self.tell(user_id, await self._accounts.sign_in(session))
        return self._answer(user_id, session.device_id, issued)

    async def sign_in_app(self, user_id: str, device_id: str, app: App, address: str) -> Issued:
        """Begins the session that an app was allowed, once. Raises GrantSpent for the second try."""
        issued = self._issue(with_refresh=True)
        session = NewSession(
            user_id=user_id,
            device_id=device_id,
            tokens=issued.hashes,
            display_name=app.name,
            address=address or None,
            client_id=app.client_id,
            grant_hash=app.grant_hash,
        )
        await self.tell(user_id, await self._accounts.sign_in(session))
        return issued

    async def refresh(self, refresh_token: str) -> JsonObject:
        """New tokens. 401 M_UNKNOWN_TOKEN for a token that is not, or no longer, good."""
        refreshed = await self._refresh(refresh_token, None)
        if refreshed is None:
            raise unknown_token(soft_logout=False)
        return refreshed[0].fields

    async def refresh_app(self, refresh_token: str, client_id: str) -> tuple[Issued, str] | None:
        """New tokens of an app's session, and its device id. None for a token that is not good.

        A token whose successor is in use already has been in two hands: the session ends.
        """
        refreshed = await self._refresh(refresh_token, client_id)
        if refreshed is None and (stolen := await self._accounts.spent_by(token_hash(refresh_token), client_id)):
            await self.end(stolen[0], [stolen[1]])
        return refreshed

    async def _refresh(self, refresh_token: str, client_id: str | None) -> tuple[Issued, str] | None:
        issued = self._issue(with_refresh=True)
        if not refresh_token.startswith(REFRESH_PREFIX) or len(refresh_token) > limits.TOKEN_BYTES_MAX:
            return None
        whose = await self._accounts.refresh(token_hash(refresh_token), issued.hashes, client_id)
        return None if whose is None else (issued, whose[1])

    async def end(self, user_id: str, device_ids: Iterable[str]) -> None:
        devices = list(dict.fromkeys(device_ids))
        await self._accounts.delete_devices(user_id, devices)
        await self.tell(user_id, devices)

    async def end_all(self, user_id: str) -> None:
        await self._accounts.delete_devices(user_id)
        await self.tell_all(user_id)

    async def tell(self, user_id: str, device_ids: Iterable[str]) -> None:
        """Makes every worker forget the sessions of these devices, which have been deleted."""
        await asyncio.gather(*(self._committer.submit(Revoke(user_id, device_id)) for device_id in device_ids))

    async def tell_all(self, user_id: str) -> None:
        await self._committer.submit(Revoke(user_id))

    async def login_token(self, user_id: str, asker: str | bytes) -> str:
        """A token to sign in with, once and soon. asker: the device, or the hash of the browser, that asks for it."""
        token = _token(LOGIN_PREFIX)
        await self._accounts.put_login_token(token_hash(token), user_id, asker)
        return token

    async def sign_in_by_token(self, token: str, wish: Wish, address: str) -> JsonObject:
        """As sign_in(), for the owner of a login token, which is used up by it. 403 M_FORBIDDEN for nobody's."""
        is_ours = token.startswith(LOGIN_PREFIX) and len(token) <= limits.TOKEN_BYTES_MAX
        user_id = await self._accounts.login_token_owner(token_hash(token)) if is_ours else None
        if user_id is None:
            raise bad_login_token()
        return await self._begin(user_id, wish, address, login_hash=token_hash(token))

    def _issue(self, with_refresh: bool) -> Issued:
        if with_refresh:
            return Issued(_token(ACCESS_PREFIX), _token(REFRESH_PREFIX), self._access_token_seconds)
        return Issued(_token(ACCESS_PREFIX), None, None)

    def _answer(self, user_id: str, device_id: str | None = None, issued: Issued | None = None) -> JsonObject:
        answer = {"user_id": user_id, "home_server": self._server_name}
        return answer if issued is None else {**answer, "device_id": device_id, **issued.fields}


def new_device_id() -> str:
    return "".join(secrets.choice(string.ascii_uppercase) for _ in range(_DEVICE_ID_LETTERS))


def _new_session(
    user_id: str,
    wish: Wish,
    issued: Issued,
    address: str,
    proven_hash: str | None = None,
    login_hash: bytes | None = None,
) -> NewSession:
    return NewSession(
        user_id=user_id,
        device_id=wish.device_id or new_device_id(),
        tokens=issued.hashes,
        display_name=wish.initial_device_display_name,
        address=address or None,
        proven_hash=proven_hash,
        login_hash=login_hash,
    )
