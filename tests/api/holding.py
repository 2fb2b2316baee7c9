"""Races that are no luck: the tests hold a row or a table, requests run up against it, and go on in an order."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import asyncpg
from tests.waiting import until

T = TypeVar("T")
LOCKED_SECONDS_MAX = 20.0


class Hold:
    """Holds what a statement locks, from "async with" until release()."""

    def __init__(self, database: asyncpg.Connection, sql: str, *args: Any) -> None:
        self._database = database
        self._sql = sql
        self._args = args
        self._transaction = database.transaction()

    async def __aenter__(self) -> "Hold":
        await self._transaction.start()
        await self._database.execute(self._sql, *self._args)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._database.is_in_transaction():
            await self.release()

    async def release(self) -> None:
        """What the statement changed was never so."""
        await self._transaction.rollback()

    async def waiting(self, count: int, *tasks: "asyncio.Task[Any]") -> None:
        """Returns when so many transactions wait for a lock, or one of these tasks has ended."""

        async def blocked() -> int:
            sql = "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted"
            return int(await self._database.fetchval(sql))

        await until(blocked, lambda many: many >= count or any(task.done() for task in tasks), LOCKED_SECONDS_MAX)


def begin(work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
    return asyncio.create_task(work)
