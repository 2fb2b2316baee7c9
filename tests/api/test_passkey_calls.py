"""Passkeys made and shown by an app: no page of the server is opened."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import asyncpg
import pytest
from tests.api.authenticator import Authenticator
from tests.api.signing_in import PASSWORD, sign_up
from tests.api.talking import V3, Talker, ask

Json = dict[str, Any]
PASSKEYS = "/_bongsu/v1/passkeys"


@pytest.fixture
async def http(base_url: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Passkeys belong to names, not to addresses."""
    async with aiohttp.ClientSession(base_url.replace("127.0.0.1", "localhost")) as session:
        yield session


@pytest.fixture
async def ann(http: aiohttp.ClientSession) -> Talker:
    return await come_in(http, await sign_up(http))


@pytest.fixture
def key(base_url: str) -> Authenticator:
    return Authenticator(base_url.replace("127.0.0.1", "localhost"))


async def come_in(http: aiohttp.ClientSession, user_id: str) -> Talker:
    who = {"type": "m.id.user", "user": user_id}
    status, said = await ask(
        http, "POST", f"{V3}/login", {"type": "m.login.password", "identifier": who, "password": PASSWORD}
    )
    assert status == 200, said
    return Talker(http, said)


async def say(person: Talker, method: str, path: str, body: Json | None = None) -> tuple[int, Json]:
    return await person.ask(method, path, {} if body is None else body)


async def proven(person: Talker, path: str, password: str = PASSWORD) -> tuple[int, Json]:
    """Asked for, and asked again with the password."""
    status, said = await say(person, "POST", path)
    assert status == 401
    assert said["flows"] == [{"stages": ["m.login.password"]}]
    auth = {"type": "m.login.password", "password": password, "session": said["session"]}
    return await say(
        person, "POST", path, {"auth": {**auth, "identifier": {"type": "m.id.user", "user": person.user_id}}}
    )


async def add(person: Talker, key: Authenticator, name: str = "the blue one") -> tuple[int, Json]:
    status, options = await proven(person, f"{PASSKEYS}/ask")
    assert status == 200, options
    return await say(person, "POST", PASSKEYS, {"credential": json.loads(key.make(options)), "name": name})


async def show(http: aiohttp.ClientSession, key: Authenticator, **more: str) -> tuple[int, Json]:
    status, options = await ask(http, "POST", f"{PASSKEYS}/sign_in/ask", {})
    assert status == 200
    return await ask(http, "POST", f"{PASSKEYS}/sign_in", {"credential": json.loads(key.show(options)), **more})


async def named(person: Talker) -> dict[str, str]:
    """Names by id."""
    return {each["passkey_id"]: each["name"] for each in (await person.get(PASSKEYS))["passkeys"]}


async def test_a_passkey_is_made_and_signs_in(http: aiohttp.ClientSession, ann: Talker, key: Authenticator) -> None:
    status, made = await add(ann, key)
    assert status == 201
    assert await named(ann) == {made["passkey_id"]: "the blue one"}
    status, said = await show(http, key, device_id="TABLET", initial_device_display_name="A tablet")
    assert (status, said["user_id"], said["device_id"]) == (200, ann.user_id, "TABLET")
    new = Talker(http, said)
    assert (await new.get(f"{V3}/account/whoami"))["user_id"] == ann.user_id
    assert (await new.get(PASSKEYS))["passkeys"][0]["used_ts"]


async def test_one_is_renamed_and_removed(http: aiohttp.ClientSession, ann: Talker, key: Authenticator) -> None:
    _, made = await add(ann, key)
    one = f"{PASSKEYS}/{made['passkey_id']}"
    assert (await say(ann, "PUT", one, {"name": "  my phone "}))[0] == 200
    assert await named(ann) == {made["passkey_id"]: "my phone"}
    for name in ("", " ", "x" * 101):
        assert (await say(ann, "PUT", one, {"name": name}))[0] == 400
    assert (await say(ann, "PUT", f"{PASSKEYS}/AAAA", {"name": "x"}))[0] == 404
    assert (await proven(ann, f"{one}/remove", "a guess"))[0] == 401
    assert len(await named(ann)) == 1
    assert (await proven(ann, f"{one}/remove"))[0] == 200
    assert await named(ann) == {}
    assert (await show(http, key))[0] == 403


async def test_nobody_elses_is_touched(http: aiohttp.ClientSession, ann: Talker, key: Authenticator) -> None:
    _, made = await add(ann, key)
    bob = await come_in(http, await sign_up(http))
    one = f"{PASSKEYS}/{made['passkey_id']}"
    assert (await say(bob, "PUT", one, {"name": "mine"}))[0] == 404
    assert (await proven(bob, f"{one}/remove"))[0] == 200
    assert await named(ann) == {made["passkey_id"]: "the blue one"}
    assert await named(bob) == {}
    for method, path in (("GET", PASSKEYS), ("POST", f"{PASSKEYS}/ask"), ("POST", PASSKEYS), ("PUT", one)):
        assert (await ask(http, method, path, {}))[0] == 401


async def test_what_was_asked_of_one_session_is_answered_by_none_other(
    http: aiohttp.ClientSession, ann: Talker, key: Authenticator
) -> None:
    _, options = await proven(ann, f"{PASSKEYS}/ask")
    made = {"credential": json.loads(key.make(options)), "name": "elsewhere"}
    other = await come_in(http, ann.user_id)
    status, said = await say(other, "POST", PASSKEYS, made)
    assert (status, said["errcode"]) == (400, "M_INVALID_PARAM")
    assert (await say(ann, "POST", PASSKEYS, made))[0] == 400, "and is used up by that"
    _, to_show = await ask(http, "POST", f"{PASSKEYS}/sign_in/ask", {})
    _, to_make = await proven(ann, f"{PASSKEYS}/ask")
    mixed = key.make({**to_make, "challenge": to_show["challenge"]})
    assert (await say(ann, "POST", PASSKEYS, {"credential": json.loads(mixed), "name": "x"}))[0] == 400
    assert await named(ann) == {}


@pytest.mark.parametrize("credential", [{}, {"response": 5}, {"response": {"clientDataJSON": "e30"}}, {"rawId": []}])
async def test_nonsense_signs_nobody_in(http: aiohttp.ClientSession, ann: Talker, credential: Json) -> None:
    status, said = await ask(http, "POST", f"{PASSKEYS}/sign_in", {"credential": credential})
    assert (status, said["errcode"]) == (403, "M_FORBIDDEN")
    assert (await say(ann, "POST", PASSKEYS, {"credential": credential, "name": "x"}))[0] == 400


async def test_who_is_locked_or_gone_stays_outside(
    http: aiohttp.ClientSession, ann: Talker, key: Authenticator, database: asyncpg.Connection
) -> None:
    await add(ann, key)
    await database.execute("UPDATE users SET locked = true WHERE user_id = $1", ann.user_id)
    status, said = await show(http, key)
    assert (status, said["errcode"]) == (401, "M_USER_LOCKED")
    await database.execute("UPDATE users SET locked = false WHERE user_id = $1", ann.user_id)
    assert (await show(http, key))[0] == 200
    await database.execute("UPDATE users SET deactivated_at = now() WHERE user_id = $1", ann.user_id)
    status, said = await show(http, key)
    assert (status, said["errcode"]) == (403, "M_USER_DEACTIVATED")
