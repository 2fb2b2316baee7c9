"""The judge is judged: each fault a server could commit is planted into a good run, and must be found."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bongsu.drill.checker import Reading, Seen, Send, Stretch, Violation, check

ROOM = "!room"
CREATE = Seen("$create", "@owner", None)
State = dict[tuple[str, str], str]


def _send(number: int, *acknowledged: str) -> Send:
    return Send(f"@p{number % 3}", ROOM, f"t{number}", f"body {number}", number / 10, acknowledged)


def _seen(number: int) -> Seen:
    return Seen(f"$e{number}", f"@p{number % 3}", f"body {number}")


SENDS = [_send(number, f"$e{number}") for number in range(8)]
SHOWN = [CREATE, *(_seen(number) for number in range(8))]


def _reading(
    reader: str, events: Sequence[Seen], *cuts: int, is_whole: bool = True, state: State | None = None
) -> Reading:
    """A reading in stretches that meet at the cuts."""
    bounds = [0, *cuts, len(events)]
    stretches = tuple(Stretch(f"s{begin}", f"s{end}", tuple(events[begin:end])) for begin, end in pairwise(bounds))
    return Reading(reader, ROOM, stretches, is_whole, state)


def _kinds(violations: list[Violation]) -> set[str]:
    return {violation.kind for violation in violations}


GOOD = _reading("fresh", SHOWN)


def test_a_good_run_has_no_violation() -> None:
    assert check(SENDS, [GOOD, _reading("live", SHOWN, 3, 5)]) == []


def test_an_unacknowledged_send_may_have_happened_or_not() -> None:
    assert check([*SENDS, _send(8)], [GOOD]) == []
    assert check([*SENDS, _send(8)], [_reading("fresh", [*SHOWN, _seen(8)])]) == []


def test_an_unacknowledged_send_must_not_happen_twice() -> None:
    twice = [*SHOWN, _seen(8), _seen(8)._replace(event_id="$again")]
    assert _kinds(check([*SENDS, _send(8)], [_reading("fresh", twice)])) == {"doubled"}


def test_a_loss_is_found_whoever_misses_it() -> None:
    short = [seen for seen in SHOWN if seen != _seen(4)]
    assert _kinds(check(SENDS, [_reading("fresh", short)])) == {"lost"}
    assert _kinds(check(SENDS, [GOOD, _reading("live", short)])) == {"lost"}


def test_the_last_acknowledged_event_is_not_forgiven() -> None:
    assert _kinds(check(SENDS, [_reading("fresh", SHOWN[:-1])])) == {"lost"}


def test_a_room_that_came_back_empty_has_lost_everything() -> None:
    lost = check(SENDS, [_reading("fresh", [])])
    assert len(lost) == len(SENDS)
    assert _kinds(lost) == {"lost"}


def test_events_that_are_no_messages_must_reach_everybody_too() -> None:
    assert _kinds(check(SENDS, [GOOD, _reading("live", SHOWN[1:])])) == {"lost"}
    assert _kinds(check(SENDS, [_reading("live", SHOWN[1:]), GOOD])) == {"lost"}


def test_a_reader_that_left_early_owes_nothing_but_order() -> None:
    assert check(SENDS, [GOOD, _reading("early", SHOWN[:4], is_whole=False)]) == []
    moved = [SHOWN[2], SHOWN[1]]
    assert _kinds(check(SENDS, [GOOD, _reading("early", moved, is_whole=False)])) == {"order"}


def test_an_event_shown_twice_is_found() -> None:
    assert _kinds(check(SENDS, [_reading("fresh", [*SHOWN[:5], *SHOWN[4:]])])) >= {"doubled"}


def test_one_message_in_two_events_is_found() -> None:
    assert "doubled" in _kinds(check(SENDS, [_reading("fresh", [*SHOWN, _seen(2)._replace(event_id="$again")])]))


def test_two_answers_to_one_transaction_id_are_found() -> None:
    sends = [*SENDS[:-1], _send(7, "$e7", "$again")]
    assert "doubled" in _kinds(check(sends, [GOOD]))


def test_one_answer_to_two_sends_is_found() -> None:
    assert "wrong id" in _kinds(check([*SENDS, _send(8, "$e3")], [GOOD]))


def test_an_answer_that_names_another_event_is_found() -> None:
    sends = [*SENDS[:-1], _send(7, "$other")]
    assert _kinds(check(sends, [GOOD])) == {"wrong id", "lost"}


@pytest.mark.parametrize(
    "change",
    [
        lambda seen: seen._replace(body="nobody said this", event_id="$new"),
        lambda seen: seen._replace(sender="@p1"),
    ],
    ids=["made up", "of somebody else"],
)
def test_a_foreign_event_is_found(change: Callable[[Seen], Seen]) -> None:
    assert "foreign" in _kinds(check(SENDS, [_reading("fresh", [*SHOWN[:4], change(SHOWN[4]), *SHOWN[5:]])]))


def test_a_message_in_another_room_is_found() -> None:
    elsewhere = Reading("fresh", "!other", (Stretch("s0", "s1", (_seen(1),)),))
    assert "foreign" in _kinds(check(SENDS, [GOOD, elsewhere]))


def test_a_gap_between_tokens_is_found_even_if_nothing_was_lost_in_it() -> None:
    stretches = (Stretch("s0", "s4", tuple(SHOWN[:4])), Stretch("s5", "s9", tuple(SHOWN[4:])))
    assert _kinds(check(SENDS, [Reading("live", ROOM, stretches)])) == {"gap"}


def test_state_that_differs_is_found() -> None:
    fresh = _reading("fresh", SHOWN, state={("m.room.topic", ""): "$e3"})
    assert check(SENDS, [fresh, _reading("live", SHOWN, state={("m.room.topic", ""): "$e3"})]) == []
    assert _kinds(check(SENDS, [fresh, _reading("live", SHOWN, state={})])) == {"state"}


def test_two_sends_with_one_body_are_no_run() -> None:
    with pytest.raises(AssertionError):
        check([*SENDS, SENDS[0]], [GOOD])


@given(st.permutations(range(len(SHOWN))))
def test_every_other_order_is_found(order: list[int]) -> None:
    found = check(SENDS, [GOOD, _reading("live", [SHOWN[place] for place in order])])
    assert ("order" in _kinds(found)) == (order != sorted(order))


@given(st.sets(st.sampled_from(range(8)), min_size=1))
def test_every_set_of_losses_is_counted(lost: set[int]) -> None:
    left = [seen for seen in SHOWN if seen not in [_seen(number) for number in lost]]
    assert len(check(SENDS, [_reading("fresh", left)])) == len(lost)
