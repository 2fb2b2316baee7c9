"""Results as tables: for the terminal and as Markdown, from the same rows; and as JSON."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from bench.figures import Better, Floor
from bench.postgres import SETTINGS
from bench.results import Results, Row, Section

OURS, PEER = "bongsu", "synapse"
NOT_MEASURED = "not measured"
PEER_BEHIND = "Synapse has no figure"
COLUMNS = ("figure", "unit", "Bongsu", "Synapse", "Bongsu / Synapse")


def number(value: float | None) -> str:
    """Three significant digits, thousands apart."""
    if value is None:
        return "–"
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"


def factor_text(row: Row) -> str:
    """What the ratio means in words, "40× better"; empty where it means nothing."""
    ratio = row.ratio(OURS, PEER)
    if not ratio or row.better is Better.NEITHER:
        return ""
    factor = ratio if row.better is Better.HIGHER else 1 / ratio
    return f"{number(max(factor, 1 / factor))}× {'better' if factor >= 1 else 'worse'}"


def ratio_text(row: Row) -> str:
    ratio = row.ratio(OURS, PEER)
    if ratio is None or row.better is Better.NEITHER:
        return "–"
    return f"{number(ratio)}  ({factor_text(row)})" if ratio else "0"


def cells(row: Row) -> tuple[str, ...]:
    return row.title, row.unit, number(row.value(OURS)), number(row.value(PEER)), ratio_text(row)


def floor_cells(floor: Floor, section: Section) -> tuple[str, str, str]:
    """What is promised, the ratio, and: met, missed, or why it is open."""
    row = section.rows.get(floor.key)
    ratio = row.ratio(OURS, PEER) if row else None
    if ratio is None:
        return floor.title, "–", PEER_BEHIND if row and row.value(OURS) is not None else NOT_MEASURED
    return floor.title, number(ratio), "met" if floor.met(ratio) else "MISSED"


def floors(results: Results) -> Iterator[tuple[str, str, str]]:
    for section in results.sections:
        for floor in section.floors:
            yield floor_cells(floor, section)


def show(results: Results, console: Console) -> None:
    for peer, reason in results.missing.items():
        console.print(f"[bold red]{peer} was not measured:[/] {reason}")
    for section in results.sections:
        console.print(_section_table(section))
        for note in section.notes:
            console.print(f"  [yellow]·[/] {note}")
    console.print(_floor_table(results))


def _section_table(section: Section) -> Table:
    table = Table(title=section.title, title_justify="left", title_style="bold")
    for index, name in enumerate(COLUMNS):
        table.add_column(name, justify="left" if index < 2 else "right")
    for row in section.rows.values():
        table.add_row(*cells(row), style="dim" if row.better is Better.NEITHER else None)
    return table


def _floor_table(results: Results) -> Table:
    table = Table(title="Floors", title_justify="left", title_style="bold")
    for name in ("promised", "ratio", ""):
        table.add_column(name, justify="right" if name == "ratio" else "left")
    colours = {"met": "green", "MISSED": "bold red", NOT_MEASURED: "yellow", PEER_BEHIND: "yellow"}
    for title, ratio, verdict in floors(results):
        table.add_row(title, ratio, f"[{colours[verdict]}]{verdict}[/]")
    return table


def markdown(results: Results) -> str:
    """The whole report as one Markdown text."""
    parts = [f"# Bongsu beside Synapse ({results.mode})", _facts(results)]
    parts += [f"**{peer} was not measured:** {reason}" for peer, reason in results.missing.items()]
    parts += ["## Floors", _markdown_table(("promised", "ratio", ""), floors(results))]
    for section in results.sections:
        parts += [f"## {section.title}", _markdown_table(COLUMNS, map(cells, section.rows.values()))]
        parts += [f"- {note}" for note in section.notes]
    return "\n\n".join(parts) + "\n"


def _facts(results: Results) -> str:
    facts = {"begun": results.begun, "took": f"{results.seconds:.0f} s", **results.machine}
    facts |= {f"version of {peer}": version for peer, version in results.versions.items()}
    facts["PostgreSQL settings"] = ", ".join(f"{name}={value}" for name, value in SETTINGS.items())
    return "\n".join(f"- {name}: {value}" for name, value in facts.items())


def _markdown_table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def save(results: Results, folder: Path) -> None:
    """results.json and report.md, as far as the run has come."""
    folder.mkdir(parents=True, exist_ok=True)
    raw = msgspec.json.encode(results)
    (folder / "results.json").write_bytes(msgspec.json.format(raw, indent=2))
    (folder / "report.md").write_text(markdown(results))
