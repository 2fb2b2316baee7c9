"""Who may do what with boards and bookings: every role, every operation, as tables.

Ids that are nothing's are answered 404 to whoever may do it, so that nothing has to be undone between two rows.
"""

import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import asyncpg
import pytest
from tests.api.boards import Board, make_board
from tests.api.talking import V3, Json, Talker, ask, sign_up
from tests.server import Server
from yarl import URL

from bongsu.store.embedded import EmbeddedPostgres

Asker = Talker | None
ZEROS = "0" * 16


@pytest.fixture(scope="module")
async def connected(base_url: str) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(base_url, timeout=aiohttp.ClientTimeout(60)) as session:
        yield session


@pytest.fixture(scope="module")
async def tables(server: Server) -> AsyncIterator[asyncpg.Connection]:
    postgres = EmbeddedPostgres(server.data_dir)
    connection = await asyncpg.connect(await postgres.start())
    yield connection
    await connection.close()
    await postgres.stop()


async def suspended(tables: asyncpg.Connection, person: Talker) -> Talker:
    """A new session of theirs, which no worker has in mind yet."""
    await tables.execute("UPDATE users SET suspended = true WHERE user_id = $1", person.user_id)
    return await person.another_device()


async def a_guest(http: aiohttp.ClientSession) -> Talker:
    status, answer = await ask(http, "POST", f"{V3}/register", {}, kind="guest")
    assert status == 200, answer
    return Talker(http, answer)


async def status_of(http: aiohttp.ClientSession, who: Asker, method: str, path: str, body: Any = None) -> int:
    """Of any answer, be it JSON or not."""
    headers = {"Authorization": f"Bearer {who.access_token}"} if who else {}
    url = URL(f"{http._base_url}".rstrip("/") + path, encoded=True)
    async with http.request(method, url, json=body, headers=headers) as response:
        await response.read()
        return response.status


def rows_of(table: str) -> tuple[list[str], list[tuple[str, str, dict[str, int]]]]:
    """(who there is, [(method, path, status by who)])"""
    head, *lines = (line.split() for line in table.strip().splitlines())
    return head, [(method, path, dict(zip(head, map(int, statuses), strict=True))) for method, path, *statuses in lines]


# steward: a member who may change the room's state, and is nothing on the board. rival: of another hospital; peer:
# another requester. {held}: a request of `requester` whose bed is of `provider`.
BOARD = """
                         coordinator provider rival requester peer observer steward outsider suspended guest nobody
GET  .                          200 200 200 200 200 200 200 403 200 403 401
GET  /beds                      200 200 200 200 200 200 200 403 200 403 401
GET  /requests                  200 200 200 200 200 200 200 403 200 403 401
GET  /requests/{held}           200 200 200 200 200 200 200 403 200 403 401
GET  /requests/{held}/suggestions 200 200 200 200 200 200 200 403 200 403 401
GET  /stats                     200 200 200 200 200 200 200 403 200 403 401
GET  /export.xml                200 200 200 200 200 200 200 403 200 403 401
GET  /sheet                     200 200 200 200 200 403 403 403 200 403 401
GET  /access                    200 403 403 403 403 403 403 403 200 403 401
GET  /audit                     200 403 403 403 403 403 403 403 200 403 401
GET  /export.csv                200 403 403 403 403 403 403 403 200 403 401
POST .                          409 403 403 403 403 403 409 403 403 403 401
PUT  /roles/{nobody}            404 403 403 403 403 403 404 403 403 403 401
POST /beds                      404 404 404 403 403 403 403 403 403 403 401
POST /beds/{none}/withdraw      404 404 404 403 403 403 403 403 403 403 401
POST /requests                  400 403 403 400 400 403 403 403 403 403 401
POST /requests/{none}/assignment 404 403 403 403 403 403 403 403 403 403 401
POST /requests/{none}/accept    404 404 404 403 403 403 403 403 403 403 401
POST /requests/{none}/decline   404 404 404 403 403 403 403 403 403 403 401
POST /requests/{none}/arrive    404 404 404 404 404 403 403 403 403 403 401
POST /requests/{none}/transfer  404 404 404 403 403 403 403 403 403 403 401
POST /requests/{none}/close     404 403 403 404 404 403 403 403 403 403 401
POST /requests/{held}/accept    409 409 403 403 403 403 403 403 403 403 401
POST /requests/{held}/decline   409 409 403 403 403 403 403 403 403 403 401
POST /requests/{held}/transfer  409 409 403 403 403 403 403 403 403 403 401
POST /requests/{held}/arrive    409 409 403 409 403 403 403 403 403 403 401
"""
WHO, ROWS = rows_of(BOARD)
OTHER_OFFER = {"bed_id": ZEROS, "reason": "r"}  # held by no request: who may, is told that it is another
BODIES: Mapping[str, Json] = {
    "roles/{nobody}": {"role": "observer"},
    "beds": {"kinds": ["icu"], "bed_id": ZEROS},
    "requests": {"severity": "urgent", "deadline": 1},
    "assignment": {"bed_id": ZEROS},
    "withdraw": {},
    "close": {},
    "accept": {"bed_id": ZEROS},
    "arrive": {"bed_id": ZEROS},
    "decline": OTHER_OFFER,
    "transfer": OTHER_OFFER,
}


