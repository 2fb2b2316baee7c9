"""Who asks too often is asked to wait: each person and each address by itself, on all workers together."""

import asyncio
import re
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import aiohttp
import pytest

from bongsu.config import Settings
from bongsu.core import limits
from bongsu.http.ratelimit import RATES
from bongsu.http.router import Auth
from bongsu.main import Worker
from bongsu.store.database import Database
from tests.api.schema import VARIABLE, specification
from tests.api.talking import room, segment
from tests.hostile.attack import PASSWORD, V3, Answer, Attacker, Json, Person, nothing_changes, sign_up
from tests.server import Server

pytestmark = pytest.mark.usefixtures("unharmed")

LIMITED = (429, "M_LIMIT_EXCEEDED")
PROBE = f"{V3}/register/available?username=somebody"


@pytest.fixture(scope="module")
def workers(target: Server) -> Iterator[tuple[Server, Server]]:
    """Two workers with limits, on the data folder of a third that has none."""
    pair = [Server(target.data_dir, "--password-hashing", "fast", "--rate-limits") for _ in range(2)]
    for server in pair:
        server.launch()
    for server in pair:
        server.wait_ready()
    yield pair[0], pair[1]
    for server in pair:
        server.stop()


@pytest.fixture
async def mallory(workers: tuple[Server, Server], mallory: Person) -> AsyncIterator[Person]:
    person = mallory.on(workers[0])
    yield person
    person.close()


async def until_limited(ask: Callable[[], Awaitable[Answer]]) -> tuple[int, float, Answer]:
    """(how many were served, in how many seconds, the refusal)"""
    began = time.monotonic()
    for served in range(1_000):
        answer = await ask()
        if answer.status == 429:
            return served, time.monotonic() - began, answer
        assert answer.status in (200, 400, 403)
    raise AssertionError("nobody is limited")


def most(bucket: str, seconds: float, workers: int = 1) -> float:
    """What may be served in so many seconds: all at once, what refills, one lease for each worker, and rounding."""
    rate = RATES[bucket]
    return rate.at_once + rate.per_second * seconds + rate.lease * workers + 1


def _sending(person: Person, room_id: str) -> Callable[[], Awaitable[Answer]]:
    return lambda: person.ask("PUT", f"{room(room_id)}/send/m.room.message/{secrets.token_hex(8)}", {"body": "x"})


async def test_a_person_who_sends_too_fast_waits(
    workers: tuple[Server, Server], mallory: Person, alice: Person, room_id: str
) -> None:
    await alice.does("POST", f"{room(room_id)}/join", {})
    served, seconds, refusal = await until_limited(_sending(mallory, room_id))
    assert RATES["send"].at_once <= served <= most("send", seconds)
    assert refusal.refusal == LIMITED
    wait_ms = refusal.json["retry_after_ms"]
    assert 0 < wait_ms <= 1_000 / RATES["send"].per_second + 1
    assert refusal.headers["retry-after"] == "1"
    other = alice.on(workers[0])
    assert (await _sending(other, room_id)()).status == 200
    other.close()
    await asyncio.sleep(wait_ms / 1_000 + 0.05)
    assert (await _sending(mallory, room_id)()).status == 200


async def test_a_limited_request_changes_nothing(mallory: Person, room_id: str) -> None:
    await until_limited(_sending(mallory, room_id))
    path = f"{room(room_id)}/send/m.room.message/unlimited"
    position = await mallory.position()
    answer = await mallory.ask("PUT", path, {"body": "first"})
    while answer.status == 429:
        assert await mallory.position() == position
        await asyncio.sleep(answer.json["retry_after_ms"] / 1_000)
        answer = await mallory.ask("PUT", path, {"body": "later"})
    assert answer.status == 200


async def test_two_workers_share_one_limit(workers: tuple[Server, Server], mallory: Person, room_id: str) -> None:
    """Asking both in turn gives no more than one lease more."""
    other = mallory.on(workers[1])
    here, there = _sending(mallory, room_id), _sending(other, room_id)
    began, served, limited = time.monotonic(), 0, 0
    while limited < 2:
        answers = [await here(), await there()]
        served += sum(answer.status == 200 for answer in answers)
        limited = sum(answer.status == 429 for answer in answers)
        assert served < 1_000
    assert RATES["send"].at_once <= served <= most("send", time.monotonic() - began, workers=2)
    other.close()


