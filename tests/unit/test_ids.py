"""Identifier grammar."""

from collections.abc import Callable

import pytest

from bongsu.core import ids, tokens
from bongsu.core.errors import Refusal

HASH = "A" * 43


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (
            ids.is_user_id,
            ["@a:b", "@alice:example.org", "@:b", "@A!x:localhost:8448", "@a:[::1]:80"],
            [
                "",
                "a:b",
                "@a",
                "@a:",
                "@a:b c",
                "@가:b",
                "@a:b:c",
                "@" + "a" * 255 + ":b",
                7,
                None,
                "@a\x00:b",
                "@a:b\n",
            ],
        ),
        (
            ids.is_room_id,
            ["!a:b", "!" + HASH, "!a/b:example.org"],
            ["", "!", "!a", "#a:b", "!:b", "!" + "A" * 42, "!" + HASH + "=", "!" + "a" * 255 + ":b", None, "!a\x00:b"],
        ),
        (
            ids.is_event_id,
            ["$" + HASH, "$" + "+/" * 21 + "A", "$a:b", "$143/~+=:h:80"],
            [
                "",
                "$",
                "$:b",
                "$a:",
                "$a:b c",
                "$a\x00:b",
                "$é:b",
                "$" + "A" * 44,
                "$+_" + "A" * 41,
                "$" + "a" * 253 + ":b",
                "!" + HASH,
                None,
                "$" + HASH + "\n",
            ],
        ),
        (
            ids.is_alias,
            ["#a:b", "#한글:example.org"],
            ["#:b", "#a", "a:b", "#a:", "#\x00:b", "#" + "가" * 85 + ":b", 1],
        ),
    ],
)
def test_grammar(check: Callable[[object], bool], good: list[object], bad: list[object]) -> None:
    assert [value for value in good if not check(value)] == []
    assert [value for value in bad if check(value)] == []


@pytest.mark.parametrize("name", ["Alice", "аlice", "ａlice", "a\u200bb", "a b", "", "a:b", "a" * 250, "a\n"])
def test_new_names_are_plain(name: str) -> None:
    assert not ids.is_new_localpart(name, "example.org")


@pytest.mark.parametrize("text", ["s0", "s1", "s999999999999999999"])
def test_tokens_come_back(text: str) -> None:
    assert tokens.format(tokens.parse(text)) == text


def test_a_token_may_say_what_was_told() -> None:
    text = tokens.format(42, 17)
    assert (text, tokens.parse(text), tokens.parse_told(text)) == ("s42_17", 42, 17)
    assert tokens.parse_told("s42") == 42


@pytest.mark.parametrize(
    "text",
    ["", "s", "42", "s2_", "s2_01", "s2_1_1", "s-1", "s01", "s1_2", "t1", "s1 ", "s1\n", "S1", "s" + "9" * 19, "s１"],
)
def test_foreign_tokens_are_refused(text: str) -> None:
    with pytest.raises(Refusal) as refused:
        tokens.parse(text)
    assert (refused.value.status, refused.value.errcode) == (400, "M_INVALID_PARAM")