@pytest.fixture(scope="module")
async def people(connected: aiohttp.ClientSession, tables: asyncpg.Connection) -> tuple[Board, dict[str, Asker], str]:
    board = await make_board(connected)
    found: dict[str, Asker] = dict(board.people)
    found["rival"] = await board.join_as("provider", connected, hospital="다른병원")
    found["peer"] = await board.join_as("requester", connected)
    chief = board.people["coordinator"]
    steward = found["steward"] = await sign_up(connected, "steward")
    await chief.bring(board.room_id, steward)
    levels = await chief.state(board.room_id, "m.room.power_levels")
    users = {**levels.get("users", {}), steward.user_id: 50}
    await chief.set_state(board.room_id, "m.room.power_levels", {**levels, "users": users})
    found["suspended"] = await suspended(tables, await board.join_as("coordinator", connected))
    found["outsider"] = await sign_up(connected, "outsider")
    found["guest"], found["nobody"] = await a_guest(connected), None
    bed_id, held = await board.bed(), await board.wish()
    await board.done("coordinator", "POST", f"/requests/{held}/assignment", {"bed_id": bed_id})
    return board, found, held


@pytest.mark.parametrize(("method", "path", "wanted"), ROWS, ids=[f"{method} {path}" for method, path, _ in ROWS])
async def test_a_board(
    connected: aiohttp.ClientSession,
    people: tuple[Board, dict[str, Asker], str],
    method: str,
    path: str,
    wanted: dict[str, int],
) -> None:
    board, found, held = people
    at = board.path + path.removeprefix(".").format(held=held, none=ZEROS, nobody="@nobody:test.example")
    body = None if method == "GET" else BODIES.get(path.lstrip("/"), BODIES.get(path.rpartition("/")[2], {}))
    got = {who: await status_of(connected, found[who], method, at, body) for who in WHO}
    assert got == wanted


