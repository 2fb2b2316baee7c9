"""A forgotten password, by a browser without scripts and a mail that a real SMTP server takes."""

import secrets
from collections.abc import AsyncIterator, Iterator

import aiohttp
import asyncpg
import pyotp
import pytest
from aiosmtpd.controller import Controller
from tests.api.browser import Browser, Page
from tests.api.signing_in import PASSWORD, sign_in_browser, sign_up, whoami
from tests.api.talking import V3, ask
from tests.api.test_third_party_ids import MailBox, link_in, put_address, worker
from tests.server import Server, free_port

from bongsu.signin.texts import TEXTS

EN = TEXTS["en"]
FORGOT = "/account/forgot"
NEW = "another good one"


@pytest.fixture(scope="module")
def mails() -> MailBox:
    return MailBox()


@pytest.fixture(scope="module")
def sending(server: Server, mails: MailBox) -> Iterator[Server]:
    """A worker that sends mail, and tells programs whose an address is; its pages tell nobody."""
    port = free_port()
    controller = Controller(mails, hostname="127.0.0.1", port=port)
    controller.start()
    one = worker(server, port, "--reveal-addresses", "--mail-domains", "mail.example")
    yield one
    one.stop()
    controller.stop()


@pytest.fixture
def browser_url(sending: Server) -> str:
    return sending.base_url


@pytest.fixture
async def phone(browser_url: str) -> AsyncIterator[Browser]:
    """Where the mail is read."""
    browser = Browser(browser_url)
    yield browser
    await browser.close()


@pytest.fixture
async def address(user_id: str, database: asyncpg.Connection) -> str:
    return await put_address(database, user_id)


async def ask_for_mail(browser: Browser, address: str) -> Page:
    await browser.open(FORGOT)
    return await browser.fill(address=address)


async def press(phone: Browser, mails: MailBox, address: str) -> None:
    await phone.open(link_in(await mails.wait_for(address)))
    assert (await phone.fill()).status == 200


async def log_in(http: aiohttp.ClientSession, user_id: str, password: str) -> tuple[int, dict[str, str]]:
    return await ask(http, "POST", f"{V3}/login", {"type": "m.login.password", "user": user_id, "password": password})


async def test_a_new_password_by_mail(
    http: aiohttp.ClientSession, other: Browser, phone: Browser, mails: MailBox, user_id: str, address: str
) -> None:
    _, before = await log_in(http, user_id, PASSWORD)
    page = await other.open("/account/sessions")
    page = await other.open(page.value(f'a[href^="{FORGOT}"]', "href"))
    assert page.title == EN["forgot_title"]
    assert page.tree.css_first("input[name=address][type=email][autofocus]") is not None
    page = await other.fill(address=f" {address.upper()}")
    assert (page.path, page.title) == ("/account/new-password", EN["forgot_sent"])
    here = page.url
    page = await other.open(page.value("a.button", "href"))
    assert page.title == EN["forgot_sent"], "nobody pressed so far"
    await press(phone, mails, address)
    page = await other.open(here)
    assert page.title == EN["password_new"]
    page = await other.fill(password=NEW, repeat="something else")
    assert (page.status, page.said("#repeat-error")) == (400, EN["not_the_same"])
    page = await other.fill(password="short", repeat="short")
    assert (page.status, page.said("#password-error")) == (400, EN["password_short"])
    page = await other.fill(password=NEW, repeat=NEW)
    assert (page.path, page.said("[role=status]")) == ("/account/sign-in", EN["password_changed"])
    assert (await other.fill(user=address, password=NEW)).path == "/account/sessions", "on to where it began"
    assert (await whoami(http, before["access_token"]))[0] == 401
    assert (await log_in(http, user_id, PASSWORD))[0] == 403
    assert (await other.open(here)).title == EN["forgot_sent"], "a proof is good once"


