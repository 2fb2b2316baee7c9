"""Sliding sync with matrix-js-sdk: two people in one run of js/sliding.mjs; each step reports what was seen."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.clients.node import conversation

pytestmark = pytest.mark.xdist_group("js")
Saw = Callable[[str], Any]


@pytest.fixture(scope="module")
async def saw(base_url: str) -> Saw:
    """What a step of the conversation reported."""
    return await conversation("sliding.mjs", base_url)


async def test_invite(saw: Saw) -> None:
    assert saw("invite") == {"name": "Fishing", "counted": 1}


async def test_messages(saw: Saw) -> None:
    assert saw("messages") == [["불이 올랐다 🔥", "seen"]] * 2


async def test_unread_and_receipt(saw: Saw) -> None:
    assert saw("unread_and_receipt") == {"readers": True}


async def test_typing(saw: Saw) -> None:
    assert saw("typing") == {"seen": True}


async def test_account_data(saw: Saw) -> None:
    assert saw("account_data") == {"theme": {"dark": True}, "tag": {"order": 0.5}}


async def test_rooms_that_fall_out_of_view(saw: Saw) -> None:
    assert saw("rooms_that_fall_out_of_view") == {"last": "up again", "counted": 4}


async def test_a_room_that_is_opened(saw: Saw) -> None:
    opened = {"bodies": [f"message {number}" for number in range(12)], "topic": "at dawn"}
    assert saw("a_room_that_is_opened") == opened


async def test_encryption(saw: Saw) -> None:
    bodies = ["for bob", "for alice"]
    assert saw("encryption") == [{"body": body, "stored": "m.room.encrypted"} for body in bodies]


async def test_leaving(saw: Saw) -> None:
    assert saw("leaving") == {"left": True}
