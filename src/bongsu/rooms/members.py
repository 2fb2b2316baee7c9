"""A room's members, now or then, in stretches: ten thousand people keep nobody else waiting."""

import asyncio
from collections.abc import AsyncIterator

from bongsu.core import limits
from bongsu.core.events import Event, membership_of
from bongsu.store import history as table
from bongsu.store.rooms import Reads


async def stretches(
    reads: Reads, room_id: str, pos: int | None = None, memberships: tuple[str, ...] | None = None
) -> AsyncIterator[list[Event]]:
    """m.room.member events by user id, as they are now or (pos) were then; memberships: only those, None for all.

    Others get their turn between two stretches.
    """
    count = limits.MEMBERS_AT_ONCE_MAX
    after_user = ""
    while True:
        if pos is None:
            stretch = await table.members_now(reads, room_id, after_user, memberships, count)
        else:
            stretch = await table.members_then(reads, room_id, after_user, pos, count)
        yield [e for e in stretch if pos is None or memberships is None or membership_of(e) in memberships]
        if len(stretch) < count:
            return
        after_user = stretch[-1].state_key or ""
        await asyncio.sleep(0)
