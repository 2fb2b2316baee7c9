"""What a drill leaves behind: report.json, of which report.html is a picture."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import msgspec

from bongsu.drill.checker import Violation
from bongsu.drill.verdict import Check, Fate, Summary, is_kept

SHOWN_OF_A_KIND: Final = 30  # violations in the report, so that many of one kind do not hide the others


def shown(violations: Iterable[Violation]) -> list[Violation]:
    """The first of each kind."""
    by_kind: defaultdict[str, list[Violation]] = defaultdict(list)
    for violation in violations:
        by_kind[violation.kind].append(violation)
    return [violation for kind in by_kind.values() for violation in kind[:SHOWN_OF_A_KIND]]


class Evidence(msgspec.Struct, kw_only=True):
    """format: rises when a field changes its meaning. Times in seconds; begun: ISO 8601 with its zone.

    load: begin and end of the time under load, on the run's clock.
    """

    format: int = 1
    begun: str
    seconds: float
    load: tuple[float, float]
    seed: int
    checks: list[Check]
    counts: dict[str, int]
    answers: dict[str, int]
    fates: list[Fate]
    summaries: list[Summary]
    violations: list[Violation]
    violations_count: int  # of all, shown or not
    machine: dict[str, str]
    versions: dict[str, str]
    configuration: dict[str, Any]
    left_out: list[str]  # scenes that these sites could not play

    @property
    def is_kept(self) -> bool:
        return is_kept(self.checks)

    def save(self, folder: Path) -> Path:
        path = folder / "report.json"
        told = {"verdict": "kept" if self.is_kept else "broken", **msgspec.to_builtins(self)}
        path.write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n")
        return path
