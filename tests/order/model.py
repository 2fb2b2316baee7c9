"""What a client knows after its syncs: the answers folded one after another, as the protocol tells clients to.

fold() takes one answer into a model and refuses what no answer may do: tell an event twice, let a speaker go
unintroduced, go back behind its own token. gaps() lists the stretches of timeline that are still to be fetched, and
close() takes what /messages gave for one. differences() compares two models, for example that of a device which has
followed for long with that of one which has just arrived.
"""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
StateKey = tuple[str, str]
ReceiptKey = tuple[str, str, str]  # (receipt type, user, thread; "" for unthreaded)

MEMBER = "m.room.member"
NO_UNREAD = {"notification_count": 0, "highlight_count": 0}


class Broken(AssertionError):
    """An answer that a client cannot make sense of."""


@dataclass
class Told:
    """How a device asks: its user, its filter, and whether state comes as `state_after`."""

    user_id: str
    filter: Json = field(default_factory=dict)
    state_after: bool = False

    @property
    def is_lazy(self) -> bool:
        return bool(self.filter.get("room", {}).get("state", {}).get("lazy_load_members"))

    @property
    def timeline_filter(self) -> Json:
        section: Json = self.filter.get("room", {}).get("timeline", {})
        return {key: value for key, value in section.items() if key != "limit"}

    def wants_state(self, event_type: str) -> bool:
        section = self.filter.get("room", {}).get("state", {})
        return event_type not in section.get("not_types", ()) and event_type in section.get("types", (event_type,))


@dataclass
class Stretch:
    """Events without a gap between them, oldest first. prev_batch: the token before them, None at the beginning.

    since: the token up to which the person, in the room all along, knew everything before; None where that is unknown.
    """

    prev_batch: str | None
    since: str | None
    event_ids: list[str]


class Room:
    """One room as a device knows it. membership: the section that told of it last."""

    def __init__(self, room_id: str) -> None:
        self.room_id = room_id
        self.membership = ""
        self.state: dict[StateKey, str] = {}
        self.events: dict[str, Json] = {}
        self.redacted: dict[str, str] = {}  # by id of what was redacted: the redaction
        self.stretches: list[Stretch] = []
        self.exits: set[str] = set()  # own leaving and bans, which a room's history may hide afterwards
        self.stripped: list[Json] = []
        self.receipts: dict[ReceiptKey, str] = {}
        self.typing: list[str] = []
        self.account_data: dict[str, Json] = {}
        self.unread = NO_UNREAD
        self.unread_threads: Json = {}
        self.summary: Json = {}

    @property
    def timeline(self) -> list[str]:
        return [event_id for stretch in self.stretches for event_id in stretch.event_ids]

    def see(self, event: Json) -> None:
        """One event of the timeline: kept, and followed if it is a redaction."""
        self.events[event["event_id"]] = event
        because = event.get("unsigned", {}).get("redacted_because")
        if because is not None:
            self.redacted[event["event_id"]] = because["event_id"]
        target = event["content"].get("redacts") or event.get("redacts")
        if event["type"] == "m.room.redaction" and "state_key" not in event and target:
            self.redacted[target] = event["event_id"]

    def set_state(self, event: Json) -> None:
        self.state[event["type"], event["state_key"]] = event["event_id"]

    def member(self, user_id: str) -> str | None:
        return self.state.get((MEMBER, user_id))

    # --- the timeline ---

    def follow(self, said: Json, since: str | None, *, was_inside: bool) -> None:
        """Takes the timeline of one answer: it continues what is known or, limited, leaves a gap before itself.

        Who comes back to a room is told a timeline that begins anew, and may be told known events again; a limited one
        may even reach back behind a place that was known, so what was known lies behind its gap.
        """
        for event in said["events"]:
            self.see(event)
        chunk = [event["event_id"] for event in said["events"]]
        if len(set(chunk)) != len(chunk):
            raise Broken(f"{self.room_id}: an event twice in one answer: {chunk}")
        again = set(chunk).intersection(self.timeline)
        if again and (was_inside or not said.get("limited")):
            raise Broken(f"{self.room_id}: told again since {since}: {again}")
        if again or (said.get("limited") and not was_inside):
            self.stretches.clear()
        if self.stretches and not said.get("limited"):
            self.stretches[-1].event_ids.extend(chunk)
        else:
            self.stretches.append(Stretch(said["prev_batch"], since if was_inside else None, chunk))

    def close(self, index: int, fetched: Sequence[Json], *, at_start: bool) -> None:
        """Takes events fetched backwards (newest first) from before the stretch at `index`.

        at_start: /messages said that there is nothing before them, within the bounds that were asked for.
        """
        stretch = self.stretches[index]
        before = self.stretches[index - 1].event_ids if index else []
        earlier = set(before)
        fresh: list[str] = []
        for event in fetched:
            if event["event_id"] in earlier:
                later = before[before.index(event["event_id"]) + 1 :]
                if not self.exits.issuperset(later):
                    raise Broken(f"{self.room_id}: before {stretch.event_ids} comes {event['event_id']}, not {later}")
                at_start = True
                break
            self.see(event)
            fresh.insert(0, event["event_id"])
        if set(fresh) & set(self.timeline):
            raise Broken(f"{self.room_id}: /messages tells again {set(fresh) & set(self.timeline)}")
        stretch.event_ids[:0] = fresh
        if not at_start:
            return
        stretch.prev_batch = None
        if index:
            before.extend(stretch.event_ids)
            del self.stretches[index]


