"""The gauge finds the level that is enough, does not swing, and never gives up more under less pressure."""

import asyncio
import random

import pytest

from bongsu.core import limits
from bongsu.core.pressure import Gauge, Signals
from bongsu.core.tiers import Level, Tier
from bongsu.http.shedding import Shedding
from bongsu.site import pressure
from bongsu.store.committer import Committer
from bongsu.store.database import Database
from bongsu.store.feed import Feed

CALM = Signals()
TOO_MUCH = Signals(lag_ms=limits.PRESSURE_LAG_MS_MAX * 1.1)
BETWEEN = Signals(lag_ms=limits.PRESSURE_LAG_MS_MAX * 0.8)
STEP_MS = 200
SEEDS = range(50)


class Clock:
    """A gauge that is asked every fifth of a second."""

    def __init__(self) -> None:
        self.gauge = Gauge()
        self.now_ms = 1_000

    def step(self, signals: Signals) -> Level:
        self.now_ms += STEP_MS
        return self.gauge.step(signals, self.now_ms)

    def steps(self, signals: Signals, count: int) -> list[Level]:
        return [self.step(signals) for _ in range(count)]


def test_without_pressure_nothing_is_given_up() -> None:
    assert set(Clock().steps(CALM, 100)) == {Level.CALM}


