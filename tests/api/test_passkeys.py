"""Passkeys by a software authenticator, and two-step sign-in by an authenticator app."""

import json
import time

import aiohttp
import asyncpg
import pyotp
import pytest
from tests.api.authenticator import Authenticator
from tests.api.browser import Browser, Page
from tests.api.signing_in import PASSWORD, App, sign_in_browser, sign_up, whoami
from tests.api.talking import V3, ask
from tests.api.test_administration import bongsu
from tests.server import Server

from bongsu.signin.texts import TEXTS

PASSKEYS = "/account/passkeys"
SIGN_IN = "/account/sign-in/passkey"


@pytest.fixture
def browser_url(base_url: str) -> str:
    """Passkeys belong to names, not to addresses."""
    return base_url.replace("127.0.0.1", "localhost")


async def _options(browser: Browser, page: str, ask_at: str) -> tuple[str, dict[str, object]]:
    """(csrf word, what the server asks of an authenticator)"""
    csrf = (await browser.open(page)).csrf
    response = await browser.ask(ask_at, {"csrf": csrf})
    assert response.status == 200
    return csrf, json.loads(await response.text())


async def add_passkey(browser: Browser, key: Authenticator, name: str = "the blue one") -> Page:
    csrf, options = await _options(browser, PASSKEYS, f"{PASSKEYS}/ask")
    return await browser.send(PASSKEYS, {"csrf": csrf, "name": name, "credential": key.make(options)})


async def show_passkey(browser: Browser, key: Authenticator) -> Page:
    csrf, options = await _options(browser, "/account/sign-in", f"{SIGN_IN}/ask")
    return await browser.send(SIGN_IN, {"csrf": csrf, "credential": key.show(options)})


# --- passkeys ---


async def test_a_passkey_signs_in(browser: Browser, other: Browser, user_id: str) -> None:
    key = Authenticator(browser.base_url)
    page = await add_passkey(browser, key)
    assert (page.status, page.said("[role=status]")) == (200, TEXTS["en"]["passkey_added"])
    assert "the blue one" in page.text
    page = await show_passkey(other, key)
    assert (page.status, page.path) == (200, "/account")
    assert user_id in page.text
    page = await show_passkey(await _signed_out(other), key)
    assert page.path == "/account", "it counts on"


async def _signed_out(browser: Browser) -> Browser:
    await browser.open("/account")
    await browser.fill(form='form[action="/account/sign-out"]')
    return browser


async def test_a_passkey_that_does_not_count(browser: Browser, other: Browser, user_id: str) -> None:
    """As those do that a telephone shares with a computer."""
    key = Authenticator(browser.base_url, counts=False)
    await add_passkey(browser, key)
    for _ in range(2):
        assert (await show_passkey(other, key)).path == "/account", user_id
        await _signed_out(other)


async def test_a_passkey_leads_back_to_the_app(
    http: aiohttp.ClientSession, browser: Browser, other: Browser, user_id: str
) -> None:
    key = Authenticator(browser.base_url)
    await add_passkey(browser, key)
    app = await App.new(http)
    page = await other.open(app.wish())
    ask_at, show_at = (page.value("form[data-passkey]", name) for name in ("data-ask", "action"))
    response = await other.ask(ask_at, {"csrf": page.csrf})
    credential = key.show(json.loads(await response.text()))
    page = await other.send(show_at, {"csrf": page.csrf, "credential": credential})
    assert page.path == "/oauth2/authorize"
    status, tokens = await app.fetch((await other.fill(press="allow")).answer["code"])
    assert (status, (await whoami(http, tokens["access_token"]))[1]["user_id"]) == (200, user_id)


async def test_a_challenge_is_good_once_and_for_one_browser(browser: Browser, other: Browser, user_id: str) -> None:
    key = Authenticator(browser.base_url, counts=False)
    await add_passkey(browser, key)
    csrf, options = await _options(other, "/account/sign-in", f"{SIGN_IN}/ask")
    shown = key.show(options)
    await _signed_out(browser)
    csrf_here = (await browser.open("/account/sign-in")).csrf
    page = await browser.send(SIGN_IN, {"csrf": csrf_here, "credential": shown})
    assert page.status == 403, "it was asked of another browser"
    page = await other.send(SIGN_IN, {"csrf": csrf, "credential": shown})
    assert page.status == 403, "and is used up by that"
    csrf, options = await _options(other, "/account/sign-in", f"{SIGN_IN}/ask")
    shown = key.show(options)
    assert (await other.send(SIGN_IN, {"csrf": csrf, "credential": shown})).path == "/account"
    await _signed_out(other)
    csrf = (await other.open("/account/sign-in")).csrf
    assert (await other.send(SIGN_IN, {"csrf": csrf, "credential": shown})).status == 403, user_id


