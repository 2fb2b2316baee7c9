"""Entries that cannot be altered unseen: each carries the SHA-256 of the one before it and of its own content.

Pure. An entry's content is canonical JSON, so that everybody hashes the same bytes. Who alters an entry has to alter
all that follow, and those who noted the last hash (every site does) still see it.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

FIRST: Final = "0" * 64  # what comes before the first entry


def digest(previous: str, content: bytes) -> str:
    """The hash of an entry, in hex. previous: the hash of the entry before it."""
    return hashlib.sha256(previous.encode("ascii") + content).hexdigest()


class Link(msgspec.Struct, frozen=True):
    """An entry as it is stored. number: 1, 2, 3 …"""

    number: int
    content: bytes
    hash: str


class Seal(msgspec.Struct, frozen=True):
    """What somebody noted: that the entry of this number has this hash."""

    number: int
    hash: str


BEGINNING: Final = Seal(0, FIRST)


def faults(links: Iterable[Link], seals: Sequence[Seal] = ()) -> list[str]:
    """What is wrong with a chain, in order. Empty: nothing is."""
    whole = list(links)
    hashes = {link.number: link.hash for link in whole}
    last = whole[-1].number if whole else 0
    return faults_after(BEGINNING, whole) + [text for seal in seals if (text := _broken(seal, hashes, last))]


def faults_after(last: Seal, links: Iterable[Link]) -> list[str]:
    """What is wrong with a piece of a chain that goes on behind `last`."""
    found: list[str] = []
    previous, expected = last.hash, last.number + 1
    for link in links:
        if link.number != expected:
            found.append(f"entry {expected} is missing: the next one there is {link.number}")
        elif digest(previous, link.content) != link.hash:
            found.append(f"entry {link.number} is not what it was when it was written")
        previous, expected = link.hash, link.number + 1
    return found


def _broken(seal: Seal, hashes: dict[int, str], last: int) -> str | None:
    if seal.number == 0 or hashes.get(seal.number) == seal.hash:
        return None
    if seal.number > last:
        return f"the record ends at entry {last}; a site has noted entry {seal.number}"
    return f"entry {seal.number} has another hash than a site has noted"
