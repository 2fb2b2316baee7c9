"""What people tell services is obeyed once: over a kill, by two workers, in order, and not faster than is fair."""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.http.ratelimit import RATES, RateLimiter, rate
from bongsu.main import now_ms
from bongsu.store import commands as table
from bongsu.store.commands import Commands, Ear, Heard
from bongsu.store.committer import Batch, Committer
from bongsu.store.database import Connection, Database
from bongsu.store.feed import Feed
from bongsu.store.rate_limits import RateLimits
from bongsu.workflow.commanding import Commanding
from tests.api.boards import Board, make_board
from tests.server import Server, data_folder

SPEAKER = "@service:x"
SECONDS_MAX = 40.0


class Noting:
    """A service that notes what it was told, in the transaction that takes the command."""

    ear = Ear(SPEAKER, "x", frozenset({"!x"}), frozenset())

    def __init__(self, database: Database, faults: int = 0) -> None:
        self.refused: list[Refusal] = []
        self._database = database
        self._faults = faults

    async def act(self, heard: Heard) -> None:
        async def work(connection: Connection) -> None:
            if await table.take(connection, heard.pos):
                await connection.execute("INSERT INTO noted (user_id, said) VALUES ($1, $2)", heard.user_id, heard.said)
            if self._faults:
                self._faults -= 1
                raise RuntimeError("a fault after the effect")

        await self._database.write(work)

    async def refuse(self, heard: Heard, refusal: Refusal) -> None:
        self.refused.append(refusal)
        await self._database.write(lambda connection: table.take(connection, heard.pos))


@pytest.fixture
async def noted(two: tuple[Database, Database]) -> AsyncIterator[None]:
    await two[0].execute("CREATE TABLE noted (number bigint GENERATED ALWAYS AS IDENTITY, user_id text, said text)")
    yield
    await two[0].execute("DROP TABLE noted")


def commanding(database: Database, listener: Noting, *, limited: bool = False) -> Commanding:
    limiter = RateLimiter(RateLimits(database), now_ms, enabled=limited)
    feed = Feed(database)
    return Commanding(database, feed, Committer(database, feed, no_batch), limiter, [listener], "@b:x", lambda: False)


def no_batch(*_: Any) -> Batch:
    raise AssertionError("nothing is said in rooms here")


async def put(database: Database, user_id: str, *texts: str) -> None:
    """As if they had been heard in this order."""
    sql = (
        "INSERT INTO commands (pos, service, room_id, user_id, event_id, said, is_reaction)"
        " SELECT coalesce(max(pos), 0) + 1, $1, '!r:x', $2, '$' || $3, $3, false FROM commands"
    )
    for text in texts:
        await database.execute(sql, SPEAKER, user_id, text)


async def run(*workers: Commanding, until_empty: Database) -> None:
    tasks = [asyncio.create_task(worker.run()) for worker in workers]
    async with asyncio.timeout(SECONDS_MAX):
        while await until_empty.fetchval("SELECT count(*) FROM commands"):
            await asyncio.sleep(0.05)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def notes(database: Database, user_id: str) -> list[str]:
    rows = await database.fetch("SELECT said FROM noted WHERE user_id = $1 ORDER BY number", user_id)
    return [row["said"] for row in rows]


@pytest.mark.usefixtures("noted")
async def test_two_workers_obey_each_once_and_each_person_in_order(two: tuple[Database, Database]) -> None:
    people = [f"@p{secrets.token_hex(4)}:x" for _ in range(3)]
    said = [f"!x {number}" for number in range(8)]
    for text in said:
        for person in people:
            await put(two[0], person, text)
    await run(*(commanding(each, Noting(each)) for each in two), until_empty=two[0])
    for person in people:
        assert await notes(two[0], person) == said


@pytest.mark.usefixtures("noted")
async def test_a_worker_that_was_away_with_a_command_does_it_no_more(two: tuple[Database, Database]) -> None:
    person = f"@p{secrets.token_hex(4)}:x"
    await put(two[0], person, "!x")
    [(heard, tries)] = await Commands(two[0]).claim(5)
    assert tries == 1
    assert await Commands(two[1]).claim(5) == [], "it is somebody's for now"
    await two[0].execute("UPDATE commands SET due_at = now()")
    await run(commanding(two[1], Noting(two[1])), until_empty=two[1])
    await Noting(two[0]).act(heard)
    assert await notes(two[0], person) == ["!x"]


@pytest.mark.usefixtures("noted")
async def test_what_fails_after_its_effect_leaves_none_and_comes_again(
    two: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "COMMAND_RETRY_SECONDS", 0.05)
    monkeypatch.setattr(limits, "ROUND_SECONDS", 0.05)
    person = f"@p{secrets.token_hex(4)}:x"
    await put(two[0], person, "!x 1", "!x 2")
    await run(commanding(two[0], Noting(two[0], faults=2)), until_empty=two[0])
    assert await notes(two[0], person) == ["!x 1", "!x 2"]


