"""The command `bongsu`. Each command stands in the file of its name and is loaded only when it is called."""

import importlib
from typing import Final

import click

from bongsu import logs  # before anything else imports structlog

__all__ = ["logs", "main"]

_COMMANDS: Final = {
    "serve": "Start the server.",
    "user": "Add, list and close accounts.",
    "appservice": "Add, list and remove application services: bridges and bots.",
    "report": "Read and close what people reported.",
    "notice": "Tell people something in the server's own name.",
    "channel": "Give channels the official mark, and take it back.",
    "token": "Add, list and delete registration tokens.",
    "demo": "Fill the server with people, rooms and messages to look at.",
    "config": "Show and check the settings.",
    "drill": "Hurt three sites under load, and prove that nothing was lost.",
    "night": "Forty hospitals' bed board through a night in which a data centre burns, to watch.",
    "doctor": "Find what stands in one site only, and what else is wrong.",
    "incident": "Show and verify the record of incidents.",
    "migrate": "Bring the database to this version's tables.",
    "lab": "Three sites on this machine: put them up, burn one, watch the others go on.",
    "site": "Set up three sites on real hosts.",
    "backup": "Copy the database elsewhere, and prove that the copy can be restored.",
}


class _Commands(click.Group):
    """Finds commands by name without loading the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"bongsu.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


def _print_version(ctx: click.Context, _: click.Parameter, is_asked: bool) -> None:
    if is_asked:
        from bongsu import __version__

        click.echo(f"bongsu {__version__}")
        ctx.exit()


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version)
def main() -> None:
    """Bongsu: a messenger that keeps talking when a data centre burns."""