BASE = "/_bongsu/v1/bookings"
# {one}: an offer of `provider`, {booking}: of `booked`; {inner}: an offer for the members of a room.
BOOKINGS = """
                                    provider booked member stranger suspended admin guest nobody
GET    {base}                           200 200 200 200 200 200 403 401
GET    {base}/key                       200 200 200 200 200 200 200 200
GET    {base}/offers                    200 200 200 200 200 200 403 401
POST   {base}/offers                    400 400 400 400 403 400 403 401
GET    {one}                            200 200 200 200 200 200 403 401
GET    {inner}                          200 404 200 404 404 404 403 401
POST   {inner}/check_in                 404 404 403 404 404 404 403 401
GET    {one}/bookings                   200 403 403 403 403 200 403 401
GET    {one}/bookings.csv               200 403 403 403 403 200 403 401
GET    {one}/audit                      200 403 403 403 403 200 403 401
POST   {one}/check_in                   404 403 403 403 403 404 403 401
POST   {one}/no_show                    409 403 403 403 403 409 403 401
GET    {booking}                        404 200 404 404 404 404 403 401
GET    {booking}/ticket                 404 200 404 404 404 404 403 401
GET    {booking}/ticket.svg             404 200 404 404 404 404 403 401
GET    {booking}/calendar.ics           404 200 404 404 404 404 403 401
GET    {base}/subscriptions             200 200 200 200 200 200 403 401
POST   {base}/subscriptions             400 400 400 400 403 400 403 401
DELETE {base}/subscriptions/s0          404 404 404 404 404 404 403 401
DELETE {base}/b0                        404 404 404 404 404 404 403 401
POST   {base}/b0/confirm                404 404 404 404 404 404 403 401
POST   {booking}/confirm                404 200 404 404 404 404 403 401
POST   {base}/offers/o0/book            404 404 404 404 403 404 403 401
POST   {base}/offers/o0/close           404 404 404 404 404 404 403 401
GET    {base}/announcers                403 403 403 403 403 200 403 401
PUT    {base}/announcers/@x:y           403 403 403 403 403 404 403 401
DELETE {base}/announcers/@x:y           403 403 403 403 403 404 403 401
POST   {one}/close                      200 403 403 403 403 200 403 401
"""
BOOKERS, OPERATIONS = rows_of(BOOKINGS)


@pytest.fixture(scope="module")
async def bookers(
    connected: aiohttp.ClientSession, tables: asyncpg.Connection
) -> tuple[dict[str, Asker], dict[str, str]]:
    found: dict[str, Asker] = {"guest": await a_guest(connected), "nobody": None}
    provider, booked, member, admin = [
        await sign_up(connected, who) for who in ("provider", "booked", "member", "admin")
    ]
    found |= {
        "provider": provider,
        "booked": booked,
        "member": member,
        "stranger": await sign_up(connected, "stranger"),
    }
    found["suspended"] = await suspended(tables, await sign_up(connected, "suspended"))
    await tables.execute("UPDATE users SET is_admin = true WHERE user_id = $1", admin.user_id)
    found["admin"] = await admin.another_device()
    room_id = await provider.make_room()
    await provider.bring(room_id, member)
    offer = {"title": "t", "place": "p", "starts_at": time.time_ns() // 1_000_000 + 86_400_000, "capacity": 2}
    paths = {"base": BASE}
    for name, more in (("one", {}), ("inner", {"room_id": room_id})):
        status, answer = await provider.ask("POST", f"{BASE}/offers", {**offer, **more})
        assert status == 201, answer
        paths[name] = f"{BASE}/offers/{answer['offer_id']}"
    status, answer = await booked.ask("POST", f"{paths['one']}/book", {})
    assert status == 201, answer
    return found, {**paths, "booking": f"{BASE}/{answer['booking_id']}"}


@pytest.mark.parametrize(
    ("method", "path", "wanted"), OPERATIONS, ids=[f"{method} {path}" for method, path, _ in OPERATIONS]
)
async def test_bookings(
    connected: aiohttp.ClientSession,
    bookers: tuple[dict[str, Asker], dict[str, str]],
    method: str,
    path: str,
    wanted: dict[str, int],
) -> None:
    found, paths = bookers
    body: Json | None = {} if method in ("POST", "PUT") else None
    if path.endswith(("check_in", "no_show")):
        body = {"booking_id": "b0"}
    elif path == "{base}/subscriptions":
        body = {"not_before": "soon"}
    got = {who: await status_of(connected, found[who], method, path.format(**paths), body) for who in BOOKERS}
    assert got == wanted