@pytest.mark.usefixtures("noted")
async def test_what_always_fails_is_given_up(two: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "COMMAND_RETRY_SECONDS", 0.01)
    monkeypatch.setattr(limits, "ROUND_SECONDS", 0.05)
    monkeypatch.setattr(limits, "COMMAND_TRIES_MAX", 3)
    person, listener = f"@p{secrets.token_hex(4)}:x", Noting(two[0], faults=3)
    await put(two[0], person, "!x 1")
    await run(commanding(two[0], listener), until_empty=two[0])
    assert [each.status for each in listener.refused] == [503], "they hear that it is given up"


@pytest.mark.usefixtures("noted")
async def test_what_is_tried_again_is_no_second_command(
    two: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a fault of the server would use up what a person may say."""
    monkeypatch.setattr(limits, "COMMAND_RETRY_SECONDS", 0.0)
    monkeypatch.setattr(limits, "ROUND_SECONDS", 0.01)
    monkeypatch.setitem(RATES, "command", rate(0.001, 1))
    person, listener = f"@p{secrets.token_hex(4)}:x", Noting(two[0], faults=2)
    await put(two[0], person, "!x 1")
    await run(commanding(two[0], listener, limited=True), until_empty=two[0])
    assert await notes(two[0], person) == ["!x 1"]
    assert listener.refused == []


@pytest.mark.usefixtures("noted")
async def test_who_is_too_fast_is_told_so_once(two: tuple[Database, Database]) -> None:
    fast, other = f"@p{secrets.token_hex(4)}:x", f"@p{secrets.token_hex(4)}:x"
    rate, listener = RATES["command"], Noting(two[0])
    await put(two[0], fast, *(f"!x {number}" for number in range(2 * rate.at_once)))
    await put(two[0], other, "!x")
    began = now_ms()
    await run(commanding(two[0], listener, limited=True), until_empty=two[0])
    most = rate.at_once + rate.lease + 1 + rate.per_second * (now_ms() - began) / 1_000
    assert rate.at_once <= len(await notes(two[0], fast)) <= most
    assert await notes(two[0], other) == ["!x"]
    assert [refusal.errcode for refusal in listener.refused] == ["M_LIMIT_EXCEEDED"]


async def test_a_stretch_of_the_stream_is_taken_in_by_one(two: tuple[Database, Database]) -> None:
    ears = {SPEAKER: Noting.ear}
    async with asyncio.timeout(SECONDS_MAX):
        inside, go_on = asyncio.Event(), asyncio.Event()

        async def slowly(connection: Connection) -> int | None:
            reached = await table.take_in(connection, ears, "@boards:x")
            inside.set()
            await asyncio.wait_for(go_on.wait(), 0.5)
            return reached

        first = asyncio.create_task(two[0].write(slowly))
        await inside.wait()
        assert await two[1].write(lambda connection: table.take_in(connection, ears, "@boards:x")) is None
        go_on.set()
        assert await first is not None


async def test_killed_in_the_middle_of_commands() -> None:
    count = 8
    with data_folder() as data_dir:
        worker = Server.start(data_dir, "--password-hashing", "fast")
        async with aiohttp.ClientSession(worker.base_url) as http:
            board = await make_board(http)
            for number in range(count):
                await board.people["requester"].say(board.room_id, f"!bed request icu patient=P-{number}")
        worker.kill()  # some were obeyed, some are under way, some were not even heard
        worker.restart()
        async with aiohttp.ClientSession(worker.base_url) as http:
            people = {role: person.through(http) for role, person in board.people.items()}
            again = Board(board.room_id, people)
            async with asyncio.timeout(SECONDS_MAX):
                while len((await again.done("coordinator", "GET", "/requests"))["requests"]) < count:
                    await asyncio.sleep(0.1)
            answer = await people["observer"].say(board.room_id, "!bed list")
            async with asyncio.timeout(SECONDS_MAX):
                while answer not in (answered := await _answers(again)):
                    await asyncio.sleep(0.1)
            rows = (await again.done("coordinator", "GET", "/requests"))["requests"]
            assert sorted(row["patient"] for row in rows) == sorted(f"P-{number}" for number in range(count))
            assert [row["number"] for row in rows] == list(range(1, count + 1))
            assert len(await again.said("request")) == count
            assert set(answered.values()) == {1}
            audit = await again.done("coordinator", "GET", "/audit?verify=true")
            assert audit["faults"] == []


async def _answers(board: Board) -> Counter[str]:
    """How many times what was said was answered."""
    replies = [
        each["m.relates_to"]["m.in_reply_to"]["event_id"] for each in await board.texts() if "m.relates_to" in each
    ]
    return Counter(replies)
