"""End-to-end encryption with matrix-nio: devices find each other's keys, and read what the server cannot."""

from contextlib import AsyncExitStack
from pathlib import Path

import nio  # type: ignore[import-untyped]
from nio.crypto.sas import SasState  # type: ignore[import-untyped]

from tests.clients.device import MEGOLM, Device, device_of
from tests.clients.person import People, ok


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


async def test_two_devices_verify_each_other(people: People, base_url: str, tmp_path: Path) -> None:
    """By messages from device to device, in which both come to the same emoji."""
    room_id, (alice, bob) = await people.group("alice", "bob")
    await ok(alice.client.room_put_state(room_id, "m.room.encryption", MEGOLM), nio.RoomPutStateResponse)
    async with AsyncExitStack() as stack:
        hers = await stack.enter_async_context(device_of(base_url, alice.user_id, tmp_path / "hers"))
        his = await stack.enter_async_context(device_of(base_url, bob.user_id, tmp_path / "his"))
        await hers.knows(bob.user_id, 1)
        await his.knows(alice.user_id, 1)

        await ok(hers.client.start_key_verification(hers.other(bob.user_id)), nio.ToDeviceResponse)
        await his.until("the start", lambda: his.client.key_verifications)
        [transaction_id] = his.client.key_verifications
        await ok(his.client.accept_key_verification(transaction_id), nio.ToDeviceResponse)
        sides = [device.client.key_verifications[transaction_id] for device in (hers, his)]
        await hers.until("the acceptance", lambda: sides[0].state is SasState.accepted)
        await his.until("her key", lambda: sides[1].state is SasState.key_received)
        await hers.until("his key", lambda: sides[0].state is SasState.key_received)
        assert sides[0].get_emoji() == sides[1].get_emoji()

        for device in (hers, his):
            await ok(device.client.confirm_short_auth_string(transaction_id), nio.ToDeviceResponse)
        await hers.until("his word", lambda: sides[0].verified)
        await his.until("her word", lambda: sides[1].verified)
        assert hers.client.olm.is_device_verified(hers.other(bob.user_id))
        assert his.client.olm.is_device_verified(his.other(alice.user_id))
