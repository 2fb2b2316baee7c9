"""The fence's decisions by themselves: who may be elected, reign on, be broken, and under which conditions in etcd."""

import itertools

import pytest

from bongsu.cluster.ballots import delete, guarded, is_absent, is_revision, is_value, put, read_ballot
from bongsu.cluster.breaker import KNOCKS_MIN, SILENCE_SECONDS, Silence, is_agreed, is_breakable
from bongsu.cluster.fence import (
    Ballot,
    Cast,
    Voters,
    has_quorum_voted,
    is_worth_counting,
    may_be_elected,
    may_reign_on,
)

SITES = ("busan", "gwangju", "seoul")
VOTERS = Voters("seoul", frozenset(SITES), quorum=1)  # commits wait for one of busan and gwangju
LEADER = "/service/bongsu/leader"


def ballot(elected: str | None = None, **positions: int) -> Ballot:
    return Ballot(elected=elected, votes={name: Cast(str(at), str(at + 7)) for name, at in positions.items()})


def suspecting(version: str, *names: str) -> Ballot:
    votes = {name: Cast("100", "1") for name in ("busan", "gwangju")}
    return Ballot(votes=votes, suspects={name: Cast(version, "5") for name in names})


@pytest.mark.parametrize(
    ("votes", "is_elected"),
    [
        ({"busan": 100, "gwangju": 100}, True),
        ({"busan": 100, "gwangju": 99}, True),
        ({"busan": 100, "gwangju": 101}, False),  # gwangju may hold what was acknowledged
        ({"busan": 100}, False),  # gwangju may still follow, and confirm
        ({"gwangju": 100}, False),  # I follow somebody myself
        ({"busan": 100, "seoul": 100}, True),  # the old leader itself stepped down and follows nobody
        ({"busan": 100, "seoul": 105, "gwangju": 100}, True),  # it is ahead by what nobody confirmed
        ({}, False),
    ],
)
def test_a_candidate_needs_its_own_vote_and_a_quorum_at_or_below_it(votes: dict[str, int], is_elected: bool) -> None:
    assert may_be_elected("busan", VOTERS, ballot(None, **votes)).holds is is_elected


def test_someone_outside_the_voters_needs_one_vote_more() -> None:
    voters = Voters("seoul", frozenset({"seoul", "gwangju"}), quorum=0)
    assert not may_be_elected("busan", voters, ballot(busan=100)).holds
    assert may_be_elected("busan", voters, ballot(busan=100, gwangju=100)).holds
    assert may_be_elected("gwangju", voters, ballot(gwangju=100)).holds


def _acknowledged_max(following: set[str], positions: dict[str, int], written: int) -> int:
    """The last position the old leader may have acknowledged: one follower suffices, and a voter confirmed its own."""
    return written if following else max(positions.values(), default=0)


def test_whoever_is_elected_has_all_that_was_acknowledged_and_can_be() -> None:
    """Every combination of who voted and where they stand; the old leader has written more and goes on."""
    for standings in itertools.product((None, 90, 100, 110), repeat=2):
        positions = dict(zip(("busan", "gwangju"), standings, strict=True))
        votes = {name: at for name, at in positions.items() if at is not None}
        following = {name for name, at in positions.items() if at is None}
        for name, position in votes.items():
            if may_be_elected(name, VOTERS, ballot(None, **votes)).holds:
                assert _acknowledged_max(following, votes, written=120) <= position


def test_one_reigns_on_only_if_nobody_else_was_elected() -> None:
    assert may_reign_on("seoul", ballot()).holds
    assert may_reign_on("seoul", ballot(elected="seoul")).holds
    assert not may_reign_on("seoul", ballot(elected="busan", seoul=500, gwangju=1)).holds


def test_a_quorum_has_voted_when_no_commit_can_be_confirmed() -> None:
    assert has_quorum_voted(VOTERS, ballot(busan=1, gwangju=1))
    assert not has_quorum_voted(VOTERS, ballot(busan=1))
    assert not has_quorum_voted(VOTERS, ballot(busan=1, seoul=1))
    assert not has_quorum_voted(VOTERS, ballot(busan=1, daegu=1))


def test_a_candidate_waits_until_a_quorum_stands() -> None:
    assert not is_worth_counting("busan", VOTERS, ballot(busan=1))
    assert is_worth_counting("busan", VOTERS, ballot(busan=1, gwangju=2))


