"""bongsu appservice add | list | remove"""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from bongsu.cli.options import DATABASE, run_async, with_settings
from bongsu.config import Effective

T = TypeVar("T")


@click.group("appservice")
def command() -> None:
    """Application services: bridges and bots. The server may be running or not, and knows at once."""


@command.command("add")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@with_settings(*DATABASE)
def add(effective: Effective, file: Path) -> None:
    """Add the service of a registration.yaml, or change it if it is known."""
    raw = file.read_bytes()
    service_id = _with_services(effective, lambda services: services.add(raw))
    click.echo(f"{service_id} is added")


@command.command("list")
@with_settings(*DATABASE)
def list_services(effective: Effective) -> None:
    """List all services and what they were not told yet, one JSON object in each line."""
    for service in _with_services(effective, lambda services: services.list_all()):
        click.echo(json.dumps(service, ensure_ascii=False))


@command.command("remove")
@click.argument("service")
@with_settings(*DATABASE)
def remove(effective: Effective, service: str) -> None:
    """Remove a service. Accounts it made stay."""
    _with_services(effective, lambda services: services.remove(service))
    click.echo(f"{service} is removed")


def _with_services(effective: Effective, work: Callable[[Any], Awaitable[T]]) -> T:
    async def run() -> T:
        from bongsu import main

        async with main.open_store(effective.settings) as store:
            return await work(store.service_administration)

    return run_async(effective, run())
