"""Which events a sync shows as timeline and which as state (client-server API, "Syncing"). Pure; oldest first."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

from bongsu.core import events
from bongsu.core.events import Event, StateKey
from bongsu.core.json import JsonObject
from bongsu.core.relations import THREAD, relates_to

_STRIPPED: Final = (
    events.CREATE,
    events.JOIN_RULES,
    events.CANONICAL_ALIAS,
    events.AVATAR,
    events.ENCRYPTION,
    events.NAME,
    events.TOPIC,
)
HEROES_MAX: Final = 5  # the protocol's number


def newest(candidates: Sequence[Event], limit: int) -> tuple[list[Event], bool]:
    """The newest `limit` of the events, and whether there are more."""
    if limit <= 0:
        return [], bool(candidates)
    return list(candidates[-limit:]), len(candidates) > limit


def state_besides(changes: Iterable[Event], timeline: Iterable[Event]) -> list[Event]:
    """State changes that the timeline does not show: the newest of each key.

    A client that applies these, then the timeline, arrives at the state after the timeline.
    """
    shown = {event.pos for event in timeline}
    besides: dict[StateKey, Event] = {}
    for event in changes:
        if event.key is not None and event.pos not in shown:
            besides[event.key] = event
    return list(besides.values())


def state_of(changes: Iterable[Event]) -> list[Event]:
    """The newest of each key: what the state is after these changes (`state_after`)."""
    return state_besides(changes, ())


def thread_of(event: Event) -> str | None:
    """The root of the thread this event belongs to; None for the main timeline. Found out once, kept with the event."""
    if event._thread is msgspec.UNSET:
        event._thread = _thread_of(event)
    return event._thread


def _thread_of(event: Event) -> str | None:
    if b"m.thread" not in event.content_json:
        return None
    related = relates_to(event.content)
    return related.parent_id if related is not None and related.rel_type == THREAD else None


def stripped(event: Event) -> JsonObject:
    """Stripped state, as those see it who are not in the room."""
    return {
        "content": msgspec.Raw(event.content_json),
        "sender": event.sender,
        "state_key": event.state_key,
        "type": event.type,
    }


def stripped_state(get: Callable[[str, str], Event | None], members: Iterable[Event]) -> list[JsonObject]:
    """What an invited or knocking person is shown of a room: its face, and the members named."""
    shown = [event for kind in _STRIPPED if (event := get(kind, "")) is not None]
    return [stripped(event) for event in (*shown, *members)]


def needs_heroes(get: Callable[[str, str], Any]) -> bool:
    """A room without a name or alias is called after its people."""
    name, alias = get(events.NAME, ""), get(events.CANONICAL_ALIAS, "")
    return not (name and name.content.get("name")) and not (alias and alias.content.get("alias"))


def receipts_contents(receipts: Iterable[Any]) -> list[JsonObject]:
    """The contents of m.receipt events: event → kind → person → {ts, thread_id}.

    There is room for one receipt of a person at an event. Whoever has several there, in different threads, needs
    several events, of which clients take each as an addition to the ones before.
    """
    contents: list[JsonObject] = []
    for row in receipts:
        free = (each for each in contents if row.user_id not in each.get(row.event_id, {}).get(row.receipt_type, {}))
        content = next(free, None)
        if content is None:
            content = {}
            contents.append(content)
        thread = {"thread_id": row.thread_id} if row.thread_id else {}
        people = content.setdefault(row.event_id, {}).setdefault(row.receipt_type, {})
        people[row.user_id] = {"ts": row.ts_ms, **thread}
    return contents


def pushed_rules(ruleset: JsonObject) -> JsonObject:
    return {"type": "m.push_rules", "content": {"global": ruleset}}
