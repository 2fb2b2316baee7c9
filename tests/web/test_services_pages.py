"""Bed board and booking in real Chromium: two people on two screens, once without a network; judged here."""

import json
from typing import Any

import aiohttp
import pytest

from tests.web.conftest import Chromium, Saw, Sites, converse, require
from tests.web.interface import FILE, PATH, operations_of, typescript

pytestmark = pytest.mark.xdist_group("web_beside")


@pytest.fixture(scope="module")
async def saw(sites: Sites, chromium: Chromium) -> Saw:
    return await converse("services", sites, chromium)


async def test_nothing_stands_in_anybodys_way(saw: Saw) -> None:
    assert saw("faults") == []


async def test_two_people_assign_a_bed_without_loading_anything_anew(saw: Saw) -> None:
    row = saw("assigned")["row"]
    assert "위급" in row
    assert "수락됨 · 한빛병원" in row
    assert saw("assigned")["class"] == "calm"


async def test_what_waits_is_not_shown_as_done_and_outlives_the_page(saw: Saw) -> None:
    assert "보내는 중" in saw("burned")["card"]
    assert "수락됨" in saw("burned")["card"]
    assert "서버가 대답하지 않습니다" in saw("burned")["fresh"]
    assert [each.split(" ")[0] for each in saw("record")].count("도착") == 1


async def test_a_place_that_is_given_back_goes_to_who_waits(saw: Saw) -> None:
    assert saw("booked") == {"position": "1번째", "number": True}
    assert saw("checked") == "다녀감"


async def test_a_channel_is_followed_and_its_advertising_refused(saw: Saw) -> None:
    assert saw("channel")["mine"].items() >= {"follow": True, "role": "owner"}.items()
    assert "advertising" not in saw("channel")["mine"]
    assert "달빛 마을 약국" in saw("channel")["room"]


async def test_no_script_failed_and_none_was_refused(saw: Saw) -> None:
    assert saw("wrongs") == []


async def test_types_are_those_of_the_served_description(sites: Sites) -> None:
    require(browser=False)
    async with aiohttp.ClientSession() as session, session.get(sites[0].base_url + PATH) as answer:
        described: dict[str, Any] = json.loads(await answer.read())
    kept = FILE.read_text()
    assert typescript(described, operations_of(kept)) == kept, "run `python -m tests.web.interface`, and see web/src"
