"""Accounts and sessions over HTTP: what proves who somebody is, and when that ends, on every worker."""

import asyncio
import hmac
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
from tests.api.talking import V1, V3, Json, Talker, ask, room
from tests.server import SERVER_NAME, Server

from bongsu.core import limits, passwords
from bongsu.core.errors import Refusal
from bongsu.core.passwords import Cost
from bongsu.http.authentication import Tokens
from bongsu.store.accounts import Accounts, Holder
from bongsu.store.database import Database
from bongsu.store.embedded import EmbeddedPostgres
from bongsu.store.rows import Revocation, Segment

PASSWORD = "beacon fires at dusk"
DUMMY = {"type": "m.login.dummy"}
SECRET = "only the operators know"
OTHER_WORKER_SECONDS_MAX = 5.0  # an end that was acknowledged here is heard there within milliseconds


@pytest.fixture
async def http(server: Server) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(server.base_url) as session:
        yield session


@pytest.fixture(scope="module")
def strict(server: Server) -> Iterator[Server]:
    """A second worker of the same server: registration closed but for the secret, rates limited."""
    options = ("--no-open-registration", "--registration-secret", SECRET, "--rate-limits")
    worker = Server.start(server.data_dir, *options)
    yield worker
    worker.stop()


@pytest.fixture
async def strict_http(strict: Server) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(strict.base_url) as session:
        yield session


def new_name() -> str:
    return f"person-{secrets.token_hex(6)}"


async def post(http: aiohttp.ClientSession, path: str, body: Json) -> tuple[int, Any]:
    return await ask(http, "POST", f"{V3}{path}", body)


async def register(http: aiohttp.ClientSession, **more: Any) -> Json:
    body = {"username": new_name(), "password": PASSWORD, "auth": DUMMY, **more}
    status, answer = await post(http, "/register", body)
    assert status == 200, answer
    assert isinstance(answer, dict)
    return answer


async def somebody(http: aiohttp.ClientSession) -> Talker:
    return Talker(http, await register(http))


def login_body(user: str, password: str = PASSWORD, **more: Any) -> Json:
    identifier = {"type": "m.id.user", "user": user}
    return {"type": "m.login.password", "identifier": identifier, "password": password, **more}


async def sign_in(http: aiohttp.ClientSession, user: str, password: str = PASSWORD, **more: Any) -> Json:
    status, answer = await post(http, "/login", login_body(user, password, **more))
    assert status == 200, answer
    assert isinstance(answer, dict)
    return answer


async def login_refused(http: aiohttp.ClientSession, body: Json) -> tuple[int, str]:
    status, answer = await post(http, "/login", body)
    return status, answer["errcode"]


def prove(user_id: str, session: str | None = None, password: str = PASSWORD) -> Json:
    """What goes into `auth`."""
    auth = login_body(user_id, password)
    return auth if session is None else {**auth, "session": session}


async def whoami(http: aiohttp.ClientSession, access_token: str) -> tuple[int, Any]:
    return await ask(http, "GET", f"{V3}/account/whoami", None, {"Authorization": f"Bearer {access_token}"})


async def is_ended(http: aiohttp.ClientSession, access_token: str) -> bool:
    status, answer = await whoami(http, access_token)
    return status == 401 and (answer["errcode"], answer["soft_logout"]) == ("M_UNKNOWN_TOKEN", False)


# --- making an account ---


async def test_what_to_prove_may_be_asked_before_a_name_is_chosen(http: aiohttp.ClientSession) -> None:
    status, asked = await post(http, "/register", {})
    assert status == 401
    body = {"username": new_name(), "password": PASSWORD, "auth": {**DUMMY, "session": asked["session"]}}
    assert (await post(http, "/register", body))[0] == 200
    again = {**body, "username": new_name()}
    assert (await post(http, "/register", again))[0] == 200, "a session that is over starts again"


async def test_registration_asks_first_and_the_answer_signs_in(http: aiohttp.ClientSession) -> None:
    body = {"username": new_name(), "password": PASSWORD, "initial_device_display_name": "first"}
    status, asked = await post(http, "/register", body)
    assert status == 401
    assert {"stages": ["m.login.dummy"]} in asked["flows"]
    assert (asked["params"], asked["completed"]) == ({}, [])
    status, made = await post(http, "/register", {**body, "auth": {**DUMMY, "session": asked["session"]}})
    assert (status, made["user_id"]) == (200, f"@{body['username']}:{SERVER_NAME}")
    status, who = await whoami(http, made["access_token"])
    assert status == 200
    assert who == {"user_id": made["user_id"], "device_id": made["device_id"], "is_guest": False}


