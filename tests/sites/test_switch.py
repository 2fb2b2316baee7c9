"""A worker whose database moves to another host: what it reads meanwhile, what it writes, what it must not believe."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
import pytest

from bongsu.core.errors import Refusal
from bongsu.store import copies
from bongsu.store.accounts import Accounts
from bongsu.store.committer import Committer
from bongsu.store.database import Database
from bongsu.store.feed import Feed
from tests.durability.notes import Note, Notes, PlainNote, Worker, opened, stored, worker
from tests.sites.pair import Node, Pair, pair

pytestmark = pytest.mark.xdist_group("sites")
ANSWER_SECONDS_MAX = 60.0


@pytest.fixture
async def sites() -> AsyncIterator[Pair]:
    async with pair() as made:
        yield made


def _dsn(node: Node) -> str:
    return f"postgresql://postgres@127.0.0.1:{node.port}/postgres"


async def _submit(target: Worker, note: Note) -> int:
    async with asyncio.timeout(ANSWER_SECONDS_MAX):
        pos: int = await target.committer.submit(note)
    return pos


def test_an_address_with_several_hosts_is_one_for_each() -> None:
    assert copies.split_hosts("postgresql://me:p%40ss@a:1,b,[::1]:3/db?sslmode=require") == [
        "postgresql://me:p%40ss@a:1/db?sslmode=require",
        "postgresql://me:p%40ss@b/db?sslmode=require",
        "postgresql://me:p%40ss@[::1]:3/db?sslmode=require",
    ]
    assert copies.split_hosts("postgresql:///bongsu?host=/run") == ["postgresql:///bongsu?host=/run"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
@pytest.mark.parametrize("kind", [Note, PlainNote], ids=["transaction", "statement"])
async def test_a_write_outlasts_the_loss_of_the_primary_and_is_stored_once(
    sites: Pair, number: signal.Signals, kind: type[Note]
) -> None:
    async with worker(sites.dsn) as ours:
        before = await _submit(ours, kind("@before"))
        sites.primary.signal(number)
        meanwhile = asyncio.create_task(_submit(ours, kind("@meanwhile")))
        await asyncio.sleep(0.5)
        assert not meanwhile.done(), "nobody was there to commit it"
        await sites.promote()
        after = await meanwhile
        later = await _submit(ours, kind("@later"))
    assert before < after < later
    found = await stored(_dsn(sites.standby), "@")
    assert found == {"@before": [before], "@meanwhile": [after], "@later": [later]}
    assert [pair for pair in ours.shown if pair[1].startswith("@")] == [
        (before, "@before"),
        (after, "@meanwhile"),
        (later, "@later"),
    ]


async def test_reads_go_on_from_the_standby_while_there_is_no_primary(sites: Pair) -> None:
    async with opened(sites.dsn) as database:
        await database.execute("INSERT INTO server_facts (name, value) VALUES ('here', '1')")
        sites.primary.signal(signal.SIGSTOP)
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            while database.has_primary:
                assert await database.fetchval("SELECT value FROM server_facts WHERE name = 'here'") == "1"
            assert await database.fetchval("SELECT value FROM server_facts WHERE name = 'here'") == "1"
        with pytest.raises(Refusal) as unsure:  # the session may have begun where this standby heard nothing of it
            await Accounts(database).holder(b"0" * 32)
        assert unsure.value.status == 503
        await sites.promote()
        await database.execute("INSERT INTO server_facts (name, value) VALUES ('there', '2')")
        assert database.has_primary
        assert await database.fetchval("SELECT value FROM server_facts WHERE name = 'there'") == "2"
        assert await Accounts(database).holder(b"0" * 32) is None


async def test_what_a_primary_alone_has_after_a_restart_is_shown_to_nobody(sites: Pair) -> None:
    """It was written and never acknowledged: the other site lacks it, and this one may burn next."""
    asked = "SELECT value FROM server_facts WHERE name = 'alone'"
    async with opened(sites.dsn) as database:
        sites.standby.signal(signal.SIGSTOP)
        writing = asyncio.create_task(_alone(sites, "INSERT INTO server_facts (name, value) VALUES ('alone', '1')"))
        await _waiting_for_company(sites)
        sites.primary.stop()
        sites.primary.start()
        with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await writing
        assert await sites.primary.ask(asked) == "1"
        await _waiting_for_company(sites, "bongsu")
        reading = asyncio.create_task(database.fetchval(asked))
        await asyncio.sleep(0.3)
        assert not reading.done()
        assert not database.has_primary
        sites.standby.signal(signal.SIGCONT)
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            assert await reading == "1"


async def _alone(sites: Pair, sql: str) -> None:
    admin = await sites.primary.admin()
    await admin.execute(sql)


async def _waiting_for_company(sites: Pair, program: str = "") -> None:
    """Until somebody's commit waits for the standby."""
    sql = f"SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name = '{program}'"
    async with asyncio.timeout(ANSWER_SECONDS_MAX):
        while not await sites.primary.ask(sql):
            await asyncio.sleep(0.05)


