"""Early stopping: which running trial has fallen so far behind that its time is better spent.

Rules see only numbers: an objective's metric at a step, per trial. They are told of every report
in turn, and can be rebuilt after a resume by telling them again. A NaN counts as the worst number.
With several objectives each has a rule of its own: a trial stops only where it is behind in all.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from trialwright.history import History
from trialwright.records import Observation
from trialwright.task import Objective, Prune, Task

STEP_CELL = 0.05
"""Width on a log scale of what the median rule takes for one step."""


class Pruner:
    """One of the rules, for one study.

    >>> pruner = Pruner(Prune(rule="asha", first=1, factor=2), Objective(metric="acc"))
    >>> [pruner.report(trial, 1, acc) for trial, acc in enumerate([0.5, 0.4, 0.8, 0.6])]
    [False, True, False, False]
    """

    def __init__(self, prune: Prune, objective: Objective, also: Sequence[Objective] = ()) -> None:
        self._first = prune.first
        self._goal = objective.metric
        self._signs = {one.metric: one.sign for one in (objective, *also)}
        self._rules = {metric: _rule(prune) for metric in self._signs}
        self._behind: dict[int, dict[str, bool]] = {}
        """Per running trial: where it stood when it was judged last, per objective."""
        self._stopped: set[int] = set()

    @classmethod
    def restored(cls, task: Task, history: History) -> Pruner | None:
        """Return the pruner of a task, told again what a history holds; None without a rule."""
        if task.prune is None:
            return None
        pruner = cls(task.prune, task.objective, task.also)
        for trial in history.finished():
            run = trial.run
            if run is None or run.observation is None:
                continue
            for step, metrics in streamed(run.observation, pruner.watched):
                pruner.report_all(trial.number, step, metrics)
            pruner.finish(trial.number, completed=trial.state == "done")
        return pruner

    @property
    def watched(self) -> tuple[str, ...]:
        """The metrics that are judged, the first objective's first."""
        return tuple(self._signs)

    def report(self, trial: int, step: float, value: float) -> bool:
        """Take in the first objective at a step; say whether the trial should stop."""
        return self.report_all(trial, step, {self._goal: value})

    def report_all(self, trial: int, step: float, metrics: Mapping[str, float]) -> bool:
        """Take in a trial's metrics at a step; say whether the trial should stop.

        Steps need not be whole, nor the same for all trials. Once a trial should stop, it should.
        An objective that a trial never reports keeps it from being stopped.
        """
        if trial in self._stopped:
            return True
        if not math.isfinite(step):
            return False
        behind = self._behind.setdefault(trial, {})
        for metric in self._signs.keys() & metrics.keys():
            value = metrics[metric]
            score = -math.inf if math.isnan(value) else self._signs[metric] * value
            judged = self._rules[metric].report(trial, step, score)
            if judged is not None:
                behind[metric] = judged and step >= self._first
        if all(behind.get(metric, False) for metric in self._signs):
            self._stopped.add(trial)
            return True
        return False

    def finish(self, trial: int, completed: bool) -> None:  # noqa: FBT001  # the session's call
        """Take in that a trial has ended; `completed` if it was neither stopped nor failed."""
        for rule in self._rules.values():
            rule.finish(trial, completed=completed)
        self._behind.pop(trial, None)
        self._stopped.discard(trial)


class _Rule(Protocol):
    """Scores here are larger for better, and -inf for NaN. None: not judged at this step."""

    def report(self, trial: int, step: float, score: float) -> bool | None: ...

    def finish(self, trial: int, *, completed: bool) -> None: ...


def _rule(prune: Prune) -> _Rule:
    match prune.rule:
        case "median":
            return _Median(prune)
        case "asha":
            return _Asha(prune)
        case "hyperband":
            from trialwright.analysis.hyperband import Hyperband  # takes Optuna, half a second

            return Hyperband(prune)


