"""Devices that follow a history by sliding sync, with windows that change from one request to the next.

Their answers are put into the form of /sync, so that the same model folds and compares them.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tests.order.histories import History, Phone
from tests.order.model import MEMBER, Json, Model, Room, Told, position
from tests.order.workers import Device, Person

PATH = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync"
WINDOWS = ((0,), (1,), (99,), (0, 1, 99), (1, 0), (0, 99))  # the last places looked at, one request after the other
EVERYTHING = [["*", "*"]]
LAZY = [["*", ""], ["org.bongsu.test", "*"], [MEMBER, "$LAZY"], [MEMBER, "$ME"]]
EXTENSIONS = {"account_data": {"enabled": True}, "receipts": {"enabled": True}, "typing": {"enabled": True}}


class SlidingModel(Model):
    """pos: the token."""

    pos: str | None = None

    def fold(self, answer: Json) -> None:
        for room_id in answer["initial"]:
            self.rooms.pop(room_id, None)  # what is known of it is replaced
        super().fold(answer)
        self.pos = answer["pos"]

    def _happened(self, room: Room, said: Json, since: str | None, was_inside: bool) -> None:
        """A room may have been out of view when the last answer came, so that one says nothing about it."""
        super()._happened(room, said, None, was_inside)


@dataclass
class SlidingDevice(Device):
    """limit: of timelines."""

    limit: int = 20
    windows: Iterator[int] = field(default_factory=lambda: itertools.repeat(99))

    async def answer(self, at: int, since: str | None, timeout_ms: int = 0, **_: object) -> Json:
        assert isinstance(self.model, SlidingModel)
        body = {
            "lists": {
                "all": {
                    "ranges": [[0, next(self.windows)]],
                    "timeline_limit": self.limit,
                    "required_state": LAZY if self.model.told.is_lazy else EVERYTHING,
                }
            },
            "extensions": EXTENSIONS,
        }
        query: Json = {"pos": self.model.pos, "timeout": timeout_ms, "set_presence": "offline"}
        status, answer = await self.workers.ask(at, "POST", PATH, body, token=self.token, **query)
        assert status == 200, answer
        return _as_sync(answer, self.model.told.user_id)


def _as_sync(answer: Json, user_id: str) -> Json:
    rooms: Json = {"join": {}, "leave": {}, "invite": {}, "knock": {}}
    extensions = answer["extensions"]
    for room_id, said in answer["rooms"].items():
        kind, part = _room(said, user_id)
        rooms[kind][room_id] = part
    for name in ("receipts", "typing"):
        for room_id, event in extensions.get(name, {}).get("rooms", {}).items():
            _inside(rooms, room_id)["ephemeral"]["events"].append(event)
    account_data = extensions.get("account_data", {"global": [], "rooms": {}})
    for room_id, events in account_data["rooms"].items():
        _inside(rooms, room_id)["account_data"] = {"events": events}
    return {
        "next_batch": answer["pos"].partition("~")[0],
        "pos": answer["pos"],
        "initial": [room_id for room_id, said in answer["rooms"].items() if said.get("initial")],
        "rooms": rooms,
        "account_data": {"events": account_data["global"]},
    }


def _inside(rooms: Json, room_id: str) -> Json:
    """The part of a joined room; an empty one if nothing was said of the room itself."""
    nothing = {"timeline": {"events": [], "limited": False, "prev_batch": "s0"}, "state_after": {"events": []}}
    part: Json = rooms["join"].setdefault(room_id, nothing)
    part.setdefault("ephemeral", {"events": []})
    return part


def _room(said: Json, user_id: str) -> tuple[str, Json]:
    """(the section of /sync it belongs to, its form there)."""
    stripped = said.get("invite_state")
    if stripped is not None:
        own = next(e for e in reversed(stripped) if e["type"] == MEMBER and e["state_key"] == user_id)
        kind = own["content"]["membership"]
        return kind, {f"{kind}_state": {"events": stripped}}
    timeline = {"events": said["timeline"], "limited": said["limited"], "prev_batch": said["prev_batch"]}
    part: Json = {"timeline": timeline, "state_after": {"events": said["required_state"]}}
    if "joined_count" not in said:
        return "leave", part
    part["summary"] = {
        "m.joined_member_count": said["joined_count"],
        "m.invited_member_count": said["invited_count"],
    }
    if "heroes" in said:
        part["summary"]["m.heroes"] = [hero["user_id"] for hero in said["heroes"]]
    part["unread_notifications"] = {
        "notification_count": said["notification_count"],
        "highlight_count": said["highlight_count"],
    }
    return "join", part


class SlidingHistory(History):
    """Everybody follows by sliding sync. At the end all look at all rooms."""

    async def begin(self, phones: Sequence[Phone]) -> None:
        await super().begin([])
        for phone in phones:
            windows = WINDOWS[phone.limit % len(WINDOWS)]
            device = await _device(self.people[phone.who], phone.lazy, phone.limit)
            device.windows = itertools.cycle(windows)
            self.devices.append(device)
            await device.sync()

    async def end(self) -> None:
        now = await self.now()
        for number, device in enumerate(self.devices):
            assert isinstance(device, SlidingDevice)
            device.windows = itertools.repeat(99)
            await device.catch_up(now, number)
            await device.sync(number)  # it may have looked at less when it had caught up
        await super().end()

    async def _arrived(self, told: Told, at: int, now: int) -> Model:
        person = next(person for person in self.people if person.user_id == told.user_id)
        limit = next(d.limit for d in self.devices if isinstance(d, SlidingDevice) and d.model.told is told)
        device = await _device(person, told.is_lazy, limit, at)
        while device.model.next_batch is None or position(device.model.next_batch) < now:
            device.model = SlidingModel(told)
            await device.sync(at)
        await device.close_gaps(at)
        _forget_receipts(self.devices, told, device.model)
        return device.model


def _forget_receipts(devices: Sequence[Device], told: Told, arrived: Model) -> None:
    """A room's first answer tells receipts at events that it shows alone: those at others are not compared."""
    followed = next(device.model for device in devices if device.model.told is told)
    for room_id in followed.rooms.keys() & arrived.rooms.keys():
        known = arrived.rooms[room_id].receipts.items()
        followed.rooms[room_id].receipts = {
            key: event_id for key, event_id in followed.rooms[room_id].receipts.items() if (key, event_id) in known
        }


async def _device(person: Person, is_lazy: bool, limit: int, at: int = 0) -> SlidingDevice:
    lazy = {"room": {"state": {"lazy_load_members": True}}} if is_lazy else {}
    session = await person.device(at)
    model = SlidingModel(Told(person.user_id, lazy, state_after=True))
    return SlidingDevice(person.workers, session.token, model, limit=limit)
