"""What a drill leaves behind: report.json, of which report.html is a picture."""

from pathlib import Path
from typing import Any, Final

import msgspec

from bongsu.drill.checker import Violation
from bongsu.drill.verdict import Check, Fate, Summary, is_kept

VIOLATIONS_SHOWN: Final = 200  # in the report; all of them are counted


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
    violations_count: int
    machine: dict[str, str]
    versions: dict[str, str]
    configuration: dict[str, Any]
    notes: list[str]

    @property
    def is_kept(self) -> bool:
        return is_kept(self.checks)

    def save(self, folder: Path) -> Path:
        path = folder / "report.json"
        told = {"verdict": "kept" if self.is_kept else "broken", **msgspec.to_builtins(self)}
        path.write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n")
        return path
