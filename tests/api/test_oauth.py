"""The OAuth 2.0 API: apps register, people say yes in a browser, and what apps get is a session like any other."""

import asyncio
import hashlib
from typing import Any

import aiohttp
import asyncpg
import pytest
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata  # type: ignore[import-untyped]
from tests.api.browser import Browser
from tests.api.keys import signing_keys
from tests.api.signing_in import (
    API,
    DEVICE,
    DEVICE_GRANT,
    PASSWORD,
    REDIRECT,
    SITE,
    App,
    register,
    sign_in_browser,
    sign_up,
    whoami,
)
from tests.api.talking import V1, V3, Talker, ask
from tests.waiting import until

from bongsu.core import limits

OTHER_WORKER_SECONDS_MAX = 5.0  # an end that was acknowledged here is heard there within milliseconds


@pytest.fixture
async def app(http: aiohttp.ClientSession) -> App:
    return await App.new(http)


def _hash(code: str) -> bytes:
    return hashlib.sha256(code.encode()).digest()


# --- what the server says of itself ---


async def test_metadata(http: aiohttp.ClientSession, base_url: str) -> None:
    status, said = await ask(http, "GET", f"{V1}/auth_metadata")
    assert status == 200
    assert said["issuer"] == f"{base_url}/"
    assert said["account_management_uri"] == f"{base_url}/account"
    assert {"query", "fragment"} <= set(said["response_modes_supported"])
    assert DEVICE_GRANT in said["grant_types_supported"]
    secure = {key: _https(value) for key, value in said.items()}
    AuthorizationServerMetadata(secure).validate()
    for path in (
        "/_matrix/client/unstable/org.matrix.msc2965/auth_metadata",
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
    ):
        status, also = await ask(http, "GET", path)
        assert status == 200
        assert set(also.pop("account_management_actions_supported")) > set(said["account_management_actions_supported"])
        assert also.items() <= said.items()


def _https(value: Any) -> Any:
    """As behind a proxy with TLS: the checker wants no other."""
    return value.replace("http://", "https://") if isinstance(value, str) else value


async def test_apps_learn_where_they_stand(http: aiohttp.ClientSession, base_url: str) -> None:
    _, known = await ask(http, "GET", "/.well-known/matrix/client")
    assert known["org.matrix.msc2965.authentication"] == {"issuer": f"{base_url}/", "account": f"{base_url}/account"}
    _, login = await ask(http, "GET", f"{V3}/login")
    flow = next(flow for flow in login["flows"] if flow["type"] == "m.login.sso")
    assert flow["oauth_aware_preferred"] is True


# --- apps ---


async def test_registration_gives_the_same_id_for_the_same_words(http: aiohttp.ClientSession) -> None:
    status, first = await register(http)
    assert status == 201
    assert first["redirect_uris"] == [REDIRECT]
    assert "client_secret" not in first
    assert (await register(http))[1]["client_id"] == first["client_id"]
    assert (await register(http, client_name="Another"))[1]["client_id"] != first["client_id"]


async def test_registration_keeps_what_it_understands(http: aiohttp.ClientSession) -> None:
    more = {"client_name#ko": "봉화", "logo_uri": f"{SITE}/logo.png", "unknown": {"a": 1}}
    _, registered = await register(http, **more)
    assert registered["client_name#ko"] == "봉화"
    assert registered["logo_uri"] == f"{SITE}/logo.png"
    assert "unknown" not in registered


@pytest.mark.parametrize(
    ("kind", "uri"),
    [
        ("web", "https://app.example.org/other?x=1"),
        ("web", "https://deep.app.example.org/"),
        ("native", "org.example.app:/back"),
        ("native", "org.example.app.android:/"),
        ("native", "http://localhost/back"),
        ("native", "http://127.0.0.1/"),
        ("native", "http://[::1]/back"),
        ("native", "https://app.example.org/back"),
    ],
)
async def test_redirects_that_are_the_apps_own(http: aiohttp.ClientSession, kind: str, uri: str) -> None:
    status, answer = await register(http, application_type=kind, redirect_uris=[uri])
    assert status == 201, answer


