"""Trials as a model reads them: a line each in a table, or one in full. Numbers, no advice.

Names, values and words come from scripts and proposers: they are cleaned and cut on their way.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from trialwright.analysis.compare import hypothesis_status, yardstick
from trialwright.analysis.curves import dips, falls, is_test, overfits, shape_of, side, told
from trialwright.expression import Scalar
from trialwright.history import History, Run, Trial
from trialwright.propose import fence
from trialwright.records import Curve, Diagnosis, Observation

READ = 160
"""Characters of what an Executor read in a failed run."""
POINTS = 5
"""Points of a curve that are shown in a line."""

CURVES = 3
"""Metrics of a run whose curves are shown in a line."""

FULL_POINTS, FULL_CURVES, FULL_METRICS = 12, 5, 12
"""The same where one trial is shown in full, and metrics of its end."""

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Digits:
    """How results are written: as finely as they differ.

    >>> Digits.of([0.56740, 0.56788, 0.567955, 0.56792])(0.567955)
    '0.567955'
    >>> Digits.of([0.61, 0.84, 0.72])(0.8412345)
    '0.8412'
    """

    decimals: int | None = None
    """Behind the point; None: five significant digits."""

    @staticmethod
    def of(values: Sequence[float]) -> Digits:
        """Return what suits these results: three digits of the spread of the closest half."""
        spread = _spread(values)
        return Digits(2 - math.floor(math.log10(spread)) if spread > 0 else None)

    def __call__(self, value: float) -> str:
        """Write a result: four significant digits at least, eight at most."""
        if not math.isfinite(value) or value == 0 or self.decimals is None:
            return f"{value:.5g}"
        before = math.floor(math.log10(abs(value))) + 1
        return f"{value:.{min(max(before + self.decimals, 4), 8)}g}"


def _spread(values: Sequence[float]) -> float:
    """How far apart the closest half of the results lie; 0 where that is not known."""
    finite = sorted(value for value in values if math.isfinite(value))
    half = len(finite) // 2
    gaps = [high - low for low, high in zip(finite, finite[half:], strict=False)]
    return min((gap for gap in gaps if gap > 0), default=0.0)


@dataclass(frozen=True, slots=True)
class _Style:
    """What is the same for all lines of a history."""

    digits: Digits
    alone: bool
    """Whether one proposer made all trials: then no line names it."""
    spread: float
    """How far apart the closest half of the results lie; 0 where that is not known."""


def _style(history: History) -> _Style:
    known = history.memo.get("sheet")
    if isinstance(known, tuple) and known[0] == history.sequence:
        return cast("_Style", known[1])
    results = [trial.value for trial in history.done() if trial.value is not None]
    makers = {trial.proposal.by for trial in history.trials}
    style = _Style(Digits.of(results), len(makers) <= 1, _spread(results))
    history.memo["sheet"] = (history.sequence, style)
    return style


def digits(history: History) -> Digits:
    """Return how the results of a history are written."""
    return _style(history).digits


def line(history: History, trial: Trial, *, curves: bool = True) -> str:
    """Return a trial in a line: values, result, what became of it, and thinned curves."""
    result = digits(history)
    values = [number(trial.configuration.get(name, "-")) for name in history.space.names]
    told_values = f"[{', '.join(values)}]" if values else ""
    parts = [f"#{trial.number} {_by(history, trial)}{told_values}".rstrip()]
    parts.append(trial.state if trial.value is None else f"= {result(trial.value)}")
    if len(trial.values) > 1:
        parts.append(f"(mean of {len(trial.values)} seeds)")
    run = first(trial)
    seen = run.observation if run is not None else None
    facts = outcome(history, trial)
    if seen is not None:
        facts.append(f"{seen.seconds:.3g} s")
        if seen.cause is not None:
            facts.append(f"{seen.cause}: {fence.name(seen.detail)}")
    if run is not None and run.diagnosis is not None:
        facts += _findings(run.diagnosis, _style(history).spread)
        if run.diagnosis.by:
            facts.append(f"read as: {fence.prose(run.diagnosis.sentence, most=READ)}")
    told = _told(history, seen.curve, whole=curves) if seen is not None else []
    return "; ".join([" ".join([*parts, ", ".join(facts)]).rstrip(), *told])


def outcome(history: History, trial: Trial) -> list[str]:
    """Return in words what was decided of a trial, its claim and its interval."""
    verdict = trial.verdict
    found: list[str] = [verdict.status] if verdict and verdict.status != "failed" else []
    if trial.proposal.hypothesis is not None and trial.state in ("done", "failed", "pruned"):
        found.append(f"claim {hypothesis_status(history, trial)}")
    guess, seen = trial.proposal.predicted, trial.values.get(0, trial.value)
    if guess is not None and seen is not None:
        held = guess.low <= seen <= guess.high
        found.append(f"interval {'held' if held else 'missed'}")
    return found


def in_full(history: History, trial: Trial) -> str:
    """Return everything about one trial that a Creator may want, but for its line in the table."""
    proposal = trial.proposal
    value = "" if trial.value is None else f" = {digits(history)(trial.value)}"
    lines = [
        f"#{trial.number} by {fence.name(proposal.by)}: {trial.state}{value}",
        f"configuration: {compact({k: rounded(v) for k, v in proposal.configuration.items()})}",
    ]
    if proposal.rationale:
        lines.append(f"rationale: {fence.prose(proposal.rationale, most=600)}")
    if proposal.hypothesis is not None:
        status = hypothesis_status(history, trial)
        by = yardstick(history, trial)
        said = fence.prose(proposal.hypothesis.claim, most=300)
        lines.append(f"claim ({status}{'; ' if by else ''}{by}): {said}")
    if proposal.predicted is not None:
        low, high = proposal.predicted.low, proposal.predicted.high
        lines.append(f"predicted: {low:.5g} to {high:.5g}")
    if trial.verdict is not None:
        # A failed trial's sentence quotes what its script printed.
        failed = trial.verdict.status == "failed"
        lines.append(f"verdict: {'failed' if failed else trial.verdict.sentence}")
    for run in trial.latest.values():
        if run.observation is not None:
            lines += _run_in_full(history, run, run.observation)
    return "\n".join(lines)


def _run_in_full(history: History, run: Run, seen: Observation) -> list[str]:
    metrics = {
        fence.name(key): rounded(value)
        for key, value in seen.metrics.items()
        if _may_be_seen(history, key)
    }
    shown = dict(list(metrics.items())[:FULL_METRICS])
    lines = [f"seed {run.key.seed}: {seen.outcome}, {seen.seconds:.3g} s, {compact(shown)}"]
    reading = run.diagnosis
    if reading is not None and (reading.numbers or reading.by):
        lines.append(f"reading: {fence.prose(reading.sentence, most=300)}")
    for name in _series(history, seen.curve)[:FULL_CURVES]:
        held = name == history.task.objective.metric or side(name)[0] == "held_out"
        points = thinned(history, name, seen.curve, FULL_POINTS if held else POINTS)
        lines.append(f"{fence.name(name)} {points}")
    return lines


def first(trial: Trial) -> Run | None:
    """Return the run to look at: the latest of the first seed."""
    return trial.latest.get(0) or next(iter(trial.latest.values()), None)


def thinned(history: History, name: str, curve: Curve, most: int) -> str:
    """Return a series as `step:value` at about `most` points, the best among them and named.

    Where it swings between these, the deepest point is there as well.
    """
    series = [point for point in curve.points(name) if math.isfinite(point[0])]
    best = _best(history, name, series)
    evenly = np.linspace(len(series) - 1, 0, min(most, len(series))).astype(int)
    chosen = set(evenly.tolist())
    if best is not None:
        chosen.add(best)
        chosen.update(_deepest(series, chosen, sign=_sign(history, name), most=most // POINTS))
    points = " ".join(f"{_short(series[i][0])}:{_short(series[i][1])}" for i in sorted(chosen))
    if best is None:
        return points
    last = best == len(series) - 1
    return f"{points}, {'best last' if last else _peak(history, name, series, best)}"


def _deepest(series: Points, shown: set[int], *, sign: int, most: int) -> list[int]:
    """The deepest points between those that are shown, deeper than the series scatters."""
    shape = shape_of(list(series), sign=sign)
    if shape is None or not all(math.isfinite(value) for _, value in series):
        return []
    return dips([sign * value for _, value in series], shown, least=shape.noise)[:most]


def number(value: Scalar) -> str:
    """Write a parameter's value: four significant digits."""
    return f"{value:.4g}" if isinstance(value, float) else fence.name(str(value))


