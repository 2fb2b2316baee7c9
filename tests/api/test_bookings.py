"""Booking over HTTP: who gets a place, who waits, what is told, and who may do what."""

import asyncio
import base64
import time
import unicodedata
from typing import Any

import aiohttp
import asyncpg
import pytest
from tests.api.talking import Json, Talker, ask, sign_up

from bongsu.core import limits, tickets

BASE = "/_bongsu/v1/bookings"
HOUR = 3_600_000


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def publish(provider: Talker, capacity: int = 1, **more: Any) -> str:
    body = {"title": "잔여백신", "place": "보건소", "starts_at": now_ms() + 24 * HOUR, "capacity": capacity, **more}
    status, answer = await provider.ask("POST", f"{BASE}/offers", body)
    assert status == 201, answer
    return f"{BASE}/offers/{answer['offer_id']}"


async def book(person: Talker, offer: str, status: int = 201, **wish: Any) -> Json:
    got, answer = await person.ask("POST", f"{offer}/book", wish)
    assert got == status, answer
    return dict(answer)


async def told(person: Talker, word: str) -> list[str]:
    """What the service said to this person, once it has said something with this word."""
    while True:
        rooms = (await person.sync()).get("rooms", {})
        for room_id in rooms.get("invite", {}):
            await person.join(room_id)
        for joined in rooms.get("join", {}).values():
            events = joined["timeline"]["events"]
            said = [event["content"]["body"] for event in events if "bongsu.booking" in event["content"]]
            if any(word in body for body in said):
                return said
        await asyncio.sleep(0.1)


async def test_the_last_place(alice: Talker, bob: Talker) -> None:
    offer = await publish(alice)
    booking = await book(alice, offer)
    assert await alice.refused("POST", f"{offer}/book") == (409, "BONGSU_ALREADY_BOOKED")
    assert await bob.refused("POST", f"{offer}/book") == (409, "BONGSU_SOLD_OUT")
    waiting = await book(bob, offer, 202, waitlist=True)
    assert waiting["position"] == 1
    assert (await book(bob, offer, 202))["position"] == 1
    seen = await bob.get(offer)
    assert (seen["available"], seen["booking"]["position"]) == (0, 1)
    assert (await alice.delete(f"{BASE}/{booking['booking_id']}"))["state"] == "cancelled"
    assert (await alice.delete(f"{BASE}/{booking['booking_id']}"))["state"] == "cancelled"
    assert (await bob.get(offer))["booking"]["state"] == "booked"
    assert len(await told(bob, "You have a booking")) == 1
    audited = await alice.get(f"{offer}/audit", verify="true")
    assert audited["faults"] == []
    first = await alice.get(f"{offer}/audit", limit=1)
    second = await alice.get(f"{offer}/audit", **{"from": first["next_batch"]})
    assert first["entries"] + second["entries"] == audited["entries"]
    assert "faults" not in first, "all is read for those alone who ask for it"
    newest = await alice.get(f"{offer}/audit", dir="b", limit=1)
    assert newest["entries"] == audited["entries"][-1:]
    states = [entry["deed"]["action"] for entry in audited["entries"]]
    assert states == ["published", "opened", "booked", "waiting", "cancelled", "booked"]


async def test_a_time_may_be_written(alice: Talker) -> None:
    offer = await publish(alice, starts_at="2999-01-01T09:00:00+09:00")
    assert (await alice.get(offer))["starts_at"] == 32_472_144_000_000


@pytest.mark.parametrize(
    "wrong",
    [
        {"capacity": 0},
        {"capacity": "3"},
        {"title": " "},
        {"starts_at": "soon"},
        {"starts_at": "2999-01-01T09:00:00"},
        {"starts_at": 1},
        {"hold_seconds": -1},
        {"title": "x" * 1_000},
        {"room_id": "x"},
        {"starts_at": True},
    ],
    ids=str,
)
async def test_what_nobody_could_book_is_refused(alice: Talker, wrong: Json) -> None:
    body = {"title": "t", "place": "p", "starts_at": now_ms() + HOUR, "capacity": 1, **wrong}
    assert (await alice.refused("POST", f"{BASE}/offers", body))[0] == 400