@pytest.mark.parametrize(
    ("kind", "uri"),
    [
        ("web", "http://app.example.org/back"),
        ("web", "https://evil.example/back"),
        ("web", "https://notapp.example.org/back"),
        ("web", "https://app.example.org.evil.example/"),
        ("web", "https://app.example.org@evil.example/"),
        ("web", "https://app.example.org/back#here"),
        ("web", "org.example.app:/back"),
        ("web", "/back"),
        ("web", "javascript:alert(1)"),
        ("web", "https://app.example.org\\@evil.example/"),
        ("native", "org.example.app://back"),
        ("native", "com.evil:/back"),
        ("native", "http://localhost:8080/back"),
        ("native", "http://192.168.0.1/back"),
        ("native", "custom:/back"),
    ],
)
async def test_redirects_that_are_not(http: aiohttp.ClientSession, kind: str, uri: str) -> None:
    status, answer = await register(http, application_type=kind, redirect_uris=[uri])
    assert (status, answer["error"]) == (400, "invalid_redirect_uri")


async def test_an_app_under_construction_stands_on_the_same_computer(base_url: str) -> None:
    """Where the server is for its own computer alone; elsewhere an app has TLS."""
    own = {"client_uri": "http://localhost:3000", "redirect_uris": ["http://localhost:3000/back"]}
    async with aiohttp.ClientSession(base_url) as http:
        assert (await register(http, **own))[0] == 201
    async with aiohttp.ClientSession(base_url, headers={"host": "chat.example.org"}) as http:
        assert (await register(http, **own))[0] == 400


@pytest.mark.parametrize(
    "wrong",
    [
        {"client_uri": "http://app.example.org"},
        {"client_uri": None},
        {"client_uri": 7},
        {"client_uri": "https://somebody:secret@app.example.org"},
        {"logo_uri": "https://evil.example/logo.png"},
        {"tos_uri": "javascript:alert(1)"},
        {"application_type": "toaster"},
        {"grant_types": ["implicit"]},
        {"grant_types": "authorization_code"},
        {"response_types": ["token"]},
        {"token_endpoint_auth_method": "private_key_jwt"},
        {"client_name": "a" * 3_000},
        {"client_name": "a\x00b"},
        {"client_name": ["a"]},
    ],
)
async def test_registration_refuses(http: aiohttp.ClientSession, wrong: dict[str, Any]) -> None:
    status, answer = await register(http, **wrong)
    assert (status, answer["error"]) == (400, "invalid_client_metadata")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"text"', b'{"client_uri": "a", "client_uri": "b"}', b'{"a": "' + b"x" * 20_000 + b'"}']
)
async def test_registration_refuses_what_is_no_object(http: aiohttp.ClientSession, body: bytes) -> None:
    async with http.post("/oauth2/register", data=body, headers={"content-type": "application/json"}) as response:
        assert (response.status, (await response.json())["error"]) == (400, "invalid_client_metadata")


# --- the code ---


async def test_a_whole_sign_in(http: aiohttp.ClientSession, browser: Browser, app: App) -> None:
    """From the app to the sign-in page, the consent page, and back with a code, by query."""
    user_id = await sign_up(http)
    page = await browser.open(app.wish(scope=f"{API} {DEVICE}BEACONFIRE"))
    assert (page.status, page.path) == (200, "/account/sign-in")
    page = await browser.fill(user=user_id, password=PASSWORD)
    assert (page.status, page.path) == (200, "/oauth2/authorize")
    assert "Beacon" in page.title
    assert user_id in page.text
    assert "app.example.org" in page.text
    page = await browser.fill(press="allow")
    assert page.left_for is not None
    assert page.left_for.startswith(f"{REDIRECT}?")
    assert page.answer["state"] == app.state
    assert page.answer["iss"] == f"{browser.base_url}/"
    status, tokens = await app.fetch(page.answer["code"])
    assert status == 200
    assert (tokens["token_type"], tokens["scope"]) == ("Bearer", f"{API} {DEVICE}BEACONFIRE")
    assert tokens["expires_in"] > 0
    status, who = await whoami(http, tokens["access_token"])
    assert (status, who["user_id"], who["device_id"]) == (200, user_id, "BEACONFIRE")


