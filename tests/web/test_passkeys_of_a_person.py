"""Somebody makes a passkey in real Chromium, signs in with it, and removes it; a virtual authenticator is the finger.

Left out by name where Node, its modules or Chromium are not there.
"""

import pytest

from tests.web.conftest import Chromium, Saw, Sites, converse

pytestmark = pytest.mark.xdist_group("web_beside")


@pytest.fixture(scope="module")
async def saw(sites: Sites, chromium: Chromium) -> Saw:
    return await converse("passkeys", sites, chromium)


async def test_a_passkey_is_made_once_after_the_password(saw: Saw) -> None:
    assert saw("made") == {"names": ["내 노트북"], "kept": 1}


async def test_it_has_the_name_that_it_was_given(saw: Saw) -> None:
    assert saw("renamed") == {"names": ["집 노트북"]}


async def test_it_signs_in_when_the_finger_is_the_right_one(saw: Saw) -> None:
    assert saw("signed_in") == {"same": True}


async def test_a_removed_one_opens_nothing(saw: Saw) -> None:
    assert saw("removed") == {"kept": 1, "gate": 1}


async def test_where_there_can_be_none_it_is_said_why(saw: Saw) -> None:
    assert saw("digits") == {"gate": 1}


async def test_nothing_stands_in_anybodys_way(saw: Saw) -> None:
    assert saw("faults") == []
    assert saw("wrongs") == []
