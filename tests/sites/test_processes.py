"""Every process of a site is found again, whoever started it."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from bongsu.lab import processes


def test_sites_that_start_at_the_same_moment_all_get_their_control_groups() -> None:
    """One that does not would live on when its site is powered off."""
    if os.geteuid() != 0 or processes.of_site("bongsu-none", "none").group is None:
        pytest.skip("this machine has no control groups for us")
    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(lambda number: processes.of_site(f"bongsu-none.{number}", "none").group, range(400)))
    assert None not in found
