"""One room's part of a sync: what it holds, before it is said in bytes."""

import msgspec

from bongsu.core.events import Event
from bongsu.core.json import JsonObject
from bongsu.core.visibility import Visibility
from bongsu.store.rows import AccountData

_INSIDE = Visibility.of_stay(0)  # of somebody who was in the room all along


class RoomSlice(msgspec.Struct, kw_only=True):
    """timeline, state: oldest first; prev_batch: the position before the timeline; after: state is "state_after".

    visibility: what the reader may see of the room, for `unsigned.membership`.
    """

    room_id: str
    timeline: list[Event]
    limited: bool
    prev_batch: int
    state: list[Event]
    after: bool = False
    account_data: list[AccountData] = []
    ephemeral: list[JsonObject] = []
    unread: JsonObject = {}
    summary: JsonObject = {}
    visibility: Visibility = _INSIDE

    @property
    def is_empty(self) -> bool:
        return not (self.timeline or self.state or self.account_data or self.ephemeral)


class DeviceSections(msgspec.Struct, kw_only=True):
    """What concerns the device alone. one_time: its stock of keys, as JSON; changed, left: users, by their devices.

    told_pos: up to where messages are told, if there are more than fit. has_other_stock: since the last sync.
    """

    to_device: list[JsonObject] = []
    told_pos: int | None = None
    one_time: bytes = b"{}"
    unused_fallback: list[str] = []
    has_other_stock: bool = False
    changed: list[str] = []
    left: list[str] = []

    @property
    def is_empty(self) -> bool:
        return not (self.to_device or self.has_other_stock or self.changed or self.left)


class Sections(msgspec.Struct):
    """A whole sync, before it is said in bytes. Rooms by id; invited and knocked: stripped state."""

    next_batch: int
    joined: list[RoomSlice] = []
    left: list[RoomSlice] = []
    invited: dict[str, list[JsonObject]] = {}
    knocked: dict[str, list[JsonObject]] = {}
    account_data: list[JsonObject] = []
    presence: list[JsonObject] = []
    devices: DeviceSections = msgspec.field(default_factory=DeviceSections)

    @property
    def is_empty(self) -> bool:
        rooms = self.joined or self.left or self.invited or self.knocked
        return not (rooms or self.account_data or self.presence) and self.devices.is_empty
