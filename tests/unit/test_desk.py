"""A desk, templates and webhooks by themselves: no path gives a conversation two agents, or forgets who waits."""

import base64
import hashlib
import hmac
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from bongsu.core import desk, limits, scopes, templates, webhooks
from bongsu.core.channels import Opening, has_opened
from bongsu.core.desk import Actor, State, Talk
from bongsu.core.errors import Refusal
from bongsu.core.templates import Action, Button, ButtonKind, Kind, Reason, Template, Variable
from bongsu.core.webhooks import Type

AGENTS = st.sampled_from(["@a:x", "@b:x", "@c:x"])
ACTORS = st.builds(Actor, AGENTS, st.booleans())
PATIENCE = 50


class Conversation(RuleBasedStateMachine):
    """One conversation, in which customer, agents, owner and bot do what they like; refusals change nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.talk = Talk()
        self.now = 1_000
        self.has_bot = True
        self.unanswered: int | None = None  # when the customer first asked what nobody has answered

    def _at(self) -> int:
        self.now += 10
        return self.now

    @rule()
    def hear(self) -> None:
        now, before = self._at(), self.talk
        self.talk = desk.hear(before, now, has_bot=self.has_bot)
        self.unanswered = now if self.unanswered is None else self.unanswered
        assert self.talk.since_ms is not None
        assert self.talk.agent == before.agent, "writing takes a conversation from nobody"
        assert self.talk.state is not State.CLOSED

    @rule(who=AGENTS)
    def take(self, who: str) -> None:
        before = self.talk
        with suppress(Refusal):
            self.talk = desk.take(before, who)
            assert before.agent in (None, who), "what somebody has is taken by nobody else"
            assert self.talk.agent == who

    @rule(who=ACTORS, to=AGENTS)
    def give(self, who: Actor, to: str) -> None:
        before = self.talk
        with suppress(Refusal):
            self.talk = desk.give(before, who, to)
            assert who.is_lead or before.agent == who.user_id
            assert self.talk.agent == to

    @rule(who=ACTORS)
    def give_back(self, who: Actor) -> None:
        before = self.talk
        with suppress(Refusal):
            self.talk = desk.give_back(before, who, self._at())
            assert self.talk.state is State.WAITING
            assert who.is_lead or before.agent == who.user_id
            self.unanswered = self.talk.since_ms

    @rule(who=AGENTS)
    def answer(self, who: str) -> None:
        before = self.talk
        with suppress(Refusal):
            self.talk = desk.answer(before, who)
            assert (before.state, before.agent) == (State.OPEN, who), "who has it answers, and nobody else"
            assert self.talk.agent == who
            self.unanswered = None

    @rule()
    def answer_as_bot(self) -> None:
        before = self.talk
        with suppress(Refusal):
            self.talk = desk.answer_as_bot(before)
            assert before.state is State.BOT
            self.unanswered = None

    @rule(who=ACTORS)
    def close(self, who: Actor) -> None:
        before = self.talk
        with suppress(Refusal):
            self.talk = desk.close(before, who)
            assert before.agent is None or who.is_lead or before.agent == who.user_id
            self.unanswered = None

    @rule()
    def close_as_bot(self) -> None:
        before = self.talk
        with suppress(Refusal):
            self.talk = desk.close_as_bot(before)
            assert before.state in (State.BOT, State.CLOSED)
            self.unanswered = None

    @rule(who=ACTORS)
    def to_bot(self, who: Actor) -> None:
        before = self.talk
        with suppress(Refusal):
            self.talk = desk.to_bot(before, who, has_bot=self.has_bot)
            assert self.has_bot
            assert before.agent is None or who.is_lead or before.agent == who.user_id

    @rule()
    def to_person(self) -> None:
        before = self.talk
        with suppress(Refusal):
            self.talk = desk.to_person(before, self._at())
            assert before.state is State.BOT
            self.unanswered = self.talk.since_ms

    @rule(seconds=st.integers(0, 100))
    def bot_is_silent(self, seconds: int) -> None:
        self.now += seconds
        before = self.talk
        self.talk = desk.lose_bot(before, self.now, PATIENCE)
        is_late = before.state is State.BOT and before.since_ms is not None and self.now - before.since_ms >= PATIENCE
        assert (self.talk != before) is is_late

    @rule()
    def bot_goes(self) -> None:
        self.has_bot = False
        self.talk = desk.lose_bot(self.talk, self._at())
        if self.talk.state is State.WAITING:
            self.unanswered = self.talk.since_ms
        assert self.talk.state is not State.BOT

    @rule()
    def bot_comes(self) -> None:
        self.has_bot = True

    @rule(who=AGENTS)
    def agent_goes(self, who: str) -> None:
        self.talk = desk.lose_agent(self.talk, who, self._at())
        if self.talk.state is State.WAITING:
            self.unanswered = self.talk.since_ms
        assert self.talk.agent != who

    @invariant()
    def it_holds_what_the_table_holds(self) -> None:
        """The constraints of desk_conversations."""
        assert (self.talk.state is State.OPEN) == (self.talk.agent is not None)
        assert self.talk.state is not State.CLOSED or self.talk.since_ms is None
        assert self.talk.state is not State.WAITING or self.talk.since_ms is not None

    @invariant()
    def nobody_who_waits_is_forgotten_or_put_behind(self) -> None:
        assert self.talk.since_ms == self.unanswered


TestConversation = Conversation.TestCase
TestConversation.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


@pytest.mark.parametrize(
    ("told", "now", "opened"),
    [
        ((2026, 11, 26, 20, 0), (2026, 11, 26, 23, 0), False),
        ((2026, 11, 26, 20, 0), (2026, 11, 27, 8, 59), False),
        ((2026, 11, 26, 20, 0), (2026, 11, 27, 20, 0), True),
        ((2026, 11, 27, 20, 0), (2026, 11, 29, 20, 0), False),  # over the weekend
        ((2026, 11, 27, 20, 0), (2026, 11, 30, 20, 0), True),
        ((2026, 1, 1, 20, 0), (2026, 11, 30, 20, 0), True),
    ],
)
def test_who_was_told_that_it_is_closed_is_told_again_after_it_was_open(told: Any, now: Any, opened: bool) -> None:
    hours = [Opening(["mon", "tue", "wed", "thu", "fri"], "09:00", "18:00")]
    assert has_opened(hours, _korean(*told), _korean(*now)) is opened


def _korean(year: int, month: int, day: int, hour: int, minute: int) -> int:
    from datetime import UTC, datetime

    return int(datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp() * 1000) - 9 * 3_600_000


# --- templates ---

ORDER = Template(
    name="배송 출발",
    reason=Reason.DELIVERY,
    body="#{이름}님, 주문 #{주문번호}이(가) 출발했습니다.\n금액 #{금액}원 · #{날짜} #{시각}",
    variables=(
        Variable("이름", Kind.TEXT, 20),
        Variable("주문번호", Kind.CODE, 20),
        Variable("금액", Kind.AMOUNT, 12),
        Variable("날짜", Kind.DATE, 10),
        Variable("시각", Kind.TIME, 5),
    ),
    buttons=(
        Button(ButtonKind.LINK, "배송 조회", "https://shop.example/track?order=#{주문번호}"),
        Button(ButtonKind.REPLY, "문의하기"),
    ),
)
VALUES = {"이름": "김하나", "주문번호": "A-17", "금액": "1234567", "날짜": "2026-11-26", "시각": "14:30"}


def test_a_template_is_filled() -> None:
    filled = templates.fill(templates.check(ORDER), VALUES)
    assert filled.body == "김하나님, 주문 A-17이(가) 출발했습니다.\n금액 1,234,567원 · 2026-11-26 14:30"
    assert filled.readable.endswith("▶ 배송 조회 https://shop.example/track?order=A-17\n▶ 문의하기")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("이름", ""),
        ("이름", "가" * 21),
        ("이름", "두\n줄"),
        ("이름", "http://evil.example"),
        ("이름", "evil.example"),
        ("이름", "ｅｖｉｌ．ｅｘａｍｐｌｅ"),
        ("이름", "evil。example"),
        ("이름", "가나다.한국"),
        ("이름", "пример.рф"),
        ("이름", "例子.中国"),
        ("이름", "例.みんな"),
        ("이름", "උදාහරණ.ලංකා"),
        ("이름", "परीक्षा.भारत"),
        ("이름", "मोदी.com"),
        ("이름", "tel:0101234"),
        ("이름", "@shop:test.example"),
        ("이름", "a\u202eb"),
        ("이름", "a\u200bb"),
        ("주문번호", "A 17"),
        ("주문번호", "../x"),
        ("금액", "-1"),
        ("금액", "1,000"),
        ("날짜", "2026-02-30"),
        ("날짜", "2026-00-01"),
        ("날짜", "2026-13-01"),
        ("시각", "24:00"),
        ("금액", "١٢٣"),
    ],
)
def test_what_does_not_fit_a_variable_is_refused(name: str, value: str) -> None:
    with pytest.raises(Refusal) as caught:
        templates.fill(ORDER, {**VALUES, name: value})
    assert caught.value.status == 400


def test_values_are_neither_missing_nor_more_nor_looked_at_for_variables() -> None:
    for values in ({}, {**VALUES, "더": "x"}):
        with pytest.raises(Refusal):
            templates.fill(ORDER, values)
    with pytest.raises(Refusal):
        templates.fill(ORDER, {**VALUES, "주문번호": "#{금액}"})
    assert templates.fill(ORDER, {**VALUES, "이름": "#{금액}"}).body.startswith("#{금액}님")


def test_parts_make_no_address_together() -> None:
    pair = Template("t", Reason.ORDER, "#{a}#{b}", (Variable("a"), Variable("b")))
    templates.check(pair)
    with pytest.raises(Refusal):
        templates.fill(pair, {"a": "evil", "b": ".example"})


@pytest.mark.parametrize("said", ["고맙습니다.다음에 또 오세요", "네.ㅋㅋ", "1.5kg", "가격 1.000", "제3.1조"])
def test_what_is_no_address_may_be_put_in(said: str) -> None:
    assert not templates.has_link(said)


@pytest.mark.parametrize("piece", ["a", "@", "#a", "a.", "+a-"])
def test_a_long_text_is_looked_at_once(piece: str) -> None:
    """One that would be looked at anew from each of its letters is never done with."""
    assert not templates.has_link(piece * (200_000 // len(piece)))


@given(st.text(max_size=60))
def test_whatever_is_put_in_no_link_comes_out(value: str) -> None:
    plain = Template("t", Reason.ORDER, "안녕하세요 #{a}님", (Variable("a", Kind.TEXT, 60),))
    with suppress(Refusal):
        assert not templates.has_link(templates.fill(plain, {"a": value}).body)


@pytest.mark.parametrize(
    "wrong",
    [
        {"body": ""},
        {"body": "x" * 1_001},
        {"body": "#{없음}"},
        {"body": "https://shop.example/#{이름} #{주문번호} #{금액} #{날짜} #{시각}"},
        {"body": "#{이름}.example #{주문번호} #{금액} #{날짜} #{시각}"},
        {"buttons": (Button(ButtonKind.LINK, "a", "http://shop.example"),)},
        {"buttons": (Button(ButtonKind.LINK, "a", "https://#{이름}.example/"),)},
        {"buttons": (Button(ButtonKind.LINK, "a", "https://shop.example#{이름}/"),)},
        {"buttons": (Button(ButtonKind.LINK, "a", "https://a@shop.example/"),)},
        {"buttons": (Button(ButtonKind.LINK, "a", "https://shop.example\\#{이름}"),)},
        {"buttons": (Button(ButtonKind.LINK, "a"),)},
        {"buttons": (Button(ButtonKind.REPLY, "a", "https://shop.example"),)},
        {"buttons": (Button(ButtonKind.REPLY, "#{이름}"),)},
        {"buttons": (Button(ButtonKind.REPLY, "a"),) * 6},
        {"variables": (*ORDER.variables, Variable("이름"))},
        {"variables": (*ORDER.variables[:-1], Variable("1시각"))},
        {"name": "두\n줄"},
    ],
    ids=str,
)
def test_a_template_that_could_mislead_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Refusal):
        templates.check(msgspec.structs.replace(ORDER, **wrong))


def test_what_is_approved_comes_from_what_was_submitted() -> None:
    assert templates.move(templates.State.SUBMITTED, Action.APPROVE) is templates.State.APPROVED
    for state in templates.State:
        if state is not templates.State.SUBMITTED:
            with pytest.raises(Refusal):
                templates.move(state, Action.APPROVE)


# --- webhooks ---


def test_a_signature_is_that_of_the_specification() -> None:
    """The example of the Standard Webhooks specification's libraries."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body, webhook_id, timestamp = b'{"test": 2432232314}', "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330
    signed = webhooks.signatures([secret], webhook_id, timestamp, body)
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    both = webhooks.signatures([secret, webhooks.secret(bytes(32))], webhook_id, timestamp, body).split(" ")
    key = hmac.digest(bytes(32), f"{webhook_id}.{timestamp}.".encode() + body, hashlib.sha256)
    assert both == [signed, f"v1,{base64.b64encode(key).decode()}"]


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example/",
        "ftp://shop.example",
        "https://",
        "https://a:b@shop.example/",
        "https://shop.example/#x",
        "https://shop.example:99999/",
        "https://shop.example/한",
        "https://10.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://169.254.169.254/latest",
        "https://shop.example/ x",
        "https://shop.example/" + "x" * 2_048,
    ],
)
def test_no_endpoint_stands_there(url: str) -> None:
    with pytest.raises(Refusal):
        webhooks.check_url(url, allows_private=False)


def test_pauses_grow_and_differ_and_end() -> None:
    pauses = [webhooks.pause_seconds(tries, 0.5) for tries in range(1, 40)]
    assert pauses[:3] == [1.0, 2.0, 4.0]
    assert pauses[-1] == limits.WEBHOOK_RETRY_SECONDS_MAX
    assert webhooks.pause_seconds(3, 0.0) < webhooks.pause_seconds(3, 1.0)
    assert webhooks.pause_seconds(1, 0.5, 60.0) == 60.0
    assert webhooks.pause_seconds(1, 0.5, 1e9) == limits.WEBHOOK_RETRY_SECONDS_MAX


def test_types_and_scopes_that_there_are_not_are_refused() -> None:
    assert webhooks.check_types([Type.PING.value, Type.PING.value]) == ["ping"]
    for wrong in (["message"], ["x\x00"]):
        with pytest.raises(Refusal):
            webhooks.check_types(wrong)
    assert scopes.check_scopes(["desk:bot"]) == ["desk:bot"]
    for none in ([], ["desk"], ["desk:bot", "admin"]):
        with pytest.raises(Refusal):
            scopes.check_scopes(none)
