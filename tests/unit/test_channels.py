"""Channels by themselves: names that look alike, what the ledger adds up to, when what may be sent, who may do what."""

import unicodedata
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bongsu.channels.hearing import withdrawn_by
from bongsu.channels.sending import Plan, planned, put_off
from bongsu.channels.texts import said_in
from bongsu.core import channels as rules
from bongsu.core import limits, marks
from bongsu.core.channels import LIVE, MAY, Action, Agreed, Consent, Deed, Opening, Role, State
from bongsu.core.errors import Refusal
from bongsu.core.events import Event
from bongsu.core.json import encode
from bongsu.core.marks import Certified
from bongsu.store.broadcasts import Broadcast, Recipient, Slice
from bongsu.store.channel_hearing import Heard

HOUR = 3_600_000
TIMES = st.integers(0, 4_000_000_000_000)
ROLES = {  # deed: who may
    Deed.EDIT: "owner editor",
    Deed.CLOSE: "owner",
    Deed.APPOINT: "owner",
    Deed.SEE_STAFF: "owner editor agent",
    Deed.POST: "owner editor",
    Deed.BROADCAST: "owner editor",
    Deed.SEE_FOLLOWERS: "owner editor",
    Deed.SEE_AUDIT: "owner",
}


def korean_hour(ms: int) -> int:
    return (datetime.fromtimestamp(ms / 1000, UTC) + timedelta(hours=9)).hour


# --- who may do what ---


@pytest.mark.parametrize(("deed", "allowed"), ROLES.items(), ids=str)
def test_who_may_do_what(deed: Deed, allowed: str) -> None:
    assert {role.value for role in Role if rules.may(role, deed)} == set(allowed.split())
    with pytest.raises(Refusal, match="M_FORBIDDEN"):
        rules.check_may(None, deed)


def test_every_deed_has_a_row() -> None:
    assert set(MAY) == set(Deed)


# --- names ---


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("한빛은행", "한 빛 은 행"),
        ("Hanbit", "Наnbit"),  # the first two are Cyrillic
        ("Hanbit", "HANBlT"),
        ("Hanbit", "Hánbit"),
        ("HELLO", "HE11O"),
        ("HELLO", "ＨＥＬＬ０"),
        ("modern", "modem"),
        ("한빛은행", unicodedata.normalize("NFD", "한빛은행")),
        ("한빛은행", "한빛·은행!"),
    ],
)
def test_what_looks_alike_has_one_skeleton(one: str, other: str) -> None:
    assert rules.skeleton(one) == rules.skeleton(other) != ""


@pytest.mark.parametrize(("one", "other"), [("한빛은행", "한빛약국"), ("Hanbit", "Hanbyeol"), ("a", "b")])
def test_what_looks_different_has_two(one: str, other: str) -> None:
    assert rules.skeleton(one) != rules.skeleton(other)


@pytest.mark.parametrize(
    "name",
    ["", "  ", "!!!", "a\u200bb", "a\u202eb", "봉수 ✓", "봉수✅", "\u3164\u3164", "x" * 41, "a\x00b", "a\ue000b"],
)
def test_a_name_that_hides_something_is_refused(name: str) -> None:
    with pytest.raises(Refusal, match="M_INVALID_PARAM"):
        rules.check_name(name)


def test_a_name_is_one_line_with_single_spaces() -> None:
    assert rules.check_name("  한빛\n 은행 ") == "한빛 은행"


@given(st.text())
def test_any_name_is_taken_or_refused(name: str) -> None:
    try:
        taken = rules.check_name(name)
    except Refusal:
        return
    assert rules.check_name(taken) == taken
    assert rules.skeleton(taken)


def test_names_near_a_certified_one() -> None:
    certified = [rules.skeleton(name) for name in ("한빛은행", "Hanbit")]
    assert rules.resembles(rules.skeleton("한빛은행 고객센터"), certified) == [certified[0]]
    assert rules.resembles(rules.skeleton("한밫은행"), certified) == [certified[0]]
    assert rules.resembles(rules.skeleton("Hambit"), certified) == [certified[1]]
    assert rules.resembles(rules.skeleton("Hanbits"), certified) == [certified[1]]
    assert rules.resembles(rules.skeleton("Hnbit"), certified) == [certified[1]]
    assert rules.resembles(rules.skeleton("한별약국"), certified) == []


