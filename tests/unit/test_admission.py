"""Who comes anew: few at work, some in line, the others told a time of their own; and no place is ever lost."""

import asyncio
import random

import pytest

from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.sync.admission import Admission, Entry

AT_ONCE, IN_LINE = limits.ARRIVALS_AT_ONCE_MAX, limits.ARRIVALS_IN_LINE_MAX


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def _enter_in_line(admission: Admission, count: int, name: str = "waiting") -> list[asyncio.Task[Entry]]:
    tasks = [asyncio.create_task(admission.enter(f"{name}{number}")) for number in range(count)]
    await asyncio.sleep(0)
    return tasks


async def _put_off(admission: Admission, user_id: str) -> float:
    """The seconds after which to come again."""
    with pytest.raises(Refusal) as refused:
        await admission.enter(user_id)
    assert (refused.value.status, refused.value.errcode) == (429, "M_LIMIT_EXCEEDED")
    return float(refused.value.fields["retry_after_ms"]) / 1000


async def test_a_few_at_once_and_the_next_when_one_leaves() -> None:
    admission = Admission(Clock())
    inside = [await admission.enter(f"first{number}") for number in range(AT_ONCE)]
    waiting = await _enter_in_line(admission, 2)
    assert not any(task.done() for task in waiting)
    inside[0].leave()
    inside[0].leave()  # once more does no harm
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [task.done() for task in waiting] == [True, False]
    inside[1].leave()
    await waiting[1]


async def test_each_is_told_a_later_time_than_the_one_before() -> None:
    clock = Clock()
    admission = Admission(clock, lambda: 0.5)
    inside = [await admission.enter(f"first{number}") for number in range(AT_ONCE)]
    line = await _enter_in_line(admission, IN_LINE)
    waits = [await _put_off(admission, f"late{number}") for number in range(20_000)]
    assert waits == sorted(waits)
    assert len(inside) == AT_ONCE
    assert waits[0] < waits[100] < limits.ARRIVAL_RETRY_SECONDS_MAX
    assert waits[-1] == pytest.approx(limits.ARRIVAL_RETRY_SECONDS_MAX)
    for task in line:
        task.cancel()


async def test_one_person_with_many_devices_does_not_fill_the_line() -> None:
    admission = Admission(Clock())
    own = [await admission.enter("one") for _ in range(limits.ARRIVALS_PER_PERSON_MAX)]
    await _put_off(admission, "one")
    (another,) = await _enter_in_line(admission, 1, "another")
    own[0].leave()
    await another
    again = asyncio.create_task(admission.enter("one"))  # stands in line now, and is not put off
    own[1].leave()
    await again


@pytest.mark.parametrize("seed", range(20))
async def test_no_place_is_lost_or_doubled(seed: int) -> None:
    """People come, leave and hang up in line in any order; in the end everything is free again."""
    dice = random.Random(seed)
    clock = Clock()
    admission, inside, most = Admission(clock), 0, 0

    async def person(number: int) -> None:
        nonlocal inside, most
        try:
            entry = await admission.enter(f"person{number % 300}")
        except Refusal:
            return
        inside += 1
        most = max(most, inside)
        try:
            for _ in range(dice.randrange(4)):
                await asyncio.sleep(0)
        finally:
            inside -= 1
            entry.leave()

    tasks = [asyncio.create_task(person(number)) for number in range(600)]
    for task in dice.sample(tasks, 200):
        if dice.random() < 0.3:
            await asyncio.sleep(0)
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert 0 < most <= AT_ONCE
    entries = [await asyncio.wait_for(admission.enter(f"after{number}"), 1) for number in range(AT_ONCE)]
    assert len(await _enter_in_line(admission, 1, "last")) == 1
    assert all(isinstance(entry, Entry) for entry in entries)


async def test_the_times_follow_how_fast_the_line_moves() -> None:
    """Twice as slow a line: whoever is put off comes twice as late."""
    waits = []
    for seconds in (0.01, 0.02):
        clock = Clock()
        admission = Admission(clock, lambda: 0.5)
        entries = [await admission.enter(f"first{number}") for number in range(AT_ONCE)]
        line = await _enter_in_line(admission, IN_LINE)
        for task in line[:-20]:
            clock.now += seconds
            entries.pop(0).leave()
            entries.append(await task)
        line += await _enter_in_line(admission, IN_LINE - 20, "more")
        waits.append(await _put_off(admission, "late"))
        for task in line:
            task.cancel()
    assert waits[1] == pytest.approx(2 * waits[0], rel=0.05)


async def test_what_was_begun_goes_on_before_others_and_is_never_put_off() -> None:
    admission = Admission(Clock())
    inside = [await admission.enter(f"first{number}") for number in range(AT_ONCE)]
    line = await _enter_in_line(admission, IN_LINE)
    going_on, given_up = asyncio.create_task(admission.go_on()), asyncio.create_task(admission.go_on())
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.sleep(0)
    assert not going_on.done()
    inside[0].leave()
    entry = await going_on
    assert not any(task.done() for task in line)
    entry.leave()
    await line[0]
    for task in line[1:]:
        task.cancel()
