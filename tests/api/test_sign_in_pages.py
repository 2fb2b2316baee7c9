"""The account's pages, by a browser without scripts: signing in, up and out, sessions, the password, the end."""

import asyncio
import secrets
from collections.abc import Iterator

import aiohttp
import asyncpg
import pyotp
import pytest
from selectolax.lexbor import LexborHTMLParser
from tests.api.browser import Browser
from tests.api.signing_in import API, DEVICE, PASSWORD, App, new_name, sign_in_browser, sign_up, whoami
from tests.api.talking import V3, Json, ask, segment
from tests.server import SERVER_NAME, Server

from bongsu.signin.texts import TEXTS

SSO = f"{V3}/login/sso/redirect"
CLIENT = "https://client.example/#/home"


async def log_in(http: aiohttp.ClientSession, user_id: str, password: str = PASSWORD) -> tuple[int, Json]:
    identifier = {"type": "m.id.user", "user": user_id}
    return await ask(
        http, "POST", f"{V3}/login", {"type": "m.login.password", "identifier": identifier, "password": password}
    )


# --- signing in and out ---


async def test_sign_in_and_out(http: aiohttp.ClientSession, browser: Browser) -> None:
    user_id = await sign_up(http)
    assert (await browser.open("/account")).path == "/account/sign-in"
    page = await browser.fill(user=user_id, password="a wrong guess")
    assert (page.status, page.path) == (403, "/account/sign-in")
    assert page.said("#password-error") == TEXTS["en"]["wrong_password"]
    page = await browser.fill(user=user_id, password=PASSWORD)
    assert (page.status, page.path) == (200, "/account")
    assert user_id in page.text
    page = await browser.fill(form='form[action="/account/sign-out"]')
    assert page.path == "/account/sign-in"
    assert (await browser.open("/account")).path == "/account/sign-in"


async def test_nobody_and_a_wrong_password_look_alike(http: aiohttp.ClientSession, browser: Browser) -> None:
    user_id = await sign_up(http)
    await browser.open("/account/sign-in")
    wrong = (await browser.fill(user=user_id, password="a wrong guess")).said("#password-error")
    await browser.open("/account/sign-in")
    assert (await browser.fill(user=new_name(), password="a wrong guess")).said("#password-error") == wrong


async def test_a_confirmed_mail_address_is_as_good_as_the_name(
    http: aiohttp.ClientSession, browser: Browser, database: asyncpg.Connection
) -> None:
    user_id = await sign_up(http)
    address = f"{new_name()}@mail.example"
    await database.execute(
        "INSERT INTO third_party_ids (medium, address, user_id, validated_ms, added_ms) VALUES ('email', $1, $2, 1, 1)",
        address,
        user_id,
    )
    assert (await sign_in_browser(browser, address)).path == "/account"


async def test_the_cookie_is_a_new_one_after_signing_in(http: aiohttp.ClientSession, browser: Browser) -> None:
    """Whoever planted a cookie before is signed in by nothing."""
    user_id = await sign_up(http)
    page = await browser.open("/account/sign-in")
    assert "httponly" in page.headers["set-cookie"].lower()
    assert "samesite=lax" in page.headers["set-cookie"].lower()
    before = browser.cookies
    await browser.fill(user=user_id, password=PASSWORD)
    assert browser.cookies["bongsu_account"] != before["bongsu_account"]


async def test_behind_tls_the_cookie_is_for_this_host_alone(server: Server) -> None:
    worker = Server.start(server.data_dir, "--public-base-url", "https://chat.test.example")
    try:
        async with aiohttp.ClientSession(worker.base_url) as http, http.get("/account/sign-in") as response:
            cookie = response.headers["set-cookie"]
        assert cookie.startswith("__Host-bongsu_account=")
        assert "; Secure" in cookie
        assert "; Path=/;" in cookie
        async with aiohttp.ClientSession(worker.base_url) as http:
            _, said = await ask(http, "GET", "/_matrix/client/v1/auth_metadata")
        assert said["token_endpoint"] == "https://chat.test.example/oauth2/token"
    finally:
        worker.stop()


async def test_headers_of_every_page(browser: Browser, user_id: str) -> None:
    paths = ("", "/sessions", "/password", "/passkeys", "/two-step", "/reset-keys", "/deactivate", "/device")
    for path in paths:
        page = await browser.open(f"/account{path}")
        assert page.status == 200, page.path
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "form-action 'self';" in policy
        assert "unsafe" not in policy
        assert page.headers["x-frame-options"] == "DENY"
        assert page.headers["cache-control"] == "no-store"
        _check_markup(page.text, user_id)


