"""What the installation is, once and for all."""

from bongsu.core.errors import Refusal
from bongsu.store.database import Database


async def check_server_name(database: Database, server_name: str) -> None:
    """The name stands in every user id and event; a database that was begun with another one is not served."""
    await database.execute(
        "INSERT INTO server_facts (name, value) VALUES ('server_name', $1) ON CONFLICT (name) DO NOTHING", server_name
    )
    present = await database.fetchval("SELECT value FROM server_facts WHERE name = 'server_name'")
    if present != server_name:
        raise Refusal(
            500,
            "M_UNKNOWN",
            f"this database belongs to the server {present}; start with --server-name {present},"
            f" or give {server_name} a database of its own",
        )
