"""What the night of the bed board finds, told of acts that were lost, doubled and not said."""

from collections import Counter

from bongsu.drill.night import compared

ACTS = Counter({("request", "a"): 1, ("assign", "a"): 2})


def test_all_is_well() -> None:
    assert not any(compared(ACTS, ACTS, ACTS))


def test_what_is_lost() -> None:
    assert compared(ACTS + Counter({("accept", "a"): 1}), ACTS, ACTS).lost == {("accept", "a"): 1}


def test_what_is_doubled_in_the_record() -> None:
    assert compared(ACTS, ACTS + Counter({("assign", "a"): 1}), ACTS).doubled == {("assign", "a"): 1}


def test_what_the_room_was_told_too_often_or_never() -> None:
    said = Counter({("assign", "a"): 3})
    assert compared(ACTS, ACTS, said).unsaid == {("request", "a"): 1, ("assign", "a"): 1}
