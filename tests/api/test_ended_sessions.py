"""What ends with a password or with all sessions: everything that was allowed by them, also what is just under way."""

import asyncio
import secrets
from typing import Any

import aiohttp
import asyncpg
import pyotp
import pytest
from tests.api.browser import Browser
from tests.api.holding import Hold, begin
from tests.api.keys import signing_keys
from tests.api.signing_in import API, DEVICE, DEVICE_GRANT, PASSWORD, App, sign_in_browser, whoami
from tests.api.talking import V1, V3, Talker, ask, segment

SSO = f"/account/sso?redirectUrl={segment('https://client.example/')}"
USER = "SELECT 1 FROM users WHERE user_id = $1 FOR UPDATE"
UPLOAD = f"{V3}/keys/device_signing/upload"


@pytest.fixture
async def app(http: aiohttp.ClientSession) -> App:
    return await App.new(http)


@pytest.fixture
async def phone(http: aiohttp.ClientSession, user_id: str) -> Talker:
    """The person of the browser, signed in with the password."""
    identifier = {"type": "m.id.user", "user": user_id}
    body = {"type": "m.login.password", "identifier": identifier, "password": PASSWORD}
    status, answer = await ask(http, "POST", f"{V3}/login", body)
    assert status == 200, answer
    return Talker(http, answer, PASSWORD)


async def end_all(phone: Talker) -> None:
    await phone.post(f"{V3}/logout/all")


async def keep_sessions(phone: Talker) -> None:
    """A new password by which no device ends."""
    auth = {"type": "m.login.password", "user": phone.user_id, "password": PASSWORD}
    await phone.post(f"{V3}/account/password", {"new_password": "a new one 1", "logout_devices": False, "auth": auth})


ENDS = pytest.mark.parametrize("ending", [end_all, keep_sessions])


async def login_token(browser: Browser) -> str:
    await browser.open(SSO)
    page = await browser.fill()
    assert page.left_for is not None, page.text
    return page.left_for.partition("loginToken=")[2]


async def by_token(http: aiohttp.ClientSession, token: str) -> tuple[int, Any]:
    return await ask(http, "POST", f"{V3}/login", {"type": "m.login.token", "token": token})


async def allowed_device(browser: Browser, app: App) -> str:
    """The device code of what the browser's person allowed."""
    _, asked = await app.post("/oauth2/device", scope=f"{API} {DEVICE}ALLOWED{secrets.token_hex(4)}")
    await browser.open(f"/account/device?code={asked['user_code']}")
    assert (await browser.fill(press="allow")).status == 200
    return str(asked["device_code"])


# --- what was allowed before ---


@ENDS
async def test_an_allowed_device_is_not_let_in(browser: Browser, app: App, phone: Talker, ending: Any) -> None:
    code = await allowed_device(browser, app)
    await ending(phone)
    status, answer = await app.post("/oauth2/token", grant_type=DEVICE_GRANT, device_code=code)
    assert (status, answer["error"]) == (400, "invalid_grant")


@ENDS
async def test_a_code_opens_nothing(browser: Browser, app: App, phone: Talker, ending: Any) -> None:
    await browser.open(app.wish())
    code = (await browser.fill(press="allow")).answer["code"]
    await ending(phone)
    assert (await app.fetch(code))[1]["error"] == "invalid_grant"


@ENDS
async def test_a_login_token_opens_nothing(
    http: aiohttp.ClientSession, browser: Browser, phone: Talker, ending: Any
) -> None:
    token = await login_token(browser)
    await ending(phone)
    status, answer = await by_token(http, token)
    assert (status, answer["errcode"]) == (403, "M_FORBIDDEN")


@ENDS
async def test_who_somebody_is_is_told_no_more(phone: Talker, http: aiohttp.ClientSession, ending: Any) -> None:
    given = await phone.post(f"{V3}/user/{segment(phone.user_id)}/openid/request_token")
    await ending(phone)
    sub = "/_matrix/federation/v1/openid/userinfo"
    assert (await ask(http, "GET", sub, access_token=given["access_token"]))[0] == 401


async def test_a_yes_to_new_keys_is_over(browser: Browser, phone: Talker) -> None:
    await phone.post(UPLOAD, signing_keys(phone)[0])
    await browser.open("/account/reset-keys")
    assert (await browser.fill()).status == 200
    await keep_sessions(phone)
    assert (await phone.ask("POST", UPLOAD, signing_keys(phone)[0]))[0] == 401


async def test_a_used_code_is_still_known_afterwards(
    http: aiohttp.ClientSession, browser: Browser, app: App, phone: Talker
) -> None:
    """Sessions that were to stay do, and so does the alarm of whoever shows their code again."""
    await browser.open(app.wish())
    code = (await browser.fill(press="allow")).answer["code"]
    _, tokens = await app.fetch(code)
    await keep_sessions(phone)
    assert (await whoami(http, tokens["access_token"]))[0] == 200
    assert (await app.fetch(code))[0] == 400
    assert (await whoami(http, tokens["access_token"]))[0] == 401


