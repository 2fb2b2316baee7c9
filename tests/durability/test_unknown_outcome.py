"""Commits whose outcome is unknown: connections that break around COMMIT, and waits for a second site cut short.

The store's committer and feed on a real PostgreSQL, without HTTP above them. Every note that is submitted must come to
one end: stored once and answered with its position, or refused and stored at most once.
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
from tests.durability.notes import Note, Worker, opened, stored, superuser, worker
from tests.durability.wire import Break, wire_to

ANSWER_SECONDS_MAX = 10.0  # a commit takes milliseconds, a look-up a few hundred; a machine may be busy
STORM_SECONDS = 5.0


async def _submit(target: Worker, note: Note) -> int:
    async with asyncio.timeout(ANSWER_SECONDS_MAX):
        pos: int = await target.committer.submit(note)
    return pos


@asynccontextmanager
async def _slow_commits(dsn: str, seconds: str) -> AsyncIterator[None]:
    """Notes spend a while inside COMMIT: a deferred trigger sleeps there. seconds: an SQL expression."""
    async with superuser(dsn) as admin:
        await admin.execute(f"""
            CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql
                AS $$ BEGIN PERFORM pg_sleep({seconds}); RETURN NULL; END $$;
            CREATE CONSTRAINT TRIGGER slow_commit AFTER INSERT ON revocations DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW EXECUTE FUNCTION dawdle()""")
        try:
            yield
        finally:
            await admin.execute("DROP TRIGGER slow_commit ON revocations; DROP FUNCTION dawdle()")


# --- the connection breaks ---


@pytest.mark.parametrize(("break_", "runs"), [(Break.BEFORE, 2), (Break.AFTER, 1), (Break.MEANWHILE, 1)], ids=str)
async def test_a_lost_commit_is_looked_up_and_only_what_is_absent_runs_again(
    dsn: str, break_: Break, runs: int
) -> None:
    prefix = f"@{break_.name}"
    async with wire_to(dsn) as wire, worker(dsn, wire.dsn) as ours, _slow_commits(dsn, "0.05"):
        await _submit(ours, Note(f"{prefix}-first"))
        notes = [Note(f"{prefix}-{number}") for number in range(3)]
        answers = []
        for note in notes:
            wire.plan.append(break_)
            answers.append(await _submit(ours, note))
        assert not wire.plan
        shown = [pair for pair in ours.shown if pair[1].startswith(prefix)]
    found = await stored(dsn, prefix)
    assert [found[note.name] for note in notes] == [[pos] for pos in answers]
    assert [note.runs for note in notes] == [runs] * len(notes)
    assert shown == sorted((pos, name) for name, places in found.items() for pos in places)


async def test_a_look_up_that_breaks_too_is_looked_up_again(dsn: str) -> None:
    """Whichever COMMIT is lost, and however many in a row, the note is stored once."""
    async with wire_to(dsn) as wire, worker(dsn, wire.dsn) as ours:
        await _submit(ours, Note("@again-first"))
        chance = random.Random(7)
        for number in range(12):
            kinds = chance.choices([Break.BEFORE, Break.AFTER, Break.MEANWHILE, Break.NONE], k=chance.randint(2, 5))
            wire.plan.extend(kinds)
            pos = await _submit(ours, Note(f"@again-{number}"))
            wire.plan.clear()
            assert (await stored(dsn, f"@again-{number}"))[f"@again-{number}"] == [pos], kinds


async def test_a_batch_of_many_comes_to_one_end_for_each(dsn: str) -> None:
    async with wire_to(dsn) as wire, worker(dsn, wire.dsn) as ours:
        await _submit(ours, Note("@many-first"))
        for kind in (Break.AFTER, Break.BEFORE, Break.MEANWHILE):
            notes = [Note(f"@many-{kind.name}-{number}") for number in range(200)]
            wire.plan.extend([kind, kind])
            answers = await asyncio.gather(*(_submit(ours, note) for note in notes))
            wire.plan.clear()
            found = await stored(dsn, f"@many-{kind.name}")
            assert [found[note.name] for note in notes] == [[pos] for pos in answers]


async def test_a_terminated_session_is_a_lost_connection(dsn: str) -> None:
    """pg_terminate_backend inside COMMIT: the database says why it hangs up, and that is no refusal of the note."""
    async with worker(dsn) as ours, _slow_commits(dsn, "0.3"), superuser(dsn) as admin:
        note = Note("@terminated")
        answer = asyncio.create_task(_submit(ours, note))
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            while not await admin.fetchval(_TERMINATE_COMMITTING):
                await asyncio.sleep(0.01)
        pos = await answer
    assert (await stored(dsn, note.name)) == {note.name: [pos]}


_TERMINATE_COMMITTING = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'bongsu' AND query LIKE 'COMMIT%'
    AND state = 'active'
"""


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
async def test_a_look_up_that_is_turned_away_neither_doubles_nor_denies(dsn: str, shut: str, open_: str) -> None:
    """The commit took place and its answer is lost; then for a while the database is there, but not for writing.

    "read only" is what a worker meets after a change of primary: the old one, or a standby.
    """
    prefix = f"@turned-away-{len(shut)}"
    names = [f"{prefix}-{number}" for number in range(5)]
    async with wire_to(dsn) as wire, worker(dsn, wire.dsn) as ours, superuser(dsn) as admin:
        await _submit(ours, Note(f"@before-{prefix}"))
        await admin.execute(shut)
        try:
            wire.plan.append(Break.AFTER)
            answers = asyncio.gather(*(_submit(ours, Note(name)) for name in names), return_exceptions=True)
            await asyncio.wait([answers], timeout=0.4)
        finally:
            await admin.execute(open_)
        outcomes = await answers
    found = await stored(dsn, prefix)
    assert {name: len(places) for name, places in found.items()} == dict.fromkeys(names, 1)
    assert [[pos] for pos in outcomes] == [found[name] for name in names]


