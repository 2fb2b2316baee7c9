"""Who somebody is, told to third parties: the protocol's OpenID tokens, and OpenID Connect."""

import asyncio

import aiohttp
import asyncpg
from joserfc import jwt
from joserfc.jwk import KeySet
from joserfc.jwt import JWTClaimsRegistry
from tests.api.browser import Browser
from tests.api.signing_in import PASSWORD, App, register, whoami
from tests.api.talking import V3, Talker, ask, segment
from tests.server import SERVER_NAME

USER_INFO = "/_matrix/federation/v1/openid/userinfo"


def _path(user_id: str) -> str:
    return f"{V3}/user/{segment(user_id)}/openid/request_token"


# --- the protocol's own ---


async def test_a_third_party_learns_who_it_is(
    alice: Talker, http: aiohttp.ClientSession, elsewhere: aiohttp.ClientSession
) -> None:
    given = await alice.post(_path(alice.user_id))
    assert (given["matrix_server_name"], given["token_type"]) == (SERVER_NAME, "Bearer")
    for worker in (http, elsewhere):
        assert await ask(worker, "GET", USER_INFO, access_token=given["access_token"]) == (200, {"sub": alice.user_id})
    assert (await whoami(http, given["access_token"]))[0] == 401, "it opens nothing else"
    assert (await alice.another_device()).user_id == alice.user_id


async def test_only_for_oneself(alice: Talker, bob: Talker, http: aiohttp.ClientSession) -> None:
    assert await alice.refused("POST", _path(bob.user_id), {}) == (403, "M_FORBIDDEN")
    assert await alice.refused("POST", _path("nobody"), {}) == (400, "M_INVALID_PARAM")
    assert (await ask(http, "POST", _path(alice.user_id), {}))[1]["errcode"] == "M_MISSING_TOKEN"


async def test_tokens_that_are_none(alice: Talker, http: aiohttp.ClientSession, database: asyncpg.Connection) -> None:
    assert (await ask(http, "GET", USER_INFO))[1]["errcode"] == "M_MISSING_TOKEN"
    for token in ("x", alice.access_token, "bsi_" + "x" * 500, "bsi_é"):
        status, answer = await ask(http, "GET", USER_INFO, access_token=token)
        assert (status, answer["errcode"]) == (401, "M_UNKNOWN_TOKEN")
    given = await alice.post(_path(alice.user_id))
    await database.execute(
        "UPDATE openid_tokens SET expires_at = now() - interval '1 second' WHERE user_id = $1", alice.user_id
    )
    assert (await ask(http, "GET", USER_INFO, access_token=given["access_token"]))[0] == 401


# --- "sign in with Bongsu" ---