async def test_a_challenge_does_not_live_long(
    browser: Browser, other: Browser, user_id: str, database: asyncpg.Connection
) -> None:
    key = Authenticator(browser.base_url)
    await add_passkey(browser, key)
    csrf, options = await _options(other, "/account/sign-in", f"{SIGN_IN}/ask")
    await database.execute("UPDATE passkey_challenges SET expires_at = now() - interval '1 second'")
    page = await other.send(SIGN_IN, {"csrf": csrf, "credential": key.show(options)})
    assert page.status == 403, user_id


async def test_bad_passkeys_are_refused(browser: Browser, other: Browser, user_id: str) -> None:
    key = Authenticator(browser.base_url)
    await add_passkey(browser, key)
    stranger = Authenticator(browser.base_url)
    assert (await show_passkey(other, stranger)).status == 403
    forged = Authenticator(browser.base_url)
    forged.credential_id, forged.handle = key.credential_id, key.handle
    assert (await show_passkey(other, forged)).status == 403, "another key signed"
    elsewhere = key.origin
    key.origin = "https://evil.example"
    assert (await show_passkey(other, key)).status == 403, "it was asked by another site"
    key.origin = elsewhere
    csrf, options = await _options(other, "/account/sign-in", f"{SIGN_IN}/ask")
    wrong_person = key.show(options, handle=b"somebody else")
    assert (await other.send(SIGN_IN, {"csrf": csrf, "credential": wrong_person})).status == 403
    key.count = 0
    assert (await show_passkey(other, key)).path == "/account", "a refusal counts nothing"
    key.count = 0
    assert (await show_passkey(await _signed_out(other), key)).status == 403, "a copy of the key counts behind"
    assert (await show_passkey(other, key)).path == "/account", user_id


@pytest.mark.parametrize("credential", ["", "{", "[]", "{}", '{"response": {"clientDataJSON": "e30"}}', "\ud7ff"])
async def test_nonsense_is_no_passkey(browser: Browser, other: Browser, user_id: str, credential: str) -> None:
    csrf = (await other.open("/account/sign-in")).csrf
    assert (await other.send(SIGN_IN, {"csrf": csrf, "credential": credential})).status == 403
    csrf = (await browser.open(PASSKEYS)).csrf
    page = await browser.send(PASSKEYS, {"csrf": csrf, "name": "x", "credential": credential})
    assert (page.status, page.said("[role=alert]")) == (400, TEXTS["en"]["passkey_bad"]), user_id


async def test_a_passkey_asks_for_finger_or_pin(browser: Browser, user_id: str) -> None:
    page = await add_passkey(browser, Authenticator(browser.base_url, verifies=False))
    assert page.status == 400, user_id


async def test_a_passkey_is_one_persons(
    http: aiohttp.ClientSession, browser: Browser, other: Browser, user_id: str
) -> None:
    key = Authenticator(browser.base_url)
    await add_passkey(browser, key)
    stranger = await sign_up(http)
    await sign_in_browser(other, stranger)
    assert (await add_passkey(other, key)).status == 400
    page = await browser.open(PASSKEYS)
    wanted = page.value('form[action="/account/passkeys/remove"] input[name=id]')
    await other.send(f"{PASSKEYS}/remove", {"csrf": (await other.open(PASSKEYS)).csrf, "id": wanted})
    assert "the blue one" in (await browser.open(PASSKEYS)).text
    page = await browser.fill(form='form[action="/account/passkeys/remove"]')
    assert "the blue one" not in page.text
    assert (await show_passkey(await _signed_out(other), key)).status == 403, user_id


# --- two-step sign-in ---


async def turn_on(browser: Browser) -> tuple[str, list[str]]:
    """(the key of the authenticator app, recovery codes)"""
    page = await browser.open("/account/two-step")
    secret = page.value("input[name=secret]")
    assert secret in page.said(".secret").replace(" ", "")
    assert page.tree.css_first(".qr svg path") is not None
    page = await browser.fill(code=pyotp.TOTP(secret).now())
    assert page.title == TEXTS["en"]["codes_title"], page.text
    return secret, [node.text() for node in page.tree.css(".codes li")]


def _next_code(secret: str) -> str:
    """Of the next half-minute, which is good already, as this one's was used to turn it on."""
    return pyotp.TOTP(secret).at(time.time() + 30)


