"""What people do besides talking: mentions, threads, pins, polls, search, jumps in time, roles, and leaving quietly.

Left out by name where Node, its modules or Chromium are not there.
"""

import pytest

from tests.web.conftest import Chromium, Saw, Sites, converse

pytestmark = pytest.mark.xdist_group("web_beside")


@pytest.fixture(scope="module")
async def saw(sites: Sites, chromium: Chromium) -> Saw:
    return await converse("features", sites, chromium)


async def test_who_is_called_by_name_sees_it(saw: Saw) -> None:
    assert saw("mention") == {"text": "보게 @nari 불이 올랐네", "sent": "@nari", "area": ""}


async def test_a_thread_stands_beside_its_room(saw: Saw) -> None:
    told = saw("thread")
    assert told["main"] == ["보게 @nari 불이 올랐네"]
    assert told["texts"] == ["보게 @nari 불이 올랐네", "어느 산인가", "남산일세"]
    assert (told["quoted"], told["line"]) == (0, "답글 2개")


async def test_a_notice_stands_above_the_room_until_it_is_taken_down(saw: Saw) -> None:
    assert "내일 산에 오르세" in saw("pins")["notice"]


async def test_a_vote_can_be_changed_until_the_poll_ends(saw: Saw) -> None:
    dawn, evening = saw("poll")["choices"]
    assert "0표" in dawn
    assert "1표" in evening
    assert saw("poll")["open"] == 0


async def test_what_this_device_never_saw_is_found_and_read_in_its_place(saw: Saw) -> None:
    assert saw("past") == {"before": 0, "found": "1개를 찾았습니다", "rows": 121}


async def test_without_a_network_what_was_seen_is_found(saw: Saw) -> None:
    assert saw("offline") == {"found": 1}


async def test_roles_are_given_by_those_above(saw: Saw) -> None:
    assert saw("roles") == {"roles": ["방장", "부관리자"], "mayNot": 1, "banned": "ban"}  # he can be talked with


async def test_whoever_leaves_does_so_quietly_and_the_room_is_forgotten(saw: Saw) -> None:
    assert saw("left") == {"told": 0, "isIn": False, "forgotten": "M_FORBIDDEN"}


async def test_nothing_stands_in_anybodys_way(saw: Saw) -> None:
    assert saw("faults") == []


async def test_no_script_failed_and_none_was_refused(saw: Saw) -> None:
    assert saw("wrongs") == []
