"""Three real sites, the leading one burnt: what the others say, what the doctor finds, and what the record keeps."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp

from bongsu.lab import Lab
from tests.sites.conftest import in_lab
from tests.sites.trio import answers, level
from tests.waiting import until

pytestmark = in_lab
SEEN_SECONDS_MAX = 60.0
HEALED_SECONDS_MAX = 150.0


async def status(lab: Lab, site: str) -> dict[str, Any]:
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(5)) as http,
        http.get(f"{lab.url(site)}/status", headers={"accept": "application/json"}) as answer,
    ):
        found: dict[str, Any] = await answer.json()
        return found


async def when(lab: Lab, site: str, is_so: Callable[[dict[str, Any]], bool], seconds: float) -> dict[str, Any]:
    """The status of a site, once it is as wanted."""
    return await until(lambda: status(lab, site), is_so, seconds)


def ended_after(said: dict[str, Any], ms: int) -> list[dict[str, Any]]:
    """The laboratory may have seen other incidents before."""
    return [one for one in said["incidents"] if (one["ended_ms"] or 0) > ms]


def say(lab: Lab, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bongsu", *words, "--config", str(Path(lab.folder) / "bongsu.toml")]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def findings(lab: Lab) -> tuple[int, dict[str, dict[str, Any]]]:
    told = say(lab, "doctor", "--json")
    assert told.stdout, told.stderr
    return told.returncode, {one["code"]: one for one in json.loads(told.stdout)["findings"]}


async def test_the_loss_of_the_leading_site_from_its_first_second_to_the_record(lab: Lab) -> None:
    for site in lab.sites:
        await when(lab, site, lambda said: bool(said["level"] == "works"), SEEN_SECONDS_MAX)
    _, found = await asyncio.to_thread(findings, lab)
    assert {code for code, one in found.items() if one["severity"] in ("critical", "unknown")} == set()

    leader = lab.leader()
    assert leader is not None
    others = [site for site in lab.sites if site != leader]
    before = await status(lab, others[0])
    lab.fault("power_off", leader)
    for site in others:
        said = await when(lab, site, lambda said: answers(said, leader) is False, SEEN_SECONDS_MAX)
        lost = next(one for one in said["sites"] if one["name"] == leader)
        assert before["now_ms"] <= lost["since_ms"] <= said["now_ms"]
        assert said["incident"]["since_ms"] <= lost["since_ms"]
        await when(lab, site, lambda said: level(said, "text") == "works", SEEN_SECONDS_MAX)
    code, found = await asyncio.to_thread(findings, lab)
    assert code == 2
    assert found["site_silent"]["values"]["site"] == leader

    lab.heal(leader)
    said = await when(
        lab,
        others[0],
        lambda said: bool(ended_after(said, before["now_ms"])),
        HEALED_SECONDS_MAX,
    )
    (incident,) = ended_after(said, before["now_ms"])
    assert incident["parts"][f"site:{leader}"] == "stopped"
    assert set(others) <= set(incident["seen_by"])
    whole = await asyncio.to_thread(say, lab, "incident", "verify")
    assert whole.returncode == 0, whole.stdout + whole.stderr
