"""Hashing passwords, and the names people sign in with."""

import pytest

from bongsu.core import limits, passwords, usernames
from bongsu.core.errors import Refusal
from bongsu.core.passwords import COSTS, Cost

SALT = b"0123456789abcdef"
FAST = COSTS["fast"]


def test_a_hash_fits_its_password_only() -> None:
    hashed = passwords.make_hash("수영구 봉수대", SALT, FAST)
    assert passwords.is_right("수영구 봉수대", hashed)
    assert not passwords.is_right("수영구 봉수대 ", hashed)
    assert not passwords.is_right("x" * (limits.PASSWORD_BYTES_MAX + 1), hashed)
    assert not passwords.is_right("수영구 봉수대", "not a hash")


def test_a_hash_of_another_cost_is_outdated_and_still_right() -> None:
    hashed = passwords.make_hash("beacon fire", SALT, Cost(passes=2, memory_kib=16))
    assert passwords.is_right("beacon fire", hashed)
    assert passwords.is_outdated(hashed, FAST)
    assert not passwords.is_outdated(passwords.make_hash("beacon fire", SALT, FAST), FAST)


@pytest.mark.parametrize(
    ("password", "errcode"), [("", "M_WEAK_PASSWORD"), ("1234567", "M_WEAK_PASSWORD"), ("x" * 513, "M_INVALID_PARAM")]
)
def test_what_is_no_new_password(password: str, errcode: str) -> None:
    with pytest.raises(Refusal) as refused:
        passwords.check_new(password)
    assert (refused.value.status, refused.value.errcode) == (400, errcode)


@pytest.mark.parametrize("username", ["", "a b", "a:b", "a!", "ä", "@a:elsewhere", "x" * 250, "x" * 5000, "a\x00"])
def test_what_is_no_user_name(username: str) -> None:
    with pytest.raises(Refusal) as refused:
        usernames.new_user_id(username, "here")
    assert refused.value.errcode == "M_INVALID_USERNAME"


@pytest.mark.parametrize(
    ("username", "why"),
    [
        ("@a:elsewhere", "user ids here look like @name:here; the name alone will do"),
        ("x" * 250, "this user name is too long"),
        ("x" * 5000, "this user name is too long"),
        ("a b", "a user name is made of a-z, 0-9 and . _ = - / +"),
    ],
)
def test_it_is_told_why_a_name_cannot_be(username: str, why: str) -> None:
    with pytest.raises(Refusal) as refused:
        usernames.new_user_id(username, "here")
    assert refused.value.message == why


def test_names_that_mean_somebody() -> None:
    assert usernames.new_user_id("Alice", "here") == "@alice:here"
    assert usernames.new_user_id("@alice:here", "here") == "@alice:here"
    assert usernames.known_user_id("Alice", "here") == "@alice:here"
    assert usernames.known_user_id("@alice:here", "here") == "@alice:here"
    assert usernames.known_user_id("@alice:there", "here") is None
    assert usernames.known_user_id("a\x00", "here") is None
