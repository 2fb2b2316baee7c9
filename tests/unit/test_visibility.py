"""Who may see what, against the protocol's rules written down once more as plainly as can be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bongsu.core.events import Event
from bongsu.core.visibility import END, Visibility, value_of


def event_at(pos: int) -> Event:
    return Event(
        pos=pos,
        event_id="$e",
        room_id="!r",
        type="m.room.message",
        sender="@a:b",
        state_key=None,
        ts_ms=0,
        depth=1,
        content_json=b"{}",
    )


def seen(visibility: Visibility, *positions: int) -> list[bool]:
    return [visibility.may_see(event_at(pos)) for pos in positions]


def test_member_of_a_shared_room_sees_everything() -> None:
    visibility = Visibility([(50, "invite"), (60, "join")], [(4, "shared")])
    assert visibility.everything
    assert seen(visibility, 1, 55, 60, 1000) == [True] * 4
    assert visibility.state_pos == END


def test_shared_is_what_holds_where_nothing_is_stated() -> None:
    assert Visibility([(60, "join")], []).everything
    assert value_of(None) == value_of("made up") == value_of({}) == "shared"


def test_stranger_sees_nothing_of_a_shared_room() -> None:
    visibility = Visibility([], [(4, "shared")])
    assert visibility.ranges == ()
    assert visibility.state_pos is None
    assert not visibility.may_read


def test_anybody_sees_a_world_readable_room() -> None:
    visibility = Visibility([], [(4, "world_readable")])
    assert visibility.ranges == ((4, END),)
    assert visibility.may_read


def test_left_member_sees_up_to_the_leaving() -> None:
    visibility = Visibility([(10, "join"), (20, "leave"), (30, "ban")], [(4, "shared")])
    assert visibility.ranges == ((0, 20),)
    assert visibility.state_pos == 20


def test_coming_back_shows_what_was_shared_meanwhile() -> None:
    assert Visibility([(10, "join"), (20, "leave"), (30, "join")], [(4, "shared")]).everything


def test_coming_back_does_not_show_what_was_for_members_only() -> None:
    visibility = Visibility([(10, "join"), (20, "leave"), (30, "join")], [(4, "joined")])
    assert seen(visibility, 3, 4, 5, 10, 20, 21, 29, 30, 31) == [
        True,
        True,
        False,
        True,
        True,
        False,
        False,
        True,
        True,
    ]


def test_invited_sees_from_the_invitation_on() -> None:
    visibility = Visibility([(10, "invite"), (20, "join")], [(4, "invited")])
    assert seen(visibility, 5, 9, 10, 15, 20) == [False, False, True, True, True]
    assert Visibility([(10, "invite")], [(4, "invited")]).may_read
    assert not Visibility([(10, "invite")], [(4, "shared")]).may_read


def test_invited_to_a_joined_only_room_sees_from_the_joining_on() -> None:
    visibility = Visibility([(10, "invite"), (20, "join")], [(4, "joined")])
    assert seen(visibility, 10, 15, 19, 20, 21) == [False, False, False, True, True]


def test_a_change_of_visibility_is_judged_by_before_or_after() -> None:
    visibility = Visibility([], [(4, "world_readable"), (10, "joined"), (20, "world_readable")])
    assert visibility.ranges == ((4, 10), (20, END))


def test_a_later_change_does_not_open_what_was_closed() -> None:
    visibility = Visibility([(30, "join")], [(4, "joined"), (20, "shared")])
    assert seen(visibility, 5, 19, 20, 25) == [False, False, True, True]


def test_membership_at_each_event() -> None:
    visibility = Visibility([(10, "invite"), (20, "join"), (30, "leave")], [])
    assert [visibility.membership_at(pos) for pos in (9, 10, 19, 20, 30, 99)] == [
        "leave",
        "invite",
        "invite",
        "join",
        "leave",
        "leave",
    ]


def test_of_stay_sees_the_stay() -> None:
    visibility = Visibility.of_stay(10)
    assert seen(visibility, 10, 11) == [True, True]
    assert visibility.membership_at(11) == "join"


MEMBERSHIPS = st.sampled_from(["join", "invite", "knock", "leave", "ban"])
VALUES = st.sampled_from(["world_readable", "shared", "invited", "joined"])
CHANGES = st.lists(st.one_of(st.tuples(st.just("membership"), MEMBERSHIPS), st.tuples(st.just("value"), VALUES)))


def plainly(history: list[tuple[str, str]], pos: int) -> bool:
    """The rules, event by event. history[i] is what the event at position i + 1 changes ("message": nothing)."""

    def held(which: str, up_to: int, default: str) -> str:
        return next((new for kind, new in reversed(history[:up_to]) if kind == which), default)

    def allowed(up_to: int) -> bool:
        membership = held("membership", up_to, "leave")
        value = held("value", up_to, "shared")
        joined_later = ("membership", "join") in history[pos:]
        return (
            value == "world_readable"
            or membership == "join"
            or (value == "shared" and joined_later)
            or (value == "invited" and membership == "invite")
        )

    return allowed(pos - 1) or allowed(pos)


@given(CHANGES.flatmap(lambda c: st.permutations([*c, *[("message", "")] * 3])))
def test_agrees_with_the_rules_event_by_event(history: list[tuple[str, str]]) -> None:
    placed = [(pos, kind, new) for pos, (kind, new) in enumerate(history, 1)]
    visibility = Visibility(
        [(pos, new) for pos, kind, new in placed if kind == "membership"],
        [(pos, new) for pos, kind, new in placed if kind == "value"],
    )
    positions = range(1, len(history) + 1)
    assert seen(visibility, *positions) == [plainly(history, pos) for pos in positions]


@pytest.mark.parametrize("membership", ["invite", "knock", "leave", "ban"])
def test_state_of_an_earlier_stay_is_that_of_the_leaving(membership: str) -> None:
    visibility = Visibility([(10, "join"), (20, "leave"), (30, membership)], [(4, "joined")])
    assert visibility.state_pos == 20
