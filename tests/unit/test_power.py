"""Power levels as they are read, with and without the event that states them."""

from typing import Any

import msgspec
import pytest

from bongsu.core import events
from bongsu.core.events import Event
from bongsu.core.power import CREATOR, PowerLevels, creator_of, creators_of
from bongsu.core.versions import version

VERSION_NAMES = ["10", "11", "12"]
MAKER = "@maker:here.example"
SECOND = "@second:here.example"
OTHER = "@other:here.example"


def state(event_type: str, content: dict[str, Any]) -> Event:
    return Event(
        pos=1, event_id="$e", room_id="!r", type=event_type, sender=MAKER, state_key="", ts_ms=1, depth=1,
        content_json=msgspec.json.encode(content),
    )  # fmt: skip


def create(**content: Any) -> Event:
    return state(events.CREATE, {"creator": MAKER, **content})


def read(name: str, content: dict[str, Any] | None, made: Event | None = None) -> PowerLevels:
    levels = None if content is None else state(events.POWER_LEVELS, content)
    return PowerLevels(version(name), made or create(), levels)


@pytest.mark.parametrize("name", VERSION_NAMES)
@pytest.mark.parametrize("content", [None, {}])
def test_defaults(name: str, content: dict[str, Any] | None) -> None:
    levels = read(name, content)
    assert (levels.ban, levels.kick, levels.redact, levels.invite) == (50, 50, 50, 0)
    assert (levels.needed("m.any", True), levels.needed("m.any", False)) == (50, 0)
    assert levels.notification("room") == 50
    assert levels.of(OTHER) == 0


def test_the_creator_has_100_until_levels_are_stated_and_infinity_in_version_12() -> None:
    assert [read(name, None).of(MAKER) for name in VERSION_NAMES] == [100, 100, CREATOR]
    assert [read(name, {}).of(MAKER) for name in VERSION_NAMES] == [0, 0, CREATOR]
    assert CREATOR > 2**53 - 1


@pytest.mark.parametrize("name", VERSION_NAMES)
def test_stated_levels(name: str) -> None:
    content = {
        "ban": 1, "kick": 2, "redact": 3, "invite": 4, "users_default": 5, "events_default": 6, "state_default": 7,
        "events": {"m.a": 8}, "notifications": {"room": 9}, "users": {OTHER: -10},
    }  # fmt: skip
    levels = read(name, content)
    assert (levels.ban, levels.kick, levels.redact, levels.invite) == (1, 2, 3, 4)
    assert (levels.of(OTHER), levels.of("@nobody:here.example")) == (-10, 5)
    assert (levels.needed("m.a", True), levels.needed("m.a", False)) == (8, 8)
    assert (levels.needed("m.b", True), levels.needed("m.b", False)) == (7, 6)
    assert (levels.notification("room"), levels.notification("other")) == (9, 50)


@pytest.mark.parametrize("name", VERSION_NAMES)
def test_levels_of_no_form_count_as_unstated(name: str) -> None:
    levels = read(name, {"ban": "1", "kick": True, "users": {OTHER: "9"}, "events": [1], "users_default": None})
    assert (levels.ban, levels.kick, levels.of(OTHER), levels.needed("m.a", True)) == (50, 50, 0, 50)


def test_creators_of_version_12() -> None:
    made = create(additional_creators=[SECOND, 5])
    assert [creators_of(version(name), made) for name in VERSION_NAMES] == [set(), set(), {MAKER, SECOND}]
    assert read("12", {"users": {SECOND: 1}}, made).of(SECOND) == CREATOR
    assert read("12", None, create(additional_creators="text")).creators == {MAKER}


def test_only_version_10_reads_the_creator_from_the_content() -> None:
    assert [creator_of(version(name), create(creator=OTHER)) for name in VERSION_NAMES] == [OTHER, MAKER, MAKER]
    assert creator_of(version("10"), create(creator=5)) == ""


def test_redaction_takes_the_right_to_send_redactions_and_own_events_no_more() -> None:
    levels = read("11", {"events": {events.REDACTION: 10}, "redact": 20, "users": {MAKER: 20, SECOND: 10}})
    assert levels.may_redact(MAKER, OTHER)
    assert levels.may_redact(SECOND, SECOND)
    assert not levels.may_redact(SECOND, OTHER)
    assert not levels.may_redact(OTHER, OTHER)
