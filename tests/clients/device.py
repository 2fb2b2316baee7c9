"""A device with keys, by matrix-nio."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import nio  # type: ignore[import-untyped]

from tests.clients.person import DEADLINE_SECONDS, LONG_POLL_MS, PASSWORD, ok

AWAY_SECONDS = 45.0  # a server that is started again, on a busy machine
MEGOLM = {"algorithm": "m.megolm.v1.aes-sha2"}


class Device:
    """A device with keys. `read` holds the texts it could decrypt, by event id, in the order in which they came."""

    def __init__(self, base_url: str, user_id: str, store: Path) -> None:
        store.mkdir()
        config = nio.AsyncClientConfig(encryption_enabled=True, request_timeout=DEADLINE_SECONDS, max_timeouts=0)
        self.client = nio.AsyncClient(base_url, user_id, store_path=str(store), config=config)
        self.read: dict[str, str] = {}

    async def sync(self, timeout_ms: int = 0) -> None:
        """One sync, and what it asks the client to do: upload, query and claim keys, send to devices."""
        answer = await ok(self.client.sync(timeout=timeout_ms), nio.SyncResponse)
        for info in answer.rooms.join.values():
            for event in info.timeline.events:
                assert event.event_id not in self.read, "an event was told twice"
                if isinstance(event, nio.RoomMessageText):
                    self.read[event.event_id] = event.body
        if self.client.should_upload_keys:
            await ok(self.client.keys_upload(), nio.KeysUploadResponse)
        if self.client.should_query_keys:
            await ok(self.client.keys_query(), nio.KeysQueryResponse)
        if self.client.should_claim_keys:
            await ok(self.client.keys_claim(self.client.get_users_for_key_claiming()), nio.KeysClaimResponse)
        for sent in await self.client.send_to_device_messages():
            assert isinstance(sent, nio.ToDeviceResponse), sent

    async def say(self, room_id: str, body: str, txn_id: str | None = None) -> str:
        content = {"msgtype": "m.text", "body": body}
        sending = self.client.room_send(room_id, "m.room.message", content, txn_id, ignore_unverified_devices=True)
        event_id: str = (await ok(sending, nio.RoomSendResponse)).event_id
        return event_id

    async def deliver(self, room_id: str, body: str) -> str:
        """As say(), but while the server is away it is tried again, as the same message."""
        txn_id = str(uuid.uuid4())
        async with asyncio.timeout(AWAY_SECONDS):
            while True:
                with suppress(aiohttp.ClientError):
                    return await self.say(room_id, body, txn_id)
                await asyncio.sleep(0.2)

    async def reads(self, event_id: str) -> str:
        for _ in range(10):
            if event_id in self.read:
                return self.read[event_id]
            await self.sync(LONG_POLL_MS)
        raise AssertionError(f"{self.client.device_id} could not read {event_id}")

    async def until(self, what: str, is_so: Callable[[], Any]) -> None:
        for _ in range(10):
            if is_so():
                return
            await self.sync(LONG_POLL_MS)
        raise AssertionError(f"{self.client.device_id} did not see {what}")

    def other(self, user_id: str) -> Any:
        """The one device of somebody, as nio knows it."""
        [device] = self.client.device_store.active_user_devices(user_id)
        return device

    async def knows(self, user_id: str, count: int) -> None:
        """Syncs until it knows this many devices of a person."""
        for _ in range(10):
            known = list(self.client.device_store.active_user_devices(user_id))
            if len(known) == count:
                return
            await self.sync(LONG_POLL_MS)
        raise AssertionError(f"{known} instead of {count} devices")


@asynccontextmanager
async def device_of(base_url: str, user_id: str, store: Path) -> AsyncIterator[Device]:
    """A new device of the person, signed in and with its keys uploaded."""
    device = Device(base_url, user_id, store)
    try:
        await ok(device.client.login(PASSWORD), nio.LoginResponse)
        await device.sync()
        yield device
    finally:
        await device.client.close()
