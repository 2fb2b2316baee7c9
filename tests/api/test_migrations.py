"""Migrations: two processes at once, twice, and a file that was changed; databases that cannot be used."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import msgspec
import pytest
from tests.server import data_folder

from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.core.json import decode
from bongsu.store import facts, migrations
from bongsu.store.database import Database
from bongsu.store.embedded import EmbeddedPostgres


@pytest.fixture(scope="module")
async def postgres() -> AsyncIterator[EmbeddedPostgres]:
    with data_folder() as folder:
        embedded = EmbeddedPostgres(Path(folder))
        await embedded.start()
        yield embedded
        await embedded.stop()


@pytest.fixture
async def databases(postgres: EmbeddedPostgres) -> AsyncIterator[list[Database]]:
    """Two processes' connections to one empty database."""
    pair = [Database(postgres.dsn), Database(postgres.dsn)]
    for database in pair:
        await database.open()
    await pair[0].execute("DROP SCHEMA public CASCADE")
    await pair[0].execute("CREATE SCHEMA public")
    yield pair
    for database in pair:
        await database.close()


async def test_two_at_once(databases: list[Database]) -> None:
    one, other = await asyncio.gather(*(migrations.migrate(database) for database in databases))
    expected = [f"{m.name}.{m.half}" for m in migrations.known() if m.half != "contract"]
    assert sorted([one, other]) == [[], expected]
    assert await databases[0].fetchval("SELECT pos FROM stream") == 0


async def test_again_changes_nothing(databases: list[Database]) -> None:
    await migrations.migrate(databases[0])
    assert await migrations.migrate(databases[1]) == []


async def test_changed_file_is_refused(databases: list[Database], monkeypatch: pytest.MonkeyPatch) -> None:
    await migrations.migrate(databases[0])
    changed = [msgspec.structs.replace(m, sql=m.sql + "--") for m in migrations.known()]
    monkeypatch.setattr(migrations, "known", lambda: changed)
    with pytest.raises(Refusal, match="another version"):
        await migrations.migrate(databases[1])


