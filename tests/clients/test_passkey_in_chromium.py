"""Passkeys in a real browser: the page's script, the browser's own WebAuthn, and a virtual authenticator."""

import aiohttp
import pytest

from tests.api.browser import Browser
from tests.api.signing_in import SITE, App, sign_in_browser, sign_up
from tests.clients.chromium import PROGRAM, tab

PRESS = "document.querySelector('form[data-passkey] button').click()"


@pytest.mark.skipif(PROGRAM is None, reason="Chromium is not installed")
async def test_a_passkey_is_made_and_shown(base_url: str) -> None:
    here = base_url.replace("127.0.0.1", "localhost")  # passkeys belong to names, not to addresses
    browser = Browser(here)
    async with aiohttp.ClientSession(base_url) as http, tab() as chromium:
        user_id = await sign_up(http)
        await sign_in_browser(browser, user_id)
        cookie = browser.cookies["bongsu_account"]
        await chromium.call("Network.setCookie", name="bongsu_account", value=cookie, url=here)
        await chromium.open(f"{here}/account/passkeys")
        await chromium.run(f"document.querySelector('#name').value = 'a browser'; {PRESS}")
        await chromium.until("document.querySelector('[role=status]')")
        assert "a browser" in await chromium.run("document.querySelector('.rows').innerText")
        await chromium.call("Network.clearBrowserCookies")
        await chromium.open(f"{here}/account/sign-in")
        await chromium.run(PRESS)
        await chromium.until("location.pathname === '/account'")
        assert user_id in await chromium.run("document.querySelector('main').innerText")
        app = await App.new(http)
        await chromium.open(here + app.wish())
        await chromium.run("document.querySelector('button[value=allow]').click()")
        await chromium.until("location.pathname !== '/oauth2/authorize'")
        assert await chromium.run("location.protocol") == "chrome-error:", f"the policy lets it go on to {SITE}"
    await browser.close()
