"""The figures that matter as tables, for who reads a report as text.

How the best result came along, what each parameter's share is, and the curves of the best trial and
of the first. Parallel axes and landscapes are left to the HTML: a table of them says nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from trialwright.analysis.importance import Influence
from trialwright.history import History, Trial
from trialwright.report import counting, drawing, seeds, words

RISES = 12
"""Rows of how the best result came along: the first of them, and the last."""

SHARES = 12
"""Parameters whose share is shown."""

STEPS = 9
"""Steps at which curves are read."""

BAR = 20
"""Characters of a bar over all of the variation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A figure as text."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str
    """What is left out, or how to read it; '' where that is plain."""


def rises(history: History) -> Table | None:
    """Return each trial that beat all before it; None where only the first did."""
    found = list(_rises(history))
    if len(found) < 2:
        return None
    sign, first = history.task.objective.sign, found[0].value or 0.0
    shown = found if len(found) <= RISES else [*found[: RISES // 2], *found[-RISES // 2 :]]
    left = len(found) - len(shown)
    return Table(
        title="How the best result came along",
        headings=("trial", seeds.measure(history.task), f"over trial {found[0].number}", "by"),
        rows=tuple(
            (
                str(trial.number),
                words.number(trial.value),
                f"{sign * ((trial.value or 0.0) - first):+.3g}" if trial is not found[0] else "–",
                words.line(trial.proposal.by, most=40),
            )
            for trial in shown
        ),
        note="Positive is better. Noise is not told apart here."
        + (f" {words.count(left, 'row')} in the middle left out." if left else ""),
    )


def shares(influences: Sequence[Influence], history: History) -> Table | None:
    """Return each varied parameter's share of the variation, the largest first."""
    varied = [one for one in influences if one.varied and one.share + one.high > 0]
    if not any(one.share for one in varied):
        return None
    left = len(varied) - SHARES
    return Table(
        title="The influence of each parameter",
        headings=("parameter", "share of the variation", "", "90% interval", "beyond chance"),
        rows=tuple(
            (
                one.parameter,
                "█" * round(BAR * one.share) or "▏",
                f"{one.share:.0%}",
                f"{one.low:.0%} to {one.high:.0%}",
                "yes" if one.told else "can't be told",
            )
            for one in varied[:SHARES]
        ),
        note=f"From {words.count(len(counting.done(history)), 'result')}."
        + (f" {words.count(left, 'parameter')} with less influence left out." if left > 0 else ""),
    )


def curves(history: History) -> Table | None:
    """Return the objective's metric over steps, of the first seed of the best trial and the first.

    None where the best trial has no curve.
    """
    done, best = counting.done(history), history.best()
    shown = [best] if best is not None else []
    shown += [trial for trial in done[:1] if trial is not best]
    metric = history.task.objective.metric
    read = {trial.number: values for trial in shown if len(values := _curve(trial, metric)) > 1}
    if best is None or best.number not in read:
        return None
    steps = sorted({step for values in read.values() for step in values})
    steps = [steps[i] for i in drawing.thinned(len(steps), STEPS, always=[len(steps) - 1])]
    names = {trial.number: "best" if trial is best else "first" for trial in shown}
    return Table(
        title=f"{words.line(metric)} over steps",
        headings=("step", *(f"trial {number} ({names[number]})" for number in read)),
        rows=tuple(
            (f"{step:g}", *(words.number(values.get(step)) for values in read.values()))
            for step in steps
        ),
        note="Of the first seed of each; a dash where a curve has no such step.",
    )


def _rises(history: History) -> Iterator[Trial]:
    sign, leading = history.task.objective.sign, -math.inf
    for trial in counting.done(history):
        value = sign * (trial.value or 0.0)
        if value > leading:
            leading = value
            yield trial


def _curve(trial: Trial, metric: str) -> dict[float, float]:
    seen = trial.run.observation if trial.run else None
    if seen is None:
        return {}
    points = seen.curve.points(metric)
    return {step: value for step, value in points if math.isfinite(value) and math.isfinite(step)}
