"""Reports of events, rooms and people: who may make them, and what the operator reads."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from tests.api.talking import V3, Json, Talker, room, segment
from tests.server import SERVER_NAME, Server


def command(server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "bongsu", "report", *arguments]
    words += ["--data", str(server.data_dir), "--server-name", SERVER_NAME]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, env=os.environ, check=False)


def listed(server: Server, reporter: Talker, *options: str) -> list[Json]:
    answer = command(server, "list", "--json", *options)
    assert answer.returncode == 0, answer.stderr
    return [
        report for line in answer.stdout.splitlines() if (report := json.loads(line))["reporter"] == reporter.user_id
    ]


async def test_the_operator_reads_and_closes_reports(alice: Talker, bob: Talker, server: Server) -> None:
    here = await bob.make_room()
    await bob.bring(here, alice)
    event_id = await bob.say(here, "나쁜 말")
    about = f"{room(here)}/report/{segment(event_id)}"
    assert await alice.post(about, {"reason": "욕설", "score": -100}) == {}
    assert await alice.post(about, {"reason": "욕설입니다"}) == {}
    assert await alice.post(f"{room(here)}/report", {"reason": ""}) == {}
    assert await alice.post(f"{V3}/users/{segment(bob.user_id)}/report", {"reason": "그 사람"}) == {}
    of_user, of_room, of_event = listed(server, alice)
    assert (of_event["room_id"], of_event["event_id"], of_event["user_id"]) == (here, event_id, bob.user_id)
    assert of_event["reason"] == "욕설입니다"
    assert (of_room["room_id"], of_room["event_id"], of_room["user_id"]) == (here, "", "")
    assert (of_user["room_id"], of_user["user_id"], of_user["reason"]) == ("", bob.user_id, "그 사람")

    number = str(of_event["report_id"])
    shown = command(server, "show", number).stdout
    assert "욕설입니다" in shown
    assert "나쁜 말" in shown
    assert command(server, "close", number).returncode == 0
    assert [report["report_id"] for report in listed(server, alice)] == [of_user["report_id"], of_room["report_id"]]
    assert len(listed(server, alice, "--all")) == 3
    assert f"{number}  " in command(server, "list", "--all").stdout
    await alice.post(about, {})
    assert len(listed(server, alice)) == 3


def test_there_is_no_such_report(server: Server) -> None:
    for what in ("show", "close"):
        answer = command(server, what, "999999")
        assert (answer.returncode, answer.stdout) == (1, "")
        assert answer.stderr == "bongsu: there is no report 999999\n"


async def test_strangers_cannot_report_events(alice: Talker, bob: Talker) -> None:
    here = await bob.make_room()
    event_id = await bob.say(here, "among us")
    answer = await alice.refused("POST", f"{room(here)}/report/{segment(event_id)}", {"reason": "x"})
    assert answer == (404, "M_NOT_FOUND")
    await bob.bring(here, alice)
    await alice.leave(here)
    answer = await alice.refused("POST", f"{room(here)}/report/{segment(event_id)}", {"reason": "x"})
    assert answer == (404, "M_NOT_FOUND")


@pytest.mark.parametrize(
    ("path", "body", "answer"),
    [
        ("/rooms/!nothing:test.example/report", {"reason": "x"}, (404, "M_NOT_FOUND")),
        ("/rooms/nothing/report", {"reason": "x"}, (404, "M_NOT_FOUND")),
        ("/rooms/!nothing:test.example/report/$none", {"reason": "x"}, (404, "M_NOT_FOUND")),
        ("/users/@nobody:test.example/report", {"reason": "x"}, (404, "M_NOT_FOUND")),
        ("/users/nobody/report", {"reason": "x"}, (404, "M_NOT_FOUND")),
        ("/users/@nobody:test.example/report", {}, (400, "M_MISSING_PARAM")),
        ("/rooms/!nothing:test.example/report", {"reason": 1}, (400, "M_BAD_JSON")),
        ("/rooms/!nothing:test.example/report", {"reason": "x" * 4_097}, (400, "M_INVALID_PARAM")),
        ("/users/@nobody:test.example/report", {"reason": "\0"}, (400, "M_INVALID_PARAM")),
    ],
)
async def test_a_wrong_report_is_refused(alice: Talker, path: str, body: Any, answer: tuple[int, str]) -> None:
    assert await alice.refused("POST", f"{V3}{path}", body) == answer


@pytest.fixture
async def strict(server: Server) -> AsyncIterator[aiohttp.ClientSession]:
    worker = Server.start(server.data_dir, "--password-hashing", "fast", "--rate-limits")
    async with aiohttp.ClientSession(worker.base_url) as session:
        yield session
    worker.stop()


async def test_reports_come_slowly(alice: Talker, strict: aiohttp.ClientSession) -> None:
    here = await alice.make_room()
    there = alice.through(strict)
    answers = [await there.ask("POST", f"{room(here)}/report", {"reason": "again"}) for _ in range(30)]
    assert (answers[0][0], answers[-1][0]) == (200, 429)
    assert answers[-1][1]["retry_after_ms"] > 0
