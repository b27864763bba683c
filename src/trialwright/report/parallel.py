"""The figure of configurations: each trial as a line over the parameters, coloured by rank.

The colours are those of cividis, dark for the best.
"""

from __future__ import annotations

from collections.abc import Sequence

from plotly import graph_objects as go
from plotly.colors import sample_colorscale

from trialwright.analysis.importance import Influence
from trialwright.history import History, Trial
from trialwright.report import counting, drawing, seeds, words
from trialwright.report.drawing import Figure
from trialwright.space import Choice, Ordinal, Parameter

LINES = 200
"""Trials that are drawn."""
AXES = 12
"""Parameters that have an axis: those that mattered most."""

_BINS = 6


def parallel(history: History, influences: Sequence[Influence]) -> Figure | None:
    """Each trial with a value as a line over the parameters, coloured by rank."""
    done = counting.done(history)
    if len(done) < 2:
        return None
    sign = history.task.objective.sign
    # Of equals the earlier one ranks higher, as it does where the best trial is chosen.
    ranked = sorted(done, key=lambda trial: (sign * (trial.value or 0.0), -trial.number))
    shown = [
        ranked[i]
        for i in drawing.thinned(len(ranked), LINES, always=range(-min(20, len(ranked)), 0))
    ]
    order = [i.parameter for i in influences if i.varied][:AXES]
    axes = [history.space[name] for name in order]
    low, high = drawing.window(
        [trial.value or 0.0 for trial in done], keep=[ranked[-1].value or 0.0]
    )
    figure = go.Figure()
    for band in range(_BINS):
        chosen = shown[len(shown) * band // _BINS : len(shown) * (band + 1) // _BINS]
        _add_lines(figure, chosen, axes=axes, band=band, ends=(low, high))
    best = history.best() or ranked[-1]
    _add_line(figure, best, axes=axes, ends=(low, high))
    for index, parameter in enumerate(axes):
        _add_ticks(figure, index, _ticks(parameter))
    measure = seeds.measure(history.task)
    _add_ticks(figure, len(axes), [(0.0, words.number(low)), (1.0, words.number(high))])
    drawing.lay_out(figure, x="", y="", height=430)
    # The last axis has its labels in the margin, where no line runs.
    margin = {"l": 84, "r": 64, "t": 8, "b": 48}
    figure.update_layout(hovermode="closest", legend={"traceorder": "normal"}, margin=margin)
    figure.update_yaxes(visible=False, range=[-0.16, 1.08])
    figure.update_xaxes(
        tickvals=list(range(len(axes) + 1)),
        ticktext=[drawing.safe(words.line(name, most=18)) for name in [*order, measure]],
        tickangle=-30,
        showgrid=True,
        gridcolor="#999",
        range=[-0.2, len(axes) + 0.05],
    )
    return Figure(
        id="parallel",
        title="Configurations",
        reading=_parallel_reading(ranked, axes, shown=len(shown)),
        spec=drawing.spec(figure),
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
        texts += [drawing.hover(trial)] * (len(heights) + 1)
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
        line={"color": drawing.VERMILION, "width": 3},
        marker={"size": 8},
        name=f"best (trial {trial.number})",
        hovertext=[drawing.hover(trial)] * len(heights),
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
            text=drawing.safe(text),
            showarrow=False,
            xanchor="left",
            xshift=5,
            font={"size": 10, "color": drawing.INK},
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
