"""Encrypted rooms in the web client: somebody in real Chromium, and somebody with matrix-js-sdk; judged here."""

import pytest

from tests.clients.node import require_modules
from tests.web.conftest import Chromium, Saw, Sites, converse

pytestmark = pytest.mark.xdist_group("web_beside")
SMALL_PX = 640  # of a photo of 1600: the sender made a small one
SAID = ["불이 올랐다", "보았소", "아직 타오르오", "여기도 그렇소"]


@pytest.fixture(scope="module")
async def saw(sites: Sites, chromium: Chromium) -> Saw:
    """What a step of the conversation reported."""
    require_modules()
    return await converse("encrypted", sites, chromium)


async def test_nothing_is_fetched_for_encryption_before_it_is_needed(saw: Saw) -> None:
    assert saw("before") == {"fetched": 0}
    assert saw("talk")["fetched"] > 0


async def test_an_encrypted_conversation(saw: Saw) -> None:
    assert saw("talk")["stored"] == "m.room.encrypted"
    assert saw("talk")["texts"] == SAID[:2]


async def test_photos_are_encrypted_both_ways(saw: Saw) -> None:
    assert saw("photos") == {"isSecret": True, "isSame": True}


async def test_it_is_readable_after_a_reload(saw: Saw) -> None:
    assert [text for text in saw("reload")["texts"] if text in SAID] == SAID


async def test_people_verify_each_other_by_emoji(saw: Saw) -> None:
    assert saw("verified")["same"]


async def test_a_new_browser_reads_everything_with_the_recovery_key(saw: Saw) -> None:
    assert "복구 키가 맞지 않습니다" in saw("recovered")["wrong"]
    assert [text for text in saw("recovered")["texts"] if text in SAID] == SAID
    assert saw("recovered")["width"] == SMALL_PX


async def test_another_client_understands_the_recovery_key(saw: Saw) -> None:
    assert saw("laptop") == {"hasAll": True, "isTrusted": True}


async def test_a_new_browser_that_another_one_verifies_is_sent_the_keys(saw: Saw) -> None:
    assert saw("tablet") == {"same": True, "texts": SAID[:2]}


@pytest.mark.parametrize("step", ["reload", "set_up", "verified", "recovered"])
async def test_nothing_stands_in_anybodys_way(saw: Saw, step: str) -> None:
    assert saw(step)["faults"] == []


async def test_signing_out_leaves_no_key(saw: Saw) -> None:
    assert saw("signed_out") == []


async def test_no_script_failed_and_none_was_refused(saw: Saw) -> None:
    assert saw("wrongs") == []
