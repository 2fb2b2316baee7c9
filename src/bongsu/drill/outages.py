"""How long people could not write or read around a fault, from what the clients wrote down."""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from bongsu.drill.faults import Happened
from bongsu.drill.record import Kind, Written

Times = NDArray[np.float64]
_OK = 200


class Felt(msgspec.Struct):
    """One fault as clients felt it, in seconds. Sites: those that were not hit. None: there was no such site.

    write: the longest time without any acknowledged write. write_sites: the same at the worst of the sites alone.
    longest_send: from the first try of a message to its acknowledgement. read: without a successful read at the worst
    of the sites. rejoin: from the repair until all sites served again.
    """

    write: float
    write_sites: float | None
    longest_send: float
    read: float | None
    rejoin: float | None


class Felts:
    """Computes them. The record is sorted once."""

    def __init__(self, written: Written) -> None:
        self._sites = written.sites
        acknowledged = written.acknowledged
        order = np.argsort(acknowledged["at"], kind="stable")
        self._at: Times = acknowledged["at"][order]
        by = acknowledged["site"][order]
        self._at_site = [self._at[by == site] for site in range(len(self._sites))]
        self._begun: Times = written.sends["started"][acknowledged["send"][order]]
        looks = written.tries[(written.tries["kind"] == Kind.LOOK) & (written.tries["outcome"] == _OK)]
        self._looks = [np.sort(looks["end"][looks["site"] == site]) for site in range(len(self._sites))]

    def of(self, happened: Happened) -> Felt:
        since, until = happened.began, happened.ended
        spared = [place for place, site in enumerate(self._sites) if site not in happened.hit]
        return Felt(
            longest_gap(self._at, since, until),
            max((longest_gap(self._at_site[site], since, until) for site in spared), default=None),
            self._longest_send(since, until),
            max((longest_gap(self._looks[site], since, until) for site in spared), default=None),
            None if happened.ready is None else happened.ready - happened.healed,
        )

    def _longest_send(self, since: float, until: float) -> float:
        first, last = np.searchsorted(self._at, (since, until))
        return float(np.max(self._at[first:last] - self._begun[first:last], initial=0.0))


def longest_gap(times: Times, since: float, until: float) -> float:
    """The longest time in a window in which nothing happened; a gap counts from its begin, before the window too."""
    first, last = np.searchsorted(times, (since, until))
    begins = times[first - 1] if first else since
    marks = np.concatenate(([begins], times[first:last], [until]))
    return float(np.max(np.diff(marks)))


def median(values: Sequence[float]) -> float | None:
    return float(np.median(values)) if values else None
