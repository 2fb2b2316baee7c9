"""What is changed in Patroni is asked for by name, and only done to the Patroni it was tried with."""

import subprocess
import sys
from typing import Any

import pytest

from bongsu.cluster import settings
from bongsu.cluster.patroni import FAST, Changes, NotStarted, changes_in, check_patroni


def test_patroni_stays_as_it_comes_unless_asked() -> None:
    assert changes_in({}, {}) == Changes()
    assert changes_in({}, {"CLUSTER_PROFILE": "supported"}) == Changes()


def test_changes_are_asked_for_in_the_file_or_by_the_profile() -> None:
    assert changes_in({"bongsu": {"minimum_ttl": 5}}, {}) == Changes(minimum_ttl=5)
    assert changes_in({}, {"CLUSTER_PROFILE": "fast"}) == FAST
    assert changes_in({"bongsu": {"fence": True}}, {"CLUSTER_PROFILE": "fast"}) == Changes(fence=True)


def test_each_profile_asks_for_what_it_says() -> None:
    assert changes_in({"bongsu": settings.FAST.changes}, {}) == FAST
    assert changes_in({"bongsu": settings.SUPPORTED.changes}, {}) == Changes()


@pytest.mark.parametrize(
    "document",
    [
        {"bongsu": {"lease_breaker": True}},  # without the fence a broken lease stops nobody
        {"bongsu": {"fence": "yes"}},
        {"bongsu": {"minimal_ttl": 5}},
        {"bongsu": {"fence": True}, "tags": {"replicatefrom": "busan"}},
    ],
)
def test_what_makes_no_sense_does_not_start(document: dict[str, Any]) -> None:
    with pytest.raises(NotStarted):
        changes_in(document, {})


def test_to_read_the_changes_changes_nothing() -> None:
    umask = "import os; before = os.umask(0o027); import bongsu.cluster.patroni; print(oct(os.umask(0)))"
    said = subprocess.run([sys.executable, "-c", umask], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "0o27"


def test_this_is_the_patroni_it_was_tried_with() -> None:
    check_patroni()


def test_another_version_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("patroni.version.__version__", "4.1.6")
    with pytest.raises(NotStarted, match="supported settings"):
        check_patroni()


def test_a_method_that_looks_different_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("patroni.ha.Ha.acquire_lock", lambda self, hastily: True)
    with pytest.raises(NotStarted, match="acquire_lock"):
        check_patroni()
