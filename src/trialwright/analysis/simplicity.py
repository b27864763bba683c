"""Is less code as good, is more code worth it, is a change still needed? Rules over numbers.

They concern trials whose code differs, and no others. Sizes are nodes of the syntax tree, and lines
where nodes are equal. Pure; what two trials' seeds say of each other is told by `compare`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from scipy.special import stdtr, stdtrit

from trialwright.history import History, Trial, lead
from trialwright.records import Verdict
from trialwright.task import Task

POWER = 0.8
"""Share of cases in which a loss of the size that is ruled out would be found: the usual one where
numbers of samples are planned."""

STEP = 100
"""Nodes that `research: {price: ...}` is about."""


class Told(Protocol):
    """What two trials' seeds say of their difference: a `compare.Comparison`."""

    @property
    def difference(self) -> float:
        """Positive means better."""

    @property
    def error(self) -> float | None:
        """Its standard error; None without an estimate of the noise."""

    @property
    def degrees(self) -> float:
        """Degrees of freedom behind `error`."""

    @property
    def seeds(self) -> int:
        """Of the trial that has fewer."""


@dataclass(frozen=True, slots=True)
class Equal:
    """Two trials are as good as each other, as far as the study's seeds can tell."""

    tolerance: float
    """The loss that is ruled out; 0 where seeds make no difference, or nothing is known of them."""
    probability: float
    """Of a larger loss all the same."""

    def said(self, trial: Trial, against: Trial) -> str:
        """Say it, and how much less code there is."""
        less = f"with {fewer(trial, against)} than trial {against.number}"
        if not self.tolerance:
            return f"as good, {less}"
        return (
            f"as good within noise (worse by more than {self.tolerance:.3g} with probability"
            f" {self.probability:.2g}), {less}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What code has to gain that is larger than what it is held against."""

    nodes: int
    each: float
    """Standard deviations of a seed that `STEP` nodes have to gain."""
    deviation: float
    """The standard deviation of a seed, in the objective's unit."""

    @property
    def amount(self) -> float:
        """The least gain, in the objective's unit."""
        return self.nodes / STEP * self.each * self.deviation

    @property
    def least(self) -> str:
        """What is to be gained, in words."""
        return (
            f"the {self.amount:.3g} that {_counted(self.nodes, 'more node')} of code have to gain"
        )

    def too_much(self, difference: float) -> str:
        """Say that a gain is not worth its code."""
        return (
            f"better by {difference:.3g}, but {_counted(self.nodes, 'more node')} of code have to"
            f" gain {self.amount:.3g} ({self.each:g} of a seed's standard deviation,"
            f" {self.deviation:.3g}, per {STEP} nodes)"
        )


def concerns(trial: Trial, against: Trial, task: Task) -> bool:
    """Say whether the rules concern two trials: of a study that changes code, with other code."""
    return task.research is not None and trial.tree != against.tree


def smaller(trial: Trial, other: Trial) -> bool:
    """Say whether a trial has less code than another: nodes first, lines where they are equal."""
    return (trial.size, trial.lines) < (other.size, other.lines)


def fewer(trial: Trial, other: Trial) -> str:
    """Say how much less code a smaller trial has."""
    nodes, lines = other.size - trial.size, other.lines - trial.lines
    return _counted(nodes, "node") + " fewer" if nodes else _counted(lines, "line") + " fewer"


def equal(told: Told, task: Task) -> Equal | None:
    """Say whether a trial is as good as another; None: it is not, or its seeds are too few to say.

    The tolerance is the smallest loss that `seeds.confirm` seeds on both sides would tell from
    noise four times of five: (t_confidence + t_`POWER`) standard errors, which is what sample sizes
    are planned by. A loss beyond it has to have a probability of at most 1 - confidence, and a loss
    of any size must not be real with `confidence`. So the study looks for a loss no more coarsely
    than for a gain, and more seeds narrow both. Without noise, or while it is unknown, only what
    is equal is equal.
    """
    enough = task.seeds.confirm or 1
    if told.seeds < enough:
        return None
    if not told.error:
        return Equal(0.0, 0.0) if told.difference == 0 else None
    error = told.error * math.sqrt(told.seeds / enough)
    tolerance = error * float(stdtrit(told.degrees, task.confidence))
    tolerance += error * float(stdtrit(told.degrees, POWER))
    beyond = float(stdtr(told.degrees, -(told.difference + tolerance) / told.error))
    worse = float(stdtr(told.degrees, -told.difference / told.error))
    if beyond > 1 - task.confidence or worse >= task.confidence:
        return None
    return Equal(tolerance, beyond)


def price(trial: Trial, against: Trial, task: Task, *, deviation: float | None) -> Price | None:
    """Return what a trial has to gain for its code; None where it is no larger, or noise unknown.

    `deviation` is the standard deviation of a seed. Where seeds make no difference, code is free.
    """
    nodes = trial.size - against.size
    if not concerns(trial, against, task) or nodes <= 0 or not deviation:
        return None
    each = task.research.price if task.research is not None else 0.0
    return Price(nodes=nodes, each=each, deviation=deviation) if each else None


def stood_for(trial: Trial, history: History) -> Iterator[Trial]:
    """Yield whose place a trial took for being simpler, back to what led by its value."""
    while trial.verdict is not None and trial.verdict.simpler and trial.verdict.against is not None:
        trial = history.trials[trial.verdict.against]
        yield trial


def answered(verdict: Verdict, trial: Trial, history: History) -> Verdict:
    """Return a verdict that says, where a change was taken back, whether that is still needed."""
    if trial.proposal.without is None:
        return verdict
    answer = _answer(verdict, trial, history).format(
        f"the change of trial {trial.proposal.without}"
    )
    return replace(verdict, sentence=f"{verdict.sentence}; {answer}")


def settled(trial: Trial, task: Task) -> bool:
    """Say whether a trial in which a change was taken back tells that the change is to stay.

    Also where it makes no difference, and leaving it out is not even less code.
    """
    verdict = trial.verdict
    if verdict is None or verdict.status in ("kept", "unconfirmed"):
        return False
    return verdict.status == "failed" or not _open(verdict, trial, task)


_ANSWERS = {
    "kept": "{} is no longer needed",
    "unconfirmed": "{} may no longer be needed",
    "failed": "without {} it does not run",
}


def _answer(verdict: Verdict, trial: Trial, history: History) -> str:
    """What a verdict says of the change that was taken back, which `{}` stands for."""
    if verdict.status != "discarded":
        return _ANSWERS[verdict.status]
    if _open(verdict, trial, history.task):
        return "whether {} is still needed is open"
    if trial.value is None or verdict.against is None:
        return "{} is still needed"
    ahead = lead(trial, history.trials[verdict.against], history.task)
    if ahead == 0:
        return "nothing is gained without {}"
    sure = verdict.probability is None or _surely_worse(verdict, history.task)
    return "{} is still needed" if sure else "{} may still be needed, and stays"


def _open(verdict: Verdict, trial: Trial, task: Task) -> bool:
    """Whether further seeds may show a trial that looks worse to be as good."""
    if trial.value is None or _surely_worse(verdict, task):
        return False
    return not trial.has(task.seeds.confirm or 0)


def _surely_worse(verdict: Verdict, task: Task) -> bool:
    return verdict.probability is not None and 1 - verdict.probability >= task.confidence


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