# --- the mark ---


def test_a_mark_is_for_what_was_signed_and_for_a_time() -> None:
    private = bytes(range(32))
    public = marks.public_of(private)
    certified = Certified("c1", "한빛은행", "@channel-c1:x", 100, 200)
    signature = marks.sign(private, certified)
    assert marks.is_valid(public, certified, signature, 100)
    assert not marks.is_valid(public, certified, signature, 200)
    assert not marks.is_valid(public, certified, signature, 99)
    for other in (
        Certified("c2", "한빛은행", "@channel-c1:x", 100, 200),
        Certified("c1", "한빛은행2", "@channel-c1:x", 100, 200),
        Certified("c1", "한빛은행", "@channel-c2:x", 100, 200),
        Certified("c1", "한빛은행", "@channel-c1:x", 100, 300),
    ):
        assert not marks.is_valid(public, other, signature, 150)
    assert not marks.is_valid(marks.public_of(bytes(32)), certified, signature, 150)


# --- opening hours ---


@pytest.mark.parametrize(
    ("when", "is_open"),
    [
        ("2026-11-27T09:00:00+09:00", True),  # a Friday
        ("2026-11-27T08:59:59+09:00", False),
        ("2026-11-27T18:00:00+09:00", False),
        ("2026-11-28T10:00:00+09:00", False),
        ("2026-11-28T23:00:00+09:00", True),
        ("2026-11-29T01:59:00+09:00", True),
        ("2026-11-29T02:00:00+09:00", False),
        ("2026-11-30T01:00:00+09:00", False),
    ],
)
def test_opening_hours(when: str, is_open: bool) -> None:
    hours = [Opening(["mon", "tue", "wed", "thu", "fri"], "09:00", "18:00"), Opening(["sat"], "22:00", "02:00")]
    now_ms = int(datetime.fromisoformat(when).timestamp() * 1000)
    assert rules.is_open(hours, now_ms) is is_open
    assert rules.is_open([], now_ms)


@pytest.mark.parametrize(
    "times", [("9:00", "18:00"), ("09:00", "09:00"), ("09:60", "10:00"), ("24:01", "1:00"), ("", "")]
)
def test_times_of_no_day_are_refused(times: tuple[str, str]) -> None:
    with pytest.raises(Refusal):
        rules.check_hours([Opening(["mon"], *times)])
    with pytest.raises(Refusal):
        rules.check_hours([Opening([], "09:00", "10:00")])


# --- what is agreed to ---

AGREED = st.sampled_from([Agreed(), Agreed(True), Agreed(True, True), Agreed(True, True, True)])


@given(st.lists(AGREED))
def test_the_ledger_adds_up_to_what_holds(wishes: list[Agreed]) -> None:
    ledger: list[tuple[Consent, bool]] = []
    now = Agreed()
    for wanted in wishes:
        told = rules.changes(now, wanted)
        assert (told == []) == (now == wanted)
        ledger += told
        now = wanted
        assert rules.folded(ledger) == now


@given(AGREED, st.sampled_from(Consent))
def test_nothing_stands_without_what_it_rests_upon(agreed: Agreed, consent: Consent) -> None:
    after = agreed.without(consent)
    assert not getattr(after, consent.value)
    assert after.follow or not after.advertising
    assert after.advertising or not after.advertising_at_night
    assert all(not given_ for _, given_ in rules.changes(agreed, after))
    if consent is not Consent.FOLLOW:
        assert after.follow == agreed.follow


def test_each_consent_is_asked_for_in_two_languages() -> None:
    assert set(rules.TEXTS) == set(Consent)
    assert all(len(texts) == 2 and all(texts) for texts in rules.TEXTS.values())
    with pytest.raises(Refusal):
        rules.check_agreed(Agreed(True, False, True))


# --- when what may be sent ---


@given(TIMES)
@example(int(datetime(2026, 11, 27, 12, 0, tzinfo=UTC).timestamp() * 1000))  # 21:00 in Korea
@example(int(datetime(2026, 11, 27, 11, 59, 30, tzinfo=UTC).timestamp() * 1000))  # what begins now may end at 21:00
def test_advertising_waits_for_the_morning(now_ms: int) -> None:
    due = rules.advertising_from(now_ms)
    assert 8 <= korean_hour(due) < 21
    assert (due == now_ms) == (korean_hour(now_ms) >= 8 and korean_hour(now_ms + limits.ADVERTISING_MARGIN_MS) < 21)
    assert 0 <= due - now_ms <= 11 * HOUR + limits.ADVERTISING_MARGIN_MS
    assert rules.advertising_from(due) == due


