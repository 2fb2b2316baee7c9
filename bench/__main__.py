"""python -m bench: the comparison from set-up to report."""

import asyncio
import resource
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bench.api import api
from bench.peers import ROOT, Bongsu, Peer, Server, Synapse
from bench.plots import draw
from bench.postgres import Unavailable, data_folder
from bench.report import save, show
from bench.results import Results, Section
from bench.scenarios.broadcast import Broadcast
from bench.scenarios.chat import Chat
from bench.scenarios.growth import Growth
from bench.scenarios.hall import Hall
from bench.scenarios.initial_sync import InitialSync
from bench.scenarios.large_room import LargeRoom
from bench.scenarios.memory import Memory
from bench.scenarios.overload import Overload
from bench.scenarios.rush import Rush
from bench.scenarios.scenario import Scenario, Step
from bench.scenarios.sends import Sends
from bench.scenarios.sliding import Sliding
from bench.scenarios.startup import Startup
from bench.scenarios.web import Web
from bench.sizes import FULL, QUICK, Sizes
from bench.target import Target
from bongsu.drill.machine import facts

OPEN_FILES = 20_000  # a connection each for the parked readers, here and in the servers that inherit it


PROGRESS = (
    SpinnerColumn(),
    TextColumn("{task.description}"),
    BarColumn(),
    MofNCompleteColumn(),
    TimeElapsedColumn(),
)


def scenarios(sizes: Sizes, cinny: Path | None) -> list[Scenario]:
    """In the order in which they run: start-up last, on a database that has been used."""
    return [
        *(Sends(sizes), Chat(sizes), Hall(sizes), InitialSync(sizes), LargeRoom(sizes), Memory(sizes), Overload(sizes)),
        Growth(sizes),
        Sliding(sizes),
        Rush(sizes),
        Broadcast(sizes),
        Web(sizes, cinny),
        Startup(sizes),
    ]


class Comparison:
    """One run: servers, scenarios, results."""

    def __init__(self, results: Results, sizes: Sizes, folder: Path, out: Path, progress: Progress) -> None:
        self._results = results
        self._out = out
        self._sizes = sizes
        self._folder = folder
        self._progress = progress

    @contextmanager
    def _stage(self, what: str, total: int) -> Iterator[Callable[[], None]]:
        task = self._progress.add_task(what, total=total)
        try:
            yield lambda: self._progress.advance(task)
        finally:
            self._progress.remove_task(task)

    async def run(self, peers: Sequence[Peer], chosen: Sequence[Scenario]) -> None:
        async with AsyncExitStack() as stack:
            targets = [target for peer in peers if (target := await self._target(peer, stack))]
            for scenario in chosen:
                await self._scenario(scenario, targets)
                save(self._results, self._out)  # a run that is interrupted later keeps what it has

    async def _target(self, peer: Peer, stack: AsyncExitStack) -> Target | None:
        """The peer, running; None (and why, in the results) when it cannot run here."""
        folder = self._folder / peer.name
        folder.mkdir()
        folder.chmod(0o755)
        server = Server(peer, folder)
        stack.callback(server.destroy)
        with self._stage(f"{peer.name}: installing and starting", 1):
            try:
                first_start_seconds = await server.create()
            except (Unavailable, OSError) as error:
                self._results.missing[peer.name] = str(error)
                return None
        self._results.versions[peer.name] = peer.version()
        calls = await stack.enter_async_context(api(server.port))
        return Target(server, calls, self._sizes, self._stage, first_start_seconds)

    async def _scenario(self, scenario: Scenario, targets: Sequence[Target]) -> None:
        section = Section(scenario.name, scenario.title, list(scenario.floors))
        self._results.sections.append(section)
        alive = [target for target in targets if await self._prepared(scenario, target, section)]
        steps = scenario.steps()
        with self._stage(f"[bold]{scenario.title}", sum(step.rounds for step in steps) * len(alive)) as advance:
            for step in steps:
                for _ in range(step.rounds):
                    for target in alive.copy():
                        self._progress.console.log(f"{scenario.name}: {step.name}: {target.name}")
                        if not await self._measured(step, target, section):
                            alive.remove(target)
                        advance()

    async def _prepared(self, scenario: Scenario, target: Target, section: Section) -> bool:
        try:
            await scenario.prepare(target)
        except Exception as error:
            section.notes.append(f"{target.name}: preparing failed: {_reason(error)}")
            return False
        return True

    async def _measured(self, step: Step, target: Target, section: Section) -> bool:
        """Whether this server is asked for the next step too."""
        try:
            await target.server.settle()
            measured = await step.measure(target)
        except Exception as error:
            section.notes.append(f"{target.name}: {step.name} failed: {_reason(error)}")
            return False
        section.add(target.name, measured.figures)
        if measured.stop:
            section.notes.append(f"{target.name} {measured.stop}")
        return not measured.stop


def _reason(error: BaseException) -> str:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"[:300]


def _console() -> Console:
    """Wide enough for the tables when the output is a file."""
    console = Console()
    return console if console.is_terminal else Console(width=132)


async def _compare(comparison: Comparison, peers: Sequence[Peer], chosen: Sequence[Scenario]) -> None:
    """A SIGTERM ends the run as an interrupt does: with all servers stopped."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await comparison.run(peers, chosen)


@click.command()
@click.option("--quick", is_flag=True, help="About three minutes, to see that nothing broke. Not for quoting.")
@click.option("--peers", default="bongsu,synapse", show_default=True, help="Which servers.")
@click.option(
    "--only",
    default="",
    help="Which scenarios: sends,chat,hall,initial_sync,large_room,memory,overload,growth,sliding,web,startup.",
)
@click.option("--out", type=click.Path(path_type=Path), default=ROOT / "bench" / "results", help="Where results go.")
@click.option("--no-presence", is_flag=True, help="Switch Synapse's presence off (it is on by default).")
@click.option(
    "--cinny", type=click.Path(path_type=Path, exists=True), help="A build of Cinny, measured beside the web client."
)
@click.option("--keep", is_flag=True, help="Keep the servers' data and logs, and say where they are.")
def main(quick: bool, peers: str, only: str, out: Path, no_presence: bool, cinny: Path | None, keep: bool) -> None:
    """Runs Bongsu and Synapse side by side and reports."""
    console, sizes, folder = _console(), QUICK if quick else FULL, data_folder()
    _allow_open_files()
    begun = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    results = Results("quick" if quick else "full", begun, facts(folder), {}, {})
    target, started = out / begun.replace(":", ""), time.monotonic()
    wanted = [scenario for scenario in scenarios(sizes, cinny) if not only or scenario.name in only.split(",")]
    kinds: dict[str, Peer] = {"bongsu": Bongsu(), "synapse": Synapse(presence=not no_presence)}
    servers = [kinds[name] for name in peers.split(",")]
    try:
        with Progress(*PROGRESS, console=console) as progress:
            comparison = Comparison(results, sizes, folder, target, progress)
            uvloop.run(_compare(comparison, servers, wanted))
    finally:
        _leave(folder, keep, console)
    results.seconds = time.monotonic() - started
    _report(results, target, console)


def _allow_open_files() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(OPEN_FILES, hard), hard))


def _leave(folder: Path, keep: bool, console: Console) -> None:
    if keep:
        console.print(f"data and logs: {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)


def _report(results: Results, target: Path, console: Console) -> None:
    save(results, target)
    draw(results, target)
    show(results, console)
    console.print(f"report, JSON and plots: {target}")


if __name__ == "__main__":
    main()
