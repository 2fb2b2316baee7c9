"""Our own counts say at /metrics what those of the library would say."""

import prometheus_client
from prometheus_client import REGISTRY, CollectorRegistry

from bongsu.metrics import Counter, Histogram

VALUES = (0.0005, 0.001, 0.0011, 0.5, 3.0)
BOUNDS = (0.001, 0.5, 2.0)


def said(registry: CollectorRegistry, name: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sample.labels.items())): sample.value
        for family in registry.collect()
        if family.name == name
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def test_a_histogram_says_what_the_librarys_would_say() -> None:
    theirs = CollectorRegistry()
    library = prometheus_client.Histogram("bongsu_tested_seconds", "", buckets=BOUNDS, registry=theirs)
    own = Histogram("bongsu_tested_seconds", "", BOUNDS)
    try:
        for value in VALUES:
            library.observe(value)
            own.observe(value)
        assert said(REGISTRY, "bongsu_tested_seconds") == said(theirs, "bongsu_tested_seconds")
    finally:
        REGISTRY.unregister(own)


def test_a_counter_says_what_the_librarys_would_say() -> None:
    theirs = CollectorRegistry()
    library = prometheus_client.Counter("bongsu_tested_total", "", ["method", "status"], registry=theirs)
    own = Counter("bongsu_tested_total", "", ["method", "status"])
    try:
        for status in ("200", "200", "404"):
            library.labels("GET", status).inc()
            own.labelled("GET", status).total += 1
        assert said(REGISTRY, "bongsu_tested") == said(theirs, "bongsu_tested")
    finally:
        REGISTRY.unregister(own)
