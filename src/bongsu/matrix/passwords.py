"""Hashing and checking passwords beside the event loop: few threads, a short queue, and never a telling difference.

Somebody who does not exist is answered after the same work as somebody whose password was wrong.
"""

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, TypeVar

import msgspec

from bongsu.core import limits, passwords
from bongsu.core.errors import Refusal, forbidden, limit_exceeded
from bongsu.http.ratelimit import RateLimiter
from bongsu.store.accounts import Accounts, User

T = TypeVar("T")


class Named(msgspec.Struct, frozen=True):
    """Whom somebody who signs in means. user_id: None for nobody here.

    name: a user id or a mail address, in the form that is compared, "" for what is neither. Tries are counted by it, so
    that an address that has no account here behaves as one that has.
    """

    name: str
    user_id: str | None


class Passwords:
    """hash() a new one; prove() that somebody knows theirs."""

    def __init__(
        self,
        accounts: Accounts,
        limiter: RateLimiter,
        hashing: Literal["strong", "fast"] = "strong",
        *,
        waiting_max: int = limits.PASSWORDS_WAITING_MAX,
    ) -> None:
        """waiting_max: hashes that are made or wait; whoever comes then is asked to come again."""
        self._accounts = accounts
        self._limiter = limiter
        self._cost = passwords.COSTS[hashing]
        self._threads = ThreadPoolExecutor(limits.PASSWORD_THREADS, thread_name_prefix="passwords")
        self._waiting = 0
        self._waiting_max = waiting_max
        self._nobodys = self._hash(secrets.token_urlsafe())

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def hash(self, password: str) -> str:
        """The hash of a new password. M_WEAK_PASSWORD for one that is too short."""
        passwords.check_new(password)
        return await self._run(lambda: self._hash(password))

    async def prove(self, named: Named, password: str) -> User:
        """The person, if this is the password. 403 M_FORBIDDEN if not, or nobody; M_USER_DEACTIVATED."""
        await self._limiter.spend_for("account", named.name)
        user = await self._accounts.user(named.user_id or "")
        stored = (user.password_hash if user else None) or self._nobodys
        is_right = await self._run(lambda: passwords.is_right(password, stored))
        if user is not None and user.deactivated_at is not None:
            raise Refusal(403, "M_USER_DEACTIVATED", "this account is deactivated")
        if user is None or user.password_hash is None or not is_right:
            raise forbidden("the user name or the password is wrong")
        return user

    async def renew(self, user: User, password: str) -> None:
        """Hashes a password that was just proven again, if hashing costs something else by now."""
        if user.password_hash is not None and passwords.is_outdated(user.password_hash, self._cost):
            renewed = await self._run(lambda: self._hash(password))
            await self._accounts.renew_hash(user.user_id, user.password_hash, renewed)

    def _hash(self, password: str) -> str:
        return passwords.make_hash(password, secrets.token_bytes(passwords.SALT_BYTES), self._cost)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= self._waiting_max:
            raise limit_exceeded(1_000)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1
