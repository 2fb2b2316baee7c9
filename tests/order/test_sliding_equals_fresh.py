"""What a device gathers by sliding sync, with windows that grow, shrink and move, is what a new device is told.

BONGSU_TEST_EXAMPLES sets how many histories are drawn.
"""

import os

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.order.histories import Phone, Step, all_at_once, one_after_the_other, phones, scripts
from tests.order.sliding import SlidingHistory
from tests.order.workers import Workers

EXAMPLES = int(os.environ.get("BONGSU_TEST_EXAMPLES", "40")) // 2
_quiet = settings(deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)


@settings(_quiet, max_examples=EXAMPLES)
@given(devices=st.lists(phones, min_size=1, max_size=4), script=scripts(8))
async def test_one_after_the_other(workers: Workers, devices: list[Phone], script: list[Step]) -> None:
    await one_after_the_other(workers, devices, script, SlidingHistory)


@settings(_quiet, max_examples=EXAMPLES // 2)
@given(devices=st.lists(phones, min_size=1, max_size=4), script=scripts(8), crowd=st.integers(2, 16))
async def test_all_at_once(workers: Workers, devices: list[Phone], script: list[Step], crowd: int) -> None:
    await all_at_once(workers, devices, script, crowd, SlidingHistory)