async def test_one_note_that_the_database_refuses_does_not_take_the_others_along(dsn: str) -> None:
    """A refusal at COMMIT, right after a lost one: who is refused is told so, everybody else is stored once."""
    names = [f"@refuse-{number}" for number in range(8)]
    async with wire_to(dsn) as wire, worker(dsn, wire.dsn) as ours, _refused_at_commit(dsn, names[3]):
        await _submit(ours, Note("@refuse-first"))
        wire.plan.append(Break.BEFORE)
        outcomes = await asyncio.gather(*(_submit(ours, Note(name)) for name in names), return_exceptions=True)
    assert isinstance(outcomes.pop(3), Refusal)
    del names[3]
    found = await stored(dsn, "@refuse-")
    assert [found.pop(name) for name in names] == [[pos] for pos in outcomes]
    assert list(found) == ["@refuse-first"]


@asynccontextmanager
async def _refused_at_commit(dsn: str, name: str) -> AsyncIterator[None]:
    """A deferred check that fails for one note, as a full disk or a broken index would."""
    async with superuser(dsn) as admin:
        await admin.execute(f"""
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
                AS $$ BEGIN IF NEW.user_id = '{name}' THEN RAISE disk_full; END IF; RETURN NULL; END $$;
            CREATE CONSTRAINT TRIGGER refused AFTER INSERT ON revocations DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW EXECUTE FUNCTION refuse()""")
        try:
            yield
        finally:
            await admin.execute("DROP TRIGGER refused ON revocations; DROP FUNCTION refuse()")


# --- a storm ---


