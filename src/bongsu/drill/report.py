"""The evidence as one page that needs nothing else: verdict first, then figures, faults, plots, method."""

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.table import Table

from bongsu.drill import plots
from bongsu.drill.evidence import Evidence
from bongsu.drill.faults import Happened
from bongsu.drill.record import Written
from bongsu.drill.scenes import Loss
from bongsu.drill.texts import SCENES, TEXTS
from bongsu.drill.verdict import Check, Fate, Summary

_FIGURES: Final = ("write", "write_sites", "longest_send", "read", "rejoin")
_RESULTS: Final = {True: ("ok", "kept"), False: ("not_ok", "broken"), None: ("unknown", "unknown")}
_STYLES: Final = {"kept": "green", "broken": "red", "unknown": "yellow"}
_METHOD: Final = ("m_clients", "m_record", "m_check", "m_outage")
_LIMITS: Final = ("l_cache", "l_machine", "l_count")


def save(evidence: Evidence, written: Written, folder: Path) -> Path:
    """Writes report.html."""
    path = folder / "report.html"
    path.write_text(page(evidence, plots.Marks(written)), "utf-8")
    return path


def tell(evidence: Evidence, console: Console) -> None:
    """The verdict and the promises, for a terminal."""
    table = Table(box=None, padding=(0, 2))
    for key in ("promise", "limit", "measured", "result"):
        table.add_column(TEXTS[key][0], justify="left" if key == "promise" else "right")
    for check in evidence.checks:
        _, limit, measured, _ = _promise(check)
        key, style = _RESULTS[check.is_kept]
        table.add_row(TEXTS[check.key][0], limit, measured, TEXTS[key][0], style=_STYLES[style])
    console.print(table, highlight=False)
    word = "kept" if evidence.is_kept else "broken"
    console.print(TEXTS[word][0], style=f"bold {_STYLES[word]}")


def page(evidence: Evidence, marks: plots.Marks) -> str:
    parts = [
        _verdict(evidence),
        _promises(evidence.checks),
        _violations(evidence),
        _figures(evidence.summaries),
        _run(evidence, marks),
        _around(evidence.fates, marks, evidence.load[1]),
        _faults(evidence.fates),
        _method(evidence),
        _setting(evidence),
    ]
    style = resources.files(__package__).joinpath("report.css").read_text("utf-8")
    return _FRAME.format(title=f"Bongsu: {TEXTS['title'][0]}", style=style, body="\n".join(parts))