async def test_the_first_challenge_is_no_error(http: aiohttp.ClientSession) -> None:
    """Clients show an error code in it to the person, who has done nothing wrong yet."""
    _, asked = await post(http, "/register", {})
    assert not asked.get("errcode")
    assert not asked.get("error")


async def test_registration_gives_what_was_asked_for(http: aiohttp.ClientSession) -> None:
    made = await register(http, username=new_name().upper(), device_id="MYDEVICE")
    assert made["device_id"] == "MYDEVICE"
    assert made["user_id"] == made["user_id"].lower()
    silent = await register(http, inhibit_login=True)
    assert not {"access_token", "device_id", "refresh_token"} & set(silent)
    nameless = await register(http, username=None)
    assert nameless["user_id"].endswith(f":{SERVER_NAME}")


@pytest.mark.parametrize(
    ("change", "status", "errcode"),
    [
        ({"username": "a b"}, 400, "M_INVALID_USERNAME"),
        ({"username": "ä"}, 400, "M_INVALID_USERNAME"),
        ({"username": "@x:elsewhere.example"}, 400, "M_INVALID_USERNAME"),
        ({"username": 7}, 400, "M_BAD_JSON"),
        ({"password": "short"}, 400, "M_WEAK_PASSWORD"),
        ({"password": "x" * 600}, 400, "M_INVALID_PARAM"),
        ({"password": None}, 400, "M_MISSING_PARAM"),
        ({"device_id": "x" * 300}, 400, "M_INVALID_PARAM"),
        ({"device_id": "a\u0000b"}, 400, "M_INVALID_PARAM"),
        ({"auth": "m.login.dummy"}, 400, "M_BAD_JSON"),
        ({"auth": {"type": 1}}, 400, "M_BAD_JSON"),
        ({"auth": {"type": "m.login.password", "password": PASSWORD}}, 401, "M_UNRECOGNIZED"),
    ],
)
async def test_registration_refuses(http: aiohttp.ClientSession, change: Json, status: int, errcode: str) -> None:
    body = {"username": new_name(), "password": PASSWORD, "auth": DUMMY, **change}
    got, answer = await post(http, "/register", body)
    assert (got, answer["errcode"]) == (status, errcode)


async def test_a_name_is_given_once(http: aiohttp.ClientSession) -> None:
    name = new_name()
    body = {"username": name, "password": PASSWORD, "auth": DUMMY}
    answers = await asyncio.gather(*(post(http, "/register", body) for _ in range(8)))
    assert sorted(status for status, _ in answers) == [200] + [400] * 7
    assert {answer["errcode"] for status, answer in answers if status == 400} == {"M_USER_IN_USE"}
    status, answer = await post(http, "/register", {"username": name.upper(), "password": PASSWORD})
    assert (status, answer["errcode"]) == (400, "M_USER_IN_USE"), "the name is judged before any proof"


async def test_available(http: aiohttp.ClientSession) -> None:
    taken = (await register(http))["user_id"].split(":")[0][1:]
    path = f"{V3}/register/available"
    assert await ask(http, "GET", path, username=new_name()) == (200, {"available": True})
    for username, errcode in ((taken, "M_USER_IN_USE"), ("a b", "M_INVALID_USERNAME"), (None, "M_MISSING_PARAM")):
        status, answer = await ask(http, "GET", path, username=username)
        assert (status, answer["errcode"]) == (400, errcode)


async def test_unknown_kinds_are_refused(http: aiohttp.ClientSession) -> None:
    status, answer = await ask(http, "POST", f"{V3}/register", {}, kind="ghost")
    assert (status, answer["errcode"]) == (400, "M_INVALID_PARAM")


# --- signing in ---


async def test_signing_in_by_name_by_id_and_the_old_way(http: aiohttp.ClientSession) -> None:
    made = await register(http)
    user_id, name = made["user_id"], made["user_id"].split(":")[0][1:]
    for user in (name, user_id, name.upper()):
        assert (await sign_in(http, user))["user_id"] == user_id
    status, answer = await post(http, "/login", {"type": "m.login.password", "user": name, "password": PASSWORD})
    assert (status, answer["user_id"]) == (200, user_id)


