"""A room with a bed board, and one person of each role, for the tests of boards."""

import asyncio
import time
from typing import Any

import aiohttp
import asyncpg
from tests.api.talking import Json, Talker, segment, sign_up


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

    async def said(self, what: str) -> list[Json]:
        return [each for each in await self.texts() if each["io.bongsu.board"]["what"] == what]

    async def join_as(self, role: str, http: aiohttp.ClientSession, **appointment: Any) -> Talker:
        """Somebody more of this role."""
        person = await sign_up(http, role)
        await self.people["coordinator"].bring(self.room_id, person)
        await self.done("coordinator", "PUT", f"/roles/{person.user_id}", {"role": role, **appointment})
        return person

    async def let_wait(self, database: asyncpg.Connection, request_id: str) -> Json:
        """Until it has gone a tier further."""
        now_ms = int(time.time() * 1_000)
        await database.execute("UPDATE board_requests SET due_ms = $1 WHERE request_id = $2", now_ms, request_id)
        async with asyncio.timeout(20):
            while (row := await self.state(request_id))["due"] <= now_ms:
                await asyncio.sleep(0.1)
        return row


async def told(person: Talker) -> list[Json]:
    """What the board told this person directly, newest first; waits until there is something."""
    async with asyncio.timeout(20):
        while True:
            rooms = (await person.sync())["rooms"]
            for room_id, invited in rooms.get("invite", {}).items():
                if any(each["sender"].startswith("@bed-board:") for each in invited["invite_state"]["events"]):
                    await person.join(room_id)
            for room_id in rooms.get("join", {}):
                chunk = (await person.messages(room_id, limit=50))["chunk"]
                found = [each["content"] for each in chunk if "room_id" in each["content"].get("io.bongsu.board", {})]
                if found:
                    return found
            await asyncio.sleep(0.1)


async def make_board(http: aiohttp.ClientSession) -> Board:
    """Made by its coordinator; the provider is of 한빛병원."""
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
