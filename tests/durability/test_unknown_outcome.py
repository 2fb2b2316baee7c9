"""Commits whose outcome is unknown: connections that break around a commit, and waits for a second site cut short.

The store's committer and feed on a real PostgreSQL, without HTTP above them. Every note that is submitted must come to
one end: stored once and answered with its position, or refused and stored at most once. All of it is asked twice: of
notes that are committed with a transaction, and of plain ones that are committed with one statement.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from bongsu.core.errors import Refusal
from bongsu.store import incidents
from bongsu.store.feed import Feed
from tests.durability.notes import Note, PlainNote, Worker, opened, stored, superuser, worker
from tests.durability.wire import Break, wire_to

ANSWER_SECONDS_MAX = 10.0  # a commit takes milliseconds, a look-up a few hundred; a machine may be busy
STORM_SECONDS = 3.0

pytestmark = [
    pytest.mark.parametrize("kind", [Note, PlainNote], ids=["transaction", "statement"]),
    pytest.mark.xdist_group("heavy"),  # not beside others that load the whole machine
]


async def _submit(target: Worker, note: Note) -> int:
    async with asyncio.timeout(ANSWER_SECONDS_MAX):
        pos: int = await target.committer.submit(note)
    return pos


@asynccontextmanager
async def _inside_commit(dsn: str, does: str) -> AsyncIterator[None]:
    """Runs PL/pgSQL inside the commit of every note (`name` is the note's), by a deferred trigger."""
    async with superuser(dsn) as admin:
        await admin.execute(f"""
            CREATE FUNCTION inside_commit() RETURNS trigger LANGUAGE plpgsql AS $$
                DECLARE name text := coalesce(to_jsonb(NEW)->>'sender', to_jsonb(NEW)->>'user_id');
                BEGIN {does}; RETURN NULL; END $$""")
        for table in ("events", "revocations"):
            await admin.execute(f"""
                CREATE CONSTRAINT TRIGGER inside_commit AFTER INSERT ON {table} DEFERRABLE INITIALLY DEFERRED
                    FOR EACH ROW EXECUTE FUNCTION inside_commit()""")
        try:
            yield
        finally:
            await admin.execute("DROP FUNCTION inside_commit() CASCADE")


# --- the connection breaks ---


@pytest.mark.parametrize(
    ("break_", "runs"),
    [(Break.BEFORE, 2), (Break.AFTER, 1), (Break.MEANWHILE, 1)],
    ids=["before", "after", "meanwhile"],
)
async def test_a_lost_commit_is_looked_up_and_only_what_is_absent_runs_again(
    dsn: str, kind: type[Note], break_: Break, runs: int
) -> None:
    prefix = f"@{kind.__name__} {break_.name}"
    async with wire_to(dsn) as wire, worker(dsn, wire.dsn) as ours, _inside_commit(dsn, "PERFORM pg_sleep(0.05)"):
        await _submit(ours, kind(f"{prefix} first"))
        notes = [kind(f"{prefix} {number}") for number in range(3)]
        answers = []
        for note in notes:
            wire.plan.append(break_)
            answers.append(await _submit(ours, note))
        assert not wire.plan
        assert bool(wire.at_once) == kind.is_plain, "plain notes are to be committed with one statement"
        shown = [pair for pair in ours.shown if pair[1].startswith(prefix)]
    found = await stored(dsn, prefix)
    assert [found[note.name] for note in notes] == [[pos] for pos in answers]
    assert [note.runs for note in notes] == [runs] * len(notes)
    assert shown == sorted((pos, name) for name, places in found.items() for pos in places)


async def test_a_look_up_that_breaks_too_is_looked_up_again(dsn: str, kind: type[Note]) -> None:
    """Whichever commit is lost, and however many in a row, the note is stored once."""
    prefix = f"@{kind.__name__} again"
    async with wire_to(dsn) as wire, worker(dsn, wire.dsn) as ours:
        await _submit(ours, kind(f"{prefix} first"))
        chance = random.Random(7)
        for number in range(12):
            breaks = chance.choices([Break.BEFORE, Break.AFTER, Break.MEANWHILE, Break.NONE], k=chance.randint(2, 5))
            wire.plan.extend(breaks)
            pos = await _submit(ours, kind(f"{prefix} {number:02}"))
            wire.plan.clear()
            assert await stored(dsn, f"{prefix} {number:02}") == {f"{prefix} {number:02}": [pos]}, breaks


async def test_a_batch_of_many_comes_to_one_end_for_each(dsn: str, kind: type[Note]) -> None:
    async with wire_to(dsn) as wire, worker(dsn, wire.dsn) as ours:
        await _submit(ours, kind("@before many"))
        for break_ in (Break.AFTER, Break.BEFORE, Break.MEANWHILE):
            prefix = f"@{kind.__name__} many {break_.name}"
            notes = [kind(f"{prefix} {number}") for number in range(200)]
            wire.plan.extend([break_, break_])
            answers = await asyncio.gather(*(_submit(ours, note) for note in notes))
            wire.plan.clear()
            found = await stored(dsn, prefix)
            assert [found[note.name] for note in notes] == [[pos] for pos in answers]


async def test_a_terminated_session_is_a_lost_connection(dsn: str, kind: type[Note]) -> None:
    """pg_terminate_backend inside a commit: the database says why it hangs up, and that is no refusal of the note."""
    note = kind(f"@{kind.__name__} terminated")
    dozing = "FROM pg_stat_activity WHERE application_name = 'bongsu' AND wait_event = 'PgSleep'"
    async with worker(dsn) as ours, _inside_commit(dsn, "PERFORM pg_sleep(0.3)"), superuser(dsn) as admin:
        await _submit(ours, kind("@before terminated"))
        answer = asyncio.create_task(_submit(ours, note))
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            while not await admin.fetchval(f"SELECT count(pg_terminate_backend(pid)) {dozing}"):
                await asyncio.sleep(0.01)
        pos = await answer
    assert (await stored(dsn, note.name)) == {note.name: [pos]}


# --- the database is there, but not for us ---


@pytest.mark.parametrize(
    ("shut", "open_"),
    [
        ("ALTER ROLE bongsu CONNECTION LIMIT 0", "ALTER ROLE bongsu CONNECTION LIMIT -1"),
        ("ALTER ROLE bongsu NOLOGIN", "ALTER ROLE bongsu LOGIN"),
        (
            "ALTER DATABASE bongsu SET default_transaction_read_only = on",
            "ALTER DATABASE bongsu RESET default_transaction_read_only",
        ),
    ],
    ids=["too many clients", "no entry", "read only"],
)
async def test_a_look_up_that_is_turned_away_neither_doubles_nor_denies(
    dsn: str, kind: type[Note], shut: str, open_: str
) -> None:
    """The commit took place and its answer is lost; then for a while nobody may look it up.

    "read only" is what a worker meets after a change of primary: the old one, or a standby.
    """
    prefix = f"@{kind.__name__} turned away {len(shut)}"
    names = [f"{prefix} {number}" for number in range(5)]
    async with wire_to(dsn) as wire, worker(dsn, wire.dsn) as ours, superuser(dsn) as admin:
        await _submit(ours, kind("@before turned away"))
        await admin.execute(shut)
        try:
            wire.plan.append(Break.AFTER)
            answers = asyncio.gather(*(_submit(ours, kind(name)) for name in names), return_exceptions=True)
            await asyncio.wait([answers], timeout=0.4)
        finally:
            await admin.execute(open_)
        outcomes = await answers
    found = await stored(dsn, prefix)
    assert {name: len(places) for name, places in found.items()} == dict.fromkeys(names, 1)
    assert [[pos] for pos in outcomes] == [found[name] for name in names]


async def test_one_note_that_the_database_refuses_does_not_take_the_others_along(dsn: str, kind: type[Note]) -> None:
    """A refusal at commit, right after a lost one: who is refused is told so, everybody else is stored once."""
    prefix = f"@{kind.__name__} refuse"
    names = [f"{prefix} {number}" for number in range(8)]
    refuse = f"IF name = '{names[3]}' THEN RAISE disk_full; END IF"
    async with wire_to(dsn) as wire, worker(dsn, wire.dsn) as ours, _inside_commit(dsn, refuse):
        await _submit(ours, kind("@before refuse"))
        wire.plan.append(Break.BEFORE)
        outcomes = await asyncio.gather(*(_submit(ours, kind(name)) for name in names), return_exceptions=True)
    assert isinstance(outcomes.pop(3), Refusal)
    del names[3]
    found = await stored(dsn, prefix)
    assert [found.pop(name) for name in names] == [[pos] for pos in outcomes]
    assert not found


# --- a storm ---


async def test_a_storm_of_terminated_sessions_loses_and_doubles_nothing(
    dsn: str, kind: type[Note], capsys: pytest.CaptureFixture[str]
) -> None:
    """Two workers write while sessions of both are ended at random moments, many of them inside a commit."""
    prefix = f"@{kind.__name__} storm"
    async with _inside_commit(dsn, "PERFORM pg_sleep(random() * 0.01)"), worker(dsn) as ours, worker(dsn) as theirs:
        storm = asyncio.create_task(_end_sessions(dsn))
        until = time.monotonic() + STORM_SECONDS
        crowd = [
            _send_until(until, target, kind, f"{prefix} {name}{who}")
            for name, target in (("our ", ours), ("their ", theirs))
            for who in "abcd"
        ]
        outcomes = {name: outcome for part in await asyncio.gather(*crowd) for name, outcome in part.items()}
        storm.cancel()
        ended = await storm
        newest = await _newest(dsn)
        await asyncio.gather(ours.feed.reach(newest), theirs.feed.reach(newest))
        shown = [[pair for pair in w.shown if pair[1].startswith(prefix)] for w in (ours, theirs)]
    found = await stored(dsn, prefix)
    refused = {name for name, outcome in outcomes.items() if isinstance(outcome, Refusal)}
    with capsys.disabled():
        print(f"\nstorm: {len(outcomes)} notes, {ended} sessions ended, {len(refused)} refused")
    assert ended > 20
    assert not refused, "the database was there all the time, so every note could be stored"
    assert found == {name: [pos] for name, pos in outcomes.items()}
    table = sorted((pos, name) for name, places in found.items() for pos in places)
    assert shown == [table, table]


async def _send_until(until: float, target: Worker, kind: type[Note], prefix: str) -> dict[str, int | Refusal]:
    outcomes: dict[str, int | Refusal] = {}
    while time.monotonic() < until:
        name = f"{prefix} {len(outcomes)}"
        try:
            outcomes[name] = await _submit(target, kind(name))
        except Refusal as refusal:
            outcomes[name] = refusal
    return outcomes


async def _end_sessions(dsn: str) -> int:
    """Ends some of Bongsu's sessions every now and then, until cancelled; how many it were."""
    chance = random.Random(20)
    ended = 0
    async with superuser(dsn) as admin:
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                await asyncio.sleep(chance.uniform(0.01, 0.12))
                ended += await asyncio.shield(admin.fetchval(_TERMINATE_SOME))
    return ended


_TERMINATE_SOME = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'bongsu%' AND random() < 0.4
"""


async def _newest(dsn: str) -> int:
    async with superuser(dsn) as admin:
        pos: int = await admin.fetchval("SELECT pos FROM stream")
    return pos


# --- the wait for a second site ---


async def test_a_warning_that_the_wait_was_cut_is_never_an_acknowledgement(dsn: str, kind: type[Note]) -> None:
    """Warning 01000 in a commit: the outcome is looked up on another session, behind another commit."""
    note = kind(f"@{kind.__name__} warned")
    warn = f"IF name = '{note.name}' THEN RAISE WARNING USING ERRCODE = '01000', MESSAGE = 'cut short'; END IF"
    async with wire_to(dsn) as wire, worker(dsn, wire.dsn) as ours, _inside_commit(dsn, warn):
        await _submit(ours, kind("@before warned"))
        wire.plan.extend([Break.NONE, *[Break.BEFORE] * 12])  # the look-up is held up: no answer may come
        answer = asyncio.create_task(_submit(ours, note))
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            while wire.plan:
                assert not answer.done()
                assert not ours.has_shown(note)
                await asyncio.sleep(0.005)
        pos = await answer
        assert (pos, note.name) in ours.shown
    assert note.runs == 1
    assert await stored(dsn, note.name) == {note.name: [pos]}


@pytest.mark.parametrize("end", ["pg_cancel_backend", "pg_terminate_backend"])
async def test_a_commit_that_no_second_site_has_is_neither_acknowledged_nor_shown(
    dsn: str, kind: type[Note], end: str
) -> None:
    """A standby is wanted that does not exist. Cutting the wait short makes the row visible, and must not count."""
    note = kind(f"@{kind.__name__} alone {end}")
    waiting = "FROM pg_stat_activity WHERE application_name = 'bongsu' AND wait_event = 'SyncRep'"
    async with worker(dsn) as ours, worker(dsn) as theirs, superuser(dsn) as admin:
        await _submit(ours, kind("@before alone"))
        async with _second_site_missing(admin):
            answer = asyncio.create_task(_submit(ours, note))
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                while not await admin.fetchval(f"SELECT count({end}(pid)) {waiting}"):
                    await asyncio.sleep(0.01)
                while not await stored(dsn, note.name):
                    await asyncio.sleep(0.01)
            await asyncio.sleep(1.5)  # the feed looks at the table once a second
            assert not answer.done()
            told_too_early = [name for name, w in (("ours", ours), ("theirs", theirs)) if w.has_shown(note)]
            assert not told_too_early
        pos = await answer
        assert (pos, note.name) in ours.shown
    assert note.runs == 1
    assert await stored(dsn, note.name) == {note.name: [pos]}


@asynccontextmanager
async def _second_site_missing(admin: "asyncpg.Connection[asyncpg.Record]") -> AsyncIterator[None]:
    async def want(names: str) -> None:
        await admin.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
        await admin.execute("SELECT pg_reload_conf()")
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            while await admin.fetchval("SHOW synchronous_standby_names") != names:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)  # the process that wakes who waits reads its settings a little later

    await admin.execute("SET synchronous_commit = local")
    await want("nobody")
    try:
        yield
    finally:
        await want("")


async def test_a_look_whose_own_commit_is_lost_is_made_again(dsn: str, kind: type[Note]) -> None:
    """Whoever asks for what others wrote is answered: nothing of theirs hung on that commit."""
    note = kind(f"@{kind.__name__} looked for")
    async with worker(dsn) as theirs:
        pos = await _submit(theirs, note)
    async with wire_to(dsn, b"pg_logical_emit_message") as wire, opened(wire.dsn) as reading, superuser(dsn) as admin:
        feed = Feed(reading)
        async with _second_site_missing(admin):
            wire.plan.append(Break.MEANWHILE)
            looking = asyncio.create_task(feed.reach(pos))
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                while wire.plan:
                    await asyncio.sleep(0.01)
        await looking
    assert feed.pos >= pos


# --- the caller leaves ---


async def test_a_caller_that_leaves_does_not_take_its_commit_along(dsn: str, kind: type[Note]) -> None:
    prefix = f"@{kind.__name__} left"
    async with worker(dsn) as ours, _inside_commit(dsn, "PERFORM pg_sleep(0.1)"):
        notes = [kind(f"{prefix} {number}") for number in range(5)]
        for note in notes:
            caller = asyncio.create_task(_submit(ours, note))
            await asyncio.sleep(0.05)  # its commit is under way
            caller.cancel()
            with pytest.raises(asyncio.CancelledError):
                await caller
        await _submit(ours, kind(f"{prefix} last"))
        shown = [name for _, name in ours.shown if name.startswith(prefix)]
    assert shown == [*(note.name for note in notes), f"{prefix} last"]
    assert {name: len(places) for name, places in (await stored(dsn, prefix)).items()} == dict.fromkeys(shown, 1)
    assert [note.runs for note in notes] == [1] * len(notes)


async def test_what_was_submitted_before_a_stop_is_committed(dsn: str, kind: type[Note]) -> None:
    prefix = f"@{kind.__name__} stop"
    names = [f"{prefix} {number}" for number in range(20)]
    async with worker(dsn) as ours, _inside_commit(dsn, "PERFORM pg_sleep(0.02)"):
        callers = [asyncio.create_task(_submit(ours, kind(name))) for name in names]
        await asyncio.sleep(0)
        await ours.committer.stop()
        answers = await asyncio.gather(*callers)
        with pytest.raises(Refusal):
            await _submit(ours, kind(f"{prefix} late"))
    assert await stored(dsn, prefix) == {name: [pos] for name, pos in zip(names, answers, strict=True)}


async def test_a_caller_that_leaves_does_not_cancel_a_write_beside_the_stream(dsn: str, kind: type[Note]) -> None:
    """Database.write, in a transaction or as one statement: the same rule, and close() waits for it."""
    insert = "INSERT INTO server_facts VALUES ($1, (SELECT 'slept' FROM pg_sleep(0.3)))"
    async with opened(dsn) as database:
        write = database.execute(insert, "left") if kind.is_plain else database.execute_many(insert, [("left",)])
        caller = asyncio.create_task(write)
        await asyncio.sleep(0.1)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
    async with superuser(dsn) as admin:
        assert await admin.fetchval("DELETE FROM server_facts WHERE name = 'left' RETURNING value") == "slept"


async def test_a_write_beside_the_stream_is_not_repeated_after_its_commit(dsn: str, kind: type[Note]) -> None:
    """The commit was answered; then the connection breaks, while it goes back to the pool."""
    insert = "INSERT INTO revocations SELECT coalesce(max(pos), 0) + 1000, $1 FROM revocations"
    name = f"@{kind.__name__} back to the pool"
    async with wire_to(dsn, b"no mark") as wire, opened(wire.dsn) as database:
        wire.plan.append(Break.LATER)
        with contextlib.suppress(Refusal):
            await (database.execute(insert, name) if kind.is_plain else database.execute_many(insert, [(name,)]))
        assert not wire.plan
    assert len((await stored(dsn, name))[name]) == 1


async def test_a_write_beside_the_stream_whose_commit_is_lost_is_unknown_and_not_repeated(
    dsn: str, kind: type[Note]
) -> None:
    """The pool takes a broken connection back at once; that must not hide that its commit was under way."""
    insert = "INSERT INTO revocations SELECT coalesce(max(pos), 0) + 1000, $1 FROM revocations"
    name = f"@{kind.__name__} lost beside"
    async with wire_to(dsn, b"no mark") as wire, opened(wire.dsn) as database:
        wire.plan.append(Break.AFTER)
        with pytest.raises(Refusal, match="not known"):
            await (database.execute(insert, name) if kind.is_plain else database.execute_many(insert, [(name,)]))
        assert not wire.plan
    assert len((await stored(dsn, name))[name]) == 1


async def test_a_beat_goes_there_once_and_again_only_if_its_answer_is_lost(dsn: str, kind: type[Note]) -> None:
    site = f"a site of {kind.__name__}"
    async with wire_to(dsn, site.encode()) as wire, opened(wire.dsn) as database:
        await incidents.beat(database, site)
        assert wire.at_once == 1
        wire.plan.append(Break.AFTER)
        await incidents.beat(database, site)
        assert not wire.plan
        assert wire.at_once == 3