async def test_signing_in_refuses(http: aiohttp.ClientSession) -> None:
    user_id = (await register(http))["user_id"]
    name = user_id.split(":")[0][1:]
    wrong = (403, "M_FORBIDDEN")
    assert await login_refused(http, login_body(user_id, "wrong password")) == wrong
    assert await login_refused(http, login_body(new_name())) == wrong
    assert await login_refused(http, login_body(f"@{name}:elsewhere.example")) == wrong
    assert await login_refused(http, login_body(user_id, "x" * 600)) == wrong
    assert await login_refused(http, login_body("no\u0000body")) == wrong
    assert await login_refused(http, {"type": "org.example.magic"}) == (400, "M_UNKNOWN")
    strange = {"type": "m.login.password", "identifier": {"type": "m.id.magic"}, "password": PASSWORD}
    assert await login_refused(http, strange) == (400, "M_UNKNOWN")
    phone = {"type": "m.id.phone", "country": "KR", "phone": "0"}
    assert await login_refused(http, {**strange, "identifier": phone}) == wrong
    assert await login_refused(http, {"type": "m.login.password", "password": "x"}) == (400, "M_MISSING_PARAM")
    assert await login_refused(http, {"type": "m.login.password", "user": name}) == (400, "M_MISSING_PARAM")
    assert await login_refused(http, {}) == (400, "M_MISSING_PARAM")
    assert await login_refused(http, {"type": 1}) == (400, "M_BAD_JSON")


async def test_a_device_that_signs_in_again_has_one_session_and_keeps_its_name(http: aiohttp.ClientSession) -> None:
    made = await register(http, device_id="PHONE", initial_device_display_name="old name")
    again = await sign_in(http, made["user_id"], device_id="PHONE", initial_device_display_name="new name")
    assert await is_ended(http, made["access_token"])
    devices = (await Talker(http, again).get(f"{V3}/devices"))["devices"]
    assert [(device["device_id"], device["display_name"]) for device in devices] == [("PHONE", "old name")]
    assert devices[0]["last_seen_ip"] == "127.0.0.1"
    assert abs(devices[0]["last_seen_ts"] - time.time() * 1000) < 60_000


async def test_a_login_token_signs_in_once(http: aiohttp.ClientSession) -> None:
    alice = await somebody(http)
    path = f"{V1}/login/get_token"
    status, asked = await alice.ask("POST", path, {})
    assert status == 401
    answer = await alice.post(path, {"auth": prove(alice.user_id, asked["session"])})
    assert 0 < answer["expires_in_ms"] <= 120_000
    body = {"type": "m.login.token", "token": answer["login_token"]}
    answers = await asyncio.gather(*(post(http, "/login", body) for _ in range(4)))
    assert sorted(status for status, _ in answers) == [200, 403, 403, 403]
    assert next(made for status, made in answers if status == 200)["user_id"] == alice.user_id
    assert await login_refused(http, {**body, "token": "bsl_x"}) == (403, "M_FORBIDDEN")
    status, _ = await alice.ask("POST", path, {"auth": {"session": asked["session"]}})
    assert status == 401, "each login token needs a proof of its own"


async def test_a_hash_of_another_cost_is_renewed(http: aiohttp.ClientSession, database: Any) -> None:
    user_id = (await register(http))["user_id"]
    old = passwords.make_hash(PASSWORD, b"0123456789abcdef", Cost(passes=1, memory_kib=64))
    await database.execute("UPDATE users SET password_hash = $2 WHERE user_id = $1", user_id, old)
    assert await login_refused(http, login_body(user_id, "wrong password")) == (403, "M_FORBIDDEN")
    stored = "SELECT password_hash FROM users WHERE user_id = $1"
    assert await database.fetchval(stored, user_id) == old
    await sign_in(http, user_id)
    assert await database.fetchval(stored, user_id) != old
    await sign_in(http, user_id)


async def test_devices_are_bounded_and_the_longest_unused_goes(http: aiohttp.ClientSession, database: Any) -> None:
    made = await register(http, device_id="UNUSED")
    await database.execute("UPDATE devices SET seen_at = 'epoch' WHERE user_id = $1", made["user_id"])
    await database.execute(
        "INSERT INTO devices (user_id, device_id) SELECT $1, 'D' || n FROM generate_series(2, $2) AS n",
        made["user_id"],
        limits.DEVICES_PER_USER_MAX,
    )
    newest = Talker(http, await sign_in(http, made["user_id"]))
    devices = [device["device_id"] for device in (await newest.get(f"{V3}/devices"))["devices"]]
    assert len(devices) == limits.DEVICES_PER_USER_MAX
    assert newest.device_id in devices
    assert "UNUSED" not in devices
    assert await is_ended(http, made["access_token"])


