"""Application services come, go and publish rooms. Every worker hears of the first two with the commit."""

import msgspec

from bongsu.core.errors import forbidden, invalid_param, not_found
from bongsu.core.json import encode
from bongsu.core.services import Registration, Service
from bongsu.rooms.aliases import may_name
from bongsu.rooms.batch import RoomBatch
from bongsu.store import services as table
from bongsu.store.batch import Wanted
from bongsu.store.rows import Revocation

CHANGED = ""  # as the user id of a revocation: it is about the application service in the device's place


class PutService(msgspec.Struct, frozen=True):
    """Adds a service, or changes the registration of one that is known: what it was told stays as it is."""

    registration: Registration

    def wanted(self) -> Wanted:
        return Wanted()

    async def run(self, batch: RoomBatch) -> None:
        for other in await table.registrations(batch.connection):
            if other.id != self.registration.id and other.as_token == self.registration.as_token:
                raise invalid_param(f"{other.id} has the same as_token")
        sender = Service(self.registration, batch.server_name).sender
        batch.rows.statements.append((table.PUT, (self.registration.id, encode(self.registration))))
        batch.rows.statements.append((table.PUT_SENDER, (sender, self.registration.id)))
        _tell(batch, self.registration.id)


class RemoveService(msgspec.Struct, frozen=True):
    """Its tokens end and it is told nothing more. Accounts it made stay, and so does what they said."""

    service_id: str

    def wanted(self) -> Wanted:
        return Wanted()

    async def run(self, batch: RoomBatch) -> None:
        if all(each.id != self.service_id for each in await table.registrations(batch.connection)):
            raise not_found(f"there is no application service {self.service_id}")
        batch.rows.statements.append((table.DELETE, (self.service_id,)))
        batch.rows.statements.append((table.DELETE_NETWORKS, (self.service_id,)))
        _tell(batch, self.service_id)


def _tell(batch: RoomBatch, service_id: str) -> None:
    row = Revocation(batch.rows.next_pos(), CHANGED, service_id)
    batch.rows.add((row.pos,), row)


class SetOnNetwork(msgspec.Struct, frozen=True):
    """Lists a room under a network of a service, or takes it out. Who asks must be able to name the room."""

    service_id: str
    network_id: str
    room_id: str
    user_id: str
    published: bool

    def wanted(self) -> Wanted:
        return Wanted([self.room_id], [(self.room_id, self.user_id)])

    async def run(self, batch: RoomBatch) -> None:
        room = await batch.room(self.room_id)
        await batch.know_members(room, [self.user_id])
        if self.published and not may_name(room, self.user_id):
            raise forbidden("this needs the power to set the room's main alias")
        sql = table.PUBLISH if self.published else table.HIDE
        batch.rows.statements.append((sql, (self.service_id, self.network_id, self.room_id)))
