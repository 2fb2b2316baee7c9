"""The demo: people, rooms and messages that are there when `bongsu serve --demo` says it is ready."""

import asyncio
import json
import re
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
from tests.api.talking import V3, Talker, ask, segment
from tests.server import SERVER_NAME, Server, data_folder

Json = dict[str, Any]
Passwords = dict[str, str]
NURSE, DESIGNER, BAKER = (f"@demo-{name}:{SERVER_NAME}" for name in ("nurse", "designer", "baker"))
COORDINATOR, CENTRE, HOSPITAL, CHANNEL = (
    f"@demo-{name}:{SERVER_NAME}" for name in ("coordinator", "centre", "hospital", "channel")
)
SERVICES = "/_bongsu/v1"


@pytest.fixture(scope="module")
def demo() -> Iterator[Server]:
    with data_folder() as data_dir:
        yield Server.start(data_dir, "--demo")


@pytest.fixture(scope="module")
def passwords(demo: Server) -> Passwords:
    return _printed(demo.log_path.read_text())


@pytest.fixture
async def http(demo: Server) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(demo.base_url, timeout=aiohttp.ClientTimeout(60)) as session:
        yield session


def _printed(text: str) -> Passwords:
    return dict(re.findall(r"^(@demo-\S+)  (\S+)$", text, re.MULTILINE))


async def sign_in(http: aiohttp.ClientSession, user: str, password: str) -> Talker:
    body = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": user}, "password": password}
    status, answer = await ask(http, "POST", f"{V3}/login", body)
    assert status == 200, answer
    return Talker(http, answer)


@pytest.fixture
async def nurse(http: aiohttp.ClientSession, passwords: Passwords) -> Talker:
    return await sign_in(http, NURSE, passwords[NURSE])


async def rooms_of(person: Talker) -> dict[str, Json]:
    """What a new device gets of each joined room that has a name, with a long timeline."""
    wanted = json.dumps({"room": {"timeline": {"limit": 100}}})
    synced = await person.get(f"{V3}/sync", filter=wanted)
    rooms = {}
    for room_id, room in synced["rooms"]["join"].items():
        events = room["state"]["events"] + room["timeline"]["events"]
        names = [event["content"]["name"] for event in events if event["type"] == "m.room.name"]
        if names:
            rooms[names[-1]] = {**room, "room_id": room_id}
    return rooms


def messages(room: Json) -> list[Json]:
    return [event for event in room["timeline"]["events"] if event["type"] == "m.room.message"]


async def test_everybody_can_sign_in(http: aiohttp.ClientSession, passwords: Passwords) -> None:
    assert len(passwords) == 12
    assert len(set(passwords.values())) == 12
    for user, password in passwords.items():
        person = await sign_in(http, user, password)
        profile = await person.get(f"{V3}/profile/{segment(user)}")
        assert profile["displayname"]
        assert profile["avatar_url"].startswith(f"mxc://{SERVER_NAME}/")


def test_passwords_are_for_the_owner_alone(demo: Server, passwords: Passwords) -> None:
    path = demo.data_dir / "demo-accounts.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    kept = {account["user_id"]: account["password"] for account in json.loads(path.read_text())}
    assert kept == passwords


async def test_there_is_something_to_read(nurse: Talker) -> None:
    rooms = await rooms_of(nurse)
    ward = rooms["7병동 밤근무"]
    assert ward["unread_notifications"] == {"notification_count": 3, "highlight_count": 1}
    assert rooms["우리 가족"]["unread_notifications"]["notification_count"] == 2
    assert rooms["봉수 광장 · Bongsu Square"]["unread_notifications"]["notification_count"] == 0
    assert {"Beacon Board", "골목빵집 단골방"} <= set(rooms)
    receipts = [event for event in ward["ephemeral"]["events"] if event["type"] == "m.receipt"]
    assert receipts


