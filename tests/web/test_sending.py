"""Files are looked at before they are sent, and photos are taken, in real Chromium with its fake cameras.

Left out by name where Node, its modules or Chromium are not there.
"""

import pytest

from tests.web.conftest import Chromium, Saw, Sites, converse

pytestmark = pytest.mark.xdist_group("web")


@pytest.fixture(scope="module")
async def saw(sites: Sites, chromium: Chromium) -> Saw:
    return await converse("sending", sites, chromium)


async def test_what_is_left_out_is_not_sent_and_words_go_with_the_last(saw: Saw) -> None:
    sent = saw("sent")
    assert sent["focused"] == "함께 보낼 말"
    assert sent["chosen"] == ["하나.png", "둘.png", "점검표.txt"]
    assert sent["told"] == [
        ["m.image", "둘.png", "둘.png"],
        ["m.file", "점검표.txt", "점검표.txt"],
        ["m.image", "오늘 밤도\n이상 없음", "셋.png"],
    ]
    assert sent["called"] == {}


async def test_a_caption_stands_under_its_picture_and_in_the_list(saw: Saw) -> None:
    assert saw("sent")["under"] is True
    assert "이상 없음" in saw("preview")


async def test_a_photo_is_taken_again_and_sent_with_words(saw: Saw) -> None:
    camera = saw("camera")
    assert camera["isOther"] is True
    assert camera["switched"] == ["ended", "live"]
    assert camera["taken"] == ["ended", "ended"]
    assert (camera["msgtype"], camera["mimetype"]) == ("m.image", "image/jpeg")
    assert camera["isNamed"] is True
    assert camera["isSized"] is True


async def test_a_caption_is_changed_and_taken_away_and_the_photo_stays(saw: Saw) -> None:
    assert saw("rewritten") == {
        "renamed": 1,
        "body": "* 남산 봉수대에서",
        "fresh": "남산 봉수대에서",
        "isNameLeft": True,
        "kept": [True, True, True],
    }


async def test_a_camera_is_off_when_its_window_is_closed(saw: Saw) -> None:
    assert set(saw("off")) == {"ended"}
    assert saw("count") == 6  # two of them change one


async def test_a_sleeping_tab_loses_the_lead_to_the_one_that_is_looked_at(saw: Saw) -> None:
    assert saw("asleep") == {"times": 1, "leads": [True, False]}


async def test_nothing_stands_in_anybodys_way(saw: Saw) -> None:
    assert saw("faults") == []
    assert saw("wrongs") == []
