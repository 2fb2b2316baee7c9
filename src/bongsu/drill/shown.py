"""What one reader of a long run was shown, in two files of fixed rows: stretches, and the events in them."""

import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from bongsu.drill.checker import Seen, Stretch
from bongsu.drill.record import NOBODY, Rows, Word, read_rows

_EVENT: Final = struct.Struct("<IBI64s")
_EVENT_ROW: Final = [("client", "<u4"), ("word", "u1"), ("number", "<u4"), ("event_id", "S64")]
_STRETCH: Final = struct.Struct("<III24s24s")
_STRETCH_ROW: Final = [("room", "<u4"), ("first", "<u4"), ("count", "<u4"), ("begins", "S24"), ("ends", "S24")]
_NO_MESSAGE: Final = 254  # of an event that is no message of the run
_FOREIGN: Final = 255  # of a message that nobody of the run can have written; its number is a checksum of its body
_BY_TEXT: Final = {word.body(0)[:-1]: word for word in Word}


class Filed:
    """Implements `Shown`. Silence after silence is one silence, and waits in memory for its end."""

    def __init__(self, folder: Path, name: str, rooms: Mapping[str, int], clients: Mapping[str, int]) -> None:
        folder.mkdir(exist_ok=True)
        self._paths = folder / f"{name}.events", folder / f"{name}.stretches"
        self._events, self._stretches = Rows(self._paths[0], _EVENT), Rows(self._paths[1], _STRETCH)
        self._rooms, self._clients = rooms, clients
        self._users: dict[int, str] = {}
        self._silence: dict[str, Stretch] = {}
        self._written = 0

    def add(self, room_id: str, stretch: Stretch) -> None:
        silence = self._silence.pop(room_id, None)
        if stretch.events:
            if silence is not None:
                self._write(room_id, silence)
            self._write(room_id, stretch)
        elif silence is not None and silence.ends == stretch.begins:
            self._silence[room_id] = silence._replace(ends=stretch.ends)
        else:
            if silence is not None:
                self._write(room_id, silence)
            self._silence[room_id] = stretch

    def _write(self, room_id: str, stretch: Stretch) -> None:
        for seen in stretch.events:
            client = self._clients.get(seen.sender, NOBODY)
            self._events.add(client, *_word(seen.body), seen.event_id.encode())
        row = self._rooms[room_id], self._written, len(stretch.events), stretch.begins.encode(), stretch.ends.encode()
        self._stretches.add(*row)
        self._written += len(stretch.events)

    def stretches(self, room_id: str) -> tuple[Stretch, ...]:
        """Read back from the files, and the silence that lasts."""
        self._users = {number: user_id for user_id, number in self._clients.items()}
        self._events.flush()
        self._stretches.flush()
        events = read_rows(self._paths[0], _EVENT_ROW)
        rows = read_rows(self._paths[1], _STRETCH_ROW)
        found = []
        for row in rows[np.flatnonzero(rows["room"] == self._rooms[room_id])]:
            part = events[int(row["first"]) : int(row["first"]) + int(row["count"])].tolist()
            found.append(Stretch(row["begins"].decode(), row["ends"].decode(), tuple(map(self._seen, part))))
        silence = self._silence.get(room_id)
        return (*found, silence) if silence else tuple(found)

    def _seen(self, row: tuple[int, int, int, bytes]) -> Seen:
        client, word, number, event_id = row
        return Seen(event_id.decode(), self._users.get(client, "somebody else"), _body(word, number))

    def close(self) -> None:
        """The silences that last are written, too."""
        for room_id, silence in self._silence.items():
            self._write(room_id, silence)
        self._silence.clear()
        self._events.close()
        self._stretches.close()


def _body(word: int, number: int) -> str | None:
    if word == _NO_MESSAGE:
        return None
    return f"foreign {number}" if word == _FOREIGN else Word(word).body(number)


def _word(body: str | None) -> tuple[int, int]:
    if body is None:
        return _NO_MESSAGE, 0
    text, _, number = body.rpartition(" ")
    word = _BY_TEXT.get(text + " ")
    if word is None or not number.isdecimal() or word.body(int(number)) != body or int(number) >= NOBODY:
        return _FOREIGN, zlib.crc32(body.encode())
    return word, int(number)