async def test_a_worker_writes_when_it_saw_a_device(server: Server, database: Any) -> None:
    worker = Server.start(server.data_dir)
    async with aiohttp.ClientSession(worker.base_url) as http:
        made = await register(http)
        await database.execute("UPDATE devices SET seen_at = NULL WHERE user_id = $1", made["user_id"])
        assert (await whoami(http, made["access_token"]))[0] == 200
    worker.stop()
    seen_at = await database.fetchval("SELECT seen_at FROM devices WHERE user_id = $1", made["user_id"])
    assert seen_at is not None
    assert abs(seen_at.timestamp() - time.time()) < 60


# --- tokens ---


async def test_tokens_that_were_never_given(http: aiohttp.ClientSession) -> None:
    for token in ("x", "bst_x", "bst_" + secrets.token_urlsafe(32), "bst_" + "x" * 4000, "bst_é"):
        assert await is_ended(http, token), token
    status, answer = await ask(http, "GET", f"{V3}/account/whoami")
    assert (status, answer["errcode"]) == (401, "M_MISSING_TOKEN")


async def test_only_clients_that_can_refresh_get_tokens_that_expire(http: aiohttp.ClientSession) -> None:
    assert not {"refresh_token", "expires_in_ms"} & set(await register(http))
    made = await register(http, refresh_token=True)
    assert 0 < made["expires_in_ms"] <= 3_600_000
    assert (await whoami(http, made["access_token"]))[0] == 200


async def refresh(http: aiohttp.ClientSession, tokens: Json) -> Json | None:
    status, answer = await post(http, "/refresh", {"refresh_token": tokens["refresh_token"]})
    assert status in (200, 401), answer
    if status == 401:
        assert answer["errcode"] == "M_UNKNOWN_TOKEN"
        return None
    assert isinstance(answer, dict)
    return answer


async def test_a_refresh_token_lasts_until_its_successor_is_used(http: aiohttp.ClientSession) -> None:
    first = await register(http, refresh_token=True)
    lost = await refresh(http, first)
    second = await refresh(http, first)
    assert lost is not None
    assert second is not None
    assert await refresh(http, lost) is None, "what came of the first try was replaced"
    assert await is_ended(http, lost["access_token"])
    assert (await whoami(http, second["access_token"]))[0] == 200
    assert await refresh(http, first) is None, "its access token was used"
    third = await refresh(http, second)
    assert third is not None
    fourth = await refresh(http, third)
    assert fourth is not None
    assert await refresh(http, second) is None, "its refresh token was used"
    assert (await whoami(http, fourth["access_token"]))[0] == 200


async def test_an_expired_token_is_a_soft_logout(http: aiohttp.ClientSession, database: Any) -> None:
    made = await register(http, refresh_token=True)
    expire = "UPDATE access_tokens SET expires_at = now() - interval '1 second' WHERE user_id = $1"
    await database.execute(expire, made["user_id"])
    status, answer = await whoami(http, made["access_token"])
    assert (status, answer["errcode"], answer["soft_logout"]) == (401, "M_UNKNOWN_TOKEN", True)
    renewed = await refresh(http, made)
    assert renewed is not None
    assert (await whoami(http, renewed["access_token"]))[1]["device_id"] == made["device_id"]


async def test_refresh_ends_with_the_session(http: aiohttp.ClientSession) -> None:
    made = await register(http, refresh_token=True)
    await Talker(http, made).post(f"{V3}/logout")
    assert await refresh(http, made) is None
    assert await refresh(http, {"refresh_token": "x"}) is None


async def test_no_token_is_kept_as_it_is(http: aiohttp.ClientSession, database: Any) -> None:
    made = await register(http, refresh_token=True)
    for table in ("access_tokens", "refresh_tokens"):
        rows = await database.fetch(f"SELECT * FROM {table} WHERE user_id = $1", made["user_id"])
        assert rows
        assert made["access_token"] not in str(rows)
        assert made["refresh_token"] not in str(rows)


# --- ends ---


