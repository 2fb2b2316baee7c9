"""Channels over HTTP: their homes and staff, the official mark, what followers agree to, and what is sent to them."""

import asyncio
import io
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
from tests.api.talking import Json, Talker, ask, room, segment, sign_up
from tests.server import SERVER_NAME, Server
from tests.waiting import until

from bongsu.core import limits, marks
from bongsu.core.channels import TEXT_VERSION, Role
from bongsu.core.marks import Certified

BASE = "/_bongsu/v1/channels"
SECONDS_MAX = 60.0
HOUR = 3_600_000
DAY = 24 * HOUR
NAMES = iter(f"{first}{second}상점" for first in "가나다라마바사아" for second in "강남동산천호포항구")


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def make(owner: Talker, name: str | None = None, **more: Any) -> str:
    """The path of a new channel."""
    status, answer = await owner.ask("POST", BASE, {"name": name or next(NAMES), **more})
    assert status == 201, answer
    return f"{BASE}/{answer['channel_id']}"


async def follow(person: Talker, channel: str, **agreed: bool) -> Json:
    return dict(await person.put(f"{channel}/follow", {"text_version": TEXT_VERSION, **agreed}))


async def send(owner: Talker, channel: str, **body: Any) -> str:
    """The path of a new broadcast."""
    said = {"body": "새 소식", "advertising": False, **body}
    status, answer = await owner.ask("POST", f"{channel}/broadcasts", said)
    assert status == 201, answer
    return f"{channel}/broadcasts/{answer['broadcast_id']}"


async def done(owner: Talker, broadcast: str, state: str = "done", **figures: int) -> Json:
    """Its progress, once it is so."""
    channel, broadcast_id = broadcast.split("/broadcasts/")

    async def look() -> Json:
        listed = (await owner.get(f"{channel}/broadcasts"))["broadcasts"]  # counts nobody who has read it
        return next(each for each in listed if each["broadcast_id"] == broadcast_id)

    wanted = {"state": state, **figures}
    return await until(look, lambda found: wanted.items() <= found.items(), SECONDS_MAX)


async def got(person: Talker) -> list[Json]:
    """The events of channels that stand in this person's rooms, in order."""
    joined = (await person.sync()).get("rooms", {}).get("join", {})
    events = [event for each in joined.values() for event in each["timeline"]["events"]]
    return [event for event in events if event["type"] == "m.room.message" and "bongsu.channel" in event["content"]]


async def told(person: Talker, count: int) -> list[Json]:
    return await until(lambda: got(person), lambda found: len(found) >= count, SECONDS_MAX)


@pytest.fixture
async def admin(http: aiohttp.ClientSession, database: asyncpg.Connection) -> Talker:
    person = await sign_up(http, "operator")
    await database.execute("UPDATE users SET is_admin = true WHERE user_id = $1", person.user_id)
    return await person.another_device()


# --- homes ---


async def test_a_channel_has_a_home_that_everybody_sees(http: aiohttp.ClientSession, alice: Talker) -> None:
    hours = [{"days": ["mon"], "opens": "09:00", "closes": "18:00"}]
    channel = await make(alice, "봉수 책방", about="동네 책방", avatar="mxc://test.example/abc", hours=hours)
    post = {"title": "휴무", "body": "내일은 쉽니다"}
    status, made = await alice.ask("POST", f"{channel}/posts", post)
    assert status == 201
    status, home = await ask(http, "GET", channel)
    assert (status, home["name"], home["hours"], "mine" in home) == (200, "봉수 책방", hours, False)
    status, listed = await ask(http, "GET", f"{channel}/posts")
    assert [each["body"] for each in listed["posts"]] == ["내일은 쉽니다"]
    assert (await alice.get(channel))["mine"] == {"role": "owner"}
    account = home["account"]
    profile = await alice.get(f"/_matrix/client/v3/profile/{account}")
    assert profile == {"displayname": "봉수 책방", "avatar_url": "mxc://test.example/abc"}
    edited = await alice.put(f"{channel}/posts/{made['post_id']}", {"body": "모레는 쉽니다"})
    assert (edited["title"], edited["body"]) == ("", "모레는 쉽니다")
    assert await alice.delete(f"{channel}/posts/{made['post_id']}") == {}
    assert await alice.refused("DELETE", f"{channel}/posts/{made['post_id']}") == (404, "M_NOT_FOUND")
    assert (await alice.get(f"{channel}/posts"))["posts"] == []


async def test_posts_come_in_pages(alice: Talker) -> None:
    channel = await make(alice)
    for number in range(3):
        await alice.ask("POST", f"{channel}/posts", {"body": str(number)})
    first = await alice.get(f"{channel}/posts", limit=2)
    second = await alice.get(f"{channel}/posts", limit=2, **{"from": first["next_batch"]})
    assert [each["body"] for each in first["posts"] + second["posts"]] == ["2", "1", "0"]
    assert "next_batch" not in second


