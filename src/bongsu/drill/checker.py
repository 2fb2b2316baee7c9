"""Judges a recorded run: was anything that was acknowledged lost, doubled, moved or made up?

A run is what clients sent and what readers were shown, nothing else. A send counts as acknowledged when at least one
try of it was answered with an event id; a send that never was may have happened or not, but once at most. A whole
reading is one that claims to hold all of a room's history up to the end of the run.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final, Literal, NamedTuple

Kind = Literal[
    "lost", "doubled", "order", "wrong id", "foreign", "gap", "state", "two leaders", "photo missing", "photo altered"
]
_POSITION: Final = re.compile(r"s(\d+)(?:_\d+)?")  # a token: where it stands in the stream


class Send(NamedTuple):
    """One message, however often it was tried. started: seconds, on the run's clock; acknowledged: each id answered."""

    client: str
    room_id: str
    txn_id: str
    body: str
    started: float
    acknowledged: tuple[str, ...] = ()


class Seen(NamedTuple):
    """An event as a reader was shown it. body: None for one that is no message of the run."""

    event_id: str
    sender: str
    body: str | None


class Stretch(NamedTuple):
    """Events between two tokens, oldest first. The next stretch must begin where this one ends."""

    begins: str
    ends: str
    events: tuple[Seen, ...] = ()


class Reading(NamedTuple):
    """What one reader was shown of one room, oldest first. state: (type, state key) → event id, as it folded it."""

    reader: str
    room_id: str
    stretches: tuple[Stretch, ...]
    is_whole: bool = True
    state: Mapping[tuple[str, str], str] | None = None

    @property
    def events(self) -> list[Seen]:
        return [seen for stretch in self.stretches for seen in stretch.events]


class Photo(NamedTuple):
    """An upload that was acknowledged. uri: mxc://…"""

    uri: str
    sha256: str
    acknowledged: float


class Copy(NamedTuple):
    """What one site gives for a photo. sha256: of the bytes, None when it does not give it."""

    site: str
    uri: str
    sha256: str | None


class Violation(NamedTuple):
    kind: Kind
    what: str


def check(sends: Sequence[Send], readings: Sequence[Reading]) -> list[Violation]:
    """Every violation of the promise. Bodies must be unique in the run."""
    assert len({send.body for send in sends}) == len(sends), "two sends with one body cannot be told apart"
    found = list(_acknowledged_twice(sends))
    for reading in readings:
        found += _gaps(reading)
        found += _doubled(reading)
        found += _against_sends(reading, sends)
    by_room: defaultdict[str, list[Reading]] = defaultdict(list)
    for reading in readings:
        by_room[reading.room_id].append(reading)
    for room_readings in by_room.values():
        found += _differences(room_readings)
    return found


def check_photos(photos: Sequence[Photo], copies: Iterable[Copy], sites: Sequence[str]) -> Iterator[Violation]:
    """Every acknowledged photo must come from every site as it was."""
    given = {(copy.site, copy.uri): copy.sha256 for copy in copies}
    for photo in photos:
        for site in sites:
            digest = given.get((site, photo.uri))
            if digest is None:
                yield Violation("photo missing", f"{photo.uri}, acknowledged at {photo.acknowledged:.2f} s, at {site}")
            elif digest != photo.sha256:
                yield Violation("photo altered", f"{photo.uri} at {site}: its SHA-256 is {digest}, was {photo.sha256}")


def check_positions(readings: Iterable[Reading]) -> list[Violation]:
    """One event has one place in the stream, whoever read it when and where; two leaders would have given it two.

    No token leads back, either: what comes after it would be told twice.
    Tokens say between which positions each event stands. They must fit together over all readings of a room, and a
    stretch cannot hold more events than positions.
    """
    found: list[Violation] = []
    between: dict[str, tuple[float, float]] = {}
    for reading in readings:
        for stretch in reading.stretches:
            low, high = _position(stretch.begins, float("-inf")), _position(stretch.ends, float("inf"))
            if high < low:
                back = f"{_where(reading)}: the token {stretch.begins} was answered with {stretch.ends}, which is older"
                found.append(Violation("gap", back))
                continue
            if len(stretch.events) > high - low:
                found.append(
                    Violation("two leaders", f"{_where(reading)}: more events than positions in {stretch[:2]}")
                )
            for seen in stretch.events:
                lowest, highest = between.get(seen.event_id, (low, high))
                between[seen.event_id] = max(low, lowest), min(high, highest)
                if max(low, lowest) >= min(high, highest):
                    found.append(Violation("two leaders", f"{_where(reading)}: {seen.event_id} stands in two places"))
    return found


