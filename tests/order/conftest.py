"""Two workers of one server, shared by the tests of order."""

from collections.abc import AsyncIterator

import pytest

from tests.order.workers import Workers
from tests.server import Server, data_folder


@pytest.fixture(scope="session")
async def workers() -> AsyncIterator[Workers]:
    """Two processes on one database. Every test uses people and rooms of its own."""
    with data_folder() as data_dir:
        servers = [Server.start(data_dir, "--password-hashing", "fast") for _ in range(2)]
        pair = Workers(servers)
        try:
            yield pair
        finally:
            await pair.close()