async def test_what_others_committed_last_is_shown_from_the_standby(sites: Pair) -> None:
    """Another worker's note was acknowledged a moment before the primary died; this one had not heard of it."""
    async with worker(sites.dsn) as deaf, worker(sites.dsn) as speaker:
        deaf.feed._hear = lambda *_: None  # type: ignore[method-assign] # its notifications are lost on the way
        note = Note("@last words")
        pos = await _submit(speaker, note)
        sites.primary.signal(signal.SIGKILL)
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            await deaf.feed.reach(pos)
            while not deaf.has_shown(note):
                await deaf.feed.reach(pos)
        await sites.promote()


async def test_a_standby_that_has_not_come_to_the_tables_is_not_read(sites: Pair) -> None:
    """It confirms what it has written down, long before it shows it."""
    found = await copies.ask(_connect, _dsn(sites.standby).removesuffix("postgres") + "template1")  # no tables
    assert found is not None
    assert (found.pos, found.is_writable, found.is_fed) == (0, False, False)
    async with asyncio.timeout(ANSWER_SECONDS_MAX):
        while not ((shown := await copies.ask(_connect, _dsn(sites.standby))) and shown.is_fed):
            await asyncio.sleep(0.05)


async def _wake_one_of_before(sites: Pair) -> int:
    """The old primary slept through a switch and wakes up beside the new one, whose position this is."""
    async with worker(sites.dsn) as ours:
        await _submit(ours, Note("@both"))
        sites.primary.signal(signal.SIGSTOP)
        lost = asyncio.create_task(_submit(ours, Note("@new")))
        await sites.promote()
        await lost
        sites.primary.signal(signal.SIGCONT)
        return ours.feed.pos


async def test_a_primary_that_lacks_what_was_shown_is_not_believed(sites: Pair) -> None:
    """A primary of before wakes up beside the new one, and says that it can be written to."""
    pos = await _wake_one_of_before(sites)
    found = await copies.ask(_connect, _dsn(sites.primary))
    assert found is not None
    assert found.is_writable, "the trap is set"
    assert found.pos < pos
    async with opened(sites.dsn) as database:
        database.floor = pos
        for _ in range(5):
            chosen = await copies.find_primary(_connect, copies.split_hosts(sites.dsn), lambda: pos, _nobody)
            assert chosen.dsn == _dsn(sites.standby)


async def test_a_primary_of_before_that_was_found_first_is_left_for_the_newer_one(sites: Pair) -> None:
    """It lets people write and never commits, so whoever waited for it would wait for ever."""
    await _wake_one_of_before(sites)
    found = None
    while found is None or not found.is_writable:
        found = await copies.ask(_connect, _dsn(sites.primary))
    sites.standby.signal(signal.SIGSTOP)  # for a while the one of before alone answers
    async with asyncio.timeout(ANSWER_SECONDS_MAX):
        opening = asyncio.create_task(_port_of_primary(sites.dsn))
        await asyncio.sleep(2)
        assert not opening.done()
        sites.standby.signal(signal.SIGCONT)
        assert await opening == sites.standby.port


async def _port_of_primary(dsn: str) -> int:
    async with opened(dsn) as database:
        return int(await database.fetchval("SHOW port"))


async def test_a_standby_that_was_sent_nothing_is_not_read_from(sites: Pair) -> None:
    """A primary of before that was made a standby shows what it alone may have."""
    await sites.standby.ask("SELECT 1")
    sites.primary.signal(signal.SIGKILL)
    sites.standby.stop()
    sites.standby.start()
    await sites.standby.ask("SELECT 1")
    found = await copies.ask(_connect, _dsn(sites.standby))
    assert found is not None
    assert not found.is_writable
    assert not found.is_fed


