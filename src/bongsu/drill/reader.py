"""Readers: devices that follow their rooms with one chain of tokens, and fill what a limited sync left out."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol
from urllib.parse import quote

from bongsu.core import limits
from bongsu.drill.checker import Reading, Seen, Stretch
from bongsu.drill.client import MESSAGE, Client
from bongsu.drill.record import Kind

TOPIC: Final = "m.room.topic"
TOLD: Final = {MESSAGE: "body", TOPIC: "topic"}  # where an event of the run says which one it is
LONG_POLL_MS: Final = 2_000
State = dict[tuple[str, str], str]
Ask = Callable[[str, Mapping[str, str]], Awaitable[Any]]  # (room id, query) → a page of /messages, in the end


class Shown(Protocol):
    """Where a reader puts what it was shown."""

    def add(self, room_id: str, stretch: Stretch) -> None: ...

    def stretches(self, room_id: str) -> tuple[Stretch, ...]: ...


class Remembered:
    """In memory: for short runs."""

    def __init__(self) -> None:
        self._stretches: defaultdict[str, list[Stretch]] = defaultdict(list)

    def add(self, room_id: str, stretch: Stretch) -> None:
        """Silence after silence is one silence."""
        before = self._stretches[room_id]
        if before and not stretch.events and not before[-1].events and before[-1].ends == stretch.begins:
            before[-1] = before[-1]._replace(ends=stretch.ends)
        else:
            before.append(stretch)

    def stretches(self, room_id: str) -> tuple[Stretch, ...]:
        return tuple(self._stretches[room_id])


class Fold:
    """The increments of one device, put together: all that it was told of its rooms. `ask` fills gaps."""

    def __init__(self, name: str, rooms: Sequence[str], ask: Ask, shown: Shown, page: int) -> None:
        self.name = name
        self.rooms = rooms
        self.token = ""
        self.awaited: set[str] = set()
        self._ask, self._shown, self._page = ask, shown, page
        self._state: defaultdict[str, State] = defaultdict(dict)

    def reading(self, room_id: str) -> Reading:
        return Reading(self.name, room_id, self._shown.stretches(room_id), True, self._state[room_id])

    @property
    def readings(self) -> list[Reading]:
        return [self.reading(room_id) for room_id in self.rooms]

    async def take(self, answer: Mapping[str, Any]) -> None:
        """One answer to a sync from `token`: all of it is kept, or nothing."""
        joined = answer.get("rooms", {}).get("join", {})
        rooms = [(room_id, joined.get(room_id, {})) for room_id in self.rooms]
        if self.token:
            parts = [await self._part(*room, self.token, answer["next_batch"]) for room in rooms]
            for room, stretches in zip(rooms, parts, strict=True):
                self._keep(*room, stretches)
        else:  # a first one may bring whole histories: one room's at a time
            for room in rooms:
                self._keep(*room, await self._part(*room, "", answer["next_batch"]))
        self.token = answer["next_batch"]

    async def _part(self, room_id: str, room: Mapping[str, Any], since: str, until: str) -> list[Stretch]:
        timeline = room.get("timeline", {})
        newest = seen_of(timeline.get("events", []))
        if not timeline.get("limited"):
            return [Stretch(since, until, newest)]
        begins = timeline["prev_batch"]
        return [*await pages_back(self._ask, room_id, begins, since, self._page), Stretch(begins, until, newest)]

    def _keep(self, room_id: str, room: Mapping[str, Any], stretches: Iterable[Stretch]) -> None:
        for stretch in stretches:
            self._shown.add(room_id, stretch)
            if self.awaited:
                self.awaited.difference_update(seen.body for seen in stretch.events if seen.body)
        for event in [*room.get("state", {}).get("events", []), *room.get("timeline", {}).get("events", [])]:
            if "state_key" in event:
                self._state[room_id][event["type"], event["state_key"]] = event["event_id"]


class Reader:
    """A light reader.

    timeline: events of a room it takes in one sync; with few, syncs are limited and leave gaps. rest_seconds: between
    two syncs, so that many messages come in one.
    """

    def __init__(
        self,
        name: str,
        client: Client,
        rooms: Sequence[str],
        shown: Shown,
        *,
        timeline: int = limits.DRILL_TIMELINE_EVENTS,
        page: int = limits.PAGE_EVENTS_MAX,
        rest_seconds: float = 0.0,
    ) -> None:
        self.client = client
        self._rest = rest_seconds
        self.fold = Fold(name, rooms, self.ask, shown, page)
        self.is_ending = False
        self._filter = json.dumps({"room": {"timeline": {"limit": timeline}}, "presence": {"not_types": ["*"]}})

    async def ask(self, room_id: str, query: Mapping[str, str]) -> Any:
        path = f"/rooms/{quote(room_id)}/messages"
        return await self.client.call("GET", path, query=query, kind=Kind.OTHER, wait_seconds=limits.DRILL_PAGE_SECONDS)

    async def follow(self) -> None:
        """Syncs until told that the run ends, and then until all that is awaited was seen."""
        while not self.is_ending or self.fold.awaited:
            await self.sync(LONG_POLL_MS)
            await asyncio.sleep(self._rest)

    async def sync(self, timeout_ms: int = 0) -> None:
        """One sync from the newest token."""
        query = {"timeout": str(timeout_ms), "filter": self._filter}
        if self.fold.token:
            query["since"] = self.fold.token
        wait = timeout_ms / 1000 if self.fold.token else limits.DRILL_PAGE_SECONDS
        await self.fold.take(await self.client.call("GET", "/sync", query=query, wait_seconds=wait, kind=Kind.SYNC))


async def pages_back(ask: Ask, room_id: str, from_: str, to: str, page: int) -> list[Stretch]:
    """History between two tokens, read from the newer to the older; to "": from the room's begin."""
    found: list[Stretch] = []
    while True:
        query = {"dir": "b", "from": from_, "limit": str(page)} | ({"to": to} if to else {})
        answer = await ask(room_id, query)
        found.append(Stretch(answer.get("end", to), answer["start"], seen_of(reversed(answer["chunk"]))))
        if "end" not in answer:
            return found[::-1]
        from_ = answer["end"]


async def pages_forth(ask: Ask, room_id: str, page: int, shown: Shown) -> None:
    """The whole history, read from its begin."""
    query = {"dir": "f", "limit": str(page)}
    while True:
        answer = await ask(room_id, query)
        shown.add(room_id, Stretch(answer["start"], answer.get("end", "the end"), seen_of(answer["chunk"])))
        if "end" not in answer:
            return
        query["from"] = answer["end"]


def seen_of(events: Iterable[Mapping[str, Any]]) -> tuple[Seen, ...]:
    return tuple(Seen(event["event_id"], event["sender"], _body(event)) for event in events)


def _body(event: Mapping[str, Any]) -> str | None:
    body = event["content"].get(TOLD.get(event["type"], ""))
    return body if isinstance(body, str) else None