async def test_the_session_is_one_like_any_other(http: aiohttp.ClientSession, browser: Browser, app: App) -> None:
    user_id = await sign_up(http)
    await sign_in_browser(browser, user_id)
    tokens = await app.sign_in(browser, scope=f"{API} {DEVICE}LISTEDDEVICE")
    auth = {"Authorization": f"Bearer {tokens['access_token']}"}
    _, listed = await ask(http, "GET", f"{V3}/devices", None, auth)
    assert [(each["device_id"], each["display_name"]) for each in listed["devices"]] == [("LISTEDDEVICE", "Beacon")]
    assert (await ask(http, "POST", f"{V3}/logout", {}, auth))[0] == 200
    assert (await whoami(http, tokens["access_token"]))[0] == 401
    status, answer = await app.refresh(tokens["refresh_token"])
    assert (status, answer["error"]) == (400, "invalid_grant")


async def test_drafts_of_scopes_and_a_fragment(browser: Browser, user_id: str, app: App) -> None:
    draft = "urn:matrix:org.matrix.msc2967.client"
    page = await browser.open(
        app.wish(scope=f"openid {draft}:api:* {draft}:device:ABCDEFGHIJ", response_mode="fragment")
    )
    page = await browser.fill(press="allow")
    assert page.left_for is not None
    assert page.left_for.startswith(f"{REDIRECT}#")
    status, tokens = await app.fetch(page.answer["code"])
    assert status == 200
    assert f"{draft}:device:ABCDEFGHIJ" in tokens["scope"]
    assert tokens["id_token"]
    assert user_id


async def test_without_a_device_the_server_names_one(browser: Browser, user_id: str, app: App) -> None:
    tokens = await app.sign_in(browser, scope=API)
    assert tokens["scope"].startswith(f"{API} {DEVICE}")
    assert user_id


async def test_nobody_allows_without_being_asked(browser: Browser, user_id: str, app: App) -> None:
    page = await browser.open(app.wish(prompt="none"))
    assert page.answer["error"] == "consent_required", user_id


async def test_no_is_told_to_the_app(browser: Browser, user_id: str, app: App) -> None:
    await browser.open(app.wish())
    page = await browser.fill(press="deny")
    assert (page.answer["error"], page.answer["state"]) == ("access_denied", app.state)
    assert "code" not in page.answer
    assert user_id


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "unsupported_response_type"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"response_mode": "form_post"}, "invalid_request"),
        ({"scope": "email"}, "invalid_scope"),
        ({"scope": None}, "invalid_scope"),
        ({"scope": f"{API} {DEVICE}ONE {DEVICE}TWO"}, "invalid_scope"),
        ({"scope": f"{API} {DEVICE}a/b"}, "invalid_scope"),
        ({"scope": f"openid {DEVICE}ONE"}, "invalid_scope"),
        ({"nonce": "n" * 3_000}, "invalid_request"),
        ({"prompt": "none"}, "login_required"),
    ],
)
async def test_bad_wishes_go_back_to_the_app(
    browser: Browser, app: App, wrong: dict[str, str | None], error: str
) -> None:
    page = await browser.open(app.wish(**wrong))
    assert (page.answer["error"], page.answer["state"]) == (error, app.state)