async def test_sessions_may_stay_and_the_second_factor_does(
    http: aiohttp.ClientSession,
    browser: Browser,
    other: Browser,
    phone: Browser,
    mails: MailBox,
    user_id: str,
    address: str,
) -> None:
    _, before = await log_in(http, user_id, PASSWORD)
    page = await browser.open("/account/two-step")
    await browser.fill(code=pyotp.TOTP(page.value("input[name=secret]")).now())
    page = await ask_for_mail(other, address)
    await press(phone, mails, address)
    await other.open(page.url)
    await other.fill(password=NEW, repeat=NEW, others="(off)")
    assert (await whoami(http, before["access_token"]))[0] == 200
    assert (await sign_in_browser(other, user_id, NEW)).path == "/account/code"


async def test_no_page_says_whose_an_address_is(browser: Browser, other: Browser, mails: MailBox, address: str) -> None:
    nobodys = f"{secrets.token_hex(6)}@mail.example"
    pages = [await ask_for_mail(browser, address), await ask_for_mail(other, nobodys)]
    shown = [page.said("main") for page in pages]
    assert (shown[0], pages[0].status) == (shown[1], pages[1].status)
    assert "http" not in (await mails.wait_for(nobodys)).get_content()
    assert "/_bongsu/confirm" in (await mails.wait_for(address)).get_content()


async def test_the_proof_is_of_use_in_its_browser_alone(
    other: Browser, phone: Browser, mails: MailBox, address: str
) -> None:
    page = await ask_for_mail(other, address)
    await press(phone, mails, address)
    assert (await phone.open(page.url)).title == EN["forgot_sent"]
    stolen = {"csrf": (await phone.open(FORGOT)).csrf, "password": NEW, "repeat": NEW}
    assert (await phone.send(page.url, stolen)).title == EN["forgot_sent"]
    assert (await phone.send(page.url, {**stolen, "csrf": "x"})).status == 403
    assert (await other.open(page.url)).title == EN["password_new"]


@pytest.mark.parametrize(
    "typed", ["no address", "a@b@c", "=?utf-8?q?a?=@mail.example", "a@other.example", "", "x" * 400]
)
async def test_addresses_that_get_no_mail(browser: Browser, typed: str) -> None:
    page = await ask_for_mail(browser, typed)
    assert (page.status, page.said("#address-error")) == (400, EN["address_bad"])
    assert page.value("#address", "aria-invalid") == "true"


@pytest.mark.parametrize("proof", ["", "x" * 32, "x" * 400, "%00", "%C3%A9"])
async def test_proofs_that_are_none(browser: Browser, proof: str) -> None:
    page = await browser.open(f"/account/new-password?proof={proof}")
    assert (page.status, page.title) == (200, EN["forgot_sent"])


async def test_an_address_that_went_away_meanwhile(
    other: Browser, phone: Browser, mails: MailBox, address: str, database: asyncpg.Connection
) -> None:
    page = await ask_for_mail(other, address)
    await press(phone, mails, address)
    await other.open(page.url)
    await database.execute("DELETE FROM third_party_ids WHERE address = $1", address)
    page = await other.fill(password=NEW, repeat=NEW)
    assert (page.status, page.said("h1 + p")) == (400, EN["forgot_over"])


async def test_in_korean(browser_url: str, mails: MailBox, address: str) -> None:
    browser = Browser(browser_url, "ko")
    assert (await browser.open(FORGOT)).title == TEXTS["ko"]["forgot_title"]
    page = await browser.fill(address=address)
    assert page.title == TEXTS["ko"]["forgot_sent"]
    assert "새 비밀번호" in (await mails.wait_for(address))["Subject"]
    await browser.close()


async def test_without_mail_there_is_no_such_way(http: aiohttp.ClientSession, base_url: str) -> None:
    await sign_up(http)
    browser = Browser(base_url)
    assert FORGOT not in (await browser.open("/account/sign-in")).text
    page = await browser.open(FORGOT)
    assert (page.status, page.said("h1 + p")) == (404, EN["no_mail"])
    await browser.close()
