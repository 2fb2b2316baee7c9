"""bongsu migrate"""

import click

from bongsu.cli.options import DATABASE, run_async, with_settings
from bongsu.config import Effective, Settings


@click.command("migrate")
@with_settings(*DATABASE)
def command(effective: Effective) -> None:
    """Bring the database to this version's tables. `serve` does this by itself; run it first when there are many."""
    run_async(effective, _migrate(effective.settings))


async def _migrate(settings: Settings) -> None:
    from bongsu import main

    await main.migrate(settings)
    click.echo("The database is up to date.")