@pytest.mark.parametrize(
    "wrong",
    [
        {"client_id": "nobody"},
        {"client_id": None},
        {"client_id": "a\x00b"},
        {"redirect_uri": None},
        {"redirect_uri": "https://evil.example/"},
        {"redirect_uri": f"{REDIRECT}/more"},
        {"redirect_uri": f"{REDIRECT}?x=1"},
    ],
)
async def test_nobody_is_sent_where_the_app_is_not(browser: Browser, app: App, wrong: dict[str, str | None]) -> None:
    page = await browser.open(app.wish(**wrong))
    assert (page.status, page.left_for) == (400, None)
    page = await browser.open(app.wish() + "&redirect_uri=https%3A%2F%2Fevil.example%2F")
    assert (page.status, page.left_for) == (400, None)


async def test_a_native_app_listens_on_any_port(http: aiohttp.ClientSession, browser: Browser, user_id: str) -> None:
    app = await App.new(http, application_type="native", redirect_uris=["http://127.0.0.1/back"])
    page = await browser.open(app.wish(redirect_uri="http://127.0.0.1:49152/back"))
    assert page.status == 200, user_id
    assert "http://127.0.0.1:49152" in page.headers["content-security-policy"]
    page = await browser.open(app.wish(redirect_uri="http://127.0.0.1:49152/elsewhere"))
    assert page.status == 400


async def test_a_code_is_good_once_and_its_second_use_ends_what_it_gave(
    http: aiohttp.ClientSession, browser: Browser, user_id: str, app: App
) -> None:
    await browser.open(app.wish())
    code = (await browser.fill(press="allow")).answer["code"]
    _, tokens = await app.fetch(code)
    assert (await whoami(http, tokens["access_token"]))[0] == 200
    status, answer = await app.fetch(code)
    assert (status, answer["error"]) == (400, "invalid_grant")
    assert (await whoami(http, tokens["access_token"]))[0] == 401
    assert (await app.refresh(tokens["refresh_token"]))[0] == 400
    assert user_id


async def test_of_many_who_use_a_code_at_once_one_gets_tokens(browser: Browser, user_id: str, app: App) -> None:
    await browser.open(app.wish())
    code = (await browser.fill(press="allow")).answer["code"]
    answers = await asyncio.gather(*(app.fetch(code) for _ in range(6)))
    assert sorted(status for status, _ in answers) == [200, 400, 400, 400, 400, 400]
    assert user_id


async def test_a_code_is_bound_to_app_address_and_verifier(
    http: aiohttp.ClientSession, browser: Browser, user_id: str, app: App
) -> None:
    await browser.open(app.wish())
    code = (await browser.fill(press="allow")).answer["code"]
    other = await App.new(http, client_name="Other")
    other.verifier = app.verifier
    refused = [
        await other.fetch(code),
        await app.fetch(code, code_verifier="w" * 43),
        await app.fetch(code, code_verifier=""),
        await app.fetch(code, code_verifier="é" * 43),
        await app.fetch(code, redirect_uri=f"{SITE}/elsewhere"),
        await app.fetch(code, redirect_uri=""),
        await app.fetch(code + "x"),
        await app.post("/oauth2/token", grant_type=DEVICE_GRANT, device_code=code),
    ]
    assert [(status, answer["error"]) for status, answer in refused] == [(400, "invalid_grant")] * len(refused)
    assert (await app.fetch(code))[0] == 200, "what others tried takes nothing from the app"
    assert user_id


async def test_a_code_does_not_live_long(
    browser: Browser, user_id: str, app: App, database: asyncpg.Connection
) -> None:
    await browser.open(app.wish())
    code = (await browser.fill(press="allow")).answer["code"]
    left = await database.fetchval(
        "UPDATE oauth_grants SET expires_at = now() - interval '1 second' WHERE grant_hash = $1"
        " RETURNING (SELECT extract(epoch FROM expires_at - now()) FROM oauth_grants WHERE grant_hash = $1)",
        _hash(code),
    )
    assert 0 < left <= 60
    status, answer = await app.fetch(code)
    assert (status, answer["error"]) == (400, "invalid_grant")
    assert user_id


