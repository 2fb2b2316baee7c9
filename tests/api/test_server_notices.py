"""The server speaks to people: in a room of their own, that they cannot turn away or write in, and each notice once."""

import asyncio
import secrets
import subprocess
import sys
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.api.talking import V3, Talker, ask, room, segment, sign_up
from tests.server import SERVER_NAME, Server

SPEAKER = f"@server-notices:{SERVER_NAME}"
STAYS = (403, "M_CANNOT_LEAVE_SERVER_NOTICE_ROOM")
PEOPLE = 60  # more than are told at once


def command(data_dir: Path, *words: str) -> list[str]:
    start = [sys.executable, "-m", "bongsu", "notice", "send", *words]
    return [*start, "--data", str(data_dir), "--server-name", SERVER_NAME]


def send(server: Server, *words: str) -> str:
    done = subprocess.run(command(server.data_dir, *words), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def invitation(person: Talker) -> str:
    """The room of the only invitation there is."""
    [(room_id, invite)] = (await person.sync())["rooms"]["invite"].items()
    state = {(event["type"], event["state_key"]): event for event in invite["invite_state"]["events"]}
    assert state["m.room.member", person.user_id]["sender"] == SPEAKER
    return str(room_id)


async def notices(person: Talker, room_id: str) -> list[str]:
    found = (await person.messages(room_id, "f", limit=100))["chunk"]
    return [event["content"]["body"] for event in found if event["type"] == "m.room.message"]


async def test_a_notice(server: Server, alice: Talker) -> None:
    assert "1 sent, 0 had it already" in send(server, "Work on Sunday 일요일 작업", "--to", alice.user_id)
    room_id = await invitation(alice)
    assert await alice.refused("POST", f"{room(room_id)}/leave") == STAYS
    as_state = f"{room(room_id)}/state/m.room.member/{segment(alice.user_id)}"
    assert await alice.refused("PUT", as_state, {"membership": "leave"}) == STAYS
    await alice.join(room_id)
    told = (await alice.sync())["rooms"]["join"][room_id]
    tags = [event["content"]["tags"] for event in told["account_data"]["events"] if event["type"] == "m.tag"]
    assert tags == [{"m.server_notice": {}}]
    assert await notices(alice, room_id) == ["Work on Sunday 일요일 작업"]
    message = f"{room(room_id)}/send/m.room.message/n1"
    assert await alice.refused("PUT", message, {"body": "no", "msgtype": "m.text"}) == (403, "M_FORBIDDEN")
    assert await alice.refused("POST", f"{room(room_id)}/invite", {"user_id": SPEAKER}) == (403, "M_FORBIDDEN")
    assert "0 sent, 1 had it already" in send(server, "Work on Sunday 일요일 작업", "--to", alice.user_id)
    assert "1 sent" in send(server, "Work on Sunday 일요일 작업", "--to", alice.user_id, "--id", secrets.token_hex(4))
    assert len(await notices(alice, room_id)) == 2
    await alice.leave(room_id)  # who has read it may go, and is asked back when there is something new
    send(server, "Another", "--to", alice.user_id)
    assert await invitation(alice) == room_id


async def test_whom_no_notice_reaches(server: Server, alice: Talker) -> None:
    line = command(server.data_dir, "hello", "--to", f"@nobody-{secrets.token_hex(4)}:{SERVER_NAME}")
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    for words in (("hello",), ("hello", "--all", "--to", alice.user_id)):
        wrong = subprocess.run(command(server.data_dir, *words), capture_output=True, timeout=60, check=False)
        assert wrong.returncode == 2


async def test_an_account_that_ends_leaves_the_room(server: Server, alice: Talker) -> None:
    send(server, "hello", "--to", alice.user_id)
    auth = {"type": "m.login.password", "user": alice.user_id, "password": alice._password}
    await alice.post(f"{V3}/account/deactivate", {"auth": auth})


async def test_nobody_is_called_as_the_server(http: aiohttp.ClientSession) -> None:
    body = {"username": "server-notices", "password": "long enough 1", "auth": {"type": "m.login.dummy"}}
    status, said = await ask(http, "POST", f"{V3}/register", body)
    assert (status, said["errcode"]) == (400, "M_EXCLUSIVE")


async def test_everybody_is_told_once_although_the_command_was_killed(
    server: Server, http: aiohttp.ClientSession
) -> None:
    people = await _gathered([sign_up(http, "crowd") for _ in range(PEOPLE)])
    text = f"To all: {secrets.token_hex(4)}"
    line = command(server.data_dir, text, "--all")
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as first:
        assert first.stderr is not None
        assert any(" of " in said for said in first.stderr)  # some have it, not all
        first.kill()
    assert "0 cannot be told" in send(server, text, "--all")
    assert " 0 sent" in send(server, text, "--all")
    rooms = await _gathered([invitation(person) for person in people])
    await _gathered([person.join(room_id) for person, room_id in zip(people, rooms, strict=True)])
    told = await _gathered([notices(person, room_id) for person, room_id in zip(people, rooms, strict=True)])
    assert told == [[text]] * PEOPLE


async def _gathered(work: list[Awaitable[Any]]) -> list[Any]:
    return list(await asyncio.gather(*work))


@pytest.mark.parametrize("words", [("", "--all"), ("x" * 40_000, "--all")])
def test_notices_that_cannot_be(server: Server, words: tuple[str, ...]) -> None:
    done = subprocess.run(command(server.data_dir, *words), capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1), done.stderr
