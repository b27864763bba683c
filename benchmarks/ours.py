"""The expert as a contender: a real study in a temporary folder, with the training simulated.

Admission, verdicts and the ledger are the product's own; only the runner is replaced, by one that
asks the evaluation cache. `LACKING` are the ablations: the expert without one of the things that
it goes by.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from benchmarks.tasks.evaluation import CACHE, Evaluation, default_of, evaluate, task_of
from trialwright.execute.simulate import SimulatedRunner
from trialwright.expression import Scalar
from trialwright.history import History
from trialwright.propose.evidence import Evidence
from trialwright.propose.expert import Expert
from trialwright.propose.prior import Prior
from trialwright.propose.proposer import Proposer
from trialwright.records import Proposal
from trialwright.space import Space
from trialwright.study import Study
from trialwright.task import Budget, Objective, RunnerPlan, Seeds, Task

Lacking = Literal["knowledge", "curves", "history", "surrogate"]
LACKING: tuple[Lacking, ...] = ("knowledge", "curves", "history", "surrogate")

Points = Iterator[tuple[int, Mapping[str, float]]]


class Unlearned(Prior):
    """A prior of somebody who knows no kind of model, no recipe and no parameter by its name."""

    family = None
    facts: ClassVar[Mapping[str, float]] = {}
    advice: ClassVar[Mapping[str, object]] = {}
    recipes = ()


class Unmodelled(Evidence):
    """Evidence of somebody who fits no surrogate to the results."""

    model = None


def _unlearned(task: Task, history: History) -> Evidence:
    return Evidence(task, history, Unlearned(task))


@dataclass
class Planned:
    """The expert that sees no results: every trial is proposed before the first one."""

    trials: int
    _plan: list[Proposal] = field(default_factory=list)

    @property
    def name(self) -> str:
        return "expert"

    def __call__(
        self, task: Task, history: History, n: int, rng: np.random.Generator
    ) -> list[Proposal]:
        if not self._plan:
            self._plan = Expert()(task, History(), self.trials, rng)
        done = len(history.trials)
        return self._plan[done : done + n] or Expert()(task, History(), n, rng)


@dataclass
class Timed:
    """A proposer whose seconds per proposal are noted."""

    proposer: Proposer
    seconds: list[float] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.proposer.name

    def __call__(
        self, task: Task, history: History, n: int, rng: np.random.Generator
    ) -> list[Proposal]:
        start = time.perf_counter()
        proposals = self.proposer(task, history, n, rng)
        self.seconds.append(time.perf_counter() - start)
        return proposals


@dataclass(frozen=True, slots=True)
class Step:
    """One trial of a method, and the seconds that it took to suggest it."""

    configuration: Mapping[str, Scalar]
    value: float | None
    """The objective; None if the training failed."""
    seconds: float


def expert(lacking: Lacking | None, trials: int) -> Proposer:
    """Return the expert, perhaps without one of the things that it goes by.

    Curves are not taken from it but from what the training tells (`play_expert`).
    """
    match lacking:
        case "knowledge":
            return Expert(read=_unlearned)
        case "surrogate":
            return Expert(read=Unmodelled.of)
        case "history":
            return Planned(trials)
        case _:
            return Expert()


def play_expert(
    name: str, seed: int, trials: int, *, defaults: bool, lacking: Lacking | None = None,
    cache: Path = CACHE,
) -> list[Step]:  # fmt: skip
    """Return what a study by the expert tried, in order, and what came of it.

    All trials are trained under `seed`, as the peers' are. Without `defaults` the space has none.
    """
    stated = task_of(name)
    task = replace(
        stated,
        space=_space(name, stated.space, defaults=defaults),
        budget=Budget(trials=trials),
        seeds=Seeds(study=seed),
        runner=RunnerPlan(workers=1),
    )

    def train(configuration: Mapping[str, Scalar], _: int) -> Points:
        evaluation = evaluate(name, configuration, seed, cache=cache)
        if lacking == "curves":
            return _end(evaluation, task.objective)
        return evaluation.replayed()

    proposer = Timed(expert(lacking, trials))
    with tempfile.TemporaryDirectory() as folder, SimulatedRunner(train) as runner:
        history = Study(task, folder, runner=runner, proposer=proposer).run()
    # One worker: a proposal is asked for each trial, and further ones only if one is refused.
    each = math.fsum(proposer.seconds) / max(len(history.trials), 1)
    seconds = proposer.seconds if len(proposer.seconds) == len(history.trials) else None
    return [
        Step(dict(trial.configuration), trial.value, each if seconds is None else seconds[number])
        for number, trial in enumerate(history.trials)
    ]


def _space(name: str, space: Space, *, defaults: bool) -> Space:
    """Return the space with the default that every method is given, or with none."""
    given = default_of(name) if defaults else {}
    parameters = tuple(replace(p, default=given.get(p.name)) for p in space.parameters)
    return Space(parameters, space.constraints)


def _end(evaluation: Evaluation, objective: Objective) -> Points:
    """Yield the one number that counts, or fail in the training's own words."""
    value = evaluation.value(objective)
    if evaluation.failure:
        yield from replace(evaluation, points=()).replayed()
    yield 1, {objective.metric: float("nan") if value is None else value}
