"""What the command line does with accounts."""

import secrets
from datetime import datetime
from typing import Any

import msgspec

from bongsu.core import usernames
from bongsu.core.errors import not_found
from bongsu.matrix.deactivation import Deactivation
from bongsu.matrix.passwords import Passwords
from bongsu.matrix.sessions import Sessions
from bongsu.rooms.moderation import SetFlag
from bongsu.store.accounts import Accounts, NewUser
from bongsu.store.committer import Committer
from bongsu.store.factors import Factors
from bongsu.store.moderation import Flag


class Administration:
    """Adds, lists and closes accounts in somebody else's name."""

    def __init__(
        self,
        accounts: Accounts,
        sessions: Sessions,
        passwords: Passwords,
        deactivation: Deactivation,
        committer: Committer,
        factors: Factors,
        server_name: str,
    ) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._passwords = passwords
        self._deactivation = deactivation
        self._committer = committer
        self._factors = factors
        self._server_name = server_name

    async def add(self, username: str, password: str, *, is_admin: bool = False) -> str:
        """Makes an account and returns its user id."""
        user_id = usernames.new_user_id(username, self._server_name)
        password_hash = await self._passwords.hash(password)
        await self._accounts.create_user(NewUser(user_id=user_id, password_hash=password_hash, is_admin=is_admin))
        return user_id

    async def list_all(self) -> list[dict[str, Any]]:
        """All accounts by id: user_id, is_admin, is_guest, deactivated_at, created_at, locked, suspended."""
        people: list[dict[str, Any]] = []
        while page := await self._accounts.list_users(people[-1]["user_id"] if people else ""):
            for user in page:
                shown = msgspec.structs.asdict(user)
                del shown["password_hash"]
                people.append(shown)
        return people

    async def set_flag(self, user_id: str, flag: Flag, value: bool) -> None:
        """Locks, suspends or promotes an account, or takes that back."""
        await self._committer.submit(SetFlag(user_id, flag, value))

    async def deactivate(self, user_id: str) -> None:
        await self._deactivation.deactivate(user_id)

    async def reset_password(self, user_id: str, password: str, *, keep_devices: bool = False) -> None:
        password_hash = await self._passwords.hash(password)
        ended = await self._accounts.set_password(user_id, password_hash, sign_out=not keep_devices)
        await self._sessions.tell(user_id, ended)

    async def turn_two_step_off(self, user_id: str) -> None:
        """For somebody who has lost the phone and the recovery codes."""
        if await self._accounts.user(user_id) is None:
            raise not_found("there is no such account")
        await self._factors.remove_codes(user_id)

    async def add_registration_token(
        self, *, uses_allowed: int | None = None, expires_at: datetime | None = None
    ) -> str:
        """A token that lets so many people (None: any number) make accounts, although registration is closed."""
        token = secrets.token_hex(8)
        await self._accounts.create_registration_token(token, uses_allowed, expires_at)
        return token

    async def list_registration_tokens(self) -> list[dict[str, Any]]:
        """All of them: token, uses_allowed, used, expires_at."""
        return [msgspec.structs.asdict(token) for token in await self._accounts.list_registration_tokens()]

    async def delete_registration_token(self, token: str) -> None:
        if not await self._accounts.delete_registration_token(token):
            raise not_found("there is no such registration token")