@pytest.mark.parametrize(
    ("fields", "status", "error"),
    [
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({}, 400, "unsupported_grant_type"),
        ({"grant_type": "authorization_code"}, 400, "invalid_request"),
        ({"grant_type": "refresh_token"}, 400, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": "bsr_nothing"}, 400, "invalid_grant"),
        ({"grant_type": "refresh_token", "client_id": "nobody"}, 401, "invalid_client"),
        ({"grant_type": "refresh_token", "client_secret": "x"}, 401, "invalid_client"),
        ({"grant_type": "authorization_code", "code": "a\x00b"}, 400, "invalid_request"),
    ],
)
async def test_token_refuses(app: App, fields: dict[str, str], status: int, error: str) -> None:
    answered, answer = await app.post("/oauth2/token", **fields)
    assert (answered, answer["error"]) == (status, error)


async def test_token_wants_a_form_with_each_field_once(http: aiohttp.ClientSession, app: App) -> None:
    async with http.post("/oauth2/token", json={"grant_type": "authorization_code"}) as response:
        assert (response.status, (await response.json())["error"]) == (400, "invalid_request")
    twice = f"client_id={app.client_id}&grant_type=refresh_token&grant_type=refresh_token"
    headers = {"content-type": "application/x-www-form-urlencoded"}
    async with http.post("/oauth2/token", data=twice, headers=headers) as response:
        assert (response.status, (await response.json())["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("scope", [API, "openid"])
@pytest.mark.parametrize("change", ["deactivated_at = now()", "locked = true"])
async def test_a_code_is_worth_nothing_when_its_person_has_gone(
    browser: Browser, user_id: str, app: App, database: asyncpg.Connection, change: str, scope: str
) -> None:
    await browser.open(app.wish(scope=scope))
    code = (await browser.fill(press="allow")).answer["code"]
    await database.execute(f"UPDATE users SET {change} WHERE user_id = $1", user_id)
    status, answer = await app.fetch(code)
    assert (status, answer["error"]) == (400, "invalid_grant")


# --- tokens that are renewed, and end ---


async def test_somebody_locked_keeps_the_session_for_later(
    browser: Browser, user_id: str, app: App, database: asyncpg.Connection
) -> None:
    """The protocol's own error: by "invalid_grant" an app would forget the session and its keys."""
    tokens = await app.sign_in(browser)
    await database.execute("UPDATE users SET locked = true WHERE user_id = $1", user_id)
    status, answer = await app.refresh(tokens["refresh_token"])
    assert (status, answer["errcode"], answer["soft_logout"]) == (401, "M_USER_LOCKED", True)
    assert "error_description" not in answer
    await database.execute("UPDATE users SET locked = false WHERE user_id = $1", user_id)
    assert (await app.refresh(tokens["refresh_token"]))[0] == 200


async def test_of_replaced_tokens_the_newest_are_kept(
    browser: Browser, user_id: str, app: App, database: asyncpg.Connection
) -> None:
    tokens = await app.sign_in(browser, scope=f"{API} {DEVICE}SPENDER")
    await database.execute(
        "INSERT INTO spent_refresh_tokens SELECT sha256(($1 || n)::bytea), $1, 'SPENDER', now() - n * interval '1 s'"
        " FROM generate_series(1, $2) n",
        *(user_id, limits.SPENT_TOKENS_MAX + 50),
    )
    assert (await app.refresh(tokens["refresh_token"]))[0] == 200
    kept = await database.fetchrow(
        "SELECT count(*), min(spent_at) < now() - make_interval(secs => $2) AS has_old FROM spent_refresh_tokens"
        " WHERE user_id = $1",
        *(user_id, limits.SPENT_TOKENS_MAX + 10),
    )
    assert kept is not None
    assert tuple(kept) == (limits.SPENT_TOKENS_MAX, False)


async def test_apps_long_out_of_use_are_forgotten(
    http: aiohttp.ClientSession, browser: Browser, user_id: str, database: asyncpg.Connection
) -> None:
    """But for those that somebody is signed in with, or is about to."""
    gone, kept, asking = [await App.new(http, client_name=f"{name} {user_id}") for name in ("gone", "kept", "asking")]
    for app in (gone, kept):
        tokens = await app.sign_in(browser)
        if app is gone:
            await app.post("/oauth2/revoke", token=tokens["access_token"])
    await browser.open(asking.wish())
    await database.execute(
        "UPDATE oauth_clients SET created_at = now() - interval '91 days', used_at = now() - interval '91 days'"
        " WHERE client_id = ANY($1)",
        [app.client_id for app in (gone, kept, asking)],
    )
    await database.execute("UPDATE oauth_grants SET expires_at = now() WHERE client_id = $1", gone.client_id)
    code = (await browser.fill(press="allow")).answer["code"]
    await register(http, client_name=f"new {user_id}")
    rows = await database.fetch(
        "SELECT client_id FROM oauth_clients WHERE client_id = ANY($1)",
        [each.client_id for each in (gone, kept, asking)],
    )
    assert {row["client_id"] for row in rows} == {kept.client_id, asking.client_id}
    assert (await asking.fetch(code))[0] == 200


async def test_refresh_and_a_lost_answer(http: aiohttp.ClientSession, browser: Browser, user_id: str, app: App) -> None:
    """The old token stays good until the new one is used; then whoever shows it again ends the session."""
    first = await app.sign_in(browser)
    _, lost = await app.refresh(first["refresh_token"])
    status, second = await app.refresh(first["refresh_token"])
    assert status == 200, "the client whose answer was lost asks again"
    assert second["scope"] == first["scope"]
    assert (await whoami(http, second["access_token"]))[1]["user_id"] == user_id
    assert (await app.refresh(lost["refresh_token"]))[0] == 400
    assert (await whoami(http, second["access_token"]))[0] == 200, "what was lost is no theft"
    status, answer = await app.refresh(first["refresh_token"])
    assert (status, answer["error"]) == (400, "invalid_grant")
    assert (await whoami(http, second["access_token"]))[0] == 401, "the old token was in two hands"
    assert (await app.refresh(second["refresh_token"]))[0] == 400


async def test_a_replaced_token_is_told_from_its_successor_alone(
    http: aiohttp.ClientSession, browser: Browser, user_id: str, app: App
) -> None:
    first = await app.sign_in(browser)
    _, second = await app.refresh(first["refresh_token"])
    _, third = await app.refresh(second["refresh_token"])
    assert (await app.refresh(first["refresh_token"]))[0] == 400
    assert (await whoami(http, third["access_token"]))[0] == 401
    assert user_id


async def test_a_refresh_token_is_the_apps_own(
    http: aiohttp.ClientSession, browser: Browser, user_id: str, app: App
) -> None:
    tokens = await app.sign_in(browser)
    other = await App.new(http, client_name="Other")
    status, answer = await other.refresh(tokens["refresh_token"])
    assert (status, answer["error"]) == (400, "invalid_grant")
    status, answer = await ask(http, "POST", f"{V3}/refresh", {"refresh_token": tokens["refresh_token"]})
    assert (status, answer["errcode"]) == (401, "M_UNKNOWN_TOKEN")
    assert (await app.refresh(tokens["refresh_token"]))[0] == 200
    body = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": user_id}, "password": PASSWORD}
    _, legacy = await ask(http, "POST", f"{V3}/login", {**body, "refresh_token": True})
    assert (await app.refresh(legacy["refresh_token"]))[1]["error"] == "invalid_grant"
    assert (await app.post("/oauth2/revoke", token=legacy["access_token"]))[1]["error"] == "invalid_grant"
    assert (await whoami(http, legacy["access_token"]))[0] == 200


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
async def test_a_revoked_token_ends_the_session_on_every_worker(
    http: aiohttp.ClientSession,
    elsewhere: aiohttp.ClientSession,
    browser: Browser,
    user_id: str,
    app: App,
    which: str,
) -> None:
    tokens = await app.sign_in(browser)
    assert (await whoami(elsewhere, tokens["access_token"]))[1]["user_id"] == user_id
    other = await App.new(http, client_name="Other")
    assert (await other.post("/oauth2/revoke", token=tokens[which]))[0] == 400
    assert (await whoami(http, tokens["access_token"]))[0] == 200
    assert await app.post("/oauth2/revoke", token=tokens[which], token_type_hint=which) == (200, {})
    assert (await whoami(http, tokens["access_token"]))[0] == 401

    async def status_there() -> int:
        return (await whoami(elsewhere, tokens["access_token"]))[0]

    await until(status_there, lambda status: status == 401, OTHER_WORKER_SECONDS_MAX)
    assert (await app.through(elsewhere).refresh(tokens["refresh_token"]))[0] == 400
    assert await app.post("/oauth2/revoke", token=tokens[which]) == (200, {}), "again changes nothing"
    assert await app.post("/oauth2/revoke", token="x" * 5_000) == (200, {})
    assert (await app.post("/oauth2/revoke"))[1]["error"] == "invalid_request"


async def test_any_worker_takes_the_code(
    elsewhere: aiohttp.ClientSession, browser: Browser, user_id: str, app: App
) -> None:
    await browser.open(app.wish())
    code = (await browser.fill(press="allow")).answer["code"]
    status, tokens = await app.through(elsewhere).fetch(code)
    assert (status, (await whoami(elsewhere, tokens["access_token"]))[1]["user_id"]) == (200, user_id)


# --- apps that keep a secret ---


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_apps_with_a_secret(http: aiohttp.ClientSession, method: str) -> None:
    _, registered = await register(http, token_endpoint_auth_method=method)
    client_id, secret = registered["client_id"], registered["client_secret"]
    fields = {"grant_type": "refresh_token", "refresh_token": "bsr_nothing"}
    none: dict[str, str] = {}
    by_post = ({**fields, "client_id": client_id, "client_secret": secret}, none)
    by_basic = (fields, {"authorization": aiohttp.encode_basic_auth(client_id, secret)})
    wrong_post = ({**fields, "client_id": client_id, "client_secret": "wrong"}, none)
    wrong_basic = (fields, {"authorization": aiohttp.encode_basic_auth(client_id, "wrong")})
    nothing = ({**fields, "client_id": client_id}, none)
    is_basic = method == "client_secret_basic"
    right, other_way = (by_basic, by_post) if is_basic else (by_post, by_basic)
    for (data, headers), expected in (
        (right, (400, "invalid_grant")),
        *((each, (401, "invalid_client")) for each in (other_way, wrong_post, wrong_basic, nothing)),
        ((fields, {"authorization": "Basic \xff"}), (401, "invalid_client")),
    ):
        async with http.post("/oauth2/token", data=data, headers=headers) as response:
            assert (response.status, (await response.json())["error"]) == expected, data


# --- devices ---


async def test_a_device_without_a_keyboard(http: aiohttp.ClientSession, browser: Browser, app: App) -> None:
    user_id = await sign_up(http)
    status, asked = await app.post("/oauth2/device", scope=f"{API} {DEVICE}TELEVISION")
    assert status == 200
    assert asked["verification_uri"] == f"{browser.base_url}/account/device"
    poll = {"grant_type": DEVICE_GRANT, "device_code": asked["device_code"]}
    assert (await app.post("/oauth2/token", **poll))[1]["error"] == "authorization_pending"
    page = await browser.open(asked["verification_uri_complete"])
    assert page.path == "/account/sign-in"
    page = await browser.fill(user=user_id, password=PASSWORD)
    assert page.path == "/account/device"
    assert asked["user_code"] in page.said(".alert")
    page = await browser.fill(press="allow")
    assert page.status == 200
    assert (await app.post("/oauth2/token", **poll))[1]["error"] == "slow_down"


async def test_a_device_gets_its_tokens_once(
    http: aiohttp.ClientSession, browser: Browser, user_id: str, app: App, database: asyncpg.Connection
) -> None:
    _, asked = await app.post("/oauth2/device", scope=f"{API} {DEVICE}TELEVISION")
    await browser.open("/account/device")
    page = await browser.fill(code=asked["user_code"].replace("-", " ").lower())
    assert asked["user_code"] in page.text
    await browser.fill(press="allow")
    poll = {"grant_type": DEVICE_GRANT, "device_code": asked["device_code"]}
    other = await App.new(http, client_name="Other")
    assert (await other.post("/oauth2/token", **poll))[1]["error"] == "invalid_grant"
    status, tokens = await app.post("/oauth2/token", **poll)
    assert status == 200
    assert (await whoami(http, tokens["access_token"]))[1]["device_id"] == "TELEVISION"
    assert (await app.post("/oauth2/token", **poll))[1]["error"] == "invalid_grant"
    assert (await whoami(http, tokens["access_token"]))[0] == 401
    page = await browser.open(f"/account/device?code={asked['user_code']}")
    assert page.status == 404, user_id


async def test_a_device_is_refused_or_forgotten(
    browser: Browser, user_id: str, app: App, database: asyncpg.Connection
) -> None:
    _, asked = await app.post("/oauth2/device", scope=API)
    await browser.open(f"/account/device?code={asked['user_code']}")
    page = await browser.fill(press="deny")
    assert page.status == 200, user_id
    poll = {"grant_type": DEVICE_GRANT, "device_code": asked["device_code"]}
    assert (await app.post("/oauth2/token", **poll))[1]["error"] == "access_denied"
    _, late = await app.post("/oauth2/device", scope=API)
    await database.execute(
        "UPDATE oauth_grants SET expires_at = now() WHERE grant_hash = $1", _hash(late["device_code"])
    )
    assert (await browser.open(f"/account/device?code={late['user_code']}")).status == 404
    poll["device_code"] = late["device_code"]
    assert (await app.post("/oauth2/token", **poll))[1]["error"] == "expired_token"


async def test_a_device_asks_as_it_was_registered(http: aiohttp.ClientSession, app: App) -> None:
    assert (await app.post("/oauth2/device", scope="email"))[1]["error"] == "invalid_scope"
    other = await App.new(http, grant_types=["authorization_code"])
    assert (await other.post("/oauth2/device", scope=API))[1]["error"] == "unauthorized_client"
    asked = {"grant_type": DEVICE_GRANT, "device_code": "bsd_x"}
    assert (await other.post("/oauth2/token", **asked))[1]["error"] == "unauthorized_client"


# --- a new encryption identity ---


async def test_cross_signing_keys_are_reset_by_the_page(
    http: aiohttp.ClientSession, browser: Browser, user_id: str, app: App
) -> None:
    """An app that never saw the password is sent to the page; the first keys need none of it."""
    tokens = await app.sign_in(browser, scope=f"{API} {DEVICE}KEYDEVICE")
    talker = Talker(http, {"user_id": user_id, "device_id": "KEYDEVICE", "access_token": tokens["access_token"]})
    path = f"{V3}/keys/device_signing/upload"
    await talker.post(path, signing_keys(talker)[0])
    replacing = signing_keys(talker)[0]
    status, asked = await talker.ask("POST", path, replacing)
    assert status == 401
    assert {"stages": ["m.oauth"]} in asked["flows"]
    page = await browser.open(asked["params"]["m.oauth"]["url"])
    assert (page.status, page.path) == (200, "/account/reset-keys")
    again = {**replacing, "auth": {"type": "m.oauth", "session": asked["session"]}}
    assert (await talker.ask("POST", path, again))[0] == 401, "nobody has said yes so far"
    assert (await browser.fill()).status == 200
    await talker.post(path, again)
    assert (await talker.ask("POST", path, signing_keys(talker)[0]))[0] == 401, "one yes is for one reset"
