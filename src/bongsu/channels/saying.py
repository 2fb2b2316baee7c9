"""Saying something to one customer, and what became of it."""

from enum import StrEnum

import msgspec

from bongsu.channels.desk_texts import named
from bongsu.core import limits
from bongsu.core.events import MESSAGE, Event
from bongsu.core.json import JsonObject
from bongsu.rooms.batch import Transaction
from bongsu.store import channel_messages, outbox
from bongsu.store.channel_messages import By, Said
from bongsu.store.channels import Channel
from bongsu.store.database import Connection
from bongsu.store.outbox import Post
from bongsu.store.rooms import Reads


class Fate(StrEnum):
    QUEUED = "queued"
    DELIVERED = "delivered"
    READ = "read"
    REFUSED = "refused"


class Outcome(msgspec.Struct, frozen=True):
    """Times in ms, where they are known."""

    fate: Fate
    event_id: str | None = None
    delivered_ts: int | None = None
    read_ts: int | None = None


async def say(connection: Connection, channel: Channel, said: Said, content: JsonObject) -> str:
    """In the caller's transaction. The result is the message's id. What people wait for comes before templates."""
    priority = outbox.ANNOUNCED if said.kind is By.TEMPLATE else outbox.URGENT
    words = named(content, channel.channel_id, said.kind, said.message_id)
    post = Post(sender=channel.account, user_id=said.user_id, content=words, priority=priority)
    await channel_messages.say(connection, said, post)
    return said.message_id


async def fate_of(reads: Reads, channel: Channel, said: Said) -> Outcome:
    """It is asked first whether it is still owed: what is posted between two looks is not taken for refused."""
    if await channel_messages.is_owed(reads, said.outbox_id):
        return Outcome(Fate.QUEUED)
    event = await _event_of(reads, channel, said)
    if event is None:
        return Outcome(Fate.REFUSED)
    read_pos, read_ts = await channel_messages.read_up_to(reads, channel.account, event.room_id, said.user_id)
    if read_pos >= event.pos:
        return Outcome(Fate.READ, event.event_id, event.ts_ms, read_ts)
    return Outcome(Fate.DELIVERED, event.event_id, event.ts_ms)


async def _event_of(reads: Reads, channel: Channel, said: Said) -> Event | None:
    rooms = await channel_messages.rooms_of_both(reads, channel.account, said.user_id, limits.DESK_ROOMS_LOOKED_MAX)
    transaction = Transaction(channel.account, "", f"{outbox.TXN}{said.outbox_id}")
    found = await channel_messages.by_txn_key(reads, [transaction.key(room_id, MESSAGE) for room_id in rooms])
    return next(iter(found.values()), None)
