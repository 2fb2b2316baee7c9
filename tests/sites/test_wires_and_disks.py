"""Long cables and small disks, where they were asked for."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bongsu.lab import Lab
from bongsu.lab.description import Wishes
from bongsu.lab.network import has_namespaces
from tests.sites.conftest import in_lab

pytestmark = in_lab

DELAY_MS = 15.0


@pytest.fixture(scope="module")
def far_lab(lab_folder: Path) -> Iterator[Lab]:
    if not has_namespaces():
        pytest.skip("only root has cables and disks")
    lab = Lab.up(lab_folder / "far", Wishes(delay_ms=DELAY_MS, disk_mb=512))
    try:
        lab.wait_whole()
        yield lab
    finally:
        lab.down(wipe=True)


def round_trip_ms(lab: Lab, here: str, there: str) -> float:
    """Of the fastest of three connections to the other site's etcd, from inside this one."""
    site = lab.site(there)
    script = (
        "import socket, time\n"
        "def once():\n"
        "    began = time.perf_counter()\n"
        f"    socket.create_connection(('{site.address}', {site.etcd_port}), 5).close()\n"
        "    return (time.perf_counter() - began) * 1000\n"
        "print(min(once() for _ in range(3)))\n"
    )
    process = lab.popen(here, ["/usr/bin/env", "python3", "-c", script], stdout=subprocess.PIPE)
    return float(process.communicate(timeout=30)[0])


def test_sites_are_as_far_apart_as_was_asked(far_lab: Lab) -> None:
    first, second, third = far_lab.sites
    assert round_trip_ms(far_lab, first, second) >= 2 * DELAY_MS
    far_lab.stretch(second, delay_ms=3 * DELAY_MS)
    until = time.monotonic() + 10
    while round_trip_ms(far_lab, first, second) < 4 * DELAY_MS:
        assert time.monotonic() < until, "the cable did not become longer"
    assert round_trip_ms(far_lab, first, third) < 4 * DELAY_MS
    far_lab.stretch(second, delay_ms=DELAY_MS)


def test_a_cut_works_on_long_cables_too(far_lab: Lab) -> None:
    cut = far_lab.wait_whole().leader
    assert cut is not None
    far_lab.fault("cut", cut)
    far_lab.wait(lambda status: status.leader not in (None, cut))
    far_lab.heal(cut)
    far_lab.wait_whole()


def test_a_site_with_a_full_disk_leads_no_longer_and_healing_makes_room(far_lab: Lab) -> None:
    full = far_lab.wait_whole().leader
    assert full is not None

    def write(name: str) -> int:
        target = far_lab.place(full).bongsu / name
        return far_lab.popen(full, ["/bin/dd", "if=/dev/zero", f"of={target}", "bs=1M", "count=8"]).wait(30)

    assert write("before") == 0
    far_lab.fault("disk_full", full)
    assert write("meanwhile") != 0
    far_lab.wait(lambda status: status.leader not in (None, full))  # nobody has to do anything: another site has room
    far_lab.heal(full)
    assert write("after") == 0
    far_lab.wait_whole()
