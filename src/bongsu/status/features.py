"""What people use, in the order in which it comes back, and what each needs. A new service adds a line."""

import enum
from collections.abc import Mapping
from typing import Final

import msgspec

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
    """key: its name in /status.json and texts.py. tier: 0 comes back first."""

    key: str
    tier: int
    needs: tuple[Part, ...]


FEATURES: Final = (
    Feature("sign_in", 0, (Part.READ, Part.WRITE)),
    Feature("text", 0, (Part.WRITE, Part.QUEUE)),
    Feature("reading", 0, (Part.READ, Part.FEED)),
    Feature("database", 0, (Part.WRITE,)),
    Feature("files_view", 1, (Part.READ, Part.DISK)),
    Feature("files_send", 1, (Part.WRITE, Part.ROOM, Part.COPY)),
)


def level_of(feature: Feature, parts: Mapping[Part, Level]) -> Level:
    """A feature is as well as the worst of what it needs. A part that was not measured says nothing."""
    return max((parts[part] for part in feature.needs if part in parts), default=Level.WORKS)
