"""Texts made ready for finding: every part of a text is found by its pairs, and closer texts rank higher."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bongsu.core import finding, limits
from bongsu.core.finding import Person

texts = st.text(max_size=60)


@given(texts, st.data())
def test_the_pairs_of_a_part_are_among_those_of_the_whole(text: str, data: st.DataObject) -> None:
    folded = finding.fold(text)
    first = data.draw(st.integers(0, len(folded)))
    last = data.draw(st.integers(first, len(folded)))
    assert set(finding.grams(folded[first:last])) <= set(finding.grams(folded))


@given(texts)
def test_folding_twice_changes_nothing(text: str) -> None:
    folded = finding.fold(text)
    assert finding.fold(folded) == folded
    assert "\x00" not in folded


@given(texts)
def test_pairs_are_integers_of_the_database(text: str) -> None:
    assert all(-(2**31) <= gram < 2**31 for gram in finding.grams(text))
    assert -(2**31) <= finding.room_gram(text) < 2**31


@given(texts)
def test_all_terms_of_a_text_are_in_it(text: str) -> None:
    plain = text.replace('"', "")
    assert finding.holds(finding.fold(plain), finding.terms(plain))


def test_pairs_of_common_letters_are_told_apart() -> None:
    letters = [chr(code) for code in (*range(0x61, 0x7B), *range(0xAC00, 0xAC40))]
    pairs = [a + b for a in letters for b in letters]
    assert len({finding.grams(pair)[0] for pair in pairs}) == len(pairs)


@pytest.mark.parametrize(
    ("searched", "terms"),
    [
        ("칼국수  집", ("칼국수", "집")),
        ('"칼국수 집" 앞', ("칼국수 집", "앞")),
        ("A a Å", ("a", "å")),
        ('""', ('""',)),
        ('"open', ('"open',)),
        (" \t ", ()),
        ("STRASSE straße", ("strasse",)),
    ],
)
def test_terms(searched: str, terms: tuple[str, ...]) -> None:
    assert finding.terms(searched) == terms


def test_a_search_has_so_many_terms() -> None:
    assert len(finding.terms(" ".join(map(str, range(100))))) == limits.SEARCH_TERMS_MAX


@pytest.mark.parametrize(
    ("event_type", "state_key", "content", "found"),
    [
        ("m.room.message", None, {"body": "A  B"}, (0, "a b")),
        ("m.sticker", None, {"body": "cat"}, (0, "cat")),
        ("m.room.name", "", {"name": "Room"}, (1, "room")),
        ("m.room.topic", "", {"topic": "Topic"}, (2, "topic")),
        ("m.room.name", None, {"name": "Room"}, None),
        ("m.room.member", "@a:b", {"body": "x", "name": "x"}, None),
        ("m.room.encrypted", None, {"ciphertext": "body"}, None),
        ("m.room.message", None, {"body": 1}, None),
        ("m.room.message", None, {"body": " \x00 "}, None),
        ("m.room.message", None, {}, None),
    ],
)
def test_what_can_be_found_by_what(
    event_type: str, state_key: str | None, content: dict[str, object], found: tuple[int, str] | None
) -> None:
    assert finding.searchable(event_type, state_key, content) == found


def test_closer_texts_rank_higher() -> None:
    ranked = ["고래", "고래 이야기", "고래를 본 날", "돌고래 이야기를 길게 합니다", "아무 말"]
    scores = [finding.score(text, ["고래"]) for text in ranked]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == len(scores)
    assert finding.score("푸른 고래", ["푸른", "고래"]) > finding.score("고래와 푸른", ["푸른", "고래"])


def test_closer_people_rank_higher() -> None:
    people = [
        Person("@kim:x", "김철수", None, True),
        Person("@kim2:x", "김철수", None, False),
        Person("@park:x", "박김철수", None, False),
        Person("@lee:x", "이영희", None, True),
    ]
    ranks = [finding.closeness(person, ["김철수"]) for person in people]
    assert ranks == sorted(ranks, reverse=True)
    assert ranks[2] > 0 == ranks[3]
    assert finding.closeness(people[0], ["kim"]) > 0
    assert finding.closeness(people[0], ["x"]) == 0
    assert finding.closeness(people[0], ["@kim:x"]) > finding.closeness(people[0], ["@kim"]) > 0
