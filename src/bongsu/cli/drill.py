"""bongsu drill"""

import random
import sys
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from bongsu.cli.options import Wrong
from bongsu.drill.scenes import SCENES, playable

if TYPE_CHECKING:  # they bring numpy, matplotlib and a Matrix client: not for --help
    from rich.console import Console

    from bongsu.drill.drill import Plan
    from bongsu.drill.evidence import Evidence
    from bongsu.drill.faults import Sites

_KEPT: Final = 0
_BROKEN: Final = 1
_NOT_RUN: Final = 2
_LAB: Final = Path("data/lab")


@click.command("drill")
@click.option("--fault", "scenes", multiple=True, type=click.Choice(list(SCENES)), help="Only these [default: all].")
@click.option("--faults", type=click.IntRange(0), help="How many at least [default: each one once].")
@click.option("--minutes", type=click.FloatRange(0), default=0, help="How long the load lasts at least.")
@click.option("--messages", type=click.IntRange(0), default=0, help="How many are acknowledged at least.")
@click.option(
    "--rate", type=click.FloatRange(0), default=400, show_default=True, help="Messages a second, 0: all it can"
)
@click.option("--writers", type=click.IntRange(1), default=120, show_default=True, help="Light clients that write.")
@click.option("--rooms", type=click.IntRange(2), default=12, show_default=True, help="Rooms they write to.")
@click.option("--seed", type=int, help="Order of the faults, and all other chance [default: a new one].")
@click.option(
    "--dir", "lab", type=click.Path(path_type=Path), default=_LAB, show_default=True, help="The lab's folder."
)
@click.option("--out", type=click.Path(path_type=Path), help="Record and report [default: data/drills/<time>].")
def command(
    scenes: Sequence[str],
    faults: int | None,
    minutes: float,
    messages: int,
    rate: float,
    writers: int,
    rooms: int,
    seed: int | None,
    lab: Path,
    out: Path | None,
) -> None:
    """Hurt three sites under load, and prove that nothing was lost.

    The sites are a lab's: `bongsu lab up --detach`. Ends with 0 when every promise was kept, 1 when one was broken, 2
    when the drill could not be run.
    """
    sites = _sites(lab)
    from bongsu.drill.crowd import Sizes
    from bongsu.drill.drill import Plan

    possible = playable(sites.faults())
    if impossible := [name for name in scenes if name not in possible]:
        raise Wrong(f"this lab cannot do {', '.join(impossible)}")
    chosen = list(scenes or possible)
    plan = Plan(
        scenes=chosen,
        faults=len(chosen) if faults is None else faults,
        seconds=minutes * 60,
        messages=messages,
        seed=random.SystemRandom().randrange(1_000_000) if seed is None else seed,
        sizes=Sizes(writers=writers, rooms=rooms, rate=rate),
    )
    sys.exit(_run(sites, plan, out or _folder()))


def _sites(lab: Path) -> "Sites":
    try:
        from bongsu.drill.drill import Unprepared
        from bongsu.drill.laboratory import open_lab

        return open_lab(lab)
    except ImportError as error:
        raise Wrong(f"a drill needs more packages: pip install 'bongsu[lab]' ({error})") from None
    except Unprepared as error:
        raise Wrong(str(error)) from None


def _folder() -> Path:
    return Path("data/drills") / f"{datetime.now(UTC).astimezone():%Y-%m-%d-%H%M%S}"


def _run(sites: "Sites", plan: "Plan", out: Path) -> int:
    """The exit code. Whatever goes wrong with the drill itself is no verdict on the sites."""
    from rich.console import Console

    from bongsu.drill.drill import Unprepared

    console = Console(stderr=True)
    console.print(f"[bold]Drill[/] seed {plan.seed}, {plan.faults} faults, into {out}", highlight=False)
    try:
        return _told(_held(sites, plan, out, console), console)
    except Unprepared as error:
        raise Wrong(str(error)) from None
    except KeyboardInterrupt:
        raise Wrong("the drill was broken off; the sites are healed, and there is no verdict") from None
    except Exception:
        traceback.print_exc()
        return _NOT_RUN


def _held(sites: "Sites", plan: "Plan", out: Path, console: "Console") -> "Evidence":
    import uvloop

    from bongsu.drill import report
    from bongsu.drill.drill import Drill
    from bongsu.drill.progress import Shown

    out.mkdir(parents=True, exist_ok=True)
    with Shown(console).running() as shown:
        drill = Drill(sites, plan, out, shown)
        evidence = uvloop.run(drill.run())
        shown.say("drawing")
        evidence.save(out)
        path = report.save(evidence, drill.written, out)
    click.echo(path)
    return evidence


def _told(evidence: "Evidence", console: "Console") -> int:
    from bongsu.drill.report import tell

    tell(evidence, console)
    return _KEPT if evidence.is_kept else _BROKEN