def _position(token: str, otherwise: float) -> float:
    match = _POSITION.fullmatch(token)
    return float(match[1]) if match else otherwise


def _acknowledged_twice(sends: Iterable[Send]) -> Iterator[Violation]:
    """One transaction id, two events: the retry was not recognised."""
    owners: dict[str, Send] = {}
    for send in sends:
        if len(set(send.acknowledged)) > 1:
            yield Violation("doubled", f"{_name(send)} was acknowledged as {', '.join(sorted(set(send.acknowledged)))}")
        for event_id in set(send.acknowledged):
            other = owners.setdefault(event_id, send)
            if other is not send:
                yield Violation("wrong id", f"{event_id} was the answer to {_name(other)} and to {_name(send)}")


def _gaps(reading: Reading) -> Iterator[Violation]:
    for before, after in pairwise(reading.stretches):
        if before.ends != after.begins:
            yield Violation("gap", f"{_where(reading)}: nothing between {before.ends!r} and {after.begins!r}")


def _doubled(reading: Reading) -> Iterator[Violation]:
    """An event shown twice, or one body in two events."""
    events = reading.events
    for event_id, count in Counter(seen.event_id for seen in events).items():
        if count > 1:
            yield Violation("doubled", f"{_where(reading)}: {event_id} was shown {count} times")
    ids: defaultdict[str, set[str]] = defaultdict(set)
    for seen in events:
        if seen.body is not None:
            ids[seen.body].add(seen.event_id)
    for body, found in ids.items():
        if len(found) > 1:
            yield Violation("doubled", f"{_where(reading)}: {body!r} is in {', '.join(sorted(found))}")


def _against_sends(reading: Reading, sends: Sequence[Send]) -> Iterator[Violation]:
    by_body = {send.body: send for send in sends if send.room_id == reading.room_id}
    shown = {seen.event_id for seen in reading.events}
    for seen in reading.events:
        if seen.body is None:
            continue
        send = by_body.get(seen.body)
        if send is None or send.client != seen.sender:
            yield Violation("foreign", f"{_where(reading)}: nobody sent {seen.event_id} ({seen.body!r})")
        elif send.acknowledged and seen.event_id not in send.acknowledged:
            yield Violation("wrong id", f"{_where(reading)}: {_name(send)} was {send.acknowledged[0]}, is {seen[0]}")
    if reading.is_whole:
        for send in by_body.values():
            if send.acknowledged and not shown.intersection(send.acknowledged):
                yield Violation("lost", f"{_where(reading)}: {_name(send)}, acknowledged as {send.acknowledged[0]}")


def _differences(readings: Sequence[Reading]) -> Iterator[Violation]:
    """Every reader of a room against the first: one order, and for whole readings the same events and state."""
    first = next((reading for reading in readings if reading.is_whole), readings[0])
    for other in readings:
        if other is first:
            continue
        yield from _order(first, other)
        if first.is_whole and other.is_whole:
            yield from _same_events(first, other)
            yield from _same_state(first, other)


def _order(first: Reading, other: Reading) -> Iterator[Violation]:
    places = {seen.event_id: place for place, seen in enumerate(first.events)}
    common = [seen.event_id for seen in other.events if seen.event_id in places]
    for earlier, later in pairwise(common):
        if places[earlier] > places[later]:
            yield Violation("order", f"{_where(other)} has {earlier} before {later}, {first.reader} after it")
            return


def _same_events(first: Reading, other: Reading) -> Iterator[Violation]:
    ours, theirs = ({seen.event_id for seen in reading.events} for reading in (first, other))
    for event_id in sorted(ours - theirs):
        yield Violation("lost", f"{_where(other)}: {event_id}, which {first.reader} saw")
    for event_id in sorted(theirs - ours):
        yield Violation("lost", f"{_where(first)}: {event_id}, which {other.reader} saw")


def _same_state(first: Reading, other: Reading) -> Iterator[Violation]:
    if first.state is None or other.state is None:
        return
    for key in sorted(first.state.keys() | other.state.keys()):
        ours, theirs = first.state.get(key), other.state.get(key)
        if ours != theirs:
            yield Violation("state", f"{_where(other)}: {key} is {theirs}, {first.reader} has {ours}")


def _name(send: Send) -> str:
    return f"{send.txn_id} of {send.client} at {send.started:.2f} s"


def _where(reading: Reading) -> str:
    return f"{reading.reader} in {reading.room_id}"
