"""The leaderboard, a window at a time; and the figures of a study and of a trial.

All that is sorted or drawn is worked out on this side, so that ten thousand trials cost a browser
what fifty do.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from typing import Literal

import numpy as np
from plotly import graph_objects as go

from trialwright.app.documents import Document
from trialwright.history import History, Trial
from trialwright.report import counting, drawing, words
from trialwright.report.rows import standing
from trialwright.research.naming import title

Order = Literal["rank", "number", "value", "standing", "by"]
"""`rank`: the best of the code that counts first, then what has no value, the latest first."""

ORDERS: tuple[Order, ...] = ("rank", "number", "value", "standing", "by")

WINDOW = 200
"""Rows that are told at a time, at most."""
POINTS = 1200
"""Trials that are drawn, about."""
STEPS = 400
"""Points of a curve."""
CURVES = 24
"""Runs of a trial that are drawn."""

_LOOKS: dict[str, tuple[str, str, str]] = {
    "kept": ("circle", drawing.BLUE, "kept"),
    "unconfirmed": ("diamond-open", drawing.BLUE, "better, unconfirmed"),
    "discarded": ("circle-open", drawing.GREY, "not better"),
}


def ordered(history: History, order: Order, *, going: bool) -> list[int]:
    """Return the numbers of all trials in an order, ties by number."""
    sign, code = history.task.objective.sign, counting.version(history)

    def ranked(trial: Trial) -> tuple[bool, bool, float, int]:
        value = trial.value
        if value is None:
            return True, True, 0.0, -trial.number
        return False, trial.code != code, -sign * value, trial.number

    keys: dict[Order, Callable[[Trial], object]] = {
        "rank": ranked,
        "number": lambda trial: trial.number,
        "value": lambda trial: (trial.value is None, trial.value or 0.0),
        "standing": lambda trial: standing(trial, going=going),
        "by": lambda trial: trial.proposal.by,
    }
    found = sorted(history.trials, key=keys[order])  # type: ignore[arg-type]  # each of one type
    numbers = [trial.number for trial in found]
    best = history.best()
    if order == "rank" and best is not None:
        # Who leads is the study's verdict, and not always the largest number.
        numbers.remove(best.number)
        numbers.insert(0, best.number)
    return numbers


def cells(trial: Trial, history: History, *, going: bool) -> Document:
    """Return what a row of the leaderboard says; `report.rows` says more, and takes longer."""
    proposal, values = trial.proposal, list(trial.values.values())
    origin = history.trials[proposal.parent or 0]
    changed: list[object] = [*words.changes(origin.configuration, trial.configuration)]
    changed += [words.line(title(proposal), most=80)] if proposal.edit else []
    deviation = f"± {statistics.stdev(values):.2g}" if len(values) > 1 else ""
    return {
        "number": trial.number,
        "value": words.number(trial.value),
        "deviation": f"{deviation} ({len(values)} seeds)" if deviation else "",
        "standing": standing(trial, going=going),
        "by": words.line(proposal.by, most=40),
        "what": "first trial"
        if trial is origin
        else words.line(words.listed(changed, most=3), most=160) or "nothing",
    }


def progress(history: History) -> Document | None:
    """Draw all results of the code that counts, and the best so far; None before there is one."""
    done = counting.done(history)
    if not done:
        return None
    sign = history.task.objective.sign
    values = np.array([sign * (trial.value or 0.0) for trial in done])
    leading = np.maximum.accumulate(values)
    leaders = np.flatnonzero(np.diff(leading, prepend=-np.inf) > 0)
    low, high = drawing.window([sign * value for value in values], keep=[sign * leading[-1]])
    shown = [done[i] for i in drawing.thinned(len(done), POINTS, always=leaders)]
    figure = go.Figure()
    for look, (symbol, colour, name) in _LOOKS.items():
        chosen = [trial for trial in shown if standing(trial) == look]
        figure.add_scatter(
            x=[trial.number for trial in chosen],
            y=[min(max(trial.value or 0.0, low), high) for trial in chosen],
            mode="markers",
            name=name,
            marker={"symbol": symbol, "color": colour, "size": 8, "line": {"width": 2}},
            hovertext=[f"trial {t.number}: {words.number(t.value)}, {look}" for t in chosen],
            hoverinfo="text",
        )
    steps = [*leaders, len(done) - 1]
    figure.add_scatter(
        x=[*(done[i].number for i in leaders), history.trials[-1].number],
        y=[min(max(float(sign * leading[i]), low), high) for i in steps],
        mode="lines",
        line={"shape": "hv", "color": drawing.ORANGE, "width": 2.5},
        name="best so far",
        hoverinfo="skip",
    )
    drawing.lay_out(figure, x="trial", y=history.task.objective.metric, height=320)
    margin = 0.05 * (high - low)
    figure.update_yaxes(range=[low - margin, high + margin])
    return {"spec": drawing.spec(figure), "reading": _progress_reading(history, done, leaders)}


def _progress_reading(history: History, done: list[Trial], leaders: np.ndarray) -> str:
    first, last = done[0], done[int(leaders[-1])]
    said = f"{words.count(len(done), 'result')}; the highest value"
    said = said if history.task.objective.sign > 0 else said.replace("highest", "lowest")
    said += f", {words.number(last.value)}, came with trial {last.number}"
    if last is not first:
        said += f"; the first, trial {first.number}, had {words.number(first.value)}"
    return said + "."


def curves(trial: Trial, history: History) -> Document | None:
    """Draw the objective over the steps of each run of a trial; None where none has a curve."""
    metric = history.task.objective.metric
    figure, drawn = go.Figure(), 0
    for run in list(trial.every.values())[:CURVES]:
        points = run.observation.curve.points(metric) if run.observation else []
        finite = [(s, v) for s, v in points if math.isfinite(s) and math.isfinite(v)]
        if len(finite) < 2:
            continue
        drawn += 1
        kept = [finite[i] for i in drawing.thinned(len(finite), STEPS)]
        figure.add_scatter(
            x=[step for step, _ in kept],
            y=[value for _, value in kept],
            mode="lines",
            line={"width": 2},
            name=f"seed {run.key.seed}",
            hovertemplate=f"step %{{x}}: %{{y:.5g}}<extra>seed {run.key.seed}</extra>",
        )
    if not drawn:
        return None
    drawing.lay_out(figure, x="step", y=metric, height=280)
    reading = f"{words.line(metric)} over the steps of {words.count(drawn, 'run')}."
    return {"spec": drawing.spec(figure), "reading": reading}
