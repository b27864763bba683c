"""Several objectives: which trials no other one beats in all of them.

Decided by code from the means over seeds; trials that miss a requirement, or an objective, are out.
The best trial is still the best by the first objective, which alone gives verdicts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trialwright.history import History, Trial
from trialwright.task import Objective, Task

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A trial with its value for each objective, in their order."""

    trial: int
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """The trials that no other one beats, and those that are beaten, under one code version."""

    objectives: tuple[Objective, ...]
    front: tuple[Point, ...]
    """By the first objective, the best first."""
    beaten: tuple[Point, ...]
    """By number."""
    incomplete: tuple[int, ...]
    """Trials with a value that lack another objective."""


def front(history: History) -> Front | None:
    """Return the Pareto front of a study; None of one that has a single objective.

    Under the code version of the best trial, or the newest without one.
    """
    task = history.task
    if not task.also:
        return None
    best = history.best()
    trials = history.done(code=best.code if best else history.code)
    points, incomplete = [], []
    for trial in trials:
        values = values_of(trial, task)
        if values is None:
            incomplete.append(trial.number)
        else:
            points.append(Point(trial=trial.number, values=values))
    objectives = (task.objective, *task.also)
    kept = undominated(_gains(points, objectives))
    chosen = [point for point, keep in zip(points, kept, strict=True) if keep]
    sign = task.objective.sign
    return Front(
        objectives=objectives,
        front=tuple(sorted(chosen, key=lambda point: (-sign * point.values[0], point.trial))),
        beaten=tuple(point for point, keep in zip(points, kept, strict=True) if not keep),
        incomplete=tuple(incomplete),
    )


def values_of(trial: Trial, task: Task) -> tuple[float, ...] | None:
    """Return a trial's value for each objective; None if one is missing or not finite."""
    if trial.value is None:
        return None
    measures = trial.measures
    found = [trial.value, *(measures.get(one.metric, math.nan) for one in task.also)]
    return tuple(found) if all(map(math.isfinite, found)) else None


def undominated(gains: Array) -> NDArray[np.bool_]:
    """Say which rows, shape (n, d), no other row is at least as good as in all, and better in one.

    Larger is better. Rows that are equal are all kept.

    >>> undominated(np.array([[1.0, 1.0], [2.0, 0.0], [0.5, 0.5], [1.0, 1.0]])).tolist()
    [True, True, False, True]
    """
    kept = np.ones(len(gains), dtype=bool)
    for index in np.lexsort(-gains.T[::-1]):
        if kept[index]:
            row = gains[index]
            kept &= ~(np.all(gains <= row, axis=1) & np.any(gains < row, axis=1))
    return kept


def _gains(points: Sequence[Point], objectives: Sequence[Objective]) -> Array:
    signs = np.array([objective.sign for objective in objectives], dtype=np.float64)
    return np.array([point.values for point in points]).reshape(-1, len(signs)) * signs
