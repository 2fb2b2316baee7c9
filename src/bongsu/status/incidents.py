"""From what sites saw to incidents. Pure.

A site notes each change it is sure of (rules.py): which part, how well it works now, since when. Faults that overlap in
time, whoever saw them and whatever they hit, are one incident; so one at most is open. An incident is open while a part
of it is not well in the eyes of a site that watches; it ends at the measured moment from which all were well again.
"""

from collections.abc import Iterable, Sequence

import msgspec

from bongsu.core import limits
from bongsu.status.rules import Level


class Seen(msgspec.Struct, frozen=True, tag="seen"):
    """A part ("text", "site:busan") works at this level since since_ms, says `site`. at_ms: when it was sure of it."""

    site: str
    at_ms: int
    part: str
    level: Level
    since_ms: int


class Began(msgspec.Struct, frozen=True, tag="began"):
    """`site` begins to watch `watched` (itself among them). What it had seen before and not seen the end of is open no
    more; if it still lasts, the site sees it again.
    """

    site: str
    at_ms: int
    watched: tuple[str, ...]


Entry = Seen | Began


class Fault(msgspec.Struct):
    """A part that was not well, in the eyes of one site. levels: what it went through, with the moments."""

    site: str
    part: str
    levels: list[tuple[int, Level]]
    ended_ms: int | None = None

    @property
    def since_ms(self) -> int:
        return self.levels[0][0]


class Incident(msgspec.Struct):
    """number: as in the record. faults: in the order in which they were noted."""

    number: int
    faults: list[Fault]

    @property
    def since_ms(self) -> int:
        return min(fault.since_ms for fault in self.faults)

    @property
    def ended_ms(self) -> int | None:
        """None while it lasts."""
        ends = [fault.ended_ms for fault in self.faults if fault.ended_ms is not None]
        return max(ends) if len(ends) == len(self.faults) else None

    @property
    def parts(self) -> dict[str, Level]:
        """Each part that was hit, with the worst it came to."""
        worst: dict[str, Level] = {}
        for fault in self.faults:
            worst[fault.part] = max(worst.get(fault.part, Level.WORKS), *(level for _, level in fault.levels))
        return worst

    @property
    def seen_by(self) -> list[str]:
        return sorted({fault.site for fault in self.faults})


class Reading:
    """Reads entries in the order of the record. Each belongs to one incident, or to none (a quiet beginning)."""

    def __init__(self) -> None:
        self.incidents: dict[int, Incident] = {}
        self._open: dict[tuple[str, str], tuple[Incident, Fault]] = {}

    def place(self, entry: Entry) -> int | None:
        """The number of the incident that a new entry belongs to; None: of none."""
        if isinstance(entry, Began):
            return min(
                (incident.number for incident, fault in self._open.values() if fault.site == entry.site), default=None
            )
        known = self._open.get((entry.site, entry.part))
        if known is not None:
            return known[0].number
        return self._new_fault_of(entry) if entry.level > Level.WORKS else None

    def _new_fault_of(self, entry: Seen) -> int:
        for incident in reversed(self.incidents.values()):
            end_ms = incident.ended_ms
            if end_ms is None or incident.since_ms <= entry.since_ms <= end_ms + limits.INCIDENT_QUIET_MS:
                return incident.number
        return max(self.incidents, default=0) + 1

    def take(self, entry: Entry, number: int | None) -> None:
        """An entry that stands in the record, under the number it has there."""
        if isinstance(entry, Began):
            self._begin(entry)
        elif number is not None:
            self._see(entry, number)

    def _begin(self, entry: Began) -> None:
        """A site that is no more among those of the server sees nothing any more."""
        gone = [key for key in self._open if key[0] == entry.site or key[0] not in entry.watched]
        for key in gone:
            self._open.pop(key)[1].ended_ms = entry.at_ms

    def _see(self, entry: Seen, number: int) -> None:
        key = (entry.site, entry.part)
        if key in self._open:
            fault = self._open[key][1]
            if entry.level is Level.WORKS:
                fault.ended_ms = entry.since_ms
                del self._open[key]
            else:
                fault.levels.append((entry.since_ms, entry.level))
        elif entry.level > Level.WORKS:
            incident = self.incidents.setdefault(number, Incident(number, []))
            fault = Fault(entry.site, entry.part, [(entry.since_ms, entry.level)])
            incident.faults.append(fault)
            self._open[key] = (incident, fault)


def read(entries: Iterable[tuple[Entry, int | None]]) -> list[Incident]:
    """All incidents of (entry, incident number) in the order of the record, oldest first."""
    reading = Reading()
    for entry, number in entries:
        reading.take(entry, number)
    return sorted(reading.incidents.values(), key=lambda incident: incident.since_ms)


def number_all(entries: Sequence[Entry]) -> list[tuple[Entry, int | None]]:
    """Gives numbers to entries that have none, as the record would: for a site's own journal."""
    reading = Reading()
    numbered: list[tuple[Entry, int | None]] = []
    for entry in entries:
        number = reading.place(entry)
        reading.take(entry, number)
        numbered.append((entry, number))
    return numbered
