"""What one commit writes, and what the feed tells of it afterwards: the same rows."""

from collections.abc import Sequence
from itertools import chain
from operator import attrgetter

import msgspec

from bongsu.core.events import Event


class Receipt(msgspec.Struct, frozen=True):
    """thread_id: "" where the receipt is unthreaded. event_pos: the position of the event it points at."""

    pos: int
    room_id: str
    user_id: str
    receipt_type: str
    thread_id: str
    event_id: str
    event_pos: int
    ts_ms: int


class AccountData(msgspec.Struct, frozen=True):
    """room_id: "" where it is global. content: JSON as the client sent it."""

    pos: int
    user_id: str
    room_id: str
    type: str
    content: bytes


class Typing(msgspec.Struct, frozen=True):
    """until_ms: 0 when the person stopped."""

    pos: int
    room_id: str
    user_id: str
    until_ms: int


class Presence(msgspec.Struct, frozen=True):
    """room_ids: where the person is, so that it is known whom it concerns."""

    pos: int
    user_id: str
    state: str
    status_msg: str | None
    last_active_ms: int
    room_ids: list[str]


class Revocation(msgspec.Struct, frozen=True):
    """Sessions that ended. device_id None: every device of the user."""

    pos: int
    user_id: str
    device_id: str | None


class Forgotten(msgspec.Struct, frozen=True):
    """Somebody does not want to see a room again that they left."""

    pos: int
    room_id: str
    user_id: str


class Erased(msgspec.Struct, frozen=True):
    """Somebody wants to be erased: see Visibility.shown."""

    pos: int
    user_id: str


class ToDevice(msgspec.Struct, frozen=True):
    """A message to one device, outside all rooms. content: JSON."""

    pos: int
    user_id: str
    device_id: str
    sender: str
    type: str
    content: bytes


class DeviceList(msgspec.Struct, frozen=True):
    """The keys of somebody's devices changed. room_ids: where the person is, so that it is known whom it concerns.

    seen_by: "" for everybody there; else the one person who was shown a change (and room_ids is empty).
    """

    pos: int
    user_id: str
    seen_by: str
    room_ids: list[str]


class KeyStock(msgspec.Struct, frozen=True):
    """The keys a device has left. one_time: unclaimed ones by algorithm, as JSON; unused_fallback: algorithms."""

    pos: int
    user_id: str
    device_id: str
    one_time: bytes
    unused_fallback: list[str]


class StoredEvent(msgspec.Struct, frozen=True):
    """An event and what of it only the store needs: the whole PDU and the key its retries are recognised by."""

    event: Event
    pdu: bytes
    txn_key: bytes | None = None


class Relation(msgspec.Struct, frozen=True):
    """`child` relates to `parent_id` (m.relates_to). key: of an annotation."""

    parent_id: str
    rel_type: str
    key: str | None
    child: Event


class Redacted(msgspec.Struct, frozen=True):
    """An event of before, in its redacted form."""

    event_id: str
    pdu: bytes
    redacted_by: str


SmallRow = (
    Receipt | AccountData | Typing | Presence | Revocation | Forgotten | ToDevice | DeviceList | KeyStock | Erased
)
Row = Event | SmallRow


class Segment(msgspec.Struct):
    """Everything that happened in (after, to]: committed, complete, in order."""

    after: int
    to: int
    events: list[Event] = []
    receipts: list[Receipt] = []
    account_data: list[AccountData] = []
    typing: list[Typing] = []
    presence: list[Presence] = []
    revocations: list[Revocation] = []
    forgotten: list[Forgotten] = []
    to_device: list[ToDevice] = []
    device_lists: list[DeviceList] = []
    key_stocks: list[KeyStock] = []
    erased: list[Erased] = []

    def in_order(self) -> Sequence[Row]:
        """All rows by position, whatever their kind."""
        others = (self.receipts, self.account_data, self.typing, self.presence, self.forgotten, self.revocations)
        of_devices = (self.to_device, self.device_lists, self.key_stocks)
        if not (any(others) or any(of_devices) or self.erased):
            return self.events
        return sorted(chain(self.events, *others, *of_devices, self.erased), key=attrgetter("pos"))

    def later_than(self, pos: int) -> "Segment":
        """The part of it that lies after `pos`."""
        return Segment(
            pos,
            self.to,
            [row for row in self.events if row.pos > pos],
            [row for row in self.receipts if row.pos > pos],
            [row for row in self.account_data if row.pos > pos],
            [row for row in self.typing if row.pos > pos],
            [row for row in self.presence if row.pos > pos],
            [row for row in self.revocations if row.pos > pos],
            [row for row in self.forgotten if row.pos > pos],
            [row for row in self.to_device if row.pos > pos],
            [row for row in self.device_lists if row.pos > pos],
            [row for row in self.key_stocks if row.pos > pos],
            [row for row in self.erased if row.pos > pos],
        )
