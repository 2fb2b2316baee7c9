"""Who may see which of a room's events (client-server API, "Room history visibility").

A room has one linear history, so what a person may see of it is a few ranges of positions. They are worked out once
from two short lists: how the person's membership changed, and how the room's history visibility changed.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from bongsu.core.events import MEMBER, Event
from bongsu.core.pdu import emptied
from bongsu.core.versions import DEFAULT, VERSIONS

WORLD_READABLE: Final = "world_readable"
SHARED: Final = "shared"
INVITED: Final = "invited"
JOINED: Final = "joined"
_KNOWN: Final = frozenset({WORLD_READABLE, SHARED, INVITED, JOINED})

END: Final = 2**62  # above every position

_NOBODY: Final[Mapping[str, int]] = {}
_KEPT: Final = VERSIONS[DEFAULT]  # of such events the versions' redactions leave the same, but for parts of memberships

Changes = Sequence[tuple[int, str]]  # (position, what holds from there on), oldest first


def value_of(stated: object) -> str:
    """The history visibility a state event's content states; `shared` where it states nothing that is known."""
    return stated if isinstance(stated, str) and stated in _KNOWN else SHARED


class Visibility:
    """What one person may see of one room. Immutable.

    membership, value: the person's membership and the room's history visibility now; ranges: the positions that may
    be seen, as (first, last), ascending and apart; erased: who wants to be erased, and since which position.
    """

    __slots__ = (
        "_erased",
        "_firsts",
        "_left_pos",
        "_membership_positions",
        "_memberships",
        "membership",
        "ranges",
        "value",
    )

    def __init__(self, memberships: Changes, values: Changes, erased: Mapping[str, int] = _NOBODY) -> None:
        self._erased = erased
        self._membership_positions = [pos for pos, _ in memberships]
        self._memberships = [membership for _, membership in memberships]
        self.membership = self._memberships[-1] if memberships else "leave"
        self.value = values[-1][1] if values else SHARED
        self._left_pos = _left_pos(memberships)
        self.ranges = tuple(_ranges(memberships, values))
        self._firsts = [first for first, _ in self.ranges]

    @classmethod
    def of_stay(cls, joined_pos: int) -> "Visibility":
        """Of somebody who is in the room since `joined_pos`, where nothing older will be asked for."""
        return cls([(joined_pos, "join")], [(0, JOINED)])

    @property
    def everything(self) -> bool:
        """May all of it be seen? The normal case: a member of a room whose history was always shared."""
        return self.ranges == ((0, END),)

    def stretch_to(self, pos: int) -> int:
        """Where the last stretch that may be seen at or before this position begins; END for none."""
        index = bisect_right(self._firsts, pos) - 1
        return self._firsts[index] if index >= 0 else END

    def shows_any(self, after: int, up_to: int) -> bool:
        """May anything in (after, up_to] be seen?"""
        return any(max(first, after + 1) <= min(last, up_to) for first, last in self.ranges)

    @property
    def state_pos(self) -> int | None:
        """Up to where the room's state may be read: END for its present state, where the person left it, or None."""
        if self.membership == "join" or self.value == WORLD_READABLE:
            return END
        return self._left_pos

    @property
    def may_read(self) -> bool:
        """Is there anything in the room's history for this person, now or from an earlier stay?"""
        return self.state_pos is not None or (self.membership == "invite" and self.value == INVITED)

    def may_see(self, event: Event) -> bool:
        return self.shows(event.pos)

    def shows(self, pos: int) -> bool:
        """May the event at this position be seen?"""
        index = bisect_right(self._firsts, pos) - 1
        return index >= 0 and pos <= self.ranges[index][1]

    # --- what was said by people who are erased ---

    def shown(self, event: Event) -> Event:
        """The event as the person may see it: without what a redaction takes, if that is hidden from them."""
        return emptied(_KEPT, event) if self.hides(event) else event

    def hides(self, event: Event) -> bool:
        """Is its content kept from the person, as its sender wanted to be erased before the person came? What somebody
        set for the room itself, its name say, is the room's and stays.
        """
        if self.shows_whole(event.sender, event.pos):
            return False
        return event.state_key is None or event.type == MEMBER or event.state_key == event.sender

    def shown_all(self, events: Sequence[Event]) -> Sequence[Event]:
        return [self.shown(event) for event in events] if self._erased else events

    def shows_whole(self, sender: str, pos: int) -> bool:
        """Was the person in the room with this event, at any time until its sender wanted to be erased?"""
        erased_pos = self._erased.get(sender)
        return erased_pos is None or self.membership_at(pos) == "join" or self._joined_within(pos, erased_pos)

    def _joined_within(self, after: int, up_to: int) -> bool:
        changes = zip(self._membership_positions, self._memberships, strict=True)
        return any(membership == "join" and after < pos <= up_to for pos, membership in changes)

    def was_told(self, pos: int) -> bool:
        """May the person know events from before this position, having been in the room, or having been sent out?"""
        before = self._memberships[: bisect_right(self._membership_positions, pos)]
        return not {"join", "leave", "ban"}.isdisjoint(before)

    def membership_at(self, pos: int) -> str:
        """The person's membership just after the event at this position."""
        index = bisect_right(self._membership_positions, pos) - 1
        return self._memberships[index] if index >= 0 else "leave"


def _left_pos(memberships: Changes) -> int | None:
    """Where the last stay ended; END while it goes on, None where there was none."""
    left: int | None = None
    for pos, membership in reversed(memberships):
        if membership == "join":
            return END if left is None else left
        left = pos
    return None


def _ranges(memberships: Changes, values: Changes) -> Iterable[tuple[int, int]]:
    """Visible stretches between changes, those that touch joined into one."""
    first: int | None = None
    last = -1
    for low, high, seen in _stretches(memberships, values):
        if seen and first is None:
            first = low
        elif not seen and first is not None:
            yield first, last
            first = None
        last = high
    if first is not None:
        yield first, last


def _stretches(memberships: Changes, values: Changes) -> Iterable[tuple[int, int, bool]]:
    """All positions as (first, last, may it be seen): each change by itself, and what lies between changes.

    A change of the visibility, or of the person's own membership, is seen if it would be just before or just after.
    """
    joins = [pos for pos, membership in memberships if membership == "join"]
    last_join = joins[-1] if joins else -1
    changes = sorted([(pos, 0, new) for pos, new in memberships] + [(pos, 1, new) for pos, new in values])
    holds = ["leave", SHARED]
    low = 0
    seen = _may_see(holds[0], holds[1], low < last_join)
    for pos, which, new in changes:
        if pos > low:
            yield low, pos - 1, seen
        seen_before = _may_see(holds[0], holds[1], pos < last_join)
        holds[which] = new
        yield pos, pos, seen_before or _may_see(holds[0], holds[1], pos < last_join)
        low = pos + 1
        seen = _may_see(holds[0], holds[1], low <= last_join)
    yield low, END, seen


def _may_see(membership: str, value: str, joined_later: bool) -> bool:
    """The protocol's rules for one event: what held when it was sent, and whether the person joined after it."""
    if value == WORLD_READABLE or membership == "join":
        return True
    if value == SHARED:
        return joined_later
    return value == INVITED and membership == "invite"
