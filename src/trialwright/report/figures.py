"""The figures of the HTML report, each with a sentence under it that says what it shows.

Drawn as SVG, so that they print, need no graphics card, and can be read by a program. Colours are
those of Okabe and Ito and of cividis, which the colour-blind tell apart; shapes say the same again.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from plotly import graph_objects as go
from plotly.colors import sample_colorscale

from trialwright.analysis.importance import Influence
from trialwright.history import History, Trial
from trialwright.records import Curve
from trialwright.report import words
from trialwright.report.rows import standing
from trialwright.space import Choice, Ordinal, Parameter

POINTS = 1500
"""Trials drawn in the figure of all trials."""
LINES = 200
"""Trials drawn in parallel coordinates."""
CURVES = 80
"""Runs whose curves are drawn."""
STEPS = 120
"""Points per curve."""

BLUE, ORANGE, VERMILION, GREY = "#0072B2", "#E69F00", "#D55E00", "#767676"
INK = "#1a1a1a"

_LOOKS: dict[str, tuple[str, str, str]] = {
    "kept": ("circle", BLUE, "kept"),
    "unconfirmed": ("diamond-open", BLUE, "better, unconfirmed"),
    "discarded": ("circle-open", GREY, "not better"),
}
_BINS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure, ready to be drawn in a browser."""

    id: str
    title: str
    reading: str
    """What it shows, in one sentence, from numbers."""
    spec: str
    """Plotly's JSON, without a character that could end the element it stands in."""


def figures(history: History, influences: Sequence[Influence]) -> list[Figure]:
    """Return the figures that the history gives material for."""
    found = [
        _progress(history),
        _influences(influences, history),
        _parallel(history, influences),
        _curves(history),
    ]
    return [figure for figure in found if figure is not None]


def _progress(history: History) -> Figure | None:
    """All trials, and the best so far."""
    done = history.done()
    if not done:
        return None
    sign, metric = history.task.objective.sign, history.task.objective.metric
    values = np.array([sign * (trial.value or 0.0) for trial in done])
    leading = np.maximum.accumulate(values)
    leaders = np.flatnonzero(np.diff(leading, prepend=-np.inf) > 0)
    low, high = _window([sign * value for value in values], keep=[sign * leading[-1]])
    shown = _thinned(len(done), POINTS, always=leaders)
    figure = go.Figure()
    for look, (symbol, colour, name) in _LOOKS.items():
        chosen = [done[i] for i in shown if standing(done[i]) == look]
        if chosen:
            figure.add_scatter(
                x=[trial.number for trial in chosen],
                y=[min(max(trial.value or 0.0, low), high) for trial in chosen],
                mode="markers",
                name=name,
                marker={"symbol": symbol, "color": colour, "size": 9, "line": {"width": 2}},
                hovertext=[_hover(trial) for trial in chosen],
                hoverinfo="text",
            )
    _add_failures(figure, history, at=low if sign > 0 else high)
    steps = [*leaders, len(done) - 1]
    figure.add_scatter(
        x=[*(done[i].number for i in steps[:-1]), history.trials[-1].number],
        y=[min(max(sign * leading[i], low), high) for i in steps],
        mode="lines",
        line={"shape": "hv", "color": ORANGE, "width": 2.5},
        name="best so far",
        hoverinfo="skip",
    )
    margin = 0.05 * (high - low)
    _lay_out(figure, x="trial", y=metric)
    figure.update_yaxes(range=[low - margin, high + margin])
    beyond = sum(not low <= (trial.value or 0.0) <= high for trial in done)
    return Figure(
        id="progress",
        title="Best so far",
        reading=_progress_reading(history, done, beyond=beyond),
        spec=_spec(figure),
    )


