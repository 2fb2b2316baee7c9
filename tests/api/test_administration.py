"""Administrators: who is who, locking and suspending, and what is left to people whose account was restricted."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest
from tests.api.talking import V1, V3, Talker, ask, room, segment, sign_up
from tests.server import SERVER_NAME, Server

LOCKED = (401, "M_USER_LOCKED")
SUSPENDED = (403, "M_USER_SUSPENDED")
Cli = Callable[..., str]


def bongsu(data_dir: Path, *words: str) -> str:
    """What a command prints; it must succeed."""
    command = [sys.executable, "-m", "bongsu", *words, "--data", str(data_dir), "--server-name", SERVER_NAME]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def cli(server: Server) -> Cli:
    return lambda *words: bongsu(server.data_dir, *words)


@pytest.fixture
async def admin(http: aiohttp.ClientSession, cli: Cli) -> Talker:
    person = await sign_up(http, "admin")
    cli("user", "promote", person.user_id)
    return person


def of(person: Talker | str, what: str) -> str:
    user_id = person if isinstance(person, str) else person.user_id
    return f"{V1}/admin/{what}/{segment(user_id)}"


async def test_locked_people_can_sign_out_and_nothing_else(
    admin: Talker, alice: Talker, elsewhere: aiohttp.ClientSession
) -> None:
    there = alice.through(elsewhere)
    await there.get(f"{V3}/account/whoami")  # both workers remember the session
    assert await admin.get(of(alice, "lock")) == {"locked": False}
    assert await admin.put(of(alice, "lock"), {"locked": True}) == {"locked": True}
    status, said = await alice.ask("GET", f"{V3}/sync")
    assert (status, said["errcode"], said["soft_logout"]) == (*LOCKED, True)
    assert await alice.refused("GET", f"{V3}/account/whoami") == LOCKED
    await _until_refused(there, LOCKED)
    body = {"type": "m.login.password", "user": alice.user_id, "password": alice._password}
    assert await alice.refused("POST", f"{V3}/login", body) == LOCKED
    assert await admin.put(of(alice, "lock"), {"locked": False}) == {"locked": False}
    await alice.sync()
    await admin.put(of(alice, "lock"), {"locked": True})
    await alice.post(f"{V3}/logout")
    await admin.put(of(alice, "lock"), {"locked": False})
    assert await alice.refused("GET", f"{V3}/sync") == (401, "M_UNKNOWN_TOKEN")


async def test_a_sync_that_waits_does_not_outlast_a_lock(
    admin: Talker, alice: Talker, elsewhere: aiohttp.ClientSession
) -> None:
    there = alice.through(elsewhere)
    query = {"filter": json.dumps({"presence": {"not_types": ["*"]}}), "timeout": 120_000}
    since = (await there.sync())["next_batch"]
    waiting = asyncio.create_task(there.ask("GET", f"{V3}/sync", since=since, **query))
    for _ in range(20):
        await there.get(f"{V3}/account/whoami")
    assert not waiting.done()
    await admin.put(of(alice, "lock"), {"locked": True})
    async with asyncio.timeout(40):
        assert (await waiting)[0] in (200, 401)
    await _until_refused(there, LOCKED)
    await admin.put(of(alice, "lock"), {"locked": False})


async def test_a_locked_session_is_not_renewed(admin: Talker, alice: Talker, http: aiohttp.ClientSession) -> None:
    login = {"type": "m.login.password", "user": alice.user_id, "password": alice._password, "refresh_token": True}
    session = await alice.post(f"{V3}/login", login)
    refresh = {"refresh_token": session["refresh_token"]}
    await admin.put(of(alice, "lock"), {"locked": True})
    status, said = await ask(http, "POST", f"{V3}/refresh", refresh)
    assert (status, said["errcode"], said["soft_logout"]) == (*LOCKED, True)
    await admin.put(of(alice, "lock"), {"locked": False})
    assert (await ask(http, "POST", f"{V3}/refresh", refresh))[0] == 200


async def _until_refused(person: Talker, refusal: tuple[int, str]) -> None:
    """Another worker hears of it through the feed."""
    for _ in range(1_000):
        status, said = await person.ask("GET", f"{V3}/account/whoami")
        if status != 200:
            assert (status, said["errcode"]) == refusal
            return
    raise AssertionError("the other worker did not hear of it")


async def test_suspended_people_read_and_take_back(admin: Talker, alice: Talker, bob: Talker) -> None:
    room_id = await bob.make_room()
    invited_to = await bob.make_room()
    await bob.bring(room_id, alice)
    await bob.invite(invited_to, alice)
    mine, theirs = await alice.say(room_id, "hello"), await bob.say(room_id, "hi")
    await admin.put(of(alice, "suspend"), {"suspended": True})
    assert await admin.get(of(alice, "suspend")) == {"suspended": True}
    message = {"msgtype": "m.text", "body": "again"}
    for method, path, body in (
        ("PUT", f"{room(room_id)}/send/m.room.message/s1", message),
        ("PUT", f"{room(room_id)}/state/m.room.topic/", {"topic": "mine"}),
        ("PUT", f"{room(room_id)}/redact/{segment(theirs)}/s2", {}),
        ("POST", f"{room(invited_to)}/join", {}),
        ("POST", f"{V3}/join/{segment(invited_to)}", {}),
        ("POST", f"{V3}/knock/{segment(invited_to)}", {}),
        ("POST", f"{room(room_id)}/invite", {"user_id": admin.user_id}),
        ("POST", f"{V3}/createRoom", {}),
        ("PUT", f"{V3}/profile/{segment(alice.user_id)}/displayname", {"displayname": "Nobody"}),
        ("POST", "/_bongsu/v1/bookings/offers/o0/book", {}),
    ):
        assert await alice.refused(method, path, body) == SUSPENDED, path
    assert room_id in (await alice.sync())["rooms"]["join"]
    await alice.redact(room_id, mine)
    await alice.leave(invited_to)
    await alice.leave(room_id)
    await admin.put(of(alice, "suspend"), {"suspended": False})
    await alice.make_room()


async def test_who_may_not(admin: Talker, alice: Talker, bob: Talker, cli: Cli) -> None:
    nobody, stranger = f"@nobody-at-all:{SERVER_NAME}", "@alice:elsewhere.example"
    for what, body in (("lock", {"locked": True}), ("suspend", {"suspended": True})):
        for person in (bob, nobody, stranger):  # who has an account is not told to who may not ask
            assert await alice.refused("GET", of(person, what)) == (403, "M_FORBIDDEN")
            assert await alice.refused("PUT", of(person, what), body) == (403, "M_FORBIDDEN")
        assert await admin.refused("GET", of(nobody, what)) == (404, "M_NOT_FOUND")
        assert await admin.refused("PUT", of(nobody, what), body) == (404, "M_NOT_FOUND")
        assert await admin.refused("GET", of(stranger, what)) == (400, "M_INVALID_PARAM")
        assert await admin.refused("PUT", of(stranger, what), body) == (400, "M_INVALID_PARAM")
        assert await admin.refused("PUT", of(admin, what), body) == (403, "M_FORBIDDEN")
        assert await admin.refused("PUT", of(bob, what), {}) == (400, "M_MISSING_PARAM")
        assert await admin.refused("PUT", of(bob, what), {f"{what}ed": "yes", "suspended": 1}) == (400, "M_BAD_JSON")
    cli("user", "promote", bob.user_id)
    assert await admin.refused("PUT", of(bob, "lock"), {"locked": True}) == (403, "M_FORBIDDEN")
    assert await admin.refused("GET", of(bob, "suspend")) == (403, "M_FORBIDDEN")
    cli("user", "demote", bob.user_id)
    assert await bob.refused("GET", of(alice, "lock")) == (403, "M_FORBIDDEN")


async def test_whois(admin: Talker, alice: Talker, bob: Talker) -> None:
    for asker in (admin, alice):
        for prefix in (V3, "/_matrix/client/r0"):
            found = await asker.get(f"{prefix}/admin/whois/{segment(alice.user_id)}")
            assert found["user_id"] == alice.user_id
            [connection] = found["devices"][alice.device_id]["sessions"][0]["connections"]
            assert connection["ip"] == "127.0.0.1"
            assert connection["last_seen"] > 0
    assert await bob.refused("GET", f"{V3}/admin/whois/{segment(alice.user_id)}") == (403, "M_FORBIDDEN")
    nobody = segment(f"@nobody-at-all:{SERVER_NAME}")
    assert await admin.refused("GET", f"{V3}/admin/whois/{nobody}") == (404, "M_NOT_FOUND")


async def test_only_administrators_are_told_that_they_can(admin: Talker, alice: Talker) -> None:
    told = (await admin.get(f"{V3}/capabilities"))["capabilities"]
    assert told["m.account_moderation"] == {"lock": True, "suspend": True}
    assert "m.account_moderation" not in (await alice.get(f"{V3}/capabilities"))["capabilities"]


async def test_the_command_locks_and_suspends(alice: Talker, cli: Cli) -> None:
    cli("user", "lock", alice.user_id)
    await _until_refused(alice, LOCKED)
    assert "locked" in cli("user", "list")
    cli("user", "unlock", alice.user_id)
    cli("user", "suspend", alice.user_id)
    await alice.sync()
    assert await alice.refused("POST", f"{V3}/createRoom", {}) == SUSPENDED
    cli("user", "unsuspend", alice.user_id)
    await alice.make_room()
