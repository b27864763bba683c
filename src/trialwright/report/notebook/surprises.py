"""What came otherwise than expected: results outside of what was predicted, claims undone."""

from __future__ import annotations

import math
from dataclasses import dataclass

from trialwright.analysis.beliefs import Belief
from trialwright.analysis.noise import noise
from trialwright.history import History, Trial
from trialwright.records import Interval
from trialwright.report import counting, words
from trialwright.report.notebook.episodes import difference
from trialwright.robust import mean

MOST = 5
"""Surprises of each kind."""


@dataclass(frozen=True, slots=True)
class Miss:
    """A result outside of what was predicted for it."""

    trial: Trial
    interval: Interval
    value: float
    seed: int | None
    """The seed whose value it is; None: it is the trial's own, of all its seeds."""

    @property
    def outside(self) -> float:
        """How far it is outside."""
        return max(self.interval.low - self.value, self.value - self.interval.high)

    @property
    def size(self) -> float:
        """How far it is outside, in widths of the interval."""
        width = self.interval.high - self.interval.low
        return self.outside / width if width > 0 else math.inf


def misses(history: History) -> list[Miss]:
    """Return the results outside of what was predicted by more than noise, the farthest first."""
    found = [
        Miss(trial, interval, value, seed=0 if 0 in trial.values else None)
        for trial in counting.done(history)
        if (interval := trial.proposal.predicted) is not None
        and trial.admission.code == trial.code
        and (value := trial.values.get(0, trial.value)) is not None
        and not interval.low <= value <= interval.high
    ]
    least = spread.sd if (spread := noise(history)) is not None else 0.0
    told = [miss for miss in found if miss.outside > least]
    return sorted(told, key=lambda miss: (-miss.size, miss.trial.number))


def sentences(history: History, held: list[Belief]) -> list[str]:
    """Return the greatest surprises, a sentence each."""
    undone = [belief for belief in held if belief.level == "contradicted"]
    return [
        *(_missed(history, miss) for miss in misses(history)[:MOST]),
        *(_undone(belief) for belief in undone[:MOST]),
    ]


def _missed(history: History, miss: Miss) -> str:
    interval, trial = miss.interval, miss.trial
    far = "far " if miss.size > 1 else ""
    where = f"{far}{'below' if miss.value < interval.low else 'above'}"
    step = difference(history, trial)
    changed = f" It changed {step}." if step else ""
    return (
        f"{_whose(history, miss)}, {where} the"
        f" {words.number(interval.low)} to {words.number(interval.high)} that"
        f" {words.line(trial.proposal.by, most=40)} had predicted with"
        f" {interval.level:.0%}.{changed}"
    )


def _whose(history: History, miss: Miss) -> str:
    """Say whose value it is: that of one seed is not the trial's."""
    number, values = miss.trial.number, list(miss.trial.values.values())
    if miss.seed is None or len(values) == 1:
        return f"Trial {number} gave {words.number(miss.value)}"
    metric = words.line(history.task.objective.metric)
    return (
        f"Seed {miss.seed} of trial {number}, its first run, gave {metric}"
        f" {words.number(miss.value)} (the mean of its {len(values)} seeds is"
        f" {words.number(mean(values))})"
    )


def _undone(belief: Belief) -> str:
    against = f"trial{'s' if len(belief.against) > 1 else ''} {words.listed(belief.against)}"
    by = words.line(belief.by, most=40)
    return f"{words.sentence(belief.text)} So {by} claimed; {against} contradicted it."