@given(TIMES, AGREED, st.booleans(), st.one_of(st.none(), st.integers(-HOUR, 20 * HOUR)))
def test_nobody_gets_what_they_did_not_agree_to(now_ms: int, agreed: Agreed, ad: bool, quiet: int | None) -> None:
    until = None if quiet is None else now_ms + quiet
    due = rules.due_at(now_ms, agreed, is_advertising=ad, quiet_until=until)
    if due is None:
        assert not agreed.follow or (ad and not agreed.advertising)
        return
    assert agreed.follow
    assert due >= max(now_ms, until or 0)
    if ad and not agreed.advertising_at_night:
        assert agreed.advertising
        assert 8 <= korean_hour(due) < 21
    elif until is None:
        assert due == now_ms


@given(st.lists(st.tuples(AGREED, st.sampled_from([None, "join", "invite", "leave", "ban"]), st.booleans())), TIMES)
def test_a_plan_has_everybody_once(people: list[tuple[Agreed, str | None, bool]], now_ms: int) -> None:
    recipients = [
        Recipient(f"@{number}:x", agreed, None if membership is None else "!r", membership, is_there)
        for number, (agreed, membership, is_there) in enumerate(people)
    ]
    plan = planned(piece(recipients, advertising=True), {}, now_ms)
    said = [person.user_id for person in (*plan.known, *plan.new)]
    assert sorted([*said, *plan.held, *plan.refused]) == sorted(person.user_id for person in recipients)
    assert all(person.agreed.advertising and person.is_there for person in (*plan.known, *plan.new))
    assert all(person.membership == "join" for person in plan.known)
    assert all(person.membership in (None, "invite") for person in plan.new)
    assert all(due > now_ms for due in plan.held.values())


@given(st.booleans(), st.integers(0, 40 * 24 * HOUR), TIMES)
def test_quiet_hours_hold_it_for_a_day_at_most(ad: bool, quiet: int, now_ms: int) -> None:
    person = Recipient("@p:x", Agreed(True, True), "!r", "join", True)
    plan = planned(piece([person], advertising=ad), {"@p:x": now_ms + quiet}, now_ms)
    due = plan.held.get("@p:x", now_ms)
    assert due <= max(now_ms, min(now_ms + quiet, 24 * HOUR)) + 11 * HOUR + limits.ADVERTISING_MARGIN_MS
    assert ad or due == max(now_ms, min(now_ms + quiet, 24 * HOUR))


def test_night_falls_while_a_slice_waits_for_its_commits() -> None:
    evening = int(datetime(2026, 11, 27, 12, 0, tzinfo=UTC).timestamp() * 1000) - limits.ADVERTISING_MARGIN_MS - 1
    by_day, by_night = (
        Recipient(f"@{night}:x", Agreed(True, True, night), "!r", "join", True) for night in (False, True)
    )
    now = planned(piece([by_day, by_night], advertising=True), {}, evening)
    assert now.known == [by_day, by_night]
    later = Plan([], [], {}, [])
    assert put_off(piece([], advertising=True), later, now.known, evening + 1) == [by_night]
    assert later.held == {by_day.user_id: evening + 1 + limits.ADVERTISING_MARGIN_MS + 11 * HOUR}
    assert put_off(piece([], advertising=False), later, now.known, evening + 1) == now.known


def piece(recipients: list[Recipient], *, advertising: bool) -> Slice:
    broadcast = Broadcast(
        broadcast_id="b",
        channel_id="c",
        author="@a:x",
        content={},
        body="",
        advertising=advertising,
        state=State.RUNNING,
        starts_at=0,
        made_ts=0,
        began_ts=0,
    )
    return Slice(broadcast=broadcast, account="@channel-c:x", recipients=recipients, cursor="", to=None, is_last=True)


# --- the broadcast's states, and slices as workers that die leave them ---


