"""A person's own data: complete, nobody else's, in one file that is made while it is read."""

import asyncio
import io
import json
import zipfile
from typing import Any

import aiohttp
from tests.api.talking import V3, Talker, segment
from tests.api.test_bookings import BASE, book, publish
from tests.server import SERVER_NAME

PATH = "/_bongsu/v1/account/export"
PAGE = 500


async def export(http: aiohttp.ClientSession, who: Talker) -> zipfile.ZipFile:
    headers = {"Authorization": f"Bearer {who.access_token}"}
    async with http.get(PATH, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.content_type == "application/zip"
        archive = zipfile.ZipFile(io.BytesIO(await answer.read()))
    assert archive.testzip() is None
    return archive


def lines(archive: zipfile.ZipFile, name: str) -> list[Any]:
    return [json.loads(line) for line in archive.read(name).splitlines()]


async def test_everything_of_oneself_and_nothing_of_others(
    http: aiohttp.ClientSession, alice: Talker, bob: Talker
) -> None:
    await alice.put(f"{V3}/profile/{segment(alice.user_id)}/displayname", {"displayname": "앨리스"})
    await alice.put(f"{V3}/user/{segment(alice.user_id)}/account_data/org.example", {"own": 1})
    here, left = await alice.make_room(name="여기"), await bob.make_room(name="there")
    await alice.bring(here, bob)
    await bob.bring(left, alice)
    said = [await alice.say(here, "하나"), await alice.say(left, "둘")]
    gone = await alice.say(here, "지울 말")
    await alice.redact(here, gone)
    await bob.say(here, "밥의 말")
    await alice.leave(left)
    await bob.set_state(left, "m.room.name", {"name": "renamed since"})
    await alice.set_state(here, "m.room.name", {"name": "새 이름"})
    headers = {"Authorization": f"Bearer {alice.access_token}", "content-type": "image/png"}
    async with http.post("/_matrix/media/v3/upload?filename=a.png", data=b"bytes", headers=headers) as answer:
        uri = (await answer.json())["content_uri"]

    archive = await export(http, alice)
    assert json.loads(archive.read("account.json"))["user_id"] == alice.user_id
    assert json.loads(archive.read("profile.json"))["displayname"] == "앨리스"
    assert [device["device_id"] for device in json.loads(archive.read("devices.json"))] == [alice.device_id]
    assert {"room_id": "", "type": "org.example", "content": {"own": 1}} in lines(archive, "account_data.jsonl")
    rooms = {each["room_id"]: (each["membership"], each["name"]) for each in lines(archive, "rooms.jsonl")}
    assert rooms == {here: ("join", "새 이름"), left: ("leave", "there")}  # what it is called since is nothing to her
    events = lines(archive, "messages.jsonl")
    told = {each["event_id"]: each["content"].get("body") for each in events if each["type"] == "m.room.message"}
    assert told == {said[0]: "하나", said[1]: "둘", gone: None}
    assert bob.user_id not in {each.get("sender", alice.user_id) for each in events}
    [file] = lines(archive, "uploads.jsonl")
    assert (file["uri"], file["file_name"], file["size"]) == (uri, "a.png", 5)
    assert uri.startswith(f"mxc://{SERVER_NAME}/")
    assert alice.access_token not in str([archive.read(name) for name in archive.namelist()])


async def test_what_services_keep_of_oneself(http: aiohttp.ClientSession, alice: Talker, bob: Talker) -> None:
    offer = await publish(bob)
    booking = await book(alice, offer)
    status, _ = await alice.ask("POST", f"{BASE}/subscriptions", {"area": "남산"})
    assert status == 201
    await alice.post(f"{V3}/users/{segment(bob.user_id)}/report", {"reason": "거짓 소식"})
    archive = await export(http, alice)
    [booked] = lines(archive, "bookings.jsonl")
    assert (booked["booking_id"], booked["title"], booked["state"]) == (booking["booking_id"], "잔여백신", "booked")
    assert [wish["area"] for wish in json.loads(archive.read("wishes.json"))] == ["남산"]
    [report] = lines(archive, "reports.jsonl")
    assert (report["user_id"], report["reason"]) == (bob.user_id, "거짓 소식")
    assert json.loads(archive.read("passkeys.json")) == []
    told = await export(http, bob)
    assert [told.read(name) for name in ("bookings.jsonl", "reports.jsonl")] == [b"", b""]
    described = archive.read("README.txt").decode()
    assert all(name in described for name in archive.namelist() if name != "README.txt")


async def test_a_long_history_comes_page_by_page(http: aiohttp.ClientSession, alice: Talker, bob: Talker) -> None:
    """More than a page, of which the first holds nothing of one's own."""
    room_id = await bob.make_room()
    await bob.bring(room_id, alice)
    for _ in range(PAGE // 50):
        await asyncio.gather(*(bob.set_state(room_id, "org.example", {"n": n}, str(n)) for n in range(52)))
    last = await alice.say(room_id, "ganz unten")
    events = lines(await export(http, alice), "messages.jsonl")
    assert events[-1]["event_id"] == last
    assert [each["type"] for each in events] == ["m.room.member", "m.room.message"]


async def test_nobody_else_is_told(http: aiohttp.ClientSession) -> None:
    async with http.get(PATH) as answer:
        assert (answer.status, (await answer.json())["errcode"]) == (401, "M_MISSING_TOKEN")