async def test_messages_do_what_messages_do(nurse: Talker) -> None:
    """Threads, edits, reactions, replies, a deletion, a pinned file and a mention."""
    ward = (await rooms_of(nurse))["7병동 밤근무"]
    bundled = [event["unsigned"].get("m.relations", {}) for event in messages(ward)]
    threads = [relations["m.thread"] for relations in bundled if "m.thread" in relations]
    assert [thread["count"] for thread in threads] == [3]
    edits = [relations for relations in bundled if "m.replace" in relations]
    assert len(edits) == 1
    assert [event for event in ward["timeline"]["events"] if event["type"] == "m.reaction"]
    assert [event for event in messages(ward) if "m.in_reply_to" in event["content"].get("m.relates_to", {})]
    assert [event for event in messages(ward) if event["content"] == {} and "redacted_because" in event["unsigned"]]
    mentions = [event["content"].get("m.mentions", {}).get("user_ids") for event in messages(ward)]
    assert [NURSE] in mentions
    pinned = (await nurse.get(f"{V3}/rooms/{segment(ward['room_id'])}/state/m.room.pinned_events"))["pinned"]
    assert [event["content"]["msgtype"] for event in messages(ward) if event["event_id"] in pinned] == ["m.file"]


async def test_history_goes_back_over_days(nurse: Talker) -> None:
    square = (await rooms_of(nurse))["봉수 광장 · Bongsu Square"]
    times = [event["origin_server_ts"] for event in square["timeline"]["events"]]
    assert times == sorted(times)
    assert times[-1] - times[0] > 30 * 86_400_000
    now_ms = (await nurse.get("/start.json"))["now_ms"]
    assert times[-1] <= now_ms


async def test_pictures_and_files_can_be_seen(http: aiohttp.ClientSession, nurse: Talker) -> None:
    shown = [event["content"] for room in (await rooms_of(nurse)).values() for event in messages(room)]
    files = {content["filename"]: content for content in shown if content.get("msgtype") in ("m.image", "m.file")}
    assert {"hills-day.jpg", "bread.jpg", "chart-calls.png", "beacon-notes.pdf", "밤근무-점검표.txt"} <= set(files)
    for content in files.values():
        where = content["url"].removeprefix("mxc://")
        headers = nurse._headers
        async with http.get(f"/_matrix/client/v1/media/download/{where}", headers=headers) as answer:
            assert answer.status == 200
            assert answer.headers["Content-Type"] == content["info"]["mimetype"]
            assert len(await answer.read()) == content["info"]["size"]
    picture = files["hills-day.jpg"]["url"].removeprefix("mxc://")
    address = f"/_matrix/client/v1/media/thumbnail/{picture}?width=320&height=240&method=scale"
    async with http.get(address, headers=nurse._headers) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("image/")


async def test_somebody_waits_to_be_let_in(http: aiohttp.ClientSession, passwords: Passwords, nurse: Talker) -> None:
    invited = (await nurse.get(f"{V3}/sync"))["rooms"]["invite"]
    names = [event["content"].get("name") for room in invited.values() for event in room["invite_state"]["events"]]
    assert "새벽 빵 굽기" in names
    designer = await sign_in(http, DESIGNER, passwords[DESIGNER])
    knocked = (await designer.get(f"{V3}/sync"))["rooms"]["knock"]
    assert len(knocked) == 2
    baker = await sign_in(http, BAKER, passwords[BAKER])
    bakery = (await rooms_of(baker))["골목빵집 단골방"]["room_id"]
    assert bakery in knocked
    await baker.post(f"{V3}/rooms/{segment(bakery)}/invite", {"user_id": DESIGNER})
    assert bakery in (await designer.get(f"{V3}/sync"))["rooms"]["invite"]
    await baker.post(f"{V3}/rooms/{segment(bakery)}/kick", {"user_id": DESIGNER})


async def test_talks_between_two_are_known_as_such(nurse: Talker) -> None:
    direct = await nurse.get(f"{V3}/user/{segment(NURSE)}/account_data/m.direct")
    joined = (await nurse.get(f"{V3}/joined_rooms"))["joined_rooms"]
    assert len(direct) == 2
    assert all(room in joined for rooms in direct.values() for room in rooms)