async def test_channels_are_found_by_any_part_of_their_name(alice: Talker, bob: Talker) -> None:
    channel = await make(alice, "달빛 마을 약국")
    await follow(bob, channel)
    for text in ("마을", "달빛마을", "빛 마", "약국"):
        found = (await bob.get(BASE, search=text))["channels"]
        assert [each["followers"] for each in found if each["name"] == "달빛 마을 약국"] == [1], text
    assert "달빛 마을 약국" not in str(await bob.get(BASE, search="100%"))
    assert [each["name"] for each in (await bob.get(f"{BASE}/following"))["channels"]] == ["달빛 마을 약국"]
    assert (await bob.get(f"{BASE}/mine"))["channels"] == []
    [mine] = (await alice.get(f"{BASE}/mine"))["channels"]
    assert (mine["name"], mine["mine"]) == ("달빛 마을 약국", {"role": "owner"})


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "봉수 ✓"},
        {"name": "a\u200bb"},
        {"name": "x" * 41},
        {"about": "x" * 501},
        {"avatar": "https://example.org/a.png"},
        {"hours": [{"days": ["someday"], "opens": "09:00", "closes": "10:00"}]},
        {"hours": [{"days": ["mon"], "opens": "9", "closes": "10:00"}]},
    ],
    ids=str,
)
async def test_what_is_no_channel_is_refused(alice: Talker, wrong: Json) -> None:
    assert (await alice.refused("POST", BASE, {"name": next(NAMES), **wrong}))[0] == 400


async def test_a_repeated_write_is_done_once(http: aiohttp.ClientSession, alice: Talker) -> None:
    headers = {"Authorization": f"Bearer {alice.access_token}", "Idempotency-Key": "k1"}
    body = {"name": next(NAMES)}
    first = await ask(http, "POST", BASE, body, headers)
    assert await ask(http, "POST", BASE, body, headers) == first
    assert len((await alice.get(f"{BASE}/mine"))["channels"]) == 1
    status, answer = await ask(http, "POST", BASE, {"name": next(NAMES)}, headers)
    assert (status, answer["errcode"]) == (409, "BONGSU_IDEMPOTENCY_KEY_REUSED")


async def test_a_closed_channel_does_nothing_more(alice: Talker, bob: Talker) -> None:
    channel = await make(alice)
    await follow(bob, channel)
    scheduled = await send(alice, channel, starts_at=now_ms() + DAY)
    assert (await alice.post(f"{channel}/close"))["closed_ts"]
    assert (await alice.post(f"{channel}/close"))["closed_ts"]
    assert (await alice.get(scheduled))["state"] == "cancelled"
    for method, path, body in (
        ("PUT", channel, {"about": "x"}),
        ("POST", f"{channel}/posts", {"body": "x"}),
        ("POST", f"{channel}/broadcasts", {"body": "x", "advertising": False}),
    ):
        assert await alice.refused(method, path, body) == (409, "BONGSU_CHANNEL_CLOSED")
    agreement = {"text_version": TEXT_VERSION}
    assert await bob.refused("PUT", f"{channel}/follow", agreement) == (409, "BONGSU_CHANNEL_CLOSED")
    assert (await bob.delete(f"{channel}/follow")) == {}


# --- staff ---

OPERATIONS: list[tuple[str, str, Json | None, str]] = [  # method, path, body, who may
    ("PUT", "", {"about": "x"}, "owner editor"),
    ("GET", "/staff", None, "owner editor agent"),
    ("PUT", "/staff/{other}", {"role": "agent"}, "owner"),
    ("DELETE", "/staff/{other}", None, "owner"),
    ("GET", "/audit", None, "owner"),
    ("POST", "/posts", {"body": "x"}, "owner editor"),
    ("PUT", "/posts/{post}", {"body": "y"}, "owner editor"),
    ("DELETE", "/posts/{post}", None, "owner editor"),
    ("GET", "/followers", None, "owner editor"),
    ("GET", "/followers/{other}/consents", None, "owner editor"),
    ("GET", "/audience", None, "owner editor"),
    ("POST", "/broadcasts", {"body": "x", "advertising": False}, "owner editor"),
    ("GET", "/broadcasts", None, "owner editor"),
    ("GET", "/broadcasts/{broadcast}", None, "owner editor"),
    ("POST", "/broadcasts/{broadcast}/cancel", {}, "owner editor"),
    ("PUT", "/mark", {}, ""),
    ("DELETE", "/mark", None, ""),
    ("POST", "/close", {}, "owner"),
]