async def test_table_in_use_stops_nobody(
    postgres: EmbeddedPostgres, databases: list[Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits for a table makes all wait who come after; a migration that only waits would stop a rolling upgrade."""
    one, other = databases
    await migrations.migrate(one)
    wider = migrations.Migration("9999_wider", "expand", "ALTER TABLE users ADD COLUMN wider text")
    monkeypatch.setattr(migrations, "known", lambda: [wider])
    reader = await asyncpg.connect(postgres.dsn)
    async with reader.transaction():
        await reader.fetch("SELECT * FROM users")
        migrating = asyncio.create_task(migrations.migrate(one))
        while not await other.fetchval(
            "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND NOT granted"
        ):
            await asyncio.sleep(0.01)
        async with asyncio.timeout(60):
            await other.fetch("SELECT user_id FROM users")  # behind the migration, which must give way
        assert not migrating.done()
    await reader.close()
    assert await migrating == ["9999_wider.expand"]


async def test_failed_migration_leaves_nothing(databases: list[Database], monkeypatch: pytest.MonkeyPatch) -> None:
    broken = [*migrations.known(), migrations.Migration("9999_broken", "expand", "CREATE TABLE t (x int); SELECT 1/0")]
    monkeypatch.setattr(migrations, "known", lambda: broken)
    with pytest.raises(Exception, match="division by zero"):
        await migrations.migrate(databases[0])
    assert await databases[1].fetchval("SELECT to_regclass('t')") is None
    assert await databases[1].fetchval("SELECT count(*) FROM migrations WHERE name = '9999_broken'") == 0
    mended = [*broken[:-1], migrations.Migration("9999_broken", "expand", "CREATE TABLE t (x int)")]
    monkeypatch.setattr(migrations, "known", lambda: mended)
    assert await migrations.migrate(databases[1]) == ["9999_broken.expand"]


async def test_index_on_a_large_table_stops_nobody(
    postgres: EmbeddedPostgres, databases: list[Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it is built, and while it waits for those who read, others write; what a broken try left is built anew."""
    one, other = databases
    await migrations.migrate(one)
    sql = "-- why\nCREATE INDEX CONCURRENTLY users_made ON users (created_at);\n"
    monkeypatch.setattr(migrations, "known", lambda: [migrations.Migration("9999_made", "index", sql)])
    reader = await asyncpg.connect(postgres.dsn)
    async with reader.transaction(isolation="repeatable_read"):
        await reader.fetch("SELECT * FROM users")
        building = asyncio.create_task(migrations.migrate(one))
        while (
            await other.fetchval("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('users_made')") is None
        ):
            await asyncio.sleep(0.01)
        async with asyncio.timeout(60):
            await other.execute("UPDATE users SET user_id = user_id")
        assert not building.done()
        await other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONCURRENTLY%'"
        )
    await reader.close()
    assert await building == ["9999_made.index"]
    assert await other.fetchval("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('users_made')")
    assert await migrations.migrate(other) == []


async def test_contracts_come_last(databases: list[Database], monkeypatch: pytest.MonkeyPatch) -> None:
    files = [*migrations.known(), migrations.Migration("0001_core", "contract", "DROP TABLE rate_limits")]
    monkeypatch.setattr(migrations, "known", lambda: sorted(files, key=migrations.in_order))
    assert (await migrations.migrate(databases[0], contract=True))[-1] == "0001_core.contract"


async def test_contract_halves_wait(databases: list[Database], monkeypatch: pytest.MonkeyPatch) -> None:
    files = [*migrations.known(), migrations.Migration("9999_later", "contract", "DROP TABLE rate_limits")]
    monkeypatch.setattr(migrations, "known", lambda: files)
    await migrations.migrate(databases[0])
    assert await databases[0].fetchval("SELECT to_regclass('rate_limits')") is not None
    assert await migrations.migrate(databases[0], contract=True) == ["9999_later.contract"]
    assert await databases[0].fetchval("SELECT to_regclass('rate_limits')") is None


async def test_beds_and_requests_of_before_have_numbers(
    databases: list[Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    database, whole = databases[0], migrations.known()
    monkeypatch.setattr(migrations, "known", lambda: [each for each in whole if each.name < "0038"])
    await migrations.migrate(database)
    asked = (
        "INSERT INTO board_requests (request_id, room_id, patient, severity, needs, area, note, requested_by,"
        " created_ms, deadline_ms, state, owner, waiting_since_ms, due_ms)"
        " VALUES ($1, $2, $1, 'urgent', '{}', '', '', '', $3, 0, 'waiting', '', 0, 0)"
    )
    offered = (
        "INSERT INTO board_beds (bed_id, room_id, hospital, kinds, area, note, published_by, published_ms,"
        " valid_until_ms) VALUES ($1, $2, '', '{}', '', '', '', $3, 0)"
        " ON CONFLICT (bed_id) DO UPDATE SET note = excluded.note"
    )
    for room in ("!a", "!b"):
        await database.execute("INSERT INTO boards VALUES ($1, '', '', 0)", room)
        for number, name in enumerate(("second", "first")):
            await database.execute(asked, f"{name}{room}", room, -number)
            await database.execute(offered, f"{name}{room}", room, -number)
    offer = (
        "INSERT INTO booking_offers (offer_id, provider, title, place, area, starts_at, ends_at, opens_at, capacity,"
        " state, made_at) VALUES ('o1', '', '', '', '', 0, 5, 0, 1, 'closed', 0)"
    )
    await database.execute(offer)
    monkeypatch.setattr(migrations, "known", lambda: whole)
    await migrations.migrate(database)
    for table, column in (("board_requests", "request_id"), ("board_beds", "bed_id")):
        rows = await database.fetch(f"SELECT {column}, number FROM {table} WHERE room_id = '!a' ORDER BY number")
        assert [tuple(row) for row in rows] == [("first!a", 1), ("second!a", 2)]
    await database.execute(asked, "third", "!a", 5)
    await database.execute(offered, "first!a", "!a", 5)  # published anew: no new number
    await database.execute(offered, "third", "!a", 5)
    assert await database.fetchval("SELECT number FROM board_requests WHERE request_id = 'third'") == 3
    assert await database.fetchval("SELECT number FROM board_beds WHERE bed_id = 'third'") == 3
    row = await database.fetchrow("SELECT due_at, payload FROM timers WHERE timer_id = 'booking.forget/o1'")
    assert row is not None
    assert row["due_at"] == 5 + limits.BOOKING_KEPT_DAYS * 86_400_000
    assert decode(row["payload"]) == {"offer_id": "o1"}


async def test_a_full_disk_is_told_as_such(databases: list[Database]) -> None:
    with pytest.raises(Refusal, match="it may be full") as caught:
        await databases[0].execute("DO $$ BEGIN RAISE disk_full; END $$")
    assert caught.value.status == 503


async def _refused(database: Database) -> str:
    await database.open()
    try:
        with pytest.raises(Refusal) as caught:
            await facts.check_kind(database)
        return caught.value.message
    finally:
        await database.close()


async def test_an_old_postgresql_and_one_for_few_scripts_are_refused(
    postgres: EmbeddedPostgres, databases: list[Database]
) -> None:
    await facts.check_kind(databases[0])
    await databases[0].execute("DROP SCHEMA IF EXISTS old CASCADE; CREATE SCHEMA old")
    await databases[0].execute(
        "CREATE FUNCTION old.current_setting(name text) RETURNS text LANGUAGE sql AS $$ SELECT CASE name"
        " WHEN 'server_version_num' THEN '140012' ELSE pg_catalog.current_setting(name) END $$"
    )
    old = Database(f"{postgres.dsn}&search_path=old,pg_catalog")
    assert await _refused(old) == "this database is PostgreSQL 14; Bongsu needs 15 or newer"
    owner = await asyncpg.connect(postgres.dsn, user="postgres")
    await owner.execute("CREATE DATABASE few ENCODING 'LATIN1' TEMPLATE template0 LOCALE_PROVIDER libc LOCALE 'C'")
    assert "keeps texts in LATIN1" in await _refused(Database(postgres.dsn.replace("/bongsu?", "/few?")))
    await owner.execute("DROP DATABASE few")
    await owner.close()


def _said(*arguments: str) -> tuple[int, str]:
    """Exit code and error output of the command."""
    done = subprocess.run([sys.executable, "-m", "bongsu", *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


async def test_what_a_database_or_the_machine_refuses_is_one_line(
    postgres: EmbeddedPostgres, databases: list[Database]
) -> None:
    owner = await asyncpg.connect(postgres.dsn, user="postgres")
    await owner.execute("CREATE ROLE stranger LOGIN")
    dsn = postgres.dsn.replace("bongsu@", "stranger@")
    said = await asyncio.to_thread(_said, "migrate", "--dsn", dsn)
    assert said[0] == 1
    assert said[1].startswith("bongsu: the database refuses: ")
    assert "Its owner must be the user that --dsn names" in said[1]
    assert said[1].count("\n") == 1
    await owner.execute("DROP ROLE stranger")
    await owner.close()
    wrong = await asyncio.to_thread(_said, "migrate", "--dsn", "postgresql://me:hunter22@127.0.0.1:1/mine")
    assert wrong[1].startswith("bongsu: the database mine at 127.0.0.1:1 cannot be used: ")
    assert "hunter22" not in wrong[1]
    serve = ("serve", "--host", "nowhere.invalid", "--log-level", "warning", "--dsn", postgres.dsn)
    assert await asyncio.to_thread(_said, *serve) == (
        1,
        "bongsu: cannot listen on nowhere.invalid: nothing has this name; choose another --host\n",
    )
