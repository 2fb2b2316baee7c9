"""Locking, suspending and promoting: the flag, and the notice to every worker, in one commit."""

import msgspec

from bongsu.core.errors import forbidden, not_found
from bongsu.rooms.batch import RoomBatch
from bongsu.store import moderation
from bongsu.store.batch import Wanted
from bongsu.store.rows import Revocation


class SetFlag(msgspec.Struct, frozen=True):
    """Sets one flag of an account. Workers forget what they know of the person's sessions, which go on.

    spares_admins: 403 for an account that is an administrator's.
    """

    user_id: str
    flag: moderation.Flag
    value: bool
    spares_admins: bool = False

    def wanted(self) -> Wanted:
        return Wanted()

    async def run(self, batch: RoomBatch) -> None:
        standing = await moderation.standing_of(batch.connection, self.user_id)
        if standing is None:
            raise not_found("there is no such account, or it is deactivated")
        if self.spares_admins and standing.is_admin:
            raise forbidden("this account is an administrator's")
        batch.rows.statements.append((moderation.SET[self.flag], (self.user_id, self.value)))
        row = Revocation(batch.rows.next_pos(), self.user_id, None)
        batch.rows.add((row.pos,), row)
