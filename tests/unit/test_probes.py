"""What a site measures of itself is tried when it must be, and no oftener."""

import asyncio

from bongsu.status.probes import Effort
from bongsu.status.rules import Level


class Tried:
    def __init__(self) -> None:
        self.times = 0
        self.fails = False

    async def once(self) -> None:
        self.times += 1
        if self.fails:
            raise OSError("no")


async def test_what_is_not_proven_is_tried_at_each_look() -> None:
    tried = Tried()
    effort = Effort(tried.once, 1.0)
    assert [await effort.look() for _ in range(3)] == [Level.WORKS] * 3
    assert tried.times == 3


async def test_what_people_just_did_is_not_done_again() -> None:
    tried, proofs = Tried(), iter((True, False, True))
    effort = Effort(tried.once, 1.0, is_proven=lambda: next(proofs))
    for expected in (0, 1, 1):
        assert await effort.look() is Level.WORKS
        assert tried.times == expected


async def test_a_good_answer_counts_for_some_looks_and_a_bad_one_for_none() -> None:
    tried = Tried()
    effort = Effort(tried.once, 1.0, rests=2)
    for expected in (1, 1, 1, 2):
        assert await effort.look() is Level.WORKS
        assert tried.times == expected
    tried.fails = True
    assert [await effort.look() for _ in range(2)] == [Level.WORKS] * 2, "the answer still counts"
    for expected in (3, 4):
        assert await effort.look() is Level.STOPPED
        assert tried.times == expected
    tried.fails = False
    assert await effort.look() is Level.WORKS


async def test_a_try_that_hangs_is_not_covered_by_a_proof() -> None:
    hangs = asyncio.Event()
    effort = Effort(hangs.wait, 0.0, is_proven=iter((False, True)).__next__)
    assert await effort.look() is Level.STOPPED
    assert await effort.look() is Level.STOPPED
    await effort.stop()


async def test_what_comes_back_late_is_waited_for_only_so_long_and_tried_once() -> None:
    tried, comes = Tried(), asyncio.Event()

    async def late() -> None:
        await tried.once()
        await comes.wait()

    effort = Effort(late, 60.0)
    assert not effort.stands()
    assert not (await effort.comes_back(0.01)).done()
    assert not effort.stands()
    comes.set()
    assert await effort.tried() is Level.WORKS
    assert tried.times == 1
