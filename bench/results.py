"""What a whole run gave, as it is written to results.json."""

import math
from collections.abc import Sequence

import msgspec

from bench.figures import Better, Figure, Floor, median


class Row(msgspec.Struct):
    """One figure of all servers: values by server name, one per round."""

    key: str
    title: str
    unit: str
    better: Better
    values: dict[str, list[float]] = msgspec.field(default_factory=dict)

    def value(self, peer: str) -> float | None:
        """The median of the rounds; None when this server was not measured."""
        known = [value for value in self.values.get(peer, []) if not math.isnan(value)]
        return median(known) if known else None

    def ratio(self, one: str, other: str) -> float | None:
        """one / other; None when one is missing or there is nothing to divide by."""
        top, bottom = self.value(one), self.value(other)
        return top / bottom if top is not None and bottom else None


class Section(msgspec.Struct):
    """One scenario's rows, floors and remarks."""

    name: str
    title: str
    floors: list[Floor]
    rows: dict[str, Row] = msgspec.field(default_factory=dict)
    notes: list[str] = msgspec.field(default_factory=list)

    def add(self, peer: str, figures: Sequence[Figure]) -> None:
        for figure in figures:
            row = self.rows.setdefault(figure.key, Row(figure.key, figure.title, figure.unit, figure.better))
            row.values.setdefault(peer, []).append(figure.value)


class Results(msgspec.Struct):
    mode: str
    begun: str  # ISO 8601, UTC
    machine: dict[str, str]
    versions: dict[str, str]  # by server name
    missing: dict[str, str]  # servers that could not be measured, and why
    sections: list[Section] = msgspec.field(default_factory=list)
    seconds: float = 0.0
