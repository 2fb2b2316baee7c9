"""Photos, films and recordings in real Chromium; an upload that is cut off; a session that the server ends."""

import pytest

from tests.web.conftest import Chromium, Saw, Sites, converse

pytestmark = pytest.mark.xdist_group("web")


@pytest.fixture(scope="module")
async def saw(sites: Sites, chromium: Chromium) -> Saw:
    return await converse("media", sites, chromium)


async def test_photos_are_enlarged_and_turned_over(saw: Saw) -> None:
    seen = saw("viewer")
    assert seen["second"] == "산.jpg\nalice-media · 2 / 2"
    assert seen["large"] == 2.25
    assert seen["first"] == "봉수대.jpg\nalice-media · 1 / 2"
    assert seen["swiped"] == seen["second"]
    assert seen["told"] == {"w": 800, "h": 600, "blurhash": 28}


async def test_files_are_dropped_pasted_and_taken_back(saw: Saw) -> None:
    assert saw("gathered") in (
        ["놓은 것.png", "붙인 것.png", "그만두었소"],
        ["붙인 것.png", "놓은 것.png", "그만두었소"],  # whichever was measured first
    )


async def test_an_upload_goes_on_where_it_was_cut_off_in_a_page_loaded_anew(saw: Saw) -> None:
    """Places in MiB. The second piece was cut off before the network saw it."""
    assert saw("resumed") == {"starts": [0, 2, 4], "came": True}


async def test_a_long_recording_is_played_in_parts(saw: Saw) -> None:
    assert saw("played") == {"source": "/app/played", "speed": 1.5}


async def test_something_spoken_is_a_voice_message_to_every_client(saw: Saw) -> None:
    spoken = {key: value for key, value in saw("voice").items() if key != "faults"}
    assert spoken == {"msgtype": "m.audio", "isVoice": True, "parts": 60, "hasSound": True}


async def test_the_drawer_has_what_this_device_never_saw(saw: Saw) -> None:
    seen = saw("drawer")
    assert (seen["photos"], seen["files"], seen["found"]) == (4, 3, 1)


async def test_what_was_not_sent_when_the_server_ended_a_session_comes_once(saw: Saw) -> None:
    seen = saw("expelled")
    assert "@alice-media:test.example 님이 보내지 못한 메시지나 신청 2개" in seen["note"]
    assert seen["others"] == 0  # another person who signs in there sees none of it
    assert seen["last"] == ["닿았는지 모르는 말", "아직 가지 못한 말"]
    assert seen["shown"] == seen["last"]


async def test_whoever_signs_out_is_told_what_would_be_lost(saw: Saw) -> None:
    assert "아직 보내지 못한 메시지나 신청이 1개" in saw("signed_out")["asked"]
    assert saw("signed_out")["left"] == 0


@pytest.mark.parametrize("step", ["viewer", "voice", "drawer", "expelled"])
async def test_nothing_stands_in_anybodys_way(saw: Saw, step: str) -> None:
    assert saw(step)["faults"] == []


async def test_no_script_failed_and_none_was_refused(saw: Saw) -> None:
    assert saw("wrongs") == []
