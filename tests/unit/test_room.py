"""Which site leads in place of one without room."""

import os
import time
from types import SimpleNamespace
from typing import Any

import pytest

from bongsu.cluster import room
from bongsu.cluster.room import PLENTY_BYTES, SCARCE_BYTES, TAG, Room, heir


def member(name: str, state: str = "streaming", *, full: bool = False) -> tuple[str, dict[str, Any]]:
    return name, {"state": state, "tags": {TAG: True} if full else {}}


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ([member("a", "running"), member("b"), member("c")], "b"),
        ([member("a", "running"), member("b", full=True), member("c")], "c"),
        ([member("a", "running"), member("b", "starting"), member("c")], "c"),
        ([member("a", "running"), member("b", full=True), member("c", full=True)], None),
        ([member("a", "running"), member("asynchronous")], None),
    ],
)
def test_heir(members: list[tuple[str, dict[str, Any]]], expected: str | None) -> None:
    assert heir(members, ["b", "c"], "a") == expected


def test_room_that_comes_back_a_little_is_still_scarce(monkeypatch: pytest.MonkeyPatch) -> None:
    free = SCARCE_BYTES
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=free, f_frsize=1))
    disk = Room("/anywhere")
    assert not disk.is_scarce()
    free = SCARCE_BYTES - 1
    assert disk.is_scarce()
    free = PLENTY_BYTES - 1
    assert disk.is_scarce()
    free = PLENTY_BYTES
    assert not disk.is_scarce()


def test_no_second_try_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    disk = Room("/anywhere")
    assert disk.may_hand_over()
    assert not disk.may_hand_over()
    now += room.REST_SECONDS
    assert disk.may_hand_over()


def test_before_there_is_a_folder_nothing_is_scarce() -> None:
    assert not Room("/there/is/no/such/folder").is_scarce()