async def test_every_role_and_every_operation(http: aiohttp.ClientSession, alice: Talker, bob: Talker) -> None:
    people = {"owner": alice, "stranger": bob}
    for role in ("editor", "agent"):
        people[role] = await sign_up(http, role)
    allowed = set()
    for role, person in people.items():
        channel = await make(alice)
        for name in ("editor", "agent"):
            await alice.put(f"{channel}/staff/{people[name].user_id}", {"role": name})
        _, post = await alice.ask("POST", f"{channel}/posts", {"body": "x"})
        broadcast = await send(alice, channel, starts_at=now_ms() + DAY)
        known = {"{other}": people["agent"].user_id if role != "agent" else people["editor"].user_id}
        known |= {"{post}": post["post_id"], "{broadcast}": broadcast.rsplit("/", 1)[1]}
        for method, template, body, _ in OPERATIONS:
            path = template
            for mark, value in known.items():
                path = path.replace(mark, value)
            status, answer = await person.ask(method, f"{channel}{path}", body)
            assert status < 300 or (status, answer["errcode"]) == (403, "M_FORBIDDEN"), (role, method, path, answer)
            if status < 300:
                allowed.add((role, method, template))
        await alice.post(f"{channel}/close")
    wanted = {(role, method, path) for method, path, _, roles in OPERATIONS for role in roles.split()}
    assert allowed == wanted


async def test_a_channel_is_handed_over_and_never_without_an_owner(alice: Talker, bob: Talker) -> None:
    channel = await make(alice)
    mine = f"{channel}/staff/{alice.user_id}"
    assert await alice.refused("DELETE", mine) == (409, "BONGSU_LAST_OWNER")
    assert await alice.refused("PUT", mine, {"role": "agent"}) == (409, "BONGSU_LAST_OWNER")
    nobody = f"{channel}/staff/@nobody:{SERVER_NAME}"
    assert await alice.refused("PUT", nobody, {"role": "agent"}) == (404, "M_NOT_FOUND")
    assert await alice.refused("PUT", f"{channel}/staff/nobody", {"role": "agent"}) == (400, "M_INVALID_PARAM")
    assert await alice.refused("PUT", mine, {"role": "king"}) == (400, "M_BAD_JSON")
    his = f"{channel}/staff/{bob.user_id}"
    assert await bob.refused("PUT", his, {"role": "owner"}) == (403, "M_FORBIDDEN")
    asked = await alice.put(his, {"role": "owner"})
    assert (asked["offered_to"], [each["user_id"] for each in asked["staff"]]) == (bob.user_id, [alice.user_id])
    assert "offered_to" not in await alice.put(mine, {"role": "owner"}), "it is offered no more"
    assert await bob.refused("PUT", his, {"role": "owner"}) == (403, "M_FORBIDDEN")
    await alice.put(his, {"role": "owner"})
    assert (await bob.get(channel))["mine"] == {"offered": True}
    assert [each["content"]["bongsu.channel"]["about"] for each in await invited(bob)] == ["channel.offered"] * 2
    staff = (await bob.put(his, {"role": "owner"}))["staff"]
    roles = {each["user_id"]: each["role"] for each in staff}
    assert roles == {alice.user_id: Role.EDITOR.value, bob.user_id: Role.OWNER.value}
    assert (await alice.delete(mine))["staff"][0]["user_id"] == bob.user_id
    audited = await bob.get(f"{channel}/audit", verify="true")
    done = ["made", "offered", "offered_no_more", "offered", "appointed", "dismissed"]
    assert [each["deed"]["action"] for each in audited["entries"]] == done
    assert audited["faults"] == []


async def invited(person: Talker) -> list[Json]:
    """What channels said in the rooms to which this person was invited, once there is one."""

    async def look() -> list[str]:
        return list((await person.sync()).get("rooms", {}).get("invite", {}))

    for room_id in await until(look, bool, SECONDS_MAX):
        await person.join(room_id)
    return await told(person, 2)