async def test_nobody_waits_for_what_begins_after_its_end(alice: Talker) -> None:
    body = {"not_before": now_ms() + HOUR, "not_after": now_ms()}
    assert await alice.refused("POST", f"{BASE}/subscriptions", body) == (400, "M_INVALID_PARAM")


async def test_a_repeated_write_is_done_once(http: aiohttp.ClientSession, alice: Talker) -> None:
    headers = {"Authorization": f"Bearer {alice.access_token}", "Idempotency-Key": "k1"}
    body = {"title": "t", "place": "p", "starts_at": now_ms() + HOUR, "capacity": 1}
    first = await ask(http, "POST", f"{BASE}/offers", body, headers)
    assert first[0] == 201
    assert await ask(http, "POST", f"{BASE}/offers", body, headers) == first
    status, answer = await ask(http, "POST", f"{BASE}/offers", {**body, "capacity": 2}, headers)
    assert (status, answer["errcode"]) == (409, "BONGSU_IDEMPOTENCY_KEY_REUSED")
    booking = f"{BASE}/offers/{first[1]['offer_id']}/book"
    headers["Idempotency-Key"] = "k2"
    tries = await asyncio.gather(*(ask(http, "POST", booking, {}, headers) for _ in range(5)))
    assert tries[0][0] == 201
    assert all(each == tries[0] for each in tries)
    assert (await ask(http, "POST", booking, {"waitlist": True}, headers))[0] == 409


async def test_a_held_place_goes_to_the_next(alice: Talker, bob: Talker, database: asyncpg.Connection) -> None:
    offer = await publish(alice, hold_seconds=600)
    held = await book(alice, offer)
    assert held["state"] == "held"
    await book(bob, offer, 202)
    await database.execute("UPDATE timers SET due_at = 0 WHERE timer_id = $1", f"booking.hold/{held['booking_id']}")
    assert len(await told(bob, "A place is held")) == 1
    late = f"{BASE}/{held['booking_id']}/confirm"
    assert await alice.refused("POST", late) == (409, "BONGSU_WRONG_STATE")
    [mine] = (await bob.get(BASE))["bookings"]
    assert (await bob.post(f"{BASE}/{mine['booking_id']}/confirm"))["state"] == "booked"
    assert (await bob.post(f"{BASE}/{mine['booking_id']}/confirm"))["state"] == "booked"


async def test_who_comes_before_it_opens_waits_and_subscribers_are_told(
    alice: Talker, bob: Talker, database: asyncpg.Connection
) -> None:
    area = f"area {alice.user_id}"
    status, subscribed = await bob.ask("POST", f"{BASE}/subscriptions", {"area": area})
    assert status == 201
    await database.execute("INSERT INTO booking_announcers VALUES ($1, '', 0)", alice.user_id)
    offer = await publish(alice, opens_at=now_ms() + HOUR, area=area)
    await book(alice, offer, 202)
    await database.execute("UPDATE timers SET due_at = 0 WHERE timer_id = $1", f"booking.open/{offer.split('/')[-1]}")
    await told(bob, "There is something to book")
    assert (await alice.get(offer))["booking"]["state"] == "booked"
    listed = await bob.get(f"{BASE}/offers", area=area)
    assert [each["offer_id"] for each in listed["offers"]] == [offer.split("/")[-1]]
    await bob.delete(f"{BASE}/subscriptions/{subscribed['subscription_id']}")
    assert (await bob.get(f"{BASE}/subscriptions"))["subscriptions"] == []


async def test_a_wish_is_had_once_and_takes_no_room_when_it_is_over(
    alice: Talker, database: asyncpg.Connection
) -> None:
    at, area = f"{BASE}/subscriptions", {"area": "서울"}
    first, again = [(await alice.ask("POST", at, area))[1]["subscription_id"] for _ in range(2)]
    assert first == again
    over = [(f"{first}{number}", alice.user_id) for number in range(limits.BOOKING_SUBSCRIPTIONS_MAX)]
    await database.executemany("INSERT INTO booking_subscriptions VALUES ($1, $2, '부산', 0, 1)", over)
    assert (await alice.ask("POST", at, {"area": "대구"}))[0] == 201
    areas = [each["area"] for each in (await alice.get(at))["subscriptions"]]
    assert sorted(areas) == ["대구", "서울"]


