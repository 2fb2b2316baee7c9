"""What may go, decided without looking at a disk."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from bongsu.backup.place import Base
from bongsu.core import limits


def removable(bases: Sequence[Base], now: datetime, days: int) -> list[Base]:
    """Copies (oldest first) that no promise needs, newest first, so that none outlives the one it builds on.

    Kept: the newest copy that is older than `days`, because any moment after it is restored from it; all after it;
    never fewer than the newest BACKUP_COPIES_MIN; and what any of these builds on.
    """
    horizon = now - timedelta(days=days)
    older = [number for number, base in enumerate(bases) if base.finished_at <= horizon]
    first = min(older[-1] if older else 0, max(0, len(bases) - limits.BACKUP_COPIES_MIN))
    kept = {base.id for base in bases[first:]}
    for base in reversed(bases):
        if base.id in kept and base.parent is not None:
            kept.add(base.parent)
    return [base for base in reversed(bases) if base.id not in kept]


def first_needed(bases: Sequence[Base]) -> str | None:
    """The first log file (its last 16 digits) that a restore from any of these may ask for; None: no copy, keep all."""
    return min((base.start_segment for base in bases), default=None)


def unneeded_log(names: Sequence[str], first: str | None) -> list[str]:
    """Log files from before it. Histories of timelines stay: they are small, and a restore follows them."""
    if first is None:
        return []
    return sorted(name for name in names if len(name.split(".")[0]) == 24 and name[8:24] < first)
