"""Boards and bookings from any client: commands and reactions of those who may, each heard once and answered."""

import asyncio
import re
import time
from typing import Any

import aiohttp
import asyncpg
import pytest
from tests.api.boards import Board
from tests.api.talking import Json, Talker, relating, sign_up

BASE = "/_bongsu/v1/bookings"
PATIENCE = 30  # seconds; a busy machine is no fault


async def answer(person: Talker, room_id: str, event_id: str) -> Json:
    """What was answered to this event."""
    async with asyncio.timeout(PATIENCE):
        while True:
            for event in (await person.messages(room_id, limit=50))["chunk"]:
                relation = event["content"].get("m.relates_to") or {}
                if relation.get("m.in_reply_to", {}).get("event_id") == event_id:
                    content: Json = event["content"]
                    return content
            await asyncio.sleep(0.05)


async def tell(board: Board, role: str, text: str, **more: Any) -> str:
    """What the board answers."""
    person = board.people[role]
    body: str = (await answer(person, board.room_id, await person.say(board.room_id, text, **more)))["body"]
    return body


async def newest(person: Talker, room_id: str, what: str) -> str:
    """The id of the newest thing of this kind that the board said."""
    async with asyncio.timeout(PATIENCE):
        while True:
            for event in (await person.messages(room_id, limit=50))["chunk"]:
                if event["content"].get("io.bongsu.board", {}).get("what") == what:
                    return str(event["event_id"])
            await asyncio.sleep(0.05)


async def react(person: Talker, room_id: str, event_id: str, sign: str) -> str:
    return await person.send(room_id, relating("m.annotation", event_id, key=sign), "m.reaction")


def replying(event_id: str) -> Json:
    return {"m.relates_to": {"m.in_reply_to": {"event_id": event_id}}}


async def state(board: Board, request_id: str, wanted: str) -> Json:
    async with asyncio.timeout(PATIENCE):
        while (row := await board.state(request_id))["state"] != wanted:
            await asyncio.sleep(0.05)
    return row


async def test_a_night_on_a_board_by_commands(board: Board) -> None:
    assert "병상 1번 공개" in await tell(board, "provider", "!병상 공개 중환자,격리 빈자리=2 지역=서울")
    said = await tell(board, "requester", "!병상 요청 위급 중환자 지역=서울 환자=P-17 기한=30분 메모=산소")
    assert "병상 요청 #1 · 위급 · 필요: 중환자" in said
    assert "Bed wanted #1, critical, needs icu" in said
    [row] = (await board.done("coordinator", "GET", "/requests"))["requests"]
    assert (row["patient"], row["note"], row["number"]) == ("P-17", "산소", 1)
    assert abs(row["deadline"] - row["created"] - 30 * 60_000) < 60_000
    listed = await tell(board, "observer", "!bed list")
    assert listed.startswith("#1 critical [icu] 서울 waiting")
    assert "P-17" not in listed + said
    assert "병상 1번 한빛병원 [중환자, 격리] 서울 빈자리 2" in await tell(board, "coordinator", "!병상 보기 1")
    assert "Offered #1 to 한빛병원, bed 1" in await tell(board, "coordinator", "!bed assign 1 1")
    assert "거절 #1" in await tell(board, "provider", "!병상 거절 1 의료진 부족")
    assert "Offered #1" in await tell(board, "coordinator", "!bed assign #1 1")
    assert "Accepted #1" in await tell(board, "provider", "!bed accept 1")
    assert "도착 #1" in await tell(board, "requester", "!병상 도착 1")
    assert "종료 #1" in await tell(board, "requester", "!병상 종료 1")
    assert "병상 1번 한빛병원" in await tell(board, "observer", "!병상 빈자리")
    changed = await tell(board, "provider", "!병상 공개 1 빈자리=5")  # one was given since the hospital spoke
    version = re.search(r"판=[0-9]+", changed)
    assert version, changed
    assert "빈자리 5" in await tell(board, "provider", f"!병상 공개 1 빈자리=5 {version[0]}")
    assert "Bed 1 withdrawn" in await tell(board, "provider", "!bed withdraw 1 fire")
    assert "1건" in await tell(board, "observer", "!병상 통계")
    audit = await board.done("coordinator", "GET", "/audit?verify=true")
    assert audit["faults"] == []
    acts = [each["deed"]["action"] for each in audit["entries"]]
    assert acts[-8:] == ["assign", "decline", "assign", "accept", "arrive", "close", "publish", "withdraw"]
    assert "의료진" not in str(audit)


