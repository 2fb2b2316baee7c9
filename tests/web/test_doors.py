"""Coming in and going out where one browser has several tabs: one account at a time, and nothing of it afterwards.

Left out by name where Node, its modules or Chromium are not there.
"""

import pytest

from tests.web.conftest import Chromium, Saw, Sites, converse

pytestmark = pytest.mark.xdist_group("web_beside")


@pytest.fixture(scope="module")
async def saw(sites: Sites, chromium: Chromium) -> Saw:
    return await converse("doors", sites, chromium)


async def test_who_comes_in_at_one_tab_is_in_at_all(saw: Saw) -> None:
    assert saw("in") == {"user": "@nari-doors:test.example", "other": 0}


async def test_who_goes_leaves_nothing_behind(saw: Saw) -> None:
    assert saw("out") == {"facts": [], "drafts": [], "photos": 0, "texts": 0}


async def test_a_browser_that_keeps_nothing_says_so(saw: Saw) -> None:
    assert "봉수" in saw("shut")["title"]


async def test_no_script_failed_and_none_was_refused(saw: Saw) -> None:
    assert saw("wrongs") == []
