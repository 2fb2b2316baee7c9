"""The bed board's rules: who may do what, which numbers are refused, what fits, and that no path doubles a bed."""

import unicodedata

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from bongsu.core import boards
from bongsu.core.boards import Bed, Place, Staff
from bongsu.core.errors import Refusal

MAY = """
            see publish withdraw request assign accept decline arrive transfer close appoint examine print
coordinator  x     x       x        x      x      x      x      x       x       x      x       x      x
provider     x     x       x        -      -      x      x      x       x       -      -       -      x
requester    x     -       -        x      -      -      -      x       -       x      -       -      x
observer     x     -       -        -      -      -      -      -       -       -      -       -      -
"""


def test_every_role_and_every_act() -> None:
    acts, *rows = (line.split() for line in MAY.strip().splitlines())
    assert set(acts) == set(boards.MAY)
    assert {role for role, *_ in rows} == set(boards.ROLES)
    for role, *marks in rows:
        assert [boards.may(role, act) for act in acts] == [mark == "x" for mark in marks], role  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "900101-1234567",
        "9001011234567",
        "010-1234-5678",
        "01012345678",
        "02-123-4567",
        "+82-10-1234-5678",
        "０１０-1234-5678",
        "900101 - 1234567",
        "(02) 123-4567",
        "홍길동-1",
        "HongGildong1",
        "A B",
        "",
        "-x",
    ],
)
def test_what_names_somebody_is_no_pseudonym(text: str) -> None:
    with pytest.raises(Refusal):
        boards.check_pseudonym(text)


@pytest.mark.parametrize("text", ["P-1f03ab", "강남-17", "case.20221015", "P-00000001"])
def test_pseudonyms(text: str) -> None:
    assert boards.check_pseudonym(text) == text


def test_what_looks_the_same_is_the_same() -> None:
    """Some devices write Hangul in pieces; a hospital of that name would be another one, and hear of nothing."""
    pieces = unicodedata.normalize("NFD", "한빛병원")
    assert pieces != "한빛병원"
    assert boards.check_impersonal(f" {pieces} ", "hospital") == "한빛병원"
    assert boards.check_place(Place(area=pieces)).area == "한빛병원"
    assert boards.check_kinds([unicodedata.normalize("NFD", "중환자")], "kinds") == ["icu"]
    assert boards.check_pseudonym(unicodedata.normalize("NFD", "가-17")) == "가-17"


def test_the_nearest_bed_that_fits_comes_first() -> None:
    seoul, busan = Place(37.57, 126.98, "서울"), Place(35.18, 129.08, "부산")
    beds = [
        Bed("far", ("icu",), busan, 1, 10),
        Bed("rich", ("dialysis", "icu"), seoul, 1, 10),
        Bed("near", ("icu",), seoul, 1, 10),
        Bed("full", ("icu",), seoul, 0, 10),
        Bed("old", ("icu",), seoul, 1, 5),
        Bed("refused", ("icu",), seoul, 1, 10),
        Bed("other", ("birth",), seoul, 1, 10),
    ]
    found = boards.suggestions(["icu"], seoul, beds, {"refused"}, 5)
    assert [each.bed_id for each in found] == ["near", "rich", "far"]
    assert found[2].distance_km == pytest.approx(325, abs=5)


def test_the_tail_is_not_hidden_by_the_mean() -> None:
    found = boards.distribution([1] * 98 + [50, 1_200])
    assert (found.median, found.p90, found.p99, found.longest) == (1, 1, 50, 1_200)
    assert boards.distribution([]).longest is None


def test_silence_is_never_the_end() -> None:
    tier, due = boards.OWNER, boards.first_due("critical", 60_000, 0)
    assert due == 60_000  # the deadline comes before the step
    for _ in range(10):
        tier = boards.next_tier(tier)
        assert boards.next_due("critical", tier, 60_000, due) > due
        due = boards.next_due("critical", tier, 60_000, due)
    assert tier == boards.CONTACTS


def test_a_deadline_is_said_when_it_passes() -> None:
    deadline, step = 25 * 60_000, boards.STEP_MS["ordinary"]
    due = boards.first_due("ordinary", deadline, 0)
    assert due == step
    due = boards.next_due("ordinary", boards.COORDINATORS, deadline, due)
    assert due == deadline
    assert boards.next_due("ordinary", boards.ON_CALL, deadline, due) == deadline + step
    assert boards.first_due("ordinary", deadline, deadline + 1) == deadline + 1 + step  # late: a hospital has its time


def test_who_was_told_stays_told() -> None:
    assert boards.tier_again(boards.CONTACTS, 10, 5) == boards.CONTACTS
    assert boards.tier_again(boards.OWNER, 10, 5) == boards.OWNER
    assert boards.tier_again(boards.OWNER, 10, 10) == boards.COORDINATORS


def test_waits_are_spread_and_the_absent_own_none_while_others_are_there() -> None:
    staff = [
        Staff("away", "coordinator", False, False, 0),
        Staff("busy", "coordinator", True, True, 3),
        Staff("calm", "coordinator", False, True, 1),
        Staff("porter", "requester", True, True, 0),
    ]
    assert boards.calmest(staff) == "calm"
    assert boards.calmest(staff, "calm") == "busy"
    assert boards.spread(staff, 4) == ["calm", "calm", "busy", "calm"]
    assert boards.spread(staff[:1], 2) == ["away", "away"]
    assert boards.spread(staff[3:], 2) == []
    assert boards.called(staff, boards.COORDINATORS, "calm") == ["calm", "away", "busy"]
    assert boards.called(staff, boards.ON_CALL, "calm")[:2] == ["busy", "porter"]


@pytest.mark.parametrize("text", ["a\u2028b", "a\u0085b", "a\u202eb", "a\uffffb", "a\nb"])
def test_a_reason_is_one_line(text: str) -> None:
    with pytest.raises(Refusal):
        boards.check_impersonal(text, "reason")


class ABoard(RuleBasedStateMachine):
    """Any acts in any order on three requests and two beds, as the server applies them."""

    def __init__(self) -> None:
        super().__init__()
        self.state: dict[int, str] = dict.fromkeys(range(3), "waiting")
        self.bed: dict[int, int | None] = dict.fromkeys(range(3))

    @rule(request=st.integers(0, 2), act=st.sampled_from(sorted(boards.STEPS)), bed=st.integers(0, 1))
    def do(self, request: int, act: boards.Act, bed: int) -> None:
        try:
            after = boards.next_state(self.state[request], act)
        except Refusal:
            return
        if act == "assign":
            if bed in self.bed.values():
                return
            self.bed[request] = bed
        elif after not in boards.HOLDING:
            self.bed[request] = None
        self.state[request] = after

    @invariant()
    def a_bed_is_held_by_one_and_only_while_it_is_needed(self) -> None:
        held = [bed for bed in self.bed.values() if bed is not None]
        assert len(held) == len(set(held))
        for request, state in self.state.items():
            assert (self.bed[request] is not None) == (state in boards.HOLDING)


TestABoard = ABoard.TestCase
