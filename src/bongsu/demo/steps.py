"""What may happen in a told room. Each step becomes one of the operations that clients' requests become.

`who` is a person's localpart. `when` is "2d 21:40" (two days ago at that time in Seoul) or "35m" (minutes ago).
`name` lets later steps of the same room speak of this one.
"""

import re
from html import escape
from typing import Final, Protocol

import msgspec

from bongsu.core.events import MESSAGE, REACTION
from bongsu.core.json import JsonObject
from bongsu.rooms.membership import Invite as InviteOperation
from bongsu.rooms.membership import Join as JoinOperation
from bongsu.rooms.membership import Knock as KnockOperation

_DAY_MS: Final = 86_400_000
_SEOUL_MS: Final = 9 * 3_600_000
_WHEN: Final = re.compile(r"(?:(\d+)d (\d\d):(\d\d)|(\d+)m)")


def ago_ms(when: str, now_ms: int) -> int:
    """The time a step's `when` means, in milliseconds since the epoch. Never after `now_ms`."""
    match = _WHEN.fullmatch(when)
    if match is None:
        raise ValueError(f"{when!r} is no time of the demo")
    if match[4]:
        return now_ms - int(match[4]) * 60_000
    return min(now_ms, seoul_ms(-int(match[1]), int(match[2]), now_ms) + int(match[3]) * 60_000)


def seoul_ms(days: int, hour: int, now_ms: int) -> int:
    """So many days from today, at this hour in Seoul. Milliseconds since the epoch."""
    midnight = (now_ms + _SEOUL_MS) // _DAY_MS * _DAY_MS - _SEOUL_MS
    return midnight + days * _DAY_MS + hour * 3_600_000


class File(msgspec.Struct, frozen=True):
    """An uploaded file. size in bytes; width and height in pixels, for pictures."""

    uri: str
    content_type: str
    size: int
    width: int | None = None
    height: int | None = None

    @property
    def info(self) -> JsonObject:
        pixels = {} if self.width is None else {"w": self.width, "h": self.height}
        return {"mimetype": self.content_type, "size": self.size, **pixels}


class Tale(Protocol):
    """One room while it is told."""

    room_id: str

    def user(self, localpart: str) -> str: ...

    def display_name(self, localpart: str) -> str: ...

    def event(self, name: str) -> str:
        """The id of an earlier step's event."""
        ...

    def file(self, name: str) -> File: ...

    async def do(self, operation: object) -> None: ...

    async def send(self, who: str, event_type: str, content: JsonObject, name: str = "") -> None: ...

    async def state(self, who: str, event_type: str, content: JsonObject) -> None: ...

    async def redact(self, who: str, name: str) -> None: ...


class Step(Protocol):
    @property
    def when(self) -> str: ...

    async def tell(self, tale: Tale) -> None: ...


class Join(msgspec.Struct, frozen=True):
    """Comes in, invited by `by` if the room is for the invited."""

    who: str
    when: str
    by: str = ""

    async def tell(self, tale: Tale) -> None:
        user = tale.user(self.who)
        if self.by:
            await tale.do(InviteOperation(room_id=tale.room_id, sender=tale.user(self.by), target=user))
        await tale.do(JoinOperation(room_id=tale.room_id, sender=user, target=user))


class Invite(msgspec.Struct, frozen=True):
    """Is asked to come in, and has not answered."""

    who: str
    when: str
    by: str

    async def tell(self, tale: Tale) -> None:
        await tale.do(InviteOperation(room_id=tale.room_id, sender=tale.user(self.by), target=tale.user(self.who)))


class Knock(msgspec.Struct, frozen=True):
    """Asks to be let in."""

    who: str
    when: str
    reason: str

    async def tell(self, tale: Tale) -> None:
        user = tale.user(self.who)
        await tale.do(KnockOperation(room_id=tale.room_id, sender=user, target=user, reason=self.reason))


