"""Chromium without a window, told what to do by its DevTools protocol."""

import asyncio
import itertools
import json
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SECONDS_MAX = 30.0
_POLL_SECONDS = 0.05


class Tab:
    """One page with a virtual authenticator, which holds passkeys and says yes."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)

    async def call(self, method: str, **params: Any) -> Any:
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        async with asyncio.timeout(SECONDS_MAX):
            while True:
                answer = await self._socket.receive_json()
                if answer.get("id") == number:
                    assert "error" not in answer, f"{method}: {answer['error']}"
                    return answer["result"]

    async def run(self, script: str) -> Any:
        return (await self.call("Runtime.evaluate", expression=script))["result"].get("value")

    async def until(self, condition: str) -> None:
        """Waits until a JavaScript expression is true, on whatever page stands there then."""
        async with asyncio.timeout(SECONDS_MAX):
            while await self.run(f"document.readyState === 'complete' && Boolean({condition})") is not True:
                await asyncio.sleep(_POLL_SECONDS)

    async def open(self, address: str) -> None:
        await self.call("Page.navigate", url=address)
        await self.until(f"location.href === {json.dumps(address)}")


@asynccontextmanager
async def tab() -> AsyncIterator[Tab]:
    assert PROGRAM is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = ("--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0")
        command = (PROGRAM, *options, f"--user-data-dir={profile}", "about:blank")
        process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
        try:
            async with asyncio.timeout(SECONDS_MAX):
                port = await _port(process)
            async with aiohttp.ClientSession() as http:
                async with http.get(f"http://127.0.0.1:{port}/json") as response:
                    address = next(each for each in await response.json() if each["type"] == "page")
                async with http.ws_connect(address["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                    yield await _with_authenticator(Tab(socket))
        finally:
            process.terminate()
            await process.communicate()


async def _port(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    async for line in process.stderr:
        found = re.search(rb"ws://127\.0\.0\.1:(\d+)/", line)
        if found:
            return found[1].decode()
    raise AssertionError("Chromium did not start")


async def _with_authenticator(tab: Tab) -> Tab:
    await tab.call("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    behaviour = {"isUserVerified": True, "automaticPresenceSimulation": True}
    await tab.call("WebAuthn.addVirtualAuthenticator", options={**options, **behaviour})
    return tab