async def _connect(dsn: str) -> "asyncpg.Connection[asyncpg.Record]":
    return await asyncpg.connect(dsn)


async def _nobody(_: copies.Found) -> None:
    pass


async def test_a_silent_holder_of_the_right_to_write_loses_it(sites: Pair) -> None:
    """A worker in a site that was cut off is inside its transaction, and will never say another word."""
    async with opened(sites.dsn) as database, worker(sites.dsn) as ours:
        holder = await database.connect()
        await holder.execute("BEGIN; SELECT FROM stream FOR UPDATE")
        await _submit(ours, Note("@waits"))
        assert holder.is_closed()


@asynccontextmanager
async def _stopping(dsn: str) -> AsyncIterator[tuple[Database, Committer]]:
    """A committer that has committed, with its database; at the end both have stopped, within a time."""
    database = Database(dsn)
    await database.open()
    feed = Feed(database)
    committer = Committer(database, feed, Notes)
    await feed.start(lambda: None)
    committer.start(lambda: None)
    await committer.submit(Note("@before"))
    yield database, committer
    async with asyncio.timeout(ANSWER_SECONDS_MAX):
        await committer.stop()
        await feed.stop()
        await database.close()


async def test_a_stop_commits_what_a_primary_takes_and_waits_for_none_that_takes_nothing(sites: Pair) -> None:
    """One is whole; then a commit waits for a site that is gone; then the only host that a worker knows is frozen."""
    async with _stopping(_dsn(sites.primary)) as (frozen, _), _stopping(_dsn(sites.primary)) as (database, committer):
        async with _stopping(sites.dsn) as (well, busy):
            well.hurry(0.0)
            await asyncio.sleep(1.0)  # it has been asked
            queued = [asyncio.create_task(busy.submit(Note(f"@queued {number}"))) for number in range(20)]
            await asyncio.sleep(0)
        assert len(set(await asyncio.gather(*queued))) == 20
        sites.standby.signal(signal.SIGSTOP)
        under_way = asyncio.create_task(committer.submit(Note("@under way")))
        await asyncio.sleep(0.2)
        late = [asyncio.create_task(committer.submit(Note(f"@late {number}"))) for number in range(3)]
        writing = asyncio.create_task(database.execute("INSERT INTO server_facts (name, value) VALUES ('w', '1')"))
        await asyncio.sleep(0.2)
        database.hurry(0.0)
        told = await asyncio.gather(under_way, *late, writing, return_exceptions=True)
        assert [isinstance(each, Refusal) and each.status for each in told] == [503] * 5
        sites.primary.signal(signal.SIGSTOP)
        frozen.hurry(0.0)


async def test_a_primary_that_cannot_commit_declares_no_future_impossible(sites: Pair) -> None:
    """It was cut off from the others, and has not noticed. What it does not know may well exist."""
    async with worker(sites.dsn) as ours:
        pos = await _submit(ours, Note("@known"))
        assert await ours.feed.newest() == pos
        sites.standby.signal(signal.SIGSTOP)
        with pytest.raises(Refusal) as refused:
            await ours.feed.newest()
        assert refused.value.status == 503
        sites.standby.signal(signal.SIGCONT)
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            while True:
                try:
                    assert await ours.feed.newest() == pos
                    break
                except Refusal:
                    await asyncio.sleep(0.1)


async def test_a_query_that_is_cut_off_between_two_steps_is_a_lost_connection(
    sites: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver trips over itself then, which must not end a read, a commit or the watch over the primary."""
    prepare = asyncpg.Connection._get_statement  # type: ignore[attr-defined]
    cuts = 0

    async def prepare_and_be_cut(connection: Any, *args: Any, **named: Any) -> Any:
        nonlocal cuts
        statement = await prepare(connection, *args, **named)
        if args[0] == "SELECT 7" and cuts < 3:
            cuts += 1
            connection.terminate()
        return statement

    async with opened(sites.dsn) as database:
        monkeypatch.setattr(asyncpg.Connection, "_get_statement", prepare_and_be_cut)
        assert await database.fetchval("SELECT 7") == 7
        assert await database.write(lambda connection: connection.fetchval("SELECT 7")) == 7
    assert cuts == 3
