"""Whatever happens, and wherever a device asks: what it has gathered in increments is what a new device is told.

Histories of four people over two workers on one database. Every device keeps its own token and asks now one worker,
now the other. At the end each must know the same rooms, state, timeline, receipts, account data, tags, unread counts
and summaries as a device of the same person that has just arrived, at either worker. No event may be told twice, no gap
may stay unmarked, and both workers must tell one order.

BONGSU_TEST_EXAMPLES sets how many histories are drawn.
"""

import os

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.order.histories import Phone, Step, all_at_once, one_after_the_other, phones, scripts
from tests.order.workers import Workers

EXAMPLES = int(os.environ.get("BONGSU_TEST_EXAMPLES", "40"))
_quiet = settings(deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)


@settings(_quiet, max_examples=EXAMPLES)
@given(devices=st.lists(phones, min_size=1, max_size=4), script=scripts(10))
async def test_one_after_the_other(workers: Workers, devices: list[Phone], script: list[Step]) -> None:
    await one_after_the_other(workers, devices, script)


@settings(_quiet, max_examples=EXAMPLES // 2)
@given(devices=st.lists(phones, min_size=1, max_size=4), script=scripts(10), crowd=st.integers(2, 16))
async def test_all_at_once(workers: Workers, devices: list[Phone], script: list[Step], crowd: int) -> None:
    await all_at_once(workers, devices, script, crowd)