async def test_who_wants_nothing_of_a_channel_or_has_no_account_does_not_work_for_it(
    http: aiohttp.ClientSession, alice: Talker, bob: Talker, database: asyncpg.Connection
) -> None:
    channel = await make(alice)
    agent = {"role": "agent"}
    await bob.put(f"{channel}/block", {})
    for role in ("agent", "owner"):
        his = f"{channel}/staff/{bob.user_id}"
        assert await alice.refused("PUT", his, {"role": role}) == (403, "M_FORBIDDEN")
    status, guest = await ask(http, "POST", "/_matrix/client/v3/register", {}, kind="guest")
    assert status == 200
    account = (await alice.get(channel))["account"]
    other = (await alice.get(await make(bob)))["account"]
    for nobody in (guest["user_id"], account, other, f"@channels:{SERVER_NAME}"):
        assert await alice.refused("PUT", f"{channel}/staff/{nobody}", agent) == (404, "M_NOT_FOUND")
    await bob.delete(f"{channel}/block")
    channel_id = channel.rsplit("/", 1)[1]
    staff = [(channel_id, f"@filler{number}:{SERVER_NAME}") for number in range(limits.CHANNEL_STAFF_MAX - 1)]
    await database.executemany("INSERT INTO channel_staff VALUES ($1, $2, 'agent', 1)", staff)
    full = await alice.refused("PUT", f"{channel}/staff/{bob.user_id}", agent)
    assert full == (403, "M_RESOURCE_LIMIT_EXCEEDED")
    await database.execute("DELETE FROM channel_staff WHERE user_id LIKE '@filler1%'")
    await alice.put(f"{channel}/staff/{bob.user_id}", agent)
    await database.executemany("INSERT INTO channel_staff VALUES ($1, $2, 'agent', 1) ON CONFLICT DO NOTHING", staff)
    assert await alice.put(f"{channel}/staff/{bob.user_id}", {"role": "editor"}), "who works for it already may change"


async def test_nobody_can_have_the_name_of_a_channels_account(http: aiohttp.ClientSession) -> None:
    body = {"username": "channel-0123456789abcdef", "password": "x" * 20, "auth": {"type": "m.login.dummy"}}
    status, answer = await ask(http, "POST", "/_matrix/client/v3/register", body)
    assert (status, answer["errcode"]) == (400, "M_EXCLUSIVE")


# --- the official mark ---


async def test_the_mark_is_verified_and_goes_with_the_name(
    http: aiohttp.ClientSession, alice: Talker, bob: Talker, admin: Talker
) -> None:
    name = next(NAMES)
    channel = await make(alice, name)
    assert await alice.refused("GET", f"{channel}/mark") == (404, "M_NOT_FOUND")
    given = await admin.put(f"{channel}/mark", {"days": 30})
    status, key = await ask(http, "GET", "/.well-known/bongsu/channels")
    assert (status, key["algorithm"], key["key_id"]) == (200, "ed25519", given["key_id"])
    shown = (await bob.get(channel))["mark"]
    assert shown == given
    signed = Certified(*(shown[field] for field in Certified.__struct_fields__))
    assert marks.is_valid(key["key"], signed, shown["signature"], now_ms())
    assert signed.valid_until - signed.valid_from == 30 * DAY
    alike = f"{name[:2]} {name[2:]}!"
    assert await bob.refused("POST", BASE, {"name": alike}) == (409, "BONGSU_LOOKS_OFFICIAL")
    status, near = await bob.ask("POST", BASE, {"name": f"{name} 이벤트"})
    assert (status, near["resembles"][0]["name"]) == (201, name)
    other = f"{BASE}/{near['channel_id']}"
    assert await bob.refused("PUT", other, {"name": alike}) == (409, "BONGSU_LOOKS_OFFICIAL")
    assert (await alice.put(channel, {"about": "x"}))["mark"] == given
    assert "mark" not in await alice.put(channel, {"name": f"{name} 본점"})
    assert await bob.refused("GET", f"{channel}/mark") == (404, "M_NOT_FOUND")
    await alice.put(channel, {"name": name})
    assert (await bob.put(other, {"name": alike}))["name"] == alike
    assert (await admin.put(f"{other}/mark", {}))["name"] == alike
    assert await admin.refused("PUT", f"{channel}/mark", {"days": 0}) == (400, "M_INVALID_PARAM")
    assert await admin.refused("PUT", f"{channel}/mark", {}) == (409, "BONGSU_LOOKS_OFFICIAL")
    assert await admin.delete(f"{other}/mark") == {}
    assert await admin.refused("DELETE", f"{other}/mark") == (404, "M_NOT_FOUND")
    assert await admin.refused("PUT", f"{BASE}/nowhere/mark", {}) == (404, "M_NOT_FOUND")


# --- following ---