def rounded(value: Scalar) -> Scalar:
    """Return a value with few digits, as JSON can say it."""
    if not isinstance(value, float):
        return value
    return float(f"{value:.5g}") if math.isfinite(value) else str(value)


def compact(value: Mapping[str, Scalar]) -> str:
    """Return JSON without blanks."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _by(history: History, trial: Trial) -> str:
    """Who made a trial, where they differ."""
    return "" if _style(history).alone else f"by {fence.name(trial.proposal.by)} "


def _findings(reading: Diagnosis, spread: float) -> list[str]:
    """Findings, those that say little by themselves with their numbers.

    A curve is not called flat that moved since by what trials differ by, half of `spread`.
    """
    said = []
    for finding in told(reading.findings):
        numbers = reading.numbers
        if finding == "plateaued" and "flat_since" in numbers:
            moved = max(numbers.get("since", 0.0), numbers.get("drop", 0.0))
            if 0 < spread / 2 < moved:
                continue
            gained = f" (+{numbers['since']:.2g})" if numbers.get("since") else ""
            said.append(f"flat from {numbers['flat_since']:g}{gained}")
        elif finding == "overfitting" and not overfits(reading):
            said.append(f"training ahead by {numbers.get('gap', 0):.2g}")
        elif finding == "unstable":
            said.append(f"unstable: end swings by {numbers.get('swing', 0):.2g}")
        else:
            said.append(finding)
    return said


def _told(history: History, curve: Curve, *, whole: bool) -> list[str]:
    """The curves of a line: that of the objective and the held-out ones, the ends of others.

    Not `whole`: only the objective's best point, where it is not the last.
    """
    goal = history.task.objective.metric
    found = _series(history, curve)[:CURVES]
    if not whole:
        points = curve.points(goal)
        best = _best(history, goal, points) if goal in found else None
        if best is None or best == len(points) - 1:
            return []
        return [_peak(history, goal, points, best)]
    shown = []
    for name in found:
        if name == goal:
            shown.append(f"{fence.name(name)} {thinned(history, name, curve, POINTS)}")
        elif side(name)[0] == "held_out":
            shown.append(f"{fence.name(name)} {thinned(history, name, curve, 1)}")
        else:
            shown.append(f"{fence.name(name)} ends {_short(curve.points(name)[-1][1])}")
    return shown


def _series(history: History, curve: Curve) -> list[str]:
    """The series worth showing: the objective's, held-out ones, then training beside them."""
    goal = history.task.objective.metric
    partner = side(goal)[1]
    named = {name for name in curve.series if len(curve.points(name)) > 1}
    held = {side(name)[1] for name in named if side(name)[0] == "held_out" and not is_test(name)}
    ranked = []
    for name in named:
        which, stem = side(name)
        if name == goal:
            rank = 0
        elif not _may_be_seen(history, name):
            continue
        elif which == "held_out":
            rank = 1
        elif which == "train" and stem == partner:
            rank = 2
        elif stem in held:
            # The training side of a held-out series that is shown.
            continue
        else:
            rank = 3 if which == "train" else 4
        ranked.append((rank, name))
    return [name for _, name in sorted(ranked)]


