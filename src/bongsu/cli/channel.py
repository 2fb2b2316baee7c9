"""bongsu channel certify · revoke · certified"""

from typing import Any

import click

from bongsu.cli.options import DATABASE, run_async, with_settings
from bongsu.config import Effective
from bongsu.core import limits


@click.group("channel")
def command() -> None:
    """The official mark of channels: signed by this server, verified by clients."""


@command.command("certify")
@click.argument("channel_id")
@click.option("--days", type=int, default=limits.CHANNEL_MARK_DAYS_MAX, show_default=True, help="How long it holds.")
@with_settings(*DATABASE)
def certify(effective: Effective, channel_id: str, days: int) -> None:
    """Sign the name and account of a channel as they are now. A later name loses the mark."""

    async def work(store: Any) -> None:
        mark = await store.database.write(lambda connection: store.marks.certify(connection, channel_id, days, ""))
        click.echo(f"{mark.name} ({mark.account}) is certified for {days} days")

    run_async(effective, _with_store(effective, work))


@command.command("revoke")
@click.argument("channel_id")
@with_settings(*DATABASE)
def revoke(effective: Effective, channel_id: str) -> None:
    """Take the mark back."""

    async def work(store: Any) -> None:
        await store.database.write(lambda connection: store.marks.revoke(connection, channel_id, ""))
        click.echo(f"{channel_id} has no official mark any more")

    run_async(effective, _with_store(effective, work))


@command.command("certified")
@with_settings(*DATABASE)
def certified(effective: Effective) -> None:
    """List the channels that are certified."""
    from datetime import UTC, datetime

    async def work(store: Any) -> None:
        for mark in await store.marks.all():
            until = datetime.fromtimestamp(mark.valid_until / 1000, UTC)
            click.echo(f"{mark.channel_id}  {until:%Y-%m-%d}  {mark.name}")

    run_async(effective, _with_store(effective, work))


async def _with_store(effective: Effective, work: Any) -> None:
    from bongsu import main

    async with main.open_store(effective.settings) as store:
        await work(store)
