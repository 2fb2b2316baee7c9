"""Calls for later that share a timer: none comes early, each comes soon after, and what was taken back never comes."""

import asyncio

from bongsu.http.deadlines import Deadlines


async def test_each_comes_once_and_none_early() -> None:
    loop = asyncio.get_running_loop()
    deadlines, came = Deadlines(loop), list[tuple[float, float]]()
    for seconds in (0.7, 0.1, 1.2, 0.1, 0.0):
        due = loop.time() + seconds
        deadlines.call_later(seconds, lambda due=due: came.append((due, loop.time())))  # type: ignore[misc]
    async with asyncio.timeout(20):
        while len(came) < 5:
            await asyncio.sleep(0.05)
    assert all(at >= due for due, at in came)
    assert [due for due, _ in came[-2:]] == sorted(due for due, _ in came)[-2:]


async def test_what_was_taken_back_never_comes() -> None:
    deadlines, came = Deadlines(asyncio.get_running_loop()), list[str]()
    last = asyncio.Event()
    taken_back = deadlines.call_later(0.05, lambda: came.append("taken back"))
    deadlines.call_later(0.05, lambda: came.append("first"))
    deadlines.call_later(0.6, last.set)
    taken_back.cancel()
    async with asyncio.timeout(20):
        await last.wait()
    assert came == ["first"]


async def test_one_that_is_set_by_another_comes_too() -> None:
    deadlines, done = Deadlines(asyncio.get_running_loop()), asyncio.Event()
    deadlines.call_later(0.0, lambda: deadlines.call_later(0.0, done.set))
    async with asyncio.timeout(20):
        await done.wait()