def _check_markup(text: str, user_id: str) -> None:
    """What a screen reader needs, and nothing that the policy forbids."""
    tree = LexborHTMLParser(text)
    assert len(tree.css("h1")) == 1
    assert tree.css_first("html[lang=en]") is not None
    assert not tree.css("[style], [onclick], script:not([src])")
    names = {node.attributes.get("for") for node in tree.css("label")}
    fields = tree.css("input:not([type=hidden], [aria-hidden])")
    assert all(node.attributes.get("id") in names for node in fields), user_id
    told = [node.attributes["aria-describedby"] for node in tree.css("[aria-describedby]")]
    assert all(tree.css_first(f"#{one}") for each in told if each for one in each.split())
    for form in tree.css("form[method=post]"):
        assert form.css_first("input[name=csrf]") is not None


@pytest.mark.parametrize(
    "path", ["//evil.example/", "https://evil.example/", "/\\evil.example", "/elsewhere", "x", "/account/\ud55c"]
)
async def test_nobody_is_sent_elsewhere_after_signing_in(
    http: aiohttp.ClientSession, browser: Browser, path: str
) -> None:
    user_id = await sign_up(http)
    await browser.open(f"/account/sign-in?next={segment(path)}")
    page = await browser.fill(user=user_id, password=PASSWORD)
    assert (page.left_for, page.path) == (None, "/account")


async def test_forms_from_elsewhere_are_refused(browser: Browser, other: Browser, user_id: str) -> None:
    page = await browser.send("/account/end-all", {})
    assert (page.status, page.said("main p + div p")) == (403, TEXTS["en"]["form_is_old"])
    csrf = (await other.open("/account/sign-in")).csrf
    assert (await browser.send("/account/end-all", {"csrf": csrf})).status == 403
    assert (await browser.open("/account")).path == "/account", user_id
    async with aiohttp.ClientSession() as http:
        own = (await browser.open("/account")).csrf
        cookie = f"bongsu_account={browser.cookies['bongsu_account']}"
        headers = {"sec-fetch-site": "cross-site", "cookie": cookie}
        address = f"{browser.base_url}/account/end-all"
        async with http.post(address, data={"csrf": own}, headers=headers) as response:
            assert response.status == 403


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{}", "application/json", 415),
        (b"", "", 415),
        (b"user=a&user=b", "application/x-www-form-urlencoded", 400),
        (b"user=%00", "application/x-www-form-urlencoded", 400),
        (b"user=%ff", "application/x-www-form-urlencoded", 400),
        (b"user=\xff", "application/x-www-form-urlencoded", 400),
        (b"&" * 1_000, "application/x-www-form-urlencoded", 400),
        (b"user=" + b"a" * 70_000, "application/x-www-form-urlencoded", 413),
    ],
)
async def test_bad_forms_are_refused_on_a_page(base_url: str, body: bytes, kind: str, status: int) -> None:
    headers = {"content-type": kind} if kind else {}
    async with aiohttp.ClientSession(base_url, skip_auto_headers=["content-type"]) as http:
        for path in ("/account/sign-in", "/account/sign-up", "/account/code", "/account/sign-in/passkey"):
            async with http.post(path, data=body, headers=headers) as response:
                assert (response.status, response.content_type) == (status, "text/html"), path


async def test_korean(browser: Browser, base_url: str) -> None:
    korean = Browser(base_url, "ko-KR,ko;q=0.9,en;q=0.5")
    page = await korean.open("/account/sign-in")
    assert (page.title, page.headers["content-language"]) == (TEXTS["ko"]["sign_in"], "ko")
    await korean.close()
    page = await browser.open("/account/sign-in?next=%2Faccount%2Fsessions&lang=ko")
    assert page.title == TEXTS["ko"]["sign_in"]
    assert "next=%2Faccount%2Fsessions" in page.url, "a language takes nobody elsewhere"
    assert (await browser.open("/account/sign-up")).title == TEXTS["ko"]["sign_up"], "it stays"


def test_both_languages_say_all() -> None:
    assert TEXTS["en"].keys() == TEXTS["ko"].keys()
    for key, text in TEXTS["en"].items():
        braces = {word.split("}")[0] for word in text.split("{")[1:]}
        assert braces == {word.split("}")[0] for word in TEXTS["ko"][key].split("{")[1:]}, key


