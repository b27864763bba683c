"""Early stopping: which running trial has fallen so far behind that its time is better spent.

Rules see only numbers: the objective's metric at a step, per trial. They are told of every report in
turn, and can be rebuilt after a resume by telling them again. A NaN counts as worse than any number.
"""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from trialwright.task import Objective, Prune

POINTS = 200
"""Points of a finished trial that the median rule keeps: as many as its recorded curve has."""


class Pruner:
    """One of the rules, for one study.

    >>> pruner = Pruner(Prune(rule="asha", first=1, factor=2), Objective(metric="acc"))
    >>> [pruner.report(trial, 1, acc) for trial, acc in enumerate([0.5, 0.4, 0.8, 0.6])]
    [False, True, False, False]
    """

    def __init__(self, prune: Prune, objective: Objective) -> None:
        self._sign = objective.sign
        self._first = prune.first
        self._rule = _rule(prune)
        self._stopped: set[int] = set()

    def report(self, trial: int, step: float, value: float) -> bool:
        """Take in a trial's metric at a step; say whether the trial should stop.

        Steps need not be whole, nor the same for all trials. Once a trial should stop, it should.
        """
        if trial in self._stopped:
            return True
        if not math.isfinite(step):
            return False
        score = -math.inf if math.isnan(value) else self._sign * value
        if self._rule.report(trial, step, score) and step >= self._first:
            self._stopped.add(trial)
            return True
        return False

    def finish(self, trial: int, completed: bool) -> None:  # noqa: FBT001  # the session's call
        """Take in that a trial has ended; `completed` if it was neither stopped nor failed."""
        self._rule.finish(trial, completed=completed)
        self._stopped.discard(trial)


class _Rule(Protocol):
    """Scores here are larger for better, and -inf for NaN."""

    def report(self, trial: int, step: float, score: float) -> bool: ...

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

    def report(self, trial: int, step: float, score: float) -> bool:
        reached = self._reached(step)
        if reached <= self.passed.get(trial, 0):
            return False
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
    """Golovin et al., Google Vizier (KDD 2017), section 3.2.2, with the best so far on both sides.

    A trial stops if its best so far is worse than the median, over completed trials, of their best
    by the same step. A step at which fewer than `warmup` trials reported is judged by the nearest
    one before it at which so many did; that is in the running trial's favour.
    """

    prune: Prune
    running: dict[int, list[tuple[float, float]]] = field(default_factory=dict)
    """Per running trial, (step, best so far)."""
    at: dict[float, list[float]] = field(default_factory=dict)
    """Per step, the completed trials' best by then, ascending."""
    judging: list[float] = field(default_factory=list)
    """The steps at which enough trials reported, ascending."""

    def report(self, trial: int, step: float, score: float) -> bool:
        points = self.running.setdefault(trial, [])
        best = max(score, points[-1][1]) if points else score
        points.append((step, best))
        index = bisect_right(self.judging, step)
        return index > 0 and best < _median(self.at[self.judging[index - 1]])

    def finish(self, trial: int, *, completed: bool) -> None:
        points = self.running.pop(trial, [])
        if not completed:
            return
        # A script that starts again from step 1 reports a step twice: its later best stands.
        for step, best in dict(_thinned(points)).items():
            scores = self.at.setdefault(step, [])
            insort(scores, best)
            if len(scores) == max(self.prune.warmup, 1):
                insort(self.judging, step)


def _median(scores: Sequence[float]) -> float:
    half = len(scores) // 2
    if len(scores) % 2:
        return scores[half]
    low, high = scores[half - 1], scores[half]
    return high if low == -math.inf else (low + high) / 2


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most `POINTS` of the points, evenly, the last among them."""
    if len(points) <= POINTS:
        return points
    return [points[(index + 1) * len(points) // POINTS - 1] for index in range(POINTS)]