async def test_what_one_agrees_to_stands_in_a_ledger(http: aiohttp.ClientSession, alice: Talker, bob: Talker) -> None:
    channel = await make(alice)
    _, texts = await ask(http, "GET", f"{BASE}/consents/texts")
    assert [each["consent"] for each in texts["texts"]] == ["follow", "advertising", "advertising_at_night"]
    old = {"text_version": "2020-01"}
    assert await bob.refused("PUT", f"{channel}/follow", old) == (409, "BONGSU_OTHER_TEXT")
    night = {"text_version": texts["text_version"], "advertising_at_night": True}
    assert await bob.refused("PUT", f"{channel}/follow", night) == (400, "M_INVALID_PARAM")
    assert (await bob.get(f"{BASE}/consents"))["entries"] == []
    assert await follow(bob, channel, advertising=True, advertising_at_night=True) == {
        "follow": True,
        "advertising": True,
        "advertising_at_night": True,
    }
    await follow(bob, channel, advertising=True, advertising_at_night=True)
    assert (await bob.delete(f"{channel}/advertising")) == {"follow": True}
    await bob.delete(f"{channel}/follow")
    await bob.delete(f"{channel}/follow")
    ledger = await bob.get(f"{BASE}/consents", verify="true")
    assert ledger["faults"] == []
    assert "faults" not in await bob.get(f"{BASE}/consents"), "all is read for those alone who ask for it"
    said = [(each["deed"]["action"], each["deed"]["details"]["consent"]) for each in ledger["entries"]]
    assert said == [
        *[("agreed", each) for each in ("follow", "advertising", "advertising_at_night")],
        *[("withdrew", each) for each in ("advertising_at_night", "advertising", "follow")],
    ]
    given = ledger["entries"][1]["deed"]["details"]
    assert (given["text_version"], given["text_sha256"]) == (TEXT_VERSION, texts["texts"][1]["sha256"])
    first = await bob.get(f"{BASE}/consents", limit=4)
    second = await bob.get(f"{BASE}/consents", limit=4, **{"from": first["next_batch"]})
    assert first["entries"] + second["entries"] == ledger["entries"]
    newest = await bob.get(f"{BASE}/consents", limit=4, dir="b")
    oldest = await bob.get(f"{BASE}/consents", limit=4, dir="b", **{"from": newest["next_batch"]})
    assert newest["entries"] + oldest["entries"] == ledger["entries"][::-1]
    assert await bob.refused("GET", f"{BASE}/consents?dir=x") == (400, "M_INVALID_PARAM")
    headers = {"Authorization": f"Bearer {bob.access_token}"}
    async with http.get(f"{BASE}/consents.csv", headers=headers) as response:
        lines = (await response.text()).strip().splitlines()
    assert (len(lines), '"agreed","follow"' in lines[1]) == (7, True)
    async with http.get("/_bongsu/v1/account/export", headers=headers) as response:
        archive = zipfile.ZipFile(io.BytesIO(await response.read()))
    assert len(archive.read("consents.jsonl").splitlines()) == 6, "it is part of all that is kept of oneself"
    assert (await alice.get(f"{BASE}/consents"))["entries"] == [], "everybody reads their own"
    other = await make(bob)
    await follow(bob, other)
    proof = f"followers/{bob.user_id}/consents"
    assert await alice.get(f"{channel}/{proof}", verify="true") == {"entries": ledger["entries"], "faults": []}
    assert len((await bob.get(f"{other}/{proof}"))["entries"]) == 1
    assert await bob.refused("GET", f"{channel}/{proof}") == (403, "M_FORBIDDEN")


async def test_who_follows_is_for_those_who_run_the_channel(
    http: aiohttp.ClientSession, alice: Talker, bob: Talker
) -> None:
    channel = await make(alice)
    await follow(bob, channel, advertising=True)
    await follow(alice, channel)
    listed = (await alice.get(f"{channel}/followers"))["followers"]
    assert {each["user_id"]: each["advertising"] for each in listed} == {alice.user_id: False, bob.user_id: True}
    counts = await alice.get(f"{channel}/audience")
    assert counts == {"followers": 2, "advertising": 1, "advertising_at_night": 0}
    async with http.get(
        f"{channel}/followers.csv", headers={"Authorization": f"Bearer {alice.access_token}"}
    ) as response:
        assert bob.user_id in await response.text()


FOLLOWERS_MANY = """
INSERT INTO channel_followers SELECT $1, '@many-' || to_char(n, 'fm000000') || ':x', n FROM generate_series(1, $2) n
"""
CONSENTS_MANY = """
INSERT INTO audit_entries SELECT $1, n, convert_to(json_build_object('subject', $1::text, 'number', n, 'at_ms', n,
    'actor', '', 'action', 'agreed', 'details', json_build_object('consent', 'follow', 'channel_id', $3::text))::text,
    'utf8'), '' FROM generate_series((SELECT coalesce(max(number), 0) + 1 FROM audit_entries WHERE subject = $1), $2) n
"""


async def test_exports_of_very_many_rows_are_held_in_pieces(
    alice: Talker, server: Server, database: asyncpg.Connection, http: aiohttp.ClientSession
) -> None:
    rows, bytes_max = 50_000, 8 << 20
    channel = await make(alice)
    channel_id = channel.rpartition("/")[2]
    await database.execute(FOLLOWERS_MANY, channel_id, rows)
    await database.execute(CONSENTS_MANY, f"consent/{alice.user_id}", rows, channel_id)
    try:
        for path, last in (
            (f"{channel}/followers.csv", b'@many-050000:x",50000,0,0'),
            (f"{BASE}/consents.csv", b"50000,"),
        ):
            before = memory(server, reset=True)
            lines, newest = 0, b""
            async with http.get(path, headers={"Authorization": f"Bearer {alice.access_token}"}) as answer:
                assert answer.status == 200
                async for line in answer.content:
                    lines, newest = lines + 1, line
            assert (lines, last in newest) == (rows + 1, True)
        assert memory(server) - before < bytes_max, path
    finally:
        await database.execute("DELETE FROM channel_followers WHERE channel_id = $1", channel_id)