class Say(msgspec.Struct, frozen=True):
    """A text. reply: to a step's message; thread: in the thread of one; to: who is mentioned; html: its rich form."""

    who: str
    when: str
    text: str
    name: str = ""
    reply: str = ""
    thread: str = ""
    to: str = ""
    html: str = ""
    is_notice: bool = False

    async def tell(self, tale: Tale) -> None:
        content: JsonObject = {"msgtype": "m.notice" if self.is_notice else "m.text", "body": self.text}
        html = self._mention(tale) if self.to else self.html
        if html:
            content.update({"format": "org.matrix.custom.html", "formatted_body": html})
        content["m.mentions"] = {"user_ids": [tale.user(self.to)]} if self.to else {}
        content.update(_relation(tale, self.reply, self.thread))
        await tale.send(self.who, MESSAGE, content, self.name)

    def _mention(self, tale: Tale) -> str:
        shown = escape(tale.display_name(self.to))
        pill = f'<a href="https://matrix.to/#/{tale.user(self.to)}">{shown}</a>'
        return escape(self.text, quote=False).replace(shown, pill, 1)


def _relation(tale: Tale, reply: str, thread: str) -> JsonObject:
    if thread:
        root = tale.event(thread)
        target = {"m.in_reply_to": {"event_id": tale.event(reply) if reply else root}, "is_falling_back": not reply}
        return {"m.relates_to": {"rel_type": "m.thread", "event_id": root, **target}}
    return {"m.relates_to": {"m.in_reply_to": {"event_id": tale.event(reply)}}} if reply else {}


class Show(msgspec.Struct, frozen=True):
    """A picture or another file, by its name among the story's files."""

    who: str
    when: str
    file: str
    caption: str = ""
    name: str = ""

    async def tell(self, tale: Tale) -> None:
        file = tale.file(self.file)
        kind = "m.image" if file.content_type.startswith("image/") else "m.file"
        content: JsonObject = {"msgtype": kind, "body": self.caption or self.file, "filename": self.file}
        await tale.send(self.who, MESSAGE, {**content, "url": file.uri, "info": file.info}, self.name)


class Place(msgspec.Struct, frozen=True):
    """A place on the map; geo is a geo: URI."""

    who: str
    when: str
    text: str
    geo: str

    async def tell(self, tale: Tale) -> None:
        await tale.send(self.who, MESSAGE, {"msgtype": "m.location", "body": self.text, "geo_uri": self.geo})


class React(msgspec.Struct, frozen=True):
    """Reactions of several people to one message."""

    who: tuple[str, ...]
    when: str
    to: str
    key: str

    async def tell(self, tale: Tale) -> None:
        for who in self.who:
            target = {"rel_type": "m.annotation", "event_id": tale.event(self.to), "key": self.key}
            await tale.send(who, REACTION, {"m.relates_to": target})


class Edit(msgspec.Struct, frozen=True):
    """Says it better."""

    who: str
    when: str
    of: str
    text: str

    async def tell(self, tale: Tale) -> None:
        better = {"msgtype": "m.text", "body": self.text, "m.mentions": {}}
        relation = {"rel_type": "m.replace", "event_id": tale.event(self.of)}
        content = {**better, "body": f"* {self.text}", "m.new_content": better, "m.relates_to": relation}
        await tale.send(self.who, MESSAGE, content)


class TakeBack(msgspec.Struct, frozen=True):
    """Deletes a message."""

    who: str
    when: str
    of: str

    async def tell(self, tale: Tale) -> None:
        await tale.redact(self.who, self.of)


class Pin(msgspec.Struct, frozen=True):
    """Keeps messages in view for everybody."""

    who: str
    when: str
    what: tuple[str, ...]

    async def tell(self, tale: Tale) -> None:
        await tale.state(self.who, "m.room.pinned_events", {"pinned": [tale.event(name) for name in self.what]})


class Read(msgspec.Struct, frozen=True):
    """How far somebody has read: up to a named message, or to the room's end."""

    who: str
    up_to: str = ""


class RoomPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A room and what happens in it. between: who the creator talks with alone; favourite_of: who keeps it on top."""

    creator: str
    when: str
    name: str | None = None
    topic: str | None = None
    alias: str | None = None
    avatar: str | None = None
    join_rule: str = "invite"
    is_published: bool = False
    between: str = ""
    favourite_of: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    reads: tuple[Read, ...] = ()
