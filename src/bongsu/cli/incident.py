"""bongsu incident list | show | verify"""

import datetime
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from bongsu.cli.options import Stop, Wrong, run_async, with_settings
from bongsu.config import Effective, Settings
from bongsu.status.incidents import Entry, Incident
from bongsu.store.incidents import EntryRow

_journal_option = click.option(
    "--journal",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Read a site's own file (<data>/status/journal.jsonl) instead, when there is no database.",
)
_DATABASE = ("data", "server_name", "dsn", "site", "peers", "peer_secret", "peer_ca", "log_format", "log_level")


@click.group("incident")
def command() -> None:
    """The record of incidents: what stopped, in whose eyes, from when to when. It is only ever added to."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object in each line.")
@_journal_option
@with_settings(*_DATABASE)
def list_incidents(effective: Effective, as_json: bool, journal: Path | None) -> None:
    """List all incidents, oldest first."""
    incidents = _incidents(effective, journal)
    for incident in incidents:
        click.echo(json.dumps(_document(incident), ensure_ascii=False) if as_json else _line(incident))
    if not incidents and not as_json:
        click.echo("There are no incidents in the record.")


@command.command("show")
@click.argument("number", type=click.IntRange(min=1))
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
@_journal_option
@with_settings(*_DATABASE)
def show(effective: Effective, number: int, as_json: bool, journal: Path | None) -> None:
    """Show one incident: each part, each change, each site's observation."""
    incident = next((one for one in _incidents(effective, journal) if one.number == number), None)
    if incident is None:
        raise Wrong(f"there is no incident {number} in the record")
    if as_json:
        click.echo(json.dumps(_document(incident), indent=2, ensure_ascii=False))
        return
    click.echo(_line(incident))
    for fault in incident.faults:
        changes = ", ".join(f"{level.word} since {_time(at)}" for at, level in fault.levels)
        end = f"well again since {_time(fault.ended_ms)}" if fault.ended_ms else "not well yet"
        click.echo(f"  {fault.part}, seen by {fault.site}: {changes}; {end}")


@command.command("verify")
@_journal_option
@with_settings(*_DATABASE)
def verify(effective: Effective, journal: Path | None) -> None:
    """Say whether the record is what was written: exit code 0, or 2 and each fault.

    Compares the database's chain with itself, with this site's own journal, and with what each site noted of it.
    """
    if journal is not None:
        faults, count = _journal_faults(journal, None), len(_lines(journal))
    else:
        faults, count = run_async(effective, _verify(effective.settings))
    for fault in faults:
        click.echo(fault)
    if faults:
        click.echo(f"The record was altered: {len(faults)} faults in {count} entries.", err=True)
        sys.exit(2)
    click.echo(f"The record is whole: {count} entries.")


async def _verify(settings: Settings) -> tuple[list[str], int]:
    from bongsu import main
    from bongsu.status import record
    from bongsu.status.journal import path_in

    rows, seals = await main.read_incident_record(settings)
    faults = record.faults(rows, seals)
    path = path_in(settings.data)
    if path.exists():
        faults += _journal_faults(path, rows)
    return faults, len(rows)


def _journal_faults(path: Path, rows: Sequence[EntryRow] | None) -> list[str]:
    from bongsu.status import record
    from bongsu.status.journal import JournalBroken

    try:
        return record.journal_faults(path, rows)
    except JournalBroken as error:
        return [str(error)]


def _incidents(effective: Effective, journal: Path | None) -> list[Incident]:
    from bongsu.status.incidents import number_all, read

    if journal is not None:
        return read(number_all(_lines(journal)))
    return run_async(effective, _from_database(effective.settings))


async def _from_database(settings: Settings) -> list[Incident]:
    from bongsu import main
    from bongsu.status.incidents import read
    from bongsu.status.record import line_in

    rows, _ = await main.read_incident_record(settings)
    return read((line_in(row).entry, row.incident) for row in rows)


def _lines(path: Path) -> list[Entry]:
    from bongsu.status.journal import JournalBroken, line_of
    from bongsu.status.journal import read as read_journal

    try:
        return [line_of(link.content).entry for link in read_journal(path)]
    except JournalBroken as error:
        raise Stop(str(error)) from None


def _document(incident: Incident) -> dict[str, object]:
    return {
        "number": incident.number,
        "since_ms": incident.since_ms,
        "ended_ms": incident.ended_ms,
        "parts": {part: level.word for part, level in incident.parts.items()},
        "seen_by": incident.seen_by,
        "observations": [
            {
                "site": fault.site,
                "part": fault.part,
                "changes": [{"since_ms": at, "level": level.word} for at, level in fault.levels],
                "ended_ms": fault.ended_ms,
            }
            for fault in incident.faults
        ],
    }


def _line(incident: Incident) -> str:
    end = "not over" if incident.ended_ms is None else f"to {_time(incident.ended_ms)}"
    parts = ", ".join(f"{part} {level.word}" for part, level in incident.parts.items())
    return f"{incident.number}  from {_time(incident.since_ms)} {end}  {parts}  (seen by {', '.join(incident.seen_by)})"


def _time(at_ms: int) -> str:
    return f"{datetime.datetime.fromtimestamp(at_ms / 1000, datetime.UTC):%Y-%m-%d %H:%M:%S} UTC"
