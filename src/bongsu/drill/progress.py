"""What a drill shows while it runs: one moving line on a terminal, a line for each step elsewhere."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

from bongsu.drill.faults import Happened
from bongsu.drill.record import Record

_RATE_SECONDS: Final = 2.0  # over which the shown rate is taken


class Pace:
    """Acknowledged messages a second, over the last moments."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._before = self._now = (record.now, record.acknowledged)

    def __call__(self) -> float:
        now = self._record.now, self._record.acknowledged
        if now[0] - self._now[0] > _RATE_SECONDS / 2:
            self._before, self._now = self._now, now
        return (now[1] - self._before[1]) / max(now[0] - self._before[0], 1e-6)


class _Numbers(TextColumn):
    """Acknowledged so far, and how fast."""

    def __init__(self) -> None:
        super().__init__("")
        self.told: Callable[[], str] = str

    def render(self, task: Task) -> Text:
        return Text(self.told(), style="cyan")


class Shown:
    """A `Teller` for people."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._numbers = _Numbers()
        columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(20), self._numbers, TimeElapsedColumn()
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal)
        self._task = self._progress.add_task("beginning", total=None)
        self._done = 0

    @contextlib.contextmanager
    def running(self) -> Iterator["Shown"]:
        with self._progress:
            yield self

    def follow(self, record: Record) -> None:
        pace = Pace(record)
        self._numbers.told = lambda: f"{record.acknowledged:,} acknowledged  {pace():,.0f}/s  {record.photos} photos"

    def say(self, what: str, done: int = 0, of: int = 0) -> None:
        self._show(f"{what} {done + 1}/{of}" if of else what, done, of)

    def began(self, scene: str, number: int, of: int) -> None:
        self._done = number - 1
        self._show(f"fault {number}{f'/{of}' if of else ''}: {scene}", number - 1, of)

    def ended(self, happened: Happened) -> None:
        leads = happened.leader_after or "nobody"
        back = "NOT WHOLE AGAIN" if happened.ready is None else f"whole {happened.ready - happened.healed:.1f} s after"
        self._console.print(
            f"[dim]{happened.began:7.1f} s[/]  {happened.scene:<20} {', '.join(happened.hit)}: "
            f"{happened.leader_before} → {leads}, {back}",
            highlight=False,
        )

    def _show(self, what: str, done: int, of: int) -> None:
        self._progress.update(self._task, description=what, completed=done, total=of or None)
        if not self._console.is_terminal:
            self._console.print(what, highlight=False)
