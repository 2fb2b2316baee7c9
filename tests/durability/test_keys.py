"""Keys of end-to-end encryption, while two workers on one folder are killed in turn.

No one-time key is given to two people, whatever was lost on its way; and no room key that was stored is missing.
"""

import asyncio
from typing import Any

import pytest

from tests.api.keys import CURVE, device_keys, one_time_keys
from tests.api.talking import V3, Json, Talker, segment, sign_up
from tests.durability.doors import PAUSE_SECONDS, Doors, doors

pytestmark = pytest.mark.xdist_group("heavy")  # not beside others that load the whole machine

KILLS = 2
CLAIMERS = 3
KEYS_AT_ONCE = 10
SECONDS_MAX = 180.0  # on a machine that is busy with more than this
ROOM = "!room:test.example"
BACKUP = {"algorithm": "m.megolm_backup.v1.curve25519-aes-sha2", "auth_data": {"public_key": "x"}}
KEY = {"first_message_index": 0, "forwarded_count": 0, "is_verified": True, "session_data": {"ciphertext": "x"}}


class Keys:
    """Bob's one-time keys, claimed by others, who back up a room key for each. claimed, stored: names, as they came."""

    def __init__(self, doors: Doors, bob: Talker) -> None:
        self.claimed: list[str] = []
        self.stored: list[tuple[Talker, str]] = []
        self._doors = doors
        self._bob = bob
        self._uploaded = 0
        self._versions: dict[Talker, str] = {}

    async def upload(self, **more: Any) -> None:
        """Some more, as a device does that has few left."""
        names = [f"K{self._uploaded + number}" for number in range(KEYS_AT_ONCE)]
        self._uploaded += KEYS_AT_ONCE
        body = {"one_time_keys": one_time_keys(self._bob, *names), **more}
        await self._doors.ask(self._bob, lambda talker: talker.ask("POST", f"{V3}/keys/upload", body))

    async def keep_claiming(self, talker: Talker, until: asyncio.Event) -> None:
        made = await self._post(talker, "room_keys/version", BACKUP)
        self._versions[talker] = made["version"]
        wanted = {"one_time_keys": {self._bob.user_id: {self._bob.device_id: CURVE}}}
        while not until.is_set():
            found = (await self._post(talker, "keys/claim", wanted))["one_time_keys"]
            for name in found.get(self._bob.user_id, {}).get(self._bob.device_id, {}):
                self.claimed.append(name)
                await self._store(talker, name)
            if len(self.claimed) + KEYS_AT_ONCE > self._uploaded or not found:
                await self.upload()
            await asyncio.sleep(PAUSE_SECONDS)

    async def _store(self, talker: Talker, name: str) -> None:
        path = f"{V3}/room_keys/keys/{segment(ROOM)}/{segment(name)}?version={self._versions[talker]}"
        await self._doors.ask(talker, lambda talker: talker.ask("PUT", path, KEY))
        self.stored.append((talker, name))

    async def backed_up(self, talker: Talker) -> Json:
        path = f"{V3}/room_keys/keys/{segment(ROOM)}?version={self._versions[talker]}"
        found: Json = (await self._doors.ask(talker, lambda talker: talker.ask("GET", path)))["sessions"]
        return found

    async def _post(self, talker: Talker, path: str, body: Json) -> Any:
        return await self._doors.ask(talker, lambda talker: talker.ask("POST", f"{V3}/{path}", body))


async def test_keys_over_kills() -> None:
    async with doors(2) as two, asyncio.timeout(SECONDS_MAX):
        bob, *others = [await sign_up(two.sessions[0], name) for name in ("bob", *["alice"] * CLAIMERS)]
        keys = Keys(two, bob)
        await keys.upload(device_keys=device_keys(bob))
        is_over = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for talker in others:
                group.create_task(keys.keep_claiming(talker, is_over))
            for number in range(KILLS):
                await two.kill_one(number, keys.stored)
            is_over.set()

        assert len(set(keys.claimed)) == len(keys.claimed), "a key was given twice"
        for talker in others:
            wanted = {name for one, name in keys.stored if one is talker}
            assert set(await keys.backed_up(talker)) == wanted
