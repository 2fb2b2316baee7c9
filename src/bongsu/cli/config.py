"""bongsu config show | check"""

import json

import click

from bongsu.cli.options import with_settings
from bongsu.config import SETTINGS, Effective


@click.group("config")
def command() -> None:
    """Show and check the settings: defaults, then file, then BONGSU_* environment, then command line."""


@command.command("show")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
@with_settings()
def show(effective: Effective, as_json: bool) -> None:
    """The settings a start would use, and where each came from. Secrets are hidden."""
    if as_json:
        rows = {name: {"value": effective.shown(name), "from": effective.origins[name]} for name in SETTINGS}
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        _show(effective)


@command.command("check")
@with_settings()
def check(effective: Effective) -> None:
    """Say whether a start would accept the settings. Exit code 2 and one line when not."""
    changed = sum(origin != "default" for origin in effective.origins.values())
    click.echo(f"The settings are good ({changed} of {len(SETTINGS)} are not the default).")


def _show(effective: Effective) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name in ("setting", "value", "from", "meaning"):
        table.add_column(name, overflow="fold")
    for name, setting in SETTINGS.items():
        origin = effective.origins[name]
        style = "" if origin == "default" else "bold"
        table.add_row(name, Text(_words(effective.shown(name)), style), Text(origin, style), Text(setting.description))
    Console().print(table)


def _words(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    return ", ".join(map(str, value)) or "-" if isinstance(value, (list, tuple)) else str(value)
