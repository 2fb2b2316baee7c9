"""Room on a site's disk. A database that cannot grow refuses every write; a site that has room leads in its place.

Each site says in its tags when it has next to none. The leader that has none hands over, as in a planned switchover, to
a site that has; where no site has any, it stays.
"""

import os
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

TAG: Final = "no_room"
SCARCE_BYTES: Final = 48 * 1024 * 1024  # two pieces of its log and a little: without those, PostgreSQL itself ends
PLENTY_BYTES: Final = 2 * SCARCE_BYTES  # a site that had none has some again
REST_SECONDS: Final = 30.0  # between two tries to hand over


class Room:
    """Of the disk on which a folder stands."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._is_scarce = False
        self._tried_at: float | None = None

    def is_scarce(self) -> bool:
        try:
            disk = os.statvfs(self._folder)
        except OSError:  # there is no database yet
            return False
        free = disk.f_bavail * disk.f_frsize
        self._is_scarce = free < (PLENTY_BYTES if self._is_scarce else SCARCE_BYTES)
        return self._is_scarce

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
