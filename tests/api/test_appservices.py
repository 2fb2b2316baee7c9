"""Application services: a real one is told what happens, acts for its people, and is asked for what does not exist."""

import asyncio
import json
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.api.talking import V1, V3, Talker, ask, room, segment, sign_up
from tests.bridge import AS_TOKEN, Bridge, Json
from tests.server import SERVER_NAME, Server
from tests.waiting import until

EXCLUSIVE = (400, "M_EXCLUSIVE")
FORBIDDEN = (403, "M_FORBIDDEN")
SERVICE_LOGIN = "m.login.application_service"


class Ghost:
    """Somebody the bridge speaks for; "" for the bridge's own account."""

    def __init__(self, http: aiohttp.ClientSession, user_id: str = "", as_token: str = AS_TOKEN) -> None:
        self._http = http
        self.user_id = user_id
        self._headers = {"Authorization": f"Bearer {as_token}"}

    async def ask(self, method: str, path: str, body: Any = None, **query: Any) -> tuple[int, Any]:
        whose = {"user_id": self.user_id} if self.user_id else {}
        return await ask(self._http, method, path, body, self._headers, **{**whose, **query})

    async def done(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        status, answer = await self.ask(method, path, body, **query)
        assert status in (200, 201), f"{method} {path}: {status} {answer}"
        return answer

    async def refused(self, method: str, path: str, body: Any = None, **query: Any) -> tuple[int, str]:
        status, answer = await self.ask(method, path, body, **query)
        assert status >= 400, answer
        return status, answer["errcode"]

    async def say(self, room_id: str, text: str, **query: Any) -> str:
        path = f"{room(room_id)}/send/m.room.message/{secrets.token_hex(6)}"
        said: str = (await self.done("PUT", path, {"msgtype": "m.text", "body": text}, **query))["event_id"]
        return said


def command(data_dir: Path, *words: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "bongsu", "appservice", *words, "--data", str(data_dir), "--server-name", SERVER_NAME]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
async def bridge(server: Server, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bridge]:
    """A bridge that is known to the server while it runs."""
    bridge = Bridge()
    await bridge.start()
    done = command(server.data_dir, "add", str(bridge.write(tmp_path_factory.mktemp("bridge"))))
    assert done.returncode == 0, done.stderr
    yield bridge
    await bridge.stop()


@pytest.fixture(autouse=True)
def _well(bridge: Bridge) -> None:
    bridge.status = bridge.ping_status = 200
    bridge.hangs = False
    bridge.makes = None


@pytest.fixture
def bot(http: aiohttp.ClientSession, bridge: Bridge) -> Ghost:
    return Ghost(http)


@pytest.fixture
async def ghost(http: aiohttp.ClientSession, bridge: Bridge) -> Ghost:
    return await make_ghost(http, f"bridge_{secrets.token_hex(4)}")


async def make_ghost(http: aiohttp.ClientSession, name: str) -> Ghost:
    body = {"type": SERVICE_LOGIN, "username": name, "inhibit_login": True}
    made = await Ghost(http).done("POST", f"{V3}/register", body)
    assert made["user_id"] == f"@{name}:{SERVER_NAME}"
    assert "access_token" not in made
    return Ghost(http, made["user_id"])


async def told(bridge: Bridge, is_so: Callable[[list[Json]], bool]) -> list[Json]:
    async def events() -> list[Json]:
        return bridge.events

    return await until(events, is_so, 20)


# --- being told ---


async def test_all_that_concerns_the_service_comes_once_and_in_order(
    bridge: Bridge, ghost: Ghost, alice: Talker, bob: Talker
) -> None:
    before = await alice.make_room()
    await alice.say(before, "of no concern")
    room_id = await alice.make_room()
    await alice.post(f"{room(room_id)}/invite", {"user_id": ghost.user_id})
    await ghost.done("POST", f"{room(room_id)}/join", {})
    said = [await alice.say(room_id, f"message {number}") for number in range(130)]
    said.append(await ghost.say(room_id, "an answer"))
    await ghost.done("POST", f"{room(room_id)}/leave", {})
    after = await alice.say(room_id, "of no concern any more")
    mark = await _mark(bridge, ghost, alice)
    events = [event for event in bridge.events if event["room_id"] in (room_id, before)]
    messages = [event["event_id"] for event in events if event["type"] == "m.room.message"]
    assert messages == said
    assert after not in messages
    members = [event for event in events if event["type"] == "m.room.member"]
    assert [event["content"]["membership"] for event in members] == ["invite", "join", "leave"]
    assert members[1]["unsigned"]["prev_content"]["membership"] == "invite"
    assert all(event["room_id"] == room_id for event in events)
    ids = [event["event_id"] for event in bridge.events]
    assert len(ids) == len(set(ids))
    assert max(len(body["events"]) for _, body in bridge.taken) <= 100
    assert mark in ids


async def _mark(bridge: Bridge, ghost: Ghost, person: Talker) -> str:
    """Something that the service is told of last."""
    room_id = await person.make_room(invite=[ghost.user_id])
    await ghost.done("POST", f"{room(room_id)}/join", {})
    mark = await person.say(room_id, "the mark")
    await told(bridge, lambda events: any(event["event_id"] == mark for event in events))
    return mark


async def test_a_transaction_is_repeated_unchanged_until_it_is_answered(
    bridge: Bridge, ghost: Ghost, bot: Ghost, alice: Talker
) -> None:
    room_id = await alice.make_room(invite=[ghost.user_id])
    await ghost.done("POST", f"{room(room_id)}/join", {})
    await _mark(bridge, ghost, alice)
    bridge.status = 500
    tried = len(bridge.tries)
    first = await alice.say(room_id, "first")

    async def tries() -> list[tuple[str, bytes]]:
        return bridge.tries[tried:]

    again = await until(tries, lambda found: len(found) >= 2, 20)
    second = await alice.say(room_id, "second")
    assert len(set(again)) == 1
    assert first.encode() in again[0][1]
    bridge.status = 200
    await bot.done("POST", f"{V1}/appservice/bridge/ping", {"transaction_id": "hello"})  # ends the wait
    await told(bridge, lambda events: any(event["event_id"] == second for event in events))
    assert again[0] in [(txn_id, raw) for txn_id, raw in bridge.tries[tried + 2 :]]
    found = [event["event_id"] for event in bridge.events if event["room_id"] == room_id]
    assert found[-2:] == [first, second]
    assert bridge.pings[-1] == {"transaction_id": "hello"}


async def test_who_was_away_is_told_what_it_would_have_been_told(
    bridge: Bridge, ghost: Ghost, bot: Ghost, alice: Talker
) -> None:
    bridge.status = 500
    room_id = await alice.make_room()
    await alice.say(room_id, "before")
    await alice.post(f"{room(room_id)}/invite", {"user_id": ghost.user_id})
    await ghost.done("POST", f"{room(room_id)}/join", {})
    inside = await alice.say(room_id, "while the ghost is there")
    await ghost.done("POST", f"{room(room_id)}/leave", {})
    await alice.say(room_id, "after")
    bridge.status = 200
    await bot.done("POST", f"{V1}/appservice/bridge/ping", {})
    await _mark(bridge, ghost, alice)
    events = [event for event in bridge.events if event["room_id"] == room_id]
    assert [event["event_id"] for event in events if event["type"] == "m.room.message"] == [inside]
    members = [event["content"]["membership"] for event in events if event["type"] == "m.room.member"]
    assert members == ["invite", "join", "leave"]


async def test_receipts_and_typing(bridge: Bridge, ghost: Ghost, alice: Talker) -> None:
    room_id = await alice.make_room(invite=[ghost.user_id])
    await ghost.done("POST", f"{room(room_id)}/join", {})
    said = await ghost.say(room_id, "hello")
    await alice.put(f"{room(room_id)}/typing/{segment(alice.user_id)}", {"typing": True, "timeout": 30_000})
    await alice.post(f"{room(room_id)}/receipt/m.read.private/{segment(said)}")
    await alice.post(f"{room(room_id)}/receipt/m.read/{segment(said)}")
    await _mark(bridge, ghost, alice)
    of_room = [event for event in bridge.ephemeral if event.get("room_id") == room_id]
    typing = [event["content"]["user_ids"] for event in of_room if event["type"] == "m.typing"]
    assert [alice.user_id] in typing
    [receipt] = [event["content"] for event in of_room if event["type"] == "m.receipt"]
    assert list(receipt[said]) == ["m.read"]
    assert alice.user_id in receipt[said]["m.read"]


async def test_rooms_with_the_services_alias_concern_it(
    bridge: Bridge, bot: Ghost, ghost: Ghost, alice: Talker
) -> None:
    name = f"bridge_{secrets.token_hex(4)}"
    made = await bot.done("POST", f"{V3}/createRoom", {"room_alias_name": name, "preset": "public_chat"})
    await alice.join(made["room_id"])
    await bot.done("POST", f"{room(made['room_id'])}/leave", {})
    said = await alice.say(made["room_id"], "hello")
    await told(bridge, lambda events: any(event["event_id"] == said for event in events))


# --- acting for people ---


async def test_the_service_acts_for_its_people_and_for_nobody_else(
    bot: Ghost, ghost: Ghost, alice: Talker, http: aiohttp.ClientSession
) -> None:
    assert (await bot.done("GET", f"{V3}/account/whoami"))["user_id"] == f"@bridgebot:{SERVER_NAME}"
    whoami = await ghost.done("GET", f"{V3}/account/whoami")
    assert (whoami["user_id"], "device_id" in whoami) == (ghost.user_id, False)
    assert await Ghost(http, alice.user_id).refused("GET", f"{V3}/account/whoami") == FORBIDDEN
    unborn = f"@bridge_unborn-{secrets.token_hex(4)}:{SERVER_NAME}"
    assert await Ghost(http, unborn).refused("GET", f"{V3}/account/whoami") == FORBIDDEN
    stranger = Ghost(http, ghost.user_id, as_token="not-a-token-of-anybody")
    assert await stranger.refused("GET", f"{V3}/account/whoami") == (401, "M_UNKNOWN_TOKEN")
    await ghost.done("PUT", f"{V3}/profile/{segment(ghost.user_id)}/displayname", {"displayname": "Ann (Gram)"})
    assert (await alice.get(f"{V3}/profile/{segment(ghost.user_id)}"))["displayname"] == "Ann (Gram)"
    who_asks = await alice.get(f"{V3}/account/whoami", user_id=ghost.user_id)
    assert who_asks["user_id"] == alice.user_id  # people cannot put on masks


async def test_devices_of_ghosts(ghost: Ghost) -> None:
    device = f"{V3}/devices/BRIDGE"
    assert await ghost.refused("GET", f"{V3}/account/whoami", device_id="BRIDGE") == (400, "M_UNKNOWN_DEVICE")
    assert (await ghost.ask("PUT", device, {"display_name": "the bridge"}))[0] == 201
    assert (await ghost.ask("PUT", device, {"display_name": "the bridge again"}))[0] == 200
    for name in ("device_id", "org.matrix.msc3202.device_id"):
        assert (await ghost.done("GET", f"{V3}/account/whoami", **{name: "BRIDGE"}))["device_id"] == "BRIDGE"
    await ghost.done("DELETE", device, {})  # without asking for a password that nobody has
    assert await ghost.refused("GET", f"{V3}/account/whoami", device_id="BRIDGE") == (400, "M_UNKNOWN_DEVICE")


async def test_a_ghosts_device_has_keys_and_gets_messages(ghost: Ghost, alice: Talker) -> None:
    keys = {"one_time_keys": {"signed_curve25519:AAAA": {"key": "x" * 43, "signatures": {}}}}
    assert await ghost.refused("POST", f"{V3}/keys/upload", keys) == (400, "M_MISSING_PARAM")
    await ghost.done("PUT", f"{V3}/devices/ENC", {})
    stock = await ghost.done("POST", f"{V3}/keys/upload", keys, device_id="ENC")
    assert stock["one_time_key_counts"] == {"signed_curve25519": 1}
    message = {"messages": {ghost.user_id: {"ENC": {"hello": 1}}}}
    await alice.put(f"{V3}/sendToDevice/net.gram.hello/{secrets.token_hex(4)}", message)
    synced = await ghost.done("GET", f"{V3}/sync", device_id="ENC")
    assert [event["content"] for event in synced["to_device"]["events"]] == [{"hello": 1}]
    assert (await ghost.done("GET", f"{V3}/sync"))["to_device"]["events"] == []


async def test_a_session_for_a_ghost(http: aiohttp.ClientSession, ghost: Ghost, bot: Ghost, alice: Talker) -> None:
    flows = (await ask(http, "GET", f"{V3}/login"))[1]["flows"]
    assert {"type": SERVICE_LOGIN} in flows
    body = {"type": SERVICE_LOGIN, "identifier": {"type": "m.id.user", "user": ghost.user_id}}
    session = Talker(http, await bot.done("POST", f"{V3}/login", body))
    assert (await session.get(f"{V3}/account/whoami"))["user_id"] == ghost.user_id
    other = {**body, "identifier": {"type": "m.id.user", "user": alice.user_id}}
    assert await bot.refused("POST", f"{V3}/login", other) == FORBIDDEN
    assert await alice.refused("POST", f"{V3}/login", body) == (401, "M_UNKNOWN_TOKEN")
    status, said = await ask(http, "POST", f"{V3}/login", body)
    assert (status, said["errcode"]) == (401, "M_MISSING_TOKEN")
    name = f"bridge_{secrets.token_hex(4)}"
    made = await bot.done("POST", f"{V3}/register", {"type": SERVICE_LOGIN, "username": name})
    await Talker(http, made).sync()


async def test_the_time_of_an_event_is_the_services_to_say(ghost: Ghost, alice: Talker) -> None:
    room_id = await alice.make_room(invite=[ghost.user_id])
    await ghost.done("POST", f"{room(room_id)}/join", {})
    long_ago = await ghost.say(room_id, "from an archive", ts=1_234_567_890_123)
    assert (await alice.event(room_id, long_ago))["origin_server_ts"] == 1_234_567_890_123
    path = f"{room(room_id)}/state/net.gram/x"
    set_then = await ghost.ask("PUT", path, {}, ts=5)
    assert set_then[0] == 403  # a power level stands for everybody
    txn = f"{room(room_id)}/send/m.room.message/ts1"
    now = (await alice.put(txn, {"body": "now", "msgtype": "m.text"}, ts=5))["event_id"]
    assert (await alice.event(room_id, now))["origin_server_ts"] > 1_600_000_000_000


async def test_rate_limits_are_the_registrations_to_say(
    server: Server, ghost: Ghost, alice: Talker, http: aiohttp.ClientSession
) -> None:
    strict = Server(server.data_dir, "--password-hashing", "fast", "--rate-limits")
    strict.launch()
    strict.wait_ready()
    try:
        async with aiohttp.ClientSession(strict.base_url) as session:
            bridged = Ghost(session, ghost.user_id)
            made = await bridged.done("POST", f"{V3}/createRoom", {"preset": "public_chat"})
            person = alice.through(session)
            await person.join(made["room_id"])
            for number in range(90):  # more than a person may at once
                await bridged.say(made["room_id"], f"{number}")
            path = f"{room(made['room_id'])}/send/m.room.message"
            asks = (person.ask("PUT", f"{path}/r{number}", {"body": "x"}) for number in range(300))
            answers = await asyncio.gather(*asks)  # at once: one after the other may be slow enough to be allowed
            assert 429 in {status for status, _ in answers}
    finally:
        strict.stop()


# --- namespaces ---


async def test_exclusive_names_are_for_the_service_alone(
    http: aiohttp.ClientSession, bot: Ghost, alice: Talker
) -> None:
    name = f"bridge_{secrets.token_hex(4)}"
    body = {"username": name, "password": "long enough 123", "auth": {"type": "m.login.dummy"}}
    status, said = await ask(http, "POST", f"{V3}/register", body)
    assert (status, said["errcode"]) == EXCLUSIVE
    status, said = await ask(http, "GET", f"{V3}/register/available", username=name)
    assert (status, said["errcode"]) == EXCLUSIVE
    outside = {"type": SERVICE_LOGIN, "username": f"other_{secrets.token_hex(4)}", "inhibit_login": True}
    assert await bot.refused("POST", f"{V3}/register", outside) == EXCLUSIVE
    assert await bot.refused("POST", f"{V3}/register", {"type": SERVICE_LOGIN}) == (400, "M_MISSING_PARAM")
    await make_ghost(http, name)
    taken = {"type": SERVICE_LOGIN, "username": name, "inhibit_login": True}
    assert await bot.refused("POST", f"{V3}/register", taken) == (400, "M_USER_IN_USE")
    room_id = await alice.make_room()
    alias = f"{V3}/directory/room/{segment(f'#{name}:{SERVER_NAME}')}"
    assert await alice.refused("PUT", alias, {"room_id": room_id}) == EXCLUSIVE
    assert await alice.refused("POST", f"{V3}/createRoom", {"room_alias_name": name}) == EXCLUSIVE
    made = await bot.done("POST", f"{V3}/createRoom", {})
    await bot.done("PUT", alias, {"room_id": made["room_id"]})
    assert await alice.refused("DELETE", alias) == EXCLUSIVE
    await bot.done("DELETE", alias)


async def test_people_and_rooms_are_made_when_somebody_asks_for_them(
    bridge: Bridge, bot: Ghost, alice: Talker, http: aiohttp.ClientSession
) -> None:
    name = f"bridge_{secrets.token_hex(4)}"
    user_id, alias = f"@{name}:{SERVER_NAME}", f"#{name}:{SERVER_NAME}"
    profile = f"{V3}/profile/{segment(user_id)}"
    assert await alice.refused("GET", profile) == (404, "M_NOT_FOUND")
    assert bridge.asked[-1] == user_id
    room_id = await alice.make_room()
    assert await alice.refused("POST", f"{room(room_id)}/invite", {"user_id": user_id}) == (404, "M_NOT_FOUND")
    assert await alice.refused("POST", f"{V3}/join/{segment(alias)}") == (404, "M_NOT_FOUND")

    async def make(what: str) -> bool:
        if what == user_id:
            await make_ghost(http, name)
        elif what == alias:
            await bot.done("POST", f"{V3}/createRoom", {"room_alias_name": name, "preset": "public_chat"})
        return what in (user_id, alias)

    bridge.makes = make
    await alice.post(f"{room(room_id)}/invite", {"user_id": user_id})
    joined = await alice.post(f"{V3}/join/{segment(alias)}")
    found = await alice.get(f"{V3}/directory/room/{segment(alias)}")
    assert found["room_id"] == joined["room_id"]
    asked = len(bridge.asked)
    await alice.get(profile)
    other = f"@bridge_{secrets.token_hex(4)}:{SERVER_NAME}"
    assert await bot.refused("GET", f"{V3}/profile/{segment(other)}") == (404, "M_NOT_FOUND")
    assert len(bridge.asked) == asked  # who exists need not be asked for, and no service is asked for what it looks for


# --- pings ---


async def test_pings(bridge: Bridge, bot: Ghost, alice: Talker) -> None:
    ping = f"{V1}/appservice/bridge/ping"
    assert (await bot.done("POST", ping, {}))["duration_ms"] >= 0
    assert await bot.refused("POST", f"{V1}/appservice/other/ping", {}) == FORBIDDEN
    assert await alice.refused("POST", ping, {}) == FORBIDDEN
    bridge.hangs = True
    assert await bot.refused("POST", ping, {}) == (504, "M_CONNECTION_TIMEOUT")
    bridge.hangs = False
    bridge.ping_status = 418
    status, said = await bot.ask("POST", ping, {})
    assert (status, said["errcode"], said["status"], said["body"]) == (502, "M_BAD_STATUS", 418, "{}")


async def test_a_service_that_cannot_be_reached_or_has_no_url(
    server: Server, tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    gone, mute = Bridge("gone", "as-of-the-one-that-is-gone"), Bridge("mute", "as-of-the-one-without-url")
    gone.port = 1
    for other, with_url in ((gone, True), (mute, False)):
        assert command(server.data_dir, "add", str(other.write(tmp_path, with_url=with_url))).returncode == 0
    ping = f"{V1}/appservice/{{}}/ping"
    bot = Ghost(http, as_token=gone.as_token)
    assert await bot.refused("POST", ping.format("gone"), {}) == (502, "M_CONNECTION_FAILED")
    silent = Ghost(http, as_token=mute.as_token)
    assert await silent.refused("POST", ping.format("mute"), {}) == (400, "M_URL_NOT_SET")
    listed = [json.loads(line) for line in command(server.data_dir, "list").stdout.splitlines()]
    assert {"gone", "mute"} <= {each["id"] for each in listed}
    for other in (gone, mute):
        assert command(server.data_dir, "remove", other.name).returncode == 0
    assert await bot.refused("POST", ping.format("gone"), {}) == (401, "M_UNKNOWN_TOKEN")


def test_registrations_that_cannot_be(server: Server, bridge: Bridge, tmp_path: Path) -> None:
    good = bridge.write(tmp_path).read_text()
    for change in (
        ("id: bridge", "id: copy"),  # the same as_token
        ("url: http", "url: gopher"),
        ("'@bridge_.*", "'@bridge_(*"),
        ("as_token:", "a_token:"),
        ("id: bridge", "id: [bridge"),
    ):
        path = tmp_path / "wrong.yaml"
        path.write_text(good.replace(*change, 1))
        done = command(server.data_dir, "add", str(path))
        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1), done
    assert command(server.data_dir, "remove", "nobody").returncode == 1


# --- the other side ---


async def test_third_party_lookups(bridge: Bridge, alice: Talker) -> None:
    protocols = await alice.get(f"{V3}/thirdparty/protocols")
    assert protocols["gram"]["instances"][0]["instance_id"] == "bridge|gramnet"
    assert await alice.get(f"{V3}/thirdparty/protocol/gram") == protocols["gram"]
    user, alias = f"@bridge_ann:{SERVER_NAME}", f"#bridge_hall:{SERVER_NAME}"
    assert (await alice.get(f"{V3}/thirdparty/user/gram", name="ann"))[0]["userid"] == user
    assert (await alice.get(f"{V3}/thirdparty/user", userid=user))[0]["protocol"] == "gram"
    [location] = await alice.get(f"{V3}/thirdparty/location/gram", name="hall")
    assert location["alias"] == alias
    assert (await alice.get(f"{V3}/thirdparty/location", alias=alias)) == [location]
    for path, query in (
        ("protocol/none", {}),
        ("user/gram", {"name": "nobody"}),
        ("user", {"userid": f"@nobody:{SERVER_NAME}"}),
        ("location/gram", {"name": "nowhere"}),
        ("location", {"alias": f"#nowhere:{SERVER_NAME}"}),
        ("location/none", {}),
    ):
        assert await alice.refused("GET", f"{V3}/thirdparty/{path}", **query) == (404, "M_NOT_FOUND")


async def test_rooms_of_a_network(bot: Ghost, alice: Talker, http: aiohttp.ClientSession) -> None:
    network = f"net-{secrets.token_hex(4)}"
    made = await bot.done("POST", f"{V3}/createRoom", {"preset": "public_chat", "name": "Hall"})
    room_id, public = made["room_id"], await alice.make_room(visibility="public")
    path = f"{V3}/directory/list/appservice/{network}/{segment(room_id)}"
    await bot.done("PUT", path, {"visibility": "public"})
    assert await alice.refused("PUT", path, {"visibility": "public"}) == FORBIDDEN
    assert await bot.refused("PUT", path, {"visibility": "secret"}) == (400, "M_BAD_JSON")
    elsewhere = f"{V3}/directory/list/appservice/{network}/{segment(public)}"
    assert await bot.refused("PUT", elsewhere, {"visibility": "public"}) == FORBIDDEN

    async def listed(**body: Any) -> list[str]:
        answer = await alice.post(f"{V3}/publicRooms", {"limit": 500, **body})
        return [entry["room_id"] for entry in answer["chunk"]]

    assert await listed(third_party_instance_id=f"bridge|{network}") == [room_id]
    assert await listed(third_party_instance_id="bridge|none") == []
    assert room_id not in await listed()
    assert {room_id, public} <= set(await listed(include_all_networks=True))
    both = {"include_all_networks": True, "third_party_instance_id": "bridge|x"}
    assert await alice.refused("POST", f"{V3}/publicRooms", both) == (400, "M_INVALID_PARAM")
    await bot.done("PUT", path, {"visibility": "private"})
    assert await listed(third_party_instance_id=f"bridge|{network}") == []


async def test_people_who_sign_up_are_not_the_services(http: aiohttp.ClientSession, bridge: Bridge) -> None:
    person = await sign_up(http, "nobridge")
    assert await person.refused("POST", f"{V1}/appservice/bridge/ping", {}) == FORBIDDEN
