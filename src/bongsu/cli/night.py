"""bongsu night"""

import asyncio
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from bongsu.cli.options import Wrong

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from bongsu.drill.faults import Sites
    from bongsu.drill.night import Moment, Place, Size, Verdict

_STATES: Final = ("waiting", "offered", "accepted", "arrived")


@click.command("night")
@click.option("--minutes", type=click.FloatRange(1, 60), default=3, show_default=True, help="How long the night is.")
@click.option("--hospitals", type=click.IntRange(1, 200), default=40, show_default=True)
@click.option("--patients", type=click.IntRange(12, 2000), default=150, show_default=True)
@click.option("--seed", type=int, help="All chance of the night [default: a new one].")
@click.option(
    "--dir",
    "lab",
    type=click.Path(path_type=Path),
    default=Path("data/lab"),
    show_default=True,
    help="The lab's folder.",
)
def command(minutes: float, hospitals: int, patients: int, seed: int | None, lab: Path) -> None:
    """Forty hospitals' bed board through a night in which a data centre burns, to watch.

    The sites are a lab's: `bongsu lab up --detach`. Ends with 0 when the board kept its word, 1 when it did not.
    """
    try:
        from bongsu.drill.drill import Unprepared
        from bongsu.drill.laboratory import open_lab
        from bongsu.drill.night import Size
    except ImportError as error:
        raise Wrong(f"a night needs more packages: pip install 'bongsu[lab]' ({error})") from None
    try:
        sites = open_lab(lab)
    except Unprepared as error:
        raise Wrong(str(error)) from None
    chosen = random.SystemRandom().randrange(1_000_000) if seed is None else seed
    verdict = _played(sites, Size(hospitals=hospitals, patients=patients, seconds=minutes * 60), chosen)
    sys.exit(0 if verdict.is_kept else 1)


def _played(sites: "Sites", size: "Size", seed: int) -> "Verdict":
    from rich.console import Console
    from rich.live import Live

    from bongsu.drill.night import Night

    console = Console()
    console.print(f"[bold]A night with {size.hospitals} hospitals[/], seed {seed}", highlight=False)
    with Live(console=console, transient=True, auto_refresh=False) as live:

        def show(moment: "Moment") -> None:
            if console.is_terminal:
                live.update(_seen(moment, size), refresh=True)

        def say(what: str) -> None:
            console.print(f"[dim]·[/] {what}", highlight=False)

        night = Night(sites, size, seed, say, show)
        verdict = asyncio.run(night.run(lambda place: _invite(console, sites, place)))
    _tell(console, verdict)
    return verdict


def _invite(console: "Console", sites: "Sites", place: "Place") -> None:
    """Where people may watch while it lasts."""
    console.print(f"  Watch it: {sites.url(sites.names[-1])}/app/service/board/{place.room_id}", highlight=False)
    console.print(f"  as [bold]{place.user}[/], password [bold]{place.password}[/]", highlight=False)


def _seen(moment: "Moment", size: "Size") -> "RenderableType":
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    night = f"{moment.seconds:4.0f} of {size.seconds:.0f} s"
    fire = f"[bold red]{moment.burnt} burns[/]" if moment.burnt else ""
    table.add_row(night, f"leading: [bold]{moment.leader or 'nobody yet'}[/]", fire)
    table.add_row("longest wait", f"{moment.longest_wait_seconds:.0f} s", _bar(moment.waiting))
    table.add_row("requests", "  ".join(f"{state} {moment.states.get(state, 0)}" for state in _STATES))
    table.add_row("unanswered calls", str(moment.unanswered))
    return table


def _bar(waiting: int) -> str:
    return f"[yellow]{'█' * min(waiting, 60)}[/] {waiting} waiting"


def _tell(console: "Console", verdict: "Verdict") -> None:
    from rich.table import Table

    table = Table(title="In the morning", title_justify="left", show_header=False)
    found = {
        "acts acknowledged": verdict.acknowledged,
        "lost": len(verdict.lost),
        "doubled": len(verdict.doubled),
        "beds given to too many": len(verdict.overfull_beds),
        "faults in the chain of the record": len(verdict.chain_faults),
        "acts that the room was not told once": len(verdict.unsaid),
    }
    for name, count in found.items():
        table.add_row(name, str(count))
    table.add_row("longest time without an acknowledged act", f"{verdict.longest_silence_seconds:.1f} s")
    times = verdict.time_to_assign_ms
    for name in ("median", "p90", "p99", "longest"):
        table.add_row(f"time to assign, {name}", "–" if times[name] is None else f"{times[name] / 1000:.1f} s")
    table.add_row("waiting still", str(verdict.still_waiting))
    console.print(table)
    console.print("[bold green]The board kept its word.[/]" if verdict.is_kept else "[bold red]It did not.[/]")
