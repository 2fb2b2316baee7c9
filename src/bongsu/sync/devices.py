"""What a sync tells of devices: messages to this one, its stock of keys, and whose devices have changed.

A reader in memory knows where each of these last changed, so a sync with no such news asks no table.
"""

import msgspec

from bongsu.core import limits
from bongsu.core.json import JsonObject, encode
from bongsu.core.keys import SIGNED_CURVE25519
from bongsu.store import device_lists, to_device
from bongsu.store.database import Database
from bongsu.store.device_lists import Meeting
from bongsu.store.rows import KeyStock, ToDevice
from bongsu.sync.readers import Reader
from bongsu.sync.slices import DeviceSections

_NO_KEYS = KeyStock(0, "", "", encode({SIGNED_CURVE25519: 0}), [])


def stock_of(reader: Reader, device_id: str) -> bytes:
    """A device's stock of keys, as two members of a sync's JSON."""
    stock = reader.key_stocks.get(device_id)
    return _NO_KEYS_SAID if stock is None else _stock_said(stock)


def _stock_said(stock: KeyStock) -> bytes:
    return b'"device_one_time_keys_count":%b,"device_unused_fallback_key_types":%b' % (
        stock.one_time,
        encode(stock.unused_fallback),
    )


_NO_KEYS_SAID = _stock_said(_NO_KEYS)


class Lists(msgspec.Struct, frozen=True):
    """changed: whose keys are to be asked for anew; left: whom nobody need follow any more."""

    changed: list[str]
    left: list[str]


class DeviceNews:
    """since() for syncs, lists() for whoever asks for the lists alone."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def since(
        self, reader: Reader, device_id: str, since: int | None, told_pos: int, up_to: int
    ) -> DeviceSections:
        """told_pos: up to where the device has its messages. since None: a first sync."""
        sections = self.stock(reader, device_id, since)
        await self.messages(reader, device_id, told_pos, up_to, sections)
        if since is not None:
            lists = await self.lists(reader, since, up_to)
            sections.changed, sections.left = lists.changed, lists.left
        return sections

    @staticmethod
    def stock(reader: Reader, device_id: str, since: int | None) -> DeviceSections:
        """The device's keys alone."""
        stock = reader.key_stocks.get(device_id, _NO_KEYS)
        sections = DeviceSections(one_time=stock.one_time, unused_fallback=stock.unused_fallback)
        sections.has_other_stock = since is None or stock.pos > since
        return sections

    async def messages(
        self,
        reader: Reader,
        device_id: str,
        told_pos: int,
        up_to: int,
        sections: DeviceSections,
        count: int = limits.TO_DEVICE_SHOWN_MAX,
    ) -> None:
        """Adds the messages to the device in (told_pos, up_to], the oldest `count` of them."""
        waiting = reader.messages.get(device_id)
        if waiting is None or waiting.last <= told_pos:
            return
        rows = await to_device.messages(self._database, reader.user_id, device_id, told_pos, up_to, count + 1)
        if len(rows) > count:
            rows = rows[:count]
            sections.told_pos = rows[-1].pos
        sections.to_device = [_said(row) for row in rows]

    # --- device lists ---

    async def lists(self, reader: Reader, since: int, up_to: int) -> Lists:
        """What the person must hear of in (since, up_to]; perhaps a little more, never less."""
        changed = await self._changed(reader, since, up_to)
        meetings = await self._meetings(reader, since)
        if not changed and not meetings:
            return _NOTHING
        met, parted = await self._met(reader, since, meetings)
        return Lists(sorted((changed | met) - parted), sorted(parted))

    async def _changed(self, reader: Reader, since: int, up_to: int) -> set[str]:
        if since < reader.device_lists_after:
            return await device_lists.changed(self._database, reader.user_id, since, up_to)
        rows = reader.device_lists
        if not rows or rows[-1].pos <= since:
            return set()
        return {row.user_id for row in rows if since < row.pos <= up_to}

    async def _meetings(self, reader: Reader, since: int) -> list[Meeting]:
        if since < reader.met_after:
            return await device_lists.meetings(self._database, reader.user_id, since)
        if not reader.meetings or reader.meetings[-1].pos <= since:
            return []
        return [meeting for meeting in reader.meetings if meeting.pos > since]

    async def _met(self, reader: Reader, since: int, meetings: list[Meeting]) -> tuple[set[str], set[str]]:
        """With whom a room is newly shared, and with whom none is any more."""
        own = [meeting for meeting in meetings if meeting.user_id == reader.user_id]
        others = [meeting for meeting in meetings if meeting.user_id != reader.user_id]
        entered = [m.room_id for m in own if reader.is_joined(m.room_id) and reader.came_in(m.room_id) > since]
        left = [m.room_id for m in own if m.left and not reader.is_joined(m.room_id) and reader.came_in(m.room_id)]
        joined = [(meeting.room_id, meeting.user_id) for meeting in others if not meeting.left]
        gone = [(meeting.room_id, meeting.user_id) for meeting in others if meeting.left]
        met: set[str] = set()
        parted: set[str] = set()
        if entered or joined:
            met = await device_lists.met(self._database, reader.user_id, since, entered, joined)
        if left or gone:
            parted = await device_lists.parted(self._database, reader.user_id, since, left, gone)
        return met, parted


_NOTHING = Lists([], [])


def _said(row: ToDevice) -> JsonObject:
    return {"type": row.type, "sender": row.sender, "content": msgspec.Raw(row.content)}
