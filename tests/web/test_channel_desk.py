"""A channel's desk in real Chromium: a customer, and two agents of whom one answers at a time; judged here."""

import pytest

from tests.web.conftest import Chromium, Saw, Sites, converse

pytestmark = pytest.mark.xdist_group("web_beside")


@pytest.fixture(scope="module")
async def saw(sites: Sites, chromium: Chromium) -> Saw:
    return await converse("channel_desk", sites, chromium)


async def test_nothing_stands_in_anybodys_way(saw: Saw) -> None:
    assert saw("faults") == []


async def test_who_waits_is_seen_by_all_agents_without_loading_anything_anew(saw: Saw) -> None:
    for who in ("owner", "agent"):
        assert "별자리 책 있나요?" in saw("waiting")[who]
        assert "대기 중" in saw("waiting")[who]


async def test_one_agent_answers_at_a_time(saw: Saw) -> None:
    assert saw("taken") == {"answers": False, "fetch": 1}


async def test_what_waits_is_not_shown_as_said_and_outlives_the_page(saw: Saw) -> None:
    assert "보내는 중" in saw("burned")["unsent"]
    assert not any("따로 빼" in each for each in saw("burned")["said"])


async def test_the_customer_hears_each_answer_once_and_no_note(saw: Saw) -> None:
    answers = ["네, 한 권 남아 있습니다.", "따로 빼 두겠습니다", "또 오세요"]
    assert saw("answered")["texts"] == ["별자리 책 있나요?", *answers]
    transcript = saw("answered")["transcript"]
    assert "단골 손님" in transcript
    assert transcript.index("한 권 남아") < transcript.index("단골 손님") < transcript.index("또 오세요")


async def test_an_away_text_is_said_once_in_closed_hours(saw: Saw) -> None:
    [opening] = saw("closed")["hours"]
    assert len(opening["days"]) == 1
    assert saw("closed")["texts"].count("지금은 문을 닫았습니다") == 1
    assert "상담 1건" in saw("closed")["counted"]


async def test_no_script_failed_and_none_was_refused(saw: Saw) -> None:
    assert saw("wrongs") == []