def test_it_rises_one_by_one_and_falls_after_calm() -> None:
    clock = Clock()
    assert clock.steps(TOO_MUCH, 3) == [Level.PREVIEWS, Level.SEARCH, Level.TYPING]
    falling = clock.steps(CALM, 3 * (limits.PRESSURE_CALM_MS // STEP_MS + 1))
    assert falling[0] == Level.TYPING
    assert falling[-1] == Level.CALM
    assert falling == sorted(falling, reverse=True)


def test_far_too_much_pressure_is_answered_faster() -> None:
    assert Clock().step(Signals(lag_ms=limits.PRESSURE_LAG_MS_MAX * 20)) == Level.TYPING


def test_text_is_given_up_only_after_a_look_at_what_all_else_brought() -> None:
    clock = Clock()
    far_too_much = Signals(lag_ms=limits.PRESSURE_LAG_MS_MAX * 20)
    assert clock.steps(far_too_much, 4) == [Level.TYPING, Level.FILES, Level.RECEIPTS, Level.TEXT]


def test_between_calm_and_too_much_nothing_changes() -> None:
    clock = Clock()
    clock.steps(TOO_MUCH, 2)
    assert set(clock.steps(BETWEEN, 1_000)) == {Level.SEARCH}


def test_calm_that_is_broken_begins_anew() -> None:
    clock = Clock()
    clock.steps(TOO_MUCH, 2)
    nearly = limits.PRESSURE_CALM_MS // STEP_MS - 1
    for _ in range(20):
        assert {*clock.steps(CALM, nearly), clock.step(BETWEEN)} == {Level.SEARCH}


def test_text_is_last_and_never_refused_altogether() -> None:
    clock = Clock()
    levels = clock.steps(TOO_MUCH, Level.TEXT)
    assert levels[-1] == Level.TEXT
    assert clock.gauge.share == 1.0, "all else is given up before any text"
    clock.steps(TOO_MUCH, 100)
    assert clock.gauge.share == limits.TEXT_SHARE_MIN
    clock.steps(CALM, 1)
    assert limits.TEXT_SHARE_MIN < clock.gauge.share < 1.0
    assert clock.gauge.level == Level.TEXT, "text is whole again before anything else comes back"


@pytest.mark.parametrize(
    ("signals", "level"),
    [
        (Signals(commit_age_ms=10_000, commits=1_000_000), Level.PRESENCE),  # a primary is lost
        (Signals(commit_ms=limits.PRESSURE_COMMIT_MS_MAX * 2), Level.TEXT),  # batches grow
        (Signals(commit_ms=10_000, commits=1_000_000), Level.PRESENCE),  # the primary is back, the line is long
        (Signals(reads=limits.PRESSURE_READS_MAX * 2), Level.FILES),
        (Signals(commits=limits.PRESSURE_COMMITS_MAX * 2), Level.TEXT),  # more than the database can write
        (Signals(in_flight=limits.PRESSURE_IN_FLIGHT_MAX * 2), Level.TEXT),
        (Signals(lines=limits.PRESSURE_LINES_MAX * 9), Level.SERVICES),  # text is not what they wait for
    ],
)
def test_a_pressure_gives_up_what_relieves_it(signals: Signals, level: Level) -> None:
    assert Clock().steps(signals, 50)[-1] == level


def test_a_standing_commit_does_not_keep_photos_away() -> None:
    clock = Clock()
    clock.steps(TOO_MUCH, Level.RECEIPTS)
    assert clock.steps(Signals(commit_age_ms=10_000), 1_000)[-1] == Level.PRESENCE


def test_a_sign_that_text_does_not_relieve_hides_none_that_it_does() -> None:
    crowd = Signals(lines=limits.PRESSURE_LINES_MAX * 9, lag_ms=limits.PRESSURE_LAG_MS_MAX * 1.1)
    assert Clock().steps(crowd, 50)[-1] == Level.TEXT


def _some(dice: random.Random) -> Signals:
    return Signals(
        lag_ms=dice.choice((0, dice.uniform(0, 4 * limits.PRESSURE_LAG_MS_MAX))),
        in_flight=dice.choice((0, dice.randrange(3 * limits.PRESSURE_IN_FLIGHT_MAX))),
        commit_ms=dice.choice((0, dice.uniform(0, 2 * limits.PRESSURE_COMMIT_MS_MAX))),
        commits=dice.choice((0, dice.randrange(3 * limits.PRESSURE_COMMITS_MAX))),
        reads=dice.choice((0, dice.randrange(3 * limits.PRESSURE_READS_MAX))),
        lines=dice.choice((0, dice.randrange(3 * limits.PRESSURE_LINES_MAX))),
    )


def _more(dice: random.Random, signals: Signals) -> Signals:
    return Signals(
        lag_ms=signals.lag_ms * dice.uniform(1, 2),
        in_flight=signals.in_flight + dice.randrange(500),
        commit_ms=signals.commit_ms * dice.uniform(1, 2),
        commits=signals.commits + dice.randrange(500),
        reads=signals.reads + dice.randrange(50),
        lines=signals.lines + dice.randrange(5_000),
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_more_pressure_never_gives_up_less(seed: int) -> None:
    dice = random.Random(seed)
    less, more = Clock(), Clock()
    for _ in range(2_000):
        signals = CALM if dice.random() < 0.7 else _some(dice)
        assert less.step(signals) <= more.step(_more(dice, signals) if dice.random() < 0.5 else signals)
        assert less.gauge.share >= more.gauge.share


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_signals_give_the_same_levels(seed: int) -> None:
    runs = []
    for _ in range(2):
        dice, clock = random.Random(seed), Clock()
        runs.append([clock.step(_some(dice)) for _ in range(500)])
    assert runs[0] == runs[1]


def test_the_order_in_which_tiers_are_shed() -> None:
    order = (Tier.PREVIEW, Tier.SEARCH, Tier.TYPING, Tier.PRESENCE, Tier.SERVICE, Tier.FILES, Tier.RECEIPT, Tier.TEXT)
    assert [tier.shed_at for tier in order] == list(range(1, 9))
    never = {tier for tier in Tier if tier.shed_at == Level.NEVER}
    assert never == {Tier.RUNNING, Tier.SIGN_IN, Tier.SYNC, Tier.PUSH, Tier.TALKING}
    assert all(tier.number == 0 for tier in never), "what never is shed comes back first"
    assert len({tier.label for tier in Tier}) == len(Tier)


# --- what it is asked by a worker ---


class Counted(Gauge):
    """times: how often it was asked."""

    times = 0

    def step(self, signals: Signals, now_ms: int) -> Level:
        Counted.times += 1
        return super().step(signals, now_ms)


class Lines:
    """Who stands in booking lines, and how often a worker looked."""

    def __init__(self) -> None:
        self.standing = 0
        self.looks = 0

    def count(self) -> int:
        self.looks += 1
        return self.standing


async def test_a_quiet_worker_asks_nothing_of_the_gauge_and_one_with_a_line_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pressure, "Gauge", Counted)
    monkeypatch.setattr(limits, "PRESSURE_IDLE_SECONDS", 0.01)
    monkeypatch.setattr(limits, "PRESSURE_LAG_MS_MAX", 60_000.0)  # a busy machine is none of this test's business
    database, lines = Database("postgresql://nobody@nowhere/none"), Lines()
    committer = Committer(database, Feed(database), lambda *_, **__: pytest.fail("nobody writes"))
    worker = pressure.Pressure(database, committer, Shedding(), lambda: 0, lines.count)
    running = asyncio.create_task(worker.run())
    async with asyncio.timeout(60):
        while lines.looks < 20:
            await asyncio.sleep(0.01)
        assert Counted.times == 0
        lines.standing = limits.PRESSURE_LINES_MAX + 1
        while worker.level == Level.CALM:
            await asyncio.sleep(0.01)
    running.cancel()
    assert Counted.times > 0
