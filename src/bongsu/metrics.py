"""Metrics of what happens all the time. Counting is adding a number; all else is done when somebody asks for them.

Those of prometheus_client take a lock for every number, as any thread may use them, and cost more than some of the
requests that they would count. These are used by the thread of the loop alone. Both are shown at /metrics.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector


class Count:
    """One number of a Counter."""

    __slots__ = ("total",)

    def __init__(self) -> None:
        self.total = 0


class Counter(Collector):
    """How often something happened, by labels. Whoever counts keeps the Count."""

    def __init__(self, name: str, about: str, labels: Sequence[str]) -> None:
        self._name, self._about, self._labels = name, about, labels
        self._counts: dict[tuple[str, ...], Count] = {}
        REGISTRY.register(self)

    def labelled(self, *labels: str) -> Count:
        return self._counts.setdefault(labels, Count())

    def collect(self) -> Iterator[CounterMetricFamily]:
        family = CounterMetricFamily(self._name, self._about, labels=self._labels)
        for labels, count in self._counts.items():
            family.add_metric(labels, count.total)
        yield family


class Histogram(Collector):
    """How large something was. buckets: upper bounds, ascending."""

    def __init__(self, name: str, about: str, buckets: Sequence[float]) -> None:
        self._name, self._about = name, about
        self._bounds = buckets
        self._counts = [0] * (len(buckets) + 1)
        self._sum = 0.0
        REGISTRY.register(self)

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def collect(self) -> Iterator[HistogramMetricFamily]:
        names = [*(str(float(bound)) for bound in self._bounds), "+Inf"]
        family = HistogramMetricFamily(self._name, self._about)
        family.add_metric([], list(zip(names, accumulate(self._counts), strict=True)), self._sum)
        yield family
