"""What the clients of one run wrote down: every send, every try of every call, every acknowledgement.

A run may hold millions of them, so they go to files of fixed rows as they happen, and are read back with numpy. Times
are seconds since the run's begin, on the monotonic clock. Layout: see `ROWS`; docs/evidence/README.md explains it to
others.
"""

import struct
import time
from collections import Counter
from enum import IntEnum
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from bongsu.core import limits
from bongsu.drill.checker import Send

NOBODY: Final = 0xFFFF_FFFF  # no send, no client
Table = NDArray[Any]


class Kind(IntEnum):
    """What a call was for."""

    OTHER = 0
    SEND = 1
    SYNC = 2
    LOOK = 3  # a short read that asks one site and no other: the measure of whether the site can be read
    UPLOAD = 4
    DOWNLOAD = 5


class Outcome(IntEnum):
    """How a try ended without an answer. An answered try has its HTTP status instead, 100 and above."""

    REFUSED = 1  # no connection
    BROKEN = 2  # the connection ended before the answer
    SILENT = 3  # nothing came in time
    GARBLED = 4  # an answer that is none
    HUNG_UP = 5  # the client left on purpose, in the middle of its request


class Word(IntEnum):
    """What a message says: the body is the word and the number of the send, so no two are the same."""

    SAID = 0
    HUNG_UP_ON = 1
    PHOTO = 2
    LAST_WORD = 3

    def body(self, number: int) -> str:
        return f"{self.name.lower().replace('_', ' ')} {number}"


ROWS: Final = {
    "sends": (struct.Struct("<dIIB"), [("started", "<f8"), ("client", "<u4"), ("room", "<u4"), ("word", "u1")]),
    "tries": (
        struct.Struct("<ddIIBBH"),
        [
            *(("start", "<f8"), ("end", "<f8"), ("send", "<u4"), ("client", "<u4")),
            *(("site", "u1"), ("kind", "u1"), ("outcome", "<u2")),
        ],
    ),
    "acknowledged": (
        struct.Struct("<dIB64s"),
        [("at", "<f8"), ("send", "<u4"), ("site", "u1"), ("event_id", "S64")],
    ),
}


class Rows:
    """A file of fixed rows that is only appended to, a block at a time."""

    def __init__(self, path: Path, layout: struct.Struct) -> None:
        self._file = path.open("wb", buffering=limits.DRILL_BUFFER_BYTES)
        self._pack = layout.pack

    def add(self, *values: Any) -> None:
        self._file.write(self._pack(*values))

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def read_rows(path: Path, layout: list[tuple[str, str]]) -> Table:
    """The file's rows, mapped and not loaded. A file without rows cannot be mapped."""
    kind = np.dtype(layout)
    if path.stat().st_size < kind.itemsize:
        return np.empty(0, kind)
    return np.memmap(path, kind, mode="r", shape=(path.stat().st_size // kind.itemsize,))


class Attempt(NamedTuple):
    """A send while its client still tries."""

    number: int
    room_id: str
    body: str

    @property
    def txn_id(self) -> str:
        return f"t{self.number}"


class Record:
    """The record while it is written. `began`: the monotonic clock at 0.0, for processes that share the machine."""

    def __init__(self, folder: Path, sites: list[str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.sites = sites
        self.clients: list[str] = []
        self.rooms: list[str] = []
        self.began = time.monotonic()
        self.started = self.acknowledged = self.photos = 0
        self.outcomes: Counter[tuple[int, int]] = Counter()
        self.newest_by_site = [0.0] * len(sites)
        self.looked_at = [0.0] * len(sites)
        self._room_places: dict[str, int] = {}
        self._sends, self._tries, self._acknowledged = (
            Rows(folder / f"{name}.rows", layout) for name, (layout, _) in ROWS.items()
        )

    @property
    def now(self) -> float:
        return time.monotonic() - self.began

    def enrol(self, user_id: str) -> int:
        """The client's number in the record."""
        self.clients.append(user_id)
        return len(self.clients) - 1

    def name_room(self, room_id: str) -> None:
        self._room_places[room_id] = len(self.rooms)
        self.rooms.append(room_id)

    def begin(self, client: int, room_id: str, word: Word = Word.SAID) -> Attempt:
        number = self.started
        self.started += 1
        self._sends.add(self.now, client, self._room_places[room_id], word)
        return Attempt(number, room_id, word.body(number))

    def acknowledge(self, attempt: Attempt, site: int, event_id: str) -> None:
        at = self.now
        self.acknowledged += 1
        self.newest_by_site[site] = at
        self._acknowledged.add(at, attempt.number, site, event_id.encode())

    def tried(self, start: float, client: int, site: int, kind: Kind, outcome: int, send: int = NOBODY) -> None:
        """One try of one call ended just now. start: on the run's clock."""
        self.outcomes[kind, outcome] += 1
        if kind == Kind.LOOK and outcome == 200:
            self.looked_at[site] = self.now
        self._tries.add(start, self.now, send, client, site, kind, outcome)

    def flush(self) -> None:
        for rows in (self._sends, self._tries, self._acknowledged):
            rows.flush()

    def close(self) -> None:
        """With the names of what the rows number, so that they can be read without this run."""
        for rows in (self._sends, self._tries, self._acknowledged):
            rows.close()
        names = {"sites": self.sites, "rooms": self.rooms, "clients": self.clients}
        (self.folder / "names.json").write_bytes(msgspec.json.encode(names))


class Written:
    """The record after the run."""

    def __init__(self, folder: Path, sites: list[str], clients: list[str], rooms: list[str]) -> None:
        self.sites, self.clients, self.rooms = sites, clients, rooms
        self.sends, self.tries, self.acknowledged = (
            read_rows(folder / f"{name}.rows", layout) for name, (_, layout) in ROWS.items()
        )
        self._order = np.argsort(self.acknowledged["send"], kind="stable")

    def acknowledged_sends(self) -> int:
        """How many different sends were acknowledged at least once."""
        return len(np.unique(self.acknowledged["send"]))

    def sends_of(self, room: int) -> list[Send]:
        """Every send to one room, as the checker wants it."""
        numbers = np.flatnonzero(self.sends["room"] == room)
        answers = self._answers(numbers)
        return [
            Send(
                self.clients[row["client"]],
                self.rooms[room],
                f"t{number}",
                Word(row["word"]).body(number),
                float(row["started"]),
                answers.get(number, ()),
            )
            for number, row in zip(numbers.tolist(), self.sends[numbers], strict=True)
        ]

    def _answers(self, numbers: NDArray[np.intp]) -> dict[int, tuple[str, ...]]:
        wanted = self._order[np.isin(self.acknowledged["send"][self._order], numbers)]
        found: dict[int, tuple[str, ...]] = {}
        for row in self.acknowledged[wanted]:
            number = int(row["send"])
            found[number] = (*found.get(number, ()), row["event_id"].decode())
        return found

    def shared_answers(self) -> list[tuple[str, list[int]]]:
        """Event ids that were the answer to more than one send, in whatever room: (event id, numbers of the sends)."""
        pairs = np.unique(self.acknowledged[["event_id", "send"]])
        ids, counts = np.unique(pairs["event_id"], return_counts=True)
        return [(one.decode(), pairs["send"][pairs["event_id"] == one].tolist()) for one in ids[counts > 1]]
