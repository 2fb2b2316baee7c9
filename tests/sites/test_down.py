"""What a laboratory made is gone after `down`, however it ended; the data stays until it is wiped."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from bongsu.lab import Lab, LabFailed, description, laboratory
from tests.sites.conftest import in_lab

pytestmark = in_lab


@pytest.fixture
def folder(lab_folder: Path) -> Iterator[Path]:
    yield lab_folder / "other"
    laboratory.down(lab_folder / "other", wipe=True)


def traces(lab: Lab) -> list[str]:
    """Whatever on this machine still tells of it."""
    found = [f"process {pid}" for site in lab.sites for pid in lab.programs.processes(site).pids()]
    found += [str(path) for path in Path("/sys/class/net").glob(f"{lab.description.name}*")]
    found += [str(path) for path in Path("/run/netns").glob(f"{lab.description.name}-*")]
    found += [str(path) for path in Path("/sys/fs/cgroup").rglob(f"{lab.description.name}.*")]
    return found + [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(lab.folder) in line]


def supervisor(lab: Lab) -> int:
    return int((lab.folder / ".supervisor").read_text())


def started(lab: Lab) -> None:
    lab.wait(lambda status: all(site.etcd for site in status.sites))


def test_nothing_is_left_after_down(folder: Path) -> None:
    lab = Lab.up(folder)
    started(lab)
    assert traces(lab)
    line = [sys.executable, "-m", "bongsu", "lab", "down", "--dir", str(folder)]
    for _ in range(2):  # twice does nothing more
        assert subprocess.run(line, check=False).returncode == 0
        assert not traces(lab)
    assert (folder / lab.sites[0] / "etcd").exists()
    assert subprocess.run([*line, "--wipe"], check=False).returncode == 0
    assert not folder.exists()


def test_nothing_is_left_after_its_own_process_was_killed(folder: Path) -> None:
    lab = Lab.up(folder)
    started(lab)
    os.kill(supervisor(lab), signal.SIGKILL)
    laboratory.down(folder)
    assert not traces(lab)


def test_two_laboratories_stand_beside_each_other(lab: Lab, folder: Path) -> None:
    other = Lab.up(folder)
    started(other)
    assert not {lab.url(site) for site in lab.sites} & {other.url(site) for site in other.sites}
    assert other.secrets != lab.secrets
    other.down()
    assert lab.status().is_whole()


def test_one_that_is_down_takes_nothing_from_who_has_its_number_since(folder: Path) -> None:
    first = Lab.up(folder / "first")
    first.down()
    told = first.description
    if not told.has_namespaces:
        pytest.skip("without root the number is claimed by nobody")
    other = Lab.up(folder / "other")
    try:
        if other.description.number != told.number:
            description.write(msgspec.structs.replace(told, number=other.description.number))  # somebody was quicker
        started(other)
        first.down()
        assert all(site.etcd for site in other.status().sites)
    finally:
        other.down(wipe=True)


def test_one_that_is_up_is_not_put_up_again(lab: Lab) -> None:
    with pytest.raises(LabFailed, match="is up"):
        Lab.up(lab.folder)
    assert lab.status().is_whole()


def test_secrets_are_for_their_owner_alone(lab: Lab) -> None:
    secret = [lab.folder / "secrets.json"]
    secret += [
        path for site in lab.sites for path in (lab.place(site).patroni_settings, lab.place(site).first_statements)
    ]
    assert {path.stat().st_mode & 0o777 for path in secret} == {0o600}


def test_nothing_is_left_of_one_whose_folder_was_removed_by_hand(folder: Path) -> None:
    lab = Lab.up(folder)
    if not lab.description.has_namespaces:
        pytest.skip("without root the folder is all there is to find it by")
    started(lab)
    os.kill(supervisor(lab), signal.SIGKILL)
    (folder / "lab.json").unlink()
    laboratory.down(folder)
    assert not traces(lab)