async def test_logging_out_ends_one_session_on_every_worker(
    http: aiohttp.ClientSession, strict_http: aiohttp.ClientSession
) -> None:
    made = await register(http)
    other = await sign_in(http, made["user_id"])
    for token in (made["access_token"], other["access_token"]):
        assert (await whoami(strict_http, token))[0] == 200
    await Talker(http, made).post(f"{V3}/logout")
    assert await is_ended(http, made["access_token"])
    await until_ended(strict_http, made["access_token"])
    assert (await whoami(strict_http, other["access_token"]))[0] == 200
    assert (await whoami(http, other["access_token"]))[0] == 200


async def until_ended(http: aiohttp.ClientSession, access_token: str) -> None:
    async with asyncio.timeout(OTHER_WORKER_SECONDS_MAX):
        while not await is_ended(http, access_token):
            await asyncio.sleep(0.02)


async def test_logging_out_everywhere(http: aiohttp.ClientSession, strict_http: aiohttp.ClientSession) -> None:
    made = await register(http)
    other = await sign_in(http, made["user_id"])
    assert (await whoami(strict_http, other["access_token"]))[0] == 200
    await Talker(http, made).post(f"{V3}/logout/all")
    assert await is_ended(http, made["access_token"])
    assert await is_ended(http, other["access_token"])
    await until_ended(strict_http, other["access_token"])


async def test_a_session_that_ends_while_its_token_is_read_stays_ended(
    http: aiohttp.ClientSession, strict_http: aiohttp.ClientSession
) -> None:
    """Both workers look a token up for the first time just as it ends: neither may go on remembering it."""
    for _ in range(10):
        made = await register(http)
        asked = [whoami(worker, made["access_token"]) for worker in (http, strict_http) for _ in range(10)]
        alice = Talker(http, made)
        await asyncio.gather(*asked[:10], alice.post(f"{V3}/logout"), *asked[10:])
        assert await is_ended(http, made["access_token"])
        await until_ended(strict_http, made["access_token"])


