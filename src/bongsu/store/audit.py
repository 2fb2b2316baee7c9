"""Who did what to a subject (an offer, a board): a chain of entries for each, that nobody can alter unseen.

The rule of the chain is that of the incident record, core/chain.py; the database refuses to change or remove rows.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec

from bongsu.core import chain, limits
from bongsu.core.json import JsonObject, canonical, decode
from bongsu.store.database import Connection
from bongsu.store.rooms import Reads


class Deed(msgspec.Struct, frozen=True):
    """actor: a user id, or "" for the server itself. details: JSON without fractions; no more of a person than must."""

    actor: str
    action: str
    details: JsonObject = {}


class AuditEntry(msgspec.Struct, frozen=True):
    """A deed as it stands in the chain. at_ms: when it was written down."""

    number: int
    at_ms: int
    deed: Deed


async def add(connection: Connection, subject: str, deeds: Sequence[Deed], now_ms: int) -> None:
    """Adds to the subject's chain in the caller's transaction, which holds it until its end.

    Whoever adds to several subjects in one transaction does so in the order of their names, lest two wait for each
    other.
    """
    if not deeds:
        return
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 22))", subject)
    last = await connection.fetchrow(
        "SELECT number, hash FROM audit_entries WHERE subject = $1 ORDER BY number DESC LIMIT 1", subject
    )
    number, previous = (last["number"], last["hash"]) if last is not None else (0, chain.FIRST)
    rows = []
    for number, deed in enumerate(deeds, number + 1):  # noqa: B020 - counts on from the last
        content = canonical({"subject": subject, "number": number, "at_ms": now_ms, **msgspec.to_builtins(deed)})
        previous = chain.digest(previous, content)
        rows.append((subject, number, content, previous))
    await connection.executemany("INSERT INTO audit_entries VALUES ($1, $2, $3, $4)", rows)


async def entries(reads: Reads, subject: str, after: int, count: int) -> list[AuditEntry]:
    """In order, those behind number `after`."""
    rows = await reads.fetch(
        "SELECT content FROM audit_entries WHERE subject = $1 AND number > $2 ORDER BY number LIMIT $3",
        *(subject, after, count),
    )
    return [_entry(decode(row["content"])) for row in rows]


async def entries_about(reads: Reads, subject: str, named: tuple[str, str], after: int, count: int) -> list[AuditEntry]:
    """As entries(), those alone whose details have this (name, value)."""
    rows = await reads.fetch(
        "SELECT content FROM audit_entries WHERE subject = $1 AND number > $4"
        " AND convert_from(content, 'utf8')::json -> 'details' ->> $2 = $3 ORDER BY number LIMIT $5",
        *(subject, *named, after, count),
    )
    return [_entry(decode(row["content"])) for row in rows]


async def entries_before(reads: Reads, subject: str, before: int, count: int) -> list[AuditEntry]:
    """The newest first, those before number `before`."""
    rows = await reads.fetch(
        "SELECT content FROM audit_entries WHERE subject = $1 AND number < $2 ORDER BY number DESC LIMIT $3",
        *(subject, before, count),
    )
    return [_entry(decode(row["content"])) for row in rows]


async def faults(reads: Reads, subject: str) -> list[str]:
    """What is wrong with the subject's chain, read as a whole but never held as one. Empty: nothing is."""
    found: list[str] = []
    last = chain.BEGINNING
    while len(found) < limits.AUDIT_FAULTS_MAX and (
        rows := await reads.fetch(_LINKS, subject, last.number, _LINKS_AT_ONCE)
    ):
        links = [chain.Link(row["number"], row["content"], row["hash"]) for row in rows]
        found += await asyncio.to_thread(_faults, subject, last, links)
        last = chain.Seal(links[-1].number, links[-1].hash)
    return found[: limits.AUDIT_FAULTS_MAX]


_LINKS: Final = "SELECT * FROM audit_entries WHERE subject = $1 AND number > $2 ORDER BY number LIMIT $3"
_LINKS_AT_ONCE: Final = 2_000  # some 10 ms of reading, for which others wait


def _faults(subject: str, last: chain.Seal, links: Sequence[chain.Link]) -> list[str]:
    odd = [link.number for link in links if _place(link.content) != (subject, link.number)]
    return [*chain.faults_after(last, links), *(f"entry {number} stands in another's place" for number in odd)]


def _entry(content: JsonObject) -> AuditEntry:
    return AuditEntry(content["number"], content["at_ms"], msgspec.convert(content, Deed))


def _place(content: bytes) -> tuple[str, int]:
    said = decode(content)
    return said["subject"], said["number"]
