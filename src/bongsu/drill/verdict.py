"""Holds what was found and measured against what is promised. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from bongsu.core import limits
from bongsu.drill.checker import Kind as Fault
from bongsu.drill.checker import Violation
from bongsu.drill.faults import Happened
from bongsu.drill.outages import Felt, median
from bongsu.drill.record import Kind
from bongsu.drill.scenes import Loss

SAFE: Final[dict[str, tuple[Fault, ...]]] = {
    "lost": ("lost",),
    "doubled": ("doubled",),
    "order": ("order",),
    "fold": ("gap", "state"),
    "foreign": ("foreign", "wrong id"),
    "two_leaders": ("two leaders",),
    "photos": ("photo missing", "photo altered"),
}
_PROPER: Final = {200, 429, 502, 503, 504}  # answers after which a client does the right thing by itself
_NO_ROOM: Final = 507  # to a file, from a site with a full disk: the client goes elsewhere
_ONE_SITE: Final = (Loss.LEADER, Loss.STANDBY)


class Check(msgspec.Struct, frozen=True):
    """One promise. measured: None when nothing of the run says anything about it. limit: the worst that keeps it."""

    key: str
    limit: float
    measured: float | None
    unit: str = ""

    @property
    def is_kept(self) -> bool | None:
        return None if self.measured is None else self.measured <= self.limit


class Fate(msgspec.Struct):
    """One fault, and how it was felt."""

    happened: Happened
    felt: Felt


def safety(violations: Iterable[Violation], counts: Mapping[str, int]) -> list[Check]:
    """Nothing lost, doubled, moved, made up or altered. A run without a message or photo says nothing about it."""
    found = Counter(violation.kind for violation in violations)
    return [
        Check(key, 0, sum(found[kind] for kind in kinds) if counts.get(_proven_by(key)) else None)
        for key, kinds in SAFE.items()
    ]


def _proven_by(key: str) -> str:
    return "photos" if key == "photos" else "acknowledged"


def manners(outcomes: Mapping[tuple[int, int], int], unanswered: int) -> list[Check]:
    """No answer that makes a good client give up (401, 403, 404 …), and every send answered in the end."""
    strange = sum(
        count for (kind, outcome), count in outcomes.items() if outcome >= 100 and not is_proper(kind, outcome)
    )
    return [Check("misleading", 0, strange), Check("unanswered", 0, unanswered)]


def is_proper(kind: int, outcome: int) -> bool:
    """A photo that is not there is the photos' own check."""
    return outcome in _PROPER or kind == Kind.DOWNLOAD or (kind == Kind.UPLOAD and outcome == _NO_ROOM)


def times(fates: Sequence[Fate]) -> list[Check]:
    """The promised times, over all faults that they speak of."""
    leader = [fate.felt.write for fate in fates if fate.happened.loss == Loss.LEADER]
    other = [fate.felt.write for fate in fates if fate.happened.loss == Loss.STANDBY]
    read = [fate.felt.read for fate in fates if fate.happened.loss in _ONE_SITE and fate.felt.read is not None]
    missing = sum(fate.felt.rejoin is None for fate in fates)
    return [
        Check("write_leader_median", limits.PROMISE_WRITE_MEDIAN_SECONDS, median(leader), "s"),
        Check("write_leader_worst", limits.PROMISE_WRITE_WORST_SECONDS, max(leader, default=None), "s"),
        Check("write_other_worst", limits.PROMISE_WRITE_OTHER_SECONDS, max(other, default=None), "s"),
        Check("read_worst", limits.PROMISE_READ_SECONDS, max(read, default=None), "s"),
        Check("rejoined", 0, missing if fates else None),
    ]


def is_kept(checks: Iterable[Check]) -> bool:
    """Nothing broken, and the first promise of all was put to the test."""
    kept = {check.key: check.is_kept for check in checks}
    return kept.get("lost") is True and False not in kept.values()


class Summary(msgspec.Struct):
    """All faults of one scene, in seconds. Shapes: median, worst; None where nothing was measured."""

    scene: str
    loss: Loss
    count: int
    write: tuple[float | None, float | None]
    write_sites: tuple[float | None, float | None]
    longest_send: tuple[float | None, float | None]
    read: tuple[float | None, float | None]
    rejoin: tuple[float | None, float | None]


def summaries(fates: Sequence[Fate]) -> list[Summary]:
    scenes = dict.fromkeys(fate.happened.scene for fate in fates)
    return [_summary([fate for fate in fates if fate.happened.scene == scene]) for scene in sorted(scenes)]


def _summary(fates: Sequence[Fate]) -> Summary:
    first = fates[0].happened
    columns = [_middle_and_worst([getattr(fate.felt, name) for fate in fates]) for name in _FIGURES]
    return Summary(first.scene, first.loss, len(fates), *columns)


_FIGURES: Final = ("write", "write_sites", "longest_send", "read", "rejoin")


def _middle_and_worst(values: Iterable[float | None]) -> tuple[float | None, float | None]:
    known = [value for value in values if value is not None]
    return median(known), max(known, default=None)
