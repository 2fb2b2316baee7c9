"""Waits that end together."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from bongsu import pace
from bongsu.pace import BEAT_SECONDS, last_beat

_SECONDS = st.floats(min_value=0, max_value=1e6)


@given(began=_SECONDS, passed=_SECONDS)
def test_a_beat_is_at_most_one_beat_earlier(began: float, passed: float) -> None:
    until = began + passed
    assert until - BEAT_SECONDS - 1e-5 < last_beat(began, until) <= until + 1e-5


@given(began=_SECONDS, beats=st.integers(0, 10**6))
def test_who_wakes_on_a_beat_waits_for_the_next_whole_one(began: float, beats: int) -> None:
    now = began + beats * BEAT_SECONDS
    assert abs(last_beat(began, now + BEAT_SECONDS) - (now + BEAT_SECONDS)) < 1e-5


async def test_those_that_began_at_different_times_wake_at_the_same() -> None:
    async def woken(after: float) -> float:
        await asyncio.sleep(after)
        return pace.at(2 * BEAT_SECONDS)

    began = asyncio.get_running_loop().time()
    first, second = await asyncio.gather(woken(0.0), woken(0.01))
    assert abs(first - second) < 1e-5 or abs(second - first - BEAT_SECONDS) < 1e-5
    assert first > began


async def test_a_wait_that_is_shorter_than_a_beat_is_kept() -> None:
    now = asyncio.get_running_loop().time()
    assert abs(pace.at(BEAT_SECONDS / 10) - now - BEAT_SECONDS / 10) < BEAT_SECONDS / 10


async def test_what_comes_is_not_waited_for_any_longer() -> None:
    bell = pace.Bell()
    asyncio.get_running_loop().call_soon(bell.set)
    assert await bell.comes(3_600)
    assert await bell.comes(3_600), "until it is cleared"
    bell.clear()
    assert not await bell.comes(BEAT_SECONDS / 10)


async def test_who_goes_on_waiting_after_another_left_is_woken() -> None:
    bell = pace.Bell()
    left = asyncio.create_task(bell.comes(3_600))
    await asyncio.sleep(0)
    left.cancel()
    await asyncio.wait([left])
    stays = asyncio.create_task(bell.comes(3_600))
    await asyncio.sleep(0)
    bell.set()
    bell.set()
    assert await stays
