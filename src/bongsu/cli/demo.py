"""bongsu demo"""

import click

from bongsu.cli.options import DATABASE, run_async, with_settings
from bongsu.config import Effective, Settings


@click.command("demo")
@with_settings(*DATABASE)
def command(effective: Effective) -> None:
    """Fill the server with people, rooms and messages to look at. It may be running or not; twice changes nothing."""
    run_async(effective, _fill(effective.settings))


async def _fill(settings: Settings) -> None:
    from bongsu.main import fill_demo

    for user_id, password in await fill_demo(settings, announce=lambda text: click.echo(text, err=True)):
        click.echo(f"{user_id}  {password}")
