"""One laboratory of three sites for all tests that need one: they share it, one after the other.

Such tests carry `pytestmark = in_lab`, which keeps them on one of the processes that run tests side by side.
"""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bongsu.cluster.binaries import EtcdMissing
from bongsu.lab import Lab

in_lab = pytest.mark.xdist_group("lab")


@pytest.fixture(scope="session")
def lab_folder() -> Iterator[Path]:
    """In a folder that every user can walk to: the sites do not run as root."""
    folder = Path(tempfile.mkdtemp(prefix="bongsu-lab-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def standing_lab(lab_folder: Path) -> Iterator[Lab]:
    """Three sites, put up once. Tests take the fixture `lab`."""
    try:
        lab = Lab.up(lab_folder / "lab")
    except EtcdMissing as error:
        pytest.skip(str(error))
    try:
        lab.wait_whole()
        yield lab
    finally:
        lab.down(wipe=True)


@pytest.fixture
def lab(standing_lab: Lab) -> Iterator[Lab]:
    """Three sites that are well, whatever the test before did to them."""
    standing_lab.heal_all()
    standing_lab.wait_whole()
    yield standing_lab
    standing_lab.heal_all()
