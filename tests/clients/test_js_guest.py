"""A guest with matrix-js-sdk: looks into a room from outside, comes in, talks, and goes when the room is closed."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.clients.node import conversation
from tests.server import Server

pytestmark = pytest.mark.xdist_group("js")
Saw = Callable[[str], Any]


@pytest.fixture(scope="module")
async def saw(server: Server) -> Saw:
    """What a step of the conversation reported, on a worker that takes guests."""
    worker = Server.start(server.data_dir, "--guests")
    said = await conversation("guest.mjs", worker.base_url)
    worker.stop()
    return said


async def test_a_guest_comes_without_a_password(saw: Saw) -> None:
    assert saw("room") == {"guest": True}


async def test_a_summary_of_a_room_from_outside(saw: Saw) -> None:
    assert saw("a_summary") == {"name": "The square", "version": "12", "rule": "public"}


async def test_a_guest_follows_a_room_from_outside(saw: Saw) -> None:
    bodies = ["before anybody looked", "while somebody looks"]
    assert saw("looking_in") == {"name": "The square", "bodies": bodies, "isMember": False}


async def test_a_guest_comes_in_and_talks(saw: Saw) -> None:
    assert saw("coming_in")["bodies"][-1] == "may I?"


async def test_a_guest_makes_no_room(saw: Saw) -> None:
    assert saw("what_is_not_for_guests") == "M_GUEST_ACCESS_FORBIDDEN"


async def test_a_guest_goes_when_the_room_is_closed(saw: Saw) -> None:
    assert saw("closing") == {"people": 1}
