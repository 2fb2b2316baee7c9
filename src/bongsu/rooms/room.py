"""One room in memory: its current state, some of its members, its newest events. Kept true by the feed."""

from collections.abc import Mapping
from typing import Final

from bongsu.core import limits, pdu, relations
from bongsu.core.events import CREATE, JOIN_RULES, MEMBER, POWER_LEVELS, REDACTION, Event, StateKey, membership_of
from bongsu.core.json import decode, encode
from bongsu.core.power import PowerLevels
from bongsu.core.pushrules import RoomFacts
from bongsu.core.versions import RoomVersion, version
from bongsu.store.rooms import RoomRecord
from bongsu.store.rows import Receipt, Typing

_COUNTED: Final = ("join", "invite")


def redacted(room_version: RoomVersion, event: Event, redaction: Event) -> Event:
    """The event without what a redaction takes from it."""
    content = pdu.redact_content(room_version, event.type, decode(event.content_json))
    return Event(
        pos=event.pos,
        event_id=event.event_id,
        room_id=event.room_id,
        type=event.type,
        sender=event.sender,
        state_key=event.state_key,
        ts_ms=event.ts_ms,
        depth=event.depth,
        content_json=encode(content),
        redacted_because=pdu.client_event(redaction, with_room_id=True),
        sender_device=event.sender_device,
        txn_id=event.txn_id,
    )