async def test_a_ticket_is_checked_without_the_server(
    http: aiohttp.ClientSession, alice: Talker, bob: Talker, database: asyncpg.Connection
) -> None:
    offer = await publish(alice, 2)
    booking_id = (await book(bob, offer))["booking_id"]
    text = (await bob.get(f"{BASE}/{booking_id}/ticket"))["ticket"]
    _, key = await ask(http, "GET", f"{BASE}/key")
    assert tickets.check([base64.b64decode(key["key"])], text).booking_id == booking_id
    headers = {"Authorization": f"Bearer {bob.access_token}"}
    for path, kind in (("ticket.svg", "image/svg+xml"), ("calendar.ics", "text/calendar; charset=utf-8")):
        async with http.get(f"{BASE}/{booking_id}/{path}", headers=headers) as response:
            assert (response.status, response.headers["content-type"]) == (200, kind)
    assert (await alice.post(f"{offer}/check_in", {"ticket": text}))["state"] == "arrived"
    assert await alice.refused("POST", f"{offer}/check_in", {"ticket": text}) == (409, "BONGSU_ALREADY_ARRIVED")
    assert (await alice.refused("POST", f"{offer}/check_in", {"ticket": text[:-4] + "AAAA"}))[0] == 400
    other = await publish(alice)
    assert await alice.refused("POST", f"{other}/check_in", {"ticket": text}) == (409, "BONGSU_OTHER_OFFER")
    missing = (await book(alice, offer))["booking_id"]
    await database.execute("UPDATE timers SET due_at = 0 WHERE timer_id = $1", f"booking.over/{offer.split('/')[-1]}")
    await told(alice, "You were not seen")
    assert (await alice.get(f"{BASE}/{missing}"))["state"] == "no_show"
    async with http.get(f"{offer}/bookings.csv", headers={"Authorization": f"Bearer {alice.access_token}"}) as response:
        assert (await response.text()).count("\r\n") == 3


async def test_it_is_called_off(alice: Talker, bob: Talker) -> None:
    offer = await publish(alice)
    await book(bob, offer)
    assert (await alice.post(f"{offer}/close"))["state"] == "closed"
    assert await alice.refused("POST", f"{offer}/book") == (409, "BONGSU_OFFER_CLOSED")
    await told(bob, "It was called off")


async def test_members_of_a_room_alone(alice: Talker, bob: Talker) -> None:
    room_id = await alice.make_room()
    offer = await publish(alice, room_id=room_id)
    assert await bob.refused("POST", f"{offer}/book") == (404, "M_NOT_FOUND")
    assert await bob.refused("GET", offer) == (404, "M_NOT_FOUND")
    assert (await bob.refused("POST", f"{BASE}/offers", {**BODY, "room_id": room_id}))[0] == 403
    await alice.bring(room_id, bob)
    await book(bob, offer)


BODY: Json = {"title": "t", "place": "p", "starts_at": "2999-01-01T00:00:00Z", "capacity": 1}


async def test_the_description_names_every_operation(http: aiohttp.ClientSession) -> None:
    status, described = await ask(http, "GET", "/_bongsu/v1/openapi.json")
    assert (status, described["openapi"]) == (200, "3.1.0")
    booking = described["paths"][f"{BASE}/offers/{{offer_id}}/book"]["post"]
    assert {"201", "202", "409"} <= booking["responses"].keys()
    assert any(parameter["name"] == "Idempotency-Key" for parameter in booking["parameters"])
    ids = [each["operationId"] for path in described["paths"].values() for each in path.values()]
    assert len(ids) == len(set(ids))


async def test_lists_come_in_pages(alice: Talker) -> None:
    area = f"pages {alice.user_id}"
    offers = [await publish(alice, area=area) for _ in range(3)]
    first = await alice.get(f"{BASE}/offers", area=area, limit=2)
    second = await alice.get(f"{BASE}/offers", area=area, limit=2, **{"from": first["next_batch"]})
    found = [each["offer_id"] for each in (*first["offers"], *second["offers"])]
    assert sorted(found) == sorted(offer.split("/")[-1] for offer in offers)
    assert "next_batch" not in second
    assert await alice.refused("GET", f"{BASE}/offers", **{"from": "x"}) == (400, "M_INVALID_PARAM")


