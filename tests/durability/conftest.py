"""One private PostgreSQL for the tests that speak to the store itself; two workers on one for those that kill."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from bongsu.store.database import Database
from bongsu.store.embedded import EmbeddedPostgres
from bongsu.store.migrations import migrate
from tests.server import Server, data_folder


@pytest.fixture(scope="session")
async def dsn() -> AsyncIterator[str]:
    """A database with Bongsu's tables, alone in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="bongsu-") as folder:
        Path(folder).chmod(0o755)  # the database may run as another user than the tests
        postgres = EmbeddedPostgres(Path(folder) / "data")
        try:
            address = await postgres.start()
            database = Database(address)
            await database.open()
            await migrate(database)
            await database.close()
            yield address
        finally:
            await postgres.stop()


@pytest.fixture
async def two(dsn: str) -> AsyncIterator[tuple[Database, Database]]:
    """Two workers' views of one database."""
    both = (Database(dsn, connections_max=6), Database(dsn, connections_max=6))
    for database in both:
        await database.open()
    yield both
    for database in both:
        await database.close()


@pytest.fixture(scope="module")
def workers() -> Iterator[list[Server]]:
    """Two of one server, for a file's tests; either may be killed."""
    with data_folder() as folder:
        yield [Server.start(folder, "--password-hashing", "fast") for _ in range(2)]


@pytest.fixture
async def database(workers: list[Server]) -> AsyncIterator[asyncpg.Connection]:
    """The tables of those two."""
    postgres = EmbeddedPostgres(workers[0].data_dir)
    connection = await asyncpg.connect(await postgres.start())
    yield connection
    await connection.close()
    await postgres.stop()