class Model:
    """Everything a device knows. next_batch: its token."""

    def __init__(self, told: Told) -> None:
        self.told = told
        self.rooms: dict[str, Room] = {}
        self.account_data: dict[str, Json] = {}
        self.presence: dict[str, str] = {}
        self.next_batch: str | None = None

    def copy(self) -> "Model":
        return copy.deepcopy(self)

    def where(self, membership: str) -> set[str]:
        return {room.room_id for room in self.rooms.values() if room.membership == membership}

    def gaps(self) -> list[tuple[Room, int]]:
        """(room, index of the stretch before which something may be missing), newest stretch first."""
        return [
            (room, index)
            for room in self.rooms.values()
            for index in reversed(range(len(room.stretches)))
            if room.stretches[index].prev_batch is not None
        ]

    # --- folding ---

    def fold(self, answer: Json) -> None:
        """Takes the answer to a sync that was asked with `next_batch` as its since."""
        since, told = self.next_batch, answer["next_batch"]
        if since is not None and position(told) < position(since):
            raise Broken(f"next_batch went back from {since} to {told}")
        rooms = answer.get("rooms", {})
        for room_id, said in rooms.get("join", {}).items():
            self._joined(self._room(room_id), said, since)
        for room_id, said in rooms.get("leave", {}).items():
            self._left(self._room(room_id), said, since)
        for section, state in (("invite", "invite_state"), ("knock", "knock_state")):
            for room_id, said in rooms.get(section, {}).items():
                room = self._room(room_id)
                room.membership, room.stripped = section, said[state]["events"]
        for event in answer.get("account_data", {}).get("events", ()):
            self.account_data[event["type"]] = event["content"]
        for event in answer.get("presence", {}).get("events", ()):
            self.presence[event["sender"]] = event["content"]["presence"]
        self.next_batch = told

    def _room(self, room_id: str) -> Room:
        return self.rooms.setdefault(room_id, Room(room_id))

    def _joined(self, room: Room, said: Json, since: str | None) -> None:
        was_inside = room.membership == "join"
        if not was_inside:
            room.state.clear()
            room.unread, room.unread_threads = NO_UNREAD, {}
        room.membership = "join"
        self._happened(room, said, since, was_inside)
        room.summary |= said.get("summary", {})
        for event in said.get("ephemeral", {}).get("events", ()):
            if event["type"] == "m.receipt":
                room.receipts.update(_receipts(event["content"]))
            elif event["type"] == "m.typing":
                room.typing = event["content"]["user_ids"]
        for event in said.get("account_data", {}).get("events", ()):
            room.account_data[event["type"]] = event["content"]
        if "unread_notifications" in said:
            room.unread = said["unread_notifications"]
            room.unread_threads = said.get("unread_thread_notifications", {})

    def _left(self, room: Room, said: Json, since: str | None) -> None:
        was_inside = room.membership == "join"
        room.membership = "leave"
        own = (event for event in said["timeline"]["events"] if event.get("state_key") == self.told.user_id)
        room.exits.update(event["event_id"] for event in own if event["type"] == MEMBER)
        self._happened(room, said, since, was_inside)

    def _happened(self, room: Room, said: Json, since: str | None, was_inside: bool) -> None:
        after = "state_after" if self.told.state_after else "state"
        timeline = said["timeline"]
        room.follow(timeline, since, was_inside=was_inside)
        for event in said[after]["events"]:
            room.set_state(event)
        if not self.told.state_after:
            for event in timeline["events"]:
                if "state_key" in event:
                    room.set_state(event)
        if self.told.wants_state(MEMBER):
            strangers = [e["sender"] for e in timeline["events"] if room.member(e["sender"]) is None]
            if strangers and room.membership == "join":
                raise Broken(f"{room.room_id}: not introduced: {strangers}")


