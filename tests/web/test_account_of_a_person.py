"""Somebody looks after their account in real Chromium: quiet hours, notifications, pushes, their data, the end of it.

Left out by name where Node, its modules or Chromium are not there.
"""

import base64
import io
import json
import zipfile

import pytest

from tests.web.conftest import Chromium, Saw, Sites, converse

pytestmark = pytest.mark.xdist_group("web")


@pytest.fixture(scope="module")
async def saw(sites: Sites, chromium: Chromium) -> Saw:
    return await converse("account", sites, chromium)


async def test_quiet_hours_are_kept_by_the_account(saw: Saw) -> None:
    told = saw("quiet")
    assert told["enabled"] is True
    assert told["spans"] == [{"from": "23:30", "to": "07:00", "days": [1, 2, 3, 4, 5, 6]}]
    assert told["let_through"] == {"mentions": True, "users": [], "rooms": []}
    assert told["time_zone"]


async def test_notifications_are_push_rules(saw: Saw) -> None:
    assert saw("rules") == {"message": [], "words": ["봉수대"]}


async def test_a_push_service_that_cannot_be_reached_is_named(saw: Saw) -> None:
    assert saw("unreachable") == {"on": False}


async def test_pushes_are_shown_to_those_who_do_not_look(saw: Saw) -> None:
    pushed = saw("push")
    shown = {"title": "불끄기", "tag": pushed["room"], "data": {"room": pushed["room"]}}
    assert pushed["first"] == [{**shown, "body": "에린: 산불이 났소", "silent": False}]
    assert pushed["second"] == [{**shown, "body": "에린: 서버에만 있는 말", "silent": True}]
    assert (pushed["third"]["title"], pushed["third"]["body"]) == ("Bongsu", "You have a new message")


async def test_a_press_opens_the_room_and_what_was_read_is_gone(saw: Saw) -> None:
    assert saw("pressed") == {"room": True, "left": ["!other:test.example"]}


async def test_people_are_ignored_and_reported(saw: Saw) -> None:
    assert saw("ignored")["ignored"] == [saw("ignored")["erin"]]


async def test_ones_own_data_is_a_whole_file(saw: Saw) -> None:
    assert saw("data")["name"] == "bongsu-dora-account.zip"
    archive = zipfile.ZipFile(io.BytesIO(base64.b64decode(saw("data")["zip"])))
    assert archive.testzip() is None
    assert json.loads(archive.read("account.json"))["user_id"].startswith("@dora-account:")


async def test_signing_in_by_browser_leaves_no_token_in_the_address(saw: Saw) -> None:
    assert saw("by_browser") == {"address": "", "user": True}


async def test_an_account_that_ended_is_gone_everywhere(saw: Saw) -> None:
    for kept in saw("ended").values():
        assert set(kept) <= {"sites"}


async def test_nothing_stands_in_anybodys_way(saw: Saw) -> None:
    assert saw("faults") == []
    assert saw("wrongs") == []
