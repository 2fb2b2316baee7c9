"""What a client asks of a sliding sync (MSC4186), parsed and checked. Pure."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Final

import msgspec

from bongsu.core import limits
from bongsu.core.errors import invalid_param
from bongsu.core.events import CREATE, ENCRYPTED, MEMBER, MESSAGE, Event

Count = Annotated[int, msgspec.Meta(ge=0)]
Pairs = tuple[tuple[str, str], ...]  # (event type, state key), each perhaps "*"
LAZY: Final = "$LAZY"
ME: Final = "$ME"
ANY: Final = "*"
BUMPING: Final = frozenset(
    {
        *(CREATE, MESSAGE, ENCRYPTED, "m.sticker", "m.call.invite", "m.poll.start", "org.matrix.msc3381.poll.start"),
        *("m.beacon_info", "org.matrix.msc3672.beacon_info"),
    }
)  # what brings a room to the top; the index events_bumping has the same


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """Which rooms stand in a list. None: it does not matter."""

    is_dm: bool | None = None
    spaces: tuple[str, ...] | None = None
    is_encrypted: bool | None = None
    is_invite: bool | None = None
    room_types: tuple[str | None, ...] | None = None
    not_room_types: tuple[str | None, ...] | None = None
    room_name_like: str | None = None
    tags: tuple[str, ...] | None = None
    not_tags: tuple[str, ...] | None = None

    @property
    def admits_all(self) -> bool:
        """An empty list of what is left out leaves out nothing."""
        left_out = (self.not_room_types or None, self.not_tags or None)
        asked = (self.is_dm, self.spaces, self.is_encrypted, self.is_invite, self.room_types, self.room_name_like)
        return all(each is None for each in (*left_out, *asked, self.tags))


class RoomAsk(msgspec.Struct, frozen=True, kw_only=True):
    """What a client wants of a room it names."""

    required_state: Pairs = ()
    timeline_limit: Count = 0


class ListAsk(RoomAsk, frozen=True, kw_only=True):
    """A list of rooms, newest first, and the parts of it that the client looks at (first and last place)."""

    ranges: tuple[tuple[Count, Count], ...] = ()
    range: tuple[Count, Count] | None = None
    filters: Filters | None = None

    @property
    def windows(self) -> tuple[tuple[int, int], ...]:
        return self.ranges if self.range is None else (*self.ranges, self.range)


class ExtensionAsk(msgspec.Struct, frozen=True, kw_only=True):
    """lists, rooms: of which lists and subscriptions; None: all."""

    enabled: bool | None = None
    lists: tuple[str, ...] | None = None
    rooms: tuple[str, ...] | None = None

    def covers(self, lists: Iterable[str], room_id: str | None) -> bool:
        """Is a room meant that stands in these lists, and (room_id) is subscribed to?"""
        by_list = self.lists is None or ANY in self.lists or not set(self.lists).isdisjoint(lists)
        by_name = room_id is not None and (self.rooms is None or ANY in self.rooms or room_id in self.rooms)
        return by_name or (by_list and any(True for _ in lists))


class ToDeviceAsk(msgspec.Struct, frozen=True, kw_only=True):
    enabled: bool | None = None
    since: str | None = None
    limit: Count | None = None


class Extensions(msgspec.Struct, frozen=True, kw_only=True):
    to_device: ToDeviceAsk = ToDeviceAsk()
    e2ee: ExtensionAsk = ExtensionAsk()
    account_data: ExtensionAsk = ExtensionAsk()
    receipts: ExtensionAsk = ExtensionAsk()
    typing: ExtensionAsk = ExtensionAsk()


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """A whole request."""

    conn_id: str = ""
    txn_id: str | None = None
    lists: dict[str, ListAsk] = {}
    room_subscriptions: dict[str, RoomAsk] = {}
    extensions: Extensions = Extensions()


def check(body: Body) -> None:
    """M_INVALID_PARAM for what is more than a client can need, or cannot be."""
    if len(body.conn_id.encode()) > limits.SLIDING_CONN_ID_BYTES_MAX or "\x00" in body.conn_id:
        raise invalid_param(f"conn_id may have {limits.SLIDING_CONN_ID_BYTES_MAX} bytes, and no NUL")
    if len(body.lists) > limits.SLIDING_LISTS_MAX:
        raise invalid_param(f"one request may have {limits.SLIDING_LISTS_MAX} lists")
    if len(body.room_subscriptions) > limits.SLIDING_SUBSCRIPTIONS_MAX:
        raise invalid_param(f"one request may subscribe to {limits.SLIDING_SUBSCRIPTIONS_MAX} rooms")
    for asked in (*body.lists.values(), *body.room_subscriptions.values()):
        if len(asked.required_state) > limits.SLIDING_REQUIRED_STATE_MAX:
            raise invalid_param(f"required_state may name {limits.SLIDING_REQUIRED_STATE_MAX} kinds of state")
        _check_names(part for pair in asked.required_state for part in pair)
    for asked in body.lists.values():
        _check_list(asked)


def _check_list(asked: ListAsk) -> None:
    if len(asked.windows) > limits.SLIDING_RANGES_MAX:
        raise invalid_param(f"a list may have {limits.SLIDING_RANGES_MAX} ranges")
    if any(last < first for first, last in asked.windows):
        raise invalid_param("a range must not end before it begins")
    filters = asked.filters or Filters()
    named = (filters.spaces, filters.room_types, filters.not_room_types, filters.tags, filters.not_tags)
    if any(len(names or ()) > limits.SLIDING_FILTER_NAMES_MAX for names in named):
        raise invalid_param(f"a filter may name {limits.SLIDING_FILTER_NAMES_MAX} of a kind")
    _check_names(name for names in (*named, (filters.room_name_like,)) for name in names or () if name is not None)


def _check_names(names: Iterable[str]) -> None:
    for name in names:
        if "\x00" in name or len(name.encode()) > limits.SLIDING_NAME_BYTES_MAX:
            raise invalid_param(f"a name may have {limits.SLIDING_NAME_BYTES_MAX} bytes, and no NUL")


class Required(msgspec.Struct, frozen=True):
    """Which state of a room a connection is told; it only ever grows, so that nothing told becomes out of date."""

    pairs: frozenset[tuple[str, str]] = frozenset()

    @classmethod
    def asked(cls, pairs: Iterable[tuple[str, str]], user_id: str) -> "Required":
        return cls(frozenset((kind, user_id if key == ME else key) for kind, key in pairs))

    def and_also(self, other: "Required") -> "Required":
        return Required(self.pairs | other.pairs)

    def covers(self, other: "Required") -> bool:
        return other.pairs <= self.pairs

    @property
    def is_lazy(self) -> bool:
        """Are those who speak to be introduced?"""
        return (MEMBER, LAZY) in self.pairs

    @property
    def has_all_members(self) -> bool:
        return not self.pairs.isdisjoint({(MEMBER, ANY), (ANY, ANY)})

    def people(self) -> list[str]:
        """Members that are wanted by name."""
        return [key for kind, key in self.pairs if kind in (MEMBER, ANY) and key.startswith("@")]

    def matches(self, event: Event) -> bool:
        """Is this state event wanted? With lazy members, every member that was found worth telling is."""
        kind, key = event.type, event.state_key or ""
        if kind == MEMBER and self.is_lazy:
            return True
        return not self.pairs.isdisjoint({(kind, key), (kind, ANY), (ANY, key), (ANY, ANY)})


def direct_rooms(content: Mapping[str, object]) -> frozenset[str]:
    """The rooms that m.direct names."""
    named = (room for rooms in content.values() if isinstance(rooms, list) for room in rooms)
    return frozenset(room for room in named if isinstance(room, str))