def memory(server: Server, *, reset: bool = False) -> int:
    """The most bytes that the server had since the last reset."""
    process = Path(f"/proc/{server.pid}")
    if reset:
        (process / "clear_refs").write_text("5")
    return int(next(line for line in (process / "status").read_text().splitlines() if "VmHWM" in line).split()[1]) << 10


async def test_who_blocks_a_channel_hears_nothing_of_it(alice: Talker, bob: Talker) -> None:
    channel = await make(alice)
    await follow(bob, channel)
    assert await bob.put(f"{channel}/block", {}) == {"blocked": True}
    agreement = {"text_version": TEXT_VERSION}
    assert await bob.refused("PUT", f"{channel}/follow", agreement) == (409, "BONGSU_BLOCKED")
    assert len((await bob.get(f"{BASE}/blocked"))["channels"]) == 1
    broadcast = await send(alice, channel)
    assert (await done(alice, broadcast))["audience"] == 0
    assert await bob.delete(f"{channel}/block") == {}
    assert (await follow(bob, channel))["follow"]


async def test_a_report_is_for_administrators(alice: Talker, bob: Talker, admin: Talker) -> None:
    channel = await make(alice)
    await bob.post(f"{channel}/report", {"reason": "사칭"})
    await bob.post(f"{channel}/report", {"reason": "사칭입니다"})
    assert await bob.refused("GET", f"{BASE}/reports") == (403, "M_FORBIDDEN")
    found = [each for each in (await admin.get(f"{BASE}/reports"))["reports"] if each["user_id"] == bob.user_id]
    assert [each["reason"] for each in found] == ["사칭입니다"]
    assert await bob.refused("POST", f"{channel}/report", {"reason": ""}) == (400, "M_INVALID_PARAM")
    assert (await admin.post(f"{channel}/close"))["closed_ts"]


# --- broadcasts ---


async def test_followers_get_it_once_in_a_room_that_shows_the_channel(alice: Talker, bob: Talker) -> None:
    name = next(NAMES)
    channel = await make(alice, name)
    await follow(bob, channel)
    button = {"label": "보기", "url": "https://example.org/a"}
    first = await send(alice, channel, body="첫 소식", buttons=[button])
    progress = await done(alice, first)
    assert [progress[key] for key in ("audience", "sent", "refused", "left", "held")] == [1, 1, 0, 0, 0]
    second = await send(alice, channel, body="둘째", picture={"url": "mxc://test.example/p", "w": 3})
    await done(alice, second, sent=1)
    events = await told(bob, 2)
    bodies = [event["content"]["body"] for event in events]
    assert bodies == ["첫 소식\n보기: https://example.org/a", "둘째"]
    assert events[0]["content"]["bongsu.channel"]["buttons"] == [button]
    assert events[1]["content"]["msgtype"] == "m.image"
    room_id = (await bob.get(channel))["mine"]["room_id"]
    members = await bob.get(f"{room(room_id)}/joined_members")
    account = (await bob.get(channel))["account"]
    assert members["joined"][account]["display_name"] == name
    assert (await alice.get(first))["read"] == 0
    await bob.post(f"{room(room_id)}/receipt/m.read/{events[1]['event_id']}")
    third = await send(alice, channel, body="셋째")
    await done(alice, third, sent=1)
    listed = (await alice.get(f"{channel}/broadcasts", limit=2))["broadcasts"]
    assert [each["body"] for each in listed] == ["셋째", "둘째"]
    await alice.put(channel, {"name": f"{name} 본점"})
    await done(alice, await send(alice, channel, body="넷째"), sent=1)
    members = await bob.get(f"{room(room_id)}/joined_members")
    assert members["joined"][account]["display_name"] == f"{name} 본점", "it is shown as it is called now"
    fresh = await alice.get(second)
    assert (fresh["delivered"], fresh["read"]) == (1, 1)