# --- new people ---


async def test_sign_up(http: aiohttp.ClientSession, browser: Browser) -> None:
    name = new_name()
    await browser.open("/account/sign-up")
    page = await browser.fill(user=name, password=PASSWORD, repeat=f"{PASSWORD}!")
    assert (page.status, page.said("#repeat-error")) == (400, TEXTS["en"]["not_the_same"])
    page = await browser.fill(user=name, password="short", repeat="short")
    assert page.said("#password-error") == TEXTS["en"]["password_short"]
    page = await browser.fill(user="no blanks", password=PASSWORD, repeat=PASSWORD)
    assert page.said("#user-error") == TEXTS["en"]["name_bad"]
    page = await browser.fill(user=name, password=PASSWORD, repeat=PASSWORD)
    assert page.path == "/account"
    assert (await log_in(http, name))[0] == 200
    await browser.open("/account/sign-up")
    page = await browser.fill(user=name, password=PASSWORD, repeat=PASSWORD)
    assert page.said("#user-error") == TEXTS["en"]["name_taken"]


async def test_an_app_can_send_new_people(http: aiohttp.ClientSession, browser: Browser) -> None:
    app = await App.new(http)
    page = await browser.open(app.wish(prompt="create"))
    assert page.path == "/account/sign-up"
    page = await browser.fill(user=new_name(), password=PASSWORD, repeat=PASSWORD)
    assert page.path == "/oauth2/authorize"
    assert (await app.fetch((await browser.fill(press="allow")).answer["code"]))[0] == 200


@pytest.fixture(scope="module")
def strict(server: Server) -> Iterator[Server]:
    """A second worker of the same server: registration closed, rates limited."""
    more = ("--password-hashing", "fast", "--trusted-proxies", "127.0.0.1")
    worker = Server.start(server.data_dir, "--no-open-registration", "--rate-limits", *more)
    yield worker
    worker.stop()