def position(token: str) -> int:
    """Where a token stands; tests alone may look into one."""
    return int(token.removeprefix("s"))


def _receipts(content: Json) -> Iterable[tuple[ReceiptKey, str]]:
    for event_id, kinds in content.items():
        for kind, people in kinds.items():
            for user_id, said in people.items():
                yield (kind, user_id, said.get("thread_id", "")), event_id


# --- comparing ---


def differences(followed: Model, arrived: Model) -> list[str]:
    """What a device that has followed knows otherwise than one that has just arrived. Close all gaps before."""
    found = [
        f"{kind}: followed {sorted(followed.where(kind))}, arrived {sorted(arrived.where(kind))}"
        for kind in ("join", "invite", "knock")
        if followed.where(kind) != arrived.where(kind)
    ]
    if followed.account_data != arrived.account_data:
        found.append(f"account data: {followed.account_data} / {arrived.account_data}")
    for room_id in sorted(followed.where("join") & arrived.where("join")):
        found += _room_differences(followed, followed.rooms[room_id], arrived.rooms[room_id])
    for room_id in sorted(followed.where("leave") & arrived.where("leave")):
        found += _timeline_differences(followed.rooms[room_id], arrived.rooms[room_id])
    for room_id in sorted(followed.where("invite") & arrived.where("invite")):
        one, other = (_own(model.rooms[room_id], model.told.user_id) for model in (followed, arrived))
        if one != other:
            found.append(f"{room_id}: invited by {one} / {other}")
    return found


def _own(room: Room, user_id: str) -> list[Json]:
    return [event for event in room.stripped if event["type"] == MEMBER and event["state_key"] == user_id]


def _room_differences(model: Model, one: Room, other: Room) -> list[str]:
    pairs = {
        "state": (_state(model.told, one, other), _state(model.told, other, one)),
        "own membership": (one.member(model.told.user_id), other.member(model.told.user_id)),
        "receipts": (_receipts_told(one), _receipts_told(other)),
        "account data": (one.account_data, other.account_data),
        "unread": (one.unread, other.unread),
        "unread in threads": (one.unread_threads, other.unread_threads),
        "summary": (_summary(one, other), other.summary),
    }
    if not model.told.wants_state(MEMBER):
        del pairs["own membership"]
    found = [f"{one.room_id}: {name}: {a} / {b}" for name, (a, b) in pairs.items() if a != b]
    return found + _timeline_differences(one, other)


def _timeline_differences(one: Room, other: Room) -> list[str]:
    found = []
    hidden = one.exits.difference(other.timeline)
    if [event_id for event_id in one.timeline if event_id not in hidden] != other.timeline:
        found.append(f"{one.room_id}: timeline:\n  {_named(one)}\n  {_named(other)}")
    shown = set(one.timeline) & set(other.timeline)
    followed, arrived = one.redacted.keys() & shown, other.redacted.keys() & shown
    told = {event_id for event_id in arrived if other.redacted[event_id] in shown}  # others happened behind its back
    if not told <= followed <= arrived:
        found.append(f"{one.room_id}: redacted: {followed} / {arrived}, of which told {told}")
    return found


def _named(room: Room) -> list[str]:
    return [f"{event_id[:7]} {room.events[event_id]['type']}" for event_id in room.timeline]


def _state(told: Told, room: Room, other: Room) -> dict[StateKey, str]:
    """With lazy loading a device knows some members: those that both know must be the same."""
    return {
        key: event_id
        for key, event_id in room.state.items()
        if told.wants_state(key[0]) and not (told.is_lazy and key[0] == MEMBER and key not in other.state)
    }


def _receipts_told(room: Room) -> set[ReceiptKey]:
    """(receipt type, user, event). The protocol can tell but one receipt of a person at an event, whatever the threads.

    Without threaded receipts that an unthreaded one of the same person reaches or passes: it says it all.
    """
    place = {event_id: index for index, event_id in enumerate(room.timeline)}
    everywhere = {(kind, user): place.get(at, -1) for (kind, user, thread), at in room.receipts.items() if not thread}
    return {
        (kind, user, at)
        for (kind, user, thread), at in room.receipts.items()
        if not thread or place.get(at, -1) > everywhere.get((kind, user), -2)
    }


def _summary(room: Room, other: Room) -> Json:
    """Heroes are told where a room has no name; who knew them before may keep them."""
    return {key: value for key, value in room.summary.items() if key in other.summary}
