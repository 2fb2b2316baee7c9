"""bongsu user add | list | promote | demote | lock | unlock | suspend | unsuspend | deactivate | reset-password"""

import json
import sys
from typing import Any

import click

from bongsu.cli.options import DATABASE, Wrong, with_accounts, with_settings
from bongsu.config import Effective
from bongsu.core import ids

_password_option = click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")


@click.group("user")
def command() -> None:
    """Add, list and close accounts. The server may be running or not."""


@command.command("add")
@click.argument("name")
@click.option("--admin", is_flag=True, help="May look after other people's accounts.")
@_password_option
@with_settings(*DATABASE)
def add(effective: Effective, name: str, admin: bool, password_stdin: bool) -> None:
    """Make the account @NAME:server."""
    password = _password(password_stdin)
    user_id = with_accounts(effective, lambda accounts: accounts.add(name, password, is_admin=admin))
    click.echo(user_id)


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object in each line.")
@with_settings(*DATABASE)
def list_users(effective: Effective, as_json: bool) -> None:
    """List all accounts."""
    people = with_accounts(effective, lambda accounts: accounts.list_all())
    if as_json:
        for person in people:
            click.echo(json.dumps(person, ensure_ascii=False, default=str))
    else:
        _show(people)


def _flag_command(name: str, flag: str, value: bool, done: str, help_text: str) -> None:
    """One of the commands that set a flag of an account, or take it back."""

    @command.command(name, help=help_text)
    @click.argument("user")
    @with_settings(*DATABASE)
    def run(effective: Effective, user: str) -> None:
        user_id = full_user_id(effective, user)
        with_accounts(effective, lambda accounts: accounts.set_flag(user_id, flag, value))
        click.echo(f"{user_id} {done}")


for _words in (
    ("promote", "is_admin", True, "is an administrator", "Let somebody look after other people's accounts."),
    ("demote", "is_admin", False, "is no administrator", "Take that back."),
    ("lock", "locked", True, "is locked", "Keep somebody out until they are unlocked; their devices stay signed in."),
    ("unlock", "locked", False, "is not locked", "Let somebody in again."),
    ("suspend", "suspended", True, "is suspended", "Let somebody read, but change nothing that others see."),
    ("unsuspend", "suspended", False, "is not suspended", "Let somebody take part again."),
):
    _flag_command(*_words)


@command.command("deactivate")
@click.argument("user")
@click.confirmation_option(prompt="A deactivated account can never be used again. Go on?")
@with_settings(*DATABASE)
def deactivate(effective: Effective, user: str) -> None:
    """Close an account for ever: it leaves its rooms, its devices are signed out, its name stays taken."""
    user_id = full_user_id(effective, user)
    with_accounts(effective, lambda accounts: accounts.deactivate(user_id))
    click.echo(f"{user_id} is deactivated")


@command.command("reset-password")
@click.argument("user")
@click.option("--keep-devices", is_flag=True, help="Do not sign out the person's devices.")
@_password_option
@with_settings(*DATABASE)
def reset_password(effective: Effective, user: str, keep_devices: bool, password_stdin: bool) -> None:
    """Give somebody a new password."""
    user_id = full_user_id(effective, user)
    password = _password(password_stdin)
    with_accounts(effective, lambda accounts: accounts.reset_password(user_id, password, keep_devices=keep_devices))
    click.echo(f"{user_id} has a new password")


@command.command("two-step-off")
@click.argument("user")
@with_settings(*DATABASE)
def turn_two_step_off(effective: Effective, user: str) -> None:
    """Let somebody sign in with the password alone who has lost phone and recovery codes. Make sure who asks."""
    user_id = full_user_id(effective, user)
    with_accounts(effective, lambda accounts: accounts.turn_two_step_off(user_id))
    click.echo(f"{user_id} signs in with the password alone")


def full_user_id(effective: Effective, user: str) -> str:
    """Accepts @name:server and plain names of this server."""
    user_id = user if user.startswith("@") else ids.user_id(user, effective.settings.server_name)
    if not ids.is_user_id(user_id):
        raise Wrong(f"{user} is no user id; it looks like @name:{effective.settings.server_name}")
    return user_id


def _password(from_stdin: bool) -> str:
    if from_stdin:
        password = _first_line(sys.stdin.buffer.readline())
    elif sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        raise Wrong("there is no terminal to ask for the password; give it on standard input: --password-stdin")
    if not password:
        raise Wrong("the password is empty")
    return password


def _first_line(line: bytes) -> str:
    try:
        return line.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise Wrong("the password on standard input must be UTF-8") from None


def _show(people: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("user", "admin", "state", "since"):
        table.add_column(name)
    for person in people:
        state = "deactivated" if person["deactivated_at"] else ""
        state = state or ", ".join(flag for flag in ("locked", "suspended") if person[flag])
        state = state or ("guest" if person["is_guest"] else "")
        table.add_row(
            person["user_id"], "admin" if person["is_admin"] else "", state, f"{person['created_at']:%Y-%m-%d}"
        )
    Console().print(table)
