"""bongsu doctor"""

import json
import locale
import os
import sys

import click

from bongsu.cli.options import Stop, Wrong, run_async, with_settings
from bongsu.config import Effective, Settings
from bongsu.status.doctor import Case
from bongsu.status.findings import Finding, Severity

_STYLES = {
    Severity.CRITICAL: "bold red",
    Severity.WARNING: "yellow",
    Severity.UNKNOWN: "magenta",
    Severity.NOTE: "dim",
}
_HEADINGS = {
    "en": ("", "found", "why it matters", "what to do"),
    "ko": ("", "찾은 것", "왜 중요한가", "할 일"),
}


class NotAsked(Stop):
    """The doctor could not ask, which says nothing of the patient."""

    exit_code = int(Severity.UNKNOWN)


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable, with all facts.")
@click.option("--lang", type=click.Choice(("en", "ko")), help="[default: the terminal's]")
@with_settings()
def command(effective: Effective, as_json: bool, lang: str | None) -> None:
    """Find what stands in one site only, and whatever else would turn a fire into a disaster.

    Asks all sites. Exit code as monitoring plugins have it: 0 all is well, 1 warning, 2 critical, 3 not known.
    """
    from bongsu.status.doctor import examine
    from bongsu.status.findings import exit_code, sorted_by_weight

    try:
        case = run_async(effective, _ask(effective.settings))
    except Wrong:
        raise
    except Stop as stop:
        raise NotAsked(stop.message) from None
    findings = sorted_by_weight(examine(case))
    language = lang or _terminal_language()
    if as_json:
        click.echo(json.dumps(_document(case, findings, language), indent=2, ensure_ascii=False))
    else:
        _show(case, findings, language)
    sys.exit(exit_code(findings))


def _terminal_language() -> str:
    said = os.environ.get("LC_ALL") or os.environ.get("LANG") or locale.getlocale()[0] or ""
    return "ko" if said.startswith("ko") else "en"


async def _ask(settings: Settings) -> Case:
    from bongsu import main

    if settings.peers and settings.peer_secret is None:
        raise Wrong("the other sites answer only who knows peer_secret: set it, or name the --config of a site")
    return await main.ask_doctor(settings)


def _document(case: Case, findings: list[Finding], language: str) -> dict[str, object]:
    import msgspec

    rows = []
    for finding in findings:
        found, why, to_do = finding.said(language)
        rows.append(
            {
                "code": finding.code,
                "severity": finding.severity.name.lower(),
                "found": found,
                "why": why,
                "do": to_do,
                "values": finding.values,
            }
        )
    return {"findings": rows, "sites": msgspec.to_builtins(case)["heard"]}


def _show(case: Case, findings: list[Finding], language: str) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(show_lines=True)
    for heading in _HEADINGS[language]:
        table.add_column(heading, overflow="fold")
    for finding in findings:
        label = Text(finding.severity.name.lower(), _STYLES[finding.severity])
        table.add_row(label, *map(Text, finding.said(language)))
    console = Console()
    if findings:
        console.print(table)
    console.print(_summary(case, findings, language))


def _summary(case: Case, findings: list[Finding], language: str) -> str:
    """One line: whom it asked, and how much it found."""
    sites = ", ".join(one.site for one in case.heard)
    counts = [sum(finding.severity is one for finding in findings) for one in (Severity.CRITICAL, Severity.WARNING)]
    unknown = sum(finding.severity is Severity.UNKNOWN for finding in findings)
    if language == "ko":
        return f"물어본 센터: {sites}. 위급 {counts[0]}, 주의 {counts[1]}, 모름 {unknown}."
    return f"Asked: {sites}. {counts[0]} critical, {counts[1]} warnings, {unknown} not known."
