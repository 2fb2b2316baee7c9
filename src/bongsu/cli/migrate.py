"""bongsu migrate"""

import click

from bongsu.cli.options import DATABASE, run_async, with_settings
from bongsu.config import Effective, Settings


@click.command("migrate")
@click.option("--contract", is_flag=True, help="Also remove what only older versions use. None of them may be running.")
@with_settings(*DATABASE)
def command(effective: Effective, contract: bool) -> None:
    """Bring the database to this version's tables. `serve` does this by itself; run it first when there are many."""
    run_async(effective, _migrate(effective.settings, contract))


async def _migrate(settings: Settings, contract: bool) -> None:
    from bongsu import main

    await main.migrate(settings, contract=contract)
    click.echo("The database is up to date.")