def test_the_leaders_key_is_created_under_the_fences_conditions_only() -> None:
    race = {"compare": [is_absent(LEADER)], "success": [put(LEADER, "busan", "77")]}
    conditions = [is_revision("/service/bongsu/fence/votes/gwangju", "12")]
    effects = [put("/service/bongsu/fence/elected", "busan"), put("/service/bongsu/fence/votes/busan", "")]
    changed = guarded(race, LEADER, conditions, effects)
    assert changed["compare"] == [is_absent(LEADER), *conditions]
    assert changed["success"] == [put(LEADER, "busan", "77"), *effects]


def test_so_it_is_where_patroni_creates_it_in_passing() -> None:
    """A leader whose lease was lost while it slept creates the key again inside another transaction."""
    nested = {"compare": [is_absent(LEADER)], "success": [put(LEADER, "seoul", "78")]}
    renewal = {
        "compare": [is_value(LEADER, "seoul")],
        "success": [put(LEADER, "seoul", "78")],
        "failure": [{"request_txn": nested}],
    }
    conditions = [is_value("/service/bongsu/fence/elected", "seoul")]
    changed = guarded(renewal, LEADER, conditions, [put("/e", "seoul")])
    assert changed["compare"] == renewal["compare"]
    assert changed["failure"][0]["request_txn"]["compare"] == [is_absent(LEADER), *conditions]


@pytest.mark.parametrize(
    "fields",
    [
        {"compare": [is_absent("/service/bongsu/initialize")], "success": [put("/service/bongsu/initialize", "7")]},
        {"compare": [is_value(LEADER, "seoul")], "success": [delete(LEADER)]},
    ],
)
def test_other_transactions_pass_as_they_are(fields: dict[str, object]) -> None:
    assert guarded(dict(fields), LEADER, [is_absent("/x")], [put("/e", "seoul")]) == fields


def test_a_ballot_is_read_from_etcds_answer() -> None:
    kvs = [
        {**put("/service/bongsu/fence/votes/busan", "100", "77")["request_put"], "mod_revision": "41"},
        {**put("/service/bongsu/fence/votes/seoul", "")["request_put"], "mod_revision": "38"},
        {**put("/service/bongsu/fence/elected", "seoul")["request_put"], "mod_revision": "9"},
        {**put("/service/bongsu/fence/suspects/busan", "30")["request_put"], "mod_revision": "40"},
    ]
    read = read_ballot("/service/bongsu/", {"kvs": kvs})
    assert read.elected == "seoul"
    assert read.votes == {"busan": Cast("100", "41", "77")}  # seoul took its vote back
    assert read.turns == {"busan": "41", "seoul": "38"}
    assert read.suspects == {"busan": Cast("30", "40")}
    assert read.stands("busan", 100, "77")
    assert not read.stands("busan", 100, "78")
    assert not read.stands("seoul", 100, "77")
    assert read_ballot("/service/bongsu/", {}) == Ballot()


def test_most_members_suspect_the_same_version_of_the_key() -> None:
    assert is_agreed(suspecting("30", "busan", "gwangju"), "30", SITES)
    assert not is_agreed(suspecting("30", "busan"), "30", SITES)
    assert not is_agreed(suspecting("30", "busan", "gwangju"), "31", SITES)  # it has a new holder, or was renewed
    assert not is_agreed(suspecting("30", "busan", "daegu"), "30", SITES)


def test_a_lease_is_broken_only_when_agreed_voted_and_rested() -> None:
    agreed = suspecting("30", "busan", "gwangju")
    assert is_breakable(agreed, "30", SITES, VOTERS)
    assert not is_breakable(suspecting("30", "busan"), "30", SITES, VOTERS)
    unvoted = Ballot(suspects=agreed.suspects, votes={"busan": Cast("100", "1")})
    assert not is_breakable(unvoted, "30", SITES, VOTERS)
    resting = Ballot(suspects=agreed.suspects, votes=agreed.votes, is_breaker_resting=True)
    assert not is_breakable(resting, "30", SITES, VOTERS)


def test_silence_is_long_only_when_every_knock_of_a_second_failed() -> None:
    silence = Silence()
    for knock in range(KNOCKS_MIN):
        silence.note(knock * SILENCE_SECONDS, False)
    assert silence.is_long(KNOCKS_MIN * SILENCE_SECONDS)
    silence.note(KNOCKS_MIN * SILENCE_SECONDS, True)
    assert not silence.is_long(100.0)


def test_a_thread_that_slept_has_not_heard_silence() -> None:
    silence = Silence()
    silence.note(0.0, False)
    silence.note(100.0, False)  # a machine that stood still for a long time: two knocks are no evidence
    assert not silence.is_long(100.0)
