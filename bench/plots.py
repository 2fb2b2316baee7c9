"""The results as pictures, PNG and SVG: each with a title, units and the ratio where it says something."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from bench.report import OURS, PEER, factor_text, number
from bench.results import Results, Row, Section

COLOURS = {OURS: "#d1495b", PEER: "#30638e"}  # told apart by people who see red and green alike, too
NAMES = {OURS: "Bongsu", PEER: "Synapse"}
MARKERS = {OURS: "o", PEER: "s"}

BARS = {
    "sends": ("sends/rate", "sends/send_p99_ms", "sends/cpu_server_us", "sends/cpu_postgres_us"),
    "initial_sync": ("initial_sync/cold_ms", "initial_sync/warm_ms", "initial_sync/warm_cpu_server_ms"),
    "large_room": ("large_room/join_p50_ms", "large_room/rate", "large_room/catch_up_p50_ms", "large_room/members_ms"),
    "memory": (
        "memory/idle_mib",
        "memory/parked/200/each_kib",
        "memory/parked/500/each_kib",
        "memory/parked/2000/each_kib",
    ),
    "startup": ("startup/first_ms", "startup/next_ms"),
}
CHAT_LINES = {
    "chat_latency": ("arrival_p50_ms", "arrival_p99_ms", "From the send to each reader's /sync (ms)"),
    "chat_cpu": ("cpu_delivered_us", "cpu_postgres_us", "CPU per delivered message (µs)"),
}
LABELS = {
    "arrival_p50_ms": "p50",
    "arrival_p99_ms": "p99",
    "cpu_delivered_us": "server",
    "cpu_postgres_us": "PostgreSQL",
}


def draw(results: Results, folder: Path) -> None:
    """One picture per scenario (two for the chat) into the folder."""
    plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "svg.fonttype": "none"})
    for section in results.sections:
        if section.name == "chat":
            for name in CHAT_LINES:
                _save(folder / name, partial(_lines, section, name))
        elif section.name == "growth":
            _save(folder / section.name, partial(_growth, section))
        elif rows := [section.rows[key] for key in BARS.get(section.name, ()) if key in section.rows]:
            _save(folder / section.name, partial(_bars, section, rows))


def _save(path: Path, paint: Callable[[], None]) -> None:
    paint()
    for suffix in ("png", "svg"):
        plt.savefig(path.with_suffix(f".{suffix}"), dpi=144, bbox_inches="tight")
    plt.close()


def _bars(section: Section, rows: list[Row]) -> None:
    figure, axes = plt.subplots(1, len(rows), figsize=(3.1 * len(rows), 3.8), squeeze=False)
    figure.suptitle(section.title, fontweight="bold")
    for axis, row in zip(axes[0], rows, strict=True):
        _pair(axis, row)
    figure.tight_layout()


def _pair(axis: Axes, row: Row) -> None:
    """The servers side by side on a linear axis, so that lengths compare; numbers above the bars."""
    known = [(peer, value) for peer in (OURS, PEER) if (value := row.value(peer)) is not None]
    colours = [COLOURS[peer] for peer, _ in known]
    bars = axis.bar([NAMES[peer] for peer, _ in known], [value for _, value in known], color=colours, width=0.6)
    axis.bar_label(bars, [number(value) for _, value in known], padding=2)
    axis.margins(y=0.12)
    axis.set_title(f"{row.title}\n{factor_text(row)}", fontsize=9)
    axis.set_ylabel(row.unit)


def _lines(section: Section, name: str) -> None:
    solid, dashed, unit = CHAT_LINES[name]
    figure, axis = plt.subplots(figsize=(7.2, 4.4))
    for peer in (OURS, PEER):
        for suffix, style in ((solid, "-"), (dashed, "--")):
            points = _points(section, peer, suffix)
            if points:
                label = f"{NAMES[peer]}, {LABELS[suffix]}"
                axis.plot(*zip(*points, strict=True), style, marker=MARKERS[peer], color=COLOURS[peer], label=label)
    axis.set(title=section.title, xlabel="messages per second (log)", ylabel=f"{unit}, log", xscale="log", yscale="log")
    axis.title.set_fontweight("bold")
    rates = sorted({rate for peer in (OURS, PEER) for rate, _ in _points(section, peer, solid)})
    axis.set_xticks(rates, [number(rate) for rate in rates], minor=False)
    axis.xaxis.set_minor_locator(NullLocator())
    axis.grid(True, which="major", alpha=0.3)
    axis.legend(frameon=False)
    figure.tight_layout()


GROWTH = {
    "rooms": "rooms of the account: a message and its sync",
    "history": "messages before: a message and its sync",
    "readers": "readers of the room: a message",
    "members": "members of the room: one leaves or comes",
    "first_sync": "rooms of the account: a first sync",
}


def _growth(section: Section) -> None:
    """Each cost over the size it might depend on; the dotted line is what linear growth would be."""
    figure, axes = plt.subplots(1, len(GROWTH), figsize=(3.4 * len(GROWTH), 3.8), squeeze=False)
    figure.suptitle(section.title, fontweight="bold")
    for axis, (name, title) in zip(axes[0], GROWTH.items(), strict=True):
        for suffix, style in (("cpu_us", "-"), ("postgres_us", "--")):
            points = _sizes_and_costs(section, name, suffix)
            if points:
                label = "server" if suffix == "cpu_us" else "PostgreSQL"
                axis.plot(*zip(*points, strict=True), style, marker="o", color=COLOURS[OURS], label=label)
                if suffix == "cpu_us":
                    (first, cost), (last, _) = points[0], points[-1]
                    axis.plot([first, last], [cost, cost * last / first], ":", color="#888888", label="linear")
        axis.set(xscale="log", yscale="log", ylabel="CPU (µs), log", xlabel="size, log")
        axis.set_title(title, fontsize=9)
        axis.grid(True, which="major", alpha=0.3)
        axis.legend(frameon=False, fontsize=8)
    figure.tight_layout()


def _sizes_and_costs(section: Section, name: str, suffix: str) -> list[tuple[float, float]]:
    found = []
    for key, row in section.rows.items():
        parts = key.split("/")
        if parts[1] == name and parts[-1] == suffix and (value := row.value(OURS)):
            found.append((float(parts[2]), value))
    return sorted(found)


def _points(section: Section, peer: str, suffix: str) -> list[tuple[float, float]]:
    """(rate, value) where this server was measured."""
    rows = [(float(key.split("/")[1]), row.value(peer)) for key, row in section.rows.items() if key.endswith(suffix)]
    return sorted((rate, value) for rate, value in rows if value)
