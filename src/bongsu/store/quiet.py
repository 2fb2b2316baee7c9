"""Whose quiet hours hold, for those who tell many people something: what a person has set is account data of theirs."""

import zoneinfo
from collections.abc import Collection
from datetime import tzinfo

from bongsu.core import limits
from bongsu.core.json import decode
from bongsu.core.quiet import QUIET_HOURS, parse_or_none
from bongsu.store.rooms import Reads


def zone(name: str) -> tzinfo | None:
    """A time zone by its IANA name, kept once it was read."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, no name at all, a folder of zones
        return None


async def quiet_until(reads: Reads, user_ids: Collection[str], at_ms: int) -> dict[str, int]:
    """For whom of these people it is quiet at this time, and when that ends, in ms. Others may be told now."""
    people = list(user_ids)
    found: dict[str, int] = {}
    for start in range(0, len(people), limits.QUIET_ASKED_MAX):
        rows = await reads.fetch(
            "SELECT user_id, content FROM account_data WHERE user_id = ANY($1) AND room_id = '' AND type = $2",
            people[start : start + limits.QUIET_ASKED_MAX],
            QUIET_HOURS,
        )
        for row in rows:
            hours = parse_or_none(decode(row["content"]), zone)
            until = None if hours is None else hours.until(at_ms)
            if until is not None:
                found[row["user_id"]] = until
    return found