async def test_a_provider_reads_what_guests_call_themselves(alice: Talker, bob: Talker) -> None:
    offer = await publish(alice)
    await bob.put(f"/_matrix/client/v3/profile/{bob.user_id}/displayname", {"displayname": '김 "하나"'})
    await book(bob, offer)
    listed = f"{offer}/bookings"
    assert [each["display_name"] for each in (await alice.get(listed))["bookings"]] == ['김 "하나"']
    await bob.put(f"/_matrix/client/v3/profile/{bob.user_id}/displayname", {"displayname": ""})
    found = (await alice.get(listed))["bookings"]
    assert [(each["user_id"], each["display_name"]) for each in found] == [(bob.user_id, None)]


async def test_ones_bookings_say_what_they_are_for(alice: Talker, bob: Talker) -> None:
    offers = [await publish(alice, title=title, area="서울") for title in ("첫째", "둘째")]
    for offer in offers:
        await book(bob, offer)
    titles = [each["offer"]["title"] for each in (await bob.get(BASE, dir="b"))["bookings"]]
    assert titles == ["둘째", "첫째"]
    last = await bob.get(BASE, dir="b", limit=1)
    before = await bob.get(BASE, dir="b", **{"from": last["next_batch"]})
    assert [each["offer"]["title"] for each in before["bookings"]] == ["첫째"]
    assert abs(last["now"] - now_ms()) < HOUR


async def test_what_one_offers_is_listed_even_when_it_is_over(alice: Talker, bob: Talker) -> None:
    early, late = await publish(alice), await publish(alice, starts_at=now_ms() + 48 * HOUR)
    await alice.post(f"{early}/close")
    found = [each["offer_id"] for each in (await alice.get(f"{BASE}/offers", mine="true"))["offers"]]
    assert found == [late.split("/")[-1], early.split("/")[-1]]
    assert (await bob.get(f"{BASE}/offers", mine="true"))["offers"] == []
    soon = await alice.get(f"{BASE}/offers", not_before=now_ms() + 47 * HOUR, not_after=now_ms() + 49 * HOUR)
    assert late.split("/")[-1] in [each["offer_id"] for each in soon["offers"]]
    assert all(now_ms() + 47 * HOUR <= each["starts_at"] <= now_ms() + 49 * HOUR for each in soon["offers"])


async def test_a_provider_says_who_did_not_come(alice: Talker, bob: Talker) -> None:
    offer = await publish(alice, starts_at=now_ms() - 1, ends_at=now_ms() + HOUR)
    booking_id = (await book(bob, offer))["booking_id"]
    assert (await alice.post(f"{offer}/no_show", {"booking_id": booking_id}))["state"] == "no_show"
    assert (await alice.post(f"{offer}/check_in", {"booking_id": booking_id}))["state"] == "arrived"
    wrong = (409, "BONGSU_WRONG_STATE")
    assert await alice.refused("POST", f"{offer}/no_show", {"booking_id": booking_id}) == wrong
    coming = await publish(alice)
    early = (await book(bob, coming))["booking_id"]
    assert await alice.refused("POST", f"{coming}/no_show", {"booking_id": early}) == wrong


async def test_a_list_is_ones_own(alice: Talker, bob: Talker) -> None:
    offer = await publish(alice, 2)
    booking_id = (await book(bob, offer))["booking_id"]
    assert (await alice.get(BASE))["bookings"] == []
    assert [each["booking_id"] for each in (await bob.get(BASE))["bookings"]] == [booking_id]
    assert await bob.refused("POST", f"{BASE}/offers/o0/book") == (404, "M_NOT_FOUND")


async def test_a_key_that_is_in_use_elsewhere_holds_up_no_offer(
    http: aiohttp.ClientSession, alice: Talker, bob: Talker, database: asyncpg.Connection
) -> None:
    """The first write has the key and waits for its offer; another offer's line must not wait for it."""
    first, second = await publish(alice), await publish(alice)
    booking_id = (await book(bob, first))["booking_id"]
    headers = {"Authorization": f"Bearer {bob.access_token}", "Idempotency-Key": "k"}
    async with asyncio.timeout(20):
        async with database.transaction():
            lock = "SELECT FROM booking_offers WHERE offer_id = $1 FOR UPDATE"
            await database.execute(lock, first.rsplit("/", maxsplit=1)[-1])
            cancelling = asyncio.create_task(ask(http, "DELETE", f"{BASE}/{booking_id}", None, headers))
            while not await database.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                await asyncio.sleep(0.02)
            assert (await ask(http, "POST", f"{second}/book", {}, headers))[0] == 201
        assert (await cancelling)[0] == 200


