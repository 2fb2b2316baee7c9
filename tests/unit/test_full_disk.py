"""Which site leads in place of one without room."""

import os
import time
from types import SimpleNamespace
from typing import Any

import pytest

from bongsu.cluster import disk
from bongsu.cluster.disk import FULL_BYTES, ROOM_BYTES, TAG, Disk, heir


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


def test_a_disk_with_a_little_room_again_is_still_full(monkeypatch: pytest.MonkeyPatch) -> None:
    free = FULL_BYTES
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=free, f_frsize=1))
    tried = Disk("/anywhere")
    assert not tried.is_full()
    free = FULL_BYTES - 1
    assert tried.is_full()
    free = ROOM_BYTES - 1
    assert tried.is_full()
    free = ROOM_BYTES
    assert not tried.is_full()


def test_no_second_try_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    tried = Disk("/anywhere")
    assert tried.may_hand_over()
    assert not tried.may_hand_over()
    now += disk.REST_SECONDS
    assert tried.may_hand_over()


def test_before_there_is_a_folder_nothing_is_full() -> None:
    assert not Disk("/there/is/no/such/folder").is_full()
