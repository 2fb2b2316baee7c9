"""What all readers of a room are told alike, made once for all of them.

Most syncs tell one thing: somebody said something in a room whose people were all there. For those nothing is looked
up and nothing is waited for. What is the same for everybody is encoded for the first who asks; each reader adds what
is their own, the count of what they have not read. Whatever else there is to tell takes the long way
(sync/service.py), and the two say the same: tests/order holds them to it.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from bongsu.core import limits, timeline, tokens
from bongsu.core.events import REDACTION, Event
from bongsu.core.filters import SyncFilter
from bongsu.core.json import encode
from bongsu.core.requester import Requester
from bongsu.rooms import clientform
from bongsu.rooms.cache import Rooms
from bongsu.rooms.room import Room
from bongsu.sync import unread
from bongsu.sync.devices import stock_of
from bongsu.sync.introductions import Introductions
from bongsu.sync.readers import Reader, Unread
from bongsu.sync.say import shown_to, shown_to_members

_END: Final = b']},"ephemeral":{"events":[]},"account_data":{"events":[]},"summary":{}'


class Part(msgspec.Struct):
    """One room's part of a sync. begin: its name and its JSON up to the events that are shown; middle: what stands
    between these and the memberships of speakers, whom lazy loading introduces; echoes: who sees a transaction id of
    their own.

    to_friends: all but the counts and the last brace, for others than those, who know the speakers. after: it is what
    there is to tell to whoever goes on from there, or from a later position before `events`.
    """

    room: Room
    events: Sequence[Event]
    after: int
    begin: bytes
    middle: bytes
    shown: Sequence[Event]
    speakers: Sequence[Event]
    echoes: frozenset[tuple[str, str | None]]
    to_friends: bytes
    _to_strangers: bytes = b""  # made when the first one asks

    def told_to(self, requester: Requester, unmet: Sequence[Event]) -> bytes:
        """All but the counts and the last brace. unmet: those of the speakers whom the device does not know."""
        if (requester.user_id, requester.device_id) in self.echoes or 0 < len(unmet) < len(self.speakers):
            return self._said([shown_to(requester, event) for event in self.shown], unmet)
        if not unmet:
            return self.to_friends
        if not self._to_strangers:
            self._to_strangers = self._said([shown_to_members(event) for event in self.shown], self.speakers)
        return self._to_strangers

    def _said(self, events: Sequence[bytes], introduced: Sequence[Event]) -> bytes:
        return _said(self.begin, events, self.middle, clientform.plain_events(introduced, with_room_id=False))


def _said(begin: bytes, events: Sequence[bytes], middle: bytes, introduced: Sequence[bytes] = ()) -> bytes:
    return b"".join((begin, b",".join(events), middle, b",".join(introduced), _END))


class Shared:
    """say() a sync in one go, or None where that cannot be."""

    def __init__(self, rooms: Rooms, counter: unread.Counter, introductions: Introductions) -> None:
        self._rooms = rooms
        self._introductions = introductions
        self._counter = counter
        self._parts: dict[tuple[str, SyncFilter, bool, int], Part] = {}  # by position, and the rest of what is asked

    def say(
        self, reader: Reader, requester: Requester, since: int, up_to: int, wanted: SyncFilter, state_after: bool
    ) -> bytes | None:
        """The reply to a sync from `since` of which nothing but messages in rooms is to be told; its device has all
        messages to it up to `since`, too.
        """
        if reader.other_news > since or reader.ignored or not wanted.is_ordinary:
            return None
        touched = reader.touched(since, up_to)
        if not touched:
            return None
        rooms: list[bytes] = []
        met: list[Event] = []
        for room_id in touched:
            told = self._room(reader, requester, room_id, since, up_to, wanted, state_after)
            if told is None:
                return None
            rooms.append(told[0])
            met += told[1]
        if wanted.lazy_load_members:
            self._introductions.tell(requester, wanted, up_to, met)
        stock = stock_of(reader, requester.device_id)
        return b'{"next_batch":"%b","rooms":{"join":{%b}},"to_device":{"events":[]},%b}' % (
            tokens.encoded(up_to),
            b",".join(rooms),
            stock,
        )

    @staticmethod
    def nothing(reader: Reader, requester: Requester, up_to: int) -> bytes:
        """The reply to a sync of which there is nothing to tell."""
        stock = stock_of(reader, requester.device_id)
        return b'{"next_batch":"%b","to_device":{"events":[]},%b}' % (tokens.encoded(up_to), stock)

    def _room(
        self,
        reader: Reader,
        requester: Requester,
        room_id: str,
        since: int,
        up_to: int,
        wanted: SyncFilter,
        state_after: bool,
    ) -> tuple[bytes, Sequence[Event]] | None:
        """The room's part of the reply, and the memberships in it."""
        if not reader.was_in(room_id, since):
            return None
        part = self._part(room_id, since, up_to, wanted, state_after)
        if part is None:
            return None
        counted = self._counter.known(reader, part.room, up_to, since, part.events)
        if counted is None:
            return None
        unmet = self._introductions.unmet(requester, wanted, since, part.speakers) if part.speakers else ()
        return b"%b,%b}" % (part.told_to(requester, unmet), _counts(counted, wanted)), unmet

    def _part(self, room_id: str, since: int, up_to: int, wanted: SyncFilter, state_after: bool) -> Part | None:
        """What everybody is told of the room. Most have the same news, from wherever they go on."""
        key = (room_id, wanted, state_after, up_to)
        part = self._parts.get(key)
        if part is not None and part.after <= since < part.events[0].pos:
            return part
        room = self._rooms.known(room_id)
        if room is None or not wanted.includes_room(room_id):
            return None
        events = room.after(since)
        after = _news_after(room, events)
        if since < after or not events or events[-1].pos > up_to:
            return None
        part = _encoded(room, events, after, wanted, state_after)
        if part is not None:
            if len(self._parts) >= limits.SHARED_PARTS_MAX:
                self._parts.clear()  # parts are wanted for moments only
            self._parts[key] = part
        return part