_FRAME: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
<input class="language" type="radio" name="language" id="english" checked>
<input class="language" type="radio" name="language" id="korean">
<div class="languages"><label for="english">English</label><label for="korean" lang="ko">한국어</label></div>
<main>
{body}
</main>
</html>
"""

# --- pieces ---


def _say(key: str, **values: object) -> str:
    """A text in both languages; the page shows one."""
    return _both(TEXTS[key], values)


def _both(texts: tuple[str, str], values: Mapping[str, object] | None = None) -> str:
    filled = (escape(text.format(**values) if values else text) for text in texts)
    return "".join(f'<span lang="{code}">{text}</span>' for code, text in zip(("en", "ko"), filled, strict=True))


def _scene(name: str, loss: Loss) -> str:
    return _mark(loss) + _both(SCENES.get(name, (name, name)))


def _mark(loss: Loss) -> str:
    return f'<span class="mark" style="background:{plots.COLOURS[loss]}"></span>'


def _table(heads: Iterable[str], rows: Iterable[Sequence[str]], first_figure: int) -> str:
    """Columns from first_figure on hold figures."""

    def cells(tag: str, row: Iterable[str]) -> str:
        figure = ' class="figure"'
        return "".join(f"<{tag}{figure if at >= first_figure else ''}>{cell}</{tag}>" for at, cell in enumerate(row))

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f'<div class="wide"><table><tr>{cells("th", heads)}</tr>{body}</table></div>'


def _seconds(value: float | None, missing: str = "–") -> str:
    if value is None:
        return missing
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


def _section(key: str, *parts: str) -> str:
    return f"<section><h2>{_say(key)}</h2>{''.join(parts)}</section>"


def _note(key: str, **values: object) -> str:
    return f'<p class="note">{_say(key, **values)}</p>'


# --- sections ---


def _verdict(evidence: Evidence) -> str:
    word = "kept" if evidence.is_kept else "broken"
    found = {check.key: check.measured for check in evidence.checks}
    counts = {name: f"{evidence.counts[name]:,}" for name in ("acknowledged", "photos", "faults")}
    lead = _say(
        "lead",
        **counts,
        lost=_whole(found.get("lost")),
        doubled=_whole(found.get("doubled")),
        violations=f"{evidence.violations_count:,}",
    )
    title = f"<h1>Bongsu · 봉수 — {_say('title')} · {escape(evidence.begun)}</h1>"
    return f'{title}<div class="verdict {word}"><strong>{_say(word)}</strong><p>{lead}</p></div>'


def _whole(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def _promises(checks: Iterable[Check]) -> str:
    heads = [_say(key) for key in ("promise", "limit", "measured", "result")]
    return _section("promises", _table(heads, map(_promise, checks), 1))


def _promise(check: Check) -> tuple[str, ...]:
    tell: Callable[[float | None], str] = _seconds if check.unit else _whole
    unit = f" {check.unit}" if check.unit else ""
    key, style = _RESULTS[check.is_kept]
    limit = f"≤ {check.limit:g}{unit}" if unit else f"{check.limit:g}"
    measured = tell(check.measured) + (unit if check.measured is not None else "")
    return _say(check.key), limit, measured, f'<span class="{style}">{_say(key)}</span>'


def _violations(evidence: Evidence) -> str:
    if not evidence.violations:
        return ""
    shown = len(evidence.violations)
    rows = [(escape(violation.kind), escape(violation.what)) for violation in evidence.violations]
    note = _note("violations_note", shown=shown, count=evidence.violations_count)
    table = _table([_say("kind"), _say("what")], rows, 2)
    return _section("violations", note, f'<div class="prose">{table}</div>')


def _figures(summaries: Iterable[Summary]) -> str:
    heads = [_say(key) for key in ("scene", "count", *_FIGURES)]
    return _section("figures", _note("figures_note"), _table(heads, map(_figure, summaries), 1))


def _figure(summary: Summary) -> tuple[str, ...]:
    pairs = [getattr(summary, name) for name in _FIGURES]
    told = ["–" if worst is None else f"{_seconds(middle)} / {_seconds(worst)}" for middle, worst in pairs]
    return _scene(summary.scene, summary.loss), str(summary.count), *told


def _run(evidence: Evidence, marks: plots.Marks) -> str:
    faults = [fate.happened for fate in evidence.fates]
    legend = "".join(f"<span>{_mark(loss)}{_say(loss.value.removeprefix('the '))}</span>" for loss in Loss)
    plot = plots.whole_run(marks, faults, evidence.load)
    return _section("run", _note("run_note"), f'<div class="legend">{legend}</div>', plot)


def _around(fates: Sequence[Fate], marks: plots.Marks, until: float) -> str:
    scenes = sorted({fate.happened.scene for fate in fates})
    by_scene = [[fate for fate in fates if fate.happened.scene == scene] for scene in scenes]
    figures = "".join(_plot(some, marks, until) for some in by_scene)
    return _section("around", _note("around_note"), f'<div class="plots">{figures}</div>')


def _plot(fates: Sequence[Fate], marks: plots.Marks, until: float) -> str:
    worst = max(fates, key=lambda fate: fate.felt.write).happened
    drawn = plots.around(marks, [fate.happened for fate in fates], worst, until)
    return f"<figure><h3>{_scene(worst.scene, worst.loss)}</h3>{drawn}</figure>"


def _faults(fates: Iterable[Fate]) -> str:
    heads = [_say(key) for key in ("number", "scene", "site", "leader", "at", *_FIGURES)]
    return _section("faults", _table(heads, map(_fault, fates), 4))


def _fault(fate: Fate) -> tuple[str, ...]:
    happened = fate.happened
    told = [_seconds(getattr(fate.felt, name)) for name in _FIGURES[:-1]]
    return (
        str(happened.number + 1),
        _scene(happened.scene, happened.loss),
        escape(", ".join(happened.hit)),
        _leaders(happened),
        f"{happened.began:.1f}",
        *told,
        _seconds(fate.felt.rejoin, f'<span class="broken">{_say("never")}</span>'),
    )


def _leaders(happened: Happened) -> str:
    before, after = escape(happened.leader_before), escape(happened.leader_after or "?")
    return before if before == after else f"{before} → {after}"


def _method(evidence: Evidence) -> str:
    counts = {name: f"{count:,}" for name, count in evidence.counts.items()}
    method = "".join(f"<p>{_say(key, **counts)}</p>" for key in _METHOD)
    limits = "".join(f"<p>{_say(key)}</p>" for key in _LIMITS)
    left_out = _say("left_out", names=", ".join(evidence.left_out)) if evidence.left_out else ""
    return _section("method", method) + _section("limits", limits, f"<p>{left_out}</p>")


def _setting(evidence: Evidence) -> str:
    when = {
        _say("begun"): evidence.begun,
        _say("took"): f"{evidence.seconds:,.0f} s",
        _say("load"): f"{evidence.load[1] - evidence.load[0]:,.0f} s",
        _say("seed"): evidence.seed,
    }
    return _section(
        "setting",
        _list(when),
        *(f"<h3>{_say(key)}</h3>{_list(_escaped(getattr(evidence, key)))}" for key in ("machine", "versions")),
        f"<h3>{_say('configuration')}</h3>",
        _note("configuration_note"),
        f"<pre>{escape(_json(evidence.configuration))}</pre>",
        f"<h3>{_say('answers')}</h3>",
        _list(_escaped({name: f"{count:,}" for name, count in evidence.answers.items()})),
        f"<h3>{_say('repeat')}</h3><pre>{escape(command(evidence))}</pre>",
    )


def _list(facts: Mapping[str, object]) -> str:
    rows = "".join(f"<dt>{name}</dt><dd>{escape(str(value))}</dd>" for name, value in facts.items())
    return f"<dl>{rows}</dl>"


def _escaped(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {escape(name): value for name, value in facts.items()}


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def command(evidence: Evidence) -> str:
    """The same drill again: the same faults in the same order."""
    drill = evidence.configuration["drill"]
    words = ["bongsu", "drill", "--seed", str(evidence.seed), "--faults", str(len(evidence.fates))]
    for scene in drill["scenes"]:
        words += ["--fault", scene]
    return shlex.join([*words, "--rate", f"{drill['sizes']['rate']:g}", "--writers", str(drill["sizes"]["writers"])])
