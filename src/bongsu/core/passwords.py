"""Passwords: what is accepted as a new one, and its hash (argon2id, RFC 9106).

Hashing takes about 30 ms of a processor: outside of the command line, call it in a thread.
"""

from typing import Final

import msgspec
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type, hash_secret, verify_secret

from bongsu.core import limits
from bongsu.core.errors import Refusal, invalid_param

SALT_BYTES: Final = 16
_HASH_BYTES: Final = 32


class Cost(msgspec.Struct, frozen=True):
    """What one hash costs: passes over so much memory, in one lane."""

    passes: int
    memory_kib: int

    @property
    def prefix(self) -> bytes:
        """How every hash of this cost begins."""
        return b"$argon2id$v=19$m=%d,t=%d,p=1$" % (self.memory_kib, self.passes)


COSTS: Final = {
    "strong": Cost(passes=2, memory_kib=19_456),  # OWASP's recommendation
    "fast": Cost(passes=1, memory_kib=8),  # for tests and measurements: protects nobody
}


def check_new(password: str) -> str:
    """A password somebody wants to have from now on. M_WEAK_PASSWORD when it is too short."""
    if len(password) < limits.PASSWORD_CHARACTERS_MIN:
        wanted = f"a password needs at least {limits.PASSWORD_CHARACTERS_MIN} characters"
        raise Refusal(400, "M_WEAK_PASSWORD", wanted)
    if not _fits(password):
        raise invalid_param(f"a password has at most {limits.PASSWORD_BYTES_MAX} bytes")
    return password


def _fits(password: str) -> bool:
    return len(password.encode()) <= limits.PASSWORD_BYTES_MAX


def make_hash(password: str, salt: bytes, cost: Cost) -> str:
    hashed = hash_secret(password.encode(), salt, cost.passes, cost.memory_kib, 1, _HASH_BYTES, Type.ID)
    return hashed.decode()


def is_right(password: str, password_hash: str) -> bool:
    """Does the password make this hash? One that is too long to be anybody's is wrong without being hashed."""
    if not _fits(password):
        return False
    try:
        return verify_secret(password_hash.encode(), password.encode(), Type.ID)
    except (VerificationError, InvalidHashError):
        return False


def is_outdated(password_hash: str, cost: Cost) -> bool:
    return not password_hash.encode().startswith(cost.prefix)