# --- what is under way at the moment ---


async def test_a_second_factor_that_comes_too_late(
    browser: Browser, other: Browser, phone: Talker, database: asyncpg.Connection
) -> None:
    """Somebody who knows the old password types the code while the password is changed."""
    page = await browser.open("/account/two-step")
    await browser.fill(code=pyotp.TOTP(page.value("input[name=secret]")).now())
    await sign_in_browser(other, phone.user_id)
    codes = "UPDATE one_time_codes SET last_step = 0 WHERE user_id = $1 RETURNING secret"
    secret = await database.fetchval(codes, phone.user_id)
    async with Hold(database, codes, phone.user_id) as hold:
        late = begin(other.fill(code=pyotp.TOTP(secret).now()))
        await hold.waiting(1)
        await keep_sessions(phone)
        await hold.release()
        await late
    assert (await other.open("/account")).path == "/account/sign-in"
    page = await sign_in_browser(other, phone.user_id, "a new one 1")
    assert page.path == "/account/code"


async def test_a_login_token_that_is_just_used(
    http: aiohttp.ClientSession, browser: Browser, phone: Talker, database: asyncpg.Connection
) -> None:
    token = await login_token(browser)
    async with Hold(database, USER, phone.user_id) as hold:
        opening = begin(by_token(http, token))
        await hold.waiting(1)
        ending = begin(end_all(phone))
        await hold.waiting(2, ending)
        await hold.release()
        status, answer = await opening
        await ending
    assert status == 403 or (await whoami(http, answer["access_token"]))[0] == 401


async def test_a_login_token_that_a_device_just_asks_for(
    http: aiohttp.ClientSession, phone: Talker, database: asyncpg.Connection
) -> None:
    auth = {"type": "m.login.password", "user": phone.user_id, "password": PASSWORD}
    old = secrets.token_bytes(32)  # whoever makes one clears this away before
    await database.execute("INSERT INTO login_tokens VALUES ($1, '@nobody:test.example', now() - interval '1 s')", old)
    async with Hold(database, "SELECT 1 FROM login_tokens WHERE token_hash = $1 FOR UPDATE", old) as hold:
        asking = begin(phone.ask("POST", f"{V1}/login/get_token", {"auth": auth}))
        await hold.waiting(1)
        ending = begin(end_all(phone))
        await hold.waiting(2, ending)
        await hold.release()
        status, answer = await asking
        await ending
    assert status == 403 or (await by_token(http, answer["login_token"]))[0] == 403


async def test_something_is_allowed_at_the_moment(
    browser: Browser, app: App, phone: Talker, database: asyncpg.Connection
) -> None:
    """The page knew who is there before the password changed, and writes afterwards."""
    _, asked = await app.post("/oauth2/device", scope=API)
    await browser.open(f"/account/device?code={asked['user_code']}")
    grant = "SELECT 1 FROM oauth_grants WHERE user_code = $1 FOR UPDATE"
    async with Hold(database, grant, asked["user_code"]) as hold:
        allowing = begin(browser.fill(press="allow"))
        await hold.waiting(1)
        ending = begin(keep_sessions(phone))
        await hold.waiting(2, ending)
        await hold.release()
        await allowing
        await ending
    status, answer = await app.post("/oauth2/token", grant_type=DEVICE_GRANT, device_code=asked["device_code"])
    assert status == 400, answer


async def test_one_yes_replaces_keys_once(browser: Browser, phone: Talker) -> None:
    await phone.post(UPLOAD, signing_keys(phone)[0])
    for _ in range(3):
        await browser.open("/account/reset-keys")
        assert (await browser.fill()).status == 200
        wishes = [signing_keys(phone)[0] for _ in range(6)]
        answers = await asyncio.gather(*(phone.ask("POST", UPLOAD, wish) for wish in wishes))
        assert sorted(status for status, _ in answers) == [200, *[401] * 5]


# --- what a new password proves ---


async def test_a_new_password_is_no_second_factor(browser: Browser, user_id: str, database: asyncpg.Connection) -> None:
    """What changes how somebody signs in wants the code, too, and not the password alone."""
    page = await browser.open("/account/two-step")
    await browser.fill(code=pyotp.TOTP(page.value("input[name=secret]")).now())
    await database.execute(
        "UPDATE browser_sessions SET proven_at = now() - interval '11 minutes' WHERE user_id = $1", user_id
    )
    await browser.open("/account/password")
    page = await browser.fill(now=PASSWORD, password="a new one 1", repeat="a new one 1")
    assert page.path == "/account"
    assert (await browser.open("/account/two-step")).path == "/account/sign-in"
