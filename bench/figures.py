"""What a scenario hands back, and the small sums on it."""

import statistics
from collections.abc import Sequence
from enum import Enum

import msgspec


class Better(Enum):
    HIGHER = "higher"
    LOWER = "lower"
    NEITHER = "neither"  # context: shown, not judged


class Figure(msgspec.Struct, frozen=True):
    """One measured number. `key` is the same for all servers: "chat/50/latency_p50_ms"."""

    key: str
    title: str
    value: float
    unit: str
    better: Better = Better.LOWER


class Floor(msgspec.Struct, frozen=True):
    """What is promised of Bongsu/Synapse for a figure: at least `ratio` (HIGHER) or at most (LOWER)."""

    key: str
    title: str
    ratio: float
    better: Better

    def met(self, ratio: float) -> bool:
        return ratio >= self.ratio if self.better is Better.HIGHER else ratio <= self.ratio


def percentile(values: Sequence[float], share: float) -> float:
    """Nearest rank; NaN of nothing."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else float("nan")


def per(amount: float, count: float, scale: float = 1.0) -> float:
    """amount / count in a smaller unit; NaN of nothing."""
    return amount / count * scale if count else float("nan")


def latencies(prefix: str, title: str, seconds: Sequence[float]) -> list[Figure]:
    return [
        Figure(f"{prefix}_p50_ms", f"{title}, p50", percentile(seconds, 0.50) * 1e3, "ms"),
        Figure(f"{prefix}_p99_ms", f"{title}, p99", percentile(seconds, 0.99) * 1e3, "ms"),
    ]
