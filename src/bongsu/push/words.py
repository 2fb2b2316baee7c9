"""What is said in a push: the notification of the push gateway API, and the smaller one inside a Web Push."""

from collections.abc import Mapping
from typing import Final

import msgspec

from bongsu.core import events, limits
from bongsu.core.events import MEMBER, Event
from bongsu.core.json import JsonObject, encode
from bongsu.core.pushers import EVENT_ID_ONLY, Pusher
from bongsu.core.pushrules import Outcome
from bongsu.rooms.room import Room
from bongsu.store.pushing import State

CALL: Final = "m.call.invite"
_CALL_ENDS: Final = ("m.call.answer", "m.call.hangup", "m.call.reject", "m.call.select_answer")
_SPARED: Final = ("content", "room_alias", "room_name", "sender_display_name", "data")  # first what can be asked for
_ADDRESSES: Final = ("url", "endpoint", "auth", "format")  # of data: what is no business of who is told


class Counts(msgspec.Struct, frozen=True, omit_defaults=True):
    """unread is said even if it is 0: that is how a badge goes away."""

    unread: int
    missed_calls: int = 0


class News(msgspec.Struct, frozen=True):
    """An event that somebody is told of, and by which rule. is_target: it is about their own membership."""

    event: Event
    outcome: Outcome
    room: Room
    is_target: bool

    @property
    def prio(self) -> str:
        is_urgent = self.outcome.highlight or self.outcome.sound or self.event.type == events.ENCRYPTED
        return "high" if is_urgent else "low"


def for_gateway(state: State, news: News | None, counts: Counts) -> JsonObject:
    """news: None where the counts alone have changed."""
    pusher = state.pusher
    data = {name: value for name, value in pusher.data.items() if name != "url"}
    device: JsonObject = {"app_id": pusher.app_id, "pushkey": pusher.pushkey, "pushkey_ts": state.set_ms // 1000}
    device["data"] = data
    said: JsonObject = {"counts": counts, "devices": [device]}
    if news is None:
        return {"notification": said}
    said.update({"event_id": news.event.event_id, "room_id": news.event.room_id, "prio": news.prio})
    if pusher.data.get("format") != EVENT_ID_ONLY:
        device["tweaks"] = _tweaks(news.outcome)
        said.update(_about(news, pusher, msgspec.Raw(news.event.content_json)))
    return {"notification": said}


def for_browser(state: State, news: News | None, counts: Counts) -> JsonObject:
    """Of a text only its beginning; with event_id_only nothing of the content. It fits into a push in any case."""
    pusher = state.pusher
    said: JsonObject = {"app_id": pusher.app_id, "counts": counts}
    data = {name: value for name, value in pusher.data.items() if name not in _ADDRESSES}
    if data and len(msgspec.json.encode(data)) <= limits.PUSH_PREVIEW_CHARACTERS_MAX:
        said["data"] = data
    if news is None:
        return said
    preview = None if pusher.data.get("format") == EVENT_ID_ONLY else _preview(news.event)
    said.update({"event_id": news.event.event_id, "room_id": news.event.room_id, "prio": news.prio})
    return _fitting({**said, **_about(news, pusher, preview), "tweaks": _tweaks(news.outcome)})


def _fitting(said: JsonObject) -> JsonObject:
    """Senders choose texts and names: theirs must not keep a push from being taken, and all others behind it."""
    for name in _SPARED:
        if len(encode(said)) <= limits.PUSH_PREVIEW_BYTES_MAX:
            break
        said.pop(name, None)
    return said


def _about(news: News, pusher: Pusher, content: object) -> JsonObject:
    event, room = news.event, news.room
    said: JsonObject = {"type": event.type, "sender": event.sender}
    named = {
        "sender_display_name": _name_in(room, event.sender),
        "room_name": room_name(room, event.sender) if pusher.is_web_push else _stated(room, events.NAME, "name"),
        "room_alias": _stated(room, events.CANONICAL_ALIAS, "alias"),
        "content": content,
    }
    said.update({name: value for name, value in named.items() if value is not None})
    if event.type == MEMBER:
        said["membership"] = events.membership_of(event)
        said["user_is_target"] = news.is_target
    return said


def _tweaks(outcome: Outcome) -> JsonObject:
    tweaks: JsonObject = {}
    if outcome.sound is not None:
        tweaks["sound"] = outcome.sound
    if outcome.highlight:
        tweaks["highlight"] = True
    return tweaks


def _name_in(room: Room, user_id: str) -> str | None:
    member = room.members.get(user_id)
    name = None if member is None else member.content.get("displayname")
    return name[: limits.DISPLAY_NAME_BYTES_MAX] if isinstance(name, str) and name else None


def _stated(room: Room, event_type: str, key: str) -> str | None:
    event = room.state.get((event_type, ""))
    value = None if event is None else event.content.get(key)
    return value[: limits.ID_BYTES_MAX] if isinstance(value, str) and value else None


def room_name(room: Room, sender: str) -> str:
    """What the room is called; one without a name or alias after who speaks."""
    named = _stated(room, events.NAME, "name") or _stated(room, events.CANONICAL_ALIAS, "alias")
    return named or _name_in(room, sender) or sender


def _preview(event: Event) -> JsonObject | None:
    kept = {name: event.content.get(name) for name in ("msgtype", "body")}
    shown = {
        name: value[: limits.PUSH_PREVIEW_CHARACTERS_MAX] for name, value in kept.items() if isinstance(value, str)
    }
    return shown or None


def missed_calls(room: Room, reader: str, read_at: Mapping[str, int]) -> int:
    """Calls among the newest events of a room that nobody took, and that the person has not seen."""
    ended = {_call_id(event) for event in room.tail if event.type in _CALL_ENDS}
    seen = max(read_at.get("", 0), read_at.get("main", 0))
    return sum(
        event.type == CALL and event.sender != reader and event.pos > seen and _call_id(event) not in ended
        for event in room.tail
    )


def _call_id(event: Event) -> object:
    return str(event.content.get("call_id"))
