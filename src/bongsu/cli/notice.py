"""bongsu notice send"""

from typing import Any

import click

from bongsu.cli.options import DATABASE, Wrong, run_async, with_settings
from bongsu.cli.user import full_user_id
from bongsu.config import Effective

_SHOWN_EVERY = 25  # people


@click.group("notice")
def command() -> None:
    """Tell people something in the server's own name, in a room that each of them gets for it."""


@command.command("send")
@click.argument("text")
@click.option("--to", "people", multiple=True, metavar="USER", help="Whom to tell; may be given several times.")
@click.option("--all", "everybody", is_flag=True, help="Tell everybody who has an account.")
@click.option("--id", "known_as", help="What this notice is known by; nobody gets one twice [default: from its text]")
@with_settings(*DATABASE)
def send(effective: Effective, text: str, people: tuple[str, ...], everybody: bool, known_as: str | None) -> None:
    """Send TEXT. If this is broken off, run it again: who has the notice is not sent it twice."""
    if everybody == bool(people):
        raise Wrong("name people with --to, or everybody with --all")
    named = [full_user_id(effective, person) for person in people]
    run_async(effective, _send(effective, text, named, known_as))


async def _send(effective: Effective, text: str, named: list[str], known_as: str | None) -> None:
    from bongsu import main
    from bongsu.matrix.notices import Told, notice_id

    known = known_as or notice_id(text)
    async with main.open_store(effective.settings) as store:
        told = await store.notices.send(named, text, known) if named else Told()
        if not named:
            count = await store.notices.count()
            async for told in store.notices.send_to_all(text, known):
                _show(told, count)
    click.echo(f"notice {known}: {told.sent} sent, {told.known} had it already, {told.refused} cannot be told")


def _show(told: Any, count: int) -> None:
    if told.people % _SHOWN_EVERY == 0:
        click.echo(f"{told.people} of {count}", err=True)
