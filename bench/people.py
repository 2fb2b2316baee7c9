"""People made in Bongsu's tables, many at once: how they came to have an account is not what is measured."""

import secrets

import asyncpg

from bench.api import User
from bench.peers import SERVER_NAME
from bongsu.http.authentication import ACCESS_PREFIX, token_hash


async def moved_in(connection: asyncpg.Connection, count: int) -> list[User]:
    """So many new people, each with one device that is signed in."""
    run = secrets.token_hex(4)
    users = [
        User(f"@{run}-{number}:{SERVER_NAME}", ACCESS_PREFIX + secrets.token_urlsafe(32)) for number in range(count)
    ]
    names = [user.user_id for user in users]
    await connection.execute("INSERT INTO users (user_id) SELECT unnest($1::text[])", names)
    await connection.execute("INSERT INTO devices (user_id, device_id) SELECT unnest($1::text[]), 'D'", names)
    await connection.execute(
        "INSERT INTO access_tokens (token_hash, user_id, device_id)"
        " SELECT hash, name, 'D' FROM unnest($1::bytea[], $2::text[]) AS t (hash, name)",
        *([token_hash(user.token) for user in users], names),
    )
    return users
