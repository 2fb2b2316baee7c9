"""Migrations: two processes at once, twice, and a file that was changed."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import msgspec
import pytest
from tests.server import data_folder

from bongsu.core.errors import Refusal
from bongsu.store import migrations
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
    expected = [f"{m.name}.{m.half}" for m in migrations.known() if m.half == "expand"]
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
    assert await databases[1].fetchval("SELECT to_regclass('events')") is None


async def test_contract_halves_wait(databases: list[Database], monkeypatch: pytest.MonkeyPatch) -> None:
    files = [*migrations.known(), migrations.Migration("9999_later", "contract", "DROP TABLE rate_limits")]
    monkeypatch.setattr(migrations, "known", lambda: files)
    await migrations.migrate(databases[0])
    assert await databases[0].fetchval("SELECT to_regclass('rate_limits')") is not None
    assert await migrations.migrate(databases[0], contract=True) == ["9999_later.contract"]
    assert await databases[0].fetchval("SELECT to_regclass('rate_limits')") is None
