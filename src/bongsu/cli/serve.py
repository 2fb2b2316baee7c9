"""bongsu serve"""

import asyncio
import os
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import structlog

from bongsu.cli.options import run_async, with_settings
from bongsu.config import SETTINGS, Effective, Settings

log = structlog.get_logger("bongsu")

Accounts = Sequence[tuple[str, str]]  # (user id, password) of the demo's people


@click.command("serve")
@with_settings()
@click.option("--demo", is_flag=True, help="Fill an empty server with people, rooms and messages to look at.")
def command(effective: Effective, demo: bool) -> None:
    """Start the server, with a PostgreSQL of its own unless --dsn names one."""
    run_async(effective, _serve(effective.settings, demo))


async def _serve(settings: Settings, demo: bool) -> None:
    from bongsu import main

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, _on_signal, stop)

    def ready(address: str, accounts: Accounts) -> None:
        if sys.stdout.isatty():
            _show_banner(settings, address, accounts)
        else:
            log.info("ready", address=address, server_name=settings.server_name, data=str(settings.data.absolute()))
            for user_id, password in accounts:
                click.echo(f"{user_id}  {password}")

    await main.serve(settings, announce=_announce, ready=ready, stop=stop, demo=demo)


def _on_signal(stop: asyncio.Event) -> None:
    """The first asks to stop; the second does not wait. Nothing is lost: what was acknowledged is on disk."""
    if stop.is_set():
        log.warning("stopped_at_once")
        os._exit(130)
    _announce("Stopping: requests under way are finished first. Ctrl-C again stops at once.")
    stop.set()


def _announce(text: str) -> None:
    """What takes a while, for people; a log line elsewhere."""
    if sys.stdout.isatty():
        click.secho(f"  {text}", dim=True)
    else:
        log.info("progress", what=text)


def _hint(settings: Settings) -> str:
    """How to get an account, in words that can be typed."""
    if settings.open_registration:
        return "Anybody who reaches this address may make an account."
    program = sys.argv[0] if Path(sys.argv[0]).name == "bongsu" else "bongsu"
    data = "" if settings.data == SETTINGS["data"].default else f" --data {shlex.quote(str(settings.data))}"
    return f"Make an account: {program} user add NAME{data}"


def _show_banner(settings: Settings, address: str, accounts: Accounts) -> None:
    from rich.console import Console
    from rich.panel import Panel
    from rich.table import Table

    from bongsu.web.routes import DIST

    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="dim")
    rows.add_column()
    rows.add_row("Address", f"[bold cyan]{address}[/]")
    if (DIST / "index.html").exists():
        rows.add_row("Messenger", f"[bold cyan]{address}/app/[/]")
    rows.add_row("Server name", settings.server_name)
    rows.add_row("Data folder", str(settings.data.absolute()))
    for number, (user_id, password) in enumerate(accounts):
        rows.add_row("Sign in as" if number == 0 else "", f"{user_id}  password [bold]{password}[/]")
    if not accounts:
        rows.add_row("", _hint(settings))
    rows.add_row("Stop", "Ctrl-C")
    Console().print(Panel(rows, title="Bongsu is running", title_align="left", border_style="red", expand=False))