async def test_a_storm_of_terminated_sessions_loses_and_doubles_nothing(
    dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two workers write while sessions of both are ended at random moments, many of them inside COMMIT."""
    async with _slow_commits(dsn, "random() * 0.01"), worker(dsn) as ours, worker(dsn) as theirs:
        storm = asyncio.create_task(_end_sessions(dsn))
        until = time.monotonic() + STORM_SECONDS
        crowd = [
            _send_until(until, target, f"@storm-{who}-{id(target)}") for target in (ours, theirs) for who in "abcd"
        ]
        outcomes = {name: outcome for part in await asyncio.gather(*crowd) for name, outcome in part.items()}
        storm.cancel()
        ended = await storm
        await ours.feed.reach(await _newest(dsn))
        await theirs.feed.reach(await _newest(dsn))
        shown = [[pair for pair in w.shown if pair[1].startswith("@storm-")] for w in (ours, theirs)]
    found = await stored(dsn, "@storm-")
    refused = {name: outcome for name, outcome in outcomes.items() if isinstance(outcome, Refusal)}
    with capsys.disabled():
        print(f"\nstorm: {len(outcomes)} notes, {ended} sessions ended, {len(refused)} refused")
    assert ended > 20
    assert {name: [pos] for name, pos in outcomes.items() if name not in refused} == {
        name: places for name, places in found.items() if name not in refused
    }
    assert not refused, "the database was there all the time, so every note could be stored"
    table = sorted((pos, name) for name, places in found.items() for pos in places)
    assert shown == [table, table]


async def _send_until(until: float, target: Worker, prefix: str) -> dict[str, int | Refusal]:
    outcomes: dict[str, int | Refusal] = {}
    while time.monotonic() < until:
        name = f"{prefix}-{len(outcomes)}"
        try:
            outcomes[name] = await _submit(target, Note(name))
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
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'bongsu' AND random() < 0.4
"""


async def _newest(dsn: str) -> int:
    async with superuser(dsn) as admin:
        pos: int = await admin.fetchval("SELECT pos FROM stream")
    return pos


# --- the wait for a second site ---


async def test_a_warning_that_the_wait_was_cut_is_never_an_acknowledgement(dsn: str) -> None:
    """Warning 01000 in the transaction: the outcome is looked up on another session, behind another COMMIT."""
    warn = "DO $$ BEGIN RAISE WARNING USING ERRCODE = '01000', MESSAGE = 'the wait was cut short'; END $$"
    async with wire_to(dsn) as wire, worker(dsn, wire.dsn) as ours:
        await _submit(ours, Note("@before-warned"))
        wire.plan.extend([Break.NONE, Break.BEFORE, Break.BEFORE])  # the look-up is held up: no answer may come
        note = Note("@warned", warn)
        answer = asyncio.create_task(_submit(ours, note))
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            while wire.plan:
                assert not answer.done()
                assert all(name != note.name for _, name in ours.shown)
                await asyncio.sleep(0.005)
        pos = await answer
        assert (pos, note.name) in ours.shown
    assert note.runs == 1
    assert await stored(dsn, note.name) == {note.name: [pos]}


@pytest.mark.parametrize("end", ["pg_cancel_backend", "pg_terminate_backend"])
async def test_a_commit_that_no_second_site_has_is_neither_acknowledged_nor_shown(dsn: str, end: str) -> None:
    """A standby is wanted that does not exist. Cutting the wait short makes the row visible, and must not count."""
    note = Note(f"@alone-{end}")
    async with worker(dsn) as ours, superuser(dsn) as admin:
        await _submit(ours, Note(f"@begin-{end}"))
        async with _second_site_missing(admin):
            answer = asyncio.create_task(_submit(ours, note))
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                while not await admin.fetchval(f"SELECT count({end}(pid)) {_WAITING}"):
                    await asyncio.sleep(0.01)
                while not await stored(dsn, note.name):
                    await asyncio.sleep(0.01)
            await asyncio.sleep(1.5)  # the feed looks at the table once a second
            assert not answer.done()
            assert all(name != note.name for _, name in ours.shown)
        pos = await answer
        assert (pos, note.name) in ours.shown
    assert note.runs == 1
    assert await stored(dsn, note.name) == {note.name: [pos]}


_WAITING = "FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name = 'bongsu' AND query LIKE 'COMMIT%'"


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


# --- the caller leaves ---


async def test_a_caller_that_leaves_does_not_take_its_commit_along(dsn: str) -> None:
    async with worker(dsn) as ours, _slow_commits(dsn, "0.1"):
        notes = [Note(f"@left-{number}") for number in range(5)]
        for note in notes:
            caller = asyncio.create_task(_submit(ours, note))
            await asyncio.sleep(0.05)  # its transaction is under way
            caller.cancel()
            with pytest.raises(asyncio.CancelledError):
                await caller
        await _submit(ours, Note("@left-last"))
        shown = [name for _, name in ours.shown if name.startswith("@left-")]
    assert shown == [*(note.name for note in notes), "@left-last"]
    assert {name: len(places) for name, places in (await stored(dsn, "@left-")).items()} == dict.fromkeys(shown, 1)
    assert [note.runs for note in notes] == [1] * len(notes)


async def test_a_caller_that_leaves_does_not_cancel_a_single_write(dsn: str) -> None:
    """Database.write: the same rule for writes beside the stream; close() waits for them."""
    insert = "INSERT INTO server_facts VALUES ($1, (SELECT 'slept' FROM pg_sleep(0.3)))"
    async with opened(dsn) as database:
        caller = asyncio.create_task(database.execute(insert, "left"))
        await asyncio.sleep(0.1)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
    async with superuser(dsn) as admin:
        assert await admin.fetchval("DELETE FROM server_facts WHERE name = 'left' RETURNING value") == "slept"


async def test_what_was_submitted_before_a_stop_is_committed(dsn: str) -> None:
    async with worker(dsn) as ours, _slow_commits(dsn, "0.05"):
        callers = [asyncio.create_task(_submit(ours, Note(f"@stop-{number}"))) for number in range(20)]
        await asyncio.sleep(0)
        await ours.committer.stop()
        answers = await asyncio.gather(*callers)
        with pytest.raises(Refusal):
            await _submit(ours, Note("@stop-late"))
    found = await stored(dsn, "@stop-")
    assert [found[f"@stop-{number}"] for number in range(20)] == [[pos] for pos in answers]
    assert "@stop-late" not in found