async def test_one_that_is_scheduled_can_be_cancelled(
    http: aiohttp.ClientSession, alice: Talker, bob: Talker, database: asyncpg.Connection
) -> None:
    channel = await make(alice)
    await follow(bob, channel)
    broadcast = await send(alice, channel, starts_at=now_ms() + HOUR)
    assert (await alice.get(broadcast))["state"] == "scheduled"
    assert (await alice.post(f"{broadcast}/cancel"))["state"] == "cancelled"
    assert (await alice.post(f"{broadcast}/cancel"))["state"] == "cancelled"
    later = await send(alice, channel, starts_at=now_ms() + HOUR, body="나중에")
    timer = f"channel.broadcast/{later.rsplit('/', 1)[1]}"
    await database.execute("UPDATE timers SET due_at = 1 WHERE timer_id = $1", timer)
    await done(alice, later, sent=1)
    assert [event["content"]["body"] for event in await told(bob, 1)] == ["나중에"]
    assert await alice.refused("POST", f"{later}/cancel") == (409, "BONGSU_WRONG_STATE")
    far = {"body": "x", "advertising": False, "starts_at": now_ms() + 400 * DAY}
    assert await alice.refused("POST", f"{channel}/broadcasts", far) == (400, "M_INVALID_PARAM")
    async with http.get(
        f"{channel}/broadcasts.csv", headers={"Authorization": f"Bearer {alice.access_token}"}
    ) as response:
        assert (await response.text()).count("cancelled") == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"body": " "},
        {"body": "(광고)", "advertising": True},
        {"body": "(광고) 싸요"},
        {"body": "[광 고] 싸요"},
        {"body": "x" * 2_001},
        {"buttons": [{"label": "a", "url": "http://example.org"}]},
        {"buttons": [{"label": "a", "url": "javascript:alert(1)"}]},
        {"buttons": [{"label": "a", "url": "https://a.b"}] * 6},
        {"picture": {"url": "https://a.b/c.png"}},
        {"picture": {"url": "mxc://a.b/c", "mimetype": "text/html"}},
        {"picture": {"url": "mxc://a.b/c", "w": -1}},
        {"starts_at": "soon"},
    ],
    ids=str,
)
async def test_what_cannot_be_sent_is_refused(alice: Talker, wrong: Json) -> None:
    channel = await make(alice)
    body = {"body": "b", "advertising": False, **wrong}
    assert await alice.refused("POST", f"{channel}/broadcasts", body) == (400, "M_INVALID_PARAM")
    assert (await alice.get(f"{channel}/broadcasts"))["broadcasts"] == []
    await alice.post(f"{channel}/close")


async def test_advertising_goes_to_those_who_agreed_and_is_refused_with_one_tap(
    http: aiohttp.ClientSession, alice: Talker, bob: Talker, database: asyncpg.Connection
) -> None:
    name = next(NAMES)
    channel = await make(alice, name)
    others = [await sign_up(http, "other") for _ in range(2)]
    await follow(bob, channel, advertising=True, advertising_at_night=True)
    await follow(others[0], channel, advertising=True, advertising_at_night=True)
    await follow(others[1], channel)
    broadcast = await send(alice, channel, body="(광고) 반값", advertising=True)
    assert (await done(alice, broadcast, sent=2))["audience"] == 2
    [event] = await told(bob, 1)
    lines = event["content"]["body"].splitlines()
    assert (lines[0], lines[1]) == (f"(광고) {name}", "반값")
    assert "무료수신거부" in lines[-1]
    room_id = event["room_id"] if "room_id" in event else (await bob.get(channel))["mine"]["room_id"]
    sign = event["content"]["bongsu.channel"]["refuse"]["sign"]
    relation = {"rel_type": "m.annotation", "event_id": event["event_id"], "key": sign}
    await bob.send(room_id, {"m.relates_to": relation}, "m.reaction")
    answer = (await told(bob, 2))[1]["content"]
    assert (answer["msgtype"], answer["bongsu.channel"]["withdrew"]) == ("m.notice", "advertising")
    assert (await bob.get(channel))["mine"] == {"follow": True, "room_id": room_id}
    how = (await bob.get(f"{BASE}/consents"))["entries"][-1]["deed"]["details"]["how"]
    assert how == "reaction"
    await told(others[0], 1)
    other_room = (await others[0].get(channel))["mine"]["room_id"]
    await others[0].say(other_room, "!수신거부")
    await told(others[0], 2)
    again = await send(alice, channel, body="또 반값", advertising=True)
    assert (await done(alice, again))["audience"] == 0
    await bob.leave(room_id)
    await until(lambda: bob.get(channel), lambda found: "follow" not in found["mine"], SECONDS_MAX)
    assert (await bob.get(f"{BASE}/consents"))["entries"][-1]["deed"]["details"]["how"] == "left"
    assert (await got(others[1])) == []
    await follow(bob, channel)
    back = await send(alice, channel, body="돌아오셨군요")
    await done(alice, back, sent=3)
    assert (await told(bob, 1))[-1]["content"]["body"] == "돌아오셨군요"