class SlowAccounts(Accounts):
    """Whose answer about a token arrives late."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.has_read = asyncio.Event()
        self.arrives = asyncio.Event()

    async def holder(self, access_hash: bytes) -> Holder | None:
        found = await super().holder(access_hash)
        self.has_read.set()
        await self.arrives.wait()
        return found


async def test_a_token_that_was_read_just_before_its_end_is_not_remembered(
    server: Server, http: aiohttp.ClientSession
) -> None:
    made = await register(http)
    postgres = EmbeddedPostgres(server.data_dir)
    database = Database(await postgres.start())
    await database.open()
    accounts = SlowAccounts(database)
    tokens = Tokens(accounts, lambda: 0)
    asking = asyncio.create_task(tokens.authenticate(made["access_token"]))
    await accounts.has_read.wait()
    await accounts.delete_devices(made["user_id"], [made["device_id"]])
    tokens.apply(Segment(0, 1, revocations=[Revocation(1, made["user_id"], made["device_id"])]))
    accounts.arrives.set()
    for asked in (asking, tokens.authenticate(made["access_token"])):
        with pytest.raises(Refusal) as refused:
            await asked
        assert refused.value.errcode == "M_UNKNOWN_TOKEN"
    await database.close()
    await postgres.stop()


async def test_a_new_password(http: aiohttp.ClientSession) -> None:
    alice = await somebody(http)
    other = await sign_in(http, alice.user_id)
    path, body = f"{V3}/account/password", {"new_password": "another good password"}
    status, asked = await alice.ask("POST", path, body)
    assert status == 401
    wrong = {**body, "auth": prove(alice.user_id, asked["session"], "not the password")}
    status, answer = await alice.ask("POST", path, wrong)
    assert (status, answer["errcode"], answer["session"]) == (401, "M_FORBIDDEN", asked["session"])
    await alice.post(path, {**body, "auth": prove(alice.user_id, asked["session"])})
    assert await is_ended(http, other["access_token"])
    await alice.get(f"{V3}/account/whoami")
    assert await login_refused(http, login_body(alice.user_id)) == (403, "M_FORBIDDEN")
    await sign_in(http, alice.user_id, "another good password")


async def test_a_new_password_may_leave_the_other_devices(http: aiohttp.ClientSession) -> None:
    alice = await somebody(http)
    other = await sign_in(http, alice.user_id)
    body = {"new_password": "another good password", "logout_devices": False, "auth": prove(alice.user_id)}
    await alice.post(f"{V3}/account/password", body)
    assert (await whoami(http, other["access_token"]))[0] == 200


async def test_a_weak_new_password_is_refused_before_the_old_one_is_asked_for(http: aiohttp.ClientSession) -> None:
    alice = await somebody(http)
    path = f"{V3}/account/password"
    assert await alice.refused("POST", path, {"new_password": "short"}) == (400, "M_WEAK_PASSWORD")


async def test_a_deactivated_account_is_gone_for_ever(http: aiohttp.ClientSession) -> None:
    made = await register(http)
    alice, bob = Talker(http, made), await somebody(http)
    room_id, invited = await bob.make_room(), await bob.make_room()
    await bob.bring(room_id, alice)
    await bob.invite(invited, alice)
    answer = await alice.post(f"{V3}/account/deactivate", {"auth": prove(alice.user_id), "erase": True})
    assert answer == {"id_server_unbind_result": "success"}
    assert await is_ended(http, made["access_token"])
    assert await login_refused(http, login_body(alice.user_id)) == (403, "M_USER_DEACTIVATED")
    name = alice.user_id.split(":")[0][1:]
    status, again = await post(http, "/register", {"username": name, "password": PASSWORD, "auth": DUMMY})
    assert (status, again["errcode"]) == (400, "M_USER_IN_USE")
    for left in (room_id, invited):
        member = await bob.get(f"{room(left)}/state/m.room.member/{alice.user_id}")
        assert member["membership"] == "leave"


async def test_whether_to_erase_may_be_decided_late(http: aiohttp.ClientSession) -> None:
    alice = await somebody(http)
    path = f"{V3}/account/deactivate"
    _, asked = await alice.ask("POST", path, {"erase": False})
    await alice.post(path, {"auth": prove(alice.user_id, asked["session"]), "erase": True})
    assert await login_refused(http, login_body(alice.user_id)) == (403, "M_USER_DEACTIVATED")


# --- user-interactive authentication ---


async def test_a_proof_is_good_for_one_request_only(http: aiohttp.ClientSession) -> None:
    alice, mallory = await somebody(http), await somebody(http)
    status, asked = await alice.ask("POST", f"{V3}/delete_devices", {"devices": ["A"]})
    assert status == 401
    proof = {"auth": prove(alice.user_id, asked["session"])}
    other_requests: list[tuple[str, str, Json]] = [
        ("POST", f"{V3}/delete_devices", {"devices": ["B"]}),
        ("POST", f"{V3}/account/deactivate", {}),
        ("DELETE", f"{V3}/devices/{alice.device_id}", {"devices": ["A"]}),
    ]
    for method, path, body in other_requests:
        assert await alice.refused(method, path, {**body, **proof}) == (403, "M_FORBIDDEN")
    body = {"devices": ["A"], "auth": prove(mallory.user_id, asked["session"])}
    assert await mallory.refused("POST", f"{V3}/delete_devices", body) == (403, "M_FORBIDDEN")
    await alice.post(f"{V3}/delete_devices", {"devices": ["A"], **proof})


async def test_nobody_proves_with_another_persons_password(http: aiohttp.ClientSession) -> None:
    alice, mallory = await somebody(http), await somebody(http)
    body = {"devices": ["A"], "auth": prove(mallory.user_id)}
    status, answer = await alice.ask("POST", f"{V3}/delete_devices", body)
    assert (status, answer["errcode"], answer["completed"]) == (401, "M_FORBIDDEN", [])


async def test_a_session_that_is_over_starts_again(http: aiohttp.ClientSession, database: Any) -> None:
    alice = await somebody(http)
    path = f"{V3}/delete_devices"
    _, asked = await alice.ask("POST", path, {"devices": ["A"]})
    await database.execute(
        "UPDATE uia_sessions SET expires_at = now() - interval '1 second' WHERE user_id = $1", alice.user_id
    )
    for session in (asked["session"], "never was"):
        status, again = await alice.ask("POST", path, {"devices": ["A"], "auth": {"session": session}})
        assert status == 401
        assert again["session"] not in (asked["session"], "never was")


# --- devices ---


async def test_devices_are_listed_named_and_removed(http: aiohttp.ClientSession) -> None:
    alice = await somebody(http)
    phone = await sign_in(http, alice.user_id, device_id="a/b %", initial_device_display_name="phone")
    path = f"{V3}/devices/a%2Fb%20%25"
    assert (await alice.get(path))["display_name"] == "phone"
    await alice.put(path, {"display_name": "the phone"})
    await alice.put(path, {})
    devices = (await alice.get(f"{V3}/devices"))["devices"]
    assert {device["device_id"]: device.get("display_name") for device in devices} == {
        alice.device_id: None,
        "a/b %": "the phone",
    }
    assert (await alice.ask("DELETE", path))[0] == 401, "a body may be missing"
    assert (await whoami(http, phone["access_token"]))[0] == 200
    status, _ = await alice.ask("DELETE", path, {"auth": prove(alice.user_id)})
    assert status == 200
    assert await is_ended(http, phone["access_token"])
    assert await alice.refused("GET", path) == (404, "M_NOT_FOUND")
    status, _ = await alice.ask("DELETE", path, {"auth": prove(alice.user_id)})
    assert status == 200, "removed before is as good as removed"


async def test_devices_of_others_are_not_there(http: aiohttp.ClientSession) -> None:
    alice, bob = await somebody(http), await somebody(http)
    path = f"{V3}/devices/{bob.device_id}"
    assert await alice.refused("GET", path) == (404, "M_NOT_FOUND")
    assert await alice.refused("PUT", path, {"display_name": "mine"}) == (404, "M_NOT_FOUND")
    body = {"devices": [bob.device_id], "auth": prove(alice.user_id)}
    await alice.post(f"{V3}/delete_devices", body)
    await bob.get(path)


async def test_what_a_device_may_not_be_called(http: aiohttp.ClientSession) -> None:
    alice = await somebody(http)
    path = f"{V3}/devices/{alice.device_id}"
    for name in ("x" * 1000, "a\u0000b"):
        assert await alice.refused("PUT", path, {"display_name": name}) == (400, "M_INVALID_PARAM")
    assert await alice.refused("GET", f"{V3}/devices/%00") == (400, "M_INVALID_PARAM")


async def test_third_party_ids_are_not_kept(http: aiohttp.ClientSession) -> None:
    assert await (await somebody(http)).get(f"{V3}/account/3pid") == {"threepids": []}


# --- closed registration, registration tokens, the secret ---


async def test_closed_registration(strict_http: aiohttp.ClientSession) -> None:
    status, answer = await post(strict_http, "/register", {"username": new_name(), "password": PASSWORD, "auth": DUMMY})
    assert (status, answer["errcode"]) == (403, "M_FORBIDDEN")


async def test_a_registration_token_lets_in_as_many_as_it_says(
    strict_http: aiohttp.ClientSession, database: Any
) -> None:
    token = secrets.token_hex(8)
    await database.execute("INSERT INTO registration_tokens (token, uses_allowed) VALUES ($1, 1)", token)
    validity = f"{V1}/register/m.login.registration_token/validity"
    assert await ask(strict_http, "GET", validity, token=token) == (200, {"valid": True})
    body = {"username": new_name(), "password": PASSWORD}
    status, asked = await post(strict_http, "/register", body)
    assert (status, asked["flows"]) == (401, [{"stages": ["m.login.registration_token"]}])
    auth = {"type": "m.login.registration_token", "session": asked["session"]}
    status, answer = await post(strict_http, "/register", {**body, "auth": {**auth, "token": "wrong"}})
    assert (status, answer["errcode"], answer["session"]) == (401, "M_FORBIDDEN", asked["session"])
    status, answer = await post(strict_http, "/register", {**body, "auth": {**DUMMY, "session": asked["session"]}})
    assert status == 401, "the stage of an open server is no way in"
    status, answer = await post(strict_http, "/register", {**body, "auth": {**auth, "token": token}})
    assert (status, answer["user_id"]) == (200, f"@{body['username']}:{SERVER_NAME}")
    assert await ask(strict_http, "GET", validity, token=token) == (200, {"valid": False})
    assert await ask(strict_http, "GET", validity, token="never was") == (200, {"valid": False})
    second = {**body, "username": new_name(), "auth": {"type": "m.login.registration_token", "token": token}}
    status, answer = await post(strict_http, "/register", second)
    assert (status, answer["errcode"]) == (403, "M_FORBIDDEN")


async def test_a_token_is_not_used_up_by_more_people_than_it_allows(
    strict_http: aiohttp.ClientSession, database: Any
) -> None:
    token = secrets.token_hex(8)
    await database.execute("INSERT INTO registration_tokens (token, uses_allowed) VALUES ($1, 2)", token)
    auth = {"type": "m.login.registration_token", "token": token}
    bodies = [{"username": new_name(), "password": PASSWORD, "auth": auth} for _ in range(6)]
    answers = await asyncio.gather(*(post(strict_http, "/register", body) for body in bodies))
    assert [status for status, _ in answers].count(200) == 2
    assert await database.fetchval("SELECT used FROM registration_tokens WHERE token = $1", token) == 2


ADMIN_REGISTER = "/_synapse/admin/v1/register"


async def admin_register(http: aiohttp.ClientSession, secret: str = SECRET, **more: Any) -> tuple[int, Any]:
    """As the tools of other homeservers do it."""
    body = {"username": new_name(), "password": PASSWORD, "admin": False, **more}
    if "nonce" not in body:
        body["nonce"] = (await ask(http, "GET", ADMIN_REGISTER))[1]["nonce"]
    mac = hmac.new(secret.encode(), digestmod="sha1")
    mac.update(body["nonce"].encode() + b"\x00" + body["username"].encode() + b"\x00" + body["password"].encode())
    mac.update(b"\x00admin" if body["admin"] else b"\x00notadmin")
    return await ask(http, "POST", ADMIN_REGISTER, {**body, "mac": mac.hexdigest()})


async def test_who_knows_the_secret_may_register(strict_http: aiohttp.ClientSession, database: Any) -> None:
    for admin in (False, True):
        status, made = await admin_register(strict_http, admin=admin, displayname="한지원")
        assert status == 200, made
        assert (await whoami(strict_http, made["access_token"]))[1]["user_id"] == made["user_id"]
        is_admin = await database.fetchval("SELECT is_admin FROM users WHERE user_id = $1", made["user_id"])
        assert is_admin is admin
        profile = await ask(strict_http, "GET", f"{V3}/profile/{made['user_id']}")
        assert profile[1]["displayname"] == "한지원"


async def test_who_does_not_know_the_secret_may_not(strict_http: aiohttp.ClientSession) -> None:
    status, _ = await admin_register(strict_http, secret="guessed")
    assert status == 403
    nonce = (await ask(strict_http, "GET", ADMIN_REGISTER))[1]["nonce"]
    assert (await admin_register(strict_http, nonce=nonce))[0] == 200
    assert (await admin_register(strict_http, nonce=nonce))[0] == 400, "a nonce is good once"


async def test_without_a_secret_the_endpoint_does_not_exist(http: aiohttp.ClientSession) -> None:
    for method in ("GET", "POST"):
        status, answer = await ask(http, method, ADMIN_REGISTER, {})
        assert (status, answer["errcode"]) == (404, "M_UNRECOGNIZED")


# --- rates ---


async def test_guessing_a_password_is_slowed_down(
    http: aiohttp.ClientSession, strict_http: aiohttp.ClientSession
) -> None:
    user_id = (await register(http))["user_id"]
    body = login_body(user_id, "wrong password")
    statuses = [(await post(strict_http, "/login", body))[0] for _ in range(30)]
    assert set(statuses) == {403, 429}
    assert statuses == sorted(statuses), "first answers, then refusals"
    assert 18 <= statuses.count(403) <= 24
    async with strict_http.post(f"{V3}/login", json=login_body(user_id)) as answer:
        told = await answer.json()
        assert (answer.status, told["errcode"]) == (429, "M_LIMIT_EXCEEDED")
        assert 0 < told["retry_after_ms"] <= 5_000
        assert int(answer.headers["Retry-After"]) * 1_000 >= told["retry_after_ms"]
    other = (await register(http))["user_id"]
    await sign_in(strict_http, other)


async def test_a_person_that_writes_fast_is_slowed_down_and_others_are_not(
    http: aiohttp.ClientSession, strict_http: aiohttp.ClientSession
) -> None:
    made, other = await register(http), await register(http)
    alice = Talker(strict_http, made)
    room_id = await Talker(http, made).make_room()
    path = f"{room(room_id)}/send/m.room.message"
    began = time.monotonic()
    answers = await asyncio.gather(
        *(alice.ask("PUT", f"{path}/{number}", {"msgtype": "m.text", "body": "x"}) for number in range(200))
    )
    per_second, at_once = limits.RATES["send"]
    fair = at_once + per_second * (time.monotonic() - began)
    statuses = [status for status, _ in answers]
    assert set(statuses) <= {200, 429}
    assert at_once <= statuses.count(200) <= min(fair + 1, 199)
    await Talker(strict_http, other).make_room()