async def test_who_leaves_the_room_keeps_the_place_and_gets_none_any_more(
    alice: Talker, bob: Talker, http: aiohttp.ClientSession
) -> None:
    carol, room_id = await sign_up(http, "carol"), await alice.make_room()
    offer = await publish(alice, room_id=room_id)
    await alice.bring(room_id, bob, carol)
    booking = await book(bob, offer)
    await book(carol, offer, 202, waitlist=True)
    for person in (bob, carol):
        await person.post(f"/_matrix/client/v3/rooms/{room_id}/leave")
    assert (await bob.get(offer))["booking"]["state"] == "booked"
    await bob.delete(f"{BASE}/{booking['booking_id']}")
    assert await bob.refused("GET", offer) == (404, "M_NOT_FOUND")
    [hers] = (await carol.get(BASE))["bookings"]
    assert hers["state"] == "cancelled"
    assert (await alice.get(offer))["available"] == 1


async def test_what_looks_the_same_is_the_same_area(alice: Talker) -> None:
    name = f"서울 {alice.user_id}"
    await publish(alice, area=unicodedata.normalize("NFD", name))
    for said in (name, f" {name} ", unicodedata.normalize("NFD", name)):
        assert len((await alice.get(f"{BASE}/offers", area=said))["offers"]) == 1


NUL = (
    ("GET", f"{BASE}/offers/%00"),
    ("POST", f"{BASE}/offers/%00/book"),
    ("POST", f"{BASE}/offers/%00/close"),
    ("GET", f"{BASE}/%00"),
    ("GET", f"{BASE}/%00/ticket"),
    ("POST", f"{BASE}/%00/confirm"),
    ("DELETE", f"{BASE}/%00"),
    ("DELETE", f"{BASE}/subscriptions/%00"),
    ("GET", f"{BASE}/offers?area=%00x"),
)


@pytest.mark.parametrize(("method", "path"), NUL)
async def test_what_no_table_can_hold_is_refused(alice: Talker, method: str, path: str) -> None:
    assert (await alice.refused(method, path))[0] == 400


async def test_who_waits_for_one_offer_leaves_connections_to_all(alice: Talker, database: asyncpg.Connection) -> None:
    offer = await publish(alice)
    async with asyncio.timeout(12):  # less than somebody waits for a connection
        async with database.transaction():
            lock = "SELECT FROM booking_offers WHERE offer_id = $1 FOR UPDATE"
            await database.execute(lock, offer.rsplit("/", maxsplit=1)[-1])
            wrong = {"booking_id": "b0"}
            waiting = [asyncio.create_task(alice.ask("POST", f"{offer}/check_in", wrong)) for _ in range(12)]
            waits = "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted"
            while await database.fetchval(waits) < limits.SERVICE_WRITES_AT_ONCE_MAX:
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.5)
            assert (await alice.get(offer))["capacity"] == 1
        assert [status for status, _ in await asyncio.gather(*waiting)] == [404] * 12


