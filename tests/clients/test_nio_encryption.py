"""End-to-end encryption with matrix-nio: devices find each other's keys, and read what the server cannot."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import nio  # type: ignore[import-untyped]

from tests.clients.person import DEADLINE_SECONDS, LONG_POLL_MS, PASSWORD, People, ok

MEGOLM = {"algorithm": "m.megolm.v1.aes-sha2"}


class Device:
    """A device with keys. `read` holds the texts it could decrypt, by event id."""

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

    async def say(self, room_id: str, body: str) -> str:
        content = {"msgtype": "m.text", "body": body}
        sending = self.client.room_send(room_id, "m.room.message", content, ignore_unverified_devices=True)
        event_id: str = (await ok(sending, nio.RoomSendResponse)).event_id
        return event_id

    async def reads(self, event_id: str) -> str:
        for _ in range(10):
            if event_id in self.read:
                return self.read[event_id]
            await self.sync(LONG_POLL_MS)
        raise AssertionError(f"{self.client.device_id} could not read {event_id}")

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


async def test_an_encrypted_conversation(people: People, base_url: str, tmp_path: Path) -> None:
    room_id, (alice, bob) = await people.group("alice", "bob")
    await ok(alice.client.room_put_state(room_id, "m.room.encryption", MEGOLM), nio.RoomPutStateResponse)
    async with AsyncExitStack() as stack:

        async def enter(user_id: str, name: str) -> Device:
            return await stack.enter_async_context(device_of(base_url, user_id, tmp_path / name))

        hers, his = await enter(alice.user_id, "hers"), await enter(bob.user_id, "his")
        await hers.knows(bob.user_id, 1)
        assert await his.reads(await hers.say(room_id, "불이 올랐다 🔥")) == "불이 올랐다 🔥"
        await his.knows(alice.user_id, 1)
        event_id = await his.say(room_id, "seen")
        assert await hers.reads(event_id) == "seen"

        phone = await enter(bob.user_id, "phone")
        await hers.knows(bob.user_id, 2)
        event_id = await hers.say(room_id, "for both")
        assert [await his.reads(event_id), await phone.reads(event_id)] == ["for both"] * 2

        await ok(phone.client.logout(), nio.LogoutResponse)
        await hers.knows(bob.user_id, 1)
        event_id = await hers.say(room_id, "without the phone")
        assert await his.reads(event_id) == "without the phone"

    stored = await alice.sees(room_id, event_id)
    assert isinstance(stored, nio.MegolmEvent), "the server holds a text that it can read"


async def test_several_people_write_to_one_device(people: People, base_url: str, tmp_path: Path) -> None:
    """Each takes a one-time key of its own."""
    room_id, (alice, *guests) = await people.group("alice", "bob", "carol", "dave")
    await ok(alice.client.room_put_state(room_id, "m.room.encryption", MEGOLM), nio.RoomPutStateResponse)
    async with AsyncExitStack() as stack:
        hers = await stack.enter_async_context(device_of(base_url, alice.user_id, tmp_path / "hers"))
        for guest in guests:
            his = await stack.enter_async_context(device_of(base_url, guest.user_id, tmp_path / guest.name))
            await his.knows(alice.user_id, 1)
            assert await hers.reads(await his.say(room_id, f"from {guest.name}")) == f"from {guest.name}"
