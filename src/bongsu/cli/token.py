"""bongsu token add | list | delete"""

import datetime
import json

import click

from bongsu.cli.options import DATABASE, with_accounts, with_settings
from bongsu.config import Effective


@click.group("token")
def command() -> None:
    """Registration tokens: who has one may make an account where registration is closed."""


@command.command("add")
@click.option("--uses", type=click.IntRange(min=1), help="How many accounts it is good for; without it, any number.")
@click.option("--days", type=click.IntRange(min=1), help="How many days it is good for; without it, for ever.")
@with_settings(*DATABASE)
def add(effective: Effective, uses: int | None, days: int | None) -> None:
    """Make a token."""
    now = datetime.datetime.now(datetime.UTC)
    until = now + datetime.timedelta(days=days) if days else None
    made = with_accounts(
        effective, lambda accounts: accounts.add_registration_token(uses_allowed=uses, expires_at=until)
    )
    click.echo(made)


@command.command("list")
@with_settings(*DATABASE)
def list_tokens(effective: Effective) -> None:
    """List all tokens, one JSON object in each line."""
    for token in with_accounts(effective, lambda accounts: accounts.list_registration_tokens()):
        click.echo(json.dumps(token, default=str))


@command.command("delete")
@click.argument("token")
@with_settings(*DATABASE)
def delete(effective: Effective, token: str) -> None:
    """Delete a token. Accounts made with it stay."""
    with_accounts(effective, lambda accounts: accounts.delete_registration_token(token))
    click.echo(f"{token} is deleted")