@dataclass(slots=True)
class _Asha:
    """Asynchronous successive halving, in the form that stops instead of pausing.

    Li et al., A System for Massively Parallel Hyperparameter Tuning (MLSys 2020), algorithm 2. A
    trial goes on past a rung if it is among the best 1/factor of those that came there before it.
    The first `factor - 1` pass unjudged: a share of fewer than `factor` trials is none.
    """

    prune: Prune
    rungs: list[list[float]] = field(default_factory=list)
    """Per rung, the scores seen there, ascending."""
    passed: dict[int, int] = field(default_factory=dict)
    """Per trial, how many rungs lie behind it."""

    def report(self, trial: int, step: float, score: float) -> bool | None:
        reached = self._reached(step)
        if reached <= self.passed.get(trial, 0):
            return None
        # A trial that reports seldom may pass several rungs at once: the highest one judges it.
        self.passed[trial] = reached
        while len(self.rungs) < reached:
            self.rungs.append([])
        rung = self.rungs[reached - 1]
        insort(rung, score)
        factor = max(self.prune.factor, 2)
        if len(rung) < factor:
            return False
        return score == -math.inf or score < rung[-(len(rung) // factor)]

    def finish(self, trial: int, *, completed: bool) -> None:  # noqa: ARG002
        self.passed.pop(trial, None)

    def _reached(self, step: float) -> int:
        """The number of rungs `first * factor^k` at or below a step."""
        first, factor = max(self.prune.first, 1), max(self.prune.factor, 2)
        if step < first:
            return 0
        return math.floor(math.log(step / first) / math.log(factor) + 1e-9) + 1


@dataclass(slots=True)
class _Median:
    """The median rule of Golovin et al., Google Vizier (KDD 2017), section 3.2.2.

    A trial stops if its best so far is worse than the median of the earlier trials' best by then.
    Other than there, earlier trials that were stopped count too, with the best that they had: else
    only ever better trials would set the bar, and nine in ten would stop instead of half.

    Steps are judged in cells `STEP_CELL` wide on a log scale: whole steps up to twenty each have
    their own.
    """

    prune: Prune
    running: dict[int, list[tuple[int, float]]] = field(default_factory=dict)
    """Per running trial: each cell that it came to, and its best by then."""
    best: dict[int, float] = field(default_factory=dict)
    cells: dict[int, list[float]] = field(default_factory=dict)
    """Per cell, the ended trials' best by then, ascending."""
    judging: list[int] = field(default_factory=list)
    """The cells that enough trials have passed, ascending."""
    ended: list[tuple[int, float]] = field(default_factory=list)
    """Per ended trial: its last cell, and its best."""

    def report(self, trial: int, step: float, score: float) -> bool | None:
        best = self.best[trial] = max(score, self.best.get(trial, -math.inf))
        passed = self.running.setdefault(trial, [])
        first = max(self.prune.first, 1)
        cell = math.floor(math.log(step / first) / STEP_CELL + 1e-9) if step >= first else -1
        if cell < 0 or (passed and passed[-1][0] >= cell):
            return None
        passed.append((cell, best))
        # A cell that few have come to is judged by the one before: in the running trial's favour.
        index = bisect_right(self.judging, cell)
        return index > 0 and best < _median(self.cells[self.judging[index - 1]])

    def finish(self, trial: int, *, completed: bool) -> None:  # noqa: ARG002
        passed = self.running.pop(trial, [])
        best = self.best.pop(trial, -math.inf)
        if not passed:
            return
        last = passed[-1][0]
        for cell, score in passed:
            if cell not in self.cells:
                self.cells[cell] = sorted(score for end, score in self.ended if end < cell)
            self._enter(cell, score)
        for cell in self.cells:
            if cell > last:
                self._enter(cell, best)
        self.ended.append((last, best))

    def _enter(self, cell: int, score: float) -> None:
        scores = self.cells[cell]
        insort(scores, score)
        if len(scores) >= max(self.prune.warmup, 1):
            at = bisect_left(self.judging, cell)
            if at == len(self.judging) or self.judging[at] != cell:
                self.judging.insert(at, cell)


def timed(metrics: Mapping[str, float], seconds: float | None) -> Mapping[str, float]:
    """Return metrics with the seconds of the run so far, unless it reports some of its own."""
    return metrics if seconds is None else {"seconds": seconds, **metrics}


def streamed(
    observation: Observation, watched: Sequence[str]
) -> Iterator[tuple[float, Mapping[str, float]]]:
    """Yield what a run reported of some metrics, step by step, as it did while it went on.

    When each step came is not recorded: seconds are taken to have gone evenly over the steps.
    """
    curve = observation.curve
    last = max(curve.steps, default=0.0)
    for index, step in enumerate(curve.steps):
        found = {name: curve.series[name][index] for name in watched if name in curve.series}
        metrics = {name: value for name, value in found.items() if value is not None}
        share = step / last if last > 0 else 1.0
        yield step, timed(metrics, observation.seconds * share)


def _median(scores: Sequence[float]) -> float:
    half = len(scores) // 2
    if len(scores) % 2:
        return scores[half]
    low, high = scores[half - 1], scores[half]
    return high if low == -math.inf else (low + high) / 2
