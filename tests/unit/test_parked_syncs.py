"""What those who wait are told of a message from memory alone, and that none of them keeps another from it."""

import asyncio
import gc
from collections.abc import Callable
from typing import Any, cast

import msgspec

from bongsu.core import filters
from bongsu.core.events import MEMBER, Event
from bongsu.core.filters import SyncFilter
from bongsu.core.requester import Requester
from bongsu.http.deadlines import Deadline
from bongsu.http.lane import Lane
from bongsu.rooms.cache import Rooms
from bongsu.rooms.room import Room
from bongsu.store.rooms import Membership, RoomRecord
from bongsu.store.rows import Segment
from bongsu.sync import unread
from bongsu.sync.mailbox import Mailbox
from bongsu.sync.readers import Reader, Readers
from bongsu.sync.service import Ask, Sync
from bongsu.sync.waiting import Waits

ROOM = "!room:x"
PEOPLE = ("@anna:x", "@bert:x", "@carl:x")
BEGIN = 100
LAZY = SyncFilter(filters.parse({"room": {"state": {"lazy_load_members": True}}}))


class _Feed:
    def __init__(self) -> None:
        self.pos = BEGIN


class _Lane:
    """A client that waits. breaks: nothing can be written to it."""

    def __init__(self, breaks: bool = False) -> None:
        self._breaks = breaks
        self.answers: list[Any] = []
        self.given_up = 0

    def when_ended(self, call: Callable[[], None]) -> None: ...

    def call_later(self, seconds: float, call: Callable[[], None]) -> None: ...

    def answer(self, body: bytes) -> None:
        if self._breaks:
            raise ConnectionError
        self.answers.append(msgspec.json.decode(body))

    def give_up(self) -> None:
        self.given_up += 1


def _event(pos: int, sender: str, kind: str = "m.room.message", state_key: str | None = None, **content: str) -> Event:
    return Event(
        pos=pos,
        event_id=f"${pos}",
        room_id=ROOM,
        type=kind,
        sender=sender,
        state_key=state_key,
        ts_ms=pos,
        depth=pos,
        content_json=msgspec.json.encode(content),
    )


class _House:
    """A room whose people all are in memory."""

    def __init__(self) -> None:
        feed, nowhere = cast(Any, _Feed()), cast(Any, None)
        self._feed = feed
        self._rooms = Rooms(nowhere, feed)
        self._readers = Readers(nowhere, feed)
        self.sync = Sync(
            nowhere, feed, self._rooms, self._readers, Mailbox(nowhere), nowhere, Waits(), now_ms=lambda: 0
        )
        state = [_event(1, PEOPLE[0], "m.room.create", "")]
        room = Room(RoomRecord(ROOM, "10", BEGIN, state, [_event(BEGIN, PEOPLE[0])], False, len(PEOPLE)))
        for at, person in enumerate(PEOPLE):
            room.members[person] = _event(10 + at, person, MEMBER, person, membership="join")
            reader = Reader(person, BEGIN)
            reader.memberships[ROOM] = Membership(ROOM, "join", 10 + at, 10 + at, False)
            reader.unread[ROOM] = unread.begin(reader, ROOM, {"": BEGIN})
            self._readers._enter(reader)
        self._rooms._rooms[ROOM] = room

    def park(self, lane: Lane | _Lane, person: str, wanted: SyncFilter, since: int = BEGIN) -> bool:
        ask = Ask(None, wanted, timeout_ms=30_000)
        return self.sync.park(lane, Requester(person, "DEVICE"), f"s{since}", ask)

    async def say(self, *senders: str) -> None:
        """One commit with a message of each; returns when those who wait were told."""
        after = self._feed.pos
        events = [_event(after + number, sender) for number, sender in enumerate(senders, 1)]
        self._feed.pos = events[-1].pos
        segment = Segment(after, self._feed.pos, events)
        self._rooms.apply(segment)
        self._readers.apply(segment)
        await asyncio.sleep(0)


def _introduced(answer: Any) -> list[str]:
    return [event["state_key"] for event in answer["rooms"]["join"][ROOM]["state"]["events"]]


async def test_who_cannot_be_told_keeps_nobody_else_from_being_told() -> None:
    house = _House()
    lanes = {person: _Lane(breaks=person == PEOPLE[0]) for person in PEOPLE}
    for person, lane in lanes.items():
        assert house.park(lane, person, SyncFilter(filters.Filter()))
    await house.say(PEOPLE[1])
    assert [(len(lane.answers), lane.given_up) for lane in lanes.values()] == [(0, 1), (1, 0), (1, 0)]


async def test_one_who_is_woken_twice_at_once_is_told_once() -> None:
    house = _House()
    lane = _Lane()
    assert house.park(lane, PEOPLE[0], SyncFilter(filters.Filter()))
    await asyncio.gather(house.say(PEOPLE[1]), house.say(PEOPLE[2]))
    (answer,) = lane.answers
    assert [event["sender"] for event in answer["rooms"]["join"][ROOM]["timeline"]["events"]] == [*PEOPLE[1:]]


async def test_who_goes_on_from_elsewhere_is_told_at_once_what_is_new_from_there() -> None:
    house = _House()
    everything = SyncFilter(filters.Filter())
    for sender in (PEOPLE[1], PEOPLE[2], PEOPLE[1]):
        await house.say(sender)
    told = []
    for back in (1, 3, 2, 1, 3):
        lane = _Lane()
        assert house.park(lane, PEOPLE[0], everything, BEGIN + 3 - back)
        (answer,) = lane.answers
        told.append([event["event_id"] for event in answer["rooms"]["join"][ROOM]["timeline"]["events"]])
    newest = [f"${BEGIN + number}" for number in (1, 2, 3)]
    assert told == [newest[-1:], newest, newest[-2:], newest[-1:], newest]


class _Way:
    """A connection. It counts what was written."""

    def __init__(self) -> None:
        self.answers = 0

    def call_later(self, seconds: float, call: Callable[[], None]) -> Deadline:
        return Deadline(call)

    def write_answer(self, body: bytes) -> None:
        self.answers += 1


def _lanes() -> int:
    return sum(type(each) is Lane for each in gc.get_objects())


async def test_a_poll_that_was_answered_leaves_nothing_to_the_garbage_collector() -> None:
    house = _House()
    way = _Way()
    gc.collect()
    before = _lanes()
    gc.disable()
    try:
        assert house.park(Lane(cast(Any, way), b""), PEOPLE[0], SyncFilter(filters.Filter()))
        await house.say(PEOPLE[1])
        assert (way.answers, _lanes()) == (1, before)
    finally:
        gc.enable()


async def test_of_those_who_speak_the_unknown_alone_are_introduced_from_memory() -> None:
    house = _House()
    lane = _Lane()
    since = BEGIN
    told = []
    for senders in (PEOPLE[1:2], PEOPLE[1:], PEOPLE[1:]):
        assert house.park(lane, PEOPLE[0], LAZY, since)
        await house.say(*senders)
        told.append(_introduced(lane.answers[-1]))
        since = int(lane.answers[-1]["next_batch"][1:])
    assert (told, lane.given_up) == ([[PEOPLE[1]], [PEOPLE[2]], []], 0)
