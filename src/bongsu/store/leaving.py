"""Which sites are being emptied: a fact in the database, so that each of their workers knows, also after a restart."""

from bongsu.store.database import Database

_NAME = "leaving "


async def set_leaving(database: Database, site: str, leaving: bool) -> None:
    """Doing it again changes nothing."""
    if leaving:
        sql = "INSERT INTO server_facts (name, value) VALUES ($1, 'yes') ON CONFLICT (name) DO UPDATE SET value = 'yes'"
    else:
        sql = "DELETE FROM server_facts WHERE name = $1"
    await database.execute(sql, _NAME + site)


async def leaving_sites(database: Database) -> set[str]:
    rows = await database.fetch("SELECT name FROM server_facts WHERE starts_with(name, $1)", _NAME)
    return {row["name"].removeprefix(_NAME) for row in rows}
