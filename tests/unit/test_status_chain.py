"""Entries cannot be altered unseen, in the table or in a site's own file."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bongsu.core import chain
from bongsu.core.chain import FIRST, Link, Seal, digest
from bongsu.status import record
from bongsu.status.incidents import Began, Seen
from bongsu.status.journal import Journal, JournalBroken, path_in, read
from bongsu.status.rules import Level


def linked(contents: list[bytes]) -> list[Link]:
    links: list[Link] = []
    for content in contents:
        previous = links[-1].hash if links else FIRST
        links.append(Link(len(links) + 1, content, digest(previous, content)))
    return links


CHAINS = st.lists(st.binary(min_size=1, max_size=20), min_size=2, max_size=12).map(linked)


@given(CHAINS)
def test_what_was_written_is_whole(links: list[Link]) -> None:
    assert chain.faults(links, [Seal(link.number, link.hash) for link in links]) == []


@given(CHAINS, st.data())
def test_every_alteration_is_found(links: list[Link], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(links) - 1))
    seal = Seal(links[-1].number, links[-1].hash)
    alter: Callable[[Link], Link] = lambda link: Link(link.number, link.content + b"!", link.hash)  # noqa: E731
    changed = [*links[:place], alter(links[place]), *links[place + 1 :]]
    assert chain.faults(changed, [seal])
    assert chain.faults([*links[:place], *links[place + 1 :]], [seal]), "one is missing"
    forged = linked([link.content for link in changed])
    assert chain.faults(forged) == [], "a chain that was written anew is whole in itself"
    assert chain.faults(forged, [seal]), "but a site has noted another hash"


@given(CHAINS)
def test_a_record_that_was_cut_off_is_found_by_who_noted_its_end(links: list[Link]) -> None:
    assert chain.faults(links[:-1]) == []
    assert chain.faults(links[:-1], [Seal(links[-1].number, links[-1].hash)])


# --- a site's own file ---

STOPPED = Seen("a", 2_000, "text", Level.STOPPED, 1_000)
BEGAN = Began("a", 500, ("a", "b"))


def written(data: Path) -> Path:
    journal = Journal(data)
    assert journal.open()
    journal.append(BEGAN)
    journal.append(STOPPED)
    journal.close()
    return path_in(data)


def test_a_journal_goes_on_where_it_ended(tmp_path: Path) -> None:
    path = written(tmp_path)
    journal = Journal(tmp_path)
    assert journal.open()
    assert [line.entry for line in journal.lines] == [BEGAN, STOPPED]
    third = journal.append(msgspec.structs.replace(STOPPED, level=Level.WORKS))
    journal.close()
    assert third.sequence == 3
    assert record.journal_faults(path, None) == []


def test_one_worker_alone_writes(tmp_path: Path) -> None:
    first, second = Journal(tmp_path), Journal(tmp_path)
    assert first.open()
    assert not second.open()
    first.close()
    assert second.open()
    second.close()


def test_half_a_line_from_a_power_cut_never_counted(tmp_path: Path) -> None:
    path = written(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"line":{"entry":{"at_ms"')
    journal = Journal(tmp_path)
    assert journal.open()
    assert len(journal.lines) == 2
    journal.append(STOPPED)
    journal.close()
    assert path.read_bytes().startswith(whole)
    assert [link.number for link in read(path)] == [1, 2, 3]


def test_an_altered_journal_is_put_aside_and_a_new_one_begun(tmp_path: Path) -> None:
    path = written(tmp_path)
    altered = path.read_bytes().replace(b'"since_ms":1000', b'"since_ms":9000')
    path.write_bytes(altered)
    assert record.journal_faults(path, None)
    journal = Journal(tmp_path)
    assert journal.open()
    journal.append(BEGAN)
    journal.close()
    assert [other.read_bytes() for other in path.parent.glob("altered-*")] == [altered]
    assert [link.number for link in read(path)] == [1]


def test_a_line_that_is_none_is_said(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_bytes(path.read_bytes() + b"no JSON\n")
    with pytest.raises(JournalBroken):
        read(path)
