"""Reads everything back from every site, and gives the record and the readings to the checker, one room at a time."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bongsu.drill.checker import Copy, Photo, Reading, Violation, check, check_photos, check_positions
from bongsu.drill.crowd import Crowd
from bongsu.drill.photos import copies
from bongsu.drill.reader import Fold
from bongsu.drill.record import Written

Step = Callable[[str, int, int], None]  # (what, how far, of how many)
Live = Callable[[str], Sequence[Reading]]  # room id → what those who read along were shown


class ReadBack(NamedTuple):
    """What new devices found afterwards: one at every site, and the history of one site from its begin."""

    fresh: list[Fold]
    history: list[Fold]
    copies: list[Copy]


async def read_back(crowd: Crowd, folder: Path, places: Mapping[str, int], step: Step) -> ReadBack:
    """Asks each site by itself, so that what one lacks cannot come from another's answer. places: name → number."""
    found = ReadBack([], [], [])
    for done, (name, site) in enumerate(places.items()):
        step("reading everything back", done, len(places) + 1)
        found.fresh.append((await crowd.fresh_reader(folder, site, name)).fold)
        found.copies.extend(await copies(crowd.late(site), crowd.album.photos, site, name))
    step("reading everything back", len(places), len(places) + 1)
    for name, site in list(places.items())[:1]:
        found.history.append((await crowd.history(folder, site, name)).fold)
    return found


async def judge(
    written: Written, live: Live, back: ReadBack, photos: Sequence[Photo], names: Sequence[str], step: Step
) -> list[Violation]:
    """Every violation of the run. Rooms are independent, and one room's readings fit into memory."""
    found = _shared_answers(written)
    found += check_photos(photos, back.copies, names)
    for room, room_id in enumerate(written.rooms):
        step("checking", room, len(written.rooms))
        readings = [*live(room_id), *_read_back(back, room_id)]
        found += await asyncio.to_thread(_judge_room, written, room, readings)
    return found


def _judge_room(written: Written, room: int, readings: Sequence[Reading]) -> list[Violation]:
    return [*check(written.sends_of(room), readings), *check_positions(readings)]


def _read_back(back: ReadBack, room_id: str) -> list[Reading]:
    """History tells no state."""
    history = [fold.reading(room_id)._replace(state=None) for fold in back.history]
    return [*(fold.reading(room_id) for fold in back.fresh), *history]


def _shared_answers(written: Written) -> list[Violation]:
    """One event id as the answer to two sends, which may be in two rooms."""
    return [
        Violation("wrong id", f"{event_id} was the answer to sends {', '.join(map(str, numbers))}")
        for event_id, numbers in written.shared_answers()
    ]