class Room:
    """A committed room. Only apply() changes it, and only with committed events, in order.

    members: m.room.member events by user, as far as they are known (None: known to have none); tail: the newest
    events, oldest first; tail_after: every event of the room after this position is in the tail;
    related: ids of tail events that others relate to; receipts: the newest, complete after `receipts_after`;
    newest_ephemeral: where a receipt or typing was last told, if after the room was read;
    stale: something happened that the counts could not follow, so the room must be read anew.
    """

    def __init__(self, record: RoomRecord) -> None:
        self.room_id = record.room_id
        self.version = version(record.version)
        self.pos = record.pos
        self.state: dict[StateKey, Event] = {event.key: event for event in record.state if event.key is not None}
        self.members: dict[str, Event | None] = {}
        self.tail = record.tail
        self.tail_after = 0 if record.whole else record.tail[0].pos - 1
        self.joined_count = record.joined_count
        self.invited_count = record.invited_count
        self.receipts: list[Receipt] = []
        self.receipts_after = record.pos
        self.typing = {row.user_id: row for row in record.typing}
        self.newest_ephemeral = record.pos
        self.related: set[str] = set()
        self.stale = False
        self.used = 0
        for event in self.tail:
            self._relate(event)
        self._power: PowerLevels | None = None
        self._facts: RoomFacts | None = None

    @property
    def newest(self) -> Event:
        return self.tail[-1]

    @property
    def power(self) -> PowerLevels:
        if self._power is None:
            self._power = PowerLevels(self.version, self.state[CREATE, ""], self.state.get((POWER_LEVELS, "")))
        return self._power

    def after(self, pos: int) -> list[Event]:
        """The events after a position that the tail reaches (tail_after), oldest first. Costs what it returns."""
        tail = self.tail
        index = len(tail)
        while index and tail[index - 1].pos > pos:
            index -= 1
        return tail[index:]

    def get(self, event_type: str, state_key: str = "") -> Event | None:
        """A state event; a member must be known."""
        if event_type == MEMBER:
            return self.members[state_key]
        return self.state.get((event_type, state_key))

    @property
    def join_rule(self) -> str:
        rules = self.state.get((JOIN_RULES, ""))
        value = rules.content.get("join_rule") if rules else None
        return value if isinstance(value, str) else "invite"

    @property
    def facts(self) -> RoomFacts:
        """What push rules may ask about it; without a reader's name, so one object for all of them."""
        if self._facts is None:
            power = self.power
            levels = {"room": power.notification("room")}
            self._facts = RoomFacts(self.joined_count, power.of, levels, None, self.room_id)
        return self._facts

    def apply(self, event: Event) -> None:
        """Takes one more committed event of this room."""
        if event.pos <= self.pos:
            return
        self.pos = event.pos
        if event.state_key is not None or event.type == REDACTION:
            self._facts = None
        if event.type == REDACTION and event.redacts is not None:
            self._redact(event.redacts, event)
        if event.state_key is not None:
            self._set(event)
        self._relate(event)
        self.tail.append(event)
        if len(self.tail) > 2 * limits.ROOM_TAIL_EVENTS_MAX:
            del self.tail[: -limits.ROOM_TAIL_EVENTS_MAX]
            self.tail_after = self.tail[0].pos - 1

    def apply_receipt(self, receipt: Receipt) -> None:
        if receipt.pos <= (self.receipts[-1].pos if self.receipts else self.receipts_after):
            return
        self.newest_ephemeral = receipt.pos
        self.receipts.append(receipt)
        if len(self.receipts) > limits.ROOM_RECEIPTS_MAX:
            dropped = self.receipts[: limits.ROOM_RECEIPTS_MAX // 2]
            del self.receipts[: limits.ROOM_RECEIPTS_MAX // 2]
            self.receipts_after = dropped[-1].pos

    def apply_typing(self, row: Typing) -> None:
        present = self.typing.get(row.user_id)
        if present is None or present.pos < row.pos:
            self.typing[row.user_id] = row
            self.newest_ephemeral = max(self.newest_ephemeral, row.pos)

    def _relate(self, event: Event) -> None:
        related = relations.relates_to(event.content) if b"m.relates_to" in event.content_json else None
        if related is not None:
            self.related.add(related.parent_id)

    def _set(self, event: Event) -> None:
        assert event.state_key is not None
        if event.type == MEMBER:
            self._set_member(event, event.state_key)
            return
        self.state[event.type, event.state_key] = event
        if event.type in (POWER_LEVELS, CREATE):
            self._power = None

    def _set_member(self, event: Event, user_id: str) -> None:
        if user_id not in self.members:
            self.stale = True
            return
        before = self.members[user_id]
        self.stale |= before is not None and before.pos >= event.pos
        counts: dict[str, int] = dict.fromkeys(_COUNTED, 0)
        for membership, step in ((membership_of(before), -1), (membership_of(event), 1)):
            if membership in counts:
                counts[membership] += step
        self.joined_count += counts["join"]
        self.invited_count += counts["invite"]
        self.members[user_id] = event

    def _redact(self, event_id: str, redaction: Event) -> None:
        for index, event in enumerate(self.tail):
            if event.event_id == event_id:
                self.tail[index] = redacted(self.version, event, redaction)
        for key, event in self.state.items():
            if event.event_id == event_id:
                self.state[key] = redacted(self.version, event, redaction)
                self._power = None
                break
        for user_id, member in self.members.items():
            if member is not None and member.event_id == event_id:
                self.members[user_id] = redacted(self.version, member, redaction)
                break


class WorkingRoom:
    """A room inside one batch: the committed room, and over it what the batch has added so far."""

    __slots__ = ("_members", "_power", "_state", "base", "depth", "newest_id", "room_id", "version")

    def __init__(self, room_id: str, room_version: RoomVersion, base: Room | None) -> None:
        self.room_id = room_id
        self.version = room_version
        self.base = base
        self.newest_id = base.newest.event_id if base else None
        self.depth = base.newest.depth if base else 0
        self._state: dict[StateKey, Event] = {}
        self._members: dict[str, Event] = {}
        self._power: PowerLevels | None = None

    def copy(self) -> "WorkingRoom":
        twin = WorkingRoom(self.room_id, self.version, self.base)
        twin.newest_id, twin.depth, twin._power = self.newest_id, self.depth, self._power
        twin._state, twin._members = dict(self._state), dict(self._members)
        return twin

    def knows_member(self, user_id: str) -> bool:
        return self.base is None or user_id in self._members or user_id in self.base.members

    def get(self, event_type: str, state_key: str = "") -> Event | None:
        """A state event, the batch's own first. A member must be known: see RoomBatch.know_members."""
        if event_type == MEMBER:
            own = self._members.get(state_key)
            if own is not None:
                return own
            return self.base.members[state_key] if self.base else None
        changed = self._state.get((event_type, state_key))
        if changed is not None or self.base is None:
            return changed
        return self.base.state.get((event_type, state_key))

    def membership(self, user_id: str) -> str:
        return membership_of(self.get(MEMBER, user_id))

    @property
    def power(self) -> PowerLevels | None:
        """None while the room has no create event."""
        if self._power is None:
            create = self.get(CREATE)
            if create is None:
                return None
            if self.base is not None and not self._state:
                return self.base.power
            self._power = PowerLevels(self.version, create, self.get(POWER_LEVELS))
        return self._power

    @property
    def state(self) -> Mapping[StateKey, Event]:
        """Current state but for members."""
        return {**(self.base.state if self.base else {}), **self._state}

    def add(self, event: Event) -> None:
        self.newest_id = event.event_id
        self.depth = event.depth
        if event.state_key is None:
            return
        if event.type == MEMBER:
            self._members[event.state_key] = event
            return
        self._state[event.type, event.state_key] = event
        self._power = None
