"""The bed board: a night on it, who may do what, a race for one bed over two workers, waits that nobody answers."""

import asyncio
import time
from typing import Any

import aiohttp
import asyncpg
import pytest
from tests.api.talking import Json, Talker, segment, sign_up
from yarl import URL


class Board:
    """A room with a board, and one of each role."""

    def __init__(self, room_id: str, people: dict[str, Talker]) -> None:
        self.room_id = room_id
        self.path = f"/_bongsu/v1/boards/{segment(room_id)}"
        self.people = people

    async def ask(self, role: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        return await self.people[role].ask(method, self.path + path, body)

    async def done(self, role: str, method: str, path: str, body: Any = None) -> Any:
        status, answer = await self.ask(role, method, path, body)
        assert status in (200, 201), (status, answer)
        return answer

    async def bed(self, **more: Any) -> str:
        body = {"kinds": ["icu"], "place": {"lat": 37.5, "lon": 127.0, "area": "서울"}, **more}
        return str((await self.done("provider", "POST", "/beds", body))["bed_id"])

    async def wish(self, **more: Any) -> str:
        body = {"severity": "critical", "needs": ["icu"], **more}
        return str((await self.done("requester", "POST", "/requests", body))["request_id"])

    async def state(self, request_id: str) -> Json:
        answer: Json = await self.done("observer", "GET", f"/requests/{request_id}")
        return answer

    async def texts(self) -> list[Json]:
        """What the board said in the room, newest first."""
        chunk = (await self.people["observer"].messages(self.room_id, limit=100))["chunk"]
        return [each["content"] for each in chunk if "io.bongsu.board" in each["content"]]


@pytest.fixture
async def board(http: aiohttp.ClientSession) -> Board:
    roles = ("coordinator", "provider", "requester", "observer")
    people = {role: await sign_up(http, role) for role in roles}
    room_id = await people["coordinator"].make_room()
    await people["coordinator"].bring(room_id, *(people[role] for role in roles[1:]))
    made = Board(room_id, people)
    assert (await made.ask("observer", "POST", ""))[0] == 403  # may not change the room
    assert (await made.ask("coordinator", "POST", "", {"title": "수도권"}))[0] == 201
    assert (await made.ask("coordinator", "POST", "", {}))[1]["errcode"] == "BONGSU_BOARD_EXISTS"
    for role in roles[1:3]:
        body = {"role": role, "hospital": "한빛병원" if role == "provider" else "", "phone": "02-123-4567"}
        await made.done("coordinator", "PUT", f"/roles/{people[role].user_id}", body)
    return made


async def test_from_wish_to_closing(board: Board) -> None:
    bed_id, request_id = await board.bed(), await board.wish(patient="P-17")
    waiting = await board.state(request_id)
    assert (waiting["state"], waiting["owner"]) == ("waiting", board.people["coordinator"].user_id)
    assert waiting["due"] <= waiting["deadline"]
    found = await board.done("coordinator", "GET", f"/requests/{request_id}/suggestions")
    assert [each["bed_id"] for each in found["suggestions"]] == [bed_id]
    at = f"/requests/{request_id}"
    await board.done("coordinator", "POST", f"{at}/assignment", {"bed_id": bed_id})
    assert (await board.state(request_id))["owner"] == board.people["provider"].user_id
    assert (await board.ask("provider", "POST", f"{at}/decline", {}))[1]["errcode"] == "M_MISSING_PARAM"
    await board.done("provider", "POST", f"{at}/decline", {"reason": "의료진 부족"})
    assert (await board.done("coordinator", "GET", f"{at}/suggestions"))["suggestions"] == []
    await board.done("coordinator", "POST", f"{at}/assignment", {"bed_id": bed_id})
    await board.done("provider", "POST", f"{at}/accept")
    stats = await board.done("observer", "GET", "/stats")
    assert stats["time_to_assign_ms"]["count"] == 1
    assert stats["waiting_now"] == 0
    await board.done("requester", "POST", f"{at}/arrive")
    await board.done("requester", "POST", f"{at}/close")
    assert (await board.ask("provider", "POST", f"{at}/accept"))[0] == 409
    beds = (await board.done("observer", "GET", "/beds"))["beds"]
    assert [(each["places"], each["free"]) for each in beds] == [(0, 0)]  # somebody lay in it
    said = [each["io.bongsu.board"]["what"] for each in await board.texts()]
    assert said[:7] == ["close", "arrive", "accept", "assign", "decline", "assign", "request"]
    assert all("P-17" not in each["body"] for each in await board.texts())
    audit = await board.done("coordinator", "GET", "/audit")
    assert audit["faults"] == []
    assert audit["entries"][-1]["deed"]["action"] == "close"
    assert audit["access"]


async def test_a_withdrawn_bed_sends_its_patients_back_in_line(board: Board) -> None:
    bed_id, request_id = await board.bed(), await board.wish()
    began = (await board.state(request_id))["waiting_since"]
    await board.done("coordinator", "POST", f"/requests/{request_id}/assignment", {"bed_id": bed_id})
    await board.done("provider", "POST", f"/requests/{request_id}/accept")
    answer = await board.done("provider", "POST", f"/beds/{bed_id}/withdraw", {"reason": "fire"})
    assert answer["waiting_again"] == [request_id]
    again = await board.state(request_id)
    assert (again["state"], again["waiting_since"], again["bed_id"]) == ("waiting", began, None)
    assert (await board.done("observer", "GET", "/stats"))["waiting_now"] == 1
    status, answer = await board.ask("coordinator", "POST", f"/requests/{request_id}/assignment", {"bed_id": bed_id})
    assert (status, answer["errcode"]) == (409, "BONGSU_BED_GONE")


OPERATIONS = [
    ("GET", "", "crpo"),
    ("GET", "/beds", "crpo"),
    ("GET", "/requests", "crpo"),
    ("GET", "/stats", "crpo"),
    ("GET", "/audit", "c"),
    ("POST", "/beds", "cp"),
    ("POST", "/beds/0000000000000000/withdraw", "cp"),
    ("POST", "/requests", "cr"),
    ("POST", "/requests/0000000000000000/assignment", "c"),
    ("POST", "/requests/0000000000000000/accept", "cp"),
    ("POST", "/requests/0000000000000000/decline", "cp"),
    ("POST", "/requests/0000000000000000/arrive", "crp"),
    ("POST", "/requests/0000000000000000/transfer", "cp"),
    ("POST", "/requests/0000000000000000/close", "cr"),
    ("PUT", "/roles/@nobody:test.example", "c"),
]


async def test_every_role_and_every_operation(board: Board, alice: Talker) -> None:
    body = {"reason": "r", "role": "observer", "free": 0}
    for role in board.people:
        for method, path, allowed in OPERATIONS:
            sent = (
                None
                if method == "GET"
                else ({**body, "bed_id": "0000000000000000"} if path.endswith("assignment") else body)
            )
            status, answer = await board.ask(role, method, path, sent)
            assert (status != 403) == (role[0] in allowed), (role, method, path, answer)
    for method, path, _ in OPERATIONS:
        sent = None if method == "GET" else {**body, "bed_id": "0000000000000000"}
        assert await alice.refused(method, board.path + path, sent) == (403, "M_FORBIDDEN")


async def test_who_leaves_the_room_sees_nothing_more(board: Board) -> None:
    await board.people["provider"].leave(board.room_id)
    assert (await board.ask("provider", "GET", "/requests"))[0] == 403
    assert (await board.ask("provider", "POST", "/beds", {}))[0] == 403


async def test_fifty_coordinators_want_one_bed(board: Board, elsewhere: aiohttp.ClientSession) -> None:
    bed_id = await board.bed()
    wishes = [await board.wish() for _ in range(50)]
    here = board.people["coordinator"]
    there = here.through(elsewhere)
    asked = [
        (here, there)[number % 2].ask("POST", f"{board.path}/requests/{wish}/assignment", {"bed_id": bed_id})
        for number, wish in enumerate(wishes)
    ]
    answers = await asyncio.gather(*asked)
    assert sorted(status for status, _ in answers) == [200] + [409] * 49
    assert {answer["errcode"] for status, answer in answers if status == 409} == {"BONGSU_BED_TAKEN"}
    rows = (await board.done("observer", "GET", "/requests", None))["requests"]
    assert [each["state"] for each in rows].count("offered") == 1


async def test_no_second_row_for_a_bed_can_stand_in_the_table(board: Board, database: asyncpg.Connection) -> None:
    bed_id, one, other = await board.bed(), await board.wish(), await board.wish()
    await board.done("coordinator", "POST", f"/requests/{one}/assignment", {"bed_id": bed_id})
    with pytest.raises(asyncpg.UniqueViolationError):
        await database.execute(
            "INSERT INTO board_assignments (request_id, bed_id, place, assigned_by, assigned_ms)"
            " SELECT $2, bed_id, place, '', 0 FROM board_assignments WHERE bed_id = $1",
            *(bed_id, other),
        )


async def test_an_unanswered_wait_goes_further_once(
    board: Board, database: asyncpg.Connection, elsewhere: aiohttp.ClientSession
) -> None:
    person = board.people["requester"]
    body = {"role": "requester", "on_call": True}
    await board.done("coordinator", "PUT", f"/roles/{person.user_id}", body)
    request_id = await board.wish()
    for tier in ("coordinators", "on_call", "contacts", "contacts"):
        now_ms = int(time.time() * 1_000)
        await database.execute("UPDATE board_requests SET due_ms = $1 WHERE request_id = $2", now_ms, request_id)
        async with asyncio.timeout(20):
            while (row := await board.state(request_id))["due"] <= now_ms:
                await asyncio.sleep(0.1)
        assert row["tier"] == tier
    await asyncio.sleep(1.5)  # both workers have looked again
    said = [each for each in await board.texts() if each["io.bongsu.board"]["what"] == "escalate"]
    assert [each["io.bongsu.board"]["tier"] for each in said] == ["contacts", "contacts", "on_call", "coordinators"]
    assert person.user_id in said[2]["m.mentions"]["user_ids"]
    assert person.user_id not in said[3]["m.mentions"]["user_ids"]


async def test_a_retry_gets_the_first_answer(board: Board, http: aiohttp.ClientSession) -> None:
    headers = {"Authorization": f"Bearer {board.people['requester'].access_token}", "Idempotency-Key": "k1"}
    url = f"{board.path}/requests"
    answers = []
    for body in ({"note": "a"}, {"note": "a"}, {"note": "b"}):
        async with http.post(http._base_url.join(_encoded(url)), json=body, headers=headers) as response:  # type: ignore[union-attr]
            answers.append((response.status, await response.json()))
    assert answers[0] == answers[1]
    assert (answers[2][0], answers[2][1]["errcode"]) == (409, "BONGSU_IDEMPOTENCY_KEY_REUSED")


def _encoded(path: str) -> URL:
    return URL(path, encoded=True)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/requests", {"patient": "900101-1234567"}),
        ("/requests", {"note": "call 010-1234-5678"}),
        ("/requests", {"severity": "very"}),
        ("/requests", {"needs": "icu"}),
        ("/requests", {"needs": ["x"] * 100}),
        ("/requests", {"place": {"lat": 1e9, "lon": 0}}),
        ("/requests", {"deadline": 1}),
        ("/requests", {"deadline": 2**53 - 1}),
        ("/beds", {"free": -1}),
        ("/beds", {"free": 10**6}),
        ("/beds", {"free": "2"}),
        ("/beds", {"kinds": ["\u0000"]}),
        ("/beds", {"hospital": "a\u0000b"}),
        ("/beds", {"valid_until": 1}),
    ],
)
async def test_bad_input_changes_nothing(board: Board, path: str, body: Json) -> None:
    status, answer = await board.ask("coordinator", "POST", path, body)
    assert (status, answer["errcode"][:2]) == (400, "M_"), answer
    assert (await board.done("observer", "GET", path))[path[1:]] == []


