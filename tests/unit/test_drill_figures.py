"""What a drill says in figures: outages, verdicts, the order of faults."""

import itertools

import numpy as np
import pytest

from bongsu.drill.faults import Happened, is_whole
from bongsu.drill.outages import Felt, longest_gap
from bongsu.drill.scenes import SCENES, Loss, programme
from bongsu.drill.texts import SCENES as SCENE_TEXTS
from bongsu.drill.texts import TEXTS
from bongsu.drill.verdict import SAFE, Fate, manners, summaries, times


@pytest.mark.parametrize(
    ("at", "gap"),
    [
        ([], 10.0),  # nothing at all: as long as one looked
        ([9.0, 12.0, 13.0, 19.0], 6.0),
        ([9.0, 16.0, 19.0], 7.0),  # it began before the fault was noticed
        ([9.0, 11.0], 9.0),  # it lasts until the end
    ],
)
def test_the_longest_gap_in_a_window(at: list[float], gap: float) -> None:
    assert longest_gap(np.array(at), 10.0, 20.0) == gap


def _fate(loss: Loss, write: float, read: float = 0.1, rejoin: float | None = 5.0) -> Fate:
    happened = Happened(0, "a scene", loss, ["north"], "north", 0.0)
    return Fate(happened, Felt(write, write, write, read, rejoin))


def _kept(fates: list[Fate]) -> dict[str, bool | None]:
    return {check.key: check.is_kept for check in times(fates)}


def test_times_hold_over_the_faults_they_speak_of() -> None:
    fates = [_fate(Loss.LEADER, 7.0), _fate(Loss.LEADER, 9.0), _fate(Loss.LEADER, 7.5), _fate(Loss.STANDBY, 0.5)]
    assert set(_kept(fates).values()) == {True}


@pytest.mark.parametrize(
    ("bad", "broken"),
    [
        (_fate(Loss.LEADER, 12.5), {"write_leader_worst"}),
        (_fate(Loss.STANDBY, 1.2), {"write_other_worst"}),
        (_fate(Loss.STANDBY, 0.1, read=2.5), {"read_worst"}),
        (_fate(Loss.PART, 30.0, rejoin=None), {"rejoined"}),
        (_fate(Loss.EVERYTHING, 60.0, read=60.0), set()),
    ],
)
def test_one_bad_fault_breaks_its_promise_alone(bad: Fate, broken: set[str]) -> None:
    kept = _kept([_fate(Loss.LEADER, 7.0), _fate(Loss.LEADER, 7.0), _fate(Loss.STANDBY, 0.5), bad])
    assert {key for key, is_kept in kept.items() if is_kept is False} == broken


def test_what_was_not_played_is_not_tested() -> None:
    assert set(_kept([]).values()) == {None}


def test_an_answer_that_misleads_is_found() -> None:
    good = {(1, 200): 9, (1, 503): 1, (2, 3): 1, (5, 404): 1}
    assert [check.is_kept for check in manners(good, 0)] == [True, True]
    assert [check.is_kept for check in manners({**good, (2, 401): 1}, 1)] == [False, False]


def test_summaries_tell_median_and_worst() -> None:
    (summary,) = summaries([_fate(Loss.LEADER, write) for write in (7.0, 9.0, 7.5)])
    assert (summary.count, summary.write) == (3, (7.5, 9.0))


def test_the_same_seed_plays_the_same_faults_and_every_round_all() -> None:
    names = list(SCENES)
    first = list(itertools.islice(programme(names, 5), 2 * len(names)))
    assert first == list(itertools.islice(programme(names, 5), 2 * len(names)))
    assert sorted(first[: len(names)]) == sorted(first[len(names) :]) == sorted(names)
    assert first != list(itertools.islice(programme(names, 6), 2 * len(names)))


def test_sites_are_whole_with_one_leader_and_nobody_down() -> None:
    assert is_whole({"a": "leader", "b": "standby", "c": "standby"})
    assert not is_whole({"a": "leader", "b": "standby", "c": "down"})
    assert not is_whole({"a": "leader", "b": "leader", "c": "standby"})
    assert not is_whole({"a": "standby", "b": "standby", "c": "standby"})


def test_everything_has_its_words() -> None:
    assert set(SCENE_TEXTS) == set(SCENES)
    assert {check.key for check in [*times([]), *manners({}, 0)]} | set(SAFE) <= set(TEXTS)
    assert {loss.value for loss in Loss} <= set(TEXTS) | {"the leader's site"}