async def test_all_who_subscribed_hear_only_of_whom_administrators_named(
    alice: Talker, bob: Talker, http: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    admin, area = await sign_up(http, "admin"), f"area {alice.user_id}"
    await database.execute("UPDATE users SET is_admin = true WHERE user_id = $1", admin.user_id)
    admin = await admin.another_device()
    await bob.ask("POST", f"{BASE}/subscriptions", {"area": area})
    room_id = await alice.make_room()
    await alice.bring(room_id, bob)

    async def released(title: str, **more: Any) -> bool:
        status, answer = await alice.ask("POST", f"{BASE}/offers", {**BODY, "title": title, "area": area, **more})
        assert status == 201
        return bool(answer["announces"])

    named = f"{BASE}/announcers/{alice.user_id}"
    assert not await released("first")
    assert await released("inner", room_id=room_id)
    await admin.put(named, {})
    assert alice.user_id in (await admin.get(f"{BASE}/announcers"))["announcers"]
    assert await released("second")
    said = "\n".join(await told(bob, "second"))
    assert "inner" in said
    assert "first" not in said
    await admin.delete(named)
    assert not await released("third")


async def test_places_of_an_account_that_is_no_more_go_to_others(
    alice: Talker, bob: Talker, http: aiohttp.ClientSession
) -> None:
    carol = await sign_up(http, "carol")
    offers = [await publish(alice), await publish(alice)]
    for offer in offers:
        await book(bob, offer)
        await book(carol, offer, 202, waitlist=True)
    auth = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": bob.user_id}}
    await bob.post("/_matrix/client/v3/account/deactivate", {"auth": {**auth, "password": bob._password}})
    async with asyncio.timeout(30):
        for offer in offers:
            while (await carol.get(offer))["booking"]["state"] != "booked":
                await asyncio.sleep(0.1)


async def test_an_offer_is_forgotten_half_a_year_after_its_end(
    alice: Talker, bob: Talker, database: asyncpg.Connection
) -> None:
    offer = await publish(alice)
    booking_id = (await book(bob, offer))["booking_id"]
    await alice.post(f"{offer}/close")
    named = f"booking.forget/{offer.rpartition('/')[2]}"
    due_at = await database.fetchval("SELECT due_at FROM timers WHERE timer_id = $1", named)
    assert due_at == (await alice.get(offer))["ends_at"] + limits.BOOKING_KEPT_DAYS * 86_400_000
    await database.execute("UPDATE timers SET due_at = 0 WHERE timer_id = $1", named)
    async with asyncio.timeout(30):
        while (await alice.ask("GET", offer))[0] == 200:
            await asyncio.sleep(0.1)
    assert await bob.refused("GET", f"{BASE}/{booking_id}") == (404, "M_NOT_FOUND")
    assert (await bob.get(BASE))["bookings"] == []
    kept = await database.fetch(
        "SELECT content FROM audit_entries WHERE subject = $1", f"offer/{offer.rpartition('/')[2]}"
    )
    assert kept
    assert not [row for row in kept if bob.user_id.encode() in row["content"]]


async def test_who_gives_places_back_again_and_again_gets_no_more(alice: Talker, bob: Talker) -> None:
    offer = await publish(alice)
    for _ in range(limits.BOOKING_GIVEN_BACK_MAX):
        await bob.delete(f"{BASE}/{(await book(bob, offer))['booking_id']}")
    assert await bob.refused("POST", f"{offer}/book") == (409, "BONGSU_TOO_OFTEN")
    await book(alice, offer)


async def test_what_is_over_is_given_to_nobody_and_not_given_back(
    alice: Talker, bob: Talker, http: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    carol, offer = await sign_up(http, "carol"), await publish(alice)
    offer_id = offer.rpartition("/")[2]
    booking_id = (await book(bob, offer))["booking_id"]
    await book(carol, offer, 202, waitlist=True)
    sql = "UPDATE booking_offers SET starts_at = $2, opens_at = $2, ends_at = $3 WHERE offer_id = $1"
    await database.execute(sql, offer_id, now_ms() - 2 * HOUR, now_ms() + HOUR // 4)
    await bob.delete(f"{BASE}/{booking_id}")
    assert "booking" not in await carol.get(offer), "nobody comes in a quarter of an hour"
    assert len(await told(carol, "No place came free")) == 1
    booking_id = (await book(alice, offer, waitlist=True))["booking_id"]
    assert await carol.refused("POST", f"{offer}/book", {"waitlist": True}) == (409, "BONGSU_SOLD_OUT")
    await database.execute(sql, offer_id, now_ms() - 2 * HOUR, now_ms() - 1)
    assert await alice.refused("DELETE", f"{BASE}/{booking_id}") == (409, "BONGSU_OVER")


async def test_who_only_waited_no_longer_waits(alice: Talker, bob: Talker) -> None:
    offer = await publish(alice)
    await book(alice, offer)
    await bob.delete(f"{BASE}/{(await book(bob, offer, 202, waitlist=True))['booking_id']}")
    [said] = await told(bob, "no longer wait")
    assert "cancelled" not in said