async def test_the_directory_has_rooms_to_find(nurse: Talker) -> None:
    rooms = (await nurse.get(f"{V3}/publicRooms"))["chunk"]
    assert sorted(room["join_rule"] for room in rooms) == ["knock", "knock", "public"]
    found = await nurse.get(f"{V3}/directory/room/{segment(f'#bongsu-square:{SERVER_NAME}')}")
    assert found["room_id"] in [room["room_id"] for room in rooms]


# --- the services ---


async def test_a_bed_board_has_requests_in_every_state(http: aiohttp.ClientSession, passwords: Passwords) -> None:
    coordinator = await sign_in(http, COORDINATOR, passwords[COORDINATOR])
    (board,) = (await coordinator.get(f"{SERVICES}/boards"))["boards"]
    assert (board["role"], board["waiting"]) == ("coordinator", 3)
    at = f"{SERVICES}/boards/{segment(board['room_id'])}"
    open_ones = (await coordinator.get(f"{at}/requests"))["requests"]
    closed = (await coordinator.get(f"{at}/requests", state="closed"))["requests"]
    states = sorted(each["state"] for each in (*open_ones, *closed))
    assert states == ["accepted", "arrived", "closed", "offered", "waiting", "waiting"]
    assert open_ones[0]["waiting_since"] == min(each["waiting_since"] for each in open_ones) == board["since"]
    assert open_ones[0]["tier"] != "owner"
    beds = (await coordinator.get(f"{at}/beds"))["beds"]
    assert len({bed["hospital"] for bed in beds}) == 4
    assert {"icu", "isolation", "emergency", "ward", "children"} <= {kind for bed in beds for kind in bed["kinds"]}
    assert all(bed["is_valid"] for bed in beds)
    roles = {person["user_id"]: person["role"] for person in (await coordinator.get(at))["people"]}
    assert roles[CENTRE] == "requester"
    assert roles[HOSPITAL] == "provider"
    assert roles[NURSE] == "observer"


async def test_places_can_be_booked_waited_for_and_looked_forward_to(nurse: Talker) -> None:
    said = await nurse.get(f"{SERVICES}/bookings/offers")
    offers = said["offers"]
    assert [each for each in offers if each["opens_at"] > said["now"]]
    assert [each for each in offers if each["opens_at"] <= said["now"] and each["available"] > 10]
    sold_out = [each for each in offers if each["available"] == 0]
    assert len(sold_out) == 1
    mine = {each["state"]: each for each in (await nurse.get(f"{SERVICES}/bookings"))["bookings"]}
    assert set(mine) == {"booked", "waiting"}
    assert mine["waiting"]["offer_id"] == sold_out[0]["offer_id"]
    booked = f"{SERVICES}/bookings/{mine['booked']['booking_id']}"
    for name, begins in (("ticket.svg", b"<?xml"), ("calendar.ics", b"BEGIN:VCALENDAR")):
        async with nurse._http.get(f"{booked}/{name}", headers=nurse._headers) as answer:
            assert answer.status == 200
            assert (await answer.read()).startswith(begins)


async def test_a_channel_is_official_read_and_asked(
    http: aiohttp.ClientSession, passwords: Passwords, nurse: Talker
) -> None:
    (followed,) = (await nurse.get(f"{SERVICES}/channels/following"))["channels"]
    assert followed["mark"]["name"] == followed["name"]
    assert followed["mine"]["advertising"]
    at = f"{SERVICES}/channels/{followed['channel_id']}"
    assert len((await nurse.get(f"{at}/posts"))["posts"]) == 3
    owner = await sign_in(http, CHANNEL, passwords[CHANNEL])
    (sent,) = (await owner.get(f"{at}/broadcasts"))["broadcasts"]
    assert (sent["state"], sent["sent"], sent["refused"]) == ("done", followed["followers"], 0)
    talks = (await owner.get(f"{at}/desk/conversations"))["conversations"]
    assert sorted(talk["state"] for talk in talks) == ["open", "waiting"]
    (template,) = (await owner.get(f"{at}/templates"))["templates"]
    assert template["state"] == "approved"


