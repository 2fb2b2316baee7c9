"""The web client while a site burns: the one its page came from, which leads, struck in mid-conversation."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from bongsu.lab import Lab
from tests.sites.conftest import in_lab

pytestmark = in_lab
WEB = Path(__file__).parents[2] / "web"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
RUN_SECONDS_MAX = 180.0
WORDS = [f"말 {number}" for number in range(30)]
PHOTOS = ["하나.jpg", "둘.jpg", "셋.jpg"]


@pytest.fixture
def web_lab(lab: Lab) -> Lab:
    if CHROMIUM is None or not (WEB / "node_modules").is_dir():
        pytest.skip("the web client's conversation in the laboratory needs Node's modules and Chromium")
    return lab


@pytest.mark.parametrize("fault", ["power_off", "freeze"])
async def test_nothing_is_lost_or_doubled_while_the_site_of_the_page_is_struck(web_lab: Lab, fault: str) -> None:
    leader = web_lab.leader()
    assert leader is not None
    other = next(site for site in web_lab.sites if site != leader)
    seen = await _converse(web_lab, leader, other, fault)
    assert [said for said in seen["told"] if said in WORDS] == WORDS
    assert [said for said in seen["told"] if said in PHOTOS] == PHOTOS
    assert seen["shown"] == WORDS[-3:]
    assert seen["wrongs"] == []


async def _converse(lab: Lab, here: str, elsewhere: str, fault: str) -> dict[str, Any]:
    """What the other site has in the end. The fault comes when the writer is in the middle."""
    pipe = asyncio.subprocess.PIPE
    command = ("node", str(WEB / "e2e/burn.mjs"), lab.url(here), lab.url(elsewhere), str(CHROMIUM))
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    assert process.stdin is not None
    assert process.stdout is not None
    seen: dict[str, Any] = {}
    try:
        async with asyncio.timeout(RUN_SECONDS_MAX):
            async for line in process.stdout:
                seen = json.loads(line)
                if "ask" in seen:
                    await asyncio.to_thread(lab.fault, fault, here)
                    process.stdin.write(b"done\n")
        assert "told" in seen
        return seen
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