async def test_who_has_quiet_hours_gets_it_when_they_are_over(
    alice: Talker, bob: Talker, database: asyncpg.Connection
) -> None:
    channel = await make(alice)
    await follow(bob, channel)
    await follow(alice, channel)
    setting = f"/_matrix/client/v3/user/{segment(bob.user_id)}/account_data/org.bongsu.quiet_hours"
    always = {"enabled": True, "time_zone": "Asia/Seoul", "spans": [{"from": "00:00", "to": "00:00"}]}
    await bob.put(setting, always)
    broadcast = await send(alice, channel)
    waiting = await done(alice, broadcast, "running", sent=1, held=1)
    assert waiting["left"] == 1
    broadcast_id = broadcast.rsplit("/", 1)[1]
    due_at = await database.fetchval("SELECT due_at FROM channel_held WHERE broadcast_id = $1", broadcast_id)
    assert now_ms() < due_at <= now_ms() + DAY, "it sounds at no time, and news are of the day"
    await bob.put(setting, {"enabled": False})
    await let_fall_due(database, broadcast_id)
    await done(alice, broadcast, sent=2)
    assert len(await told(bob, 1)) == 1


async def let_fall_due(database: asyncpg.Connection, broadcast_id: str) -> None:
    """As if it were later, once the broadcast rests until then."""
    resting = "SELECT next_at > now() + interval '10 s' FROM channel_broadcasts WHERE broadcast_id = $1"
    await until(lambda: database.fetchval(resting, broadcast_id), bool, SECONDS_MAX)
    await database.execute("UPDATE channel_held SET due_at = 1 WHERE broadcast_id = $1", broadcast_id)
    await database.execute("UPDATE channel_broadcasts SET next_at = now() WHERE broadcast_id = $1", broadcast_id)


async def test_who_is_gone_is_counted_and_holds_up_nobody(
    alice: Talker, bob: Talker, database: asyncpg.Connection
) -> None:
    channel = await make(alice)
    await follow(bob, channel)
    await follow(alice, channel)
    gone = f"@gone-{now_ms()}:{SERVER_NAME}"
    channel_id = channel.rsplit("/", 1)[1]
    await database.execute("INSERT INTO channel_followers VALUES ($1, $2, 1)", channel_id, gone)
    broadcast = await send(alice, channel)
    progress = await done(alice, broadcast)
    assert [progress[key] for key in ("audience", "sent", "refused", "left")] == [3, 2, 1, 0]


async def test_a_channel_that_was_sent_out_of_a_room_reaches_its_follower_in_another(
    alice: Talker, bob: Talker
) -> None:
    channel = await make(alice)
    account = (await bob.get(channel))["account"]
    await follow(bob, channel)
    room_id = await bob.make_room(is_direct=True, preset="private_chat", invite=[account])

    async def membership() -> str:
        return str((await bob.state(room_id, "m.room.member", account))["membership"])

    await until(membership, lambda found: found == "join", SECONDS_MAX)
    await bob.post(f"{room(room_id)}/kick", {"user_id": account})
    await done(alice, await send(alice, channel), sent=1, refused=0)
    [said] = await told(bob, 1)
    assert said["sender"] == account


async def test_another_channels_broadcast_is_not_ones_own(alice: Talker, bob: Talker) -> None:
    channel, other = await make(alice), await make(bob)
    broadcast = await send(alice, channel, starts_at=now_ms() + HOUR)
    broadcast_id = broadcast.rsplit("/", 1)[1]
    assert await bob.refused("GET", f"{other}/broadcasts/{broadcast_id}") == (404, "M_NOT_FOUND")
    assert await bob.refused("POST", f"{other}/broadcasts/{broadcast_id}/cancel") == (404, "M_NOT_FOUND")
    assert await bob.refused("GET", f"{BASE}/nowhere") == (404, "M_NOT_FOUND")


async def test_the_interface_is_described(http: aiohttp.ClientSession) -> None:
    _, described = await ask(http, "GET", "/_bongsu/v1/openapi.json")
    paths = described["paths"]
    assert {"post", "get"} <= set(paths[f"{BASE}/{{channel_id}}/broadcasts"])
    follow_ = paths[f"{BASE}/{{channel_id}}/follow"]["put"]
    assert "BONGSU_OTHER_TEXT" in follow_["responses"]["409"]["description"]


async def test_the_operator_certifies_on_the_command_line(alice: Talker, server: Server) -> None:
    channel = await make(alice)
    channel_id = channel.rsplit("/", 1)[1]
    command = [sys.executable, "-m", "bongsu", "channel", "certify", channel_id, "--days", "1"]
    command += ["--data", str(server.data_dir), "--server-name", SERVER_NAME]
    process = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    assert "is certified for 1 days" in process.stdout
    assert (await alice.get(channel))["mark"]["channel_id"] == channel_id
