"""One room's part of a sliding sync: what is wanted of it, and what there is to tell."""

from enum import Enum

import msgspec

from bongsu.core.events import MEMBER, Event
from bongsu.core.json import JsonObject
from bongsu.core.sliding import Required
from bongsu.store.rooms import Membership
from bongsu.sync.slices import RoomSlice
from bongsu.sync.told import Told


class Kind(Enum):
    """INITIAL: the client does not know the room; GROWN: it wants more of it than before; NEWS: what happened since;
    OUTSIDE: the person is invited or knocks; LEFT: the person is not in it any more.
    """

    INITIAL = "initial"
    GROWN = "grown"
    NEWS = "news"
    OUTSIDE = "outside"
    LEFT = "left"


class Shown(msgspec.Struct, frozen=True, eq=False):
    """What is asked of a room in view, or of many alike. lists: where it stands; is_subscribed: is it named, too?"""

    required: Required
    limit: int
    lists: frozenset[str] = frozenset()
    is_subscribed: bool = False


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """since: up to where the room was told, 0 for not at all; known: the required state that was told up to there.

    asked_limit: of the timeline, now; limit: the longest that was asked for.
    """

    membership: Membership
    told: Told | None
    since: int
    required: Required
    known: Required
    asked_limit: int
    limit: int

    @property
    def room_id(self) -> str:
        return self.membership.room_id

    @property
    def is_fresh(self) -> bool:
        """Is all of it to be told, because nothing was, or because the person came in since?"""
        membership = self.membership
        return self.told is None or (membership.membership == "join" and (membership.joined_pos or 0) > self.since)

    @property
    def wants_more_state(self) -> bool:
        return not self.known.covers(self.required)

    @property
    def wants_more_timeline(self) -> bool:
        return self.told is not None and self.asked_limit > self.told.limit

    @property
    def grows(self) -> bool:
        return self.told is not None and (self.wants_more_state or self.wants_more_timeline)


class Piece(msgspec.Struct):
    """part: the room from inside; stripped: from outside."""

    wanted: Wanted
    kind: Kind
    part: RoomSlice | None = None
    stripped: list[JsonObject] = []
    has_read: bool = False

    @property
    def room_id(self) -> str:
        return self.wanted.room_id

    def cut(self) -> None:
        """Of a room that the client knows and wants more of: leaves out what it has."""
        part, since = self.part, self.wanted.since
        if part is None:
            return
        if not self.wanted.wants_more_timeline:
            shown = [event for event in part.timeline if event.pos > since]
            part.limited = part.limited and len(shown) == len(part.timeline)
            if len(shown) < len(part.timeline):
                part.prev_batch = since
            part.timeline = shown
        part.account_data = [row for row in part.account_data if row.pos > since]

    @property
    def required_state(self) -> list[Event]:
        """The state to be told, members who speak among it."""
        if self.part is None:
            return []
        found = [event for event in self.part.state if self._is_wanted(event)]
        if self.kind is Kind.LEFT:
            told = {event.event_id for event in found}
            own = [e for e in (*self.part.state, *self.part.timeline) if e.pos == self.wanted.membership.pos]
            found += [event for event in own if event.event_id not in told]
        return found

    def _is_wanted(self, event: Event) -> bool:
        if not self.wanted.required.matches(event):
            return False
        if self.kind is not Kind.GROWN or event.pos > self.wanted.since or event.type == MEMBER:
            return True
        return not self.wanted.known.matches(event)

    @property
    def is_news(self) -> bool:
        """Is there anything to say of the room itself? Receipts and the like of others are told apart from it."""
        if self.kind is Kind.OUTSIDE:
            return bool(self.stripped)
        if self.kind is not Kind.NEWS or self.part is None:
            return True
        part = self.part
        if part.timeline or part.limited or part.state or self.has_read:
            return True
        return not (part.ephemeral or part.account_data)