async def test_registration_may_be_closed_or_want_a_token(
    strict: Server, http: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    await database.execute("DELETE FROM registration_tokens")
    async with aiohttp.ClientSession(strict.base_url) as there:
        metadata = "/_matrix/client/v1/auth_metadata"
        assert [(await ask(each, "GET", metadata))[1]["prompt_values_supported"] for each in (http, there)] == [
            ["create"],
            [],
        ]
    browser = Browser(strict.base_url)
    assert (await browser.open("/account/sign-up")).status == 403
    assert "sign-up" not in (await browser.open("/account/sign-in")).text
    token = secrets.token_hex(8)
    await database.execute("INSERT INTO registration_tokens (token, uses_allowed) VALUES ($1, 1)", token)
    await browser.open("/account/sign-up")
    name = new_name()
    page = await browser.fill(user=name, password=PASSWORD, repeat=PASSWORD, token="guessed")
    assert page.said("#token-error") == TEXTS["en"]["token_bad"]
    page = await browser.fill(user=name, password=PASSWORD, repeat=PASSWORD, token=token)
    assert page.path == "/account"
    assert (await log_in(http, name))[0] == 200
    await browser.close()


async def test_guessing_is_slowed_down(strict: Server, http: aiohttp.ClientSession) -> None:
    user_id = await sign_up(http)
    browser = Browser(strict.base_url)
    await browser.open("/account/sign-in")
    statuses = []
    for _ in range(40):
        page = await browser.open("/account/sign-in")
        page = await browser.fill(user=user_id, password="a wrong guess")
        statuses.append(page.status)
        if page.status == 429:
            break
    assert statuses[-1] == 429, statuses
    assert browser.page.said("h1 + p") == TEXTS["en"]["too_many"]
    await browser.close()


async def test_guessing_tells_nobody_which_addresses_have_accounts(
    strict: Server, http: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    """Each address is slowed down by itself, whether somebody has it or not."""
    user_id, known = await sign_up(http), f"{new_name()}@mail.example"
    await database.execute("INSERT INTO third_party_ids VALUES ('email', $1, $2, 1, 1)", known, user_id)
    async with aiohttp.ClientSession(strict.base_url, headers={"x-forwarded-for": "192.0.2.77"}) as there:

        async def guess(address: str) -> int:
            identifier = {"type": "m.id.thirdparty", "medium": "email", "address": address}
            body = {"type": "m.login.password", "identifier": identifier, "password": "a wrong guess"}
            return (await ask(there, "POST", f"{V3}/login", body))[0]

        async def guesses_until_slowed(address: str) -> int:
            for count in range(40):
                if await guess(address) == 429:
                    return count
            raise AssertionError("nobody was slowed down")

        before = await guesses_until_slowed(f"{new_name()}@mail.example")
        assert await guess(f"{new_name()}@mail.example") == 403
        assert abs(await guesses_until_slowed(known) - before) <= 2, "as many; some come back with time"


@pytest.mark.parametrize("path", ["/oauth2/authorize", "/account/sign-in", "/account/sign-up", "/account/sso"])
async def test_pages_are_not_had_without_end(strict: Server, path: str) -> None:
    headers = {"x-forwarded-for": f"192.0.2.{len(path)}"}
    async with aiohttp.ClientSession(strict.base_url, headers=headers) as there:

        async def look() -> int:
            async with there.get(path, allow_redirects=False) as answer:
                return answer.status

        statuses = [status for _ in range(8) for status in await asyncio.gather(*(look() for _ in range(60)))]
    assert 429 in statuses


async def test_guessing_codes_is_slowed_down(strict: Server, browser: Browser, user_id: str) -> None:
    page = await browser.open("/account/two-step")
    await browser.fill(code=pyotp.TOTP(page.value("input[name=secret]")).now())
    guesser = Browser(strict.base_url)
    page = await sign_in_browser(guesser, user_id)
    statuses = []
    while page.status != 429:
        page = await guesser.fill(code="000000")
        statuses.append(page.status)
    assert set(statuses[:-1]) == {403}
    assert len(statuses) <= 12, "ten tries, and what a worker saved"
    await guesser.close()


# --- sessions ---


async def test_sessions_are_shown_and_ended(
    http: aiohttp.ClientSession, browser: Browser, other: Browser, user_id: str
) -> None:
    _, phone = await log_in(http, user_id)
    app = await App.new(http)
    tokens = await app.sign_in(browser, scope=f"{API} {DEVICE}APPDEVICEX")
    page = await browser.open("/account?action=org.matrix.devices_list")
    assert page.path == "/account/sessions"
    assert "Beacon" in page.text
    assert segment(phone["device_id"]) in page.text
    page = await browser.open("/account?action=org.matrix.device_delete&device_id=APPDEVICEX")
    assert "app.example.org" in page.text
    stranger = await sign_up(http)
    await sign_in_browser(other, stranger)
    assert (await other.open("/account/sessions/APPDEVICEX")).status == 404
    page = await browser.fill()
    assert page.said("[role=status]") == TEXTS["en"]["session_ended"]
    assert (await whoami(http, tokens["access_token"]))[0] == 401
    assert (await whoami(http, phone["access_token"]))[0] == 200
    await browser.open("/account/sessions")
    page = await browser.fill(form='form[action="/account/end-all"]')
    assert page.path == "/account/sign-in"
    assert (await whoami(http, phone["access_token"]))[0] == 401


@pytest.mark.parametrize(
    ("action", "path"),
    [
        ("org.matrix.profile", "/account"),
        ("org.matrix.sessions_list", "/account/sessions"),
        ("org.matrix.session_view&device_id=NOSUCH", "/account/sessions/NOSUCH"),
        ("org.matrix.session_end&device_id=NOSUCH", "/account/sessions/NOSUCH"),
        ("org.matrix.account_deactivate", "/account/deactivate"),
        ("org.matrix.cross_signing_reset", "/account/reset-keys"),
        ("unknown", "/account"),
    ],
)
async def test_actions_lead_to_their_pages(browser: Browser, user_id: str, action: str, path: str) -> None:
    assert (await browser.open(f"/account?action={action}")).path == path, user_id


async def test_an_action_outlives_signing_in(http: aiohttp.ClientSession, browser: Browser) -> None:
    user_id = await sign_up(http)
    await browser.open("/account?action=org.matrix.devices_list")
    assert (await browser.fill(user=user_id, password=PASSWORD)).path == "/account/sessions"


async def test_logging_out_everywhere_signs_browsers_out(
    http: aiohttp.ClientSession, browser: Browser, user_id: str
) -> None:
    _, phone = await log_in(http, user_id)
    await ask(http, "POST", f"{V3}/logout/all", {}, {"Authorization": f"Bearer {phone['access_token']}"})
    assert (await browser.open("/account")).path == "/account/sign-in"


# --- the password and the end ---


async def test_change_password(http: aiohttp.ClientSession, browser: Browser, other: Browser, user_id: str) -> None:
    _, phone = await log_in(http, user_id)
    await sign_in_browser(other, user_id)
    await browser.open("/account/password")
    page = await browser.fill(now="a wrong guess", password="a new password", repeat="a new password")
    assert (page.status, page.said("#now-error")) == (400, TEXTS["en"]["password_is_wrong"])
    page = await browser.fill(now=PASSWORD, password="a new password", repeat="another one")
    assert page.said("#repeat-error") == TEXTS["en"]["not_the_same"]
    page = await browser.fill(now=PASSWORD, password="short", repeat="short")
    assert page.said("#password-error") == TEXTS["en"]["password_short"]
    page = await browser.fill(now=PASSWORD, password="a new password", repeat="a new password")
    assert page.said("[role=status]") == TEXTS["en"]["password_changed"]
    assert (await whoami(http, phone["access_token"]))[0] == 401
    assert (await other.open("/account")).path == "/account/sign-in"
    assert (await log_in(http, user_id))[0] == 403
    assert (await log_in(http, user_id, "a new password"))[0] == 200


async def test_change_password_and_stay_signed_in(http: aiohttp.ClientSession, browser: Browser, user_id: str) -> None:
    _, phone = await log_in(http, user_id)
    await browser.open("/account/password")
    await browser.fill(now=PASSWORD, password="a new password", repeat="a new password", others="(off)")
    assert (await whoami(http, phone["access_token"]))[0] == 200


async def test_close_the_account(http: aiohttp.ClientSession, browser: Browser, other: Browser, user_id: str) -> None:
    await sign_in_browser(other, user_id)
    await browser.open("/account/deactivate")
    page = await browser.fill(now="a wrong guess")
    assert (page.status, page.said("#now-error")) == (403, TEXTS["en"]["password_is_wrong"])
    page = await browser.fill(now=PASSWORD)
    assert page.title == TEXTS["en"]["deactivated_title"]
    assert (await other.open("/account")).path == "/account/sign-in"
    page = await other.fill(user=user_id, password=PASSWORD)
    assert page.said("#password-error") == TEXTS["en"]["deactivated"]


async def test_a_locked_account_is_shut_out(
    http: aiohttp.ClientSession, browser: Browser, user_id: str, database: asyncpg.Connection
) -> None:
    await database.execute("UPDATE users SET locked = true WHERE user_id = $1", user_id)
    assert (await browser.open("/account")).path == "/account/sign-in"
    page = await browser.fill(user=user_id, password=PASSWORD)
    assert page.said("#password-error") == TEXTS["en"]["locked"]


async def test_what_changes_signing_in_wants_a_fresh_proof(
    browser: Browser, user_id: str, database: asyncpg.Connection
) -> None:
    await database.execute(
        "UPDATE browser_sessions SET proven_at = now() - interval '11 minutes' WHERE user_id = $1", user_id
    )
    for path in ("passkeys", "two-step", "reset-keys"):
        page = await browser.open(f"/account/{path}")
        assert (page.path, page.title) == ("/account/sign-in", TEXTS["en"]["sign_in_again"])
    page = await browser.fill(password=PASSWORD)
    assert page.path == "/account/reset-keys"


async def test_an_app_may_want_a_fresh_proof(
    http: aiohttp.ClientSession, browser: Browser, user_id: str, database: asyncpg.Connection
) -> None:
    app = await App.new(http)
    page = await browser.open(app.wish(prompt="login"))
    assert page.path == "/account/sign-in"
    assert (await browser.fill(password=PASSWORD)).path == "/oauth2/authorize"
    await database.execute(
        "UPDATE browser_sessions SET proven_at = now() - interval '11 minutes' WHERE user_id = $1", user_id
    )
    assert (await browser.open(app.wish())).path == "/oauth2/authorize"
    assert (await browser.open(app.wish(max_age="60"))).path == "/account/sign-in"
    assert (await browser.fill(password=PASSWORD)).path == "/oauth2/authorize"


async def test_somebody_else_can_sign_in_instead(http: aiohttp.ClientSession, browser: Browser, user_id: str) -> None:
    app = await App.new(http)
    page = await browser.open(app.wish())
    await browser.open(page.value(".ends a", "href"))
    other = await sign_up(http)
    page = await browser.fill(user=other, password=PASSWORD)
    assert page.path == "/oauth2/authorize"
    assert other in page.text
    assert user_id not in page.text


async def test_what_an_app_calls_itself_is_text(http: aiohttp.ClientSession, browser: Browser, user_id: str) -> None:
    app = await App.new(http, client_name='<script>alert(1)</script>{user_id}"')
    page = await browser.open(app.wish())
    assert page.title == 'Allow <script>alert(1)</script>{user_id}"?', user_id
    assert "<script>alert" not in page.text
    _, asked = await app.post("/oauth2/device", scope=API)
    assert "<script>alert" not in (await browser.open(f"/account/device?code={asked['user_code']}")).text


async def test_a_device_that_is_there_already_is_named(
    http: aiohttp.ClientSession, browser: Browser, user_id: str
) -> None:
    _, phone = await log_in(http, user_id)
    app = await App.new(http)
    page = await browser.open(app.wish(scope=f"{API} {DEVICE}{phone['device_id']}"))
    assert f"({phone['device_id']})" in page.text


# --- single sign-on ---


@pytest.mark.parametrize("prefix", [V3, "/_matrix/client/r0"])
@pytest.mark.parametrize("provider", ["", "/bongsu"])
async def test_single_sign_on(http: aiohttp.ClientSession, browser: Browser, prefix: str, provider: str) -> None:
    user_id = await sign_up(http)
    page = await browser.open(f"{prefix}/login/sso/redirect{provider}?redirectUrl={segment(CLIENT)}")
    assert page.path == "/account/sign-in"
    page = await browser.fill(user=user_id, password=PASSWORD)
    assert (page.path, page.left_for) == ("/account/sso", None)
    assert "client.example" in page.title
    page = await browser.fill()
    assert page.left_for is not None
    assert page.left_for.startswith("https://client.example/?loginToken=")
    assert page.left_for.endswith("#/home")
    token = page.left_for.partition("loginToken=")[2].partition("#")[0]
    body = {"type": "m.login.token", "token": token}
    status, signed_in = await ask(http, "POST", f"{V3}/login", body)
    assert (status, signed_in["user_id"]) == (200, user_id)
    assert (await ask(http, "POST", f"{V3}/login", body))[0] == 403


async def test_single_sign_on_redirects_as_the_protocol_says(http: aiohttp.ClientSession, base_url: str) -> None:
    path = f"{SSO}?redirectUrl={segment(CLIENT)}&action=register"
    async with http.get(path, allow_redirects=False) as response:
        assert response.status == 302
        assert response.headers["location"].startswith(f"{base_url}/account/sso?redirectUrl=https")
        assert response.headers["location"].endswith("action=register")
    _, login = await ask(http, "GET", f"{V3}/login")
    flow = next(flow for flow in login["flows"] if flow["type"] == "m.login.sso")
    assert [each["id"] for each in flow["identity_providers"]] == ["bongsu"]
    assert (await ask(http, "GET", f"{SSO}/nobody?redirectUrl=x"))[0] == 404


@pytest.mark.parametrize(
    "target",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "https://",
        "https://somebody@evil.example/",
        "/relative",
        "",
        "https://client.example/\r\nset-cookie: x=y",
        "https://client.example/" + "x" * 3_000,
        "file:///etc/passwd",
        'https://client.example/"onclick',
    ],
)
async def test_single_sign_on_goes_to_no_harmful_place(
    http: aiohttp.ClientSession, browser: Browser, user_id: str, target: str
) -> None:
    status, answer = await ask(http, "GET", f"{SSO}?redirectUrl={segment(target)}")
    assert (status, answer["errcode"]) == (400, "M_INVALID_PARAM")
    page = await browser.open(f"/account/sso?redirectUrl={segment(target)}")
    assert (page.status, page.left_for) == (400, None), user_id


async def test_single_sign_on_to_an_app_on_the_phone(browser: Browser, user_id: str) -> None:
    page = await browser.open(f"/account/sso?redirectUrl={segment('element://connect')}")
    assert "element:" in page.headers["content-security-policy"]
    page = await browser.fill()
    assert page.left_for is not None
    assert page.left_for.startswith("element://connect?loginToken="), user_id


async def test_server_is_named(browser: Browser) -> None:
    assert (await browser.open("/account/sign-in")).said(".server") == SERVER_NAME