async def test_another_device_of_a_person_is_limited_with_the_first(
    workers: tuple[Server, Server], mallory: Person, room_id: str
) -> None:
    login = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": mallory.user_id}}
    answer = await mallory.ask("POST", f"{V3}/login", {**login, "password": PASSWORD})
    device = Person(workers[0], answer.json)
    await until_limited(_sending(mallory, room_id))
    answers = [await _sending(device, room_id)() for _ in range(5)]
    assert LIMITED in [answer.refusal for answer in answers]
    device.close()


async def test_an_address_is_limited_and_its_neighbour_is_not(workers: tuple[Server, Server]) -> None:
    """A header that claims another address makes no difference."""
    attacker, neighbour = Attacker(workers[0], address="127.1.2.3"), Attacker(workers[0], address="127.1.2.4")
    served, seconds, refusal = await until_limited(lambda: attacker.ask("GET", PROBE))
    assert RATES["probe"].at_once <= served <= most("probe", seconds)
    assert refusal.refusal == LIMITED
    claims = [(name, "192.0.2.1") for name in ("X-Forwarded-For", "X-Real-IP", "Forwarded")]
    answers = [await attacker.ask("GET", PROBE, headers=claims) for _ in range(5)]
    assert LIMITED in [answer.refusal for answer in answers]
    assert (await neighbour.ask("GET", PROBE)).status == 200
    attacker.close()
    neighbour.close()


async def test_passwords_of_one_account_are_tried_slowly_from_everywhere(
    workers: tuple[Server, Server], mallory: Person, alice: Person
) -> None:
    """Guessing from many addresses and on both workers helps nobody; another account is not held up by it."""
    body: Json = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": alice.user_id}}
    number = 0

    async def guess() -> Answer:
        nonlocal number
        number += 1
        attacker = Attacker(workers[number % 2], address=f"127.2.{number}.1")
        try:
            return await attacker.ask("POST", f"{V3}/login", {**body, "password": f"guess {number}"})
        finally:
            attacker.close()

    served, seconds, _ = await until_limited(guess)
    assert RATES["account"].at_once - RATES["account"].lease <= served <= most("account", seconds, workers=2)
    own = {**body, "identifier": {"type": "m.id.user", "user": mallory.user_id}, "password": PASSWORD}
    assert (await mallory.ask("POST", f"{V3}/login", own)).status == 200


async def test_accounts_are_made_slowly_from_one_address(workers: tuple[Server, Server]) -> None:
    attacker = Attacker(workers[0], address="127.3.0.1")

    async def register() -> Answer:
        body = {"username": f"m-{secrets.token_hex(6)}", "password": PASSWORD, "auth": {"type": "m.login.dummy"}}
        return await attacker.ask("POST", f"{V3}/register", body)

    served, seconds, _ = await until_limited(register)
    assert RATES["register"].at_once <= served <= most("register", seconds)
    attacker.close()


async def test_a_backup_of_room_keys_grows_slowly(mallory: Person) -> None:
    """Looking into it is limited by itself, so that a device that restores does not stop another that stores."""
    body = {"algorithm": "org.example.x", "auth_data": {}}
    version = (await mallory.does("POST", f"{V3}/room_keys/version", body))["version"]
    key = {"first_message_index": 0, "forwarded_count": 0, "is_verified": False, "session_data": {"x": "x" * 3_000}}

    async def store() -> Answer:
        path = f"{V3}/room_keys/keys/!{secrets.token_hex(8)}/x?version={version}"
        return await mallory.ask("PUT", path, key)

    served, seconds, refusal = await until_limited(store)
    assert RATES["key_backup"].at_once - 1 <= served <= most("key_backup", seconds)
    assert refusal.refusal == LIMITED
    shown = await mallory.ask("GET", f"{V3}/room_keys/version")
    assert shown.json["count"] == served


async def test_a_person_downloads_everything_seldom(workers: tuple[Server, Server], mallory: Person) -> None:
    """The file has no length beforehand, so a client that knows how to read it asks."""
    statuses: list[int] = []
    headers = {"authorization": f"Bearer {mallory.token}"}
    async with aiohttp.ClientSession(workers[0].base_url, headers=headers) as session:
        while 429 not in statuses and len(statuses) < 10:
            async with session.get("/_bongsu/v1/account/export") as answer:
                statuses.append(answer.status)
    assert statuses == [*[200] * RATES["export"].at_once, 429]