async def test_ids_from_elsewhere(board: Board, alice: Talker) -> None:
    for path in ("/requests/%00/accept", f"/requests/{'x' * 300}/accept", "/beds/%00/withdraw"):
        assert (await board.ask("coordinator", "POST", path, {}))[0] in (400, 404)
    assert (await board.ask("coordinator", "POST", "/beds", {"bed_id": "mine"}))[0] == 404
    assert (await board.ask("coordinator", "GET", "/beds?from=%00"))[0] == 404
    for room_id in ("!none:test.example", "%00"):
        for method in ("GET", "POST"):
            assert await alice.refused(method, f"/_bongsu/v1/boards/{room_id}", None) == (403, "M_FORBIDDEN")


async def test_exports(board: Board, http: aiohttp.ClientSession) -> None:
    await board.bed()
    await board.wish(patient="P-17")
    shown = {}
    for name in ("export.csv", "export.xml", "sheet?lang=ko"):
        url = http._base_url.join(_encoded(f"{board.path}/{name}"))  # type: ignore[union-attr]
        headers = {"Authorization": f"Bearer {board.people['coordinator'].access_token}"}
        async with http.get(url, headers=headers) as response:
            assert response.status == 200
            shown[name] = await response.text()
    assert "P-17" in shown["export.csv"]
    assert "한빛병원" in shown["export.xml"]
    assert "02-123-4567" in shown["sheet?lang=ko"]


async def test_an_encrypted_room_has_no_board(alice: Talker) -> None:
    room_id = await alice.make_room()
    await alice.set_state(room_id, "m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"})
    assert await alice.refused("POST", f"/_bongsu/v1/boards/{segment(room_id)}", {}) == (403, "M_FORBIDDEN")


async def test_it_is_described(http: aiohttp.ClientSession) -> None:
    async with http.get("/_bongsu/v1/openapi.json") as response:
        paths = (await response.json())["paths"]
    ours = [path for path in paths if path.startswith("/_bongsu/v1/boards/")]
    assert len(ours) == 18
    assert "409" in paths["/_bongsu/v1/boards/{room_id}/requests/{request_id}/assignment"]["post"]["responses"]
