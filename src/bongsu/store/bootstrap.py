"""What a new database of three sites begins with: Bongsu's roles and its database.

Patroni runs it once, on the first primary, before anybody else can connect:
`python -m bongsu.store.bootstrap PASSWORDS.json CONNECTION`; the file says {"role": "password"}, and the connection is
what Patroni writes: name=value pairs, values quoted where they must be.
"""

import asyncio
import json
import shlex
import sys
from pathlib import Path
from typing import Any, Final

import asyncpg

_OPTIONS: Final = {"bongsu": "LOGIN", "bongsu_backup": "LOGIN REPLICATION"}
_WORDS: Final = {"host": "host", "port": "port", "user": "user", "dbname": "database"}


def _address(connection: str) -> dict[str, str]:
    said = dict(pair.split("=", 1) for pair in shlex.split(connection))
    return {ours: said[theirs] for theirs, ours in _WORDS.items() if theirs in said}


async def begin(address: dict[str, Any], passwords: dict[str, str]) -> None:
    """Makes what is not there yet; doing it again changes nothing but passwords."""
    connection = await asyncpg.connect(**address, timeout=10)
    try:
        for role, options in _OPTIONS.items():
            if not await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", role):
                await connection.execute(f"CREATE ROLE {role}")
            quoted = await connection.fetchval("SELECT quote_literal($1::text)", passwords[role])
            await connection.execute(f"ALTER ROLE {role} {options} PASSWORD {quoted}")
        await connection.execute("GRANT pg_monitor TO bongsu, bongsu_backup")
        if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = 'bongsu'"):
            await connection.execute("CREATE DATABASE bongsu OWNER bongsu")
    finally:
        await connection.close()


if __name__ == "__main__":
    asyncio.run(begin(_address(sys.argv[2]), json.loads(Path(sys.argv[1]).read_text())))
