"""What happens to the sites in a drill, as data: who is hit, how, when, and for how long."""

import random
from collections.abc import Collection, Iterator, Sequence
from enum import StrEnum
from typing import Final, NamedTuple


class Who(StrEnum):
    """Chosen when the scene begins, by who leads then."""

    LEADER = "leader"
    STANDBY = "standby"
    OTHER_STANDBY = "other standby"
    ALL = "all"


class Loss(StrEnum):
    """What is lost, as far as a promise is tied to it."""

    LEADER = "the leader's site"
    STANDBY = "another site"
    PART = "a part of a site"
    EVERYTHING = "everything"


class Act(NamedTuple):
    """at_seconds: after the scene's begin. what: a fault's name as the sites know it."""

    at_seconds: float
    what: str
    who: Who


class Scene(NamedTuple):
    """hold_seconds: from the begin until everything is healed."""

    loss: Loss
    hold_seconds: float
    acts: tuple[Act, ...]


def _one(what: str, who: Who, loss: Loss, hold_seconds: float) -> Scene:
    return Scene(loss, hold_seconds, (Act(0.0, what, who),))


LEADER, STANDBY = Who.LEADER, Who.STANDBY
SCENES: Final = {
    "power-off-leader": _one("power_off", LEADER, Loss.LEADER, 15.0),
    "power-off-standby": _one("power_off", STANDBY, Loss.STANDBY, 8.0),
    "cut-leader": _one("cut", LEADER, Loss.LEADER, 15.0),
    "cut-standby": _one("cut", STANDBY, Loss.STANDBY, 8.0),
    "cut-leader-out": _one("cut_out", LEADER, Loss.LEADER, 15.0),
    "cut-leader-in": _one("cut_in", LEADER, Loss.LEADER, 15.0),
    "cut-leader-from-sites": _one("cut_sites", LEADER, Loss.LEADER, 15.0),
    "freeze-leader": _one("freeze", LEADER, Loss.LEADER, 15.0),
    "freeze-standby": _one("freeze", STANDBY, Loss.STANDBY, 8.0),
    "freeze-patroni": _one("freeze_patroni", LEADER, Loss.PART, 15.0),
    "kill-postgres": _one("kill_postgres", LEADER, Loss.PART, 10.0),
    "kill-worker": _one("kill_worker", LEADER, Loss.PART, 6.0),
    "kill-etcd": _one("kill_etcd", LEADER, Loss.PART, 8.0),
    "slow-links": _one("slow", LEADER, Loss.PART, 8.0),
    "disk-full": _one("disk_full", LEADER, Loss.PART, 12.0),
    "power-off-all": _one("power_off", Who.ALL, Loss.EVERYTHING, 5.0),
    # What the cut leader wrote and nobody else has must be thrown away when it comes back.
    "old-leader-returns": Scene(Loss.LEADER, 16.0, (Act(0.0, "cut", LEADER), Act(1.0, "power_off", LEADER))),
    # As new software is rolled out: one site after the other, the leader last, and the first one changes the tables.
    "rolling-restart": Scene(
        Loss.PART,
        12.0,
        (
            Act(0.0, "upgrade_worker", STANDBY),
            Act(4.0, "upgrade_worker", Who.OTHER_STANDBY),
            Act(8.0, "upgrade_worker", LEADER),
        ),
    ),
}


def playable(faults: Collection[str]) -> list[str]:
    """The scenes that need no other faults than these."""
    return [name for name, scene in SCENES.items() if all(act.what in faults for act in scene.acts)]


def programme(names: Sequence[str], seed: int) -> Iterator[str]:
    """The scenes in their order, without end: each round holds every one once, shuffled by the seed."""
    chance = random.Random(seed)  # noqa: S311
    while True:
        yield from chance.sample(names, len(names))
