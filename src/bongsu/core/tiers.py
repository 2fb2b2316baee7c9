"""What matters most: in which order what a server does comes back after a disaster, and is given up under pressure.

Both orders stand in one table. Coming back: sign-in, text and push; photos and files; board, booking and channels;
then all else. Giving up: previews, search, typing, presence, then the services, then photos and files; text last.
"""

from enum import Enum, IntEnum


class Level(IntEnum):
    """How much is given up now. Each level gives up what it is named after, and all before it."""

    CALM = 0
    PREVIEWS = 1
    SEARCH = 2
    TYPING = 3
    PRESENCE = 4
    SERVICES = 5
    FILES = 6
    RECEIPTS = 7
    TEXT = 8  # not all of it: as much as is needed for the rest to arrive in time
    NEVER = 9  # no pressure gets here


class Tier(Enum):
    """What a request is for: its name in metrics, its place among what comes back, the level that gives it up.

    Refusing saves work at the cost of somebody's trouble. What the server needs to be run, to know who asks and to say
    what happened is too cheap, and too dear to people, to be refused.
    """

    RUNNING = "running", 0, Level.NEVER  # health, metrics, status, and what sites ask of each other
    SIGN_IN = "sign_in", 0, Level.NEVER  # passwords have a queue of their own, which is bounded
    SYNC = "sync", 0, Level.NEVER  # those who come anew have one, too (sync/admission.py)
    PUSH = "push", 0, Level.NEVER
    TEXT = "text", 0, Level.TEXT
    RECEIPT = "receipt", 0, Level.RECEIPTS  # one message is read by many
    TALKING = "talking", 0, Level.NEVER  # all else that talking needs: rooms, members, keys
    FILES = "files", 1, Level.FILES
    HISTORY = "history", 1, Level.FILES  # older than what a sync brings
    SERVICE = "service", 2, Level.SERVICES  # board, booking, channels
    PRESENCE = "presence", 3, Level.PRESENCE
    TYPING = "typing", 3, Level.TYPING
    SEARCH = "search", 3, Level.SEARCH  # the directory, archive, mail, portal and map as well
    PREVIEW = "preview", 3, Level.PREVIEWS  # thumbnails, and of addresses

    def __init__(self, label: str, number: int, shed_at: Level) -> None:
        self.label = label
        self.number = number
        self.shed_at = int(shed_at)  # compared at every request
