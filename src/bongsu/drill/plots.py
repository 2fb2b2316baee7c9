"""Plots of a drill as SVG texts that stand inside a page: in the page's own text colour, without words."""

import io
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from bongsu.drill.faults import Happened
from bongsu.drill.record import Written
from bongsu.drill.scenes import Loss

mpl.use("Agg")

from matplotlib import pyplot as plt  # after the choice of the backend
from matplotlib.axes import Axes

_INK: Final = "#010203"  # replaced by the page's text colour
COLOURS: Final = {
    Loss.LEADER: "#d1495b",
    Loss.STANDBY: "#30638e",
    Loss.PART: "#a3752c",
    Loss.EVERYTHING: "#7b4ea3",
}
_BIN_SECONDS: Final = 0.25
_BEFORE_SECONDS, _AFTER_SECONDS = 4.0, 6.0  # shown around a fault, before its begin and after its repair
_POINTS_MAX: Final = 1_200  # of a whole run: as many as a screen has room for
_RC: Final[dict[Any, Any]] = {
    "font.size": 9,
    "svg.fonttype": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color", "axes.edgecolor"), _INK),
}
Numbers = NDArray[np.float64]


class Marks:
    """Acknowledgements of a run: when, and how long after the first try."""

    def __init__(self, written: Written) -> None:
        order = np.argsort(written.acknowledged["at"], kind="stable")
        self.at: Numbers = written.acknowledged["at"][order]
        self.took: Numbers = self.at - written.sends["started"][written.acknowledged["send"][order]]

    def rate(self, edges: Numbers) -> Numbers:
        """Acknowledgements a second between the edges."""
        return np.histogram(self.at, edges)[0] / np.diff(edges)

    def slowest(self, edges: Numbers) -> Numbers:
        """The longest wait that ended between two edges, in seconds; nan where none ended."""
        places = np.searchsorted(self.at, edges)
        parts = [self.took[first:last] for first, last in pairwise(places.tolist())]
        return np.array([part.max() if len(part) else np.nan for part in parts])


def whole_run(marks: Marks, faults: Sequence[Happened], load: tuple[float, float]) -> str:
    """Rate over the time under load, the faults as shaded times."""

    def paint(rate: Axes) -> None:
        edges = np.arange(*load, max(1.0, (load[1] - load[0]) / _POINTS_MAX))
        rate.plot(edges[:-1], marks.rate(edges), color=_INK, linewidth=0.8)
        for fault in faults:
            rate.axvspan(fault.began, fault.healed, color=COLOURS[fault.loss], alpha=0.25, linewidth=0)
        rate.set(xlabel="s", ylabel="1/s", xlim=load)
        rate.set_ylim(bottom=0)

    return _drawn("run", 1, (9.0, 2.4), lambda axes: paint(axes[0]))


def around(marks: Marks, faults: Sequence[Happened], worst: Happened, load_ends: float) -> str:
    """Faults of one scene laid over each other: rate above, longest waits below; the worst one drawn strong."""

    def paint(axes: Sequence[Axes]) -> None:
        rate, wait = axes
        for fault in sorted(faults, key=lambda fault: fault is worst):
            _fault(marks, fault, (rate, wait), load_ends, is_worst=fault is worst)
        colour = COLOURS[worst.loss]
        for axis in axes:
            axis.axvspan(0, worst.healed - worst.began, color=colour, alpha=0.15, linewidth=0)
            axis.set_ylim(bottom=0)
            axis.margins(x=0)
        rate.set_ylabel("1/s")
        wait.set(ylabel="s", xlabel="s")

    return _drawn(worst.scene, 2, (4.4, 3.0), paint)


def _fault(marks: Marks, fault: Happened, axes: tuple[Axes, Axes], load_ends: float, *, is_worst: bool) -> None:
    until = min(fault.healed + _AFTER_SECONDS, load_ends) - fault.began
    edges = np.arange(-_BEFORE_SECONDS, until, _BIN_SECONDS)
    style: dict[str, Any] = {
        "color": COLOURS[fault.loss],
        "alpha": 1.0 if is_worst else 0.25,
        "linewidth": 1.3 if is_worst else 0.7,
    }
    rate, wait = axes
    rate.plot(edges[:-1], marks.rate(edges + fault.began), drawstyle="steps-post", **style)
    wait.plot(edges[:-1], marks.slowest(edges + fault.began), ".", markersize=3, **style)


def _drawn(name: str, rows: int, size: tuple[float, float], paint: Callable[[Sequence[Axes]], None]) -> str:
    """The bare <svg> element. Its names differ from those of other pictures on the page."""
    with mpl.rc_context({**_RC, "svg.hashsalt": name}):
        figure, axes = plt.subplots(rows, 1, figsize=size, sharex=True, squeeze=False, layout="constrained")
        paint([row[0] for row in axes])
        out = io.StringIO()
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        plt.close(figure)
    text = out.getvalue()
    return text[text.index("<svg") :].replace(_INK, "currentColor")
