"""What is given up under pressure, at the door: before a body is read, a token looked up or anything worked on.

Who asks for what is given up gets 429 M_LIMIT_EXCEEDED and a time, at random, to ask again. Typing and presence are
answered "done" and forgotten: they would be worth nothing later, and clients that await them before the message
itself (matrix-nio waits and tries again, for ever) would hold back text.
"""

import random
from collections.abc import Callable
from typing import Final

from prometheus_client import Counter

from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.core.tiers import Level, Tier

SHED: Final = Counter("bongsu_shed_total", "Requests not worked on under pressure", ["tier", "reason"])
_FORGOTTEN: Final = (Tier.TYPING, Tier.PRESENCE)
Dice = Callable[[], float]  # from 0 to less than 1


def busy(retry_ms: tuple[int, int], dice: Dice = random.random) -> Refusal:
    """Somebody else comes first. retry_ms: the earliest and the latest time to ask again."""
    low, high = retry_ms
    wait_ms = low + int((high - low) * dice())
    seconds = -(-wait_ms // 1000)
    return Refusal(
        429,
        "M_LIMIT_EXCEEDED",
        f"This server is very busy and answers what matters most first. Try again in {seconds} s.",
        fields={"retry_after_ms": wait_ms},
        headers={"retry-after": str(seconds)},
    )


class Shedding:
    """level: requests whose tier is shed at it, or below, come to forgets(). The worker's gauge sets level and share.

    At the last level a share of the text passes. Whoever has sent something a moment ago waits first, so that a few who
    send much do not take the places of all others.
    """

    def __init__(self, dice: Dice = random.random) -> None:
        self.level = int(Level.CALM)
        self.in_flight = 0
        self._share = 1.0
        self._dice = dice
        self._sent: set[bytes] = set()
        self._shed = {
            (tier, reason): SHED.labels(tier.label, reason)
            for tier in Tier
            for reason in ("pressure", "person", "share")
        }

    def set(self, level: Level, share: float) -> None:
        """A new moment begins, too: who sent in the last one may send again."""
        self.level = int(level)
        self._share = share
        self._sent.clear()

    def forgets(self, tier: Tier, token: bytes) -> bool:
        """True: answer "done" and do nothing. False: this one passes. Raises M_LIMIT_EXCEEDED for all others."""
        if tier is Tier.TEXT:
            self._check_text(token)
            return False
        self._shed[tier, "pressure"].inc()
        if tier in _FORGOTTEN:
            return True
        raise busy(limits.SHED_RETRY_MS, self._dice)

    def _check_text(self, token: bytes) -> None:
        if token in self._sent:
            reason = "person"
        elif self._dice() < self._share:
            self._sent.add(token)
            return
        else:
            reason = "share"
        self._shed[Tier.TEXT, reason].inc()
        raise busy(limits.SHED_TEXT_RETRY_MS, self._dice)
