"""Filters: what a client wants to see of a sync, or of a page of history (client-server API, "Filtering").

A filter is parsed once into typed, frozen values (Filter, RoomEventFilter) and compiled once (SyncFilter,
EventMatcher). A matcher that restricts nothing says so in `everything`, so that hot paths need not ask it.
An absent list means no restriction; an empty one excludes all.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal, TypeVar

import msgspec

from bongsu.core import limits
from bongsu.core.errors import bad_json, invalid_param, too_large
from bongsu.core.json import JsonObject, decode, encode
from bongsu.core.pushrules import property_path

Names = tuple[str, ...] | None


class EventFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which events of one section. `types` and `not_types` may hold "*" for any characters."""

    limit: int | None = None
    types: Names = None
    not_types: Names = None
    senders: Names = None
    not_senders: Names = None

    def limit_or(self, default: int) -> int:
        """How many events at most: the default, or what was asked for, within 1 (so 0 is 1) and PAGE_EVENTS_MAX."""
        return default if self.limit is None else min(max(self.limit, 1), limits.PAGE_EVENTS_MAX)


class RoomEventFilter(EventFilter, frozen=True, kw_only=True):
    """Which events of rooms; also the `filter` of /messages, /context and /search.

    related_by_rel_types, related_by_senders: only events that others relate to in these ways. That cannot be seen
    from the event itself, so no matcher decides it: it is for the query that looks the events up.
    """

    rooms: Names = None
    not_rooms: Names = None
    contains_url: bool | None = None
    lazy_load_members: bool = False
    include_redundant_members: bool = False
    unread_thread_notifications: bool = False
    related_by_rel_types: Names = None
    related_by_senders: Names = None


class RoomFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which rooms, and which of their events by section. `rooms` and `not_rooms` come before those of the sections."""

    rooms: Names = None
    not_rooms: Names = None
    include_leave: bool = False
    timeline: RoomEventFilter = RoomEventFilter()
    state: RoomEventFilter = RoomEventFilter()
    ephemeral: RoomEventFilter = RoomEventFilter()
    account_data: RoomEventFilter = RoomEventFilter()


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """A whole sync filter."""

    room: RoomFilter = RoomFilter()
    presence: EventFilter = EventFilter()
    account_data: EventFilter = EventFilter()
    event_fields: Names = None
    event_format: Literal["client", "federation"] = "client"


_Shape = TypeVar("_Shape", Filter, RoomEventFilter)


def parse(body: JsonObject) -> Filter:
    """A sync filter; M_BAD_JSON for wrong shapes, M_INVALID_PARAM for wrong values, M_TOO_LARGE beyond the limit."""
    parsed = _parsed(body, Filter)
    room = parsed.room
    _check_names(room.rooms, room.not_rooms)
    _check_ids("rooms", "!", room.rooms, room.not_rooms)
    for section in (room.timeline, room.state, room.ephemeral, room.account_data):
        _check_room_section(section)
    _check_section(parsed.presence)
    _check_section(parsed.account_data)
    return parsed


def parse_room_events(body: JsonObject) -> RoomEventFilter:
    """The `filter` of /messages, /context and /search; errors as those of parse()."""
    parsed = _parsed(body, RoomEventFilter)
    _check_room_section(parsed)
    return parsed


def _parsed(body: JsonObject, shape: type[_Shape]) -> _Shape:
    if len(encode(body)) > limits.FILTER_BYTES_MAX:
        raise too_large(f"a filter may have at most {limits.FILTER_BYTES_MAX} bytes")
    try:
        return msgspec.convert(body, shape)
    except msgspec.ValidationError as error:
        raise bad_json(f"the filter is malformed: {error}") from None


def _check_section(section: EventFilter) -> None:
    _check_names(section.types, section.not_types, section.senders, section.not_senders)
    patterns = [name for name in (*(section.types or ()), *(section.not_types or ())) if "*" in name]
    if len(patterns) > limits.FILTER_PATTERNS_MAX:
        raise invalid_param(f"one part of a filter may hold {limits.FILTER_PATTERNS_MAX} types with *")
    _check_ids("senders", "@", section.senders, section.not_senders)
    if section.limit is not None and section.limit < 0:
        raise invalid_param("the limit of a filter must not be negative")


def _check_room_section(section: RoomEventFilter) -> None:
    _check_section(section)
    _check_names(section.rooms, section.not_rooms, section.related_by_rel_types, section.related_by_senders)
    _check_ids("rooms", "!", section.rooms, section.not_rooms)
    _check_ids("senders", "@", section.related_by_senders)


def _check_names(*lists: Names) -> None:
    """Names go into queries as they are, and no database text holds a NUL."""
    if any("\x00" in name for names in lists for name in names or ()):
        raise invalid_param("no name in a filter may hold a NUL")


def _check_ids(name: str, sigil: str, *lists: Names) -> None:
    for identifiers in lists:
        for identifier in identifiers or ():
            if not identifier.startswith(sigil):
                raise invalid_param(f"every id in {name} and not_{name} begins with {sigil}")


# --- matching ---


class _Names:
    """Include and exclude lists of exact names, exclusion first."""

    __slots__ = ("_excluded", "_included", "everything")

    def __init__(self, included: Names, excluded: Names) -> None:
        self._included = None if included is None else frozenset(included)
        self._excluded = frozenset(excluded or ())
        self.everything = included is None and not self._excluded

    def admits(self, name: str) -> bool:
        return name not in self._excluded and (self._included is None or name in self._included)


def _fits(pieces: Sequence[str], name: str) -> bool:
    """Does a name fit a pattern, cut at its stars? Each piece is taken at its first place: a star frees the rest."""
    first, *middle, last = pieces
    if len(name) < len(first) + len(last) or not name.startswith(first) or not name.endswith(last):
        return False
    place, end = len(first), len(name) - len(last)
    for piece in middle:
        found = name.find(piece, place, end)
        if found < 0:
            return False
        place = found + len(piece)
    return True


class _TypeList:
    """Event types, some with wildcards."""

    __slots__ = ("_exact", "_patterns")

    def __init__(self, types: tuple[str, ...]) -> None:
        self._exact = frozenset(name for name in types if "*" not in name)
        self._patterns = [name.split("*") for name in types if "*" in name]

    def holds(self, event_type: str) -> bool:
        return event_type in self._exact or any(_fits(pieces, event_type) for pieces in self._patterns)


class _Types:
    """Include and exclude lists of event types. Answers are remembered, for the lists can be long."""

    __slots__ = ("_answers", "_excluded", "_included", "everything")

    def __init__(self, included: Names, excluded: Names) -> None:
        self._included = None if included is None else _TypeList(included)
        self._excluded = _TypeList(excluded or ())
        self._answers: dict[str, bool] = {}
        self.everything = included is None and not excluded

    def admits(self, event_type: str) -> bool:
        answer = self._answers.get(event_type)
        if answer is None:
            if len(self._answers) >= limits.FILTER_TYPES_CACHED_MAX:
                self._answers.clear()
            answer = not self._excluded.holds(event_type)
            answer = answer and (self._included is None or self._included.holds(event_type))
            self._answers[event_type] = answer
        return answer


class EventMatcher:
    """A compiled section of a filter.

    everything: it lets all events through; nothing: it lets none through. Neither needs to be asked about events.
    """

    __slots__ = ("_contains_url", "_rooms", "_senders", "_types", "everything", "nothing")

    def __init__(self, section: EventFilter) -> None:
        rooms = section if isinstance(section, RoomEventFilter) else _NO_ROOMS
        self._types = _Types(section.types, section.not_types)
        self._senders = _Names(section.senders, section.not_senders)
        self._rooms = _Names(rooms.rooms, rooms.not_rooms)
        self._contains_url = rooms.contains_url
        parts = (self._types, self._senders, self._rooms)
        self.everything = all(part.everything for part in parts) and self._contains_url is None
        self.nothing = () in (section.types, section.senders, rooms.rooms)

    def matches(self, event_type: str, sender: str, room_id: str, content: Mapping[str, Any]) -> bool:
        """sender: "" for what has none (typing); room_id: "" outside rooms."""
        if self.everything:
            return True
        if not self._types.admits(event_type) or not self._senders.admits(sender) or not self._rooms.admits(room_id):
            return False
        return self._contains_url is None or ("url" in content) == self._contains_url


_NO_ROOMS: Final = RoomEventFilter()


class SyncFilter:
    """A sync filter, compiled. Lazy loading is asked for in the state section, thread counts in the timeline's."""

    def __init__(self, wanted: Filter) -> None:
        room = wanted.room
        self.wanted = wanted
        self.timeline = EventMatcher(room.timeline)
        self.state = EventMatcher(room.state)
        self.ephemeral = EventMatcher(room.ephemeral)
        self.room_account_data = EventMatcher(room.account_data)
        self.presence = EventMatcher(wanted.presence)
        self.account_data = EventMatcher(wanted.account_data)
        self.include_leave = room.include_leave
        self.timeline_limit = room.timeline.limit_or(limits.TIMELINE_EVENTS_DEFAULT)
        self.lazy_load_members = room.state.lazy_load_members
        self.include_redundant_members = room.state.include_redundant_members
        self.unread_thread_notifications = room.timeline.unread_thread_notifications
        self.fields = wanted_fields(wanted.event_fields)
        self.is_raw = wanted.event_format == "federation"
        self.is_ordinary = self.fields is None and not self.is_raw  # events are wanted as everybody wants them
        self._rooms = _Names(room.rooms, room.not_rooms)

    def includes_room(self, room_id: str) -> bool:
        return self._rooms.everything or self._rooms.admits(room_id)


# --- event fields ---


class WantedFields:
    """The only fields of client events that are to be sent, as a tree of names; a name without branches is whole."""

    __slots__ = ("_tree",)

    def __init__(self, fields: Iterable[str]) -> None:
        self._tree: JsonObject = {}
        for field in fields:
            _grow(self._tree, property_path(field))

    def prune(self, event: JsonObject) -> JsonObject:
        return _pruned(event, self._tree)

    def prune_encoded(self, event: bytes) -> bytes:
        return encode(_pruned(decode(event), self._tree))


def wanted_fields(fields: Names) -> WantedFields | None:
    """None when nothing is to be pruned: no list, or an empty one (servers may send more than was asked for)."""
    return WantedFields(fields) if fields else None


def _grow(tree: JsonObject, field: tuple[str, ...]) -> None:
    for name in field[:-1]:
        branch = tree.setdefault(name, {})
        if branch is None:
            return  # wanted whole already
        tree = branch
    tree[field[-1]] = None


def _pruned(value: JsonObject, tree: JsonObject) -> JsonObject:
    """Costs what the event has, however many fields are wanted."""
    kept: JsonObject = {}
    for name, inner in value.items():
        if name not in tree:
            continue
        branches = tree[name]
        if branches is None:
            kept[name] = inner
        elif isinstance(inner, dict):
            kept[name] = _pruned(inner, branches)
    return kept