async def test_what_is_kept_for_a_person_grows_slowly(mallory: Person) -> None:
    """Account data and filters fill the disk as messages do."""

    async def keep() -> Answer:
        return await mallory.ask("PUT", mallory.own(f"account_data/{secrets.token_hex(8)}"), {"a": "x" * 10_000})

    served, seconds, refusal = await until_limited(keep)
    assert RATES["write"].at_once <= served <= most("write", seconds)
    async with nothing_changes(mallory):
        wait_ms = refusal.json["retry_after_ms"]
        assert int(refusal.headers["retry-after"]) == -(-wait_ms // 1_000)
        assert await mallory.refused("POST", mallory.own("filter"), {}) == LIMITED


UNLIMITED = ("/logout", "/logout/all", "/publicRooms")  # ends and reads: nothing is kept


def test_everything_that_writes_for_a_person_is_limited() -> None:
    worker = Worker(Settings(open_registration=True), Database("postgresql://nowhere/nothing"))
    worker.passwords.close()
    writing = [route for route in worker.app._router.routes if route.method != "GET" and route.auth is Auth.REQUIRED]
    free = {route.template for route in writing if route.bucket is None and not route.template.endswith(UNLIMITED)}
    assert free == set()
    assert {route.bucket for route in writing} - {None} <= limits.RATES.keys()


# --- every operation whose limits are documented ---

FREE = {  # operations with a documented limit that have none here, and why
    "getContent": "files are what people look at; under pressure they are given up as a whole (test_pressure.py)",
    "getContentOverrideName": "the same",
    "getContentThumbnail": "the same",
    "getContentAuthed": "the same",
    "getContentOverrideNameAuthed": "the same",
    "getContentThumbnailAuthed": "the same",
}


def _limited_operations() -> dict[str, list[dict[str, str]]]:
    """Operations of the specification that may answer 429, by their bucket here; "" for those without one."""
    told = specification()
    assert told is not None
    worker = Worker(Settings(open_registration=True), Database("postgresql://nowhere/nothing"))
    worker.passwords.close()
    routes = {(route.method, _shape(route.template)): route.bucket for route in worker.app._router.routes}
    found: dict[str, list[dict[str, str]]] = {}
    for each in told.endpoints():
        key = (each["method"], _shape(each["path"]))
        if 429 in told.statuses(each["operationId"]) and key in routes:
            found.setdefault(routes[key] or "", []).append(each)
    return found


def _shape(template: str) -> str:
    return re.sub(r"\{[^}]+\}", "x", template)


@pytest.mark.skipif(specification() is None, reason=f"the specification is not here; name its folder in {VARIABLE}")
async def test_every_documented_limit_is_kept(workers: tuple[Server, Server]) -> None:
    """What uses one bucket is refused together, before anything of the request is read."""
    told, operations = specification(), _limited_operations()
    assert told is not None
    assert {each["operationId"] for each in operations.pop("")} == FREE.keys()
    for number, (bucket, all_of_it) in enumerate(operations.items()):
        person = (await sign_up(workers[1])).on(workers[0])
        stranger = Attacker(workers[0], address=f"127.4.{number}.1")
        for each in all_of_it:
            asker = stranger if each["auth"] == "none" else person
            path = _shape(each["path"])
            tries = range(RATES[bucket].at_once + 10 * RATES[bucket].lease)
            answers = [await asker.ask(each["method"], path, {})]
            while answers[-1].status != 429:
                assert len(answers) < len(tries), f"{each['method']} {path} is not limited"
                answers.append(await asker.ask(each["method"], path, {}))
            assert told.check(each["method"], path, 429, answers[-1].json)
        person.close()
        stranger.close()


async def test_whole_chains_of_the_audit_are_read_seldom(mallory: Person) -> None:
    offer = {"title": "t", "place": "p", "starts_at": time.time_ns() // 1_000_000 + 86_400_000, "capacity": 1}
    made = (await mallory.ask("POST", "/_bongsu/v1/bookings/offers", offer)).json
    room_id = (await mallory.does("POST", f"{V3}/createRoom", {}))["room_id"]
    board = f"/_bongsu/v1/boards/{segment(room_id)}"
    assert (await mallory.ask("POST", board, {"title": "t"})).status == 201
    statuses: list[int] = []
    for path in (f"/_bongsu/v1/bookings/offers/{made['offer_id']}/audit", f"{board}/audit"):
        for _ in range(RATES["export"].at_once - 1):
            statuses.append((await mallory.ask("GET", f"{path}?verify=true")).status)
        assert "faults" not in (await mallory.ask("GET", path)).json
    assert statuses == [*[200] * RATES["export"].at_once, 429]