async def test_a_site_signs_people_in(http: aiohttp.ClientSession, browser: Browser, user_id: str) -> None:
    """Only who it is: neither a session nor a token for anything else."""
    site = await App.new(http, client_name="A shop")
    page = await browser.open(site.wish(scope="openid profile", nonce="n-1"))
    assert user_id in page.text
    status, tokens = await site.fetch((await browser.fill(press="allow")).answer["code"])
    assert status == 200
    assert "refresh_token" not in tokens
    async with http.get("/oauth2/keys.json") as response:
        known = await response.json()
    assert all("d" not in key for key in known["keys"]), "what signs is secret"
    token = jwt.decode(tokens["id_token"], KeySet.import_key_set(known), algorithms=["RS256"])
    wanted = {"iss": f"{browser.base_url}/", "aud": site.client_id, "sub": user_id, "nonce": "n-1"}
    assert {name: token.claims[name] for name in wanted} == wanted
    JWTClaimsRegistry(exp={"essential": True}).validate(token.claims)
    assert token.claims["auth_time"] <= token.claims["iat"]
    auth = {"Authorization": f"Bearer {tokens['access_token']}"}
    for method in ("GET", "POST"):
        status, claims = await ask(http, method, "/oauth2/userinfo", None, auth)
        assert status == 200
        assert (claims["sub"], claims["preferred_username"]) == (user_id, user_id[1:].partition(":")[0])
    assert (await whoami(http, tokens["access_token"]))[0] == 401
    _, phone = await ask(
        http,
        "POST",
        f"{V3}/login",
        {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": user_id}, "password": PASSWORD},
    )
    _, listed = await ask(http, "GET", f"{V3}/devices", None, {"Authorization": f"Bearer {phone['access_token']}"})
    assert len(listed["devices"]) == 1, "a site is no device"


async def test_a_site_hears_no_more_than_it_asked_for(
    http: aiohttp.ClientSession, browser: Browser, user_id: str
) -> None:
    site = await App.new(http)
    await browser.open(site.wish(scope="openid"))
    _, tokens = await site.fetch((await browser.fill(press="allow")).answer["code"])
    auth = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert await ask(http, "GET", "/oauth2/userinfo", None, auth) == (200, {"sub": user_id})
    assert await site.post("/oauth2/revoke", token=tokens["access_token"]) == (200, {})
    assert (await ask(http, "GET", "/oauth2/userinfo", None, auth))[0] == 401
    assert (await ask(http, "GET", "/oauth2/userinfo"))[0] == 401


async def test_a_code_used_twice_ends_the_sites_token(
    http: aiohttp.ClientSession, browser: Browser, user_id: str
) -> None:
    site = await App.new(http)
    await browser.open(site.wish(scope="openid"))
    code = (await browser.fill(press="allow")).answer["code"]
    _, tokens = await site.fetch(code)
    assert (await site.fetch(code))[1]["error"] == "invalid_grant"
    auth = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert (await ask(http, "GET", "/oauth2/userinfo", None, auth))[0] == 401, user_id


async def test_a_site_with_a_secret(http: aiohttp.ClientSession, browser: Browser, user_id: str) -> None:
    _, registered = await register(http, token_endpoint_auth_method="client_secret_post")
    site = App(http, registered["client_id"])
    await browser.open(site.wish(scope="openid"))
    code = (await browser.fill(press="allow")).answer["code"]
    assert (await site.fetch(code))[0] == 401
    assert (await site.fetch(code, client_secret=registered["client_secret"]))[0] == 200, user_id


async def test_a_session_may_say_who_it_is(alice: Talker, http: aiohttp.ClientSession) -> None:
    status, claims = await alice.ask("GET", "/oauth2/userinfo")
    assert (status, claims["sub"]) == (200, alice.user_id)


async def test_of_somebody_locked_nothing_is_said(
    alice: Talker, elsewhere: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    await database.execute("UPDATE users SET locked = true WHERE user_id = $1", alice.user_id)
    status, answer = await alice.through(elsewhere).ask("GET", "/oauth2/userinfo")
    assert (status, answer["errcode"]) == (401, "M_UNKNOWN_TOKEN")


async def test_looking_at_the_keys_makes_none(http: aiohttp.ClientSession, database: asyncpg.Connection) -> None:
    """But the first, of which there is one however many come at once."""
    await database.execute("DELETE FROM identity_keys")

    async def look() -> list[str]:
        async with http.get("/oauth2/keys.json") as response:
            assert response.status == 200
            return [key["kid"] for key in (await response.json())["keys"]]

    [first, *others] = await asyncio.gather(*(look() for _ in range(8)))
    assert (len(first), others) == (1, [first] * 7)
    await database.execute("UPDATE identity_keys SET created_at = now() - interval '91 days'")
    assert await look() == first


async def test_keys_are_replaced_and_old_ones_still_fit(
    http: aiohttp.ClientSession, browser: Browser, user_id: str, database: asyncpg.Connection
) -> None:
    site = await App.new(http)

    async def sign_in() -> str:
        await browser.open(site.wish(scope="openid"))
        _, tokens = await site.fetch((await browser.fill(press="allow")).answer["code"])
        return str(tokens["id_token"])

    before = await sign_in()
    await database.execute("UPDATE identity_keys SET created_at = now() - interval '91 days'")
    after = await sign_in()
    async with http.get("/oauth2/keys.json") as response:
        known = KeySet.import_key_set(await response.json())
    tokens = [jwt.decode(each, known, algorithms=["RS256"]) for each in (before, after)]
    assert tokens[0].header["kid"] != tokens[1].header["kid"]
    assert [each.claims["sub"] for each in tokens] == [user_id, user_id]