def _add_failures(figure: go.Figure, history: History, *, at: float) -> None:
    """Trials without a value, on the worse edge."""
    for state, symbol, colour, name in (
        ("failed", "x", VERMILION, "failed"),
        ("pruned", "triangle-down", GREY, "stopped early"),
    ):
        chosen = [trial for trial in history.finished() if trial.state == state][-POINTS // 4 :]
        if chosen:
            figure.add_scatter(
                x=[trial.number for trial in chosen],
                y=[at] * len(chosen),
                mode="markers",
                name=name,
                marker={"symbol": symbol, "color": colour, "size": 9},
                hovertext=[_hover(trial) for trial in chosen],
                hoverinfo="text",
                cliponaxis=False,
            )


def _progress_reading(history: History, done: Sequence[Trial], *, beyond: int) -> str:
    sign = history.task.objective.sign
    best = max(done, key=lambda trial: (sign * (trial.value or 0.0), -trial.number))
    lead = f"The best of {words.count(len(done), 'result')}, {words.number(best.value)}, came with"
    lead += f" trial {best.number}"
    first = done[0]
    assert best.value is not None
    assert first.value is not None
    if best is not first:
        gain = words.signed(sign * (best.value - first.value))
        target = 0.9 * (best.value - first.value) * sign
        soon = next(t for t in done if sign * ((t.value or 0.0) - first.value) >= target)
        lead += f", {gain} against the first (trial {first.number})"
        lead += (
            f"; nine tenths of that were reached by trial {soon.number}" if soon is not best else ""
        )
    lost = sum(trial.state in ("failed", "pruned") for trial in history.finished())
    lead += (
        f"; {words.count(lost, 'trial')} failed or {'was' if lost == 1 else 'were'} stopped"
        if lost
        else ""
    )
    off = f" Far worse results ({beyond}) are drawn at the edge." if beyond else ""
    return f"{lead}.{off}"


def _influences(influences: Sequence[Influence], history: History) -> Figure | None:
    """The share of each parameter with its interval."""
    varied = [i for i in influences if i.varied and i.share + i.high > 0][:20][::-1]
    if not varied or not any(i.share for i in varied):
        return None
    figure = go.Figure()
    for told, name, colour in ((True, "beyond chance", BLUE), (False, "can't be told", "#b8b8b8")):
        group = [i for i in varied if i.told == told]
        if group:
            figure.add_bar(
                y=[_safe(i.parameter) for i in group],
                x=[i.share for i in group],
                orientation="h",
                name=name,
                marker={"color": colour, "pattern": {"shape": "" if told else "/"}},
                error_x={
                    "type": "data",
                    "array": [max(i.high - i.share, 0.0) for i in group],
                    "arrayminus": [max(i.share - i.low, 0.0) for i in group],
                    "color": INK,
                    "thickness": 1.5,
                },
                hovertext=[_wrapped(f"{i.parameter}: {i.sentence}") for i in group],
                hoverinfo="text",
            )
    _lay_out(figure, x="share of the variation", y="", height=150 + 34 * len(varied))
    figure.update_xaxes(tickformat=".0%", range=[0, 1.02])
    figure.update_yaxes(
        categoryorder="array", categoryarray=[_safe(i.parameter) for i in varied], showgrid=False
    )
    sure = [i for i in influences if i.told]
    count = words.count(len(history.done()), "result")
    reading = f"With {count}, no parameter's influence can be told from chance."
    if sure:
        named = words.listed([f"{i.parameter} ({i.low:.0%} to {i.high:.0%})" for i in sure], most=4)
        rest = sum(i.varied and not i.told for i in influences)
        reading = f"What {count} can tell apart from chance: {named}"
        reading += f"; for {rest} more the interval reaches 0." if rest else "."
    return Figure(id="influence", title="What mattered", reading=reading, spec=_spec(figure))


def _parallel(history: History, influences: Sequence[Influence]) -> Figure | None:
    """Each trial with a value as a line over the parameters, coloured by rank."""
    done = history.done()
    if len(done) < 2:
        return None
    sign = history.task.objective.sign
    ranked = sorted(done, key=lambda trial: sign * (trial.value or 0.0))
    shown = [
        ranked[i] for i in _thinned(len(ranked), LINES, always=range(-min(20, len(ranked)), 0))
    ]
    order = [i.parameter for i in influences if i.varied][:12]
    axes = [history.space[name] for name in order]
    low, high = _window([trial.value or 0.0 for trial in done], keep=[ranked[-1].value or 0.0])
    figure = go.Figure()
    for band in range(_BINS):
        chosen = shown[len(shown) * band // _BINS : len(shown) * (band + 1) // _BINS]
        _add_lines(figure, chosen, axes=axes, band=band, ends=(low, high))
    best = history.best() or ranked[-1]
    _add_line(figure, best, axes=axes, ends=(low, high))
    for index, parameter in enumerate(axes):
        _add_ticks(figure, index, _ticks(parameter))
    metric = history.task.objective.metric
    _add_ticks(figure, len(axes), [(0.0, words.number(low)), (1.0, words.number(high))])
    _lay_out(figure, x="", y="", height=430)
    figure.update_layout(hovermode="closest", legend={"traceorder": "normal"})
    figure.update_yaxes(visible=False, range=[-0.16, 1.08])
    figure.update_xaxes(
        tickvals=list(range(len(axes) + 1)),
        ticktext=[_safe(words.line(name, most=18)) for name in [*order, metric]],
        tickangle=-30,
        showgrid=True,
        gridcolor="#999",
        range=[-0.35, len(axes) + 0.5],
    )
    return Figure(
        id="parallel",
        title="Configurations",
        reading=_parallel_reading(ranked, axes, shown=len(shown)),
        spec=_spec(figure),
    )


def _add_lines(
    figure: go.Figure,
    trials: Sequence[Trial],
    *,
    axes: Sequence[Parameter],
    band: int,
    ends: tuple[float, float],
) -> None:
    if not trials:
        return
    x, y, texts = [], [], []
    for trial in trials:
        heights = _heights(trial, axes, ends=ends)
        x += [*range(len(heights)), None]
        y += [*heights, None]
        texts += [_hover(trial)] * (len(heights) + 1)
    names = {0: "worst sixth", _BINS - 1: "best sixth"}
    colour = sample_colorscale("Cividis", [1 - 0.92 * band / (_BINS - 1)])[0]
    figure.add_scatter(
        x=x,
        y=y,
        mode="lines",
        line={"color": colour, "width": 1.2 + 0.25 * band},
        opacity=0.75,
        name=names.get(band, ""),
        showlegend=band in names,
        hovertext=texts,
        hoverinfo="text",
    )


def _add_line(
    figure: go.Figure, trial: Trial, *, axes: Sequence[Parameter], ends: tuple[float, float]
) -> None:
    heights = _heights(trial, axes, ends=ends)
    figure.add_scatter(
        x=list(range(len(heights))),
        y=heights,
        mode="lines+markers",
        line={"color": VERMILION, "width": 3},
        marker={"size": 8},
        name=f"best (trial {trial.number})",
        hovertext=[_hover(trial)] * len(heights),
        hoverinfo="text",
    )


def _heights(trial: Trial, axes: Sequence[Parameter], *, ends: tuple[float, float]) -> list[float]:
    low, high = ends
    heights = [
        p.to_unit(trial.configuration[p.name]) if p.name in trial.configuration else -0.12
        for p in axes
    ]
    value = min(max(trial.value or 0.0, low), high)
    return [*heights, (value - low) / (high - low)]


def _ticks(parameter: Parameter) -> list[tuple[float, str]]:
    if isinstance(parameter, Choice | Ordinal):
        cells = parameter.count
        picked = range(cells) if cells <= 6 else (0, cells // 2, cells - 1)
        units = [(i + 0.5) / cells for i in picked]
    else:
        units = [0.0, 0.5, 1.0]
    ticks = [(u, words.line(words.value(parameter.from_unit(u)), most=10)) for u in units]
    return [*ticks, (-0.12, "n/a")] if parameter.when else ticks


def _add_ticks(figure: go.Figure, index: int, ticks: Sequence[tuple[float, str]]) -> None:
    for height, text in ticks:
        figure.add_annotation(
            x=index,
            y=height,
            text=_safe(text),
            showarrow=False,
            xanchor="left",
            xshift=3,
            font={"size": 10, "color": INK},
            bgcolor="rgba(255,255,255,0.75)",
        )


def _parallel_reading(ranked: Sequence[Trial], axes: Sequence[Parameter], *, shown: int) -> str:
    """Say what the best trials share: the axes on which they lie closest together."""
    top = ranked[-max(len(ranked) // 5, 2) :]
    spans = []
    for parameter in axes:
        values = [
            t.configuration.get(parameter.name) for t in top if parameter.name in t.configuration
        ]
        if len(values) < len(top):
            continue
        units = sorted(parameter.to_unit(value) for value in values)
        ends = sorted(values, key=parameter.to_unit)
        lowest, highest = words.value(ends[0]), words.value(ends[-1])
        said = (
            f"{parameter.name} at {lowest}"
            if lowest == highest
            else f"{parameter.name} from {lowest} to {highest}"
        )
        spans.append((units[-1] - units[0], said))
    close = [said for span, said in sorted(spans, key=lambda s: s[0]) if span <= 0.4][:3]
    few = f" Of {len(ranked)}, {shown} are drawn." if shown < len(ranked) else ""
    if not close:
        return f"The best {len(top)} of {len(ranked)} trials share no narrow range.{few}"
    return f"The best {len(top)} of {len(ranked)} trials have {words.listed(close)}.{few}"


def _curves(history: History) -> Figure | None:
    """The objective over steps, of the first seed of each trial."""
    metric = history.task.objective.metric
    drawn = [(t, t.run.observation.curve) for t in history.trials if t.run and t.run.observation]
    drawn = [(t, c) for t, c in drawn if len(_finite(c, metric)) > 1]
    if not drawn:
        return None
    best = history.best()
    total = len(drawn)
    special = {0, total - 1} | {i for i, (trial, _) in enumerate(drawn) if trial is best}
    shown = [drawn[i] for i in _thinned(total, CURVES, always=special)]
    figure = go.Figure()
    _add_curves(figure, [p for p in shown if p[0].state == "done"], metric=metric, stopped=False)
    _add_curves(figure, [p for p in shown if p[0].state != "done"], metric=metric, stopped=True)
    first = drawn[0]
    if best is None or first[0] is not best:
        _add_curve(figure, *first, metric=metric, colour=ORANGE, name="first")
    for trial, curve in drawn:
        if trial is best:
            _add_curve(figure, trial, curve, metric=metric, colour=BLUE, name="best")
    values = [v for _, curve in shown for _, v in _finite(curve, metric)]
    keep = [v for t, c in shown if t is best for _, v in _finite(c, metric)]
    low, high = _window(values, keep=keep)
    _lay_out(figure, x="step", y=metric)
    margin = 0.04 * (high - low)
    figure.update_yaxes(range=[low - margin, high + margin])
    reading = _curves_reading(history, drawn=total, shown=len(shown))
    return Figure(id="curves", title="Curves", reading=reading, spec=_spec(figure))


def _add_curves(
    figure: go.Figure, pairs: Sequence[tuple[Trial, Curve]], *, metric: str, stopped: bool
) -> None:
    x, y, texts = [], [], []
    for trial, curve in pairs:
        points = _finite(curve, metric)
        x += [*(step for step, _ in points), None]
        y += [*(value for _, value in points), None]
        texts += [f"trial {trial.number} ({trial.state}): {words.number(v)}" for _, v in points]
        texts.append("")
    if pairs:
        figure.add_scatter(
            x=x,
            y=y,
            mode="lines",
            line={
                "color": VERMILION if stopped else GREY,
                "width": 1.5 if stopped else 1,
                "dash": "dot" if stopped else "solid",
            },
            opacity=0.7 if stopped else 0.5,
            name="failed or stopped" if stopped else "other trials",
            hovertext=texts,
            hoverinfo="text",
        )


def _add_curve(
    figure: go.Figure, trial: Trial, curve: Curve, *, metric: str, colour: str, name: str
) -> None:
    points = _finite(curve, metric)
    figure.add_scatter(
        x=[step for step, _ in points],
        y=[value for _, value in points],
        mode="lines",
        line={"color": colour, "width": 3},
        name=f"{name} (trial {trial.number})",
        hovertext=[f"trial {trial.number}, step {s:g}: {words.number(v)}" for s, v in points],
        hoverinfo="text",
    )


def _curves_reading(history: History, *, drawn: int, shown: int) -> str:
    findings = [
        trial.run.diagnosis.findings
        for trial in history.trials
        if trial.run and trial.run.diagnosis
    ]
    said = []
    for finding, what in (
        ("still_improving", "still improved at the end"),
        ("overfitting", "overfitted"),
        ("plateaued", "had levelled off"),
        ("diverged", "diverged"),
    ):
        number = sum(finding in found for found in findings)
        if number:
            said.append(f"{number} {what}")
    best = history.best()
    own = best.run.diagnosis.sentence if best and best.run and best.run.diagnosis else ""
    lead = f"Of {words.count(drawn, 'run')} with a curve, " + (
        words.listed(said) if said else "none stands out"
    )
    few = f" ({shown} are drawn)" if shown < drawn else ""
    return f"{lead}{few}. The best: {words.line(own)}" if own else f"{lead}{few}."


def _finite(curve: Curve, metric: str) -> list[tuple[float, float]]:
    points = [(s, v) for s, v in curve.points(metric) if math.isfinite(v) and math.isfinite(s)]
    return [points[i] for i in _thinned(len(points), STEPS)]


def _thinned(
    count: int, most: int, *, always: Sequence[int] | set[int] | range | np.ndarray = ()
) -> list[int]:
    """Return at most about `most` of `count` indices, evenly spread, with those in `always`."""
    if count <= most:
        return list(range(count))
    spread = {round(i * (count - 1) / (most - 1)) for i in range(most)}
    kept = [int(i) % count for i in always]
    return sorted(spread | set(kept[-most:]))


def _window(values: Sequence[float], *, keep: Sequence[float]) -> tuple[float, float]:
    """Return the range to draw: all values, unless some lie so far out that the rest goes flat."""
    array = np.asarray([v for v in values if math.isfinite(v)] or [0.0])
    q1, middle, q3 = np.quantile(array, [0.1, 0.5, 0.9])
    reach = 3 * max(q3 - q1, 1e-9 * max(abs(middle), 1e-9))
    low = max(float(array.min()), float(q1 - reach))
    high = min(float(array.max()), float(q3 + reach))
    low, high = min([low, *keep]), max([high, *keep])
    if high - low <= 1e-12 * max(abs(high), 1e-12):
        low, high = low - max(abs(low) * 0.05, 1e-3), high + max(abs(high) * 0.05, 1e-3)
    return low, high


def _lay_out(figure: go.Figure, *, x: str, y: str, height: int = 380) -> None:
    figure.update_layout(
        template="none",
        height=height,
        margin={"l": 60, "r": 16, "t": 8, "b": 48},
        font={"family": "system-ui, sans-serif", "size": 13, "color": INK},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "xanchor": "left"},
        hoverlabel={"align": "left", "bgcolor": "white", "font": {"color": INK, "size": 12}},
        paper_bgcolor="white",
        plot_bgcolor="white",
        dragmode=False,
    )
    axis = {"gridcolor": "#e4e4e4", "zeroline": False, "automargin": True, "linecolor": "#999"}
    figure.update_xaxes(title=_safe(x), showgrid=False, **axis)
    figure.update_yaxes(title=_safe(y), **axis)


def _hover(trial: Trial) -> str:
    parts = [
        f"<b>trial {trial.number}</b> ({_safe(trial.proposal.by)}): {words.number(trial.value)}"
        f", {standing(trial)}"
    ]
    settings = words.line(words.configuration(trial.configuration), most=400)
    parts += [
        _wrapped(settings),
        f"<i>{_wrapped(words.line(trial.proposal.rationale, most=300))}</i>",
    ]
    return "<br>".join(parts)


def _wrapped(text: str, *, width: int = 60) -> str:
    """Break text into lines for a hover label, which does not do it by itself."""
    lines, current = [], ""
    for word in words.line(text).split():
        if current and len(current) + len(word) >= width:
            lines.append(current)
            current = ""
        current = f"{current} {word[:200]}".strip()
    return "<br>".join(_safe(part) for part in [*lines, current])


def _safe(text: str) -> str:
    """Plotly reads some HTML in texts; this keeps text text."""
    return html.escape(words.line(text), quote=False)


def _spec(figure: go.Figure) -> str:
    text: str = figure.to_json()
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
