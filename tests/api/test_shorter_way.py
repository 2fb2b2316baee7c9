"""The shorter way of long polls and messages (http/lane.py): it does what the ordinary one does, and leaves nothing."""

import asyncio
import json

import aiohttp
from tests.api.talking import V3, Json, Talker, segment
from yarl import URL

from bongsu.http.lane import Memory

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


class _Line:
    """One connection that sends messages with heads alike, as bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._memory = Memory()

    @classmethod
    async def open(cls, base_url: str) -> "_Line":
        url = URL(base_url)
        return cls(*await asyncio.open_connection(url.host, url.port))

    async def send(self, room_id: str, txn_id: str, body: bytes, token: str) -> tuple[int, Json]:
        fields = {"host": "x", "authorization": f"Bearer {token}", "content-length": str(len(body))}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        path = f"{V3}/rooms/{segment(room_id)}/send/m.room.message/{txn_id}"
        data = f"PUT {path} HTTP/1.1\r\n{head}\r\n".encode() + body
        self.is_alike = self._memory.sent(data) is not None
        self._memory.keep(data, [(name.encode(), value.encode()) for name, value in fields.items()])
        self._writer.write(data)
        said = (await self._reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
        length = next(line for line in said if line.startswith(b"content-length: "))
        answer = await self._reader.readexactly(int(length.removeprefix(b"content-length: ")))
        assert b"access-control-allow-origin: *" in said
        return int(said[0].split()[1]), json.loads(answer)

    def close(self) -> None:
        self._writer.close()


TEXT = b'{"msgtype":"m.text","body":"x"}'


async def test_a_message_there_is_sent_once_and_refused_as_elsewhere(base_url: str, alice: Talker, bob: Talker) -> None:
    """Each request goes both ways: as the first on a connection, which is parsed, and as one that is recognised."""
    room_id = await alice.make_room()
    cases = [
        (room_id, TEXT, alice.access_token, 200, None),
        (room_id, TEXT, bob.access_token, 403, "M_FORBIDDEN"),
        ("!elsewhere:x", TEXT, alice.access_token, 403, "M_FORBIDDEN"),
        ("no room", TEXT, alice.access_token, 403, "M_FORBIDDEN"),
        (room_id, b'{"body":', alice.access_token, 400, "M_NOT_JSON"),
        (room_id, b"[]", alice.access_token, 400, "M_BAD_JSON"),
        (room_id, b'{"n":1.5}', alice.access_token, 400, "M_BAD_JSON"),
        (room_id, b'{"a":1,"a":2}', alice.access_token, 400, "M_BAD_JSON"),
        (room_id, b'{"body":"%b"}' % (b"x" * 70_000), alice.access_token, 413, "M_TOO_LARGE"),
        (room_id, TEXT, "bgs_nobody", 401, "M_UNKNOWN_TOKEN"),
        (room_id, TEXT, "", 401, "M_MISSING_TOKEN"),
    ]
    async with asyncio.timeout(SECONDS_MAX):
        same = await _Line.open(base_url)
        assert (await same.send(room_id, "warm", TEXT, alice.access_token))[0] == 200
        for number, (room, body, token, status, errcode) in enumerate(cases):
            first = await _Line.open(base_url)
            ordinary = await first.send(room, f"a{number}", body, token)
            first.close()
            assert (await same.send(room_id, f"b{number}", TEXT, alice.access_token))[0] == 200
            shorter = await same.send(room, f"c{number}", body, token)
            assert same.is_alike
            assert (
                (shorter[0], shorter[1].get("errcode"))
                == (status, errcode)
                == (
                    ordinary[0],
                    ordinary[1].get("errcode"),
                )
            )
        same.close()


async def test_a_retry_there_finds_the_first_try(base_url: str, alice: Talker) -> None:
    room_id = await alice.make_room()
    async with asyncio.timeout(SECONDS_MAX):
        line = await _Line.open(base_url)
        said = [await line.send(room_id, txn_id, TEXT, alice.access_token) for txn_id in ("1", "1", "2", "1", "2")]
        assert line.is_alike
        line.close()
    ids = [answer["event_id"] for _, answer in said]
    assert ids[0] == ids[1] == ids[3] != ids[2] == ids[4]
    found = await alice.get(f"{V3}/rooms/{segment(room_id)}/messages", dir="b", limit=10)
    assert [event["event_id"] for event in found["chunk"] if event["type"] == "m.room.message"] == [ids[2], ids[0]]


async def test_who_signed_out_is_not_known_there_either(base_url: str, alice: Talker) -> None:
    room_id = await alice.make_room()
    async with asyncio.timeout(SECONDS_MAX):
        line = await _Line.open(base_url)
        for number in range(2):
            assert (await line.send(room_id, str(number), TEXT, alice.access_token))[0] == 200
        await alice.post(f"{V3}/logout")
        status, answer = await line.send(room_id, "2", TEXT, alice.access_token)
        assert (line.is_alike, status, answer["errcode"]) == (True, 401, "M_UNKNOWN_TOKEN")
        line.close()
