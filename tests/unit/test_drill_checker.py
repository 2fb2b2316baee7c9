"""The drill's judge is judged: each thing that three sites could do wrong is planted into a recorded run, and found.

The run is a real record in files, written and read back as a drill does it; only the servers are missing.
"""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from bongsu.drill.checker import Copy, Photo, Reading, Seen, Stretch, Violation, check_positions
from bongsu.drill.evidence import shown
from bongsu.drill.judging import ReadBack, judge
from bongsu.drill.reader import Fold
from bongsu.drill.record import ROWS, Record, Word, Written
from bongsu.drill.shown import Filed
from bongsu.drill.verdict import Check, is_kept, safety

SITES = ["north", "middle", "south"]
ROOMS = ["!one", "!two"]
SENDERS = ["@a", "@b", "@c"]
COUNT = 40  # sends in the run
PHOTO = Photo("mxc://drill.example/1", hashlib.sha256(b"a beacon").hexdigest(), 1.0)
CREATED = {room_id: Seen(f"$create{room_id}", "@owner", None) for room_id in ROOMS}
Told = dict[str, list[tuple[int, Seen]]]  # room id → (position, event), oldest first


class Run:
    """A good run, and what is changed about it before it is judged. readers: name → what it was shown of each room."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.record = Record(folder, SITES)
        self.users = {user_id: self.record.enrol(user_id) for user_id in SENDERS}
        for room_id in ROOMS:
            self.record.name_room(room_id)
        self.told: Told = {room_id: [(place + 1, CREATED[room_id])] for place, room_id in enumerate(ROOMS)}
        for number in range(COUNT):
            self._send(number)
        self.readers = {name: {room_id: list(self.told[room_id]) for room_id in ROOMS} for name in _readers()}
        self.copies = [Copy(site, PHOTO.uri, PHOTO.sha256) for site in SITES]
        self.gap_of = ""
        self.later: dict[str, int] = {}  # reader → by how many events its stretches meet after the others' do

    def _send(self, number: int) -> None:
        """Every fifth is never acknowledged, and half of those happened."""
        sender, room_id = SENDERS[number % 3], ROOMS[number % 2]
        attempt = self.record.begin(number % 3, room_id, list(Word)[number % 4])
        if number % 5:
            self.record.acknowledge(attempt, number % 3, f"$e{number}")
        if number % 5 or number % 2:
            self.told[room_id].append((number + 10, Seen(f"$e{number}", sender, attempt.body)))

    def judged(self) -> list[Violation]:
        self.record.close()
        written = Written(self.folder, SITES, self.record.clients, self.record.rooms)
        folds = {name: self._fold(name, told) for name, told in self.readers.items()}
        fresh, live = [folds[site] for site in SITES], [folds["live"]]
        back = ReadBack(fresh, [folds["history"]], self.copies)

        def readings(room_id: str) -> Sequence[Reading]:
            return [fold.reading(room_id) for fold in live]

        return asyncio.run(judge(written, readings, back, [PHOTO], SITES, lambda *_: None))

    def _fold(self, name: str, told: Told) -> Fold:
        """What was told, through the files and in several stretches."""
        rooms = {room_id: place for place, room_id in enumerate(ROOMS)}
        shown = Filed(self.folder / "shown", name, rooms, self.users)
        for room_id in ROOMS:
            for stretch in self._stretches(name, told[room_id]):
                shown.add(room_id, stretch)
        return Fold(name, ROOMS, None, shown, 100)  # type: ignore[arg-type]  # it asks for nothing here

    def _stretches(self, name: str, told: list[tuple[int, Seen]]) -> list[Stretch]:
        """Cut in the middle; between two stretches a silence, so that its folding is tried too."""
        middle = len(told) // 2 + self.later.get(name, 0)
        first, second = told[:middle], told[middle:]
        at = max((pos for pos, _ in first), default=0)
        silence = [] if name == self.gap_of else [Stretch(f"s{at}", f"s{at}"), Stretch(f"s{at}", f"s{at}")]
        begin = f"s{at + 1}" if name == self.gap_of else f"s{at}"
        return [
            Stretch("", f"s{at}", tuple(seen for _, seen in first)),
            *silence,
            Stretch(begin, "s999", tuple(seen for _, seen in second)),
        ]


def _readers() -> list[str]:
    return [*SITES, "live", "history"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def _kinds(violations: Sequence[Violation]) -> set[str]:
    return {violation.kind for violation in violations}


def test_a_good_run_has_no_violation(run: Run) -> None:
    assert run.judged() == []


# --- plants: what is changed, and as what it must be found ---


def _lose_everywhere(run: Run) -> None:
    for told in run.readers.values():
        told["!two"] = [(pos, seen) for pos, seen in told["!two"] if seen.event_id != "$e7"]


def _lose_at_one_site(run: Run) -> None:
    run.readers["south"]["!two"] = [(pos, seen) for pos, seen in run.readers["south"]["!two"] if seen[0] != "$e7"]


def _lose_the_last(run: Run) -> None:
    for told in run.readers.values():
        told["!two"].pop()


def _double_in_the_room(run: Run) -> None:
    for told in run.readers.values():
        told["!two"].append((90, told["!two"][3][1]._replace(event_id="$again")))


def _show_twice(run: Run) -> None:
    run.readers["live"]["!one"].insert(5, run.readers["live"]["!one"][4])


def _answer_twice(run: Run) -> None:
    run.record.acknowledge(run.record.begin(0, "!one")._replace(number=8), 1, "$other")


def _answer_two_rooms_with_one_event(run: Run) -> None:
    run.record.acknowledge(run.record.begin(0, "!one"), 1, "$e7")


def _swap_at_one_site(run: Run) -> None:
    told = run.readers["middle"]["!one"]
    told[4], told[5] = (told[4][0], told[5][1]), (told[5][0], told[4][1])


def _swap_for_one_reader(run: Run) -> None:
    told = run.readers["live"]["!one"]
    told[4], told[5] = (told[4][0], told[5][1]), (told[5][0], told[4][1])


def _leave_a_gap(run: Run) -> None:
    run.gap_of = "live"


def _make_up(run: Run) -> None:
    for told in run.readers.values():
        told["!one"].append((95, Seen("$new", "@a", "nobody said this")))


def _move_to_another_room(run: Run) -> None:
    for told in run.readers.values():
        told["!one"].append(told["!two"].pop(6))


def _change_the_sender(run: Run) -> None:
    for told in run.readers.values():
        pos, seen = told["!one"][6]
        told["!one"][6] = (pos, seen._replace(sender="@owner"))


def _lead_twice(run: Run) -> None:
    """The reader was told by a leader that nobody else followed: the same events, at other places in the stream."""
    run.later["live"] = 3
    run.readers["live"]["!one"] = [(pos - 20, seen) for pos, seen in run.readers["live"]["!one"]]


def _two_histories(run: Run) -> None:
    """One site kept what its own leader accepted, the others what theirs did."""
    told = run.readers["north"]["!one"]
    told[-1] = (told[-1][0], Seen("$theirs", "@a", None))


def _photo_missing(run: Run) -> None:
    run.copies[1] = run.copies[1]._replace(sha256=None)


def _photo_never_asked_for(run: Run) -> None:
    del run.copies[2]


def _photo_altered(run: Run) -> None:
    run.copies[2] = run.copies[2]._replace(sha256=hashlib.sha256(b"a beacon!").hexdigest())


@pytest.mark.parametrize(
    ("plant", "kind"),
    [
        (_lose_everywhere, "lost"),
        (_lose_at_one_site, "lost"),
        (_lose_the_last, "lost"),
        (_double_in_the_room, "doubled"),
        (_show_twice, "doubled"),
        (_answer_twice, "doubled"),
        (_answer_two_rooms_with_one_event, "wrong id"),
        (_swap_at_one_site, "order"),
        (_swap_for_one_reader, "order"),
        (_leave_a_gap, "gap"),
        (_make_up, "foreign"),
        (_move_to_another_room, "foreign"),
        (_change_the_sender, "foreign"),
        (_lead_twice, "two leaders"),
        (_two_histories, "lost"),
        (_photo_missing, "photo missing"),
        (_photo_never_asked_for, "photo missing"),
        (_photo_altered, "photo altered"),
    ],
)
def test_what_is_planted_is_found(run: Run, plant: Callable[[Run], None], kind: str) -> None:
    plant(run)
    found = run.judged()
    assert kind in _kinds(found)
    assert not is_kept(safety(found, {"acknowledged": 1, "photos": 1}))


def test_a_run_that_says_nothing_keeps_no_promise() -> None:
    checks = safety([], {"acknowledged": 0, "photos": 0})
    assert [check.is_kept for check in checks] == [None] * len(checks)
    assert not is_kept(checks)


def test_a_slow_switch_breaks_the_promise() -> None:
    good = safety([], {"acknowledged": 1, "photos": 1})
    assert is_kept([*good, Check("write_leader_worst", 12.0, 11.9, "s")])
    assert not is_kept([*good, Check("write_leader_worst", 12.0, 12.1, "s")])


def test_more_events_than_positions_name_two_leaders() -> None:
    crowded = Reading("live", "!one", (Stretch("s4", "s5", (Seen("$a", "@a", None), Seen("$b", "@a", None))),))
    assert _kinds(check_positions([crowded])) == {"two leaders"}


def test_a_token_that_leads_back_is_found() -> None:
    back = Reading("live", "!one", (Stretch("s9", "s4"),))
    assert _kinds(check_positions([back])) == {"gap"}


def test_many_violations_of_one_kind_hide_no_other() -> None:
    found = [*(Violation("photo missing", str(number)) for number in range(99)), Violation("lost", "one")]
    assert _kinds(shown(found)) == {"photo missing", "lost"}


def test_rows_are_as_long_as_they_say() -> None:
    for layout, fields in ROWS.values():
        assert layout.size == sum(int(kind.lstrip("<Suf")) for _, kind in fields)