def _may_be_seen(history: History, name: str) -> bool:
    """Whether a metric may guide a choice: those of the test set may not, if others can."""
    return not is_test(name) or is_test(history.task.objective.metric)


def _best(history: History, name: str, series: Points) -> int | None:
    """The index of a series' best point; None where it is not known which way is better."""
    if name != history.task.objective.metric and side(name)[0] == "bare":
        return None
    sign = _sign(history, name)
    finite = [(sign * value, -i) for i, (_, value) in enumerate(series) if math.isfinite(value)]
    return -max(finite)[1] if finite else None


def _sign(history: History, name: str) -> int:
    """1 where more of a metric is better, else -1."""
    objective = history.task.objective
    if side(name)[1] == side(objective.metric)[1]:
        return objective.sign
    return -1 if falls(name) else 1


def _peak(history: History, name: str, series: Points, best: int) -> str:
    """The best point, and its neighbours where it is a spike."""
    goal = name == history.task.objective.metric
    write = digits(history) if goal else _short
    step, value = series[best]
    peak = f"best {write(value)}@{_short(step)}"
    sign = _sign(history, name)
    shape = shape_of(list(series), sign=sign)
    beside = shape.spike if shape is not None else None
    if beside is None:
        return peak
    before, after = (_short(sign * gain) for gain in beside)
    return f"{peak} at a spike: neighbours {before} and {after}"


def _short(value: float) -> str:
    return f"{value:.4g}" if abs(value) < 1e4 or not value.is_integer() else f"{value:.0f}"
