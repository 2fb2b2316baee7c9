"""People for the tests with real clients."""

from collections.abc import AsyncIterator

import pytest

from tests.clients.person import People, people_on


@pytest.fixture
async def people(base_url: str) -> AsyncIterator[People]:
    """Signs people up; their connections are closed after the test."""
    async with people_on(base_url) as people:
        yield people
