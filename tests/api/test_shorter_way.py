"""The shorter way of long polls (http/lane.py): it tells what the ordinary one tells, and leaves nothing behind."""

import asyncio

import aiohttp
from tests.api.talking import V3, Json

PARKED = "bongsu_parked_syncs "
SECONDS_MAX = 20.0


async def _parked(http: aiohttp.ClientSession) -> float:
    async with http.get("/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return float(next(line for line in lines if line.startswith(PARKED)).removeprefix(PARKED))


async def _news(http: aiohttp.ClientSession, since: str, headers: dict[str, str]) -> Json:
    """What a device is told next of its rooms; others' presence may come before."""
    said: Json = {"next_batch": since}
    while "rooms" not in said:
        async with http.get(f"{V3}/sync?since={said['next_batch']}&timeout=15000", headers=headers) as answer:
            said = await answer.json()
    return said


async def test_a_token_that_is_none_is_refused_and_its_place_given_back(base_url: str) -> None:
    """One connection, so that the second request is recognised by its bytes."""
    connector = aiohttp.TCPConnector(limit=1)
    async with aiohttp.ClientSession(base_url, connector=connector) as http, asyncio.timeout(SECONDS_MAX):
        body = {"username": "shorter-way", "password": "long enough 1", "auth": {"type": "m.login.dummy"}}
        async with http.post(f"{V3}/register", json=body) as answer:
            headers = {"Authorization": f"Bearer {(await answer.json())['access_token']}"}
        before = await _parked(http)
        async with http.get(f"{V3}/sync?timeout=1", headers=headers) as answer:
            since = (await answer.json())["next_batch"]
        for token, status in ((since, 200), ("s0x", 400), (since, 200), ("s9_10", 400), (since, 200)):
            async with http.get(f"{V3}/sync?timeout=50&since={token}", headers=headers) as answer:
                assert answer.status == status, await answer.text()
        assert await _parked(http) == before


async def test_a_device_that_waits_there_is_told_its_own_message_with_its_transaction_id(base_url: str) -> None:
    """Its client recognises by that what it has sent itself. The second poll on one connection is the shorter way."""
    connector = aiohttp.TCPConnector(limit=1)
    async with (
        aiohttp.ClientSession(base_url, connector=connector) as waiting,
        aiohttp.ClientSession(base_url) as sending,
        asyncio.timeout(SECONDS_MAX),
    ):
        body = {"username": "shorter-echo", "password": "long enough 1", "auth": {"type": "m.login.dummy"}}
        async with sending.post(f"{V3}/register", json=body) as answer:
            headers = {"Authorization": f"Bearer {(await answer.json())['access_token']}"}
        async with sending.post(f"{V3}/createRoom", json={}, headers=headers) as answer:
            room_id = (await answer.json())["room_id"]
        async with waiting.get(f"{V3}/sync?timeout=0", headers=headers) as answer:
            since = (await answer.json())["next_batch"]
        for number in range(3):
            poll = asyncio.ensure_future(_news(waiting, since, headers))
            path = f"{V3}/rooms/{room_id}/send/m.room.message/echo{number}"
            async with sending.put(path, json={"msgtype": "m.text", "body": "x"}, headers=headers) as answer:
                event_id = (await answer.json())["event_id"]
            said = await poll
            since = said["next_batch"]
            (event,) = said["rooms"]["join"][room_id]["timeline"]["events"]
            assert (event["event_id"], event["unsigned"]["transaction_id"]) == (event_id, f"echo{number}")
