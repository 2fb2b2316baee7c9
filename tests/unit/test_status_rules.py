"""When a change is a change, and when faults are one incident."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bongsu.core import limits
from bongsu.core.tiers import Tier
from bongsu.status.features import FEATURES, Feature, Part, level_of
from bongsu.status.incidents import Began, Entry, Seen, number_all, read
from bongsu.status.rules import Episode, Level, Look, Track, episode_after, observe, together

WINDOW = limits.STATUS_WINDOW_MS
EVERY = 2_000
LEVELS = st.sampled_from(Level)


def watched(levels: Sequence[Level], every_ms: int = EVERY) -> list[Track]:
    """The state after each look."""
    track, states = Track(), []
    for number, level in enumerate(levels):
        track = observe(track, Look(number * every_ms, level))
        states.append(track)
    return states


def test_one_bad_look_is_no_news_and_two_are() -> None:
    once = watched([Level.WORKS] * 3 + [Level.STOPPED] + [Level.WORKS] * 6)
    assert {state.level for state in once[1:]} == {Level.WORKS}
    twice = watched([Level.WORKS] * 3 + [Level.STOPPED] * 2)
    assert twice[-1].level is Level.STOPPED
    assert twice[-1].since_ms == 3 * EVERY, "since the first look that saw it"


def test_what_fails_every_second_time_is_not_well_in_between() -> None:
    states = watched([Level.WORKS] * 3 + [Level.STOPPED, Level.WORKS] * 10)
    assert {state.level for state in states[6:]} == {Level.STOPPED}


def test_well_again_is_said_from_the_first_good_look_on() -> None:
    states = watched([Level.STOPPED] * 4 + [Level.WORKS] * 6)
    assert states[-1].level is Level.WORKS
    assert states[-1].since_ms == 4 * EVERY


def test_nothing_is_known_from_one_look() -> None:
    assert watched([Level.STOPPED])[0].level is None
    assert watched([Level.STOPPED, Level.STOPPED])[1].level is Level.STOPPED


def test_a_look_after_a_long_silence_betters_nothing_alone() -> None:
    track = watched([Level.STOPPED] * 3)[-1]
    track = observe(track, Look(600_000, Level.WORKS))
    assert track.level is Level.STOPPED
    track = observe(track, Look(602_000, Level.WORKS))
    assert track.level is Level.STOPPED


@given(st.lists(LEVELS, min_size=2, max_size=120), st.integers(500, 3_000))
def test_states_do_not_flap(levels: list[Level], every_ms: int) -> None:
    """Between two betterings lies at least the window, and a state is never better than what was seen twice in it."""
    states = watched(levels, every_ms)
    bettered = [
        number
        for number in range(1, len(states))
        if (before := states[number - 1].level) is not None and (states[number].level or 0) < before
    ]
    assert all((later - earlier) * every_ms >= WINDOW for earlier, later in pairwise(bettered))
    for number, state in enumerate(states):
        recent = sorted(look.level for look in state.looks)
        assert number == 0 or len(recent) < 2 or (state.level or 0) >= recent[-2]


@given(st.lists(LEVELS, min_size=2, max_size=60))
def test_since_is_a_moment_that_was_looked_at_and_never_to_come(levels: list[Level]) -> None:
    for number, state in enumerate(watched(levels)):
        assert state.since_ms % EVERY == 0
        assert state.since_ms <= number * EVERY
        assert len(state.looks) <= limits.STATUS_LOOKS_MAX


@given(st.lists(LEVELS, min_size=1, max_size=60), st.lists(LEVELS, min_size=12, max_size=12))
def test_what_stays_is_said(before: list[Level], end: list[Level]) -> None:
    steady = end[0]
    assert watched([*before, *[steady] * 12])[-1].level is steady


@pytest.mark.parametrize(
    ("levels", "level"),
    [
        ([Level.WORKS, Level.WORKS], Level.WORKS),
        ([Level.WORKS, Level.STOPPED], Level.PARTLY),
        ([Level.DELAYED, Level.STOPPED], Level.DELAYED),
        ([Level.STOPPED, Level.STOPPED], Level.STOPPED),
        ([], Level.STOPPED),
    ],
)
def test_sites_together(levels: list[Level], level: Level) -> None:
    assert together(levels) is level


def test_a_feature_is_as_well_as_what_it_needs() -> None:
    feature = Feature("sending files", Tier.FILES, (Part.WRITE, Part.COPY))
    assert level_of(feature, {Part.WRITE: Level.WORKS, Part.READ: Level.STOPPED}) is Level.WORKS
    assert level_of(feature, {Part.WRITE: Level.WORKS, Part.COPY: Level.STOPPED}) is Level.STOPPED
    assert level_of(feature, {Part.WRITE: Level.WORKS}, pressure=Tier.FILES.shed_at) is Level.DELAYED


def test_features_stand_in_the_order_in_which_they_come_back() -> None:
    numbers = [feature.tier.number for feature in FEATURES]
    assert numbers == sorted(numbers)


# --- an episode, as one site sees it ---


def test_an_episode_goes_on_until_all_was_well_for_a_while() -> None:
    bad, good = Track(Level.STOPPED, 1_000), Track(Level.WORKS, 9_000)
    first = episode_after(None, {"text": bad, "reading": good}, 5_000)
    assert first == Episode(1_000, ("text",))
    second = episode_after(first, {"text": bad, "reading": Track(Level.DELAYED, 6_000)}, 8_000)
    assert second == Episode(1_000, ("text", "reading"))
    healed = {"text": good, "reading": Track(Level.WORKS, 12_000)}
    assert episode_after(second, healed, 14_000) == Episode(1_000, ("text", "reading"), 12_000)
    assert episode_after(second, healed, 12_001 + limits.INCIDENT_QUIET_MS) is None


# --- incidents, as all sites saw them ---


def seen(site: str, part: str, level: Level, since_ms: int) -> Seen:
    return Seen(site, since_ms + 4_000, part, level, since_ms)


def incidents_of(*entries: Entry) -> list[tuple[int, int, int | None]]:
    return [(one.number, one.since_ms, one.ended_ms) for one in read(number_all(entries))]


def test_what_several_sites_see_is_one_incident() -> None:
    entries = (
        seen("a", "text", Level.STOPPED, 10_000),
        seen("b", "text", Level.DELAYED, 11_000),
        seen("b", "site:c", Level.STOPPED, 9_000),
        seen("a", "text", Level.WORKS, 20_000),
        seen("b", "text", Level.WORKS, 21_000),
        seen("b", "site:c", Level.WORKS, 30_000),
    )
    (incident,) = read(number_all(entries))
    assert (incident.since_ms, incident.ended_ms) == (9_000, 30_000)
    assert incident.parts == {"text": Level.STOPPED, "site:c": Level.STOPPED}
    assert incident.seen_by == ["a", "b"]
    assert read(number_all(entries[:-1]))[0].ended_ms is None, "it is not over while a part is not well"


def test_a_fault_soon_after_the_end_belongs_to_it_and_a_later_one_does_not() -> None:
    first = (seen("a", "text", Level.STOPPED, 10_000), seen("a", "text", Level.WORKS, 20_000))
    soon = seen("a", "text", Level.STOPPED, 20_000 + limits.INCIDENT_QUIET_MS)
    later = seen("a", "text", Level.STOPPED, 20_001 + limits.INCIDENT_QUIET_MS)
    assert len(incidents_of(*first, soon)) == 1
    assert incidents_of(*first, later) == [(1, 10_000, 20_000), (2, later.since_ms, None)]


def test_a_site_that_was_cut_off_brings_its_sight_afterwards_into_the_same_incident() -> None:
    entries = (
        seen("b", "site:a", Level.STOPPED, 10_000),
        seen("b", "site:a", Level.WORKS, 60_000),
        seen("a", "site:b", Level.STOPPED, 11_000),
        seen("a", "site:b", Level.WORKS, 61_000),
    )
    assert incidents_of(*entries) == [(1, 10_000, 61_000)]


def test_a_site_that_begins_anew_holds_no_incident_open() -> None:
    entries = (seen("a", "text", Level.STOPPED, 10_000), Began("a", 50_000, ("a", "b")))
    assert incidents_of(*entries) == [(1, 10_000, 50_000)]


def test_a_site_that_is_given_up_holds_no_incident_open() -> None:
    entries = (seen("old", "text", Level.STOPPED, 10_000), Began("a", 50_000, ("a", "b")))
    assert incidents_of(*entries) == [(1, 10_000, 50_000)]


@given(
    st.lists(
        st.builds(
            seen,
            st.sampled_from(("a", "b", "c")),
            st.sampled_from(("text", "reading", "site:c")),
            LEVELS,
            st.integers(0, 200_000),
        ),
        max_size=40,
    )
)
def test_one_incident_at_most_is_open(entries: list[Seen]) -> None:
    ordered = sorted(entries, key=lambda entry: entry.at_ms)
    incidents = read(number_all(ordered))
    assert sum(incident.ended_ms is None for incident in incidents) <= 1
    assert [one.number for one in incidents] == list(range(1, len(incidents) + 1))
