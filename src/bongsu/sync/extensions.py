"""The extensions of a sliding sync: messages to the device, its keys, account data, receipts, typing."""

from collections.abc import Iterable, Mapping

import msgspec

from bongsu.core import filters, limits, timeline, tokens
from bongsu.core.filters import SyncFilter
from bongsu.core.json import JsonObject
from bongsu.core.sliding import ExtensionAsk, Extensions
from bongsu.store import personal
from bongsu.store.database import Database
from bongsu.store.rows import AccountData
from bongsu.sync.assemble import Span
from bongsu.sync.devices import DeviceNews
from bongsu.sync.pieces import Kind, Piece, Shown
from bongsu.sync.readers import Reader
from bongsu.sync.say import account_data_event
from bongsu.sync.service import Sync
from bongsu.sync.slices import DeviceSections

_RECEIPT = "m.receipt"
_TYPING = "m.typing"
_EVERYTHING = SyncFilter(filters.Filter())


class Scene(msgspec.Struct, frozen=True):
    """What an answer is made of. since: the connection's position, None for a new one; messages_since: up to where the
    device has its messages; known: the extensions that were enabled all along; pieces: what is told of rooms.
    """

    reader: Reader
    device_id: str
    asked: Extensions
    since: int | None
    messages_since: int
    known: list[str]
    up_to: int
    shown: Mapping[str, Shown]
    pieces: list[Piece]

    def inside(self, asked: ExtensionAsk) -> list[Piece]:
        """The pieces that an extension speaks of."""
        return [piece for piece in self.pieces if piece.part is not None and self._covers(asked, piece.room_id)]

    def told_before(self, asked: ExtensionAsk) -> list[str]:
        """The rooms that an extension speaks of and the client knows."""
        fresh = {piece.room_id for piece in self.pieces if piece.kind in (Kind.INITIAL, Kind.OUTSIDE)}
        return [room_id for room_id in self.shown if room_id not in fresh and self._covers(asked, room_id)]

    def _covers(self, asked: ExtensionAsk, room_id: str) -> bool:
        shown = self.shown.get(room_id)
        return shown is not None and asked.covers(shown.lists, room_id if shown.is_subscribed else None)


class Extended(msgspec.Struct):
    """said: as it stands in the answer. is_empty: it holds nothing new."""

    said: JsonObject = {}
    is_empty: bool = True

    def say(self, name: str, rooms: JsonObject) -> None:
        if rooms:
            self.said[name] = {"rooms": rooms}
            self.is_empty = False


def lasting(asked: Extensions) -> list[str]:
    """Those enabled of the extensions of which a client that enables them later gets all there is."""
    named = (("account_data", asked.account_data), ("receipts", asked.receipts))
    return [name for name, extension in named if extension.enabled]