async def test_reactions_of_those_who_may(board: Board) -> None:
    bed_id, request_id = await board.bed(), await board.wish()
    at = f"/requests/{request_id}"
    await board.done("coordinator", "POST", f"{at}/assignment", {"bed_id": bed_id})
    first = await newest(board.people["observer"], board.room_id, "assign")
    for role, sign in (("observer", "✅"), ("requester", "✅"), ("provider", "👍"), ("provider", "❌")):
        await react(board.people[role], board.room_id, first, sign)
    row = await state(board, request_id, "waiting")  # the last one alone counted
    assert row["bed_id"] is None
    [declined] = await board.said("decline")
    assert "❌" in declined["body"]
    await board.done("coordinator", "POST", f"{at}/assignment", {"bed_id": bed_id})
    late = await react(board.people["coordinator"], board.room_id, first, "✅")  # on the offer of before
    assert "상태가" in (await answer(board.people["coordinator"], board.room_id, late))["body"]
    assert (await board.state(request_id))["state"] == "offered"
    second = await newest(board.people["provider"], board.room_id, "assign")
    await react(board.people["provider"], board.room_id, second, "✅\ufe0f")
    await state(board, request_id, "accepted")
    accepted = await newest(board.people["provider"], board.room_id, "accept")
    await react(board.people["requester"], board.room_id, accepted, "🏥")
    await state(board, request_id, "arrived")
    bodies = [each["body"] for each in await board.texts()]
    assert not [body for body in bodies if "권한" in body], "a sign of somebody who has no say in it is let be"


async def test_nobody_else_speaks_for_the_board(board: Board) -> None:
    bed_id, request_id = await board.bed(), await board.wish()
    await board.done("coordinator", "POST", f"/requests/{request_id}/assignment", {"bed_id": bed_id})
    await board.wish()
    forged = {"what": "assign", "request_id": request_id, "number": 1, "bed_id": bed_id}
    event_id = await board.people["observer"].say(board.room_id, "react, please", **{"io.bongsu.board": forged})
    await react(board.people["provider"], board.room_id, event_id, "✅")
    edit = {"m.new_content": {"msgtype": "m.text", "body": "!bed accept 1"}}
    mine = await board.people["provider"].say(board.room_id, "hello")
    await board.people["provider"].say(board.room_id, "!bed accept 1", **edit, **relating("m.replace", mine))
    await board.people["provider"].send(board.room_id, {"msgtype": "m.notice", "body": "!bed accept 1"})
    assert "#2" in await tell(board, "provider", "!bed list")  # all before it was heard
    assert (await board.state(request_id))["state"] == "offered"


async def test_an_answer_to_what_the_board_said_names_it(board: Board) -> None:
    bed_id, request_id = await board.bed(), await board.wish()
    await board.done("coordinator", "POST", f"/requests/{request_id}/assignment", {"bed_id": bed_id})
    offered = await newest(board.people["provider"], board.room_id, "assign")
    said = "> 배정 제안\n\n!병상 거절 만실"
    assert "거절 #1 · 한빛병원 · 사유: 만실" in await tell(board, "provider", said, **replying(offered))


async def test_what_is_not_understood_is_explained(board: Board) -> None:
    assert await tell(board, "observer", "!bed accept") == "Write it like this: !bed accept 17"
    assert await tell(board, "observer", "!bed acept 1") == "Did you mean !bed accept? Commands: !bed help"
    assert "!병상 수락 17" in await tell(board, "observer", "!병상")
    assert "nothing of this number" in await tell(board, "coordinator", "!bed close 99")
    assert "그런 번호" in await tell(board, "coordinator", "!병상 종료 99")
    assert "telephone number" in await tell(board, "requester", "!bed request icu note=call 010-1234-5678")


ACTS = {  # by whom
    "!bed publish icu free=0": "cp",
    "!bed withdraw 99": "cp",
    "!bed request icu in=99999h": "cr",
    "!bed assign 99 99": "c",
    "!bed accept 99": "cp",
    "!bed decline 99 r": "cp",
    "!bed arrive 99": "crp",
    "!bed transfer 99 r": "cp",
    "!bed close 99": "cr",
    "!bed role @nobody:test.example observer": "c",
    "!bed list": "crpo",
}