async def test_nobody_of_the_demo_stays_signed_in(
    demo: Server, http: aiohttp.ClientSession, passwords: Passwords
) -> None:
    owner = await sign_in(http, CHANNEL, passwords[CHANNEL])
    devices = (await owner.get(f"{V3}/devices"))["devices"]
    assert "DEMO" not in [device["device_id"] for device in devices]


async def test_a_second_time_changes_nothing(demo: Server, http: aiohttp.ClientSession, passwords: Passwords) -> None:
    before = await _everything(http, passwords)
    again = await asyncio.to_thread(_bongsu_demo, demo)
    assert _printed(again.stdout) == passwords
    assert again.stderr == ""
    assert await _everything(http, passwords) == before


async def _everything(http: aiohttp.ClientSession, passwords: Passwords) -> dict[str, Any]:
    """The event ids of all rooms of the nurse but the bed board's, where waits go on; and how much there is."""
    nurse = await sign_in(http, NURSE, passwords[NURSE])
    rooms = await rooms_of(nurse)
    (board,) = (await nurse.get(f"{SERVICES}/boards"))["boards"]
    at = f"{SERVICES}/boards/{segment(board['room_id'])}"
    counts = [
        len((await nurse.get(f"{at}/beds"))["beds"]),
        len((await nurse.get(f"{at}/requests"))["requests"]),
        [each["available"] for each in (await nurse.get(f"{SERVICES}/bookings/offers"))["offers"]],
        len((await nurse.get(f"{SERVICES}/channels", search="보건소"))["channels"]),
    ]
    told = {
        name: [event["event_id"] for event in room["timeline"]["events"]]
        for name, room in rooms.items()
        if room["room_id"] != board["room_id"]
    }
    return {**told, "counts": counts}


def _bongsu_demo(server: Server) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "bongsu", "demo", "--server-name", SERVER_NAME, "--data", str(server.data_dir)]
    return subprocess.run([*command, "--log-level", "error"], capture_output=True, text=True, timeout=60, check=True)


# --- the start page shows whom to sign in as ---


async def test_the_start_page_shows_passwords_here(http: aiohttp.ClientSession, passwords: Passwords) -> None:
    async with http.get("/") as answer:
        text = await answer.text()
        assert answer.headers["Cache-Control"] == "no-store"
    for user, password in passwords.items():
        assert password in text
        assert user.split(":")[0][1:] in text


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"X-Forwarded-For": "192.0.2.7"},
        {"Forwarded": "for=192.0.2.7"},
        {"Host": "chat.example"},
        {"Host": "rebound.example:8008"},
    ],
)
async def test_and_to_nobody_elsewhere(
    http: aiohttp.ClientSession, passwords: Passwords, headers: dict[str, str]
) -> None:
    async with http.get("/", headers=headers) as answer:
        text = await answer.text()
    assert "demo-nurse" in text
    assert not [password for password in passwords.values() if password in text]


# --- when it cannot be made ---


async def test_an_account_of_somebody_else_is_left_alone() -> None:
    with data_folder() as data_dir:
        server = await asyncio.to_thread(Server.start, data_dir)
        async with aiohttp.ClientSession(server.base_url) as session:
            body = {"username": "demo-mum", "password": "a password of mine", "auth": {"type": "m.login.dummy"}}
            status, answer = await ask(session, "POST", f"{V3}/register", body)
            assert status == 200, answer
            refused = await asyncio.to_thread(_bongsu_demo, server)
            assert refused.stdout == ""
            assert "demo-mum" in refused.stderr
            await sign_in(session, "demo-mum", "a password of mine")
            status, _ = await ask(session, "GET", f"{V3}/profile/{segment(NURSE)}")
            assert status == 404
        assert not (data_dir / "demo-accounts.json").exists()
