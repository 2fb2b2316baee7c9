"""What administrators set of other people's accounts. A revocation is written with it, so that all workers hear."""

from typing import Final, Literal

import msgspec

from bongsu.store.rooms import Reads

Flag = Literal["locked", "suspended", "is_admin"]
SET: Final[dict[Flag, str]] = {
    "locked": "UPDATE users SET locked = $2 WHERE user_id = $1",
    "suspended": "UPDATE users SET suspended = $2 WHERE user_id = $1",
    "is_admin": "UPDATE users SET is_admin = $2 WHERE user_id = $1",
}


class Standing(msgspec.Struct, frozen=True):
    locked: bool
    suspended: bool
    is_admin: bool


async def standing_of(reads: Reads, user_id: str) -> Standing | None:
    """None: there is no such person here, or the account is deactivated."""
    rows = await reads.fetch(
        "SELECT locked, suspended, is_admin FROM users WHERE user_id = $1 AND deactivated_at IS NULL", user_id
    )
    return Standing(*rows[0].values()) if rows else None