def _is_plain(room: Room, event: Event) -> bool:
    """Nothing but a message: no state, nothing taken back, nothing that others relate to."""
    return (
        event.state_key is None
        and event.type != REDACTION
        and event.redacted_because is None
        and event.event_id not in room.related
    )


def _news_after(room: Room, events: Sequence[Event]) -> int:
    """From where on these, its newest events, are all that is new in the room."""
    before = len(room.tail) - len(events) - 1
    last = room.tail[before].pos if before >= 0 else 0
    return max(last, room.tail_after, room.receipts_after, room.newest_ephemeral)


def _encoded(room: Room, events: Sequence[Event], after: int, wanted: SyncFilter, state_after: bool) -> Part | None:
    for event in events:
        if not _is_plain(room, event):
            return None
    matcher = wanted.timeline
    matching = events
    if not matcher.everything:
        matching = [e for e in events if matcher.matches(e.type, e.sender, e.room_id, e.content)]
    shown, limited = timeline.newest(matching, wanted.timeline_limit)
    if not shown:
        return None
    speakers = _speakers(room, shown) if wanted.lazy_load_members else []
    if speakers is None:
        return None
    begin = b'%b:{"timeline":{"events":[' % encode(room.room_id)
    middle = b'],"limited":%b,"prev_batch":"%b"},"%b":{"events":[' % (
        b"true" if limited else b"false",
        tokens.encoded(shown[0].pos - 1),
        b"state_after" if state_after else b"state",
    )
    echoes = frozenset([(event.sender, event.sender_device) for event in shown if event.txn_id is not None])
    to_friends = _said(begin, [shown_to_members(event) for event in shown], middle)
    return Part(room, events, after, begin, middle, shown, speakers, echoes, to_friends)


def _speakers(room: Room, shown: Sequence[Event]) -> list[Event] | None:
    """The memberships of those who speak, as at the end of the timeline; None if they are not all in memory."""
    found = [room.members.get(sender) for sender in dict.fromkeys(event.sender for event in shown)]
    known = [event for event in found if event is not None and event.pos <= shown[-1].pos]
    return known if len(known) == len(found) else None


def _counts(counted: Unread, wanted: SyncFilter) -> bytes:
    if not counted.threads:
        return b'"unread_notifications":{"notification_count":%d,"highlight_count":%d}' % (
            counted.notify,
            counted.highlight,
        )
    said = encode(unread.say(counted, by_thread=wanted.unread_thread_notifications))
    return said[1:-1]
