"""matrix-js-sdk's own OAuth 2.0: it registers, sends a person to the browser, and goes on with what comes back."""

import asyncio
import json
from typing import Any

import aiohttp

from tests.api.browser import Browser
from tests.api.signing_in import SITE, sign_in_browser, sign_up
from tests.clients.node import RUN_SECONDS_MAX, start


async def test_a_person_signs_in_and_the_client_renews_its_token(base_url: str) -> None:
    async with aiohttp.ClientSession(base_url) as http:
        user_id = await sign_up(http)
    process = await start("oauth.mjs", base_url, SITE)
    browser = Browser(base_url)
    try:
        async with asyncio.timeout(RUN_SECONDS_MAX):
            page = await sign_in_browser(browser, user_id)
            page = await browser.open((await _line(process))["url"])
            assert "Beacon" in page.title
            page = await browser.fill(press="allow")
            assert process.stdin is not None
            process.stdin.write(json.dumps(page.answer).encode() + b"\n")
            told = await _line(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
        await browser.close()
    assert told["subject"] == user_id
    assert told["first"] == told["second"]
    assert told["first"]["user_id"] == user_id


async def _line(process: asyncio.subprocess.Process) -> Any:
    assert process.stdout is not None
    assert process.stderr is not None
    line = await process.stdout.readline()
    assert line, (await process.stderr.read()).decode()
    return json.loads(line)