class Broadcasting(RuleBasedStateMachine):
    """Followers in slices, said by workers that may die before they note it: the table's cursor, and a message's id."""

    @initialize(people=st.integers(0, 12), size=st.integers(1, 4))
    def begin(self, people: int, size: int) -> None:
        self.state, self.size = State.SCHEDULED, size
        self.people = list(range(people))
        self.got: dict[int, int] = {}
        self.cursor = -1
        self.slice_to: int | None = None
        self.sent = 0

    @rule()
    def start(self) -> None:
        if self.state is State.SCHEDULED:
            self.state = rules.move(self.state, Action.BEGIN)

    @rule(dies=st.booleans(), says=st.integers(0, 4))
    def work(self, dies: bool, says: int) -> None:
        """One worker's turn. says: how many of the slice it reaches, should it die."""
        if self.state is not State.RUNNING and self.slice_to is None:
            return
        upper = self.slice_to
        found = [each for each in self.people if each > self.cursor and (upper is None or each <= upper)]
        found = found[: self.size]
        if upper is None and not found:
            self.state = rules.move(self.state, Action.END)
            return
        self.slice_to = found[-1]
        if self.state is State.CANCELLED:  # who got it is counted, and nobody else gets it
            found = [each for each in found if each in self.got]
        for each in found[:says] if dies else found:
            self.got[each] = 1  # a transaction id is one event
        if not dies:
            self.sent += len(found)
            self.cursor, self.slice_to = self.slice_to, None

    @rule()
    def cancel(self) -> None:
        if self.state in LIVE:
            self.state = rules.move(self.state, Action.CANCEL)
            self.got_before = dict(self.got)

    @invariant()
    def counts_are_true(self) -> None:
        assert self.sent <= len(self.got) <= len(self.people)
        if self.slice_to is None:
            assert self.sent == len(self.got)
        if self.state is State.DONE:
            assert self.sent == len(self.people)
        if self.state is State.CANCELLED:
            assert self.got == self.got_before


TestBroadcasting = Broadcasting.TestCase


@given(st.sampled_from(State), st.sampled_from(Action))
def test_what_has_ended_stays_so(state: State, action: Action) -> None:
    if state in LIVE:
        return
    with pytest.raises(Refusal, match="BONGSU_WRONG_STATE"):
        rules.move(state, action)


# --- what people say ---


def heard(kind: str, content: object, sender: str = "@p:x", state_key: str | None = None) -> Heard:
    event = Event(
        pos=1,
        event_id="$e",
        room_id="!r",
        type=kind,
        sender=sender,
        state_key=state_key,
        ts_ms=0,
        depth=1,
        content_json=encode(content),
    )
    return Heard("c", "@channel-c:x", "@p:x", event)


def reaction(key: object) -> object:
    return {"m.relates_to": {"rel_type": "m.annotation", "event_id": "$m", "key": key}}


@pytest.mark.parametrize(
    ("said", "consent"),
    [
        (heard("m.room.message", {"msgtype": "m.text", "body": "!거부"}), Consent.ADVERTISING),
        (heard("m.room.message", {"msgtype": "m.text", "body": "> a\n\n !STOP "}), Consent.ADVERTISING),
        (heard("m.room.message", {"msgtype": "m.text", "body": "!unfollow"}), Consent.FOLLOW),
        (heard("m.room.message", {"msgtype": "m.text", "body": "stop!"}), None),
        (heard("m.room.message", {"msgtype": "m.text", "body": 5}), None),
        (heard("m.room.message", {}), None),
        (heard("m.reaction", reaction("🚫")), Consent.ADVERTISING),
        (heard("m.reaction", reaction("🚫\ufe0f")), Consent.ADVERTISING),
        (heard("m.reaction", reaction("👍")), None),
        (heard("m.reaction", reaction(["🚫"])), None),
        (heard("m.room.member", {"membership": "leave"}, state_key="@p:x"), Consent.FOLLOW),
        (heard("m.room.member", {"membership": "leave"}, sender="@q:x", state_key="@p:x"), None),
        (heard("m.room.member", {"membership": "join"}, state_key="@p:x"), None),
        (heard("m.room.message", {"msgtype": "m.text", "body": "!거부"}, sender="@q:x"), None),
    ],
)
def test_what_people_say_is_understood(said: Heard, consent: Consent | None) -> None:
    assert withdrawn_by(said) is consent


@given(st.text())
def test_nothing_that_is_said_is_a_fault(text: str) -> None:
    said_in(text.splitlines())
    withdrawn_by(heard("m.room.message", {"msgtype": "m.text", "body": text}))
