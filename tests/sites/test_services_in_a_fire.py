"""What hangs on the messenger, while the leading site burns: a night of the bed board, a rush for places,
a wait, and a broadcast.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import asyncpg
import pytest

from bongsu.drill.caller import SERVICES, Answer, Caller
from bongsu.drill.laboratory import LabSites
from bongsu.drill.night import PASSWORD, Moment, Night, Size
from bongsu.lab import Lab
from tests.sites.conftest import in_lab
from tests.waiting import until

pytestmark = in_lab
PEOPLE, PLACES = 60, 20
FOLLOWERS = 800
COMMANDS = 12
ANSWERED_SECONDS_MAX = 120.0


@pytest.fixture
async def http(lab: Lab) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield session


def caller(http: aiohttp.ClientSession, lab: Lab, number: int = 0) -> Caller:
    """Somebody whose own site is the one of this number."""
    urls = [lab.url(site) for site in lab.sites]
    home = number % len(urls)
    return Caller(http, urls[home:] + urls[:home], lambda _: None)


async def person(http: aiohttp.ClientSession, lab: Lab, name: str, number: int = 0) -> Caller:
    made = caller(http, lab, number)
    await made.register(f"{name}-{time.time_ns():x}", PASSWORD)
    return made


async def burn(lab: Lab) -> None:
    leader = await asyncio.to_thread(lab.leader)
    assert leader is not None
    await asyncio.to_thread(lab.fault, "power_off", leader)


async def test_a_night_of_the_bed_board_keeps_its_word(lab: Lab) -> None:
    moments: list[Moment] = []
    size = Size(hospitals=8, centres=4, patients=40, seconds=22, burns_at=0.2, back_at=0.85)
    verdict = await Night(LabSites(lab), size, 7, lambda _: None, moments.append).run()
    assert verdict.is_kept, verdict
    assert verdict.acknowledged > size.patients
    assert any(moment.burnt for moment in moments)


async def test_every_place_goes_to_one_person_and_everybody_is_answered(lab: Lab, http: aiohttp.ClientSession) -> None:
    provider = await person(http, lab, "provider")
    body = {"title": "t", "place": "p", "starts_at": time.time_ns() // 1_000_000 + 10**8, "capacity": PLACES}
    made = await provider.call("POST", f"{SERVICES}/bookings/offers", body)
    assert made.status == 201, made
    at = f"{SERVICES}/bookings/offers/{made.body['offer_id']}"
    people = [await person(http, lab, f"person{number}", number) for number in range(PEOPLE)]
    asking = [asyncio.create_task(_book(each, at, number)) for number, each in enumerate(people)]
    await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
    await burn(lab)
    async with asyncio.timeout(ANSWERED_SECONDS_MAX):
        answers = await asyncio.gather(*asking)
    assert Counter(each.body.get("errcode", each.status) for each in answers) == {
        201: PLACES,
        "BONGSU_SOLD_OUT": PEOPLE - PLACES,
    }
    booked = [each.body["booking_id"] for each in answers if each.status == 201]
    assert len(set(booked)) == PLACES
    mine = [await each.call("GET", f"{SERVICES}/bookings?limit=100") for each in people]
    assert sum(len(each.body["bookings"]) for each in mine) == PLACES


async def _book(someone: Caller, at: str, number: int) -> Answer:
    """They come within some seconds, so that the fire is in their middle."""
    await asyncio.sleep(number * 0.05)
    while (answer := await someone.call("POST", f"{at}/book", {})).status == 202:  # in the line still
        await asyncio.sleep(0.2)
    return answer


async def test_a_wait_goes_one_tier_further_and_a_broadcast_to_each_follower_once(
    lab: Lab, http: aiohttp.ClientSession
) -> None:
    """One falls due in the fire, and the other is under way."""
    head = await person(http, lab, "headquarters")
    room_id = (await head.call("POST", "/_matrix/client/v3/createRoom", {})).body["room_id"]
    at = f"{SERVICES}/boards/{room_id}"
    assert (await head.call("POST", at, {"title": "t"})).status == 201
    wish = await head.call("POST", f"{at}/requests", {"severity": "urgent", "needs": ["icu"]})
    request_id = wish.body["request_id"]
    channel = (await head.call("POST", f"{SERVICES}/channels", {"name": "대피소 소식"})).body
    await _gather(lab, channel["channel_id"], head.user_id.partition(":")[2])
    due = await _let_fall_due(lab, request_id)
    broadcast = await _send(head, channel["channel_id"])
    await burn(lab)
    assert (await broadcast())["state"] == "running", "the fire is in its middle"

    async def look() -> Any:
        return (await head.call("GET", f"{at}/requests/{request_id}")).body

    row = await until(look, lambda row: bool(row["due"] > due), ANSWERED_SECONDS_MAX)
    assert row["tier"] == "coordinators"
    entries = (await head.call("GET", f"{at}/audit?limit=100")).body["entries"]
    assert [each["deed"]["action"] for each in entries].count("escalate") == 1
    ended = await until(broadcast, lambda said: bool(said["state"] == "done"), ANSWERED_SECONDS_MAX)
    assert [ended[key] for key in ("audience", "sent", "refused", "left")] == [FOLLOWERS, FOLLOWERS, 0, 0]
    assert await _heard_by(lab, channel["account"]) == (FOLLOWERS, FOLLOWERS, FOLLOWERS)


async def _send(owner: Caller, channel_id: str) -> Callable[[], Awaitable[Any]]:
    """A broadcast that some have got already. The result asks how far it is."""
    at = f"{SERVICES}/channels/{channel_id}/broadcasts"
    made = await owner.call("POST", at, {"body": "대피소가 바뀌었습니다", "advertising": False})
    assert made.status == 201, made

    async def look() -> Any:
        return (await owner.call("GET", f"{at}/{made.body['broadcast_id']}")).body

    await until(look, lambda said: bool(said["sent"] > 0), ANSWERED_SECONDS_MAX)
    return look


async def test_what_is_said_to_a_board_in_the_fire_is_done_once(lab: Lab, http: aiohttp.ClientSession) -> None:
    head = await person(http, lab, "writer")
    room_id = (await head.call("POST", "/_matrix/client/v3/createRoom", {})).body["room_id"]
    at, room = f"{SERVICES}/boards/{room_id}", f"/_matrix/client/v3/rooms/{room_id}"
    assert (await head.call("POST", at, {"title": "t"})).status == 201

    async def say(number: int) -> None:
        body = {"msgtype": "m.text", "body": f"!bed request icu patient=P-{number}"}
        assert (await head.call("PUT", f"{room}/send/m.room.message/t{number}", body)).status == 200

    for number in range(COMMANDS):
        if number == COMMANDS // 2:
            await burn(lab)
        await say(number)

    async def look() -> Any:
        return (await head.call("GET", f"{at}/requests?limit=100")).body["requests"]

    rows = await until(look, lambda rows: len(rows) >= COMMANDS, ANSWERED_SECONDS_MAX)
    assert sorted(row["patient"] for row in rows) == sorted(f"P-{number}" for number in range(COMMANDS))
    assert sorted(row["number"] for row in rows) == list(range(1, COMMANDS + 1))
    events = (await head.call("GET", f"{room}/messages?dir=b&limit=200")).body["chunk"]
    said = [each["content"].get("io.bongsu.board", {}).get("what") for each in events]
    assert said.count("request") == COMMANDS


async def _let_fall_due(lab: Lab, request_id: str) -> int:
    """It is due in a second: then there is no leader."""
    due = time.time_ns() // 1_000_000 + 1_000
    connection = await asyncpg.connect(lab.dsn(str(lab.leader()), superuser=True))
    try:
        await connection.execute("UPDATE board_requests SET due_ms = $1 WHERE request_id = $2", due, request_id)
    finally:
        await connection.close()
    return due


async def _gather(lab: Lab, channel_id: str, server_name: str) -> None:
    """Followers, made in the tables: how they came to follow is not what is tested."""
    people = [f"@f{number:04}-{channel_id}:{server_name}" for number in range(FOLLOWERS)]
    connection = await asyncpg.connect(lab.dsn(str(lab.leader()), superuser=True))
    try:
        await connection.executemany("INSERT INTO users (user_id) VALUES ($1)", [(each,) for each in people])
        rows = [(channel_id, each) for each in people]
        await connection.executemany("INSERT INTO channel_followers VALUES ($1, $2, 1)", rows)
    finally:
        await connection.close()


async def _heard_by(lab: Lab, account: str) -> tuple[int, ...]:
    """(messages of a channel, rooms they stand in, people who are in these rooms)"""
    connection = await asyncpg.connect(lab.dsn(str(lab.leader()), superuser=True))
    try:
        rows = await connection.fetch(
            "SELECT count(*), count(DISTINCT e.room_id), count(DISTINCT m.user_id) FROM events e JOIN members m ON"
            " m.room_id = e.room_id AND m.user_id <> e.sender AND m.membership = 'join'"
            " WHERE e.sender = $1 AND e.type = 'm.room.message'",
            account,
        )
        return tuple(rows[0].values())
    finally:
        await connection.close()