class Extender:
    """Puts together what extensions say."""

    def __init__(self, database: Database, devices: DeviceNews, sync: Sync) -> None:
        self._database = database
        self._devices = devices
        self._sync = sync

    async def extend(self, scene: Scene) -> Extended:
        extended = Extended()
        asked = scene.asked
        if asked.to_device.enabled:
            await self._to_device(scene, extended)
        if asked.e2ee.enabled:
            await self._keys(scene, extended)
        if asked.account_data.enabled:
            await self._account_data(scene, extended)
        if asked.receipts.enabled:
            extended.say("receipts", await self._receipts(scene))
        if asked.typing.enabled:
            extended.say("typing", _typing(scene))
        return extended

    async def _to_device(self, scene: Scene, extended: Extended) -> None:
        asked = scene.asked.to_device
        told_pos = scene.messages_since
        sections = DeviceSections()
        count = min(asked.limit or limits.TO_DEVICE_SHOWN_MAX, limits.TO_DEVICE_SHOWN_MAX)
        await self._devices.messages(scene.reader, scene.device_id, told_pos, scene.up_to, sections, count)
        next_pos = max(told_pos, scene.up_to) if sections.told_pos is None else sections.told_pos
        extended.said["to_device"] = {"next_batch": tokens.format(next_pos), "events": sections.to_device}
        extended.is_empty &= not sections.to_device

    async def _keys(self, scene: Scene, extended: Extended) -> None:
        sections = self._devices.stock(scene.reader, scene.device_id, scene.since)
        said: JsonObject = {
            "device_one_time_keys_count": msgspec.Raw(sections.one_time),
            "device_unused_fallback_key_types": sections.unused_fallback,
        }
        if scene.since is not None:
            lists = await self._devices.lists(scene.reader, scene.since, scene.up_to)
            if lists.changed or lists.left:
                said["device_lists"] = {"changed": lists.changed, "left": lists.left}
        extended.said["e2ee"] = said
        extended.is_empty &= not sections.has_other_stock and "device_lists" not in said

    async def _account_data(self, scene: Scene, extended: Extended) -> None:
        asked = scene.asked.account_data
        since = scene.since if "account_data" in scene.known else None
        span = Span(since or 0, scene.up_to, _EVERYTHING)
        said = await self._sync.account_data(scene.reader, since, span)
        rooms = {piece.room_id: piece.part.account_data for piece in scene.inside(asked) if piece.part is not None}
        if since is None and (told := scene.told_before(asked)):
            user_id = scene.reader.user_id
            rows = await personal.account_data_since(self._database, user_id, 0, scene.up_to, told)
            rooms |= _by_room(rows)
        rooms_said = {room_id: [account_data_event(row) for row in rows] for room_id, rows in rooms.items() if rows}
        if said or rooms_said:
            extended.said["account_data"] = {"global": said, "rooms": rooms_said}
            extended.is_empty = False

    async def _receipts(self, scene: Scene) -> JsonObject:
        asked = scene.asked.receipts
        rooms = {piece.room_id: receipts_of(piece, scene.reader.user_id) for piece in scene.inside(asked)}
        if "receipts" not in scene.known and scene.since is not None and (told := scene.told_before(asked)):
            rows = await personal.receipts_since(self._database, scene.reader.user_id, told, 0, scene.up_to)
            for room_id in told:
                contents = timeline.receipts_contents(row for row in rows if row.room_id == room_id)
                rooms[room_id] = _merged(contents)
        return {room_id: {"type": _RECEIPT, "content": content} for room_id, content in rooms.items() if content}


def _by_room(rows: Iterable[AccountData]) -> dict[str, list[AccountData]]:
    rooms: dict[str, list[AccountData]] = {}
    for row in rows:
        rooms.setdefault(row.room_id, []).append(row)
    return rooms


def receipts_of(piece: Piece, user_id: str) -> JsonObject:
    """The content of a room's m.receipt. Of a room that is new to the client: the person's own, and those at events
    that are shown.
    """
    if piece.part is None:
        return {}
    content = _merged(said["content"] for said in piece.part.ephemeral if said["type"] == _RECEIPT)
    if piece.kind is not Kind.INITIAL:
        return content
    shown = {event.event_id for event in piece.part.timeline}
    return {event_id: kinds for event_id, kinds in content.items() if event_id in shown or _is_by(kinds, user_id)}


def has_read(piece: Piece, user_id: str) -> bool:
    return any(_is_by(kinds, user_id) for kinds in receipts_of(piece, user_id).values())


def _is_by(kinds: JsonObject, user_id: str) -> bool:
    return any(user_id in people for people in kinds.values())


def _merged(contents: Iterable[JsonObject]) -> JsonObject:
    """One content; where a person has several receipts at one event, that of the whole room comes before a thread's."""
    merged: JsonObject = {}
    for content in contents:
        for event_id, kinds in content.items():
            for kind, people in kinds.items():
                present = merged.setdefault(event_id, {}).setdefault(kind, {})
                for user_id, receipt in people.items():
                    if "thread_id" in present.get(user_id, {"thread_id": None}):
                        present[user_id] = receipt
    return merged


def _typing(scene: Scene) -> JsonObject:
    return {
        piece.room_id: said
        for piece in scene.inside(scene.asked.typing)
        if piece.part is not None
        for said in piece.part.ephemeral
        if said["type"] == _TYPING
    }
