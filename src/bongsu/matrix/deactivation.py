"""Ending an account: nobody can sign in with it any more, and it leaves its rooms.

The account ends first, so that nothing can come after; leaving its rooms may take long and be interrupted, and is then
finished at the next start.
"""

import asyncio

import structlog

from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.matrix.sessions import Sessions
from bongsu.rooms.membership import Leave
from bongsu.rooms.personal import Erase
from bongsu.store import rooms
from bongsu.store.accounts import Accounts
from bongsu.store.committer import Committer
from bongsu.store.database import Database

log = structlog.get_logger(__name__)


class Deactivation:
    """deactivate() one account; finish() those that were interrupted."""

    def __init__(self, database: Database, accounts: Accounts, sessions: Sessions, committer: Committer) -> None:
        self._database = database
        self._accounts = accounts
        self._sessions = sessions
        self._committer = committer

    async def deactivate(self, user_id: str, *, erase: bool = False) -> None:
        """erase: profile, account data and filters go as well; what was said in rooms stays with those who were there,
        and who comes later sees it as if it had been redacted.
        """
        await self._accounts.deactivate(user_id, erase=erase)
        await self._sessions.tell_all(user_id)
        await self._go(user_id)

    async def finish(self) -> None:
        """For the start of a worker. Doing it twice, or on two workers at once, does no harm."""
        for user_id in await self._accounts.deactivated_by_half():
            await self._go(user_id)

    async def _go(self, user_id: str) -> None:
        await self._committer.submit(Erase(user_id))
        await self._leave_rooms(user_id)

    async def _leave_rooms(self, user_id: str) -> None:
        places = await rooms.memberships(self._database, user_id)
        room_ids = [place.room_id for place in places if place.membership in ("join", "invite", "knock")]
        for start in range(0, len(room_ids), limits.LEAVES_AT_ONCE_MAX):
            some = room_ids[start : start + limits.LEAVES_AT_ONCE_MAX]
            await asyncio.gather(*(self._leave(room_id, user_id) for room_id in some))

    async def _leave(self, room_id: str, user_id: str) -> None:
        try:
            await self._committer.submit(Leave(room_id=room_id, sender=user_id, target=user_id))
        except Refusal as refusal:
            log.warning("deactivated_person_stays", room_id=room_id, user_id=user_id, error=refusal.message)
