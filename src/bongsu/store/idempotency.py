"""A write that is repeated with its key is answered with the first one's answer, which was stored with the effect.

A refusal changes nothing, and is not kept: whoever repeats a refused write has it judged again.
"""

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.core.json import JsonObject, decode, encode
from bongsu.store.database import Connection


class Key(msgspec.Struct, frozen=True):
    """A person's key of one write. request_hash: of method, path and body."""

    user_id: str
    key: str
    request_hash: bytes


class Answer(msgspec.Struct, frozen=True):
    """What is answered, and will be answered again."""

    status: int
    body: JsonObject


def reused() -> Refusal:
    return Refusal(
        409, "BONGSU_IDEMPOTENCY_KEY_REUSED", "this Idempotency-Key was used for another request: take a new one"
    )


async def once(
    connection: Connection, key: Key | None, now_ms: int, work: Callable[[Connection], Awaitable[Answer]]
) -> Answer:
    """Runs `work` in the caller's transaction unless the key has an answer. 409 for a key of another request.

    Who comes with the same key at the same moment waits for the first one's end. key None: nothing is remembered.
    """
    if key is None:
        return await work(connection)
    await _sweep(connection, now_ms)
    if await _claim(connection, key, now_ms):
        answer = await work(connection)
        await _keep(connection, key, answer)
        return answer
    return (await known(connection, [key], now_ms))[key]


async def known(connection: Connection, keys: Sequence[Key], now_ms: int) -> dict[Key, Answer]:
    """The answers that these keys have. 409 if one is another request's: for one key; see `check` for many."""
    found = await find(connection, keys, now_ms)
    answers: dict[Key, Answer] = {}
    for key in keys:
        if (row := found.get((key.user_id, key.key))) is not None:
            answers[key] = check(key, *row)
    return answers


def check(key: Key, request_hash: bytes, answer: Answer) -> Answer:
    """The answer, if it is that of the same request."""
    if request_hash != key.request_hash:
        raise reused()
    return answer


async def find(connection: Connection, keys: Sequence[Key], now_ms: int) -> dict[tuple[str, str], tuple[bytes, Answer]]:
    """(hash of the request, answer) by (user id, key), of those that are kept: one statement for many."""
    rows = await connection.fetch(
        "SELECT k.user_id, k.key, request_hash, status, answer FROM idempotency_keys k"
        " JOIN unnest($1::text[], $2::text[]) AS w (user_id, key) ON w.user_id = k.user_id AND w.key = k.key"
        " WHERE expires_at > $3",
        [key.user_id for key in keys],
        [key.key for key in keys],
        now_ms,
    )
    return {
        (row["user_id"], row["key"]): (row["request_hash"], Answer(row["status"], decode(row["answer"])))
        for row in rows
    }


async def keep(connection: Connection, answers: Sequence[tuple[Key, Answer]], now_ms: int) -> None:
    """Stores many at once, in the caller's transaction, for whoever has looked with `find` behind a lock.

    They are keys that are stored behind this lock alone, or two that wait for each other would be in each other's way.
    """
    await _sweep(connection, now_ms)
    expires_at = now_ms + limits.IDEMPOTENCY_KEPT_MS
    await connection.executemany(
        "INSERT INTO idempotency_keys VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (user_id, key) DO UPDATE"
        " SET request_hash = excluded.request_hash, status = excluded.status, answer = excluded.answer,"
        " expires_at = excluded.expires_at WHERE idempotency_keys.expires_at <= $7",
        [
            (key.user_id, key.key, key.request_hash, answer.status, encode(answer.body), expires_at, now_ms)
            for key, answer in sorted(answers, key=lambda each: (each[0].user_id, each[0].key))
        ],
    )


async def _claim(connection: Connection, key: Key, now_ms: int) -> bool:
    """True: it is ours, and new, or was another's that is long forgotten."""
    row = await connection.fetchrow(
        "INSERT INTO idempotency_keys (user_id, key, request_hash, expires_at) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (user_id, key) DO UPDATE SET request_hash = excluded.request_hash,"
        " expires_at = excluded.expires_at WHERE idempotency_keys.expires_at <= $5 RETURNING 1",
        *(key.user_id, key.key, key.request_hash, now_ms + limits.IDEMPOTENCY_KEPT_MS, now_ms),
    )
    return row is not None


async def _keep(connection: Connection, key: Key, answer: Answer) -> None:
    await connection.execute(
        "UPDATE idempotency_keys SET status = $3, answer = $4 WHERE user_id = $1 AND key = $2",
        *(key.user_id, key.key, answer.status, encode(answer.body)),
    )


async def _sweep(connection: Connection, now_ms: int) -> None:
    """Old ones go as new ones come, so that the table cannot grow."""
    await connection.execute(
        "DELETE FROM idempotency_keys WHERE (user_id, key) IN (SELECT user_id, key FROM idempotency_keys"
        " WHERE expires_at <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)",
        now_ms,
        limits.IDEMPOTENCY_SWEPT_MAX,
    )
