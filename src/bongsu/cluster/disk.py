"""A site's disk that is full. A database that cannot grow refuses every write; a site that has room leads in its place.

Each site says in its tags when it has next to none. The leader that has none hands over, as in a planned switchover, to
a site that has; where no site has any, it stays.
"""

import os
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

TAG: Final = "disk_full"
FULL_BYTES: Final = 48 * 1024 * 1024  # free: two pieces of the log and a little; without those, PostgreSQL itself ends
ROOM_BYTES: Final = 2 * FULL_BYTES  # free: a disk that was full has room again
REST_SECONDS: Final = 30.0  # between two tries to hand over


class Disk:
    """The one on which a folder stands."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._is_full = False
        self._tried_at: float | None = None

    def is_full(self) -> bool:
        try:
            found = os.statvfs(self._folder)
        except OSError:  # there is no database yet
            return False
        free = found.f_bavail * found.f_frsize
        self._is_full = free < (ROOM_BYTES if self._is_full else FULL_BYTES)
        return self._is_full

    def may_hand_over(self) -> bool:
        """Now, and if so not again for a while: a site that could not take over may not be able to a second later."""
        now = time.monotonic()
        if self._tried_at is not None and now - self._tried_at < REST_SECONDS:
            return False
        self._tried_at = now
        return True


def heir(members: Iterable[tuple[str, Mapping[str, Any]]], synchronous: Iterable[str], of: str) -> str | None:
    """Another site that confirms commits, runs, and has room. members: (name, what it says of itself)."""
    fit = set(synchronous) - {of}
    for name, said in members:
        if name in fit and said.get("state") in ("running", "streaming") and not (said.get("tags") or {}).get(TAG):
            return name
    return None
