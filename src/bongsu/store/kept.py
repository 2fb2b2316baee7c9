"""A connection that stays with one who asks again and again: to take one and give it back costs as much as to ask."""

from typing import Any

import asyncpg

from bongsu.store.copies import CUT_IS_GONE
from bongsu.store.database import GONE, Database, Record


class Kept:
    """fetch() as the database's, one question at a time; close() it at the end."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: asyncpg.Connection[Record] | None = None

    async def fetch(self, sql: str, *args: Any) -> list[Record]:
        """Where there is no primary, or the connection is lost, through the pool, with all its patience."""
        if self._database.has_primary:
            try:
                with CUT_IS_GONE:
                    return await (await self._opened()).fetch(sql, *args)
            except GONE:
                self.close()
        return await self._database.fetch(sql, *args)

    async def _opened(self) -> "asyncpg.Connection[Record]":
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._database.connect()
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