@pytest.mark.parametrize("role", ["coordinator", "provider", "requester", "observer"])
async def test_every_role_and_every_command(board: Board, role: str) -> None:
    person = board.people[role]
    sent = [(text, await person.say(board.room_id, text)) for text in ACTS]
    may = {text: "may not" not in (await answer(person, board.room_id, each))["body"] for text, each in sent}
    assert may == {text: role[0] in allowed for text, allowed in ACTS.items()}


async def test_a_role_that_is_given_by_command_keeps_the_telephone_number(board: Board) -> None:
    person = board.people["provider"].user_id
    await tell(board, "coordinator", f"!병상 역할 {person} 병원 병원=한빛병원 당직")
    listed = (await board.done("coordinator", "GET", ""))["people"]
    assert [(each["phone"], each["on_call"]) for each in listed if each["user_id"] == person] == [("02-123-4567", True)]


async def test_two_workers_hear_each_thing_once(board: Board, elsewhere: aiohttp.ClientSession) -> None:
    here, there = board.people["requester"], board.people["requester"].through(elsewhere)
    said = [
        await (here, there)[number % 2].say(board.room_id, f"!bed request icu patient=P-{number}")
        for number in range(8)
    ]
    for event_id in said:
        await answer(here, board.room_id, event_id)
    rows = (await board.done("coordinator", "GET", "/requests"))["requests"]
    assert sorted(row["patient"] for row in rows) == [f"P-{number}" for number in range(8)]
    assert [row["number"] for row in sorted(rows, key=lambda row: row["patient"])] == list(range(1, 9))
    texts = [each for each in await board.texts() if each["io.bongsu.board"]["what"] == "request"]
    assert len(texts) == 8


# --- bookings ---


async def publish(provider: Talker, capacity: int = 1, **more: Any) -> tuple[str, str]:
    """(path, what people call it)"""
    starts = time.time_ns() // 1_000_000 + 86_400_000
    body = {"title": "잔여백신", "place": "보건소", "starts_at": starts, "capacity": capacity, **more}
    status, made = await provider.ask("POST", f"{BASE}/offers", body)
    assert status == 201, made
    return f"{BASE}/offers/{made['offer_id']}", made["offer_id"][1:7]


async def service_room(person: Talker) -> str:
    """The room of the service and this person, who has booked something to be spoken to."""
    async with asyncio.timeout(PATIENCE):
        while True:
            rooms = (await person.sync()).get("rooms", {})
            for room_id, invited in rooms.get("invite", {}).items():
                if any(each["sender"].startswith("@bookings:") for each in invited["invite_state"]["events"]):
                    await person.join(room_id)
                    return str(room_id)
            await asyncio.sleep(0.05)


async def service_said(person: Talker, room_id: str, about: str, count: int = 1) -> Json:
    """The newest event about this, once there are so many."""
    async with asyncio.timeout(PATIENCE):
        while True:
            chunk = (await person.messages(room_id, limit=50))["chunk"]
            found = [each for each in chunk if each["content"].get("bongsu.booking", {}).get("about") == about]
            if len(found) >= count:
                event: Json = found[0]
                return event
            await asyncio.sleep(0.05)


async def ask_service(person: Talker, room_id: str, text: str, **more: Any) -> str:
    body: str = (await answer(person, room_id, await person.say(room_id, text, **more)))["body"]
    return body


