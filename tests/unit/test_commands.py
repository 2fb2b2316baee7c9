"""What people write to services: what is understood, what is asked back, and that nothing written is a fault."""

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bongsu.boards import grammar as beds
from bongsu.boards import replies as bed_replies
from bongsu.bookings import grammar as books
from bongsu.bookings import replies as book_replies
from bongsu.core.spoken import LANGUAGES, Unclear

OFFER = {"what": "assign", "request_id": "a" * 16, "number": 17, "bed_id": "b" * 16, "offer_id": 5}


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("!bed", {"verb": "help"}),
        ("!BED List", {"verb": "list"}),
        ("!병상 대기", {"verb": "list"}),
        ("!병상 빈자리", {"verb": "beds"}),
        ("!bed accept #17", {"verb": "accept", "request": 17}),
        ("!병상 수락 17번", {"verb": "accept", "request": 17}),
        ("!병상 거절 17 의료진 부족", {"verb": "decline", "request": 17, "reason": "의료진 부족"}),
        ("!bed assign 17 → 3", {"verb": "assign", "request": 17, "bed": 3}),
        ("!bed offer 17 3", {"verb": "assign", "request": 17, "bed": 3}),
        ("!bed withdraw 3 fire", {"verb": "withdraw", "bed": 3, "reason": "fire"}),
        (
            "!병상 요청 위급 중환자,격리 지역=서울 환자=P-17 기한=30분 메모=산소 필요 함",
            {
                "verb": "request",
                "words": ["critical", "중환자", "격리"],
                "options": {"area": "서울", "patient": "P-17", "in": "30분", "note": "산소 필요 함"},
            },
        ),
        ("!bed publish 3 free=1", {"verb": "publish", "bed": 3, "options": {"free": "1"}}),
        (
            "!bed role @kim:x.org Provider hospital=A oncall",
            {"verb": "role", "words": ["@kim:x.org", "provider"], "options": {"hospital": "A", "on_call": "1"}},
        ),
    ],
)
def test_what_a_board_understands(said: str, asked: dict[str, Any]) -> None:
    read = beds.read(said)
    assert msgspec.structs.replace(read, words=list(read.words)) == beds.Asked(**{"words": [], **asked})


@pytest.mark.parametrize(
    ("said", "verb", "near"),
    [
        ("!bed accept", "accept", None),
        ("!bed accept seventeen", "accept", None),
        ("!병상 거절 17", "decline", None),
        ("!bed assign 17", "assign", None),
        ("!bed request", "request", None),
        ("!bed request icu where=Seoul", "request", None),
        ("!bed role kim provider", "role", None),
        ("!bed acept 17", None, "accept"),
        ("!병상 요정 위급", None, None),
        ("!bed 17", None, None),
    ],
)
def test_what_a_board_asks_back(said: str, verb: str | None, near: str | None) -> None:
    with pytest.raises(Unclear) as unclear:
        beds.read(said)
    assert (unclear.value.verb, unclear.value.near) == (verb, near)
    for language in LANGUAGES:
        assert bed_replies.GUIDE.unclear(unclear.value, language)


def test_an_answer_to_an_offer_needs_no_number() -> None:
    assert beds.read("!병상 거절 병상 없음", OFFER) == beds.Asked(verb="decline", request=17, reason="병상 없음")
    assert beds.read("!bed accept", OFFER).request == 17
    assert beds.read("!bed assign 3", OFFER) == beds.Asked(verb="assign", request=17, bed=3)
    with pytest.raises(Unclear):
        beds.read("!bed decline 2 nurses are missing", OFFER)  # is it request 2?


def test_signs() -> None:
    assert beds.reaction("✅", OFFER) == "accept"
    assert beds.reaction("❌", OFFER) == "decline"
    assert beds.reaction("🏥", {"what": "accept"}) == "arrive"
    assert beds.reaction("✅", {"what": "decline"}) is None
    assert beds.reaction("✅", {"what": ["assign"]}) is None
    assert beds.reaction("✅", None) is None
    held = {"about": "held", "offer_id": "o1"}
    assert books.reaction("✅", held) == books.Asked(verb="confirm", offer_id="o1")
    assert books.reaction("❌", held) == books.Asked(verb="cancel", offer_id="o1")
    assert books.reaction("✅", {"about": "booked", "offer_id": "o1"}) is None
    assert books.reaction("✅", {"about": "held", "offer_id": 1}) is None


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("!예약", {"verb": "help"}),
        ("!book 1a2b3c", {"verb": "book", "code": "1a2b3c"}),
        ("!book take #1A2B3C wait", {"verb": "book", "code": "1a2b3c", "waits": True}),
        ("!예약 신청 1a2b3c 대기", {"verb": "book", "code": "1a2b3c", "waits": True}),
        ("!예약 취소", {"verb": "cancel"}),
        ("!예약 확정 1a2b3c", {"verb": "confirm", "code": "1a2b3c"}),
        ("!book list Seoul north", {"verb": "list", "area": "Seoul north"}),
        ("!예약 알림 서울", {"verb": "subscribe", "area": "서울"}),
    ],
)
def test_what_bookings_understand(said: str, asked: dict[str, Any]) -> None:
    assert books.read(said) == books.Asked(**asked)


@pytest.mark.parametrize(
    "said", ["!book take", "!book 1a2b3c 4d5e6f", "!book cancel 1a2b3c wait", "!book soon", "!예약 zz"]
)
def test_what_bookings_ask_back(said: str) -> None:
    with pytest.raises(Unclear) as unclear:
        books.read(said)
    for language in LANGUAGES:
        assert book_replies.GUIDE.unclear(unclear.value, language)


VERBS = (*beds.SPOKEN.verbs, *books.SPOKEN.verbs)
WRITTEN = st.one_of(
    st.text(max_size=80),
    st.lists(st.sampled_from([*VERBS, "17", "#3", "1a2b3c", "free=2", "지역=", "=", "icu", "위급"])).map(" ".join),
)


@given(WRITTEN, st.sampled_from([None, OFFER, {"offer_id": "o" + "1" * 24, "about": "held"}, {"number": "x"}]))
def test_nothing_that_is_written_is_a_fault(text: str, about: Any) -> None:
    for head, read in (("!bed", beds.read), ("!예약", books.read)):
        try:
            asked = read(f"{head} {text}", about)
        except Unclear:
            continue
        assert asked.verb


@given(st.text(max_size=12))
def test_a_span_is_a_time_or_unclear(text: str) -> None:
    with suppress(Unclear):
        assert beds.span_ms(text, "request") >= 0


def test_every_verb_is_explained_in_both_languages() -> None:
    for language, head in (("ko", "!병상"), ("en", "!bed")):
        assert bed_replies.GUIDE.usage(language).count(head) == len(set(beds.SPOKEN.verbs.values())) - 1  # type: ignore[arg-type]
    for language, head in (("ko", "!예약"), ("en", "!book")):
        assert book_replies.GUIDE.usage(language).count(head) == len(set(books.SPOKEN.verbs.values())) - 1  # type: ignore[arg-type]
