"""What people use, in the order in which it comes back, and what each needs. A new service adds a line."""

import enum
from collections.abc import Mapping
from typing import Final

import msgspec

from bongsu.core.tiers import Tier
from bongsu.status.rules import Level


class Part(enum.Enum):
    """What a site measures of itself (probes.py)."""

    READ = "read"  # the database answers
    WRITE = "write"  # a commit reaches as many disks as it must
    QUEUE = "queue"  # what people sent is being committed
    FEED = "feed"  # what was committed is shown to readers
    DISK = "disk"  # files can be read from this site's disk
    ROOM = "room"  # and stored on it
    COPY = "copy"  # another site is there to hold the second copy of a file


class Feature(msgspec.Struct, frozen=True):
    """key: its name in /status.json and texts.py. tier: when it comes back, and when pressure takes it away."""

    key: str
    tier: Tier
    needs: tuple[Part, ...]


FEATURES: Final = (
    Feature("sign_in", Tier.SIGN_IN, (Part.READ, Part.WRITE)),
    Feature("text", Tier.TEXT, (Part.WRITE, Part.QUEUE)),
    Feature("reading", Tier.SYNC, (Part.READ, Part.FEED)),
    Feature("database", Tier.RUNNING, (Part.WRITE,)),
    Feature("files_view", Tier.FILES, (Part.READ, Part.DISK)),
    Feature("files_send", Tier.FILES, (Part.WRITE, Part.ROOM, Part.COPY)),
)


def level_of(feature: Feature, parts: Mapping[Part, Level], pressure: int = 0) -> Level:
    """A feature is as well as the worst of what it needs. A part that was not measured says nothing.

    pressure: how much the site gives up (core/tiers.py). What it gives up has to be asked for again: it is delayed.
    """
    level = max((parts[part] for part in feature.needs if part in parts), default=Level.WORKS)
    return max(level, Level.DELAYED) if pressure >= feature.tier.shed_at else level
