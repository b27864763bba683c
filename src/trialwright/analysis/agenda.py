"""Which runs are due, and in which order: begun, asked for, seeds, remedies, proposals. Pure."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Container, Iterable, Iterator

import numpy as np

from trialwright.errors import ExpressionError
from trialwright.history import History, Trial
from trialwright.records import Proposal, RunKey
from trialwright.space import Configuration
from trialwright.task import Task, worked_out

NEIGHBOURS = 5
"""Runs of like configurations, from whose times a run's is foretold."""

LATEST = 200
"""Runs that are looked at for it."""

SORTED = 10_000
"""Cells of a grid that are put in order at a time."""

OWN = ("user", "grid")
"""In `Proposal.by`: what the study file itself asks for."""

REMEDY = "healer"

Cost = Callable[[Configuration], float]


def due(
    history: History, going: Container[RunKey], retries: Iterable[RunKey], task: Task
) -> list[RunKey]:
    """Return the runs that should be started and are not among `going`, in order.

    What was begun goes first; then what people asked for, more seeds of a trial that has some,
    remedies, and last what was proposed. Among equals, the earlier trial; or with
    `schedule: {first: cheap}` the one that costs least.
    """
    found = [(0, key) for key in sorted(retries, key=str)]
    for trial in history.pending():
        begun = [seed for seed in trial.every if _interrupted(trial, seed, going)]
        asked = [0] if trial.rerun else []
        seeds = sorted({*begun, *asked, *trial.missing})
        found += [
            (0 if seed in begun else _rank(trial), RunKey(trial.number, seed, trial.attempts(seed)))
            for seed in seeds
        ]
    if task.schedule.first == "cheap" and len(found) > 1:
        cost = cost_of(task, history)
        costs = {key.trial: cost(history.trials[key.trial].configuration) for _, key in found}
        found.sort(key=lambda pair: (pair[0], costs[pair[1].trial]))
    else:
        found.sort(key=lambda pair: pair[0])
    return [key for _, key in found]


def own(task: Task, history: History) -> Iterator[Proposal]:
    """Yield what the user asks for in the study file: `start`, then the grid.

    The cheap cells of a grid come first where the study file says so.
    """
    if task.research is not None:
        yield asked(history.space.complete({}), "the code as it is, which every edit has to beat")
    for start in task.start:
        configuration = history.space.complete(start)
        yield asked(configuration, "a start configuration of the study file")
    if task.grid is None:
        return
    cells: Iterator[Configuration] = history.space.grid(task.grid)
    if task.schedule.first == "cheap" and task.schedule.cost:
        cells = _sorted(cells, cost_of(task, history))
    for cell in cells:
        yield asked(cell, "the next cell of the study file's grid", by="grid")


def asked(configuration: Configuration, rationale: str, *, by: str = "user") -> Proposal:
    """Return a configuration that the user asks for, as a proposal."""
    return Proposal(configuration=configuration, by=by, rationale=rationale, category="baseline")


def cost_of(task: Task, history: History) -> Cost:
    """Return what a configuration is expected to cost.

    By the study file's expression; else the seconds that the runs nearest to it took, which tells
    configurations apart from `NEIGHBOURS` runs on.
    """
    if task.schedule.cost:
        return lambda configuration: _stated(task, configuration)
    return _learned(history)


def _stated(task: Task, configuration: Configuration) -> float:
    try:
        return worked_out(task.schedule.cost, task, configuration)
    except ExpressionError:
        return math.inf


def _learned(history: History) -> Cost:
    ended = [
        (trial.configuration, run.observation.seconds)
        for trial in history.trials[-LATEST:]
        for run in trial.runs
        if run.observation is not None and run.observation.outcome == "done"
    ][-LATEST:]
    if len(ended) < NEIGHBOURS:
        return lambda configuration: 0.0  # noqa: ARG005
    points = history.space.encode([configuration for configuration, _ in ended])
    seconds = np.log(np.maximum([taken for _, taken in ended], 1e-6))

    def cost(configuration: Configuration) -> float:
        apart = np.abs(points - history.space.encode([configuration])).sum(axis=1)
        nearest = np.argsort(apart, kind="stable")[:NEIGHBOURS]
        return float(np.exp(seconds[nearest].mean()))

    return cost


def _sorted(cells: Iterator[Configuration], cost: Cost) -> Iterator[Configuration]:
    while chunk := list(itertools.islice(cells, SORTED)):
        yield from sorted(chunk, key=cost)


def _rank(trial: Trial) -> int:
    if trial.rerun or trial.admission.request is not None or trial.proposal.by in OWN:
        return 1
    if trial.runs:
        return 2
    return 3 if trial.proposal.by == REMEDY else 4


def _interrupted(trial: Trial, seed: int, going: Container[RunKey]) -> bool:
    """Whether a seed's latest attempt was begun and has shown nothing."""
    run = trial.every[seed]
    if run.observation is None:
        return run.key not in going and not run.handed_out
    return run.observation.outcome == "cancelled"
