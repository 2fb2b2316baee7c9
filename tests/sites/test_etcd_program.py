"""Which etcd is used: one that keeps its data when it is killed, or none."""

import os
from pathlib import Path

import pytest

from bongsu.cluster import binaries


@pytest.mark.parametrize(
    ("said", "good"),
    [
        ("etcd Version: 3.4.23\nGit SHA: x", True),
        ("etcd Version: 3.5.1\n", False),
        ("etcd Version: 3.5.3\n", True),
        ("etcd Version: 3.6.0\n", True),
        ("etcd Version: 3.3.25\n", False),
        ("something else", False),
    ],
)
def test_versions_that_lose_data_are_refused(said: str, good: bool) -> None:
    assert (binaries.why_not(binaries.version(said)) is None) is good


def program(folder: Path, text: str) -> Path:
    path = folder / "etcd"
    path.write_text(f"#!/bin/sh\necho '{text}'\n")
    path.chmod(0o755)
    return path


def test_a_given_program_is_asked_which_version_it_is(tmp_path: Path) -> None:
    with pytest.raises(binaries.EtcdMissing, match=r"3\.5\.1"):
        binaries.etcd(program(tmp_path, "etcd Version: 3.5.1"), tmp_path, print)
    with pytest.raises(binaries.EtcdMissing, match="cannot be run"):
        binaries.etcd(tmp_path / "nothing", tmp_path, print)


def test_without_one_the_message_says_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(binaries.EtcdMissing, match="--etcd PATH"):
        binaries.etcd(None, tmp_path / "cache", print)


def test_the_one_on_path_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = program(tmp_path, "etcd Version: 3.4.23")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert binaries.etcd(None, tmp_path / "cache", print) == path.resolve()