async def test_two_steps(http: aiohttp.ClientSession, browser: Browser, other: Browser, user_id: str) -> None:
    secret, recovery = await turn_on(browser)
    assert len(set(recovery)) == 10
    page = await sign_in_browser(other, user_id)
    assert (page.path, page.title) == ("/account/code", TEXTS["en"]["code_title"])
    assert (await other.open("/account")).path == "/account/sign-in", "half of it is nothing"
    await sign_in_browser(other, user_id)
    page = await other.fill(code="000000")
    assert (page.status, page.said("#code-error")) == (403, TEXTS["en"]["code_wrong"])
    code = _next_code(secret)
    page = await other.fill(code=f"{code[:3]} {code[3:]}")
    assert page.path == "/account"
    await _signed_out(other)
    await sign_in_browser(other, user_id)
    assert (await other.fill(code=code)).status == 403, "a code is good once"
    assert (await other.fill(code=recovery[0].lower())).path == "/account"
    await _signed_out(other)
    await sign_in_browser(other, user_id)
    assert (await other.fill(code=recovery[0])).status == 403, "and so is a recovery code"
    assert (await other.fill(code=recovery[1].replace("-", " "))).path == "/account"
    assert TEXTS["en"]["two_step_on"].format(left=8) in (await other.open("/account/two-step")).text


async def test_a_bare_password_does_not_open_an_account_with_two_steps(
    http: aiohttp.ClientSession, browser: Browser, user_id: str
) -> None:
    body = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": user_id}, "password": PASSWORD}
    assert (await ask(http, "POST", f"{V3}/login", body))[0] == 200
    await turn_on(browser)
    status, answer = await ask(http, "POST", f"{V3}/login", body)
    assert (status, answer["errcode"]) == (403, "M_FORBIDDEN")
    assert "m.login.sso" in answer["error"]
    status, wrong = await ask(http, "POST", f"{V3}/login", {**body, "password": "a wrong guess"})
    assert (status, wrong["error"]) != (403, answer["error"]), "only who knows the password learns of it"
    app = await App.new(http)
    assert (await app.sign_in(browser))["access_token"]


async def test_an_app_waits_for_both_steps(
    http: aiohttp.ClientSession, browser: Browser, other: Browser, user_id: str
) -> None:
    secret, _ = await turn_on(browser)
    app = await App.new(http)
    await other.open(app.wish())
    page = await other.fill(user=user_id, password=PASSWORD)
    assert page.path == "/account/code"
    assert (await other.open(app.wish())).path == "/account/sign-in"
    await other.fill(user=user_id, password=PASSWORD)
    assert (await other.fill(code=_next_code(secret))).path == "/oauth2/authorize"


async def test_a_passkey_is_both_steps_in_one(browser: Browser, other: Browser, user_id: str) -> None:
    key = Authenticator(browser.base_url)
    await add_passkey(browser, key)
    await turn_on(browser)
    assert (await show_passkey(other, key)).path == "/account", user_id


async def test_two_steps_are_turned_on_by_a_right_code_alone(browser: Browser, user_id: str) -> None:
    page = await browser.open("/account/two-step")
    secret = page.value("input[name=secret]")
    page = await browser.fill(code="000000")
    assert (page.status, page.said("#code-error")) == (403, TEXTS["en"]["code_wrong"])
    assert page.value("input[name=secret]") == secret, "the app knows it already"
    page = await browser.fill(secret="short", code="000000")
    assert page.status == 403, user_id


async def test_two_steps_are_turned_off(browser: Browser, other: Browser, user_id: str) -> None:
    await turn_on(browser)
    await browser.open("/account/two-step")
    page = await browser.fill(form='form[action="/account/two-step/off"]')
    assert page.said("[role=status]") == TEXTS["en"]["two_step_stopped"]
    assert (await sign_in_browser(other, user_id)).path == "/account"


async def test_operators_help_whoever_lost_all(server: Server, browser: Browser, other: Browser, user_id: str) -> None:
    await turn_on(browser)
    assert (await sign_in_browser(other, user_id)).path == "/account/code"
    bongsu(server.data_dir, "user", "two-step-off", user_id)
    await other.open("/account/sign-in")
    assert (await other.fill(user=user_id, password=PASSWORD)).path == "/account"


async def test_a_new_phone_replaces_the_old_one(browser: Browser, other: Browser, user_id: str) -> None:
    old, old_codes = await turn_on(browser)
    page = await browser.open("/account/two-step?again=yes")
    new = page.value("input[name=secret]")
    await browser.fill(code=pyotp.TOTP(new).now())
    await sign_in_browser(other, user_id)
    assert (await other.fill(code=old_codes[0])).status == 403
    assert (await other.fill(code=_next_code(old))).status == 403
    assert (await other.fill(code=_next_code(new))).path == "/account"
