"""bongsu report list | show | close"""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import click
import msgspec

from bongsu.cli.options import DATABASE, Stop, run_async, with_settings
from bongsu.config import Effective
from bongsu.store.reports import Report


@click.group("report")
def command() -> None:
    """Read and close what people reported. The server may be running or not."""


@command.command("list")
@click.option("--all", "closed_too", is_flag=True, help="Closed ones, too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object in each line.")
@with_settings(*DATABASE)
def list_reports(effective: Effective, closed_too: bool, as_json: bool) -> None:
    """List the newest reports, the newest first."""
    from bongsu.core import limits
    from bongsu.store import reports

    found = _run(effective, lambda db: reports.some(db, closed_too=closed_too, count=limits.REPORTS_LISTED_MAX))
    for report in found:
        click.echo(_document(report) if as_json else _line(report))


@command.command("show")
@click.argument("number", type=click.IntRange(1, 2**63 - 1))
@with_settings(*DATABASE)
def show(effective: Effective, number: int) -> None:
    """Show one report, and the event it is about as it is now."""
    report, event = _run(effective, lambda database: _with_event(database, number))
    if report is None:
        raise Stop(f"there is no report {number}")
    click.echo(_line(report))
    click.echo(f"reason: {report.reason or '(none given)'}")
    if event is not None:
        click.echo(f"{event.sender} sent {event.type}: {json.dumps(event.content, ensure_ascii=False)}")


@command.command("close")
@click.argument("number", type=click.IntRange(1, 2**63 - 1))
@with_settings(*DATABASE)
def close(effective: Effective, number: int) -> None:
    """Mark a report as looked after."""
    from bongsu.store import reports

    if not _run(effective, lambda database: reports.close(database, number)):
        raise Stop(f"there is no report {number}")
    click.echo(f"report {number} is closed")


async def _with_event(database: Any, number: int) -> tuple[Report | None, Any]:
    from bongsu.store import events, reports

    report = await reports.one(database, number)
    if report is None or not report.event_id:
        return report, None
    return report, (await events.by_id(database, [report.event_id])).get(report.event_id)


def _run(effective: Effective, work: Callable[[Any], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        from bongsu import main

        async with main.open_database(effective.settings, lambda _: None) as database:
            return await work(database)

    return run_async(effective, run())


def _line(report: Report) -> str:
    about = report.event_id or report.room_id or report.user_id
    where = f" by {report.user_id} in {report.room_id}" if report.event_id else ""
    end = "" if report.closed_at is None else f"  closed {report.closed_at:%Y-%m-%d %H:%M}"
    return f"{report.report_id}  {report.made_at:%Y-%m-%d %H:%M} UTC  {report.reporter} reports {about}{where}{end}"


def _document(report: Report) -> str:
    return msgspec.json.encode(report).decode()
