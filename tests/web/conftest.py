"""One server of two workers and one Chromium for half of the web client's tests, and the same for the other half.

A test file names a conversation of its own, a script in web/e2e, which reports what people saw:

    @pytest.fixture(scope="module")
    async def saw(sites: Sites, chromium: Chromium) -> Saw:
        return await converse("talk", sites, chromium)

Each file has `pytestmark = pytest.mark.xdist_group("web")` or `("web_beside")`: the halves take about as long, side by
side. People of several scripts have names of their own, because all are on one server when they are run alone.
"""

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server import SERVER_NAME, Server, data_folder, free_port

ROOT = Path(__file__).parents[2]
WEB = ROOT / "web"
DIST = ROOT / "src/bongsu/web/dist"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
RUN_SECONDS_MAX = 150.0  # some fifteen, on a machine that does nothing else
Saw = Callable[[str], Any]
Sites = tuple[Server, Server]
Chromium = str  # the address under which the browser is driven


def require(*, browser: bool) -> None:
    """Skips, with the reason, where the web client or a browser is missing."""
    if not (WEB / "node_modules").is_dir() or shutil.which("node") is None:
        pytest.skip("the web client's modules are not installed: it needs Node 20 or newer")
    if not (DIST / "index.html").is_file():
        pytest.fail("the web client is not built: run `make test`, or `make web`", pytrace=False)
    if browser and CHROMIUM is None:
        pytest.skip("there is no Chromium: the web client's conversation is left out")


@pytest.fixture(scope="session")
def sites() -> Iterator[Sites]:
    """Two workers on one database, each told the public addresses of both; one may be killed, and started again."""
    ports = (free_port(), free_port())
    told = ",".join(f"http://127.0.0.1:{port}" for port in ports)
    more = ("--public-sites", told, "--webhook-private-addresses")
    with data_folder() as data_dir:
        first, second = (Server(data_dir, *more, port=port) for port in ports)
        for server in (first, second):
            server.launch()
            server.wait_ready()
        yield first, second


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    """A browser that each conversation opens its own windows in. It ends with its standard input."""
    require(browser=True)
    command = ("node", str(WEB / "e2e/chromium.mjs"), str(CHROMIUM))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("ws://"), "Chromium did not start"
        yield address
        process.stdin.close()


async def converse(script: str, sites: Sites, chromium: Chromium) -> Saw:
    """What each step of web/e2e/SCRIPT.mjs reported."""
    for server in sites:
        if not server.alive:  # a conversation before this one broke off
            await asyncio.to_thread(server.restart)
    steps, errors = await _run(script, sites, chromium)

    def saw(step: str) -> Any:
        assert step in steps, f"{step} was not reported\n{errors}"
        return steps[step]

    return saw


async def _run(script: str, sites: Sites, chromium: Chromium) -> tuple[dict[str, Any], str]:
    pipe = asyncio.subprocess.PIPE
    command = ("node", str(WEB / f"e2e/{script}.mjs"), sites[0].base_url, chromium)
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
    steps: dict[str, Any] = {}
    try:
        async with asyncio.timeout(RUN_SECONDS_MAX):
            await _follow(process, sites, steps)
            assert process.stderr is not None
            return steps, (await process.stderr.read()).decode()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _follow(process: asyncio.subprocess.Process, sites: Sites, steps: dict[str, Any]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    async for line in process.stdout:
        said = json.loads(line)
        if "ask" in said:
            await asyncio.to_thread(_do, said["ask"], sites)
            process.stdin.write(b"done\n")
            await process.stdin.drain()
        else:
            steps[said["step"]] = said["saw"]


def _do(asked: str, sites: Sites) -> None:
    """start, "kill first", "kill second", or "promote" and a user id."""
    match asked.split(" "):
        case ["promote", user_id]:
            command = [sys.executable, "-m", "bongsu", "user", "promote", user_id, "--data", str(sites[0].data_dir)]
            subprocess.run([*command, "--server-name", SERVER_NAME], check=True, capture_output=True, timeout=60)
        case ["start"]:
            for server in sites:
                server.restart()
        case _:
            sites[asked == "kill second"].kill()