async def test_bookings_by_commands(alice: Talker, bob: Talker, http: aiohttp.ClientSession) -> None:
    carol, area = await sign_up(http, "carol"), f"area {bob.user_id}"
    known, _ = await publish(alice)
    await bob.ask("POST", f"{known}/book", {})
    room_id = await service_room(bob)
    offer, code = await publish(alice, area=area)
    assert code in await ask_service(bob, room_id, f"!예약 목록 {area}")
    await bob.say(room_id, f"!book {code}")
    booked = await service_said(bob, room_id, "booked", 2)
    assert booked["content"]["bongsu.booking"]["offer_id"] == offer.rpartition("/")[2]
    assert (await bob.get(offer))["booking"]["state"] == "booked"
    assert "이미" in await ask_service(bob, room_id, f"!예약 {code}")
    await carol.ask("POST", f"{offer}/book", {"waitlist": True})
    assert f"#{code}" in await ask_service(bob, room_id, "!book mine")
    assert "code" in await ask_service(bob, room_id, "!book cancel")  # which of the two?
    await bob.say(room_id, f"!예약 취소 {code}")
    await service_said(bob, room_id, "cancelled")
    assert (await carol.get(offer))["booking"]["state"] == "booked"
    assert "'대기'" in await ask_service(bob, room_id, f"!예약 {code}")
    assert await ask_service(bob, room_id, f"!book take {code} wait") == "You wait, as number 1"
    assert "no such offer" in await ask_service(bob, room_id, "!book 000000")
    assert area in await ask_service(bob, room_id, f"!예약 알림 {area}")
    [subscription] = (await bob.get(f"{BASE}/subscriptions"))["subscriptions"]
    assert subscription["area"] == area
    assert "1" in await ask_service(bob, room_id, "!book unsubscribe")
    assert (await bob.get(f"{BASE}/subscriptions"))["subscriptions"] == []
    assert "!예약 확정" in await ask_service(bob, room_id, "!예약")


async def test_who_invites_the_service_is_shown_how_in_a_room_of_their_own(alice: Talker) -> None:
    service = f"@bookings:{alice.user_id.partition(':')[2]}"
    asked = await alice.make_room(invite=[service], is_direct=True, preset="trusted_private_chat")
    room_id = await service_room(alice)
    async with asyncio.timeout(PATIENCE):
        while "!예약 확정" not in str((await alice.messages(room_id))["chunk"]):
            await asyncio.sleep(0.05)
    assert (await alice.state(asked, "m.room.member", service))["membership"] == "leave"
    assert "nothing to book" in await ask_service(alice, room_id, f"!book list nowhere {alice.user_id}")


async def test_a_held_place_is_confirmed_by_a_sign(alice: Talker, bob: Talker) -> None:
    offer, _ = await publish(alice, hold_seconds=600)
    await bob.ask("POST", f"{offer}/book", {})
    room_id = await service_room(bob)
    held = await service_said(bob, room_id, "held")
    await react(bob, room_id, held["event_id"], "✅")
    booked = await service_said(bob, room_id, "booked")
    assert (await bob.get(offer))["booking"]["state"] == "booked"
    await react(bob, room_id, booked["event_id"], "❌")
    await service_said(bob, room_id, "cancelled")
    assert (await bob.get(offer))["available"] == 1


async def test_a_sign_on_what_was_said_before_hits_no_later_booking(alice: Talker, bob: Talker) -> None:
    offer, _ = await publish(alice)
    await bob.ask("POST", f"{offer}/book", {})
    room_id = await service_room(bob)
    before = await service_said(bob, room_id, "booked")
    await react(bob, room_id, before["event_id"], "❌")
    await service_said(bob, room_id, "cancelled")
    await bob.ask("POST", f"{offer}/book", {})
    await service_said(bob, room_id, "booked", 2)
    await react(bob, room_id, before["event_id"], "✖")
    assert "할 수 없는" in await ask_service(bob, room_id, "!예약 취소", **replying(before["event_id"]))
    assert (await bob.get(offer))["booking"]["state"] == "booked"


async def test_who_waits_stops_it_by_a_sign(alice: Talker, bob: Talker) -> None:
    offer, code = await publish(alice)
    known, _ = await publish(alice)
    await alice.ask("POST", f"{offer}/book", {})
    await bob.ask("POST", f"{known}/book", {})
    room_id = await service_room(bob)
    await ask_service(bob, room_id, f"!예약 {code} 대기")
    waiting = await service_said(bob, room_id, "waiting")
    await react(bob, room_id, waiting["event_id"], "❌")
    await service_said(bob, room_id, "unwaited")
    assert "booking" not in await bob.get(offer)


async def test_a_room_that_no_service_is_in_is_not_listened_to(
    alice: Talker, bob: Talker, database: asyncpg.Connection
) -> None:
    offer, code = await publish(alice)
    await bob.ask("POST", f"{offer}/book", {})
    room_id = await service_room(bob)
    other = await bob.make_room()
    await bob.bring(other, alice)
    said = await alice.say(other, f"!book {code}")
    await ask_service(bob, room_id, "!book")  # all before it was heard
    assert (await alice.get(offer)).get("booking") is None
    assert not await database.fetchval("SELECT count(*) FROM commands WHERE event_id = $1", said)
