"""The figures of the HTML report, each with a sentence under it that says what it shows.

Drawn as SVG, so that they print, need no graphics card, and can be read by a program.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from plotly import graph_objects as go

from trialwright.analysis.curves import overfits
from trialwright.analysis.importance import Influence
from trialwright.history import History, Trial
from trialwright.records import Curve
from trialwright.report import counting, drawing, front, seeds, words
from trialwright.report.drawing import Figure
from trialwright.report.landscape import landscapes
from trialwright.report.parallel import parallel
from trialwright.report.rows import standing

POINTS = 1500
"""Trials drawn in the figure of all trials."""
CURVES = 80
"""Runs whose curves are drawn."""
STEPS = 120
"""Points per curve."""

_LOOKS: dict[str, tuple[str, str, str]] = {
    "kept": ("circle", drawing.BLUE, "kept"),
    "unconfirmed": ("diamond-open", drawing.BLUE, "better, unconfirmed"),
    "discarded": ("circle-open", drawing.GREY, "not better"),
}


def figures(history: History, influences: Sequence[Influence]) -> list[Figure]:
    """Return the figures that the history gives material for."""
    found = [
        _progress(history),
        _influences(influences, history),
        parallel(history, influences),
        _curves(history),
        front.figure(history),
        *landscapes(history),
    ]
    return [figure for figure in found if figure is not None]


def _progress(history: History) -> Figure | None:
    """All trials, and the best so far, of the code version that counts."""
    done = counting.done(history)
    if not done:
        return None
    sign = history.task.objective.sign
    values = np.array([sign * (trial.value or 0.0) for trial in done])
    leading = np.maximum.accumulate(values)
    leaders = np.flatnonzero(np.diff(leading, prepend=-np.inf) > 0)
    low, high = drawing.window([sign * value for value in values], keep=[sign * leading[-1]])
    shown = drawing.thinned(len(done), POINTS, always=leaders)
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
                hovertext=[drawing.hover(trial) for trial in chosen],
                hoverinfo="text",
            )
    _add_failures(figure, history, at=low if sign > 0 else high)
    steps = [*leaders, len(done) - 1]
    figure.add_scatter(
        x=[*(done[i].number for i in steps[:-1]), history.trials[-1].number],
        y=[min(max(sign * leading[i], low), high) for i in steps],
        mode="lines",
        line={"shape": "hv", "color": drawing.ORANGE, "width": 2.5},
        name="best so far",
        hoverinfo="skip",
    )
    margin = 0.05 * (high - low)
    drawing.lay_out(figure, x="trial", y=seeds.measure(history.task))
    figure.update_yaxes(range=[low - margin, high + margin])
    beyond = sum(not low <= (trial.value or 0.0) <= high for trial in done)
    return Figure(
        id="progress",
        title="Best so far",
        reading=_progress_reading(history, done, beyond=beyond),
        spec=drawing.spec(figure),
    )


def _add_failures(figure: go.Figure, history: History, *, at: float) -> None:
    """Trials without a value, on the worse edge."""
    for group, symbol, colour, name in (
        ("failed", "x", drawing.VERMILION, "failed"),
        ("pruned", "triangle-down", drawing.GREY, "stopped early"),
        ("infeasible", "square-open", drawing.VERMILION, "infeasible"),
    ):
        chosen = [trial for trial in counting.finished(history) if standing(trial) == group][
            -POINTS // 4 :
        ]
        if chosen:
            figure.add_scatter(
                x=[trial.number for trial in chosen],
                y=[at] * len(chosen),
                mode="markers",
                name=name,
                marker={"symbol": symbol, "color": colour, "size": 9},
                hovertext=[drawing.hover(trial) for trial in chosen],
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
        than = f"the first (trial {first.number})"
        gain = words.moved(sign * (best.value - first.value), sign=sign, than=than)
        target = 0.9 * (best.value - first.value) * sign
        soon = next(t for t in done if sign * ((t.value or 0.0) - first.value) >= target)
        lead += f", {gain}"
        lead += (
            f"; nine tenths of that were reached by trial {soon.number}" if soon is not best else ""
        )
    lost = sum(trial.state in ("failed", "pruned") for trial in counting.finished(history))
    lead += (
        f"; {words.count(lost, 'trial')} failed or {'was' if lost == 1 else 'were'} stopped"
        if lost
        else ""
    )
    others = len(history.done()) - len(done)
    old = f" Results of other code ({others}) are left out." if others else ""
    off = f" Far worse results ({beyond}) are drawn at the edge." if beyond else ""
    return f"{lead}.{off}{old}"


def _influences(influences: Sequence[Influence], history: History) -> Figure | None:
    """The share of each parameter with its interval."""
    varied = [i for i in influences if i.varied and i.share + i.high > 0][:20][::-1]
    if not varied or not any(i.share for i in varied):
        return None
    figure = go.Figure()
    for told, name, colour in (
        (True, "beyond chance", drawing.BLUE),
        (False, "can't be told", "#b8b8b8"),
    ):
        group = [i for i in varied if i.told == told]
        if group:
            figure.add_bar(
                y=[drawing.safe(i.parameter) for i in group],
                x=[i.share for i in group],
                orientation="h",
                name=name,
                marker={"color": colour, "pattern": {"shape": "" if told else "/"}},
                error_x={
                    "type": "data",
                    "array": [max(i.high - i.share, 0.0) for i in group],
                    "arrayminus": [max(i.share - i.low, 0.0) for i in group],
                    "color": drawing.INK,
                    "thickness": 1.5,
                },
                hovertext=[drawing.wrapped(f"{i.parameter}: {i.sentence}") for i in group],
                hoverinfo="text",
            )
    drawing.lay_out(figure, x="share of the variation", y="", height=150 + 34 * len(varied))
    figure.update_xaxes(tickformat=".0%", range=[0, 1.02])
    figure.update_yaxes(
        categoryorder="array",
        categoryarray=[drawing.safe(i.parameter) for i in varied],
        showgrid=False,
    )
    sure = [i for i in influences if i.told]
    count = words.count(len(counting.done(history)), "result")
    reading = f"With {count}, no parameter's influence can be told from chance."
    if sure:
        told_of = words.listed(
            [f"{i.parameter} ({i.low:.0%} to {i.high:.0%})" for i in sure], most=4
        )
        rest = sum(i.varied and not i.told for i in influences)
        reading = f"What {count} can tell apart from chance: {told_of}"
        reading += f"; for {rest} more the interval reaches 0." if rest else "."
    return Figure(id="influence", title="What mattered", reading=reading, spec=drawing.spec(figure))


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
    shown = [drawn[i] for i in drawing.thinned(total, CURVES, always=special)]
    figure = go.Figure()
    _add_curves(figure, [p for p in shown if p[0].state == "done"], metric=metric, stopped=False)
    _add_curves(figure, [p for p in shown if p[0].state != "done"], metric=metric, stopped=True)
    first = drawn[0]
    if best is None or first[0] is not best:
        _add_curve(figure, *first, metric=metric, colour=drawing.ORANGE, name="first")
    for trial, curve in drawn:
        if trial is best:
            _add_curve(figure, trial, curve, metric=metric, colour=drawing.BLUE, name="best")
    values = [v for _, curve in shown for _, v in _finite(curve, metric)]
    keep = [v for t, c in shown if t is best for _, v in _finite(c, metric)]
    low, high = drawing.window(values, keep=keep)
    drawing.lay_out(figure, x="step", y=metric)
    margin = 0.04 * (high - low)
    figure.update_yaxes(range=[low - margin, high + margin])
    reading = _curves_reading(history, drawn=total, shown=len(shown))
    return Figure(id="curves", title="Curves", reading=reading, spec=drawing.spec(figure))


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
                "color": drawing.VERMILION if stopped else drawing.GREY,
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
    readings = [
        trial.run.diagnosis for trial in history.trials if trial.run and trial.run.diagnosis
    ]
    said = []
    for finding, what in (
        ("still_improving", "still improved at the end"),
        ("overfitting", "overfitted"),
        ("plateaued", "had levelled off"),
        ("diverged", "diverged"),
    ):
        number = sum(
            overfits(one) if finding == "overfitting" else finding in one.findings
            for one in readings
        )
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
    return [points[i] for i in drawing.thinned(len(points), STEPS)]
