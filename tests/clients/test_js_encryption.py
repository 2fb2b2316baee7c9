"""End-to-end encryption with matrix-js-sdk and its crypto library, the one of the best-known clients.

Two people talk in one run of js/encrypted.mjs; each step reports what was read, judged here.
"""

from collections.abc import Callable
from typing import Any

import pytest

from tests.clients.node import conversation

pytestmark = pytest.mark.xdist_group("js")
Saw = Callable[[str], Any]


@pytest.fixture(scope="module")
async def saw(base_url: str) -> Saw:
    """What a step of the conversation reported."""
    return await conversation("encrypted.mjs", base_url)


def read(body: str) -> dict[str, str]:
    """What was read, of an event that the server holds encrypted."""
    return {"body": body, "stored": "m.room.encrypted"}


async def test_room(saw: Saw) -> None:
    assert saw("room") == {"encrypted": True}


async def test_messages(saw: Saw) -> None:
    assert saw("messages") == [read("불이 올랐다 🔥"), read("seen")]


async def test_a_new_device_reads_too(saw: Saw) -> None:
    assert saw("a_new_device") == [read("for both")] * 2


async def test_many_messages(saw: Saw) -> None:
    assert saw("many_messages") == [f"message {number}" for number in range(10)]


async def test_cross_signing(saw: Saw) -> None:
    assert saw("cross_signing") == {"verified": True}


async def test_a_device_that_left(saw: Saw) -> None:
    assert saw("a_device_that_left") == read("without the phone")
