"""A shop's owner manages a channel in real Chromium, with a follower and the operator; judged here."""

import pytest

from tests.web.conftest import Chromium, Saw, Sites, converse

pytestmark = pytest.mark.xdist_group("web")


@pytest.fixture(scope="module")
async def saw(sites: Sites, chromium: Chromium) -> Saw:
    return await converse("staff", sites, chromium)


async def test_nothing_stands_in_anybodys_way(saw: Saw) -> None:
    assert saw("faults") == []
    assert saw("wrongs") == []


async def test_a_name_that_looks_official_is_refused_with_what_to_do(saw: Saw) -> None:
    assert "공식 표시를 받은 채널의 이름과 똑같아 보입니다" in saw("made")["lookalike"]
    assert saw("made")["name"] == "달무리 빵집"
    assert {"단체 메시지", "알림톡", "API 키", "웹훅", "채널 닫기"} <= set(saw("made")["sections"])


async def test_a_post_that_waits_is_not_shown_as_posted_and_happens_once(saw: Saw) -> None:
    assert "보내는 중" in saw("posted")["waiting"]
    assert (saw("posted")["before"], saw("posted")["after"]) == (0, 1)


async def test_advertising_is_read_as_it_was_shown_before_it_was_sent(saw: Saw) -> None:
    seen = saw("broadcast")
    assert seen["preview"] == seen["read"]
    assert seen["read"].startswith("(광고) 달무리 빵집\n식빵 반값\n예약: https://bread.example/book\n")
    assert "무료수신거부" in seen["read"]
    assert seen["sent"] == "1명"
    assert seen["isHeldBack"], "what calls itself advertising is not sent as information"
    assert seen["csv"].endswith("-broadcasts.csv")


async def test_a_broadcast_is_stopped_while_it_runs(saw: Saw) -> None:
    assert saw("broadcast")["half"] == "50"
    assert saw("broadcast")["stopped"], "one had it, and the one who was held did not get it"


async def test_a_template_is_approved_and_begun_anew(saw: Saw) -> None:
    assert saw("template") == {"example": "이름님, 14:30에 찾아가세요", "states": ["2 draft", "1 approved"]}


async def test_a_key_is_shown_once_and_opens_until_it_is_revoked(saw: Saw) -> None:
    assert saw("key") == {"begins": "bck_", "opens": 200, "isKept": False, "closed": 401}


async def test_a_webhook_works_fails_and_is_removed(saw: Saw) -> None:
    seen = saw("webhook")
    assert (seen["begins"], seen["isNew"], seen["isSigned"]) == ("whsec_", True, True)
    assert "500" in seen["failure"]


async def test_an_editor_sees_what_followers_agreed_to_and_no_keys(saw: Saw) -> None:
    seen = saw("staff")
    assert "Followers and consent" in seen["sections"]
    assert "API keys" not in seen["sections"]
    assert "Advertising: Agreed" in seen["ledger"]
    assert "SHA-256 is the same" in seen["ledger"]


async def test_a_channel_is_closed_by_who_writes_its_name_out(saw: Saw) -> None:
    assert saw("closed")["first"] == "owner-staff 채널을 만듦"
    assert not saw("closed")["isClosable"]
    assert saw("closed")["now"]
